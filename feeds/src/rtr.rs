//! What do the RPKI caches say? RTR versions 0 to 2 (RFC 6810, RFC 8210, draft-ietf-sidrops-8210bis), ASPAs included.
//!
//! Every configured cache is followed all the time, each by a task of its own that keeps what it learned over every loss of
//! the connection. [`in_use`] says whose data count: those of the first cache in the list whose data are fresh, else of the
//! first whose data are at least not expired. So a cache that fails is replaced at once, and the preferred one is back in
//! use with its first complete answer. The types of the `rpki` crate stop here.

mod pdus;
mod run;
mod target;

use std::sync::Arc;

use rules::alert::SourceState;
use rules::bgp::Timestamp;

use crate::rpki_set::RpkiSet;

pub use run::run;

/// How long a cache may be away, or late with its answer, before its data count as stale.
const GRACE_SECS: f64 = 60.0;

/// How one cache stands.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `host:port` as configured.
    pub name: Arc<str>,
    /// The last complete answer; kept while there is no connection.
    pub data: Option<Data>,
    /// Why there is no connection, and since when; none while there is one.
    pub lost: Option<(Timestamp, String)>,
    /// What a person should know although it works.
    pub warning: Option<String>,
    /// Connections that failed or broke, so far.
    pub failures: u64,
}

/// A complete answer of a cache.
#[derive(Clone, Debug)]
pub struct Data {
    pub set: Arc<RpkiSet>,
    /// Of the protocol; ASPAs come with 2.
    pub version: u8,
    pub session: u16,
    pub serial: u32,
    /// When its End of Data came.
    pub received: Timestamp,
    pub timing: Timing,
}

/// RFC 8210 section 6, within the bounds that it sets. Version 0 has none, so the defaults hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub refresh_secs: u32,
    pub retry_secs: u32,
    pub expire_secs: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { refresh_secs: 3_600, retry_secs: 600, expire_secs: 7_200 }
    }
}

impl Cache {
    /// A cache that was not asked yet.
    pub fn new(name: Arc<str>) -> Self {
        Self { name, data: None, lost: None, warning: None, failures: 0 }
    }

    /// It has answered, or failed to.
    pub fn was_tried(&self) -> bool {
        self.data.is_some() || self.lost.is_some()
    }

    /// Expired when no complete answer came for *expire*; stale when the connection is lost for a minute, or the answer due
    /// after *refresh* is a minute late.
    pub fn state(&self, now: Timestamp) -> SourceState {
        let Some(data) = &self.data else { return SourceState::None };
        let age_secs = now.secs_since(data.received);
        let is_lost = self.lost.as_ref().is_some_and(|(since, _)| now.secs_since(*since) > GRACE_SECS);
        if age_secs > f64::from(data.timing.expire_secs) {
            SourceState::Expired
        } else if is_lost || age_secs > f64::from(data.timing.refresh_secs) + GRACE_SECS {
            SourceState::Stale
        } else {
            SourceState::Fresh
        }
    }
}

/// Whose data count, caches in the order of preference; none if no cache ever answered. Expired data are given when there
/// are no others, so that their age can be told.
pub fn in_use(caches: &[Cache], now: Timestamp) -> Option<usize> {
    let rank = |cache: &Cache| match cache.state(now) {
        SourceState::Fresh => Some(0),
        SourceState::Stale => Some(1),
        SourceState::Expired => Some(2),
        SourceState::None | SourceState::Frozen => None,
    };
    let ranked = caches.iter().enumerate().filter_map(|(i, cache)| Some((rank(cache)?, i)));
    ranked.min().map(|(_, i)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    fn cache(received: Option<i64>, lost: Option<i64>) -> Cache {
        let data = received.map(|secs| Data {
            set: Arc::default(),
            version: 2,
            session: 1,
            serial: 1,
            received: at(secs),
            timing: Timing::default(),
        });
        Cache { data, lost: lost.map(|secs| (at(secs), "refused".into())), ..Cache::new("192.0.2.1:323".into()) }
    }

    #[test]
    fn data_are_fresh_then_stale_then_expired() {
        for (age, lost, expected) in [
            (0, None, SourceState::Fresh),
            (3_660, None, SourceState::Fresh),
            (3_661, None, SourceState::Stale),
            (100, Some(50), SourceState::Fresh),
            (111, Some(50), SourceState::Stale),
            (7_200, Some(50), SourceState::Stale),
            (7_201, None, SourceState::Expired),
        ] {
            assert_eq!(cache(Some(0), lost).state(at(age)), expected, "{age} s, lost {lost:?}");
        }
        assert_eq!(cache(None, Some(0)).state(at(1_000)), SourceState::None);
    }

    #[test]
    fn the_first_fresh_cache_is_in_use_and_the_preferred_one_again_when_it_is_well() {
        let (never, old, stale, fresh) =
            (cache(None, Some(0)), cache(Some(0), None), cache(Some(9_000), Some(9_100)), cache(Some(9_000), None));
        let now = at(9_500);
        assert_eq!(in_use(&[never.clone(), fresh.clone(), fresh.clone()], now), Some(1));
        assert_eq!(in_use(&[stale.clone(), fresh.clone()], now), Some(1));
        assert_eq!(in_use(&[fresh.clone(), fresh], now), Some(0));
        assert_eq!(in_use(&[old.clone(), stale], now), Some(1));
        assert_eq!(in_use(&[never.clone(), old], now), Some(1));
        assert_eq!(in_use(&[never], now), None);
        assert_eq!(in_use(&[], now), None);
    }
}
