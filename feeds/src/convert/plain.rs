//! What does an ordinary UPDATE say? One walk over its octets, for the shape that nearly all have.
//!
//! Whatever is unusual (an attribute that is not listed here, odd flags, a repeat, a length that does not fit, a
//! default route, path identifiers, two-octet AS numbers) gives none, and the parser has its say. What this reads,
//! the parser reads too, and alike: that is a law below. Measured on real updates, the walk takes a third of the time.

use std::sync::Arc;

use rules::bgp::{Asn, Family, Nlri, Nlris, PathAttributes};

use super::fields::{EXTENDED_LENGTH, Fields, MP_REACH, MP_UNREACH, family, prefix};
use super::known::Known;
use super::{BLACKHOLE, Heard, Session, dedup};

const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const ONLY_TO_CUSTOMER: u8 = 35;

/// Attribute flags (RFC 4271 section 4.3).
const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const PARTIAL: u8 = 0x20;

#[derive(Default)]
struct Walked<'a> {
    /// Codes that were there, as bits.
    seen: u64,
    path: &'a [u8],
    only_to_customer: Option<Asn>,
    blackhole: bool,
    announced: Nlris,
    withdrawn: Nlris,
}

/// The UPDATE, or none if it is not ordinary.
pub(super) fn read(body: &[u8], session: &Session, known: &mut Known) -> Option<Heard> {
    if !session.four_octets || session.add_path.any() {
        return None;
    }
    let fields = Fields::of(body)?;
    let mut walked = Walked::default();
    prefixes(fields.withdrawn, Family::Ipv4, &mut walked.withdrawn)?;
    prefixes(fields.announced, Family::Ipv4, &mut walked.announced)?;
    let by_nlri = !walked.announced.is_empty();
    walked.attributes(fields.attributes, Walked::routes)?;
    if walked.announced.is_empty() && walked.withdrawn.is_empty() {
        return None;
    }
    if !walked.announced.is_empty() {
        let needed = 1 << ORIGIN | 1 << AS_PATH | u64::from(by_nlri) << NEXT_HOP;
        if walked.seen & needed != needed {
            return None;
        }
    }
    walked.heard(known)
}

/// The attributes of a RIB entry (RFC 6396 section 4.3.4), or none if they are not ordinary.
pub(super) fn rib_attributes(
    section: &[u8],
    session: &Session,
    known: &mut Known,
) -> Option<(Arc<PathAttributes>, bool)> {
    if !session.four_octets {
        return None;
    }
    let mut walked = Walked::default();
    walked.attributes(section, |_, code, value| (code == MP_REACH && is_reach(value)).then_some(()))?;
    let needed = 1 << ORIGIN | 1 << AS_PATH;
    if walked.seen & needed != needed {
        return None;
    }
    Some((walked.path_attributes(known)?, walked.only_to_customer.is_some()))
}

