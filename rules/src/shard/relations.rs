//! Other relations: which routes are judged again, and what of the valleys that show is no news?
//!
//! Relations are of days and weeks, and so is what they say of routes that stood before them: chronic, or a mistake of theirs
//! (S 5.5). Only a route that comes later makes a new leak by relations alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Known, Shard};
use crate::alert::ReasonCode;
use crate::bgp::Timestamp;
use crate::relations::Relations;
use crate::rib::{PathSet, PrefixRef};

impl Shard {
    /// Takes over who sells to whom. Routes whose path proves something else now are judged again, and so are those under a
    /// sighting, since relations may excuse it.
    pub(super) fn relations_changed(&mut self, relations: Arc<Relations>, now: Timestamp) {
        self.context.relations = relations;
        let changed = self.refresh_paths_where(|_| true);
        if self.judges_valleys() && self.learn_standing_valleys() {
            self.refresh_paths();
        }
        let is_touched = |at: &PrefixRef| {
            let entry = self.rib.entry(*at);
            entry.offending > 0 || entry.routes.iter().any(|r| changed.contains(r.path))
        };
        let touched: Vec<_> = self.rib.all().into_iter().filter(is_touched).collect();
        for at in touched {
            self.judge_prefix(at, ReasonCode::Relations, now);
        }
    }

    /// What relations say alone counts here and now.
    pub(super) fn judges_valleys(&self) -> bool {
        !self.learning || !self.watch.is_empty()
    }

    /// Whatever relations alone say of routes that stand, but for those under suspicion. True if there was any.
    pub(super) fn learn_standing_valleys(&mut self) -> bool {
        let mut paths = PathSet::default();
        for at in self.rib.all() {
            for route in &self.rib.entry(at).routes {
                if !self.is_offending((at, route.vantage, route.path_id)) {
                    paths.insert(route.path);
                }
            }
        }
        let leaks = paths.iter().filter_map(|path| self.rib.paths.facts(path).proofs.leak.as_ref());
        let standing: BTreeSet<Known> =
            leaks.filter(|l| !l.counts_alone()).map(|l| Known::Leak(l.leaker, l.from, l.to)).collect();
        let news: Vec<Known> = standing.into_iter().filter(|k| !self.context.known.contains(k)).collect();
        let learned: Vec<Known> = news.into_iter().filter(|k| !self.is_fact_disputed(k)).collect();
        learned.iter().for_each(|k| self.learn(*k));
        !learned.is_empty()
    }
}
