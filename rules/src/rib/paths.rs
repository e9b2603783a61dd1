use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::baseline::Adjacency;
use crate::bgp::{Asn, PathAttributes};
use crate::limits;
use crate::proofs::PathProofs;

/// Index of an interned set of attributes; valid while somebody holds a reference on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef(u32);

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
}

impl PathFacts {
    /// The origin and the AS next to it; an origin that peers with the collector stands next to itself.
    pub fn adjacency(&self) -> Option<Adjacency> {
        let origin_as = self.origin_as?;
        let left = self.hops.len().checked_sub(2).map(|i| self.hops[i]);
        Some(Adjacency { origin_as, neighbor: left.unwrap_or(origin_as) })
    }
}

struct Slot {
    attributes: Arc<PathAttributes>,
    facts: PathFacts,
    refs: u32,
    /// How often it was left by its last route.
    idled: u32,
}

/// All attribute sets that some route carries, each once. The hash is keyed anew in every process: paths are
/// chosen by strangers.
#[derive(Default)]
pub struct PathTable {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Paths that no route carries, oldest first: most come back, and their facts cost more than their memory.
    idle: VecDeque<(u32, u32)>,
    index: HashTable<u32>,
    hasher: RandomState,
}

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
        let hash = self.hasher.hash_one(&**attributes);
        let slots = &self.slots;
        let same = |i: &u32| slots[*i as usize].as_ref().is_some_and(|s| s.attributes == *attributes);
        if let Some(&i) = self.index.find(hash, same) {
            if let Some(slot) = &mut self.slots[i as usize] {
                slot.refs += 1;
            }
            return PathRef(i);
        }
        let slot = Slot { attributes: attributes.clone(), facts: facts(attributes), refs: 1, idled: 0 };
        let i = match self.free.pop() {
            Some(i) => {
                self.slots[i as usize] = Some(slot);
                i
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index
            .insert_unique(hash, i, |&j| slots[j as usize].as_ref().map_or(0, |s| hasher.hash_one(&*s.attributes)));
        PathRef(i)
    }

    pub fn retain(&mut self, path: PathRef) {
        if let Some(slot) = &mut self.slots[path.0 as usize] {
            slot.refs += 1;
        }
    }

    /// Gives one reference back; after the last one the entry stays until others need the room.
    pub fn release(&mut self, path: PathRef) {
        let Some(slot) = &mut self.slots[path.0 as usize] else { return };
        slot.refs -= 1;
        if slot.refs > 0 {
            return;
        }
        slot.idled = slot.idled.wrapping_add(1);
        self.idle.push_back((path.0, slot.idled));
        if self.idle.len() > limits::IDLE_PATHS
            && let Some((oldest, idled)) = self.idle.pop_front()
        {
            self.forget(oldest, idled);
        }
    }

    /// Frees the entry, unless it came back since.
    fn forget(&mut self, i: u32, idled: u32) {
        let Some(slot) = self.slots[i as usize].as_ref().filter(|s| s.refs == 0 && s.idled == idled) else { return };
        let hash = self.hasher.hash_one(&*slot.attributes);
        if let Ok(found) = self.index.find_entry(hash, |&j| j == i) {
            found.remove();
        }
        self.slots[i as usize] = None;
        self.free.push(i);
    }

    pub fn attributes(&self, path: PathRef) -> &Arc<PathAttributes> {
        &self.slot(path).attributes
    }

    pub fn facts(&self, path: PathRef) -> &PathFacts {
        &self.slot(path).facts
    }

    /// All paths that some route carries, in no order that may reach the outside.
    pub fn iter(&self) -> impl Iterator<Item = &PathFacts> {
        self.slots.iter().flatten().filter(|slot| slot.refs > 0).map(|slot| &slot.facts)
    }

    /// Works every path out again, after relations, ASPAs or the known adjacencies changed.
    pub fn refresh(&mut self, mut facts: impl FnMut(&PathAttributes) -> PathFacts) {
        for slot in self.slots.iter_mut().flatten() {
            slot.facts = facts(&slot.attributes);
        }
    }

    /// The adjacency of this path became part of the baseline.
    pub fn mark_known(&mut self, path: PathRef) {
        if let Some(slot) = &mut self.slots[path.0 as usize] {
            slot.facts.is_known_adjacency = true;
        }
    }

    fn slot(&self, path: PathRef) -> &Slot {
        self.slots[path.0 as usize].as_ref().expect("a PathRef is held only with a reference on it")
    }
}
