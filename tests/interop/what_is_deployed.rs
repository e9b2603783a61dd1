//! Is what deploy/ ships true: do the rules, the dashboard and the route of alerts work with the real program?

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::parts::{Part, all_here};
use crate::harness::process::tool;
use crate::harness::ris_live::RisLive;
use crate::harness::until;
use crate::harness::webhook::Webhook;
use crate::servers::prometheus::{Alertmanager, PARTS, Prometheus, deploy};

/// The families of the design. Whoever builds a dashboard relies on them.
const FAMILIES: [&str; 29] = [
    "bgpwarden_updates_total",
    "bgpwarden_decode_errors_total",
    "bgpwarden_feed_state",
    "bgpwarden_feed_lag_seconds",
    "bgpwarden_feed_gaps_total",
    "bgpwarden_rib_routes",
    "bgpwarden_rib_prefixes",
    "bgpwarden_peers",
    "bgpwarden_rpki_objects",
    "bgpwarden_rpki_age_seconds",
    "bgpwarden_rpki_state",
    "bgpwarden_relations_age_seconds",
    "bgpwarden_baseline_ready",
    "bgpwarden_queue_stalled_seconds_total",
    "bgpwarden_alerts_total",
    "bgpwarden_incidents_open",
    "bgpwarden_findings_suppressed_total",
    "bgpwarden_updates_shed_total",
    "bgpwarden_store_bytes",
    "bgpwarden_store_writable",
    "bgpwarden_store_failures_total",
    "bgpwarden_alerts_unstored_total",
    "bgpwarden_notices_active",
    "bgpwarden_detection_latency_seconds_count",
    "bgpwarden_sink_backlog",
    "bgpwarden_sink_oldest_seconds",
    "bgpwarden_sink_failures_total",
    "bgpwarden_config_last_reload_successful",
    "bgpwarden_build_info",
];
/// There only once something failed.
const OF_FAILURES: [&str; 1] = ["bgpwarden_rpki_fetch_failures_total"];

const BGPWARDEN: &str = env!("CARGO_BIN_EXE_bgpwarden");

fn config(live: &RisLive) -> String {
    format!(
        "[feeds.live]\nkind = \"ris_live\"\nurl = \"{}\"\n\n[rpki]\nfiles = [\"vrps.json\"]\n\n\
         [sinks.file]\nkind = \"ndjson\"\npath = \"alerts.ndjson\"\n\n\
         [[watch.constituents]]\nname = \"Example Bank\"\n\
         [[watch.constituents.resources]]\nprefix = \"198.51.100.0/24\"\nexpected_origins = [64496]\n",
        live.url
    )
}

/// A ROA that makes any other origin of the watched network invalid, and so the hijack severe.
fn write_vrps(folder: &Path) {
    let vrps = json!({"metadata": {"buildtime": "2026-11-01T00:00:00Z"},
        "roas": [{"asn": 64496, "prefix": "198.51.100.0/24", "maxLength": 24, "ta": "interop"}]});
    std::fs::write(folder.join("vrps.json"), vrps.to_string()).expect("written");
}

fn announce_hijack(live: &RisLive) {
    for peer in [3_001, 3_002, 3_003] {
        live.say(peer, "198.51.100.0/24", Some(&[peer, 3_100, 64_511]));
    }
}

/// One peer, one moment: a finding that does not pass the gates.
fn announce_for_a_moment(live: &RisLive, prefix: &str) {
    live.say(3_001, prefix, Some(&[3_001, 3_100, 64_510]));
    live.say(3_001, prefix, None);
}

fn withdraw_hijack(live: &RisLive) {
    for peer in [3_001, 3_002, 3_003] {
        live.say(peer, "198.51.100.0/24", None);
    }
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn prometheus_scrapes_every_family_and_no_shipped_expression_names_another() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_vrps(folder.path());
    let live = RisLive::start().await;
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live)).await;
    let prometheus = Prometheus::start(bgpwarden.metrics_port, None).await;
    live.subscribed().await;
    live.send(&json!({"type": "ris_message", "data": {"type": "UPDATE", "peer": "nonsense"}}));
    announce_hijack(&live);
    announce_for_a_moment(&live, "192.0.2.0/24");
    for family in FAMILIES {
        prometheus.until_some(family, 20).await;
    }
    check_expressions(&prometheus, &expressions(), &exported(&bgpwarden.get("/metrics").await)).await;
}

/// Names of all series that a page of metrics has.
fn exported(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned()))
        .collect()
}

/// Every expression of the dashboard and of the rules, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(deploy().join("grafana/bgpwarden.json")).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    collect("bgpwarden.json", &dashboard, &mut found);
    assert!(found.len() > 25, "{} expressions only", found.len());
    for name in ["alerts.yml", "recording.yml"] {
        let text = std::fs::read_to_string(deploy().join("prometheus").join(name)).expect("rules");
        found.push((name.to_owned(), text));
    }
    found
}

