//! Which routes and states are in a record?

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::Buf;
use rules::bgp::{Asn, Family, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId};
use rules::event::Event;

use super::{BGP, BGP4MP, BGP4MP_ET, Record, TABLE_DUMP, TABLE_DUMP_V2};
use crate::convert::{self, AddPath, Converter, Heard, Message, Session};
use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::vantage::Vantages;

/// A state of a BGP session (RFC 4271 section 8).
const ESTABLISHED: u16 = 6;

/// A peer of a TABLE_DUMP_V2 file.
struct Peer {
    asn: Asn,
    address: IpAddr,
    id: Option<VantageId>,
}

/// Turns records into items.
pub(super) struct Routes {
    collector: Box<str>,
    pub vantages: Vantages,
    /// By the index of the last peer index table.
    peers: Vec<Peer>,
    converter: Converter,
    pub counts: Counts,
}

/// A record's body ended early or contradicts itself.
struct BadRecord;

impl From<bytes::TryGetError> for BadRecord {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

/// How AS numbers and prefixes are written in a BGP4MP record.
#[derive(Clone, Copy)]
struct Form {
    four_octets: bool,
    add_path: bool,
}

impl Routes {
    pub fn new(collector: &str) -> Self {
        Self {
            collector: collector.into(),
            vantages: Vantages::default(),
            peers: Vec::new(),
            converter: Converter::default(),
            counts: Counts::default(),
        }
    }

    pub fn record(&mut self, record: Record<'_>, out: &mut VecDeque<Item>) {
        let Record { time, kind, subtype, body } = record;
        let form = |four_octets, add_path| Form { four_octets, add_path };
        let done = match (kind, subtype) {
            (BGP4MP | BGP4MP_ET, 0) => self.state_change(time, body, false, out),
            (BGP4MP | BGP4MP_ET, 5) => self.state_change(time, body, true, out),
            (BGP4MP | BGP4MP_ET, 1) => self.message(time, body, form(false, false), out),
            (BGP4MP | BGP4MP_ET, 4) => self.message(time, body, form(true, false), out),
            (BGP4MP | BGP4MP_ET, 8) => self.message(time, body, form(false, true), out),
            (BGP4MP | BGP4MP_ET, 9) => self.message(time, body, form(true, true), out),
            // What the collector itself said.
            (BGP4MP | BGP4MP_ET, 6 | 7 | 10 | 11) => self.skip(),
            (TABLE_DUMP_V2, 1) => self.peer_index(body),
            (TABLE_DUMP_V2, 2) => self.rib(time, body, Family::Ipv4, false, out),
            (TABLE_DUMP_V2, 4) => self.rib(time, body, Family::Ipv6, false, out),
            (TABLE_DUMP_V2, 8) => self.rib(time, body, Family::Ipv4, true, out),
            (TABLE_DUMP_V2, 10) => self.rib(time, body, Family::Ipv6, true, out),
            // Multicast, and where the peers are.
            (TABLE_DUMP_V2, 3 | 5 | 7 | 9 | 11) => self.skip(),
            (TABLE_DUMP, 1) => self.table_dump(time, body, Family::Ipv4, out),
            (TABLE_DUMP, 2) => self.table_dump(time, body, Family::Ipv6, out),
            (BGP, 1) => self.legacy_update(time, body, out),
            (BGP, 3) => self.legacy_state_change(time, body, out),
            (BGP, 5..=7) => self.skip(),
            _ => {
                self.counts.error(kind::UNSUPPORTED_MRT);
                Ok(())
            }
        };
        if done.is_err() {
            self.counts.error(kind::BAD_MRT_RECORD);
        }
    }

    fn skip(&mut self) -> Result<(), BadRecord> {
        self.counts.skipped += 1;
        Ok(())
    }

    fn vantage(&mut self, asn: Asn, address: IpAddr, time: Timestamp, out: &mut VecDeque<Item>) -> Option<VantageId> {
        let id = self.vantages.id(&self.collector, asn, address, time, out);
        if id.is_none() {
            self.counts.error(kind::TOO_MANY_PEERS);
        }
        id
    }

    /// BGP4MP_STATE_CHANGE (RFC 6396 section 4.4.1).
    fn state_change(
        &mut self,
        time: Timestamp,
        mut body: &[u8],
        four_octets: bool,
        out: &mut VecDeque<Item>,
    ) -> Result<(), BadRecord> {
        // Old Zebra left the addresses out: a state of nobody.
        if !four_octets && body.len() == 8 {
            self.counts.elements += 1;
            return self.skip();
        }
        let (peer_as, _) = (asn(&mut body, four_octets)?, asn(&mut body, four_octets)?);
        let address = endpoints(&mut body)?;
        let (old, new) = (body.try_get_u16()?, body.try_get_u16()?);
        self.state(time, peer_as, address, (old, new), out);
        Ok(())
    }

