//! What goes when memory runs short? What is worth least, as little of it as will do, and never without a word.
//!
//! The operator states a budget; what is held is estimated from counts of routes, prefixes, paths and VRPs, never from what
//! the system says that the process has, which no recording could repeat. Above the budget goes, in this order:
//!
//! 1. history: what is only kept because it may be wanted again;
//! 2. sessions that are set aside: what they say counts for nothing;
//! 3. sessions with a part of the table only;
//! 4. sessions with all of it, as long as [`limits::FULL_FEEDS_KEPT`] peer ASes with a full table are left of each family.
//!
//! Among sessions of one worth first those whose AS is heard over another session that holds no less of the same family, so that no
//! witness is lost; then the largest: a peer AS counts once, whatever it holds, so the fewest go blind for the same memory. Of sessions
//! of one size the one that came last goes first.
//!
//! Sessions go until less than 90 % of the budget are held, so that it is not a few each second. How many paths go with them is
//! known only afterwards, so it may take several rounds. Whoever was shed stays so
//! for the life of the process: what would come back on a quiet day would be shed again on the next busy one, and its
//! routes would be told as gone and as new by turns. Where nothing is left to shed, the budget cannot be kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alert::words;
use crate::bgp::{Asn, Family, VantageId};
use crate::desk::full_table;
use crate::limits;

/// How much of everything is held that grows with what is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub routes: u64,
    /// Distinct prefixes; those with nothing to remember are forgotten.
    pub prefixes: u64,
    /// Distinct paths, those that no route carries included.
    pub paths: u64,
    /// Over all shards, so short ones count several times.
    pub vrps: u64,
    /// Routes that came and went before their offence was told of.
    pub past_routes: u64,
}

impl Counts {
    /// Octets that the process takes, by the constants of [`limits`].
    pub fn estimate(&self) -> u64 {
        limits::PROCESS_BYTES
            + self.routes * limits::ROUTE_BYTES
            + self.prefixes * limits::PREFIX_BYTES
            + self.paths * limits::PATH_BYTES
            + self.vrps * limits::VRP_BYTES
            + self.past_routes * limits::PAST_ROUTE_BYTES
    }

    pub fn add(&mut self, other: Self) {
        self.routes += other.routes;
        self.prefixes += other.prefixes;
        self.paths += other.paths;
        self.vrps += other.vrps;
        self.past_routes += other.past_routes;
    }

    /// What goes with so many routes: them, and their share of the paths.
    fn of_routes(&self, routes: u64) -> u64 {
        let share = u128::from(self.paths) * u128::from(routes) / u128::from(self.routes.max(1));
        routes * limits::ROUTE_BYTES + share as u64 * limits::PATH_BYTES
    }
}

/// A session and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub vantage: VantageId,
    pub peer_as: Asn,
    /// Prefixes by family, IPv4 first.
    pub prefixes: [u64; 2],
    /// False while it is set aside.
    pub is_believed: bool,
}

impl Table {
    fn routes(&self) -> u64 {
        self.prefixes.iter().sum()
    }
}

words! {
    /// What a session is worth to the watching.
    Worth {
        /// Set aside: nothing it says counts.
        SetAside = "set_aside",
        /// It has a part of the table.
        Partial = "partial",
        /// It has all of it, in one family or both.
        FullFeed = "full_feed",
    }
}

/// What is shed: in front of the shards, so that all of them and a recording have it at the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// Octets, before.
    pub estimated: u64,
    pub budget: u64,
    /// What is only kept because it may be wanted again is let go, and kept no more.
    pub history: bool,
    /// What these sessions hold is let go, and they are not heard any more.
    pub sessions: Vec<(VantageId, Worth)>,
}

/// What there is to be done about memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Fits,
    Shed(Shed),
    /// Too much is held, and all of it is needed.
    NothingLeft,
}

/// What was decided until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    pub history_is_shed: bool,
    /// Sessions were shed, and it is not known yet whether they were enough.
    pub is_under_way: bool,
}

impl SoFar {
    pub fn note(&mut self, decision: &Decision) {
        self.history_is_shed |= matches!(decision, Decision::Shed(shed) if shed.history);
        self.is_under_way = matches!(decision, Decision::Shed(shed) if !shed.sessions.is_empty());
    }
}

