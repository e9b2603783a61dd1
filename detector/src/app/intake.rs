//! How does what the feeds read become the one order of events?

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use feeds::archive::Collector;
use feeds::counts::Counts;
use feeds::input::{self, Arrival, Item, Use};
use feeds::openbmp::consumer::Receipt;
use feeds::record::Writer;
use feeds::ris_live;
use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp, VantageId};
use rules::checkpoint::Checkpoint;
use rules::event::Event;
use rules::relations::Relations;
use rules::watch::Watch;
use tokio::sync::mpsc::{self, Receiver, Sender, WeakSender};
use tokio::sync::watch as signal;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::interval_at;

use super::bmp::{self, BmpHealth};
use super::bootstrap::{Bootstrap, Progress, Standing, Times};
use super::live::{Canary, Live, LiveFeed};
use super::receipts::Receipts;
use super::rpki;
use super::scope::Interest;
use super::shedding::{Room, Shedding};
use super::silence::Silence;
use crate::config::{Feed, FeedKind, RIS_LIVE_URL, Scope};
use crate::failure::Failure;
use crate::latency::{self, Way};
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Stage};
use crate::pipeline::{self, Intake};
use crate::sequencer::Sequencer;

/// Batches of one feed that may wait: 64 x at most 256 updates.
const FEED_QUEUE: usize = 64;
/// Items that a file hands over at once.
pub(super) const FILE_BATCH: usize = 256;

/// The clock of `run`.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// What routes are judged by at the start.
pub struct Given {
    /// What was known before a restart.
    pub before: Option<Checkpoint>,
    pub rpki: rpki::Loaded,
    pub relations: Relations,
    pub watch: Arc<Watch>,
    /// Where routers connect, by the position of their feed.
    pub stations: bmp::Stations,
}

/// How a feed stands.
pub enum FeedHealth {
    RisLive(Arc<ris_live::Status>),
    Bmp(BmpHealth),
    Mrt(Arc<FileStatus>),
}

#[derive(Default)]
pub struct FileStatus {
    pub counts: Mutex<Counts>,
    pub finished: AtomicBool,
}

/// What reporting looks at.
pub struct Health {
    pub feeds: Vec<(Arc<str>, FeedHealth)>,
    pub seeding: AtomicBool,
    pub rpki: Arc<rpki::Health>,
    pub relations: (rules::alert::Source, usize),
    pub archives: Vec<(Arc<str>, Arc<Progress>)>,
    /// Routes and withdrawals of archives that were left out, since their session has said something newer.
    pub old: Arc<AtomicU64>,
    pub ledger: Arc<Mutex<Ledger>>,
    /// By the number of the feed.
    pub canaries: Vec<Arc<Canary>>,
    pub silent_secs: Vec<u64>,
    /// The number of the feed that brought a vantage point first.
    pub feed_of: FeedOf,
    pub room: Arc<Mutex<Room>>,
}

pub type FeedOf = Arc<Mutex<BTreeMap<VantageId, usize>>>;

/// What the sequencer has handled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub events: u64,
}

pub(super) enum Input {
    /// What a file says.
    Items(usize, Vec<Item>),
    /// What a live feed says.
    News(usize, Arrival),
    /// What came before it is wanted to be known as judged.
    Receipt(Receipt),
    /// What an archive says: beside a live feed some of it is old.
    Archive(usize, Vec<Item>),
    /// The archive has told all of a feed, as of so many losses.
    Whole(usize, u64),
    Own(Event),
    /// Prefixes that watched ASes originate.
    Interest(BTreeSet<IpNet>),
}

pub type Recorder = Writer<BufWriter<std::fs::File>>;

/// Opens the file of `--record`.
pub fn recorder(path: &Path) -> Result<Recorder, Failure> {
    let failed = |error| Failure::failed(format!("cannot write \"{}\": {error}", path.display()));
    let file = std::fs::File::create(path).map_err(failed)?;
    Writer::new(BufWriter::new(file)).map_err(failed)
}

