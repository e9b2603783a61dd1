//! The detection scenarios of ARTEMIS (FORTH, BSD-3), replayed: what it calls a hijack of a prefix of its configuration has to
//! open an incident here, and what it calls legitimate must not. Where we differ, [`DIFFERENCES`] says why.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::{Class, Tlp, Transition};
use rules::bgp::{AsPath, Asn, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::desk::Settings;
use rules::event::Event;
use rules::finding::Kind;
use rules::testing::{Run, run};
use rules::watch::{Constituent, Resource, Watch};
use serde_json::Value;

/// The rules of its `config.yaml` by hand: prefix, origins, neighbors; empty = any.
/// AS-AMS-IX-PEERS stands for 42, the one member that the scenarios use.
const RULES: &[(&str, &[u32], &[u32])] = &[
    ("10.0.0.0/8", &[1], &[2]),
    ("11.0.0.0/8", &[1], &[2]),
    ("11.0.0.0/9", &[1], &[2]),
    ("11.128.0.0/9", &[1], &[2]),
    ("10.0.0.0/16", &[], &[]),
    ("10.0.1.0/24", &[], &[]),
    ("10.0.2.0/24", &[242], &[]),
    ("10.0.3.0/24", &[243], &[]),
    ("10.0.4.0/24", &[244], &[]),
    ("10.0.5.0/24", &[245], &[]),
    (
        "10.0.6.0/24",
        &[300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310],
        &[320, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330],
    ),
    ("10.0.20.0/24", &[555], &[]),
    ("10.0.30.0/24", &[6777], &[42]),
    ("2001:db8:abcd:10::/64", &[777, 888, 999], &[]),
    ("2001:db8:abcd:11::/64", &[777, 888, 999], &[]),
    ("2001:db8:abcd:12::/64", &[777, 888, 999], &[]),
    ("10.0.40.0/24", &[1000], &[1001, 1002]),
    ("10.0.40.0/24", &[1000], &[1003, 1004]),
];

/// Scenario, prefix, suspect, whether it is told here, and why ARTEMIS sees it otherwise.
const DIFFERENCES: &[(&str, &str, u32, bool, &str)] = &[
    (
        "legit_updates",
        "10.0.1.0/24",
        200,
        true,
        "a watch list cannot say \"any origin\" inside a block that expects one",
    ),
    ("multirule_prefix", "10.0.40.0/24", 1003, false, "no-export is a policy, which no vantage point can judge"),
];

const FILES: [&str; 12] = [
    "as_range_tests",
    "as_set",
    "implicit_withdrawal",
    "legit_updates",
    "multirule_prefix",
    "out_of_order_withdraw",
    "simple_exact_type0",
    "simple_exact_type1",
    "simple_sub_type0",
    "squatting_type0",
    "withdrawn_complex",
    "withdrawn_threshold",
];

type Accused = BTreeSet<(IpNet, Asn)>;

fn folder() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").to_owned();
    let data = std::env::var("BGPWARDEN_DATA").unwrap_or(default);
    let folder = PathBuf::from(data).join("peer-tests/artemis");
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing: set BGPWARDEN_DATA", folder.display());
    eprintln!("SKIPPED: {} is missing; set BGPWARDEN_DATA to the folder of test data", folder.display());
    None
}

