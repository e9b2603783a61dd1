//! What does one router say over one BMP session? Messages in, items out: no I/O, no clock of its own.
//!
//! **Which routes count.** A router may tell every route three times: as the peer sent it (pre-policy), as it was
//! accepted (post-policy), and as it is used (Loc-RIB). One of them is used per peer: pre-policy, else post-policy,
//! else the router's Loc-RIB. It is not known beforehand what a router will send, so the first announcement decides,
//! and the first announcement of a better table decides again: the vantage point then goes down and up, which drops
//! what the lesser table told. A table that brings withdrawals only (FRR without `soft-reconfiguration inbound`)
//! never wins. The Loc-RIB repeats what all peers told, so the first announcement of any peer ends its use for the
//! whole session. What a router tells others (Adj-RIB-Out) is never used, nor are mirrored messages.
//!
//! **Whose routes.** A vantage point is (router, peer address, peer AS). The tables of VRFs (peer types 1 and 2, or a
//! distinguisher) are not the Internet: they are counted and left out, so the same address in a VRF is nobody else's.
//! Routes of the router itself (FRR: address 0.0.0.0, AS 0) are of no session and left out as well.
//!
//! **What is believed.** The OPENs of Peer Up say which families carry path identifiers; the A flag how wide AS
//! numbers are, unless the path reads only the other way. A Peer Up that is told again with the same ports is the same
//! session (Huawei tells it once per family); with other ports the session was lost without a Peer Down. An AS that
//! the router put in front of the peer's (FRR 8 to 10 does) is taken off. A time that is zero or more than five
//! minutes from when the message came is replaced by that.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rules::bgp::{Asn, Timestamp};

use super::clock::Clock;
use super::message::{self, Info, Message, PeerHeader, PeerUp, Rib};
use super::peer::{Agreed, Peer, PeerKey, strip_own_as};
pub use super::peer::{Numbers, PeerState, PeerView};
use crate::convert::{self, Converter};
use crate::counts::{Counts, kind};
use crate::input::Item;

/// Termination without a reason (RFC 7854 section 4.5).
const UNSPECIFIED: u16 = 1;

/// What must be known of a router beforehand.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The router's name, as it stands in alerts.
    pub collector: Arc<str>,
    /// Peers of one router, Loc-RIB included.
    pub most_peers: usize,
    /// An AS that stands in front of every path and is not part of it: the collector's own.
    pub collector_as: Option<Asn>,
    /// The stream may begin anywhere: what comes without a Peer Up is no table transfer.
    pub is_mid_stream: bool,
}

/// What came and was rightly left out, and how often the router had to be corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages by the number of their type (RFC 7854 section 4.1); the last are of unknown types.
    pub messages: [u64; 8],
    /// Route Monitoring of a table that does not count.
    pub other_rib: u64,
    /// Messages about a VRF.
    pub other_table: u64,
    /// Peer Downs of peers that were not up.
    pub needless_downs: u64,
    /// UPDATEs with the router's or collector's own AS in front.
    pub own_as_stripped: u64,
    /// Times that were replaced by when the message came.
    pub times_replaced: u64,
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.messages.iter().sum()
    }
}

/// One BMP session.
pub struct Session {
    settings: Settings,
    numbers: Numbers,
    peers: BTreeMap<PeerKey, Peer>,
    /// A peer's own table was heard: the Loc-RIB would tell it again.
    has_peer_tables: bool,
    clock: Clock,
    converter: Converter,
    info: Info,
    counts: Counts,
    tally: Tally,
    has_begun: bool,
    terminated: Option<u16>,
    has_changed: bool,
}

impl Session {
    pub fn new(settings: Settings, numbers: Numbers) -> Self {
        Self {
            settings,
            numbers,
            peers: BTreeMap::new(),
            has_peer_tables: false,
            clock: Clock::default(),
            converter: Converter::default(),
            info: Info::default(),
            counts: Counts::default(),
            tally: Tally::default(),
            has_begun: false,
            terminated: None,
            has_changed: false,
        }
    }

