//! A small Internet, invented from a seed: tiers, business relations, valley-free routes, and complete data about it all.
//! Every fault that is let into it is known, and so is who sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::alert::{Source, SourceState};
use crate::bgp::{AsPath, Asn, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use crate::event::Event;
use crate::registry;
use crate::relations::{Relation, Relations};
use crate::rpki::{Delta, Vrp};

/// Midnight in every world.
pub const START: Timestamp = Timestamp::from_secs(1_772_323_200);

const CLIQUE: usize = 3;
const CARRIERS: usize = 7;
const EDGE: usize = 16;
const VANTAGE_POINTS: usize = 7;

/// A generator of numbers that is the same everywhere (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        if from.is_empty() { None } else { Some(&from[self.roll(from.len())]) }
    }
}

#[derive(Clone, Debug)]
pub struct World {
    /// Providers first.
    pub ases: Vec<Asn>,
    /// What the second is to the first; both ways.
    relations: BTreeMap<(Asn, Asn), Relation>,
    pub siblings: Vec<Vec<Asn>>,
    /// Everybody announces one prefix.
    pub prefixes: Vec<(IpNet, Asn)>,
    pub vantage: Vec<Arc<VantagePoint>>,
    /// Decides between routes that are equally good.
    taste: u64,
}

/// The path of every AS that has one, itself first.
pub type Paths = BTreeMap<Asn, Vec<Asn>>;

/// Something that goes wrong in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Announces the prefix of another.
    Origin { by: Asn, prefix: IpNet },
    /// Announces a part of it.
    Subprefix { by: Asn, prefix: IpNet },
    /// Announces it as if heard from its holder, whom it does not know.
    ForgedOrigin { by: Asn, prefix: IpNet },
    /// Gives a provider's route to everybody, another provider among them (RFC 7908 type 1).
    Leak { by: Asn, prefix: IpNet },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Origin,
    Subprefix,
    ForgedOrigin,
    Leak,
}

impl Fault {
    pub fn by(&self) -> Asn {
        match self {
            Self::Origin { by, .. } | Self::Subprefix { by, .. } | Self::ForgedOrigin { by, .. } => *by,
            Self::Leak { by, .. } => *by,
        }
    }

    /// The prefix that is concerned.
    pub fn victim(&self) -> IpNet {
        match self {
            Self::Origin { prefix, .. } | Self::Subprefix { prefix, .. } => *prefix,
            Self::ForgedOrigin { prefix, .. } | Self::Leak { prefix, .. } => *prefix,
        }
    }

    /// The prefix that is announced.
    pub fn announced(&self) -> IpNet {
        match self {
            Self::Subprefix { prefix, .. } => part_of(prefix),
            _ => self.victim(),
        }
    }
}

