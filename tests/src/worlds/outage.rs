//! Watched networks that a share of the sessions loses, and what looks like it: flaps, sessions that go down, collectors that
//! start anew. How many outages are told as what they are, how soon, and what is said of those that are none.

use std::collections::BTreeSet;

use ipnet::IpNet;
use rules::alert::{Class, Transition};
use rules::relations::Relation;
use rules::testing::world::Dice;

use super::PAUSE_SECS;
use super::day::Day;
use super::graph::{Graph, Routes, VANTAGE_POINTS};
use super::usual;
use crate::table::{Floor, Table};

/// Of a hundred full-feed peers, so many lose the network. Below a tenth it is no outage, but somebody's own trouble.
const SHARES: [usize; 4] = [1, 10, 50, 100];
const LEAST: usize = 10;
/// Outages of each share in each world.
const OUTAGES: usize = 3;
/// Watched networks of a world.
const WATCHED: usize = 40;
const COLLECTORS: usize = 20;

#[derive(Clone, Copy, Debug)]
enum Benign {
    /// A half of the sessions is without it for less than the hold-down.
    Flap,
    /// A tenth of the sessions goes down, and comes back with its table.
    PeerDowns,
    /// All sessions of a collector.
    CollectorReset,
    /// Every session of every collector, at once.
    FeedLost,
    /// A session takes back its whole table and sends it again, without a word.
    TableWithdrawn,
    /// One of its providers is gone, if it has several.
    OtherWay,
}

const BENIGN: [Benign; 6] = [
    Benign::Flap,
    Benign::PeerDowns,
    Benign::CollectorReset,
    Benign::FeedLost,
    Benign::TableWithdrawn,
    Benign::OtherWay,
];

#[derive(Default)]
struct Tally {
    outages: usize,
    told: usize,
    over: usize,
    slowest: f64,
}

pub fn measure(worlds: usize, table: &mut Table) {
    table.title("(d) outages of watched networks, and what is none");
    table.line(format!("seeds 700 to {}; {WATCHED} watched networks in each", 699 + worlds));
    let mut by_share: Vec<Tally> = SHARES.iter().map(|_| Tally::default()).collect();
    let mut cries: Vec<usize> = vec![0; BENIGN.len()];
    let mut wrong = 0;
    for seed in 700..700 + worlds as u64 {
        let graph = Graph::new(seed);
        let usual = usual(&graph);
        let mut dice = Dice(seed);
        let mut day = Day::new(&graph, 0, &mut dice);
        let watched: Vec<usize> = (0..WATCHED).map(|i| i * graph.prefixes.len() / WATCHED).collect();
        day.watch(&graph, &watched);
        let mut left = watched.clone();
        for (tally, share) in by_share.iter_mut().zip(SHARES) {
            for _ in 0..OUTAGES {
                let i = left.swap_remove(dice.roll(left.len()));
                wrong += outage(&graph, &usual, &mut day, i, share, &mut dice, tally);
            }
        }
        for (cried, benign) in cries.iter_mut().zip(BENIGN) {
            let i = left.swap_remove(dice.roll(left.len()));
            *cried += ordinary(&graph, &usual, &mut day, i, benign, &mut dice, table);
        }
    }
    print(&by_share, &cries, table);
    let of = |is_outage: bool, count: fn(&Tally) -> usize| {
        let wanted = SHARES.iter().zip(&by_share).filter(|(share, _)| (**share >= LEAST) == is_outage);
        wanted.map(|(_, tally)| count(tally)).sum::<usize>()
    };
    let outages = of(true, |t| t.outages);
    table.check("(d) outages: told as such", of(true, |t| t.told), outages, Floor::Share(FOUND));
    table.check("(d) outages: told to be over", of(true, |t| t.over), outages, Floor::Share(FOUND));
    table.check("(d) outages: something else said", wrong, of(true, |t| t.outages), Floor::AtMost(0));
    let small = of(false, |t| t.outages);
    table.check("(d) lost by one in a hundred: told", of(false, |t| t.told), small, Floor::AtMost(0));
    table.check("(d) no outage: anything told", cries.iter().sum(), BENIGN.len() * worlds, Floor::AtMost(0));
}

const FOUND: f64 = 0.99;

fn print(by_share: &[Tally], cries: &[usize], table: &Table) {
    table.line(format!("{:<16} {:>8} {:>6} {:>6} {:>10}", "lost by", "outages", "told", "over", "slowest s"));
    for (share, tally) in SHARES.iter().zip(by_share) {
        let Tally { outages, told, over, slowest } = tally;
        table.line(format!("{:<16} {outages:>8} {told:>6} {over:>6} {slowest:>10.1}", format!("{share} %")));
    }
    for (benign, cried) in BENIGN.iter().zip(cries) {
        table.line(format!("{:<16} {cried} incidents", format!("{benign:?}")));
    }
}

/// Sessions that have all there is.
fn full_feed(graph: &Graph) -> Vec<usize> {
    (0..VANTAGE_POINTS).filter(|s| !graph.vantage[*s].1).collect()
}

fn some_of(mut from: Vec<usize>, count: usize, dice: &mut Dice) -> Vec<usize> {
    (0..count.min(from.len())).map(|_| from.swap_remove(dice.roll(from.len()))).collect()
}

