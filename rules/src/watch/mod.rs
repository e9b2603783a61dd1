//! Watched networks: whose resources they are, what is expected there, and what was allowed.

mod allow;
mod memo;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub use allow::{AllowRule, AllowRules, Route};
pub use memo::Memo;

use foldhash::quality::RandomState;
use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;
use smallvec::SmallVec;

use crate::alert::Tlp;
use crate::bgp::Asn;
use crate::desk::Settings;

/// A network somebody answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constituent {
    pub name: Arc<str>,
    /// Whom to tell: an address, a telephone number, a ticket queue.
    pub contact: Option<Arc<str>>,
    pub sectors: Vec<Arc<str>>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<Arc<str>>,
    pub tlp: Tlp,
    /// Every prefix one of these originates is watched.
    pub asns: Vec<Asn>,
    pub resources: Vec<Resource>,
}

/// A watched prefix and all inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub prefix: IpNet,
    /// Origins that are right here, whatever was seen before. Empty: learn them.
    pub expected_origins: Vec<Asn>,
    /// ASes that may stand next to the origin. Empty: learn them.
    pub upstreams: Vec<Asn>,
    /// The longest announcement expected; none = any.
    pub max_length: Option<u8>,
}

/// Everything that may change while it runs: constituents, allow rules and thresholds. Built once per configuration, shared by
/// every shard.
#[derive(Clone, Default)]
pub struct Watch {
    constituents: Vec<Constituent>,
    allow: AllowRules,
    /// None leaves them as they are.
    thresholds: Option<Settings>,
    /// In prefix order, so that what lies around another stands before it.
    places: Vec<Place>,
    by_prefix: JointPrefixMap<IpNet, PlaceRef>,
    by_asn: HashMap<Asn, Vec<u32>, RandomState>,
}

/// A watched prefix.
#[derive(Clone)]
struct Place {
    prefix: IpNet,
    /// Constituent and its resource; never empty.
    resources: Vec<(u32, u32)>,
    /// The nearest watched prefix around it.
    outer: Option<PlaceRef>,
}

/// Names a watched prefix of one watch list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRef(u32);

/// Watched resources over a prefix with their holders, least specific first.
pub type Resources<'w> = SmallVec<[(&'w Constituent, &'w Resource); 2]>;

/// What two watch lists do not say alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Everything inside them is touched.
    pub prefixes: BTreeSet<IpNet>,
    pub asns: BTreeSet<Asn>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Watch");
        out.field("constituents", &self.constituents).field("allow", &self.allow.all());
        out.field("thresholds", &self.thresholds).finish()
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        (&self.constituents, self.allow.all(), self.thresholds)
            == (&other.constituents, other.allow.all(), other.thresholds)
    }
}

impl Watch {
    pub fn new(constituents: Vec<Constituent>) -> Self {
        let mut watch = Self { constituents, ..Self::default() };
        let mut by_prefix: BTreeMap<IpNet, Vec<(u32, u32)>> = BTreeMap::new();
        for (c, constituent) in watch.constituents.iter().enumerate() {
            for asn in &constituent.asns {
                watch.by_asn.entry(*asn).or_default().push(c as u32);
            }
            for (r, resource) in constituent.resources.iter().enumerate() {
                by_prefix.entry(resource.prefix.trunc()).or_default().push((c as u32, r as u32));
            }
        }
        for (prefix, resources) in by_prefix {
            let outer = watch.nearest(&prefix);
            watch.by_prefix.insert(prefix, PlaceRef(watch.places.len() as u32));
            watch.places.push(Place { prefix, resources, outer });
        }
        watch
    }

    pub fn with_allow(self, rules: Vec<AllowRule>) -> Self {
        Self { allow: AllowRules::new(rules), ..self }
    }

    pub fn with_thresholds(self, thresholds: Option<Settings>) -> Self {
        Self { thresholds, ..self }
    }

    /// Nobody is watched; there may be rules and thresholds still.
    pub fn is_empty(&self) -> bool {
        self.constituents.is_empty()
    }

    pub fn constituents(&self) -> &[Constituent] {
        &self.constituents
    }

    pub fn allow(&self) -> &AllowRules {
        &self.allow
    }

    pub fn thresholds(&self) -> Option<Settings> {
        self.thresholds
    }

    /// The watched prefix that is nearest around `prefix`, or is it.
    pub fn nearest(&self, prefix: &IpNet) -> Option<PlaceRef> {
        self.by_prefix.get_lpm(prefix).map(|(_, place)| *place)
    }

