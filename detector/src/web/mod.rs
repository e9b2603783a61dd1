//! What does a person see in a browser?
//!
//! Pages are made here and need no script; a small one only fetches the page again and swaps its middle. Every
//! string is escaped by the templates, and nothing comes from another host.

mod api;

pub use api::api;
use askama::Template;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use rules::alert::{Alert, Evidence, Status};
use rules::bgp::{Asn, Timestamp};

use crate::health::{BaselineState, Readiness, Report};
use crate::text;
use crate::view::{Incident, IncidentView};

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
    open_count: usize,
    known_count: usize,
    rows: Vec<Row>,
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
    suspects: String,
    seen_by: String,
    started: String,
    duration: String,
}

impl Row {
    fn of(incident: &Incident) -> Self {
        let alert = &incident.alert;
        let shown: Vec<_> = alert.prefixes.iter().take(ROW_PREFIXES).map(ToString::to_string).collect();
        let more = alert.prefix_count.saturating_sub(shown.len());
        let names: Vec<_> = alert.constituents.iter().take(3).map(|c| text::plain(&c.name, 64)).collect();
        Self {
            id: alert.id.clone(),
            title: text::plain(&alert.title, 200),
            class: spoken(alert.class.word()),
            severity: alert.severity.word(),
            status: alert.status.word(),
            provisional: alert.provisional && alert.status == Status::Open,
            watched: names.join(", "),
            prefixes: if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") },
            suspects: ases(&alert.suspect_ases),
            seen_by: seen_by(alert),
            started: moment(alert.started),
            duration: span(alert.duration_secs),
        }
    }
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage<'a> {
    alert: &'a Alert,
    row: Row,
    facts: Vec<(&'static str, String)>,
    proofs: Vec<(&'static str, String, String)>,
    evidence: Vec<EvidenceRow>,
    details: Vec<DetailRow>,
    samples: Vec<SampleRow>,
}

struct EvidenceRow {
    points: i32,
    code: &'static str,
    detail: String,
    source: String,
}

struct DetailRow {
    prefix: String,
    covering: String,
    expected: String,
    detected: String,
    rov: String,
    started: String,
    ended: String,
    peer_ases: usize,
}

struct SampleRow {
    prefix: String,
    path: String,
    collector: String,
    peer: String,
    time: String,
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing;

/// The first page.
pub fn index(report: &Report, view: &IncidentView) -> Response {
    let incidents = view.list();
    let open_count = incidents.iter().filter(|incident| incident.alert.status == Status::Open).count();
    page(&Index {
        report,
        readiness: report.readiness(),
        learning: report.baseline != BaselineState::Ready,
        open_count,
        known_count: incidents.len(),
        rows: incidents.iter().take(ROWS).map(Row::of).collect(),
    })
}

/// All about one incident.
pub fn incident(alert: &Alert) -> Response {
    let row = Row::of(&Incident { alert: alert.clone().into(), json: "".into() });
    let mut evidence: Vec<_> = alert.evidence.iter().take(32).map(evidence_row).collect();
    evidence.sort_by_key(|row| std::cmp::Reverse(row.points));
    page(&IncidentPage {
        alert,
        row,
        facts: facts(alert),
        proofs: proofs(alert),
        evidence,
        details: details(alert),
        samples: samples(alert),
    })
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

fn facts(alert: &Alert) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Suspects", ases(&alert.suspect_ases)),
        ("Expected origins", ases(&alert.expected_origins)),
        ("Detected origins", ases(&alert.detected_origins)),
        ("Accepted by", ases(&alert.accepted_by)),
        ("Victims", ases(&alert.victim_ases)),
        ("Seen by", seen_by(alert)),
        ("Started", moment(alert.started)),
        ("Last seen", moment(alert.last_seen)),
        ("Ended", alert.ended.map_or("–".to_owned(), moment)),
        ("Duration", span(alert.duration_secs)),
        ("Marking", format!("TLP:{}", alert.tlp.word().to_uppercase())),
    ];
    if let Some(leak) = &alert.leak {
        let who = |asn: Option<Asn>| asn.map_or("unknown".to_owned(), |asn| asn.to_string());
        let kind = alert.rfc7908_type.map_or(String::new(), |kind| format!(" (RFC 7908 type {kind})"));
        let said =
            format!("{} took it from {} and gave it to {}{kind}", who(leak.leaker), who(leak.from), who(leak.to));
        facts.insert(0, ("Leak", said));
    }
    facts
}

fn proofs(alert: &Alert) -> Vec<(&'static str, String, String)> {
    let covering: Vec<_> = (alert.rov.covering.iter().take(8))
        .map(|vrp| format!("{} up to /{} by {}", vrp.prefix, vrp.max_length, vrp.asn))
        .collect();
    let violations: Vec<_> = (alert.valley.violations.iter().take(8))
        .map(|v| format!("{} from {} to {} (type {})", v.leaker, v.from, v.to, v.rfc7908_type))
        .collect();
    let otc = alert.otc.value.map_or(String::new(), |asn| format!("set by {asn}"));
    vec![
        ("Origin (ROV)", spoken(alert.rov.state.word()), covering.join(", ")),
        ("Path (ASPA)", spoken(alert.aspa.verdict.word()), ases_or_nothing("suspects ", &alert.aspa.suspects)),
        ("Only to Customer", spoken(alert.otc.verdict.word()), otc),
        ("Valley-free", spoken(alert.valley.verdict.word()), violations.join(", ")),
    ]
}

fn evidence_row(evidence: &Evidence) -> EvidenceRow {
    EvidenceRow {
        points: evidence.points,
        code: evidence.code,
        detail: text::plain(&evidence.detail, 256),
        source: text::plain(&evidence.source, 64),
    }
}

fn details(alert: &Alert) -> Vec<DetailRow> {
    let row = |detail: &rules::alert::Detail| DetailRow {
        prefix: detail.prefix.to_string(),
        covering: detail.covering_prefix.map_or("–".to_owned(), |prefix| prefix.to_string()),
        expected: ases(&detail.expected_origins),
        detected: ases(&detail.detected_origins),
        rov: spoken(detail.rov.word()),
        started: moment(detail.started),
        ended: detail.ended.map_or("–".to_owned(), moment),
        peer_ases: detail.peer_ases,
    };
    alert.details.iter().take(100).map(row).collect()
}

fn samples(alert: &Alert) -> Vec<SampleRow> {
    let row = |sample: &rules::alert::SamplePath| SampleRow {
        prefix: sample.prefix.to_string(),
        path: text::path(&sample.as_path, 256),
        collector: text::plain(&sample.collector, 64),
        peer: format!("{} {}", sample.peer_as, sample.peer_address),
        time: moment(sample.time),
    };
    alert.sample_paths.iter().take(16).map(row).collect()
}

fn seen_by(alert: &Alert) -> String {
    let v = &alert.visibility;
    match v.full_feed_share {
        Some(share) => format!("{} peer ASes, {:.0} % of full feeds", v.peer_ases, share * 100.0),
        None => format!("{} peer ASes", v.peer_ases),
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

fn spoken(word: &str) -> String {
    word.replace('_', " ")
}

/// `2026-03-01 03:04:05 UTC`.
fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    let (day, clock) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", clock.split('.').next().unwrap_or_default())
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
    fn times_and_spans_read_well() {
        assert_eq!(moment(Timestamp::from_secs(1_772_334_242)), "2026-03-01 03:04:02 UTC");
        for (secs, text) in
            [(59.9, "59 s"), (61.0, "1 min 1 s"), (7_260.0, "2 h 1 min"), (90_000.0, "1 d 1 h"), (-1.0, "0 s")]
        {
            assert_eq!(span(secs), text);
        }
    }
}
