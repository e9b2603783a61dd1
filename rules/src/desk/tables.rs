//! Which peers send a full table, per family, and so what a share of visibility is measured against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bgp::{Asn, Family, VantageId, VantagePoint};

/// So many tables of one size are what a full table is, however much one peer has beside it.
const MANY: usize = 20;

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

    /// How many prefixes the session's table has.
    pub fn held(&self, family: Family, vantage: VantageId) -> u64 {
        self.sizes.get(&(family, vantage)).map_or(0, |size| u64::try_from(*size).unwrap_or_default())
    }

    /// What it had before a restart does not come back.
    pub fn forget(&mut self, vantage: VantageId) {
        self.carried.retain(|(_, v), _| *v != vantage);
        self.is_stale = true;
    }

    fn size(&self, key: &(Family, VantageId)) -> i64 {
        let of = |map: &BTreeMap<(Family, VantageId), i64>| map.get(key).copied().unwrap_or_default();
        of(&self.sizes).max(of(&self.carried))
    }

    /// See [`full_feed_of`].
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
            if let Some(full) = full_feed_of(by_peer) {
                self.full.insert(family, Arc::new(full));
            }
        }
    }
}

/// Peers whose table is at least 80 % of what a full one is.
pub fn full_feed_of(largest: BTreeMap<Asn, i64>) -> Option<BTreeSet<Asn>> {
    let full = full_table(&largest)?;
    Some(largest.into_iter().filter(|(_, size)| is_full(*size, full)).map(|(asn, _)| asn).collect())
}

/// How large a full table is: the third-largest (by distinct peer AS) of the family; none when fewer than three tables are
/// known. Nor where few are that large and another has more than three times as much, as between a full feed and the members
/// of an exchange, or where all there is are some minutes of updates: then nobody knows.
pub fn full_table(largest: &BTreeMap<Asn, i64>) -> Option<i64> {
    let mut sizes: Vec<i64> = largest.values().copied().filter(|s| *s > 0).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let third = *sizes.get(2)?;
    let many = sizes.iter().filter(|size| is_full(**size, third)).count();
    (many >= MANY || sizes[0] <= third * 3).then_some(third)
}

fn is_full(size: i64, full: i64) -> bool {
    size * 5 >= full * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(sizes: &[i64]) -> Option<usize> {
        let point = |i: usize| VantagePoint {
            collector: "rrc00".into(),
            peer_as: Asn(64_500 + i as u32),
            peer_address: [192, 0, 2, i as u8].into(),
        };
        let vantage: Vec<Arc<VantagePoint>> = (0..sizes.len()).map(|i| Arc::new(point(i))).collect();
        let mut tables = Tables::default();
        for (i, size) in sizes.iter().enumerate() {
            tables.grow(VantageId(i as u32), Family::Ipv4, *size);
        }
        tables.full_feed(Family::Ipv4, &vantage).map(|full| full.len())
    }

    #[test]
    fn a_full_table_is_what_several_have() {
        assert_eq!(full(&[100, 90]), None);
        assert_eq!(full(&[100, 95, 90, 80, 10]), Some(4));
        assert_eq!(full(&[170, 160, 90, 80, 10]), Some(4), "more-specifics of their own");
    }

    #[test]
    fn one_full_feed_among_members_of_an_exchange_is_no_measure() {
        assert_eq!(full(&[1_000, 120, 110, 100]), None);
        let mut many = vec![100; MANY];
        many.push(1_000);
        assert_eq!(full(&many), Some(MANY + 1), "one that floods changes nothing");
    }
}