/// What a vantage point hears of a fault.
#[derive(Clone, Debug)]
pub struct Heard {
    pub vantage: VantageId,
    pub peer_as: Asn,
    pub path: Vec<Asn>,
    /// The path leads into the fault, not around it.
    pub is_wrong: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let ases = numbers(&mut dice, CLIQUE + CARRIERS + EDGE);
        let mut world = Self {
            relations: BTreeMap::new(),
            siblings: Vec::new(),
            prefixes: ases.iter().enumerate().map(|(i, asn)| (prefix(i), *asn)).collect(),
            vantage: Vec::new(),
            taste: seed,
            ases,
        };
        world.connect(&mut dice);
        let edge = &world.ases[CLIQUE + CARRIERS..];
        world.siblings = vec![edge[..2].to_vec(), edge[2..5].to_vec()];
        for i in 0..VANTAGE_POINTS {
            // One in each tier at least, the rest anywhere; a peer AS may be met twice.
            let at = match i {
                0 => dice.roll(CLIQUE),
                1 => CLIQUE + dice.roll(CARRIERS),
                2 => CLIQUE + CARRIERS + dice.roll(EDGE),
                _ => dice.roll(world.ases.len()),
            };
            let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, i as u8 + 1));
            let point =
                VantagePoint { collector: format!("rrc0{}", i % 3).into(), peer_as: world.ases[at], peer_address };
            world.vantage.push(Arc::new(point));
        }
        world
    }

    fn connect(&mut self, dice: &mut Dice) {
        let ases = self.ases.clone();
        let (clique, rest) = ases.split_at(CLIQUE);
        let (carriers, edge) = rest.split_at(CARRIERS);
        for (i, a) in clique.iter().enumerate() {
            clique[..i].iter().for_each(|b| self.relate(*a, *b, Relation::LateralPeer));
        }
        for (i, carrier) in carriers.iter().enumerate() {
            for _ in 0..1 + dice.roll(2) {
                self.relate(*carrier, clique[dice.roll(CLIQUE)], Relation::Provider);
            }
            if let Some(peer) = dice.pick(&carriers[..i]) {
                self.relate(*carrier, *peer, Relation::LateralPeer);
            }
        }
        for (i, customer) in edge.iter().enumerate() {
            for _ in 0..1 + dice.roll(3) {
                self.relate(*customer, carriers[dice.roll(CARRIERS)], Relation::Provider);
            }
            // Some smaller ones sell to still smaller ones.
            if let (Some(provider), 0) = (dice.pick(&edge[..i]), dice.roll(4)) {
                self.relate(*customer, *provider, Relation::Provider);
            }
        }
    }

    fn relate(&mut self, a: Asn, b: Asn, b_is: Relation) {
        self.relations.entry((a, b)).or_insert(b_is);
        self.relations.entry((b, a)).or_insert(b_is.reversed());
    }

    pub fn relation(&self, asn: Asn, other: Asn) -> Option<Relation> {
        self.relations.get(&(asn, other)).copied()
    }

    /// Links, each once.
    pub fn links(&self) -> Vec<(Asn, Asn)> {
        self.relations.keys().copied().filter(|(a, b)| a < b).collect()
    }

    /// The same world after a link was cut.
    pub fn without(&self, (a, b): (Asn, Asn)) -> Self {
        let mut world = self.clone();
        world.relations.remove(&(a, b));
        world.relations.remove(&(b, a));
        world
    }

    pub fn holder_of(&self, prefix: &IpNet) -> Asn {
        self.prefixes.iter().find(|(p, _)| p == prefix).map_or(Asn(0), |(_, asn)| *asn)
    }

    pub fn are_siblings(&self, a: Asn, b: Asn) -> bool {
        self.siblings.iter().any(|group| group.contains(&a) && group.contains(&b))
    }

    fn neighbors(&self, asn: Asn, is: Relation) -> Vec<Asn> {
        self.relations.iter().filter(|((a, _), r)| *a == asn && **r == is).map(|((_, b), _)| *b).collect()
    }

    /// Routes as Gao and Rexford say: customers before peers before providers, then the shortest; what is not of a
    /// customer goes to customers only. A source tells everybody its path, and never changes its mind.
    pub fn propagate(&self, sources: &[Vec<Asn>]) -> Paths {
        let mut best: BTreeMap<Asn, (u8, Vec<Asn>)> = sources.iter().map(|path| (path[0], (0, path.clone()))).collect();
        // Every round carries a route one hop further at least; the graph has no longer way than its ASes.
        for _ in 0..self.ases.len() {
            let mut changed = false;
            for asn in &self.ases {
                if best.get(asn).is_some_and(|(rank, _)| *rank == 0) {
                    continue;
                }
                let choice = self.choice(*asn, &best);
                if choice.as_ref() != best.get(asn) {
                    changed = true;
                    match choice {
                        Some(choice) => best.insert(*asn, choice),
                        None => best.remove(asn),
                    };
                }
            }
            if !changed {
                break;
            }
        }
        best.into_iter().map(|(asn, (_, path))| (asn, path)).collect()
    }

    fn choice(&self, asn: Asn, best: &BTreeMap<Asn, (u8, Vec<Asn>)>) -> Option<(u8, Vec<Asn>)> {
        let offers = best.iter().filter_map(|(neighbor, (learned_from, path))| {
            let rank = match self.relation(asn, *neighbor)? {
                Relation::Customer => 1,
                Relation::LateralPeer => 2,
                _ => 3,
            };
            let may_export = *learned_from <= 1 || self.relation(*neighbor, asn) == Some(Relation::Customer);
            (may_export && !path.contains(&asn)).then_some((rank, *neighbor, path))
        });
        let taste = |neighbor: Asn| Dice(self.taste ^ u64::from(neighbor.0) << 20 ^ u64::from(asn.0)).roll(1_000);
        let (rank, _, path) = offers.min_by_key(|(rank, n, path)| (*rank, path.len(), taste(*n), *n))?;
        Some((rank, [&[asn], path.as_slice()].concat()))
    }

    /// Vantage points, everything there is to know, and a dump of everybody's routes: the morning of a quiet day.
    pub fn morning(&self) -> Vec<(Timestamp, Event)> {
        let mut events: Vec<Event> = Vec::new();
        for (i, point) in self.vantage.iter().enumerate() {
            events.push(Event::Vantage(VantageId(i as u32), point.clone()));
        }
        events.push(Event::Relations(Arc::new(self.relations_file())));
        events.push(Event::Rpki(Arc::new(self.rpki())));
        for (prefix, holder) in &self.prefixes {
            let paths = self.propagate(&[vec![*holder]]);
            events
                .extend(self.heard(&paths).into_iter().map(|(v, path)| Event::Seed(update(v, *prefix, &path, START))));
        }
        events.push(Event::SeedDone { as_of: START });
        events.into_iter().map(|event| (START, event)).collect()
    }

    /// What every vantage point hears of a propagation.
    pub fn heard(&self, paths: &Paths) -> Vec<(VantageId, Vec<Asn>)> {
        let of = |point: &Arc<VantagePoint>| paths.get(&point.peer_as).cloned();
        self.vantage.iter().enumerate().filter_map(|(i, v)| Some((VantageId(i as u32), of(v)?))).collect()
    }

    fn relations_file(&self) -> Relations {
        let edges = self.relations.iter().map(|((a, b), is)| (*a, *b, *is));
        let clique = self.ases[..CLIQUE].to_vec();
        Relations::new(fresh("relations"), edges, clique, self.siblings.clone(), Vec::new())
    }

    fn rpki(&self) -> Delta {
        let vrp = |prefix: IpNet, asn| Vrp { prefix, max_length: prefix.prefix_len(), asn, source: "world".into() };
        let of_siblings = |(p, holder): &(IpNet, Asn)| {
            let group = self.siblings.iter().find(|g| g.contains(holder)).cloned().unwrap_or(vec![*holder]);
            let prefix = *p;
            group.into_iter().map(move |asn| vrp(prefix, asn)).collect::<Vec<_>>()
        };
        let providers = |asn: &Asn| {
            let set = self.neighbors(*asn, Relation::Provider);
            (*asn, if set.is_empty() { vec![Asn(0)] } else { set })
        };
        Delta {
            announced_vrps: self.prefixes.iter().flat_map(of_siblings).collect(),
            withdrawn_vrps: Vec::new(),
            announced_aspas: self.ases.iter().map(providers).collect(),
            withdrawn_aspas: Vec::new(),
            vrps: fresh("vrps"),
            aspas: fresh("aspas"),
        }
    }

    /// A fault of that kind that can happen here, if the dice find one.
    pub fn fault(&self, kind: FaultKind, dice: &mut Dice) -> Option<Fault> {
        let (prefix, holder) = *dice.pick(&self.prefixes)?;
        let strangers: Vec<Asn> =
            self.ases.iter().copied().filter(|a| *a != holder && !self.are_siblings(*a, holder)).collect();
        Some(match kind {
            FaultKind::Origin => Fault::Origin { by: *dice.pick(&strangers)?, prefix },
            FaultKind::Subprefix => Fault::Subprefix { by: *dice.pick(&strangers)?, prefix },
            FaultKind::ForgedOrigin => {
                let unknown: Vec<Asn> = strangers.into_iter().filter(|a| self.relation(*a, holder).is_none()).collect();
                Fault::ForgedOrigin { by: *dice.pick(&unknown)?, prefix }
            }
            FaultKind::Leak => {
                let paths = self.propagate(&[vec![holder]]);
                let can_leak = |asn: &Asn| {
                    let from = paths.get(asn).and_then(|p| p.get(1));
                    from.is_some_and(|f| self.relation(*asn, *f) == Some(Relation::Provider))
                        && self.neighbors(*asn, Relation::Provider).len() > 1
                };
                let leakers: Vec<Asn> = strangers.into_iter().filter(can_leak).collect();
                Fault::Leak { by: *dice.pick(&leakers)?, prefix }
            }
        })
    }

    /// What the vantage points hear while the fault lasts.
    pub fn faulty(&self, fault: &Fault) -> Vec<Heard> {
        let holder = self.holder_of(&fault.victim());
        let by = fault.by();
        let right = vec![holder];
        let usual = self.propagate(std::slice::from_ref(&right));
        let paths = match fault {
            Fault::Origin { .. } => self.propagate(&[right, vec![by]]),
            Fault::Subprefix { .. } => self.propagate(&[vec![by]]),
            Fault::ForgedOrigin { .. } => self.propagate(&[right, vec![by, holder]]),
            Fault::Leak { .. } => self.propagate(&[right, usual.get(&by).cloned().unwrap_or_default()]),
        };
        let is_wrong = |path: &[Asn]| match fault {
            Fault::Origin { .. } | Fault::Subprefix { .. } => path.last() == Some(&by),
            Fault::ForgedOrigin { .. } => path.ends_with(&[by, holder]),
            // To a customer it may go.
            Fault::Leak { .. } => {
                path.windows(2).any(|hop| hop[1] == by && self.relation(by, hop[0]) != Some(Relation::Customer))
            }
        };
        let heard = self.heard(&paths).into_iter().map(|(vantage, path)| Heard {
            vantage,
            peer_as: self.vantage[vantage.0 as usize].peer_as,
            is_wrong: is_wrong(&path),
            path,
        });
        heard.collect()
    }
}

