//! Which sets of attributes do the routes carry? Each is kept once, in about 52 octets: a row of 24, its ASes, and a place in the
//! index. What a path says by itself is worked out anew whenever a rule asks, but for what it proves (`shard::weigh`); the row keeps
//! what nearly every update asks.

mod arena;
mod facts;
mod set;

pub use facts::{Brief, PathFacts};
pub use set::PathSet;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use crate::baseline::Adjacency;
use crate::bgp::{AsPath, Asn, PathAttributes};
use crate::gradual::GradualTable;
use crate::limits;
use crate::rib::room::make_room;
use arena::{Arena, Run};

/// Index of an interned set of attributes; valid while somebody holds a reference on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef(pub(super) u32);

impl PathRef {
    /// Dense, from 0; given again to another path once nobody holds it.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// 32 bits under a secret key: enough to look in the right place. Among fifty million paths one in a hundred meets another of the
/// same name, so what has the name is compared with the attributes themselves, and two that differ are never taken for one.
type Name = u32;

/// A name on everything that the index looks at: the lowest bits, the seven highest, and those in between that choose a part.
fn spread(name: Name) -> u64 {
    u64::from(name).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What nearly every update asks of a path: less than half a cache line.
struct Row {
    name: Name,
    /// Of what it proves, see [`crate::proofs::PathProofs::digest`].
    digest: u32,
    /// Routes that carry it, and whoever else holds it.
    refs: u32,
    /// The origin after a private tail was removed.
    origin_as: Asn,
    start: u32,
    len: u16,
    flags: u8,
    /// How often it was left by its last route, modulo 256.
    idled: u8,
}

mod flag {
    /// It has an origin.
    pub const ORIGIN: u8 = 1;
    pub const CLEAN: u8 = 1 << 1;
    pub const KNOWN_ADJACENCY: u8 = 1 << 2;
    /// All its links are part of what is known.
    pub const LEARNED: u8 = 1 << 3;
    pub const LEAK: u8 = 1 << 4;
    pub const BOGON: u8 = 1 << 5;
    /// More than an AS_SEQUENCE: the attributes stand in `PathTable::odd`.
    pub const ODD: u8 = 1 << 6;
    /// Nobody can have it.
    pub const FREE: u8 = 1 << 7;
}

impl Row {
    fn new(name: Name, run: Run) -> Self {
        let Run { start, len } = run;
        Self { name, digest: 0, refs: 1, origin_as: Asn(0), start, len, flags: 0, idled: 0 }
    }

    fn run(&self) -> Run {
        Run { start: self.start, len: self.len }
    }

    fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Learned is what was learned since.
    fn update(&mut self, brief: &Brief) {
        let set = |is_set: bool, flag| if is_set { flag } else { 0 };
        self.origin_as = brief.origin_as.unwrap_or(Asn(0));
        self.digest = brief.digest;
        self.flags = self.flags & flag::ODD
            | set(brief.origin_as.is_some(), flag::ORIGIN)
            | set(brief.is_clean, flag::CLEAN)
            | set(brief.is_known_adjacency, flag::KNOWN_ADJACENCY)
            | set(brief.has_leak, flag::LEAK)
            | set(brief.has_bogon, flag::BOGON);
    }
}

fn name(hasher: &impl BuildHasher, attributes: &PathAttributes) -> Name {
    let otc = attributes.only_to_customer;
    let marks =
        otc.map_or(0, |asn| u64::from(asn.0)) << 2 | u64::from(otc.is_some()) << 1 | u64::from(attributes.blackhole);
    hasher.hash_one((attributes.as_path.name(), marks)) as Name
}

/// What tells whether a path is to be worked out again.
pub struct Sight<'t> {
    /// In wire order, as received.
    pub ases: &'t [Asn],
    /// More than an AS_SEQUENCE.
    pub is_odd: bool,
    /// Some proof names a leak.
    pub has_leak: bool,
}

/// All attribute sets that some route carries, each once. The hash is keyed anew in every process: paths are
/// chosen by strangers.
pub struct PathTable<H = RandomState> {
    rows: Vec<Row>,
    arena: Arena,
    /// Those that are more than an AS_SEQUENCE.
    odd: HashMap<u32, Arc<PathAttributes>>,
    free: Vec<u32>,
    /// Paths that no route carries, oldest first: most come back, and to work them out costs more than their memory.
    idle: VecDeque<(u32, u8)>,
    index: GradualTable<u32>,
    hasher: H,
    most_idle: usize,
    /// Rows that became free, ever: while there are no more of them, what was found is still there.
    freed: u64,
}

impl<H: BuildHasher + Default> Default for PathTable<H> {
    fn default() -> Self {
        Self::keeping(limits::IDLE_PATHS)
    }
}

impl<H: BuildHasher + Default> PathTable<H> {
    /// Keeps so many paths that no route carries.
    fn keeping(most_idle: usize) -> Self {
        Self {
            rows: Vec::new(),
            arena: Arena::default(),
            odd: HashMap::new(),
            free: Vec::new(),
            idle: VecDeque::new(),
            index: GradualTable::default(),
            hasher: H::default(),
            most_idle,
            freed: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds or makes the entry and takes one reference; `brief` is asked only for new ones.
    pub fn intern(
        &mut self,
        attributes: &Arc<PathAttributes>,
        brief: impl FnOnce(&PathAttributes) -> Brief,
    ) -> PathRef {
        let name = name(&self.hasher, attributes);
        if let Some(i) = self.find_named(name, attributes) {
            self.rows[i as usize].refs += 1;
            return PathRef(i);
        }
        let i = self.place(name, attributes);
        self.rows[i as usize].update(&brief(attributes));
        self.index.insert_unique(spread(name), i, |i| spread(self.rows[*i as usize].name));
        PathRef(i)
    }

    /// The row of the attributes, if they have one. No reference is taken on it.
    pub fn find(&self, attributes: &PathAttributes) -> Option<PathRef> {
        self.find_named(name(&self.hasher, attributes), attributes).map(PathRef)
    }

    /// Which row most likely is that of the attributes, before it was looked at: for [`Self::confirm`]. None if it is certain that there
    /// is none.
    pub fn guess(&self, attributes: &PathAttributes) -> Option<PathRef> {
        self.index.find(spread(name(&self.hasher, attributes)), |_| true).copied().map(PathRef)
    }

    /// The row of attributes that was guessed to be there.
    pub fn confirm(&self, attributes: &PathAttributes, guess: PathRef) -> Option<PathRef> {
        if self.is_still(guess, attributes) { Some(guess) } else { self.find(attributes) }
    }

    /// To be told to [`Self::retain_if`] of whatever is found now.
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Takes a reference on a row that was found for the attributes when `freed` rows had become free, if it still is theirs, and says
    /// whether it did.
    pub fn retain_if(&mut self, path: PathRef, attributes: &PathAttributes, freed: u64) -> bool {
        let is_it = self.freed == freed || self.is_still(path, attributes);
        debug_assert!(!is_it || self.is(path.0, attributes));
        if is_it {
            self.retain(path);
        }
        is_it
    }

    fn find_named(&self, name: Name, attributes: &PathAttributes) -> Option<u32> {
        let is_it = |i: &u32| self.rows[*i as usize].name == name && self.is(*i, attributes);
        self.index.find(spread(name), is_it).copied()
    }

    /// Whether the row is in use, and that of these attributes.
    pub fn is_still(&self, path: PathRef, attributes: &PathAttributes) -> bool {
        !self.row(path).has(flag::FREE) && self.is(path.0, attributes)
    }

    /// The row stands for these attributes, whatever its name.
    fn is(&self, i: u32, attributes: &PathAttributes) -> bool {
        let (row, is_odd) = (&self.rows[i as usize], !is_sequence(attributes));
        row.has(flag::ODD) == is_odd
            && self.arena.get(row.run()) == attributes.as_path.ases()
            && (!is_odd || *self.odd[&i] == *attributes)
    }

    fn place(&mut self, name: Name, attributes: &Arc<PathAttributes>) -> u32 {
        let run = self.arena.put(attributes.as_path.ases().iter().copied());
        let mut row = Row::new(name, run);
        let is_simple = is_sequence(attributes);
        if !is_simple {
            row.flags = flag::ODD;
        }
        let i = match self.free.pop() {
            Some(i) => {
                self.rows[i as usize] = row;
                i
            }
            None => {
                make_room(&mut self.rows, 1);
                self.rows.push(row);
                (self.rows.len() - 1) as u32
            }
        };
        if !is_simple {
            self.odd.insert(i, attributes.clone());
        }
        i
    }

    pub fn retain(&mut self, path: PathRef) {
        self.rows[path.0 as usize].refs += 1;
    }

    /// Gives one reference back; after the last one the entry stays until others need the room.
    pub fn release(&mut self, path: PathRef) {
        let row = &mut self.rows[path.0 as usize];
        row.refs -= 1;
        if row.refs > 0 {
            return;
        }
        row.idled = row.idled.wrapping_add(1);
        self.idle.push_back((path.0, row.idled));
        if self.idle.len() > self.most_idle
            && let Some((oldest, idled)) = self.idle.pop_front()
        {
            self.forget(oldest, idled);
        }
    }

    /// From here on a path goes with its last route, and those that have none go now.
    pub fn keep_none_idle(&mut self) {
        self.most_idle = 0;
        for (i, idled) in std::mem::take(&mut self.idle) {
            self.forget(i, idled);
        }
    }

    /// How many of the next `count` paths that no route carries would go, if they had to make room now.
    pub fn leaving(&self, count: usize) -> usize {
        let (rows, full) = (&self.rows, self.idle.len() >= self.most_idle);
        let oldest = self.idle.iter().take(if full { count } else { 0 });
        let is_idle = |(i, idled): &&(u32, u8)| rows[*i as usize].refs == 0 && rows[*i as usize].idled == *idled;
        let is_there = |(i, _): &&(u32, u8)| self.index.find(spread(rows[*i as usize].name), |j| j == i).is_some();
        oldest.filter(is_idle).filter(is_there).count()
    }

    /// Frees the entry, unless it came back since.
    fn forget(&mut self, i: u32, idled: u8) {
        let row = &mut self.rows[i as usize];
        if row.refs > 0 || row.idled != idled || row.has(flag::FREE) {
            return;
        }
        row.flags |= flag::FREE;
        self.freed += 1;
        self.arena.give_back(row.run());
        let (name, is_odd) = (row.name, row.has(flag::ODD));
        self.index.remove(spread(name), |j| *j == i);
        if is_odd {
            self.odd.remove(&i);
        }
        self.free.push(i);
    }

    fn row(&self, path: PathRef) -> &Row {
        &self.rows[path.0 as usize]
    }

    /// The origin after a private tail was removed.
    pub fn origin_as(&self, path: PathRef) -> Option<Asn> {
        let row = self.row(path);
        row.has(flag::ORIGIN).then_some(row.origin_as)
    }

    /// Nothing to see in the path itself, and its origin stands behind a neighbor it is known for.
    pub fn is_plain(&self, path: PathRef) -> bool {
        self.row(path).has(flag::CLEAN | flag::KNOWN_ADJACENCY)
    }

    /// Nothing in the path alone asks for attention, or nothing that was not there before.
    pub fn is_clean(&self, path: PathRef) -> bool {
        self.row(path).has(flag::CLEAN)
    }

    pub fn is_known_adjacency(&self, path: PathRef) -> bool {
        self.row(path).has(flag::KNOWN_ADJACENCY)
    }

    pub fn is_learned(&self, path: PathRef) -> bool {
        self.row(path).has(flag::LEARNED)
    }

    /// Some proof names a leak, whether it is news or not.
    pub fn has_leak(&self, path: PathRef) -> bool {
        self.row(path).has(flag::LEAK)
    }

    /// A special-purpose AS stands in it.
    pub fn has_bogon(&self, path: PathRef) -> bool {
        self.row(path).has(flag::BOGON)
    }

    /// As they were received.
    pub fn attributes(&self, path: PathRef) -> Arc<PathAttributes> {
        match self.odd(path) {
            Some(odd) => odd.clone(),
            None => of_sequence(self.ases(path)).into(),
        }
    }

    /// Those that are more than an AS_SEQUENCE.
    #[inline]
    pub fn odd(&self, path: PathRef) -> Option<&Arc<PathAttributes>> {
        if self.row(path).has(flag::ODD) { Some(&self.odd[&path.0]) } else { None }
    }

    /// Every AS of the path in wire order, those of sets included.
    pub fn ases(&self, path: PathRef) -> &[Asn] {
        self.arena.get(self.row(path).run())
    }

    /// Prepends and a private tail removed, wire order; as in [`PathFacts`].
    pub fn hops(&self, path: PathRef) -> SmallVec<[Asn; 12]> {
        let mut hops = SmallVec::from_slice(self.ases(path));
        hops.dedup();
        let ends_in_set = self.odd(path).is_some_and(|odd| odd.as_path.origin_as().is_none());
        while !ends_in_set && hops.last().is_some_and(|asn: &Asn| asn.is_private_or_trans()) {
            hops.pop();
        }
        hops
    }

    /// The origin and the AS next to it; an origin that peers with the collector stands next to itself.
    pub fn adjacency(&self, path: PathRef) -> Option<Adjacency> {
        Some(Adjacency::in_path(self.origin_as(path)?, &self.hops(path)))
    }

    /// Paths that lead through one of these.
    pub fn through(&self, asns: &BTreeSet<Asn>) -> PathSet {
        let mut through = PathSet::default();
        for (i, row) in (0..).zip(&self.rows) {
            if row.refs > 0 && self.arena.get(row.run()).iter().any(|asn| asns.contains(asn)) {
                through.insert(PathRef(i));
            }
        }
        through
    }

    /// Works the touched paths out again, after relations, ASPAs or the known adjacencies changed; gives those that prove
    /// something else than before.
    pub fn refresh(
        &mut self,
        is_touched: impl Fn(&Sight<'_>) -> bool,
        mut work_out: impl FnMut(&PathAttributes) -> Brief,
    ) -> PathSet {
        let mut changed = PathSet::default();
        for i in 0..self.rows.len() {
            let path = PathRef(i as u32);
            if self.row(path).has(flag::FREE) || !is_touched(&self.sight(path)) {
                continue;
            }
            let brief = work_out(&self.attributes(path));
            let row = &mut self.rows[i];
            if brief.digest != row.digest {
                changed.insert(path);
            }
            row.update(&brief);
        }
        changed
    }

    fn sight(&self, path: PathRef) -> Sight<'_> {
        Sight { ases: self.ases(path), is_odd: self.row(path).has(flag::ODD), has_leak: self.has_leak(path) }
    }

    /// Paths whose leak may be news: they have one, and something about them asks for attention.
    pub fn leaking(&self) -> PathSet {
        let mut leaking = PathSet::default();
        for (i, row) in (0..).zip(&self.rows) {
            if row.refs > 0 && row.has(flag::LEAK) && !row.has(flag::CLEAN) {
                leaking.insert(PathRef(i));
            }
        }
        leaking
    }

    /// The links of this path became part of the baseline.
    pub fn mark_known(&mut self, path: PathRef) {
        self.rows[path.0 as usize].flags |= flag::KNOWN_ADJACENCY | flag::LEARNED;
    }
}

/// What nearly all routes carry.
fn is_sequence(attributes: &PathAttributes) -> bool {
    attributes.as_path.is_plain_sequence() && attributes.only_to_customer.is_none() && !attributes.blackhole
}

fn of_sequence(ases: &[Asn]) -> PathAttributes {
    PathAttributes { as_path: AsPath::sequence(ases.iter().copied()), ..PathAttributes::default() }
}

#[cfg(test)]
mod tests;
