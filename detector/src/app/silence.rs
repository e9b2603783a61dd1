//! When does a feed that is connected and says nothing count as one that is not seen?
//!
//! It tells nothing of its silence itself, so the engine hears of it from here, and every alert names it in `inputs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use feeds::ris_live;
use rules::bgp::Timestamp;
use rules::event::FeedChange;

use super::intake::{FeedHealth, Health};
use crate::health::FeedState;

/// How a stream stands.
pub fn state(status: &ris_live::Status, silent_secs: u64, now: Timestamp) -> FeedState {
    let heard = status.frames.load(Ordering::Relaxed) > 0;
    let age_secs = now.secs_since(Timestamp(status.last_frame.load(Ordering::Relaxed)));
    match status.connected.load(Ordering::Relaxed) {
        true if heard && age_secs > silent_secs as f64 => FeedState::Silent,
        true => FeedState::Live,
        false if heard => FeedState::Down,
        false => FeedState::Connecting,
    }
}

/// Feeds that are silent, as the engine knows it.
#[derive(Default)]
pub struct Silence {
    silent: BTreeSet<Arc<str>>,
}

impl Silence {
    /// What the engine has to hear now.
    pub fn look(&mut self, health: &Health, now: Timestamp) -> Vec<FeedChange> {
        let streams = health.feeds.iter().zip(&health.silent_secs).filter_map(|((name, feed), secs)| match feed {
            FeedHealth::RisLive(status) => Some((name, state(status, *secs, now))),
            FeedHealth::Bmp(_) | FeedHealth::Mrt(_) => None,
        });
        streams.filter_map(|(name, state)| self.change(name, state, now)).collect()
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
    fn a_stream_is_silent_after_its_time_and_only_if_it_ever_spoke() {
        let status = ris_live::Status::default();
        let at = |secs| state(&status, 60, Timestamp::from_secs(secs));
        assert_eq!(at(1_000), FeedState::Connecting);
        status.connected.store(true, Ordering::Relaxed);
        assert_eq!(at(1_000), FeedState::Live);
        status.frames.store(1, Ordering::Relaxed);
        status.last_frame.store(Timestamp::from_secs(900).0, Ordering::Relaxed);
        assert_eq!((at(960), at(961)), (FeedState::Live, FeedState::Silent));
        status.connected.store(false, Ordering::Relaxed);
        assert_eq!(at(961), FeedState::Down);
    }
}
