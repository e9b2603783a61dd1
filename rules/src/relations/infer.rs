//! Who sells to whom, as the routes show it? In the way of AS Rank: the clique at the top, then from the top down.
//!
//! One rule does the work, read both ways. Of three ASes in a row, the one in the middle sells to the giver if the receiver is
//! its provider or lateral peer, for it would give them nothing else; and it sells to the receiver if the giver is its provider or
//! lateral peer. Every row is a vote. ASPAs, roles and the servers of exchanges are known from the start, marks of RFC 9234
//! decide where nobody voted. What is left goes to the larger AS if it is the only chance of a provider, and else counts as
//! lateral peering: such links show below them only.

use std::collections::{BTreeMap, BTreeSet};

use super::clique;
use super::evidence::{Row, Shown};
use crate::bgp::Asn;
use crate::limits;
use crate::relations::Relation;
use crate::rpki::{AspaTable, Authorized};

/// A relation that was inferred: what the second AS is to the first, whose number is lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InferredEdge {
    pub ases: (Asn, Asn),
    pub relation: Relation,
    /// Several rows say so and none speaks against it, or an ASPA does.
    pub is_sure: bool,
    /// An ASPA says so, or both ASes did.
    pub is_signed: bool,
}

/// All relations that some rows show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    /// Ascending.
    pub edges: Vec<InferredEdge>,
    pub clique: Vec<Asn>,
}

/// None if the rows are too few to tell who is on top: [`limits::INFER_PEERS`], [`limits::INFER_LINKS`].
pub fn infer(shown: &Shown, aspas: &AspaTable) -> Option<Inferred> {
    let mut work = Work::new(&shown.rows, aspas)?;
    work.follow_roles(&shown.roles);
    work.find_clique()?;
    work.meet_at_exchanges(&shown.over_servers);
    work.vote(Work::is_above);
    work.vote(Work::may_be_above);
    work.follow_marks(&shown.to_customers);
    work.find_missing_providers();
    work.call_the_rest_peers();
    work.doubt_what_routes_contradict();
    Some(work.result())
}

/// What the AS with the higher number is to the one with the lower.
type Seen = Option<Relation>;

/// A link, and whether a row holds it with the lower number to the left.
#[derive(Clone, Copy)]
struct Side {
    link: usize,
    is_ascending: bool,
}

struct Work {
    /// Ascending; an AS is its place in this list.
    ases: Vec<u32>,
    /// Lower and higher AS; ascending.
    links: Vec<(u32, u32)>,
    relations: Vec<Seen>,
    /// Votes for the relation that was taken, and against it.
    support: Vec<(u32, u32)>,
    is_signed: Vec<bool>,
    /// An ASPA says that the higher is no provider of the lower, and the other way round.
    denied: Vec<(bool, bool)>,
    /// (receiver and middle, middle and giver) of all rows with three ASes.
    rows: Vec<(Side, Side)>,
    /// Distinct neighbors that an AS carries routes from or to.
    transit: Vec<u32>,
    is_top: Vec<bool>,
}

impl Work {
    fn new(rows: &[Row], aspas: &AspaTable) -> Option<Self> {
        let peers: BTreeSet<u32> = rows.iter().filter(|r| r[0] == 0).map(|r| r[1]).collect();
        let mut ases: Vec<u32> = rows.iter().flatten().copied().filter(|a| *a != 0).collect();
        ases.sort_unstable();
        ases.dedup();
        let place = |asn: u32| ases.binary_search(&asn).unwrap_or_default() as u32;
        let link = |a: u32, b: u32| (place(a.min(b)), place(a.max(b)));
        let mut links: Vec<(u32, u32)> = rows.iter().map(|r| link(r[1], r[2])).collect();
        links.sort_unstable();
        links.dedup();
        if peers.len() < limits::INFER_PEERS || links.len() < limits::INFER_LINKS {
            return None;
        }
        let side =
            |a: u32, b: u32| Side { link: links.binary_search(&link(a, b)).unwrap_or_default(), is_ascending: a < b };
        // A path starts with a row of two, so the link to the left of every row of three is among the links.
        let sides: Vec<(Side, Side)> =
            rows.iter().filter(|r| r[0] != 0).map(|r| (side(r[0], r[1]), side(r[1], r[2]))).collect();
        let transit = transit_degrees(rows, &ases);
        let count = links.len();
        let mut work = Self {
            is_top: vec![false; ases.len()],
            ases,
            links,
            relations: vec![None; count],
            support: vec![(0, 0); count],
            is_signed: vec![false; count],
            denied: vec![(false, false); count],
            rows: sides,
            transit,
        };
        work.follow_aspas(aspas);
        Some(work)
    }

