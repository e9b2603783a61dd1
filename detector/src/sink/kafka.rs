//! How does an alert become two Kafka messages that arrive at least once, in order per incident?
//!
//! `…alerts` keeps every transition, `…incidents` is compacted and keeps the latest: the same bytes under the
//! same key. Notices have a topic of their own, so that who reads alerts meets nothing else. The headers are those of CloudEvents 1.0 in binary mode.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rules::limits;

use super::outbox::{Outbox, Ticket};
use super::status::{FailureReason, SinkStatus};
use super::{Delivery, Parcel, pause_after};
use crate::config::{Kafka, Secret};
use crate::failure::Failure;
use crate::notice::Notice;
use crate::text;

/// Incidents on their way at once: with lz4 batches of that size a broker 100 ms away takes 2,560 a second.
const IN_FLIGHT: usize = 256;
/// How long the first look at the brokers may take.
const FIRST_LOOK: Duration = Duration::from_secs(5);
const PARTITIONS: i32 = 4;

/// Properties whose meaning the guarantees of this sink rest on.
const OWN: [&str; 7] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "transactional.id",
    "allow.auto.create.topics",
];

/// Says what is wrong with a property that a configuration passes through.
pub fn check_property(key: &str, value: &Secret) -> Result<(), String> {
    if OWN.contains(&key) {
        return Err("bgpwarden sets this itself".to_owned());
    }
    match ClientConfig::new().set(key, value.expose()).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(_, what, ..)) if what.contains("No such") => {
            Err("no such property of librdkafka".to_owned())
        }
        Err(_) => Err("librdkafka does not take this value".to_owned()),
    }
}

fn client_config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "bgpwarden").set("compression.type", "lz4").set("message.timeout.ms", "60000");
    config.set("linger.ms", "5");
    if cfg!(feature = "kafka-tls") {
        // An OpenSSL that was built from source does not know where this system keeps its CAs.
        config.set("ssl.ca.location", "probe");
    }
    for (key, value) in &kafka.properties {
        config.set(key, value.expose());
    }
    config.set("bootstrap.servers", &kafka.brokers).set("enable.idempotence", "true").set("acks", "all");
    config.set("allow.auto.create.topics", "false");
    config
}

/// Hears what librdkafka has to say about its connections.
#[derive(Clone)]
struct Listener {
    sink: Arc<str>,
}

impl ClientContext for Listener {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(sink = %self.sink, %error, reason, "kafka");
    }
}

/// A connected sink.
pub struct Publisher {
    name: Arc<str>,
    kafka: Kafka,
    /// Who speaks: `ce_source`.
    instance: Arc<str>,
    producer: Mutex<FutureProducer<Listener>>,
    status: Arc<SinkStatus>,
}

impl Publisher {
    pub fn new(name: Arc<str>, kafka: Kafka, instance: Arc<str>, status: Arc<SinkStatus>) -> Result<Self, Failure> {
        let producer = Mutex::new(producer(&name, &kafka)?);
        Ok(Self { name, kafka, instance, producer, status })
    }

    /// Looks for the topics of alerts, and creates them if told to. Brokers that do not answer are no failure: the outbox
    /// waits for them.
    pub async fn check_topics(&self) -> Result<(), Failure> {
        for (topic, cleanup) in [(&self.kafka.alerts_topic, "delete"), (&self.kafka.incidents_topic, "compact")] {
            match self.topic_exists(topic.clone()).await? {
                None => {
                    tracing::warn!(sink = %self.name, brokers = %self.kafka.brokers, "no broker answers yet");
                    return Ok(());
                }
                Some(true) if cleanup == "compact" => self.check_compaction(topic).await,
                Some(true) => {}
                Some(false) if self.kafka.create_topics => self.create_topic(topic, cleanup).await?,
                Some(false) => return Err(Failure::failed(self.missing(topic, cleanup))),
            }
        }
        Ok(())
    }

    /// The same for notices; true if they can be sent. Without their topic alerts go out all the same.
    pub async fn check_notices_topic(&self) -> Result<bool, Failure> {
        let topic = &self.kafka.notices_topic;
        let is_there = match self.topic_exists(topic.clone()).await? {
            Some(false) if self.kafka.create_topics => {
                self.create_topic(topic, "delete").await.inspect_err(|failure| tracing::warn!("{failure}")).is_ok()
            }
            Some(is_there) => is_there,
            None => true,
        };
        if !is_there {
            tracing::warn!(
                "{}, or notices = false; until a restart no notice goes there",
                self.missing(topic, "delete")
            );
        }
        Ok(is_there)
    }

