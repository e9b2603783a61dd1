use feeds::mrt_write;
use rules::shed::Counts;
use serde_json::Value;

use super::super::bootstrap::tests::line;
use super::super::tests::{Running, news, replayed, ris_live, says};
use super::super::{Hysteresis, Options, now};
use super::*;
use crate::config::Config;
use crate::pipeline::DeskStatus;

/// Three peers with ten networks, and two with one of them.
fn dump() -> Vec<u8> {
    let parts = (0..9).map(|i| format!("198.51.100.{}/28", 16 * i));
    let all: Vec<String> = std::iter::once("198.51.100.0/24".to_owned()).chain(parts).collect();
    let of =
        |peer: u32| all[..if peer <= 3 { 10 } else { 1 }].iter().map(move |prefix| line(now(), peer, prefix, "64496"));
    mrt_write::rib((1..=5).flat_map(of)).expect("written").to_vec()
}

/// What they come to.
const HELD: Counts = Counts { routes: 32, prefixes: 10, paths: 5, vrps: 0, past_routes: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_shed_and_said_and_the_rest_is_judged_as_before() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("dump.mrt"), dump()).expect("written");
    let (url, play) = ris_live().await;
    let text = format!(
        "[rpki]\n[limits]\nmemory='{}B'\n[store]\npath=':memory:'\n[feeds.dump]\nkind='mrt'\nrib=['rrc00=dump.mrt']\n\
         [feeds.ris]\nkind='ris_live'\nurl='{url}'\nbootstrap=false\n[alerts]\nhold_down_secs=0\n\
         [sinks.file]\nkind='ndjson'\npath='alerts'",
        HELD.estimate() - 1
    );
    let mut config = Config::parse("test", &text, dir.path()).expect("fine");
    config.http.listen = "127.0.0.1:0".parse().expect("an address");
    let hysteresis = Hysteresis { raise_secs: 0, clear_secs: 0 };
    let recording = dir.path().join("events");
    let options = Options { shards: Some(2), hysteresis, record: Some(recording.clone()), ..Options::default() };
    let app = Running::of(config, options, play, dir).await;

    let is_shed = |status: &Value| status["memory"]["shed"].as_array().is_some_and(|shed| shed.len() == 2);
    let status =
        app.until("/api/v1/status", |status| is_shed(status) && says(&status["notices"], "memory_short")).await;
    let shed = |peer: u32| {
        let peer = format!("rrc00 AS{} 192.0.2.{peer}", 64_500 + peer);
        serde_json::json!({"feed": "dump", "peer": peer, "worth": "partial"})
    };
    let mut gone = status["memory"]["shed"].as_array().expect("a list").clone();
    gone.sort_by_key(|shed| shed["peer"].to_string());
    assert_eq!(gone, [shed(4), shed(5)], "parts of the table, not all of it");
    assert_eq!(
        (&status["memory"]["history_is_shed"], &status["memory"]["is_too_small"]),
        (&true.into(), &false.into())
    );
    assert_eq!(status["routes"], 30);
    let readiness = app.get("/readyz").await;
    assert_eq!(readiness["ready"], true);
    assert!(says(&readiness["degraded"], "history, partial peers: 2; raise limits.memory"), "{readiness}");
    let metrics = app.text("/metrics").await;
    for line in [
        "bgpwarden_shed_total{what=\"history\"} 1".to_owned(),
        "bgpwarden_shed_total{what=\"partial\"} 2".to_owned(),
        "bgpwarden_shed_total{what=\"full_feed\"} 0".to_owned(),
        "bgpwarden_peers{feed=\"dump\",state=\"shed\"} 2".to_owned(),
        "bgpwarden_notices_active{kind=\"memory_short\"} 1".to_owned(),
        format!("bgpwarden_memory_budget_bytes {}", HELD.estimate() - 1),
        format!("bgpwarden_memory_estimate_bytes {}", Counts { routes: 30, paths: 3, ..HELD }.estimate()),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let page = app.text("/health").await;
    assert!(page.contains("Peers not heard any more") && page.contains("rrc00 AS64504 192.0.2.4"), "{page}");

    for (peer, prefix, origin_as) in
        [(4, "128/25", 64_505), (5, "128/25", 64_505), (1, "0/25", 64_511), (2, "0/25", 64_511)]
    {
        app.play.send(news(peer, &format!("198.51.100.{prefix}"), origin_as)).await.expect("played");
    }
    let list = app.until("/api/v1/incidents", |list| list["count"] != 0).await;
    assert_eq!((&list["count"], &list["incidents"][0]["detected_origins"][0]), (&1.into(), &64_511.into()));
    let dir = app.end().await;
    let told = std::fs::read_to_string(dir.path().join("alerts")).expect("alerts");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(replayed(&recording), told, "a recording sheds the same at the same places");
    let written = std::fs::read_to_string(&recording).expect("a recording");
    assert_eq!(written.matches("{\"shed\":").count(), 2, "history, then sessions");
    assert!(!written.contains("198.51.100.128/25"), "what is not heard is not written down");
}

fn status_of(counts: Counts, as_of: Timestamp) -> Status {
    let desk = DeskStatus { as_of, past_routes: counts.past_routes, ..DeskStatus::default() };
    Status { desk: Mutex::new(desk), ..Status::default() }
}

#[test]
fn nothing_more_is_decided_until_the_counts_are_those_of_after_it() {
    let told = Arc::default();
    let at = Timestamp::from_secs;
    let counts = Counts { past_routes: 1_000, ..Counts::default() };
    let budget = counts.estimate() - 1;
    let mut shedding = Shedding::new(Some(budget), Arc::clone(&told));
    let shed = shedding.look(&status_of(counts, at(10))).expect("too much");
    assert!(shed.history && shed.sessions.is_empty());
    shedding.said(at(11));
    let room = || *told.lock().expect("a room");
    assert_eq!(shedding.look(&status_of(counts, at(11))), None);
    assert!(!room().is_too_small, "it is not known yet what that brought");
    assert_eq!(shedding.look(&status_of(counts, at(12))), None);
    assert!(room().is_too_small && room().history_is_shed, "and nothing is left");
    assert_eq!(shedding.look(&status_of(Counts::default(), at(13))), None);
    assert!(!room().is_too_small && room().history_is_shed);
}

#[test]
fn without_a_budget_everything_stays_and_what_it_takes_is_known() {
    let told = Arc::default();
    let mut shedding = Shedding::new(None, Arc::clone(&told));
    let counts = Counts { past_routes: u64::from(u32::MAX), ..Counts::default() };
    assert_eq!(shedding.look(&status_of(counts, Timestamp::from_secs(10))), None);
    let room = *told.lock().expect("a room");
    assert_eq!(room, Room { estimated: counts.estimate(), ..Room::default() });
}
