//! What must outlive a restart? What is normal, which adjacencies are known, and every incident that may go on.
//!
//! Routes are not in it: dumps and feeds bring them again. At one place in the order of events each shard gives out what
//! it alone knows, the desk the rest; put together they are the same whatever the number of shards. [`crate::event::Event::Restore`]
//! takes it all back, before the first route.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::baseline::Baseline;
use crate::bgp::{Asn, Family, Timestamp, VantageId, VantagePoint};
use crate::desk::{Incident, Offence};
use crate::event::Role;
use crate::limits;
use crate::session::Cause;
use crate::shard::Known;

/// Of the fields below; another one is not read.
pub const VERSION: u32 = 1;

/// Everything that outlives a restart.
///
/// A prefix takes about 100 bytes as text and 70 in memory: 1.2 million prefixes are 120 MB of JSON (compressed a fifth
/// of it) and 85 MB while they are copied. An offence takes up to 2 KB, and there are [`limits::CHECKPOINT_OFFENCES`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub version: u32,
    /// The event it was made at, the same for all shards, and its time.
    pub seq: u64,
    pub at: Timestamp,
    pub desk: DeskMemory,
    /// IPv4 first, in prefix order.
    pub prefixes: Vec<PrefixMemory>,
}

/// What a shard knows of a prefix beyond its routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixMemory(pub IpNet, pub Option<Baseline>, pub SmallVec<[OriginMemory; 1]>);

/// An origin of a prefix, since when, and [`OriginMemory::SUSPICIOUS`], [`OriginMemory::SEEDED`], [`OriginMemory::HELD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginMemory(pub Asn, pub Timestamp, pub u8);

impl OriginMemory {
    pub const SUSPICIOUS: u8 = 1;
    pub const SEEDED: u8 = 2;
    /// Some route had it.
    pub const HELD: u8 = 4;

    pub fn has(self, flag: u8) -> bool {
        self.2 & flag != 0
    }
}

/// What the desk knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeskMemory {
    pub learning: bool,
    pub learning_since: Option<Timestamp>,
    pub baseline_as_of: Option<Timestamp>,
    /// The numbers below are places in this list.
    pub vantage: Vec<Arc<VantagePoint>>,
    /// Facts of the dump, ascending.
    pub known: Vec<Known>,
    /// Prefixes in the table of each vantage point: who sends a full one.
    pub tables: Vec<(Family, VantageId, i64)>,
    pub short: Vec<ShortMemory>,
    /// Incidents that are open or may be opened again, in the order they were opened.
    pub stories: Vec<Story>,
    /// Offences that nobody was told of yet.
    pub pending: Vec<Member>,
    /// Sessions that are not believed, and why.
    #[serde(default)]
    pub set_aside: Vec<(VantageId, Cause)>,
    /// What ASes said that they are to each other, by both.
    #[serde(default)]
    pub roles: Vec<Role>,
}

/// A short prefix that was old news at a vantage point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortMemory {
    pub vantage: u32,
    pub prefix: IpNet,
    pub path_id: u32,
    pub origin_as: Asn,
}

/// An incident with all that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Story {
    pub incident: Incident,
    /// In the order they joined; not empty.
    pub members: Vec<Member>,
    /// Place of the gravest among the members.
    pub best: usize,
}

/// An offence, and its place in the order in which all of them were first seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    pub order: u32,
    pub offence: Offence,
}

/// A story as it was when an alert of it left: what has to be added to the last checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chapter {
    /// The event that changed it, and the time of the alert.
    pub seq: u64,
    pub at: Timestamp,
    pub story: Story,
    /// The vantage points it names; of more than [`limits::CHAPTER_MEMBERS`] offences the first stand in it.
    pub points: BTreeMap<u32, Arc<VantagePoint>>,
}

