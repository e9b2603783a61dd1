//! An invented Internet of the real one's shape: a clique, carriers, many edge networks of skewed degree, exchanges with route servers,
//! siblings, relations that are two things, and sessions of which some hear only a part. Routes spread as Gao and Rexford say.

use std::rc::Rc;

use ipnet::{IpNet, Ipv4Net};
use rules::bgp::Asn;
use rules::registry;
use rules::relations::Relation;
use rules::testing::world::Dice;

pub const CLIQUE: usize = 6;
pub const CARRIERS: usize = 44;
pub const EDGE: usize = 350;
pub const ASES: usize = CLIQUE + CARRIERS + EDGE;
/// Sessions; each of another AS, so that one in a hundred is two peer ASes.
pub const VANTAGE_POINTS: usize = 200;
/// Exchanges with a route server.
const EXCHANGES: usize = 3;
/// The best route of a network may change this often before it has to settle: no path is longer than a few dozen ASes.
const ROUNDS: usize = 40;

/// An AS, as a place in the graph.
pub type Node = usize;

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub to: Node,
    /// What `to` is.
    pub is: Relation,
    /// In every other network it is a lateral peer instead.
    pub is_hybrid: bool,
    /// The route server that leaves its number in the path.
    pub over: Option<Asn>,
    pub is_cut: bool,
}

#[derive(Clone)]
pub struct Graph {
    pub ases: Vec<Asn>,
    pub links: Vec<Vec<Link>>,
    pub siblings: Vec<[Node; 2]>,
    pub route_servers: Vec<Asn>,
    /// Prefix and holder.
    pub prefixes: Vec<(IpNet, Node)>,
    /// Where a session is, and whether it hears only what its AS gives to peers.
    pub vantage: Vec<(Node, bool)>,
    /// How often the origin repeats itself towards everybody.
    prepends: Vec<u8>,
    taste: u64,
}

/// A route as an AS holds it: itself first, the origin last; and what its neighbor was to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub path: Rc<[Node]>,
    rank: u8,
}

/// What an AS does that it should not: give a route to neighbors of a kind, though it did not come from a customer.
#[derive(Clone, Copy, Debug)]
pub struct Leaker {
    pub node: Node,
    pub to: Relation,
}

/// The best route of each AS.
pub type Routes = Vec<Option<Route>>;

