use std::sync::Arc;

use smallvec::SmallVec;

use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::proofs::PathProofs;

/// What a path says by itself. Worked out when it is first seen and whenever a rule asks, its proofs as long as they are not
/// remembered; the table keeps the short form.
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

/// What nearly every update asks of a path, and the table keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    pub origin_as: Option<Asn>,
    /// See [`PathProofs::digest`].
    pub digest: u32,
    pub is_clean: bool,
    pub is_known_adjacency: bool,
    pub has_leak: bool,
    pub has_bogon: bool,
}

impl From<&PathFacts> for Brief {
    fn from(facts: &PathFacts) -> Self {
        Self {
            origin_as: facts.origin_as,
            digest: facts.proofs.digest(),
            is_clean: facts.is_clean,
            is_known_adjacency: facts.is_known_adjacency,
            has_leak: facts.proofs.leak.is_some(),
            has_bogon: facts.bogon.is_some(),
        }
    }
}

impl PathFacts {
    /// The origin and the AS next to it; an origin that peers with the collector stands next to itself.
    pub fn adjacency(&self) -> Option<Adjacency> {
        Some(Adjacency::in_path(self.origin_as?, &self.hops))
    }
}
