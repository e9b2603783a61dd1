//! What is said about ordinary days: every recorded file of updates, of which nobody knows an incident.
//!
//! Each file is lived through four ways: with and without RPKI and relations (of other years, which makes them worse than they
//! are), and with nothing before it or with its own first half as the dump. The last is the hardest: half a file is a thin
//! baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use feeds::input::{Item, Use};
use rules::alert::{Alert, Severity};
use rules::bgp::{Nlri, Nlris, Timestamp, Update, VantageId};
use rules::event::Event;
use rules::finding::Code;
use rules::limits;
use rules::session::Sessions;

use crate::real_data::{self, Knowledge};
use crate::replay::{Numbers, lived};
use crate::table::{Floor, Table};

const VRPS: &str = "rpkiclient_summary_20250720T093135Z.json.bz2";
const RELATIONS: &str = "problink_20190101_relat.txt.gz";

pub fn measure(table: &mut Table) {
    table.title("background noise of recorded updates");
    let (Some(mrt), Some(rpki), Some(topology)) =
        (real_data::folder("mrt"), real_data::folder("rpki"), real_data::folder("topology"))
    else {
        return;
    };
    let informed = Knowledge {
        rpki: Some(Arc::new(real_data::rpki(&rpki.join(VRPS)).unwrap_or_else(|what| panic!("{what}")))),
        relations: Some(Arc::new(
            real_data::relations(&topology.join(RELATIONS)).unwrap_or_else(|what| panic!("{what}")),
        )),
    };
    let ways = [("without data", Knowledge::default()), ("with VRPs and relations", informed)]
        .map(|(name, knowledge)| [false, true].map(|half| Way::new(name, knowledge.clone(), half)));
    let mut ways: Vec<Way> = ways.into_iter().flatten().collect();
    let (mut honest, mut aside) = (Spent::default(), BTreeSet::new());
    for file in real_data::files_below(&mrt) {
        let Some(items) = updates(&file) else { continue };
        let name = file.strip_prefix(&mrt).unwrap_or(&file).display().to_string();
        aside.extend(honest.add(&items).into_iter().map(|v| (name.clone(), v)));
        for way in &mut ways {
            aside.extend(way.live_through(&name, &items).into_iter().map(|v| (name.clone(), v)));
        }
    }
    let (mut grave, mut alone) = (BTreeMap::new(), 0);
    for way in ways {
        alone = alone.max(way.alone);
        table.line(format!("-- {}: {}", way.name, way.sum.line()));
        way.sum.said.iter().for_each(|line| table.line(line));
        grave.extend(way.sum.grave);
    }
    honest.print(alone, table);
    table.check("recorded sessions that are set aside", aside.len(), honest.sessions, Floor::AtMost(0));
    let elements = honest.elements;
    let undenied = grave.values().filter(|is_invalid| !**is_invalid).count();
    table.check("incidents >= high, of recorded elements", grave.len(), elements, Floor::AtMost(INVALID));
    table.check("… of which no ROA denies the origin", undenied, elements, Floor::AtMost(elements / 1_000_000));
}

/// RPKI Invalid under the ROAs that were given, which are of 6 and 15 years later: AS30781 announces what is AS12565's alone, to
/// fourteen peers; AS26604 a part of AS6429, whose customer it is.
const INVALID: usize = 2;

/// What is known beside the routes, and whether the first half of each file stands for the dump.
struct Way {
    name: String,
    knowledge: Knowledge,
    half: bool,
    sum: Sum,
    /// More-specifics that one session alone showed.
    alone: usize,
}

impl Way {
    fn new(name: &str, knowledge: Knowledge, half: bool) -> Self {
        let baseline = if half { "first half as dump" } else { "no dump" };
        Self { name: format!("{name}, {baseline}"), knowledge, half, sum: Sum::default(), alone: 0 }
    }

    /// Sessions that were set aside on the way.
    fn live_through(&mut self, name: &str, items: &[Item]) -> Vec<VantageId> {
        let (dump, news) = if self.half { halved(items) } else { (None, items.to_vec()) };
        let elements = news.iter().map(elements).sum();
        let (alerts, engine) = lived(&self.knowledge, dump, news);
        self.sum.add(name, elements, &alerts);
        self.alone = self.alone.max(engine.desk().most_alone());
        engine.desk().quarantined().into_iter().map(|(vantage, ..)| vantage).collect()
    }
}

/// What holds updates and no table.
fn updates(file: &Path) -> Option<Vec<Item>> {
    if file.display().to_string().contains("test_expect") {
        return None;
    }
    let items = Numbers::default().read(file, Use::Updates).ok()?;
    let is_empty = items.iter().all(|i| elements(i) == 0);
    (!is_empty && !items.iter().any(|i| matches!(i.event, Event::Seed(_)))).then_some(items)
}

/// What the first half of the elements leaves behind, and the rest.
fn halved(items: &[Item]) -> (Option<Vec<Item>>, Vec<Item>) {
    let total: usize = items.iter().map(elements).sum();
    let mut passed = 0;
    let (mut dump, mut news) = (Vec::new(), Vec::new());
    let mut held = BTreeMap::new();
    for item in items.iter().cloned() {
        let is_early = passed < total / 2;
        passed += elements(&item);
        match item.event {
            event @ Event::Vantage(..) => dump.push(Item { time: item.time, event }),
            Event::Update(update) if is_early => keep(update, &mut held),
            _ if is_early => {}
            event => news.push(Item { time: item.time, event }),
        }
    }
    dump.extend(held.into_values().map(|seed| Item { time: seed.seen, event: Event::Seed(seed) }));
    (Some(dump), news)
}

