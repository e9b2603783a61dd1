//! What does this BGP UPDATE say in the words of `rules`?
//!
//! The only place that knows the types of `bgpkit_parser`. Malformed routes become withdrawals as RFC 7606 demands.

mod attributes;
mod fields;
mod known;
mod plain;

use std::sync::{Arc, LazyLock};

pub(crate) use attributes::accept_path;
use attributes::{path_attributes, rib_attributes};
use bgpkit_parser::error::BgpValidationWarning;
use bgpkit_parser::models::{self, AsnLength, AttrType, AttributeValue, BgpUpdateMessage};
use bgpkit_parser::parser::bgp::messages::parse_bgp_update_message;
use bytes::Bytes;
pub(crate) use fields::prefix_of;
use fields::{Fields, MP_REACH, MP_UNREACH, attributes_fit, family};
use foldhash::{HashSet, HashSetExt};
use ipnet::IpNet;
use known::Known;
use rules::bgp::{Asn, Family, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId};
use rules::event::Event;

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
    pub withdrawn: Nlris,
    pub announced: Nlris,
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

/// Reads messages, and remembers what it read, since most of it comes again.
#[derive(Default)]
pub(crate) struct Converter {
    known: Known,
}

impl Converter {
    /// Reads a whole BGP message, marker first. The error is a word of [`crate::counts::kind`].
    pub fn message(&mut self, bytes: &[u8], session: &Session) -> Result<Message, &'static str> {
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
        self.update(&bytes[HEADER..length], session).map(Message::Update)
    }

    /// The same where it is not certain how wide AS numbers are: a path that is malformed as the session says, and sound
    /// the other way, is read the other way.
    pub fn message_of_either_width(&mut self, bytes: &[u8], session: &Session) -> Result<Message, &'static str> {
        let said = self.message(bytes, session)?;
        if !is_malformed(&said) {
            return Ok(said);
        }
        let other = self.message(bytes, &Session { four_octets: !session.four_octets, ..*session })?;
        Ok(if is_malformed(&other) { said } else { other })
    }

    /// Reads the body of an UPDATE (RFC 4271 section 4.3).
    pub fn update(&mut self, body: &[u8], session: &Session) -> Result<Heard, &'static str> {
        match plain::read(body, session, &mut self.known) {
            Some(heard) => Ok(heard),
            None => update_by_parser(Bytes::copy_from_slice(body), session),
        }
    }

    /// The attributes of a RIB entry and whether OTC is among them; none if they make no route.
    pub fn rib_attributes(&mut self, section: &[u8], session: &Session) -> Option<(Arc<PathAttributes>, bool)> {
        let by_parser = || {
            let (attributes, otc) = rib_attributes(Bytes::copy_from_slice(section), session)?;
            Some((Arc::new(attributes), otc))
        };
        plain::rib_attributes(section, session, &mut self.known).or_else(by_parser)
    }
}

fn is_malformed(message: &Message) -> bool {
    matches!(message, Message::Update(heard) if heard.errors.contains(&kind::BAD_ATTRIBUTE))
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
        withdrawn: Nlris::new(),
        announced: Nlris::new(),
        attributes: no_attributes(),
        end_of_rib,
        announced_on_wire: 0,
        withdrawn_on_wire: 0,
        multicast: routes.multicast,
        otc: false,
        errors: Vec::new(),
    }
}

/// Removes repeats, keeping the order: a prefix may come once per next hop.
pub(crate) fn dedup(routes: &mut Nlris) {
    if routes.is_sorted_by(|a, b| a < b) {
        return;
    }
    let few = routes.len() <= 8;
    if few && !routes.iter().enumerate().any(|(i, route)| routes[..i].contains(route)) {
        return;
    }
    if !few && are_clearly_distinct(routes) {
        return;
    }
    let mut seen = HashSet::with_capacity(routes.len());
    routes.retain(|route| seen.insert(*route));
}

/// No two are the same, which a few bits of each show. False also for some lists in which all are different: two hundred prefixes,
/// or what somebody chose to look alike.
fn are_clearly_distinct(routes: &[Nlri]) -> bool {
    let mut taken = [0_u64; 256];
    routes.iter().all(|route| {
        let bit = few_bits(route);
        let word = &mut taken[bit / 64];
        let is_new = *word >> (bit % 64) & 1 == 0;
        *word |= 1 << (bit % 64);
        is_new
    })
}

/// Fourteen, the same of the same route.
fn few_bits(route: &Nlri) -> usize {
    let address = match route.prefix {
        IpNet::V4(p) => u64::from(p.addr().to_bits()),
        IpNet::V6(p) => (p.addr().to_bits() >> 64) as u64 ^ p.addr().to_bits() as u64,
    };
    let all = address ^ u64::from(route.prefix.prefix_len()) << 32 ^ u64::from(route.path_id) << 40;
    (all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as usize
}

/// IPv4 and IPv6 unicast routes of one UPDATE.
#[derive(Default)]
struct Routes {
    announced: Nlris,
    withdrawn: Nlris,
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

#[cfg(test)]
mod real_messages;
#[cfg(test)]
mod tests;
