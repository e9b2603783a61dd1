//! The whole way: a neighbour of a router announces a part of a signed network; who is told, and how soon?

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::StreamConsumer;
use serde_json::Value;

use crate::harness::bgpwarden::{Bgpwarden, bmp_feed};
use crate::harness::parts::all_here;
use crate::harness::webhook::Webhook;
use crate::harness::{free_port, median, times, until};
use crate::servers::gobgp::{self, Gobgp, Neighbor};
use crate::servers::kafka::{self, Kafka};
use crate::servers::prometheus::{self, Alertmanager, Prometheus};
use crate::servers::rpki::{self, Objects, Routinator};

const VICTIM: u32 = 64_496;
const ROUTER: (u32, Ipv4Addr) = (64_512, Ipv4Addr::new(127, 0, 0, 21));
const NEIGHBOR: (u32, Ipv4Addr) = (64_513, Ipv4Addr::new(127, 0, 0, 22));

fn config(kafka: &Kafka, station: u16, routinator: &Routinator) -> String {
    bmp_feed("edge", station)
        + &format!(
            "[rpki]\nrtr = [\"127.0.0.1:{}\"]\n\n[sinks.bus]\nkind = \"kafka\"\nbrokers = \"{}\"\n\
             create_topics = true\n\n[[watch.constituents]]\nname = \"Example Bank\"\n\
             [[watch.constituents.resources]]\nprefix = \"2001:db8::/32\"\nexpected_origins = [{VICTIM}]\n",
            routinator.rtr_port,
            kafka.brokers()
        )
}

/// Hijacks of one round: the pager hears of the first, since it is told of what is open by class, not one by one.
const OF_ROUND: usize = 10;

/// The next alert that is wanted, and when it came. An end is told a minute after it.
async fn next(topic: &StreamConsumer, is_wanted: impl Fn(&Value) -> bool) -> (Instant, Value) {
    let wanted = async {
        loop {
            let message = topic.recv().await.expect("Kafka answers");
            let alert: Value = serde_json::from_slice(message.payload().expect("a value")).expect("JSON");
            if is_wanted(&alert) {
                return (Instant::now(), alert);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), wanted).await.expect("the alert that is wanted, in 90 s")
}

/// When the pager was told, after `since`.
async fn paged(pager: &Webhook, status: &str, since: Instant) -> Instant {
    let of_status = |body: &Value| {
        let mut alerts = body["alerts"].as_array().into_iter().flatten();
        alerts.any(|a| a["labels"]["alertname"] == "BgpwardenOwnNetworkUnderAttack" && a["status"] == status)
    };
    until(&format!("the pager hears of {status}"), 90, async || {
        pager.kept().into_iter().find(|(came, body)| *came > since && of_status(body)).map(|(came, _)| came)
    })
    .await
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_hijack_at_a_neighbour_reaches_kafka_and_the_pager_and_its_end_does_too() {
    if !all_here(&[&gobgp::PARTS[..], &kafka::PARTS, &prometheus::PARTS, &rpki::PARTS].concat()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let signed = Objects { roas: vec![("2001:db8::/32".to_owned(), 32, VICTIM)], aspas: vec![] };
    let (kafka, routinator, pager) = (Kafka::start().await, Routinator::start(&signed).await, Webhook::start().await);
    let station = free_port();
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&kafka, station, &routinator)).await;
    let alertmanager = Alertmanager::start(&pager.url).await;
    let prometheus = Prometheus::start(bgpwarden.metrics_port, Some(&alertmanager)).await;
    let passive = Neighbor { asn: NEIGHBOR.0, address: NEIGHBOR.1, port: None };
    let router = Gobgp::start(ROUTER.0, ROUTER.1, &[passive], Some(station)).await;
    let to = Neighbor { asn: router.asn, address: router.address, port: Some(router.bgp_port) };
    let neighbor = Gobgp::start(NEIGHBOR.0, NEIGHBOR.1, &[to], None).await;
    router.established(1).await;
    neighbor.announce("2001:db8::/32", &format!("64500 {VICTIM}"));
    bgpwarden.until_metric("bgpwarden_rib_routes", "family=\"ipv6\"", 20, |held| held == 1.0).await;
    bgpwarden.until_metric("bgpwarden_rpki_objects", "kind=\"vrps\"", 20, |held| held == 1.0).await;
    prometheus.until_some("up{job=\"bgpwarden\"} == 1", 20).await;
    let topic = kafka.consumer("bgpwarden.alerts");

    let (mut to_kafka, mut to_pager) = (Vec::new(), Vec::new());
    for round in 0..times("BGPWARDEN_HIJACKS", 1) {
        let mut open = Vec::new();
        for number in round * OF_ROUND..(round + 1) * OF_ROUND {
            // Each time another part, by another AS: an incident of its own.
            let (prefix, suspect) = (format!("2001:db8:{:x}::/48", number + 1), 65_537 + number);
            let begun = Instant::now();
            neighbor.announce(&prefix, &format!("64500 {suspect}"));
            let (told, alert) =
                next(&topic, |alert| alert["transition"] == "opened" && alert["prefixes"][0] == *prefix).await;
            to_kafka.push(told.duration_since(begun).as_secs_f64());
            assert_eq!(alert["class"], "subprefix_hijack", "{alert}");
            assert_eq!(alert["rov"]["state"], "invalid", "{alert}");
            assert!(alert["suspect_ases"].as_array().expect("a list").contains(&suspect.into()), "{alert}");
            if open.is_empty() {
                to_pager.push(paged(&pager, "firing", begun).await.duration_since(begun).as_secs_f64());
            }
            open.push((prefix, alert));
        }
        let begun = Instant::now();
        open.iter().for_each(|(prefix, _)| neighbor.withdraw(prefix));
        let mut ended = BTreeSet::new();
        while ended.len() < open.len() {
            let (_, resolved) = next(&topic, |alert| alert["transition"] == "resolved").await;
            assert_eq!(resolved["reason"]["code"], "withdrawn", "{resolved}");
            assert!(!resolved["ended"].is_null(), "{resolved}");
            ended.insert(resolved["id"].to_string());
        }
        assert_eq!(ended, open.iter().map(|(_, alert)| alert["id"].to_string()).collect::<BTreeSet<_>>());
        paged(&pager, "resolved", begun).await;
    }
    let (kafka, pager) = (median(&mut to_kafka), median(&mut to_pager));
    println!(
        "a hijack at a neighbour is in Kafka after {kafka:.3} s (median of {}), at the pager after {pager:.2} s (of {})",
        to_kafka.len(),
        to_pager.len()
    );
    assert!(kafka < 2.0 && pager < 10.0, "{to_kafka:?}, {to_pager:?}");
}
