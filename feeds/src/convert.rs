//! What does this BGP UPDATE say in the words of `rules`?
//!
//! The only place that knows the types of `bgpkit_parser`. Malformed routes become withdrawals as RFC 7606 demands.

mod plain;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use bgpkit_parser::error::BgpValidationWarning;
use bgpkit_parser::models::{self, AsPathSegment, AsnLength, AttrType, AttributeValue, Attributes, BgpUpdateMessage};
use bgpkit_parser::parser::bgp::attributes::parse_attributes;
use bgpkit_parser::parser::bgp::messages::parse_bgp_update_message;
use bytes::Bytes;
use ipnet::IpNet;
use rules::bgp::{AsPath, Asn, Family, Nlri, PathAttributes, Segment, SegmentKind, Timestamp, Update, VantageId};
use rules::event::Event;
use rules::limits;

use crate::counts::kind;

/// What must be known about a BGP session to read its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub peer_as: Asn,
    /// AS numbers of four octets in AS_PATH (RFC 6793).
    pub four_octets: bool,
    pub add_path: AddPath,
    /// Both ends are one AS: an empty AS_PATH is that AS's own route.
    pub internal: bool,
}

/// Families whose NLRI carry path identifiers (RFC 7911): each is negotiated by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddPath {
    pub ipv4: bool,
    pub ipv6: bool,
}

impl AddPath {
    pub const NONE: Self = Self { ipv4: false, ipv6: false };

    pub fn any(self) -> bool {
        self.ipv4 || self.ipv6
    }

    fn is_mixed(self) -> bool {
        self.ipv4 != self.ipv6
    }

    fn of(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

impl From<bool> for AddPath {
    fn from(both: bool) -> Self {
        Self { ipv4: both, ipv6: both }
    }
}

/// One UPDATE, treated as RFC 7606 demands.
#[derive(Debug)]
pub(crate) struct Heard {
    pub withdrawn: Vec<Nlri>,
    pub announced: Vec<Nlri>,
    pub attributes: Arc<PathAttributes>,
    pub end_of_rib: Option<Family>,
    /// As on the wire, before malformed announcements became withdrawals.
    pub announced_on_wire: usize,
    pub withdrawn_on_wire: usize,
    /// Multicast routes: counted, and no business of ours.
    pub multicast: usize,
    pub otc: bool,
    /// What was wrong with it, words of [`crate::counts::kind`].
    pub errors: Vec<&'static str>,
}

impl Heard {
    /// The event it is at a vantage point: an End-of-RIB or an UPDATE.
    pub(crate) fn into_event(self, vantage: VantageId, seen: Timestamp) -> Event {
        match self.end_of_rib {
            Some(family) => Event::EndOfRib { vantage, family },
            None => Event::Update(Update {
                vantage,
                seen,
                withdrawn: self.withdrawn,
                announced: self.announced,
                attributes: self.attributes,
            }),
        }
    }
}

/// A BGP message, as far as a route collector's reader cares.
#[derive(Debug)]
pub(crate) enum Message {
    Update(Heard),
    /// OPEN, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH.
    Other,
}

/// Octets of the header of a BGP message (RFC 4271 section 4.1).
const HEADER: usize = 19;
const UPDATE: u8 = 2;
/// BLACKHOLE (RFC 7999).
const BLACKHOLE: (u32, u16) = (65535, 666);

static NO_ATTRIBUTES: LazyLock<Arc<PathAttributes>> = LazyLock::new(Arc::default);

/// Attributes that stand with no route, shared.
pub(crate) fn no_attributes() -> Arc<PathAttributes> {
    NO_ATTRIBUTES.clone()
}

/// Reads a whole BGP message, marker first. The error is a word of [`crate::counts::kind`].
pub(crate) fn message(bytes: &Bytes, session: &Session) -> Result<Message, &'static str> {
    if bytes.len() < HEADER {
        return Err(kind::BAD_BGP_MESSAGE);
    }
    let length = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    if length < HEADER || length > bytes.len() || !(1..=5).contains(&bytes[18]) {
        return Err(kind::BAD_BGP_MESSAGE);
    }
    if bytes[18] != UPDATE {
        return Ok(Message::Other);
    }
    update(bytes.slice(HEADER..length), session).map(Message::Update)
}

/// The same where it is not certain how wide AS numbers are: a path that is malformed as the session says, and sound
/// the other way, is read the other way.
pub(crate) fn message_of_either_width(bytes: &Bytes, session: &Session) -> Result<Message, &'static str> {
    let said = message(bytes, session)?;
    if !is_malformed(&said) {
        return Ok(said);
    }
    let other = message(bytes, &Session { four_octets: !session.four_octets, ..*session })?;
    Ok(if is_malformed(&other) { said } else { other })
}

