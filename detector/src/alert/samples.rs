//! Alerts for tests: a small one, and the largest anybody can provoke.

use std::sync::Arc;

use rules::alert::*;
use rules::bgp::{Asn, PathAttributes, Timestamp, VantagePoint};
use rules::desk::{RouteEnd, RouteRecord};
use rules::leak::Violation;
use rules::rpki::Authorized;
use rules::shard::HeldBefore;

pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_772_334_242 + secs)
}

/// A route of [`opened`] at the second session of a collector, from a second to another.
pub fn record(collector: &str, started: i64, ended: Option<i64>) -> RouteRecord {
    let path =
        |text: &str| Arc::new(PathAttributes { as_path: text.parse().expect("a path"), ..PathAttributes::default() });
    RouteRecord {
        incident: opened().id.into(),
        prefix: "192.0.2.0/25".parse().expect("a prefix"),
        point: Arc::new(VantagePoint {
            collector: collector.into(),
            peer_as: Asn(64502),
            peer_address: [198, 51, 100, 7].into(),
        }),
        path_id: 0,
        attributes: path("64502 64500 64511"),
        seq: 17,
        at: at(started + 1),
        started: at(started),
        before: Some(HeldBefore {
            prefix: "192.0.2.0/24".parse().expect("a prefix"),
            attributes: path("64502 64500 64496"),
        }),
        ended: ended.map(|secs| RouteEnd { seen: at(secs), why: ReasonCode::Withdrawn }),
    }
}

/// A sub-prefix hijack as it opens.
pub fn opened() -> Alert {
    let prefix = "192.0.2.0/25".parse().expect("a prefix");
    Alert {
        id: "bw-20260301T030402Z-7f3a9c21d0b4".into(),
        sequence: 1,
        transition: Transition::Opened,
        status: Status::Open,
        reason: Reason {
            code: ReasonCode::Seen,
            detail: "seen by 2 peer ASes".into(),
            source: "ris-live".into(),
            as_of: Some(at(0)),
        },
        time: at(30),
        class: Class::SubprefixHijack,
        rfc7908_type: None,
        severity: Severity::High,
        previous_severity: None,
        score: 12,
        provisional: false,
        title: "AS64511 announces 192.0.2.0/25, part of 192.0.2.0/24 of AS64496".into(),
        tlp: Tlp::Green,
        constituents: vec![Constituent { name: "Example Bank".into(), role: Role::Victim, tlp: Tlp::Amber }],
        constituent_count: 1,
        prefixes: vec![prefix],
        prefix_count: 1,
        active_prefix_count: 1,
        details: vec![Detail {
            prefix,
            covering_prefix: Some("192.0.2.0/24".parse().expect("a prefix")),
            expected_origins: vec![Asn(64496)],
            detected_origins: vec![Asn(64511)],
            rov: RovState::Invalid,
            expected_rov: Some(RovState::Valid),
            started: at(0),
            ended: None,
            peer_ases: 88,
        }],
        expected_origins: vec![Asn(64496)],
        detected_origins: vec![Asn(64511)],
        suspect_ases: vec![Asn(64511)],
        accepted_by: vec![Asn(64500)],
        victim_ases: vec![Asn(64496)],
        victim_as_count: 1,
        leak: None,
        started: at(0),
        opened: at(30),
        last_seen: at(2),
        ended: None,
        episodes: vec![Episode { started: at(0), ended: None }],
        duration_secs: 30.000_4,
        visibility: Visibility {
            peer_ases: 88,
            peer_ases_peak: 88,
            full_feed_peers: 341,
            full_feed_share: Some(106.0 / 341.0),
            full_feed_share_peak: Some(106.0 / 341.0),
            collectors: vec!["rrc01".into(), "rrc00".into()],
        },
        sample_paths: vec![SamplePath {
            prefix,
            as_path: "64502 64500 64511".into(),
            collector: "rrc00".into(),
            peer_as: Asn(64502),
            peer_address: "2001:db8::1".parse().expect("an address"),
            time: at(0),
        }],
        rov: RovProof {
            state: RovState::Invalid,
            reason: Some(RovReason::Asn),
            expected_state: Some(RovState::Valid),
            covering: vec![CoveringVrp {
                prefix: "192.0.2.0/24".parse().expect("a prefix"),
                max_length: 24,
                asn: Asn(64496),
                source: "ripe".into(),
            }],
        },
        aspa: AspaProof {
            verdict: AspaState::Unknown,
            procedure: Some(rules::rpki::Procedure::Downstream),
            suspects: vec![],
            hops: vec![AspaHop { customer: Asn(64511), provider: Asn(64500), authorized: Authorized::NoAttestation }],
        },
        otc: OtcProof { value: None, verdict: CheckState::NotEvaluated },
        valley: ValleyProof { verdict: CheckState::Unknown, violations: vec![], unknown_hops: 2 },
        evidence: vec![evidence("subprefix_of_stable_route", 4), evidence("rov_invalid_asn", 8)],
        related_ids: vec![],
        inputs: Inputs {
            feeds_live: 1,
            feeds_degraded: vec![],
            gaps: vec![],
            baseline_ready: true,
            baseline_as_of: Some(at(-600)),
            vrps: Source {
                name: "rpki.json".into(),
                serial: Some(7),
                as_of: Some(at(-120)),
                state: SourceState::Fresh,
            },
            aspas: Source::none(),
            relations: Source::none(),
        },
    }
}

