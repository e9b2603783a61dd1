//! What every vantage point holds: Adj-RIB-In of all of them over one prefix trie.
//!
//! `Rib::announce` and `Rib::withdraw` are the whole interface towards change; the layout behind them may be
//! replaced without touching a rule.

mod held;
mod memory;
mod paths;
mod room;
mod routes;

pub use paths::{Brief, PathFacts, PathRef, PathSet, PathTable, Sight};
pub use routes::Routes;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;
use smallvec::SmallVec;

use crate::alert::RovState;
use crate::baseline::Baseline;
use crate::bgp::{Asn, Family, Timestamp, VantageId, nearest_first};
use crate::gradual::GradualTable;
use crate::limits;
use crate::watch::Memo;

/// Index of a prefix in the RIB; the same for as long as there is something to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixRef(u32);

/// One route: a vantage point holds one per (prefix, path id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub vantage: VantageId,
    pub path_id: u32,
    pub path: PathRef,
}

/// An origin that is announced for a prefix now, or was in the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldOrigin {
    pub asn: Asn,
    pub routes: u32,
    /// Since when without a pause.
    pub since: Timestamp,
    /// Under a sighting at some time since then: never learned.
    pub suspicious: bool,
    /// Stood in the dump: history, not news.
    pub seeded: bool,
    /// Was announced when a restart interrupted the watching, and counts as if it were until its routes are back.
    pub carried: bool,
}

/// Do the origins of the baseline still announce a prefix that others announce too?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenure {
    #[default]
    Held,
    /// No vantage point has a route of theirs any more: the newcomer won everywhere, or the network changed hands.
    Left,
    /// The same, and they withdrew it themselves rather than lose it to the newcomer.
    Vacated,
}

/// Everything known of one prefix.
#[derive(Clone, Debug)]
pub struct Entry {
    pub prefix: IpNet,
    pub routes: Routes,
    pub origins: SmallVec<[HeldOrigin; 1]>,
    pub baseline: Option<Baseline>,
    /// Routes with an active sighting.
    pub offending: u32,
    /// Routes of its expected origins that were withdrawn and have not come back; sessions that went down do not count.
    pub vacated: u16,
    /// What was last told of its expected origins.
    pub told_tenure: Tenure,
    /// The last ROV outcome, its origin and the generation of VRPs it was made under.
    pub rov: Option<(Asn, RovState, u32)>,
    /// What the watch list says of it.
    pub watched: Memo,
}

/// What an update did to one (prefix, vantage point, path id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub prefix: PrefixRef,
    pub old: Option<PathRef>,
    pub new: Option<PathRef>,
    /// The vantage point's table gained (+1) or lost (-1) the prefix.
    pub table: i8,
}

#[derive(Default)]
pub struct Rib {
    index: JointPrefixMap<IpNet, PrefixRef>,
    /// The same by hash: most look-ups are for a prefix that is there.
    exact: GradualTable<PrefixRef>,
    hasher: RandomState,
    entries: Vec<Entry>,
    /// Places in `entries` that nothing refers to.
    free: Vec<PrefixRef>,
    /// Entries that lost their last route and may have nothing left to remember; the sweep looks again.
    blank: Vec<PrefixRef>,
    pub paths: PathTable,
    sizes: [Sizes; 2],
    held: held::Held,
}

/// What is held of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub routes: usize,
    pub prefixes: usize,
}

impl Rib {
    pub fn route_count(&self) -> usize {
        self.sizes.iter().map(|s| s.routes).sum()
    }

    pub fn sizes(&self, family: Family) -> Sizes {
        self.sizes[family as usize]
    }

    pub fn prefix_count(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn find(&self, prefix: &IpNet) -> Option<PrefixRef> {
        let same = |at: &PrefixRef| self.entries[at.0 as usize].prefix == *prefix;
        self.exact.find(hash(&self.hasher, prefix), same).copied()
    }

    /// Where the prefix most likely is, before its entry was looked at: for [`Self::confirm`]. None if it is certain that there is none.
    #[inline]
    pub fn guess(&self, prefix: &IpNet) -> Option<PrefixRef> {
        self.exact.find(hash(&self.hasher, prefix), |_| true).copied()
    }

    /// The place of a prefix that was guessed to be there.
    pub fn confirm(&self, prefix: &IpNet, guess: PrefixRef) -> Option<PrefixRef> {
        if self.entries[guess.0 as usize].prefix == *prefix { Some(guess) } else { self.find(prefix) }
    }

    pub fn entry(&self, at: PrefixRef) -> &Entry {
        &self.entries[at.0 as usize]
    }

    pub fn entry_mut(&mut self, at: PrefixRef) -> &mut Entry {
        &mut self.entries[at.0 as usize]
    }

    /// Another watch list holds from now on.
    pub fn forget_watched(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.watched = Memo::default());
    }

