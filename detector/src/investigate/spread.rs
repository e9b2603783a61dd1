//! Through whom did it spread, how far, and who saw it?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rules::bgp::{Asn, Family, Timestamp};

use super::case::Case;
use super::report::{AcceptedBy, Message, Minute, Never, Origin, Saw, Spread, Step, Witnesses};
use super::spans::Span;
use super::timeline::{Count, counts};
use crate::text;

/// Minutes of one report: a week. Of a longer window the week from its beginning on is drawn.
const MINUTES: usize = 7 * 1_440;
/// Minutes before it.
const BEFORE: i64 = 10;
/// Steps of the tree: 90 peers by ways of five ASes each, mostly shared. 500 x about 400 octets.
const STEPS: usize = 500;
/// Vantage points named one by one: all of RIS have about 1,500. 2,000 x about 500 octets = 1 MB of JSON.
const NAMED: usize = 2_000;
/// Origins named one by one.
const ORIGINS: usize = 256;

pub fn spread(case: &Case<'_>, offending: &[Count]) -> Spread {
    let (tree, tree_left_out) = tree(case);
    let full_feed_peak = offending.iter().map(|count| count.full_feed).max().unwrap_or_default();
    Spread {
        peer_ases_peak: offending.iter().map(|count| count.peer_ases).max().unwrap_or_default(),
        full_feed_peers: case.full_feed.len(),
        full_feed_share_peak: case.share(full_feed_peak).filter(|_| !offending.is_empty()),
        minutes: minutes(case, offending),
        accepted_by: accepted_by(case),
        tree,
        tree_left_out,
    }
}

/// The most of every minute of the window.
fn minutes(case: &Case<'_>, offending: &[Count]) -> Vec<Minute> {
    if offending.is_empty() {
        return Vec::new();
    }
    let prefixes = case.prefixes();
    let is_expected = |span: &&Span| {
        prefixes.contains(&span.prefix())
            && span.as_path(case.trail).origin_as().is_some_and(|asn| case.expected.contains(&asn))
    };
    let expected = counts(case, case.spans.iter().filter(is_expected));
    let (mut first, end) = (case.from.secs().div_euclid(60), case.to.secs().div_euclid(60));
    if end - first >= MINUTES as i64 {
        first = first.max(offending[0].time.secs().div_euclid(60) - BEFORE);
    }
    let last = end.min(first + MINUTES as i64 - 1);
    let (offending, expected) = (most(offending, first, last), most(&expected, first, last));
    (first..=last)
        .zip(offending.into_iter().zip(expected))
        .map(|(minute, ((peer_ases, full_feed), (expected_peer_ases, _)))| Minute {
            minute: super::report::Time(Timestamp::from_secs(minute * 60)),
            peer_ases,
            full_feed,
            full_feed_share: case.share(full_feed),
            expected_peer_ases,
        })
        .collect()
}

/// The highest counts within each minute; what stood at its beginning counts as well.
fn most(counts: &[Count], first: i64, last: i64) -> Vec<(usize, usize)> {
    let mut highest = Vec::new();
    let (mut now, mut next) = ((0, 0), 0);
    for minute in first..=last {
        let mut most = now;
        while let Some(count) = counts.get(next).filter(|count| count.time.secs() < (minute + 1) * 60) {
            now = (count.peer_ases, count.full_feed);
            // What was there before the window and is gone by then is none of it.
            let is_before = count.time.secs() < minute * 60;
            most = if is_before { now } else { (most.0.max(now.0), most.1.max(now.1)) };
            next += 1;
        }
        highest.push(most);
    }
    highest
}