/// The tasks of the intake.
pub struct Running {
    pub health: Arc<Health>,
    /// The way in, for as long as a feed needs it.
    pub(super) queue: WeakSender<Input>,
    stop: signal::Sender<bool>,
    sequencer: JoinHandle<Taken>,
}

impl Running {
    /// Stops the feeds, and waits until what they gave is handed over.
    pub async fn stop(self) -> Taken {
        self.stop.send_replace(true);
        self.sequencer.await.unwrap_or_default()
    }
}

/// Where events go.
pub struct Engine {
    pub intake: Intake,
    pub status: Arc<pipeline::Status>,
    pub recorder: Option<Recorder>,
    /// How often everything that must outlive a restart is asked for.
    pub checkpoints: Option<Duration>,
    /// Octets of memory that what is held may take.
    pub budget: Option<u64>,
}

/// Starts all feeds and the sequencer.
pub fn start(feeds: Vec<Feed>, mut given: Given, engine: Engine, metrics: Arc<Metrics>, times: Times) -> Running {
    let (queue, inputs) = mpsc::channel(FEED_QUEUE);
    let pasts: Vec<Past> = feeds.iter().map(Past::of).collect();
    let canaries: Vec<_> = feeds.iter().map(|feed| Arc::new(Canary::new(carries_beacons(feed)))).collect();
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let live = live(&feeds, &pasts, &canaries, ledger.clone());
    let health = Arc::new(Health {
        feeds: feeds.iter().map(|feed| (feed.name.clone(), FeedHealth::of(&feed.kind))).collect(),
        seeding: AtomicBool::new(true),
        rpki: given.rpki.health(),
        relations: (given.relations.source.clone(), given.relations.len()),
        archives: (feeds.iter().zip(&pasts).filter(|(_, past)| !past.collectors.is_empty()))
            .map(|(feed, past)| (feed.name.clone(), past.progress.clone()))
            .collect(),
        old: live.old(),
        ledger,
        canaries,
        silent_secs: feeds.iter().map(|feed| feed.silent_secs).collect(),
        feed_of: FeedOf::default(),
        room: Arc::default(),
    });
    let stations = std::mem::take(&mut given.stations);
    let receipts = Receipts::default();
    let (sequencer, taken) = (Sequencer::default(), Taken::default());
    let interest = Interest::new(&given.watch);
    let subscribed = interest.subscribe();
    let scoped = scoped(&feeds);
    let watched = (health.clone(), Silence::default());
    let received = None;
    let shedding = Shedding::new(engine.budget, health.room.clone());
    let mut front =
        Front { sequencer, engine, received, receipts, metrics, live, watched, taken, interest, scoped, shedding };
    let before = given.before.as_ref().map(|checkpoint| checkpoint.at);
    let rpki = front.begin(given);
    let sequencer = tokio::spawn(front.run(inputs));
    let (stop, stopped) = signal::channel(false);
    let past = History { pasts, times, before };
    let weak = queue.downgrade();
    let mouth = Mouth { queue, stopped, subscribed };
    tokio::spawn(feed_all(feeds, stations, rpki, mouth, health.clone(), past));
    Running { health, queue: weak, stop, sequencer }
}

/// Whose scope is the watched networks: feeds by number, then the files of their archives, one collector each.
fn scoped(feeds: &[Feed]) -> Vec<bool> {
    let is_scoped = |feed: &Feed| feed.scope == Scope::Watched;
    let files = |feed: &Feed| {
        let count = feed.archive.as_ref().map_or(0, |archive| archive.collectors.len());
        std::iter::repeat_n(is_scoped(feed), count)
    };
    feeds.iter().map(is_scoped).chain(feeds.iter().flat_map(files)).collect()
}

/// What the archive of a feed has to tell, if it has one.
struct Past {
    collectors: Vec<Collector>,
    progress: Arc<Progress>,
    standing: signal::Sender<Standing>,
}

impl Past {
    fn of(feed: &Feed) -> Self {
        let collectors = feed.archive.as_ref().map_or(Vec::new(), |archive| archive.collectors.clone());
        let progress = Arc::new(Progress::of(&collectors));
        Self { collectors, progress, standing: signal::Sender::new(Standing::default()) }
    }
}

