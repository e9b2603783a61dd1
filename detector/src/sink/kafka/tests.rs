//! Against librdkafka's own mock of a cluster: real sockets, a real protocol, faults on demand.

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rules::alert::{Alert, Severity, Transition};
use rules::bgp::Timestamp;
use tokio::time::timeout;

use super::*;
use crate::alert::samples::opened;
use crate::alert::{WireContext, to_json};
use crate::notice::{NoticeKind, NoticeState};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const TOPICS: [&str; 2] = ["bgpwarden.alerts", "bgpwarden.incidents"];

fn cluster() -> Cluster {
    let cluster = MockCluster::new(3).expect("a mock cluster");
    for topic in TOPICS {
        cluster.create_topic(topic, 4, 3).expect("a topic");
    }
    cluster
}

fn publisher(cluster: &Cluster, properties: &[(&str, &str)]) -> Publisher {
    let mut kafka = Kafka::to(cluster.bootstrap_servers());
    kafka.properties = properties.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    Publisher::new("bus".into(), kafka, "https://bgp.example.net".into(), Arc::default()).expect("a publisher")
}

fn incident(number: usize) -> String {
    format!("bw-20260301T030402Z-{number:012x}")
}

async fn push(outbox: &Outbox, number: usize, sequence: u32) {
    let transition = if sequence == 1 { Transition::Opened } else { Transition::Updated };
    let alert = Alert { id: incident(number), sequence, transition, severity: Severity::Critical, ..opened() };
    let json = to_json(&alert, &WireContext::default());
    outbox.push(Parcel::Alert(Delivery::new(&alert, json.into()))).await;
}

/// Sequences by incident, in the order of one topic.
async fn read_all(cluster: &Cluster, topic: &str, expected: usize) -> BTreeMap<String, Vec<u64>> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", format!("reader-{topic}"))
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[topic]).expect("subscribed");
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut count = 0;
    while count < expected {
        let message = timeout(Duration::from_secs(30), consumer.recv()).await.expect("a message").expect("no error");
        let key = String::from_utf8(message.key().expect("a key").to_vec()).expect("text");
        let alert: serde_json::Value = serde_json::from_slice(message.payload().expect("bytes")).expect("JSON");
        assert_eq!(alert["id"], key);
        let of_incident = seen.entry(key).or_default();
        let sequence = alert["sequence"].as_u64().expect("a number");
        // At least once: a repeat is allowed, a step back to another one is not.
        if of_incident.last() != Some(&sequence) {
            of_incident.push(sequence);
            count += 1;
        }
    }
    seen
}

