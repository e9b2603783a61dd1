//! What the desk remembers: offences (one family, key AS and prefix) and the incidents they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::record::{OffenceRecord, Recorded};
use crate::alert::{
    Class, Constituent, Episode, LeakSegment, Reason, ReasonCode, SamplePath, Severity, Status, Transition,
};
use crate::bgp::{Asn, PathAttributes, Timestamp, VantageId};
use crate::finding::{Code, Finding, Kind};
use crate::limits;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffenceRef(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentRef(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OffenceKey {
    pub kind: Kind,
    pub key_as: Asn,
    pub prefix: IpNet,
}

/// A vantage point that holds an offending route now.
#[derive(Clone, Debug)]
pub struct Holder {
    pub vantage: VantageId,
    pub path_id: u32,
    pub class: Class,
    pub since: Timestamp,
    pub attributes: Arc<PathAttributes>,
}

impl Holder {
    fn key(&self) -> (VantageId, u32, Class) {
        (self.vantage, self.path_id, self.class)
    }
}

/// Everything wrong with one prefix by one AS, seen from all sides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offence {
    pub key: OffenceKey,
    /// The collector's time of its first route, and the engine's.
    pub started: Timestamp,
    pub first_at: Timestamp,
    pub ended: Option<Timestamp>,
    /// Sorted by (vantage, path id, class).
    #[serde(skip)]
    pub holders: Vec<Holder>,
    /// Distinct peer ASes that ever held it, ascending.
    pub peers: Vec<Asn>,
    /// When the last of them joined, by the engine's clock.
    pub grew_at: Timestamp,
    /// Sessions that went away while they held it, or that were not watched since: they are waited for.
    pub lost: Vec<Lost>,
    /// What became of the expected origins, where they do not hold the prefix any more.
    pub tenure: Option<Code>,
    /// Since when they hold it again, by the engine's clock; while they only come back, they may be about to win.
    pub regained_at: Option<Timestamp>,
    /// The first route, and the finding that judged it.
    pub first: Arc<Finding>,
    pub first_route: (VantageId, Arc<PathAttributes>),
    /// The finding with the most points so far; under new facts, of those who hold it still.
    pub best: Arc<Finding>,
    /// The event with new facts that it was weighed in last.
    #[serde(skip)]
    pub weighed_in: Option<u64>,
    /// The facts that made standing routes an offence; none if a route did.
    pub began_by: Option<Reason>,
    #[serde(skip)]
    pub incident: Option<IncidentRef>,
    /// Who holds it, for the record.
    #[serde(skip)]
    pub record: OffenceRecord,
    pub last_end: ReasonCode,
    /// Held when a restart interrupted the watching, and not seen since.
    pub unwatched: bool,
    /// It ended in that time: nobody saw when.
    pub ended_unseen: bool,
    /// A rule allowed it when a restart interrupted the watching; whether one still does, the configuration says.
    #[serde(default)]
    pub allowed: bool,
}

/// A session that held an offence when it was lost from sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub vantage: VantageId,
    pub path_id: u32,
    /// The engine's clock. Not kept over a restart: every session has an hour from there.
    #[serde(skip)]
    pub since: Timestamp,
}

impl Offence {
    pub fn is_active(&self) -> bool {
        !self.holders.is_empty()
    }

    /// Somebody holds it, or held it when a restart interrupted the watching.
    pub fn is_held(&self) -> bool {
        self.is_active() || (self.unwatched && !self.lost.is_empty())
    }

    /// Gives its vantage points other numbers; sessions without one are no longer waited for.
    pub fn renumber(&mut self, number: impl Fn(VantageId) -> Option<VantageId>) {
        self.first_route.0 = number(self.first_route.0).unwrap_or(VantageId(u32::MAX));
        let known = |lost: &Lost| number(lost.vantage).map(|vantage| Lost { vantage, ..*lost });
        self.lost = self.lost.iter().filter_map(known).collect();
    }

    pub fn holder(&mut self, vantage: VantageId, path_id: u32, class: Class) -> Result<usize, usize> {
        self.holders.binary_search_by_key(&(vantage, path_id, class), Holder::key)
    }
}

