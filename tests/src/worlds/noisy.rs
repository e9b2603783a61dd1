//! Sessions that say what is not so: one that floods, one that never stays up, one behind a route optimizer, two whose messages
//! are misread (S 10.7). Each then accuses a stranger of taking a watched network, where one witness is enough: it must not be
//! heard, until two others say the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use rules::alert::{Alert, Status, Transition};
use rules::bgp::{Nlri, Nlris};
use rules::limits;
use rules::session::Cause;
use rules::testing::world::Dice;

use super::day::Day;
use super::fault::part;
use super::graph::{Graph, Node, VANTAGE_POINTS};
use super::{PAUSE_SECS, usual};
use crate::table::{Floor, Table};

#[derive(Clone, Copy, Debug)]
enum Noise {
    /// Parts of its own block, all of them, again and again.
    Flood,
    /// Down again, time after time.
    Resets,
    /// Parts of the networks of many others.
    Optimizer,
    /// Path identifiers (RFC 7911) taken for routes.
    IdentifiersAsRoutes,
    /// Routes taken for path identifiers.
    RoutesAsIdentifiers,
}

const NOISES: [(Noise, Cause); 5] = [
    (Noise::Flood, Cause::Flood),
    (Noise::Resets, Cause::Resets),
    (Noise::Optimizer, Cause::LoneWitness),
    (Noise::IdentifiersAsRoutes, Cause::DecodeDesync),
    (Noise::RoutesAsIdentifiers, Cause::DecodeDesync),
];

/// Parts of a block.
const PARTS: usize = 256;
/// Messages of a flood between two of which the path changes.
const ALIKE: usize = 20;
/// Victims of an optimizer, and parts of each: some more than need be.
const VICTIMS: usize = 2 * limits::LONE_VICTIMS;
const PARTS_OF_EACH: usize = 4;
/// Messages that are misread: few of a table make sense of any kind in the wrong way.
const MISREAD: usize = 3_000;
/// Times that a session goes down, a minute each; in that time it is forgiven some.
const RESETS: i64 = 2 * limits::RESETS;

#[derive(Default)]
struct Tally {
    sessions: usize,
    /// For the reason that it has.
    set_aside: usize,
    counted: usize,
    /// Incidents that stood while this session alone bore witness.
    cries: usize,
    /// The hijack was told when two others had seen it.
    heard_of_others: usize,
    believed_again: usize,
}

pub fn measure(worlds: usize, table: &mut Table) {
    table.title("(d) sessions that are not to be believed");
    let worlds = worlds.div_ceil(2);
    table.line(format!("seeds 800 to {}", 799 + worlds));
    let mut tallies: Vec<Tally> = NOISES.iter().map(|_| Tally::default()).collect();
    for seed in 800..800 + worlds as u64 {
        let graph = Graph::new(seed);
        let mut dice = Dice(seed);
        let mut day = Day::new(&graph, 0, &mut dice);
        let watched: Vec<usize> = (0..graph.prefixes.len()).step_by(5).collect();
        day.watch(&graph, &watched);
        for (tally, (noise, cause)) in tallies.iter_mut().zip(NOISES) {
            live_through(&graph, &mut day, &watched, (noise, cause), &mut dice, tally, table);
        }
    }
    table.line(format!(
        "{:<22} {:>8} {:>9} {:>8} {:>6} {:>7} {:>9}",
        "noise", "sessions", "set aside", "counted", "cries", "others", "again"
    ));
    for (tally, (noise, _)) in tallies.iter().zip(NOISES) {
        let Tally { sessions, set_aside, counted, cries, heard_of_others, believed_again } = tally;
        table.line(format!(
            "{:<22} {sessions:>8} {set_aside:>9} {counted:>8} {cries:>6} {heard_of_others:>7} {believed_again:>9}",
            format!("{noise:?}")
        ));
    }
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>();
    let sessions = sum(|t| t.sessions);
    table.check("(d) noise: set aside for its reason", sum(|t| t.set_aside), sessions, Floor::Share(1.0));
    table.check("(d) noise: what it said was counted", sum(|t| t.counted), sessions, Floor::Share(1.0));
    table.check("(d) noise: incidents by its word alone", sum(|t| t.cries), sessions, Floor::AtMost(0));
    table.check("(d) noise: told when two others saw it", sum(|t| t.heard_of_others), sessions, Floor::Share(1.0));
    table.check("(d) noise: believed again later", sum(|t| t.believed_again), sessions, Floor::Share(1.0));
}

