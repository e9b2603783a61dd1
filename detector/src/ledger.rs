//! What was not seen, from when to when, and why?
//!
//! One entry is one stretch of time in which a feed, a session or a source of data did not say what it should. Bounded:
//! open gaps by what can open them, recent ones by number; what finds no room is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rules::bgp::Timestamp;
use serde::Serialize;

use crate::text;

/// Open gaps: every session of every collector may be down at once, about 3,000 of them, 150 bytes each.
const MOST_OPEN: usize = 8_192;
/// Gaps that are over: 64 x 150 bytes, a bad day of one feed.
const MOST_RECENT: usize = 64;

/// What did not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The feed was not connected, or was cut by us because it could not be worked off.
    Lost,
    /// Connected, and nothing came.
    Silent,
    /// One session of a collector.
    SessionDown,
    /// No dump says what a collector held before.
    NoHistory,
    /// A file of the archive that would have closed a gap.
    FileMissing,
    /// Data that routes are judged by.
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapState {
    Open,
    /// Seeing again; what was missed is being fetched.
    Filling,
    /// What was missed is known by now.
    Filled,
    /// Seeing again; what was missed stays unknown.
    Lasting,
}

impl GapState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Filling => "filling",
            Self::Filled => "filled",
            Self::Lasting => "lasting",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub feed: Arc<str>,
    /// A session or a collector of the feed; none if it is all of it.
    pub part: Option<String>,
    pub cause: Cause,
    pub from: Timestamp,
    pub to: Option<Timestamp>,
    pub why: String,
    pub state: GapState,
}

type Key = (Arc<str>, Option<String>, Cause);

/// Gaps by feed, part and cause: one of each at a time.
#[derive(Debug, Default)]
pub struct Ledger {
    open: BTreeMap<Key, Gap>,
    recent: VecDeque<Gap>,
    counts: BTreeMap<Arc<str>, u64>,
    unrecorded: u64,
}

impl Ledger {
    /// A gap begins. One that is open already goes on; one that is being filled is open again.
    pub fn open(&mut self, feed: &Arc<str>, part: Option<String>, cause: Cause, from: Timestamp, why: &str) {
        let key = (feed.clone(), part.clone(), cause);
        if let Some(gap) = self.open.get_mut(&key) {
            if gap.state == GapState::Filling {
                (gap.state, gap.to) = (GapState::Open, None);
                self.count(&key);
            }
            return;
        }
        self.count(&key);
        if self.open.len() >= MOST_OPEN {
            self.unrecorded += 1;
            return;
        }
        let (feed, why) = (feed.clone(), text::plain(why, 256));
        self.open.insert(key, Gap { feed, part, cause, from, to: None, why, state: GapState::Open });
    }

    /// Sight is back. `is_filling`: what was missed will be fetched.
    pub fn back(&mut self, feed: &Arc<str>, part: Option<String>, cause: Cause, at: Timestamp, is_filling: bool) {
        let key = (feed.clone(), part, cause);
        match self.open.get_mut(&key) {
            Some(gap) if is_filling && gap.state == GapState::Open => {
                (gap.state, gap.to) = (GapState::Filling, Some(at));
            }
            Some(gap) if gap.state == GapState::Open => {
                gap.to = Some(at);
                self.close(&key, GapState::Lasting);
            }
            _ => {}
        }
    }

    /// What was missed is known.
    pub fn filled(&mut self, feed: &Arc<str>, part: Option<String>, cause: Cause, at: Timestamp) {
        let key = (feed.clone(), part, cause);
        if let Some(gap) = self.open.get_mut(&key) {
            gap.to.get_or_insert(at);
            self.close(&key, GapState::Filled);
        }
    }

    /// A gap of which it is known at once that it stays.
    pub fn lasting(&mut self, gap: Gap) {
        self.count(&(gap.feed.clone(), gap.part.clone(), gap.cause));
        self.remember(Gap { state: GapState::Lasting, ..gap });
    }

    fn close(&mut self, key: &Key, state: GapState) {
        if let Some(gap) = self.open.remove(key) {
            self.remember(Gap { state, ..gap });
        }
    }

