//! Is a network that others announce still announced by whom it belongs to? One that lost it to the newcomer everywhere may
//! have given it away (look-alike 5), and one that withdrew it first only uncovered what stood behind (look-alike 22).

use std::collections::BTreeSet;

use super::{Report, Shard};
use crate::alert::Class;
use crate::bgp::Asn;
use crate::rib::{Change, PathRef, PrefixRef, Tenure};

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
    pub(super) fn revisit_tenure(&mut self, at: PrefixRef) {
        let entry = self.rib.entry(at);
        let tenure = if entry.offending > 0 { entry.tenure() } else { Tenure::Held };
        if entry.told_tenure == tenure {
            return;
        }
        let (prefix, routes) = (entry.prefix, entry.routes.iter().map(|r| (at, r.vantage, r.path_id)));
        let active = routes.filter_map(|key| self.active.get(&key)).flatten();
        let foreign: BTreeSet<Asn> = active.filter(|a| a.class == Class::OriginHijack).map(|a| a.key_as).collect();
        self.out.extend(foreign.into_iter().map(|key_as| Report::Tenure { prefix, key_as, tenure }));
        self.rib.entry_mut(at).told_tenure = tenure;
    }
}
