//! What does an alert look like on the wire?
//!
//! `bgpwarden.alert/1`: one JSON object, always the whole state of one incident, every key always there. The
//! structs below are the contract and its schema; [`to_json`] fills them from what the engine decided.

mod read;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use feeds::as2org::AsNames;
use ipnet::IpNet;
pub use read::from_json;
use rules::alert::{self as model, Alert, Tlp};
use rules::bgp::{Asn, Timestamp};
use rules::limits;
pub use wire::Word;
use wire::{
    AsInfo, Aspa, Authorization, Baseline, BaselineState, Constituent, Detail, Episode, Evidence, Feeds, Gap, Inputs,
    Leak, Otc, Reason, Rov, SamplePath, SchemaName, Segment, Source, Time, Valley, Violation, Visibility, Vrp, Wire,
};

use crate::text;

/// Raised by one with every release in which the same events may give another verdict: a class, a score, a gate or a
/// threshold changed, or a rule came or went. Words of a title or a detail are no verdict.
pub const RULES_VERSION: u32 = 2;

/// Characters of a name: a constituent, a collector, a source.
const NAME: usize = 64;
/// ASes described by name and country.
const AS_INFO: usize = 64;
/// Hops and violations of one proof: real paths have below 30 hops, and what is judged stands in `sample_paths`.
const PROOF_ITEMS: usize = 64;
/// Origins of one prefix in `details`.
const DETAIL_ORIGINS: usize = 16;

/// What an alert says that the engine does not know.
#[derive(Clone, Debug)]
pub struct WireContext {
    /// Where the pages of this instance are reached from outside.
    pub public_url: Option<String>,
    /// The least strict marking an alert of this instance may carry.
    pub tlp: Tlp,
    /// What ASes are called.
    pub names: Arc<AsNames>,
}

impl Default for WireContext {
    fn default() -> Self {
        Self { public_url: None, tlp: Tlp::Clear, names: Arc::default() }
    }
}

impl WireContext {
    /// The page of an incident.
    pub fn incident_url(&self, id: &str) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{}/incidents/{id}", base.trim_end_matches('/')))
    }
}

/// The alert as one line of JSON, at most [`limits::ALERT_BYTES`]. What does not fit loses details first,
/// prefixes next; the counts beside them stay exact.
pub fn to_json(alert: &Alert, context: &WireContext) -> String {
    let mut wire = wire_of(alert, context);
    loop {
        let line = serde_json::to_string(&wire).expect("an alert has only string keys and finite numbers");
        if line.len() <= limits::ALERT_BYTES || !shorten(&mut wire) {
            return line;
        }
    }
}

/// Halves what may be shortened; false when nothing is left.
fn shorten(wire: &mut Wire) -> bool {
    let list = if wire.details.is_empty() { wire.prefixes.len() } else { wire.details.len() };
    if wire.details.is_empty() {
        wire.prefixes.truncate(list / 2);
    } else {
        wire.details.truncate(list / 2);
    }
    list > 0
}

/// The JSON Schema of an alert (draft 2020-12).
pub fn schema() -> serde_json::Value {
    schema_with("/$defs")
}

/// The same with the types of its parts under this path.
pub fn schema_with(definitions: &'static str) -> serde_json::Value {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = definitions.into();
    settings.into_generator().into_root_schema_for::<Wire>().to_value()
}

fn wire_of(alert: &Alert, context: &WireContext) -> Wire {
    Wire {
        schema: SchemaName,
        id: alert.id.clone(),
        sequence: alert.sequence,
        transition: Word(alert.transition),
        status: Word(alert.status),
        reason: reason(&alert.reason),
        time: Time(alert.time),
        class: Word(alert.class),
        rfc7908_type: alert.rfc7908_type,
        severity: Word(alert.severity),
        previous_severity: alert.previous_severity.map(Word),
        score: alert.score,
        provisional: alert.provisional,
        title: text::plain(&alert.title, limits::TITLE),
        url: context.incident_url(&alert.id),
        tlp: Word(alert.tlp.max(context.tlp)),
        constituents: constituents(&alert.constituents),
        constituent_count: alert.constituent_count,
        prefixes: alert.prefixes.iter().take(limits::ALERT_PREFIXES).map(prefix).collect(),
        prefix_count: alert.prefix_count,
        active_prefix_count: alert.active_prefix_count,
        details: alert.details.iter().take(limits::ALERT_DETAILS).map(detail).collect(),
        expected_origins: ascending(&alert.expected_origins, limits::ALERT_ASES),
        detected_origins: ascending(&alert.detected_origins, limits::ALERT_ASES),
        suspect_ases: in_order(&alert.suspect_ases, limits::ALERT_SUSPECTS),
        accepted_by: ascending(&alert.accepted_by, limits::ALERT_SUSPECTS),
        victim_ases: ascending(&alert.victim_ases, limits::ALERT_ASES),
        victim_as_count: alert.victim_as_count,
        as_info: as_info(alert, &context.names),
        leak: alert.leak.as_ref().map(leak),
        started: Time(alert.started),
        opened: Time(alert.opened),
        last_seen: Time(alert.last_seen),
        ended: alert.ended.map(Time),
        episodes: episodes(&alert.episodes),
        duration_secs: thousandths(alert.duration_secs),
        visibility: visibility(&alert.visibility),
        sample_paths: alert.sample_paths.iter().take(limits::ALERT_SAMPLE_PATHS).map(sample_path).collect(),
        rov: rov(&alert.rov),
        aspa: aspa(&alert.aspa),
        otc: Otc { value: alert.otc.value.map(|asn| asn.0), verdict: Word(alert.otc.verdict) },
        valley: valley(&alert.valley),
        evidence: evidence(&alert.evidence),
        related_ids: alert.related_ids.iter().take(limits::ALERT_RELATED).map(|id| text::plain(id, NAME)).collect(),
        inputs: inputs(&alert.inputs, alert.time),
    }
}