fn is_malformed(message: &Message) -> bool {
    matches!(message, Message::Update(heard) if heard.errors.contains(&kind::BAD_ATTRIBUTE))
}

/// Reads the body of an UPDATE (RFC 4271 section 4.3).
pub(crate) fn update(body: Bytes, session: &Session) -> Result<Heard, &'static str> {
    match plain::read(&body, session) {
        Some(heard) => Ok(heard),
        None => update_by_parser(body, session),
    }
}

/// The same for every shape there is.
fn update_by_parser(body: Bytes, session: &Session) -> Result<Heard, &'static str> {
    let width = if session.four_octets { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let parsed =
        parse_bgp_update_message(body.clone(), session.add_path.any(), &width).map_err(|_| kind::BAD_BGP_MESSAGE)?;
    let fields = Fields::of(&body).ok_or(kind::BAD_BGP_MESSAGE)?;

    let mut routes = if is_doubtful(&parsed, session) { fields.routes(session.add_path) } else { Routes::of(&parsed) };
    if routes.is_empty() {
        return Ok(without_routes(&fields, &routes));
    }
    let mut errors = Vec::new();
    if routes.broken {
        errors.push(kind::BAD_PREFIX);
    }
    let (announced_on_wire, withdrawn_on_wire) = (routes.announced.len(), routes.withdrawn.len());
    let mut attributes = no_attributes();
    let mut otc = false;
    if !routes.announced.is_empty() {
        otc = parsed.attributes.has_attr(AttrType::ONLY_TO_CUSTOMER);
        match path_attributes(&parsed.attributes, session).filter(|_| attributes_fit(fields.attributes)) {
            Some(good) => attributes = Arc::new(good),
            None => {
                errors.push(kind::BAD_ATTRIBUTE);
                routes.withdrawn.append(&mut routes.announced);
            }
        }
    }
    dedup(&mut routes.announced);
    Ok(Heard {
        withdrawn: routes.withdrawn,
        announced: routes.announced,
        attributes,
        end_of_rib: None,
        announced_on_wire,
        withdrawn_on_wire,
        multicast: routes.multicast,
        otc,
        errors,
    })
}

/// An UPDATE without unicast routes: an End-of-RIB (RFC 4724 section 2) unless it speaks of another family.
fn without_routes(fields: &Fields<'_>, routes: &Routes) -> Heard {
    let end_of_rib = match (fields.attributes, routes.foreign) {
        ([], false) if fields.withdrawn.is_empty() && fields.announced.is_empty() => Some(Family::Ipv4),
        // MP_UNREACH_NLRI with a family and nothing withdrawn, alone.
        ([_, 15, 3, 0, afi, 1] | [_, 15, 0, 3, 0, afi, 1], _) => family(*afi),
        _ => None,
    };
    Heard {
        withdrawn: Vec::new(),
        announced: Vec::new(),
        attributes: no_attributes(),
        end_of_rib,
        announced_on_wire: 0,
        withdrawn_on_wire: 0,
        multicast: routes.multicast,
        otc: false,
        errors: Vec::new(),
    }
}