/// Peer ASes that see the fault itself.
pub fn witnesses(heard: &[Heard]) -> BTreeSet<Asn> {
    heard.iter().filter(|h| h.is_wrong).map(|h| h.peer_as).collect()
}

/// An announcement of one prefix.
pub fn update(vantage: VantageId, prefix: IpNet, path: &[Asn], seen: Timestamp) -> Update {
    let attributes = PathAttributes { as_path: AsPath::sequence(path.to_vec()), ..Default::default() };
    let announced = Nlris::from([Nlri { prefix, path_id: 0 }]);
    Update { vantage, seen, withdrawn: Nlris::new(), announced, attributes: Arc::new(attributes) }
}

/// The withdrawal of one prefix.
pub fn withdrawal(vantage: VantageId, prefix: IpNet, seen: Timestamp) -> Update {
    let withdrawn = Nlris::from([Nlri { prefix, path_id: 0 }]);
    Update { vantage, seen, withdrawn, announced: Nlris::new(), attributes: Arc::default() }
}

/// The lower half of a prefix of a world, down to what is normally accepted.
fn part_of(prefix: &IpNet) -> IpNet {
    let len = (prefix.prefix_len() + 8).min(prefix.max_prefix_len());
    IpNet::new(prefix.network(), len).unwrap_or(*prefix)
}

