//! What can go wrong in a world, and which sessions would hear it.

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnet::{IpNet, Ipv4Net};
use rules::relations::Relation;
use rules::testing::world::Dice;

use super::graph::{ASES, Graph, Leaker, Node, Routes};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The prefix of another.
    Origin,
    /// A part of it.
    Subprefix,
    /// What covers the prefixes of two others.
    Superprefix,
    /// The prefix of another, as if heard from its holder.
    ForgedOrigin,
    /// A part of it, as if heard from its holder.
    ForgedPart,
    /// The prefix of another, as if heard from a provider of its holder.
    ForgedTwoHops,
    /// A part of it, in the same way.
    ForgedPartTwoHops,
    /// RFC 7908 types 1 to 4.
    Leak(u8),
    /// Type 5: prefixes of many others.
    Reorigination,
    /// Type 6: many parts of its own.
    MoreSpecifics,
    /// Parts of others, made for oneself and given on with the way to them behind.
    Optimizer,
}

pub const KINDS: [Kind; 14] = [
    Kind::Origin,
    Kind::Subprefix,
    Kind::Superprefix,
    Kind::ForgedOrigin,
    Kind::ForgedPart,
    Kind::ForgedTwoHops,
    Kind::Leak(1),
    Kind::Leak(2),
    Kind::Leak(3),
    Kind::Leak(4),
    Kind::Reorigination,
    Kind::MoreSpecifics,
    Kind::Optimizer,
    Kind::ForgedPartTwoHops,
];

/// Prefixes of one leak: relations alone count from five on.
const LEAKED: usize = 8;
/// Prefixes of a re-origination, each of another holder.
const TAKEN: usize = 25;
/// Parts that make a leak of type 6.
const PARTS: usize = 60;
/// Attempts to find an AS that can do it.
const ATTEMPTS: usize = 400;

/// A session that hears of the fault, of which prefix, and how.
pub struct Heard {
    pub session: usize,
    pub prefix: IpNet,
    pub path: Rc<[Node]>,
}

pub struct Fault {
    pub by: Node,
    pub prefixes: BTreeSet<IpNet>,
    pub heard: Vec<Heard>,
}

/// A fault of that kind, if the dice find an AS that can do it and is not among those that did something before.
pub fn find(graph: &Graph, usual: &[Routes], kind: Kind, done: &BTreeSet<Node>, dice: &mut Dice) -> Option<Fault> {
    (0..ATTEMPTS).find_map(|_| {
        let by = dice.roll(ASES);
        let is_sibling = graph.siblings.iter().any(|s| s.contains(&by));
        if done.contains(&by) || is_sibling {
            return None;
        }
        let fault = attempt(graph, usual, kind, by, dice)?;
        (!fault.heard.is_empty()).then_some(fault)
    })
}

fn attempt(graph: &Graph, usual: &[Routes], kind: Kind, by: Node, dice: &mut Dice) -> Option<Fault> {
    let i = dice.roll(graph.prefixes.len());
    let (prefix, holder) = graph.prefixes[i];
    let is_stranger = holder != by && graph.relation(by, holder).is_none();
    if !is_stranger && !matches!(kind, Kind::Leak(_) | Kind::MoreSpecifics | Kind::Reorigination) {
        return None;
    }
    let mut fault = Fault { by, prefixes: BTreeSet::new(), heard: Vec::new() };
    match kind {
        Kind::Origin => {
            let routes = graph.spread(&[vec![holder], vec![by]], i, None);
            fault.add(graph, prefix, &routes, |path| path.last() == Some(&by));
        }
        Kind::Subprefix => fault.add_all(graph, part(&prefix, dice.roll(256)), &[by]),
        Kind::Superprefix => {
            let wide = IpNet::new(prefix.network(), 15).ok()?.trunc();
            let is_own = graph.prefixes.iter().any(|(p, h)| *h == by && wide.contains(p));
            if is_own {
                return None;
            }
            fault.add_all(graph, wide, &[by]);
        }
        Kind::ForgedOrigin => {
            let routes = graph.spread(&[vec![holder], vec![by, holder]], i, None);
            fault.add(graph, prefix, &routes, |path| path.ends_with(&[by, holder]));
        }
        Kind::ForgedPart => fault.add_all(graph, part(&prefix, dice.roll(256)), &[by, holder]),
        Kind::ForgedTwoHops | Kind::ForgedPartTwoHops => {
            let between = *dice.pick(&graph.neighbors(holder, Relation::Provider))?;
            if between == by || graph.relation(by, between).is_some() {
                return None;
            }
            if kind == Kind::ForgedPartTwoHops {
                fault.add_all(graph, part(&prefix, dice.roll(256)), &[by, between, holder]);
                return Some(fault);
            }
            let routes = graph.spread(&[vec![holder], vec![by, between, holder]], i, None);
            fault.add(graph, prefix, &routes, |path| path.ends_with(&[by, between, holder]));
        }
        Kind::Leak(rfc7908_type) => leak(graph, usual, rfc7908_type, &mut fault, dice)?,
        Kind::Reorigination => {
            for _ in 0..TAKEN {
                let i = dice.roll(graph.prefixes.len());
                let (prefix, holder) = graph.prefixes[i];
                if holder == by || graph.relation(by, holder).is_some() {
                    continue;
                }
                let routes = graph.spread(&[vec![holder], vec![by]], i, None);
                fault.add(graph, prefix, &routes, |path| path.last() == Some(&by));
            }
        }
        Kind::MoreSpecifics => {
            let (own, _) = graph.prefixes.iter().find(|(_, h)| *h == by)?;
            (0..PARTS).for_each(|k| fault.add_all(graph, part(own, k), &[by]));
        }
        Kind::Optimizer => {
            let from = |r: &Routes| r[by].as_ref().map(|r| r.path.clone());
            let providers = graph.neighbors(by, Relation::Provider);
            for _ in 0..LEAKED {
                let i = dice.roll(graph.prefixes.len());
                let (prefix, holder) = graph.prefixes[i];
                let path = from(&usual[i])?;
                let is_from_provider = path.len() > 2 && providers.contains(&path[1]) && providers.len() > 1;
                if holder == by || !is_from_provider {
                    continue;
                }
                fault.add_all(graph, part(&prefix, 128), &path);
            }
            // What goes back to where it came from, or down, is no harm.
            fault.heard.retain(|h| leaves(graph, by, &h.path, Relation::Provider));
        }
    }
    Some(fault)
}