    fn missing(&self, topic: &str, cleanup: &str) -> String {
        format!(
            "sink {}: the topic \"{topic}\" does not exist; create it with\n    kafka-topics.sh --bootstrap-server {} \
             --create --topic {topic} --partitions {PARTITIONS} --config cleanup.policy={cleanup}\n\
             or set sinks.{}.create_topics = true",
            self.name, self.kafka.brokers, self.name
        )
    }

    async fn topic_exists(&self, topic: String) -> Result<Option<bool>, Failure> {
        let producer = self.producer();
        let look = move || match producer.client().fetch_metadata(Some(&topic), FIRST_LOOK) {
            Ok(metadata) => {
                Some(metadata.topics().iter().any(|found| found.name() == topic && found.error().is_none()))
            }
            Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)) => Some(false),
            Err(_) => None,
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| Failure::failed(error.to_string()))
    }

    fn admin(&self) -> Result<AdminClient<Listener>, KafkaError> {
        AdminClient::from_config_and_context(&client_config(&self.kafka), Listener { sink: self.name.clone() })
    }

    /// Warns of a topic that keeps every message, or forgets incidents that are still open. Where asking is not
    /// allowed, nothing is said.
    async fn check_compaction(&self, topic: &str) {
        let Ok(admin) = self.admin() else { return };
        let options = AdminOptions::new().request_timeout(Some(FIRST_LOOK));
        let described = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options).await;
        let described = described.unwrap_or_default().into_iter().find_map(Result::ok);
        let policy = described.and_then(|config| config.get("cleanup.policy")?.value.clone());
        if let Some(policy) = policy.filter(|policy| !policy.contains("compact")) {
            tracing::warn!(
                sink = %self.name, topic, policy,
                "this topic should keep the latest of each incident, but is not compacted; set it with \
                 kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
            );
        }
    }

    async fn create_topic(&self, topic: &str, cleanup: &str) -> Result<(), Failure> {
        let failed =
            |what: String| Failure::failed(format!("sink {}: cannot create topic \"{topic}\": {what}", self.name));
        let admin = self.admin().map_err(|error| failed(error.to_string()))?;
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(-1)).set("cleanup.policy", cleanup);
        let results = admin.create_topics([&new], &AdminOptions::new()).await.map_err(|e| failed(e.to_string()))?;
        match results.into_iter().find_map(Result::err) {
            None | Some((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
            Some((_, code)) => Err(failed(code.to_string())),
        }
    }

    /// Delivers until the outbox is closed and empty.
    pub async fn run(&self, outbox: &Outbox) {
        let mut on_their_way = FuturesUnordered::new();
        let mut open = true;
        while open || !on_their_way.is_empty() {
            tokio::select! {
                Some(ticket) = on_their_way.next() => outbox.ack(ticket),
                taken = outbox.take(), if open && on_their_way.len() < IN_FLIGHT => match taken {
                    Some((ticket, parcel)) => on_their_way.push(self.deliver(ticket, parcel)),
                    None => open = false,
                },
            }
        }
    }

    /// Sends to the topics it is for until all have confirmed.
    async fn deliver(&self, ticket: Ticket, parcel: Parcel) -> Ticket {
        match parcel {
            Parcel::Alert(delivery) => {
                let headers = headers(&delivery, &self.instance);
                for topic in [&self.kafka.alerts_topic, &self.kafka.incidents_topic] {
                    let value = Some(delivery.json.as_bytes());
                    self.send_until_confirmed(topic, &delivery.id, value, headers.clone()).await;
                }
            }
            Parcel::Notice(id, notice) => {
                let json = notice.to_json();
                let (topic, headers) = (&self.kafka.notices_topic, notice_headers(&id, &notice, &self.instance));
                if !self.send_until_confirmed(topic, &id, Some(json.as_bytes()), headers).await {
                    self.status.gave_up();
                    return ticket;
                }
            }
            Parcel::Forget(id) => {
                let topic = &self.kafka.incidents_topic;
                self.send_until_confirmed(topic, &id, None, OwnedHeaders::new()).await;
            }
        }
        self.status.succeeded();
        ticket
    }

    /// Without a value it is a tombstone. False if it is a notice and there is no topic for it, or none that we may write
    /// to: those that wait would take the place of alerts.
    async fn send_until_confirmed(&self, topic: &str, id: &str, value: Option<&[u8]>, headers: OwnedHeaders) -> bool {
        let mut failures = 0;
        loop {
            let mut record = FutureRecord::<str, [u8]>::to(topic).key(id).headers(headers.clone());
            record.payload = value;
            // A full queue of librdkafka is waited for there; see message.timeout.ms for everything else.
            let Err((error, _)) = self.producer().send(record, Duration::from_secs(60)).await else { return true };
            let reason = reason_of(&error);
            if self.status.failed(reason, error.to_string()) {
                tracing::warn!(sink = %self.name, topic, %error, "cannot deliver; trying again until it works");
            }
            let is_hopeless =
                matches!(reason, FailureReason::NoTopic | FailureReason::Refused | FailureReason::TooLarge);
            if is_hopeless && *topic == self.kafka.notices_topic {
                // No broker answered at the start, when topics are made.
                let is_to_be_made = reason == FailureReason::NoTopic && self.kafka.create_topics && failures == 0;
                if !(is_to_be_made && self.create_topic(topic, "delete").await.is_ok()) {
                    return false;
                }
            }
            failures += 1;
            self.replace_a_dead_producer();
            tokio::time::sleep(pause_after(failures)).await;
        }
    }

    fn producer(&self) -> FutureProducer<Listener> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a fatal error an idempotent producer takes nothing any more; a new one does.
    fn replace_a_dead_producer(&self) {
        let mut current = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if current.client().fatal_error().is_none() {
            return;
        }
        match producer(&self.name, &self.kafka) {
            Ok(fresh) => *current = fresh,
            Err(error) => tracing::warn!(sink = %self.name, %error, "cannot start a new producer"),
        }
    }
}

