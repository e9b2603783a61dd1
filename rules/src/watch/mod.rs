//! Watched networks: whose resources they are, what is expected there, and what was allowed.

mod allow;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use allow::{AllowRule, AllowRules, Route};

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use crate::alert::Tlp;
use crate::bgp::{Asn, nearest_first};
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
    by_prefix: JointPrefixMap<IpNet, Vec<(u32, u32)>>,
    by_asn: BTreeMap<Asn, Vec<u32>>,
}

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
        let mut watch = Self::default();
        for (c, constituent) in constituents.iter().enumerate() {
            for asn in &constituent.asns {
                watch.by_asn.entry(*asn).or_default().push(c as u32);
            }
            for (r, resource) in constituent.resources.iter().enumerate() {
                let at = watch.by_prefix.entry(resource.prefix.trunc()).or_default();
                at.push((c as u32, r as u32));
            }
        }
        watch.constituents = constituents;
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

    /// Watched resources that cover `prefix`, least specific first.
    pub fn resources_over(&self, prefix: &IpNet) -> impl Iterator<Item = (&Constituent, &Resource)> {
        self.by_prefix.cover(prefix).flat_map(|(_, at)| at).map(|at| self.resource(at))
    }

    /// Whatever resource over `prefix` names origins or upstreams names these. With `exactly`, one that names origins stands at the
    /// prefix itself.
    pub fn allows(&self, prefix: &IpNet, origin_as: Asn, neighbor: impl Fn() -> Option<Asn>, exactly: bool) -> bool {
        nearest_first(&self.by_prefix, *prefix).all(|(outer, at)| {
            at.iter().map(|at| self.resource(at).1).all(|resource| {
                let (origins, upstreams) = (&resource.expected_origins, &resource.upstreams);
                (origins.is_empty() || (origins.contains(&origin_as) && !(exactly && outer != *prefix)))
                    && (upstreams.is_empty() || neighbor().is_some_and(|asn| upstreams.contains(&asn)))
            })
        })
    }

    fn resource(&self, &(c, r): &(u32, u32)) -> (&Constituent, &Resource) {
        let constituent = &self.constituents[c as usize];
        (constituent, &constituent.resources[r as usize])
    }

    pub fn covers(&self, prefix: &IpNet) -> bool {
        self.by_prefix.get_lpm(prefix).is_some()
    }

    /// Every watched prefix once, IPv4 first, in prefix order.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.by_prefix.iter().map(|(prefix, _)| prefix)
    }

    /// Constituents that hold `asn`.
    pub fn holders_of(&self, asn: Asn) -> impl Iterator<Item = &Constituent> {
        self.by_asn.get(&asn).into_iter().flatten().map(|&c| &self.constituents[c as usize])
    }

    /// Whether every prefix that `asn` originates is watched.
    pub fn holds(&self, asn: Asn) -> bool {
        self.by_asn.contains_key(&asn)
    }

    pub fn asns(&self) -> impl Iterator<Item = Asn> {
        self.by_asn.keys().copied()
    }

    /// Resources and ASNs of which `other` says something else.
    pub fn changes(&self, other: &Self) -> Changes {
        let mut changes = Changes::default();
        for (one, two) in [(self, other), (other, self)] {
            let differs = |at: &(IpNet, &Vec<(u32, u32)>)| {
                let ours = at.1.iter().map(|at| one.resource(at));
                let theirs = two.by_prefix.get(&at.0).into_iter().flatten().map(|at| two.resource(at));
                !ours.map(|(c, r)| (c.who(), r)).eq(theirs.map(|(c, r)| (c.who(), r)))
            };
            changes.prefixes.extend(one.by_prefix.iter().filter(differs).map(|(prefix, _)| prefix));
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
