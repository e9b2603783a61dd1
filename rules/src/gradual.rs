//! A hash table whose growth holds nobody up: it is many small ones, and each grows by itself.
//!
//! A table of millions that doubles moves all it has at once, which takes a tenth of a second and more, in the middle of the news.

use hashbrown::HashTable;

/// 32 octets each: their heads stay in the cache, and of 15 million entries 60,000 are moved at once.
const PARTS: usize = 256;

/// Finds by a hash that the caller works out, with a key of its own.
pub(crate) struct GradualTable<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
}

impl<T> Default for GradualTable<T> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| HashTable::new()).collect(), len: 0 }
    }
}

/// The part by bits that a part itself looks at last: it takes the lowest and the seven highest.
fn part(hash: u64) -> usize {
    (hash >> 48) as usize % PARTS
}

impl<T> GradualTable<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[part(hash)].find(hash, is_it)
    }

    pub fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.parts[part(hash)].find_mut(hash, is_it)
    }

    /// What is put in is not there yet.
    pub fn insert_unique(&mut self, hash: u64, value: T, hash_of: impl Fn(&T) -> u64) {
        self.len += 1;
        self.parts[part(hash)].insert_unique(hash, value, hash_of);
    }

    pub fn remove(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let (value, _) = self.parts[part(hash)].find_entry(hash, is_it).ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    /// In no order.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&mut T) -> bool) {
        for part in &mut self.parts {
            part.retain(&mut is_kept);
        }
        self.len = self.parts.iter().map(HashTable::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hash::BuildHasher;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0u8..4, 0u16..2_000, any::<u8>()), 0..3_000)) {
            let hasher = foldhash::fast::RandomState::default();
            let hash = |key: u16| hasher.hash_one(key);
            let (mut table, mut map) = (GradualTable::default(), BTreeMap::new());
            for (step, key, value) in steps {
                let is_it = |held: &(u16, u8)| held.0 == key;
                match step {
                    0 => prop_assert_eq!(table.remove(hash(key), is_it), map.remove(&key).map(|value| (key, value))),
                    1 if value == 0 => {
                        table.retain(|held| held.0.is_multiple_of(2));
                        map.retain(|key: &u16, _| key.is_multiple_of(2));
                    }
                    _ => {
                        match table.find_mut(hash(key), is_it) {
                            Some(held) => held.1 = value,
                            None => table.insert_unique(hash(key), (key, value), |held| hash(held.0)),
                        }
                        map.insert(key, value);
                    }
                }
                prop_assert_eq!(table.find(hash(key), is_it).map(|held| held.1), map.get(&key).copied());
                prop_assert_eq!(table.len(), map.len());
            }
        }
    }
}
