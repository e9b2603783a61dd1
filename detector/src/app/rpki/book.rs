//! Which VRPs and ASPAs are in use now, and how far may they be believed?
//!
//! What the sources give is united, so a VRP is gone when the last of them gave it up. A change that takes away more than
//! a part of what was believed is no change but an accident: the set before stays in use, *frozen*, until what was lost is back,
//! a configured time has passed, or the process starts anew. The operator's own exceptions come last and freeze nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use feeds::rpki_set::RpkiSet;
use feeds::slurm::Exceptions;
use rules::alert::{Source, SourceState};
use rules::bgp::{Asn, Timestamp};
use rules::rpki::Delta;

/// So many VRPs or ASPAs may always go at once: a hundred are the slip of one holder, not of a validator.
const ALWAYS_ALLOWED: usize = 100;
/// A set of so many that becomes empty has collapsed all the same.
const NOT_TO_BECOME_EMPTY: usize = 10;

/// What one source gives now.
#[derive(Clone, Debug)]
pub struct Given {
    pub name: Arc<str>,
    pub set: Arc<RpkiSet>,
    pub has_vrps: bool,
    pub has_aspas: bool,
    pub serial: Option<u64>,
    pub as_of: Option<Timestamp>,
    /// Fresh, stale or expired.
    pub state: SourceState,
}

#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub collapse_percent: usize,
    pub freeze_secs: i64,
}

impl Policy {
    /// More is gone than an accident-free day explains.
    fn is_collapse(self, before: usize, gone: usize, left: usize) -> bool {
        let is_large = gone > ALWAYS_ALLOWED && gone * 100 > before * self.collapse_percent;
        is_large || (left == 0 && before >= NOT_TO_BECOME_EMPTY)
    }
}

/// The state of the VRPs, or of the ASPAs.
#[derive(Debug)]
struct Standing {
    state: SourceState,
    frozen_since: Option<Timestamp>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { state: SourceState::None, frozen_since: None }
    }
}

/// How many were believed, are gone from them, and are offered.
struct Sizes {
    before: usize,
    gone: usize,
    left: usize,
}

impl Standing {
    /// Decides whether what is offered is believed.
    fn weigh(&mut self, states: &[SourceState], sizes: &Sizes, policy: Policy, now: Timestamp) -> bool {
        let has = |state| states.contains(&state);
        let has_live = has(SourceState::Fresh) || has(SourceState::Stale);
        let collapsed = policy.is_collapse(sizes.before, sizes.gone, sizes.left);
        if has(SourceState::Expired) && (collapsed || !has_live) {
            // Not evaluated; never "not found".
            (self.state, self.frozen_since) = (SourceState::Expired, None);
            return false;
        }
        if collapsed {
            let since = *self.frozen_since.get_or_insert(now);
            if now.secs_since(since) < policy.freeze_secs as f64 {
                self.state = SourceState::Frozen;
                return false;
            }
        }
        let is_weakened = has(SourceState::Stale) || has(SourceState::Expired);
        self.frozen_since = None;
        self.state = match (has_live, is_weakened) {
            (false, _) => SourceState::None,
            (true, true) => SourceState::Stale,
            (true, false) => SourceState::Fresh,
        };
        true
    }
}

/// What is believed and in use.
pub struct Book {
    policy: Policy,
    /// Of the sources, before exceptions. Sets are shared wherever they are the same: one has 50 MB.
    believed: Arc<RpkiSet>,
    in_use: Arc<RpkiSet>,
    vrps: Standing,
    aspas: Standing,
    told: (Source, Source),
}

