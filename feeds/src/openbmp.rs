//! What do routers say through an OpenBMP collector, as RouteViews publishes it on Kafka?
//!
//! A binary header names collector and router, one BMP message follows. [`Decoder`] keeps a [`Session`] per router;
//! `consumer` reads
//! topics, if built with the feature `kafka`. Topics are told apart by peer, so messages of one peer come in order and
//! those of two peers need not: an Initiation therefore ends nothing, and a Termination ends only who was silent since.

#[cfg(feature = "kafka")]
pub mod consumer;
#[cfg(feature = "kafka")]
mod offsets;
#[cfg(feature = "kafka")]
mod places;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use rules::bgp::{Asn, Timestamp};

use crate::bmp::frame;
use crate::bmp::message::text;
use crate::bmp::session::{Numbers, PeerView, Session, Settings};
use crate::counts::{Counts, kind};
use crate::input::Item;

pub(crate) const MAGIC: &[u8] = b"OBMP";
/// Octets up to the length of the message.
pub(crate) const FIXED: usize = 12;
/// A longer header is not believed: its texts have 255 octets each at most.
const HEADER: usize = 1_024;
const BMP_RAW: u8 = 12;
const IS_ROUTER: u8 = 0x80;
const IS_IPV6: u8 = 0x40;
/// Routers of one feed: RouteViews has about 50.
const ROUTERS: usize = 1_024;
/// Peers of one router: the largest route server has some thousand.
const PEERS: usize = 16_384;
/// The AS of RouteViews, which its collectors put in front of every path.
pub const ROUTE_VIEWS: Asn = Asn(6447);

/// Octets of header and message together; none if this is no OpenBMP message of a kind that is known.
pub(crate) fn length_of(bytes: &[u8]) -> Option<usize> {
    let mut head = bytes.get(..FIXED)?.strip_prefix(MAGIC)?;
    let (major, _) = (head.get_u8(), head.get_u8());
    let (header, message) = (usize::from(head.get_u16()), head.get_u32() as usize);
    (major == 1 && (FIXED..=HEADER).contains(&header) && message <= frame::MESSAGE).then_some(header + message)
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// When the collector had it.
    time: Option<Timestamp>,
    collector: String,
    router: u128,
    address: Option<IpAddr>,
    group: String,
}

/// The header and the BMP message behind it; none if it is about something else, an error if it is broken.
fn split(bytes: &Bytes) -> Result<Option<(Header, Bytes)>, bytes::TryGetError> {
    let broken = || bytes::TryGetError { requested: bytes.len() + 1, available: bytes.len() };
    let whole = length_of(bytes).filter(|length| *length <= bytes.len()).ok_or_else(broken)?;
    let header = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    let mut rest = bytes.slice(FIXED..header);
    let (flags, object) = (rest.try_get_u8()?, rest.try_get_u8()?);
    if object != BMP_RAW || flags & IS_ROUTER == 0 {
        return Ok(None);
    }
    let (seconds, micros) = (rest.try_get_u32()?, rest.try_get_u32()?);
    let _collector_hash = rest.try_get_u128()?;
    let collector = string(&mut rest)?;
    let router = rest.try_get_u128()?;
    let address = rest.try_get_u128()?;
    let group = string(&mut rest)?;
    let time = Timestamp(i64::from(seconds) * 1_000_000 + i64::from(micros.min(999_999)));
    let address = match flags & IS_IPV6 != 0 {
        true => IpAddr::from(Ipv6Addr::from(address)),
        // In the first four octets, other than in BMP.
        false => Ipv4Addr::from((address >> 96) as u32).into(),
    };
    let head = Header {
        time: (seconds != 0).then_some(time),
        collector,
        router,
        address: (!address.is_unspecified()).then_some(address),
        group,
    };
    // What else stands in the header is skipped: its length says where the message is.
    Ok(Some((head, bytes.slice(header..whole))))
}

fn string(bytes: &mut Bytes) -> Result<String, bytes::TryGetError> {
    let length = usize::from(bytes.try_get_u16()?);
    if bytes.len() < length {
        return Err(bytes::TryGetError { requested: length, available: bytes.len() });
    }
    Ok(text(&bytes.split_to(length)))
}

