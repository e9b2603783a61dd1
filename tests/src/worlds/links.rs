//! Where do forged links lie, and where new ones that are real? Nothing is signed and no relation is known, so a new link is judged
//! by what the table says of its two ends alone, as DFOH does.
//!
//! Every threshold of the score is an operating point: so many forged links found for so many alarms about real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::Alert;
use rules::bgp::Asn;
use rules::finding::Kind as Family;
use rules::relations::Relation;
use rules::testing::world::Dice;

use super::day::Day;
use super::fault::{self, Fault, Kind};
use super::graph::{CARRIERS, CLIQUE, EDGE, Graph, Node, Routes, VANTAGE_POINTS};
use crate::table::{Floor, Table};

/// Forged links, nearest to the origin first.
const FORGED: [Kind; 4] = [Kind::ForgedOrigin, Kind::ForgedPart, Kind::ForgedTwoHops, Kind::ForgedPartTwoHops];

/// A new link that is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Real {
    /// A network buys from one more carrier.
    Provider,
    /// It also cuts up what it has, and sends the part over the new one alone.
    ProviderPart,
    /// Two that were strangers exchange their routes.
    Peering,
    /// Somebody who never sold anything has a customer.
    FirstCustomer,
}

const REAL: [Real; 4] = [Real::Provider, Real::ProviderPart, Real::Peering, Real::FirstCustomer];
/// Scores from which on an alarm is one: told at all, low, medium, an unlikely link, high.
const THRESHOLDS: [i32; 5] = [1, 3, 4, 5, 8];
/// Of each kind in each world.
const TRIES: usize = 12;
/// Longer than a story stays open for more.
const PAUSE_SECS: i64 = 8_000;
/// New links between two ASes that several peers see in a day, as an order of magnitude; as many of each kind.
const NEW_LINKS_A_DAY: usize = 100;

/// Scores of what was told; none where nothing was.
#[derive(Default)]
struct Scores(Vec<Option<i32>>);

impl Scores {
    fn at_least(&self, threshold: i32) -> usize {
        self.0.iter().flatten().filter(|s| **s >= threshold).count()
    }
}

pub fn measure(worlds: usize, table: &mut Table) {
    table.title("(d) forged links against real new ones, with nothing signed and no relation known");
    table.line(format!("seeds 500 to {}; faults seen by a tenth of {VANTAGE_POINTS} sessions", 499 + worlds));
    let mut forged: BTreeMap<Kind, Scores> = BTreeMap::new();
    let mut real: BTreeMap<Real, Scores> = BTreeMap::new();
    for seed in 500..500 + worlds as u64 {
        let mut graph = Graph::new(seed);
        let mut dice = Dice(seed);
        let mut day = Day::new(&graph, 100, &mut dice);
        let usual = super::usual(&graph);
        let mut done = BTreeSet::new();
        for kind in FORGED {
            for _ in 0..TRIES {
                let Some(mut fault) = fault::find(&graph, &usual, kind, &done, &mut dice) else { continue };
                fault.limit(VANTAGE_POINTS / 10, &mut dice);
                done.insert(fault.by);
                if let Some(score) = inject(&graph, &usual, &mut day, &fault) {
                    forged.entry(kind).or_default().0.push(score);
                }
            }
        }
        for kind in REAL {
            for _ in 0..TRIES {
                if let Some(score) = live_with(&mut graph, &mut day, kind, &mut dice) {
                    real.entry(kind).or_default().0.push(score);
                }
            }
        }
    }
    print(&forged, &real, table);
    hold_against_floors(&forged, &real, table);
}

/// The highest score about the fault's prefixes that names who did it; none if fewer than two peer ASes saw it.
fn inject(graph: &Graph, usual: &[Routes], day: &mut Day, fault: &Fault) -> Option<Option<i32>> {
    let told = super::inject(graph, usual, day, fault);
    told.second_peer?;
    let by = graph.ases[fault.by];
    let of_fault = |a: &&Arc<Alert>| is_about(a, &fault.prefixes) && a.suspect_ases.contains(&by);
    Some(told.alerts.iter().filter(of_fault).map(|a| a.score).max())
}

fn is_about(alert: &Alert, prefixes: &BTreeSet<IpNet>) -> bool {
    alert.prefixes.iter().any(|p| prefixes.contains(p))
}

/// A real link comes and goes: what was said of it.
fn live_with(graph: &mut Graph, day: &mut Day, kind: Real, dice: &mut Dice) -> Option<Option<i32>> {
    let (a, b, b_is) = new_link(graph, kind, dice)?;
    let ends: BTreeSet<Node> = match kind {
        Real::Peering => [a, b].into_iter().chain(graph.neighbors(a, Relation::Customer)).collect(),
        _ => [a].into(),
    };
    let touched: Vec<usize> = (0..graph.prefixes.len()).filter(|i| ends.contains(&graph.prefixes[*i].1)).collect();
    let before = day.alerts.len();
    graph.join(a, b, b_is);
    hear(graph, day, &touched);
    if kind == Real::ProviderPart {
        let part = fault::part(&graph.prefixes[touched[0]].0, dice.roll(256));
        // Only the new provider hears of it.
        let routes = graph.spread_over(a, b);
        day.hear_all(graph, part, &routes);
        day.wait(300);
        day.hear_all(graph, part, &vec![None; routes.len()]);
    }
    day.wait(300);
    graph.part(a, b);
    hear(graph, day, &touched);
    day.wait(PAUSE_SECS);
    let links: BTreeSet<Asn> = [graph.ases[a], graph.ases[b]].into();
    let of_link = |alert: &&Arc<Alert>| {
        alert.class.kind() == Family::Forged && alert.suspect_ases.iter().any(|s| links.contains(s))
    };
    Some(day.alerts[before..].iter().filter(of_link).map(|a| a.score).max())
}

