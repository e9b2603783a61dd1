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
#[derive(Clone, Debug, Default)]
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

impl Ramps {
    /// How many hops at most, and at least, the ramps account for.
    fn reach(&self, procedure: Procedure) -> (usize, usize) {
        match procedure {
            Procedure::Upstream => (self.max_up, self.min_up),
            Procedure::Downstream => (self.max_up + self.max_down, self.min_up + self.min_down),
        }
    }
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

    /// The compressed AS_SEQUENCE is not Invalid.
    pub fn is_sound(&self, hops: &[Asn], procedure: Procedure) -> bool {
        !hops.is_empty() && self.ramps(hops).reach(procedure).0 >= hops.len()
    }

    /// AS_PATH verification as an observer that knows nothing of its neighbor (step 2 of the draft is the
    /// business of the session's owner and left out).
    pub fn verify(&self, path: &AsPath, procedure: Procedure) -> Verification {
        self.verify_hops(path, &path.compressed(), procedure)
    }

    /// The same where the compressed path is at hand.
    pub fn verify_hops(&self, path: &AsPath, hops: &[Asn], procedure: Procedure) -> Verification {
        // Steps 1 and 3: an empty path or one with an AS_SET (or a confederation) is Invalid.
        if path.is_empty() || !path.is_plain_sequence() {
            return Verification::Invalid { suspects: Vec::new() };
        }
        let n = hops.len();
        let ramps = self.ramps(hops);
        let (most, least) = ramps.reach(procedure);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few ASes, so that paths meet provider sets; AS0 among the providers.
    const ASES: u32 = 7;

    type Sets = BTreeMap<u32, Vec<u32>>;

    fn some_sets() -> impl Strategy<Value = Sets> {
        prop::collection::btree_map(1..=ASES, prop::collection::vec(0..=ASES, 1..5), 0..7)
    }

    fn a_path() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(1..=ASES, 1..8)
    }

    fn table(sets: &Sets) -> AspaTable {
        let mut table = AspaTable::default();
        for (&customer, providers) in sets {
            let providers: Vec<Asn> = providers.iter().copied().map(Asn).collect();
            table.insert(Asn(customer), &providers);
        }
        table
    }

    fn path(wire: &[u32]) -> AsPath {
        AsPath::sequence(wire.iter().copied().map(Asn).collect::<Vec<_>>())
    }

    /// 0 is the best outcome.
    fn badness(sets: &Sets, wire: &[u32], procedure: Procedure) -> u8 {
        match table(sets).verify(&path(wire), procedure) {
            Verification::Valid => 0,
            Verification::Unknown => 1,
            Verification::Invalid { .. } => 2,
        }
    }

    /// Section 6 of the draft as it is written, AS(1) = origin: the slow twin.
    fn by_the_letter(sets: &Sets, wire: &[u32], procedure: Procedure) -> u8 {
        let mut a = wire.to_vec();
        a.dedup();
        a.reverse();
        let n = a.len();
        let authorized = |x: u32, y: u32| sets.get(&x).map(|set| y != 0 && set.contains(&y));
        let up = |i: usize| authorized(a[i - 1], a[i]);
        let down = |j: usize| authorized(a[j - 1], a[j - 2]);
        let max_up = (1..n).filter(|&i| up(i) == Some(false)).min().unwrap_or(n);
        let min_up = (1..n).filter(|&i| up(i) != Some(true)).min().unwrap_or(n);
        let max_down = (2..=n).filter(|&j| down(j) == Some(false)).max().map_or(n, |j| n - j + 1);
        let min_down = (2..=n).filter(|&j| down(j) != Some(true)).max().map_or(n, |j| n - j + 1);
        let (most, least) = match procedure {
            Procedure::Upstream => (max_up, min_up),
            Procedure::Downstream => (max_up + max_down, min_up + min_down),
        };
        if most < n {
            2
        } else if least < n {
            1
        } else {
            0
        }
    }

    #[test]
    fn as0_beside_others_attests_nothing_and_alone_that_there_is_none() {
        let t = table(&BTreeMap::from([(1, vec![0, 2]), (3, vec![0])]));
        assert_eq!(t.authorized(Asn(1), Asn(2)), Authorized::ProviderPlus);
        assert_eq!(t.authorized(Asn(1), Asn(0)), Authorized::NotProviderPlus);
        assert_eq!(t.authorized(Asn(3), Asn(2)), Authorized::NotProviderPlus);
        assert_eq!(t.authorized(Asn(2), Asn(1)), Authorized::NoAttestation);
    }

