//! Which sessions are believed? One that floods, that goes up and down without end, or whose messages cannot mean what they
//! seem to, is set aside: its routes say nothing about the networks they name.
//!
//! Decided once, in front of the shards, from the stream of events alone; the decision is an event itself, so that all shards
//! and a recording have it at the same place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::alert::words;
use crate::bgp::{Nlri, Timestamp, Update, VantageId};
use crate::event::Event;
use crate::limits;
use crate::shed::Shed;

words! {
    /// Why a session is set aside.
    Cause {
        /// More routes than any table has, again and again.
        Flood = "flood",
        /// Down again before its table has come.
        Resets = "resets",
        /// ADD-PATH (RFC 7911) was decoded where there was none, or the other way round (S 10.7).
        DecodeDesync = "decode_desync",
        /// Many more-specifics of others that nobody else has, as a route optimizer makes them.
        LoneWitness = "lone_witness",
    }
}

/// A session is set aside, or believed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub vantage: VantageId,
    /// None: believed again.
    pub set_aside: Option<Cause>,
}

/// Fills by the second, empties by the piece.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In millionths of a piece.
    left: i64,
    at: Timestamp,
}

/// What a bucket holds, and how many pieces an hour it gains.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    most: i64,
    an_hour: i64,
}

const ROUTES: Allowance = Allowance { most: limits::FLOOD_ROUTES, an_hour: limits::FLOOD_ROUTES_AN_HOUR };
const RESETS: Allowance = Allowance { most: limits::RESETS, an_hour: limits::RESETS_AN_HOUR };

impl Bucket {
    fn full(allowance: Allowance, at: Timestamp) -> Self {
        Self { left: allowance.most * 1_000_000, at }
    }

    fn refill(&mut self, allowance: Allowance, at: Timestamp) {
        if at == self.at {
            return;
        }
        let passed = (at.0 - self.at.0).clamp(0, HOURS_COUNTED * 3_600_000_000);
        self.at = self.at.max(at);
        self.left = (self.left + passed / 3_600 * allowance.an_hour).min(allowance.most * 1_000_000);
    }

    /// False if there is not enough left.
    fn take(&mut self, pieces: usize) -> bool {
        self.left = (self.left - pieces as i64 * 1_000_000).max(0);
        self.left > 0
    }

    fn is_half_full(&self, allowance: Allowance) -> bool {
        self.left >= allowance.most * 500_000
    }
}

/// Both buckets are full again by then.
const HOURS_COUNTED: i64 = 24;

#[derive(Clone, Debug)]
struct Session {
    routes: Bucket,
    resets: Bucket,
    set_aside: Option<Cause>,
}

/// All sessions, by number.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    known: Vec<Option<Session>>,
    aside: BTreeSet<VantageId>,
    /// By number: not heard any more, see [`crate::shed`].
    shed: Vec<bool>,
}

impl Sessions {
    /// What an event says of its session: to be said in front of it, or behind a tick.
    pub fn judge(&mut self, event: &Event, at: Timestamp) -> Vec<Standing> {
        match event {
            Event::Update(update) => self.update(update, at).into_iter().collect(),
            Event::PeerDown { vantage, .. } => self.reset(*vantage, at).into_iter().collect(),
            // A new session agrees anew on how it speaks.
            Event::PeerUp { vantage, .. } => {
                self.release_if(*vantage, at, |c| c == Cause::DecodeDesync).into_iter().collect()
            }
            Event::Tick => self.release_due(at),
            _ => Vec::new(),
        }
    }

    fn update(&mut self, update: &Update, at: Timestamp) -> Option<Standing> {
        let session = self.session(update.vantage, at);
        session.routes.refill(ROUTES, at);
        // A message that only withdraws is as much work as one that announces.
        let has_enough = session.routes.take((update.announced.len() + update.withdrawn.len()).max(1));
        let cause = if is_impossible(update) {
            Cause::DecodeDesync
        } else if !has_enough {
            Cause::Flood
        } else {
            return None;
        };
        self.set_aside(update.vantage, cause)
    }

    fn reset(&mut self, vantage: VantageId, at: Timestamp) -> Option<Standing> {
        let session = self.session(vantage, at);
        session.resets.refill(RESETS, at);
        if session.resets.take(1) { None } else { self.set_aside(vantage, Cause::Resets) }
    }

