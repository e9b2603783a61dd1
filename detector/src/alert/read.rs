//! What did an alert say that was written down?
//!
//! The way back from the wire, for incidents of earlier lives. What the wire does not carry (more than its bounds) is gone.

use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::{self as model, Alert};
use rules::bgp::{Asn, Timestamp};
use rules::finding::Code;
use rules::rpki::Procedure;
use serde::de::Error as _;

use super::wire::{self, BaselineState, Time, Wire};

type Result<T> = serde_json::Result<T>;

/// Reads what [`super::to_json`] wrote; keys of later versions are passed over.
pub fn from_json(line: &str) -> Result<Alert> {
    let wire: Wire = serde_json::from_str(line)?;
    Ok(Alert {
        id: wire.id,
        sequence: wire.sequence,
        transition: wire.transition.0,
        status: wire.status.0,
        reason: model::Reason {
            code: wire.reason.code.0,
            detail: wire.reason.detail,
            source: wire.reason.source,
            as_of: time(wire.reason.as_of),
        },
        time: wire.time.0,
        class: wire.class.0,
        rfc7908_type: wire.rfc7908_type,
        severity: wire.severity.0,
        previous_severity: wire.previous_severity.map(|severity| severity.0),
        score: wire.score,
        provisional: wire.provisional,
        title: wire.title,
        tlp: wire.tlp.0,
        constituents: wire.constituents.into_iter().map(constituent).collect(),
        constituent_count: wire.constituent_count,
        prefixes: wire.prefixes.iter().map(|text| prefix(text)).collect::<Result<_>>()?,
        prefix_count: wire.prefix_count,
        active_prefix_count: wire.active_prefix_count,
        details: wire.details.into_iter().map(detail).collect::<Result<_>>()?,
        expected_origins: ases(wire.expected_origins),
        detected_origins: ases(wire.detected_origins),
        suspect_ases: ases(wire.suspect_ases),
        accepted_by: ases(wire.accepted_by),
        victim_ases: ases(wire.victim_ases),
        victim_as_count: wire.victim_as_count,
        leak: wire.leak.map(leak),
        started: wire.started.0,
        opened: wire.opened.0,
        last_seen: wire.last_seen.0,
        ended: time(wire.ended),
        episodes: wire.episodes.into_iter().map(episode).collect(),
        duration_secs: wire.duration_secs,
        visibility: visibility(wire.visibility),
        sample_paths: wire.sample_paths.into_iter().map(sample_path).collect::<Result<_>>()?,
        rov: rov(wire.rov)?,
        aspa: aspa(wire.aspa)?,
        otc: model::OtcProof { value: wire.otc.value.map(Asn), verdict: wire.otc.verdict.0 },
        valley: valley(wire.valley),
        evidence: wire.evidence.into_iter().map(evidence).collect(),
        related_ids: wire.related_ids,
        inputs: inputs(wire.inputs),
    })
}