    #[test]
    fn a_new_provider_set_replaces_the_old_one() {
        let mut t = table(&BTreeMap::from([(1, vec![2])]));
        t.insert(Asn(1), &[Asn(3)]);
        assert_eq!(t.authorized(Asn(1), Asn(2)), Authorized::NotProviderPlus);
        assert_eq!((t.len(), t.remove(Asn(1)), t.remove(Asn(1)), t.is_empty()), (1, true, false, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn verification_is_the_draft_word_for_word(sets in some_sets(), wire in a_path()) {
            for &procedure in Procedure::ALL {
                prop_assert_eq!(badness(&sets, &wire, procedure), by_the_letter(&sets, &wire, procedure));
            }
        }

        #[test]
        fn downstream_is_never_stricter_than_upstream(sets in some_sets(), wire in a_path()) {
            let (up, down) = (Procedure::Upstream, Procedure::Downstream);
            prop_assert!(badness(&sets, &wire, down) <= badness(&sets, &wire, up));
        }

        #[test]
        fn what_is_invalid_downstream_stays_so_on_its_way(sets in some_sets(), wire in a_path(), next in 1..=ASES) {
            let longer: Vec<u32> = std::iter::once(next).chain(wire.iter().copied()).collect();
            let down = Procedure::Downstream;
            prop_assert!(badness(&sets, &wire, down) < 2 || badness(&sets, &longer, down) == 2);
        }

        #[test]
        fn as0_beside_others_changes_no_verdict(sets in some_sets(), wire in a_path()) {
            let mut with_as0 = sets.clone();
            with_as0.values_mut().for_each(|providers| providers.push(0));
            for &procedure in Procedure::ALL {
                prop_assert_eq!(badness(&sets, &wire, procedure), badness(&with_as0, &wire, procedure));
            }
        }

        #[test]
        fn an_aspa_for_an_as_that_had_none_only_ever_settles_unknown(
            sets in some_sets(),
            wire in a_path(),
            customer in 1..=ASES,
            providers in prop::collection::vec(0..=ASES, 1..5),
        ) {
            let mut more = sets.clone();
            more.entry(customer).or_insert(providers);
            for &procedure in Procedure::ALL {
                let before = badness(&sets, &wire, procedure);
                prop_assert!(before == 1 || badness(&more, &wire, procedure) == before);
            }
        }

        #[test]
        fn one_more_provider_never_makes_a_verdict_worse(
            sets in some_sets(),
            wire in a_path(),
            customer in any::<prop::sample::Index>(),
            provider in 1..=ASES,
        ) {
            prop_assume!(!sets.is_empty());
            let mut more = sets.clone();
            if let Some(providers) = more.values_mut().nth(customer.index(sets.len())) {
                providers.push(provider);
            }
            for &procedure in Procedure::ALL {
                prop_assert!(badness(&more, &wire, procedure) <= badness(&sets, &wire, procedure));
            }
        }

        #[test]
        fn prepends_change_no_verdict(sets in some_sets(), wire in a_path(), repeats in 1usize..4) {
            let prepended: Vec<u32> = wire.iter().flat_map(|&asn| std::iter::repeat_n(asn, repeats)).collect();
            for &procedure in Procedure::ALL {
                prop_assert_eq!(badness(&sets, &wire, procedure), badness(&sets, &prepended, procedure));
            }
        }

        #[test]
        fn invalid_always_names_suspects_and_rests_on_a_refused_pair(sets in some_sets(), wire in a_path()) {
            let t = table(&sets);
            let hops = path(&wire).compressed();
            let refused = |customer, provider| t.authorized(customer, provider) == Authorized::NotProviderPlus;
            let upwards = hops.windows(2).any(|pair| refused(pair[1], pair[0]));
            let downwards = hops.windows(2).any(|pair| refused(pair[0], pair[1]));
            if let Verification::Invalid { suspects } = t.verify(&path(&wire), Procedure::Downstream) {
                prop_assert!(upwards && downwards && !suspects.is_empty());
            }
            if let Verification::Invalid { suspects } = t.verify(&path(&wire), Procedure::Upstream) {
                prop_assert!(upwards && !suspects.is_empty());
            }
        }
    }
}
