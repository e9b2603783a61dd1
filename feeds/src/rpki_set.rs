//! What does one source say the RPKI holds, all of it?

use std::collections::BTreeMap;

use ipnet::IpNet;
use rules::bgp::Asn;
use rules::rpki::{RoaEnds, Vrp};

/// VRPs of one set that are believed, about 40 bytes each: today's RPKI has a million and grows by 300,000 a year.
pub const MOST_VRPS: usize = 4_000_000;
/// ASPAs of one set that are believed: every AS of the Internet may sign one.
pub const MOST_ASPAS: usize = 200_000;

/// A whole set, in the order of its payloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpkiSet {
    vrps: Vec<Vrp>,
    aspas: BTreeMap<Asn, Vec<Asn>>,
    roa_ends: RoaEnds,
}

/// What makes two VRPs the same, whoever gave them.
pub type Payload = (IpNet, u8, Asn);

pub fn payload(vrp: &Vrp) -> Payload {
    (vrp.prefix, vrp.max_length, vrp.asn)
}

impl RpkiSet {
    /// Of VRPs that differ only in their source the first by name stays; providers are put in order.
    pub fn new(mut vrps: Vec<Vrp>, mut aspas: BTreeMap<Asn, Vec<Asn>>) -> Self {
        vrps.sort_unstable();
        vrps.dedup_by_key(|vrp| payload(vrp));
        for providers in aspas.values_mut() {
            providers.sort_unstable();
            providers.dedup();
        }
        Self { vrps, aspas, roa_ends: RoaEnds::default() }
    }

    pub fn with_roa_ends(self, roa_ends: RoaEnds) -> Self {
        Self { roa_ends, ..self }
    }

    /// VRPs that end soon by themselves, as far as their source says so.
    pub fn roa_ends(&self) -> &RoaEnds {
        &self.roa_ends
    }

    /// Ascending by payload, each payload once.
    pub fn vrps(&self) -> &[Vrp] {
        &self.vrps
    }

    /// Providers by customer, ascending.
    pub fn aspas(&self) -> &BTreeMap<Asn, Vec<Asn>> {
        &self.aspas
    }

    /// The VRPs of both; of equal payloads that of `self` stays. ASPAs of one customer are united, as the union of all its
    /// objects is what counts (U-SPAS of the ASPA draft).
    pub fn union(&self, other: &Self) -> Self {
        let vrps = self.vrps.iter().chain(&other.vrps).cloned().collect::<Vec<_>>();
        let mut aspas = self.aspas.clone();
        for (customer, providers) in &other.aspas {
            aspas.entry(*customer).or_default().extend(providers);
        }
        let roa_ends = RoaEnds::new(self.roa_ends.iter().chain(other.roa_ends.iter()));
        Self::new(vrps, aspas).with_roa_ends(roa_ends)
    }

    /// VRPs of `self` that `other` lacks, by payload.
    pub fn vrps_beyond<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = &'s Vrp> {
        let mut theirs = other.vrps.iter().map(payload).peekable();
        self.vrps.iter().filter(move |vrp| {
            let own = payload(vrp);
            while theirs.next_if(|p| *p < own).is_some() {}
            theirs.peek() != Some(&own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vrp(prefix: &str, asn: u32, source: &str) -> Vrp {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        Vrp { prefix, max_length: prefix.prefix_len(), asn: Asn(asn), source: source.into() }
    }

    fn set(vrps: &[Vrp], aspas: &[(u32, &[u32])]) -> RpkiSet {
        let aspas = aspas.iter().map(|(c, p)| (Asn(*c), p.iter().copied().map(Asn).collect()));
        RpkiSet::new(vrps.to_vec(), aspas.collect())
    }

    #[test]
    fn vrps_that_differ_only_in_their_source_are_one() {
        let both = set(&[vrp("192.0.2.0/24", 64496, "ripe"), vrp("192.0.2.0/24", 64496, "arin")], &[]);
        assert_eq!(both.vrps(), [vrp("192.0.2.0/24", 64496, "arin")]);
    }

    #[test]
    fn a_union_holds_all_of_both_and_the_rest_is_what_one_lacks() {
        let (a, b, c) =
            (vrp("192.0.2.0/24", 64496, "x"), vrp("198.51.100.0/24", 64497, "x"), vrp("203.0.113.0/24", 0, "x"));
        let left = set(&[a.clone(), b.clone()], &[(64496, &[64500])]);
        let right = set(&[b.clone(), c.clone()], &[(64496, &[64501]), (64497, &[0])]);
        let union = left.union(&right);
        assert_eq!(union, set(&[a.clone(), b, c.clone()], &[(64496, &[64500, 64501]), (64497, &[0])]));
        assert_eq!(left.vrps_beyond(&right).collect::<Vec<_>>(), [&a]);
        assert_eq!(right.vrps_beyond(&left).collect::<Vec<_>>(), [&c]);
        assert_eq!(union.vrps_beyond(&union).count(), 0);
    }
}