impl Header {
    /// The name of the vantage points' collector: as in the archives of RouteViews, so that a peer is the same in both.
    fn name(&self, topic: &str) -> String {
        let is_route_views = topic.starts_with("routeviews.");
        match (self.group.as_str(), self.address) {
            ("", Some(address)) => address.to_string(),
            ("", None) => self.collector.clone(),
            (group, _) if is_route_views && !group.starts_with("route-views") && !group.contains('.') => {
                format!("route-views.{group}")
            }
            (group, _) => group.to_owned(),
        }
    }
}

/// Turns OpenBMP messages of many routers into items. Vantage ids are its own, dense from 0.
pub struct Decoder {
    collector_as: Option<Asn>,
    numbers: Numbers,
    routers: BTreeMap<u128, Router>,
    counts: Counts,
}

struct Router {
    name: Arc<str>,
    session: Session,
    last: Option<Timestamp>,
    /// Announced and withdrawn prefixes, and errors.
    updates: u64,
    errors: u64,
}

/// A router as others may look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterView {
    pub name: Arc<str>,
    pub last: Option<Timestamp>,
    pub messages: u64,
    pub updates: u64,
    pub errors: u64,
    pub peers: Vec<PeerView>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Some(ROUTE_VIEWS))
    }
}

impl Decoder {
    /// `collector_as` is taken off the front of every path.
    pub fn new(collector_as: Option<Asn>) -> Self {
        Self { collector_as, numbers: Numbers::default(), routers: BTreeMap::new(), counts: Counts::default() }
    }

    /// Works off one Kafka message. `now` stands where the collector does not say when it had it.
    pub fn message(&mut self, topic: &str, bytes: &Bytes, now: Option<Timestamp>, out: &mut Vec<Item>) {
        match split(bytes) {
            Ok(Some((header, message))) => self.bmp(topic, &header, message, now, out),
            Ok(None) => self.counts.skipped += 1,
            Err(_) => self.counts.error(kind::BAD_BMP_MESSAGE),
        }
    }

    fn bmp(&mut self, topic: &str, header: &Header, message: Bytes, now: Option<Timestamp>, out: &mut Vec<Item>) {
        if !self.routers.contains_key(&header.router) {
            if self.routers.len() >= ROUTERS {
                return self.counts.error(kind::TOO_MANY_PEERS);
            }
            self.routers.insert(header.router, self.router(&header.name(topic)));
        }
        let Some(router) = self.routers.get_mut(&header.router) else { return };
        let received = header.time.or(now);
        router.last = received.or(router.last);
        let mut rest = message.into();
        loop {
            match frame::next(&mut rest) {
                Ok(Some(message)) => drop(router.session.message(&message, received, out)),
                Ok(None) if rest.is_empty() => break,
                Ok(None) => break self.counts.error(kind::TRUNCATED),
                Err(frame::FrameError::Version(_)) => break self.counts.error(kind::BAD_BMP_VERSION),
                Err(frame::FrameError::Length(_)) => break self.counts.error(kind::TOO_LONG),
            }
        }
        if router.session.take_terminated().is_some() {
            router.session.close_silent(received.unwrap_or_default(), out);
        }
        let counts = router.session.take_counts();
        router.updates += counts.announced + counts.withdrawn;
        router.errors += counts.error_count();
        self.counts.add(counts);
    }

    fn router(&self, name: &str) -> Router {
        let name: Arc<str> = name.into();
        let settings = Settings {
            collector: name.clone(),
            most_peers: PEERS,
            collector_as: self.collector_as,
            is_mid_stream: true,
        };
        Router { name, session: Session::new(settings, self.numbers.clone()), last: None, updates: 0, errors: 0 }
    }

    /// What was counted since it was last asked.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    pub fn vantage_points(&self) -> usize {
        self.numbers.len()
    }

    pub fn routers(&self) -> impl Iterator<Item = RouterView> + '_ {
        self.routers.values().map(|router| RouterView {
            name: router.name.clone(),
            last: router.last,
            messages: router.session.tally().total(),
            updates: router.updates,
            errors: router.errors,
            peers: router.session.peers().collect(),
        })
    }
}

#[cfg(test)]
mod tests;
