use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::baseline::Adjacency;
use crate::bgp::{Asn, PathAttributes};
use crate::limits;
use crate::proofs::PathProofs;

/// Index of an interned set of attributes; valid while somebody holds a reference on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef(pub(super) u32);

/// What a path says by itself, worked out once when it is first seen.
#[derive(Clone, Debug)]
pub struct PathFacts {
    /// Prepends and a private tail removed, wire order.
    pub hops: Box<[Asn]>,
    /// The private or AS_TRANS ASes that stood right of the origin.
    pub private_tail: Box<[Asn]>,
    /// Last of `hops`; none for an AS_SET.
    pub origin_as: Option<Asn>,
    /// A special-purpose AS among `hops`, and the AS left of it.
    pub bogon: Option<(Asn, Option<Asn>)>,
    /// Leak checks; none while nothing is wrong or unproven.
    pub proofs: Arc<PathProofs>,
    /// Nothing in the path alone asks for attention, or nothing that was not there before.
    pub is_clean: bool,
    /// The adjacency at the origin is one that the dump holds somewhere in this shard's part.
    pub is_known_adjacency: bool,
    /// New links beyond it, left of which stands an AS that may never have carried anything; nearest to the origin first, at most
    /// [`limits::STRANGERS`].
    pub strangers: SmallVec<[Adjacency; 1]>,
    /// All its links are part of what is known.
    pub is_learned: bool,
}

/// Some paths of a table.
#[derive(Clone, Debug, Default)]
pub struct PathSet(Vec<bool>);

impl PathSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, path: PathRef) -> bool {
        self.0.get(path.0 as usize).copied().unwrap_or_default()
    }

    pub fn insert(&mut self, path: PathRef) {
        let i = path.0 as usize;
        if self.0.len() <= i {
            self.0.resize(i + 1, false);
        }
        self.0[i] = true;
    }

    pub fn iter(&self) -> impl Iterator<Item = PathRef> {
        (0..).zip(&self.0).filter(|(_, is_in)| **is_in).map(|(i, _)| PathRef(i))
    }
}

impl PathFacts {
    /// The origin and the AS next to it; an origin that peers with the collector stands next to itself.
    pub fn adjacency(&self) -> Option<Adjacency> {
        let origin_as = self.origin_as?;
        let left = self.hops.len().checked_sub(2).map(|i| self.hops[i]);
        Some(Adjacency { origin_as, neighbor: left.unwrap_or(origin_as) })
    }
}

/// What nearly every update asks of a path; kept apart, so that it stays in the cache.
#[derive(Clone, Copy, Debug)]
struct Hot {
    refs: u32,
    /// How often it was left by its last route.
    idled: u32,
    origin_as: Option<Asn>,
    is_plain: bool,
}

impl Hot {
    fn new(facts: &PathFacts) -> Self {
        let mut hot = Self { refs: 1, idled: 0, origin_as: None, is_plain: false };
        hot.update(facts);
        hot
    }

    fn update(&mut self, facts: &PathFacts) {
        self.origin_as = facts.origin_as;
        self.is_plain = facts.is_clean && facts.is_known_adjacency;
    }
}

/// Two ASes at a time; the derived hash goes one by one.
fn hash(hasher: &RandomState, attributes: &PathAttributes) -> u64 {
    let mut state = hasher.build_hasher();
    let path = &attributes.as_path;
    for pair in path.ases().chunks(2) {
        state.write_u64(u64::from(pair[0].0) << 32 | pair.get(1).map_or(0, |a| u64::from(a.0)));
    }
    let otc = attributes.only_to_customer.map_or(0, |a| u64::from(a.0) + 1);
    let flags = u64::from(attributes.blackhole) << 1 | u64::from(path.is_plain_sequence());
    state.write_u64(otc << 32 | (path.ases().len() as u64) << 2 | flags);
    state.finish()
}

/// All attribute sets that some route carries, each once. The hash is keyed anew in every process: paths are
/// chosen by strangers.
#[derive(Default)]
pub struct PathTable {
    hot: Vec<Hot>,
    attributes: Vec<Arc<PathAttributes>>,
    facts: Vec<PathFacts>,
    free: Vec<u32>,
    /// Paths that no route carries, oldest first: most come back, and their facts cost more than their memory.
    idle: VecDeque<(u32, u32)>,
    index: HashTable<(Name, u32)>,
    hashers: (RandomState, RandomState),
}

/// 128 bits under two secret keys stand for the attributes themselves: among a million paths, two that share a name
/// are less likely than 1 in 10^26. To compare them octet by octet costs three cache misses an update, a sixth of all
/// the time there is.
type Name = (u64, u64);

