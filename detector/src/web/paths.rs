//! By which ways did the offending routes come?
//!
//! A graph of the paths: the origin at the left, each AS as far from it as its longest way, the vantage points at the
//! right. Drawn here as lines and words, so that it reads without a script and in print.

use std::collections::BTreeMap;

use feeds::as2org::AsNames;
use rules::alert::Alert;

use super::linked;

/// ASes shown; what is further from the origin goes first.
const NODES: usize = 60;
const COLUMN: usize = 130;
const ROW: usize = 34;
const BOX: (usize, usize) = (96, 24);

/// Ready to be drawn, in units of the SVG.
pub struct Graph {
    pub width: usize,
    pub height: usize,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
}

pub struct Node {
    pub name: String,
    /// What it is called.
    pub title: Option<String>,
    /// `suspect`, `victim` or nothing.
    pub part: &'static str,
    pub x: usize,
    pub y: usize,
}

impl Node {
    pub fn middle(&self) -> (usize, usize) {
        (self.x + BOX.0 / 2, self.y + BOX.1 / 2 + 4)
    }

    pub fn size(&self) -> (usize, usize) {
        BOX
    }
}

pub struct Link {
    pub from: (usize, usize),
    pub to: (usize, usize),
}

impl Graph {
    /// Whether an AS of this part stands in it.
    pub fn shows(&self, part: &str) -> bool {
        self.nodes.iter().any(|node| node.part == part)
    }

    /// Of the paths that the alert names.
    pub fn of(alert: &Alert, names: &AsNames) -> Option<Self> {
        Self::of_paths(alert.sample_paths.iter().map(|sample| sample.as_path.as_str()), alert, names)
    }

    /// None where no path can be drawn.
    pub fn of_paths<'p>(paths: impl Iterator<Item = &'p str>, alert: &Alert, names: &AsNames) -> Option<Self> {
        let ways: Vec<Vec<&str>> = paths.map(from_origin).collect();
        let columns = columns(&ways);
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        let mut placed: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (name, column) in ways.iter().flatten().filter_map(|name| Some((*name, *columns.get(name)?))) {
            placed.entry(name).or_insert_with(|| {
                let row = rows.entry(column).or_default();
                *row += 1;
                (column, *row - 1)
            });
        }
        let corner = |(column, row): (usize, usize)| (column * COLUMN + 4, row * ROW + 4);
        let nodes: Vec<Node> = (placed.iter())
            .map(|(name, at)| {
                let (x, y) = corner(*at);
                let title = name.parse().ok().and_then(|asn| linked::name(names, asn));
                Node { name: format!("AS{name}"), title, part: part(alert, name), x, y }
            })
            .collect();
        let mut links: Vec<((usize, usize), (usize, usize))> = (ways.iter())
            .flat_map(|way| way.windows(2))
            .filter_map(|step| Some((*placed.get(step[0])?, *placed.get(step[1])?)))
            .collect();
        links.sort_unstable();
        links.dedup();
        let side = |at, by| {
            let (x, y) = corner(at);
            (x + by, y + BOX.1 / 2)
        };
        let links = links.into_iter().map(|(a, b)| Link { from: side(a, BOX.0), to: side(b, 0) }).collect();
        let width = placed.values().map(|at| at.0).max()? * COLUMN + BOX.0 + 8;
        let height = rows.values().max()? * ROW + 4;
        Some(Self { width, height, nodes, links })
    }
}

/// The ASes of a path, the origin first, without prepends; nothing where it cannot be told (an AS_SET, a cut path).
fn from_origin(path: &str) -> Vec<&str> {
    let mut way: Vec<&str> = path.split_ascii_whitespace().rev().collect();
    if way.iter().any(|name| !name.bytes().all(|b| b.is_ascii_digit())) {
        return Vec::new();
    }
    way.dedup();
    way
}

/// The longest way of each AS from an origin. Of a path with a loop the later places count no more.
fn columns<'a>(ways: &[Vec<&'a str>]) -> BTreeMap<&'a str, usize> {
    let mut columns = BTreeMap::new();
    for way in ways {
        for (column, name) in way.iter().enumerate() {
            if columns.len() < NODES || columns.contains_key(name) {
                let held = columns.entry(*name).or_insert(column);
                let is_first = way.iter().position(|other| other == name) == Some(column);
                *held = if is_first { column.max(*held) } else { *held };
            }
        }
    }
    columns
}

fn part(alert: &Alert, name: &str) -> &'static str {
    let is_in = |list: &[rules::bgp::Asn]| list.iter().any(|asn| asn.0.to_string() == name);
    match (is_in(&alert.suspect_ases), is_in(&alert.victim_ases)) {
        (true, _) => "suspect",
        (_, true) => "victim",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;

    fn graph(paths: &[&str]) -> Option<Graph> {
        let mut alert = opened();
        let sample = alert.sample_paths[0].clone();
        alert.sample_paths = paths
            .iter()
            .map(|path| rules::alert::SamplePath { as_path: (*path).to_owned(), ..sample.clone() })
            .collect();
        Graph::of(&alert, &AsNames::default())
    }

    #[test]
    fn paths_share_what_they_have_in_common_and_prepends_are_one() {
        let graph = graph(&["64502 64500 64511 64511", "64503 64500 64511"]).expect("a graph");
        assert_eq!(graph.nodes.len(), 4);
        assert_eq!(graph.links.len(), 3);
        let suspects: Vec<_> = graph.nodes.iter().filter(|n| n.part == "suspect").map(|n| n.name.as_str()).collect();
        assert_eq!(suspects, ["AS64511"]);
        let x = |name: &str| graph.nodes.iter().find(|n| n.name == name).expect("is there").x;
        assert!(x("AS64511") < x("AS64500") && x("AS64502") == x("AS64503"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        assert!(graph(&["64502 {64500,64511}", "64502 645…"]).is_none());
        assert!(graph(&[]).is_none());
        assert!(graph(&["64502 64500 64502 64511"]).is_some(), "a loop has an end");
    }
}