impl Book {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            believed: Arc::default(),
            in_use: Arc::default(),
            vrps: Standing::default(),
            aspas: Standing::default(),
            told: (Source::none(), Source::none()),
        }
    }

    pub fn in_use(&self) -> &RpkiSet {
        &self.in_use
    }

    /// Something is frozen, so time alone may change it.
    pub fn is_frozen(&self) -> bool {
        self.vrps.frozen_since.is_some() || self.aspas.frozen_since.is_some()
    }

    /// Takes in what the sources give now; what of it changes the set in use or its state. None if nothing does.
    pub fn settle(&mut self, given: &[Given], exceptions: &Exceptions, now: Timestamp) -> Option<Delta> {
        let offered = union(given);
        let states = |has: fn(&Given) -> bool| -> Vec<_> { given.iter().filter(|g| has(g)).map(|g| g.state).collect() };
        let sizes = Sizes {
            before: self.believed.vrps().len(),
            gone: self.believed.vrps_beyond(&offered).count(),
            left: offered.vrps().len(),
        };
        let takes_vrps = self.vrps.weigh(&states(|g| g.has_vrps), &sizes, self.policy, now);
        let is_gone = |customer: &&Asn| !offered.aspas().contains_key(customer);
        let sizes = Sizes {
            before: self.believed.aspas().len(),
            gone: self.believed.aspas().keys().filter(is_gone).count(),
            left: offered.aspas().len(),
        };
        let takes_aspas = self.aspas.weigh(&states(|g| g.has_aspas), &sizes, self.policy, now);
        self.believed = match (takes_vrps, takes_aspas) {
            (true, true) => offered,
            (true, false) => Arc::new(mixed(&offered, &self.believed)),
            (false, true) => Arc::new(mixed(&self.believed, &offered)),
            (false, false) => self.believed.clone(),
        };
        let is_plain = exceptions.is_empty();
        let next = if is_plain { self.believed.clone() } else { Arc::new(exceptions.apply(&self.believed)) };
        let before = std::mem::replace(&mut self.in_use, next);
        let asserted = exceptions.asserted();
        let vrps = source(given, |g| g.has_vrps, self.vrps.state, !asserted.vrps().is_empty());
        let aspas = source(given, |g| g.has_aspas, self.aspas.state, !asserted.aspas().is_empty());
        let sources = (as_frozen(vrps, &self.told.0), as_frozen(aspas, &self.told.1));
        if before == self.in_use && self.told == sources {
            return None;
        }
        self.told = sources.clone();
        Some(change(&before, &self.in_use, sources))
    }
}

/// The VRPs of the one, with their ends, and the ASPAs of the other.
fn mixed(vrps: &RpkiSet, aspas: &RpkiSet) -> RpkiSet {
    RpkiSet::new(vrps.vrps().to_vec(), aspas.aspas().clone()).with_roa_ends(vrps.roa_ends().clone())
}

/// Everything that has not expired.
fn union(given: &[Given]) -> Arc<RpkiSet> {
    let live = given.iter().filter(|g| g.state != SourceState::Expired);
    let sets = live.map(|g| g.set.clone());
    sets.reduce(|all, set| Arc::new(all.union(&set))).unwrap_or_default()
}

/// The sources of one kind as one. What the operator asserts is fresh where there is nothing else.
fn source(given: &[Given], has: fn(&Given) -> bool, state: SourceState, is_asserted: bool) -> Source {
    let of_kind: Vec<_> = given.iter().filter(|g| has(g)).collect();
    let mut names: Vec<&str> = of_kind.iter().map(|g| &*g.name).collect();
    names.extend(is_asserted.then_some("SLURM"));
    if names.is_empty() {
        return Source::none();
    }
    let serial = match of_kind.as_slice() {
        [one] => one.serial,
        _ => None,
    };
    let as_of = of_kind.iter().filter_map(|g| g.as_of).min();
    let state = if of_kind.is_empty() { SourceState::Fresh } else { state };
    Source { name: names.join(", ").into(), serial, as_of, state }
}

/// A frozen set is as old as it was, whatever its sources say meanwhile.
fn as_frozen(source: Source, before: &Source) -> Source {
    match source.state {
        SourceState::Frozen => Source { serial: before.serial, as_of: before.as_of, ..source },
        _ => source,
    }
}

