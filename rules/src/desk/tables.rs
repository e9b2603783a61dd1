//! Which peers send a full table, per family, and so what a share of visibility is measured against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bgp::{Asn, Family, VantageId, VantagePoint};

/// Table sizes by vantage point.
#[derive(Default)]
pub struct Tables {
    sizes: BTreeMap<(Family, VantageId), i64>,
    /// Of before a restart: what is there again never counts for less.
    carried: BTreeMap<(Family, VantageId), i64>,
    full: BTreeMap<Family, Arc<BTreeSet<Asn>>>,
    is_stale: bool,
}

impl Tables {
    pub fn grow(&mut self, vantage: VantageId, family: Family, by: i64) {
        *self.sizes.entry((family, vantage)).or_default() += by;
        self.is_stale = true;
    }

    /// For a restart, by family and vantage point.
    pub fn memory(&self) -> Vec<(Family, VantageId, i64)> {
        let keys: BTreeSet<&(Family, VantageId)> = self.sizes.keys().chain(self.carried.keys()).collect();
        keys.into_iter().map(|key| (key.0, key.1, self.size(key))).filter(|(_, _, size)| *size > 0).collect()
    }

    pub fn remember(&mut self, family: Family, vantage: VantageId, size: i64) {
        self.carried.insert((family, vantage), size);
        self.is_stale = true;
    }

    pub fn forget_carried(&mut self) {
        self.carried.clear();
        self.is_stale = true;
    }

    fn size(&self, key: &(Family, VantageId)) -> i64 {
        let of = |map: &BTreeMap<(Family, VantageId), i64>| map.get(key).copied().unwrap_or_default();
        of(&self.sizes).max(of(&self.carried))
    }

    /// Peers whose table is at least 80 % of the third-largest (by distinct peer AS) of the family; none when fewer
    /// than three tables are known.
    pub fn full_feed(&mut self, family: Family, vantage: &[Arc<VantagePoint>]) -> Option<&Arc<BTreeSet<Asn>>> {
        if self.is_stale {
            self.refresh(vantage);
        }
        self.full.get(&family)
    }

    pub fn refresh(&mut self, vantage: &[Arc<VantagePoint>]) {
        self.is_stale = false;
        self.full.clear();
        for family in [Family::Ipv4, Family::Ipv6] {
            let mut by_peer: BTreeMap<Asn, i64> = BTreeMap::new();
            for (_, id, size) in self.memory().into_iter().filter(|(f, _, _)| *f == family) {
                let Some(point) = vantage.get(id.0 as usize) else { continue };
                let largest = by_peer.entry(point.peer_as).or_default();
                *largest = size.max(*largest);
            }
            let mut sizes: Vec<i64> = by_peer.values().copied().filter(|s| *s > 0).collect();
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            let Some(third) = sizes.get(2) else { continue };
            let full = by_peer.into_iter().filter(|(_, size)| *size * 5 >= *third * 4).map(|(asn, _)| asn);
            self.full.insert(family, Arc::new(full.collect()));
        }
    }
}