fn evidence(code: &'static str, points: i32) -> Evidence {
    Evidence { code, points, detail: "as found".into(), source: "rules".into(), as_of: None }
}

/// Every list beyond its bound, every text beyond its length, of characters of four bytes.
pub fn worst() -> Alert {
    let long: String = "\u{1F4A5}".repeat(5_000);
    let name: Arc<str> = long.as_str().into();
    let asns: Vec<Asn> = (0..5_000).map(|i| Asn(u32::MAX - i)).collect();
    let prefixes: Vec<ipnet::IpNet> = (0..5_000_u16)
        .map(|i| format!("2001:db8:{i:x}:ffff:ffff:ffff:ffff:{i:x}/128").parse().expect("prefix"))
        .collect();
    let small = opened();
    let detail = Detail {
        expected_origins: asns.clone(),
        detected_origins: asns.clone(),
        covering_prefix: Some(prefixes[1]),
        ended: Some(at(1)),
        ..small.details[0].clone()
    };
    let hop = AspaHop { customer: asns[0], provider: asns[1], authorized: Authorized::NotProviderPlus };
    let segment = LeakSegment {
        from: Some(asns[0]),
        leaker: Some(asns[1]),
        to: Some(asns[2]),
        rfc7908_type: Some(1),
        prefix_count: usize::MAX,
    };
    let source = Source { name: name.clone(), serial: Some(u64::MAX), as_of: Some(at(0)), state: SourceState::Expired };
    let sample =
        SamplePath { as_path: "4294967295 ".repeat(3_000), collector: name.clone(), ..small.sample_paths[0].clone() };
    Alert {
        reason: Reason { detail: long.clone(), source: long.clone(), ..small.reason.clone() },
        rfc7908_type: Some(1),
        previous_severity: Some(Severity::Low),
        title: long.clone(),
        constituents: vec![Constituent { name: long.clone(), ..small.constituents[0].clone() }; 500],
        details: prefixes.iter().map(|prefix| Detail { prefix: *prefix, ..detail.clone() }).collect(),
        prefixes,
        expected_origins: asns.clone(),
        detected_origins: asns.clone(),
        suspect_ases: asns.clone(),
        accepted_by: asns.clone(),
        victim_ases: asns.clone(),
        leak: Some(Leak {
            leaker: Some(asns[0]),
            from: Some(asns[1]),
            to: Some(asns[2]),
            segments: vec![segment; 500],
        }),
        ended: Some(at(50)),
        episodes: vec![Episode { started: at(0), ended: Some(at(1)) }; 500],
        visibility: Visibility { collectors: vec![name.clone(); 500], ..small.visibility.clone() },
        sample_paths: vec![sample; 500],
        rov: RovProof {
            covering: vec![CoveringVrp { source: name.clone(), ..small.rov.covering[0].clone() }; 500],
            ..small.rov.clone()
        },
        aspa: AspaProof { suspects: asns.clone(), hops: vec![hop; 5_000], ..small.aspa.clone() },
        valley: ValleyProof {
            violations: vec![Violation { rfc7908_type: 1, leaker: asns[0], from: asns[1], to: asns[2] }; 5_000],
            ..small.valley.clone()
        },
        evidence: vec![Evidence { detail: long.clone(), source: name.clone(), ..small.evidence[0].clone() }; 500],
        related_ids: vec![small.id.clone(); 500],
        inputs: Inputs {
            feeds_degraded: vec![name.clone(); 500],
            gaps: vec![Gap { feed: name, from: at(0), to: Some(at(1)) }; 500],
            vrps: source.clone(),
            aspas: source.clone(),
            relations: source,
            ..small.inputs.clone()
        },
        ..small
    }
}
