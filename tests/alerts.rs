//! Is every alert what its schema says, small enough, and complete?

mod support;

use feeds::mrt_write::{self, Line};
use ipnet::{IpNet, Ipv4Net};
use rules::bgp::{Asn, Timestamp};
use serde_json::Value;
use support::{bgpwarden, data, ndjson};

const START: i64 = 1_772_334_000;

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&bgpwarden(["schema"]).stdout).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn check(schema: &jsonschema::Validator, line: &str) {
    let alert: Value = serde_json::from_str(line).expect("JSON");
    let errors: Vec<String> = schema.iter_errors(&alert).map(|e| format!("{} at {}", e, e.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:?}\n{line}");
    assert!(line.len() <= 256 * 1024, "{} bytes", line.len());
}

#[test]
fn alerts_of_real_incidents_are_as_the_schema_says() {
    let Some(folder) = data("incidents/classic") else { return };
    let schema = schema();
    for name in ["pakistan_1", "typo_pfx_123862", "facebook_1", "prepend_120618", "iran_1"] {
        let file = |kind: &str| folder.join(format!("{name}.{kind}.mrt.gz")).display().to_string();
        let run = bgpwarden(["replay", "--rib", &file("rib"), &file("updates")]);
        assert!(!run.stdout.is_empty(), "{name}");
        run.stdout.lines().for_each(|line| check(&schema, line));
    }
}

/// `count` /24s from 20.0.0.0 on, of 20,000 ASes.
fn table(count: u32) -> impl Iterator<Item = (IpNet, u32)> {
    (0..count).map(|i| {
        let address = (20u32 << 24) + (i << 8);
        (IpNet::V4(Ipv4Net::new_assert(address.into(), 24)), 30_000 + i % 20_000)
    })
}

fn line(secs: i64, peer: u32, prefix: IpNet, origin: Option<u32>) -> Line {
    Line {
        time: Timestamp::from_secs(START + secs),
        peer_as: Asn(peer),
        peer_address: [192, 0, 2, peer as u8].into(),
        prefix,
        as_path: origin.map(|o| format!("{peer} 3356 {o}").parse().expect("a path")),
    }
}

fn write(name: &str, bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("bgpwarden-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

/// The size of the event of 2014-04-02, when AS4761 announced 417,038 prefixes of others.
#[test]
fn one_incident_of_417038_prefixes_still_is_one_readable_alert() {
    const PREFIXES: u32 = 417_038;
    let peers = [3333u32, 2914];
    let before = peers.iter().flat_map(|peer| table(PREFIXES).map(|(p, o)| line(0, *peer, p, Some(o))));
    let rib = write("mass-rib.mrt", &mrt_write::rib(before).expect("written"));
    let news = peers.iter().flat_map(|peer| table(PREFIXES).map(|(p, _)| line(10, *peer, p, Some(267_613))));
    let updates = write("mass-updates.mrt", &mrt_write::updates(news).expect("written"));
    let run = bgpwarden(["replay", "--final", "--rib", &rib, &updates]);
    assert!(run.status.success(), "{}", run.stderr);
    let schema = schema();
    run.stdout.lines().for_each(|line| check(&schema, line));
    let alerts = ndjson(&run.stdout);
    let titles: Vec<&Value> = alerts.iter().map(|a| &a["title"]).collect();
    assert_eq!(alerts.len(), 1, "{titles:?}");
    assert_eq!(alerts[0]["class"], "reorigination_leak");
    assert_eq!(alerts[0]["rfc7908_type"], 5);
    assert_eq!(alerts[0]["suspect_ases"][0], 267_613);
    assert_eq!(alerts[0]["prefix_count"], PREFIXES);
    assert_eq!(alerts[0]["prefixes"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(alerts[0]["victim_as_count"], 20_000);
    for file in [rib, updates] {
        let _ = std::fs::remove_file(file);
    }
}

#[test]
fn a_route_of_the_dump_is_withdrawn_by_updates_of_another_file_of_the_collector() {
    let prefix: IpNet = "20.0.0.0/24".parse().expect("a prefix");
    let dump = [line(0, 3333, prefix, Some(1000)), line(0, 2914, prefix, Some(1000))];
    let rib = write("split-rib.mrt", &mrt_write::rib(dump).expect("written"));
    let hijack = [line(10, 3333, prefix, Some(4761)), line(11, 2914, prefix, Some(4761))];
    let first = write("split-1.mrt", &mrt_write::updates(hijack).expect("written"));
    let end = [line(100, 3333, prefix, None), line(101, 2914, prefix, None), line(400, 2914, prefix, Some(1000))];
    let second = write("split-2.mrt", &mrt_write::updates(end).expect("written"));
    let args = [format!("--rib=rrc00={rib}"), format!("rrc00={second}"), format!("rrc00={first}")];
    let run = bgpwarden(["replay".to_owned()].into_iter().chain(args));
    let told: Vec<(Value, Value)> =
        ndjson(&run.stdout).into_iter().map(|a| (a["transition"].clone(), a["ended"].clone())).collect();
    assert_eq!(told[0].0, "opened", "{}", run.stderr);
    assert_eq!(told.last().map(|t| &t.0), Some(&Value::from("resolved")));
    assert_eq!(told.last().map(|t| &t.1), Some(&Value::from("2026-03-01T03:01:41.000Z")));
}

#[test]
fn a_hijack_of_three_hours_stays_open_to_its_end() {
    let prefix: IpNet = "20.0.0.0/24".parse().expect("a prefix");
    let dump = [line(0, 3333, prefix, Some(1000)), line(0, 2914, prefix, Some(1000))];
    let rib = write("long-rib.mrt", &mrt_write::rib(dump).expect("written"));
    let other: IpNet = "20.0.9.0/24".parse().expect("a prefix");
    let mut news = vec![line(10, 3333, prefix, Some(4761)), line(11, 2914, prefix, Some(4761))];
    news.extend((1..18).map(|i| line(600 * i, 3333, other, Some(1000 + i as u32 % 2))));
    news.extend([line(10_810, 3333, prefix, Some(1000)), line(10_811, 2914, prefix, Some(1000))]);
    news.push(line(10_900, 3333, other, Some(1000)));
    let updates = write("long-updates.mrt", &mrt_write::updates(news).expect("written"));
    let run = bgpwarden(["replay", "--rib", &rib, &updates]);
    let alerts: Vec<Value> =
        ndjson(&run.stdout).into_iter().filter(|a| a["prefixes"][0] == prefix.to_string()).collect();
    assert_eq!(alerts.first().map(|a| a["transition"].clone()), Some("opened".into()), "{}", run.stderr);
    let last = alerts.last().expect("an alert");
    assert_eq!(last["transition"], "resolved");
    assert_eq!(last["duration_secs"], 10_801.0);
    assert!(alerts[..alerts.len() - 1].iter().all(|a| a["status"] == "open"));
}
