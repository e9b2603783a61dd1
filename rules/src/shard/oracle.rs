//! Is what counts as plainly fine really nothing to any rule? The full judgement is the oracle of the short cut.

use ipnet::IpNet;

use super::{RouteKey, Shard};
use crate::bgp::Timestamp;
use crate::finding::Finding;

impl Shard {
    /// Routes that the short cut passes over at `now`, and that some rule has something to say about: none, or it is a bug.
    pub fn overlooked(&self, now: Timestamp) -> Vec<(IpNet, Finding)> {
        let mut overlooked = Vec::new();
        for at in self.rib.all() {
            for route in &self.rib.entry(at).routes {
                let key: RouteKey = (at, route.vantage, route.path_id);
                if self.is_plainly_fine(key, route.path, now) {
                    let prefix = self.rib.entry(at).prefix;
                    overlooked.extend(self.findings(at, route.path, true, now).into_iter().map(|f| (prefix, f)));
                }
            }
        }
        overlooked
    }
}