fn watch() -> Watch {
    let resource = |(prefix, origins, neighbors): &(&str, &[u32], &[u32])| Resource {
        prefix: prefix.parse().expect("a prefix"),
        expected_origins: origins.iter().copied().map(Asn).collect(),
        upstreams: neighbors.iter().copied().map(Asn).collect(),
        max_length: None,
    };
    let resources = RULES.iter().map(resource).collect();
    Watch::new(vec![Constituent {
        name: "ARTEMIS".into(),
        tlp: Tlp::Green,
        asns: Vec::new(),
        resources,
        ..Constituent::default()
    }])
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

/// Its messages as updates, each peer ASN a vantage point, with nothing known before.
fn replay(messages: &[Value]) -> Run {
    let mut events = vec![(Timestamp::default(), Event::Watch(Arc::new(watch())))];
    let mut peers: BTreeMap<i64, VantageId> = BTreeMap::new();
    for message in messages {
        let send = &message["send"];
        let (peer, seen) = (number(&send["peer_asn"]), Timestamp::from_secs(number(&send["timestamp"])));
        let next = VantageId(peers.len() as u32);
        let vantage = *peers.entry(peer).or_insert_with(|| {
            let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, next.0 as u8 + 1));
            let point = VantagePoint { collector: "artemis".into(), peer_as: Asn(peer as u32), peer_address };
            events.push((seen, Event::Vantage(next, Arc::new(point))));
            next
        });
        let nlri = Nlris::from([Nlri { prefix: prefix_of(send), path_id: 0 }]);
        let is_withdrawal = send["type"] == "W";
        let hops: Vec<Asn> = send["path"].as_array().into_iter().flatten().map(|a| Asn(number(a) as u32)).collect();
        let attributes = PathAttributes { as_path: AsPath::sequence(hops), ..Default::default() };
        let (withdrawn, announced) = if is_withdrawal { (nlri, Nlris::new()) } else { (Nlris::new(), nlri) };
        let update = Update { vantage, seen, withdrawn, announced, attributes: Arc::new(attributes) };
        events.push((seen, Event::Update(update)));
    }
    let end = events.last().map_or(Timestamp::default(), |(at, _)| *at);
    events.push((end.plus_secs(61), Event::Tick));
    run(&events, Settings::default(), 1)
}

fn prefix_of(value: &Value) -> IpNet {
    value["prefix"].as_str().and_then(|p| p.parse().ok()).expect("a prefix")
}

/// Whom ARTEMIS accuses, and of which prefix.
fn accused_by_artemis(messages: &[Value]) -> Accused {
    let responses = messages.iter().filter_map(|m| m.get("detection_hijack_response"));
    responses.map(|r| (prefix_of(r), Asn(number(&r["hijack_as"]) as u32))).collect()
}

/// Whom we suspect most, and of which prefix: stories about an origin, and what looks like one.
fn accused_here(run: &Run) -> Accused {
    let is_origin = |class: Class| !matches!(class.kind(), Kind::Bogon | Kind::Leak);
    let alerts = run.alerts.iter().filter(|a| is_origin(a.class));
    alerts.flat_map(|a| a.prefixes.iter().map(|p| (*p, a.suspect_ases[0]))).collect()
}

#[test]
fn what_artemis_calls_a_hijack_is_an_incident_and_what_it_calls_legitimate_is_none() {
    let Some(folder) = folder() else { return };
    let (mut agreed, mut unexplained) = (0, Vec::new());
    let mut explained = BTreeSet::new();
    for name in FILES {
        let messages = read(&folder, name);
        let (theirs, ours) = (accused_by_artemis(&messages), accused_here(&replay(&messages)));
        agreed += theirs.intersection(&ours).count();
        for (prefix, asn) in theirs.symmetric_difference(&ours) {
            let told = ours.contains(&(*prefix, *asn));
            let known = DIFFERENCES
                .iter()
                .position(|(n, p, a, t, _)| (*n, *p, *a, *t) == (name, prefix.to_string().as_str(), asn.0, told));
            match known {
                Some(i) => drop(explained.insert(i)),
                None => unexplained.push(format!("{name}: {prefix} {asn} told here: {told}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    assert_eq!(explained.len(), DIFFERENCES.len(), "a difference is none any more: only {explained:?} are");
    assert_eq!(agreed, AGREED);
}

/// Hijacks that both see.
const AGREED: usize = 11;

fn read(folder: &std::path::Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a scenario");
    serde_json::from_str(&text).expect("a list of messages")
}

#[test]
fn a_hijack_is_over_when_the_last_peer_gave_it_up() {
    let Some(folder) = folder() else { return };
    for (name, ended) in [
        // The route is replaced by the right one at both peers.
        ("implicit_withdrawal", Some(4)),
        ("withdrawn_complex", Some(30)),
        // ARTEMIS takes five of six peers for an end; here peer AS80 still holds the route.
        ("withdrawn_threshold", None),
    ] {
        let run = replay(&read(&folder, name));
        let last = run.alerts.last().expect("an alert");
        let expected = ended.map(Timestamp::from_secs);
        assert_eq!(last.ended, expected, "{name}");
        assert_eq!(last.transition == Transition::Resolved, ended.is_some(), "{name}");
    }
}
