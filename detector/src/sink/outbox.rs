//! What has a sink not yet confirmed?
//!
//! A window over what waits for one sink: the oldest parcels are in memory, all others in the store alone. A parcel
//! stays until it is acknowledged. Of one incident at most one is out at a time, so transitions arrive in their order
//! however often one has to be sent again; different incidents do not wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use prometheus::Histogram;
use rules::bgp::Timestamp;
use tokio::sync::Notify;

use super::{Parcel, pause_after};
use crate::app::now;
use crate::store::{Page, Place, Store};

/// Parcels of one sink in memory: at 20 transitions a second, far above any measured day, ten minutes.
const PARCELS: usize = 12_000;
/// Their bytes of JSON: 12,000 usual alerts of 5 KB, or 256 of the largest.
const BYTES: usize = 64 * 1_024 * 1_024;

/// Names a parcel in its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Something came in, or became ready, or the outbox was closed.
    work: Notify,
    /// Something was acknowledged.
    space: Notify,
    /// There may be a page to read.
    hungry: Notify,
    /// No more will come.
    closing: Notify,
    /// Where the rest lies, and under which name; none: nothing does.
    store: Option<(Store, Arc<str>)>,
    most: usize,
    most_bytes: usize,
    /// How long parcels take from the store to their confirmation, once somebody wants to know.
    times: OnceLock<Histogram>,
}

#[derive(Debug)]
struct Entry {
    parcel: Parcel,
    since: Instant,
    /// None: it is here only.
    place: Option<Place>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Ticket, Entry>,
    /// Tickets that may be taken: the oldest of each incident, unless it is out.
    ready: BTreeSet<Ticket>,
    /// All tickets of an incident, oldest first.
    of_key: HashMap<Arc<str>, VecDeque<Ticket>>,
    bytes: usize,
    next: u64,
    closed: bool,
    stalled: Duration,
    /// Parcels behind the window, in the store alone.
    behind: u64,
    /// Every place up to here is or was in the window.
    read_up_to: Place,
    /// Every place up to here is counted.
    offered_up_to: Place,
    /// While a page is being read: how many were put behind the window meanwhile.
    behind_since: u64,
    /// Places behind the window whose parcels were pushed before they were stored, so need no second time.
    ahead: BTreeSet<Place>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::bounded(None, PARCELS, BYTES)
    }
}

impl Outbox {
    /// Of the sink `name`, over `store`.
    pub fn over(store: Store, name: Arc<str>) -> Self {
        Self::bounded(Some((store, name)), PARCELS, BYTES)
    }

