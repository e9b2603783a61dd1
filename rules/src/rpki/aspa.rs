use std::collections::HashMap;

use crate::alert::words;
use crate::bgp::{AsPath, Asn};

words! {
    /// Whether one AS may be the provider of another (section 4 of the draft).
    Authorized {
        ProviderPlus = "provider_plus",
        NotProviderPlus = "not_provider_plus",
        NoAttestation = "no_attestation",
    }
}

words! {
    /// Which side the route came from.
    Procedure { Upstream = "upstream", Downstream = "downstream" }
}

/// Provider sets by customer: U-SPAS of the draft.
#[derive(Clone, Default)]
pub struct AspaTable {
    providers: HashMap<Asn, Box<[Asn]>, foldhash::fast::RandomState>,
}

/// How far a path can and must be going up, from the origin and from the observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ramps {
    pub max_up: usize,
    pub min_up: usize,
    pub max_down: usize,
    pub min_down: usize,
}

/// The outcome of AS_PATH verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    Valid,
    Unknown,
    /// The ASes one of which leaked or forged, wire order; empty if the path itself cannot be verified.
    Invalid {
        suspects: Vec<Asn>,
    },
}

impl AspaTable {
    pub fn len(&self) -> usize {
        self.providers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    pub fn insert(&mut self, customer: Asn, providers: &[Asn]) {
        let mut sorted = providers.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        self.providers.insert(customer, sorted.into());
    }

    pub fn remove(&mut self, customer: Asn) -> bool {
        self.providers.remove(&customer).is_some()
    }

    pub fn providers_of(&self, customer: Asn) -> Option<&[Asn]> {
        self.providers.get(&customer).map(|p| &**p)
    }

    pub fn authorized(&self, customer: Asn, provider: Asn) -> Authorized {
        match self.providers.get(&customer) {
            None => Authorized::NoAttestation,
            // AS0 beside others has no influence, and alone attests that there is none.
            Some(set) if provider != Asn(0) && set.binary_search(&provider).is_ok() => Authorized::ProviderPlus,
            Some(_) => Authorized::NotProviderPlus,
        }
    }

    /// Ramps of a compressed path in wire order.
    pub fn ramps(&self, compressed: &[Asn]) -> Ramps {
        let n = compressed.len();
        // AS(i) of the draft, 1 = origin.
        let hop = |i: usize| compressed[n - i];
        let up =
            |want: fn(Authorized) -> bool| (1..n).find(|&i| want(self.authorized(hop(i), hop(i + 1)))).unwrap_or(n);
        let down = |want: fn(Authorized) -> bool| {
            (2..=n).rev().find(|&j| want(self.authorized(hop(j), hop(j - 1)))).map_or(n, |j| n - j + 1)
        };
        let refused = |a| a == Authorized::NotProviderPlus;
        let unproven = |a| a != Authorized::ProviderPlus;
        Ramps { max_up: up(refused), min_up: up(unproven), max_down: down(refused), min_down: down(unproven) }
    }

    /// AS_PATH verification as an observer that knows nothing of its neighbor (step 2 of the draft is the
    /// business of the session's owner and left out).
    pub fn verify(&self, path: &AsPath, procedure: Procedure) -> Verification {
        // Steps 1 and 3: an empty path or one with an AS_SET (or a confederation) is Invalid.
        if path.is_empty() || !path.is_plain_sequence() {
            return Verification::Invalid { suspects: Vec::new() };
        }
        let hops = path.compressed();
        let n = hops.len();
        let ramps = self.ramps(&hops);
        let (most, least) = match procedure {
            Procedure::Upstream => (ramps.max_up, ramps.min_up),
            Procedure::Downstream => (ramps.max_up + ramps.max_down, ramps.min_up + ramps.min_down),
        };
        // Step 4.
        if most < n {
            let right = match procedure {
                Procedure::Upstream => 0,
                Procedure::Downstream => ramps.max_down,
            };
            return Verification::Invalid { suspects: hops[right..n - ramps.max_up].to_vec() };
        }
        // Steps 5 and 6.
        if least < n { Verification::Unknown } else { Verification::Valid }
    }
}
