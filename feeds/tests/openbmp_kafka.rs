//! Are OpenBMP topics read from a broker, paused while nobody takes what they bring, and left where we were?

mod bmp_messages;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bmp_messages::*;
use feeds::openbmp::consumer::{self, Batch, Config, ROUTE_VIEWS_TOPICS, Status};
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rules::bgp::Timestamp;
use rules::event::{Event, FeedChange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);
/// The mock lets a group whose member left wait for nearly this long before the next one may read.
const SESSION_MILLIS: &str = "6000";
const SECS: u32 = 1_772_334_242;

struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: FutureProducer,
}

impl Broker {
    fn start(topics: &[&str]) -> Self {
        let cluster = MockCluster::new(1).expect("a broker");
        for topic in topics {
            cluster.create_topic(topic, 1, 1).expect("a topic");
        }
        let producer =
            ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().expect("a producer");
        Self { cluster, producer }
    }

    /// One announcement of the `i`-th prefix by the topic's peer.
    async fn publish(&self, collector: &str, peer_as: u32, i: u8) {
        let topic = format!("routeviews.{collector}.{peer_as}.bmp_raw");
        let update = announce(&format!("10.{i}.0.0/16"), &[6447, peer_as, 64_496]);
        let message = route_monitoring(&peer("192.0.2.1", peer_as).at(SECS), &update);
        let payload = openbmp(collector, 1, SECS, &message);
        let record = FutureRecord::<(), _>::to(&topic).payload(&payload);
        self.producer.send(record, LONG).await.expect("published");
    }

    fn consume(&self, queue: usize) -> Consumer {
        consume(self.cluster.bootstrap_servers(), None, queue)
    }
}

