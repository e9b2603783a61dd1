//! How do the watched prefixes stand: who originates them, who sees them, what do ROAs say? For looking, not for deciding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::Shard;
use crate::alert::RovState;
use crate::baseline::Baseline;
use crate::bgp::{Asn, Family};
use crate::rib::PrefixRef;

/// Why a prefix is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchedAs {
    /// The configuration names it.
    Resource,
    /// A watched AS originates it, or did so in the dump.
    Originated,
    /// A ROA names a watched AS; whether it is announced is that AS's affair.
    Signed,
}

/// A watched prefix as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedPrefix {
    pub prefix: IpNet,
    pub watched_as: WatchedAs,
    /// Names of those who watch it, ascending.
    pub constituents: Vec<Arc<str>>,
    /// Who announces it now, ascending.
    pub origins: Vec<WatchedOrigin>,
    /// Distinct peer ASes that have a route to it, and how many of them send a full table.
    pub peer_ases: usize,
    pub full_feed_peers: usize,
    /// Announced prefixes inside it, itself left out.
    pub inside: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedOrigin {
    pub asn: Asn,
    pub rov: RovState,
}

impl WatchedPrefix {
    /// Somebody has a route to it or to a part of it.
    pub fn is_seen(&self) -> bool {
        self.peer_ases > 0 || self.inside > 0
    }

    /// Nobody sees it, and somebody should.
    pub fn is_missing(&self) -> bool {
        !self.is_seen() && self.watched_as != WatchedAs::Signed
    }
}

/// Peers that send a full table, IPv4 first.
pub type FullFeed = [BTreeSet<Asn>; 2];

/// What a shard has to say of its watched prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    pub seen: usize,
    pub unseen: usize,
    /// Signed by a ROA and not announced.
    pub unannounced: usize,
    /// Those that are missing first, then in prefix order; not all, where there are many.
    pub prefixes: Vec<WatchedPrefix>,
}

impl Shard {
    /// The watched prefixes of this shard; at most so many that are seen, and so many that are not, are described.
    pub fn watched(&self, full_feed: &FullFeed, most: usize) -> Watched {
        if self.watch.is_empty() {
            return Watched::default();
        }
        let mut found: BTreeMap<IpNet, (WatchedAs, BTreeSet<Arc<str>>)> = BTreeMap::new();
        let mut add = |prefix: IpNet, why: WatchedAs, name: &Arc<str>| {
            let entry = found.entry(prefix).or_insert_with(|| (why, BTreeSet::new()));
            entry.0 = entry.0.min(why);
            entry.1.insert(name.clone());
        };
        for constituent in self.watch.constituents() {
            for resource in constituent.resources.iter().filter(|r| self.range.holds(&r.prefix)) {
                add(resource.prefix, WatchedAs::Resource, &constituent.name);
            }
        }
        if self.watch.asns().next().is_some() {
            self.originated(&mut |prefix, asn| {
                self.watch.holders_of(asn).for_each(|c| add(prefix, WatchedAs::Originated, &c.name));
            });
            for vrp in self.rpki.vrps.iter().filter(|vrp| self.range.holds(&vrp.prefix)) {
                self.watch.holders_of(vrp.asn).for_each(|c| add(vrp.prefix, WatchedAs::Signed, &c.name));
            }
        }
        let mut watched = Watched::default();
        let mut others = Vec::new();
        for (prefix, (why, names)) in found {
            let standing = self.standing(prefix, why, names, full_feed);
            let (count, list) = match (standing.is_seen(), standing.is_missing()) {
                (true, _) => (&mut watched.seen, &mut others),
                (false, true) => (&mut watched.unseen, &mut watched.prefixes),
                (false, false) => (&mut watched.unannounced, &mut others),
            };
            *count += 1;
            if list.len() < most {
                list.push(standing);
            }
        }
        watched.prefixes.append(&mut others);
        watched
    }

    /// Every prefix that a watched AS originates now, or did in the dump.
    fn originated(&self, found: &mut impl FnMut(IpNet, Asn)) {
        for at in self.rib.all() {
            let entry = self.rib.entry(at);
            let normal = entry.baseline.iter().flat_map(Baseline::origins);
            let held = entry.origins.iter().filter(|o| o.routes > 0 && !o.suspicious).map(|o| o.asn);
            normal.chain(held).filter(|asn| self.watch.holds(*asn)).for_each(|asn| found(entry.prefix, asn));
        }
    }

    fn standing(
        &self,
        prefix: IpNet,
        watched_as: WatchedAs,
        names: BTreeSet<Arc<str>>,
        full_feed: &FullFeed,
    ) -> WatchedPrefix {
        let mut origins: BTreeSet<Asn> = BTreeSet::new();
        let mut peers: BTreeSet<Asn> = BTreeSet::new();
        if let Some(at) = self.rib.find(&prefix) {
            self.heard_of(at, &mut origins, &mut peers);
        }
        let full = &full_feed[Family::of(&prefix) as usize];
        let rov = |asn| match self.rpki_usable {
            true => self.rpki.vrps.state(&prefix, Some(asn)),
            false => RovState::NotEvaluated,
        };
        WatchedPrefix {
            prefix,
            watched_as,
            constituents: names.into_iter().collect(),
            origins: origins.into_iter().map(|asn| WatchedOrigin { asn, rov: rov(asn) }).collect(),
            peer_ases: peers.len(),
            full_feed_peers: peers.intersection(full).count(),
            inside: self.rib.covered(&prefix).filter(|e| !e.routes.is_empty()).count(),
        }
    }

    fn heard_of(&self, at: PrefixRef, origins: &mut BTreeSet<Asn>, peers: &mut BTreeSet<Asn>) {
        for route in &self.rib.entry(at).routes {
            origins.extend(self.rib.paths.origin_as(route.path));
            peers.extend(self.peer_as.get(route.vantage.0 as usize));
        }
    }
}
