//! What do paths teach of the ASes on them, while it is not known yet what is normal, and in a dump?

use std::collections::BTreeSet;

use super::{Known, Report, Shard, sighting};
use crate::rib::{PathFacts, PathRef, PathSet};

/// Who stood next to whom on the path, and who carried routes of others. Members of an AS_SET carried nothing.
pub(super) fn known_of(facts: &PathFacts) -> impl Iterator<Item = Known> {
    let is_sequence = facts.origin_as.is_some();
    sighting::known_of(&facts.hops).filter(move |known| is_sequence || matches!(known, Known::Link(..)))
}

impl Shard {
    /// Until there is a baseline, whatever stands in a path counts as known.
    pub(super) fn learn_path(&mut self, path: PathRef) {
        let facts = self.rib.paths.facts(path);
        if facts.is_learned {
            return;
        }
        let known: Vec<Known> = known_of(facts).chain(self.onward(facts)).collect();
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
        let facts = |path| self.rib.paths.facts(path);
        paths.iter().flat_map(|path| known_of(facts(path)).chain(self.onward(facts(path)))).collect()
    }

    /// To whom the neighbor of a watched origin gave its route.
    fn onward(&self, facts: &PathFacts) -> Option<Known> {
        let [.., to, neighbor, origin_as] = facts.hops[..] else { return None };
        let is_watched = facts.origin_as == Some(origin_as) && self.watch.holds(origin_as);
        is_watched.then_some(Known::Onward(origin_as, neighbor, to))
    }
}