    /// Watched resources that cover `prefix`, least specific first.
    pub fn resources_over(&self, prefix: &IpNet) -> Resources<'_> {
        self.resources_from(self.nearest(prefix))
    }

    /// The same where the nearest is known.
    pub fn resources_from(&self, nearest: Option<PlaceRef>) -> Resources<'_> {
        let nearest_first = self.outward(nearest).flat_map(|place| place.resources.iter().rev());
        let mut resources: Resources<'_> = nearest_first.map(|at| self.resource(at)).collect();
        resources.reverse();
        resources
    }

    fn outward(&self, nearest: Option<PlaceRef>) -> impl Iterator<Item = &Place> {
        let place = |at: PlaceRef| &self.places[at.0 as usize];
        std::iter::successors(nearest.map(place), move |inner| inner.outer.map(place))
    }

    /// No resource over `prefix` speaks against an origin that is normal there, or was in the dump: one at the prefix itself that names
    /// origins names this one, and one around it leaves it to what the prefix taught, where it did; the nearest that expects
    /// anything names the neighbor, or nobody.
    pub fn allows(
        &self,
        nearest: PlaceRef,
        prefix: &IpNet,
        origin_as: Asn,
        neighbor: impl FnOnce() -> Option<Asn>,
        has_learned: impl FnOnce() -> bool,
    ) -> bool {
        let names_origins = |at: &&(u32, u32)| !self.resource(at).1.expected_origins.is_empty();
        let names =
            |place: &Place| place.resources.iter().rfind(names_origins).map(|at| (place.prefix, self.resource(at).1));
        let is_right = match self.outward(Some(nearest)).find_map(names) {
            Some((outer, resource)) if outer == *prefix => resource.expected_origins.contains(&origin_as),
            Some(_) => has_learned(),
            None => true,
        };
        let mut upstreams = self.upstreams_from(Some(nearest)).peekable();
        is_right
            && (upstreams.peek().is_none() || neighbor().is_some_and(|asn| upstreams.any(|upstream| upstream == asn)))
    }

    /// Who may stand next to the origin, by the nearest prefix whose resources expect anything.
    pub fn upstreams_from(&self, nearest: Option<PlaceRef>) -> impl Iterator<Item = Asn> {
        let expects = |resource: &Resource| !resource.expected_origins.is_empty() || !resource.upstreams.is_empty();
        let place =
            self.outward(nearest).find(move |place| place.resources.iter().any(|at| expects(self.resource(at).1)));
        let resources = place.into_iter().flat_map(|place| &place.resources);
        resources.flat_map(|at| self.resource(at).1.upstreams.iter().copied())
    }

    fn resource(&self, &(c, r): &(u32, u32)) -> (&Constituent, &Resource) {
        let constituent = &self.constituents[c as usize];
        (constituent, &constituent.resources[r as usize])
    }

    pub fn covers(&self, prefix: &IpNet) -> bool {
        self.nearest(prefix).is_some()
    }

    /// Every watched prefix once, IPv4 first, in prefix order.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.places.iter().map(|place| place.prefix)
    }

    /// Constituents that hold `asn`.
    pub fn holders_of(&self, asn: Asn) -> impl Iterator<Item = &Constituent> {
        self.by_asn.get(&asn).into_iter().flatten().map(|&c| &self.constituents[c as usize])
    }

    /// Whether every prefix that `asn` originates is watched.
    pub fn holds(&self, asn: Asn) -> bool {
        !self.by_asn.is_empty() && self.by_asn.contains_key(&asn)
    }

    /// In no order.
    pub fn asns(&self) -> impl Iterator<Item = Asn> {
        self.by_asn.keys().copied()
    }

    /// Resources and ASNs of which `other` says something else.
    pub fn changes(&self, other: &Self) -> Changes {
        let mut changes = Changes::default();
        for (one, two) in [(self, other), (other, self)] {
            let differs = |place: &&Place| {
                let ours = place.resources.iter().map(|at| one.resource(at));
                let there = two.by_prefix.get(&place.prefix).map(|at| &two.places[at.0 as usize].resources);
                let theirs = there.into_iter().flatten().map(|at| two.resource(at));
                !ours.map(|(c, r)| (c.who(), r)).eq(theirs.map(|(c, r)| (c.who(), r)))
            };
            changes.prefixes.extend(one.places.iter().filter(differs).map(|place| place.prefix));
            let is_other =
                |asn: &Asn| !one.holders_of(*asn).map(Constituent::who).eq(two.holders_of(*asn).map(Constituent::who));
            changes.asns.extend(one.asns().filter(is_other));
        }
        changes
    }
}

impl Constituent {
    /// What of it bears on a verdict or stands in an alert.
    fn who(&self) -> (&str, Tlp, &[Asn]) {
        (&self.name, self.tlp, &self.asns)
    }
}

#[cfg(test)]
mod tests;
