//! Who sells to whom: customer, provider, lateral peer, sibling, with how sure that is.
//!
//! Files say it of one day; [`infer`] says it of the routes that are held; [`merge`] puts both together, edge by edge.

mod changes;
mod clique;
pub mod evidence;
pub mod infer;
pub mod merge;
pub mod observer;
pub mod task;

use std::collections::HashMap;

pub use changes::RelationChanges;
use serde::{Deserialize, Serialize};

use crate::alert::Source;
use crate::bgp::Asn;

/// What the second AS is to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    Customer,
    Provider,
    LateralPeer,
    Sibling,
    /// Sources or directions contradict: never the base of a verdict.
    Complex,
}

impl Relation {
    /// What the first AS is to the second.
    pub fn reversed(self) -> Self {
        match self {
            Self::Customer => Self::Provider,
            Self::Provider => Self::Customer,
            mutual => mutual,
        }
    }
}

/// A relation, and whether a verdict may rest on it alone: no source contradicts it, and the one it is from is not old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub relation: Relation,
    pub is_sure: bool,
}

impl Edge {
    fn reversed(self) -> Self {
        Self { relation: self.relation.reversed(), ..self }
    }
}

type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Relations of all ASes, from one or more sources. An edge takes 13 bytes and its share of free room: 600,000, more than any
/// public file has, are 14 MB.
#[derive(Clone, Debug)]
pub struct Relations {
    pub source: Source,
    /// Keyed by (lower, higher) number; the value is what the higher is to the lower.
    edges: FastMap<(u32, u32), Edge>,
    /// The organisation of an AS, as an index into `organisations`.
    organisation_of: FastMap<Asn, usize>,
    organisations: Vec<Vec<Asn>>,
    clique: Vec<Asn>,
    ixps: Vec<Asn>,
}

impl Relations {
    /// No source at all: every relation is unknown.
    pub fn none() -> Self {
        Self::new(Source::none(), [], Vec::new(), Vec::new(), Vec::new())
    }

    /// Edges that contradict each other become [`Relation::Complex`]; sibling groups that share an AS become one.
    pub fn new(
        source: Source,
        edges: impl IntoIterator<Item = (Asn, Asn, Relation)>,
        clique: Vec<Asn>,
        sibling_groups: Vec<Vec<Asn>>,
        ixps: Vec<Asn>,
    ) -> Self {
        let sure = |(a, b, relation)| (a, b, Edge { relation, is_sure: true });
        Self::of_edges(source, oriented(edges.into_iter().map(sure)), clique, sibling_groups, ixps)
    }

    fn of_edges(
        source: Source,
        edges: FastMap<(u32, u32), Edge>,
        clique: Vec<Asn>,
        sibling_groups: Vec<Vec<Asn>>,
        ixps: Vec<Asn>,
    ) -> Self {
        let organisations = merged(sibling_groups);
        let organisation_of =
            organisations.iter().enumerate().flat_map(|(i, group)| group.iter().map(move |&asn| (asn, i))).collect();
        Self { source, edges, organisation_of, organisations, clique: sorted(clique), ixps: sorted(ixps) }
    }

    /// What `other` is to `asn`. One organisation outweighs what a file says about its ASes.
    pub fn between(&self, asn: Asn, other: Asn) -> Option<Relation> {
        self.edge_between(asn, other).map(|edge| edge.relation)
    }

    /// The same, and whether a verdict may rest on it.
    pub fn edge_between(&self, asn: Asn, other: Asn) -> Option<Edge> {
        if self.share_an_organisation(asn, other) {
            return Some(Edge { relation: Relation::Sibling, is_sure: self.is_sure(asn, other) });
        }
        self.edge(asn, other)
    }

    /// True if a verdict may rest on what is known between the two.
    pub fn is_sure(&self, asn: Asn, other: Asn) -> bool {
        self.edge(asn, other).is_some_and(|edge| edge.is_sure)
    }

    /// Two different ASes of one organisation.
    pub fn are_siblings(&self, asn: Asn, other: Asn) -> bool {
        self.between(asn, other) == Some(Relation::Sibling)
    }

    /// True without a single edge: then nothing can be said about any path.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// All edges, the lower number first, sorted.
    pub fn edges(&self) -> Vec<(Asn, Asn, Relation)> {
        let mut edges: Vec<_> = self.edges.iter().map(|(&(a, b), edge)| (Asn(a), Asn(b), edge.relation)).collect();
        edges.sort_unstable();
        edges
    }

    /// The ASes without providers, as the source names them; sorted.
    pub fn clique(&self) -> &[Asn] {
        &self.clique
    }

    /// The sibling groups; each sorted, and the list of them too.
    pub fn siblings(&self) -> Vec<Vec<Asn>> {
        self.organisations.clone()
    }

    /// Route servers of exchange points, as the source names them; sorted.
    pub fn ixps(&self) -> &[Asn] {
        &self.ixps
    }

    /// A route server by this source or by the registry: it stands in a path without being a party to it.
    pub fn is_route_server(&self, asn: Asn) -> bool {
        self.ixps.binary_search(&asn).is_ok() || crate::registry::is_route_server(asn)
    }

    fn share_an_organisation(&self, asn: Asn, other: Asn) -> bool {
        let Some(organisation) = self.organisation_of.get(&asn) else { return false };
        asn != other && self.organisation_of.get(&other) == Some(organisation)
    }

