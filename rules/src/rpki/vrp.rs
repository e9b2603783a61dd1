use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use crate::alert::{RovReason, RovState};
use crate::bgp::{Asn, canonical, nearest_first};

/// A validated ROA payload (RFC 6811 section 2): what a validator gives, not the signed object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrp {
    pub prefix: IpNet,
    pub max_length: u8,
    pub asn: Asn,
    /// Trust anchor, or the local file that asserted it.
    pub source: Arc<str>,
}

/// Route origin validation state (RFC 6811 section 2) with the VRPs that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rov<'t> {
    Valid(&'t Vrp),
    Invalid { covering: Vec<&'t Vrp> },
    NotFound,
}

/// A set of VRPs, by prefix.
#[derive(Clone, Default)]
pub struct VrpTable {
    by_prefix: JointPrefixMap<IpNet, Vec<Vrp>>,
    len: usize,
}

impl Rov<'_> {
    /// The word for it.
    pub fn state(&self) -> RovState {
        match self {
            Self::Valid(_) => RovState::Valid,
            Self::Invalid { .. } => RovState::Invalid,
            Self::NotFound => RovState::NotFound,
        }
    }

    /// Why it is Invalid. Whether the AS is authorised and whether the length is allowed are two independent facts:
    /// an AS that no covering VRP names is `asn` at any length, and `length` is the holder's own slip.
    pub fn reason(&self, prefix: &IpNet, origin_as: Option<Asn>) -> Option<RovReason> {
        let Self::Invalid { covering } = self else { return None };
        // RFC 6811 section 2: an origin of NONE matches no VRP.
        let Some(origin_as) = origin_as else { return Some(RovReason::AsSet) };
        // RFC 6483 section 4: a VRP for AS0 says that nobody may announce the prefix.
        if covering.iter().all(|vrp| vrp.asn == Asn(0)) {
            return Some(RovReason::As0);
        }
        let too_long = |vrp: &&Vrp| vrp.asn == origin_as && vrp.asn != Asn(0) && prefix.prefix_len() > vrp.max_length;
        Some(if covering.iter().any(too_long) { RovReason::Length } else { RovReason::Asn })
    }
}

impl VrpTable {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if it was not there before. Two VRPs that differ only in `source` are one. Host bits are cleared;
    /// a `max_length` below the length of the prefix covers and matches nothing.
    pub fn insert(&mut self, vrp: Vrp) -> bool {
        let vrp = Vrp { prefix: canonical(vrp.prefix), ..vrp };
        let at = self.by_prefix.entry(vrp.prefix).or_default();
        if at.iter().any(|v| v.same_payload(&vrp)) {
            return false;
        }
        at.push(vrp);
        at.sort_unstable();
        self.len += 1;
        true
    }

    /// True if it was there.
    pub fn remove(&mut self, vrp: &Vrp) -> bool {
        let prefix = canonical(vrp.prefix);
        let Some(at) = self.by_prefix.get_mut(&prefix) else { return false };
        let Some(i) = at.iter().position(|v| v.same_payload(vrp)) else { return false };
        at.remove(i);
        if at.is_empty() {
            self.by_prefix.remove(&prefix);
        }
        self.len -= 1;
        true
    }

    /// VRPs that cover `prefix`, least specific first.
    pub fn covering(&self, prefix: &IpNet) -> impl Iterator<Item = &Vrp> {
        self.by_prefix.cover(prefix).flat_map(|(_, at)| at)
    }

    /// Route origin validation, RFC 6811 section 2. `origin_as` none is the origin NONE of an AS_SET.
    pub fn validate(&self, prefix: &IpNet, origin_as: Option<Asn>) -> Rov<'_> {
        let mut is_covered = false;
        for (_, at) in nearest_first(&self.by_prefix, *prefix) {
            is_covered = true;
            if let Some(vrp) = at.iter().find(|vrp| vrp.matches(prefix, origin_as)) {
                return Rov::Valid(vrp);
            }
        }
        if is_covered { Rov::Invalid { covering: self.covering(prefix).collect() } } else { Rov::NotFound }
    }

    /// The word for it alone.
    pub fn state(&self, prefix: &IpNet, origin_as: Option<Asn>) -> RovState {
        let mut over = nearest_first(&self.by_prefix, *prefix).peekable();
        if over.peek().is_none() {
            return RovState::NotFound;
        }
        let is_valid = over.flat_map(|(_, at)| at).any(|vrp| vrp.matches(prefix, origin_as));
        if is_valid { RovState::Valid } else { RovState::Invalid }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Vrp> {
        self.by_prefix.iter().flat_map(|(_, at)| at)
    }
}