/// 20.0.0.0/16, 21.0.0.0/16, … 20.1.0.0/16: over several shards, and no two octets a slip of the finger apart.
fn prefix(i: usize) -> IpNet {
    let address = Ipv4Addr::new(20 + (i % 4) as u8, (i / 4) as u8, 0, 0);
    IpNet::V4(Ipv4Net::new_assert(address, 16))
}

/// Different AS numbers with nothing special about them.
fn numbers(dice: &mut Dice, count: usize) -> Vec<Asn> {
    let mut out = Vec::new();
    while out.len() < count {
        let asn = Asn(1_000 + dice.roll(59_000) as u32);
        let is_special =
            registry::bogon_asn(asn).is_some() || registry::is_route_server(asn) || registry::is_scrubber(asn);
        if !is_special && !out.contains(&asn) {
            out.push(asn);
        }
    }
    out
}

fn fresh(name: &str) -> Source {
    Source { name: name.into(), serial: Some(1), as_of: Some(START), state: SourceState::Fresh }
}

/// The IPv6 prefix in the place of an IPv4 one: the first octet becomes 2400:: and so many, every other bit two.
/// What was as long as networks accept stays so (24 to 48), and what lay inside lies inside.
pub fn mirrored(prefix: &IpNet) -> IpNet {
    let IpNet::V4(v4) = prefix else { return *prefix };
    let bits = v4.addr().to_bits();
    let first = 0x2400 + u128::from(bits >> 24);
    let doubled = (0..24).filter(|i| bits & (1 << (23 - i)) != 0).map(|i| 1u128 << (111 - 2 * i)).sum::<u128>();
    let len = 16 + 2 * v4.prefix_len().saturating_sub(8);
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(first << 112 | doubled), len))
}