/// What has to be announced and withdrawn to get from one set to another.
fn change(before: &RpkiSet, after: &RpkiSet, (vrps, aspas): (Source, Source)) -> Delta {
    let changed = |(customer, providers): &(&Asn, &Vec<Asn>)| before.aspas().get(customer) != Some(*providers);
    let announced_aspas: BTreeMap<_, _> = after.aspas().iter().filter(changed).map(|(c, p)| (*c, p.clone())).collect();
    let gone = before.aspas().keys().filter(|customer| !after.aspas().contains_key(customer));
    Delta {
        announced_vrps: after.vrps_beyond(before).cloned().collect(),
        withdrawn_vrps: before.vrps_beyond(after).cloned().collect(),
        announced_aspas,
        withdrawn_aspas: gone.copied().collect(),
        vrps,
        aspas,
    }
}

#[cfg(test)]
mod tests {
    use rules::rpki::Vrp;

    use super::*;

    const POLICY: Policy = Policy { collapse_percent: 10, freeze_secs: 3_600 };

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    fn vrps(range: std::ops::Range<u32>) -> Vec<Vrp> {
        let vrp = |i: u32| {
            let prefix = ipnet::Ipv4Net::new_assert((0xC000_0000 + (i << 8)).into(), 24).into();
            Vrp { prefix, max_length: 24, asn: Asn(64_496), source: "ripe".into() }
        };
        range.map(vrp).collect()
    }

    fn given(name: &str, range: std::ops::Range<u32>, aspas: std::ops::Range<u32>, state: SourceState) -> Given {
        let aspas = aspas.map(|customer| (Asn(customer), vec![Asn(1)])).collect();
        Given {
            name: name.into(),
            set: Arc::new(RpkiSet::new(vrps(range), aspas)),
            has_vrps: true,
            has_aspas: true,
            serial: None,
            as_of: Some(at(0)),
            state,
        }
    }

    /// Announced and withdrawn VRPs and ASPAs, and both states.
    fn told(delta: Option<Delta>) -> Option<([usize; 4], SourceState, SourceState)> {
        let d = delta?;
        let aspas = (d.announced_aspas.len(), d.withdrawn_aspas.len());
        Some(([d.announced_vrps.len(), d.withdrawn_vrps.len(), aspas.0, aspas.1], d.vrps.state, d.aspas.state))
    }

    use SourceState::{Expired, Fresh, Frozen, None as Nothing, Stale};

    #[test]
    fn a_vrp_is_gone_when_the_last_of_its_sources_gave_it_up() {
        let mut book = Book::new(POLICY);
        let mut settle = |given: &[Given]| told(book.settle(given, &Exceptions::default(), at(0)));
        let (a, b) = (given("a", 0..10, 0..0, Fresh), given("b", 5..15, 0..0, Fresh));
        assert_eq!(settle(&[a.clone(), b.clone()]), Some(([15, 0, 0, 0], Fresh, Fresh)));
        assert_eq!(settle(&[a.clone(), b.clone()]), None);
        let fewer = given("a", 0..2, 0..0, Fresh);
        assert_eq!(settle(&[fewer, b]), Some(([0, 3, 0, 0], Fresh, Fresh)));
        assert_eq!(settle(&[a, given("b", 5..6, 0..0, Stale)]), Some(([3, 5, 0, 0], Stale, Stale)));
    }

    #[test]
    fn a_collapse_freezes_the_set_until_what_was_lost_is_back() {
        let mut book = Book::new(POLICY);
        let mut settle = |given: Given, secs| told(book.settle(&[given], &Exceptions::default(), at(secs)));
        settle(given("a", 0..2_000, 0..0, Fresh), 0);
        assert_eq!(settle(given("a", 200..2_000, 0..0, Fresh), 1), Some(([0, 200, 0, 0], Fresh, Fresh)), "a tenth");
        assert_eq!(settle(given("a", 400..2_000, 0..0, Fresh), 2), Some(([0, 0, 0, 0], Frozen, Fresh)), "more");
        // Also what is new has to wait.
        assert_eq!(settle(given("a", 500..2_100, 0..5, Fresh), 3), Some(([0, 0, 5, 0], Frozen, Fresh)));
        assert_eq!(settle(given("a", 210..2_100, 0..5, Fresh), 4), Some(([100, 10, 0, 0], Fresh, Fresh)));
    }

