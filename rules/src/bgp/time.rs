use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment of event time: microseconds since the Unix epoch, UTC. Nothing in `rules` reads a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const MIN: Self = Self(i64::MIN);
    pub const MAX: Self = Self(i64::MAX);

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    /// Seconds from `earlier` to `self`, negative if it lies after.
    pub fn secs_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e6
    }

    /// The compact form used inside incident ids: `20260301T030402Z`.
    pub fn compact(self) -> String {
        self.calendar().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn calendar(self) -> jiff::Timestamp {
        let bounded = self.0.clamp(jiff::Timestamp::MIN.as_microsecond(), jiff::Timestamp::MAX.as_microsecond());
        jiff::Timestamp::from_microsecond(bounded).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Reads RFC 3339 (`2026-03-01T03:04:05Z`) or whole seconds since the epoch.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(secs) = text.parse::<i64>() {
            return Some(Self::from_secs(secs));
        }
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }
}

/// RFC 3339, UTC, milliseconds: `2026-03-01T03:04:05.678Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.calendar().strftime("%Y-%m-%dT%H:%M:%S"))?;
        write!(f, ".{:03}Z", self.0.rem_euclid(1_000_000) / 1_000)
    }
}

impl Add<std::time::Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The span in microseconds.
impl Sub for Timestamp {
    type Output = i64;
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_times_are_rfc_3339_with_milliseconds() {
        let t = Timestamp::from_millis(1_772_334_245_678);
        assert_eq!(t.to_string(), "2026-03-01T03:04:05.678Z");
        assert_eq!(t.compact(), "20260301T030405Z");
        assert_eq!(Timestamp::parse("2026-03-01T03:04:05.678Z"), Some(t));
    }

    #[test]
    fn times_before_the_epoch_and_out_of_range_do_not_panic() {
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
        let _ = Timestamp::MAX.to_string();
        let _ = Timestamp::MIN.compact();
    }
}
