//! Does `bgpwarden replay` say the right thing about what really happened?

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{bgpwarden, data, ndjson};

/// A real incident, and what must be said of it. Facts: `incidents/classic/index.json` of the data folder.
struct Incident {
    name: &'static str,
    prefix: &'static str,
    suspect: u64,
    /// Any of these; empty if nothing may be said.
    classes: &'static [&'static str],
}

const fn told(name: &'static str, prefix: &'static str, suspect: u64, classes: &'static [&'static str]) -> Incident {
    Incident { name, prefix, suspect, classes }
}

const HIJACK: &[&str] = &["origin_hijack", "subprefix_hijack"];
const SLIP: &[&str] = &["prepend_typo"];

const INCIDENTS: &[Incident] = &[
    told("bitcanal_3", "115.116.96.0/24", 197426, &["subprefix_hijack"]),
    told("bitcanal_4", "115.116.97.0/24", 197426, &["subprefix_hijack"]),
    told("brazil_1", "177.39.184.0/23", 33868, &["origin_hijack"]),
    told("carlson_1", "63.161.162.0/24", 36426, HIJACK),
    told("defcon_1", "24.120.56.0/24", 26627, HIJACK),
    told("facebook_1", "69.171.255.0/24", 9318, &["forged_origin"]),
    told("iran_1", "99.192.226.0/24", 12880, &["subprefix_hijack"]),
    told("iran_2", "141.0.174.0/24", 12880, &["subprefix_hijack"]),
    told("pakistan_1", "208.65.153.0/24", 17557, &["subprefix_hijack"]),
    told("prepend_120618", "103.81.139.0/24", 8, SLIP),
    told("prepend_120619", "103.95.234.0/24", 8, SLIP),
    // The slip stands in its own baseline: history.
    told("prepend_185884", "130.45.188.0/22", 2, &[]),
    told("typo_1", "191.86.129.0/24", 203959, &["subprefix_hijack"]),
    told("typo_asn_152909", "168.227.20.0/24", 265790, &["origin_hijack", "asn_typo"]),
    told("typo_asn_152910", "168.227.21.0/24", 265790, &["origin_hijack", "asn_typo"]),
    told("typo_pfx_123862", "188.212.202.0/23", 6910, &["subprefix_hijack"]),
];

fn inputs(folder: &Path, name: &str) -> Vec<String> {
    let rib = folder.join(format!("{name}.rib.mrt.gz"));
    let updates = folder.join(format!("{name}.updates.mrt.gz"));
    let mut args = vec!["replay".to_owned()];
    if rib.exists() {
        args.extend(["--rib".to_owned(), rib.display().to_string()]);
    }
    args.push(updates.display().to_string());
    args
}

#[test]
fn real_incidents_are_told_with_their_suspect_in_time() {
    let Some(folder) = data("incidents/classic") else { return };
    for incident in INCIDENTS {
        let run = bgpwarden(inputs(&folder, incident.name));
        assert!(run.status.success(), "{}: {}", incident.name, run.stderr);
        let alerts = ndjson(&run.stdout);
        let of_prefix: Vec<&Value> = alerts.iter().filter(|a| names(a, "prefixes", incident.prefix)).collect();
        if incident.classes.is_empty() {
            assert!(of_prefix.is_empty(), "{}: history was told as news", incident.name);
            continue;
        }
        let named = of_prefix
            .iter()
            .find(|a| a["suspect_ases"].as_array().is_some_and(|s| s.contains(&incident.suspect.into())));
        let alert = named.unwrap_or_else(|| panic!("{}: AS{} is not named", incident.name, incident.suspect));
        let class = alert["class"].as_str().unwrap_or_default();
        assert!(incident.classes.contains(&class), "{}: called {class}", incident.name);
        if incident.classes == SLIP {
            assert!(of_prefix.iter().all(|a| a["severity"] == "low"), "{}: a slip is never above low", incident.name);
        }
        let opened = of_prefix.iter().find(|a| a["transition"] == "opened").expect("opened");
        let delay = seconds(&opened["time"]) - second_peer(&folder, incident);
        assert!(delay <= 31.0, "{}: opened {delay} s after the second peer AS", incident.name);
        eprintln!(
            "{:<16} {class:<17} {:<8} opened {delay:4.0} s after the second peer AS",
            incident.name, alert["severity"]
        );
    }
}

