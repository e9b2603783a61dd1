//! When do ROAs end by themselves? A VRP is gone once the certificate of its last ROA is past `notAfter` (RFC 6482 section 4),
//! and then its routes are Invalid or without protection.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Vrp;
use crate::bgp::{Asn, Timestamp};
use crate::limits;

/// What makes two VRPs the same: prefix, longest announcement, AS.
type Payload = (IpNet, u8, Asn);

/// The VRPs that will end soon, as far as a validator says so. Others have no end that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoaEnds {
    ends: BTreeMap<Payload, Timestamp>,
}

impl RoaEnds {
    /// Of one payload the latest end counts: while one ROA is there, so is the VRP. Of more than
    /// [`limits::ROA_ENDS`] those that end first stay.
    pub fn new(ends: impl IntoIterator<Item = (Payload, Timestamp)>) -> Self {
        let mut all: BTreeMap<Payload, Timestamp> = BTreeMap::new();
        for (payload, end) in ends {
            let latest = all.entry(payload).or_insert(end);
            *latest = end.max(*latest);
        }
        if all.len() > limits::ROA_ENDS {
            let mut by_end: Vec<(Timestamp, Payload)> = all.into_iter().map(|(payload, end)| (end, payload)).collect();
            by_end.sort_unstable();
            all = by_end.into_iter().take(limits::ROA_ENDS).map(|(end, payload)| (payload, end)).collect();
        }
        Self { ends: all }
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Payload, Timestamp)> {
        self.ends.iter().map(|(payload, end)| (*payload, *end))
    }

    pub fn end_of(&self, vrp: &Vrp) -> Option<Timestamp> {
        self.ends.get(&(vrp.prefix, vrp.max_length, vrp.asn)).copied()
    }

    /// Prefixes of VRPs of which `other` says something else.
    pub fn changes(&self, other: &Self) -> BTreeSet<IpNet> {
        let beyond = |one: &Self, two: &Self| {
            let differs = |at: &(&Payload, &Timestamp)| two.ends.get(at.0) != Some(at.1);
            one.ends.iter().filter(differs).map(|(payload, _)| payload.0).collect::<Vec<_>>()
        };
        beyond(self, other).into_iter().chain(beyond(other, self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn payload(number: u8) -> Payload {
        (format!("192.0.2.{number}/32").parse().expect("a prefix"), 32, Asn(64496))
    }

    #[test]
    fn the_last_of_several_roas_says_when_the_vrp_ends() {
        let ends = RoaEnds::new([(payload(1), at(5)), (payload(1), at(9)), (payload(1), at(7))]);
        assert_eq!(ends.iter().collect::<Vec<_>>(), [(payload(1), at(9))]);
    }

    #[test]
    fn what_came_went_or_moved_is_a_change() {
        let before = RoaEnds::new([(payload(1), at(5)), (payload(2), at(5)), (payload(3), at(5))]);
        let after = RoaEnds::new([(payload(1), at(5)), (payload(2), at(6)), (payload(4), at(5))]);
        let changed: Vec<IpNet> = [2, 3, 4].map(|n| payload(n).0).to_vec();
        assert_eq!(before.changes(&after).into_iter().collect::<Vec<_>>(), changed);
        assert!(before.changes(&before.clone()).is_empty());
    }
}
