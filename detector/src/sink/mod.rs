//! Where do alerts go, and how is none lost on the way?
//!
//! [`dispatch`] writes what is decided to the store and tells every sink's [`outbox::Outbox`] where it waits; one task
//! per sink empties its outbox and acknowledges. A sink that is slow or away delays its own outbox only, and what
//! waits for it lies on disk.

pub mod alertmanager;
pub mod courier;
pub mod digest;
pub mod dispatch;
pub mod email;
pub mod filter;
pub mod kafka;
pub mod ndjson;
pub mod outbox;
pub mod post;
pub mod say;
pub mod scope;
pub mod slack;
pub mod start;
pub mod status;
pub mod syslog;
pub mod template;
pub mod trial;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rules::alert::{Alert, Class, ReasonCode, Severity, Transition};
use rules::bgp::Timestamp;
use rules::limits;

use crate::notice::Notice;
use filter::Filter;
use outbox::Outbox;
use status::SinkStatus;

/// One transition on its way to one sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub id: Arc<str>,
    pub sequence: u32,
    pub transition: Transition,
    pub json: Arc<str>,
    pub first_prefix: Option<IpNet>,
    pub severity: Severity,
    pub class: Class,
    pub time: Timestamp,
}

impl Delivery {
    pub fn new(alert: &Alert, json: Arc<str>) -> Self {
        Self {
            id: alert.id.as_str().into(),
            sequence: alert.sequence,
            transition: alert.transition,
            json,
            first_prefix: alert.prefixes.first().copied(),
            severity: alert.severity,
            class: alert.class,
            time: alert.time,
        }
    }
}

/// True if the alert says nothing but that counts have grown: the only one that may be left out.
pub fn merely_refreshes(alert: &Alert) -> bool {
    alert.transition == Transition::Updated && matches!(alert.reason.code, ReasonCode::Prefixes | ReasonCode::Spread)
}

/// What a sink is given to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Parcel {
    Alert(Delivery),
    /// Retention has forgotten this incident, and so may whoever keeps the latest of each.
    Forget(Arc<str>),
    /// Under its id.
    Notice(Arc<str>, Notice),
}

impl Parcel {
    pub fn notice(notice: Notice) -> Self {
        Self::Notice(notice.id().into(), notice)
    }

    /// What has the same key arrives in its order.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Alert(delivery) => &delivery.id,
            Self::Forget(id) | Self::Notice(id, _) => id,
        }
    }

    /// Bytes of JSON, or about as many.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Alert(delivery) => delivery.json.len(),
            Self::Forget(_) => 0,
            Self::Notice(id, notice) => id.len() + notice.detail.len(),
        }
    }
}

/// What one sink gets of all alerts.
pub struct Route {
    pub name: Arc<str>,
    pub outbox: Arc<Outbox>,
    pub status: Arc<SinkStatus>,
    /// Keeps the latest of each incident, so it has to hear when one is forgotten.
    pub keeps_latest: bool,
    /// Hears what is wrong with the watching, too.
    pub notices: bool,
    filter: Filter,
    /// The first transition of each incident that this sink was told: it hears of the end of these, too, whatever
    /// became of their severity.
    told: BTreeMap<Arc<str>, u32>,
}

impl Route {
    pub fn new(name: Arc<str>, filter: impl Into<Filter>, outbox: Arc<Outbox>) -> Self {
        let (status, told, filter) = (Arc::default(), BTreeMap::new(), filter.into());
        Self { name, outbox, status, keeps_latest: false, notices: false, filter, told }
    }

    /// Is this transition for this sink? A rerun of the same transitions gives the same answers.
    pub fn wants(&self, alert: &Alert) -> bool {
        let has_heard = self.told.get(alert.id.as_str()).is_some_and(|first| *first < alert.sequence);
        self.filter.wants(alert, has_heard)
    }

    /// Remembers that it was told.
    pub fn tell(&mut self, id: Arc<str>, sequence: u32) {
        let first = self.told.entry(id).or_insert(sequence);
        *first = sequence.min(*first);
        if self.told.len() > limits::INCIDENTS {
            // Ids begin with their time, so the first is the oldest.
            self.told.pop_first();
        }
    }
}

/// How long to wait before the attempt after `failures` in a row: 100 ms, doubled up to 10 s.
fn pause_after(failures: u32) -> Duration {
    Duration::from_millis(100 << failures.saturating_sub(1).min(7)).min(Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;

    fn alert(severity: Severity, sequence: u32) -> Alert {
        Alert { severity, sequence, ..opened() }
    }

    #[test]
    fn a_sink_hears_the_end_of_what_it_heard_begin_and_no_more_the_second_time() {
        let mut route = Route::new("bus".into(), Severity::High, Arc::default());
        let story = [alert(Severity::Low, 1), alert(Severity::High, 2), alert(Severity::Low, 3)];
        for _ in 0..2 {
            let heard: Vec<_> = (story.iter())
                .filter(|alert| {
                    let wanted = route.wants(alert);
                    if wanted {
                        route.tell(alert.id.as_str().into(), alert.sequence);
                    }
                    wanted
                })
                .map(|alert| alert.sequence)
                .collect();
            assert_eq!(heard, [2, 3]);
        }
    }

    #[test]
    fn only_growing_counts_may_be_left_out() {
        let mut alert = Alert { transition: Transition::Updated, ..opened() };
        for (code, may) in [(ReasonCode::Spread, true), (ReasonCode::Prefixes, true), (ReasonCode::Severity, false)] {
            alert.reason.code = code;
            assert_eq!(merely_refreshes(&alert), may, "{code}");
        }
    }

    #[test]
    fn pauses_grow_and_stop_growing() {
        assert_eq!(pause_after(1), Duration::from_millis(100));
        assert_eq!(pause_after(2), Duration::from_millis(200));
        assert_eq!(pause_after(1_000), Duration::from_secs(10));
    }
}