/// An event with all its prefixes mirrored; those that name none stay as they are.
pub fn mirrored_event(event: &Event) -> Event {
    let nlri = |list: &[Nlri]| list.iter().map(|n| Nlri { prefix: mirrored(&n.prefix), ..*n }).collect();
    let flip = |u: &Update| Update { withdrawn: nlri(&u.withdrawn), announced: nlri(&u.announced), ..u.clone() };
    let vrps = |list: &[Vrp]| {
        let flip = |v: &Vrp| {
            let prefix = mirrored(&v.prefix);
            let more = 2 * (v.max_length - v.prefix.prefix_len());
            Vrp { prefix, max_length: prefix.prefix_len() + more, ..v.clone() }
        };
        list.iter().map(flip).collect()
    };
    match event {
        Event::Update(u) => Event::Update(flip(u)),
        Event::Seed(u) => Event::Seed(flip(u)),
        Event::Rpki(d) => Event::Rpki(Arc::new(Delta {
            announced_vrps: vrps(&d.announced_vrps),
            withdrawn_vrps: vrps(&d.withdrawn_vrps),
            ..(**d).clone()
        })),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_reaches_itself_without_valleys() {
        for seed in 0..20 {
            let world = World::new(seed);
            let relations = world.relations_file();
            for (_, holder) in &world.prefixes {
                let paths = world.propagate(&[vec![*holder]]);
                assert_eq!(paths.len(), world.ases.len(), "seed {seed}: {holder} is not reached by all");
                for path in paths.values() {
                    let check = crate::leak::valley::check(&AsPath::sequence(path.clone()), &relations);
                    assert!(check.violations.is_empty() && check.unknown_hops == 0, "seed {seed}: {path:?}");
                }
            }
        }
    }

    #[test]
    fn mirrors_keep_what_lies_inside_what() {
        for (v4, v6) in [
            ("20.0.0.0/8", "2414::/16"),
            ("20.0.0.0/24", "2414::/48"),
            ("20.1.0.0/16", "2414:2::/32"),
            ("20.128.255.0/25", "2414:8000:aaaa::/50"),
        ] {
            let (v4, v6): (IpNet, IpNet) = (v4.parse().expect("a prefix"), v6.parse().expect("a prefix"));
            assert_eq!(mirrored(&v4), v6);
        }
    }
}
