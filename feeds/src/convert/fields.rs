//! What can be read of an UPDATE octet by octet, where a parser of the whole would drop more than what is bad?

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rules::bgp::{Family, Nlri};

use super::{AddPath, Routes};

pub(super) const MP_REACH: u8 = 14;
pub(super) const MP_UNREACH: u8 = 15;
pub(super) const EXTENDED_LENGTH: u8 = 0x10;

/// The three variable fields of an UPDATE, as octets.
pub(super) struct Fields<'a> {
    pub withdrawn: &'a [u8],
    pub attributes: &'a [u8],
    pub announced: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(body: &'a [u8]) -> Option<Self> {
        let (withdrawn, rest) = counted(body)?;
        let (attributes, announced) = counted(rest)?;
        Some(Self { withdrawn, attributes, announced })
    }

    /// Every unicast prefix that can be read, up to the first bad one of each field.
    pub fn routes(&self, add_path: AddPath) -> Routes {
        let mut routes = Routes::default();
        routes.broken |= !read_prefixes(self.withdrawn, Family::Ipv4, add_path.ipv4, &mut routes.withdrawn);
        routes.broken |= !read_prefixes(self.announced, Family::Ipv4, add_path.ipv4, &mut routes.announced);
        for (code, value) in AttributeWalk(self.attributes).flatten() {
            let (head, prefixes) = match (code, value) {
                (MP_UNREACH, [_, afi, safi, prefixes @ ..]) => ((*afi, *safi), prefixes),
                (MP_REACH, [_, afi, safi, next_hop, rest @ ..]) => {
                    // One reserved octet stands between the next hop and the prefixes.
                    ((*afi, *safi), rest.get(usize::from(*next_hop) + 1..).unwrap_or_default())
                }
                _ => continue,
            };
            let into = if code == MP_REACH { &mut routes.announced } else { &mut routes.withdrawn };
            match head {
                (afi, 1) if family(afi).is_some() => {
                    let family = if afi == 1 { Family::Ipv4 } else { Family::Ipv6 };
                    routes.broken |= !read_prefixes(prefixes, family, add_path.of(family), into);
                }
                _ => routes.foreign = true,
            }
        }
        routes
    }
}

pub(super) fn family(afi: u8) -> Option<Family> {
    match afi {
        1 => Some(Family::Ipv4),
        2 => Some(Family::Ipv6),
        _ => None,
    }
}

/// A field that is preceded by its length in two octets, and what follows it.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Code and value of each path attribute; an error where one is longer than the section.
struct AttributeWalk<'a>(&'a [u8]);

impl<'a> Iterator for AttributeWalk<'a> {
    type Item = Result<(u8, &'a [u8]), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        let (code, length, rest) = match std::mem::take(&mut self.0) {
            [] => return None,
            [flags, code, high, low, rest @ ..] if flags & EXTENDED_LENGTH != 0 => {
                (*code, usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            [flags, code, length, rest @ ..] if flags & EXTENDED_LENGTH == 0 => (*code, usize::from(*length), rest),
            _ => return Some(Err(())),
        };
        let Some((value, rest)) = rest.split_at_checked(length) else { return Some(Err(())) };
        self.0 = rest;
        Some(Ok((code, value)))
    }
}

/// RFC 7606 section 4: attributes that overrun their section make every route of the UPDATE a withdrawal.
pub(super) fn attributes_fit(section: &[u8]) -> bool {
    AttributeWalk(section).all(|attribute| attribute.is_ok())
}

/// Reads a field of prefixes. Some collectors store ADD-PATH sessions under subtypes that deny it; then the
/// field makes no sense without path identifiers (several default routes, or a bad length) and sense with them.
fn read_prefixes(field: &[u8], family: Family, add_path: bool, into: &mut Vec<Nlri>) -> bool {
    let (mut prefixes, mut whole) = prefixes(field, family, add_path);
    let defaults = prefixes.iter().filter(|route| route.prefix.prefix_len() == 0).count();
    if !add_path && (!whole || defaults > 1) {
        let (with_ids, all) = self::prefixes(field, family, true);
        if all {
            (prefixes, whole) = (with_ids, true);
        }
    }
    into.append(&mut prefixes);
    whole
}

/// The prefixes of a field up to the first bad one, and whether that was all of it.
fn prefixes(mut field: &[u8], family: Family, add_path: bool) -> (Vec<Nlri>, bool) {
    let mut found = Vec::new();
    while !field.is_empty() {
        let Some((route, rest)) = prefix(field, family, add_path) else { return (found, false) };
        found.push(route);
        field = rest;
    }
    (found, true)
}

pub(super) fn prefix(field: &[u8], family: Family, add_path: bool) -> Option<(Nlri, &[u8])> {
    let (path_id, field) = match add_path {
        true => field.split_first_chunk::<4>().map(|(id, rest)| (u32::from_be_bytes(*id), rest))?,
        false => (0, field),
    };
    let (&length, rest) = field.split_first()?;
    let (octets, rest) = rest.split_at_checked(usize::from(length).div_ceil(8))?;
    let prefix = prefix_of(octets, length, family)?;
    Some((Nlri { prefix, path_id }, rest))
}

/// The prefix of `length` bits that `octets` begin; bits behind the length are irrelevant (RFC 4271 section 4.3).
pub(crate) fn prefix_of(octets: &[u8], length: u8, family: Family) -> Option<IpNet> {
    match family {
        Family::Ipv4 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            let address = (leading(octets, 4)? >> 96) as u32 & mask;
            Ipv4Net::new(Ipv4Addr::from(address), length).ok().map(IpNet::V4)
        }
        Family::Ipv6 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            Ipv6Net::new(Ipv6Addr::from(leading(octets, 16)? & mask), length).ok().map(IpNet::V6)
        }
    }
}

/// At most `most` octets as the first of sixteen.
fn leading(octets: &[u8], most: usize) -> Option<u128> {
    if octets.len() > most {
        return None;
    }
    Some(octets.iter().rev().fold(0, |number, octet| number >> 8 | u128::from(*octet) << 120))
}