/// When the second distinct peer AS announced the prefix with the suspect at or before its end.
fn second_peer(folder: &Path, incident: &Incident) -> f64 {
    let run = bgpwarden(
        inputs(folder, incident.name)
            .into_iter()
            .chain(["--routes".into(), scratch(incident.name).display().to_string()]),
    );
    assert!(run.status.success(), "{}", run.stderr);
    let lines = std::fs::read_to_string(scratch(incident.name)).expect("route lines");
    let mut first: BTreeMap<u64, f64> = BTreeMap::new();
    for line in ndjson(&lines).iter().filter(|l| l["prefix"] == incident.prefix) {
        let seen = first.entry(line["peer_as"].as_u64().expect("a number")).or_insert(f64::MAX);
        *seen = seen.min(seconds(&line["started"]));
    }
    let mut times: Vec<f64> = first.into_values().collect();
    times.sort_by(f64::total_cmp);
    *times.get(1).unwrap_or_else(|| panic!("{}: seen by one peer AS only", incident.name))
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("bgpwarden-routes-{}-{name}", std::process::id()))
}

fn names(alert: &Value, list: &str, member: &str) -> bool {
    alert[list].as_array().is_some_and(|l| l.iter().any(|m| m == member))
}

/// Seconds of the day and date of an RFC 3339 time, on one scale.
fn seconds(time: &Value) -> f64 {
    let text = time.as_str().expect("a time");
    let time: jiff::Timestamp = text.parse().expect("RFC 3339");
    time.as_millisecond() as f64 / 1e3
}

#[test]
fn every_replay_is_the_same_to_the_byte_with_any_number_of_shards() {
    let Some(folder) = data("incidents/classic") else { return };
    for incident in INCIDENTS {
        let say = |shards: &str| {
            let args = inputs(&folder, incident.name).into_iter().chain(["--shards".into(), shards.into()]);
            bgpwarden(args).stdout
        };
        let one = say("1");
        for shards in ["1", "2", "8"] {
            assert_eq!(one, say(shards), "{} with {shards} shards", incident.name);
        }
    }
}

#[test]
fn every_mrt_file_replays_to_its_end() {
    let Some(folder) = data("mrt") else { return };
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(files.len() > 30, "{} files", files.len());
    for file in files {
        let run = bgpwarden(["replay".to_owned(), file.display().to_string()]);
        assert!(run.status.success(), "{}: {}", file.display(), run.stderr);
        assert!(run.stderr.contains("elements"), "{}: {}", file.display(), run.stderr);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "test_expect" {
            collect(&path, files);
        } else if path.is_file() && !["README.md", "LICENSE"].contains(&name.as_str()) {
            files.push(path);
        }
    }
}

/// Counts of an independent RFC 6811 implementation under the same VRPs; origins that are AS_SETs stand apart there.
#[test]
fn rov_counts_agree_with_an_independent_implementation() {
    let (Some(mrt), Some(rpki)) = (data("mrt"), data("rpki")) else { return };
    let stats = scratch("rov");
    let run = bgpwarden([
        "replay".to_owned(),
        "--vrps".into(),
        rpki.join("rpkiclient_summary_20250720T093135Z.json.bz2").display().to_string(),
        "--stats".into(),
        stats.display().to_string(),
        mrt.join("bgp-rs/updates.20190101.0000.gz").display().to_string(),
    ]);
    assert!(run.status.success(), "{}", run.stderr);
    let stats: Value = serde_json::from_str(&std::fs::read_to_string(stats).expect("stats")).expect("JSON");
    let count = |state: &str| stats["rov"][state].as_u64().expect("a count");
    assert_eq!(count("valid"), 66_599);
    assert_eq!(count("invalid") + count("not_found"), 19_605 + 73_705 + 39);
    assert!((19_605..=19_605 + 39).contains(&count("invalid")), "{} invalid", count("invalid"));
    assert_eq!(stats["elements"], 162_617);
}

#[test]
fn a_bmp_stream_is_told_by_its_content_and_each_route_counts_once() {
    let Some(folder) = data("captures") else { return };
    // FRR tells 9 before policy; the first route of both its sessions comes after policy first, which still counts then.
    for (stream, announced, peers) in [("bmp-gobgp.bin", 205, 1), ("bmp-frr.bin", 9 + 2, 1)] {
        let dir = tempfile::tempdir().expect("a directory");
        let stats = dir.path().join("stats.json");
        let input = format!("edge1={}", folder.join(stream).display());
        let run = bgpwarden(["replay", "--stats", &stats.display().to_string(), &input]);
        assert!(run.status.success(), "{}", run.stderr);
        let text = std::fs::read_to_string(&stats).expect("statistics");
        let stats: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&stats["announced"], &stats["peers"]), (&announced.into(), &peers.into()), "{stream}: {text}");
        assert_eq!(stats["errors"], serde_json::json!({}), "{stream}");
    }
}
