//! Which peer ASes have a right route to a watched prefix? All sessions of a prefix meet in one shard, so it can tell when
//! the last one of a peer AS is gone; how many that makes is for the desk to say.

use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::{Report, Shard};
use crate::bgp::{Asn, Nlri, Timestamp, VantageId};
use crate::own::visibility_loss::{self, Change, Presence};
use crate::registry;
use crate::rib::{PathRef, PrefixRef, Route};

/// Parts that come after the whole is gone are looked at as far down as eighths.
const MOST_SPLITS: usize = 3;

/// A right route of a watched prefix, before something happens to it.
pub(super) struct OwnRoute {
    path: PathRef,
    /// Origins that are right there, ascending.
    right: SmallVec<[Asn; 2]>,
}

impl Shard {
    pub(super) fn own_route(&self, nlri: &Nlri, vantage: VantageId, now: Timestamp) -> Option<OwnRoute> {
        if self.watch.is_empty() || !visibility_loss::is_meant_to_be_seen(&nlri.prefix) {
            return None;
        }
        let at = self.rib.find(&nlri.prefix).filter(|at| self.is_watched(*at))?;
        let entry = self.rib.entry(at);
        let key = (vantage, nlri.path_id);
        let i = entry.routes.binary_search_by_key(&key, |r| (r.vantage, r.path_id)).ok()?;
        let path = entry.routes[i].path;
        // What came over a leak is not missed when it goes, however long it stood.
        let facts = self.rib.paths.facts(path);
        if facts.proofs.leak.is_some() && facts.origin_as.is_none_or(|o| !entry.was_in_dump(o)) {
            return None;
        }
        let right = self.right_origins(at, now);
        let is_right = self.rib.paths.origin_as(path).is_some_and(|o| right.contains(&o));
        (is_right && registry::beacon(&nlri.prefix).is_none()).then_some(OwnRoute { path, right })
    }

    /// Origins that stood long enough to be missed, and that nobody says are wrong.
    fn right_origins(&self, at: PrefixRef, now: Timestamp) -> SmallVec<[Asn; 2]> {
        let entry = self.rib.entry(at);
        let configured = self.watch.resources_over(&entry.prefix).map(|(_, r)| &r.expected_origins);
        let configured = configured.filter(|origins| !origins.is_empty()).last();
        let is_expected = |asn: &Asn| configured.is_none_or(|origins| origins.contains(asn));
        let mut right: SmallVec<[Asn; 2]> = entry.normal_origins(now).filter(is_expected).collect();
        right.sort_unstable();
        right.dedup();
        right
    }

    /// Something took the place of that route, or nothing did.
    pub(super) fn own_route_changed(
        &mut self,
        at: PrefixRef,
        was: Option<&OwnRoute>,
        vantage: VantageId,
        seen: Timestamp,
        now: Timestamp,
    ) {
        let Some(was) = was else { return };
        let prefix = self.rib.entry(at).prefix;
        let peer_as = self.peer_as[vantage.0 as usize];
        let (mut holding, mut has_any) = (Vec::new(), false);
        for route in &self.rib.entry(at).routes {
            let peer = self.peer_as[route.vantage.0 as usize];
            let is_right = self.rib.paths.origin_as(route.path).is_some_and(|o| was.right.contains(&o));
            if is_right && peer == peer_as {
                return;
            }
            has_any |= peer == peer_as;
            holding.extend(is_right.then_some(peer));
        }
        holding.sort_unstable();
        holding.dedup();
        if self.has_parts_of(&prefix, peer_as, &was.right) {
            return;
        }
        let scene = self.scene(at, was.path, false, now);
        let Some(finding) = visibility_loss::finding(&scene, &was.right) else { return };
        let attributes = self.rib.paths.attributes(was.path).clone();
        let (holding, outright) = (holding.len(), !has_any);
        let change = Change::Lost { holding, outright, finding: Arc::new(finding), attributes };
        self.out.push(Report::Presence(Presence { prefix, vantage, seen, change }));
    }

    /// That peer AS has right routes to parts of the prefix that together are all of it: nothing is out of its reach.
    fn has_parts_of(&self, whole: &IpNet, peer_as: Asn, right: &[Asn]) -> bool {
        let is_right = |route: &Route| {
            self.peer_as[route.vantage.0 as usize] == peer_as
                && self.rib.paths.origin_as(route.path).is_some_and(|o| right.contains(&o))
        };
        let (mut share, mut last) = (0.0, None::<IpNet>);
        for part in self.rib.covered(whole).filter(|e| e.routes.iter().any(is_right)).map(|e| e.prefix) {
            // In prefix order, what lies inside another part stands behind it.
            if last.is_none_or(|l| !l.contains(&part)) {
                share += 0.5_f64.powi(i32::from(part.prefix_len() - whole.prefix_len()));
                last = Some(part);
            }
            if share >= 1.0 {
                return true;
            }
        }
        false
    }

    /// A session that had no route of that origin has one. Reported of everybody; the desk knows who had lost it.
    pub(super) fn own_route_is_back(
        &mut self,
        prefix: IpNet,
        paths: (Option<PathRef>, PathRef),
        vantage: VantageId,
        seen: Timestamp,
    ) {
        if self.watch.is_empty() {
            return;
        }
        let origin_of = |path: PathRef| self.rib.paths.origin_as(path);
        let Some(origin) = origin_of(paths.1).filter(|o| paths.0.and_then(origin_of) != Some(*o)) else { return };
        if self.rib.find(&prefix).is_some_and(|at| self.is_watched(at)) {
            self.out.push(Report::Presence(Presence { prefix, vantage, seen, change: Change::Back(origin) }));
        }
        // Parts that came in the place of the whole.
        let wholes = std::iter::successors(prefix.supernet(), IpNet::supernet).take(MOST_SPLITS);
        for whole in wholes.filter(|p| self.range.holds(p)).collect::<Vec<_>>() {
            let is_it = self.rib.find(&whole).is_some_and(|at| self.is_watched(at));
            let peer_as = self.peer_as[vantage.0 as usize];
            if is_it && self.has_parts_of(&whole, peer_as, &[origin]) {
                let change = Change::Back(origin);
                self.out.push(Report::Presence(Presence { prefix: whole, vantage, seen, change }));
            }
        }
    }
}
