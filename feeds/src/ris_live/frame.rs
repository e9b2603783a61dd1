//! What stands in a frame, and where?
//!
//! Text is borrowed from the frame, unless it has escapes. Fields that stand beside the message itself are only stepped
//! over: they are read where there is no message.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use rules::bgp::{Asn, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

#[derive(Debug, PartialEq, serde::Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub data: Option<Data<'a>>,
}

/// The union of what `ris_message` and `ris_error` carry.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub timestamp: Option<Json<'a>>,
    #[serde(borrow)]
    pub peer: Option<Text<'a>>,
    pub peer_asn: Option<Number>,
    #[serde(borrow)]
    pub host: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub raw: Option<Text<'a>>,
    #[serde(borrow)]
    pub path: Option<Json<'a>>,
    #[serde(borrow)]
    pub community: Option<Json<'a>>,
    #[serde(borrow)]
    pub announcements: Option<Json<'a>>,
    #[serde(borrow)]
    pub withdrawals: Option<Json<'a>>,
    #[serde(borrow)]
    pub state: Option<Text<'a>>,
    #[serde(borrow)]
    pub message: Option<Text<'a>>,
}

/// Only the type, for frames whose `data` is something else than an object.
#[derive(serde::Deserialize)]
pub(super) struct Control<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
}

/// A value as it is written, not read yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Json<'a>(pub &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|value| Json(value.get()))
    }
}

/// Text of a frame. A plain `Cow` inside an `Option` would always be copied.
#[derive(Debug, PartialEq)]
pub(super) struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// An AS number, as a number or as text; none where the text is no number.
#[derive(Debug, PartialEq)]
pub(super) struct Number(pub Option<Asn>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AS number")
    }

    fn visit_u64<E: Error>(self, asn: u64) -> Result<Number, E> {
        u32::try_from(asn).map(|asn| Number(Some(Asn(asn)))).map_err(|_| E::custom("an AS number has 32 bits"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        Ok(Number(text.parse().ok()))
    }
}

/// Seconds as decimal text, exactly: a binary fraction would lose the last digits.
pub(super) fn micros(text: &str) -> Option<Timestamp> {
    let text = text.trim_matches('"').as_bytes();
    let point = text.iter().position(|octet| *octet == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || whole.len() > 10 {
        return None;
    }
    let six = (0..6).map(|i| fraction.get(i).unwrap_or(&b'0'));
    let micros = whole
        .iter()
        .chain(six)
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))?;
    (micros <= i64::from(u32::MAX) * 1_000_000 + 999_999).then_some(Timestamp(micros))
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
