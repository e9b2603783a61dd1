//! What is announced at a prefix, around it and inside it? For looking, not for deciding.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::Shard;
use crate::alert::RovState;
use crate::bgp::{AsPath, Asn, Timestamp, VantagePoint};
use crate::limits;
use crate::relations::Relations;
use crate::rib::{Entry, Route};
use crate::rpki::{Snapshot, Vrp};

/// Routes told one by one, and prefixes inside. Each takes a microsecond of the time of a shard.
pub const MOST: usize = 1_000;

/// What a shard holds of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// By origin; none: the path ends in a set.
    pub origins: Vec<(Option<Asn>, LookedOrigin)>,
    /// At most [`MOST`], in the order of their sessions.
    pub routes: Vec<LookedRoute>,
    pub route_count: usize,
    /// Origins that count as normal here, ascending.
    pub normal_origins: Vec<Asn>,
    /// What covers it, least specific first.
    pub covering: Vec<Nearby>,
    /// What lies inside, in prefix order; at most [`MOST`].
    pub inside: Vec<Nearby>,
    /// There is more inside.
    pub has_more_inside: bool,
    /// VRPs that cover it, least specific first.
    pub vrps: Vec<Vrp>,
}

/// Who announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedOrigin {
    pub rov: RovState,
    pub routes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedRoute {
    /// None for a session that was never introduced.
    pub point: Option<Arc<VantagePoint>>,
    pub path_id: u32,
    /// In wire order, as received.
    pub as_path: String,
    pub origin_as: Option<Asn>,
}

/// What a route is judged by.
#[derive(Clone)]
pub struct Facts {
    /// What bears on it.
    pub rpki: Snapshot,
    /// VRPs that cover it.
    pub vrps: usize,
    pub has_vrps: bool,
    pub has_aspas: bool,
    pub relations: Arc<Relations>,
}

/// Another prefix that is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearby {
    pub prefix: IpNet,
    /// Ascending.
    pub origins: Vec<Asn>,
    pub routes: usize,
}

impl Nearby {
    fn of(entry: &Entry) -> Self {
        let mut origins: Vec<Asn> = entry.origins.iter().filter(|o| o.routes > 0).map(|o| o.asn).collect();
        origins.sort_unstable();
        Self { prefix: entry.prefix, origins, routes: entry.routes.len() }
    }
}

impl Shard {
    /// What it holds of a prefix at `now`; what lies inside a short one may be spread over several shards.
    pub fn lookup(&self, prefix: &IpNet, now: Timestamp) -> Lookup {
        let is_announced = |entry: &&Entry| !entry.routes.is_empty();
        let mut inside: Vec<Nearby> =
            self.rib.covered(prefix).take(2 * MOST).filter(is_announced).take(MOST + 1).map(Nearby::of).collect();
        let has_more_inside = inside.len() > MOST || self.rib.covered(prefix).nth(2 * MOST).is_some();
        inside.truncate(MOST);
        let mut found = Lookup { inside, has_more_inside, ..Lookup::default() };
        if !self.range.holds(prefix) {
            return found;
        }
        found.covering = self.rib.covering(prefix).filter(is_announced).map(Nearby::of).collect();
        found.covering.reverse();
        found.vrps = self.rpki.vrps.covering(prefix).take(limits::ALERT_COVERING).cloned().collect();
        if let Some(at) = self.rib.find(prefix) {
            self.look_at(self.rib.entry(at), now, &mut found);
        }
        found
    }

    /// All that one route could be judged by at this moment.
    pub fn facts_about(&self, prefix: &IpNet, path: &AsPath) -> Facts {
        let mut rpki = Snapshot::default();
        for vrp in self.rpki.vrps.covering(prefix) {
            rpki.vrps.insert(vrp.clone());
        }
        for asn in path.ases() {
            if let Some(providers) = self.rpki.aspas.providers_of(*asn) {
                rpki.aspas.insert(*asn, providers);
            }
        }
        let relations = self.context.relations.clone();
        let vrps = self.rpki.vrps.covering(prefix).count();
        Facts { rpki, vrps, has_vrps: self.rpki_usable, has_aspas: self.aspas_usable, relations }
    }

    fn look_at(&self, entry: &Entry, now: Timestamp, found: &mut Lookup) {
        found.route_count = entry.routes.len();
        found.routes = entry.routes.iter().take(MOST).map(|route| self.looked_route(&route)).collect();
        found.normal_origins = entry.normal_origins(now).collect();
        found.normal_origins.sort_unstable();
        found.normal_origins.dedup();
        let mut origins: BTreeMap<Option<Asn>, usize> = BTreeMap::new();
        for route in &entry.routes {
            *origins.entry(self.rib.paths.origin_as(route.path)).or_default() += 1;
        }
        let rov = |origin_as| match self.rpki_usable {
            true => self.rpki.vrps.state(&entry.prefix, origin_as),
            false => RovState::NotEvaluated,
        };
        let looked = |(asn, routes)| (asn, LookedOrigin { rov: rov(asn), routes });
        found.origins = origins.into_iter().map(looked).collect();
    }

    fn looked_route(&self, route: &Route) -> LookedRoute {
        LookedRoute {
            point: self.points.get(route.vantage.0 as usize).cloned(),
            path_id: route.path_id,
            as_path: self.rib.paths.attributes(route.path).as_path.to_string(),
            origin_as: self.rib.paths.origin_as(route.path),
        }
    }
}