    /// What `other` is to `asn`, organisations aside.
    pub fn edge(&self, asn: Asn, other: Asn) -> Option<Edge> {
        if asn < other {
            self.edges.get(&(asn.0, other.0)).copied()
        } else {
            self.edges.get(&(other.0, asn.0)).map(|edge| edge.reversed())
        }
    }
}

fn oriented(edges: impl Iterator<Item = (Asn, Asn, Edge)>) -> FastMap<(u32, u32), Edge> {
    let mut map: FastMap<(u32, u32), Edge> = FastMap::default();
    for (a, b, edge) in edges {
        let (key, edge) = if a < b { ((a.0, b.0), edge) } else { ((b.0, a.0), edge.reversed()) };
        if a != b {
            map.entry(key)
                .and_modify(|known| {
                    if known.relation != edge.relation {
                        *known = Edge { relation: Relation::Complex, is_sure: false };
                    }
                })
                .or_insert(edge);
        }
    }
    map
}

/// Groups that share an AS are one organisation. Sorted, without groups of one.
fn merged(groups: Vec<Vec<Asn>>) -> Vec<Vec<Asn>> {
    let mut parent: Vec<usize> = (0..groups.len()).collect();
    let mut first_group: FastMap<Asn, usize> = FastMap::default();
    for (i, group) in groups.iter().enumerate() {
        for &asn in group {
            let seen = *first_group.entry(asn).or_insert(i);
            let (low, high) = (root(&parent, seen), root(&parent, i));
            parent[low.max(high)] = low.min(high);
        }
    }
    let mut joined: Vec<Vec<Asn>> = vec![Vec::new(); groups.len()];
    for (i, group) in groups.into_iter().enumerate() {
        joined[root(&parent, i)].extend(group);
    }
    let mut organisations: Vec<_> = joined.into_iter().map(sorted).filter(|group| group.len() > 1).collect();
    organisations.sort_unstable();
    organisations
}

fn root(parent: &[usize], mut i: usize) -> usize {
    while parent[i] != i {
        i = parent[i];
    }
    i
}

fn sorted(mut ases: Vec<Asn>) -> Vec<Asn> {
    ases.sort_unstable();
    ases.dedup();
    ases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(edges: &[(u32, u32, Relation)], groups: &[&[u32]]) -> Relations {
        let edges = edges.iter().map(|&(a, b, relation)| (Asn(a), Asn(b), relation));
        let groups = groups.iter().map(|group| group.iter().copied().map(Asn).collect()).collect();
        Relations::new(Source::none(), edges, vec![Asn(64501), Asn(64500)], groups, vec![Asn(64511)])
    }

    #[test]
    fn an_edge_reads_from_both_ends() {
        let r = relations(&[(64510, 64496, Relation::Customer), (64500, 64501, Relation::LateralPeer)], &[]);
        assert_eq!(r.between(Asn(64510), Asn(64496)), Some(Relation::Customer));
        assert_eq!(r.between(Asn(64496), Asn(64510)), Some(Relation::Provider));
        assert_eq!(r.between(Asn(64501), Asn(64500)), Some(Relation::LateralPeer));
        assert_eq!(r.between(Asn(64500), Asn(64496)), None);
        assert_eq!(
            r.edges(),
            [(Asn(64496), Asn(64510), Relation::Provider), (Asn(64500), Asn(64501), Relation::LateralPeer)]
        );
        assert_eq!((r.len(), r.is_empty()), (2, false));
        assert_eq!(r.clique(), [Asn(64500), Asn(64501)]);
    }

    #[test]
    fn edges_that_contradict_each_other_are_complex_and_repeats_are_not() {
        let both_sell = relations(&[(64496, 64497, Relation::Customer), (64497, 64496, Relation::Customer)], &[]);
        assert_eq!(both_sell.between(Asn(64496), Asn(64497)), Some(Relation::Complex));
        let said_twice = relations(&[(64496, 64497, Relation::Customer), (64497, 64496, Relation::Provider)], &[]);
        assert_eq!(said_twice.between(Asn(64496), Asn(64497)), Some(Relation::Customer));
        let to_itself = relations(&[(64496, 64496, Relation::Customer)], &[]);
        assert!(to_itself.is_empty());
    }

    #[test]
    fn groups_that_share_an_as_are_one_organisation() {
        let r = relations(&[(64496, 64499, Relation::Customer)], &[&[64499, 64498], &[64497], &[64498, 64496]]);
        assert_eq!(r.siblings(), [vec![Asn(64496), Asn(64498), Asn(64499)]]);
        assert_eq!(r.between(Asn(64496), Asn(64499)), Some(Relation::Sibling), "an organisation outweighs an edge");
        assert!(!r.are_siblings(Asn(64497), Asn(64498)));
        assert!(!r.are_siblings(Asn(64498), Asn(64498)), "siblings are two");
    }

    #[test]
    fn without_a_source_nothing_is_known() {
        let r = Relations::none();
        assert!(r.is_empty());
        assert_eq!(r.between(Asn(64496), Asn(64497)), None);
    }

    #[test]
    fn a_route_server_is_known_from_either_source() {
        let r = relations(&[], &[]);
        assert!(r.is_route_server(Asn(64511)));
        assert!(!r.is_route_server(Asn(64496)));
    }
}