    /// Works off one whole message, as [`super::frame::next`] cuts it, that came at `received` (none where it is read
    /// from a file). False if its envelope could not be read, which is counted.
    pub fn message(&mut self, bytes: &Bytes, received: Option<Timestamp>, out: &mut Vec<Item>) -> bool {
        let kind = bytes.get(super::frame::HEADER - 1).map_or(7, |kind| usize::from(*kind).min(7));
        self.tally.messages[kind] += 1;
        let Ok(message) = message::read(bytes) else {
            self.counts.error(kind::BAD_BMP_MESSAGE);
            return false;
        };
        match message {
            Message::RouteMonitoring(head, update) => self.route_monitoring(&head, &update, received, out),
            Message::PeerUp(head, up) => self.peer_up(&head, &up, received, out),
            Message::PeerDown(head, _) => self.peer_down(&head, received, out),
            Message::Statistics(head, routes) => self.statistics(&head, routes),
            Message::Initiation(info) => self.initiation(info, out),
            Message::Termination(reason) => self.terminated = Some(reason.unwrap_or(UNSPECIFIED)),
            Message::Mirroring => self.counts.skipped += 1,
            Message::Unknown => self.counts.error(kind::UNKNOWN_MESSAGE),
        }
        true
    }

    /// The connection is gone, and with it the sight of all its peers.
    pub fn close(&mut self, received: Option<Timestamp>, out: &mut Vec<Item>) {
        let seen = received.unwrap_or(self.clock.now());
        for peer in self.peers.values_mut() {
            peer.lose(seen, &mut self.counts, out);
            peer.state = PeerState::Down;
        }
        self.has_peer_tables = false;
        self.has_changed = true;
    }

    /// The same for those that were not heard since `until`, where messages of different peers may come in any order.
    pub fn close_silent(&mut self, until: Timestamp, out: &mut Vec<Item>) {
        for peer in self.peers.values_mut().filter(|peer| peer.last.is_none_or(|last| last <= until)) {
            peer.lose(until, &mut self.counts, out);
            peer.state = PeerState::Down;
        }
        self.has_changed = true;
    }

    /// What was counted since it was last asked.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Why the router said that it will close, once if it did (RFC 7854 section 4.5).
    pub fn take_terminated(&mut self) -> Option<u16> {
        self.terminated.take()
    }

