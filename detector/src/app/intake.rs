//! How does what the feeds read become the one order of events?

use std::io::BufWriter;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feeds::counts::Counts;
use feeds::input::{self, Item, Use};
use feeds::record::Writer;
use feeds::ris_live;
use rules::alert::SourceState;
use rules::bgp::Timestamp;
use rules::checkpoint::Checkpoint;
use rules::event::Event;
use rules::relations::Relations;
use rules::rpki::Delta;
use rules::watch::Watch;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch as signal;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::config::{Feed, FeedKind, Rpki};
use crate::data;
use crate::failure::Failure;
use crate::metrics::{Metrics, Stage};
use crate::pipeline::Intake;
use crate::sequencer::Sequencer;

/// Batches of one feed that may wait: 64 x at most 256 updates.
const FEED_QUEUE: usize = 64;
/// Items that a file hands over at once.
const FILE_BATCH: usize = 256;

/// The clock of `run`.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// What routes are judged by at the start.
pub struct Given {
    /// What was known before a restart.
    pub before: Option<Checkpoint>,
    pub rpki: Delta,
    pub relations: Relations,
    pub watch: Watch,
}

/// How a feed stands.
pub enum FeedHealth {
    RisLive(Arc<ris_live::Status>),
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
    pub rpki: Mutex<Delta>,
    pub relations: (rules::alert::Source, usize),
}

/// What the sequencer has handled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub events: u64,
}

enum Input {
    Items(usize, Vec<Item>),
    Own(Event),
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
    pub recorder: Option<Recorder>,
    /// How often everything that must outlive a restart is asked for.
    pub checkpoints: Option<Duration>,
}

/// Starts all feeds and the sequencer.
pub fn start(feeds: Vec<Feed>, rpki: Rpki, given: Given, engine: Engine, metrics: Arc<Metrics>) -> Running {
    let (queue, inputs) = mpsc::channel(FEED_QUEUE);
    let health = Arc::new(Health {
        feeds: feeds.iter().map(|feed| (feed.name.clone(), FeedHealth::of(&feed.kind))).collect(),
        seeding: AtomicBool::new(true),
        rpki: Mutex::new(given.rpki.clone()),
        relations: (given.relations.source.clone(), given.relations.len()),
    });
    let mut front = Front { sequencer: Sequencer::default(), engine, metrics, taken: Taken::default() };
    front.begin(given);
    let sequencer = tokio::spawn(front.run(inputs));
    let (stop, stopped) = signal::channel(false);
    tokio::spawn(feed_all(feeds, rpki, Mouth { queue, stopped }, health.clone()));
    Running { health, stop, sequencer }
}

impl FeedHealth {
    fn of(kind: &FeedKind) -> Self {
        match kind {
            FeedKind::RisLive { .. } => Self::RisLive(Arc::default()),
            FeedKind::Mrt { .. } => Self::Mrt(Arc::default()),
        }
    }
}

/// The way in for all feeds, and the word to stop.
#[derive(Clone)]
struct Mouth {
    queue: Sender<Input>,
    stopped: signal::Receiver<bool>,
}

/// Dumps first, since they say what is normal; then everything that gives news. On the word to stop nothing more is
/// read, and what was read still goes on.
async fn feed_all(feeds: Vec<Feed>, rpki: Rpki, mut mouth: Mouth, health: Arc<Health>) {
    seed(&feeds, &mouth, &health).await;
    let (mut readers, mut movers) = (JoinSet::new(), JoinSet::new());
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
                let config = ris_live::Config { url, client, hosts, prefixes, peer, path, include_raw: true };
                let (out, items) = mpsc::channel(FEED_QUEUE);
                readers.spawn(ris_live::run(config, feed.name, out, status.clone()));
                movers.spawn(forward(source, items, mouth.queue.clone()));
            }
            _ => unreachable!("the health of a feed is made from its kind"),
        }
    }
    readers.spawn(refresh_rpki(rpki, mouth.queue.clone(), health));
    // An error means that nobody is left who could say it.
    let _ = mouth.stopped.wait_for(|stopped| *stopped).await;
    readers.shutdown().await;
    while movers.join_next().await.is_some() {}
}

async fn seed(feeds: &[Feed], mouth: &Mouth, health: &Health) {
    let mut as_of = None;
    for (source, feed) in feeds.iter().enumerate() {
        if let (FeedKind::Mrt { rib, .. }, FeedHealth::Mrt(status)) = (&feed.kind, &health.feeds[source].1) {
            as_of = as_of.max(read_files(&feed.name, source, rib.clone(), Use::Seed, mouth, status.clone()).await);
        }
    }
    if let Some(as_of) = as_of {
        let _ = mouth.queue.send(Input::Own(Event::SeedDone { as_of })).await;
    }
    health.seeding.store(false, Ordering::Relaxed);
}