/// What goes, if anything has to. History goes first and alone: what it held is known by what is left.
pub fn decide(counts: &Counts, tables: &[Table], so_far: SoFar, budget: u64) -> Decision {
    let estimated = counts.estimate();
    if estimated <= if so_far.is_under_way { limits::shed_to(budget) } else { budget } {
        return Decision::Fits;
    }
    if !so_far.history_is_shed {
        return Decision::Shed(Shed { estimated, budget, history: true, sessions: Vec::new() });
    }
    let (mut left, mut gone) = (estimated, 0);
    let mut sessions = Vec::new();
    let mut full = FullFeeds::of(tables);
    for (worth, table) in by_worth(tables, &full) {
        if left < limits::shed_to(budget) || gone >= limits::shed_at_once(counts.routes) {
            break;
        }
        if table.routes() > 0 && full.can_spare(table) {
            left = left.saturating_sub(counts.of_routes(table.routes()));
            gone += table.routes();
            sessions.push((table.vantage, worth));
        }
    }
    if sessions.is_empty() {
        return if estimated > budget { Decision::NothingLeft } else { Decision::Fits };
    }
    Decision::Shed(Shed { estimated, budget, history: false, sessions })
}

/// The least valuable first.
fn by_worth<'t>(tables: &'t [Table], full: &FullFeeds) -> Vec<(Worth, &'t Table)> {
    // Of each AS that is believed the session that holds most of a family, of equal ones the first.
    let mut most: BTreeMap<(Asn, usize), (u64, std::cmp::Reverse<VantageId>)> = BTreeMap::new();
    let held = |t: &Table| (0..2).filter(|i| t.prefixes[*i] > 0).collect::<Vec<_>>();
    let size = |t: &Table, family: usize| (t.prefixes[family], std::cmp::Reverse(t.vantage));
    for table in tables.iter().filter(|t| t.is_believed) {
        for family in held(table) {
            let largest = most.entry((table.peer_as, family)).or_insert(size(table, family));
            *largest = size(table, family).max(*largest);
        }
    }
    let is_only = |t: &Table| held(t).into_iter().any(|i| most.get(&(t.peer_as, i)) == Some(&size(t, i)));
    let mut all: Vec<_> = tables.iter().map(|t| (full.worth(t), t)).collect();
    all.sort_by_key(|(worth, t)| (*worth, is_only(t), std::cmp::Reverse((t.routes(), t.vantage))));
    all
}

/// Sessions with a full table that are not shed, by family and peer AS.
struct FullFeeds {
    /// Prefixes that make a table a full one.
    least: [u64; 2],
    left: [BTreeMap<Asn, BTreeSet<VantageId>>; 2],
}

impl FullFeeds {
    fn of(tables: &[Table]) -> Self {
        let least = [Family::Ipv4, Family::Ipv6].map(|family| least_of(tables, family));
        let mut full = Self { least, left: Default::default() };
        for table in tables.iter().filter(|t| t.is_believed) {
            for family in full.families(table) {
                full.left[family].entry(table.peer_as).or_default().insert(table.vantage);
            }
        }
        full
    }

    /// Families of which the table is a full one.
    fn families(&self, table: &Table) -> impl Iterator<Item = usize> + use<> {
        let is_full = [0, 1].map(|i| table.prefixes[i] > 0 && table.prefixes[i] >= self.least[i]);
        (0..2).filter(move |i| is_full[*i])
    }

    fn worth(&self, table: &Table) -> Worth {
        match self.families(table).next() {
            _ if !table.is_believed => Worth::SetAside,
            None => Worth::Partial,
            Some(_) => Worth::FullFeed,
        }
    }

    /// Takes the table away, if enough full ones are left without it.
    fn can_spare(&mut self, table: &Table) -> bool {
        if !table.is_believed {
            return true;
        }
        let families: Vec<usize> = self.families(table).collect();
        let is_needed = |i: &usize| {
            let of_as = self.left[*i].get(&table.peer_as).map_or(0, BTreeSet::len);
            of_as <= 1 && self.left[*i].len() <= limits::FULL_FEEDS_KEPT
        };
        if families.iter().any(is_needed) {
            return false;
        }
        for i in families {
            if let Some(of_as) = self.left[i].get_mut(&table.peer_as) {
                of_as.remove(&table.vantage);
                if of_as.is_empty() {
                    self.left[i].remove(&table.peer_as);
                }
            }
        }
        true
    }
}

/// From how many prefixes on a table counts as a full one; where nobody can tell, the largest is what a full one is.
fn least_of(tables: &[Table], family: Family) -> u64 {
    let mut by_peer: BTreeMap<Asn, i64> = BTreeMap::new();
    for table in tables.iter().filter(|t| t.is_believed) {
        let largest = by_peer.entry(table.peer_as).or_default();
        *largest = (table.prefixes[family as usize] as i64).max(*largest);
    }
    let largest = by_peer.values().copied().max().unwrap_or_default();
    let full = full_table(&by_peer).unwrap_or(largest);
    ((full * 4 + 4) / 5).max(1).cast_unsigned()
}

#[cfg(test)]
mod tests;