    /// All entries; none ever moves, and those of prefixes that are forgotten have no routes.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Less-specific prefixes of `prefix`, itself left out, the nearest first.
    pub fn covering(&self, prefix: &IpNet) -> impl Iterator<Item = &Entry> {
        let over = prefix.supernet().into_iter().flat_map(|outer| nearest_first(&self.index, outer));
        over.map(|(_, at)| self.entry(*at))
    }

    /// More-specific prefixes of `prefix`, itself left out, in prefix order.
    pub fn covered(&self, prefix: &IpNet) -> impl Iterator<Item = &Entry> {
        let own = *prefix;
        self.index.children(prefix).filter(move |(p, _)| *p != own).map(|(_, at)| self.entry(*at))
    }

    /// `prefix` and everything inside it, in prefix order.
    pub fn under(&self, prefix: &IpNet) -> Vec<PrefixRef> {
        self.index.children(prefix).map(|(_, at)| *at).collect()
    }

    /// All prefixes, IPv4 first, in prefix order.
    pub fn all(&self) -> Vec<PrefixRef> {
        self.index.iter().map(|(_, at)| *at).collect()
    }

    /// Puts a route in place of what the vantage point held under that path id.
    /// The caller has taken a reference on `path` and gives back the one on `Change::old`.
    pub fn announce(
        &mut self,
        prefix: IpNet,
        vantage: VantageId,
        path_id: u32,
        path: PathRef,
        seen: Timestamp,
    ) -> Change {
        let at = self.place(prefix);
        self.announce_at(at, vantage, path_id, path, seen)
    }

    /// The same at a place that is known.
    pub fn announce_at(
        &mut self,
        at: PrefixRef,
        vantage: VantageId,
        path_id: u32,
        path: PathRef,
        seen: Timestamp,
    ) -> Change {
        let entry = &mut self.entries[at.0 as usize];
        match entry.routes.insert(vantage, path_id, path) {
            Some(old) => {
                let origin_as = self.paths.origin_as(path);
                if old != path && self.paths.origin_as(old) != origin_as {
                    self.count_origin(at, old, -1, seen);
                    self.count_origin(at, path, 1, seen);
                // From the same origin it is no pause; one that found no place before may find one now.
                } else if !self.entry(at).origins.iter().any(|o| Some(o.asn) == origin_as) {
                    self.count_origin(at, path, 1, seen);
                }
                Change { prefix: at, old: Some(old), new: Some(path), table: 0 }
            }
            None => {
                let table = i8::from(!entry.routes.has_other(vantage, path_id));
                self.sizes[Family::of(&entry.prefix) as usize].routes += 1;
                let entries = &self.entries;
                self.held.gained(vantage, at, |at| entries[at.0 as usize].routes.has(vantage));
                self.count_origin(at, path, 1, seen);
                Change { prefix: at, old: None, new: Some(path), table }
            }
        }
    }

    /// Takes a route away; none if there was nothing.
    pub fn withdraw(&mut self, prefix: &IpNet, vantage: VantageId, path_id: u32, seen: Timestamp) -> Option<Change> {
        let at = self.find(prefix)?;
        let entry = &mut self.entries[at.0 as usize];
        let old = entry.routes.remove(vantage, path_id)?;
        let table = -i8::from(!entry.routes.has_other(vantage, path_id));
        self.sizes[Family::of(prefix) as usize].routes -= 1;
        self.held.lost(vantage);
        self.count_origin(at, old, -1, seen);
        // Whoever was told of an offence here is told of its end behind this; the sweep looks again.
        if self.entry(at).is_bare() {
            self.blank.push(at);
        }
        Some(Change { prefix: at, old: Some(old), new: None, table })
    }

    /// Prefixes that a vantage point has a route for, in prefix order.
    pub fn held_by(&self, vantage: VantageId) -> Vec<PrefixRef> {
        if self.held.routes(vantage) == 0 {
            return Vec::new();
        }
        let has = |at: &PrefixRef| self.entry(*at).routes.has(vantage);
        let mut held: Vec<PrefixRef> = match self.held.places(vantage) {
            Some(places) => places.into_iter().filter(has).collect(),
            None => (0..self.entries.len() as u32).map(PrefixRef).filter(has).collect(),
        };
        held.sort_unstable_by_key(|at| self.entry(*at).prefix);
        held
    }

    /// Routes of a vantage point at one prefix.
    pub fn routes_of(&self, at: PrefixRef, vantage: VantageId) -> Vec<Route> {
        self.entry(at).routes.of(vantage).collect()
    }

    /// Forgets prefixes that came and went and left nothing to remember. No `PrefixRef` of them is good after it.
    pub fn sweep(&mut self) {
        for at in std::mem::take(&mut self.blank) {
            let entry = &self.entries[at.0 as usize];
            let prefix = entry.prefix;
            if !entry.is_blank() || self.find(&prefix) != Some(at) {
                continue;
            }
            self.index.remove(&prefix);
            self.exact.remove(hash(&self.hasher, &prefix), |found| *found == at);
            self.sizes[Family::of(&prefix) as usize].prefixes -= 1;
            self.free.push(at);
        }
    }