/// A transition that waits for the end of the event.
#[derive(Clone, Debug)]
pub struct Due {
    pub transition: Transition,
    pub reason: Reason,
}

/// What an alert of an incident last said, so that the next one knows what is new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub at: Timestamp,
    pub severity: Option<Severity>,
    pub score: i32,
    pub class: Option<Class>,
    pub provisional: bool,
    pub suspects: Vec<Asn>,
    pub constituents: usize,
    pub prefixes: usize,
    pub peers: usize,
}

/// A story over time: offences of one family and key AS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub id: Arc<str>,
    pub kind: Kind,
    pub key_as: Asn,
    pub sequence: u32,
    pub status: Status,
    pub class: Class,
    pub severity: Severity,
    pub score: i32,
    pub provisional: bool,
    pub started: Timestamp,
    pub opened: Timestamp,
    pub last_seen: Timestamp,
    pub ended: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub quiet_since: Option<Timestamp>,
    pub episodes: Vec<Episode>,
    /// When it last gained a prefix.
    pub gained_at: Timestamp,
    /// In the order they joined.
    #[serde(skip)]
    pub offences: Vec<OffenceRef>,
    #[serde(skip)]
    pub active: usize,
    #[serde(skip)]
    pub best: OffenceRef,
    /// Peer ASes that hold an offending route now, with the number of their routes.
    #[serde(skip)]
    pub peers: BTreeMap<Asn, u32>,
    pub ever_peers: BTreeSet<Asn>,
    pub peers_peak: usize,
    pub share_peak: Option<f64>,
    pub collectors: BTreeSet<Arc<str>>,
    pub samples: Vec<SamplePath>,
    pub suspects: Vec<Asn>,
    /// Stood left of the suspects on the way; one alone is a suspect too, several are the Internet.
    pub maybe_suspects: BTreeSet<Asn>,
    pub accepted_by: BTreeSet<Asn>,
    pub expected: BTreeSet<Asn>,
    pub detected: BTreeSet<Asn>,
    pub victims: BTreeSet<Asn>,
    /// Victims with the time they first were, for the mass rules.
    pub victim_times: BTreeMap<Asn, Timestamp>,
    pub constituents: BTreeSet<Constituent>,
    #[serde(with = "pairs")]
    pub segments: BTreeMap<SegmentKey, usize>,
    #[serde(skip)]
    pub due: Vec<Due>,
    pub told: Told,
    /// New facts about it that were not told yet.
    pub new_facts: Option<Reason>,
    /// They may have made it less grave.
    pub reweigh: bool,
    /// Routes of it that were told for the record, and those that found no room there.
    #[serde(default)]
    pub recorded: Recorded,
}

pub type SegmentKey = (Asn, Asn, Asn, Option<u8>);

/// A map as a list of pairs, for formats whose keys are text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::SegmentKey;

    pub fn serialize<S: Serializer>(map: &BTreeMap<SegmentKey, usize>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<SegmentKey, usize>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

impl Incident {
    pub fn is_open(&self) -> bool {
        self.status == Status::Open
    }

    /// When it is what is normal, should it still be open.
    pub fn normal_at(&self) -> Timestamp {
        match self.kind.is_novelty() {
            true => self.gained_at.plus_secs(limits::STABLE_SECS),
            false => self.opened.plus_secs(limits::NORMAL_AFTER_SECS),
        }
    }

    /// Most likely first.
    pub fn suspects(&self) -> Vec<Asn> {
        let mut suspects = self.suspects.clone();
        if self.maybe_suspects.len() == 1 {
            suspects.extend(self.maybe_suspects.iter().filter(|m| !self.suspects.contains(m)));
        }
        suspects
    }

    /// Segments by prefixes, most first.
    pub fn segments(&self) -> Vec<LeakSegment> {
        let mut segments: Vec<LeakSegment> = self
            .segments
            .iter()
            .map(|((from, leaker, to, kind), prefixes)| LeakSegment {
                from: Some(*from),
                leaker: Some(*leaker),
                to: Some(*to),
                rfc7908_type: *kind,
                prefix_count: *prefixes,
            })
            .collect();
        segments.sort_by_key(|s| (std::cmp::Reverse(s.prefix_count), s.from, s.leaker, s.to));
        segments
    }
}
