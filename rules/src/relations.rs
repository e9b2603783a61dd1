//! Who sells to whom: customer, provider, lateral peer, sibling, with the source of each edge.

use crate::alert::Source;
use crate::bgp::Asn;

/// What the second AS is to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    Customer,
    Provider,
    LateralPeer,
    Sibling,
    /// Sources or directions contradict: never the base of a verdict.
    Complex,
}

/// Relations of all ASes, from one or more files.
#[derive(Clone, Debug)]
pub struct Relations {
    pub source: Source,
}

impl Relations {
    pub fn none() -> Self {
        Self { source: Source::none() }
    }

    pub fn between(&self, _asn: Asn, _other: Asn) -> Option<Relation> {
        None
    }
}