/// What a consumer gets from these brokers, after an earlier run that read until then.
fn consume(brokers: String, before: Option<Timestamp>, queue: usize) -> Consumer {
    let (out, batches) = mpsc::channel(queue);
    let status = Arc::new(Status::default());
    let config = Config {
        brokers,
        before,
        topics: vec![ROUTE_VIEWS_TOPICS.to_owned()],
        group: "test".to_owned(),
        collector_as: Some(feeds::openbmp::ROUTE_VIEWS),
        properties: vec![
            ("auto.offset.reset".to_owned(), "earliest".to_owned()),
            ("auto.commit.interval.ms".to_owned(), "50".to_owned()),
            ("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned()),
            ("session.timeout.ms".to_owned(), SESSION_MILLIS.to_owned()),
        ],
    };
    let running = tokio::spawn(consumer::run(config, "views".into(), out, status.clone()));
    Consumer { batches, status, running }
}

struct Consumer {
    batches: mpsc::Receiver<Batch>,
    status: Arc<Status>,
    running: JoinHandle<()>,
}

impl Consumer {
    /// Takes batches until this many routes came; what they were, and the last receipt.
    async fn routes(&mut self, count: usize) -> (Vec<String>, Batch) {
        let mut routes = Vec::new();
        loop {
            let batch = timeout(LONG, self.batches.recv()).await.expect("in time").expect("it runs");
            for item in &batch.items {
                if let Event::Update(update) = &item.event {
                    let path = &update.attributes.as_path;
                    routes.extend(update.announced.iter().map(|n| format!("{} by {path}", n.prefix)));
                }
            }
            if routes.len() >= count {
                return (routes, batch);
            }
        }
    }

    /// What is said of the first loss, and the batch it is in.
    async fn lost(&mut self) -> (FeedChange, Batch) {
        loop {
            let batch = timeout(LONG, self.batches.recv()).await.expect("in time").expect("it runs");
            let lost = batch.items.iter().find_map(|item| match &item.event {
                Event::Feed(change) if !change.live => Some(change.clone()),
                _ => None,
            });
            if let Some(change) = lost {
                return (change, batch);
            }
        }
    }

    async fn stop(self) {
        drop(self.batches);
        timeout(LONG, self.running).await.expect("in time").expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_through_does_not_come_again_and_the_rest_does() {
    let broker = Broker::start(&["routeviews.linx.64500.bmp_raw", "routeviews.route-views5.64501.bmp_raw", "other"]);
    broker.publish("linx", 64_500, 1).await;
    broker.publish("route-views5", 64_501, 2).await;
    let mut first = broker.consume(8);
    let (routes, through) = first.routes(2).await;
    let routes: BTreeSet<_> = routes.into_iter().collect();
    assert_eq!(routes, ["10.1.0.0/16 by 64500 64496", "10.2.0.0/16 by 64501 64496"].map(String::from).into());
    through.receipt.commit();
    for i in 3..6 {
        broker.publish("linx", 64_500, i).await;
    }
    let (_, _not_through) = first.routes(3).await;
    assert!(first.status.connected.load(Relaxed));
    assert_eq!(first.status.messages.load(Relaxed), 5);
    first.stop().await;

    let mut second = broker.consume(8);
    let (routes, _) = second.routes(3).await;
    let expected: Vec<_> = (3..6).map(|i| format!("10.{i}.0.0/16 by 64500 64496")).collect();
    assert_eq!(routes, expected);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_does_not_hold_any_more_is_a_gap() {
    const TOPIC: &str = "routeviews.linx.64500.bmp_raw";
    let broker = Broker::start(&[TOPIC]);
    broker.publish("linx", 64_500, 1).await;
    let mut first = broker.consume(8);
    first.routes(1).await.1.receipt.commit();
    for i in 2..4 {
        broker.publish("linx", 64_500, i).await;
    }
    // Not through, so the stored offset is behind the first message.
    first.routes(2).await;
    first.stop().await;

    // The mock keeps 5 MiB of a partition.
    let filler = vec![0; 512 << 10];
    for _ in 0..16 {
        let record = FutureRecord::<(), _>::to(TOPIC).payload(&filler);
        broker.producer.send(record, LONG).await.expect("published");
    }
    let before = Some(Timestamp::from_secs(SECS.into()));
    let mut second = consume(broker.cluster.bootstrap_servers(), before, 8);
    let (change, batch) = second.lost().await;
    assert!(batch.items.iter().any(|item| matches!(&item.event, Event::Feed(c) if c.live)), "seeing again");
    let (messages, rest) = change.detail.split_once(' ').expect("a sentence");
    assert!(messages.parse::<u64>().is_ok_and(|n| (3..18).contains(&n)), "{}", change.detail);
    assert_eq!(rest, format!("messages of {TOPIC} are not held by the broker any more"));
    assert_eq!(change.gap_from, before);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_never_reached_is_a_feed_that_is_not_live() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("an address");
    let mut consumer = consume(nobody.to_string(), None, 8);
    let (change, _) = consumer.lost().await;
    assert_eq!((&*change.feed, change.gap_from), ("views", None));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_takes_anything_partitions_are_paused_and_nothing_is_lost() {
    const MESSAGES: usize = 6_000;
    let broker = Broker::start(&["routeviews.linx.64500.bmp_raw"]);
    let sends = (0..MESSAGES).map(|i| broker.publish("linx", 64_500, (i % 200) as u8));
    futures_util::future::join_all(sends).await;
    let mut slow = broker.consume(1);
    let paused = async {
        while slow.status.pauses.load(Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, paused).await.expect("paused in time");
    assert!(slow.status.messages.load(Relaxed) < MESSAGES as u64);
    let (routes, _) = slow.routes(MESSAGES).await;
    let expected: Vec<_> = (0..MESSAGES).map(|i| format!("10.{}.0.0/16 by 64500 64496", i % 200)).collect();
    assert!(routes == expected, "the same routes in the same order");
    slow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_loses_nothing() {
    let broker = Broker::start(&["routeviews.linx.64500.bmp_raw"]);
    broker.publish("linx", 64_500, 1).await;
    let mut consumer = broker.consume(8);
    consumer.routes(1).await;
    broker.cluster.broker_down(1).expect("down");
    let lost = async {
        while consumer.status.connected.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, lost).await.expect("noticed in time");
    assert!(consumer.status.error.lock().expect("not poisoned").is_some());
    broker.cluster.broker_up(1).expect("up");
    broker.publish("linx", 64_500, 2).await;
    let (routes, _) = consumer.routes(1).await;
    assert_eq!(routes, ["10.2.0.0/16 by 64500 64496"]);
    assert!(consumer.status.connected.load(Relaxed));
    consumer.stop().await;
}