impl PathTable {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Finds or makes the entry and takes one reference; `facts` is asked only for new ones.
    pub fn intern(
        &mut self,
        attributes: &Arc<PathAttributes>,
        facts: impl FnOnce(&PathAttributes) -> PathFacts,
    ) -> PathRef {
        let name = self.name(attributes);
        if let Some(&(_, i)) = self.index.find(name.0, |(known, _)| *known == name) {
            self.hot[i as usize].refs += 1;
            return PathRef(i);
        }
        let i = self.place(attributes.clone(), facts(attributes));
        self.index.insert_unique(name.0, (name, i), |(known, _)| known.0);
        PathRef(i)
    }

    fn name(&self, attributes: &PathAttributes) -> Name {
        (hash(&self.hashers.0, attributes), hash(&self.hashers.1, attributes))
    }

    fn place(&mut self, attributes: Arc<PathAttributes>, facts: PathFacts) -> u32 {
        let hot = Hot::new(&facts);
        match self.free.pop() {
            Some(i) => {
                self.hot[i as usize] = hot;
                self.attributes[i as usize] = attributes;
                self.facts[i as usize] = facts;
                i
            }
            None => {
                self.hot.push(hot);
                self.attributes.push(attributes);
                self.facts.push(facts);
                (self.hot.len() - 1) as u32
            }
        }
    }

    pub fn retain(&mut self, path: PathRef) {
        self.hot[path.0 as usize].refs += 1;
    }

    /// Gives one reference back; after the last one the entry stays until others need the room.
    pub fn release(&mut self, path: PathRef) {
        let hot = &mut self.hot[path.0 as usize];
        hot.refs -= 1;
        if hot.refs > 0 {
            return;
        }
        hot.idled = hot.idled.wrapping_add(1);
        self.idle.push_back((path.0, hot.idled));
        if self.idle.len() > limits::IDLE_PATHS
            && let Some((oldest, idled)) = self.idle.pop_front()
        {
            self.forget(oldest, idled);
        }
    }

    /// Frees the entry, unless it came back since.
    fn forget(&mut self, i: u32, idled: u32) {
        let hot = self.hot[i as usize];
        if hot.refs > 0 || hot.idled != idled {
            return;
        }
        let name = self.name(&self.attributes[i as usize]);
        if let Ok(found) = self.index.find_entry(name.0, |(_, j)| *j == i) {
            found.remove();
            self.free.push(i);
        }
    }

    /// The origin after a private tail was removed.
    pub fn origin_as(&self, path: PathRef) -> Option<Asn> {
        self.hot[path.0 as usize].origin_as
    }

    /// Nothing to see in the path itself, and its origin stands behind a neighbor it is known for.
    pub fn is_plain(&self, path: PathRef) -> bool {
        self.hot[path.0 as usize].is_plain
    }

    pub fn attributes(&self, path: PathRef) -> &Arc<PathAttributes> {
        &self.attributes[path.0 as usize]
    }

    pub fn facts(&self, path: PathRef) -> &PathFacts {
        &self.facts[path.0 as usize]
    }

    /// All paths that some route carries, in no order that may reach the outside.
    pub fn iter(&self) -> impl Iterator<Item = &PathFacts> {
        self.facts.iter().zip(&self.hot).filter(|(_, hot)| hot.refs > 0).map(|(facts, _)| facts)
    }

    /// Paths that lead through one of these.
    pub fn through(&self, asns: &BTreeSet<Asn>) -> PathSet {
        let mut through = PathSet::default();
        for (i, facts) in (0..).zip(&self.facts) {
            if self.hot[i as usize].refs > 0 && facts.hops.iter().chain(&*facts.private_tail).any(|h| asns.contains(h))
            {
                through.insert(PathRef(i));
            }
        }
        through
    }

    /// Works the touched paths out again, after relations, ASPAs or the known adjacencies changed; gives those that prove
    /// something else than before.
    pub fn refresh(
        &mut self,
        is_touched: impl Fn(&PathAttributes) -> bool,
        mut work_out: impl FnMut(&PathAttributes) -> PathFacts,
    ) -> PathSet {
        let mut changed = PathSet::default();
        let paths = self.hot.iter_mut().zip(&self.attributes).zip(&mut self.facts);
        for (i, ((hot, attributes), facts)) in paths.enumerate().filter(|(_, ((_, a), _))| is_touched(a)) {
            let new = work_out(attributes);
            if new.proofs.says_otherwise(&facts.proofs) {
                changed.insert(PathRef(i as u32));
            }
            *facts = new;
            hot.update(facts);
        }
        changed
    }

    /// The links of this path became part of the baseline.
    pub fn mark_known(&mut self, path: PathRef) {
        let facts = &mut self.facts[path.0 as usize];
        facts.is_known_adjacency = true;
        facts.is_learned = true;
        self.hot[path.0 as usize].update(facts);
    }
}