fn live_through(
    graph: &Graph,
    day: &mut Day,
    watched: &[usize],
    (noise, cause): (Noise, Cause),
    dice: &mut Dice,
    tally: &mut Tally,
    table: &Table,
) {
    let session = dice.roll(VANTAGE_POINTS);
    let (before, disbelieved) = (day.alerts.len(), day.disbelieved());
    make(graph, day, watched, noise, session, dice);
    tally.sessions += 1;
    tally.set_aside += usize::from(day.set_aside() == [(session, cause)]);

    let i = watched[dice.roll(watched.len())];
    let lie = part(&graph.prefixes[i].0, 77);
    let by = stranger(graph, graph.prefixes[i].1, dice);
    let path = |s: usize| vec![graph.ases[graph.vantage[s].0], graph.ases[by]];
    day.hear(session, lie, Some(path(session)));
    day.wait(100);
    let standing = standing(&day.alerts[before..]);
    standing.iter().for_each(|a| table.line(format!("  {noise:?}: {} {}", a.severity, a.title)));
    tally.cries += standing.len();
    // What cannot be read is not even judged.
    tally.counted += usize::from(day.disbelieved() > disbelieved || cause == Cause::DecodeDesync);

    let others: Vec<usize> = [1, 2].map(|k| (session + k) % VANTAGE_POINTS).into();
    let told = day.alerts.len();
    others.iter().for_each(|s| day.hear(*s, lie, Some(path(*s))));
    day.wait(100);
    let is_it = |a: &&Arc<Alert>| a.transition == Transition::Opened && a.prefixes.contains(&lie);
    tally.heard_of_others += usize::from(day.alerts[told..].iter().any(|a| is_it(&a)));
    others.iter().chain([&session]).for_each(|s| day.hear(*s, lie, None));

    if cause == Cause::DecodeDesync {
        day.peer_down(session);
        day.wait(60);
        day.peer_up(session);
    }
    day.wait(100);
    day.wait(limits::LONE_SECS);
    day.wait(PAUSE_SECS);
    tally.believed_again += usize::from(day.set_aside().is_empty());
}

/// Incidents of which the last word is not that they were taken back.
fn standing(alerts: &[Arc<Alert>]) -> Vec<&Arc<Alert>> {
    let last: BTreeMap<&str, &Arc<Alert>> = alerts.iter().map(|a| (a.id.as_str(), a)).collect();
    last.into_values().filter(|a| a.status != Status::Retracted).collect()
}

/// Somebody who has nothing to do with the holder.
fn stranger(graph: &Graph, holder: Node, dice: &mut Dice) -> Node {
    loop {
        let by = dice.roll(graph.ases.len());
        let is_sibling = graph.siblings.iter().any(|s| s.contains(&by));
        if by != holder && graph.relation(by, holder).is_none() && !is_sibling {
            return by;
        }
    }
}

