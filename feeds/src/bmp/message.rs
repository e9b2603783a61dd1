//! What does one BMP message say (RFC 7854 section 4, RFC 8671, RFC 9069, RFC 9736)?
//!
//! Read by hand, octet for octet: what the envelope states is bounded by the message, so nothing is allocated that
//! is not there. The UPDATE inside goes to [`crate::convert`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Buf, Bytes};
use rules::bgp::{Asn, Timestamp};

use super::frame::HEADER;
use super::open::Open;

/// A body that contradicts its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a BMP message contradicts its type")]
pub struct BadMessage;

impl From<bytes::TryGetError> for BadMessage {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

/// Which of a router's tables routes are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rib {
    /// As the peer sent them.
    PrePolicy,
    /// As the router accepted them.
    PostPolicy,
    /// What the router itself uses (RFC 9069).
    LocRib,
    /// What the router tells the peer (RFC 8671).
    Out,
}

impl Rib {
    pub fn word(self) -> &'static str {
        match self {
            Self::PrePolicy => "pre_policy",
            Self::PostPolicy => "post_policy",
            Self::LocRib => "loc_rib",
            Self::Out => "out",
        }
    }
}

/// The per-peer header (RFC 7854 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHeader {
    pub rib: Rib,
    /// The routes are those of the Internet, not of a VRF.
    pub is_global: bool,
    pub address: IpAddr,
    pub asn: Asn,
    /// AS_PATHs with two octets a number: the A flag.
    pub two_octets: bool,
    /// None where the router does not know.
    pub time: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerUp {
    pub local_port: u16,
    pub remote_port: u16,
    /// What the router sent and what it received. None for FRR's stand-in of its own routes.
    pub opens: Option<(Open, Open)>,
    /// VRF/Table Name (RFC 9736 section 3.1).
    pub table: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// With a whole BGP message.
    RouteMonitoring(PeerHeader, Bytes),
    /// With the number of routes in the Adj-RIB-In or Loc-RIB, if it is told.
    Statistics(PeerHeader, Option<u64>),
    PeerDown(PeerHeader, u8),
    PeerUp(PeerHeader, Box<PeerUp>),
    Initiation(Info),
    Termination(Option<u16>),
    Mirroring,
    Unknown,
}

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    pub sys_name: String,
    pub sys_descr: String,
}

/// Characters kept of what a router says about itself.
const TEXT: usize = 128;

/// Reads a whole message as [`super::frame::next`] cuts it.
pub(crate) fn read(message: &Bytes) -> Result<Message, BadMessage> {
    let kind = *message.get(HEADER - 1).ok_or(BadMessage)?;
    let mut body = message.slice(HEADER..);
    Ok(match kind {
        0 => Message::RouteMonitoring(PeerHeader::read(&mut body)?, body),
        1 => {
            let header = PeerHeader::read(&mut body)?;
            Message::Statistics(header, routes_held(&mut body, header.rib)?)
        }
        2 => Message::PeerDown(PeerHeader::read(&mut body)?, body.try_get_u8()?),
        3 => {
            let header = PeerHeader::read(&mut body)?;
            Message::PeerUp(header, Box::new(PeerUp::read(&body)?))
        }
        4 => Message::Initiation(Info::read(&body)),
        5 => Message::Termination(Tlvs(&body).find(|(kind, _)| *kind == 1).and_then(|(_, mut v)| v.try_get_u16().ok())),
        6 => {
            PeerHeader::read(&mut body)?;
            Message::Mirroring
        }
        _ => Message::Unknown,
    })
}

const V6: u8 = 0x80;
const POST_POLICY: u8 = 0x40;
const TWO_OCTETS: u8 = 0x20;
const ADJ_RIB_OUT: u8 = 0x10;

impl PeerHeader {
    fn read(body: &mut Bytes) -> Result<Self, BadMessage> {
        let (kind, flags) = (body.try_get_u8()?, body.try_get_u8()?);
        let distinguisher = body.try_get_u64()?;
        let address = body.try_get_u128()?;
        let asn = Asn(body.try_get_u32()?);
        let _bgp_id = body.try_get_u32()?;
        let (seconds, micros) = (body.try_get_u32()?, body.try_get_u32()?);
        // The flags of a Loc-RIB are others (RFC 9069 section 4.2): 0x80 says "filtered" there, not IPv6.
        let is_loc_rib = kind == 3;
        let flags = if is_loc_rib { 0 } else { flags };
        let rib = match (is_loc_rib, flags & ADJ_RIB_OUT != 0, flags & POST_POLICY != 0) {
            (true, ..) => Rib::LocRib,
            (false, true, _) => Rib::Out,
            (false, false, true) => Rib::PostPolicy,
            (false, false, false) => Rib::PrePolicy,
        };
        let address = match flags & V6 != 0 {
            _ if is_loc_rib => Ipv4Addr::UNSPECIFIED.into(),
            true => Ipv6Addr::from(address).into(),
            // In the last four octets.
            false => Ipv4Addr::from(address as u32).into(),
        };
        let time = Timestamp(i64::from(seconds) * 1_000_000 + i64::from(micros.min(999_999)));
        Ok(Self {
            rib,
            is_global: matches!(kind, 0 | 3) && distinguisher == 0,
            address,
            asn,
            two_octets: flags & TWO_OCTETS != 0,
            time: (seconds != 0).then_some(time),
        })
    }