fn time(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

fn ases(list: Vec<u32>) -> Vec<Asn> {
    list.into_iter().map(Asn).collect()
}

fn prefix(text: &str) -> Result<IpNet> {
    text.parse().map_err(|_| serde_json::Error::custom(format!("{text:?} is no prefix")))
}

fn constituent(c: wire::Constituent) -> model::Constituent {
    model::Constituent { name: c.name, role: c.role.0, tlp: c.tlp.0 }
}

fn detail(detail: wire::Detail) -> Result<model::Detail> {
    Ok(model::Detail {
        prefix: prefix(&detail.prefix)?,
        covering_prefix: detail.covering_prefix.as_deref().map(prefix).transpose()?,
        expected_origins: ases(detail.expected_origins),
        detected_origins: ases(detail.detected_origins),
        rov: detail.rov.0,
        expected_rov: detail.expected_rov.map(|state| state.0),
        started: detail.started.0,
        ended: time(detail.ended),
        peer_ases: detail.peer_ases,
    })
}

fn leak(leak: wire::Leak) -> model::Leak {
    let segment = |s: wire::Segment| model::LeakSegment {
        from: s.from.map(Asn),
        leaker: s.leaker.map(Asn),
        to: s.to.map(Asn),
        rfc7908_type: s.rfc7908_type,
        prefix_count: s.prefix_count,
    };
    model::Leak {
        leaker: leak.leaker.map(Asn),
        from: leak.from.map(Asn),
        to: leak.to.map(Asn),
        segments: leak.segments.into_iter().map(segment).collect(),
    }
}

fn episode(episode: wire::Episode) -> model::Episode {
    model::Episode { started: episode.started.0, ended: time(episode.ended) }
}

fn visibility(v: wire::Visibility) -> model::Visibility {
    model::Visibility {
        peer_ases: v.peer_ases,
        peer_ases_peak: v.peer_ases_peak,
        full_feed_peers: v.full_feed_peers,
        full_feed_share: v.full_feed_share,
        full_feed_share_peak: v.full_feed_share_peak,
        collectors: names(v.collectors),
    }
}

fn names(list: Vec<String>) -> Vec<Arc<str>> {
    list.into_iter().map(Arc::from).collect()
}

fn sample_path(sample: wire::SamplePath) -> Result<model::SamplePath> {
    let address = &sample.peer_address;
    let peer_address = address.parse().map_err(|_| serde_json::Error::custom(format!("{address:?} is no address")))?;
    Ok(model::SamplePath {
        prefix: prefix(&sample.prefix)?,
        as_path: sample.as_path,
        collector: sample.collector.into(),
        peer_as: Asn(sample.peer_as),
        peer_address,
        time: sample.time.0,
    })
}

fn rov(rov: wire::Rov) -> Result<model::RovProof> {
    let vrp = |vrp: wire::Vrp| {
        let (asn, source) = (Asn(vrp.asn), vrp.source.into());
        Ok(model::CoveringVrp { prefix: prefix(&vrp.prefix)?, max_length: vrp.max_length, asn, source })
    };
    Ok(model::RovProof {
        state: rov.state.0,
        reason: rov.reason.map(|reason| reason.0),
        expected_state: rov.expected_state.map(|state| state.0),
        covering: rov.covering.into_iter().map(vrp).collect::<Result<_>>()?,
    })
}

fn aspa(aspa: wire::Aspa) -> Result<model::AspaProof> {
    let procedure = |word: String| {
        let found = [Procedure::Upstream, Procedure::Downstream].into_iter().find(|p| p.word() == word);
        found.ok_or_else(|| serde_json::Error::custom(format!("{word:?} is no procedure")))
    };
    let hop = |hop: wire::Authorization| model::AspaHop {
        customer: Asn(hop.customer),
        provider: Asn(hop.provider),
        authorized: hop.authorized.0,
    };
    Ok(model::AspaProof {
        verdict: aspa.verdict.0,
        procedure: aspa.procedure.map(procedure).transpose()?,
        suspects: ases(aspa.suspects),
        hops: aspa.hops.into_iter().map(hop).collect(),
    })
}

fn valley(valley: wire::Valley) -> model::ValleyProof {
    let violation = |v: wire::Violation| rules::leak::Violation {
        rfc7908_type: v.rfc7908_type,
        leaker: Asn(v.leaker),
        from: Asn(v.from),
        to: Asn(v.to),
    };
    model::ValleyProof {
        verdict: valley.verdict.0,
        violations: valley.violations.into_iter().map(violation).collect(),
        unknown_hops: valley.unknown_hops,
    }
}

fn evidence(evidence: wire::Evidence) -> model::Evidence {
    let known = Code::ALL.iter().map(|code| code.word()).find(|word| *word == evidence.code);
    model::Evidence {
        // A code of another version; its points and its detail stay.
        code: known.unwrap_or("of_another_version"),
        points: evidence.points,
        detail: evidence.detail,
        source: evidence.source.into(),
        as_of: time(evidence.as_of),
    }
}

fn inputs(inputs: wire::Inputs) -> model::Inputs {
    let gap = |gap: wire::Gap| model::Gap { feed: gap.feed.into(), from: gap.from.0, to: time(gap.to) };
    let source = |source: wire::Source| model::Source {
        name: source.source.into(),
        serial: source.serial,
        as_of: time(source.as_of),
        state: source.state.0,
    };
    model::Inputs {
        feeds_live: inputs.feeds.live,
        feeds_degraded: names(inputs.feeds.degraded),
        gaps: inputs.gaps.into_iter().map(gap).collect(),
        baseline_ready: matches!(inputs.baseline.state, BaselineState::Ready),
        baseline_as_of: time(inputs.baseline.as_of),
        vrps: source(inputs.vrps),
        aspas: source(inputs.aspas),
        relations: source(inputs.relations),
    }
}
