//! What does a change of the RPKI touch? Stored routes under a VRP that came or went, and routes whose path proves
//! something else by an ASPA that came or went; they are judged again, and nothing else is.
//!
//! Data that expired touch nothing: what they proved stays as it is until there are data again that say otherwise.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Cause, Phase, Report, RouteKey, Shard};
use crate::alert::{Class, SourceState};
use crate::bgp::{Asn, Timestamp, VantageId};
use crate::rib::{PathRef, PathSet, PrefixRef};
use crate::rpki::Delta;
use crate::shard::EndedBy;

/// Which routes of a prefix are judged again.
#[derive(Clone, Copy)]
enum Touched {
    /// A VRP over the prefix came or went.
    All,
    /// Those whose path proves something else.
    ByPath,
}

/// Frozen and stale data are still the best there are; expired ones are none.
fn is_usable(state: SourceState) -> bool {
    matches!(state, SourceState::Fresh | SourceState::Stale | SourceState::Frozen)
}

impl Shard {
    /// Applies a delta and judges again what lies under it, and nothing else.
    pub(super) fn rpki_changed(&mut self, delta: &Delta, now: Timestamp) {
        let (had_vrps, had_aspas) = (self.rpki_usable, self.aspas_usable);
        let range = self.range;
        let mut mine = delta.clone();
        mine.announced_vrps.retain(|v| range.needs_vrp(&v.prefix));
        mine.withdrawn_vrps.retain(|v| range.needs_vrp(&v.prefix));
        let had_none = self.rpki.aspas.is_empty();
        self.rpki.apply(&mine);
        self.rpki_usable = is_usable(delta.vrps.state);
        self.aspas_usable = is_usable(delta.aspas.state);
        let vrps_changed = !(mine.announced_vrps.is_empty() && mine.withdrawn_vrps.is_empty());
        if vrps_changed || had_vrps != self.rpki_usable {
            self.vrp_generation += 1;
        }
        let whole = had_aspas != self.aspas_usable || had_none != self.rpki.aspas.is_empty();
        let mut paths = self.aspas_changed(&mine, whole);
        // What a watched network signed matters to it, also where no path proves anything else by it.
        let customers = mine.announced_aspas.keys().chain(&mine.withdrawn_aspas);
        let signed: BTreeSet<Asn> = customers.filter(|asn| self.watch.holds(**asn)).copied().collect();
        if !signed.is_empty() && self.aspas_usable {
            self.rib.paths.through(&signed).iter().for_each(|path| paths.insert(path));
        }
        let mut touched: BTreeMap<(IpNet, PrefixRef), Touched> = BTreeMap::new();
        if self.aspas_usable && !paths.is_empty() {
            touched.extend(self.carrying(&paths).into_iter().map(|at| (at, Touched::ByPath)));
        }
        if self.rpki_usable {
            touched.extend(self.under_vrps(&mine, !had_vrps).into_iter().map(|at| (at, Touched::All)));
        }
        for ((_, at), which) in touched {
            self.judge_again(at, which, &paths, now);
        }
    }

    /// Works out the paths that contain a changed customer; all of them, where ASPAs as such came or went.
    fn aspas_changed(&mut self, delta: &Delta, whole: bool) -> PathSet {
        if whole {
            return self.refresh_paths_where(|_| true);
        }
        let customers: BTreeSet<Asn> = delta.announced_aspas.keys().chain(&delta.withdrawn_aspas).copied().collect();
        if customers.is_empty() || !self.aspas_usable {
            return PathSet::default();
        }
        self.refresh_paths_where(|path| path.ases.iter().any(|asn| customers.contains(asn)))
    }

    /// Prefixes with a route over one of the paths.
    fn carrying(&self, paths: &PathSet) -> Vec<(IpNet, PrefixRef)> {
        let carries = |at: &PrefixRef| self.rib.entry(*at).routes.iter().any(|r| paths.contains(r.path));
        self.rib.all().into_iter().filter(carries).map(|at| (self.rib.entry(at).prefix, at)).collect()
    }

    /// Prefixes under the VRPs that came or went; every prefix, where there were no usable ones before.
    fn under_vrps(&self, delta: &Delta, everything: bool) -> Vec<(IpNet, PrefixRef)> {
        let found: Vec<PrefixRef> = if everything {
            self.rib.all()
        } else {
            let changed = delta.announced_vrps.iter().chain(&delta.withdrawn_vrps);
            changed.flat_map(|v| self.rib.under(&v.prefix)).collect()
        };
        found.into_iter().map(|at| (self.rib.entry(at).prefix, at)).collect()
    }

    fn judge_again(&mut self, at: PrefixRef, which: Touched, paths: &PathSet, now: Timestamp) {
        let first = self.out.len();
        let routes = self.rib.entry(at).routes.to_vec();
        for route in &routes {
            let by_aspa = paths.contains(route.path);
            let is_touched = by_aspa || matches!(which, Touched::All);
            let key = (at, route.vantage, route.path_id);
            if !is_touched || self.is_plainly_fine(key, route.path, || false, now) {
                continue;
            }
            self.judge(key, route.path, false, now, Cause::Rpki { by_aspa }, now);
        }
        self.tell_companions(at, first, now);
    }

    /// Where a sighting of some routes of the prefix changed, the others tell theirs again: only together they say what the
    /// offence is worth now.
    fn tell_companions(&mut self, at: PrefixRef, first: usize, now: Timestamp) {
        let mut moved: BTreeSet<(Class, Asn)> = BTreeSet::new();
        let mut told: BTreeSet<(VantageId, u32, Class, Asn)> = BTreeSet::new();
        for report in &self.out[first..] {
            let Report::Sighting(s) = report else { continue };
            match s.phase {
                Phase::Ended(EndedBy::Cleared(_)) | Phase::Changed(..) => drop(moved.insert((s.class, s.key_as))),
                _ => {}
            }
            if !matches!(s.phase, Phase::Ended(_)) {
                told.insert((s.vantage, s.path_id, s.class, s.key_as));
            }
        }
        if moved.is_empty() {
            return;
        }
        for route in self.rib.entry(at).routes.to_vec() {
            let key = (at, route.vantage, route.path_id);
            let active = self.active.get(&key).cloned().unwrap_or_default();
            for a in active.iter().filter(|a| moved.contains(&(a.class, a.key_as))) {
                if !told.contains(&(route.vantage, route.path_id, a.class, a.key_as)) {
                    self.tell_again(key, route.path, (a.class, a.key_as), now);
                }
            }
        }
    }

    pub(super) fn tell_again(&mut self, key: RouteKey, path: PathRef, (class, key_as): (Class, Asn), now: Timestamp) {
        let proven = self.proven(path);
        let findings = self.findings(key.0, &proven, class == Class::OriginHijack, now);
        if let Some(finding) = findings.into_iter().find(|f| (f.class, f.key_as) == (class, key_as)) {
            self.sighted(key, class, key_as, now, Phase::Changed(finding.into(), proven.attributes));
        }
    }
}