    /// True once after a peer came, went, or was first heard.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// All peers of the global table, the Loc-RIB last.
    pub fn peers(&self) -> impl Iterator<Item = PeerView> + '_ {
        self.peers.iter().map(|(key, peer)| peer.view(key))
    }

    /// A second one begins a second session: what the first one told is gone.
    fn initiation(&mut self, info: Info, out: &mut Vec<Item>) {
        if std::mem::replace(&mut self.has_begun, true) && !self.settings.is_mid_stream {
            self.close(None, out);
        }
        self.info = info;
        self.has_changed = true;
    }

    fn statistics(&mut self, head: &PeerHeader, routes: Option<u64>) {
        self.counts.skipped += 1;
        if head.is_global
            && let Some(peer) = self.peers.get_mut(&PeerKey::of(head))
        {
            peer.routes_stated = routes.or(peer.routes_stated);
        }
    }

    /// Whether a message is about a session whose routes may count; counts it if not.
    fn concerns_us(&mut self, head: &PeerHeader) -> bool {
        if !head.is_global {
            self.tally.other_table += 1;
        }
        let concerns = head.is_global && !head.is_nobody();
        self.counts.skipped += u64::from(!concerns);
        concerns
    }

    /// Makes room for a peer; false where there are too many.
    fn knows(&mut self, key: PeerKey) -> bool {
        if self.peers.contains_key(&key) {
            return true;
        }
        if self.peers.len() >= self.settings.most_peers {
            let gone = self.peers.iter().find(|(_, peer)| peer.state == PeerState::Down).map(|(key, _)| *key);
            let Some(gone) = gone else {
                self.counts.error(kind::TOO_MANY_PEERS);
                return false;
            };
            self.peers.remove(&gone);
        }
        self.peers.insert(key, Peer::default());
        self.has_changed = true;
        true
    }

    fn peer_up(&mut self, head: &PeerHeader, up: &PeerUp, received: Option<Timestamp>, out: &mut Vec<Item>) {
        let key = PeerKey::of(head);
        if !self.concerns_us(head) || !self.knows(key) {
            return;
        }
        let seen = self.clock.seen(head.time, received, true, &mut self.tally, &mut self.counts);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.last = Some(seen);
        let ports = (up.local_port, up.remote_port);
        let was_up = peer.state == PeerState::Up;
        let is_repeat = was_up && peer.ports == Some(ports);
        peer.ports = Some(ports);
        peer.agreed = Agreed::of(key.is_loc_rib, up.opens.as_ref());
        peer.table.clone_from(&up.table);
        peer.state = PeerState::Up;
        self.has_changed = true;
        if is_repeat {
            self.counts.skipped += 1;
            return;
        }
        peer.lose(seen, &mut self.counts, out);
        // A Loc-RIB is a vantage point only if its routes turn out to count.
        if !key.is_loc_rib {
            peer.tell(&self.settings.collector, &key, &self.numbers, seen, true, &mut self.counts, out);
        }
    }

    fn peer_down(&mut self, head: &PeerHeader, received: Option<Timestamp>, out: &mut Vec<Item>) {
        if !self.concerns_us(head) {
            return;
        }
        match self.peers.get_mut(&PeerKey::of(head)).filter(|peer| peer.state != PeerState::Down) {
            Some(peer) => {
                let seen = self.clock.seen(head.time, received, false, &mut self.tally, &mut self.counts);
                peer.lose(seen, &mut self.counts, out);
                peer.state = PeerState::Down;
                self.has_changed = true;
            }
            // FRR says so of a peer that never came up, Huawei once per table.
            None => {
                self.tally.needless_downs += 1;
                self.counts.skipped += 1;
            }
        }
    }

    fn route_monitoring(
        &mut self,
        head: &PeerHeader,
        update: &Bytes,
        received: Option<Timestamp>,
        out: &mut Vec<Item>,
    ) {
        let key = PeerKey::of(head);
        if !self.concerns_us(head) {
            return;
        }
        if self.is_told_better(head, &key) {
            self.tally.other_rib += 1;
            self.counts.skipped += 1;
            return;
        }
        if !self.knows(key) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let mut heard = match self.converter.message_of_either_width(update, &peer.reading(head)) {
            Ok(convert::Message::Update(heard)) => heard,
            Ok(convert::Message::Other) => {
                self.counts.skipped += 1;
                return;
            }
            Err(kind) => return self.counts.error(kind),
        };
        self.counts.heard(&heard);
        let announces = !heard.announced.is_empty();
        let is_empty = !announces && heard.withdrawn.is_empty() && heard.end_of_rib.is_none();
        // A better table that only withdraws has not earned it yet, and what it withdraws still stands elsewhere.
        if is_empty || (!announces && peer.rib.is_some_and(|rib| rib != head.rib)) {
            self.counts.skipped += 1;
            return;
        }
        let seen =
            self.clock.seen(head.time, received, peer.is_in_transfer(received), &mut self.tally, &mut self.counts);
        if announces && peer.rib != Some(head.rib) {
            if peer.rib.is_some() {
                peer.lose(seen, &mut self.counts, out);
            }
            peer.rib = Some(head.rib);
            self.has_changed = true;
            if !key.is_loc_rib && !std::mem::replace(&mut self.has_peer_tables, true) {
                self.end_loc_rib(seen, out);
            }
        }
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let begins = !self.settings.is_mid_stream || peer.state == PeerState::Up;
        peer.tell(&self.settings.collector, &key, &self.numbers, seen, begins, &mut self.counts, out);
        let Some(vantage) = peer.vantage else { return };
        let stripped = strip_own_as(&mut heard, self.settings.collector_as, peer.agreed.local_as, key.asn);
        self.tally.own_as_stripped += u64::from(stripped);
        peer.updates += 1;
        peer.last = Some(seen);
        if heard.end_of_rib.is_some() {
            peer.table_until = None;
        }
        out.push(Item { time: seen, event: heard.into_event(vantage, seen) });
    }

    /// Whether the same routes are told by a table that is preferred.
    fn is_told_better(&self, head: &PeerHeader, key: &PeerKey) -> bool {
        match head.rib {
            Rib::Out => true,
            Rib::LocRib => self.has_peer_tables,
            rib => self.peers.get(key).and_then(|peer| peer.rib).is_some_and(|chosen| chosen < rib),
        }
    }

    fn end_loc_rib(&mut self, seen: Timestamp, out: &mut Vec<Item>) {
        for (_, peer) in self.peers.iter_mut().filter(|(key, _)| key.is_loc_rib) {
            peer.lose(seen, &mut self.counts, out);
        }
    }
}

#[cfg(test)]
mod tests;
