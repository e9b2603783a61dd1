//! Other relations: which routes are judged again, and what of the valleys that show is no news?
//!
//! Relations are of days and weeks, and so is what they say of routes that stood before them: chronic, or a mistake of theirs
//! (S 5.5). Only a route that comes later makes a new leak by relations alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Known, Shard};
use crate::alert::ReasonCode;
use crate::bgp::Timestamp;
use crate::relations::{RelationChanges, Relations};
use crate::rib::{PathSet, PrefixRef};

impl Shard {
    /// A file: everything is judged again, since it may know of siblings and customers that excuse what was found.
    pub(super) fn relations_given(&mut self, relations: Arc<Relations>, now: Timestamp) {
        self.take_over(relations);
        for at in self.rib.all() {
            self.judge_prefix(at, ReasonCode::Relations, now);
        }
    }

    /// Worked out anew: routes whose path proves something else now are judged again, and nothing else is.
    pub(super) fn relations_inferred(&mut self, relations: Arc<Relations>, now: Timestamp) {
        let changed = self.take_over(relations);
        let is_touched = |at: &PrefixRef| self.rib.entry(*at).routes.iter().any(|r| changed.contains(r.path));
        for at in self.rib.all().into_iter().filter(is_touched).collect::<Vec<_>>() {
            self.judge_prefix(at, ReasonCode::Relations, now);
        }
    }

    fn take_over(&mut self, relations: Arc<Relations>) -> PathSet {
        let changes = RelationChanges::between(&self.context.relations, &relations);
        self.context.relations = relations;
        // While links are being learned, what is known of them is told to all paths by the way.
        let is_learning = self.learning;
        let changed = self.refresh_paths_where(|path| is_learning || path.is_odd || changes.concern(path.ases));
        if self.judges_valleys() && self.learn_standing_valleys() {
            self.refresh_paths_where(|path| is_learning || path.has_leak);
        }
        changed
    }

    /// What relations say alone counts here and now.
    pub(super) fn judges_valleys(&self) -> bool {
        !self.learning || !self.watch.is_empty()
    }

    /// Whatever relations alone say of routes that stand, but for those under suspicion. True if there was any.
    pub(super) fn learn_standing_valleys(&mut self) -> bool {
        let leaking = self.rib.paths.leaking();
        if leaking.is_empty() {
            return false;
        }
        let mut paths = PathSet::default();
        for at in self.rib.all() {
            for route in self.rib.entry(at).routes.iter().filter(|r| leaking.contains(r.path)) {
                if !self.is_offending((at, route.vantage, route.path_id)) {
                    paths.insert(route.path);
                }
            }
        }
        let leaks = paths.iter().filter_map(|path| self.prove(path).proofs.leak.clone());
        let standing: BTreeSet<Known> =
            leaks.filter(|l| !l.counts_alone()).map(|l| Known::Leak(l.leaker, l.from, l.to)).collect();
        let news: Vec<Known> = standing.into_iter().filter(|k| !self.context.known.contains(k)).collect();
        let learned: Vec<Known> = news.into_iter().filter(|k| !self.is_fact_disputed(k)).collect();
        learned.iter().for_each(|k| self.learn(*k));
        !learned.is_empty()
    }
}