    /// The first reason stays until it is over, but for one that makes all routes of the session void.
    fn set_aside(&mut self, vantage: VantageId, cause: Cause) -> Option<Standing> {
        let session = self.known[vantage.0 as usize].as_mut()?;
        if session.set_aside.is_some_and(|held| held == cause || cause != Cause::DecodeDesync) {
            return None;
        }
        session.set_aside = Some(cause);
        self.aside.insert(vantage);
        Some(Standing { vantage, set_aside: Some(cause) })
    }

    fn release_due(&mut self, at: Timestamp) -> Vec<Standing> {
        let aside: Vec<VantageId> = self.aside.iter().copied().collect();
        aside.into_iter().filter_map(|v| self.release_if(v, at, |c| c != Cause::DecodeDesync)).collect()
    }

    /// Believes a session again whose reason is over.
    fn release_if(&mut self, vantage: VantageId, at: Timestamp, may: impl Fn(Cause) -> bool) -> Option<Standing> {
        let session = self.session(vantage, at);
        let cause = session.set_aside.filter(|c| may(*c))?;
        session.routes.refill(ROUTES, at);
        session.resets.refill(RESETS, at);
        let is_over = match cause {
            Cause::Flood => session.routes.is_half_full(ROUTES),
            Cause::Resets => session.resets.is_half_full(RESETS),
            Cause::DecodeDesync | Cause::LoneWitness => true,
        };
        if !is_over {
            return None;
        }
        session.set_aside = None;
        self.aside.remove(&vantage);
        Some(Standing { vantage, set_aside: None })
    }

    /// What was decided before a restart holds on: nobody knows how much of it was over.
    pub fn carry_on(&mut self, vantage: VantageId, cause: Cause, at: Timestamp) -> Standing {
        let session = self.session(vantage, at);
        match cause {
            Cause::Flood => session.routes.left = 0,
            Cause::Resets => session.resets.left = 0,
            Cause::DecodeDesync | Cause::LoneWitness => {}
        }
        session.set_aside = Some(cause);
        self.aside.insert(vantage);
        Standing { vantage, set_aside: Some(cause) }
    }

    /// A recording says what was decided when it was made; false if that is known.
    pub fn note(&mut self, standing: Standing, at: Timestamp) -> bool {
        let held = &mut self.session(standing.vantage, at).set_aside;
        if *held == standing.set_aside {
            return false;
        }
        *held = standing.set_aside;
        match standing.set_aside {
            Some(_) => self.aside.insert(standing.vantage),
            None => self.aside.remove(&standing.vantage),
        };
        true
    }

    /// Nothing is asked of these any more.
    pub fn shed(&mut self, shed: &Shed) {
        for (vantage, _) in &shed.sessions {
            self.aside.remove(vantage);
            let i = vantage.0 as usize;
            if self.shed.len() <= i {
                self.shed.resize(i + 1, false);
            }
            self.shed[i] = true;
        }
    }

    pub fn is_shed(&self, vantage: VantageId) -> bool {
        self.shed.get(vantage.0 as usize).is_some_and(|is_shed| *is_shed)
    }

    fn session(&mut self, vantage: VantageId, at: Timestamp) -> &mut Session {
        let i = vantage.0 as usize;
        if self.known.len() <= i {
            self.known.resize(i + 1, None);
        }
        self.known[i].get_or_insert_with(|| Session {
            routes: Bucket::full(ROUTES, at),
            resets: Bucket::full(RESETS, at),
            set_aside: None,
        })
    }
}

/// No router says this in one message: several routes that cover a half of all addresses or more. A path identifier that is
/// read as routes begins with zeros, which is the default route, again and again.
fn is_impossible(update: &Update) -> bool {
    if update.announced.len() < limits::VAST_ROUTES {
        return false;
    }
    let is_vast = |n: &&Nlri| n.prefix.prefix_len() <= 1;
    update.announced.iter().filter(is_vast).take(limits::VAST_ROUTES).count() == limits::VAST_ROUTES
        || is_read_as_identifier(update)
}

