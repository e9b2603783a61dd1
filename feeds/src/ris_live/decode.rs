//! What does this frame say?
//!
//! The wire changed over the years: keys absent or empty, numbers as text, collectors with and without a domain.
//! With `raw` the BGP message itself is read, since only it carries OTC; else the JSON fields, to the same events.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use rules::bgp::{Asn, Family, Nlri, PathAttributes, Segment, SegmentKind, Timestamp, VantageId, canonical};
use rules::event::Event;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::convert::{self, AddPath, Heard, Message, Session};
use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::vantage::Vantages;

/// A frame that gave nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct DecodeError {
    /// A word of [`crate::counts::kind`], already counted.
    pub kind: &'static str,
    pub detail: String,
}

/// Turns frames into items. Its vantage ids are its own, dense from 0.
#[derive(Default)]
pub struct Decoder {
    vantages: Vantages,
    counts: Counts,
}

pub fn decoder() -> Decoder {
    Decoder::default()
}

#[derive(serde::Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

/// The union of what `ris_message` and `ris_error` carry.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    peer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    peer_asn: Option<Number<'a>>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    raw: Option<Cow<'a, str>>,
    path: Option<Vec<Hop>>,
    community: Option<Vec<(u32, u32)>>,
    #[serde(borrow)]
    announcements: Option<Vec<Announcement<'a>>>,
    #[serde(borrow)]
    withdrawals: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(serde::Deserialize)]
struct Announcement<'a> {
    #[serde(borrow, default)]
    prefixes: Vec<Cow<'a, str>>,
}

/// Only the type, for frames whose `data` is something else than an object.
#[derive(serde::Deserialize)]
struct Control<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Plain(u32),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn asn(&self) -> Option<Asn> {
        match self {
            Self::Plain(asn) => Some(Asn(*asn)),
            Self::Text(text) => text.parse().ok(),
        }
    }
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

/// Who said a message, and when.
struct Head {
    time: Timestamp,
    peer_as: Asn,
    peer_address: IpAddr,
}

impl Decoder {
    /// Decodes one frame. What is wrong with it is counted, and returned where nothing of it is left.
    pub fn frame(&mut self, text: &str, out: &mut Vec<Item>) -> Result<(), DecodeError> {
        let done = self.decode(text, out);
        if let Err(error) = &done {
            self.counts.error(error.kind);
        }
        done
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn vantage_points(&self) -> usize {
        self.vantages.len()
    }

    pub(crate) fn count(&mut self, kind: &'static str) {
        self.counts.error(kind);
    }

    fn decode(&mut self, text: &str, out: &mut Vec<Item>) -> Result<(), DecodeError> {
        let frame: Frame<'_> = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => return self.control(text, &error),
        };
        let data = frame.data.unwrap_or_default();
        match frame.kind.as_deref() {
            Some("ris_message") => self.message(&data, out),
            Some("ris_error") => Err(refused(kind::SERVER_ERROR, data.message.as_deref().unwrap_or("no message"))),
            Some("pong" | "ris_subscribe_ok" | "ris_unsubscribe_ok" | "ris_rrc_list") => self.skip(),
            Some(other) => Err(refused(kind::UNKNOWN_MESSAGE, other)),
            None => Err(refused(kind::UNKNOWN_MESSAGE, "no type")),
        }
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        self.counts.skipped += 1;
        Ok(())
    }

    /// `ris_rrc_list` and the like carry data of another shape.
    fn control(&mut self, text: &str, error: &serde_json::Error) -> Result<(), DecodeError> {
        match serde_json::from_str::<Control<'_>>(text) {
            Ok(control) if control.kind != "ris_message" && control.kind != "ris_error" => self.skip(),
            _ => Err(refused(kind::BAD_JSON, &error.to_string())),
        }
    }

    fn message(&mut self, data: &Data<'_>, out: &mut Vec<Item>) -> Result<(), DecodeError> {
        match data.kind.as_deref() {
            Some("UPDATE") => self.update(data, out),
            Some("RIS_PEER_STATE" | "STATE") => self.state(data, out),
            Some("OPEN" | "NOTIFICATION" | "KEEPALIVE" | "ROUTE_REFRESH") => self.skip(),
            Some(other) => Err(refused(kind::UNKNOWN_MESSAGE, other)),
            None => Err(refused(kind::UNKNOWN_MESSAGE, "ris_message without a type")),
        }
    }

    fn state(&mut self, data: &Data<'_>, out: &mut Vec<Item>) -> Result<(), DecodeError> {
        let head = Head::of(data)?;
        let up = match data.state.as_deref() {
            Some("connected" | "up") => true,
            Some("down") => false,
            other => return Err(refused(kind::UNKNOWN_MESSAGE, other.unwrap_or("no state"))),
        };
        self.counts.elements += 1;
        let (vantage, seen) = (self.vantage(data, &head, out)?, head.time);
        let event = if up { Event::PeerUp { vantage, seen } } else { Event::PeerDown { vantage, seen } };
        out.push(Item { time: seen, event });
        Ok(())
    }

    fn update(&mut self, data: &Data<'_>, out: &mut Vec<Item>) -> Result<(), DecodeError> {
        let head = Head::of(data)?;
        let session = Session { peer_as: head.peer_as, four_octets: true, add_path: AddPath::NONE, internal: false };
        let fields = [data.announcements.is_some(), data.withdrawals.is_some(), data.path.is_some()];
        let heard = match data.raw.as_deref().map(|raw| from_raw(raw, &session)) {
            Some(Ok(Message::Update(heard))) => heard,
            Some(Ok(Message::Other)) => return Err(refused(kind::BAD_BGP_MESSAGE, "raw is no UPDATE")),
            Some(Err(kind)) if fields == [false; 3] => return Err(refused(kind, "raw cannot be read")),
            Some(Err(kind)) => {
                self.counts.error(kind);
                from_fields(data, &session, &head)
            }
            None => from_fields(data, &session, &head),
        };
        self.counts.heard(&heard);
        if heard.announced.is_empty() && heard.withdrawn.is_empty() && heard.end_of_rib.is_none() {
            return self.skip();
        }
        let vantage = self.vantage(data, &head, out)?;
        out.push(Item { time: head.time, event: heard.into_event(vantage, head.time) });
        Ok(())
    }

    fn vantage(&mut self, data: &Data<'_>, head: &Head, out: &mut Vec<Item>) -> Result<VantageId, DecodeError> {
        // "rrc21" until 2021, "rrc21.ripe.net" since.
        let host = data.host.as_deref().unwrap_or("ris-live");
        let collector = host.split('.').next().unwrap_or(host);
        self.vantages
            .id(collector, head.peer_as, head.peer_address, head.time, out)
            .ok_or_else(|| refused(kind::TOO_MANY_PEERS, host))
    }
}

