//! Which paths may say something else, after relations changed?

use std::collections::HashSet;

use super::{Edge, Relations};
use crate::bgp::Asn;

/// What differs between two sets of relations.
pub struct RelationChanges {
    /// Lower and higher number of ASes that are something else to each other; none where more than links changed.
    links: Option<HashSet<(u32, u32), foldhash::fast::RandomState>>,
    /// A bit for every AS that has such a link, and for some that have none.
    ases: Vec<u64>,
}

/// One bit each fits into the fastest memory there is.
const BITS: usize = 1 << 16;

impl RelationChanges {
    pub fn between(old: &Relations, new: &Relations) -> Self {
        let same_parties = old.ixps == new.ixps && old.organisations == new.organisations;
        if !same_parties || old.is_empty() != new.is_empty() {
            return Self { links: None, ases: Vec::new() };
        }
        let differs = |(key, edge): &(&(u32, u32), &Edge), other: &Relations| other.edges.get(key) != Some(*edge);
        let gone = old.edges.iter().filter(|e| differs(e, new));
        let come = new.edges.iter().filter(|e| differs(e, old));
        let links: HashSet<_, _> = gone.chain(come).map(|(key, _)| *key).collect();
        let mut ases = vec![0; BITS / 64];
        // The order does not reach the outside: bits are set.
        #[allow(clippy::iter_over_hash_type)]
        for asn in links.iter().flat_map(|(a, b)| [*a, *b]) {
            ases[place(asn).0] |= place(asn).1;
        }
        Self { links: Some(links), ases }
    }

    /// Two ASes of the path are something else to each other than before. Not only neighbors are asked: where a route server stands
    /// between two, they are next to each other all the same.
    pub fn concern(&self, path: &[Asn]) -> bool {
        let Some(links) = &self.links else { return true };
        let has_changed = |asn: &Asn| self.ases[place(asn.0).0] & place(asn.0).1 != 0;
        let changed = |i: usize| path.iter().skip(i).filter(|asn| has_changed(asn));
        changed(0).nth(1).is_some()
            && (0..path.len())
                .filter(|i| has_changed(&path[*i]))
                .any(|i| changed(i + 1).any(|b| links.contains(&(path[i].0.min(b.0), path[i].0.max(b.0)))))
    }
}

fn place(asn: u32) -> (usize, u64) {
    let bit = asn as usize % BITS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::Source;
    use crate::bgp::{AsPath, PathAttributes};
    use crate::proofs::prove;
    use crate::relations::Relation;
    use crate::rpki::AspaTable;

    fn relations() -> impl Strategy<Value = Vec<(u32, u32, Relation)>> {
        let relation = prop_oneof![Just(Relation::Customer), Just(Relation::Provider), Just(Relation::LateralPeer)];
        prop::collection::vec((0..8_u32, 0..8_u32, relation), 1..20)
    }

    fn of(edges: &[(u32, u32, Relation)], ixps: &[u32]) -> Relations {
        let asn = |n: &u32| Asn(64_496 + n);
        let edges: BTreeMap<_, _> = edges.iter().map(|(a, b, r)| ((a.min(b), a.max(b)), *r)).collect();
        let edges = edges.iter().map(|((a, b), r)| (asn(a), asn(b), *r));
        Relations::new(Source::none(), edges, Vec::new(), Vec::new(), ixps.iter().map(asn).collect())
    }

    proptest! {
        /// Whatever is left out proves what it proved.
        #[test]
        fn a_path_that_is_not_concerned_proves_the_same(
            (old, new) in (relations(), relations()),
            ixps in prop::collection::vec(0..8_u32, 0..3),
            path in prop::collection::vec(0..8_u32, 0..7),
        ) {
            let (old, new) = (of(&old, &ixps), of(&new, &ixps));
            let as_path = AsPath::sequence(path.iter().map(|n| Asn(64_496 + n)).collect::<Vec<_>>());
            if !RelationChanges::between(&old, &new).concern(as_path.ases()) {
                let attributes = PathAttributes { as_path, ..PathAttributes::default() };
                let aspas = AspaTable::default();
                prop_assert_eq!(prove(&attributes, &aspas, &old), prove(&attributes, &aspas, &new));
            }
        }
    }

    #[test]
    fn other_links_are_no_concern_and_other_route_servers_are_everybodys() {
        let path = [Asn(64_496), Asn(64_497), Asn(64_498)];
        let concerns = |old: &[(u32, u32, Relation)], new: &[(u32, u32, Relation)], ixps: &[u32]| {
            RelationChanges::between(&of(old, &[]), &of(new, ixps)).concern(&path)
        };
        let base = (0, 1, Relation::Customer);
        assert!(!concerns(&[base], &[base], &[]));
        assert!(!concerns(&[base], &[base, (1, 4, Relation::Customer), (2, 4, Relation::Customer)], &[]));
        assert!(concerns(&[base], &[(0, 1, Relation::Provider)], &[]));
        assert!(concerns(&[base], &[base, (0, 2, Relation::LateralPeer)], &[]), "a route server may stand between");
        assert!(concerns(&[base], &[base], &[5]));
        assert!(concerns(&[], &[base], &[]));
    }
}
