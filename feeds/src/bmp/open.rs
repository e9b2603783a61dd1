//! What do the OPENs of a Peer Up say about how its routes are written, and about who sells to whom?

use std::fmt;

use bytes::Buf;
use rules::bgp::Asn;

use crate::convert::AddPath;

/// What the sender of an OPEN is to the other side (RFC 9234 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Provider,
    RouteServer,
    RouteServerClient,
    Customer,
    LateralPeer,
}

impl Role {
    fn of(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Provider,
            1 => Self::RouteServer,
            2 => Self::RouteServerClient,
            3 => Self::Customer,
            4 => Self::LateralPeer,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::RouteServer => "route_server",
            Self::RouteServerClient => "route_server_client",
            Self::Customer => "customer",
            Self::LateralPeer => "lateral_peer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an OPEN offers, as far as reading and judging routes needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub asn: Asn,
    /// AS numbers of four octets (RFC 6793).
    pub four_octets: bool,
    /// Path identifiers of unicast routes by family, IPv4 first: bit 0 receives, bit 1 sends (RFC 7911 section 4).
    add_path: [u8; 2],
    pub role: Option<Role>,
}

const RECEIVES: u8 = 1;
const SENDS: u8 = 2;

/// Octets of the fixed part: BGP header, version, AS, hold time, identifier, length of the parameters.
const FIXED: usize = 29;
const MESSAGE_HEADER: usize = 19;
const OPEN: u8 = 1;
const CAPABILITIES: u8 = 2;
/// Parameters with two octets of length (RFC 9072).
const EXTENDED: u8 = 255;

impl Open {
    /// Reads an OPEN off the front, marker first, and moves behind it. None if it is none. Parameters that cannot be
    /// read offer nothing.
    pub fn read(bytes: &mut &[u8]) -> Option<Self> {
        let length = usize::from(u16::from_be_bytes([*bytes.get(16)?, *bytes.get(17)?]));
        let (message, rest) = bytes.split_at_checked(length)?;
        // FRR fabricates two empty messages for routes of its own: a header and no type.
        if length < FIXED || message[18] != OPEN {
            return None;
        }
        *bytes = rest;
        let mut open = Self::default();
        let mut fixed = &message[MESSAGE_HEADER + 1..];
        open.asn = Asn(u32::from(fixed.get_u16()));
        let parameters = &message[FIXED..];
        open.parameters(message[FIXED - 1], parameters);
        Some(open)
    }

    fn parameters(&mut self, length: u8, bytes: &[u8]) {
        let (wide, mut bytes) = match (length, bytes) {
            (1.., [EXTENDED, _, _, rest @ ..]) => (true, rest),
            _ => (false, bytes),
        };
        loop {
            let (kind, length, rest) = match bytes {
                [kind, high, low, rest @ ..] if wide => (*kind, usize::from(u16::from_be_bytes([*high, *low])), rest),
                [kind, length, rest @ ..] if !wide => (*kind, usize::from(*length), rest),
                _ => return,
            };
            let Some((value, rest)) = rest.split_at_checked(length) else { return };
            if kind == CAPABILITIES {
                self.capabilities(value);
            }
            bytes = rest;
        }
    }

    /// RFC 5492 section 4.
    fn capabilities(&mut self, mut bytes: &[u8]) {
        while let [code, length, rest @ ..] = bytes {
            let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return };
            match (code, value) {
                (65, [a, b, c, d]) => {
                    self.four_octets = true;
                    self.asn = Asn(u32::from_be_bytes([*a, *b, *c, *d]));
                }
                (69, value) => value.chunks_exact(4).for_each(|family| self.offers_path_ids(family)),
                // RFC 9234 section 4.2: several different roles are none.
                (9, [role]) => self.role = Role::of(*role),
                _ => {}
            }
            bytes = rest;
        }
    }