fn reason(reason: &model::Reason) -> Reason {
    Reason {
        code: Word(reason.code),
        detail: text::plain(&reason.detail, limits::TEXT),
        source: text::plain(&reason.source, limits::TEXT),
        as_of: reason.as_of.map(Time),
    }
}

fn constituents(list: &[model::Constituent]) -> Vec<Constituent> {
    let mut sorted: Vec<_> = list.iter().collect();
    sorted.sort();
    let bounded = sorted.into_iter().take(limits::ALERT_CONSTITUENTS);
    bounded.map(|c| Constituent { name: text::plain(&c.name, NAME), role: Word(c.role), tlp: Word(c.tlp) }).collect()
}

fn detail(detail: &model::Detail) -> Detail {
    Detail {
        prefix: prefix(&detail.prefix),
        covering_prefix: detail.covering_prefix.as_ref().map(prefix),
        expected_origins: ascending(&detail.expected_origins, DETAIL_ORIGINS),
        detected_origins: ascending(&detail.detected_origins, DETAIL_ORIGINS),
        rov: Word(detail.rov),
        expected_rov: detail.expected_rov.map(Word),
        started: Time(detail.started),
        ended: detail.ended.map(Time),
        peer_ases: detail.peer_ases,
    }
}

/// The ASes the alert names, described; where they are too many, those under suspicion come in first.
fn as_info(alert: &Alert, names: &AsNames) -> Vec<AsInfo> {
    let leak = alert.leak.iter().flat_map(|leak| [leak.leaker, leak.from, leak.to]).flatten();
    let named = (alert.suspect_ases.iter().chain(&alert.detected_origins).copied())
        .chain(leak)
        .chain(alert.accepted_by.iter().chain(&alert.expected_origins).chain(&alert.victim_ases).copied());
    let mut chosen = BTreeSet::new();
    for asn in named {
        if chosen.len() < AS_INFO {
            chosen.insert(asn);
        }
    }
    let described = |asn: Asn| {
        let known = names.of(asn);
        let name = known.and_then(|known| known.name.as_ref()).map(|name| text::plain(name, NAME));
        let country = known.and_then(|known| known.country.as_ref()).map(ToString::to_string);
        AsInfo { asn: asn.0, name, country }
    };
    chosen.into_iter().map(described).collect()
}

fn leak(leak: &model::Leak) -> Leak {
    let segment = |s: &model::LeakSegment| Segment {
        from: s.from.map(|asn| asn.0),
        leaker: s.leaker.map(|asn| asn.0),
        to: s.to.map(|asn| asn.0),
        rfc7908_type: s.rfc7908_type,
        prefix_count: s.prefix_count,
    };
    Leak {
        leaker: leak.leaker.map(|asn| asn.0),
        from: leak.from.map(|asn| asn.0),
        to: leak.to.map(|asn| asn.0),
        segments: leak.segments.iter().take(limits::ALERT_SEGMENTS).map(segment).collect(),
    }
}

/// The newest episodes, newest last.
fn episodes(list: &[model::Episode]) -> Vec<Episode> {
    let skipped = list.len().saturating_sub(limits::ALERT_EPISODES);
    list[skipped..].iter().map(|e| Episode { started: Time(e.started), ended: e.ended.map(Time) }).collect()
}

fn visibility(v: &model::Visibility) -> Visibility {
    let mut collectors: Vec<_> = v.collectors.iter().map(|name| text::plain(name, NAME)).collect();
    collectors.sort_unstable();
    collectors.dedup();
    collectors.truncate(limits::ALERT_COLLECTORS);
    Visibility {
        peer_ases: v.peer_ases,
        peer_ases_peak: v.peer_ases_peak,
        full_feed_peers: v.full_feed_peers,
        full_feed_share: v.full_feed_share.map(share),
        full_feed_share_peak: v.full_feed_share_peak.map(share),
        collectors,
    }
}