impl Graph {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0x5eed_0000);
        let ases = numbers(&mut dice);
        let mut graph = Self {
            links: vec![Vec::new(); ASES],
            siblings: Vec::new(),
            route_servers: vec![Asn(6777), Asn(6695), Asn(8714)],
            prefixes: Vec::new(),
            vantage: Vec::new(),
            prepends: (0..ASES).map(|_| if dice.roll(5) == 0 { 1 + dice.roll(3) as u8 } else { 0 }).collect(),
            taste: seed,
            ases,
        };
        graph.connect(&mut dice);
        graph.meet_at_exchanges(&mut dice);
        graph.give_prefixes(&mut dice);
        graph.place_sessions(&mut dice);
        graph
    }

    fn connect(&mut self, dice: &mut Dice) {
        for a in 0..CLIQUE {
            (0..a).for_each(|b| self.link(a, b, Relation::LateralPeer, false, None));
        }
        for a in CLIQUE..CLIQUE + CARRIERS {
            for _ in 0..1 + dice.roll(3) {
                let provider =
                    if dice.roll(3) == 0 && a > CLIQUE + 4 { skewed(dice, CLIQUE, a) } else { dice.roll(CLIQUE) };
                self.link(a, provider, Relation::Provider, false, None);
            }
            if a > CLIQUE {
                let peer = CLIQUE + dice.roll(a - CLIQUE);
                let is_hybrid = dice.roll(10) == 0;
                let is = if is_hybrid { Relation::Provider } else { Relation::LateralPeer };
                self.link(a, peer, is, is_hybrid, None);
            }
        }
        for a in CLIQUE + CARRIERS..ASES {
            for _ in 0..1 + dice.roll(3) {
                let small = dice.roll(6) == 0 && a > CLIQUE + CARRIERS + 20;
                let provider =
                    if small { skewed(dice, CLIQUE + CARRIERS, a) } else { skewed(dice, CLIQUE, CLIQUE + CARRIERS) };
                self.link(a, provider, Relation::Provider, false, None);
            }
        }
        // Siblings: the second also buys from the first, and each may announce for the other.
        for i in 0..12 {
            let a = CLIQUE + CARRIERS + 2 * i;
            self.link(a + 1, a, Relation::Provider, false, None);
            self.siblings.push([a, a + 1]);
        }
    }

    fn meet_at_exchanges(&mut self, dice: &mut Dice) {
        for exchange in 0..EXCHANGES {
            let members: Vec<Node> = (0..24).map(|_| CLIQUE + dice.roll(ASES - CLIQUE)).collect();
            let over = (exchange > 0).then(|| self.route_servers[exchange]);
            for (i, a) in members.iter().enumerate() {
                for b in members[..i].iter().filter(|b| *b != a) {
                    if dice.roll(3) == 0 {
                        self.link(*a, *b, Relation::LateralPeer, false, over);
                    }
                }
            }
        }
    }

    fn link(&mut self, a: Node, b: Node, b_is: Relation, is_hybrid: bool, over: Option<Asn>) {
        if a == b || self.links[a].iter().any(|l| l.to == b) {
            return;
        }
        let link = |to, is| Link { to, is, is_hybrid, over, is_cut: false };
        self.links[a].push(link(b, b_is));
        self.links[b].push(link(a, b_is.reversed()));
    }

    /// Every AS holds one /16, some two.
    fn give_prefixes(&mut self, dice: &mut Dice) {
        let mut next = 0;
        for node in 0..ASES {
            for _ in 0..1 + usize::from(dice.roll(8) == 0) {
                self.prefixes.push((block(next), node));
                next += 1;
            }
        }
    }

    fn place_sessions(&mut self, dice: &mut Dice) {
        let mut places: Vec<Node> = (0..CLIQUE + CARRIERS).collect();
        while places.len() < VANTAGE_POINTS {
            let node = CLIQUE + CARRIERS + dice.roll(EDGE);
            if !places.contains(&node) {
                places.push(node);
            }
        }
        self.vantage = places.into_iter().map(|node| (node, dice.roll(5) == 0)).collect();
    }

    pub fn relation(&self, a: Node, b: Node) -> Option<Relation> {
        self.links[a].iter().find(|l| l.to == b).map(|l| l.is)
    }

    pub fn are_siblings(&self, a: Node, b: Node) -> bool {
        self.siblings.iter().any(|s| s.contains(&a) && s.contains(&b))
    }

    /// Neighbors of a kind, hybrid ones left out: of them nobody can say what is right.
    pub fn neighbors(&self, node: Node, is: Relation) -> Vec<Node> {
        self.links[node].iter().filter(|l| l.is == is && !l.is_hybrid).map(|l| l.to).collect()
    }

    /// A link that was not there in the morning.
    pub fn join(&mut self, a: Node, b: Node, b_is: Relation) {
        self.link(a, b, b_is, false, None);
    }

    /// Takes it away again.
    pub fn part(&mut self, a: Node, b: Node) {
        self.links[a].retain(|l| l.to != b);
        self.links[b].retain(|l| l.to != a);
    }

    /// A route of `a` that it gives to `b` alone.
    pub fn spread_over(&self, a: Node, b: Node) -> Routes {
        let mut alone = self.clone();
        alone.links[a].iter_mut().filter(|l| l.to != b).for_each(|l| l.is_cut = true);
        for links in &mut alone.links {
            links.iter_mut().filter(|l| l.to == a).for_each(|l| l.is_cut = true);
        }
        alone.links[b].iter_mut().filter(|l| l.to == a).for_each(|l| l.is_cut = false);
        alone.spread(&[vec![a]], 0, None)
    }

    /// Cuts the links between two ASes, or mends them.
    pub fn cut(&mut self, a: Node, b: Node, is_cut: bool) {
        for (x, y) in [(a, b), (b, a)] {
            self.links[x].iter_mut().filter(|l| l.to == y).for_each(|l| l.is_cut = is_cut);
        }
    }

    /// Lets routes spread from their sources, each with the path it tells. `parity` picks what hybrid links are.
    pub fn spread(&self, sources: &[Vec<Node>], parity: usize, leaker: Option<Leaker>) -> Routes {
        let mut best: Routes = vec![None; ASES];
        for path in sources {
            best[path[0]] = Some(Route { path: path.as_slice().into(), rank: 0 });
        }
        for _ in 0..ROUNDS {
            let mut is_settled = true;
            for node in 0..ASES {
                if best[node].as_ref().is_some_and(|r| r.rank == 0) {
                    continue;
                }
                let choice = self.choice(node, &best, parity, leaker);
                let is_same = match (&choice, &best[node]) {
                    (None, None) => true,
                    (Some((rank, from)), Some(held)) => {
                        let tail = best[*from].as_ref().map(|r| &r.path[..]);
                        held.rank == *rank && Some(&held.path[1..]) == tail
                    }
                    _ => false,
                };
                if is_same {
                    continue;
                }
                is_settled = false;
                best[node] = choice.and_then(|(rank, from)| {
                    let tail = best[from].as_ref()?;
                    let path: Vec<Node> = std::iter::once(node).chain(tail.path.iter().copied()).collect();
                    Some(Route { path: path.into(), rank })
                });
            }
            if is_settled {
                break;
            }
        }
        best
    }

    /// Customers before peers before providers, then the shortest, then a taste of one's own.
    fn choice(&self, node: Node, best: &Routes, parity: usize, leaker: Option<Leaker>) -> Option<(u8, Node)> {
        let mut choice: Option<((u8, usize), Node)> = None;
        for link in self.links[node].iter().filter(|l| !l.is_cut) {
            let Some(offer) = &best[link.to] else { continue };
            let is = now(link, parity);
            let rank = match is {
                Relation::Customer => 1,
                Relation::LateralPeer => 2,
                _ => 3,
            };
            let leaks = leaker.is_some_and(|l| l.node == link.to && l.to == is.reversed());
            let may_give = offer.rank <= 1 || is == Relation::Provider || leaks;
            if !may_give || offer.path.contains(&node) {
                continue;
            }
            // Tastes are asked only where the rest is equal.
            let merit = (rank, offer.path.len());
            let is_better = choice.as_ref().is_none_or(|(best, from)| {
                merit < *best || (merit == *best && self.taste(node, link.to) < self.taste(node, *from))
            });
            if is_better {
                choice = Some((merit, link.to));
            }
        }
        choice.map(|((rank, ..), from)| (rank, from))
    }

    fn taste(&self, node: Node, from: Node) -> usize {
        Dice(self.taste ^ (from as u64) << 20 ^ node as u64).roll(1_000)
    }

    /// What a session hears of the best routes; one that is partial hears what its AS gives to peers.
    pub fn heard(&self, session: usize, routes: &Routes) -> Option<Rc<[Node]>> {
        let (node, is_partial) = self.vantage[session];
        let route = routes[node].as_ref().filter(|r| !is_partial || r.rank <= 1)?;
        Some(route.path.clone())
    }

    /// The path in numbers, with route servers that show themselves and the origin's prepends.
    pub fn written(&self, path: &[Node]) -> Vec<Asn> {
        let mut out = Vec::with_capacity(path.len() + 3);
        for (i, node) in path.iter().enumerate() {
            out.push(self.ases[*node]);
            let link = path.get(i + 1).and_then(|next| self.links[*node].iter().find(|l| l.to == *next));
            out.extend(link.and_then(|l| l.over));
        }
        let origin = path[path.len() - 1];
        out.extend((0..self.prepends[origin]).map(|_| self.ases[origin]));
        out
    }
}

