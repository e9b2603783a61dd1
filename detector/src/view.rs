//! What incidents are there to look at?
//!
//! For looking only: nothing is decided by what stands here. The latest alert of each incident, bounded; when it is
//! full, what was over longest makes room, and open incidents stay as long as others can go.

use std::sync::Arc;

use dashmap::DashMap;
use rules::alert::{Alert, Status};
use rules::bgp::Timestamp;

/// The latest alert of one incident, as decided and as sent.
#[derive(Clone, Debug)]
pub struct Incident {
    pub alert: Arc<Alert>,
    pub json: Arc<str>,
}

#[derive(Debug)]
pub struct IncidentView {
    incidents: DashMap<String, Incident>,
    most: usize,
}

impl Default for IncidentView {
    fn default() -> Self {
        Self::bounded(Self::INCIDENTS)
    }
}

impl IncidentView {
    /// 10,000 incidents with their alerts of 5 to 20 KB: at most 200 MB, and a usual day has some hundred.
    pub const INCIDENTS: usize = 10_000;

    pub fn bounded(most: usize) -> Self {
        Self { incidents: DashMap::new(), most }
    }

    pub fn put(&self, alert: Arc<Alert>, json: Arc<str>) {
        let is_new = self.incidents.insert(alert.id.clone(), Incident { alert, json }).is_none();
        if is_new && self.incidents.len() > self.most {
            self.make_room();
        }
    }

    /// Forgets a tenth at once, so that a full view does not search for every alert.
    fn make_room(&self) {
        let mut all: Vec<(bool, Timestamp, String)> = (self.incidents.iter())
            .map(|entry| {
                let alert = &entry.value().alert;
                (alert.status == Status::Open, alert.time, alert.id.clone())
            })
            .collect();
        all.sort_unstable();
        for (_, _, id) in all.iter().take(self.most / 10 + 1) {
            self.incidents.remove(id);
        }
    }

    pub fn get(&self, id: &str) -> Option<Incident> {
        self.incidents.get(id).map(|entry| entry.value().clone())
    }

    pub fn len(&self) -> usize {
        self.incidents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }

    /// Open ones first, the gravest first, the newest first.
    pub fn list(&self) -> Vec<Incident> {
        let mut all: Vec<Incident> = self.incidents.iter().map(|entry| entry.value().clone()).collect();
        all.sort_by(|a, b| rank(&b.alert).cmp(&rank(&a.alert)));
        all
    }
}

fn rank(alert: &Alert) -> impl Ord + use<'_> {
    (alert.status == Status::Open, alert.severity, alert.started, alert.id.as_str())
}

#[cfg(test)]
mod tests {
    use rules::alert::Severity;

    use super::*;
    use crate::alert::samples::{at, opened};

    fn put(view: &IncidentView, number: i64, status: Status, severity: Severity) {
        let alert = Alert { id: format!("bw-{number}"), status, severity, time: at(number), ..opened() };
        view.put(Arc::new(alert), "{}".into());
    }

    #[test]
    fn a_full_view_forgets_the_oldest_that_are_over() {
        let view = IncidentView::bounded(3);
        put(&view, 1, Status::Open, Severity::Low);
        put(&view, 2, Status::Resolved, Severity::Low);
        put(&view, 3, Status::Resolved, Severity::Low);
        put(&view, 4, Status::Open, Severity::Low);
        assert_eq!(view.len(), 3);
        assert!(view.get("bw-2").is_none() && view.get("bw-1").is_some());
    }

    #[test]
    fn open_and_grave_incidents_stand_first() {
        let view = IncidentView::default();
        put(&view, 1, Status::Resolved, Severity::Critical);
        put(&view, 2, Status::Open, Severity::Low);
        put(&view, 3, Status::Open, Severity::High);
        let ids: Vec<_> = view.list().iter().map(|incident| incident.alert.id.clone()).collect();
        assert_eq!(ids, ["bw-3", "bw-2", "bw-1"]);
    }
}