    /// The place of a prefix, which is made if there is none.
    pub fn place(&mut self, prefix: IpNet) -> PrefixRef {
        if let Some(at) = self.find(&prefix) {
            return at;
        }
        let at = self.vacant(prefix);
        self.index.insert(prefix, at);
        self.sizes[Family::of(&prefix) as usize].prefixes += 1;
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |at: &PrefixRef| entries.get(at.0 as usize).map_or(0, |e| hash(hasher, &e.prefix));
        self.exact.insert_unique(hash(hasher, &prefix), at, rehash);
        at
    }

    fn vacant(&mut self, prefix: IpNet) -> PrefixRef {
        let entry = Entry {
            prefix,
            routes: Routes::default(),
            origins: SmallVec::new(),
            baseline: None,
            offending: 0,
            vacated: 0,
            told_tenure: Tenure::Held,
            rov: None,
            watched: Memo::default(),
        };
        if let Some(at) = self.free.pop() {
            self.entries[at.0 as usize] = entry;
            return at;
        }
        room::make_room(&mut self.entries, 1);
        self.entries.push(entry);
        PrefixRef(self.entries.len() as u32 - 1)
    }

    fn count_origin(&mut self, at: PrefixRef, path: PathRef, by: i32, seen: Timestamp) {
        let Some(asn) = self.paths.origin_as(path) else { return };
        let origins = &mut self.entries[at.0 as usize].origins;
        match origins.iter_mut().position(|o| o.asn == asn) {
            Some(i) if by > 0 => {
                if origins[i].routes == 0 && !origins[i].carried {
                    origins[i].since = seen;
                }
                origins[i].carried = false;
                origins[i].routes += 1;
            }
            Some(i) => {
                // A route that came when there was no place for its origin was not counted.
                origins[i].routes = origins[i].routes.saturating_sub(1);
                // History that pauses stays history.
                if origins[i].routes == 0 && !origins[i].seeded {
                    origins.remove(i);
                }
            }
            None if by > 0 && origins.len() < limits::ORIGINS_PER_PREFIX => {
                origins.push(HeldOrigin {
                    asn,
                    routes: 1,
                    since: seen,
                    suspicious: false,
                    seeded: false,
                    carried: false,
                });
            }
            None => {}
        }
    }
}

/// A prefix in one or two words; the derived hash goes over octets.
fn hash(hasher: &RandomState, prefix: &IpNet) -> u64 {
    match prefix {
        IpNet::V4(p) => hasher.hash_one(u64::from(p.addr().to_bits()) << 8 | u64::from(p.prefix_len())),
        IpNet::V6(p) => hasher.hash_one((p.addr().to_bits(), p.prefix_len())),
    }
}

impl Entry {
    /// Origins that count as normal here at `now`: those of the baseline, and those that stood an hour without suspicion.
    pub fn normal_origins(&self, now: Timestamp) -> impl Iterator<Item = Asn> {
        let learned = self.baseline.iter().flat_map(Baseline::origins);
        let stable = self.origins.iter().filter(move |o| o.is_stable(now)).map(|o| o.asn);
        learned.chain(stable)
    }

    /// It has no route, and nothing is to be remembered of those that it had.
    fn is_blank(&self) -> bool {
        self.is_bare() && self.offending == 0
    }

    fn is_bare(&self) -> bool {
        self.routes.is_empty() && self.origins.is_empty() && self.baseline.is_none()
    }

    pub fn is_in_baseline(&self, origin_as: Asn) -> bool {
        self.baseline.as_ref().is_some_and(|b| b.has_origin(origin_as))
    }

    pub fn tenure(&self) -> Tenure {
        let is_there = |o: &HeldOrigin| (o.routes > 0 || o.carried) && self.is_in_baseline(o.asn);
        if self.baseline.is_none() || self.origins.iter().any(is_there) {
            Tenure::Held
        } else if 2 * usize::from(self.vacated) >= self.routes.len() {
            Tenure::Vacated
        } else {
            Tenure::Left
        }
    }

    pub fn has_baseline(&self, now: Timestamp) -> bool {
        self.normal_origins(now).next().is_some()
    }

    /// Stood in the dump without making a baseline: nobody else saw it.
    #[inline]
    pub fn is_history(&self, origin_as: Asn) -> bool {
        self.baseline.is_none() && self.origins.iter().any(|o| o.asn == origin_as && o.seeded)
    }

    /// Its origins are the baseline, or history; a watched prefix may know better.
    pub fn was_in_dump(&self, origin_as: Asn) -> bool {
        self.origins.iter().any(|o| o.asn == origin_as && o.seeded)
    }

    #[inline]
    pub fn is_normal(&self, origin_as: Asn, now: Timestamp) -> bool {
        self.origins.iter().any(|o| o.asn == origin_as && o.is_stable(now)) || self.is_in_baseline(origin_as)
    }
}

impl HeldOrigin {
    fn is_stable(&self, now: Timestamp) -> bool {
        (self.routes > 0 || self.carried)
            && !self.suspicious
            && now.secs_since(self.since) >= limits::STABLE_SECS as f64
    }
}

#[cfg(test)]
mod tests;
