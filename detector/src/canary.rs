//! Would we see it if something happened? RIS beacons come and go by the clock, so their absence is ours.
//!
//! RIPE NCC announces one IPv4 /24 and one IPv6 /48 a collector (origin AS12654) at 00:00, 04:00 … UTC and withdraws them
//! at 02:00, 06:00 …; <https://ris.ripe.net/docs/routing-beacons/>, as of 2026.

use ipnet::IpNet;
use rules::bgp::Timestamp;

/// Something happens to every beacon this often.
const EVERY_SECS: i64 = 7_200;
/// By then the first of some hundred peers has told.
const PATIENCE_SECS: i64 = 900;

/// 84.205.64.0/24 to 84.205.79.0/24 and 2001:7fb:fe00::/48 to 2001:7fb:fe0f::/48: collectors 00 to 15.
pub fn is_beacon(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(p) => p.prefix_len() == 24 && matches!(p.addr().octets(), [84, 205, 64..=79, _]),
        IpNet::V6(p) => p.prefix_len() == 48 && matches!(p.addr().segments(), [0x2001, 0x7fb, 0xfe00..=0xfe0f, ..]),
    }
}

/// The scheduled moment whose change nobody has told, although the feed was live before it. Times of our own clock.
pub fn missed(now: Timestamp, live_since: Timestamp, last_seen: Option<Timestamp>) -> Option<Timestamp> {
    let due = Timestamp::from_secs((now.secs() - PATIENCE_SECS).div_euclid(EVERY_SECS) * EVERY_SECS);
    (live_since < due && last_seen.is_none_or(|seen| seen < due)).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn only_beacons_are_beacons() {
        let is = |text: &str| is_beacon(&text.parse().expect("a prefix"));
        assert!(is("84.205.64.0/24") && is("84.205.79.0/24") && is("2001:7fb:fe00::/48") && is("2001:7fb:fe0f::/48"));
        assert!(!is("84.205.80.0/24") && !is("84.205.64.0/25") && !is("2001:7fb:ff00::/48") && !is("192.0.2.0/24"));
    }

    #[test]
    fn a_change_that_nobody_told_in_time_is_missed() {
        let since = at("2026-03-01T00:00:00Z");
        for (now, live_since, seen, expected) in [
            ("2026-03-01T04:14:59Z", since, Some("2026-03-01T02:00:09Z"), None),
            ("2026-03-01T04:15:00Z", since, Some("2026-03-01T02:00:09Z"), Some("2026-03-01T04:00:00Z")),
            ("2026-03-01T04:15:00Z", since, Some("2026-03-01T04:00:09Z"), None),
            ("2026-03-01T04:15:00Z", since, None, Some("2026-03-01T04:00:00Z")),
            ("2026-03-01T04:15:00Z", at("2026-03-01T04:00:01Z"), None, None),
        ] {
            assert_eq!(missed(at(now), live_since, seen.map(at)), expected.map(at), "{now} {seen:?}");
        }
    }
}