/// Half of those who lose it try another way first; ten minutes later it is back. Returns what was said that is not true.
fn outage(
    graph: &Graph,
    usual: &[Routes],
    day: &mut Day,
    i: usize,
    share: usize,
    dice: &mut Dice,
    tally: &mut Tally,
) -> usize {
    let prefix = graph.prefixes[i].0;
    let full = full_feed(graph);
    let count = (full.len() * share).div_ceil(100);
    let mut losing = some_of(full, count, dice);
    // The others have it from a customer, and lose it with everybody.
    losing.extend((0..VANTAGE_POINTS).filter(|s| share == 100 && graph.vantage[*s].1));
    let (before, began) = (day.alerts.len(), day.now);
    for session in &losing {
        let other = graph.heard(*session, &usual[i]).filter(|p| p.len() > 2 && dice.roll(2) == 0);
        if let Some(path) = other {
            let mut longer = graph.written(&path);
            longer.insert(1, longer[0]);
            day.hear(*session, prefix, Some(longer));
        }
        day.hear(*session, prefix, None);
    }
    day.wait(600);
    put_right(graph, usual, day, i, &losing);
    let told = &day.alerts[before..];
    let is_it = |a: &rules::alert::Alert| a.class == Class::VisibilityLoss && a.prefixes == [prefix];
    let opened = told.iter().find(|a| is_it(a) && a.transition == Transition::Opened);
    tally.outages += 1;
    tally.told += usize::from(opened.is_some());
    tally.over += usize::from(told.iter().any(|a| is_it(a) && a.transition == Transition::Resolved));
    if let Some(opened) = opened {
        tally.slowest = tally.slowest.max(opened.time.secs_since(began));
    }
    told.iter().filter(|a| !is_it(a)).map(|a| &a.id).collect::<BTreeSet<_>>().len()
}

fn put_right(graph: &Graph, usual: &[Routes], day: &mut Day, i: usize, sessions: &[usize]) {
    for session in sessions {
        let path = graph.heard(*session, &usual[i]).map(|p| graph.written(&p));
        day.hear(*session, graph.prefixes[i].0, path);
    }
    day.wait(100);
    day.wait(PAUSE_SECS);
}

/// What is no outage; returns the incidents that were told.
fn ordinary(
    graph: &Graph,
    usual: &[Routes],
    day: &mut Day,
    i: usize,
    benign: Benign,
    dice: &mut Dice,
    table: &Table,
) -> usize {
    let before = day.alerts.len();
    let all: Vec<usize> = (0..VANTAGE_POINTS).collect();
    match benign {
        Benign::Flap => flap(graph, usual, day, i, &some_of(all, VANTAGE_POINTS / 2, dice)),
        Benign::PeerDowns => reset(day, &some_of(all, VANTAGE_POINTS / 10, dice)),
        Benign::CollectorReset => {
            let collector = dice.roll(COLLECTORS);
            reset(day, &all.into_iter().filter(|s| s % COLLECTORS == collector).collect::<Vec<_>>());
        }
        Benign::FeedLost => reset(day, &all),
        Benign::TableWithdrawn => {
            let session = dice.roll(VANTAGE_POINTS);
            let prefixes: Vec<IpNet> = graph.prefixes.iter().map(|(p, _)| *p).collect();
            prefixes.into_iter().for_each(|p| day.hear(session, p, None));
            day.wait(120);
            (0..usual.len()).for_each(|i| {
                let path = graph.heard(session, &usual[i]).map(|p| graph.written(&p));
                day.hear(session, graph.prefixes[i].0, path);
            });
        }
        Benign::OtherWay => {
            let mut other = graph.clone();
            let (prefix, holder) = graph.prefixes[i];
            let providers = graph.neighbors(holder, Relation::Provider);
            if let [one, _, ..] = providers[..] {
                other.cut(holder, one, true);
            }
            day.hear_all(&other, prefix, &other.spread(&[vec![holder]], i, None));
            day.wait(600);
            day.hear_all(graph, prefix, &usual[i]);
        }
    }
    day.wait(100);
    day.wait(PAUSE_SECS);
    let told: BTreeSet<&str> = day.alerts[before..].iter().map(|a| a.id.as_str()).collect();
    for id in &told {
        let said = day.alerts[before..].iter().rfind(|a| a.id == *id);
        said.inspect(|a| table.line(format!("  {benign:?}: {} {}", a.severity, a.title)));
    }
    told.len()
}

fn flap(graph: &Graph, usual: &[Routes], day: &mut Day, i: usize, sessions: &[usize]) {
    let prefix = graph.prefixes[i].0;
    sessions.iter().for_each(|s| day.hear(*s, prefix, None));
    day.wait(10);
    for session in sessions {
        let path = graph.heard(*session, &usual[i]).map(|p| graph.written(&p));
        day.hear(*session, prefix, path);
    }
}

fn reset(day: &mut Day, sessions: &[usize]) {
    sessions.iter().for_each(|s| day.peer_down(*s));
    day.wait(90);
    sessions.iter().for_each(|s| day.peer_up(*s));
}