fn sample_path(sample: &model::SamplePath) -> SamplePath {
    SamplePath {
        prefix: prefix(&sample.prefix),
        as_path: text::path(&sample.as_path, limits::PATH_TEXT),
        collector: text::plain(&sample.collector, NAME),
        peer_as: sample.peer_as.0,
        peer_address: sample.peer_address.to_string(),
        time: Time(sample.time),
    }
}

fn rov(proof: &model::RovProof) -> Rov {
    let vrp = |vrp: &model::CoveringVrp| Vrp {
        prefix: prefix(&vrp.prefix),
        max_length: vrp.max_length,
        asn: vrp.asn.0,
        source: text::plain(&vrp.source, NAME),
    };
    Rov {
        state: Word(proof.state),
        reason: proof.reason.map(Word),
        expected_state: proof.expected_state.map(Word),
        covering: proof.covering.iter().take(limits::ALERT_COVERING).map(vrp).collect(),
    }
}

fn aspa(proof: &model::AspaProof) -> Aspa {
    let hop = |hop: &model::AspaHop| Authorization {
        customer: hop.customer.0,
        provider: hop.provider.0,
        authorized: Word(hop.authorized),
    };
    Aspa {
        verdict: Word(proof.verdict),
        procedure: proof.procedure.map(|p| p.word().to_owned()),
        suspects: in_order(&proof.suspects, limits::ALERT_SUSPECTS),
        hops: proof.hops.iter().take(PROOF_ITEMS).map(hop).collect(),
    }
}

fn valley(proof: &model::ValleyProof) -> Valley {
    let violation = |v: &rules::leak::Violation| Violation {
        rfc7908_type: v.rfc7908_type,
        leaker: v.leaker.0,
        from: v.from.0,
        to: v.to.0,
    };
    Valley {
        verdict: Word(proof.verdict),
        violations: proof.violations.iter().take(PROOF_ITEMS).map(violation).collect(),
        unknown_hops: proof.unknown_hops,
    }
}

/// Largest points first; equal ones stay in the order of the rules.
fn evidence(list: &[model::Evidence]) -> Vec<Evidence> {
    let mut sorted: Vec<_> = list.iter().collect();
    sorted.sort_by_key(|e| std::cmp::Reverse(e.points));
    let bounded = sorted.into_iter().take(limits::ALERT_EVIDENCE);
    let one = |e: &model::Evidence| Evidence {
        code: text::plain(e.code, NAME),
        points: e.points,
        detail: text::plain(&e.detail, limits::TEXT),
        source: text::plain(&e.source, limits::TEXT),
        as_of: e.as_of.map(Time),
    };
    bounded.map(one).collect()
}

fn inputs(inputs: &model::Inputs, now: Timestamp) -> Inputs {
    let gap = |gap: &model::Gap| Gap { feed: text::plain(&gap.feed, NAME), from: Time(gap.from), to: gap.to.map(Time) };
    let state = if inputs.baseline_ready { BaselineState::Ready } else { BaselineState::Learning };
    Inputs {
        feeds: Feeds { live: inputs.feeds_live, degraded: names(&inputs.feeds_degraded) },
        gaps: inputs.gaps.iter().take(limits::ALERT_GAPS).map(gap).collect(),
        baseline: Baseline { state, as_of: inputs.baseline_as_of.map(Time) },
        vrps: source(&inputs.vrps, now),
        aspas: source(&inputs.aspas, now),
        relations: source(&inputs.relations, now),
        rules_version: RULES_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn source(source: &model::Source, now: Timestamp) -> Source {
    Source {
        source: text::plain(&source.name, limits::TEXT),
        serial: source.serial,
        as_of: source.as_of.map(Time),
        age_secs: source.as_of.map(|as_of| thousandths(now.secs_since(as_of))),
        state: Word(source.state),
    }
}

fn names(list: &[Arc<str>]) -> Vec<String> {
    list.iter().take(limits::ALERT_COLLECTORS).map(|name| text::plain(name, NAME)).collect()
}

fn prefix(prefix: &IpNet) -> String {
    prefix.trunc().to_string()
}

fn in_order(list: &[Asn], most: usize) -> Vec<u32> {
    list.iter().take(most).map(|asn| asn.0).collect()
}

fn ascending(list: &[Asn], most: usize) -> Vec<u32> {
    let mut sorted: Vec<u32> = list.iter().map(|asn| asn.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.truncate(most);
    sorted
}

fn share(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn thousandths(secs: f64) -> f64 {
    (secs * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
