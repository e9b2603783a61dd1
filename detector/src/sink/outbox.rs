//! What has a sink not yet confirmed?
//!
//! A delivery stays here until it is acknowledged. Of one incident at most one is out at a time, so transitions
//! arrive in their order however often one has to be sent again; different incidents do not wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Delivery;

/// Deliveries one sink may owe: at 20 transitions a second, far above any measured day, ten minutes.
const DELIVERIES: usize = 12_000;
/// Bytes of JSON one sink may owe: 12,000 usual alerts of 5 KB, or 256 of the largest.
const BYTES: usize = 64 * 1_024 * 1_024;

/// Names a delivery in its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Something was pushed, or became ready, or the outbox was closed.
    work: Notify,
    /// Something was acknowledged.
    space: Notify,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Ticket, (Delivery, Instant)>,
    /// Tickets that may be taken: the oldest of each incident, unless it is out.
    ready: BTreeSet<Ticket>,
    /// All tickets of an incident, oldest first.
    of_incident: HashMap<Arc<str>, VecDeque<Ticket>>,
    bytes: usize,
    next: u64,
    closed: bool,
    stalled: Duration,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::bounded(DELIVERIES, BYTES)
    }
}

impl Outbox {
    pub fn bounded(most: usize, most_bytes: usize) -> Self {
        Self { state: Mutex::default(), work: Notify::new(), space: Notify::new(), most, most_bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a delivery; waits while the outbox is full.
    pub async fn push(&self, delivery: Delivery) {
        let mut waiting_since = None;
        loop {
            let space = self.space.notified();
            if self.has_space_for(&delivery) {
                break;
            }
            waiting_since.get_or_insert_with(Instant::now);
            space.await;
        }
        let mut state = self.state();
        state.stalled += waiting_since.map_or(Duration::ZERO, |since| since.elapsed());
        state.insert(delivery);
        drop(state);
        self.work.notify_one();
    }

    /// A single delivery always fits, however large.
    fn has_space_for(&self, delivery: &Delivery) -> bool {
        let state = self.state();
        state.entries.is_empty()
            || (state.entries.len() < self.most && state.bytes + delivery.json.len() <= self.most_bytes)
    }

    /// The oldest delivery whose incident has none out; waits for one. None once closed and empty of such.
    pub async fn take(&self) -> Option<(Ticket, Delivery)> {
        loop {
            let work = self.work.notified();
            {
                let mut state = self.state();
                if let Some(ticket) = state.ready.pop_first() {
                    let delivery = state.entries[&ticket].0.clone();
                    return Some((ticket, delivery));
                }
                if state.closed && state.entries.is_empty() {
                    return None;
                }
            }
            work.await;
        }
    }

    /// It has arrived: forget it, and let the next transition of its incident go.
    pub fn ack(&self, ticket: Ticket) {
        self.state().remove(ticket);
        self.space.notify_waiters();
        self.work.notify_one();
    }

    /// No more will be pushed.
    pub fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
    }

    /// What has not arrived yet, oldest first.
    pub fn pending(&self) -> Vec<Delivery> {
        self.state().entries.values().map(|(delivery, _)| delivery.clone()).collect()
    }

    /// How many have not arrived yet.
    pub fn backlog(&self) -> usize {
        self.state().entries.len()
    }

    /// How long the oldest has waited.
    pub fn oldest(&self) -> Duration {
        self.state().entries.first_key_value().map_or(Duration::ZERO, |(_, (_, since))| since.elapsed())
    }

    /// How long producers have waited for space, all in all.
    pub fn stalled(&self) -> Duration {
        self.state().stalled
    }
}

impl State {
    fn insert(&mut self, delivery: Delivery) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.bytes += delivery.json.len();
        let same_incident = self.of_incident.entry(delivery.id.clone()).or_default();
        if same_incident.is_empty() {
            self.ready.insert(ticket);
        }
        same_incident.push_back(ticket);
        self.entries.insert(ticket, (delivery, Instant::now()));
    }

    fn remove(&mut self, ticket: Ticket) {
        let Some((delivery, _)) = self.entries.remove(&ticket) else { return };
        self.bytes -= delivery.json.len();
        let Some(same_incident) = self.of_incident.get_mut(&delivery.id) else { return };
        same_incident.pop_front();
        match same_incident.front() {
            Some(&next) => {
                self.ready.insert(next);
            }
            None => {
                self.of_incident.remove(&delivery.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rules::alert::Alert;
    use tokio::time::timeout;

    use super::*;
    use crate::alert::samples::opened;

    fn delivery(id: &str, sequence: u32) -> Delivery {
        Delivery::new(&Alert { id: id.into(), sequence, ..opened() }, "0123456789".into())
    }

    async fn take(outbox: &Outbox) -> Option<(Ticket, String, u32)> {
        let taken = timeout(Duration::from_millis(50), outbox.take()).await.ok()??;
        Some((taken.0, taken.1.id.to_string(), taken.1.sequence))
    }

    #[tokio::test]
    async fn of_one_incident_one_is_out_at_a_time() {
        let outbox = Outbox::default();
        for (id, sequence) in [("a", 1), ("a", 2), ("b", 1), ("a", 3)] {
            outbox.push(delivery(id, sequence)).await;
        }
        let (a1, id, sequence) = take(&outbox).await.expect("a first");
        assert_eq!((id.as_str(), sequence), ("a", 1));
        let (_, id, sequence) = take(&outbox).await.expect("b does not wait for a");
        assert_eq!((id.as_str(), sequence), ("b", 1));
        assert!(take(&outbox).await.is_none(), "a is still out");
        outbox.ack(a1);
        assert_eq!(take(&outbox).await.map(|taken| taken.2), Some(2));
        assert_eq!(outbox.backlog(), 3);
        assert_eq!(outbox.pending().len(), 3);
    }

    #[tokio::test]
    async fn a_full_outbox_makes_its_producer_wait_and_counts_it() {
        for full in [Outbox::bounded(1, 1_000), Outbox::bounded(10, 15)] {
            full.push(delivery("a", 1)).await;
            let (ticket, ..) = take(&full).await.expect("one");
            assert!(timeout(Duration::from_millis(20), full.push(delivery("a", 2))).await.is_err());
            let (pushed, ()) = tokio::join!(timeout(Duration::from_secs(5), full.push(delivery("a", 2))), async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                full.ack(ticket);
            });
            pushed.expect("there is space again");
            assert!(full.stalled() >= Duration::from_millis(10));
            assert_eq!(full.backlog(), 1);
        }
    }

    #[tokio::test]
    async fn a_closed_outbox_ends_when_the_last_is_acknowledged() {
        let outbox = Outbox::default();
        outbox.push(delivery("a", 1)).await;
        outbox.close();
        let (ticket, ..) = take(&outbox).await.expect("it is still there");
        outbox.ack(ticket);
        assert!(timeout(Duration::from_secs(5), outbox.take()).await.expect("no wait").is_none());
    }
}