fn producer(name: &Arc<str>, kafka: &Kafka) -> Result<FutureProducer<Listener>, Failure> {
    FutureProducer::from_config_and_context(&client_config(kafka), Listener { sink: name.clone() })
        .map_err(|error| Failure::impossible(format!("sink {name}: {error}")))
}

fn headers(delivery: &Delivery, instance: &str) -> OwnedHeaders {
    let fields = [
        ("ce_id", format!("{}/{}", delivery.id, delivery.sequence)),
        ("ce_type", format!("bgpwarden.incident.{}.v1", delivery.transition)),
        ("ce_time", delivery.time.to_string()),
        ("ce_severity", delivery.severity.to_string()),
        ("ce_class", delivery.class.to_string()),
    ];
    let subject = delivery.first_prefix.map(|prefix| ("ce_subject", prefix.to_string()));
    cloud_event(instance, fields.into_iter().chain(subject))
}

fn notice_headers(id: &str, notice: &Notice, instance: &str) -> OwnedHeaders {
    let fields = [
        ("ce_id", format!("{id}/{}", notice.time)),
        ("ce_type", format!("bgpwarden.notice.{}.v1", notice.state.word())),
        ("ce_time", notice.time.to_string()),
        ("ce_subject", text::plain(&notice.subject, limits::TEXT)),
    ];
    cloud_event(instance, fields.into_iter())
}

fn cloud_event<'a>(instance: &str, fields: impl Iterator<Item = (&'a str, String)>) -> OwnedHeaders {
    let common = [("ce_specversion", "1.0"), ("ce_source", instance), ("content-type", "application/json")];
    let with = |headers: OwnedHeaders, (key, value): (&str, String)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    };
    common.into_iter().map(|(key, value)| (key, value.to_owned())).chain(fields).fold(OwnedHeaders::new(), with)
}

fn reason_of(error: &KafkaError) -> FailureReason {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::QueueFull) => FailureReason::Timeout,
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => FailureReason::Unreachable,
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => FailureReason::NoTopic,
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::Authentication) => {
            FailureReason::Refused
        }
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => FailureReason::TooLarge,
        _ => FailureReason::Other,
    }
}

#[cfg(test)]
mod tests;
