//! A watched network that its holder announces in parts is not lost, as long as a peer AS has parts that together are all of it. The
//! parts are too new to be missed for themselves, so within the hour the whole is missed when one of them goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use super::{Report, Shard};
use crate::bgp::{Asn, PathAttributes, Timestamp, VantageId, nearest_first};
use crate::finding::Finding;
use crate::limits;
use crate::own::visibility_loss::{self, Change, Presence};
use crate::rib::{PathRef, PrefixRef, Route};

/// Networks that peer ASes have in parts.
pub(super) struct InParts<M = Missed> {
    /// By network, then by peer AS; each has some.
    missed: JointPrefixMap<IpNet, BTreeMap<Asn, M>>,
    len: usize,
}

impl<M> Default for InParts<M> {
    fn default() -> Self {
        Self { missed: JointPrefixMap::new(), len: 0 }
    }
}

impl<M> InParts<M> {
    fn insert(&mut self, whole: IpNet, peer_as: Asn, missed: M) {
        let held = self.missed.entry(whole).or_default().insert(peer_as, missed);
        self.len += usize::from(held.is_none());
    }

    fn get(&self, whole: &IpNet, peer_as: Asn) -> Option<&M> {
        self.missed.get(whole)?.get(&peer_as)
    }

    fn remove(&mut self, whole: IpNet, peer_as: Asn) -> Option<M> {
        let peers = self.missed.get_mut(&whole)?;
        let missed = peers.remove(&peer_as)?;
        if peers.is_empty() {
            self.missed.remove(&whole);
        }
        self.len -= 1;
        Some(missed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps what is asked for.
    pub(super) fn retain(&mut self, keeps: impl Fn(Asn, &M) -> bool) {
        let all = self.missed.iter().flat_map(|(whole, peers)| peers.iter().map(move |(peer, m)| (whole, *peer, m)));
        let gone: Vec<(IpNet, Asn)> =
            all.filter(|(_, peer, m)| !keeps(*peer, m)).map(|(w, peer, _)| (w, peer)).collect();
        for (whole, peer_as) in gone {
            self.remove(whole, peer_as);
        }
    }

    /// Peer ASes that have the network in parts, ascending.
    fn peers(&self, whole: &IpNet) -> impl Iterator<Item = Asn> {
        self.missed.get(whole).into_iter().flatten().map(|(peer_as, _)| *peer_as)
    }

    /// Networks around a part that this peer AS has in parts, the nearest first.
    fn around(&self, part: &IpNet, peer_as: Asn) -> impl Iterator<Item = (IpNet, &M)> {
        let around = part.supernet().into_iter().flat_map(|outer| nearest_first(&self.missed, outer));
        around.filter_map(move |(whole, peers)| Some((whole, peers.get(&peer_as)?)))
    }
}

/// What is told once a network is missed.
pub(super) struct Missed {
    pub since: Timestamp,
    pub finding: Arc<Finding>,
    pub attributes: Arc<PathAttributes>,
}

impl Missed {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.secs_since(self.since) <= limits::LOSS_SECS as f64
    }
}

impl Shard {
    /// That peer AS has right routes to parts of the prefix that together are all of it: nothing is out of its reach.
    pub(super) fn has_parts_of(&self, whole: &IpNet, peer_as: Asn, right: &[Asn]) -> bool {
        let is_right = |route: Route| {
            self.peer_as[route.vantage.0 as usize] == peer_as
                && self.rib.paths.origin_as(route.path).is_some_and(|o| right.contains(&o))
        };
        let (mut share, mut last, mut looked_at) = (0.0, None::<IpNet>, 0);
        for part in self.rib.covered(whole) {
            // In prefix order, what lies inside another part stands behind it.
            if last.is_some_and(|l| l.contains(&part.prefix)) {
                continue;
            }
            looked_at += 1;
            if part.routes.iter().any(is_right) {
                share += 0.5_f64.powi(i32::from(part.prefix.prefix_len() - whole.prefix_len()));
                last = Some(part.prefix);
            }
            if share >= 1.0 || looked_at >= limits::PARTS_OF_A_WHOLE {
                break;
            }
        }
        share >= 1.0
    }

    pub(super) fn peers_with_parts(&self, whole: &IpNet) -> impl Iterator<Item = Asn> {
        self.in_parts.peers(whole)
    }

    pub(super) fn remember_in_parts(&mut self, whole: IpNet, vantage: VantageId, seen: Timestamp, missed: Missed) {
        if self.in_parts.len >= limits::NETWORKS_IN_PARTS {
            self.in_parts.retain(|_, m| m.is_fresh(missed.since));
        }
        if self.in_parts.len < limits::NETWORKS_IN_PARTS {
            self.in_parts.insert(whole, self.peer_as[vantage.0 as usize], missed);
        } else {
            let change = Change::Unremembered;
            self.out.push(Report::Presence(Presence { prefix: whole, vantage, seen, change }));
        }
    }

    pub(super) fn whole_is_back(&mut self, whole: IpNet, vantage: VantageId, origin: Asn) {
        let peer_as = self.peer_as[vantage.0 as usize];
        let missed = self.in_parts.get(&whole, peer_as);
        if missed.is_some_and(|m| m.finding.expected_origins.contains(&origin)) {
            self.in_parts.remove(whole, peer_as);
        }
    }

