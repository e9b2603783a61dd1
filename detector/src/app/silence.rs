//! When does a feed that is connected and says nothing count as one that is not seen?
//!
//! It tells nothing of its silence itself, so the engine hears of it from here, and every alert names it in `inputs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use feeds::openbmp::consumer;
use feeds::ris_live;
use rules::bgp::Timestamp;
use rules::event::{Event, FeedChange};

use super::bmp::BmpHealth;
use super::intake::FeedHealth;
use crate::health::FeedState;

/// How a stream of RIS Live stands.
pub fn of_ris_live(status: &ris_live::Status, silent_secs: u64, now: Timestamp) -> FeedState {
    of(&status.connected, &status.last_frame, silent_secs, now)
}

/// How topics of Kafka stand.
pub fn of_kafka(status: &consumer::Status, silent_secs: u64, now: Timestamp) -> FeedState {
    of(&status.connected, &status.last_message, silent_secs, now)
}

/// `last`: when something came, or the wait for it began; 0 before.
fn of(connected: &AtomicBool, last: &AtomicI64, silent_secs: u64, now: Timestamp) -> FeedState {
    // First this: the moment is written before it.
    let is_connected = connected.load(Ordering::Acquire);
    let last = Some(Timestamp(last.load(Ordering::Relaxed))).filter(|last| last.0 != 0);
    let is_silent = last.is_some_and(|last| now.secs_since(last) > silent_secs as f64);
    match (is_connected, last) {
        (true, _) if is_silent => FeedState::Silent,
        (true, _) => FeedState::Live,
        (false, Some(_)) => FeedState::Down,
        (false, None) => FeedState::Connecting,
    }
}

/// Feeds that are silent, as the engine knows it.
#[derive(Default)]
pub struct Silence {
    silent: BTreeSet<Arc<str>>,
}

impl Silence {
    /// What the engine has to hear now.
    pub fn look(&mut self, feeds: &[(Arc<str>, FeedHealth)], silent_secs: &[u64], now: Timestamp) -> Vec<FeedChange> {
        let streams = feeds.iter().zip(silent_secs).filter_map(|((name, feed), secs)| match feed {
            FeedHealth::RisLive(status) => Some((name, of_ris_live(status, *secs, now))),
            FeedHealth::Bmp(BmpHealth::Kafka(status)) => Some((name, of_kafka(status, *secs, now))),
            FeedHealth::Bmp(BmpHealth::Station(..)) | FeedHealth::Mrt(_) => None,
        });
        streams.filter_map(|(name, state)| self.change(name, state, now)).collect()
    }

    /// A feed that says itself to be live is so for the engine, too: if it is silent all the same, that is news again.
    pub fn heard(&mut self, event: &Event) {
        if let Event::Feed(change) = event
            && change.live
        {
            self.silent.remove(&change.feed);
        }
    }

    /// Of a loss, and of the return after it, the feed tells itself.
    fn change(&mut self, feed: &Arc<str>, state: FeedState, now: Timestamp) -> Option<FeedChange> {
        let is_news = match state {
            FeedState::Silent => self.silent.insert(feed.clone()),
            FeedState::Live => self.silent.remove(feed),
            _ => {
                self.silent.remove(feed);
                false
            }
        };
        let live = state == FeedState::Live;
        let detail = if live { String::new() } else { "connected, and nothing comes".to_owned() };
        is_news.then(|| FeedChange { feed: feed.clone(), live, detail, gap_from: None, seen: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_its_end_once_and_a_loss_not_at_all() {
        let (mut silence, feed, now) = (Silence::default(), Arc::from("ris"), Timestamp::from_secs(1));
        let mut told = |state| silence.change(&feed, state, now).map(|change| change.live);
        use FeedState::{Connecting, Down, Live, Silent};
        let states = [Connecting, Live, Silent, Silent, Live, Live, Silent, Down, Live];
        let expected = [None, None, Some(false), None, Some(true), None, Some(false), None, None];
        assert_eq!(states.map(&mut told), expected);
    }

    #[test]
    fn a_feed_that_comes_back_as_silent_as_it_was_is_told_to_be_silent_once_more() {
        let (mut silence, feed) = (Silence::default(), Arc::from("ris"));
        let now = Timestamp::from_secs(1);
        assert!(silence.change(&feed, FeedState::Silent, now).is_some());
        let (detail, gap_from) = (String::new(), None);
        silence.heard(&Event::Feed(FeedChange { feed: feed.clone(), live: true, detail, gap_from, seen: now }));
        let told = silence.change(&feed, FeedState::Silent, now);
        assert_eq!(told.map(|change| change.live), Some(false));
    }

    #[test]
    fn a_stream_is_silent_after_its_time_even_if_it_never_spoke() {
        let status = ris_live::Status::default();
        let at = |secs| of_ris_live(&status, 60, Timestamp::from_secs(secs));
        assert_eq!(at(1_000), FeedState::Connecting);
        status.last_frame.store(Timestamp::from_secs(900).0, Ordering::Relaxed);
        status.connected.store(true, Ordering::Relaxed);
        assert_eq!((at(960), at(961)), (FeedState::Live, FeedState::Silent));
        status.connected.store(false, Ordering::Relaxed);
        assert_eq!(at(961), FeedState::Down);
    }

    #[test]
    fn topics_that_bring_nothing_are_told_to_be_silent() {
        let status = Arc::new(consumer::Status::default());
        let feeds = [("views".into(), FeedHealth::Bmp(BmpHealth::Kafka(status.clone())))];
        let mut silence = Silence::default();
        let mut told = |secs| {
            let changes = silence.look(&feeds, &[60], Timestamp::from_secs(secs)).into_iter();
            changes.map(|change| change.live).collect::<Vec<_>>()
        };
        assert!(told(900).is_empty());
        status.last_message.store(Timestamp::from_secs(900).0, Ordering::Relaxed);
        status.connected.store(true, Ordering::Relaxed);
        assert_eq!((told(960), told(961), told(962)), (vec![], vec![false], vec![]));
        status.last_message.store(Timestamp::from_secs(970).0, Ordering::Relaxed);
        assert_eq!(told(971), [true]);
    }
}
