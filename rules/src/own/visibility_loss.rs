//! Visibility loss: a share of the full-feed peers has no longer a route to a watched prefix. An outage, not a hijack.
//!
//! A shard reports each peer AS that gave up its last right route, and each that has one again; here, at the desk, they
//! are counted. Only withdrawals count: a session that goes down, a feed that is lost, and a table that comes back
//! without the prefix prove no outage. A route of somebody else in the place of the right one is a hijack, unless nobody
//! has the right one any more and some have none at all: then something hidden surfaced behind an outage.
//!
//! It begins at a tenth of the full-feed peers (and two peer ASes) within an hour, and is over below a twentieth. Without
//! three full tables there is no share: then everybody who had the prefix must have lost it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::alert::{Class, Constituent};
use crate::bgp::{Asn, Family, PathAttributes, Timestamp, VantageId};
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::limits;
use crate::shard::{EndedBy, Phase, Sighting};

/// Shares of the full-feed peers at which a loss begins, and below which it is over.
const BEGINS: f64 = 0.1;
const IS_OVER: f64 = 0.05;
const HALF: f64 = 0.5;
const NEARLY_ALL: f64 = 0.9;

/// A peer AS has no right route to a watched prefix any more, or has one again.
#[derive(Clone, Debug)]
pub struct Presence {
    pub prefix: IpNet,
    pub vantage: VantageId,
    pub seen: Timestamp,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub enum Change {
    Lost {
        /// Distinct peer ASes that have a right route still.
        holding: usize,
        /// It has no route at all, not even of somebody else.
        outright: bool,
        /// What is lost, and the last path to it.
        finding: Arc<Finding>,
        attributes: Arc<PathAttributes>,
    },
    Back(Asn),
    /// It has the network in parts, and there is no room to remember that: counted.
    Unremembered,
}

/// What is lost with this route, and what covers it still; none if nobody misses it.
pub fn finding(scene: &Scene<'_>, right: &[Asn]) -> Option<Finding> {
    let constituents: Vec<Constituent> = scene.constituents(right, &[], None);
    let key_as = *right.first().filter(|_| !constituents.is_empty())?;
    let is_right = |e: &&crate::rib::Entry| {
        let mut origins = e.routes.iter().filter_map(|r| scene.rib.paths.origin_as(r.path));
        origins.any(|origin| right.contains(&origin))
    };
    Some(Finding {
        class: Class::VisibilityLoss,
        key_as,
        suspects: Default::default(),
        adjacency: scene.path.adjacency(),
        maybe_suspect: None,
        detected_origin: None,
        accepted_by: None,
        covering_prefix: scene.rib.covering(scene.prefix()).find(is_right).map(|e| e.prefix),
        expected_origins: right.into(),
        rov: scene.rov_proof(scene.path.origin_as, None),
        leak: None,
        proofs: scene.path.proofs.clone(),
        codes: Default::default(),
        constituents,
        needs_company: false,
        old_if: Default::default(),
    })
}

/// What the desk knows of its vantage points.
pub struct Observers<'d> {
    pub now: Timestamp,
    pub min_peer_ases: usize,
    pub peer_as: &'d dyn Fn(VantageId) -> Asn,
    /// Peers with a full table of the family; none without a measure.
    pub full: Option<Arc<BTreeSet<Asn>>>,
}

/// Losses of watched prefixes: those that are told, and those that may become so.
#[derive(Default)]
pub struct Losses {
    by_prefix: BTreeMap<IpNet, Loss>,
    routes: usize,
}

struct Loss {
    lost: BTreeMap<VantageId, LostRoute>,
    holding: usize,
    finding: Arc<Finding>,
    /// As the peers were when it began: who lost everything sends no full table any more.
    full: Option<Arc<BTreeSet<Asn>>>,
    is_open: bool,
}

/// Each once, ascending.
type Peers = SmallVec<[Asn; 16]>;

struct LostRoute {
    seen: Timestamp,
    /// The engine's clock.
    at: Timestamp,
    outright: bool,
    attributes: Arc<PathAttributes>,
    is_told: bool,
}

impl Losses {
    /// What the desk is to hear of it; none if there is no room to remember it.
    pub fn apply(&mut self, presence: &Presence, observers: &Observers<'_>) -> Option<Vec<Sighting>> {
        let prefix = presence.prefix;
        let mut out = Vec::new();
        match &presence.change {
            Change::Unremembered => return None,
            // As nearly always: nobody had lost it.
            Change::Back(_) if !self.by_prefix.contains_key(&prefix) => return Some(out),
            Change::Back(origin) => self.back(presence, *origin, observers, &mut out),
            Change::Lost { holding, outright, finding, attributes } => {
                let has_room = self.has_room(observers.now);
                let full = &observers.full;
                let fresh = || Loss::new(finding.clone(), full.clone());
                let loss = self.by_prefix.entry(prefix).or_insert_with(fresh);
                (loss.holding, loss.finding) = (*holding, finding.clone());
                let (seen, at, outright, attributes) = (presence.seen, observers.now, *outright, attributes.clone());
                let route = LostRoute { seen, at, outright, attributes, is_told: false };
                if let Entry::Vacant(place) = loss.lost.entry(presence.vantage) {
                    if !has_room {
                        return None;
                    }
                    self.routes += 1;
                    place.insert(route);
                }
            }
        }
        self.weigh(prefix, observers, &mut out);
        self.uncover(prefix, &mut out);
        Some(out)
    }

