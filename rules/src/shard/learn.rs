//! What do paths teach of the ASes on them, while it is not known yet what is normal, and in a dump?

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::RandomState;

use super::{Known, Report, Shard, sighting};
use crate::rib::{PathRef, PathSet};

impl Shard {
    /// Until there is a baseline, whatever stands in a path counts as known.
    pub(super) fn learn_path(&mut self, path: PathRef) {
        if self.rib.paths.is_learned(path) {
            return;
        }
        let known: Vec<Known> = self.known_of(path).into_iter().chain(self.onward(path)).collect();
        known.into_iter().for_each(|k| self.learn(k));
        self.rib.paths.mark_known(path);
    }

    pub(super) fn learn(&mut self, known: Known) {
        if self.context.known.insert(known) {
            self.out.push(Report::Known(known));
        }
    }

    /// What all paths of the table say, but for routes under suspicion: dumps may end long after news began.
    pub(super) fn known_of_dump(&self) -> BTreeSet<Known> {
        let mut paths = PathSet::default();
        for at in self.rib.all() {
            for route in &self.rib.entry(at).routes {
                if !self.is_offending((at, route.vantage, route.path_id)) {
                    paths.insert(route.path);
                }
            }
        }
        // Nearly all that a path says another has said: what is sorted is each once.
        let mut known: HashSet<Known, RandomState> = HashSet::default();
        for path in paths.iter() {
            known.extend(self.known_of(path).into_iter().chain(self.onward(path)));
        }
        known.into_iter().collect()
    }

    /// Who stood next to whom on the path, and who carried routes of others. Members of an AS_SET carried nothing.
    pub(super) fn known_of(&self, path: PathRef) -> Vec<Known> {
        let is_sequence = self.rib.paths.origin_as(path).is_some();
        let known = sighting::known_of(&self.rib.paths.hops(path)).collect::<Vec<_>>();
        known.into_iter().filter(|known| is_sequence || matches!(known, Known::Link(..))).collect()
    }

    /// Leaks and bogons of paths that stand.
    pub(super) fn oddities_of(&self, paths: &PathSet) -> BTreeSet<Known> {
        let table = &self.rib.paths;
        let odd = paths.iter().filter(|path| table.has_leak(*path) || table.has_bogon(*path));
        odd.flat_map(|path| {
            let facts = self.facts(&self.prove(path));
            let leak = facts.proofs.leak.as_ref().map(|l| Known::Leak(l.leaker, l.from, l.to));
            leak.into_iter().chain(facts.bogon.map(|(b, left)| Known::Bogon(b, left)))
        })
        .collect()
    }

    /// To whom the neighbor of a watched origin gave its route.
    fn onward(&self, path: PathRef) -> Option<Known> {
        let hops = self.rib.paths.hops(path);
        let [.., to, neighbor, origin_as] = hops[..] else { return None };
        let is_watched = self.rib.paths.origin_as(path) == Some(origin_as) && self.watch.holds(origin_as);
        is_watched.then_some(Known::Onward(origin_as, neighbor, to))
    }
}