    fn state(
        &mut self,
        time: Timestamp,
        peer_as: Asn,
        address: IpAddr,
        (old, new): (u16, u16),
        out: &mut VecDeque<Item>,
    ) {
        self.counts.elements += 1;
        let up = new == ESTABLISHED && old != ESTABLISHED;
        let down = old == ESTABLISHED && new < ESTABLISHED;
        if !up && !down {
            self.counts.skipped += 1;
            return;
        }
        let Some(vantage) = self.vantage(peer_as, address, time, out) else { return };
        let event = match up {
            true => Event::PeerUp { vantage, seen: time },
            false => Event::PeerDown { vantage, seen: time },
        };
        out.push_back(Item { time, event });
    }

    /// BGP4MP_MESSAGE and its kin (RFC 6396 section 4.4.2, RFC 8050 section 3).
    fn message(
        &mut self,
        time: Timestamp,
        mut body: &[u8],
        form: Form,
        out: &mut VecDeque<Item>,
    ) -> Result<(), BadRecord> {
        if !form.four_octets && is_zebra_open(body) {
            return self.skip();
        }
        let (peer_as, local_as) = (asn(&mut body, form.four_octets)?, asn(&mut body, form.four_octets)?);
        let address = endpoints(&mut body)?;
        let session = Session {
            peer_as,
            four_octets: form.four_octets,
            add_path: form.add_path.into(),
            internal: peer_as == local_as,
        };
        match self.converter.message(body, &session) {
            Ok(Message::Update(heard)) => self.heard(time, peer_as, address, heard, out),
            Ok(Message::Other) => self.counts.skipped += 1,
            Err(kind) => self.counts.error(kind),
        }
        Ok(())
    }

    fn heard(&mut self, time: Timestamp, asn: Asn, address: IpAddr, heard: Heard, out: &mut VecDeque<Item>) {
        self.counts.heard(&heard);
        let routes = !heard.announced.is_empty() || !heard.withdrawn.is_empty();
        if !routes && heard.end_of_rib.is_none() {
            self.counts.skipped += 1;
            return;
        }
        if let Some(vantage) = self.vantage(asn, address, time, out) {
            out.push_back(Item { time, event: heard.into_event(vantage, time) });
        }
    }

    /// The deprecated type BGP, subtype MSG_UPDATE (RFC 6396 appendix B.2.1): no message header.
    fn legacy_update(&mut self, time: Timestamp, mut body: &[u8], out: &mut VecDeque<Item>) -> Result<(), BadRecord> {
        let (peer_as, address) = (asn(&mut body, false)?, ipv4(&mut body)?);
        let (local_as, _) = (asn(&mut body, false)?, ipv4(&mut body)?);
        let session = Session { peer_as, four_octets: false, add_path: AddPath::NONE, internal: peer_as == local_as };
        match self.converter.update(body, &session) {
            Ok(heard) => self.heard(time, peer_as, address, heard, out),
            Err(kind) => self.counts.error(kind),
        }
        Ok(())
    }

    fn legacy_state_change(
        &mut self,
        time: Timestamp,
        mut body: &[u8],
        out: &mut VecDeque<Item>,
    ) -> Result<(), BadRecord> {
        let (peer_as, address) = (asn(&mut body, false)?, ipv4(&mut body)?);
        let states = (body.try_get_u16()?, body.try_get_u16()?);
        self.state(time, peer_as, address, states, out);
        Ok(())
    }

    /// TABLE_DUMP (RFC 6396 section 4.2); early writers put many entries into one record.
    fn table_dump(
        &mut self,
        time: Timestamp,
        mut body: &[u8],
        family: Family,
        out: &mut VecDeque<Item>,
    ) -> Result<(), BadRecord> {
        body.try_get_u32()?;
        while body.has_remaining() {
            let octets = addresses(&mut body, family)?;
            let length = body.try_get_u8()?;
            let (_status, _originated) = (body.try_get_u8()?, body.try_get_u32()?);
            let address = ip(&mut body, family)?;
            let peer_as = asn(&mut body, false)?;
            let section = counted(&mut body)?;
            let session = Session { peer_as, four_octets: false, add_path: AddPath::NONE, internal: true };
            let route = Nlri { prefix: convert::prefix_of(octets, length, family).ok_or(BadRecord)?, path_id: 0 };
            self.counts.entry();
            let Some((attributes, otc)) = self.converter.rib_attributes(section, &session) else {
                self.counts.error(kind::BAD_ATTRIBUTE);
                continue;
            };
            self.counts.otc += u64::from(otc);
            if let Some(vantage) = self.vantage(peer_as, address, time, out) {
                out.push_back(seed(time, vantage, route, attributes));
            }
        }
        Ok(())
    }

