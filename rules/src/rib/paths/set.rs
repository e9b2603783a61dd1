use super::PathRef;

/// Some paths of a table, a bit each.
#[derive(Clone, Debug, Default)]
pub struct PathSet(Vec<u64>);

impl PathSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, path: PathRef) -> bool {
        let (word, bit) = place(path);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub fn insert(&mut self, path: PathRef) {
        let (word, bit) = place(path);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = PathRef> {
        (0..)
            .zip(&self.0)
            .flat_map(|(word, bits)| (0..64).filter(move |i| bits >> i & 1 == 1).map(move |i| PathRef(word * 64 + i)))
    }
}

fn place(path: PathRef) -> (usize, u64) {
    (path.0 as usize / 64, 1 << (path.0 % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(paths in prop::collection::vec(0..300_u32, 0..40)) {
            let mut set = PathSet::default();
            prop_assert!(set.is_empty());
            paths.iter().for_each(|path| set.insert(PathRef(*path)));
            let twin: BTreeSet<PathRef> = paths.into_iter().map(PathRef).collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), twin.iter().copied().collect::<Vec<_>>());
            prop_assert!((0..400).map(PathRef).all(|path| set.contains(path) == twin.contains(&path)));
            prop_assert_eq!(set.is_empty(), twin.is_empty());
        }
    }
}
