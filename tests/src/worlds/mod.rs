//! (d) Worlds in which every fault is known: how many are found, with whom, how soon, and what is said that is not true.
//!
//! Every figure comes with its seeds: the same seeds give the same worlds, faults and alerts.

pub mod day;
pub mod fault;
pub mod graph;
pub mod links;
pub mod noisy;
pub mod outage;
pub mod quiet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use rules::alert::{Alert, Class, Severity, Transition};
use rules::bgp::{Asn, Timestamp};
use rules::limits;
use rules::testing::world::Dice;

use self::day::Day;
use self::fault::{Fault, KINDS, Kind};
use self::graph::{Graph, Node, Routes, VANTAGE_POINTS};
use crate::table::{Floor, Table};

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Worlds with faults, each with complete data, with 30 % missing, and with nothing but routes.
    pub worlds: usize,
    /// Updates of worlds without a fault.
    pub quiet_updates: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { worlds: 4, quiet_updates: 1_000_000 }
    }
}

/// Of a hundred sessions, so many hear it.
const SHARES: [usize; 3] = [1, 10, 50];
/// Of a hundred edges, ASPAs and ROAs, so many are missing.
const MISSING: [usize; 3] = [0, 30, 100];
/// What routes alone can show, where nothing else is given.
const LEAKS: [Kind; 4] = [Kind::Leak(1), Kind::Leak(2), Kind::Leak(3), Kind::Leak(4)];
/// Longer than a story stays open for more.
const PAUSE_SECS: i64 = 8_000;
/// Misses that are printed.
const NAMED_MISSES: usize = 40;

#[derive(Default)]
struct Tally {
    faults: usize,
    found: usize,
    named: usize,
    false_alarms: usize,
    delays: Vec<f64>,
}

type Tallies = BTreeMap<(usize, Kind, usize), Tally>;

pub fn measure(size: Size, table: &mut Table) {
    table.title("(d) worlds with faults");
    table.line(format!("seeds 0 to {}; {VANTAGE_POINTS} sessions, each of another AS", size.worlds - 1));
    let mut tallies = Tallies::new();
    let mut misses = Vec::new();
    for seed in 0..size.worlds as u64 {
        let graph = Graph::new(seed);
        let usual = usual(&graph);
        for missing in MISSING {
            let kinds: &[Kind] = if missing == 100 { &LEAKS } else { &KINDS };
            live_through(seed, &graph, &usual, (missing, kinds), &mut tallies, &mut misses);
        }
    }
    print(&tallies, table);
    misses.iter().take(NAMED_MISSES).for_each(|m| table.line(m));
    if misses.len() > NAMED_MISSES {
        table.line(format!("… and {} more", misses.len() - NAMED_MISSES));
    }
    hold_against_floors(&tallies, table);
    timed("links", table, |table| links::measure(size.worlds, table));
    timed("outages", table, |table| outage::measure(size.worlds, table));
    timed("noisy sessions", table, |table| noisy::measure(size.worlds, table));
    timed("no fault", table, |table| quiet::measure(size.quiet_updates, table));
}

fn timed(name: &str, table: &mut Table, measure: impl FnOnce(&mut Table)) {
    let since = Instant::now();
    measure(table);
    table.line(format!("({name}: {:.0} s)", since.elapsed().as_secs_f64()));
}

pub fn usual(graph: &Graph) -> Vec<Routes> {
    graph.prefixes.iter().enumerate().map(|(i, (_, holder))| graph.spread(&[vec![*holder]], i, None)).collect()
}