    /// Stands for routes that the router itself originates, as FRR has it, and for no session: those have an address.
    pub fn is_nobody(&self) -> bool {
        self.rib != Rib::LocRib && self.address.is_unspecified()
    }
}

impl PeerUp {
    /// RFC 7854 section 4.10.
    fn read(body: &[u8]) -> Result<Self, BadMessage> {
        let (_, mut rest) = body.split_at_checked(16).ok_or(BadMessage)?;
        let (local_port, remote_port) = (rest.try_get_u16()?, rest.try_get_u16()?);
        let opens = Open::read(&mut rest).and_then(|sent| Some((sent, Open::read(&mut rest)?)));
        // Without both OPENs it is not known where the TLVs begin.
        let table = opens.and_then(|_| Tlvs(rest).find(|(kind, _)| *kind == 3)).map(|(_, name)| text(name));
        Ok(Self { local_port, remote_port, opens, table })
    }
}

impl Info {
    fn read(body: &[u8]) -> Self {
        let mut info = Self::default();
        for (kind, value) in Tlvs(body) {
            match kind {
                1 => info.sys_descr = text(value),
                2 => info.sys_name = text(value),
                _ => {}
            }
        }
        info
    }
}

pub(crate) fn text(value: &[u8]) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(value).chars().take(TEXT).map(plain).collect()
}

/// Information TLVs: type, length, value (RFC 7854 section 4.4); they end where one does not fit.
struct Tlvs<'a>(&'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, high, low, rest @ ..] = self.0 else { return None };
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        self.0 = rest;
        Some((u16::from_be_bytes([*a, *b]), value))
    }
}

/// Gauges 7 (Adj-RIB-In) and 8 (Loc-RIB) of a Statistics Report (RFC 7854 section 4.8).
fn routes_held(body: &mut Bytes, rib: Rib) -> Result<Option<u64>, BadMessage> {
    let count = body.try_get_u32()?;
    let wanted = if rib == Rib::LocRib { 8 } else { 7 };
    let gauge = Tlvs(body).take(count as usize).find(|(kind, value)| *kind == wanted && value.len() == 8);
    Ok(gauge.and_then(|(_, mut value)| value.try_get_u64().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8, distinguisher: u64) -> PeerHeader {
        let mut bytes = vec![kind, flags];
        bytes.extend(distinguisher.to_be_bytes());
        bytes.extend(0x2001_0db8_0000_0000_0000_0000_c000_0201_u128.to_be_bytes());
        bytes.extend(64_500u32.to_be_bytes());
        bytes.extend([192, 0, 2, 9, 0x66, 0, 0, 0, 0xff, 0, 0, 0]);
        PeerHeader::read(&mut bytes.into()).expect("a header")
    }

    #[test]
    fn the_flags_of_a_loc_rib_are_not_those_of_a_peer() {
        let (v4, v6) = ("192.0.2.1".parse::<IpAddr>().expect("an address"), "2001:db8::c000:201".parse().expect("one"));
        let nobody = Ipv4Addr::UNSPECIFIED.into();
        for (kind, flags, rib, address) in [
            (0, 0, Rib::PrePolicy, v4),
            (0, 0x80, Rib::PrePolicy, v6),
            (0, 0x40, Rib::PostPolicy, v4),
            (0, 0x10, Rib::Out, v4),
            (0, 0x50, Rib::Out, v4),
            (3, 0, Rib::LocRib, nobody),
            (3, 0xf0, Rib::LocRib, nobody),
        ] {
            let found = head(kind, flags, 0);
            assert_eq!((found.rib, found.address), (rib, address), "type {kind}, flags {flags:#x}");
        }
        assert!(head(0, 0x20, 0).two_octets && !head(3, 0x20, 0).two_octets);
    }

    #[test]
    fn a_vrf_is_not_the_internet() {
        for (kind, distinguisher, is_global) in
            [(0, 0, true), (3, 0, true), (1, 5, false), (1, 0, false), (2, 0, false), (3, 5, false), (9, 0, false)]
        {
            assert_eq!(head(kind, 0, distinguisher).is_global, is_global, "type {kind}, {distinguisher}");
        }
    }

    #[test]
    fn a_time_of_zero_is_none_and_microseconds_stay_within_their_second() {
        assert_eq!(head(0, 0, 0).time, Some(Timestamp(0x6600_0000 * 1_000_000 + 999_999)));
        let zero = PeerHeader::read(&mut vec![0; 42].into()).expect("a header");
        assert_eq!((zero.time, zero.is_nobody()), (None, true));
    }

    #[test]
    fn what_a_router_says_of_itself_is_bounded_and_plain() {
        let long = [&[0, 2, 1, 0][..], &[b'a'; 256], &[0, 1, 0, 3, b'x', 7, 0xff, 0, 1, 0, 9, 1]].concat();
        let info = Info::read(&long);
        assert_eq!((info.sys_name.len(), info.sys_descr.as_str()), (TEXT, "x\u{fffd}\u{fffd}"));
    }
}
