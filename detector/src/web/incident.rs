//! What does the page of one incident show?

use askama::Template;
use axum::response::Response;
use feeds::as2org::AsNames;
use rules::alert::{Alert, Evidence};
use rules::bgp::Asn;

use super::history::{Curves, History};
use super::linked::Linked;
use super::{
    Row, Triage, account, ases, ases_or_nothing, lasted, letter, moment, page, paths, seen_by, span, spoken, spread,
};
use crate::app::now;
use crate::store::Overview;
use crate::text;

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage<'a> {
    alert: &'a Alert,
    row: Row,
    steps: Vec<StepRow>,
    earlier: Vec<EarlierRow>,
    triage: Triage,
    /// Of what is on record or, without one, of what each alert counted.
    curves: Option<Curves>,
    spread: Option<String>,
    history: Option<History>,
    paths: Option<paths::Graph>,
    letter: String,
    facts: Vec<(&'static str, Linked)>,
    proofs: Vec<(&'static str, String, Linked)>,
    evidence: Vec<EvidenceRow>,
    details: Vec<DetailRow>,
    samples: Vec<SampleRow>,
}

/// Another incident of the same prefix and suspect.
struct EarlierRow {
    id: String,
    class: String,
    started: String,
    status: &'static str,
}

/// One alert of the incident.
struct StepRow {
    sequence: u32,
    time: String,
    transition: &'static str,
    severity: &'static str,
    reason: String,
    seen_by: String,
}

struct EvidenceRow {
    points: i32,
    code: &'static str,
    detail: Linked,
    source: String,
}

struct DetailRow {
    prefix: String,
    covering: Option<String>,
    expected: Linked,
    detected: Linked,
    rov: String,
    started: String,
    ended: String,
    peer_ases: usize,
}

struct SampleRow {
    prefix: String,
    path: String,
    collector: String,
    peer: Linked,
    time: String,
}

/// What the store knows of an incident.
pub struct Known<'a> {
    /// What was told of it so far, the oldest first.
    pub told: &'a [Alert],
    /// Other incidents of the same prefix and suspect, the newest first.
    pub earlier: &'a [Alert],
    /// Who held what.
    pub overview: Option<&'a Overview>,
}

/// All about one incident; `triage` is what people say of it, `names` what ASes are called.
pub fn incident(alert: &Alert, known: &Known<'_>, triage: Triage, names: &AsNames) -> Response {
    let Known { told, earlier, overview } = *known;
    let row = Row::of(alert, names);
    let mut evidence: Vec<_> = alert.evidence.iter().take(32).map(evidence_row).collect();
    evidence.sort_by_key(|row| std::cmp::Reverse(row.points));
    let code = triage.code();
    let page = page(&IncidentPage {
        alert,
        row,
        triage,
        steps: told.iter().map(step_row).collect(),
        earlier: earlier.iter().map(earlier_row).collect(),
        curves: overview.and_then(|overview| Curves::of(overview, alert, now())),
        spread: spread::plot(told),
        history: overview.map(|overview| History::of(overview, alert, names)),
        paths: paths::Graph::of(alert, names),
        letter: letter::letter(alert),
        facts: facts(alert, names),
        proofs: proofs(alert),
        evidence,
        details: details(alert),
        samples: samples(alert),
    });
    account::with_code(code, page)
}

fn step_row(alert: &Alert) -> StepRow {
    StepRow {
        sequence: alert.sequence,
        time: moment(alert.time),
        transition: alert.transition.word(),
        severity: alert.severity.word(),
        reason: text::plain(&alert.reason.detail, 256),
        seen_by: seen_by(alert),
    }
}

fn earlier_row(alert: &Alert) -> EarlierRow {
    let (class, started) = (spoken(alert.class.word()), moment(alert.started));
    EarlierRow { id: alert.id.clone(), class, started, status: alert.status.word() }
}

fn facts(alert: &Alert, names: &AsNames) -> Vec<(&'static str, Linked)> {
    let list = |list| Linked::list(list, names);
    let mut facts = vec![
        ("Suspects", list(&alert.suspect_ases)),
        ("Expected origins", list(&alert.expected_origins)),
        ("Detected origins", list(&alert.detected_origins)),
        ("Accepted by", list(&alert.accepted_by)),
        ("Victims", list(&alert.victim_ases)),
        ("Seen by", Linked::text(&seen_by(alert))),
        ("Started", Linked::text(&moment(alert.started))),
        ("Last seen", Linked::text(&moment(alert.last_seen))),
        ("Ended", Linked::text(&alert.ended.map_or("–".to_owned(), moment))),
        ("Duration", Linked::text(&span(lasted(alert, now())))),
        ("Marking", Linked::text(&format!("TLP:{}", alert.tlp.word().to_uppercase()))),
    ];
    if let Some(leak) = &alert.leak {
        let who = |asn: Option<Asn>| asn.map_or("unknown".to_owned(), |asn| asn.to_string());
        let kind = alert.rfc7908_type.map_or(String::new(), |kind| format!(" (RFC 7908 type {kind})"));
        let said =
            format!("{} took it from {} and gave it to {}{kind}", who(leak.leaker), who(leak.from), who(leak.to));
        facts.insert(0, ("Leak", Linked::text(&said)));
    }
    facts
}

fn proofs(alert: &Alert) -> Vec<(&'static str, String, Linked)> {
    let covering: Vec<_> = (alert.rov.covering.iter().take(8))
        .map(|vrp| format!("{} up to /{} by {}", vrp.prefix, vrp.max_length, vrp.asn))
        .collect();
    let violations: Vec<_> = (alert.valley.violations.iter().take(8))
        .map(|v| format!("{} from {} to {} (type {})", v.leaker, v.from, v.to, v.rfc7908_type))
        .collect();
    let suspects = ases_or_nothing("suspects ", &alert.aspa.suspects);
    let otc = alert.otc.value.map_or(String::new(), |asn| format!("set by {asn}"));
    vec![
        ("Origin (ROV)", spoken(alert.rov.state.word()), Linked::text(&covering.join(", "))),
        ("Path (ASPA)", spoken(alert.aspa.verdict.word()), Linked::text(&suspects)),
        ("Only to Customer", spoken(alert.otc.verdict.word()), Linked::text(&otc)),
        ("Valley-free", spoken(alert.valley.verdict.word()), Linked::text(&violations.join(", "))),
    ]
}

fn evidence_row(evidence: &Evidence) -> EvidenceRow {
    EvidenceRow {
        points: evidence.points,
        code: evidence.code,
        detail: Linked::text(&text::plain(&evidence.detail, 256)),
        source: text::plain(&evidence.source, 64),
    }
}

fn details(alert: &Alert) -> Vec<DetailRow> {
    let listed = |list: &[Asn]| Linked::text(&ases(list));
    let row = |detail: &rules::alert::Detail| DetailRow {
        prefix: detail.prefix.to_string(),
        covering: detail.covering_prefix.map(|prefix| prefix.to_string()),
        expected: listed(&detail.expected_origins),
        detected: listed(&detail.detected_origins),
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
        peer: Linked::text(&format!("{} {}", sample.peer_as, sample.peer_address)),
        time: moment(sample.time),
    };
    alert.sample_paths.iter().take(16).map(row).collect()
}
