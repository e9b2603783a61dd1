//! Where the ASes of all paths lie: one run each in one long vector, four octets an AS.

use crate::bgp::Asn;
use crate::rib::room::make_room;

/// Runs of ASes. What is given back is used again for a run of the same length; lengths are as they are in the world, and that
/// changes slowly.
#[derive(Default)]
pub(super) struct Arena {
    ases: Vec<Asn>,
    /// Where runs of each length are free.
    free: Vec<Vec<u32>>,
}

/// A place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub start: u32,
    pub len: u16,
}

impl Run {
    /// Readers take paths of [`crate::limits::PATH_ASES`] at most, and no index goes beyond 2^32 ASes, 16 GiB of them.
    fn new(start: usize, len: usize) -> Self {
        let start = u32::try_from(start).expect("2^32 ASes do not fit into memory");
        Self { start, len: u16::try_from(len).expect("feeds take at most PATH_ASES") }
    }
}

impl Arena {
    pub fn put(&mut self, ases: impl ExactSizeIterator<Item = Asn>) -> Run {
        let len = ases.len();
        if let Some(start) = self.free.get_mut(len).and_then(Vec::pop) {
            let run = Run::new(start as usize, len);
            self.ases[start as usize..][..len].iter_mut().zip(ases).for_each(|(place, asn)| *place = asn);
            return run;
        }
        let run = Run::new(self.ases.len(), len);
        make_room(&mut self.ases, len);
        self.ases.extend(ases);
        run
    }

    pub fn get(&self, run: Run) -> &[Asn] {
        &self.ases[run.start as usize..][..usize::from(run.len)]
    }

    pub fn give_back(&mut self, run: Run) {
        let len = usize::from(run.len);
        if self.free.len() <= len {
            self.free.resize_with(len + 1, Vec::new);
        }
        self.free[len].push(run.start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_stay_what_they_were_put_in_as(steps in proptest::collection::vec((0..12_usize, any::<bool>()), 0..200)) {
            let mut arena = Arena::default();
            let mut held: Vec<(Run, Vec<Asn>)> = Vec::new();
            let mut most = 0;
            for (i, (len, is_put)) in steps.into_iter().enumerate() {
                if is_put || held.is_empty() {
                    let ases: Vec<Asn> = (0..len).map(|j| Asn((i * 100 + j) as u32)).collect();
                    held.push((arena.put(ases.iter().copied()), ases));
                } else {
                    arena.give_back(held.swap_remove(len % held.len()).0);
                }
                most = most.max(held.iter().map(|(_, ases)| ases.len()).sum::<usize>());
                for (run, ases) in &held {
                    prop_assert_eq!(arena.get(*run), &ases[..]);
                }
            }
            prop_assert!(most <= arena.ases.len());
        }
    }

    #[test]
    fn what_comes_and_goes_at_the_same_lengths_takes_no_more_room() {
        let mut arena = Arena::default();
        let runs = |arena: &mut Arena| (1..9_u32).map(|len| arena.put((0..len).map(Asn))).collect::<Vec<_>>();
        let first = runs(&mut arena);
        let size = arena.ases.len();
        for run in first {
            arena.give_back(run);
        }
        for _ in 0..100 {
            for run in runs(&mut arena) {
                arena.give_back(run);
            }
        }
        assert_eq!(arena.ases.len(), size);
    }
}