/// One seed for each route that is held, as a dump would have it.
fn keep(update: Update, held: &mut BTreeMap<(VantageId, Nlri), Update>) {
    for nlri in &update.withdrawn {
        held.remove(&(update.vantage, *nlri));
    }
    for nlri in &update.announced {
        let seed = Update { announced: Nlris::from([*nlri]), withdrawn: Nlris::new(), ..update.clone() };
        held.insert((update.vantage, *nlri), seed);
    }
}

fn elements(item: &Item) -> usize {
    match &item.event {
        Event::Update(update) => update.announced.len() + update.withdrawn.len(),
        _ => 0,
    }
}

/// How near to the limits of [`rules::session`] recorded sessions come, of which none floods, never stays up or is misread.
#[derive(Default)]
struct Spent {
    elements: usize,
    sessions: usize,
    routes: f64,
    resets: f64,
    vast: usize,
    identifiers: usize,
}

impl Spent {
    /// Sessions of a file that are set aside in front of the shards.
    fn add(&mut self, items: &[Item]) -> Vec<VantageId> {
        let mut sessions = Sessions::default();
        let (mut routes, mut resets) = (BTreeMap::new(), BTreeMap::new());
        let mut aside = Vec::new();
        for item in items {
            let Item { time, event } = item;
            aside.extend(sessions.judge(event, *time).into_iter().map(|s| s.vantage));
            self.elements += elements(item);
            match event {
                Event::Vantage(..) => self.sessions += 1,
                Event::Update(update) => {
                    let pieces = (update.announced.len() + update.withdrawn.len()).max(1);
                    let held = routes.entry(update.vantage).or_insert((0.0, *time));
                    self.routes = self.routes.max(filled(held, pieces, limits::FLOOD_ROUTES_AN_HOUR, *time));
                    self.vast = self.vast.max(update.announced.iter().filter(|n| n.prefix.prefix_len() <= 1).count());
                    let is_length = |id: &u32| (8..=64).contains(&(id >> 24));
                    let ids: BTreeSet<u32> = update.announced.iter().map(|n| n.path_id).filter(is_length).collect();
                    self.identifiers = self.identifiers.max(ids.len());
                }
                Event::PeerDown { vantage, .. } => {
                    let held = resets.entry(*vantage).or_insert((0.0, *time));
                    self.resets = self.resets.max(filled(held, 1, limits::RESETS_AN_HOUR, *time));
                }
                _ => {}
            }
        }
        aside
    }

    fn print(&self, alone: usize, table: &Table) {
        let line = |what: &str, most: f64, limit: i64| {
            table.line(format!("most of one session: {most:.0} {what}, set aside above {limit}"));
        };
        line("routes at once", self.routes, limits::FLOOD_ROUTES);
        line("times down", self.resets, limits::RESETS);
        line("vast routes in a message", self.vast as f64, limits::VAST_ROUTES as i64 - 1);
        line("path identifiers like routes in a message", self.identifiers as f64, limits::VAST_ROUTES as i64 - 1);
        line("more-specifics that nobody else has", alone as f64, limits::LONE_PREFIXES as i64 - 1);
    }
}

/// How full a bucket is that loses so many an hour.
fn filled((held, since): &mut (f64, Timestamp), pieces: usize, an_hour: i64, now: Timestamp) -> f64 {
    *held = (*held - now.secs_since(*since).max(0.0) * an_hour as f64 / 3_600.0).max(0.0) + pieces as f64;
    *since = now;
    *held
}

#[derive(Default)]
struct Sum {
    elements: usize,
    incidents: BTreeMap<Severity, usize>,
    said: Vec<String>,
    /// By id, since the same incident is one in all ways; and whether a ROA denies the origin.
    grave: BTreeMap<String, bool>,
}

impl Sum {
    fn add(&mut self, name: &str, elements: usize, alerts: &[Arc<Alert>]) {
        self.elements += elements;
        let last: BTreeMap<&str, &Arc<Alert>> = alerts.iter().map(|a| (a.id.as_str(), a)).collect();
        for alert in last.into_values() {
            *self.incidents.entry(alert.severity).or_default() += 1;
            if alert.severity >= Severity::High {
                let is_invalid = alert.evidence.iter().any(|e| e.code == Code::RovInvalidAsn.word());
                self.grave.insert(alert.id.clone(), is_invalid);
            }
            if alert.severity >= Severity::Medium {
                let evidence: Vec<String> =
                    alert.evidence.iter().map(|e| format!("{}:{:+}", e.code, e.points)).collect();
                let path = alert.sample_paths.first().map_or("", |s| &s.as_path);
                self.said.push(format!(
                    "   {name}: {} {} {} [{}] path {path} prefixes {}",
                    alert.id,
                    alert.severity,
                    alert.title,
                    evidence.join(" "),
                    alert.prefix_count
                ));
            }
        }
    }

    fn line(&self) -> String {
        let of = |s: Severity| self.incidents.get(&s).copied().unwrap_or(0);
        let per = |s: Severity| of(s) as f64 * 1e5 / self.elements.max(1) as f64;
        let each = Severity::ALL.iter().map(|s| format!("{s} {} ({:.2} per 100,000)", of(*s), per(*s)));
        format!("{} elements; {}", self.elements, each.collect::<Vec<_>>().join(", "))
    }
}