    pub(super) fn bounded(store: Option<(Store, Arc<str>)>, most: usize, most_bytes: usize) -> Self {
        let (work, space, hungry, closing) = (Notify::new(), Notify::new(), Notify::new(), Notify::new());
        Self { state: Mutex::default(), work, space, hungry, closing, store, most, most_bytes, times: OnceLock::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a parcel that is in no store; waits while the window is full.
    pub async fn push(&self, parcel: Parcel) {
        let mut waiting_since = None;
        loop {
            let space = self.space.notified();
            if self.has_space_for(&self.state(), &parcel) {
                break;
            }
            waiting_since.get_or_insert_with(Instant::now);
            space.await;
        }
        let mut state = self.state();
        state.stalled += waiting_since.map_or(Duration::ZERO, |since| since.elapsed());
        state.insert(parcel, None, Instant::now());
        drop(state);
        self.work.notify_one();
    }

    /// It could be pushed without waiting.
    pub fn has_room_for(&self, parcel: &Parcel) -> bool {
        self.has_space_for(&self.state(), parcel)
    }

    /// A single parcel always fits, however large.
    fn has_space_for(&self, state: &State, parcel: &Parcel) -> bool {
        state.entries.is_empty() || (state.entries.len() < self.most && state.bytes + parcel.bytes() <= self.most_bytes)
    }

    /// Tells of a parcel that now waits in the store. Never waits: what does not fit into the window stays there. One that
    /// was told of before is known.
    pub fn offer(&self, place: Place, parcel: Parcel) {
        let mut state = self.state();
        if place <= state.offered_up_to {
            return;
        }
        state.offered_up_to = place;
        if state.behind == 0 && self.has_space_for(&state, &parcel) {
            state.read_up_to = place;
            state.insert(parcel, Some(place), Instant::now());
            self.work.notify_one();
        } else {
            state.behind += 1;
            state.behind_since += 1;
            self.hungry.notify_one();
        }
    }

    /// What was pushed is now in the store, too; if it was acknowledged meanwhile, it can go there.
    pub fn placed(&self, place: Place, parcel: &Parcel) {
        let mut state = self.state();
        state.offered_up_to = state.offered_up_to.max(place);
        if state.behind == 0 {
            state.read_up_to = state.read_up_to.max(place);
        } else {
            state.behind += 1;
            state.behind_since += 1;
            state.ahead.insert(place);
        }
        let tickets = state.of_key.get(parcel.key()).cloned().unwrap_or_default();
        let same = tickets.into_iter().find(|ticket| state.entries[ticket].parcel == *parcel);
        match same.and_then(|ticket| state.entries.get_mut(&ticket)) {
            Some(entry) => entry.place = Some(place),
            None => self.acknowledge(place),
        }
    }

    /// So many more wait in the store, up to `last`: what was refused for good is to be sent again.
    pub fn add_waiting(&self, count: u64, last: Place) {
        let mut state = self.state();
        state.behind += count;
        state.behind_since += count;
        state.offered_up_to = state.offered_up_to.max(last);
        self.hungry.notify_one();
    }

    fn acknowledge(&self, place: Place) {
        if let Some((store, _)) = &self.store {
            store.acknowledge(place);
        }
    }

    /// What an earlier life of the store left: `waiting` parcels up to `last`.
    pub fn remember(&self, waiting: u64, last: Place) {
        let mut state = self.state();
        state.behind += waiting;
        state.offered_up_to = state.offered_up_to.max(last);
        self.hungry.notify_one();
    }

    /// Brings the window up to date with the store, for as long as it is polled.
    pub async fn keep_filled(&self) -> Infallible {
        let Some((store, sink)) = &self.store else { return std::future::pending().await };
        let mut failures = 0;
        loop {
            let hungry = self.hungry.notified();
            let Some(after) = self.next_page() else {
                hungry.await;
                continue;
            };
            match store.page(sink, after).await {
                Ok(page) => {
                    self.fill(page);
                    failures = 0;
                }
                Err(_) => {
                    failures += 1;
                    tokio::time::sleep(pause_after(failures)).await;
                }
            }
        }
    }

    /// Behind which place to read on, if there is something and the window is half empty.
    fn next_page(&self) -> Option<Place> {
        let mut state = self.state();
        let is_hungry = state.entries.len() <= self.most / 2 && state.bytes <= self.most_bytes / 2;
        let wanted = state.behind > 0 && is_hungry;
        state.behind_since = 0;
        wanted.then_some(state.read_up_to)
    }

    fn fill(&self, page: Page) {
        let mut state = self.state();
        // What stands behind that is about to be offered; until then it may be one that was pushed already.
        let offered_up_to = state.offered_up_to;
        let is_all = page.is_last || page.parcels.last().is_some_and(|(place, ..)| *place > offered_up_to);
        for (place, queued, parcel) in page.parcels.into_iter().take_while(|(place, ..)| *place <= offered_up_to) {
            state.behind = state.behind.saturating_sub(1);
            state.read_up_to = state.read_up_to.max(place);
            if let (false, Some(parcel)) = (state.ahead.remove(&place), parcel) {
                state.insert(parcel, Some(place), instant_of(queued));
            }
        }
        if is_all {
            state.behind = state.behind.min(state.behind_since);
        }
        if state.behind == 0 {
            state.ahead.clear();
        }
        drop(state);
        self.work.notify_one();
        self.hungry.notify_one();
    }

    /// The oldest parcel whose incident has none out; waits for one. None once closed and empty of such.
    pub async fn take(&self) -> Option<(Ticket, Parcel)> {
        loop {
            let work = self.work.notified();
            {
                let mut state = self.state();
                if let Some(ticket) = state.ready.pop_first() {
                    let parcel = state.entries[&ticket].parcel.clone();
                    return Some((ticket, parcel));
                }
                if state.closed && state.entries.is_empty() && state.behind == 0 {
                    return None;
                }
            }
            work.await;
        }
    }

    /// Says there how long it takes, the first time it is asked to.
    pub fn measure(&self, times: Histogram) {
        let _ = self.times.set(times);
    }

    pub fn times(&self) -> Option<&Histogram> {
        self.times.get()
    }

    /// It has arrived: forget it, and let the next transition of its incident go.
    pub fn ack(&self, ticket: Ticket) {
        let Some(entry) = self.remove(ticket) else { return };
        if let Some(times) = self.times() {
            times.observe(entry.since.elapsed().as_secs_f64());
        }
        if let Some(place) = entry.place {
            self.acknowledge(place);
        }
    }

    /// It never will. What is in no store is forgotten all the same.
    pub fn bury(&self, ticket: Ticket, error: String) {
        let place = self.remove(ticket).and_then(|entry| entry.place);
        if let (Some(place), Some((store, _))) = (place, &self.store) {
            store.bury(place, error);
        }
    }

    fn remove(&self, ticket: Ticket) -> Option<Entry> {
        let entry = self.state().remove(ticket);
        self.space.notify_waiters();
        self.work.notify_one();
        self.hungry.notify_one();
        entry
    }

    /// No more will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
        self.closing.notify_waiters();
    }

    /// Once no more will come, and so nothing is worth waiting for.
    pub async fn closed(&self) {
        loop {
            let closing = self.closing.notified();
            if self.state().closed {
                return;
            }
            closing.await;
        }
    }

    /// There is a parcel that nobody has taken and whose incident has none out.
    #[cfg(test)]
    pub(super) fn has_something_to_take(&self) -> bool {
        !self.state().ready.is_empty()
    }

    /// How many have not arrived yet.
    pub fn backlog(&self) -> usize {
        let state = self.state();
        state.entries.len().saturating_add(usize::try_from(state.behind).unwrap_or(usize::MAX))
    }

    /// How many of them are in no store, and gone with the process.
    pub fn unstored(&self) -> usize {
        self.state().entries.values().filter(|entry| entry.place.is_none()).count()
    }

    /// How long the oldest has waited.
    pub fn oldest(&self) -> Duration {
        self.state().entries.values().next().map_or(Duration::ZERO, |entry| entry.since.elapsed())
    }

    /// How long producers have waited for space, all in all.
    pub fn stalled(&self) -> Duration {
        self.state().stalled
    }
}

/// The moment of this process at which the clock showed `queued`.
fn instant_of(queued: Timestamp) -> Instant {
    let age = Duration::from_secs_f64(now().secs_since(queued).max(0.0));
    Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
}

impl State {
    fn insert(&mut self, parcel: Parcel, place: Option<Place>, since: Instant) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.bytes += parcel.bytes();
        let same_key = self.of_key.entry(parcel.key().clone()).or_default();
        if same_key.is_empty() {
            self.ready.insert(ticket);
        }
        same_key.push_back(ticket);
        self.entries.insert(ticket, Entry { parcel, since, place });
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Entry> {
        let entry = self.entries.remove(&ticket)?;
        self.bytes -= entry.parcel.bytes();
        if let Some(same_key) = self.of_key.get_mut(entry.parcel.key()) {
            same_key.pop_front();
            match same_key.front() {
                Some(&next) => {
                    self.ready.insert(next);
                }
                None => {
                    self.of_key.remove(entry.parcel.key());
                }
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