/// A checkpoint as the shards and the desk gave it out.
#[derive(Clone, Debug)]
pub struct Parts {
    pub seq: u64,
    pub at: Timestamp,
    pub desk: DeskMemory,
    /// One list a shard, each in prefix order.
    pub prefixes: Vec<Vec<PrefixMemory>>,
}

/// Why a checkpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    #[error("it has version {0}, this program reads {VERSION}")]
    Version(u32),
    #[error("an incident of it has no offence")]
    Empty,
    #[error("an incident of it counts beyond all reason")]
    Count,
    #[error("it names a prefix that no table holds")]
    Prefix,
}

impl Parts {
    /// One whole, the same for any number of shards. Sorts, so it belongs into a thread that has time.
    pub fn merge(self) -> Checkpoint {
        let mut prefixes: Vec<PrefixMemory> = Vec::with_capacity(self.prefixes.iter().map(Vec::len).sum());
        prefixes.extend(self.prefixes.into_iter().flatten());
        prefixes.sort_unstable_by_key(|p| p.0);
        let mut desk = self.desk;
        desk.known.sort_unstable();
        Checkpoint { version: VERSION, seq: self.seq, at: self.at, desk, prefixes }
    }
}

impl Story {
    fn check(&self) -> Result<(), Unsound> {
        if self.best >= self.members.len() {
            return Err(Unsound::Empty);
        }
        let is_small = |n: usize| n < limits::OFFENCES;
        let segments = &self.incident.segments;
        if self.incident.sequence > u32::MAX / 2 || !segments.values().all(|n| is_small(*n)) {
            return Err(Unsound::Count);
        }
        Ok(())
    }
}

impl Chapter {
    /// As [`Checkpoint::check`].
    pub fn check(&self) -> Result<(), Unsound> {
        self.story.check()
    }
}

impl Checkpoint {
    /// What is known without one: nothing.
    pub fn empty() -> Self {
        let desk = DeskMemory { learning: true, ..DeskMemory::default() };
        Self { version: VERSION, seq: 0, at: Timestamp::MIN, desk, prefixes: Vec::new() }
    }

    /// Whatever reads one from outside asks this before it goes on.
    pub fn check(&self) -> Result<(), Unsound> {
        if self.version != VERSION {
            return Err(Unsound::Version(self.version));
        }
        self.desk.stories.iter().try_for_each(Story::check)?;
        let is_routed = |p: &IpNet| p.trunc() == *p && p.prefix_len() >= Family::of(p).shortest_routed();
        if !self.prefixes.iter().all(|p| is_routed(&p.0) && p.2.len() <= limits::ORIGINS_PER_PREFIX) {
            return Err(Unsound::Prefix);
        }
        Ok(())
    }

    /// Puts a story in the place of an older state of it. Members that only the older one names stay.
    pub fn take_in(&mut self, chapter: Chapter) {
        if chapter.at < self.at {
            return;
        }
        self.seq = self.seq.max(chapter.seq);
        let numbers: BTreeMap<u32, u32> = chapter.points.into_iter().map(|(n, p)| (n, self.number_of(p))).collect();
        let mut story = chapter.story;
        for member in &mut story.members {
            member.offence.renumber(|v| numbers.get(&v.0).copied().map(VantageId));
        }
        let is_it = |s: &&mut Story| s.incident.id == story.incident.id;
        let keys: Vec<_> = story.members.iter().map(|m| m.offence.key).collect();
        self.desk.pending.retain(|m| !keys.contains(&m.offence.key));
        let Some(old) = self.desk.stories.iter_mut().find(is_it) else {
            return self.desk.stories.push(story);
        };
        let left_out = std::mem::take(&mut old.members).into_iter().filter(|m| !keys.contains(&m.offence.key));
        story.members.extend(left_out);
        *old = story;
    }

    fn number_of(&mut self, point: Arc<VantagePoint>) -> u32 {
        let vantage = &mut self.desk.vantage;
        let at = vantage.iter().position(|v| *v == point).unwrap_or_else(|| {
            vantage.push(point);
            vantage.len() - 1
        });
        at as u32
    }
}