/// The attributes of a RIB entry and whether OTC is among them; none if they make no route.
pub(crate) fn rib_attributes(section: Bytes, session: &Session) -> Option<(PathAttributes, bool)> {
    let width = if session.four_octets { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let fits = attributes_fit(&section);
    let parsed = parse_attributes(section, &width, false, None, None, None).ok().filter(|_| fits)?;
    let attributes = path_attributes(&parsed, session)?;
    Some((attributes, parsed.has_attr(AttrType::ONLY_TO_CUSTOMER)))
}

/// What verdicts need of the attributes; none where RFC 7606 says treat-as-withdraw.
fn path_attributes(parsed: &Attributes, session: &Session) -> Option<PathAttributes> {
    let mut path = None;
    let mut as4_path = None;
    let mut only_to_customer = None;
    let mut blackhole = false;
    // RFC 6793 section 4.2.3: an aggregator that knew four octets left a path that must not be merged.
    let (mut aggregator, mut as4_aggregator) = (None, false);
    for attribute in parsed {
        match attribute {
            // RFC 7606 section 3 (g): of repeated attributes the first one counts.
            AttributeValue::AsPath(p) => path = path.or(Some(p)),
            AttributeValue::As4Path(p) => as4_path = as4_path.or(Some(p)),
            AttributeValue::OnlyToCustomer(asn) => only_to_customer = only_to_customer.or(Some(Asn(asn.to_u32()))),
            AttributeValue::Communities(list) => blackhole |= list.iter().any(is_blackhole),
            AttributeValue::Aggregator { asn, .. } => aggregator = Some(asn.to_u32()),
            AttributeValue::As4Aggregator { .. } => as4_aggregator = true,
            AttributeValue::Raw(raw) if is_fatal(AttrType::from(raw.code)) => return None,
            _ => {}
        }
    }
    if parsed.validation_warnings().iter().any(makes_withdrawal) {
        return None;
    }
    let mut segments = segments(path?);
    let ignore_as4 = as4_aggregator && aggregator.is_some_and(|asn| asn != Asn::TRANS.0);
    if let (false, false, Some(as4_path)) = (session.four_octets, ignore_as4, as4_path) {
        segments = merge_as4(segments, self::segments(as4_path));
    }
    let as_path = accept_path(segments, session)?;
    Some(PathAttributes { as_path, only_to_customer, blackhole })
}

/// Attributes whose malformation makes the route a withdrawal: RFC 7606 section 7, RFC 9234 section 5.
fn is_fatal(attribute: AttrType) -> bool {
    matches!(attribute, AttrType::ORIGIN | AttrType::AS_PATH | AttrType::COMMUNITIES | AttrType::ONLY_TO_CUSTOMER)
}

fn makes_withdrawal(warning: &BgpValidationWarning) -> bool {
    matches!(warning, BgpValidationWarning::AttributeLengthError { attr_type, .. } if is_fatal(*attr_type))
}

fn is_blackhole(community: &models::Community) -> bool {
    matches!(community, models::Community::Custom(asn, value) if (asn.to_u32(), *value) == BLACKHOLE)
}

fn segments(path: &models::AsPath) -> Vec<Segment> {
    path.segments
        .iter()
        .map(|segment| {
            let (kind, ases) = match segment {
                AsPathSegment::AsSequence(ases) => (SegmentKind::Sequence, ases),
                AsPathSegment::AsSet(ases) => (SegmentKind::Set, ases),
                AsPathSegment::ConfedSequence(ases) => (SegmentKind::ConfedSequence, ases),
                AsPathSegment::ConfedSet(ases) => (SegmentKind::ConfedSet, ases),
            };
            Segment { kind, ases: ases.iter().map(|asn| Asn(asn.to_u32())).collect() }
        })
        .collect()
}

/// The path a verdict may rest on; none where RFC 7606 section 7.2 or RFC 7607 call it malformed.
pub(crate) fn accept_path(segments: Vec<Segment>, session: &Session) -> Option<AsPath> {
    let length: usize = segments.iter().map(|segment| segment.ases.len()).sum();
    if length > limits::PATH_ASES || segments.iter().any(|s| s.ases.is_empty() || s.ases.contains(&Asn(0))) {
        return None;
    }
    match <[Segment; 1]>::try_from(segments) {
        Ok([Segment { kind: SegmentKind::Sequence, ases }]) => Some(AsPath::sequence(ases)),
        Ok(other) => Some(AsPath::from_segments(other)),
        Err(none) if none.is_empty() => session.internal.then(|| AsPath::sequence([session.peer_as])),
        Err(several) => Some(AsPath::from_segments(several)),
    }
}

/// RFC 6793 section 4.2.3: the leading ASes of AS_PATH before AS4_PATH, so that the count stays.
fn merge_as4(path: Vec<Segment>, as4_path: Vec<Segment>) -> Vec<Segment> {
    let as4_path: Vec<_> = as4_path.into_iter().filter(|segment| !is_confed(segment.kind)).collect();
    let Some(mut missing) = hops(&path).checked_sub(hops(&as4_path)) else { return path };
    let mut merged = Vec::new();
    for mut segment in path {
        match segment.kind {
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {}
            _ if missing == 0 => break,
            SegmentKind::Set => missing -= 1,
            SegmentKind::Sequence => {
                segment.ases.truncate(missing);
                missing -= segment.ases.len();
            }
        }
        merged.push(segment);
    }
    merged.extend(as4_path);
    merged
}

/// ASes as RFC 4271 section 9.1.2.2 and RFC 5065 section 5.3 count them: a set is one, a confederation none.
fn hops(path: &[Segment]) -> usize {
    let count = |segment: &Segment| match segment.kind {
        SegmentKind::Sequence => segment.ases.len(),
        SegmentKind::Set => 1,
        SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
    };
    path.iter().map(count).sum()
}

fn is_confed(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::ConfedSequence | SegmentKind::ConfedSet)
}

