//! What does this frame say?
//!
//! The wire changed over the years: keys absent or empty, numbers as text, collectors with and without a domain.
//! With `raw` the BGP message itself is read, since only it carries OTC; else the JSON fields, to the same events.

use std::net::IpAddr;

use rules::bgp::{Asn, Timestamp, VantageId};
use rules::event::Event;

use super::frame::{Control, Data, Frame, micros};
use super::{fields, hex, scan};
use crate::convert::{AddPath, Converter, Heard, Message, Session};
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
    converter: Converter,
    /// Octets of the message at hand.
    octets: Vec<u8>,
    counts: Counts,
}

pub fn decoder() -> Decoder {
    Decoder::default()
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
        let frame: Frame<'_> = match scan::frame(text).map_or_else(|| serde_json::from_str(text), Ok) {
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
            Ok(control) if &*control.kind != "ris_message" && &*control.kind != "ris_error" => self.skip(),
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
        let heard = self.heard(data, &session, head.peer_address)?;
        self.counts.heard(&heard);
        if heard.announced.is_empty() && heard.withdrawn.is_empty() && heard.end_of_rib.is_none() {
            return self.skip();
        }
        let vantage = self.vantage(data, &head, out)?;
        out.push(Item { time: head.time, event: heard.into_event(vantage, head.time) });
        Ok(())
    }

    /// The message itself, else what the fields beside it say.
    fn heard(&mut self, data: &Data<'_>, session: &Session, peer_address: IpAddr) -> Result<Heard, DecodeError> {
        let has_fields = data.announcements.is_some() || data.withdrawals.is_some() || data.path.is_some();
        match data.raw.as_deref().map(|raw| self.message_of(raw, session)) {
            Some(Ok(Message::Update(heard))) => return Ok(heard),
            Some(Ok(Message::Other)) => return Err(refused(kind::BAD_BGP_MESSAGE, "raw is no UPDATE")),
            Some(Err(kind)) if !has_fields => return Err(refused(kind, "raw cannot be read")),
            Some(Err(kind)) => self.counts.error(kind),
            None => {}
        }
        fields::read(data, session, peer_address).map_err(|error| refused(kind::BAD_JSON, &error.to_string()))
    }

    /// A few sessions of RIS still speak two octets, which only their AS_PATH tells.
    fn message_of(&mut self, raw: &str, session: &Session) -> Result<Message, &'static str> {
        hex::decode(raw.trim().as_bytes(), &mut self.octets).ok_or(kind::BAD_BGP_MESSAGE)?;
        self.converter.message_of_either_width(&self.octets, session)
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
            time: data.timestamp.and_then(|t| micros(t.0)).ok_or_else(|| missing("no usable timestamp"))?,
            peer_as: data.peer_asn.as_ref().and_then(|number| number.0).ok_or_else(|| missing("no usable peer_asn"))?,
            peer_address: data
                .peer
                .as_ref()
                .and_then(|peer| peer.parse().ok())
                .ok_or_else(|| missing("no usable peer"))?,
        })
    }
}
