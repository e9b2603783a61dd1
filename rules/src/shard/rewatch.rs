//! What does another watch list touch? Routes inside resources that it says something else of, and routes that an AS has part
//! in that is watched, or no longer is; they are judged again, and nothing else is.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Cause, Shard};
use crate::alert::RovState;
use crate::baseline::{Adjacency, Baseline};
use crate::bgp::{Asn, Timestamp};
use crate::rib::{Entry, PathSet, PrefixRef};
use crate::watch::{Changes, Memo, PlaceRef, Watch};

impl Shard {
    pub(super) fn watch_changed(&mut self, watch: Arc<Watch>, now: Timestamp) {
        let changes = self.watch.changes(&watch);
        self.watch = watch;
        // Places have the same numbers where the same prefixes are watched.
        if !changes.prefixes.is_empty() {
            self.rib.forget_watched();
        }
        let judges_valleys = self.judges_valleys();
        if std::mem::replace(&mut self.context.judges_valleys, judges_valleys) != judges_valleys {
            self.refresh_paths();
        }
        for at in self.touched_by(&changes) {
            self.forget_unsigned(at);
            for route in self.rib.entry(at).routes.to_vec() {
                self.judge((at, route.vantage, route.path_id), route.path, false, now, Cause::Watch, now);
            }
        }
    }

    /// In prefix order.
    fn touched_by(&self, changes: &Changes) -> Vec<PrefixRef> {
        let inside = changes.prefixes.iter().flat_map(|prefix| self.rib.under(prefix));
        let mut touched: BTreeSet<(IpNet, PrefixRef)> = inside.map(|at| (self.rib.entry(at).prefix, at)).collect();
        if !changes.asns.is_empty() {
            let paths = self.rib.paths.through(&changes.asns);
            let by_asn = self.rib.all().into_iter().filter(|at| self.is_touched(*at, &changes.asns, &paths));
            touched.extend(by_asn.map(|at| (self.rib.entry(at).prefix, at)));
        }
        touched.into_iter().map(|(_, at)| at).collect()
    }

    /// What is said of the prefix may depend on whether one of these is watched: one that is on the way, that a ROA names, or
    /// that originates the prefix, one around it or one inside it. Whether something is said already depends on the number
    /// of shards, so that is not asked.
    fn is_touched(&self, at: PrefixRef, asns: &BTreeSet<Asn>, paths: &PathSet) -> bool {
        let entry = self.rib.entry(at);
        let originates = |e: &Entry| {
            let normal = e.baseline.iter().flat_map(Baseline::origins);
            normal.chain(e.origins.iter().map(|o| o.asn)).any(|asn| asns.contains(&asn))
        };
        let is_signed = || self.rpki.vrps.covering(&entry.prefix).any(|vrp| asns.contains(&vrp.asn));
        entry.routes.iter().any(|r| paths.contains(r.path))
            || originates(entry)
            || self.rib.covering(&entry.prefix).any(originates)
            || self.rib.covered(&entry.prefix).any(originates)
            || is_signed()
    }

    /// The prefix is one of a resource, or of an AS, that somebody watches.
    pub(super) fn is_watched(&self, at: PrefixRef) -> bool {
        if self.watch.is_empty() {
            return false;
        }
        let entry = self.rib.entry(at);
        let by_asn = || entry.baseline.iter().flat_map(Baseline::origins).chain(entry.origins.iter().map(|o| o.asn));
        self.watched_over(entry).is_some() || by_asn().any(|asn| self.watch.holds(asn))
    }

    /// The nearest watched prefix around that of the entry, or itself.
    pub(super) fn watched_over(&self, entry: &Entry) -> Option<PlaceRef> {
        if self.watch.is_empty() {
            return None;
        }
        entry.watched.nearest().unwrap_or_else(|| self.watch.nearest(&entry.prefix))
    }

    /// Remembers what the watch list says of a prefix and of who announces it.
    pub(super) fn note_watched(&mut self, at: PrefixRef, origin_as: Option<Asn>) {
        let watch = &self.watch;
        let entry = self.rib.entry_mut(at);
        if entry.watched.nearest().is_none() {
            entry.watched = Memo::new(watch.nearest(&entry.prefix));
        }
        let Some((origin_as, place)) = origin_as.and_then(|asn| Some((asn, entry.watched.open_place(asn)?))) else {
            return;
        };
        if watch.allows(place, &entry.prefix, origin_as, || None, || false) {
            entry.watched = entry.watched.content_with(origin_as);
        }
    }

    /// On a watched prefix whose ROA says who is right, a foreign origin of the dump is no baseline, also if it became watched
    /// after the dump.
    fn forget_unsigned(&mut self, at: PrefixRef) {
        let Some(baseline) = self.rib.entry(at).baseline.clone().filter(|_| self.is_watched(at)) else { return };
        let signed = self.signed_of(at, baseline.adjacencies());
        if signed.len() == baseline.adjacencies().len() {
            return;
        }
        let is_signed = |asn: Asn| signed.iter().any(|a| a.origin_as == asn);
        let entry = self.rib.entry_mut(at);
        entry.origins.iter_mut().filter(|o| !is_signed(o.asn)).for_each(|o| o.suspicious = true);
        entry.baseline = Baseline::new(signed);
    }

    /// Those whose origin a ROA names; all of them, if none does.
    fn signed_of(&self, at: PrefixRef, adjacencies: &[Adjacency]) -> Vec<Adjacency> {
        let prefix = &self.rib.entry(at).prefix;
        let is_signed = |a: &&Adjacency| self.rpki.vrps.state(prefix, Some(a.origin_as)) == RovState::Valid;
        let signed: Vec<Adjacency> = adjacencies.iter().filter(is_signed).copied().collect();
        if self.rpki_usable && !signed.is_empty() { signed } else { adjacencies.to_vec() }
    }
}
