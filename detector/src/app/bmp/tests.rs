//! Do routers and Kafka reach the pages and the sinks of the whole program?

#[path = "../../../../feeds/tests/bmp_messages/mod.rs"]
mod bmp_messages;

use std::time::Duration;

use bmp_messages::{announce, initiation, openbmp, peer, peer_up, route_monitoring};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{App, Options};
use crate::config::Config;
use crate::failure::Failure;

/// Nothing here takes that long; a test that hangs fails by it.
const LONG: Duration = Duration::from_secs(60);

/// The whole program with these feeds, watching one prefix.
struct Running {
    base: String,
    stations: Vec<std::net::SocketAddr>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Failure>>,
    _dir: tempfile::TempDir,
}

impl Running {
    async fn start(feeds: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[http]\nlisten = '127.0.0.1:0'\n[rpki]\n{feeds}\n[sinks.file]\nkind = 'ndjson'\npath = 'alerts'\n\
             [[watch.constituents]]\nname = 'Example'\n[[watch.constituents.resources]]\n\
             prefix = '198.51.100.0/24'\nexpected_origins = [64496]"
        );
        let config = Config::parse("test", &text, dir.path()).expect("fine");
        let app = App::start(config, Options { shards: Some(2), ..Options::default() }).await.expect("started");
        let (base, stations) = (format!("http://{}", app.address), app.stations.clone());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        Self { base, stations, stop, running, _dir: dir }
    }

    async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        answer.text().await.expect("text")
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("JSON")
    }

    /// Asks until the answer is as it should be.
    async fn until(&self, path: &str, is_so: impl Fn(&str) -> bool) -> String {
        let asking = async {
            loop {
                let answer = self.text(path).await;
                if is_so(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(LONG, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{path} never was so: {}", self.text(path).await),
        }
    }

    /// The first route of the first incident, once there is one.
    async fn first_path(&self) -> (Value, Value) {
        let list = self.until("/api/v1/incidents", |answer| !answer.starts_with("{\"count\":0")).await;
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let path = &list["incidents"][0]["sample_paths"][0];
        (path["collector"].clone(), path["as_path"].clone())
    }

    async fn end(self) {
        self.stop.send(()).expect("still running");
        timeout(LONG, self.running).await.expect("an end").expect("no panic").expect("no failure");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_router_tells_over_bmp_is_judged_and_shown() {
    let app = Running::start(
        "[feeds.routers]\nkind = 'bmp'\nlisten = '127.0.0.1:0'\n\
         routers = [{ address = '127.0.0.1', name = 'edge1' }, { address = '127.0.0.2', name = 'edge2' }]",
    )
    .await;
    let mut router = tokio::net::TcpStream::connect(app.stations[0]).await.expect("a station");
    let head = peer("192.0.2.1", 3_001);
    let hijack = route_monitoring(&head, &announce("198.51.100.0/24", &[3_001, 64_511]));
    let said = [initiation("edge1.example.net"), peer_up(&head, 64_520), hijack].concat();
    router.write_all(&said).await.expect("written");
    assert_eq!(app.first_path().await, ("edge1".into(), "3001 64511".into()));
    app.until("/metrics", |text| text.contains(r#"bgpwarden_peers{feed="routers",state="up"} 1"#)).await;
    let ready = app.json("/readyz").await;
    let session = &ready["sessions"]["routers"][0];
    let expected = (&"edge1".into(), &"live".into(), &1.into());
    assert_eq!((&session["router"], &session["state"], &session["peers_up"]), expected);
    assert!(session.get("peers").is_none(), "a probe that anybody may ask names no peers");
    let page = app.text("/health").await;
    assert!(page.contains("<h2>Routers</h2>") && page.contains("<td>edge1</td>"));

    drop(router);
    let missing = "router edge2 of feed routers is connecting: it has not connected since the start";
    assert!(ready["degraded"].as_array().is_some_and(|all| all.iter().any(|one| one == missing)), "{ready}");
    let why = "router edge1 of feed routers is down: closed by the router";
    app.until("/readyz", |text| text.contains(why)).await;
    let is_gone = |text: &str| {
        let status: Value = serde_json::from_str(text).expect("JSON");
        let is_lost = |gap: &Value| gap["part"] == "edge1" && gap["cause"] == "lost";
        status["routes"] == 0 && status["gaps"].as_array().is_some_and(|gaps| gaps.iter().any(is_lost))
    };
    app.until("/api/v1/status", is_gone).await;
    app.end().await;
}

/// The offset that a group has committed of a topic's only partition.
fn committed(brokers: &str, group: &str, topic: &str) -> Option<i64> {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group);
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions.add_partition(topic, 0);
    let offsets = consumer.committed_offsets(partitions, Duration::from_secs(5)).ok()?;
    offsets.find_partition(topic, 0)?.offset().to_raw()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_brings_is_committed_once_it_is_judged() {
    const TOPIC: &str = "routeviews.linx.3001.bmp_raw";
    let cluster = rdkafka::mocking::MockCluster::new(1).expect("a broker");
    cluster.create_topic(TOPIC, 1, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    let hijack = route_monitoring(&peer("192.0.2.1", 3_001), &announce("198.51.100.0/24", &[6447, 3_001, 64_511]));
    let payload = openbmp("linx", 1, 1_772_334_242, &hijack);
    let producer: FutureProducer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("a producer");
    producer.send(FutureRecord::<(), _>::to(TOPIC).payload(&payload), LONG).await.expect("published");
    let app = Running::start(&format!(
        "[feeds.views]\nkind = 'openbmp'\nbrokers = '{brokers}'\n\
         properties = {{ 'auto.offset.reset' = 'earliest', 'auto.commit.interval.ms' = 50 }}"
    ))
    .await;
    assert_eq!(app.first_path().await, ("route-views.linx".into(), "3001 64511".into()));
    let through = async {
        loop {
            let brokers = brokers.clone();
            let look = tokio::task::spawn_blocking(move || committed(&brokers, "bgpwarden-views", TOPIC));
            if look.await.expect("no panic") == Some(1) {
                return;
            }
        }
    };
    timeout(LONG, through).await.expect("committed in time");
    app.end().await;
}
