//! What is normal for a prefix: the origins it had, and who stood next to them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bgp::Asn;

/// An origin and the AS next to it on the way to the observers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(Asn, Asn)", into = "(Asn, Asn)")]
pub struct Adjacency {
    pub origin_as: Asn,
    pub neighbor: Asn,
}

impl Adjacency {
    /// Who stands next to the origin on a compressed path: itself, where it peers with the collector.
    pub fn in_path(origin_as: Asn, hops: &[Asn]) -> Self {
        let left = hops.len().checked_sub(2).map(|i| hops[i]);
        Self { origin_as, neighbor: left.unwrap_or(origin_as) }
    }
}

impl From<(Asn, Asn)> for Adjacency {
    fn from((origin_as, neighbor): (Asn, Asn)) -> Self {
        Self { origin_as, neighbor }
    }
}

impl From<Adjacency> for (Asn, Asn) {
    fn from(adjacency: Adjacency) -> Self {
        (adjacency.origin_as, adjacency.neighbor)
    }
}

/// The normal state of one prefix, as a dump or the configuration showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Adjacency>", into = "Vec<Adjacency>")]
pub struct Baseline {
    /// Sorted, without repeats. An origin seen only at its own peering has itself as neighbor.
    adjacencies: Arc<[Adjacency]>,
}

impl Baseline {
    pub fn new(mut adjacencies: Vec<Adjacency>) -> Option<Self> {
        adjacencies.sort_unstable();
        adjacencies.dedup();
        (!adjacencies.is_empty()).then(|| Self { adjacencies: adjacencies.into() })
    }

    pub fn adjacencies(&self) -> &[Adjacency] {
        &self.adjacencies
    }

    /// Without repeats, ascending.
    pub fn origins(&self) -> impl Iterator<Item = Asn> {
        let mut last = None;
        self.adjacencies.iter().map(|a| a.origin_as).filter(move |o| {
            let fresh = last != Some(*o);
            last = Some(*o);
            fresh
        })
    }

    pub fn has_origin(&self, origin_as: Asn) -> bool {
        self.adjacencies.binary_search_by_key(&origin_as, |a| a.origin_as).is_ok()
    }

    pub fn has_adjacency(&self, adjacency: Adjacency) -> bool {
        self.adjacencies.binary_search(&adjacency).is_ok()
    }
}

/// A baseline without an adjacency is none.
#[derive(Debug, thiserror::Error)]
#[error("a baseline without an origin")]
pub struct NoOrigin;

impl TryFrom<Vec<Adjacency>> for Baseline {
    type Error = NoOrigin;

    fn try_from(adjacencies: Vec<Adjacency>) -> Result<Self, NoOrigin> {
        Self::new(adjacencies).ok_or(NoOrigin)
    }
}

impl From<Baseline> for Vec<Adjacency> {
    fn from(baseline: Baseline) -> Self {
        baseline.adjacencies().to_vec()
    }
}
