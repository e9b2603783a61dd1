//! Who sells to whom, and which way do routes go?
//!
//! Four tiers: a clique of lateral peers, carriers below it, regional transit below them, and nine in ten ASes at the
//! edge. Every AS but the clique buys from one to three ASes above it, so each chain of providers ends in the clique.
//! A path goes up such a chain from its origin, over one lateral link at most, and down a chain to who tells it:
//! valley-free by construction (RFC 7908 section 3 names what it never does).

use rules::alert::Source;
use rules::bgp::Asn;
use rules::registry;
use rules::relations::{Relation, Relations};
use smallvec::SmallVec;

use super::dice::{Dice, below, mix};

/// An AS by its place, from the top of the hierarchy down.
pub type As = u32;

/// ASes of a path, who tells it first. Room for the longest way with its prepends.
pub type Path = SmallVec<[Asn; 14]>;

/// From an AS up to the clique: one of each tier at most.
type Chain = SmallVec<[As; 4]>;

const CLIQUE: usize = 16;

#[derive(Clone, Debug)]
pub struct Topology {
    seed: u64,
    numbers: Vec<Asn>,
    /// Where the tiers below the clique begin: carriers, regional transit, the edge.
    tiers: [usize; 3],
    /// The providers of AS `i` are `providers[first[i]..first[i + 1]]`.
    first: Vec<u32>,
    providers: Vec<As>,
}

impl Topology {
    pub fn new(seed: u64, ases: usize) -> Self {
        let carriers = CLIQUE + (ases / 100).max(8);
        let tiers = [CLIQUE, carriers, carriers + (ases / 11).max(16)];
        assert!(tiers[2] < ases, "too few ASes for four tiers");
        let mut dice = Dice(seed ^ 0x746f_706f);
        let (mut first, mut providers) = (vec![0], Vec::with_capacity(2 * ases));
        for asn in 0..ases {
            let known = providers.len();
            for _ in 0..if asn < CLIQUE { 0 } else { [1, 1, 2, 2, 3][dice.roll(5)] } {
                let provider = seller(asn, tiers, &mut dice);
                if !providers[known..].contains(&provider) {
                    providers.push(provider);
                }
            }
            first.push(providers.len() as u32);
        }
        Self { seed, numbers: numbers(ases), tiers, first, providers }
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub fn number(&self, asn: As) -> Asn {
        self.numbers[asn as usize]
    }

    pub fn providers(&self, asn: As) -> &[As] {
        &self.providers[self.first[asn as usize] as usize..self.first[asn as usize + 1] as usize]
    }

    /// An AS as collectors have them for peers: carriers and regional transit mostly.
    pub fn peer(&self, dice: &mut Dice) -> As {
        let [clique, carriers, regional] = self.tiers;
        let (from, to) = match dice.roll(20) {
            0 => (0, clique),
            1..=7 => (clique, carriers),
            8..=16 => (carriers, regional),
            _ => (regional, self.len()),
        };
        (from + dice.roll(to - from)) as As
    }

    /// The route to `origin` as `teller` has it. Another `variant` is the same origin heard over other providers, or with
    /// other prepends, of which there are a few; 0 is the usual one.
    pub fn path(&self, teller: As, origin: As, variant: u64) -> Path {
        let up = self.chain(origin, variant);
        let down = self.chain(teller, u64::from(origin) + 1);
        let (i, j) = self.meeting(&up, &down);
        let mut path = Path::new();
        path.extend(down[..=j].iter().map(|asn| self.number(*asn)));
        let shared = usize::from(down[j] == up[i]);
        path.extend(up[..=i].iter().rev().skip(shared).map(|asn| self.number(*asn)));
        // One in five routes is made longer by its origin.
        let taste = mix(self.seed ^ 1, u64::from(origin), variant);
        if let (0, Some(last)) = (taste % 5, path.last().copied()) {
            path.extend(std::iter::repeat_n(last, 1 + (taste >> 8) as usize % 3));
        }
        path
    }

    /// Providers of providers up to the clique.
    fn chain(&self, from: As, taste: u64) -> Chain {
        let mut chain = Chain::from_slice(&[from]);
        let mut at = from;
        loop {
            let providers = self.providers(at);
            if providers.is_empty() {
                return chain;
            }
            let choice = if taste == 0 { 0 } else { below(mix(self.seed, u64::from(at), taste), providers.len()) };
            at = providers[choice];
            chain.push(at);
        }
    }

    /// The shortest way from one chain to the other: a common AS, or two that are lateral peers. The clique is both.
    fn meeting(&self, up: &[As], down: &[As]) -> (usize, usize) {
        let touch = |(i, j): &(usize, usize)| up[*i] == down[*j] || self.are_lateral(up[*i], down[*j]);
        let of_length = |length: usize| (0..=length).map(move |i| (i, length - i));
        let mut ways = (0..up.len() + down.len()).flat_map(of_length).filter(|(i, j)| *i < up.len() && *j < down.len());
        ways.find(touch).unwrap_or((up.len() - 1, down.len() - 1))
    }

    /// Carriers know one in eight of each other, regional transit one in 64.
    fn are_lateral(&self, a: As, b: As) -> bool {
        let tier = |asn: As| self.tiers.iter().filter(|first| asn as usize >= **first).count();
        let one_in = match (tier(a), tier(b)) {
            (0, 0) => return true,
            (1, 1) => 8,
            (2, 2) => 64,
            _ => return false,
        };
        let (low, high) = (a.min(b), a.max(b));
        // A provider is no lateral peer; within a tier nobody sells to each other.
        mix(self.seed ^ 2, u64::from(low), u64::from(high)).is_multiple_of(one_in)
    }

    /// Complete data about all of it.
    pub fn relations(&self, source: Source) -> Relations {
        let mut edges = Vec::new();
        for asn in 0..self.len() as As {
            let sells = |p: &As| (self.number(asn), self.number(*p), Relation::Provider);
            edges.extend(self.providers(asn).iter().map(sells));
        }
        let [clique, carriers, regional] = self.tiers.map(|first| first as As);
        for (from, to) in [(0, clique), (clique, carriers), (carriers, regional)] {
            for a in from..to {
                let knows = (a + 1..to).filter(|b| self.are_lateral(a, *b));
                edges.extend(knows.map(|b| (self.number(a), self.number(b), Relation::LateralPeer)));
            }
        }
        let top = self.numbers[..CLIQUE].to_vec();
        Relations::new(source, edges, top, Vec::new(), Vec::new())
    }
}

/// A provider in a tier above, the large ones more often.
fn seller(asn: usize, [clique, carriers, regional]: [usize; 3], dice: &mut Dice) -> As {
    let tier = match (asn, dice.roll(20)) {
        (asn, _) if asn < carriers => 0..clique,
        (asn, 0..=3) if asn < regional => 0..clique,
        (asn, _) if asn < regional => clique..carriers,
        (_, 0) => 0..clique,
        (_, 1..=5) => clique..carriers,
        _ => carriers..regional,
    };
    (tier.start + dice.skewed(tier.len(), 2)) as As
}

/// Numbers that mean nothing else: no bogons, no route servers, no scrubbers.
fn numbers(count: usize) -> Vec<Asn> {
    let free = (1_000..60_000).chain(200_000..).map(Asn);
    let plain = |asn: &Asn| {
        registry::bogon_asn(*asn).is_none() && !registry::is_route_server(*asn) && !registry::is_scrubber(*asn)
    };
    free.filter(plain).take(count).collect()
}
