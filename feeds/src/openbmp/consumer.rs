//! How are OpenBMP topics of Kafka read, without losing the place and without losing the group?
//!
//! Messages are decoded as they come and handed on with a [`Receipt`]; only when its holder says that a batch is
//! through are its offsets stored, so a crash brings the rest again. Offsets that are skipped are a gap. While the way on is full the partitions are
//! paused and polling goes on: a consumer that does not poll is thrown out of its group.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rules::bgp::{Asn, Timestamp};
use rules::event::{Event, FeedChange};
use rules::limits;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::offsets::{Offsets, Unsettled};
use super::places::{Missed, Places};
use super::{Decoder, RouterView};
use crate::clock::now;
use crate::counts::{Counts, kind};
use crate::input::Item;

pub use super::offsets::Receipt;

/// Topics as RouteViews names them: `routeviews.<collector>.<peer AS>.bmp_raw`.
pub const ROUTE_VIEWS_TOPICS: &str = r"^routeviews\..+\.bmp_raw$";

/// What to read.
#[derive(Clone)]
pub struct Config {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Names, or regular expressions that begin with `^`.
    pub topics: Vec<String>,
    /// Every instance needs one of its own: a group shares the partitions, and each of us needs all.
    pub group: String,
    /// Taken off the front of every path.
    pub collector_as: Option<Asn>,
    /// Passed to librdkafka as they are.
    pub properties: Vec<(String, String)>,
    /// Until when an earlier run is known to have read: what was missed before this one began there.
    pub before: Option<Timestamp>,
}

/// What goes on: items, and how to say that they are through.
#[derive(Debug)]
pub struct Batch {
    pub items: Vec<Item>,
    pub receipt: Receipt,
}

/// How the feed stands, for metrics and pages.
#[derive(Debug, Default)]
pub struct Status {
    pub connected: AtomicBool,
    /// When the last message arrived, microseconds since the epoch; 0 before the first.
    pub last_message: AtomicI64,
    pub messages: AtomicU64,
    /// Times that partitions were paused because the queue behind was full.
    pub pauses: AtomicU64,
    /// How long batches waited for the queue behind.
    pub stalled_micros: AtomicU64,
    /// What librdkafka said last; none while it works.
    pub error: Mutex<Option<String>>,
    pub counts: Mutex<Counts>,
    /// As of about a second ago.
    pub routers: Mutex<Vec<RouterView>>,
}

/// Items that may wait for the queue behind before partitions are paused.
const WAITING: usize = 16 * limits::BATCH_EVENTS;
/// Room for a batch; an error means that nobody listens.
type Permit<'a> = Result<mpsc::Permit<'a, Batch>, mpsc::error::SendError<()>>;

/// How often what routers look like is written down.
const VIEW: Duration = Duration::from_secs(1);
/// Rebalances that may wait to be looked at: each takes a moment.
const REBALANCES: usize = 16;
/// How long the broker may take to say where the group was.
const STORED: Duration = Duration::from_secs(30);
/// Before a client that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Properties that what is promised here rests on.
const OWN: [&str; 5] =
    ["bootstrap.servers", "metadata.broker.list", "group.id", "enable.auto.offset.store", "enable.auto.commit"];

/// Says what is wrong with a property that a configuration passes through.
pub fn check_property(key: &str, value: &str) -> Result<(), String> {
    if OWN.contains(&key) {
        return Err("bgpwarden sets this itself".to_owned());
    }
    match ClientConfig::new().set(key, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(_, what, ..)) if what.contains("No such") => {
            Err("no such property of librdkafka".to_owned())
        }
        Err(_) => Err("librdkafka does not take this value".to_owned()),
    }
}

fn client_config(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "bgpwarden").set("auto.offset.reset", "latest");
    // New collectors and peers are new topics.
    client.set("topic.metadata.refresh.interval.ms", "60000").set("queued.max.messages.kbytes", "65536");
    if cfg!(feature = "kafka-tls") {
        // An OpenSSL that was built from source does not know where this system keeps its CAs.
        client.set("ssl.ca.location", "probe");
    }
    for (key, value) in &config.properties {
        client.set(key, value);
    }
    client.set("bootstrap.servers", &config.brokers).set("group.id", &config.group);
    client.set("enable.auto.offset.store", "false").set("enable.auto.commit", "true");
    client
}

/// Hears of brokers and partitions.
struct Listener {
    feed: Arc<str>,
    status: Arc<Status>,
    assigned: mpsc::Sender<TopicPartitionList>,
}

impl ClientContext for Listener {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(feed = %self.feed, %error, reason, "kafka");
        self.status.note_error(reason);
    }
}

impl ConsumerContext for Listener {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            tracing::info!(feed = %self.feed, partitions = partitions.count(), "partitions assigned");
            if self.assigned.try_send((*partitions).clone()).is_err() {
                tracing::debug!(feed = %self.feed, "more rebalances than can be looked at");
            }
        }
    }
}

