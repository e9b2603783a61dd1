//! What can be read of an UPDATE octet by octet, where a parser of the whole would drop more than what is bad?

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rules::bgp::{Family, Nlri, Nlris};

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
fn read_prefixes(field: &[u8], family: Family, add_path: bool, into: &mut Nlris) -> bool {
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
fn prefixes(mut field: &[u8], family: Family, add_path: bool) -> (Nlris, bool) {
    let mut found = Nlris::new();
    while !field.is_empty() {
        let Some((route, rest)) = prefix(field, family, add_path) else { return (found, false) };
        found.push(route);
        field = rest;
    }
    (found, true)
}

#[inline(always)]
pub(super) fn prefix(field: &[u8], family: Family, add_path: bool) -> Option<(Nlri, &[u8])> {
    let (path_id, field) = match add_path {
        true => field.split_first_chunk::<4>().map(|(id, rest)| (u32::from_be_bytes(*id), rest))?,
        false => (0, field),
    };
    let (&length, rest) = field.split_first()?;
    let (octets, behind) = rest.split_at_checked(usize::from(length).div_ceil(8))?;
    // Whatever stands behind it is masked; where only three octets are left, its length in front of them is shifted out.
    let prefix = match (family, rest.first_chunk(), field.first_chunk()) {
        (Family::Ipv4, Some(four), _) => ipv4(u32::from_be_bytes(*four), length)?,
        (Family::Ipv4, None, Some(four)) => ipv4(u32::from_be_bytes(*four) << 8, length)?,
        _ => prefix_of(octets, length, family)?,
    };
    Some((Nlri { prefix, path_id }, behind))
}

/// The prefix of `length` bits that `octets` begin; bits behind the length are irrelevant (RFC 4271 section 4.3).
pub(crate) fn prefix_of(octets: &[u8], length: u8, family: Family) -> Option<IpNet> {
    match family {
        Family::Ipv4 => ipv4(leading_four(octets)?, length),
        Family::Ipv6 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            Ipv6Net::new(Ipv6Addr::from(leading_sixteen(octets)? & mask), length).ok().map(IpNet::V6)
        }
    }
}

#[inline]
fn ipv4(address: u32, length: u8) -> Option<IpNet> {
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(length.into())?).unwrap_or(0);
    Ipv4Net::new(Ipv4Addr::from(address & mask), length).ok().map(IpNet::V4)
}

/// At most four octets as the first of four.
fn leading_four(octets: &[u8]) -> Option<u32> {
    let four = match *octets {
        [] => [0; 4],
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        [a, b, c, d] => [a, b, c, d],
        _ => return None,
    };
    Some(u32::from_be_bytes(four))
}

/// The same of sixteen.
fn leading_sixteen(octets: &[u8]) -> Option<u128> {
    let mut sixteen = [0; 16];
    sixteen.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(u128::from_be_bytes(sixteen))
}
