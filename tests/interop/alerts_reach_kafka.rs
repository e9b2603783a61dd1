//! Does every alert reach a real Kafka, in order and with its headers, whatever becomes of the broker?

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::parts::all_here;
use crate::harness::ris_live::RisLive;
use crate::servers::kafka::{Kafka, Message, PARTS, PASSWORD};

const ALERTS: &str = "bgpwarden.alerts";
const INCIDENTS: &str = "bgpwarden.incidents";
/// Each hijacks a prefix of its own, so each is an incident of its own.
const SUSPECTS: std::ops::RangeInclusive<u32> = 64_497..=64_511;

/// A watched network, RIS Live in, a file and Kafka out.
fn config(live: &RisLive, kafka: &str) -> String {
    format!(
        "[feeds.live]\nkind = \"ris_live\"\nurl = \"{}\"\n\n[sinks.file]\nkind = \"ndjson\"\npath = \"alerts.ndjson\"\n\n\
         [sinks.bus]\nkind = \"kafka\"\n{kafka}\n\n[[watch.constituents]]\nname = \"Example Bank\"\n\
         [[watch.constituents.resources]]\nprefix = \"2001:db8::/32\"\nexpected_origins = [64496]\n",
        live.url
    )
}

fn prefix_of(suspect: u32) -> String {
    format!("2001:db8:{suspect:x}::/48")
}

/// A first peer opens the incidents of a watched network, a second confirms them.
fn announce_all(live: &RisLive, peer: u32) {
    SUSPECTS.for_each(|suspect| live.say(peer, &prefix_of(suspect), Some(&[peer, 3_100, suspect])));
}

/// What the file says was decided: sequences by incident.
fn decided(folder: &Path) -> BTreeMap<String, Vec<u64>> {
    let text = std::fs::read_to_string(folder.join("alerts.ndjson")).unwrap_or_default();
    let alerts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut by_id: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for alert in alerts {
        let sequence = alert["sequence"].as_u64().expect("a number");
        by_id.entry(alert["id"].as_str().expect("text").to_owned()).or_default().push(sequence);
    }
    by_id
}

/// The same from a topic; a repeat of the message before is allowed, at least once means no more.
fn arrived(messages: &[Message]) -> BTreeMap<String, Vec<u64>> {
    let mut by_id: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for message in messages {
        let (id, sequence) = message.name();
        assert_eq!(message.key, id, "the key is the id");
        let of_incident = by_id.entry(id).or_default();
        if of_incident.last() != Some(&sequence) {
            of_incident.push(sequence);
        }
    }
    by_id
}

/// Waits until every incident made that transition.
async fn all(transition: &str, bgpwarden: &Bgpwarden) {
    let label = format!("transition=\"{transition}\"");
    bgpwarden.until_metric("bgpwarden_alerts_total", &label, 60, |total| total == SUSPECTS.count() as f64).await;
}