/// All of the public RIS Live has its beacons; a part of it, or another server, need not.
fn carries_beacons(feed: &Feed) -> bool {
    match &feed.kind {
        FeedKind::RisLive { url, hosts, prefixes, peer, path, .. } => {
            let is_all = feed.scope == Scope::Internet
                && hosts.is_empty()
                && prefixes.is_empty()
                && peer.is_none()
                && path.is_none();
            url == RIS_LIVE_URL && is_all
        }
        _ => false,
    }
}

fn live(feeds: &[Feed], pasts: &[Past], canaries: &[Arc<Canary>], ledger: Arc<Mutex<Ledger>>) -> Live {
    let one = |(i, feed): (usize, &Feed)| {
        let is_live = !matches!(feed.kind, FeedKind::Mrt { .. });
        let standing = (!pasts[i].collectors.is_empty()).then(|| pasts[i].standing.clone());
        is_live.then(|| LiveFeed::new(feed.name.clone(), canaries[i].clone(), standing))
    };
    let of_archives = pasts.iter().enumerate().flat_map(|(feed, past)| vec![feed; past.collectors.len()]);
    Live::new(feeds.iter().enumerate().map(one).collect(), of_archives.collect(), ledger)
}

impl FeedHealth {
    fn of(kind: &FeedKind) -> Self {
        match kind {
            FeedKind::RisLive { .. } => Self::RisLive(Arc::default()),
            FeedKind::Bmp(bmp) => Self::Bmp(BmpHealth::of(bmp)),
            FeedKind::OpenBmp(_) => Self::Bmp(BmpHealth::Kafka(Arc::default())),
            FeedKind::Mrt { .. } => Self::Mrt(Arc::default()),
        }
    }
}

/// The way in for all feeds, and the word to stop.
#[derive(Clone)]
struct Mouth {
    queue: Sender<Input>,
    stopped: signal::Receiver<bool>,
    /// What feeds of a narrow scope ask for.
    subscribed: signal::Receiver<Arc<ris_live::Interest>>,
}

/// What archives have to tell, by feed, and how long to wait for it.
struct History {
    pasts: Vec<Past>,
    times: Times,
    /// Up to where everything was judged before a restart.
    before: Option<Timestamp>,
}

/// Dumps first, since they say what is normal; then everything that gives news. On the word to stop nothing more is
/// read, and what was read still goes on.
async fn feed_all(
    feeds: Vec<Feed>,
    mut stations: bmp::Stations,
    rpki: rpki::Loaded,
    mut mouth: Mouth,
    health: Arc<Health>,
    past: History,
) {
    let (mut readers, mut movers) = (JoinSet::new(), JoinSet::new());
    readers.spawn(rpki.follow(mouth.queue.clone(), health.rpki.clone()));
    health.rpki.first_answers().await;
    seed(&feeds, &mouth, &health).await;
    let before = past.before;
    let archives = archives(&feeds, past, &mouth, &health);
    let has_archive: Vec<bool> = (0..feeds.len()).map(|i| archives.iter().any(|a| a.source == i)).collect();
    for archive in archives {
        readers.spawn(archive.run());
    }
    for (source, feed) in feeds.into_iter().enumerate() {
        match (feed.kind, &health.feeds[source].1) {
            (FeedKind::Mrt { files, .. }, FeedHealth::Mrt(status)) => {
                let (mouth, status) = (mouth.clone(), status.clone());
                movers.spawn(async move {
                    read_files(&feed.name, source, files, Use::Updates, &mouth, status.clone()).await;
                    status.finished.store(true, Ordering::Relaxed);
                });
            }
            (FeedKind::RisLive { url, client, hosts, prefixes, peer, path }, FeedHealth::RisLive(status)) => {
                let keeps_tables = has_archive[source];
                let interest = (feed.scope == Scope::Watched).then(|| mouth.subscribed.clone());
                let config = ris_live::Config {
                    url,
                    client,
                    hosts,
                    prefixes,
                    peer,
                    path,
                    interest,
                    include_raw: true,
                    keeps_tables,
                };
                let (out, items) = mpsc::channel(FEED_QUEUE);
                readers.spawn(ris_live::run(config, feed.name, out, status.clone()));
                movers.spawn(forward(source, items, mouth.queue.clone()));
            }
            (FeedKind::Bmp(config), FeedHealth::Bmp(BmpHealth::Station(status, _))) => {
                let Some(listener) = stations.remove(&source) else { continue };
                let (out, items) = mpsc::channel(FEED_QUEUE);
                readers.spawn(bmp::listen(listener, config, feed.name, out, status.clone()));
                movers.spawn(forward(source, items, mouth.queue.clone()));
            }
            (FeedKind::OpenBmp(config), FeedHealth::Bmp(BmpHealth::Kafka(status))) => {
                let (out, batches) = mpsc::channel(FEED_QUEUE);
                readers.spawn(bmp::consume(config, before, feed.name, out, status.clone()));
                movers.spawn(bmp::forward(source, batches, mouth.queue.clone()));
            }
            _ => unreachable!("the health of a feed is made from its kind"),
        }
    }
    // An error means that nobody is left who could say it.
    let _ = mouth.stopped.wait_for(|stopped| *stopped).await;
    readers.shutdown().await;
    while movers.join_next().await.is_some() {}
}