    fn remember(&mut self, gap: Gap) {
        // Sessions come and go all day; they must not push out what concerns a whole feed.
        if gap.cause == Cause::SessionDown {
            return;
        }
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_back();
        }
        self.recent.push_front(gap);
    }

    fn count(&mut self, key: &Key) {
        if key.2 != Cause::SessionDown {
            *self.counts.entry(key.0.clone()).or_default() += 1;
        }
    }

    /// Gaps of a feed so far, sessions left out.
    pub fn count_of(&self, feed: &str) -> u64 {
        self.counts.get(feed).copied().unwrap_or_default()
    }

    /// Gaps that found no room.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded
    }

    /// Open ones of whole feeds and collectors first, then recent ones, newest first; single sessions left out.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let open = self.open.values().filter(|gap| gap.cause != Cause::SessionDown);
        open.chain(&self.recent)
    }

    /// Sessions of a feed that are down.
    pub fn sessions_down(&self, feed: &str) -> usize {
        self.open.values().filter(|gap| gap.cause == Cause::SessionDown && &*gap.feed == feed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn states(ledger: &Ledger) -> Vec<(GapState, i64, Option<i64>)> {
        ledger.gaps().map(|gap| (gap.state, gap.from.secs(), gap.to.map(Timestamp::secs))).collect()
    }

    #[test]
    fn a_gap_is_open_then_filling_then_filled() {
        let (mut ledger, feed) = (Ledger::default(), Arc::from("ris"));
        ledger.open(&feed, None, Cause::Lost, at(10), "closed by the server");
        ledger.open(&feed, None, Cause::Lost, at(12), "cannot connect");
        assert_eq!(states(&ledger), [(GapState::Open, 10, None)]);
        ledger.back(&feed, None, Cause::Lost, at(20), true);
        assert_eq!(states(&ledger), [(GapState::Filling, 10, Some(20))]);
        ledger.filled(&feed, None, Cause::Lost, at(400));
        assert_eq!(states(&ledger), [(GapState::Filled, 10, Some(20))]);
        assert_eq!(ledger.count_of("ris"), 1);
    }

    #[test]
    fn a_gap_that_opens_again_before_it_is_filled_is_one_gap_from_its_first_moment() {
        let (mut ledger, feed) = (Ledger::default(), Arc::from("ris"));
        ledger.open(&feed, None, Cause::Lost, at(10), "x");
        ledger.back(&feed, None, Cause::Lost, at(20), true);
        ledger.open(&feed, None, Cause::Lost, at(30), "y");
        assert_eq!(states(&ledger), [(GapState::Open, 10, None)]);
        assert_eq!(ledger.count_of("ris"), 2);
    }

    #[test]
    fn what_nobody_can_fetch_lasts() {
        let (mut ledger, feed) = (Ledger::default(), Arc::from("bmp"));
        ledger.open(&feed, None, Cause::Lost, at(10), "x");
        ledger.back(&feed, None, Cause::Lost, at(20), false);
        ledger.back(&feed, None, Cause::Lost, at(30), false);
        assert_eq!(states(&ledger), [(GapState::Lasting, 10, Some(20))]);
    }

    #[test]
    fn sessions_are_counted_apart_and_both_lists_are_bounded() {
        let (mut ledger, feed) = (Ledger::default(), Arc::from("ris"));
        for i in 0..MOST_OPEN + 5 {
            ledger.open(&feed, Some(format!("peer {i}")), Cause::SessionDown, at(1), "");
        }
        assert_eq!((ledger.sessions_down("ris"), ledger.unrecorded(), ledger.count_of("ris")), (MOST_OPEN, 5, 0));
        ledger.back(&feed, Some("peer 0".into()), Cause::SessionDown, at(2), false);
        assert_eq!((ledger.sessions_down("ris"), ledger.gaps().count()), (MOST_OPEN - 1, 0));
        for i in 0..100 {
            ledger.open(&feed, None, Cause::Silent, at(i), "");
            ledger.back(&feed, None, Cause::Silent, at(i), false);
        }
        assert_eq!((ledger.gaps().count(), ledger.count_of("ris")), (MOST_RECENT, 100));
    }
}
