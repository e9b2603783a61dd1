//! (e) Who sells to whom, as routes show it: right in worlds where it is known, agreeing with what others inferred, and better
//! than a file of another year at not blaming the innocent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use feeds::input::{Item, Use};
use rules::alert::Class;
use rules::bgp::{AsPath, Asn, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::event::Event;
use rules::leak::valley;
use rules::relations::evidence::{Evidence, Shown};
use rules::relations::infer::{Inferred, infer};
use rules::relations::merge::merge;
use rules::relations::{Relation, Relations};
use rules::rpki::{AspaTable, Delta};
use rules::testing::world::{Dice, START};

use serde_json::Value;

use crate::real_data::{self, Knowledge};
use crate::replay::{Numbers, live};
use crate::table::{Floor, Table};
use crate::worlds::{day, graph::Graph, usual};

const WORLDS: u64 = 4;
/// ASPAs that are missing where they are used.
const MISSING: usize = 30;
const SOLD_RIGHT: f64 = 0.98;
const PEERS_RIGHT: f64 = 0.9;
/// Of 100,000 lawful paths so many at most are called valleys; files alone do so of thousands.
const BLAMED: usize = 100;

/// Dumps with enough peers, and the year of their routes.
const DUMPS: [&str; 4] = [
    "pyasn/rib.20080501.0644_firstMB.bz2",
    "pyasn/rib.20140523.0600_firstMB.bz2",
    "pyasn/rib6.20151101.0600_firstMB.bz2",
    "derived/bview.20100701.0759.rebuilt.mrt.gz",
];
const TOPOSCOPE: &str = "toposcope_asrel_201708.txt.gz";
const PROBLINK: &str = "problink_20190101_relat.txt.gz";

pub fn measure(table: &mut Table) {
    table.title("(e) relations in worlds");
    in_worlds(table);
    table.title("(e) relations of real tables");
    let (Some(mrt), Some(topology)) = (real_data::folder("mrt"), real_data::folder("topology")) else { return };
    let files = [TOPOSCOPE, PROBLINK].map(|name| (name, read(&topology.join(name))));
    for dump in DUMPS {
        in_table(&mrt.join(dump), dump, &files, table);
    }
    table.title("(e) real leaks");
    let Some(leaks) = real_data::folder("incidents/leaks") else { return };
    of_leaks(&leaks, &files, table);
}

fn read(file: &Path) -> Relations {
    real_data::relations(file).unwrap_or_else(|what| panic!("{}: {what}", file.display()))
}

#[derive(Default)]
struct Right {
    sold: (usize, usize),
    peers: (usize, usize),
    sure_and_wrong: (usize, usize),
}

impl Right {
    fn line(&self) -> String {
        let share =
            |(good, of): (usize, usize)| format!("{good} of {of} ({:.1} %)", 100.0 * good as f64 / of.max(1) as f64);
        format!(
            "provider and customer {}, lateral peers {}; sure and wrong {}",
            share(self.sold),
            share(self.peers),
            share(self.sure_and_wrong)
        )
    }

    fn add(&mut self, inferred: &Inferred, truth: impl Fn(Asn, Asn) -> Option<Relation>) {
        for edge in &inferred.edges {
            let Some(true_one) = truth(edge.ases.0, edge.ases.1) else { continue };
            let is_right = edge.relation == true_one;
            let of_kind = match true_one {
                Relation::Customer | Relation::Provider => &mut self.sold,
                Relation::LateralPeer => &mut self.peers,
                Relation::Sibling | Relation::Complex => continue,
            };
            of_kind.0 += usize::from(is_right);
            of_kind.1 += 1;
            if edge.is_sure {
                self.sure_and_wrong.0 += usize::from(!is_right);
                self.sure_and_wrong.1 += 1;
            }
        }
    }
}

fn in_worlds(table: &mut Table) {
    let (mut by_routes, mut with_aspas) = (Right::default(), Right::default());
    for seed in 0..WORLDS {
        let graph = Graph::new(seed);
        let shown = shown_by(&graph);
        let aspas = aspas(&day::rpki(&graph, MISSING, &mut Dice(seed)));
        let place: BTreeMap<Asn, usize> = graph.ases.iter().enumerate().map(|(i, asn)| (*asn, i)).collect();
        let truth = |a: Asn, b: Asn| {
            let link = graph.links[*place.get(&a)?].iter().find(|l| graph.ases[l.to] == b)?;
            (!link.is_hybrid).then_some(link.is)
        };
        for (right, aspas) in [(&mut by_routes, &AspaTable::default()), (&mut with_aspas, &aspas)] {
            let inferred = infer(&shown, aspas).unwrap_or_default();
            right.add(&inferred, truth);
        }
    }
    table.line(format!("seeds 0 to {}; routes alone: {}", WORLDS - 1, by_routes.line()));
    table.line(format!("with {} % of the ASPAs: {}", 100 - MISSING, with_aspas.line()));
    let (good, of) = with_aspas.sold;
    table.check("(e) visible providers and customers right, 30 % of ASPAs missing", good, of, Floor::Share(SOLD_RIGHT));
    let (good, of) = with_aspas.peers;
    table.check("(e) visible lateral peers right, 30 % of ASPAs missing", good, of, Floor::Share(PEERS_RIGHT));
    let (good, of) = by_routes.sold;
    table.check("(e) visible providers and customers right, by routes alone", good, of, Floor::Share(0.95));
    let (wrong, of) = by_routes.sure_and_wrong;
    table.check(
        "(e) relations that are called sure and are wrong, by routes alone",
        wrong,
        of,
        Floor::AtMost(of / 100),
    );
}

fn shown_by(graph: &Graph) -> Shown {
    let mut evidence = Evidence::default();
    for routes in usual(graph) {
        for session in 0..graph.vantage.len() {
            let Some(path) = graph.heard(session, &routes) else { continue };
            let as_path = AsPath::sequence(graph.written(&path));
            evidence.seed(&PathAttributes { as_path, ..PathAttributes::default() }, START);
        }
    }
    evidence.shown(START)
}

fn aspas(delta: &Delta) -> AspaTable {
    let mut table = AspaTable::default();
    delta.announced_aspas.iter().for_each(|(customer, providers)| table.insert(*customer, providers));
    table
}

/// Agreement of the whole table with each file; then what half of the sessions show, and whom it would blame for the routes of
/// the other half, which nobody ever called leaks.
fn in_table(file: &Path, name: &str, files: &[(&str, Relations)], table: &mut Table) {
    let (routes, at) = routes(file);
    let mut all = Evidence::default();
    let mut half = Evidence::default();
    for (peer, attributes) in &routes {
        all.seed(attributes, at);
        if peer.0 % 2 == 0 {
            half.seed(attributes, at);
        }
    }
    let inferred = |evidence: &mut Evidence| infer(&evidence.shown(at), &AspaTable::default());
    let since = Instant::now();
    let Some(whole) = inferred(&mut all) else {
        return table.line(format!("{name}: too few peers to infer anything"));
    };
    let millis = since.elapsed().as_millis();
    table.line(format!(
        "{name}: {} rows, {} links, worked out in {millis} ms; on top {:?}",
        all.shown(at).rows.len(),
        whole.edges.len(),
        whole.clique.iter().map(|a| a.0).collect::<Vec<_>>()
    ));
    let others: Vec<&PathAttributes> = routes.iter().filter(|(peer, _)| peer.0 % 2 == 1).map(|(_, a)| a).collect();
    let shown = inferred(&mut half);
    for (source, relations) in files {
        let mut right = Right::default();
        right.add(&whole, |a, b| relations.between(a, b));
        table.line(format!("   agrees with {source}: {}", right.line()));
        let merged = merge(relations, shown.as_ref(), at);
        let (before, after) = (blamed(&others, relations, true), blamed(&others, &merged, true));
        let at_all = blamed(&others, &merged, false);
        table.line(format!(
            "   of {} paths of the other half: {before:.0} per 100,000 are valleys by the file alone, {after:.0} by both, \
             {at_all:.0} with unsure ones",
            others.len()
        ));
        table.check(
            format!("(e) lawful paths blamed, {} and {}", short(name), short(source)),
            after.round() as usize,
            100_000,
            Floor::AtMost(BLAMED),
        );
    }
}

/// The name of a file without its folder and endings.
fn short(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split_once('_').map_or(file, |(short, _)| short)
}

/// Paths per 100,000 that are called a valley, by relations that are sure or by any.
fn blamed(paths: &[&PathAttributes], relations: &Relations, sure: bool) -> f64 {
    let is_blamed = |a: &&&PathAttributes| {
        let check = valley::check(&a.as_path, relations);
        check.violations.iter().any(|v| !sure || !check.unsure.contains(v))
    };
    paths.iter().filter(is_blamed).count() as f64 * 1e5 / paths.len().max(1) as f64
}

/// Distinct paths of a dump with their peer AS, and its time.
fn routes(file: &Path) -> (Vec<(Asn, PathAttributes)>, Timestamp) {
    let items = Numbers::default().read(file, Use::Seed).unwrap_or_else(|what| panic!("{}: {what}", file.display()));
    let mut distinct: BTreeMap<Vec<Asn>, PathAttributes> = BTreeMap::new();
    let mut at = Timestamp::default();
    for item in items {
        if let Event::Seed(seed) = item.event {
            at = at.max(item.time);
            let path = &seed.attributes.as_path;
            if path.is_plain_sequence() && !distinct.contains_key(path.ases()) {
                distinct.insert(path.ases().to_vec(), (*seed.attributes).clone());
            }
        }
    }
    let routes = distinct.into_iter().filter_map(|(ases, a)| Some((*ases.first()?, a))).collect();
    (routes, at)
}

/// A recorded leak: the relations nearest to its year, and, where a path check can see it, who gave it to whom.
struct Leak {
    name: &'static str,
    relations: &'static str,
    step: Option<(Asn, Asn)>,
}

const LEAKS: [Leak; 3] = [
    Leak { name: "verizon_dqe_20190624", relations: PROBLINK, step: Some((Asn(396531), Asn(701))) },
    Leak { name: "telekommalaysia_20150612", relations: TOPOSCOPE, step: Some((Asn(4788), Asn(3549))) },
    // Inside one network: its paths are lawful.
    Leak { name: "level3_20171106", relations: TOPOSCOPE, step: None },
];

fn of_leaks(folder: &Path, files: &[(&str, Relations)], table: &mut Table) {
    let mut right = 0;
    for leak in &LEAKS {
        let Some((_, relations)) = files.iter().find(|(file, _)| *file == leak.relations) else { continue };
        let file = folder.join(format!("{}.jsonl.gz", leak.name));
        let (dump, news) = recorded(&file).unwrap_or_else(|what| panic!("{}: {what}", file.display()));
        let leaked: Vec<Vec<Asn>> =
            news.iter().filter_map(|item| leaked_path(item, leak)).map(|p| accused(&p, relations)).collect();
        let named = leaked.iter().filter(|a| leak.step.is_some_and(|(leaker, _)| a.contains(&leaker))).count();
        let knowledge = Knowledge { relations: Some(Arc::new(relations.clone())), ..Knowledge::default() };
        let alerts = live(&knowledge, Some(dump), news);
        let told: BTreeSet<&str> = alerts.iter().filter(|a| a.class == Class::RouteLeak).map(|a| &*a.id).collect();
        let suspects: BTreeSet<Vec<u32>> = leaked.iter().map(|a| a.iter().map(|a| a.0).collect()).collect();
        table.line(format!(
            "{} with {}: {} leaked routes, leaker among the suspects of {named} {suspects:?}; {} incidents while nobody watches",
            leak.name,
            leak.relations,
            leaked.len(),
            told.len(),
        ));
        right += usize::from(match leak.step {
            Some(_) => 2 * named > leaked.len(),
            None => told.is_empty(),
        });
    }
    table.check("(e) recorded leaks told right, and the lawful one silent", right, LEAKS.len(), Floor::Share(1.0));
}

fn leaked_path(item: &Item, leak: &Leak) -> Option<AsPath> {
    let Event::Update(update) = &item.event else { return None };
    let (leaker, to) = leak.step?;
    let path = &update.attributes.as_path;
    path.compressed().windows(2).any(|w| w == [to, leaker]).then(|| path.clone())
}

/// The rows of a file as a dump and as news.
fn recorded(file: &Path) -> Result<(Vec<Item>, Vec<Item>), String> {
    let text = feeds::source::read_whole(&file.display().to_string()).map_err(|error| error.to_string())?;
    let (mut dump, mut news) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<Asn, VantageId> = BTreeMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let as_path: AsPath = text("path").parse().map_err(|_| format!("a path that cannot be read: {line}"))?;
        let prefix = text("prefix").parse().map_err(|_| format!("a prefix that cannot be read: {line}"))?;
        let time = Timestamp::from_secs(row["ts"].as_i64().unwrap_or_default());
        let Some(peer_as) = as_path.ases().first().copied() else { continue };
        let next = VantageId(known.len() as u32);
        let vantage = *known.entry(peer_as).or_insert_with(|| {
            let peer_address = Ipv4Addr::from(0xcb00_7100 + next.0).into();
            let point = VantagePoint { collector: "ris".into(), peer_as, peer_address };
            dump.push(Item { time, event: Event::Vantage(next, Arc::new(point)) });
            next
        });
        let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
        let announced = Nlris::from([Nlri { prefix, path_id: 0 }]);
        let update = Update { vantage, seen: time, withdrawn: Nlris::new(), announced, attributes };
        match text("type") {
            "rib" => dump.push(Item { time, event: Event::Seed(update) }),
            _ => news.push(Item { time, event: Event::Update(update) }),
        }
    }
    Ok((dump, news))
}

/// Whom the path accuses: leakers, or the ASes between two steps that contradict each other.
fn accused(path: &AsPath, relations: &Relations) -> Vec<Asn> {
    let check = valley::check(path, relations);
    let leakers = check.violations.iter().map(|v| v.leaker);
    let mut all: Vec<Asn> = leakers.chain(check.hints.iter().flat_map(|h| h.suspects.iter().copied())).collect();
    all.sort_unstable();
    all.dedup();
    all
}