impl<'a> Walked<'a> {
    /// Takes each attribute of the section; those with routes are for `routes`.
    fn attributes(
        &mut self,
        mut section: &'a [u8],
        routes: impl Fn(&mut Self, u8, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        while !section.is_empty() {
            let (&[flags, code, length], rest) = section.split_first_chunk()?;
            let (length, rest) = match flags & EXTENDED_LENGTH {
                0 => (usize::from(length), rest),
                _ => rest.split_first().map(|(low, rest)| (usize::from(u16::from_be_bytes([length, *low])), rest))?,
            };
            let (value, rest) = rest.split_at_checked(length)?;
            let is_new = code < 64 && self.seen & 1 << code == 0;
            if !is_new || !has_usual_form(code, flags & !EXTENDED_LENGTH, value) {
                return None;
            }
            self.seen |= 1 << code;
            match code {
                AS_PATH => self.path = value,
                8 => self.blackhole = value.chunks_exact(4).any(is_blackhole),
                MP_REACH | MP_UNREACH => routes(self, code, value)?,
                ONLY_TO_CUSTOMER => self.only_to_customer = Some(asn(value)?),
                _ => {}
            }
            section = rest;
        }
        Some(())
    }

    /// RFC 4760 sections 3 and 4, unicast.
    fn routes(&mut self, code: u8, value: &[u8]) -> Option<()> {
        if code == MP_REACH {
            return self.mp_reach(value);
        }
        let ([0, afi, 1], field) = value.split_first_chunk::<3>()? else { return None };
        // A whole family and nothing withdrawn ends a table transfer.
        prefixes(field, family(*afi)?, &mut self.withdrawn)
    }

    fn mp_reach(&mut self, value: &[u8]) -> Option<()> {
        let ([0, afi, 1, next_hop], rest) = value.split_first_chunk::<4>()? else { return None };
        let is_usual = matches!((*afi, *next_hop), (1, 4) | (2, 16 | 32));
        let (_, rest) = rest.split_at_checked(usize::from(*next_hop)).filter(|_| is_usual)?;
        let ([0], field) = rest.split_first_chunk::<1>()? else { return None };
        if field.is_empty() {
            return None;
        }
        prefixes(field, family(*afi)?, &mut self.announced)
    }

    fn path_attributes(&self, known: &mut Known) -> Option<Arc<PathAttributes>> {
        known.attributes(self.path, self.only_to_customer, self.blackhole)
    }

    fn heard(mut self, known: &mut Known) -> Option<Heard> {
        let (announced_on_wire, withdrawn_on_wire) = (self.announced.len(), self.withdrawn.len());
        let announces = announced_on_wire > 0;
        let attributes = if announces { self.path_attributes(known)? } else { super::no_attributes() };
        let otc = self.only_to_customer.is_some() && announces;
        dedup(&mut self.announced);
        Some(Heard {
            withdrawn: self.withdrawn,
            announced: self.announced,
            attributes,
            end_of_rib: None,
            announced_on_wire,
            withdrawn_on_wire,
            multicast: 0,
            otc,
            errors: Vec::new(),
        })
    }
}

/// MP_REACH_NLRI of a RIB entry, whose prefix stands elsewhere: the next hop alone, or what the peer sent.
fn is_reach(value: &[u8]) -> bool {
    match value {
        [0, 1 | 2, 1, 4 | 16 | 32, ..] => true,
        [length @ (16 | 32), address @ ..] => address.len() == usize::from(*length),
        _ => false,
    }
}

/// Flags and length as the RFC of the attribute has them.
#[inline(always)]
fn has_usual_form(code: u8, flags: u8, value: &[u8]) -> bool {
    let well_known = flags == TRANSITIVE;
    let transitive = flags & !PARTIAL == OPTIONAL | TRANSITIVE;
    let local = flags == OPTIONAL;
    let list_of = |octets: usize| !value.is_empty() && value.len().is_multiple_of(octets);
    match code {
        ORIGIN => well_known && matches!(value, [0..=2]),
        AS_PATH => well_known,
        NEXT_HOP | 5 => well_known && value.len() == 4,
        4 => local && value.len() == 4,
        6 => well_known && value.is_empty(),
        7 => transitive && value.len() == 8,
        8 => transitive && list_of(4),
        9 => local && value.len() == 4,
        10 => local && list_of(4),
        MP_REACH | MP_UNREACH => local,
        16 => transitive && list_of(8),
        32 => transitive && list_of(12),
        ONLY_TO_CUSTOMER => transitive && value.len() == 4,
        _ => false,
    }
}

pub(super) fn asn(octets: &[u8]) -> Option<Asn> {
    octets.try_into().ok().map(|octets| Asn(u32::from_be_bytes(octets)))
}

fn is_blackhole(community: &[u8]) -> bool {
    asn(community) == Some(Asn(BLACKHOLE.0 << 16 | u32::from(BLACKHOLE.1)))
}

/// All prefixes of a field; none if one is odd, or a default route (which may be a path identifier in disguise).
fn prefixes(field: &[u8], family: Family, into: &mut Nlris) -> Option<()> {
    if field.is_empty() {
        return Some(());
    }
    let rest = match family {
        Family::Ipv4 => walk(PrefixWalk::<true>(field), into),
        Family::Ipv6 => walk(PrefixWalk::<false>(field), into),
    };
    rest.is_empty().then_some(())
}

/// What is left behind the last prefix that is not odd.
fn walk<'a, const IPV4: bool>(mut walk: PrefixWalk<'a, IPV4>, into: &mut Nlris) -> &'a [u8] {
    into.extend(&mut walk);
    walk.0
}

/// The prefixes of a field up to the first odd one, which stays.
struct PrefixWalk<'a, const IPV4: bool>(&'a [u8]);