fn live_through(
    seed: u64,
    graph: &Graph,
    usual: &[Routes],
    (missing, kinds): (usize, &[Kind]),
    tallies: &mut Tallies,
    misses: &mut Vec<String>,
) {
    let mut dice = Dice(seed * 1_000 + missing as u64);
    let mut day = Day::new(graph, missing, &mut dice);
    let mut done = BTreeSet::new();
    for kind in kinds.iter().copied() {
        for share in SHARES {
            let Some(mut fault) = fault::find(graph, usual, kind, &done, &mut dice) else { continue };
            fault.limit(VANTAGE_POINTS * share / 100, &mut dice);
            done.insert(fault.by);
            let told = inject(graph, usual, &mut day, &fault);
            let Some(second) = told.second_peer else { continue };
            let by = graph.ases[fault.by];
            let tally = tallies.entry((missing, kind, share)).or_default();
            tally.faults += 1;
            let of_fault = |a: &&Arc<Alert>| a.prefixes.iter().any(|p| fault.prefixes.contains(p));
            let is_it = |a: &&Arc<Alert>| of_fault(a) && is_told_as(kind, fault.victims(graph), a.class);
            let found: Vec<&Arc<Alert>> = told.alerts.iter().filter(is_it).collect();
            let named = found.iter().find(|a| a.suspect_ases.contains(&by));
            tally.found += usize::from(!found.is_empty());
            tally.named += usize::from(named.is_some());
            // A mass event is opened by its first prefixes, under their class.
            let opened = told.alerts.iter().filter(of_fault).find(|a| a.transition == Transition::Opened);
            tally.delays.extend(opened.map(|a| a.time.secs_since(second)));
            let others = told.alerts.iter().filter(|a| a.severity >= Severity::Medium && !of_fault(a));
            let false_alarms: BTreeSet<&str> = others.map(|a| a.id.as_str()).collect();
            tally.false_alarms += false_alarms.len();
            if named.is_none() || !false_alarms.is_empty() {
                misses.push(describe(seed, missing, kind, share, by, &fault, graph, &told.alerts));
            }
        }
    }
}

/// Mass events are found only if they are called what they are; what else a fault is called depends on what is known.
fn is_told_as(kind: Kind, victims: usize, class: Class) -> bool {
    match kind {
        Kind::Reorigination => victims < limits::REORIGINATION_VICTIMS || class == Class::ReoriginationLeak,
        Kind::MoreSpecifics => class == Class::InternalMoreSpecifics,
        Kind::Leak(_) => class == Class::RouteLeak,
        _ => true,
    }
}

struct Told {
    alerts: Vec<Arc<Alert>>,
    /// When the second peer AS heard of it.
    second_peer: Option<Timestamp>,
}

/// Lets the sessions hear the fault for five minutes, and what is right again after it.
fn inject(graph: &Graph, usual: &[Routes], day: &mut Day, fault: &Fault) -> Told {
    let before = day.alerts.len();
    let mut peers: BTreeMap<Node, Timestamp> = BTreeMap::new();
    for heard in &fault.heard {
        peers.entry(graph.vantage[heard.session].0).or_insert(day.now);
        day.hear(heard.session, heard.prefix, Some(graph.written(&heard.path)));
    }
    day.wait(300);
    for heard in &fault.heard {
        let at = graph.prefixes.iter().position(|(p, _)| *p == heard.prefix);
        let path = at.and_then(|i| graph.heard(heard.session, &usual[i])).map(|p| graph.written(&p));
        day.hear(heard.session, heard.prefix, path);
    }
    day.wait(100);
    day.wait(PAUSE_SECS);
    let mut times: Vec<Timestamp> = peers.into_values().collect();
    times.sort_unstable();
    Told { alerts: day.alerts[before..].to_vec(), second_peer: times.get(1).copied() }
}

fn describe(
    seed: u64,
    missing: usize,
    kind: Kind,
    share: usize,
    by: Asn,
    fault: &Fault,
    graph: &Graph,
    alerts: &[Arc<Alert>],
) -> String {
    let path = fault.heard.first().map_or_else(String::new, |h| {
        let path: Vec<String> = graph.written(&h.path).iter().map(|a| a.0.to_string()).collect();
        format!("{} path {}", h.prefix, path.join(" "))
    });
    let told: Vec<String> = alerts
        .iter()
        .filter(|a| a.transition == Transition::Opened)
        .map(|a| format!("{} {} {:?}", a.class, a.severity, a.suspect_ases.iter().map(|s| s.0).collect::<Vec<_>>()))
        .collect();
    let told = if told.is_empty() { "nothing".to_owned() } else { told.join("; ") };
    format!("  seed {seed}, {missing} % missing, {kind:?} at {share} % by AS{}: {path}; told {told}", by.0)
}

