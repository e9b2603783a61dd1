//! BMP (RFC 7854), as a router sends it that has every session of the world.

use std::net::IpAddr;

use rules::bgp::Timestamp;

use super::bgp;
use crate::world::World;
use crate::world::sessions::Session;
use crate::world::stream::{Said, What};

const VERSION: u8 = 3;
const ROUTE_MONITORING: u8 = 0;
const PEER_DOWN: u8 = 2;
const PEER_UP: u8 = 3;
const INITIATION: u8 = 4;

/// The first message of a connection (section 4.3), with sysDescr and sysName.
pub fn initiation(name: &str, out: &mut Vec<u8>) {
    framed(INITIATION, out, |out| {
        for (kind, text) in [(1_u16, "made up"), (2, name)] {
            out.extend(kind.to_be_bytes());
            bgp::sized(out, |out| out.extend(text.as_bytes()));
        }
    });
}

pub fn said(world: &World, said: &Said, out: &mut Vec<u8>) {
    let session = &world.sessions[said.session as usize];
    let with_header = |kind, out: &mut Vec<u8>, write: &dyn Fn(&mut Vec<u8>)| {
        framed(kind, out, |out| {
            of_peer(session, said.at, out);
            write(out);
        });
    };
    match &said.what {
        What::Update { withdrawn, announced, path } => {
            with_header(ROUTE_MONITORING, out, &|out| bgp::update(withdrawn, announced, path, out));
        }
        What::EndOfRib => with_header(ROUTE_MONITORING, out, &|out| bgp::end_of_rib(session.family, out)),
        What::Up => with_header(PEER_UP, out, &|out| up(session, out)),
        // The peer closed it, and said nothing.
        What::Down => with_header(PEER_DOWN, out, &|out| out.push(4)),
    }
}

/// Local address and ports, then the OPENs of both (section 4.10).
fn up(session: &Session, out: &mut Vec<u8>) {
    address(session.point.peer_address, out);
    out.extend([0, 179, 0xc0, 0]);
    bgp::open(rules::bgp::Asn(12_654), out);
    bgp::open(session.point.peer_as, out);
}

/// The per-peer header (section 4.2).
fn of_peer(session: &Session, at: Timestamp, out: &mut Vec<u8>) {
    let is_v6 = u8::from(session.point.peer_address.is_ipv6());
    out.extend([0, is_v6 << 7, 0, 0, 0, 0, 0, 0, 0, 0]);
    address(session.point.peer_address, out);
    out.extend(session.point.peer_as.0.to_be_bytes());
    out.extend([192, 0, 2, 1]);
    out.extend((at.0.div_euclid(1_000_000) as u32).to_be_bytes());
    out.extend((at.0.rem_euclid(1_000_000) as u32).to_be_bytes());
}

/// 16 octets; IPv4 stands in the last four.
fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            out.extend([0; 12]);
            out.extend(address.octets());
        }
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

fn framed(kind: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([VERSION, 0, 0, 0, 0, kind]);
    write(out);
    let length = (out.len() - start) as u32;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}
