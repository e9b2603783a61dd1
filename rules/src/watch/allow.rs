//! Allow rules: what somebody said is fine, who said it, why, and until when.
//!
//! A rule holds for a route if everything it names agrees; of several values one is enough, so a rule can speak of a whole
//! cohort. The desk asks, since the clock of the engine decides when a rule is over.

use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use crate::alert::Class;
use crate::bgp::{AsPath, Asn, Timestamp};
use crate::finding::Finding;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowRule {
    /// Who answers for it.
    pub owner: Arc<str>,
    pub reason: Arc<str>,
    /// From then on it says nothing any more; none: it never ends.
    pub expires: Option<Timestamp>,
    /// Empty: any, as in all lists below.
    pub classes: Vec<Class>,
    /// These, and what lies inside them down to `max_length`.
    pub prefixes: Vec<IpNet>,
    /// None: the prefixes alone.
    pub max_length: Option<u8>,
    /// Where the route comes from.
    pub origins: Vec<Asn>,
    /// Who would be under suspicion.
    pub suspects: Vec<Asn>,
    /// Names of watched networks that are concerned.
    pub constituents: Vec<Arc<str>>,
    /// The last ASes of the path, repeats left out: a scrubber and whom it serves.
    pub path_ends: Vec<Vec<Asn>>,
}

impl AllowRule {
    /// A rule that names nothing would allow everything.
    pub fn is_boundless(&self) -> bool {
        self.classes.is_empty()
            && self.prefixes.is_empty()
            && self.origins.is_empty()
            && self.suspects.is_empty()
            && self.constituents.is_empty()
            && self.path_ends.is_empty()
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    fn allows(&self, route: &Route<'_>) -> bool {
        let finding = route.finding;
        let suspects = || finding.suspects.iter().chain([&finding.key_as]);
        (self.classes.is_empty() || self.classes.contains(&route.class))
            && (self.prefixes.is_empty() || self.prefixes.iter().any(|p| self.reaches(p, &route.prefix)))
            && (self.origins.is_empty() || finding.detected_origin.is_some_and(|o| self.origins.contains(&o)))
            && (self.suspects.is_empty() || suspects().any(|s| self.suspects.contains(s)))
            && (self.constituents.is_empty()
                || finding.constituents.iter().any(|c| self.constituents.iter().any(|name| **name == c.name)))
            && (self.path_ends.is_empty() || self.has_end(route.path))
    }

    fn reaches(&self, named: &IpNet, prefix: &IpNet) -> bool {
        named == prefix || (named.contains(prefix) && self.max_length.is_some_and(|most| prefix.prefix_len() <= most))
    }

    fn has_end(&self, path: &AsPath) -> bool {
        let hops = path.compressed();
        self.path_ends.iter().any(|end| hops.ends_with(end))
    }

    /// For the reason of an alert.
    pub fn sentence(&self) -> String {
        let end = self.expires.map_or_else(String::new, |end| format!(", until {end}"));
        format!("allowed by {}{end}: {}", self.owner, self.reason)
    }
}

/// An offending route as a rule looks at it.
#[derive(Clone, Copy)]
pub struct Route<'r> {
    pub prefix: IpNet,
    pub class: Class,
    pub finding: &'r Finding,
    pub path: &'r AsPath,
}

/// All rules, those that name prefixes by these.
#[derive(Clone, Default)]
pub struct AllowRules {
    rules: Vec<AllowRule>,
    by_prefix: JointPrefixMap<IpNet, Vec<u32>>,
    anywhere: Vec<u32>,
}

impl AllowRules {
    pub fn new(rules: Vec<AllowRule>) -> Self {
        let mut all = Self::default();
        for (i, rule) in (0..).zip(&rules) {
            for prefix in &rule.prefixes {
                all.by_prefix.entry(prefix.trunc()).or_default().push(i);
            }
            if rule.prefixes.is_empty() {
                all.anywhere.push(i);
            }
        }
        all.rules = rules;
        all
    }

    pub fn all(&self) -> &[AllowRule] {
        &self.rules
    }

    /// The first rule in force that allows the route.
    pub fn over(&self, route: Route<'_>, now: Timestamp) -> Option<&AllowRule> {
        if self.rules.is_empty() {
            return None;
        }
        let named = self.by_prefix.cover(&route.prefix).flat_map(|(_, at)| at);
        let holds = |i: &&u32| {
            let rule = &self.rules[**i as usize];
            rule.is_in_force(now) && rule.allows(&route)
        };
        named.chain(&self.anywhere).filter(holds).min().map(|i| &self.rules[*i as usize])
    }

    /// When a rule that is in force now is over.
    pub fn ends_after(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.rules.iter().filter_map(|rule| rule.expires).filter(move |end| *end > now)
    }
}