fn print(tallies: &Tallies, table: &Table) {
    table.line(format!(
        "{:<8} {:<16} {:>5} {:>7} {:>7} {:>7} {:>6} {:>9} {:>9}",
        "missing", "fault", "seen", "faults", "recall", "named", "false", "median s", "slowest s"
    ));
    for ((missing, kind, share), tally) in tallies {
        let mut delays = tally.delays.clone();
        delays.sort_by(f64::total_cmp);
        let of = |n: usize| n as f64 / tally.faults.max(1) as f64;
        let median = delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN);
        let slowest = delays.last().copied().unwrap_or(f64::NAN);
        table.line(format!(
            "{:<8} {:<16} {:>5} {:>7} {:>7.2} {:>7.2} {:>6} {median:>9.1} {slowest:>9.1}",
            format!("{missing} %"),
            format!("{kind:?}"),
            format!("{share} %"),
            tally.faults,
            of(tally.found),
            of(tally.named),
            tally.false_alarms,
        ));
    }
}

fn hold_against_floors(tallies: &Tallies, table: &mut Table) {
    let sum = |missing: usize, is_wanted: &dyn Fn(Kind) -> bool| {
        let mut all = Tally::default();
        for ((m, kind, _), tally) in tallies {
            if *m == missing && is_wanted(*kind) {
                all.faults += tally.faults;
                all.found += tally.found;
                all.named += tally.named;
                all.false_alarms += tally.false_alarms;
            }
        }
        all
    };
    let any = |_: Kind| true;
    let basic = |k: Kind| matches!(k, Kind::Origin | Kind::Subprefix);
    let complete = sum(0, &any);
    table.check("(d) complete data: faults found", complete.found, complete.faults, Floor::Share(FOUND));
    table.check("(d) complete data: suspect named", complete.named, complete.faults, Floor::Share(NAMED));
    table.check("(d) complete data: false alarms >= medium", complete.false_alarms, complete.faults, Floor::AtMost(0));
    let partial = sum(30, &basic);
    table.check("(d) 30 % missing: origin and sub-prefix found", partial.found, partial.faults, Floor::Share(0.9));
    let partial = sum(30, &any);
    table.check("(d) 30 % missing: all faults found", partial.found, partial.faults, Floor::Share(FOUND_PARTLY));
    table.check("(d) 30 % missing: suspect named", partial.named, partial.faults, Floor::None);
    let routes = sum(100, &any);
    table.check("(d) routes alone: leaks found", routes.found, routes.faults, Floor::Share(FOUND_BY_ROUTES));
    table.check("(d) routes alone: false alarms >= medium", routes.false_alarms, routes.faults, Floor::AtMost(0));
    let said = partial.found + partial.false_alarms;
    table.check("(d) 30 % missing: precision", partial.found, said, Floor::Share(0.95));
}

/// What a fault seen by two peer ASes is owed.
const FOUND: f64 = 0.99;
const NAMED: f64 = 0.95;
/// Reached with relations inferred where files know nothing.
const FOUND_PARTLY: f64 = 0.88;
const FOUND_BY_ROUTES: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_world_and_the_same_words() {
        let lived = |shards| {
            let mut graph = Graph::new(7);
            let mut dice = Dice(7);
            let mut day = Day::with_shards(&graph, 30, &mut dice, shards);
            let usual = usual(&graph);
            quiet::ordinary_hours(&mut graph, &usual, &mut day, &mut dice);
            (day.updates, day.alerts)
        };
        assert_eq!(lived(1), lived(1));
        assert_eq!(lived(1), lived(3), "relations are worked out in front of the shards");
    }
}
