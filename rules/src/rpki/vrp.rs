use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use crate::alert::{RovReason, RovState};
use crate::bgp::{Asn, canonical};

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
        let mut covered = false;
        for vrp in self.covering(prefix) {
            covered = true;
            if vrp.matches(prefix, origin_as) {
                return Rov::Valid(vrp);
            }
        }
        if covered { Rov::Invalid { covering: self.covering(prefix).collect() } } else { Rov::NotFound }
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