impl Status {
    fn note_error(&self, what: &str) {
        let plain: String = what.chars().filter(|c| !c.is_control()).take(200).collect();
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain);
    }
}

/// Where the group was in these partitions; waits for the broker.
fn stored(consumer: &StreamConsumer<Listener>, assigned: TopicPartitionList) -> Option<TopicPartitionList> {
    let asked = consumer.committed_offsets(assigned, STORED);
    asked
        .inspect_err(|error| tracing::warn!(%error, "where the group was is not told: a gap before this is not seen"))
        .ok()
}

/// Runs until the receiver closes.
pub async fn run(config: Config, feed: Arc<str>, out: mpsc::Sender<Batch>, status: Arc<Status>) {
    let mut told_lost = false;
    while !out.is_closed() {
        let (tell, assigned) = mpsc::channel(REBALANCES);
        let listener = Listener { feed: feed.clone(), status: status.clone(), assigned: tell };
        match consumer(&config, listener) {
            Ok(consumer) => {
                let reader = Reader::new(&config, feed.clone(), &out, status.clone());
                reader.follow(&Arc::new(consumer), assigned).await;
            }
            Err(error) => {
                let error = told(&error);
                tracing::error!(%feed, %error, "cannot read from Kafka");
                status.note_error(&error);
                if !std::mem::replace(&mut told_lost, true) {
                    let items = vec![change(&feed, false, error, None, now())];
                    let _ = out.send(Batch { items, receipt: Unsettled::default().add(Offsets::new()) }).await;
                }
                tokio::select! { () = tokio::time::sleep(RETRY) => {}, () = out.closed() => {} }
            }
        }
    }
}

/// The error without the value of a property, which may be a password.
fn told(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, what, key, _) => format!("{key}: {what}"),
        other => other.to_string(),
    }
}

fn change(feed: &Arc<str>, live: bool, detail: String, gap_from: Option<Timestamp>, seen: Timestamp) -> Item {
    let change = FeedChange { feed: feed.clone(), live, detail, gap_from, seen };
    Item { time: seen, event: Event::Feed(change) }
}

fn consumer(config: &Config, listener: Listener) -> Result<StreamConsumer<Listener>, KafkaError> {
    let consumer: StreamConsumer<Listener> = client_config(config).create_with_context(listener)?;
    let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    Ok(consumer)
}

struct Reader<'a> {
    feed: Arc<str>,
    out: &'a mpsc::Sender<Batch>,
    status: Arc<Status>,
    decoder: Decoder,
    waiting: Vec<Item>,
    offsets: Offsets,
    places: Places,
    /// Since when a whole batch waits for the queue behind.
    full_since: Option<Instant>,
    unsettled: Unsettled,
    /// Partitions that bring nothing now.
    paused: Option<TopicPartitionList>,
    /// That it is not live has been said.
    told_lost: bool,
}

impl<'a> Reader<'a> {
    fn new(config: &Config, feed: Arc<str>, out: &'a mpsc::Sender<Batch>, status: Arc<Status>) -> Self {
        Self {
            feed,
            out,
            status,
            decoder: Decoder::new(config.collector_as),
            waiting: Vec::new(),
            offsets: Offsets::new(),
            places: Places::new(config.before),
            full_since: None,
            unsettled: Unsettled::default(),
            paused: None,
            told_lost: false,
        }
    }

    async fn follow(
        mut self,
        consumer: &Arc<StreamConsumer<Listener>>,
        mut assigned: mpsc::Receiver<TopicPartitionList>,
    ) {
        let mut asked = JoinSet::new();
        let mut through: watch::Receiver<u64> = self.unsettled.watch();
        let mut view = tokio::time::interval(VIEW);
        let out = self.out;
        loop {
            // What is there now goes on together, at most a batch; only a full queue lets more than that wait.
            tokio::select! {
                biased;
                () = out.closed() => return,
                changed = through.changed() => {
                    if changed.is_ok() {
                        let settled = self.unsettled.settle(*through.borrow_and_update());
                        self.store(consumer, &settled);
                    }
                }
                Some(assigned) = assigned.recv() => {
                    let consumer = consumer.clone();
                    asked.spawn_blocking(move || stored(&consumer, assigned));
                }
                Some(Ok(Some(stored))) = asked.join_next() => self.compare(&stored),
                _ = view.tick() => {
                    self.tell_missed();
                    *self.status.routers.lock().unwrap_or_else(PoisonError::into_inner) = self.decoder.routers().collect();
                }
                permit = out.reserve(), if self.waiting.len() >= limits::BATCH_EVENTS => self.send(permit, consumer),
                received = consumer.recv() => self.receive(received, consumer),
                permit = out.reserve(), if !(self.waiting.is_empty() && self.offsets.is_empty()) => {
                    self.send(permit, consumer);
                }
            }
        }
    }