    fn offers_path_ids(&mut self, family: &[u8]) {
        if let [0, afi @ 1..=2, 1, direction @ 1..=3] = family {
            self.add_path[usize::from(*afi) - 1] = *direction;
        }
    }

    /// Which routes that `peer` sends to us carry path identifiers: those it offers to send and we to receive.
    pub fn add_path_from(&self, peer: &Self) -> AddPath {
        let agreed = |family: usize| self.add_path[family] & RECEIVES != 0 && peer.add_path[family] & SENDS != 0;
        AddPath { ipv4: agreed(0), ipv6: agreed(1) }
    }

    /// A Loc-RIB has nobody to agree with: its fabricated OPEN names what its routes carry (RFC 9069 section 5.1).
    pub fn add_path_stated(&self) -> AddPath {
        AddPath { ipv4: self.add_path[0] != 0, ipv6: self.add_path[1] != 0 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An OPEN of an AS with these capabilities, each code, length, value.
    pub fn open(asn: u32, capabilities: &[u8]) -> Vec<u8> {
        let four = [&[65, 4][..], &asn.to_be_bytes()].concat();
        let parameters = [&[CAPABILITIES, (four.len() + capabilities.len()) as u8][..], &four, capabilities].concat();
        open_with(asn, parameters.len() as u8, &parameters)
    }

    fn open_with(asn: u32, length: u8, parameters: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff; 16];
        bytes.extend(((FIXED + parameters.len()) as u16).to_be_bytes());
        bytes.extend([OPEN, 4]);
        bytes.extend(u16::try_from(asn).unwrap_or(23_456).to_be_bytes());
        bytes.extend([0, 180, 192, 0, 2, 1, length]);
        bytes.extend(parameters);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Open> {
        Open::read(&mut &*bytes)
    }

    #[test]
    fn path_identifiers_flow_where_one_sends_and_the_other_receives() {
        let offer = |ipv4: u8, ipv6: u8| read(&open(64_500, &[69, 8, 0, 1, 1, ipv4, 0, 2, 1, ipv6])).expect("an OPEN");
        for (ours, theirs, expected) in [
            ((1, 3), (2, 3), (true, true)),
            ((3, 2), (3, 3), (true, false)),
            ((2, 1), (2, 1), (false, false)),
            ((0, 1), (2, 2), (false, true)),
            ((9, 1), (2, 9), (false, false)),
        ] {
            let found = offer(ours.0, ours.1).add_path_from(&offer(theirs.0, theirs.1));
            assert_eq!((found.ipv4, found.ipv6), expected, "{ours:?} and {theirs:?}");
        }
    }

    #[test]
    fn numbers_and_roles_are_read() {
        let open = read(&open(4_200_000_001, &[9, 1, 3])).expect("an OPEN");
        assert_eq!((open.asn, open.four_octets, open.role), (Asn(4_200_000_001), true, Some(Role::Customer)));
        let old = read(&open_with(64_500, 0, &[])).expect("an OPEN");
        assert_eq!((old.asn, old.four_octets, old.role), (Asn(64_500), false, None));
    }

    #[test]
    fn extended_parameters_are_read_alike() {
        let capability = [65, 4, 0, 1, 0, 0];
        let parameters = [&[EXTENDED, 0, 9, CAPABILITIES, 0, 6][..], &capability].concat();
        assert_eq!(read(&open_with(23_456, 255, &parameters)).map(|open| open.asn), Some(Asn(65_536)));
    }

    #[test]
    fn what_is_cut_offers_nothing_and_what_is_no_open_is_none() {
        let whole = open(64_500, &[9, 1, 3]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None);
        }
        let mut keepalive = whole.clone();
        keepalive[18] = 4;
        assert_eq!(read(&keepalive), None);
        let cut = read(&open_with(64_500, 9, &[CAPABILITIES, 9, 9, 1, 3])).expect("an OPEN");
        assert_eq!(cut.role, None);
    }
}
