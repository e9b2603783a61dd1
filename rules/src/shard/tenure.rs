//! Is a network that others announce still announced by whom it belongs to? One that lost it to the newcomer everywhere may
//! have given it away (look-alike 5), and one that withdrew it first only uncovered what stood behind (look-alike 22).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Phase, RouteKey, Shard};
use crate::alert::Class;
use crate::bgp::{Asn, Timestamp};
use crate::rib::{Change, PathRef, PrefixRef};

impl Shard {
    /// A session withdrew a route.
    pub(super) fn vacate(&mut self, change: &Change) {
        let Some(origin_as) = change.old.and_then(|old| self.rib.paths.origin_as(old)) else { return };
        let entry = self.rib.entry_mut(change.prefix);
        if entry.is_in_baseline(origin_as) {
            entry.vacated = entry.vacated.saturating_add(1);
        }
    }

    /// A session that had no route has one.
    pub(super) fn move_in(&mut self, at: PrefixRef, path: PathRef) {
        if self.rib.entry(at).vacated == 0 {
            return;
        }
        let origin_as = self.rib.paths.origin_as(path);
        let entry = self.rib.entry_mut(at);
        if origin_as.is_some_and(|o| entry.is_in_baseline(o)) {
            entry.vacated -= 1;
        }
    }

    /// Tells once for each foreign origin of a prefix that the expected ones left, or came back.
    pub(super) fn revisit_tenure(&mut self, at: PrefixRef, seen: Timestamp, now: Timestamp) {
        let entry = self.rib.entry(at);
        let tenure = entry.tenure();
        if entry.offending == 0 || entry.told_tenure == tenure {
            return;
        }
        let mut told: BTreeSet<Asn> = BTreeSet::new();
        for route in entry.routes.clone() {
            let key = (at, route.vantage, route.path_id);
            let active = self.active.get(&key).into_iter().flatten();
            let foreign = active.filter(|a| a.class == Class::OriginHijack).map(|a| a.key_as);
            for key_as in foreign.collect::<Vec<_>>() {
                if told.insert(key_as) {
                    self.tell_tenure(key, route.path, key_as, seen, now);
                }
            }
        }
        self.rib.entry_mut(at).told_tenure = tenure;
    }

    fn tell_tenure(&mut self, key: RouteKey, path: PathRef, key_as: Asn, seen: Timestamp, now: Timestamp) {
        let is_it = |class, asn| class == Class::OriginHijack && asn == key_as;
        let findings = self.findings(key.0, path, false, now);
        let Some(finding) = findings.into_iter().find(|f| is_it(f.class, f.key_as)) else { return };
        if let Some(held) = self.active.get_mut(&key).and_then(|a| a.iter_mut().find(|a| is_it(a.class, a.key_as))) {
            held.points = finding.points();
        }
        let attributes = self.rib.paths.attributes(path).clone();
        self.sighted(key, Class::OriginHijack, key_as, seen, Phase::Changed(Arc::new(finding), attributes));
    }
}