    /// PEER_INDEX_TABLE (RFC 6396 section 4.3.1).
    fn peer_index(&mut self, mut body: &[u8]) -> Result<(), BadRecord> {
        body.try_get_u32()?;
        counted(&mut body)?;
        let count = body.try_get_u16()?;
        self.peers.clear();
        for _ in 0..count {
            let flags = body.try_get_u8()?;
            body.try_get_u32()?;
            let family = if flags & 1 != 0 { Family::Ipv6 } else { Family::Ipv4 };
            let address = ip(&mut body, family)?;
            let asn = asn(&mut body, flags & 2 != 0)?;
            self.peers.push(Peer { asn, address, id: None });
        }
        Ok(())
    }

    /// RIB_IPV4_UNICAST and its kin (RFC 6396 section 4.3.2, RFC 8050 section 4).
    fn rib(
        &mut self,
        time: Timestamp,
        mut body: &[u8],
        family: Family,
        add_path: bool,
        out: &mut VecDeque<Item>,
    ) -> Result<(), BadRecord> {
        body.try_get_u32()?;
        let length = body.try_get_u8()?;
        let octets = usize::from(length).div_ceil(8);
        let prefix = convert::prefix_of(take(&mut body, octets)?, length, family).ok_or(BadRecord)?;
        for _ in 0..body.try_get_u16()? {
            let peer = body.try_get_u16()?;
            body.try_get_u32()?;
            let path_id = if add_path { body.try_get_u32()? } else { 0 };
            let section = counted(&mut body)?;
            self.rib_entry(time, usize::from(peer), Nlri { prefix, path_id }, section, out);
        }
        Ok(())
    }

    fn rib_entry(&mut self, time: Timestamp, index: usize, route: Nlri, section: &[u8], out: &mut VecDeque<Item>) {
        self.counts.entry();
        let Some(peer) = self.peers.get(index) else { return self.counts.error(kind::UNKNOWN_PEER) };
        // Routes of the dumping router itself stand under a peer that is none.
        if peer.asn == Asn(0) {
            self.counts.skipped += 1;
            return;
        }
        let (asn, address, known) = (peer.asn, peer.address, peer.id);
        let session = Session { peer_as: asn, four_octets: true, add_path: AddPath::NONE, internal: true };
        let Some((attributes, otc)) = self.converter.rib_attributes(section, &session) else {
            return self.counts.error(kind::BAD_ATTRIBUTE);
        };
        self.counts.otc += u64::from(otc);
        let Some(vantage) = known.or_else(|| self.vantage(asn, address, time, out)) else { return };
        self.peers[index].id = Some(vantage);
        out.push_back(seed(time, vantage, route, attributes));
    }
}

fn seed(time: Timestamp, vantage: VantageId, route: Nlri, attributes: Arc<PathAttributes>) -> Item {
    let update = Update { vantage, seen: time, withdrawn: Nlris::new(), announced: Nlris::from([route]), attributes };
    Item { time, event: Event::Seed(update) }
}

fn asn(body: &mut &[u8], four_octets: bool) -> Result<Asn, BadRecord> {
    Ok(Asn(if four_octets { body.try_get_u32()? } else { body.try_get_u16()?.into() }))
}

/// Interface index, family, and both addresses; the peer's is the first.
fn endpoints(body: &mut &[u8]) -> Result<IpAddr, BadRecord> {
    body.try_get_u16()?;
    let family = match body.try_get_u16()? {
        1 => Family::Ipv4,
        2 => Family::Ipv6,
        _ => return Err(BadRecord),
    };
    let (peer, _local) = (ip(body, family)?, ip(body, family)?);
    Ok(peer)
}

fn ip(body: &mut &[u8], family: Family) -> Result<IpAddr, BadRecord> {
    match family {
        Family::Ipv4 => ipv4(body),
        Family::Ipv6 => Ok(IpAddr::V6(Ipv6Addr::from(body.try_get_u128()?))),
    }
}

fn ipv4(body: &mut &[u8]) -> Result<IpAddr, BadRecord> {
    Ok(IpAddr::V4(Ipv4Addr::from(body.try_get_u32()?)))
}

/// The octets of an address, as long as its family has them.
fn addresses<'a>(body: &mut &'a [u8], family: Family) -> Result<&'a [u8], BadRecord> {
    take(body, if family == Family::Ipv4 { 4 } else { 16 })
}

/// A field that is preceded by its length in two octets.
fn counted<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], BadRecord> {
    let length = body.try_get_u16()?;
    take(body, usize::from(length))
}

fn take<'a>(body: &mut &'a [u8], length: usize) -> Result<&'a [u8], BadRecord> {
    body.split_off(..length).ok_or(BadRecord)
}

/// Old Zebra wrote OPEN messages directly after the two AS numbers.
fn is_zebra_open(body: &[u8]) -> bool {
    body.len() >= 23 && body[4..20] == [0xff; 16] && body[22] == 1
}