impl Vrp {
    /// Covered by the prefix, not longer than `max_length`, from the same AS; AS0 matches nothing (RFC 7607).
    pub fn matches(&self, prefix: &IpNet, origin_as: Option<Asn>) -> bool {
        self.prefix.contains(prefix)
            && prefix.prefix_len() <= self.max_length
            && self.asn != Asn(0)
            && origin_as == Some(self.asn)
    }

    fn same_payload(&self, other: &Self) -> bool {
        (canonical(self.prefix), self.max_length, self.asn) == (canonical(other.prefix), other.max_length, other.asn)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vrp(prefix: &str, max_length: u8, asn: u32) -> Vrp {
        Vrp { prefix: prefix.parse().expect("a prefix"), max_length, asn: Asn(asn), source: "test".into() }
    }

    fn table(vrps: &[Vrp]) -> VrpTable {
        let mut table = VrpTable::default();
        for vrp in vrps {
            table.insert(vrp.clone());
        }
        table
    }

    fn judge(table: &VrpTable, prefix: &str, origin_as: Option<u32>) -> (RovState, Option<RovReason>) {
        let (prefix, origin_as) = (prefix.parse().expect("a prefix"), origin_as.map(Asn));
        let rov = table.validate(&prefix, origin_as);
        (rov.state(), rov.reason(&prefix, origin_as))
    }

    #[test]
    fn a_wrong_origin_under_a_tight_vrp_is_wrong_by_asn_and_not_by_length() {
        let t = table(&[vrp("192.0.2.0/24", 24, 64496), vrp("192.0.2.0/24", 25, 64497)]);
        assert_eq!(judge(&t, "192.0.2.0/25", Some(64511)), (RovState::Invalid, Some(RovReason::Asn)));
        assert_eq!(judge(&t, "192.0.2.0/25", Some(64496)), (RovState::Invalid, Some(RovReason::Length)));
        assert_eq!(judge(&t, "192.0.2.0/25", Some(64497)), (RovState::Valid, None));
        assert_eq!(judge(&t, "192.0.2.0/25", None), (RovState::Invalid, Some(RovReason::AsSet)));
        assert_eq!(judge(&t, "192.0.3.0/24", Some(64496)), (RovState::NotFound, None));
    }

    #[test]
    fn as0_counts_as_the_reason_only_where_it_stands_alone() {
        let t = table(&[vrp("192.0.2.0/24", 24, 0), vrp("198.51.100.0/24", 24, 0), vrp("198.51.100.0/24", 24, 64496)]);
        assert_eq!(judge(&t, "192.0.2.0/24", Some(64496)), (RovState::Invalid, Some(RovReason::As0)));
        assert_eq!(judge(&t, "192.0.2.0/24", Some(0)), (RovState::Invalid, Some(RovReason::As0)));
        assert_eq!(judge(&t, "198.51.100.0/24", Some(64497)), (RovState::Invalid, Some(RovReason::Asn)));
        assert_eq!(judge(&t, "198.51.100.0/24", Some(0)), (RovState::Invalid, Some(RovReason::Asn)));
        assert_eq!(judge(&t, "198.51.100.0/24", Some(64496)), (RovState::Valid, None));
    }

    #[test]
    fn vrps_with_host_bits_are_those_of_their_network() {
        let mut t = table(&[vrp("192.0.2.7/24", 24, 64496), vrp("192.0.2.9/24", 24, 64496)]);
        assert_eq!(t.len(), 1);
        assert_eq!(judge(&t, "192.0.2.0/24", Some(64496)).0, RovState::Valid);
        assert_eq!(judge(&t, "192.0.2.99/24", Some(64496)).0, RovState::Valid);
        assert!(t.remove(&vrp("192.0.2.1/24", 24, 64496)));
        assert!(t.is_empty() && t.iter().next().is_none());
    }

    #[test]
    fn a_max_length_below_the_prefix_covers_and_never_matches() {
        let t = table(&[vrp("192.0.2.0/24", 8, 64496)]);
        assert_eq!(judge(&t, "192.0.2.0/24", Some(64496)), (RovState::Invalid, Some(RovReason::Length)));
    }

    #[test]
    fn covering_vrps_come_from_the_least_specific() {
        let t = table(&[vrp("192.0.2.0/24", 24, 64496), vrp("0.0.0.0/0", 0, 64498), vrp("192.0.0.0/16", 16, 64497)]);
        let lengths: Vec<_> =
            t.covering(&"192.0.2.0/25".parse().expect("a prefix")).map(|v| v.prefix.prefix_len()).collect();
        assert_eq!(lengths, [0, 16, 24]);
    }

    /// RFC 6811 section 2 word for word, over a list: the slow twin.
    fn scan(vrps: &[Vrp], prefix: &IpNet, origin_as: Option<Asn>) -> RovState {
        let covering: Vec<_> = vrps.iter().filter(|vrp| vrp.prefix.contains(prefix)).collect();
        let matches = |vrp: &&Vrp| {
            prefix.prefix_len() <= vrp.max_length && vrp.asn != Asn(0) && origin_as.is_some_and(|asn| asn == vrp.asn)
        };
        match (covering.is_empty(), covering.iter().any(matches)) {
            (true, _) => RovState::NotFound,
            (false, true) => RovState::Valid,
            (false, false) => RovState::Invalid,
        }
    }

    /// Short and long ones of a few bits, in both families, host bits included.
    fn a_prefix() -> impl Strategy<Value = IpNet> {
        let v4 = |bits: u32, len| IpNet::new_assert(std::net::Ipv4Addr::from(bits << 28 | bits).into(), len);
        let v6 = |bits: u128, len| IpNet::new_assert(std::net::Ipv6Addr::from(bits << 124 | bits).into(), len);
        prop_oneof![
            (0u32..16, 0u8..=6).prop_map(move |(bits, len)| v4(bits, len)),
            (0u32..2, 29u8..=32).prop_map(move |(bits, len)| v4(bits, len)),
            (0u128..16, 0u8..=6).prop_map(move |(bits, len)| v6(bits, len)),
        ]
    }

    fn a_vrp() -> impl Strategy<Value = Vrp> {
        (a_prefix(), 0u8..=33, 0u32..4).prop_map(|(prefix, max_length, asn)| Vrp {
            prefix,
            max_length,
            asn: Asn(asn),
            source: "test".into(),
        })
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_a_linear_scan(
            vrps in prop::collection::vec(a_vrp(), 0..24),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            routes in prop::collection::vec((a_prefix(), prop::option::of(0u32..4)), 1..16),
        ) {
            let mut t = table(&vrps);
            let mut left = vrps.clone();
            for index in gone.iter().filter(|_| !vrps.is_empty()) {
                let vrp = index.get(&vrps);
                let there = left.iter().any(|v| v.same_payload(vrp));
                prop_assert_eq!(t.remove(vrp), there);
                left.retain(|v| !v.same_payload(vrp));
            }
            for (prefix, origin_as) in routes {
                let origin_as = origin_as.map(Asn);
                let rov = t.validate(&prefix, origin_as);
                prop_assert_eq!(rov.state(), t.state(&prefix, origin_as));
                prop_assert_eq!(rov.state(), scan(&left, &prefix, origin_as), "{} {:?}", prefix, origin_as);
                prop_assert_eq!(rov.reason(&prefix, origin_as).is_some(), rov.state() == RovState::Invalid);
            }
            prop_assert_eq!(t.iter().count(), t.len());
        }
    }
}
