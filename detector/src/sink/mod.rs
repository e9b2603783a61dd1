//! Where do alerts go, and how is none lost on the way?
//!
//! Every sink owns an [`outbox::Outbox`] and one task that empties it: a sink that is slow or away delays its own
//! outbox only, until that is full; then the one who fills it waits, which the queues before it feel in turn.

pub mod kafka;
pub mod ndjson;
pub mod outbox;
pub mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rules::alert::{Alert, Class, Severity, Transition};
use rules::bgp::Timestamp;
use rules::limits;

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

/// What one sink gets of all alerts.
pub struct Route {
    pub name: Arc<str>,
    pub outbox: Arc<Outbox>,
    pub status: Arc<SinkStatus>,
    min_severity: Severity,
    /// Incidents this sink has heard of: it hears of their end, too, whatever became of their severity.
    told: BTreeSet<Arc<str>>,
}

impl Route {
    pub fn new(name: Arc<str>, min_severity: Severity) -> Self {
        Self { name, outbox: Arc::new(Outbox::default()), status: Arc::default(), min_severity, told: BTreeSet::new() }
    }

    /// Hands over a delivery if it is for this sink; waits while the outbox is full.
    pub async fn push(&mut self, delivery: &Delivery) {
        if !self.wants(delivery) {
            return;
        }
        if delivery.transition == Transition::Retracted {
            self.told.remove(&delivery.id);
        } else if self.told.insert(delivery.id.clone()) && self.told.len() > limits::INCIDENTS {
            // Ids begin with their time, so the first is the oldest.
            self.told.pop_first();
        }
        self.outbox.push(delivery.clone()).await;
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        delivery.severity >= self.min_severity || self.told.contains(&delivery.id)
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

    fn delivery(severity: Severity, sequence: u32) -> Delivery {
        let alert = Alert { severity, sequence, ..opened() };
        Delivery::new(&alert, "{}".into())
    }

    #[tokio::test]
    async fn a_sink_hears_the_end_of_what_it_heard_begin() {
        let mut route = Route::new("bus".into(), Severity::High);
        route.push(&delivery(Severity::Low, 1)).await;
        assert_eq!(route.outbox.backlog(), 0);
        route.push(&delivery(Severity::High, 2)).await;
        route.push(&delivery(Severity::Low, 3)).await;
        assert_eq!(route.outbox.backlog(), 2);
    }

    #[test]
    fn pauses_grow_and_stop_growing() {
        assert_eq!(pause_after(1), Duration::from_millis(100));
        assert_eq!(pause_after(2), Duration::from_millis(200));
        assert_eq!(pause_after(1_000), Duration::from_secs(10));
    }
}