/// The other way round, a length and the first three octets of its network are taken for a path identifier: all of them
/// different, and each from 8 to 32 in its first octet, or to 64 in IPv6.
fn is_read_as_identifier(update: &Update) -> bool {
    let is_length = |n: &Nlri| (8..=64).contains(&(n.path_id >> 24));
    if !update.announced.iter().all(is_length) {
        return false;
    }
    let ids: BTreeSet<u32> = update.announced.iter().map(|n| n.path_id).collect();
    ids.len() == update.announced.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bgp::{Nlris, PathAttributes};

    fn announce(prefixes: &[(&str, u32)]) -> Event {
        let nlri =
            |(prefix, path_id): &(&str, u32)| Nlri { prefix: prefix.parse().expect("a prefix"), path_id: *path_id };
        Event::Update(Update {
            vantage: VantageId(0),
            seen: Timestamp::from_secs(0),
            withdrawn: Nlris::new(),
            announced: prefixes.iter().map(nlri).collect(),
            attributes: Arc::new(PathAttributes::default()),
        })
    }

    fn causes(standings: Vec<Standing>) -> Vec<Option<Cause>> {
        standings.into_iter().map(|s| s.set_aside).collect()
    }

    #[test]
    fn two_whole_tables_in_a_row_are_a_reset_and_a_day_of_thousands_a_second_is_a_flood() {
        let mut sessions = Sessions::default();
        let hundred = announce(&[("192.0.2.0/24", 0); 100]);
        let mut say = |secs: i64, times: usize| {
            let at = Timestamp::from_secs(secs);
            (0..times).flat_map(|_| sessions.judge(&hundred, at)).collect::<Vec<_>>()
        };
        assert!(say(0, 13_000).is_empty() && say(60, 13_000).is_empty(), "1.3 million routes twice");
        let mut told = Vec::new();
        for secs in 10_000..10_600 {
            told.extend(say(secs, 339));
        }
        assert_eq!(causes(told), [Some(Cause::Flood)], "said once");
        let quiet = |secs| Timestamp::from_secs(secs);
        assert!(sessions.judge(&Event::Tick, quiet(10_700)).is_empty(), "it has only just stopped");
        assert_eq!(causes(sessions.judge(&Event::Tick, quiet(13_000))), [None]);
        assert!(sessions.judge(&Event::Tick, quiet(13_001)).is_empty());
    }

    #[test]
    fn a_session_that_never_comes_up_for_good_is_set_aside_and_one_maintenance_is_not() {
        let mut sessions = Sessions::default();
        let down = Event::PeerDown { vantage: VantageId(0), seen: Timestamp::from_secs(0) };
        let mut told = Vec::new();
        for i in 0..4 {
            assert!(sessions.judge(&down, Timestamp::from_secs(60 * i)).is_empty(), "four times is a maintenance");
        }
        for i in 4..40 {
            told.extend(sessions.judge(&down, Timestamp::from_secs(60 * i)));
        }
        assert_eq!(causes(told), [Some(Cause::Resets)]);
        assert_eq!(causes(sessions.judge(&Event::Tick, Timestamp::from_secs(40 * 60 + 6 * 3_600))), [None]);
    }

    #[test]
    fn what_add_path_makes_of_a_message_without_it_is_no_routing() {
        // 00 00 00 01 18 cb 00 71: a path identifier and a route, read as four routes.
        let misread = announce(&[("0.0.0.0/0", 0), ("0.0.0.0/0", 0), ("0.0.0.0/0", 0), ("0.0.0.0/1", 0)]);
        // 18 c0 00 02 18 cb 00 71: two routes, read as an identifier and a route.
        let swallowed = announce(&[
            ("192.0.2.0/24", 0x18c6_3364),
            ("203.0.113.0/24", 0x18cb_0071),
            ("198.51.100.0/24", 0x16c0_0002),
        ]);
        for event in [misread, swallowed] {
            let mut sessions = Sessions::default();
            let at = Timestamp::from_secs(0);
            assert_eq!(causes(sessions.judge(&event, at)), [Some(Cause::DecodeDesync)]);
            assert!(sessions.judge(&Event::Tick, Timestamp::from_secs(86_400)).is_empty(), "it does not mend itself");
            let up = Event::PeerUp { vantage: VantageId(0), seen: at };
            assert_eq!(causes(sessions.judge(&up, at)), [None]);
        }
    }

    #[test]
    fn a_default_route_in_halves_and_one_identifier_for_many_routes_are_routing() {
        let mut sessions = Sessions::default();
        for event in [
            announce(&[("0.0.0.0/1", 0), ("128.0.0.0/1", 0)]),
            announce(&[
                ("192.0.2.0/24", 0x18c6_3364),
                ("203.0.113.0/24", 0x18c6_3364),
                ("198.51.100.0/24", 0x18c6_3364),
            ]),
            announce(&[("192.0.2.0/24", 1), ("203.0.113.0/24", 2), ("198.51.100.0/24", 3)]),
        ] {
            assert!(sessions.judge(&event, Timestamp::from_secs(0)).is_empty());
        }
    }
}
