//! A watched network that its holder announces in parts is not lost, as long as a peer AS has parts that together are all of it. The
//! parts are too new to be missed for themselves, so within the hour the whole is missed when one of them goes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::quality::RandomState;
use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use super::{Report, Shard};
use crate::bgp::{Asn, PathAttributes, Timestamp, VantageId, nearest_first};
use crate::finding::Finding;
use crate::limits;
use crate::own::visibility_loss::{self, Change, Presence};
use crate::rib::{PathRef, PrefixRef, Route};

/// Networks that peer ASes have in parts.
#[derive(Default)]
pub(super) struct InParts {
    missed: BTreeMap<(IpNet, Asn), Missed>,
    /// The same networks by peer AS: most have none in parts, so that most updates need not look any further.
    wholes: HashMap<Asn, JointPrefixMap<IpNet, ()>, RandomState>,
}

impl InParts {
    fn insert(&mut self, whole: IpNet, peer_as: Asn, missed: Missed) {
        self.missed.insert((whole, peer_as), missed);
        self.wholes.entry(peer_as).or_default().insert(whole, ());
    }

    fn remove(&mut self, whole: IpNet, peer_as: Asn) -> Option<Missed> {
        let missed = self.missed.remove(&(whole, peer_as))?;
        if let Entry::Occupied(mut wholes) = self.wholes.entry(peer_as) {
            wholes.get_mut().remove(&whole);
            if wholes.get().is_empty() {
                wholes.remove();
            }
        }
        Some(missed)
    }

    /// Keeps what is asked for.
    pub(super) fn retain(&mut self, keeps: impl Fn(Asn, &Missed) -> bool) {
        let gone: Vec<_> = self.missed.iter().filter(|((_, peer), m)| !keeps(*peer, m)).map(|(key, _)| *key).collect();
        for (whole, peer_as) in gone {
            self.remove(whole, peer_as);
        }
    }

    /// Networks around a part that this peer AS has in parts, the nearest first; none if there are none, as nearly always.
    fn around(&self, part: &IpNet, peer_as: Asn) -> Option<impl Iterator<Item = IpNet>> {
        let mut around =
            nearest_first(self.wholes.get(&peer_as)?, part.supernet()?).map(|(whole, ())| whole).peekable();
        around.peek()?;
        Some(around)
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
        let first = (*whole, Asn(0));
        self.in_parts.missed.range(first..=(*whole, Asn(u32::MAX))).map(|((_, peer_as), _)| *peer_as)
    }

    pub(super) fn remember_in_parts(&mut self, whole: IpNet, vantage: VantageId, seen: Timestamp, missed: Missed) {
        if self.in_parts.missed.len() >= limits::NETWORKS_IN_PARTS {
            self.in_parts.retain(|_, m| m.is_fresh(missed.since));
        }
        if self.in_parts.missed.len() < limits::NETWORKS_IN_PARTS {
            self.in_parts.insert(whole, self.peer_as[vantage.0 as usize], missed);
        } else {
            let change = Change::Unremembered;
            self.out.push(Report::Presence(Presence { prefix: whole, vantage, seen, change }));
        }
    }

    pub(super) fn whole_is_back(&mut self, whole: IpNet, vantage: VantageId, origin: Asn) {
        let peer_as = self.peer_as[vantage.0 as usize];
        let missed = self.in_parts.missed.get(&(whole, peer_as));
        if missed.is_some_and(|m| m.finding.expected_origins.contains(&origin)) {
            self.in_parts.remove(whole, peer_as);
        }
    }

    /// A session may have lost a part of networks that it had in parts.
    #[inline]
    pub(super) fn part_is_gone(&mut self, part: &IpNet, vantage: VantageId, seen: Timestamp, now: Timestamp) {
        if !self.in_parts.wholes.is_empty() {
            self.look_for_wholes(part, vantage, seen, now);
        }
    }

    #[cold]
    fn look_for_wholes(&mut self, part: &IpNet, vantage: VantageId, seen: Timestamp, now: Timestamp) {
        let peer_as = self.peer_as[vantage.0 as usize];
        let Some(wholes) = self.in_parts.around(part, peer_as) else { return };
        let is_missed = |whole: &IpNet| {
            let missed = self.in_parts.missed.get(&(*whole, peer_as)).filter(|_| self.rib.find(whole).is_some());
            missed.is_some_and(|m| !self.has_parts_of(whole, peer_as, &m.finding.expected_origins))
        };
        for whole in wholes.filter(is_missed).collect::<Vec<_>>() {
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
            if self.in_parts.missed.contains_key(&(whole, peer_as))
                || !visibility_loss::is_meant_to_be_seen(&whole)
                || has_whole()
                || !self.has_parts_of(&whole, peer_as, &right)
            {
                continue;
            }
            let change = Change::Back(origin);
            self.out.push(Report::Presence(Presence { prefix: whole, vantage, seen, change }));
            let finding = visibility_loss::finding(&self.scene(at, path, false, now), &right).filter(|_| is_right);
            if let Some(finding) = finding.map(Arc::new) {
                let attributes = self.rib.paths.attributes(path);
                self.remember_in_parts(whole, vantage, seen, Missed { since: now, finding, attributes });
            }
        }
    }
}