fn now(link: &Link, parity: usize) -> Relation {
    if link.is_hybrid && parity % 2 == 1 { Relation::LateralPeer } else { link.is }
}

/// The earlier, the likelier: big ones get bigger.
fn skewed(dice: &mut Dice, from: usize, to: usize) -> usize {
    let span = to - from;
    from + dice.roll(span).min(dice.roll(span)).min(dice.roll(span))
}

/// The i-th /16, spread over several first octets; two of one octet are neighbors.
fn block(i: usize) -> IpNet {
    let address = std::net::Ipv4Addr::new(20 + (i % 8) as u8, (i / 8) as u8, 0, 0);
    IpNet::V4(Ipv4Net::new_assert(address, 16))
}

/// Different AS numbers with nothing special about them.
fn numbers(dice: &mut Dice) -> Vec<Asn> {
    let mut out = Vec::new();
    while out.len() < ASES {
        let asn = Asn(1_000 + dice.roll(59_000) as u32);
        let is_special =
            registry::bogon_asn(asn).is_some() || registry::is_route_server(asn) || registry::is_scrubber(asn);
        if !is_special && !out.contains(&asn) {
            out.push(asn);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_reached_and_no_path_is_a_valley() {
        let graph = Graph::new(1);
        for (i, (_, holder)) in graph.prefixes.iter().enumerate().take(40) {
            let routes = graph.spread(&[vec![*holder]], i, None);
            assert!(routes.iter().all(Option::is_some), "{holder} is not reached by all");
            for route in routes.iter().flatten() {
                // From the origin: up, at most once flat, then down.
                let steps: Vec<Relation> =
                    route.path.windows(2).rev().filter_map(|w| graph.relation(w[1], w[0])).collect();
                let top = steps.iter().position(|s| *s != Relation::Provider).unwrap_or(steps.len());
                let after = &steps[(top + 1).min(steps.len())..];
                let is_hybrid =
                    route.path.windows(2).any(|w| graph.links[w[0]].iter().any(|l| l.to == w[1] && l.is_hybrid));
                assert!(is_hybrid || after.iter().all(|s| *s == Relation::Customer), "{:?}", route.path);
            }
        }
    }
}
