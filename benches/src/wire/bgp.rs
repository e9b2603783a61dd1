//! BGP messages (RFC 4271), with four-octet AS numbers (RFC 6793) and IPv6 in MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760).

use ipnet::IpNet;
use rules::bgp::{Asn, Family};

const HEADER: usize = 19;
const UPDATE: u8 = 2;
const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const COMMUNITIES: u8 = 8;
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;
const AS_SEQUENCE: u8 = 2;
/// AFI 2, SAFI 1.
const IPV6_UNICAST: [u8; 3] = [0, 2, 1];
const NEXT_HOP_V4: [u8; 4] = [192, 0, 2, 1];
/// 2001:db8::1
const NEXT_HOP_V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An UPDATE with its header.
pub fn update(withdrawn: &[IpNet], announced: &[IpNet], path: &[Asn], out: &mut Vec<u8>) {
    let start = out.len();
    header(UPDATE, out);
    let of_v4 = |prefixes: &[IpNet], out: &mut Vec<u8>| {
        prefixes.iter().filter(|p| Family::of(p) == Family::Ipv4).for_each(|p| nlri(p, out));
    };
    sized(out, |out| of_v4(withdrawn, out));
    sized(out, |out| {
        let v6 = |prefixes: &[IpNet]| prefixes.iter().any(|p| Family::of(p) == Family::Ipv6);
        if !announced.is_empty() {
            attributes(path, out);
        }
        if v6(withdrawn) {
            unreachable(withdrawn, out);
        }
        if v6(announced) {
            reachable(announced, out);
        } else if !announced.is_empty() {
            attribute(NEXT_HOP, out, |out| out.extend(NEXT_HOP_V4));
        }
    });
    of_v4(announced, out);
    finish(start, out);
}

/// End-of-RIB (RFC 4724 section 2).
pub fn end_of_rib(family: Family, out: &mut Vec<u8>) {
    let start = out.len();
    header(UPDATE, out);
    sized(out, |_| ());
    sized(out, |out| {
        if family == Family::Ipv6 {
            unreachable(&[], out);
        }
    });
    finish(start, out);
}

/// An OPEN that can do four-octet AS numbers and both families.
pub fn open(asn: Asn, out: &mut Vec<u8>) {
    let start = out.len();
    header(1, out);
    let short = u16::try_from(asn.0).unwrap_or(23_456);
    out.push(4);
    out.extend(short.to_be_bytes());
    out.extend([0, 180, 192, 0, 2, 1]);
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 65, 4];
    capabilities.extend(asn.0.to_be_bytes());
    out.extend([capabilities.len() as u8 + 2, 2, capabilities.len() as u8]);
    out.extend(capabilities);
    finish(start, out);
}

/// ORIGIN, AS_PATH and the communities that a usual route carries.
pub fn attributes(path: &[Asn], out: &mut Vec<u8>) {
    attribute(ORIGIN, out, |out| out.push(0));
    attribute(AS_PATH, out, |out| {
        for segment in path.chunks(255) {
            out.extend([AS_SEQUENCE, segment.len() as u8]);
            segment.iter().for_each(|asn| out.extend(asn.0.to_be_bytes()));
        }
    });
    attribute(COMMUNITIES, out, |out| {
        for (i, asn) in path.iter().take(3).enumerate() {
            out.extend((asn.0 as u16).to_be_bytes());
            out.extend((100 * i as u16 + 7).to_be_bytes());
        }
    });
}

/// The next hop of the attributes of a RIB entry: whole for IPv4, shortened for IPv6 (RFC 6396 section 4.3.4).
pub fn next_hop_of_entry(family: Family, out: &mut Vec<u8>) {
    match family {
        Family::Ipv4 => attribute(NEXT_HOP, out, |out| out.extend(NEXT_HOP_V4)),
        Family::Ipv6 => attribute(MP_REACH, out, |out| {
            out.push(16);
            out.extend(NEXT_HOP_V6);
        }),
    }
}

fn reachable(announced: &[IpNet], out: &mut Vec<u8>) {
    attribute(MP_REACH, out, |out| {
        out.extend(IPV6_UNICAST);
        out.push(16);
        out.extend(NEXT_HOP_V6);
        out.push(0);
        announced.iter().for_each(|p| nlri(p, out));
    });
}

fn unreachable(withdrawn: &[IpNet], out: &mut Vec<u8>) {
    attribute(MP_UNREACH, out, |out| {
        out.extend(IPV6_UNICAST);
        withdrawn.iter().for_each(|p| nlri(p, out));
    });
}

/// Length in bits, then as many octets as it takes.
pub fn nlri(prefix: &IpNet, out: &mut Vec<u8>) {
    let octets = usize::from(prefix.prefix_len().div_ceil(8));
    out.push(prefix.prefix_len());
    match prefix {
        IpNet::V4(net) => out.extend(&net.network().octets()[..octets]),
        IpNet::V6(net) => out.extend(&net.network().octets()[..octets]),
    }
}

/// With a length of two octets, which every attribute may have.
fn attribute(code: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let optional = !matches!(code, ORIGIN | AS_PATH | NEXT_HOP);
    let transitive = !matches!(code, MP_REACH | MP_UNREACH);
    out.extend([0x10 | u8::from(optional) << 7 | u8::from(transitive) << 6, code]);
    sized(out, write);
}

/// What `write` adds, behind its length.
pub fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0, 0]);
    write(out);
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

fn header(kind: u8, out: &mut Vec<u8>) {
    out.extend([0xff; 16]);
    out.extend([0, HEADER as u8, kind]);
}

fn finish(start: usize, out: &mut [u8]) {
    let length = (out.len() - start) as u16;
    out[start + 16..start + 18].copy_from_slice(&length.to_be_bytes());
}