/// The AS directly left of the suspect in each path, and who had the route by it.
fn accepted_by(case: &Case<'_>) -> Vec<AcceptedBy> {
    let mut by: BTreeMap<Asn, (u32, BTreeSet<Asn>)> = BTreeMap::new();
    for span in case.offending() {
        let path = span.as_path(case.trail).compressed();
        let Some(at) = case.place_of_suspect(&path).filter(|at| *at > 0) else { continue };
        let entry = by.entry(path[at - 1]).or_insert((span.began, BTreeSet::new()));
        entry.0 = entry.0.min(span.began);
        entry.1.insert(case.peer_as(span));
    }
    let mut list: Vec<_> = by.into_iter().collect();
    list.sort_by_key(|(asn, (first, _))| (*first, *asn));
    list.into_iter()
        .map(|(asn, (first, peers))| AcceptedBy { asn: asn.0, peer_ases: peers.len(), first: case.message(first) })
        .collect()
}

/// The ways from the suspect on as a tree, in the order of their first messages, and how many steps found no room.
fn tree(case: &Case<'_>) -> (Vec<Step>, usize) {
    struct Node {
        asn: Asn,
        via: Option<usize>,
        depth: usize,
        first: u32,
        peers: BTreeSet<Asn>,
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut index: HashMap<(Option<usize>, Asn), usize> = HashMap::new();
    let mut left_out = BTreeSet::new();
    for span in case.offending() {
        let path = span.as_path(case.trail).compressed();
        let Some(at) = case.place_of_suspect(&path) else { continue };
        let mut via = None;
        for (depth, asn) in path[..=at].iter().rev().enumerate() {
            let node = match index.get(&(via, *asn)) {
                Some(node) => *node,
                None if nodes.len() >= STEPS => {
                    left_out.insert((via, *asn));
                    break;
                }
                None => {
                    index.insert((via, *asn), nodes.len());
                    nodes.push(Node { asn: *asn, via, depth, first: span.began, peers: BTreeSet::new() });
                    nodes.len() - 1
                }
            };
            nodes[node].peers.insert(case.peer_as(span));
            via = Some(node);
        }
    }
    let step = |node: &Node| Step {
        asn: node.asn.0,
        via: node.via,
        depth: node.depth,
        peer_ases: node.peers.len(),
        first: case.message(node.first),
    };
    (nodes.iter().map(step).collect(), left_out.len())
}

/// Who originated what within the window, and how many pairs of prefix and origin there are.
pub fn origins(case: &Case<'_>) -> (Vec<Origin>, usize) {
    struct Held {
        first: u32,
        last_end: Option<u32>,
        is_held: bool,
        is_suspect: bool,
        is_from_dump: bool,
        peers: BTreeSet<Asn>,
    }
    let mut by: BTreeMap<(ipnet::IpNet, Option<Asn>), Held> = BTreeMap::new();
    for (span, is_offending) in case.spans.iter().zip(&case.is_offending) {
        if !span.touches(case.trail, case.from, case.to) {
            continue;
        }
        let key = (span.prefix(), span.as_path(case.trail).origin_as());
        let held = by.entry(key).or_insert(Held {
            first: span.began,
            last_end: None,
            is_held: false,
            is_suspect: false,
            is_from_dump: span.is_from_dump(case.trail),
            peers: BTreeSet::new(),
        });
        held.is_suspect |= is_offending;
        held.peers.insert(case.peer_as(span));
        held.is_held |= span.ended.is_none();
        held.last_end = held.last_end.max(span.ended.map(|(at, _)| at));
    }
    let mut list: Vec<_> = by.into_iter().collect();
    list.sort_by_key(|((prefix, origin), held)| (!held.is_suspect, *prefix, held.first, *origin));
    let count = list.len();
    let named = list.into_iter().take(ORIGINS);
    let named = named
        .map(|((prefix, origin), held)| Origin {
            prefix: prefix.to_string(),
            origin_as: origin.map(|asn| asn.0),
            is_suspect: held.is_suspect,
            is_from_dump: held.is_from_dump,
            peer_ases: held.peers.len(),
            first: case.message(held.first),
            last_end: held.last_end.filter(|_| !held.is_held).map(|at| case.message(at)),
        })
        .collect();
    (named, count)
}

/// Who saw it, and who was there and never did.
pub fn witnesses(case: &Case<'_>) -> Witnesses {
    let families: BTreeSet<usize> = case.prefixes().iter().map(|prefix| Family::of(prefix) as usize).collect();
    if families.is_empty() {
        return Witnesses::default();
    }
    let mut spans: BTreeMap<u32, Vec<&Span>> = BTreeMap::new();
    case.offending().for_each(|span| spans.entry(span.vantage).or_default().push(span));
    let (mut saw, mut never) = (Vec::new(), Vec::new());
    let (mut saw_ases, mut all_ases) = (BTreeSet::new(), BTreeSet::new());
    for (number, vantage) in case.trail.vantages.iter().enumerate() {
        let point = &vantage.point;
        let is_full_feed = case.is_full_feed(point.peer_as);
        let collector = text::plain(&point.collector, 64);
        let (peer_as, peer_address) = (point.peer_as.0, point.peer_address.to_string());
        if let Some(spans) = spans.get(&(number as u32)) {
            saw_ases.insert(point.peer_as);
            let (first, last_end) = ends(case, spans);
            let held_secs = held_secs(case, spans);
            saw.push((
                spans[0].began,
                Saw { collector, peer_as, peer_address, is_full_feed, first, last_end, held_secs },
            ));
        } else if families.iter().any(|family| vantage.is_heard[*family]) {
            let dump_routes = families.iter().map(|family| vantage.table[*family]).sum();
            never.push(Never { collector, peer_as, peer_address, is_full_feed, dump_routes });
            all_ases.insert(point.peer_as);
        }
    }
    saw.sort_by_key(|(first, _)| *first);
    let order = |n: &Never| (!n.is_full_feed, n.collector.clone(), n.peer_as, n.peer_address.clone());
    never.sort_by_key(order);
    let (saw_count, never_count) = (saw.len(), never.len());
    never.truncate(NAMED);
    Witnesses {
        saw_count,
        saw_peer_ases: saw_ases.len(),
        never_count,
        never_peer_ases: all_ases.difference(&saw_ases).count(),
        saw: saw.into_iter().take(NAMED).map(|(_, saw)| saw).collect(),
        never,
    }
}

/// The first message, and the one after which it held none.
fn ends(case: &Case<'_>, spans: &[&Span]) -> (Message, Option<Message>) {
    let is_held = spans.iter().any(|span| span.ended.is_none());
    let last = spans.iter().filter_map(|span| span.ended).map(|(at, _)| at).max().filter(|_| !is_held);
    (case.message(spans[0].began), last.map(|at| case.message(at)))
}

/// Seconds of the window in which at least one was held.
fn held_secs(case: &Case<'_>, spans: &[&Span]) -> f64 {
    let mut times: Vec<(Timestamp, Timestamp)> = (spans.iter())
        .map(|span| (span.start(case.trail).max(case.from), span.end(case.trail).unwrap_or(case.to).min(case.to)))
        .collect();
    times.sort_unstable();
    let (mut secs, mut until) = (0.0, Timestamp::MIN);
    for (from, to) in times {
        let from = from.max(until);
        if to > from {
            secs += to.secs_since(from);
            until = to;
        }
    }
    (secs * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::case::{Offending, Terms};
    use crate::investigate::gather::Trail;
    use crate::investigate::question::Claim;
    use crate::investigate::testing::Story;

    fn story() -> Trail {
        Story::new()
            .held(0, 0, "192.0.2.0/24", "64500 64496")
            .held(0, 3, "198.51.100.0/24", "64503 64497")
            .announced(70, 0, "192.0.2.0/24", "64500 64505 64511 64511")
            .announced(75, 1, "192.0.2.0/24", "64501 64500 64505 64511")
            .announced(80, 2, "192.0.2.0/24", "64502 64506 64511")
            .withdrawn(90, 2, "192.0.2.0/24")
            .withdrawn(190, 0, "192.0.2.0/24")
            .withdrawn(250, 1, "192.0.2.0/24")
            .trail()
    }

    fn with(test: impl FnOnce(&Case<'_>)) {
        let (trail, offending) = (story(), Offending::default());
        let claim = Claim { suspects: vec![Asn(64511)], victims: vec![Asn(64496)], ..Claim::default() };
        let full_feed = [Asn(64500), Asn(64501), Asn(64503)].into();
        let terms = Terms { alert: None, claim: Some(&claim), offending: &offending, from: None, to: None, full_feed };
        test(&Case::new(&trail, terms));
    }

    #[test]
    fn each_minute_has_its_most_also_of_what_was_gone_at_its_end() {
        with(|case| {
            let spread = spread(case, &counts(case, case.offending()));
            let told: Vec<_> =
                spread.minutes.iter().map(|m| (m.peer_ases, m.full_feed, m.expected_peer_ases)).collect();
            assert_eq!(told, [(3, 2, 1), (2, 2, 0), (2, 2, 0), (1, 1, 0)]);
            assert_eq!((spread.peer_ases_peak, spread.full_feed_share_peak), (3, Some(0.6667)));
        });
    }

    #[test]
    fn of_a_long_window_the_week_from_the_beginning_on_is_told() {
        let (trail, offending) = (story(), Offending::default());
        let claim = Claim { suspects: vec![Asn(64511)], ..Claim::default() };
        let (from, to) = (Some(Timestamp::from_secs(-90 * 86_400)), Some(Timestamp::from_secs(90 * 86_400)));
        let terms = Terms { alert: None, claim: Some(&claim), offending: &offending, from, to, full_feed: [].into() };
        let case = Case::new(&trail, terms);
        let minutes = minutes(&case, &counts(&case, case.offending()));
        assert_eq!((minutes.len(), minutes[0].minute.0.secs()), (MINUTES, -540));
        assert_eq!(minutes[10].peer_ases, 3);
    }

    #[test]
    fn it_spread_first_by_whom_took_it_from_the_suspect() {
        with(|case| {
            let by: Vec<_> = accepted_by(case).iter().map(|a| (a.asn, a.peer_ases, a.first.time.0.secs())).collect();
            assert_eq!(by, [(64505, 2, 70), (64506, 1, 80)]);
            let (tree, left_out) = tree(case);
            let steps: Vec<_> = tree.iter().map(|s| (s.asn, s.via, s.depth, s.peer_ases)).collect();
            let first = [(64511, None, 0, 3), (64505, Some(0), 1, 2), (64500, Some(1), 2, 2), (64501, Some(2), 3, 1)];
            assert_eq!(steps[..4], first);
            assert_eq!((steps[4..].to_vec(), left_out), (vec![(64506, Some(0), 1, 1), (64502, Some(4), 2, 1)], 0));
        });
    }

    #[test]
    fn who_was_there_and_never_saw_it_is_named_as_well() {
        with(|case| {
            let witnesses = witnesses(case);
            let saw: Vec<_> = witnesses.saw.iter().map(|s| (s.peer_as, s.held_secs)).collect();
            assert_eq!(saw, [(64500, 120.0), (64501, 175.0), (64502, 10.0)]);
            let never: Vec<_> = witnesses.never.iter().map(|n| (n.peer_as, n.dump_routes)).collect();
            assert_eq!((never, witnesses.never_peer_ases), (vec![(64503, 1)], 1));
        });
    }

    #[test]
    fn origins_are_told_with_their_first_message_and_the_suspect_before_all() {
        with(|case| {
            let told: Vec<_> = (origins(case).0.iter())
                .map(|o| {
                    (o.origin_as, o.is_suspect, o.is_from_dump, o.peer_ases, o.last_end.as_ref().map(|m| m.record))
                })
                .collect();
            let first = (Some(64511), true, false, 3, Some(8));
            assert_eq!(told, [first, (Some(64496), false, true, 1, Some(3)), (Some(64497), false, true, 1, None)]);
        });
    }
}