    fn send(&mut self, permit: Permit<'_>, consumer: &StreamConsumer<Listener>) {
        if let Ok(permit) = permit {
            permit.send(self.batch());
            self.resume(consumer);
        }
    }

    fn receive(&mut self, received: Result<BorrowedMessage<'_>, KafkaError>, consumer: &StreamConsumer<Listener>) {
        match received {
            Ok(message) => self.message(message.topic(), message.partition(), message.offset(), message.payload()),
            Err(error) => self.failed(&error),
        }
        if self.waiting.len() >= WAITING {
            self.pause(consumer);
        }
    }

    fn message(&mut self, topic: &str, partition: i32, offset: i64, payload: Option<&[u8]>) {
        let arrived = now();
        self.status.last_message.store(arrived.0, Relaxed);
        if !self.status.connected.swap(true, Release) {
            self.told_lost = false;
            self.change(true, String::new(), arrived);
        }
        *self.status.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.status.messages.fetch_add(1, Relaxed);
        // A tombstone says nothing, but its offset is read.
        if let Some(payload) = payload {
            self.decoder.message(topic, &Bytes::copy_from_slice(payload), Some(arrived), &mut self.waiting);
            let counts = self.decoder.take_counts();
            self.status.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
        }
        let topic = self.places.read(topic, partition, offset, arrived);
        self.offsets.insert((topic, partition), offset);
        if self.waiting.len() >= limits::BATCH_EVENTS {
            self.full_since.get_or_insert_with(Instant::now);
        }
    }

    /// What there is now.
    fn batch(&mut self) -> Batch {
        let waited = self.full_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.status.stalled_micros.fetch_add(micros, Relaxed);
        let receipt = self.unsettled.add(std::mem::take(&mut self.offsets));
        Batch { items: std::mem::take(&mut self.waiting), receipt }
    }

    fn failed(&mut self, error: &KafkaError) {
        self.status.note_error(&error.to_string());
        self.status.counts.lock().unwrap_or_else(PoisonError::into_inner).add(failure());
        self.status.connected.store(false, Relaxed);
        if !std::mem::replace(&mut self.told_lost, true) {
            tracing::warn!(feed = %self.feed, %error, "feed lost");
            self.change(false, error.to_string(), now());
        }
    }

    fn compare(&mut self, stored: &TopicPartitionList) {
        for place in stored.elements() {
            if let Offset::Offset(offset) = place.offset() {
                self.places.stored(place.topic(), place.partition(), offset);
            }
        }
    }

    /// What no broker holds any more was missed as if the feed had been lost, and is made good in the same way.
    fn tell_missed(&mut self) {
        let Some(missed) = self.places.take_missed() else { return };
        let Missed { messages, topic, partitions, from } = missed;
        let more = if partitions > 1 { format!(" and {} more partitions", partitions - 1) } else { String::new() };
        let unknown = if from.is_none() { "; since when is not known" } else { "" };
        let detail = format!("{messages} messages of {topic}{more} are not held by the broker any more{unknown}");
        tracing::warn!(feed = %self.feed, %detail, "gap");
        let seen = now();
        self.waiting.push(change(&self.feed, false, detail, from.or(Some(seen)), seen));
        if self.status.connected.load(Relaxed) {
            self.change(true, String::new(), seen);
        }
    }

    /// Nothing is missed while no broker answers: what comes then is still there, so there is no gap.
    fn change(&mut self, live: bool, detail: String, seen: Timestamp) {
        self.waiting.push(change(&self.feed, live, detail, None, seen));
    }

    /// Pauses what is assigned now; a rebalance may bring more, which is paused when it brings something.
    fn pause(&mut self, consumer: &StreamConsumer<Listener>) {
        let Ok(assigned) = consumer.assignment() else { return };
        if consumer.pause(&assigned).is_ok() && self.paused.replace(assigned).is_none() {
            self.status.pauses.fetch_add(1, Relaxed);
        }
    }

    fn resume(&mut self, consumer: &StreamConsumer<Listener>) {
        let Some(partitions) = self.paused.take() else { return };
        // Some may have been taken away since.
        if let Err(error) = consumer.resume(&partitions) {
            tracing::debug!(feed = %self.feed, %error, "not all partitions resumed");
        }
    }

    fn store(&self, consumer: &StreamConsumer<Listener>, settled: &Offsets) {
        let mut partitions = TopicPartitionList::new();
        for ((topic, partition), offset) in settled {
            // What is stored is where to go on.
            if let Err(error) = partitions.add_partition_offset(topic, *partition, Offset::Offset(offset + 1)) {
                tracing::debug!(feed = %self.feed, %error, "offset not stored");
            }
        }
        if let Err(error) = consumer.store_offsets(&partitions) {
            tracing::debug!(feed = %self.feed, %error, "offsets not stored: the partitions were taken away");
        }
    }
}

fn failure() -> Counts {
    let mut counts = Counts::default();
    counts.error(kind::READ_FAILED);
    counts
}
