//! Watched networks: whose resources they are, and what is expected there.

use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;

use crate::alert::Tlp;
use crate::bgp::Asn;

/// A network somebody answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constituent {
    pub name: Arc<str>,
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

/// All constituents, indexed. Built once per configuration, shared by every shard.
#[derive(Clone, Default)]
pub struct Watch {
    constituents: Vec<Constituent>,
    by_prefix: JointPrefixMap<IpNet, Vec<(u32, u32)>>,
    by_asn: std::collections::BTreeMap<Asn, Vec<u32>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("constituents", &self.constituents).finish()
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

    pub fn is_empty(&self) -> bool {
        self.constituents.is_empty()
    }

    pub fn constituents(&self) -> &[Constituent] {
        &self.constituents
    }

    /// Watched resources that cover `prefix`, least specific first.
    pub fn resources_over(&self, prefix: &IpNet) -> impl Iterator<Item = (&Constituent, &Resource)> {
        self.by_prefix.cover(prefix).flat_map(|(_, at)| at).map(|&(c, r)| {
            let constituent = &self.constituents[c as usize];
            (constituent, &constituent.resources[r as usize])
        })
    }

    pub fn covers(&self, prefix: &IpNet) -> bool {
        self.by_prefix.cover(prefix).next().is_some()
    }

    /// Constituents that hold `asn`.
    pub fn holders_of(&self, asn: Asn) -> impl Iterator<Item = &Constituent> {
        self.by_asn.get(&asn).into_iter().flatten().map(|&c| &self.constituents[c as usize])
    }
}