fn collect(place: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            let place = map.get("title").and_then(Value::as_str).unwrap_or(place);
            if let Some(Value::String(expression)) = map.get("expr") {
                found.push((place.to_owned(), expression.clone()));
            }
            map.values().for_each(|inner| collect(place, inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(place, inner, found)),
        _ => {}
    }
}

async fn check_expressions(prometheus: &Prometheus, found: &[(String, String)], exported: &BTreeSet<String>) {
    for (place, expression) in found {
        for name in metric_names(expression) {
            let known = exported.contains(&name) || OF_FAILURES.contains(&name.as_str());
            assert!(known, "{place} names {name}, which bgpwarden does not export: {expression}");
        }
        if place.ends_with(".yml") {
            continue;
        }
        let expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m");
        prometheus.query(&expression).await.unwrap_or_else(|error| panic!("{place}: {error}: {expression}"));
    }
}

/// Words that begin with `bgpwarden_`; the name of a recording has its own after a colon.
fn metric_names(expression: &str) -> impl Iterator<Item = String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("bgpwarden_")).map(str::to_owned)
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn alertmanager_pages_for_a_watched_network_and_says_when_it_is_over() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_vrps(folder.path());
    let (live, pager) = (RisLive::start().await, Webhook::start().await);
    let alertmanager = Alertmanager::start(&pager.url).await;
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live)).await;
    let prometheus = Prometheus::start(bgpwarden.metrics_port, Some(&alertmanager)).await;
    live.subscribed().await;
    prometheus.until_some("up{job=\"bgpwarden\"} == 1", 20).await;
    let begun = Instant::now();
    announce_hijack(&live);
    let told = until("the pager is told", 60, async || of_status(&pager, "firing")).await;
    println!("hijack to pager: {:.1} s", told.duration_since(begun).as_secs_f64());
    let begun = Instant::now();
    withdraw_hijack(&live);
    let told = until("the pager is told of the end", 120, async || of_status(&pager, "resolved")).await;
    println!("withdrawal to pager: {:.1} s", told.duration_since(begun).as_secs_f64());
}

/// When the paging rule came first with that status.
fn of_status(pager: &Webhook, status: &str) -> Option<Instant> {
    let kept = pager.kept();
    let is_wanted = |body: &Value| {
        body["receiver"] == "pager"
            && body["alerts"].as_array().into_iter().flatten().any(|alert| {
                alert["labels"]["alertname"] == "BgpwardenOwnNetworkUnderAttack" && alert["status"] == status
            })
    };
    kept.into_iter().find(|(_, body)| is_wanted(body)).map(|(came, _)| came)
}

#[test]
#[ignore = "needs real servers: tests/interop/run"]
fn rules_route_and_manifests_are_what_their_readers_expect() {
    if !all_here(&[&PARTS[..], &[Part::Command("/usr/bin/python3")]].concat()) {
        return;
    }
    let at = |path: &str| deploy().join(path).display().to_string();
    let run = |program: &str, args: &[&str]| tool(program, args, 60).unwrap_or_else(|error| panic!("{error}"));
    run("promtool", &["check", "rules", &at("prometheus/alerts.yml"), &at("prometheus/recording.yml")]);
    run("promtool", &["test", "rules", &at("prometheus/rules_test.yml")]);
    run("promtool", &["check", "config", "--syntax-only", &at("prometheus/prometheus.yml")]);
    run("amtool", &["check-config", &at("prometheus/alertmanager.yml")]);
    let of = |labels: &str| {
        let config = format!("--config.file={}", at("prometheus/alertmanager.yml"));
        run("amtool", &["config", "routes", "test", &config, labels]).trim().to_owned()
    };
    assert_eq!((of("page=yes"), of("page=no")), ("pager".to_owned(), "tickets".to_owned()));
    run(BGPWARDEN, &["check", "--config", &at("bgpwarden.toml")]);
    run("/usr/bin/python3", &[&at("../tests/interop/manifests.py"), &at("compose.yml"), &at("kubernetes.yaml")]);

    // What needs a secret or the program at its place is tried with those of here.
    let folder = tempfile::tempdir().expect("a folder");
    let here = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(here("token"), "long and random").expect("written");
    let with = |from: &str, name: &str, changes: &[(&str, &str)]| {
        let text = std::fs::read_to_string(at(from)).expect("it is shipped");
        let text = changes.iter().fold(text, |text, (old, new)| text.replace(old, new));
        std::fs::write(here(name), text).expect("written");
        here(name)
    };
    let config = with("compose/bgpwarden.toml", "bgpwarden.toml", &[("/run/secrets/bgpwarden-token", &here("token"))]);
    run(BGPWARDEN, &["check", "--config", &config]);
    if Part::Command("systemd-analyze").path().is_some() {
        let unit = with("bgpwarden.service", "bgpwarden.service", &[("/usr/local/bin/bgpwarden", BGPWARDEN)]);
        run("systemd-analyze", &["verify", &unit]);
        // Tenths of the exposure level: 100 is a service without any protection.
        run("systemd-analyze", &["security", "--no-pager", "--offline=true", "--threshold=20", &unit]);
    }
}