    fn back(&mut self, presence: &Presence, origin: Asn, observers: &Observers<'_>, out: &mut Vec<Sighting>) {
        let Some(loss) = self.by_prefix.get_mut(&presence.prefix) else { return };
        if !loss.finding.expected_origins.contains(&origin) {
            return;
        }
        let peer_as = (observers.peer_as)(presence.vantage);
        let is_back = |v: &VantageId| (observers.peer_as)(*v) == peer_as;
        loss.holding += usize::from(loss.lost.keys().any(is_back));
        let key_as = loss.finding.key_as;
        loss.lost.retain(|vantage, route| {
            let stays = !is_back(vantage);
            if !stays {
                self.routes -= 1;
                if route.is_told {
                    out.push(ended(presence.prefix, *vantage, key_as, presence.seen, EndedBy::Replaced));
                }
            }
            stays
        });
    }

    /// Begins, goes on, or is over.
    fn weigh(&mut self, prefix: IpNet, observers: &Observers<'_>, out: &mut Vec<Sighting>) {
        let Some(loss) = self.by_prefix.get_mut(&prefix) else { return };
        let was_open = loss.is_open;
        loss.is_open = loss.is_loss(observers);
        if loss.is_open {
            let finding = Arc::new(loss.judged(observers));
            let surfaced = loss.has_surfaced();
            for (vantage, route) in loss.lost.iter_mut().filter(|(_, r)| !r.is_told && (r.outright || surfaced)) {
                route.is_told = true;
                let phase = Phase::Began(finding.clone(), route.attributes.clone());
                out.push(sighting(prefix, *vantage, finding.key_as, route.seen, phase));
            }
        } else if was_open {
            let key_as = loss.finding.key_as;
            let last = out.last().map_or(observers.now, |s| s.seen);
            for (vantage, route) in loss.lost.iter_mut().filter(|(_, r)| r.is_told) {
                route.is_told = false;
                out.push(ended(prefix, *vantage, key_as, last, EndedBy::Replaced));
            }
        }
        if !loss.is_open {
            let window = observers.now.plus_secs(-limits::LOSS_SECS);
            let before = loss.lost.len();
            loss.lost.retain(|_, r| r.at >= window);
            self.routes -= before - loss.lost.len();
        }
        if loss.lost.is_empty() {
            self.by_prefix.remove(&prefix);
        }
    }

    /// Nobody has `gone` any more: it covers nothing.
    fn uncover(&mut self, gone: IpNet, out: &mut Vec<Sighting>) {
        if self.by_prefix.get(&gone).is_none_or(|l| !l.is_open || l.holding > 0) {
            return;
        }
        let covered = self.by_prefix.iter_mut().filter(|(_, l)| l.finding.covering_prefix == Some(gone));
        for (prefix, loss) in covered {
            let finding = Arc::make_mut(&mut loss.finding);
            finding.covering_prefix = None;
            let Some((vantage, route)) = loss.lost.iter().find(|(_, r)| r.is_told) else { continue };
            let finding = Arc::new(loss.judged_alone());
            let phase = Phase::Changed(finding.clone(), route.attributes.clone());
            out.push(sighting(*prefix, *vantage, finding.key_as, route.seen, phase));
        }
    }

    /// A session went down: what it had or had not is not known any more.
    pub fn lose(&mut self, down: VantageId, seen: Timestamp) -> Vec<Sighting> {
        let mut out = Vec::new();
        let mut routes = self.routes;
        self.by_prefix.retain(|prefix, loss| {
            if let Some(route) = loss.lost.remove(&down) {
                routes -= 1;
                if route.is_told {
                    out.push(ended(*prefix, down, loss.finding.key_as, seen, EndedBy::LostSight));
                }
            }
            !loss.lost.is_empty()
        });
        self.routes = routes;
        out
    }

    /// The session is back, and what it had lost did not come with its table.
    pub fn still_lost(&mut self, finding: &Arc<Finding>, attributes: &Arc<PathAttributes>, at: &Sighting) {
        let loss = self.by_prefix.entry(at.prefix).or_insert_with(|| Loss::new(finding.clone(), None));
        loss.is_open = true;
        let (seen, attributes) = (at.seen, attributes.clone());
        let route = LostRoute { seen, at: seen, outright: true, attributes, is_told: true };
        self.routes += usize::from(loss.lost.insert(at.vantage, route).is_none());
    }