fn make(graph: &Graph, day: &mut Day, watched: &[usize], noise: Noise, session: usize, dice: &mut Dice) {
    let node = graph.vantage[session].0;
    let peer = graph.ases[node];
    match noise {
        Noise::Flood => {
            let own = own_parts(graph, node);
            let rounds = limits::FLOOD_ROUTES as usize / PARTS + 200;
            for i in 0..rounds {
                let prepends = vec![peer; 1 + i / ALIKE % 3];
                day.send(session, own.clone(), Nlris::new(), &prepends);
            }
            day.send(session, Nlris::new(), own, &[]);
        }
        Noise::Resets => {
            for _ in 0..RESETS {
                day.peer_down(session);
                day.wait(20);
                day.peer_up(session);
                day.wait(40);
            }
        }
        Noise::Optimizer => {
            let usual = usual(graph);
            let at = watched.iter().filter(|i| usual[**i].iter().flatten().count() > 0).take(VICTIMS);
            let by = stranger(graph, graph.prefixes[watched[0]].1, dice);
            for i in at.filter(|i| graph.prefixes[**i].1 != by && graph.relation(by, graph.prefixes[**i].1).is_none()) {
                for k in 0..PARTS_OF_EACH {
                    day.hear(session, part(&graph.prefixes[*i].0, k), Some(vec![peer, graph.ases[by]]));
                }
            }
            day.wait(40);
        }
        Noise::IdentifiersAsRoutes | Noise::RoutesAsIdentifiers => {
            let was_sent_with = matches!(noise, Noise::IdentifiersAsRoutes);
            for _ in 0..MISREAD {
                let read = misread(&encoded(&any_message(dice), was_sent_with), was_sent_with);
                if let Some(read) = read {
                    day.send(session, read, Nlris::new(), &[peer, graph.ases[dice.roll(graph.ases.len())]]);
                }
            }
            day.wait(1);
        }
    }
}

fn own_parts(graph: &Graph, node: Node) -> Vec<Nlri> {
    let block = graph.prefixes.iter().find(|(_, h)| *h == node).map(|(p, _)| *p);
    block.into_iter().flat_map(|b| (0..PARTS).map(move |k| Nlri { prefix: part(&b, k), path_id: 0 })).collect()
}

/// A message of a whole table: some routes of one holder, all over the address space, most of them /24.
fn any_message(dice: &mut Dice) -> Vec<Nlri> {
    let count = 1 + dice.roll(6);
    (0..count).map(|_| any_route(dice)).collect()
}

fn any_route(dice: &mut Dice) -> Nlri {
    let address = Ipv4Addr::new(1 + dice.roll(223) as u8, dice.roll(256) as u8, dice.roll(256) as u8, 0);
    let length = if dice.roll(3) > 0 { 24 } else { 16 + dice.roll(8) as u8 };
    Nlri { prefix: IpNet::V4(Ipv4Net::new_assert(address, length).trunc()), path_id: 1 }
}

/// NLRI in octets (RFC 4271 section 4.3), with identifiers (RFC 7911 section 3) or without.
fn encoded(nlri: &[Nlri], with_identifiers: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for n in nlri {
        let IpNet::V4(net) = n.prefix else { continue };
        if with_identifiers {
            out.extend(n.path_id.to_be_bytes());
        }
        out.push(net.prefix_len());
        out.extend(&net.network().octets()[..usize::from(net.prefix_len()).div_ceil(8)]);
    }
    out
}

/// The octets read the wrong way; none if they make no sense at all.
fn misread(octets: &[u8], was_sent_with: bool) -> Option<Vec<Nlri>> {
    let mut rest = octets;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let mut path_id = 0;
        if !was_sent_with {
            let (id, after) = rest.split_first_chunk::<4>()?;
            (path_id, rest) = (u32::from_be_bytes(*id), after);
        }
        let (length, after) = rest.split_first()?;
        let (address, after) = after.split_at_checked(usize::from(*length).div_ceil(8))?;
        let mut octets = [0; 4];
        octets.get_mut(..address.len())?.copy_from_slice(address);
        let prefix = IpNet::V4(Ipv4Net::new(Ipv4Addr::from(octets), *length).ok()?.trunc());
        out.push(Nlri { prefix, path_id });
        rest = after;
    }
    Some(out)
}
