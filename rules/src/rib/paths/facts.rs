use std::sync::Arc;

use smallvec::SmallVec;

use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::proofs::PathProofs;

/// What a path says by itself. Worked out when it is first seen and whenever a rule asks; the table keeps the short form.
#[derive(Clone, Debug)]
pub struct PathFacts {
    /// Prepends and a private tail removed, wire order.
    pub hops: Box<[Asn]>,
    /// The private or AS_TRANS ASes that stood right of the origin.
    pub private_tail: Box<[Asn]>,
    /// Last of `hops`; none for an AS_SET.
    pub origin_as: Option<Asn>,
    /// A special-purpose AS among `hops`, and the AS left of it.
    pub bogon: Option<(Asn, Option<Asn>)>,
    /// Leak checks; none while nothing is wrong or unproven.
    pub proofs: Arc<PathProofs>,
    /// Nothing in the path alone asks for attention, or nothing that was not there before.
    pub is_clean: bool,
    /// The adjacency at the origin is one that the dump holds somewhere in this shard's part.
    pub is_known_adjacency: bool,
    /// New links beyond it, left of which stands an AS that may never have carried anything; nearest to the origin first, at most
    /// [`limits::STRANGERS`](crate::limits::STRANGERS).
    pub strangers: SmallVec<[Adjacency; 1]>,
}

impl PathFacts {
    /// The origin and the AS next to it; an origin that peers with the collector stands next to itself.
    pub fn adjacency(&self) -> Option<Adjacency> {
        adjacency(self.origin_as?, &self.hops)
    }
}

/// `hops` as in [`PathFacts`].
pub(super) fn adjacency(origin_as: Asn, hops: &[Asn]) -> Option<Adjacency> {
    let left = hops.len().checked_sub(2).map(|i| hops[i]);
    Some(Adjacency { origin_as, neighbor: left.unwrap_or(origin_as) })
}
