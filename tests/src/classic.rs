//! (a) Real incidents, as RIS and RouteViews recorded them: is each told, with its suspect, in time? Are slips kept low?
//!
//! `index.json` beside the recordings names victim, suspect, prefix and kind; nothing about them is written down here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use feeds::input::{Item, Use};
use rules::alert::{Alert, Severity, Transition};
use rules::bgp::{AsPath, Asn, Timestamp};
use rules::event::Event;
use rules::finding::Kind;
use serde_json::Value;

use crate::real_data::{self, Knowledge};
use crate::replay::{Numbers, live};
use crate::table::{Floor, Table};

/// All with a usable baseline: the slip `prepend_185884` stands in its own baseline and has to stay silent.
const NAMED: f64 = 1.0;
/// Hold-down and the second that it may start in.
const DELAY_SECS: f64 = 31.0;

struct Incident {
    name: String,
    prefix: String,
    suspects: Vec<Asn>,
    victim: Option<Asn>,
    is_slip: bool,
    /// The suspect stands in the path, not at its end.
    is_forged: bool,
}

pub fn measure(table: &mut Table) {
    table.title("(a) real incidents of RIS and RouteViews");
    let Some(folder) = real_data::folder("incidents/classic") else { return };
    let incidents = read_index(&folder.join("index.json")).unwrap_or_else(|what| panic!("index.json: {what}"));
    let (mut named, mut in_time, mut told, mut low, mut slips) = (0, 0, 0, 0, 0);
    for incident in &incidents {
        let verdict = judge(&folder, incident).unwrap_or_else(|what| panic!("{}: {what}", incident.name));
        table.line(format!("{:<18} {}", incident.name, verdict.line()));
        if incident.is_slip {
            slips += 1;
            low += usize::from(verdict.gravest.is_none_or(|s| s == Severity::Low));
            continue;
        }
        told += 1;
        named += usize::from(verdict.is_named);
        in_time += usize::from(verdict.delay_secs.is_some_and(|d| d <= DELAY_SECS));
    }
    table.check("(a) real hijacks told with the suspect", named, told, Floor::Share(NAMED));
    table.check("(a) … within 31 s of the second peer AS", in_time, told, Floor::Share(NAMED));
    table.check("(a) slips of repeat counts kept low", low, slips, Floor::Share(1.0));
}

fn read_index(file: &Path) -> Result<Vec<Incident>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let rows: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    rows.iter().map(|row| incident(row).ok_or_else(|| format!("a row that says too little: {row}"))).collect()
}

fn incident(row: &Value) -> Option<Incident> {
    let text = |key: &str| row[key].as_str().unwrap_or_default().trim();
    let suspects: Vec<Asn> = text("hijacker").split(',').filter_map(|a| a.trim().parse().ok()).collect();
    let kind = text("category");
    Some(Incident {
        name: row["title"].as_str()?.to_owned(),
        prefix: text("hijack_prefix").to_owned(),
        // The first is the AS that is known; private ASes behind it are nobody.
        suspects: suspects.into_iter().take(1).collect(),
        victim: text("victim").parse().ok(),
        is_slip: kind == "prepend",
        is_forged: kind == "forged_as_path",
    })
}

struct Verdict {
    class: String,
    gravest: Option<Severity>,
    is_named: bool,
    names_victim: bool,
    delay_secs: Option<f64>,
    is_resolved: bool,
}

impl Verdict {
    fn line(&self) -> String {
        let severity = self.gravest.map_or("silent", Severity::word);
        let delay = self.delay_secs.map_or_else(|| "-".to_owned(), |d| format!("{d:.0} s"));
        let yes = |b: bool| if b { "yes" } else { "no" };
        format!(
            "{:<18} {severity:<9} named {:<4} victim {:<4} delay {delay:<6} resolved {}",
            self.class,
            yes(self.is_named),
            yes(self.names_victim),
            yes(self.is_resolved),
        )
    }
}

fn judge(folder: &Path, incident: &Incident) -> Result<Verdict, String> {
    let mut numbers = Numbers::default();
    let rib = folder.join(format!("{}.rib.mrt.gz", incident.name));
    let dump = if rib.exists() { Some(numbers.read(&rib, Use::Seed)?) } else { None };
    let news = numbers.read(&folder.join(format!("{}.updates.mrt.gz", incident.name)), Use::Updates)?;
    let second = second_peer(&dump, &news, incident);
    let alerts = live(&Knowledge::default(), dump, news);
    let of_prefix: Vec<&Arc<Alert>> = alerts.iter().filter(|a| names(a, &incident.prefix)).collect();
    let is_family = |a: &&&Arc<Alert>| {
        let kind = a.class.kind();
        kind == Kind::Origin || kind == Kind::Forged || a.class.is_look_alike()
    };
    let accused = |a: &&&Arc<Alert>| incident.suspects.iter().all(|s| a.suspect_ases.contains(s));
    let named = of_prefix.iter().filter(is_family).find(accused);
    let id = named.or(of_prefix.first()).map(|a| a.id.as_str());
    let of_id: Vec<&&Arc<Alert>> = of_prefix.iter().filter(|a| Some(a.id.as_str()) == id).collect();
    let opened = of_id.iter().find(|a| a.transition == Transition::Opened).map(|a| a.time);
    let last = of_id.last();
    Ok(Verdict {
        class: last.map_or_else(|| "-".to_owned(), |a| a.class.word().to_owned()),
        gravest: of_prefix.iter().map(|a| a.severity).max(),
        is_named: named.is_some(),
        names_victim: incident.victim.is_some_and(|v| last.is_some_and(|a| a.victim_ases.contains(&v))),
        delay_secs: opened.zip(second).map(|(o, s)| o.secs_since(s)),
        is_resolved: last.is_some_and(|a| a.transition == Transition::Resolved),
    })
}

fn names(alert: &Alert, prefix: &str) -> bool {
    alert.prefixes.iter().any(|p| p.to_string() == prefix)
}

impl Incident {
    /// The path leads to the suspect: ends there, private ASes aside, or passes it where the path is forged.
    fn is_wrong(&self, path: &AsPath) -> bool {
        let ases = path.ases();
        let last = ases.iter().rfind(|a| !a.is_private_or_trans());
        let accuses = |s: &Asn| if self.is_forged { ases.contains(s) } else { last == Some(s) };
        self.suspects.iter().all(accuses)
    }
}

/// When the second distinct peer AS announced the prefix over the suspect.
fn second_peer(dump: &Option<Vec<Item>>, news: &[Item], incident: &Incident) -> Option<Timestamp> {
    let mut peers = BTreeMap::new();
    for item in dump.iter().flatten().chain(news) {
        if let Event::Vantage(id, point) = &item.event {
            peers.insert(*id, point.peer_as);
        }
    }
    let mut first: BTreeMap<Asn, Timestamp> = BTreeMap::new();
    for item in news {
        let Event::Update(update) = &item.event else { continue };
        let is_it = update.announced.iter().any(|n| n.prefix.to_string() == incident.prefix)
            && incident.is_wrong(&update.attributes.as_path);
        if let (true, Some(peer)) = (is_it, peers.get(&update.vantage)) {
            first.entry(*peer).or_insert(item.time);
        }
    }
    let mut times: Vec<Timestamp> = first.into_values().collect();
    times.sort_unstable();
    times.get(1).copied()
}