/// Removes repeats, keeping the order: a prefix may come once per next hop.
pub(crate) fn dedup(routes: &mut Vec<Nlri>) {
    let few = routes.len() <= 16;
    if few && !routes.iter().enumerate().any(|(i, route)| routes[..i].contains(route)) {
        return;
    }
    let mut seen = HashSet::with_capacity(routes.len());
    routes.retain(|route| seen.insert(*route));
}

/// IPv4 and IPv6 unicast routes of one UPDATE.
#[derive(Default)]
struct Routes {
    announced: Vec<Nlri>,
    withdrawn: Vec<Nlri>,
    /// A field ended in something that is no prefix.
    broken: bool,
    /// Another address family is in it.
    foreign: bool,
    multicast: usize,
}

impl Routes {
    /// As the parser read them.
    fn of(parsed: &BgpUpdateMessage) -> Self {
        let mut routes = Self {
            announced: parsed.announced_prefixes.iter().map(nlri).collect(),
            withdrawn: parsed.withdrawn_prefixes.iter().map(nlri).collect(),
            ..Self::default()
        };
        for attribute in &parsed.attributes {
            let (field, into) = match attribute {
                AttributeValue::MpReachNlri(field) => (field, &mut routes.announced),
                AttributeValue::MpUnreachNlri(field) => (field, &mut routes.withdrawn),
                _ => continue,
            };
            if field.safi == models::Safi::Unicast && field.afi != models::Afi::LinkState {
                into.extend(field.prefixes.iter().map(nlri));
            } else {
                routes.foreign = true;
                routes.multicast += if field.safi == models::Safi::Multicast { field.prefixes.len() } else { 0 };
            }
        }
        routes
    }

    fn is_empty(&self) -> bool {
        self.announced.is_empty() && self.withdrawn.is_empty() && !self.broken
    }
}

fn nlri(prefix: &models::NetworkPrefix) -> Nlri {
    Nlri { prefix: rules::bgp::canonical(prefix.prefix), path_id: prefix.path_id.unwrap_or(0) }
}

