//! What did a vantage point hold before it held an offending route?

use super::{HeldBefore, Phase, Report, RouteKey, Shard};
use crate::rib::{Entry, PathRef};

impl Shard {
    /// Adds it to what was reported of a route since `first`. Only offences are asked, so the rest of the world pays nothing.
    pub(super) fn say_before(&mut self, first: usize, key: RouteKey, old: Option<PathRef>) {
        if self.out.len() == first {
            return;
        }
        let before = match old {
            Some(path) => Some(self.held_before(self.rib.entry(key.0), path)),
            None => self.covering_route(key),
        };
        for report in &mut self.out[first..] {
            if let Report::Sighting(sighting) = report
                && (sighting.vantage, sighting.path_id) == (key.1, key.2)
                && !matches!(sighting.phase, Phase::Ended(_))
            {
                sighting.before = before.clone();
            }
        }
    }

    /// The route by which the vantage point reached a prefix that is new to it.
    fn covering_route(&self, key: RouteKey) -> Option<HeldBefore> {
        let of_vantage = |entry: &Entry| entry.routes.of(key.1).next().map(|route| route.path);
        let mut covering = self.rib.covering(&self.rib.entry(key.0).prefix);
        let (entry, path) = covering.find_map(|entry| Some((entry, of_vantage(entry)?)))?;
        Some(self.held_before(entry, path))
    }

    fn held_before(&self, entry: &Entry, path: PathRef) -> HeldBefore {
        HeldBefore { prefix: entry.prefix, attributes: self.rib.paths.attributes(path) }
    }
}