    fn follow_aspas(&mut self, aspas: &AspaTable) {
        for i in 0..self.links.len() {
            let (low, high) = self.numbers(i);
            let up = aspas.authorized(low, high);
            let down = aspas.authorized(high, low);
            self.denied[i] = (up == Authorized::NotProviderPlus, down == Authorized::NotProviderPlus);
            self.relations[i] = match (up, down) {
                (Authorized::ProviderPlus, Authorized::ProviderPlus) => Some(Relation::Complex),
                (Authorized::ProviderPlus, _) => Some(Relation::Provider),
                (_, Authorized::ProviderPlus) => Some(Relation::Customer),
                (Authorized::NotProviderPlus, Authorized::NotProviderPlus) => Some(Relation::LateralPeer),
                _ => None,
            };
            self.is_signed[i] = self.relations[i].is_some();
        }
    }

    fn follow_roles(&mut self, roles: &BTreeMap<(Asn, Asn), Relation>) {
        for (ases, relation) in roles {
            if let Ok(i) = self.links.binary_search_by_key(ases, |(low, high)| (self.asn(*low), self.asn(*high))) {
                self.relations[i] = Some(*relation);
                self.is_signed[i] = true;
            }
        }
    }

    fn find_clique(&mut self) -> Option<()> {
        let mut order: Vec<usize> = (0..self.ases.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(self.transit[*i]), *i));
        order.truncate(limits::CLIQUE_CANDIDATES);
        let candidate: BTreeMap<u32, usize> = order.iter().enumerate().map(|(at, i)| (*i as u32, at)).collect();
        let mut in_a_row = BTreeSet::new();
        for (left, right) in &self.rows {
            let (receiver, middle) = self.ends(*left);
            let giver = self.ends(*right).1;
            let all = [receiver, middle, giver].map(|a| candidate.get(&a).copied());
            if let [Some(a), Some(b), Some(c)] = all {
                in_a_row.insert(clique::sorted([a, b, c]));
            }
        }
        let link = |a: usize, b: usize| self.find(order[a] as u32, order[b] as u32);
        let sells = |i: usize| matches!(self.relations[i], Some(Relation::Provider | Relation::Customer));
        let members = clique::find(order.len(), |a, b| link(a, b).is_some_and(|i| !sells(i)), &in_a_row);
        if members.len() < limits::CLIQUE_LEAST {
            return None;
        }
        for (n, a) in members.iter().enumerate() {
            self.is_top[order[*a]] = true;
            for b in &members[..n] {
                if let Some(i) = self.find(order[*a] as u32, order[*b] as u32) {
                    self.relations[i] = Some(Relation::LateralPeer);
                    self.support[i] = (limits::SURE_VOTES, 0);
                }
            }
        }
        Some(())
    }

    /// Who meets over the route server of an exchange is a lateral peer there.
    fn meet_at_exchanges(&mut self, over_servers: &BTreeSet<(Asn, Asn)>) {
        for i in 0..self.links.len() {
            if self.relations[i].is_none() && over_servers.contains(&self.numbers(i)) {
                self.take(i, Relation::LateralPeer, (limits::SURE_VOTES, 0));
            }
        }
    }

    /// Rounds of votes until nothing new is settled. `is_above` says of a link and its left end, or its right one, whether that
    /// AS is provider or lateral peer of the other.
    fn vote(&mut self, is_above: impl Fn(&Self, Side, bool) -> bool) {
        for _ in 0..limits::INFER_ROUNDS {
            // For the higher as customer of the lower, and as its provider.
            let mut votes = vec![(0u32, 0u32); self.links.len()];
            for (left, right) in &self.rows {
                if self.relations[right.link].is_none() && is_above(self, *left, true) {
                    count(&mut votes[right.link], right.is_ascending);
                }
                if self.relations[left.link].is_none() && is_above(self, *right, false) {
                    count(&mut votes[left.link], !left.is_ascending);
                }
            }
            if !self.settle(&votes) {
                return;
            }
        }
    }

    fn settle(&mut self, votes: &[(u32, u32)]) -> bool {
        let mut is_new = false;
        for (i, (mut down, mut up)) in votes.iter().copied().enumerate() {
            let (low, high) = self.links[i];
            let (low_on_top, high_on_top) = (self.is_top[low as usize], self.is_top[high as usize]);
            if (high_on_top && !low_on_top) || self.denied[i].1 {
                down = 0;
            }
            if (low_on_top && !high_on_top) || self.denied[i].0 {
                up = 0;
            }
            if down > 0 && down >= 3 * up {
                self.take(i, Relation::Customer, (down, up));
                is_new = true;
            } else if up > 0 && up >= 3 * down {
                self.take(i, Relation::Provider, (up, down));
                is_new = true;
            }
        }
        is_new
    }

    fn take(&mut self, link: usize, relation: Relation, support: (u32, u32)) {
        self.relations[link] = Some(relation);
        self.support[link] = support;
    }

    /// Known to be provider or lateral peer.
    fn is_above(&self, side: Side, left: bool) -> bool {
        // What the end in question is to the other one.
        let is_higher = side.is_ascending != left;
        let relation = self.relations[side.link].map(|r| if is_higher { r } else { r.reversed() });
        matches!(relation, Some(Relation::Provider | Relation::LateralPeer))
    }

    /// The same, or not known and so much larger that it is no customer.
    fn may_be_above(&self, side: Side, left: bool) -> bool {
        if self.relations[side.link].is_some() {
            return self.is_above(side, left);
        }
        let (left_end, right_end) = self.ends(side);
        let (it, other) = if left { (left_end, right_end) } else { (right_end, left_end) };
        2 * self.transit[it as usize] >= 3 * self.transit[other as usize] + 10
    }

    fn follow_marks(&mut self, marked: &BTreeSet<(Asn, Asn)>) {
        for i in 0..self.links.len() {
            let (low, high) = self.numbers(i);
            let relation = match (marked.contains(&(low, high)), marked.contains(&(high, low))) {
                (true, false) => Relation::Customer,
                (false, true) => Relation::Provider,
                _ => continue,
            };
            if self.relations[i].is_none() {
                self.take(i, relation, (1, 0));
            }
        }
    }

    /// Whoever is not on top buys from somebody: of those without a provider, the best-connected neighbor is it.
    fn find_missing_providers(&mut self) {
        let mut best: Vec<Option<(u32, usize)>> = vec![None; self.ases.len()];
        let mut has_provider = self.is_top.clone();
        for (i, (low, high)) in self.links.iter().enumerate() {
            match self.relations[i] {
                Some(Relation::Provider) => has_provider[*low as usize] = true,
                Some(Relation::Customer) => has_provider[*high as usize] = true,
                Some(_) => {}
                None => {
                    for (it, other, is_denied) in [(low, high, self.denied[i].0), (high, low, self.denied[i].1)] {
                        let size = self.transit[*other as usize];
                        let is_larger = size > self.transit[*it as usize] && !is_denied;
                        if is_larger && best[*it as usize].is_none_or(|(most, _)| size > most) {
                            best[*it as usize] = Some((size, i));
                        }
                    }
                }
            }
        }
        for (it, best) in best.into_iter().enumerate() {
            if let (false, Some((_, i))) = (has_provider[it], best) {
                let is_low = self.links[i].0 as usize == it;
                self.take(i, if is_low { Relation::Provider } else { Relation::Customer }, (0, 0));
            }
        }
    }

    /// Lateral peering is what is left: nobody above ever hears of it. That is a guess, since a customer's second link looks the
    /// same. An AS that carries nothing is a customer of those on top.
    fn call_the_rest_peers(&mut self) {
        for i in 0..self.links.len() {
            if self.relations[i].is_some() {
                continue;
            }
            let (low, high) = self.links[i];
            let carries_nothing = |asn: u32| self.transit[asn as usize] == 0;
            let relation = if self.is_top[low as usize] && carries_nothing(high) && !self.denied[i].1 {
                Relation::Customer
            } else if self.is_top[high as usize] && carries_nothing(low) && !self.denied[i].0 {
                Relation::Provider
            } else {
                Relation::LateralPeer
            };
            self.take(i, relation, (0, 0));
        }
    }

    /// Routes that stand are mostly lawful. A relation that makes valleys of more than a few of those that cross its link is
    /// wrong, or is two things at once: no verdict may rest on it.
    fn doubt_what_routes_contradict(&mut self) {
        let mut crossed = vec![(0u32, 0u32); self.links.len()];
        for (left, right) in &self.rows {
            let is_valley = self.is_above(*left, true) && self.is_above(*right, false);
            for side in [left, right] {
                crossed[side.link].0 += u32::from(is_valley);
                crossed[side.link].1 += 1;
            }
        }
        for (i, (valleys, rows)) in crossed.into_iter().enumerate() {
            if valleys * limits::LAWFUL_ROWS > rows {
                self.support[i].1 = self.support[i].1.max(1);
            }
        }
    }

    fn result(self) -> Inferred {
        let edge = |i: usize| {
            let relation = self.relations[i]?;
            let (votes, against) = self.support[i];
            let is_sure = self.is_signed[i] || (votes >= limits::SURE_VOTES && against == 0);
            Some(InferredEdge { ases: self.numbers(i), relation, is_sure, is_signed: self.is_signed[i] })
        };
        let on_top = self.ases.iter().zip(&self.is_top).filter(|(_, is_top)| **is_top);
        Inferred {
            edges: (0..self.links.len()).filter_map(edge).collect(),
            clique: on_top.map(|(asn, _)| Asn(*asn)).collect(),
        }
    }

    fn asn(&self, place: u32) -> Asn {
        Asn(self.ases[place as usize])
    }

    fn numbers(&self, link: usize) -> (Asn, Asn) {
        let (low, high) = self.links[link];
        (self.asn(low), self.asn(high))
    }

    /// The left and the right end.
    fn ends(&self, side: Side) -> (u32, u32) {
        let (low, high) = self.links[side.link];
        if side.is_ascending { (low, high) } else { (high, low) }
    }

    fn find(&self, a: u32, b: u32) -> Option<usize> {
        self.links.binary_search(&(a.min(b), a.max(b))).ok()
    }
}

/// One vote that the left end of a link sells to the right one, or, where it is written the other way, the right to the left.
fn count(votes: &mut (u32, u32), lower_sells: bool) {
    let vote = if lower_sells { &mut votes.0 } else { &mut votes.1 };
    *vote += 1;
}

fn transit_degrees(rows: &[Row], ases: &[u32]) -> Vec<u32> {
    let carried = rows.iter().filter(|r| r[0] != 0).flat_map(|r| [(r[1], r[0]), (r[1], r[2])]);
    let mut pairs: Vec<(u32, u32)> = carried.collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut degrees = vec![0; ases.len()];
    for (middle, _) in pairs {
        if let Ok(i) = ases.binary_search(&middle) {
            degrees[i] += 1;
        }
    }
    degrees
}

#[cfg(test)]
pub(super) mod tests;
