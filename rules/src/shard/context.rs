//! What does a path say by itself? Judged against relations, ASPAs, and what of it is old news.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use super::Known;
use crate::baseline::Adjacency;
use crate::bgp::{Asn, PathAttributes};
use crate::limits;
use crate::path::{has_loop, strip_private_tail};
use crate::proofs::{self, LeakProof, PathProofs, prove};
use crate::registry;
use crate::relations::Relations;
use crate::rib::{Brief, PathFacts};
use crate::rpki::AspaTable;

/// What the paths are judged against, and what of it is old news.
#[derive(Debug)]
pub(super) struct PathContext {
    pub relations: Arc<Relations>,
    pub known: HashSet<Known, RandomState>,
    /// What relations alone say counts: a baseline says what is new, or somebody's networks are watched.
    pub judges_valleys: bool,
    /// The links of paths are in it, so that one that is not is new.
    pub knows_paths: bool,
    /// Shared by all paths that nothing is known about.
    unproven: Arc<PathProofs>,
}

impl PathContext {
    pub fn new() -> Self {
        let relations = Arc::new(Relations::none());
        let unproven = prove(&PathAttributes::default(), &AspaTable::default(), &relations);
        Self {
            relations,
            known: HashSet::default(),
            judges_valleys: false,
            knows_paths: false,
            unproven: Arc::new(unproven),
        }
    }

    /// A leak that some prefix could be told about.
    fn is_news(&self, leak: &LeakProof) -> bool {
        let counts = self.judges_valleys || leak.counts_alone();
        counts && !self.known.contains(&Known::Leak(leak.leaker, leak.from, leak.to))
    }

    /// New links behind the origin's own, over which an AS gives on a route though none is known to have gone through it. The AS
    /// of the session is left out: it gives its routes to a collector.
    fn strangers(&self, hops: &[Asn]) -> SmallVec<[Adjacency; 1]> {
        if !self.knows_paths || hops.len() < 4 || has_loop(hops) {
            return SmallVec::new();
        }
        let links = hops[1..hops.len() - 1].windows(2).rev();
        let links = links.map(|pair| Adjacency { origin_as: pair[1], neighbor: pair[0] });
        let is_new =
            |l: &Adjacency| ![Known::from(*l), Known::Carrier(l.neighbor)].iter().any(|k| self.known.contains(k));
        links.filter(is_new).take(limits::STRANGERS).collect()
    }

    /// The short form of [`Self::facts`].
    pub fn brief(&self, attributes: &PathAttributes, aspas: &AspaTable) -> Brief {
        let in_full = || Brief::from(&self.facts(attributes, self.prove(attributes, aspas)));
        self.glance(attributes, aspas).unwrap_or_else(in_full)
    }

    /// The same without putting any proof together, for nearly every path: an AS_SEQUENCE of ordinary ASes with nothing wrong.
    fn glance(&self, attributes: &PathAttributes, aspas: &AspaTable) -> Option<Brief> {
        if !attributes.as_path.is_plain_sequence() || attributes.only_to_customer.is_some() {
            return None;
        }
        let mut hops: SmallVec<[Asn; 16]> = SmallVec::from_slice(attributes.as_path.ases());
        hops.dedup();
        // Private tails are among them.
        if hops.iter().any(|asn| registry::bogon_asn(*asn).is_some()) {
            return None;
        }
        let origin_as = *hops.last()?;
        let digest = proofs::digest_if_sound(&hops, aspas, &self.relations)?;
        let adjacency = Adjacency::in_path(origin_as, &hops);
        Some(Brief {
            origin_as: Some(origin_as),
            digest,
            is_clean: self.strangers(&hops).is_empty(),
            is_known_adjacency: self.is_known(adjacency),
            has_leak: false,
            has_bogon: false,
        })
    }

    fn is_known(&self, adjacency: Adjacency) -> bool {
        adjacency.neighbor == adjacency.origin_as || self.known.contains(&adjacency.into())
    }

    /// What a path proves, whatever of it is old news.
    pub fn prove(&self, attributes: &PathAttributes, aspas: &AspaTable) -> Arc<PathProofs> {
        let nothing_to_prove = aspas.is_empty() && self.relations.is_empty() && attributes.only_to_customer.is_none();
        if nothing_to_prove { self.unproven.clone() } else { Arc::new(prove(attributes, aspas, &self.relations)) }
    }

