//! Which peer ASes have a right route to a watched prefix? All sessions of a prefix meet in one shard, so it can tell when
//! the last one of a peer AS is gone; how many that makes is for the desk to say.

use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::parts::Missed;
use super::{Report, Shard};
use crate::bgp::{Asn, Timestamp, VantageId};
use crate::own::visibility_loss::{self, Change, Presence};
use crate::registry;
use crate::rib::{PathRef, PrefixRef, Route};

/// A right route of a watched prefix, before something happens to it.
pub(super) struct OwnRoute {
    pub(super) path: PathRef,
    /// Origins that are right there, ascending.
    right: SmallVec<[Asn; 2]>,
}

impl Shard {
    /// None as well where `new` takes its place from the same origin: nobody misses anything.
    pub(super) fn own_route(
        &self,
        at: PrefixRef,
        path_id: u32,
        new: Option<PathRef>,
        vantage: VantageId,
        now: Timestamp,
    ) -> Option<OwnRoute> {
        let entry = self.rib.entry(at);
        if self.watch.is_empty() || !visibility_loss::is_meant_to_be_seen(&entry.prefix) {
            return None;
        }
        let path = entry.routes.get(vantage, path_id)?;
        let origin_as = self.rib.paths.origin_as(path);
        if new.is_some_and(|new| self.rib.paths.origin_as(new) == origin_as) || !self.is_watched(at) {
            return None;
        }
        // What came over a leak is not missed when it goes, however long it stood.
        if self.rib.paths.has_leak(path) && origin_as.is_none_or(|o| !entry.was_in_dump(o)) {
            return None;
        }
        let right = self.right_origins(at, now);
        let is_right = origin_as.is_some_and(|o| right.contains(&o));
        (is_right && registry::beacon(&entry.prefix).is_none()).then_some(OwnRoute { path, right })
    }

    /// Origins that stood long enough to be missed, and that nobody says are wrong.
    pub(super) fn right_origins(&self, at: PrefixRef, now: Timestamp) -> SmallVec<[Asn; 2]> {
        let entry = self.rib.entry(at);
        let resources = self.watch.resources_from(self.watched_over(entry));
        let configured = resources.iter().map(|(_, r)| &r.expected_origins).rfind(|origins| !origins.is_empty());
        let is_expected = |asn: &Asn| configured.is_none_or(|origins| origins.contains(asn));
        let mut right: SmallVec<[Asn; 2]> = entry.normal_origins(now).filter(is_expected).collect();
        right.sort_unstable();
        right.dedup();
        right
    }

    /// All routes are from the origin of the new one, and so is what it takes the place of: as nearly always.
    #[inline]
    pub(super) fn is_of_only_origin(&self, at: PrefixRef, new: PathRef) -> bool {
        let entry = self.rib.entry(at);
        let [held] = &entry.origins[..] else { return false };
        self.rib.paths.origin_as(new) == Some(held.asn) && held.routes as usize == entry.routes.len()
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
        let peer_as = self.peer_as[vantage.0 as usize];
        let (holding, has_any) = self.holders(at, peer_as, &was.right);
        if holding.contains(&peer_as) {
            return;
        }
        let proven = self.proven(was.path);
        let finding = visibility_loss::finding(&self.scene(at, &proven, false, now), &was.right);
        let Some(finding) = finding else { return };
        let missed = Missed { since: now, finding: Arc::new(finding), attributes: proven.attributes };
        let prefix = self.rib.entry(at).prefix;
        if self.has_parts_of(&prefix, peer_as, &was.right) {
            return self.remember_in_parts(prefix, vantage, seen, missed);
        }
        let outright = !has_any;
        self.report_lost(prefix, vantage, seen, (holding, outright), missed);
    }

    pub(super) fn report_lost(
        &mut self,
        prefix: IpNet,
        vantage: VantageId,
        seen: Timestamp,
        (mut holding, outright): (Vec<Asn>, bool),
        missed: Missed,
    ) {
        holding.extend(self.peers_with_parts(&prefix));
        holding.sort_unstable();
        holding.dedup();
        let Missed { finding, attributes, .. } = missed;
        let change = Change::Lost { holding: holding.len(), outright, finding, attributes };
        self.out.push(Report::Presence(Presence { prefix, vantage, seen, change }));
    }

    /// Peer ASes that have a right route, and whether that one has any.
    pub(super) fn holders(&self, at: PrefixRef, peer_as: Asn, right: &[Asn]) -> (Vec<Asn>, bool) {
        let is_right = |route: &Route| self.rib.paths.origin_as(route.path).is_some_and(|o| right.contains(&o));
        let routes = &self.rib.entry(at).routes;
        let (mut holding, mut has_any) = (Vec::with_capacity(routes.len()), false);
        for route in routes {
            let peer = self.peer_as[route.vantage.0 as usize];
            has_any |= peer == peer_as;
            if is_right(&route) {
                holding.push(peer);
            }
        }
        (holding, has_any)
    }

    /// A session has a route of an origin that it had none of. Reported of everybody; the desk knows who had lost it.
    pub(super) fn own_route_is_back(
        &mut self,
        at: PrefixRef,
        path: PathRef,
        vantage: VantageId,
        seen: Timestamp,
        now: Timestamp,
    ) {
        let Some(origin) = self.rib.paths.origin_as(path) else { return };
        let prefix = self.rib.entry(at).prefix;
        if self.is_watched(at) {
            self.whole_is_back(prefix, vantage, origin);
            self.out.push(Report::Presence(Presence { prefix, vantage, seen, change: Change::Back(origin) }));
        }
        self.part_is_back(at, path, origin, (vantage, seen, now));
    }

    /// Nobody gains or misses anything by it.
    pub(super) fn is_of_same_origin(&self, old: Option<PathRef>, new: PathRef) -> bool {
        let paths = &self.rib.paths;
        old.is_some_and(|old| old == new || paths.origin_as(old) == paths.origin_as(new))
    }
}