fn archives(feeds: &[Feed], history: History, mouth: &Mouth, health: &Health) -> Vec<Bootstrap> {
    let History { pasts, times, .. } = history;
    let mut first_source = feeds.len();
    let mut all = Vec::new();
    for (source, (feed, past)) in feeds.iter().zip(pasts).enumerate() {
        if past.collectors.is_empty() {
            continue;
        }
        let prefixes = match &feed.kind {
            FeedKind::RisLive { prefixes, .. } => prefixes.clone(),
            _ => Vec::new(),
        };
        let count = past.collectors.len();
        all.push(Bootstrap {
            feed: feed.name.clone(),
            source,
            first_source,
            collectors: past.collectors,
            base: feed.archive.as_ref().and_then(|archive| archive.base.clone()),
            prefixes,
            times,
            queue: mouth.queue.downgrade(),
            standing: past.standing.subscribe(),
            progress: past.progress,
            ledger: health.ledger.clone(),
        });
        first_source += count;
    }
    all
}

async fn seed(feeds: &[Feed], mouth: &Mouth, health: &Health) {
    let mut as_of = None;
    for (source, feed) in feeds.iter().enumerate() {
        if let (FeedKind::Mrt { rib, .. }, FeedHealth::Mrt(status)) = (&feed.kind, &health.feeds[source].1) {
            if feed.scope == Scope::Watched {
                originated(rib.clone(), mouth).await;
            }
            as_of = as_of.max(read_files(&feed.name, source, rib.clone(), Use::Seed, mouth, status.clone()).await);
        }
    }
    if let Some(as_of) = as_of {
        let _ = mouth.queue.send(Input::Own(Event::SeedDone { as_of })).await;
    }
    health.seeding.store(false, Ordering::Relaxed);
}

/// Of a narrow scope, what watched ASes originate has to be known before the dump is sifted: it is read twice.
async fn originated(files: Vec<String>, mouth: &Mouth) {
    let asns: BTreeSet<Asn> = mouth.subscribed.borrow().asns.iter().copied().collect();
    if asns.is_empty() {
        return;
    }
    let stopped = mouth.stopped.clone();
    let read = move || {
        let mut found = BTreeSet::new();
        // What cannot be opened is said when it is read.
        for item in files.iter().filter_map(|file| input::open(file, Use::Seed).ok()).flatten() {
            if *stopped.borrow() {
                break;
            }
            if let Event::Seed(update) = item.event
                && update.attributes.as_path.origin_as().is_some_and(|origin| asns.contains(&origin))
            {
                found.extend(update.announced.iter().map(|nlri| nlri.prefix));
            }
        }
        found
    };
    let found = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    let _ = mouth.queue.send(Input::Interest(found)).await;
}