    /// All that a path says, with its proofs.
    pub fn facts(&self, attributes: &PathAttributes, proofs: Arc<PathProofs>) -> PathFacts {
        let (hops, private_tail) = strip_private_tail(&attributes.as_path);
        // A set of one may name the origin, whatever ROV makes of it; a private member is a customer of who aggregated.
        let origin_as = match (attributes.as_path.origin_as(), attributes.as_path.origin_set()) {
            (Some(_), _) => hops.last().copied(),
            (None, [member]) if !member.is_private_or_trans() && !member.is_reserved() => Some(*member),
            (None, _) => None,
        };
        let strangers = origin_as.map_or_else(SmallVec::new, |_| self.strangers(&hops));
        let bogon = hops.iter().position(|h| registry::bogon_asn(*h).is_some());
        let bogon = bogon.map(|i| (hops[i], i.checked_sub(1).map(|j| hops[j])));
        let mut facts = PathFacts {
            is_clean: private_tail.is_empty()
                && bogon.is_none_or(|(b, left)| self.known.contains(&Known::Bogon(b, left)))
                && proofs.leak.as_ref().is_none_or(|leak| !self.is_news(leak))
                && strangers.is_empty(),
            hops: hops.into(),
            private_tail: private_tail.into(),
            origin_as,
            bogon,
            proofs,
            strangers,
            is_known_adjacency: false,
        };
        facts.is_known_adjacency = facts.adjacency().is_none_or(|adjacency| self.is_known(adjacency));
        facts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::Source;
    use crate::bgp::AsPath;
    use crate::relations::Relation;
    use crate::shard::known_of;

    /// Few, so that paths meet what is known; a private one and a route server among them.
    fn an_asn() -> impl Strategy<Value = Asn> {
        prop_oneof![12 => 1..8_u32, 1 => Just(64_512), 1 => Just(6_695)].prop_map(Asn)
    }

    fn a_path() -> impl Strategy<Value = Vec<Asn>> {
        prop::collection::vec(an_asn(), 0..7)
    }

    fn a_context() -> impl Strategy<Value = (PathContext, AspaTable)> {
        use Relation::{Complex, Customer, LateralPeer, Provider};
        let relation = prop::sample::select(vec![Customer, Provider, LateralPeer, Complex]);
        let edges = prop::collection::vec((an_asn(), an_asn(), relation), 0..16);
        let siblings = prop::collection::vec(prop::collection::vec(an_asn(), 2), 0..2);
        let aspas = prop::collection::vec((an_asn(), prop::collection::vec(an_asn(), 0..3)), 0..4);
        let known = prop::collection::vec(a_path(), 0..4);
        (edges, siblings, aspas, known, any::<(bool, bool)>()).prop_map(|(edges, siblings, signed, known, counts)| {
            let mut aspas = AspaTable::default();
            signed.iter().for_each(|(customer, providers)| aspas.insert(*customer, providers));
            let relations = Relations::new(Source::none(), edges, Vec::new(), siblings, Vec::new());
            let context = PathContext {
                relations: Arc::new(relations),
                known: known.iter().flat_map(|path| known_of(path)).collect(),
                judges_valleys: counts.0,
                knows_paths: counts.1,
                ..PathContext::new()
            };
            (context, aspas)
        })
    }

    proptest! {
        #[test]
        fn a_glance_shows_what_the_proofs_say((context, aspas) in a_context(), paths in prop::collection::vec(a_path(), 1..16)) {
            for ases in paths {
                let attributes = PathAttributes { as_path: AsPath::sequence(ases), ..PathAttributes::default() };
                if let Some(brief) = context.glance(&attributes, &aspas) {
                    prop_assert_eq!(brief, Brief::from(&context.facts(&attributes, context.prove(&attributes, &aspas))), "{}", attributes.as_path);
                }
            }
        }
    }

    #[test]
    fn nearly_every_path_takes_no_more_than_a_glance() {
        let path = |ases: &[u32]| {
            let as_path = AsPath::sequence(ases.iter().copied().map(Asn).collect::<Vec<_>>());
            PathAttributes { as_path, ..PathAttributes::default() }
        };
        let (context, mut aspas) = (PathContext::new(), AspaTable::default());
        assert!(context.glance(&path(&[3, 2, 2, 1]), &aspas).is_some());
        aspas.insert(Asn(1), &[Asn(2)]);
        let attested = context.glance(&path(&[3, 2, 1]), &aspas).expect("nothing is wrong");
        assert_ne!(attested.digest, 0);
        aspas.insert(Asn(2), &[Asn(3)]);
        aspas.insert(Asn(3), &[Asn(0)]);
        assert!(context.glance(&path(&[4, 3, 2, 1]), &aspas).is_some(), "a peer at the top");
        assert!(context.glance(&path(&[4, 5, 3, 2, 1]), &aspas).is_some(), "nobody knows what 5 is");
        aspas.insert(Asn(5), &[Asn(3)]);
        assert!(context.glance(&path(&[3, 5, 3, 2, 1]), &aspas).is_none());
        assert!(context.glance(&path(&[2, 64_512]), &aspas).is_none());
    }
}