/// A route of a peer or provider that goes on to another peer or provider.
fn leak(graph: &Graph, usual: &[Routes], rfc7908_type: u8, fault: &mut Fault, dice: &mut Dice) -> Option<()> {
    let by = fault.by;
    let (from, to) = match rfc7908_type {
        1 => (Relation::Provider, Relation::Provider),
        2 => (Relation::LateralPeer, Relation::LateralPeer),
        3 => (Relation::Provider, Relation::LateralPeer),
        _ => (Relation::LateralPeer, Relation::Provider),
    };
    let sources = graph.neighbors(by, from);
    if graph.neighbors(by, to).len() < 1 + usize::from(from == to) {
        return None;
    }
    let source_of = |i: &usize| usual[*i][by].as_ref().and_then(|r| r.path.get(1)).copied();
    // One neighbor's routes, so that the leak is one triple.
    let source = source_of(&dice.roll(usual.len())).filter(|s| sources.contains(s))?;
    let mut candidates: Vec<usize> = (0..usual.len()).filter(|i| source_of(i) == Some(source)).collect();
    for _ in 0..3 * LEAKED {
        if fault.prefixes.len() == LEAKED || candidates.is_empty() {
            break;
        }
        let i = candidates.swap_remove(dice.roll(candidates.len()));
        let (prefix, holder) = graph.prefixes[i];
        let routes = graph.spread(&[vec![holder]], i, Some(Leaker { node: by, to }));
        fault.add(graph, prefix, &routes, |path| leaves(graph, by, path, to));
    }
    Some(())
}

/// The path goes from that AS to a neighbor of that kind.
fn leaves(graph: &Graph, by: Node, path: &[Node], to: Relation) -> bool {
    path.windows(2).any(|w| w[1] == by && graph.neighbors(by, to).contains(&w[0]))
}

impl Fault {
    /// Holders of the prefixes that two sessions hear of, or more.
    pub fn victims(&self, graph: &Graph) -> usize {
        let sessions = |prefix: &IpNet| self.heard.iter().filter(|h| h.prefix == *prefix).count();
        let is_taken = |prefix: &IpNet| self.prefixes.contains(prefix) && sessions(prefix) >= 2;
        let holders = graph.prefixes.iter().filter(|(prefix, _)| is_taken(prefix)).map(|(_, holder)| *holder);
        holders.collect::<BTreeSet<Node>>().len()
    }

    fn add(&mut self, graph: &Graph, prefix: IpNet, routes: &Routes, is_wrong: impl Fn(&[Node]) -> bool) {
        for session in 0..graph.vantage.len() {
            if let Some(path) = graph.heard(session, routes).filter(|p| is_wrong(p)) {
                self.prefixes.insert(prefix);
                self.heard.push(Heard { session, prefix, path });
            }
        }
    }

    /// A prefix that nobody else announces.
    fn add_all(&mut self, graph: &Graph, prefix: IpNet, source: &[Node]) {
        let routes = graph.spread(&[source.to_vec()], 0, None);
        self.add(graph, prefix, &routes, |_| true);
    }

    /// Leaves so many of the sessions that hear it; the others are behind filters.
    pub fn limit(&mut self, sessions: usize, dice: &mut Dice) {
        let mut all: Vec<usize> = self.heard.iter().map(|h| h.session).collect::<BTreeSet<_>>().into_iter().collect();
        let mut kept = BTreeSet::new();
        while kept.len() < sessions && !all.is_empty() {
            kept.insert(all.swap_remove(dice.roll(all.len())));
        }
        self.heard.retain(|h| kept.contains(&h.session));
        self.prefixes = self.heard.iter().map(|h| h.prefix).collect();
    }
}

/// The i-th /24 of a /16.
pub fn part(prefix: &IpNet, i: usize) -> IpNet {
    let IpNet::V4(v4) = prefix else { return *prefix };
    let [a, b, ..] = v4.network().octets();
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, (i % 256) as u8, 0), 24))
}
