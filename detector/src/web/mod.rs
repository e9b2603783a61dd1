//! What does a person see in a browser?
//!
//! Pages are made here and need no script; a small one only fetches the page again and swaps its middle. Every
//! string is escaped by the templates, and nothing comes from another host.

mod account;
mod api;
mod constituents;
mod health;
mod history;
mod incident;
mod letter;
mod linked;
mod lookup;
mod network;
mod paths;
mod search;
mod spread;
mod triage;

use askama::Template;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use feeds::as2org::AsNames;
use rules::alert::{Alert, Status};
use rules::bgp::{Asn, Timestamp};

use crate::app::now;
use crate::health::{BaselineState, Readiness, Report};
use crate::text;
use crate::view::IncidentView;
use crate::watched::{PrefixReport, WatchedReport};
use linked::Linked;

pub use account::{account, refused, sign_in};
pub use api::api;
pub use constituents::{Asked, constituents};
pub use health::health;
pub use history::ROWS as ROUTES;
pub use incident::{Known, incident};
pub use lookup::{Around, lookup};
pub use network::network;
pub use search::search;
pub use triage::{Draft, Triage};

/// Incidents of the first page; the API lists all.
const ROWS: usize = 200;
/// Prefixes of one row.
const ROW_PREFIXES: usize = 3;

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    report: &'a Report,
    readiness: Readiness,
    learning: bool,
    watched: &'a WatchedReport,
    open_count: usize,
    known_count: usize,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "watched.html")]
struct Watched<'a> {
    watched: &'a WatchedReport,
    rows: Vec<WatchedRow<'a>>,
}

/// One watched prefix.
struct WatchedRow<'a> {
    prefix: &'a PrefixReport,
    constituents: String,
    origins: String,
    full_feeds: usize,
}

impl<'a> WatchedRow<'a> {
    fn of(prefix: &'a PrefixReport, watched: &WatchedReport) -> Self {
        let names: Vec<_> = prefix.constituents.iter().map(|name| text::plain(name, 64)).collect();
        let origins: Vec<_> = prefix.origins.iter().map(|o| format!("{} ({})", Asn(o.asn), spoken(o.rov))).collect();
        let peers = &watched.full_feed_peers;
        Self {
            prefix,
            constituents: names.join(", "),
            origins: if origins.is_empty() { "–".to_owned() } else { origins.join(", ") },
            full_feeds: if prefix.prefix.contains(':') { peers.ipv6 } else { peers.ipv4 },
        }
    }
}

/// One incident in the list.
struct Row {
    id: String,
    title: String,
    class: String,
    severity: &'static str,
    status: &'static str,
    provisional: bool,
    watched: String,
    prefixes: String,
    suspects: Linked,
    seen_by: String,
    started: String,
    duration: String,
}

impl Row {
    fn of(alert: &Alert, names: &AsNames) -> Self {
        let shown: Vec<_> = alert.prefixes.iter().take(ROW_PREFIXES).map(ToString::to_string).collect();
        let more = alert.prefix_count.saturating_sub(shown.len());
        let watched: Vec<_> = alert.constituents.iter().take(3).map(|c| text::plain(&c.name, 64)).collect();
        Self {
            id: alert.id.clone(),
            title: text::plain(&alert.title, 200),
            class: spoken(alert.class.word()),
            severity: alert.severity.word(),
            status: alert.status.word(),
            provisional: alert.provisional && alert.status == Status::Open,
            watched: watched.join(", "),
            prefixes: if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") },
            suspects: Linked::list(&alert.suspect_ases, names),
            seen_by: seen_by(alert),
            started: moment(alert.started),
            duration: span(lasted(alert, now())),
        }
    }
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing;

/// The first page.
pub fn index(report: &Report, watched: &WatchedReport, view: &IncidentView, names: &AsNames) -> Response {
    let incidents = view.list();
    let open_count = incidents.iter().filter(|incident| incident.alert.status == Status::Open).count();
    page(&Index {
        report,
        readiness: report.readiness(),
        learning: report.baseline != BaselineState::Ready,
        watched,
        open_count,
        known_count: incidents.len(),
        rows: incidents.iter().take(ROWS).map(|incident| Row::of(&incident.alert, names)).collect(),
    })
}

/// The watched prefixes, those first that nobody sees.
pub fn watched(watched: &WatchedReport) -> Response {
    let rows = watched.prefixes.iter().map(|prefix| WatchedRow::of(prefix, watched)).collect();
    page(&Watched { watched, rows })
}

pub async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, page(&Missing)).into_response()
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js")).into_response()
}

pub async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("favicon.svg")).into_response()
}

/// By how many it is seen; by how many it was at most, once nobody sees it any more.
fn seen_by(alert: &Alert) -> String {
    let v = &alert.visibility;
    let (peers, share, before) = match v.peer_ases {
        0 => (v.peer_ases_peak, v.full_feed_share_peak, "at most "),
        now => (now, v.full_feed_share, ""),
    };
    let ases = if peers == 1 { "peer AS" } else { "peer ASes" };
    match share {
        Some(share) => format!("{before}{peers} {ases}, {:.0} % of full feeds", share * 100.0),
        None => format!("{before}{peers} {ases}"),
    }
}

/// The first ASes of a list, in words.
fn ases(list: &[Asn]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = list.iter().take(SHOWN).map(ToString::to_string).collect();
    match list.len() {
        0 => "–".to_owned(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}

fn ases_or_nothing(before: &str, list: &[Asn]) -> String {
    if list.is_empty() { String::new() } else { format!("{before}{}", ases(list)) }
}

pub(crate) fn spoken(word: &str) -> String {
    word.replace('_', " ")
}

/// `2026-03-01 03:04:05 UTC`.
pub(crate) fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    let (day, clock) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", clock.split('.').next().unwrap_or_default())
}

/// The beginning of a day, or of one of the days behind it; anything else is left as it is.
pub fn day_as_moment(text: &str, days: i64) -> String {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let day = day.and_then(|day| day.checked_add(jiff::Span::new().days(days)).ok());
    day.map_or(text.to_owned(), |day| format!("{day}T00:00:00Z"))
}

/// What is open goes on since it was last told of.
fn lasted(alert: &Alert, now: Timestamp) -> f64 {
    let since = if alert.status == Status::Open { now.secs_since(alert.time).max(0.0) } else { 0.0 };
    alert.duration_secs + since
}

fn span(secs: f64) -> String {
    let whole = secs.max(0.0) as u64;
    match (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_goes_on_and_what_is_over_does_not() {
        let open = crate::alert::samples::opened();
        let later = open.time.plus_secs(60);
        assert_eq!(lasted(&open, later), open.duration_secs + 60.0);
        assert_eq!(lasted(&open, open.time.plus_secs(-60)), open.duration_secs);
        let over = Alert { status: Status::Resolved, ..open };
        assert_eq!(lasted(&over, later), over.duration_secs);
    }

    #[test]
    fn times_and_spans_read_well() {
        assert_eq!(moment(Timestamp::from_secs(1_772_334_242)), "2026-03-01 03:04:02 UTC");
        for (secs, text) in
            [(59.9, "59 s"), (61.0, "1 min 1 s"), (7_260.0, "2 h 1 min"), (90_000.0, "1 d 1 h"), (-1.0, "0 s")]
        {
            assert_eq!(span(secs), text);
        }
    }
}