/// The parser drops a whole field for one bad prefix and guesses ADD-PATH from one zero octet: look again.
fn is_doubtful(parsed: &BgpUpdateMessage, session: &Session) -> bool {
    let guessed =
        |prefixes: &[models::NetworkPrefix]| !session.add_path.any() && prefixes.iter().any(|p| p.path_id.is_some());
    // The parser knows one answer for all families.
    session.add_path.is_mixed()
        || guessed(&parsed.announced_prefixes)
        || guessed(&parsed.withdrawn_prefixes)
        || parsed.attributes.iter().any(|attribute| match attribute {
            AttributeValue::MpReachNlri(field) | AttributeValue::MpUnreachNlri(field) => guessed(&field.prefixes),
            AttributeValue::Raw(raw) => matches!(raw.code, MP_REACH | MP_UNREACH),
            _ => false,
        })
        || parsed
            .attributes
            .validation_warnings()
            .iter()
            .any(|warning| matches!(warning, BgpValidationWarning::MalformedNlri { .. }))
}

const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;
const EXTENDED_LENGTH: u8 = 0x10;

/// The three variable fields of an UPDATE, as octets.
struct Fields<'a> {
    withdrawn: &'a [u8],
    attributes: &'a [u8],
    announced: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        let (withdrawn, rest) = counted(body)?;
        let (attributes, announced) = counted(rest)?;
        Some(Self { withdrawn, attributes, announced })
    }

    /// Every unicast prefix that can be read, up to the first bad one of each field.
    fn routes(&self, add_path: AddPath) -> Routes {
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

fn family(afi: u8) -> Option<Family> {
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
fn attributes_fit(section: &[u8]) -> bool {
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

fn prefix(field: &[u8], family: Family, add_path: bool) -> Option<(Nlri, &[u8])> {
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
    let mut whole = [0u8; 16];
    whole.get_mut(..octets.len())?.copy_from_slice(octets);
    let address = match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(whole[0], whole[1], whole[2], whole[3])),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(whole)),
    };
    IpNet::new(address, length).ok().map(rules::bgp::canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Session =
        Session { peer_as: Asn(64500), four_octets: false, add_path: AddPath::NONE, internal: false };
    const WIDE: Session = Session { four_octets: true, ..NARROW };
    const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
    /// AS_PATH 64500 64496 in four octets.
    const PATH: &[u8] = &[0x40, 2, 10, 2, 2, 0, 0, 0xfb, 0xf4, 0, 0, 0xfb, 0xf0];
    const PREFIX: &[u8] = &[24, 192, 0, 2];

    fn body(attributes: &[&[u8]], announced: &[u8]) -> Bytes {
        let attributes = attributes.concat();
        let mut body = vec![0, 0];
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
        body.extend(announced);
        body.into()
    }

    fn heard(attributes: &[&[u8]], announced: &[u8], session: &Session) -> Heard {
        update(body(attributes, announced), session).expect("an UPDATE")
    }

    /// Attributes that must make a withdrawal of the announcement.
    fn is_withdrawn(attributes: &[&[u8]]) -> bool {
        let heard = heard(attributes, PREFIX, &WIDE);
        assert_eq!(heard.announced_on_wire, 1);
        let withdrawn = heard.announced.is_empty() && heard.withdrawn.len() == 1;
        assert_eq!(withdrawn, heard.errors == [kind::BAD_ATTRIBUTE]);
        withdrawn
    }

    #[test]
    fn a_sound_update_is_an_announcement() {
        let communities: &[u8] = &[0xc0, 8, 8, 0xfb, 0xf4, 0, 1, 0xff, 0xff, 2, 0x9a];
        let otc: &[u8] = &[0xc0, 35, 4, 0, 0, 0xfb, 0xf4];
        let heard = heard(&[ORIGIN, PATH, communities, otc], PREFIX, &WIDE);
        assert_eq!(heard.announced[0].prefix.to_string(), "192.0.2.0/24");
        assert_eq!(heard.attributes.as_path.to_string(), "64500 64496");
        assert_eq!(heard.attributes.only_to_customer, Some(Asn(64500)));
        assert!(heard.attributes.blackhole && heard.otc && heard.errors.is_empty());
    }

    #[test]
    fn what_rfc_7606_calls_malformed_is_a_withdrawal() {
        let no_path: &[&[u8]] = &[ORIGIN];
        let empty_path: &[&[u8]] = &[ORIGIN, &[0x40, 2, 0]];
        let empty_segment: &[&[u8]] = &[ORIGIN, &[0x40, 2, 2, 2, 0]];
        let cut_path: &[&[u8]] = &[ORIGIN, &[0x40, 2, 4, 2, 1, 0, 0]];
        let as0: &[&[u8]] = &[ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 0]];
        let short_otc: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 35, 3, 0, 0, 1]];
        let long_otc: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 35, 5, 0, 0, 0, 1, 0]];
        let odd_communities: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 8, 3, 0, 0, 0]];
        let long_origin: &[&[u8]] = &[&[0x40, 1, 2, 0, 0], PATH];
        let overrun: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 8, 40, 0]];
        for bad in [
            no_path,
            empty_path,
            empty_segment,
            cut_path,
            as0,
            short_otc,
            long_otc,
            odd_communities,
            long_origin,
            overrun,
        ] {
            assert!(is_withdrawn(bad), "{bad:?}");
        }
        assert!(!is_withdrawn(&[ORIGIN, PATH]));
    }

    #[test]
    fn a_path_longer_than_any_real_one_is_a_withdrawal() {
        let segment = Segment { kind: SegmentKind::Sequence, ases: vec![Asn(64500); limits::PATH_ASES] };
        assert!(accept_path(vec![segment.clone()], &WIDE).is_some());
        let one_more = Segment { kind: SegmentKind::Sequence, ases: vec![Asn(64500)] };
        assert!(accept_path(vec![segment, one_more], &WIDE).is_none());
    }

    #[test]
    fn an_empty_path_within_an_as_is_its_own_route() {
        let internal = Session { internal: true, ..WIDE };
        let heard = heard(&[ORIGIN, &[0x40, 2, 0]], PREFIX, &internal);
        assert_eq!(heard.attributes.as_path.to_string(), "64500");
    }

    fn path(text: &str) -> Vec<Segment> {
        text.parse::<AsPath>().expect("a path").segments()
    }

    #[test]
    fn as4_path_takes_the_place_of_the_end_of_as_path() {
        for (as_path, as4_path, merged) in [
            ("64500 23456 23456", "4200000001 4200000002", "64500 4200000001 4200000002"),
            ("23456 23456", "4200000001 4200000002", "4200000001 4200000002"),
            ("64500 {64501,64502} 23456", "4200000001", "64500 {64501,64502} 4200000001"),
            // Longer than AS_PATH: an old speaker changed it, so it does not count.
            ("64500", "4200000001 4200000002", "64500"),
        ] {
            let found = AsPath::from_segments(merge_as4(path(as_path), path(as4_path)));
            assert_eq!(found.to_string(), merged, "{as_path} with {as4_path}");
        }
    }

    #[test]
    fn as4_path_counts_on_two_octet_sessions_only() {
        let as4: &[u8] = &[0xc0, 17, 6, 2, 1, 0xfa, 0x56, 0xea, 1];
        let narrow: &[u8] = &[0x40, 2, 6, 2, 2, 0xfb, 0xf4, 0x5b, 0xa0];
        let merged = heard(&[ORIGIN, narrow, as4], PREFIX, &NARROW);
        assert_eq!(merged.attributes.as_path.to_string(), "64500 4200000001");
        let ignored = heard(&[ORIGIN, PATH, as4], PREFIX, &WIDE);
        assert_eq!(ignored.attributes.as_path.to_string(), "64500 64496");
        // An aggregator that is not AS_TRANS beside AS4_AGGREGATOR: the path was changed by an old speaker.
        let aggregator: &[u8] = &[0xc0, 7, 6, 0xfb, 0xf4, 192, 0, 2, 1];
        let as4_aggregator: &[u8] = &[0xc0, 18, 8, 0xfa, 0x56, 0xea, 1, 192, 0, 2, 1];
        let old = heard(&[ORIGIN, narrow, as4, aggregator, as4_aggregator], PREFIX, &NARROW);
        assert_eq!(old.attributes.as_path.to_string(), "64500 23456");
    }

    #[test]
    fn a_bad_prefix_costs_only_what_follows_it() {
        let heard = heard(&[ORIGIN, PATH], &[24, 192, 0, 2, 33, 1, 2, 3, 4, 5], &WIDE);
        assert_eq!((heard.announced.len(), heard.errors.as_slice()), (1, [kind::BAD_PREFIX].as_slice()));
    }

    #[test]
    fn a_default_route_is_no_sign_of_path_identifiers() {
        let heard = heard(&[ORIGIN, PATH], &[0, 24, 192, 0, 2], &WIDE);
        let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
        assert_eq!(prefixes, [("0.0.0.0/0".into(), 0), ("192.0.2.0/24".into(), 0)]);
    }

    #[test]
    fn path_identifiers_under_a_subtype_that_denies_them_are_seen() {
        let field = [0, 0, 0, 1, 24, 192, 0, 2, 0, 0, 0, 2, 24, 198, 51, 100];
        let heard = heard(&[ORIGIN, PATH], &field, &WIDE);
        let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
        assert_eq!(prefixes, [("192.0.2.0/24".into(), 1), ("198.51.100.0/24".into(), 2)]);
    }

    #[test]
    fn path_identifiers_are_a_matter_of_each_family() {
        let only_ipv6 = Session { add_path: AddPath { ipv4: false, ipv6: true }, ..WIDE };
        let reach: &[u8] =
            &[&[0x80, 14, 30, 0, 2, 1, 16][..], &[0x20; 16], &[0, 0, 0, 0, 7, 32, 0x20, 1, 0xd, 0xb8]].concat();
        let heard = heard(&[ORIGIN, PATH, reach], PREFIX, &only_ipv6);
        let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
        assert_eq!(prefixes, [("192.0.2.0/24".into(), 0), ("2001:db8::/32".into(), 7)]);
        assert!(heard.errors.is_empty());
    }

    #[test]
    fn host_bits_do_not_survive() {
        let heard = heard(&[ORIGIN, PATH], &[20, 192, 0, 0xff], &WIDE);
        assert_eq!(heard.announced[0].prefix.to_string(), "192.0.240.0/20");
    }

    #[test]
    fn an_update_without_routes_ends_a_table_transfer() {
        let end = |attributes: &[&[u8]]| heard(attributes, &[], &WIDE).end_of_rib;
        assert_eq!(end(&[]), Some(Family::Ipv4));
        assert_eq!(end(&[&[0x80, 15, 3, 0, 2, 1]]), Some(Family::Ipv6));
        assert_eq!(end(&[&[0x90, 15, 0, 3, 0, 1, 1]]), Some(Family::Ipv4));
        assert_eq!(end(&[&[0x80, 15, 3, 0, 2, 128]]), None);
        assert_eq!(end(&[ORIGIN]), None);
    }

    #[test]
    fn repeats_in_one_announcement_are_one() {
        let mut many: Vec<u8> = (0..40).flat_map(|i| [24, 192, 0, i]).collect();
        many.extend([24, 192, 0, 3]);
        assert_eq!(heard(&[ORIGIN, PATH], &many, &WIDE).announced.len(), 40);
        assert_eq!(heard(&[ORIGIN, PATH], &[PREFIX, PREFIX].concat(), &WIDE).announced.len(), 1);
    }
}