async fn assert_all_in_order(cluster: &Cluster, incidents: usize, transitions: u32) {
    for topic in TOPICS {
        let seen = read_all(cluster, topic, incidents * transitions as usize).await;
        assert_eq!(seen.len(), incidents, "{topic}");
        for (id, sequences) in seen {
            assert_eq!(sequences, (1..=u64::from(transitions)).collect::<Vec<_>>(), "{topic} {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn injected_errors_lose_nothing_and_keep_the_order_of_each_incident() {
    let cluster = cluster();
    let publisher = publisher(&cluster, &[("retry.backoff.ms", "20")]);
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        ],
    );
    let outbox = Outbox::default();
    for sequence in 1..=5 {
        for number in 0..40 {
            push(&outbox, number, sequence).await;
        }
    }
    outbox.close();
    timeout(Duration::from_secs(60), publisher.run(&outbox)).await.expect("all delivered in time");
    assert_eq!(outbox.backlog(), 0);
    assert_eq!(publisher.status.delivered(), 200);
    assert!(publisher.status.failures(FailureReason::Refused) + publisher.status.failures(FailureReason::TooLarge) > 0);
    assert_all_in_order(&cluster, 40, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_go_away_cost_delay_but_no_alert() {
    let cluster = cluster();
    let publisher = publisher(&cluster, &[("message.timeout.ms", "1000"), ("reconnect.backoff.max.ms", "200")]);
    let outbox = Outbox::default();
    let begun = Instant::now();
    tokio::join!(publisher.run(&outbox), async {
        push(&outbox, 0, 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        (1..=3).for_each(|broker| cluster.broker_down(broker).expect("down"));
        for sequence in 1..=4 {
            for number in 1..10 {
                push(&outbox, number, sequence).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(outbox.backlog() >= 36, "nothing can have arrived");
        assert!(outbox.oldest() >= Duration::from_secs(2));
        (1..=3).for_each(|broker| cluster.broker_up(broker).expect("up"));
        for sequence in 2..=4 {
            push(&outbox, 0, sequence).await;
        }
        outbox.close();
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(publisher.status.failures(FailureReason::Timeout) > 0, "the timeout was meant to strike");
    assert_all_in_order(&cluster, 10, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_carries_the_headers_of_a_cloud_event() {
    let cluster = cluster();
    let outbox = Outbox::default();
    push(&outbox, 7, 1).await;
    outbox.close();
    publisher(&cluster, &[]).run(&outbox).await;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "headers")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&TOPICS[..1]).expect("subscribed");
    let message = timeout(Duration::from_secs(30), consumer.recv()).await.expect("a message").expect("no error");
    let headers = headers_of(&message);
    let expected = [
        ("ce_class", "subprefix_hijack"),
        ("ce_id", "bw-20260301T030402Z-000000000007/1"),
        ("ce_severity", "critical"),
        ("ce_source", "https://bgp.example.net"),
        ("ce_specversion", "1.0"),
        ("ce_subject", "192.0.2.0/25"),
        ("ce_time", "2026-03-01T03:04:32.000Z"),
        ("ce_type", "bgpwarden.incident.opened.v1"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers, expected.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
}

fn headers_of(message: &BorrowedMessage<'_>) -> BTreeMap<String, String> {
    let headers = message.headers().expect("headers").iter();
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    headers.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_to_a_topic_of_its_own_and_readers_of_alerts_meet_none() {
    let cluster = cluster();
    let topic = "bgpwarden.notices";
    cluster.create_topic(topic, 4, 3).expect("a topic");
    let notice = |state, secs| {
        let (kind, subject, detail) = (NoticeKind::FeedSilent, "ris".to_owned(), "down".to_owned());
        Notice { time: Timestamp::from_secs(secs), kind, state, subject, detail }
    };
    let (raised, cleared) = (notice(NoticeState::Raised, 1), notice(NoticeState::Cleared, 2));
    let outbox = Outbox::default();
    outbox.push(Parcel::notice(raised.clone())).await;
    outbox.push(Parcel::notice(cleared.clone())).await;
    push(&outbox, 7, 1).await;
    outbox.close();
    let publisher = publisher(&cluster, &[]);
    assert!(publisher.check_notices_topic().await.expect("an answer"));
    publisher.run(&outbox).await;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "notices")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[topic]).expect("subscribed");
    for notice in [raised, cleared] {
        let message = timeout(Duration::from_secs(30), consumer.recv()).await.expect("a message").expect("no error");
        assert_eq!(message.key(), Some("feed_silent:ris".as_bytes()));
        assert_eq!(message.payload(), Some(notice.to_json().as_bytes()));
        let headers = headers_of(&message);
        assert_eq!(headers["ce_id"], format!("feed_silent:ris/{}", notice.time));
        assert_eq!(headers["ce_type"], format!("bgpwarden.notice.{}.v1", notice.state.word()));
    }
    for topic in TOPICS {
        let alerts = read_all(&cluster, topic, 1).await;
        assert_eq!(alerts.into_keys().collect::<Vec<_>>(), [incident(7)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_forgets_leaves_the_compacted_topic_by_a_tombstone() {
    let cluster = cluster();
    let outbox = Outbox::default();
    push(&outbox, 7, 1).await;
    outbox.push(Parcel::Forget(incident(7).into())).await;
    outbox.close();
    publisher(&cluster, &[]).run(&outbox).await;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "tombstones")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&TOPICS[1..]).expect("subscribed");
    for has_value in [true, false] {
        let message = timeout(Duration::from_secs(30), consumer.recv()).await.expect("a message").expect("no error");
        assert_eq!(message.key(), Some(incident(7).as_bytes()));
        assert_eq!(message.payload().is_some(), has_value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_looked_for_and_missing_brokers_are_waited_for() {
    let cluster = cluster();
    publisher(&cluster, &[]).check_topics().await.expect("both are there");
    let nobody = Kafka::to("127.0.0.1:1");
    let publisher = Publisher::new("bus".into(), nobody, "x".into(), Arc::default()).expect("a publisher");
    publisher.check_topics().await.expect("an absent broker is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_an_error_with_the_command_that_creates_it() {
    let cluster = cluster();
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error(TOPICS[1], error).expect("set");
    let failure = publisher(&cluster, &[]).check_topics().await.expect_err("it is missing").to_string();
    assert!(failure.contains("--create --topic bgpwarden.incidents"), "{failure}");
    assert!(failure.contains("cleanup.policy=compact") && failure.contains("create_topics = true"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_for_notices_withholds_no_alert() {
    let cluster = cluster();
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error("bgpwarden.notices", error).expect("set");
    let publisher = publisher(&cluster, &[("topic.metadata.propagation.max.ms", "100")]);
    assert!(!publisher.check_notices_topic().await.expect("an answer"));
    // It may be gone only later: more of them than may be on their way at once.
    let outbox = Outbox::default();
    for i in 0..2 * IN_FLIGHT {
        let (kind, state, subject) = (NoticeKind::FeedSilent, NoticeState::Raised, format!("router {i}"));
        let notice = Notice { time: Timestamp::from_secs(1), kind, state, subject, detail: String::new() };
        outbox.push(Parcel::notice(notice)).await;
    }
    push(&outbox, 7, 1).await;
    outbox.close();
    timeout(Duration::from_secs(60), publisher.run(&outbox)).await.expect("an end in time");
    assert_eq!((publisher.status.delivered(), outbox.backlog()), (1, 0));
    assert!(publisher.status.failures(FailureReason::NoTopic) > 0);
}

#[test]
fn properties_that_would_break_the_guarantees_are_refused() {
    assert!(check_property("acks", &Secret::new("0")).is_err());
    assert!(check_property("linger.ms", &Secret::new("20")).is_ok());
    assert!(check_property("linger.sm", &Secret::new("20")).expect_err("a typo").contains("no such property"));
    assert!(!check_property("sasl.mechanism", &Secret::new("\0hunter2")).is_err_and(|e| e.contains("hunter2")));
}