    /// A session may have lost a part of networks that it had in parts: it gave the route up, or has one of another origin in its
    /// place. What a dump brings proves no outage.
    pub(super) fn part_is_gone(&mut self, part: &IpNet, vantage: VantageId, seen: Timestamp, now: Timestamp) {
        if self.in_parts.is_empty() {
            return;
        }
        let peer_as = self.peer_as[vantage.0 as usize];
        let is_missed = |(whole, missed): &(IpNet, &Missed)| {
            self.rib.find(whole).is_some() && !self.has_parts_of(whole, peer_as, &missed.finding.expected_origins)
        };
        let gone: Vec<IpNet> = self.in_parts.around(part, peer_as).filter(is_missed).map(|(whole, _)| whole).collect();
        for whole in gone {
            let Some(missed) = self.in_parts.remove(whole, peer_as).filter(|m| m.is_fresh(now)) else { continue };
            let Some(at) = self.rib.find(&whole).filter(|at| self.is_watched(*at)) else { continue };
            let (holding, has_any) = self.holders(at, peer_as, &missed.finding.expected_origins);
            if !holding.contains(&peer_as) {
                self.report_lost(whole, vantage, seen, (holding, !has_any), missed);
            }
        }
    }

    /// A part that a session has now may be the last one of a watched network around it.
    pub(super) fn part_is_back(
        &mut self,
        at: PrefixRef,
        path: PathRef,
        origin: Asn,
        (vantage, seen, now): (VantageId, Timestamp, Timestamp),
    ) {
        let entry = self.rib.entry(at);
        if self.watched_over(entry).is_none() && !self.watch.holds(origin) {
            return;
        }
        let part = &entry.prefix;
        let peer_as = self.peer_as[vantage.0 as usize];
        let wholes: Vec<IpNet> = self.rib.covering(part).map(|e| e.prefix).filter(|whole| whole != part).collect();
        for whole in wholes {
            let Some(at) = self.rib.find(&whole).filter(|at| self.is_watched(*at)) else { continue };
            let mut right = self.right_origins(at, now);
            let is_right = right.contains(&origin);
            if !is_right {
                right.push(origin);
            }
            let has_whole = || self.holders(at, peer_as, &right).0.contains(&peer_as);
            if self.in_parts.get(&whole, peer_as).is_some()
                || !visibility_loss::is_meant_to_be_seen(&whole)
                || has_whole()
                || !self.has_parts_of(&whole, peer_as, &right)
            {
                continue;
            }
            let change = Change::Back(origin);
            self.out.push(Report::Presence(Presence { prefix: whole, vantage, seen, change }));
            let proven = self.proven(path);
            let finding = visibility_loss::finding(&self.scene(at, &proven, false, now), &right).filter(|_| is_right);
            if let Some(finding) = finding.map(Arc::new) {
                let attributes = proven.attributes;
                self.remember_in_parts(whole, vantage, seen, Missed { since: now, finding, attributes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(IpNet, Asn, u8),
        Remove(IpNet, Asn),
        /// Of these numbers nothing is kept.
        Retain(u8),
    }

    fn a_network() -> impl Strategy<Value = IpNet> {
        prop::sample::select(vec!["192.0.2.0/24", "192.0.2.0/25", "192.0.2.128/25", "192.0.2.0/26", "2001:db8::/32"])
            .prop_map(|prefix| prefix.parse().expect("a prefix"))
    }

    fn a_step() -> impl Strategy<Value = Step> {
        let peer = || (64_500..64_503_u32).prop_map(Asn);
        prop_oneof![
            4 => (a_network(), peer(), 0..4_u8).prop_map(|(whole, peer, n)| Step::Insert(whole, peer, n)),
            2 => (a_network(), peer()).prop_map(|(whole, peer)| Step::Remove(whole, peer)),
            1 => (0..4_u8).prop_map(Step::Retain),
        ]
    }

    proptest! {
        #[test]
        fn what_is_in_parts_is_what_a_plain_map_holds(steps in prop::collection::vec(a_step(), 0..60)) {
            let (mut in_parts, mut twin) = (InParts::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(whole, peer, n) => {
                        in_parts.insert(whole, peer, n);
                        twin.insert((whole, peer), n);
                    }
                    Step::Remove(whole, peer) => {
                        prop_assert_eq!(in_parts.remove(whole, peer), twin.remove(&(whole, peer)));
                    }
                    Step::Retain(gone) => {
                        in_parts.retain(|_, n| *n != gone);
                        twin.retain(|_, n| *n != gone);
                    }
                }
                prop_assert_eq!((in_parts.len, in_parts.is_empty()), (twin.len(), twin.is_empty()));
                prop_assert_eq!(in_parts.missed.iter().filter(|(_, peers)| peers.is_empty()).count(), 0);
                let part: IpNet = "192.0.2.0/26".parse().expect("a prefix");
                for peer in (64_500..64_503).map(Asn) {
                    let around: Vec<(IpNet, u8)> = in_parts.around(&part, peer).map(|(whole, n)| (whole, *n)).collect();
                    let mut told: Vec<(IpNet, u8)> = twin
                        .iter()
                        .filter(|((whole, p), _)| *p == peer && *whole != part && whole.contains(&part))
                        .map(|((whole, _), n)| (*whole, *n))
                        .collect();
                    told.sort_by_key(|(whole, _)| std::cmp::Reverse(whole.prefix_len()));
                    prop_assert_eq!(around, told);
                }
                for ((whole, peer), n) in &twin {
                    prop_assert_eq!(in_parts.get(whole, *peer), Some(n));
                    let peers: Vec<Asn> = twin.keys().filter(|(w, _)| w == whole).map(|(_, peer)| *peer).collect();
                    prop_assert_eq!(in_parts.peers(whole).collect::<Vec<_>>(), peers);
                }
            }
        }
    }
}