fn refused(kind: &'static str, detail: &str) -> DecodeError {
    DecodeError { kind, detail: detail.chars().take(200).collect() }
}

impl Head {
    fn of(data: &Data<'_>) -> Result<Self, DecodeError> {
        let missing = |what| refused(kind::BAD_JSON, what);
        Ok(Self {
            time: data.timestamp.and_then(|t| micros(t.get())).ok_or_else(|| missing("no usable timestamp"))?,
            peer_as: data.peer_asn.as_ref().and_then(Number::asn).ok_or_else(|| missing("no usable peer_asn"))?,
            peer_address: data
                .peer
                .as_ref()
                .and_then(|peer| peer.parse().ok())
                .ok_or_else(|| missing("no usable peer"))?,
        })
    }
}

/// Seconds as decimal text, exactly: a binary fraction would lose the last digits.
fn micros(text: &str) -> Option<Timestamp> {
    let text = text.trim_matches('"');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u32 = whole.parse().ok()?;
    let mut micros = 0;
    for i in 0..6 {
        let digit = *fraction.as_bytes().get(i).unwrap_or(&b'0');
        micros = micros * 10 + i64::from(char::from(digit).to_digit(10)?);
    }
    Some(Timestamp(i64::from(seconds) * 1_000_000 + micros))
}

/// The message as it was on the wire. A few sessions of RIS still speak two octets, which only their AS_PATH tells.
fn from_raw(raw: &str, session: &Session) -> Result<Message, &'static str> {
    let octets = Bytes::from(hex::decode(raw.trim()).map_err(|_| kind::BAD_BGP_MESSAGE)?);
    convert::message_of_either_width(&octets, session)
}

/// The same UPDATE from the JSON fields, as far as they tell.
fn from_fields(data: &Data<'_>, session: &Session, head: &Head) -> Heard {
    let mut list = Prefixes::default();
    for prefix in data.withdrawals.iter().flatten() {
        list.read(prefix, head, false);
    }
    for prefix in data.announcements.iter().flatten().flat_map(|announcement| &announcement.prefixes) {
        list.read(prefix, head, true);
    }
    let Prefixes { mut announced, mut withdrawn, end_of_rib, mut errors } = list;
    // One object per next hop: IPv6 routes come twice, with the global and the link-local one.
    convert::dedup(&mut announced);
    let (announced_on_wire, withdrawn_on_wire) = (announced.len(), withdrawn.len());
    let mut attributes = convert::no_attributes();
    if !announced.is_empty() {
        match convert::accept_path(segments(data.path.as_deref().unwrap_or_default()), session) {
            Some(as_path) => {
                let blackhole = data.community.iter().flatten().any(|c| *c == (65535, 666));
                attributes = Arc::new(PathAttributes { as_path, only_to_customer: None, blackhole });
            }
            None => {
                errors.push(kind::BAD_ATTRIBUTE);
                withdrawn.append(&mut announced);
            }
        }
    }
    let end_of_rib = end_of_rib.filter(|_| announced.is_empty() && withdrawn.is_empty());
    Heard {
        withdrawn,
        announced,
        attributes,
        end_of_rib,
        announced_on_wire,
        withdrawn_on_wire,
        multicast: 0,
        otc: false,
        errors,
    }
}

#[derive(Default)]
struct Prefixes {
    announced: Vec<Nlri>,
    withdrawn: Vec<Nlri>,
    end_of_rib: Option<Family>,
    errors: Vec<&'static str>,
}

impl Prefixes {
    fn read(&mut self, text: &str, head: &Head, announced: bool) {
        if text == "eor" {
            // The text does not say which family; a session mostly carries that of its own addresses.
            let family = if head.peer_address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_keeps_every_digit_and_refuses_what_is_none() {
        assert_eq!(micros("1558396800.09"), Some(Timestamp(1_558_396_800_090_000)));
        assert_eq!(micros("\"1558396800.1234567\""), Some(Timestamp(1_558_396_800_123_456)));
        assert_eq!(micros("1558396800"), Some(Timestamp(1_558_396_800_000_000)));
        for text in ["", ".5", "1.5e9", "1.-5", "1.\u{0}", "-1.0", "4294967296.0"] {
            assert_eq!(micros(text), None, "{text:?}");
        }
    }
}