    /// Prefixes that are watched no longer.
    pub fn forget(&mut self, is_watched: impl Fn(&IpNet, &Finding) -> bool, now: Timestamp) -> Vec<Sighting> {
        let mut out = Vec::new();
        let mut routes = self.routes;
        self.by_prefix.retain(|prefix, loss| {
            let stays = is_watched(prefix, &loss.finding);
            if !stays {
                routes -= loss.lost.len();
                let by = EndedBy::Cleared(crate::alert::ReasonCode::AllowRule);
                let told = loss.lost.iter().filter(|(_, r)| r.is_told);
                out.extend(told.map(|(vantage, _)| ended(*prefix, *vantage, loss.finding.key_as, now, by)));
            }
            stays
        });
        self.routes = routes;
        out
    }

    /// What nobody asked about for an hour makes room.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.routes >= limits::LOST_ROUTES {
            let window = now.plus_secs(-limits::LOSS_SECS);
            self.by_prefix.retain(|_, loss| loss.is_open || loss.lost.values().any(|r| r.at >= window));
            self.routes = self.by_prefix.values().map(|l| l.lost.len()).sum();
        }
        self.routes < limits::LOST_ROUTES
    }
}

impl Loss {
    fn new(finding: Arc<Finding>, full: Option<Arc<BTreeSet<Asn>>>) -> Self {
        Self { lost: BTreeMap::new(), holding: 0, finding, full, is_open: false }
    }

    /// Nobody has the right route, and somebody has none at all: routes of others are what was left, not what took over.
    fn has_surfaced(&self) -> bool {
        self.holding == 0 && self.lost.values().any(|r| r.outright)
    }

    /// Peer ASes that lost it. What was lost long before a loss begins is how things are.
    fn peers(&self, observers: &Observers<'_>) -> Peers {
        let window = observers.now.plus_secs(-limits::LOSS_SECS);
        let surfaced = self.has_surfaced();
        let counts = |r: &LostRoute| (r.outright || surfaced) && (self.is_open || r.at >= window);
        let counted = self.lost.iter().filter(|(_, r)| counts(r));
        let mut peers: Peers = counted.map(|(vantage, _)| (observers.peer_as)(*vantage)).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn share(&self, peers: &Peers) -> Option<f64> {
        let full = self.full.as_ref().filter(|full| !full.is_empty())?;
        Some(peers.iter().filter(|peer| full.contains(peer)).count() as f64 / full.len() as f64)
    }

    fn is_loss(&self, observers: &Observers<'_>) -> bool {
        // There are no more peer ASes than sessions, and mostly these are too few already.
        if self.lost.len() < observers.min_peer_ases {
            return false;
        }
        let peers = self.peers(observers);
        let is_enough = match (self.share(&peers), self.is_open) {
            (Some(share), false) => share >= BEGINS,
            (Some(share), true) => share >= IS_OVER,
            (None, false) => self.holding == 0,
            (None, true) => true,
        };
        is_enough && peers.len() >= observers.min_peer_ases
    }

    fn judged(&self, observers: &Observers<'_>) -> Finding {
        let share = self.share(&self.peers(observers));
        let is_half = share.is_none_or(|s| s >= HALF);
        let by = match share {
            _ if self.holding == 0 && is_half => Code::LostByNearlyAll,
            Some(share) if share >= NEARLY_ALL => Code::LostByNearlyAll,
            _ if is_half => Code::LostByHalf,
            _ => Code::LostByTenth,
        };
        self.with(by)
    }

    /// What covered it is gone as well, so nobody has it.
    fn judged_alone(&self) -> Finding {
        self.with(if self.holding == 0 { Code::LostByNearlyAll } else { Code::LostByHalf })
    }

    fn with(&self, by: Code) -> Finding {
        let covered = self.finding.covering_prefix.map(|_| Code::CoveredByLessSpecific);
        let codes = [by].into_iter().chain(covered).collect();
        Finding { codes, ..Finding::clone(&self.finding) }
    }
}

fn ended(prefix: IpNet, vantage: VantageId, key_as: Asn, seen: Timestamp, by: EndedBy) -> Sighting {
    sighting(prefix, vantage, key_as, seen, Phase::Ended(by))
}

fn sighting(prefix: IpNet, vantage: VantageId, key_as: Asn, seen: Timestamp, phase: Phase) -> Sighting {
    Sighting { prefix, path_id: 0, vantage, class: Class::VisibilityLoss, key_as, seen, phase, before: None }
}

/// Longer ones are black holes and the like: nobody promised that they are seen.
pub fn is_meant_to_be_seen(prefix: &IpNet) -> bool {
    prefix.prefix_len() <= Family::of(prefix).longest_routed()
}
