//! What does the baseline know of two ASes that were never seen next to each other? Whom each stood next to, who carried
//! routes of others, and who meets at an exchange.
//!
//! Drawn from facts of the dump alone, so it is the same for any number of shards and after a restart.

use std::collections::{HashMap, HashSet};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use crate::bgp::{Asn, VantagePoint};
use crate::registry;
use crate::relations::Relations;
use crate::shard::Known;

/// Neighbors of a network that lives from carrying others: a new one is everyday business. Of the 70,000 ASes of today
/// about 2,000 have as many.
const MANY_NEIGHBORS: usize = 50;
/// Neighbors in common that make two ASes near each other. Those with [`MANY_NEIGHBORS`] of their own do not count:
/// two strangers on two continents share a carrier of the clique.
const NEAR: usize = 2;

#[derive(Default)]
pub struct Topology {
    neighbors: HashMap<Asn, Vec<Asn>, RandomState>,
    carriers: HashSet<Asn, RandomState>,
    origins: HashSet<Asn, RandomState>,
    /// Peering LANs of exchanges in which an AS has a session with a collector.
    lans: HashMap<Asn, Vec<IpNet>, RandomState>,
}

impl Topology {
    /// Takes a new fact in; each comes once.
    pub fn learn(&mut self, known: &Known) {
        match known {
            Known::Link(a, b) if a != b => {
                self.neighbors.entry(*a).or_default().push(*b);
                self.neighbors.entry(*b).or_default().push(*a);
            }
            Known::Carrier(asn) => {
                self.carriers.insert(*asn);
            }
            Known::Origin(asn) => {
                self.origins.insert(*asn);
            }
            Known::Link(..) | Known::Leak(..) | Known::Bogon(..) | Known::Onward(..) => {}
        }
    }

    pub fn meet(&mut self, point: &VantagePoint) {
        // One LAN each: they are a /24 to a /21, and a /64.
        let len = if point.peer_address.is_ipv4() { 22 } else { 64 };
        let lan = IpNet::new(point.peer_address, len).map(|lan| lan.trunc());
        if let Some(lan) = lan.ok().filter(|_| registry::is_exchange_lan(&point.peer_address.into())) {
            self.lans.entry(point.peer_as).or_default().push(lan);
        }
    }

    pub fn degree(&self, asn: Asn) -> usize {
        self.neighbors(asn).len()
    }

    pub fn has_seen(&self, asn: Asn) -> bool {
        self.degree(asn) > 0
    }

    pub fn carries(&self, asn: Asn) -> bool {
        self.carriers.contains(&asn)
    }

    /// Has networks of its own, and nobody else's ever went through it. Of an AS that is only known as a peer of a collector
    /// nobody can say that: a thin table shows what few of them carry.
    pub fn never_carried(&self, asn: Asn) -> bool {
        self.origins.contains(&asn) && !self.carriers.contains(&asn)
    }

    pub fn has_many_neighbors(&self, asn: Asn) -> bool {
        self.degree(asn) >= MANY_NEIGHBORS
    }

    /// Two networks of the same surroundings.
    pub fn are_near(&self, a: Asn, b: Asn) -> bool {
        let (few, many) = if self.degree(a) <= self.degree(b) { (a, b) } else { (b, a) };
        if self.has_many_neighbors(few) {
            return false;
        }
        let is_common = |n: &&Asn| !self.has_many_neighbors(**n) && self.neighbors(**n).contains(&many);
        self.neighbors(few).iter().filter(is_common).take(NEAR).count() == NEAR
    }

    /// Both stood next to one route server, or both speak to a collector inside the LAN of one exchange.
    pub fn meet_at_exchange(&self, a: Asn, b: Asn, relations: Option<&Relations>) -> bool {
        let is_server = |n: &Asn| relations.map_or(registry::is_route_server(*n), |r| r.is_route_server(*n));
        let shares_server = self.neighbors(a).iter().filter(|n| is_server(n)).any(|n| self.neighbors(b).contains(n));
        let lans = |asn| self.lans.get(&asn).map_or(&[][..], Vec::as_slice);
        shares_server || lans(a).iter().any(|lan| lans(b).contains(lan))
    }

    fn neighbors(&self, asn: Asn) -> &[Asn] {
        self.neighbors.get(&asn).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(paths: &[&[u32]]) -> Topology {
        let mut topology = Topology::default();
        let mut seen = HashSet::<Known>::new();
        for path in paths {
            let hops: Vec<Asn> = path.iter().copied().map(Asn).collect();
            crate::shard::known_of(&hops).filter(|k| seen.insert(*k)).for_each(|k| topology.learn(&k));
        }
        topology
    }

    #[test]
    fn who_stands_in_the_middle_carries_and_the_session_itself_does_not() {
        let t = topology(&[&[64500, 64510, 64496], &[64501, 64510, 64497], &[64510, 64502]]);
        assert!(!t.never_carried(Asn(64510)));
        assert!(!t.never_carried(Asn(64500)), "only known as a session");
        assert!(t.never_carried(Asn(64496)) && t.never_carried(Asn(64502)));
        assert!(!t.never_carried(Asn(64511)), "of an AS that was never seen nothing is known");
        assert_eq!((t.degree(Asn(64510)), t.degree(Asn(64496)), t.degree(Asn(64511))), (5, 1, 0));
    }

    #[test]
    fn two_small_neighbors_in_common_are_near_and_a_large_one_is_no_measure() {
        let near = topology(&[&[64500, 64510, 64496], &[64500, 64511, 64496], &[64510, 64497], &[64511, 64497]]);
        assert!(near.are_near(Asn(64496), Asn(64497)) && near.are_near(Asn(64497), Asn(64496)));
        let mut paths: Vec<Vec<u32>> = (0..60).map(|i| vec![64510, 65536 + i]).collect();
        paths.extend((0..60).map(|i| vec![64511, 65536 + i]));
        let large = topology(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(large.has_many_neighbors(Asn(64510)) && !large.are_near(Asn(65536), Asn(65537)));
    }

    #[test]
    fn members_of_an_exchange_meet_behind_its_route_server() {
        let t = topology(&[&[64500, 6695, 64496], &[64501, 6695, 64497], &[64501, 64510, 64498]]);
        assert!(t.meet_at_exchange(Asn(64496), Asn(64497), None));
        assert!(!t.meet_at_exchange(Asn(64496), Asn(64498), None));
        let mut t = topology(&[]);
        for (peer_as, address) in [(64496, "80.81.192.7"), (64497, "80.81.193.9"), (64498, "195.66.224.7")] {
            let peer_address = address.parse().expect("an address");
            t.meet(&VantagePoint { collector: "rrc12".into(), peer_as: Asn(peer_as), peer_address });
        }
        assert!(t.meet_at_exchange(Asn(64496), Asn(64497), None));
        assert!(!t.meet_at_exchange(Asn(64496), Asn(64498), None));
    }
}