async fn forward(source: usize, mut items: Receiver<Vec<Item>>, queue: Sender<Input>) {
    while let Some(batch) = items.recv().await {
        if queue.send(Input::Items(source, batch)).await.is_err() {
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
        *status.counts.lock().unwrap_or_else(PoisonError::into_inner) = sum(&before, reader.counts());
        let stopped = *mouth.stopped.borrow();
        if stopped || batch.is_empty() || mouth.queue.blocking_send(Input::Items(source, batch)).is_err() {
            return newest;
        }
    }
}

fn sum(a: &Counts, b: &Counts) -> Counts {
    let mut errors = a.errors.clone();
    for (kind, count) in &b.errors {
        *errors.entry(kind).or_default() += count;
    }
    Counts {
        elements: a.elements + b.elements,
        announced: a.announced + b.announced,
        withdrawn: a.withdrawn + b.withdrawn,
        otc: a.otc + b.otc,
        skipped: a.skipped + b.skipped,
        errors,
    }
}

/// Reads the files again and again, since they change and what is in them expires. What cannot be read leaves the
/// data as it was, marked stale.
async fn refresh_rpki(rpki: Rpki, queue: Sender<Input>, health: Arc<Health>) {
    if rpki.files.is_empty() && rpki.aspas.is_empty() {
        return;
    }
    let mut every = tokio::time::interval(Duration::from_secs(rpki.refresh_secs));
    every.tick().await;
    loop {
        every.tick().await;
        let (files, aspas) = (rpki.files.clone(), rpki.aspas.clone());
        let read = tokio::task::spawn_blocking(move || data::rpki(&files, &aspas, Some(now()))).await;
        let before = health.rpki.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let after = match read {
            Ok(Ok(read)) => read.delta,
            Ok(Err(error)) => {
                tracing::warn!(%error, "RPKI data not refreshed");
                stale(before.clone())
            }
            Err(_) => return,
        };
        if after != before {
            let change = data::change(&before, &after);
            *health.rpki.lock().unwrap_or_else(PoisonError::into_inner) = after;
            if queue.send(Input::Own(Event::Rpki(Arc::new(change)))).await.is_err() {
                return;
            }
        }
    }
}

fn stale(mut delta: Delta) -> Delta {
    for source in [&mut delta.vrps, &mut delta.aspas] {
        if source.state == SourceState::Fresh {
            source.state = SourceState::Stale;
        }
    }
    delta
}

/// The sequencer task.
struct Front {
    sequencer: Sequencer,
    engine: Engine,
    metrics: Arc<Metrics>,
    taken: Taken,
}

impl Front {
    fn begin(&mut self, given: Given) {
        let at = now();
        if let Some(checkpoint) = given.before {
            self.sequencer.restore(Arc::new(checkpoint), at);
        }
        if !(given.rpki.announced_vrps.is_empty() && given.rpki.announced_aspas.is_empty()) {
            self.sequencer.push_own(Event::Rpki(Arc::new(given.rpki)), at);
        }
        if !given.relations.is_empty() {
            self.sequencer.push_own(Event::Relations(Arc::new(given.relations)), at);
        }
        if !given.watch.is_empty() {
            self.sequencer.push_own(Event::Watch(Arc::new(given.watch)), at);
        }
    }

    /// Works until every feed is gone. A batch is what is there now; it never waits to fill.
    async fn run(mut self, mut inputs: Receiver<Input>) -> Taken {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let every = self.engine.checkpoints.unwrap_or(Duration::from_secs(1));
        let mut checkpoint = tokio::time::interval_at(Instant::now() + every, every);
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => break,
                },
                // In a quiet second, timers still have to fire.
                _ = second.tick() => self.sequencer.push_own(Event::Tick, now()),
                _ = checkpoint.tick(), if self.engine.checkpoints.is_some() => {
                    self.sequencer.push_own(Event::Checkpoint, now());
                }
            }
            if inputs.is_empty() && !self.flush().await {
                break;
            }
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

    async fn take(&mut self, input: Input) {
        let at = now();
        match input {
            Input::Own(event) => self.sequencer.push_own(event, at),
            Input::Items(source, items) => {
                if let Some(last) = items.last() {
                    let lag = (at - last.time).try_into().unwrap_or_default();
                    self.metrics.latency(Stage::Received, Duration::from_micros(lag));
                }
                for item in items {
                    self.sequencer.push(source, item, at);
                    if self.sequencer.is_full() {
                        self.flush().await;
                    }
                }
            }
        }
    }

    async fn flush(&mut self) -> bool {
        let Some(batch) = self.sequencer.take() else { return true };
        self.taken.events += batch.len() as u64;
        if let Some(recorder) = &mut self.engine.recorder
            && let Err(error) = batch.iter().try_for_each(|stamped| recorder.write(stamped))
        {
            tracing::error!(%error, "recording ends here");
            self.engine.recorder = None;
        }
        self.engine.intake.send(batch).await
    }
}
