//! Is what counts as plainly fine really nothing to any rule? The full judgement is the oracle of the short cut.

use ipnet::IpNet;

use super::Shard;
use super::weigh::Proven;
use crate::bgp::Timestamp;
use crate::finding::Finding;
use crate::rib::{Entry, PathRef};

impl Shard {
    /// Prefixes where something else is remembered of the watch list than it says: none, or it is a bug.
    pub fn stale(&self) -> Vec<IpNet> {
        let is_stale = |entry: &&Entry| match entry.watched.nearest() {
            None => false,
            Some(nearest) => nearest != self.watch.nearest(&entry.prefix),
        };
        self.rib.all().into_iter().map(|at| self.rib.entry(at)).filter(is_stale).map(|entry| entry.prefix).collect()
    }

    /// Paths of which something else is remembered than they prove: none, or it is a bug.
    pub fn misremembered(&self) -> Vec<PathRef> {
        let is_still = |p: &&Proven| self.rib.paths.is_still(p.path, &p.attributes);
        let differs = |p: &&Proven| **p != self.prove(p.path);
        self.remembered.iter().filter(is_still).filter(differs).map(|p| p.path).collect()
    }

    /// Routes that the short cut passes over at `now`, and that some rule has something to say about: none, or it is a bug.
    pub fn overlooked(&self, now: Timestamp) -> Vec<(IpNet, Finding)> {
        let mut overlooked = Vec::new();
        for at in self.rib.all() {
            for route in &self.rib.entry(at).routes {
                for was_valid in [false, true] {
                    let is_nothing = self.is_nothing(at, route.path, || was_valid, now);
                    if is_nothing || self.is_over(at, route.path, was_valid, now) {
                        let findings = self.findings(at, &self.prove(route.path), was_valid, now);
                        overlooked.extend(findings.into_iter().map(|f| (self.rib.entry(at).prefix, f)));
                    }
                }
            }
        }
        overlooked
    }
}
