//! BMP messages to speak as a router does.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::IpAddr;

use ipnet::IpNet;

/// A per-peer header (RFC 7854 section 4.2).
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub kind: u8,
    pub flags: u8,
    pub distinguisher: u64,
    pub address: IpAddr,
    pub asn: u32,
    pub secs: u32,
}

pub const POST_POLICY: u8 = 0x40;
pub const TWO_OCTETS: u8 = 0x20;
pub const OUT: u8 = 0x10;

/// A peer of the global table.
pub fn peer(address: &str, asn: u32) -> Head {
    let address: IpAddr = address.parse().expect("an address");
    let flags = if address.is_ipv6() { 0x80 } else { 0 };
    Head { kind: 0, flags, distinguisher: 0, address, asn, secs: 0 }
}

/// The Loc-RIB of a router of this AS.
pub fn loc_rib(asn: u32) -> Head {
    Head { kind: 3, ..peer("0.0.0.0", asn) }
}

impl Head {
    pub fn with(self, flags: u8) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    pub fn at(self, secs: u32) -> Self {
        Self { secs, ..self }
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = vec![self.kind, self.flags];
        octets.extend(self.distinguisher.to_be_bytes());
        octets.extend(match self.address {
            IpAddr::V4(address) => u128::from(u32::from(address)).to_be_bytes(),
            IpAddr::V6(address) => address.octets(),
        });
        octets.extend(self.asn.to_be_bytes());
        octets.extend([192, 0, 2, 99]);
        octets.extend(self.secs.to_be_bytes());
        octets.extend([0; 4]);
        octets
    }
}

pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![3];
    message.extend((6 + body.len() as u32).to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

pub fn initiation(name: &str) -> Vec<u8> {
    message(4, &[tlv(1, b"a router"), tlv(2, name.as_bytes())].concat())
}

pub fn termination(reason: u16) -> Vec<u8> {
    message(5, &tlv(1, &reason.to_be_bytes()))
}

/// A session between the router's AS and the peer's, with these capabilities beside four-octet AS numbers.
pub fn peer_up_with(head: &Head, ports: (u16, u16), sent: (u32, &[u8]), received: (u32, &[u8])) -> Vec<u8> {
    let mut body = head.octets();
    body.extend([0; 16]);
    body.extend(ports.0.to_be_bytes());
    body.extend(ports.1.to_be_bytes());
    body.extend(open(sent.0, sent.1));
    body.extend(open(received.0, received.1));
    body.extend(tlv(3, b"global"));
    message(3, &body)
}

pub fn peer_up(head: &Head, local_as: u32) -> Vec<u8> {
    peer_up_with(head, (179, 40_000), (local_as, &[]), (head.asn, &[]))
}

pub fn peer_down(head: &Head, reason: u8) -> Vec<u8> {
    message(2, &[&head.octets()[..], &[reason]].concat())
}

pub fn route_monitoring(head: &Head, update: &[u8]) -> Vec<u8> {
    message(0, &[&head.octets(), update].concat())
}

pub fn mirroring(head: &Head, update: &[u8]) -> Vec<u8> {
    message(6, &[&head.octets()[..], &tlv(0, update)].concat())
}

/// A Statistics Report with one gauge.
pub fn statistics(head: &Head, kind: u16, value: u64) -> Vec<u8> {
    message(1, &[&head.octets()[..], &1u32.to_be_bytes(), &tlv(kind, &value.to_be_bytes())].concat())
}

fn bgp(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend((19 + body.len() as u16).to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// An OPEN with these capabilities, each code, length, value.
pub fn open(asn: u32, capabilities: &[u8]) -> Vec<u8> {
    let four = [&[65, 4][..], &asn.to_be_bytes(), capabilities].concat();
    let short = u16::try_from(asn).unwrap_or(23_456).to_be_bytes();
    let mut body = vec![4, short[0], short[1], 0, 180, 192, 0, 2, 1, four.len() as u8 + 2, 2, four.len() as u8];
    body.extend(four);
    bgp(1, &body)
}

fn nlri(prefix: &str, path_id: Option<u32>) -> Vec<u8> {
    let prefix: IpNet = prefix.parse().expect("a prefix");
    let octets = match prefix.network() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let length = prefix.prefix_len();
    let id = path_id.map(u32::to_be_bytes);
    let id = id.as_ref().map_or(&[][..], |id| &id[..]);
    [id, &[length], &octets[..usize::from(length).div_ceil(8)]].concat()
}

fn update(withdrawn: &[u8], attributes: &[u8], announced: &[u8]) -> Vec<u8> {
    let counted = |field: &[u8]| [&(field.len() as u16).to_be_bytes()[..], field].concat();
    bgp(2, &[counted(withdrawn), counted(attributes), announced.to_vec()].concat())
}

/// ORIGIN, AS_PATH of numbers this wide, NEXT_HOP.
fn attributes(path: &[u32], octets: usize) -> Vec<u8> {
    let ases: Vec<u8> = path.iter().flat_map(|asn| asn.to_be_bytes()[4 - octets..].to_vec()).collect();
    let segment = if path.is_empty() { vec![] } else { [&[2, path.len() as u8][..], &ases].concat() };
    [&[0x40, 1, 1, 0, 0x40, 2, segment.len() as u8][..], &segment, &[0x40, 3, 4, 192, 0, 2, 1]].concat()
}

/// Announces an IPv4 prefix.
pub fn announce(prefix: &str, path: &[u32]) -> Vec<u8> {
    update(&[], &attributes(path, 4), &nlri(prefix, None))
}

/// The same with two octets a number.
pub fn announce_narrow(prefix: &str, path: &[u32]) -> Vec<u8> {
    update(&[], &attributes(path, 2), &nlri(prefix, None))
}

/// The same with a path identifier.
pub fn announce_path(prefix: &str, path: &[u32], id: u32) -> Vec<u8> {
    update(&[], &attributes(path, 4), &nlri(prefix, Some(id)))
}

pub fn withdraw(prefix: &str) -> Vec<u8> {
    update(&nlri(prefix, None), &[], &[])
}

/// The table of IPv4 was sent.
pub fn end_of_rib() -> Vec<u8> {
    update(&[], &[], &[])
}

/// The table of IPv6 was sent.
pub fn end_of_rib_ipv6() -> Vec<u8> {
    update(&[], &[0x80, 15, 3, 0, 2, 1], &[])
}

/// An OpenBMP header as RouteViews writes it, and a BMP message.
pub fn openbmp(group: &str, router: u8, secs: u32, message: &[u8]) -> Vec<u8> {
    let mut rest = vec![0x80, 12];
    rest.extend(secs.to_be_bytes());
    rest.extend([0; 4]);
    rest.extend([7; 16]);
    rest.extend([0, 4]);
    rest.extend(b"bmp1");
    rest.extend([router; 16]);
    rest.extend([192, 0, 2, router]);
    rest.extend([0; 12]);
    rest.extend((group.len() as u16).to_be_bytes());
    rest.extend(group.as_bytes());
    rest.extend([0, 0, 0, 1]);
    let mut whole = b"OBMP\x01\x07".to_vec();
    whole.extend((12 + rest.len() as u16).to_be_bytes());
    whole.extend((message.len() as u32).to_be_bytes());
    whole.extend(rest);
    whole.extend(message);
    whole
}