fn hear(graph: &Graph, day: &mut Day, touched: &[usize]) {
    for i in touched {
        let (prefix, holder) = graph.prefixes[*i];
        day.hear_all(graph, prefix, &graph.spread(&[vec![holder]], *i, None));
    }
}

/// Two ASes without a link, and what the second would be to the first.
fn new_link(graph: &Graph, kind: Real, dice: &mut Dice) -> Option<(Node, Node, Relation)> {
    let edge = |dice: &mut Dice| CLIQUE + CARRIERS + dice.roll(EDGE);
    let carrier = |dice: &mut Dice| CLIQUE + dice.roll(CARRIERS);
    (0..100).find_map(|_| {
        let (a, b, b_is) = match kind {
            Real::Provider | Real::ProviderPart => (edge(dice), carrier(dice), Relation::Provider),
            Real::Peering => (carrier(dice), edge(dice), Relation::LateralPeer),
            Real::FirstCustomer => (edge(dice), edge(dice), Relation::Provider),
        };
        let sells = !graph.neighbors(b, Relation::Customer).is_empty();
        let fits = kind != Real::FirstCustomer || !sells;
        (a != b && fits && graph.relation(a, b).is_none()).then_some((a, b, b_is))
    })
}

fn print(forged: &BTreeMap<Kind, Scores>, real: &BTreeMap<Real, Scores>, table: &Table) {
    let heads: Vec<String> = THRESHOLDS.iter().map(|t| format!("{:>8}", format!(">= {t}"))).collect();
    table.line(format!("{:<28} {:>5} {}", "share told with a score of", "of", heads.concat()));
    let row = |name: String, scores: &Scores| {
        let of = scores.0.len();
        let shares = THRESHOLDS.iter().map(|t| format!("{:>8.2}", scores.at_least(*t) as f64 / of.max(1) as f64));
        table.line(format!("{name:<28} {of:>5} {}", shares.collect::<String>()));
    };
    forged.iter().for_each(|(kind, scores)| row(format!("forged: {kind:?}"), scores));
    real.iter().for_each(|(kind, scores)| row(format!("real: {kind:?}"), scores));
    let (of, alarms) = (count(real), |t: i32| real.values().map(|s| s.at_least(t)).sum::<usize>());
    let a_day = THRESHOLDS.iter().map(|t| format!("{:>8.1}", (alarms(*t) * NEW_LINKS_A_DAY) as f64 / of.max(1) as f64));
    table.line(format!("{:<34} {}", "alarms a day, of 100 such links", a_day.collect::<String>()));
}

fn count<K>(scores: &BTreeMap<K, Scores>) -> usize {
    scores.values().map(|s| s.0.len()).sum()
}

/// The operating point: an unlikely link is medium.
const MEDIUM: i32 = 5;

fn hold_against_floors(forged: &BTreeMap<Kind, Scores>, real: &BTreeMap<Real, Scores>, table: &mut Table) {
    let found = |kinds: &[Kind], threshold| {
        let of = || kinds.iter().filter_map(|k| forged.get(k));
        (of().map(|s| s.at_least(threshold)).sum(), of().map(|s| s.0.len()).sum())
    };
    let parts = [Kind::ForgedPart, Kind::ForgedPartTwoHops];
    let (told, of) = found(&FORGED[..2], 1);
    table.check("(d) nothing known: forged origins told", told, of, Floor::Share(TOLD));
    let (medium, of) = found(&parts, MEDIUM);
    table.check("(d) nothing known: forged more-specifics >= medium", medium, of, Floor::Share(PARTS_FOUND));
    let (medium, of) = found(&FORGED, MEDIUM);
    table.check("(d) nothing known: all forged links >= medium", medium, of, Floor::Share(ALL_FOUND));
    let ordinary = [Real::Provider, Real::Peering, Real::FirstCustomer];
    let of = || ordinary.iter().filter_map(|k| real.get(k));
    let (alarms, links): (usize, usize) = (of().map(|s| s.at_least(MEDIUM)).sum(), of().map(|s| s.0.len()).sum());
    table.check("(d) nothing known: real new links >= medium", alarms, links, Floor::AtMost(links / ALARMS));
}

const TOLD: f64 = 0.95;
const PARTS_FOUND: f64 = 0.85;
const ALL_FOUND: f64 = 0.65;
/// One in so many real links may be taken for a forged one; nearly all of them are somebody's first customer.
const ALARMS: usize = 6;