    #[test]
    fn a_collapse_that_lasts_is_believed_after_a_while() {
        let mut book = Book::new(POLICY);
        let mut settle = |given: Given, secs| told(book.settle(&[given], &Exceptions::default(), at(secs)));
        settle(given("a", 0..2_000, 0..0, Fresh), 0);
        assert_eq!(settle(given("a", 1_000..2_000, 0..0, Fresh), 10), Some(([0, 0, 0, 0], Frozen, Fresh)));
        assert_eq!(settle(given("a", 1_000..2_000, 0..0, Fresh), 3_609), None);
        assert_eq!(settle(given("a", 1_000..2_000, 0..0, Fresh), 3_610), Some(([0, 1_000, 0, 0], Fresh, Fresh)));
    }

    #[test]
    fn small_sets_may_change_and_not_vanish() {
        let mut book = Book::new(POLICY);
        let mut settle = |given: Given| told(book.settle(&[given], &Exceptions::default(), at(0)));
        settle(given("a", 0..50, 0..12, Fresh));
        assert_eq!(settle(given("a", 0..1, 0..12, Fresh)), Some(([0, 49, 0, 0], Fresh, Fresh)));
        assert_eq!(settle(given("a", 0..0, 0..0, Fresh)), Some(([0, 1, 0, 0], Fresh, Frozen)));
    }

    #[test]
    fn what_expires_is_kept_unused_and_what_others_have_goes_on() {
        let mut book = Book::new(POLICY);
        let mut settle = |given: &[Given]| told(book.settle(given, &Exceptions::default(), at(0)));
        let (all, half) = (0..2_000, 0..1_000);
        settle(&[given("a", all.clone(), 0..0, Fresh)]);
        assert_eq!(settle(&[given("a", all.clone(), 0..0, Expired)]), Some(([0, 0, 0, 0], Expired, Expired)));
        assert_eq!(settle(&[given("a", all.clone(), 0..0, Fresh)]), Some(([0, 0, 0, 0], Fresh, Fresh)));
        // Half of it is not enough to judge by.
        let left = [given("a", all.clone(), 0..0, Expired), given("b", half, 0..0, Fresh)];
        assert_eq!(settle(&left).map(|(sizes, vrps, _)| (sizes, vrps)), Some(([0, 0, 0, 0], Expired)));
        let left = [given("a", all.clone(), 0..0, Expired), given("b", all, 0..0, Fresh)];
        assert_eq!(settle(&left), Some(([0, 0, 0, 0], Stale, Stale)));
    }

    #[test]
    fn exceptions_work_on_whatever_is_believed_and_freeze_nothing() {
        let mut book = Book::new(POLICY);
        let slurm = |filters: &str, assertions: &str| {
            let text = format!(
                r#"{{"slurmVersion":2,"validationOutputFilters":{{"prefixFilters":[{filters}],"bgpsecFilters":[]}},
                "locallyAddedAssertions":{{"prefixAssertions":[{assertions}],"bgpsecAssertions":[]}}}}"#
            );
            feeds::slurm::parse(text.as_bytes(), "slurm.json").expect("a file")
        };
        let own = slurm("", r#"{"asn":64499,"prefix":"203.0.113.0/24"}"#);
        let delta = book.settle(&[], &own, at(0)).expect("news");
        assert_eq!((&*delta.vrps.name, delta.vrps.state, delta.aspas.state), ("SLURM", Fresh, Nothing));
        assert_eq!(told(book.settle(&[], &own, at(0))), None);
        let a = given("a", 0..2_000, 0..0, Fresh);
        assert_eq!(told(book.settle(std::slice::from_ref(&a), &own, at(0))), Some(([2_000, 0, 0, 0], Fresh, Fresh)));
        let nobody = slurm(r#"{"asn":64496}"#, "");
        assert_eq!(told(book.settle(std::slice::from_ref(&a), &nobody, at(0))), Some(([0, 2_001, 0, 0], Fresh, Fresh)));
        assert_eq!(told(book.settle(&[a], &Exceptions::default(), at(0))), Some(([2_000, 0, 0, 0], Fresh, Fresh)));
        assert_eq!(book.in_use().vrps().len(), 2_000);
    }
}
