//! Days without a fault: links go down and come back, siblings announce for each other, sessions are reset. Nothing of it is news.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::alert::{Alert, Severity};
use rules::testing::world::Dice;

use super::day::Day;
use super::graph::{Graph, Node, Routes};
use super::usual;
use crate::table::{Floor, Table};

/// Worlds among which the updates are shared out.
const WORLDS: usize = 4;
/// A link that goes down does so again, so often at most.
const FLAPS: usize = 5;
/// Updates with 30 % missing, of so many with complete data: what is said there is stated, not defended.
const INCOMPLETE: usize = 10;

pub fn measure(updates: usize, table: &mut Table) {
    table.title("(d) worlds without a fault");
    live_through(updates, 0, Floor::AtMost(0), table);
    live_through(updates / INCOMPLETE, 30, Floor::None, table);
}

fn live_through(updates: usize, missing: usize, floor: Floor, table: &mut Table) {
    let (mut said, mut heard, mut low) = (0, 0, 0);
    let mut seed = 1_000;
    while heard < updates {
        let mut graph = Graph::new(seed);
        let usual = usual(&graph);
        let mut dice = Dice(seed);
        let mut day = Day::new(&graph, missing, &mut dice);
        while day.updates < updates.div_ceil(WORLDS) && heard + day.updates < updates {
            ordinary_hours(&mut graph, &usual, &mut day, &mut dice);
        }
        let mut told: BTreeMap<&str, &Arc<Alert>> = BTreeMap::new();
        day.alerts.iter().for_each(|a| {
            told.insert(&a.id, a);
        });
        for alert in told.values() {
            if alert.severity == Severity::Low {
                low += 1;
                continue;
            }
            said += 1;
            let path = alert.sample_paths.first().map_or("", |s| &s.as_path);
            table.line(format!("  seed {seed}, {missing} % missing: {} {} path {path}", alert.severity, alert.title));
        }
        heard += day.updates;
        seed += 1;
    }
    table.line(format!("seeds 1000 to {}, {missing} % missing: {heard} updates; {low} low incidents", seed - 1));
    table.check(format!("(d) no fault, {missing} % missing: incidents >= medium, of updates"), said, heard, floor);
}

/// A link goes down and comes back, a sibling steps in for another.
pub fn ordinary_hours(graph: &mut Graph, usual: &[Routes], day: &mut Day, dice: &mut Dice) {
    let a = dice.roll(graph.links.len());
    let Some(b) = dice.pick(&graph.links[a]).map(|l| l.to) else { return };
    let uses = |routes: &Routes| {
        let crosses = |p: &[Node]| p.windows(2).any(|w| w == [a, b] || w == [b, a]);
        routes.iter().flatten().any(|r| crosses(&r.path))
    };
    let touched: Vec<usize> = (0..usual.len()).filter(|i| uses(&usual[*i])).collect();
    graph.cut(a, b, true);
    let around = |i: &usize| graph.spread(&[vec![graph.prefixes[*i].1]], *i, None);
    let cut: Vec<(usize, Routes)> = touched.iter().map(|i| (*i, around(i))).collect();
    graph.cut(a, b, false);
    for _ in 0..1 + dice.roll(FLAPS) {
        cut.iter().for_each(|(i, routes)| day.hear_changes(graph, graph.prefixes[*i].0, &usual[*i], routes));
        day.wait(60 + dice.roll(1_800) as i64);
        cut.iter().for_each(|(i, routes)| day.hear_changes(graph, graph.prefixes[*i].0, routes, &usual[*i]));
        day.wait(60 + dice.roll(1_800) as i64);
    }
    if let Some([a, b]) = dice.pick(&graph.siblings).copied() {
        let at = graph.prefixes.iter().position(|(_, h)| *h == a);
        let Some(i) = at else { return };
        let prefix = graph.prefixes[i].0;
        day.hear_all(graph, prefix, &graph.spread(&[vec![a], vec![b]], i, None));
        day.wait(600);
        day.hear_all(graph, prefix, &usual[i]);
        day.wait(600);
    }
}