impl<const IPV4: bool> Iterator for PrefixWalk<'_, IPV4> {
    type Item = Nlri;

    #[inline]
    fn next(&mut self) -> Option<Nlri> {
        let family = if IPV4 { Family::Ipv4 } else { Family::Ipv6 };
        let (route, rest) = prefix(self.0, family, false)?;
        if route.prefix.prefix_len() == 0 {
            return None;
        }
        self.0 = rest;
        Some(route)
    }

    /// Rightly said of ordinary fields, where a prefix takes no more than four octets (IPv4) or seven, and its length.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len().div_ceil(if IPV4 { 5 } else { 8 }), None)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::convert::attributes::rib_attributes as attributes_by_parser;
    use crate::convert::{Heard, update_by_parser};

    fn session() -> Session {
        Session { peer_as: Asn(64500), four_octets: true, add_path: false.into(), internal: false }
    }

    fn body(withdrawn: &[u8], attributes: &[Vec<u8>], announced: &[u8]) -> Vec<u8> {
        let attributes = attributes.concat();
        let counted = |field: &[u8]| [&(field.len() as u16).to_be_bytes()[..], field].concat();
        [counted(withdrawn), counted(&attributes), announced.to_vec()].concat()
    }

    fn alike(walked: &Heard, parsed: &Heard) -> bool {
        let wire = |h: &Heard| (h.announced_on_wire, h.withdrawn_on_wire, h.multicast, h.otc, h.end_of_rib);
        walked.announced == parsed.announced
            && walked.withdrawn == parsed.withdrawn
            && walked.attributes == parsed.attributes
            && wire(walked) == wire(parsed)
            && parsed.errors.is_empty()
    }

    fn path_attribute() -> impl Strategy<Value = Vec<u8>> {
        let segment = (1u8..=2, prop::collection::vec(1u32..400_000, 1..6));
        prop::collection::vec(segment, 1..3).prop_map(|segments| {
            let value: Vec<u8> = segments
                .iter()
                .flat_map(|(kind, ases)| {
                    [*kind, ases.len() as u8].into_iter().chain(ases.iter().flat_map(|a| a.to_be_bytes()))
                })
                .collect();
            [vec![TRANSITIVE, AS_PATH, value.len() as u8], value].concat()
        })
    }

    fn other_attribute() -> impl Strategy<Value = Vec<u8>> {
        let listed = prop::sample::select(vec![
            vec![0x40, 3, 4, 192, 0, 2, 1],
            vec![0x80, 4, 4, 0, 0, 0, 1],
            vec![0x40, 6, 0],
            vec![0xc0, 7, 8, 0, 0, 251, 240, 192, 0, 2, 1],
            vec![0xc0, 8, 8, 255, 255, 2, 154, 0, 1, 0, 2],
            vec![0xe0, 8, 4, 0, 1, 0, 2],
            vec![0xc0, 35, 4, 0, 0, 251, 240],
            vec![0x80, 9, 4, 192, 0, 2, 1],
            vec![0x80, 10, 8, 192, 0, 2, 1, 192, 0, 2, 2],
            vec![0xc0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
            vec![0x80, 15, 8, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8],
            [&[0x80, 14, 26, 0, 2, 1, 16][..], &[0x20; 16], &[0, 32, 0x20, 1, 0xd, 0xb8]].concat(),
            [&[0x80, 14, 17, 16][..], &[0x20; 16]].concat(),
            [&[0x80, 14, 33, 32][..], &[0x20; 32]].concat(),
        ]);
        let noise = (any::<u8>(), 0u8..40, prop::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(flags, code, value)| [vec![flags & !EXTENDED_LENGTH, code, value.len() as u8], value].concat());
        prop_oneof![4 => listed, 1 => noise]
    }

    proptest! {
        #[test]
        fn what_the_walk_reads_the_parser_reads_alike(
            path in path_attribute(),
            others in prop::collection::vec(other_attribute(), 0..5),
            withdrawn in prop::sample::select(vec![vec![], vec![24, 192, 0, 2], vec![24, 192, 0, 2, 25, 198, 51, 100, 128]]),
            announced in prop::sample::select(vec![vec![], vec![24, 203, 0, 113], vec![20, 203, 0, 113, 24, 203, 0, 113]]),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let attributes: Vec<Vec<u8>> = [vec![0x40, 1, 1, 0], path].into_iter().chain(others).collect();
            let mut bytes = body(&withdrawn, &attributes, &announced);
            if let Some((at, octet)) = damage {
                let at = at.index(bytes.len());
                bytes[at] = octet;
            }
            let mut known = Known::default();
            if let Some(walked) = read(&bytes, &session(), &mut known) {
                let parsed = update_by_parser(Bytes::from(bytes.clone()), &session()).expect("the parser reads it too");
                prop_assert!(alike(&walked, &parsed), "{walked:?}\n{parsed:?}");
                let again = read(&bytes, &session(), &mut known).expect("the same once more");
                prop_assert!(alike(&again, &parsed), "{again:?}\n{parsed:?}");
            }
        }

        #[test]
        fn what_the_walk_reads_of_a_rib_entry_the_parser_reads_alike(
            path in path_attribute(),
            others in prop::collection::vec(other_attribute(), 0..5),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let attributes: Vec<Vec<u8>> = [vec![0x40, 1, 1, 0], path].into_iter().chain(others).collect();
            let mut section = attributes.concat();
            if let Some((at, octet)) = damage {
                let at = at.index(section.len());
                section[at] = octet;
            }
            let mut known = Known::default();
            if let Some(walked) = rib_attributes(&section, &session(), &mut known) {
                let (attributes, otc) =
                    attributes_by_parser(Bytes::from(section), &session()).expect("the parser reads it too");
                prop_assert_eq!(walked, (Arc::new(attributes), otc));
            }
        }
    }

    #[test]
    fn an_ordinary_update_is_read_by_the_walk() {
        let attributes = [vec![0x40, 1, 1, 0], vec![0x40, 2, 6, 2, 1, 0, 0, 251, 244], vec![0x40, 3, 4, 192, 0, 2, 1]];
        let heard =
            read(&body(&[], &attributes, &[24, 203, 0, 113]), &session(), &mut Known::default()).expect("ordinary");
        assert_eq!(heard.attributes.as_path.to_string(), "64500");
        assert_eq!(heard.announced.len(), 1);
    }
}
