use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Autonomous System number (RFC 6793, four octets).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// AS_TRANS, the stand-in for a four-octet number (RFC 6793 section 9).
    pub const TRANS: Self = Self(23456);

    /// Reserved for private use (RFC 6996), or AS_TRANS: never the true origin of a global route.
    pub fn is_private_or_trans(self) -> bool {
        matches!(self.0, 23_456 | 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
    }

    /// Nobody's number: AS 0 (RFC 7607), the last ones (RFC 7300) and what IANA holds back.
    pub fn is_reserved(self) -> bool {
        matches!(self.0, 0 | 65_535 | 65_552..=131_071 | u32::MAX)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// Text that is not an AS number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an AS number; write it as 64496 or AS64496 (0 to 4294967295)")]
pub struct BadAsn(String);

impl FromStr for Asn {
    type Err = BadAsn;

    /// Accepts `64496` and `AS64496` in any case.
    fn from_str(text: &str) -> Result<Self, BadAsn> {
        let bare = text.trim();
        let digits = match bare.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("as") => &bare[2..],
            _ => bare,
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadAsn(bare.chars().take(40).collect()));
        }
        digits.parse().map(Asn).map_err(|_| BadAsn(bare.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_and_without_the_letters() {
        assert_eq!("64496".parse(), Ok(Asn(64496)));
        assert_eq!("as64496".parse(), Ok(Asn(64496)));
        for bad in ["", "AS", "-1", "+1", "4294967296", "AS 1", "é1"] {
            assert!(bad.parse::<Asn>().is_err(), "{bad:?} was taken for a number");
        }
    }
}
