//! What do the JSON fields of an UPDATE say, where the message itself is not there?

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rules::bgp::{Asn, Family, Nlri, Nlris, PathAttributes, Segment, SegmentKind, canonical};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::frame::{Data, Json};
use crate::convert::{self, Heard, Session};
use crate::counts::kind;

#[derive(serde::Deserialize)]
struct Announcement<'a> {
    #[serde(borrow, default)]
    prefixes: Vec<Cow<'a, str>>,
}

/// One entry of `path`: an AS, or an AS_SET as an array.
enum Hop {
    As(Asn),
    Set(Vec<Asn>),
}

impl<'de> Deserialize<'de> for Hop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HopVisitor)
    }
}

struct HopVisitor;

impl<'de> Visitor<'de> for HopVisitor {
    type Value = Hop;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AS number or an array of them")
    }

    fn visit_u64<E: Error>(self, asn: u64) -> Result<Hop, E> {
        u32::try_from(asn).map(|asn| Hop::As(Asn(asn))).map_err(|_| E::custom("an AS number has 32 bits"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hop, A::Error> {
        let mut set = Vec::new();
        while let Some(asn) = seq.next_element()? {
            set.push(Asn(asn));
        }
        Ok(Hop::Set(set))
    }
}

/// Everything but OTC, which has no field.
pub(super) fn read(data: &Data<'_>, session: &Session, peer_address: IpAddr) -> serde_json::Result<Heard> {
    let mut list = Prefixes::default();
    for prefix in parsed::<Vec<Cow<'_, str>>>(data.withdrawals)? {
        list.read(&prefix, peer_address, false);
    }
    for announcement in parsed::<Vec<Announcement<'_>>>(data.announcements)? {
        for prefix in announcement.prefixes {
            list.read(&prefix, peer_address, true);
        }
    }
    let (path, community) = (parsed::<Vec<Hop>>(data.path)?, parsed::<Vec<(u32, u32)>>(data.community)?);
    let Prefixes { mut announced, mut withdrawn, end_of_rib, mut errors } = list;
    // One object per next hop: IPv6 routes come twice, with the global and the link-local one.
    convert::dedup(&mut announced);
    let (announced_on_wire, withdrawn_on_wire) = (announced.len(), withdrawn.len());
    let mut attributes = convert::no_attributes();
    if !announced.is_empty() {
        match convert::accept_path(segments(&path), session) {
            Some(as_path) => {
                let blackhole = community.contains(&(65535, 666));
                attributes = Arc::new(PathAttributes { as_path, only_to_customer: None, blackhole });
            }
            None => {
                errors.push(kind::BAD_ATTRIBUTE);
                withdrawn.append(&mut announced);
            }
        }
    }
    let end_of_rib = end_of_rib.filter(|_| announced.is_empty() && withdrawn.is_empty());
    Ok(Heard {
        withdrawn,
        announced,
        attributes,
        end_of_rib,
        announced_on_wire,
        withdrawn_on_wire,
        multicast: 0,
        otc: false,
        errors,
    })
}

/// What is absent is empty.
fn parsed<'a, T: Deserialize<'a> + Default>(field: Option<Json<'a>>) -> serde_json::Result<T> {
    field.map_or(Ok(T::default()), |field| serde_json::from_str(field.0))
}

#[derive(Default)]
struct Prefixes {
    announced: Nlris,
    withdrawn: Nlris,
    end_of_rib: Option<Family>,
    errors: Vec<&'static str>,
}

impl Prefixes {
    fn read(&mut self, text: &str, peer_address: IpAddr, announced: bool) {
        if text == "eor" {
            // The text does not say which family; a session mostly carries that of its own addresses.
            let family = if peer_address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
            self.end_of_rib = Some(family);
            return;
        }
        let Ok(prefix) = text.parse() else { return self.errors.push(kind::BAD_PREFIX) };
        let into = if announced { &mut self.announced } else { &mut self.withdrawn };
        into.push(Nlri { prefix: canonical(prefix), path_id: 0 });
    }
}

fn segments(path: &[Hop]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for hop in path {
        match (hop, segments.last_mut()) {
            (Hop::As(asn), Some(Segment { kind: SegmentKind::Sequence, ases })) => ases.push(*asn),
            (Hop::As(asn), _) => segments.push(Segment { kind: SegmentKind::Sequence, ases: vec![*asn] }),
            (Hop::Set(set), _) => segments.push(Segment { kind: SegmentKind::Set, ases: set.clone() }),
        }
    }
    segments
}
