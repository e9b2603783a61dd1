use std::cmp::Ordering;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::alert::{Class, ReasonCode};
use crate::baseline::Adjacency;
use crate::bgp::{Asn, Family, PathAttributes, Timestamp, VantageId};
use crate::finding::Finding;
use crate::own::visibility_loss::Presence;
use crate::rib::Tenure;

/// One rule about one route: it began to be wrong, is wrong otherwise, or is no longer.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub prefix: IpNet,
    pub path_id: u32,
    pub vantage: VantageId,
    pub class: Class,
    pub key_as: Asn,
    /// The collector's time of the message that did it.
    pub seen: Timestamp,
    pub phase: Phase,
    /// What the vantage point held until then; none where nothing is known of it.
    pub before: Option<HeldBefore>,
}

/// A route that an offending one took the place of: the one for the prefix itself or, where the prefix is new, the one for what
/// covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBefore {
    pub prefix: IpNet,
    pub attributes: Arc<PathAttributes>,
}

#[derive(Clone, Debug)]
pub enum Phase {
    Ended(EndedBy),
    Began(Arc<Finding>, Arc<PathAttributes>),
    Changed(Arc<Finding>, Arc<PathAttributes>),
}

/// What took an offending route away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    Withdrawn,
    Replaced,
    /// The session or the feed went away: no proof that the route did.
    LostSight,
    /// The route is still there, and new facts say it is fine.
    Cleared(ReasonCode),
}

impl EndedBy {
    /// In the words of an alert.
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Withdrawn => ReasonCode::Withdrawn,
            Self::Replaced => ReasonCode::Replaced,
            Self::LostSight => ReasonCode::OutOfSight,
            Self::Cleared(code) => code,
        }
    }
}

/// A fact of the dump that makes something old news everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Known {
    /// Two ASes stood next to each other, in either order; the lower number first.
    Link(Asn, Asn),
    /// (leaker, from, to): a leak, or a wrong relation, that was there before.
    Leak(Asn, Asn, Asn),
    /// A special-purpose AS and the one left of it.
    Bogon(Asn, Option<Asn>),
    /// Stood in the middle of a path, so that routes of others went through it.
    Carrier(Asn),
    /// Stood at the end of one.
    Origin(Asn),
    /// (origin, neighbor, to): a watched origin's route went on over its neighbor to that AS.
    Onward(Asn, Asn, Asn),
}

/// What a path says of its ASes, with repeats removed and in wire order. The AS of the session gave its routes to a collector
/// alone, so it carried nothing for anybody.
pub fn known_of(hops: &[Asn]) -> impl Iterator<Item = Known> {
    let links = hops.windows(2).map(|pair| Known::link(pair[0], pair[1]));
    let carriers = hops.windows(3).map(|three| Known::Carrier(three[1]));
    links.chain(carriers).chain(hops.last().map(|last| Known::Origin(*last)))
}

impl Known {
    pub fn link(a: Asn, b: Asn) -> Self {
        Self::Link(a.min(b), a.max(b))
    }
}

impl From<Adjacency> for Known {
    fn from(adjacency: Adjacency) -> Self {
        Self::link(adjacency.origin_as, adjacency.neighbor)
    }
}

/// What a shard tells the desk.
#[derive(Clone, Debug)]
pub enum Report {
    Known(Known),
    /// A vantage point's table grew or shrank by so many prefixes since the last tick.
    Table {
        vantage: VantageId,
        family: Family,
        by: i64,
    },
    Sighting(Sighting),
    /// Whether the expected origins of a prefix still hold it, beside an AS that should not.
    Tenure {
        prefix: IpNet,
        key_as: Asn,
        tenure: Tenure,
    },
    Presence(Presence),
}

/// A report with the event that caused it.
#[derive(Clone, Debug)]
pub struct Keyed {
    pub seq: u64,
    pub report: Report,
}

/// A place in the order of all reports. Shards hold different prefixes, so no two of them meet at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub seq: u64,
    pub prefix: Option<IpNet>,
}

impl Mark {
    /// Behind everything of an event.
    pub fn end_of(seq: u64) -> Self {
        Self { seq: seq + 1, prefix: None }
    }
}

impl Keyed {
    pub fn mark(&self) -> Mark {
        let prefix = match &self.report {
            Report::Sighting(s) => Some(s.prefix),
            Report::Tenure { prefix, .. } => Some(*prefix),
            Report::Presence(p) => Some(p.prefix),
            Report::Known(_) | Report::Table { .. } => None,
        };
        Mark { seq: self.seq, prefix }
    }

    /// The one order of reports: event, then facts, then sightings by prefix, path id and rule; what ended
    /// stands before what began.
    pub fn order(&self, other: &Self) -> Ordering {
        self.mark().cmp(&other.mark()).then_with(|| match (&self.report, &other.report) {
            (Report::Sighting(a), Report::Sighting(b)) => a.rank().cmp(&b.rank()),
            (Report::Tenure { key_as: a, .. }, Report::Tenure { key_as: b, .. }) => a.cmp(b),
            (Report::Sighting(_), Report::Tenure { .. }) => Ordering::Less,
            (Report::Tenure { .. }, Report::Sighting(_)) => Ordering::Greater,
            (Report::Known(a), Report::Known(b)) => a.cmp(b),
            (Report::Table { vantage: a, family: f, .. }, Report::Table { vantage: b, family: g, .. }) => {
                (a, f).cmp(&(b, g))
            }
            // What one message did to one prefix stays in the order it was done.
            (Report::Presence(_), Report::Presence(_)) => Ordering::Equal,
            (Report::Presence(_), _) => Ordering::Greater,
            (_, Report::Presence(_)) => Ordering::Less,
            (Report::Known(_), _) => Ordering::Less,
            (_, Report::Known(_)) => Ordering::Greater,
            _ => Ordering::Equal,
        })
    }
}

impl Sighting {
    fn rank(&self) -> (u32, VantageId, bool, Class, Asn) {
        (self.path_id, self.vantage, !matches!(self.phase, Phase::Ended(_)), self.class, self.key_as)
    }
}