async fn all_delivered(bgpwarden: &Bgpwarden) {
    bgpwarden.until_metric("bgpwarden_sink_backlog", "sink=\"bus\"", 90, |backlog| backlog == 0.0).await;
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn topics_are_created_and_every_alert_arrives_in_order_with_its_headers() {
    if !all_here(&PARTS) {
        return;
    }
    let (kafka, live) = (Kafka::start().await, RisLive::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let bus = format!("brokers = \"{}\"\ncreate_topics = true", kafka.brokers());
    let mut bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &bus)).await;
    live.subscribed().await;
    assert_eq!(kafka.topic_setting(ALERTS, "cleanup.policy").await, "delete");
    assert_eq!(kafka.topic_setting(INCIDENTS, "cleanup.policy").await, "compact");
    announce_all(&live, 3_001);
    all("opened", &bgpwarden).await;
    announce_all(&live, 3_002);
    all("updated", &bgpwarden).await;
    bgpwarden.stop();

    let decided = decided(folder.path());
    assert_eq!(decided.len(), SUSPECTS.count(), "one incident per suspect");
    for topic in [ALERTS, INCIDENTS] {
        let messages = kafka.messages(topic);
        assert_eq!(arrived(&messages), decided, "{topic}");
        for message in &messages {
            let (id, sequence) = message.name();
            assert_eq!(message.headers["ce_id"], format!("{id}/{sequence}"));
            assert_eq!(message.headers["ce_severity"], message.alert["severity"]);
            assert_eq!(message.headers["ce_source"], "https://bgp.example.net");
            let kind = message.alert["transition"].as_str().expect("text");
            assert_eq!(message.headers["ce_type"], format!("bgpwarden.incident.{kind}.v1"));
        }
    }
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_broker_that_goes_away_in_mid_stream_costs_delay_but_no_alert() {
    if !all_here(&PARTS) {
        return;
    }
    let (mut kafka, live) = (Kafka::start().await, RisLive::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let bus = format!(
        "brokers = \"{}\"\ncreate_topics = true\n[sinks.bus.properties]\n\"message.timeout.ms\" = \"2000\"\n\
         \"reconnect.backoff.max.ms\" = \"500\"",
        kafka.brokers()
    );
    let mut bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &bus)).await;
    live.subscribed().await;
    announce_all(&live, 3_001);
    all("opened", &bgpwarden).await;
    kafka.kill();
    announce_all(&live, 3_002);
    all("updated", &bgpwarden).await;
    bgpwarden.until_metric("bgpwarden_sink_backlog", "sink=\"bus\"", 10, |backlog| backlog > 0.0).await;
    bgpwarden.until_metric("bgpwarden_sink_failures_total", "sink=\"bus\"", 30, |failures| failures > 0.0).await;
    let ready = bgpwarden.get("/readyz").await;
    assert!(ready.contains("sink bus fails"), "{ready}");
    kafka.start_again().await;
    all_delivered(&bgpwarden).await;
    bgpwarden.stop();
    let decided = decided(folder.path());
    assert_eq!(decided.len(), SUSPECTS.count());
    for topic in [ALERTS, INCIDENTS] {
        assert_eq!(arrived(&kafka.messages(topic)), decided, "{topic}");
    }
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn tls_and_scram_let_the_right_password_in_and_only_that() {
    if !all_here(&PARTS) {
        return;
    }
    let (kafka, live) = (Kafka::start().await, RisLive::start().await);
    kafka.create_topic(ALERTS, 4).await;
    kafka.create_topic(INCIDENTS, 4).await;
    let bus = |password: &str| {
        let properties = kafka.tls_properties(password);
        let lines: Vec<_> = properties
            .iter()
            .map(|(key, value)| match *key {
                "sasl.password" => format!("\"{key}\" = {{ file = \"{value}\" }}"),
                _ => format!("\"{key}\" = \"{value}\""),
            })
            .collect();
        format!("brokers = \"{}\"\n[sinks.bus.properties]\n{}", kafka.tls_brokers(), lines.join("\n"))
    };

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("right"), format!("{PASSWORD}\n")).expect("written");
    std::fs::write(folder.path().join("wrong"), "hunter2\n").expect("written");
    let refused = Bgpwarden::start(folder.path(), &config(&live, &bus("wrong"))).await;
    live.subscribed().await;
    announce_all(&live, 3_001);
    all("opened", &refused).await;
    refused.until_metric("bgpwarden_sink_backlog", "sink=\"bus\"", 10, |backlog| backlog > 0.0).await;
    let said = refused.process.said() + &refused.get("/readyz").await;
    assert!(!said.contains("hunter2"), "the password is told to all:\n{said}");
    drop(refused);
    assert!(kafka.messages(ALERTS).is_empty(), "a wrong password let something in");

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("right"), format!("{PASSWORD}\n")).expect("written");
    let mut let_in = Bgpwarden::start(folder.path(), &config(&live, &bus("right"))).await;
    live.subscribed().await;
    announce_all(&live, 3_001);
    all("opened", &let_in).await;
    let_in.stop();
    assert_eq!(arrived(&kafka.messages(ALERTS)), decided(folder.path()));
}
