//! What is said about ordinary days: every recorded file of updates, of which nobody knows an incident.
//!
//! Each file is read four ways: with and without RPKI and relations (of other years, which makes them worse than they are), and
//! with nothing before it or with its own first half as the dump. The last is the hardest: half a file is a thin baseline.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use feeds::input::{Item, Use};
use rules::alert::{Alert, Severity};
use rules::bgp::{Nlri, Update, VantageId};
use rules::event::Event;
use rules::session::Sessions;

use crate::real_data::{self, Knowledge};
use crate::replay::{Numbers, live};
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
    let mut aside = 0;
    for (name, knowledge) in [("without data", Knowledge::default()), ("with VRPs and relations", informed)] {
        for half in [false, true] {
            let baseline = if half { "first half as dump" } else { "no dump" };
            let mut sum = Sum::default();
            table.line(format!("-- {name}, {baseline}"));
            for file in real_data::files_below(&mrt) {
                if let Some((elements, alerts)) = replayed(&file, &knowledge, half, &mut aside) {
                    sum.add(table, &mrt, &file, elements, &alerts);
                }
            }
            table.line(format!("-- {name}, {baseline}: {}", sum.line()));
        }
    }
    table.check("recorded sessions that are set aside", aside, aside, Floor::AtMost(0));
}

/// Elements of news and what was said; none for what holds no updates.
fn replayed(file: &Path, knowledge: &Knowledge, half: bool, aside: &mut usize) -> Option<(usize, Vec<Arc<Alert>>)> {
    let path = file.display().to_string();
    if path.contains("test_expect") {
        return None;
    }
    let items = Numbers::default().read(file, Use::Updates).ok()?;
    let total: usize = items.iter().map(elements).sum();
    if total == 0 || items.iter().any(|i| matches!(i.event, Event::Seed(_))) {
        return None;
    }
    let mut sessions = Sessions::default();
    *aside += items.iter().flat_map(|i| sessions.judge(&i.event, i.time)).count();
    if !half {
        return Some((total, live(knowledge, None, items)));
    }
    let mut passed = 0;
    let (mut dump, mut news) = (Vec::new(), Vec::new());
    let mut held = BTreeMap::new();
    for item in items {
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
    let of_news = news.iter().map(elements).sum();
    Some((of_news, live(knowledge, Some(dump), news)))
}

/// One seed for each route that is held, as a dump would have it.
fn keep(update: Update, held: &mut BTreeMap<(VantageId, Nlri), Update>) {
    for nlri in &update.withdrawn {
        held.remove(&(update.vantage, *nlri));
    }
    for nlri in &update.announced {
        let seed = Update { announced: vec![*nlri], withdrawn: Vec::new(), ..update.clone() };
        held.insert((update.vantage, *nlri), seed);
    }
}

fn elements(item: &Item) -> usize {
    match &item.event {
        Event::Update(update) => update.announced.len() + update.withdrawn.len(),
        _ => 0,
    }
}

#[derive(Default)]
struct Sum {
    elements: usize,
    incidents: BTreeMap<Severity, usize>,
}

impl Sum {
    fn add(&mut self, table: &Table, root: &Path, file: &Path, elements: usize, alerts: &[Arc<Alert>]) {
        self.elements += elements;
        let mut last: BTreeMap<&str, &Arc<Alert>> = BTreeMap::new();
        for alert in alerts {
            last.insert(&alert.id, alert);
        }
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        for alert in last.values() {
            *self.incidents.entry(alert.severity).or_default() += 1;
            if alert.severity >= Severity::Medium {
                let evidence: Vec<String> =
                    alert.evidence.iter().map(|e| format!("{}:{:+}", e.code, e.points)).collect();
                let path = alert.sample_paths.first().map_or("", |s| &s.as_path);
                table.line(format!(
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
