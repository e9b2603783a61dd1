//! MRT (RFC 6396): BGP4MP_ET for what is said, TABLE_DUMP_V2 for what is held.

use std::net::IpAddr;

use rules::bgp::{Family, Timestamp};

use super::bgp;
use crate::world::sessions::Session;
use crate::world::stream::{Said, What};
use crate::world::{START, World};

const TABLE_DUMP_V2: u16 = 13;
const PEER_INDEX_TABLE: u16 = 1;
const RIB_IPV4_UNICAST: u16 = 2;
const RIB_IPV6_UNICAST: u16 = 4;
const BGP4MP_ET: u16 = 17;
const MESSAGE_AS4: u16 = 4;
const STATE_CHANGE_AS4: u16 = 5;
const IDLE: u16 = 1;
const ESTABLISHED: u16 = 6;
/// The collector's own AS.
const LOCAL_AS: u32 = 12_654;

/// One record.
pub fn said(world: &World, said: &Said, out: &mut Vec<u8>) {
    let session = &world.sessions[said.session as usize];
    match &said.what {
        What::Update { withdrawn, announced, path } => {
            message(session, said.at, out, |out| bgp::update(withdrawn, announced, path, out));
        }
        What::EndOfRib => message(session, said.at, out, |out| bgp::end_of_rib(session.family, out)),
        What::Up => state(session, said.at, IDLE, ESTABLISHED, out),
        What::Down => state(session, said.at, ESTABLISHED, IDLE, out),
    }
}

fn message(session: &Session, at: Timestamp, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    record(at, MESSAGE_AS4, out, |out| {
        ends(session, out);
        write(out);
    });
}

fn state(session: &Session, at: Timestamp, from: u16, to: u16, out: &mut Vec<u8>) {
    record(at, STATE_CHANGE_AS4, out, |out| {
        ends(session, out);
        out.extend(from.to_be_bytes());
        out.extend(to.to_be_bytes());
    });
}

/// Who speaks with whom.
fn ends(session: &Session, out: &mut Vec<u8>) {
    out.extend(session.point.peer_as.0.to_be_bytes());
    out.extend(LOCAL_AS.to_be_bytes());
    out.extend([0, 0, 0, 1 + session.family as u8]);
    address(session.point.peer_address, out);
    address(session.point.peer_address, out);
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

fn record(at: Timestamp, subtype: u16, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let micros = at.0.rem_euclid(1_000_000) as u32;
    framed(at, BGP4MP_ET, subtype, out, |out| {
        out.extend(micros.to_be_bytes());
        write(out);
    });
}

fn framed(at: Timestamp, kind: u16, subtype: u16, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend((at.0.div_euclid(1_000_000) as u32).to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(subtype.to_be_bytes());
    let length = out.len();
    out.extend([0; 4]);
    write(out);
    let octets = (out.len() - length - 4) as u32;
    out[length..length + 4].copy_from_slice(&octets.to_be_bytes());
}

/// A dump of those sessions, in pieces of one record each: the index of peers, then prefix by prefix.
pub fn dump<'w>(world: &'w World, sessions: &'w [u32]) -> impl Iterator<Item = Vec<u8>> + 'w {
    let prefixes = (0..world.space.prefixes.len() as u32).map(|place| entries(world, sessions, place));
    std::iter::once(index(world, sessions)).chain(prefixes.filter(|record| !record.is_empty()))
}

fn index(world: &World, sessions: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    framed(START, TABLE_DUMP_V2, PEER_INDEX_TABLE, &mut out, |out| {
        out.extend([198, 18, 0, 0, 0, 0]);
        out.extend((sessions.len() as u16).to_be_bytes());
        for session in sessions.iter().map(|s| &world.sessions[*s as usize]) {
            // Four-octet AS numbers; the lowest bit tells the family.
            out.extend([2 | session.family as u8, 198, 18, 0, 0]);
            address(session.point.peer_address, out);
            out.extend(session.point.peer_as.0.to_be_bytes());
        }
    });
    out
}

fn entries(world: &World, sessions: &[u32], place: u32) -> Vec<u8> {
    let prefix = world.space.prefixes[place as usize].prefix;
    let family = Family::of(&prefix);
    let subtype = if family == Family::Ipv4 { RIB_IPV4_UNICAST } else { RIB_IPV6_UNICAST };
    let (mut out, mut count) = (Vec::new(), 0_u16);
    framed(START, TABLE_DUMP_V2, subtype, &mut out, |out| {
        out.extend(place.to_be_bytes());
        bgp::nlri(&prefix, out);
        let at = out.len();
        out.extend([0, 0]);
        for (i, session) in sessions.iter().enumerate().filter(|(_, s)| world.carries(**s, place)) {
            count += 1;
            out.extend((i as u16).to_be_bytes());
            out.extend((START.secs() as u32 - 86_400).to_be_bytes());
            bgp::sized(out, |out| {
                bgp::attributes(&world.path(*session, place), out);
                bgp::next_hop_of_entry(family, out);
            });
        }
        out[at..at + 2].copy_from_slice(&count.to_be_bytes());
    });
    if count == 0 { Vec::new() } else { out }
}
