//! What is known of one peer of a router, and what may be looked at of it?

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rules::bgp::{AsPath, Asn, SegmentKind, Timestamp, VantageId};
use rules::event::{self, Event};
use rules::limits::TABLE_TRANSFER_SECS;
use rules::relations::Relation;

use super::message::{PeerHeader, Rib};
use super::open::{Open, Role};
use crate::convert::{self, AddPath, Heard};
use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::vantage::Vantages;

/// The numbers of vantage points that all sessions of a feed share.
#[derive(Clone, Default)]
pub struct Numbers(Arc<Mutex<Vantages>>);

impl Numbers {
    fn id(&self, collector: &str, key: &PeerKey, time: Timestamp, out: &mut Vec<Item>) -> Option<VantageId> {
        let mut vantages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        vantages.id(collector, key.asn, key.address, time, out)
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey {
    pub is_loc_rib: bool,
    pub address: IpAddr,
    pub asn: Asn,
}

impl PeerKey {
    pub fn of(head: &PeerHeader) -> Self {
        Self { is_loc_rib: head.rib == Rib::LocRib, address: head.address, asn: head.asn }
    }
}

/// How a peer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerState {
    /// It brings routes, and no Peer Up told of it.
    #[default]
    Untold,
    Up,
    Down,
}

impl PeerState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Untold => "untold",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What the OPENs of a Peer Up agreed upon.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    add_path: AddPath,
    pub local_as: Option<Asn>,
    local_role: Option<Role>,
    peer_role: Option<Role>,
}

#[derive(Default)]
pub(super) struct Peer {
    pub state: PeerState,
    pub ports: Option<(u16, u16)>,
    pub agreed: Agreed,
    pub table: Option<String>,
    /// The table whose routes count.
    pub rib: Option<Rib>,
    pub vantage: Option<VantageId>,
    /// The engine believes that it is up.
    pub is_told: bool,
    /// Until then, or its End-of-RIB, what comes may be old.
    pub table_until: Option<Timestamp>,
    pub updates: u64,
    pub routes_stated: Option<u64>,
    pub last: Option<Timestamp>,
}

/// A peer as others may look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    pub address: IpAddr,
    pub asn: Asn,
    pub state: PeerState,
    /// The table whose routes count; none before the first announcement.
    pub rib: Option<Rib>,
    /// VRF/Table Name, where the router told one.
    pub table: Option<String>,
    /// The router's AS on this session.
    pub local_as: Option<Asn>,
    /// What the router and the peer say they are to each other (RFC 9234).
    pub local_role: Option<Role>,
    pub peer_role: Option<Role>,
    /// IPv4 and IPv6 routes carry path identifiers.
    pub add_path: (bool, bool),
    /// UPDATEs that counted.
    pub updates: u64,
    /// Routes that the router says it holds of this peer, as of its last report.
    pub routes_stated: Option<u64>,
    pub last: Option<Timestamp>,
}

impl Agreed {
    pub fn of(is_loc_rib: bool, opens: Option<&(Open, Open)>) -> Self {
        let Some((sent, received)) = opens else { return Self::default() };
        Self {
            add_path: if is_loc_rib { sent.add_path_stated() } else { sent.add_path_from(received) },
            local_as: Some(sent.asn),
            local_role: sent.role,
            peer_role: received.role,
        }
    }

    /// What the peer is to the router, if what both said fits together (RFC 9234 section 4.2).
    fn relation(&self) -> Option<Relation> {
        match (self.local_role?, self.peer_role?) {
            (Role::Provider, Role::Customer) => Some(Relation::Customer),
            (Role::Customer, Role::Provider) => Some(Relation::Provider),
            (Role::LateralPeer, Role::LateralPeer) => Some(Relation::LateralPeer),
            _ => None,
        }
    }
}

impl Peer {
    /// How its messages are to be read.
    pub fn reading(&self, head: &PeerHeader) -> convert::Session {
        convert::Session {
            peer_as: head.asn,
            four_octets: !head.two_octets,
            add_path: self.agreed.add_path,
            // An empty path in the Loc-RIB is a route of the router's own AS.
            internal: head.rib == Rib::LocRib || self.agreed.local_as == Some(head.asn),
        }
    }

    pub fn is_in_transfer(&self, received: Option<Timestamp>) -> bool {
        !self.is_told || self.table_until > received
    }

    /// Says that it is up, with a number, unless that was said.
    #[allow(clippy::too_many_arguments, reason = "what a session lends to one of its peers")]
    pub fn tell(
        &mut self,
        collector: &str,
        key: &PeerKey,
        numbers: &Numbers,
        seen: Timestamp,
        begins: bool,
        counts: &mut Counts,
        out: &mut Vec<Item>,
    ) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        self.vantage = self.vantage.or_else(|| numbers.id(collector, key, seen, out));
        let Some(vantage) = self.vantage else { return counts.error(kind::TOO_MANY_PEERS) };
        if begins {
            self.table_until = Some(seen.plus_secs(TABLE_TRANSFER_SECS));
            counts.elements += 1;
            out.push(Item { time: seen, event: Event::PeerUp { vantage, seen } });
            let role = self.agreed.relation().zip(self.agreed.local_as);
            let role = role.map(|(relation, local_as)| event::Role { ases: (local_as, key.asn), relation });
            out.extend(role.map(|role| Item { time: seen, event: Event::Role(role) }));
        }
    }

    /// Its routes are gone from sight, if there were any; which table counts is open again.
    pub fn lose(&mut self, seen: Timestamp, counts: &mut Counts, out: &mut Vec<Item>) {
        self.rib = None;
        if let (true, Some(vantage)) = (std::mem::take(&mut self.is_told), self.vantage) {
            counts.elements += 1;
            out.push(Item { time: seen, event: Event::PeerDown { vantage, seen } });
        }
    }

    pub fn view(&self, key: &PeerKey) -> PeerView {
        let Agreed { add_path, local_as, local_role, peer_role } = self.agreed;
        PeerView {
            address: key.address,
            asn: key.asn,
            state: self.state,
            rib: self.rib,
            table: self.table.clone(),
            local_as,
            local_role,
            peer_role,
            add_path: (add_path.ipv4, add_path.ipv6),
            updates: self.updates,
            routes_stated: self.routes_stated,
            last: self.last,
        }
    }
}

/// Takes off the AS that does not belong to the path: the collector's in front of anything, the router's in front of
/// its peer's.
pub(super) fn strip_own_as(heard: &mut Heard, collector: Option<Asn>, local: Option<Asn>, peer: Asn) -> bool {
    let [first, second, ..] = heard.attributes.as_path.ases() else { return false };
    let is_foreign = collector == Some(*first) || (local == Some(*first) && *second == peer);
    if !is_foreign || *first == peer {
        return false;
    }
    let mut segments = heard.attributes.as_path.segments();
    match segments.first_mut() {
        Some(segment) if segment.kind == SegmentKind::Sequence => drop(segment.ases.remove(0)),
        _ => return false,
    }
    segments.retain(|segment| !segment.ases.is_empty());
    Arc::make_mut(&mut heard.attributes).as_path = AsPath::from_segments(segments);
    true
}
