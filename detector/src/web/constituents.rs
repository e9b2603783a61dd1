//! Who is watched, how do they fare, and who hears of it?

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use rules::alert::Status;
use rules::watch::Constituent;

use super::{ases, page};
use crate::config::Route;
use crate::text;
use crate::view::Incident;
use crate::watched::{PrefixReport, WatchedReport};

/// Networks of one page; more are found by name.
const SHOWN: usize = 200;
/// Prefixes of one network.
const PREFIXES: usize = 8;

/// Whom to show, and what is known of all.
pub struct Asked<'a> {
    /// A part of the name.
    pub name: &'a str,
    pub watched: &'a WatchedReport,
    pub routes: &'a [Route],
}

#[derive(Template)]
#[template(path = "constituents.html")]
struct Constituents<'a> {
    name: String,
    learning: bool,
    all: usize,
    /// That fit the name.
    fitting: usize,
    rows: Vec<ConstituentRow<'a>>,
}

struct ConstituentRow<'a> {
    name: String,
    tags: Vec<String>,
    contact: Option<String>,
    asns: String,
    seen: usize,
    unseen: usize,
    unannounced: usize,
    /// Those first that nobody sees.
    prefixes: Vec<&'a PrefixReport>,
    more: usize,
    open: usize,
    told: Vec<String>,
}

pub fn constituents(asked: &Asked<'_>, all: &[Constituent], incidents: &[Incident]) -> Response {
    let wanted = asked.name.trim().to_lowercase();
    let fits = |constituent: &&Constituent| constituent.name.to_lowercase().contains(&wanted);
    let fitting: Vec<_> = all.iter().filter(fits).collect();
    let prefixes = prefixes_by_name(asked.watched);
    let open = open_by_name(incidents);
    let mut rows = Vec::new();
    for constituent in &fitting {
        let shown = text::plain(&constituent.name, rules::limits::TEXT);
        let theirs = prefixes.get(shown.as_str()).map_or(&[][..], Vec::as_slice);
        let open = open.get(&as_told(&constituent.name)).copied().unwrap_or_default();
        rows.push(row(constituent, theirs, open, asked.routes));
    }
    rows.sort_by_cached_key(|row| (row.open == 0, row.unseen == 0, row.name.clone()));
    page(&Constituents {
        name: text::plain(asked.name, 64),
        learning: asked.watched.learning,
        all: all.len(),
        fitting: fitting.len(),
        rows: rows.into_iter().take(SHOWN).collect(),
    })
}

fn prefixes_by_name(watched: &WatchedReport) -> BTreeMap<&str, Vec<&PrefixReport>> {
    let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for prefix in &watched.prefixes {
        for name in &prefix.constituents {
            by_name.entry(name).or_default().push(prefix);
        }
    }
    by_name
}

/// The name as alerts say it.
fn as_told(name: &str) -> String {
    text::plain(name, 64)
}

fn open_by_name(incidents: &[Incident]) -> BTreeMap<String, usize> {
    let mut by_name = BTreeMap::new();
    let open = incidents.iter().filter(|incident| incident.alert.status == Status::Open);
    for constituent in open.flat_map(|incident| &incident.alert.constituents) {
        *by_name.entry(as_told(&constituent.name)).or_default() += 1;
    }
    by_name
}

fn row<'a>(
    constituent: &Constituent,
    theirs: &[&'a PrefixReport],
    open: usize,
    routes: &[Route],
) -> ConstituentRow<'a> {
    let count = |state: &str| theirs.iter().filter(|prefix| prefix.state == state).count();
    let country = constituent.country.iter().chain(&constituent.sectors).map(|tag| text::plain(tag, 64));
    let hears = |route: &&Route| route.constituents.is_empty() || route.constituents.contains(&constituent.name);
    let told = |route: &Route| {
        format!("{} ({}, from {})", text::plain(&route.name, 64), route.kind.word(), route.min_severity.word())
    };
    ConstituentRow {
        name: as_told(&constituent.name),
        tags: country.chain([format!("TLP:{}", constituent.tlp.word().to_uppercase())]).collect(),
        contact: constituent.contact.as_ref().map(|contact| text::plain(contact, 200)),
        asns: ases(&constituent.asns),
        seen: count("seen"),
        unseen: count("unseen"),
        unannounced: count("unannounced"),
        prefixes: theirs.iter().take(PREFIXES).copied().collect(),
        more: theirs.len().saturating_sub(PREFIXES),
        open,
        told: routes.iter().filter(hears).map(told).collect(),
    }
}