async fn forward(source: usize, mut arrivals: Receiver<Arrival>, queue: Sender<Input>) {
    while let Some(arrival) = arrivals.recv().await {
        if queue.send(Input::News(source, arrival)).await.is_err() {
            return;
        }
    }
}

/// Reads files one after the other in a thread; the time of the newest item.
async fn read_files(
    name: &Arc<str>,
    source: usize,
    files: Vec<String>,
    used_as: Use,
    mouth: &Mouth,
    status: Arc<FileStatus>,
) -> Option<Timestamp> {
    let (name, mouth) = (name.clone(), mouth.clone());
    let read = move || {
        let mut newest = None;
        for file in &files {
            match input::open(file, used_as) {
                Ok(reader) => newest = newest.max(read_file(source, reader, &mouth, &status)),
                Err(error) => tracing::error!(feed = %name, %error, "file left out"),
            }
        }
        newest
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn read_file(source: usize, mut reader: input::Reader, mouth: &Mouth, status: &FileStatus) -> Option<Timestamp> {
    let mut newest = None;
    let before = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    loop {
        let batch: Vec<Item> = reader.by_ref().take(FILE_BATCH).collect();
        newest = newest.max(batch.iter().map(|item| item.time).max());
        let mut counts = before.clone();
        counts.add(reader.counts().clone());
        *status.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        let stopped = *mouth.stopped.borrow();
        if stopped || batch.is_empty() || mouth.queue.blocking_send(Input::Items(source, batch)).is_err() {
            return newest;
        }
    }
}

/// The sequencer task.
struct Front {
    sequencer: Sequencer,
    engine: Engine,
    /// When the octets came of what the sequencer has and that waits longest.
    received: Option<Instant>,
    receipts: Receipts,
    metrics: Arc<Metrics>,
    live: Live,
    /// Streams that may fall silent.
    watched: (Arc<Health>, Silence),
    taken: Taken,
    interest: Interest,
    /// By source: only what concerns the watched networks is taken.
    scoped: Vec<bool>,
    shedding: Shedding,
}

impl Front {
    /// Says everything given; what goes on to be followed comes back.
    fn begin(&mut self, mut given: Given) -> rpki::Loaded {
        let at = now();
        if let Some(checkpoint) = given.before.take() {
            self.sequencer.restore(Arc::new(checkpoint), at);
        }
        if let Some(delta) = given.rpki.delta.take() {
            self.interest.signed(&delta);
            self.sequencer.push_own(Event::Rpki(Arc::new(delta)), at);
        }
        if !given.rpki.roa_ends().is_empty() {
            let ends = Arc::new(given.rpki.roa_ends().clone());
            self.sequencer.push_own(Event::RoaEnds(ends), at);
        }
        if !given.relations.is_empty() {
            self.sequencer.push_own(Event::Relations(Arc::new(given.relations)), at);
        }
        self.sequencer.push_own(Event::Watch(given.watch), at);
        given.rpki
    }

    /// Works until every feed is gone. A batch is what is there now; it never waits to fill.
    async fn run(mut self, mut inputs: Receiver<Input>) -> Taken {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let every = self.engine.checkpoints.unwrap_or(Duration::from_secs(1));
        let mut checkpoint = interval_at((Instant::now() + every).into(), every);
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => break,
                },
                // In a quiet second, timers still have to fire.
                _ = second.tick() => self.tick(now()),
                _ = checkpoint.tick(), if self.engine.checkpoints.is_some() => {
                    self.sequencer.push_own(Event::Checkpoint, now());
                }
            }
            if inputs.is_empty() && !self.flush().await {
                break;
            }
            self.receipts.settle(self.engine.status.delivered.load(Ordering::Acquire));
        }
        if self.engine.checkpoints.is_some() {
            self.sequencer.push_own(Event::Checkpoint, now());
        }
        self.flush().await;
        if let Some(recorder) = self.engine.recorder
            && let Err(error) = recorder.finish()
        {
            tracing::error!(%error, "the recording is not complete");
        }
        self.taken
    }

    fn tick(&mut self, now: Timestamp) {
        self.sequencer.push_own(Event::Tick, now);
        self.metrics.relation_rows_dropped(self.sequencer.relation_rows_dropped());
        let (health, silence) = &mut self.watched;
        for change in silence.look(&health.feeds, &health.silent_secs, now) {
            self.sequencer.push_own(Event::Feed(change), now);
        }
        for vantage in self.live.out_of_sight(now) {
            self.sequencer.push_own(Event::PeerDown { vantage, seen: now }, now);
        }
        if let Some(shed) = self.shedding.look(&self.engine.status) {
            self.sequencer.push_own(Event::Shed(shed), now);
            self.shedding.said(self.sequencer.now().unwrap_or(now));
        }
    }

    async fn take(&mut self, input: Input) {
        let at = now();
        match input {
            Input::Own(event) => {
                match &event {
                    Event::Watch(watch) => self.interest.renew(watch),
                    Event::Rpki(delta) => self.interest.signed(delta),
                    _ => {}
                }
                self.sequencer.push_own(event, at);
            }
            Input::Interest(prefixes) => self.interest.learn(prefixes),
            Input::Receipt(receipt) => self.receipts.note(receipt),
            Input::Items(source, items) => self.take_items(source, items, None, at).await,
            Input::News(source, arrival) => self.take_items(source, arrival.items, Some(arrival.at), at).await,
            Input::Archive(source, items) => {
                self.live.told(source, at);
                for mut item in items {
                    let number = item.event.session().and_then(|local| self.sequencer.number(source, local));
                    self.live.told_of(source, number);
                    if self.live.sift(number, &mut item.event) {
                        self.push(source, item, at).await;
                    }
                }
            }
            Input::Whole(source, losses) => self.live.is_whole(source, losses),
        }
    }

    /// `received`: when the octets of live news came.
    async fn take_items(&mut self, source: usize, items: Vec<Item>, received: Option<Instant>, at: Timestamp) {
        if let (Some(last), Some(_)) = (items.last(), received) {
            let lag = (at - last.time).try_into().unwrap_or_default();
            self.metrics.latency(Stage::Received, Duration::from_micros(lag));
        }
        for item in items {
            let number = item.event.session().and_then(|local| self.sequencer.number(source, local));
            self.live.heard(source, &item, number, at);
            self.watched.1.heard(&item.event);
            self.received = self.received.into_iter().chain(received).min();
            self.push(source, item, at).await;
        }
    }

    async fn push(&mut self, source: usize, mut item: Item, at: Timestamp) {
        let is_scoped = self.scoped.get(source).is_some_and(|scoped| *scoped);
        if is_scoped && !self.interest.sift(&mut item.event) {
            return;
        }
        let new = if let Event::Vantage(local, _) = &item.event { Some(*local) } else { None };
        self.sequencer.push(source, item, at);
        if let Some(vantage) = new.and_then(|local| self.sequencer.number(source, local)) {
            let feed_of = &self.watched.0.feed_of;
            feed_of
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(vantage)
                .and_modify(|held| *held = source.min(*held))
                .or_insert(source);
        }
        if self.sequencer.is_full() {
            self.flush().await;
        }
    }

    async fn flush(&mut self) -> bool {
        let batch = self.sequencer.take();
        let way = self.received.take().map(|received| Way { received, sequenced: Instant::now() });
        self.receipts.handed_on(batch.as_ref().and_then(|batch| batch.last()).map(|last| last.seq));
        let Some(batch) = batch else { return true };
        self.taken.events += batch.len() as u64;
        if let Some(recorder) = &mut self.engine.recorder
            && let Err(error) = batch.iter().try_for_each(|stamped| recorder.write(stamped))
        {
            tracing::error!(%error, "recording ends here");
            self.engine.recorder = None;
        }
        if let Some(Way { received, sequenced }) = way {
            self.engine.status.latency.observe(latency::Stage::Sequenced, sequenced - received);
        }
        self.engine.intake.send(batch, way).await
    }
}
