//! Who works where? N shard threads and the desk thread, and the queues between them.
//!
//! Every shard sees every batch and answers it, even with nothing. The desk reads next from the shard that is
//! furthest behind and releases what lies before the lowest watermark, in the one order of reports: no time-outs,
//! and the same code for one shard. The shard that is furthest behind always has work or a batch coming, so this
//! cannot block in a circle.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rules::alert::{Class, Severity, Source};
use rules::bgp::{Family, Timestamp, VantageId, VantagePoint};
use rules::checkpoint::PrefixMemory;
use rules::desk::{Desk, Output, Recording, Settings, Suppressed};
use rules::event::{Batch, Event};
use rules::limits;
use rules::rib::Sizes;
use rules::session::Cause;
use rules::shard::{FullFeed, KeyRange, Keyed, Mark, RovCounts, Shard, Watched};
use rules::shed::{Counts, Table, Worth};
use tokio::sync::mpsc::{self, Receiver, Sender, WeakSender};
use tokio::sync::oneshot;

use crate::latency::{Latency, Way};

/// Most shards that start by themselves: more share one memory bus.
const MOST_SHARDS: usize = 8;

/// Reports of a shard, complete before `watermark`, and its part of checkpoints, by event.
struct Chunk {
    watermark: Mark,
    reports: Vec<Keyed>,
    memories: Vec<(u64, Vec<PrefixMemory>)>,
}

/// What is wanted beside alerts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// Who held an offending route, from when to when.
    pub routes: Recording,
    /// What a restart needs: checkpoints, and a chapter before every alert.
    pub memory: bool,
    /// How much each session holds, for who has to decide what is shed.
    pub tables: bool,
}

/// What can be looked at from outside while it works.
#[derive(Default)]
pub struct Status {
    /// By family, IPv4 first: routes and prefixes held.
    pub held: [Held; 2],
    pub is_learning: AtomicBool,
    /// A dump, or a session's whole table, was read since the start: what is not held is not announced.
    pub has_table: AtomicBool,
    /// Every event below this number is judged, and what the desk had to say of it was handed on.
    pub judged: AtomicU64,
    /// Every event below this number is judged, and what had to be said of it is in the store or with the sinks.
    pub delivered: AtomicU64,
    /// How long batches waited for space, in microseconds.
    pub stalled_shards: AtomicU64,
    pub stalled_desk: AtomicU64,
    pub desk: Mutex<DeskStatus>,
    pub latency: Latency,
    pub shards: Vec<ShardStatus>,
}

/// What one shard holds and did: shards of one size finish together.
#[derive(Default)]
pub struct ShardStatus {
    pub routes: AtomicUsize,
    /// All that takes memory.
    counts: Mutex<Counts>,
    /// How many times a route was weighed by all rules.
    pub judged: AtomicU64,
    /// Microseconds at work.
    pub busy: AtomicU64,
}

#[derive(Default)]
pub struct Held {
    pub routes: AtomicUsize,
    pub prefixes: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
pub struct DeskStatus {
    pub open: BTreeMap<(Class, Severity, bool), usize>,
    pub suppressed: BTreeMap<(Class, Suppressed), u64>,
    /// The relations in use and how many there are; none before any were told.
    pub relations: Option<(Source, usize)>,
    /// Sessions that are not believed, and why.
    pub quarantined: Vec<(VantageId, Arc<VantagePoint>, Cause)>,
    /// Peers that send a full table.
    pub full_feed: Arc<FullFeed>,
    /// Sessions that were shed, and what they were worth.
    pub shed: Arc<Vec<(VantageId, Arc<VantagePoint>, Worth)>>,
    /// The tick that all this is of.
    pub as_of: Timestamp,
    /// How much each session holds, if that is wanted, and what came and went untold.
    pub tables: Arc<Vec<Table>>,
    pub past_routes: u64,
}

impl Status {
    /// What is held of everything that takes memory.
    pub fn counts(&self) -> Counts {
        let past_routes = self.desk.lock().unwrap_or_else(PoisonError::into_inner).past_routes;
        let mut counts = Counts { past_routes, ..Counts::default() };
        let of = |shard: &ShardStatus| *shard.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.shards.iter().for_each(|shard| counts.add(of(shard)));
        counts
    }
}

/// A batch for the desk, and the way it came if it has live news.
type Led = (Arc<Batch>, Option<Way>);

/// What the desk has to say of a batch.
pub struct Told {
    pub outputs: Vec<Output>,
    /// When the batch was judged.
    pub judged: Instant,
    /// Files brought the batch, which are in no hurry.
    pub is_of_files: bool,
}

/// Asked of a shard, answered between two batches.
type Question = Box<dyn FnOnce(&Shard) + Send>;

/// The way in for questions.
#[derive(Clone, Default)]
pub struct Questions {
    shards: Vec<(Sender<Question>, WeakSender<Arc<Batch>>)>,
    status: Arc<Status>,
}

impl Questions {
    /// Asks every shard; their answers in their order, none if the engine is gone. Whatever is asked holds a shard up.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> T + Clone + Send + 'static,
    ) -> Option<Vec<T>> {
        let mut waiting = Vec::new();
        for (shard, batches) in &self.shards {
            let (answer, answered) = oneshot::channel();
            let question = question.clone();
            // Who asked may have gone away.
            let asked: Question = Box::new(move |shard| {
                if !answer.is_closed() {
                    drop(answer.send(question(shard)));
                }
            });
            shard.send(asked).await.ok()?;
            // It looks for questions behind each batch. Where the queue is full there is one.
            let _ = batches.upgrade()?.try_send(Arc::default());
            waiting.push(answered);
        }
        let mut answers = Vec::new();
        for answered in waiting {
            answers.push(answered.await.ok()?);
        }
        Some(answers)
    }

    /// How the watched prefixes stand: one answer a shard, each about at most `most` prefixes that are seen and as many that
    /// are not, and the longest time that one took.
    pub async fn watched(&self, most: usize) -> Option<(Vec<Watched>, Arc<FullFeed>, Duration)> {
        let full_feed = self.status.desk.lock().unwrap_or_else(PoisonError::into_inner).full_feed.clone();
        let asked = full_feed.clone();
        let timed = move |shard: &Shard| {
            let began = Instant::now();
            (shard.watched(&asked, most), began.elapsed())
        };
        let answers = self.ask(timed).await?;
        let longest = answers.iter().map(|(_, took)| *took).max().unwrap_or_default();
        Some((answers.into_iter().map(|(watched, _)| watched).collect(), full_feed, longest))
    }

    /// Whether it still learns what is normal.
    pub fn is_learning(&self) -> bool {
        self.status.is_learning.load(Ordering::Acquire)
    }
}

/// What the shards held and counted in the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub rov: RovCounts,
    pub routes: usize,
    pub prefixes: usize,
    pub is_learning: bool,
}

/// The way in.
#[derive(Clone)]
pub struct Intake {
    shards: Vec<Sender<Arc<Batch>>>,
    desk: Sender<Led>,
    status: Arc<Status>,
}

impl Intake {
    /// Hands the batch to everybody; false if the engine is gone. The time it has to wait is counted.
    pub async fn send(&self, batch: Arc<Batch>, way: Option<Way>) -> bool {
        for queue in &self.shards {
            if !send(queue, batch.clone(), &self.status.stalled_shards).await {
                return false;
            }
        }
        send(&self.desk, (batch, way), &self.status.stalled_desk).await
    }

    /// The same from a thread.
    pub fn blocking_send(&self, batch: &Arc<Batch>) -> bool {
        self.shards.iter().all(|queue| queue.blocking_send(batch.clone()).is_ok())
            && self.desk.blocking_send((batch.clone(), None)).is_ok()
    }
}

/// False if nobody takes it any more.
async fn send<T>(queue: &Sender<T>, what: T, stalled: &AtomicU64) -> bool {
    let full_since = (queue.capacity() == 0).then(Instant::now);
    let is_taken = queue.send(what).await.is_ok();
    if let Some(since) = full_since {
        stalled.fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
    is_taken
}

/// The running engine.
pub struct Pipeline {
    pub intake: Intake,
    pub outputs: Receiver<Told>,
    pub questions: Questions,
    pub status: Arc<Status>,
    pub threads: Threads,
}

/// To be joined after the intake is dropped and the outputs are drained.
pub struct Threads {
    shards: Vec<JoinHandle<Shard>>,
    desk: JoinHandle<Desk>,
}

impl Threads {
    /// Waits for the engine to finish; a panic in it goes on here.
    pub fn join(self) -> Totals {
        let resume = |panic| std::panic::resume_unwind(panic);
        let mut totals = Totals::default();
        for shard in self.shards {
            let shard = shard.join().unwrap_or_else(resume);
            let rov = shard.rov_counts();
            totals.rov.valid += rov.valid;
            totals.rov.invalid += rov.invalid;
            totals.rov.not_found += rov.not_found;
            totals.rov.not_evaluated += rov.not_evaluated;
            totals.routes += shard.rib().route_count();
            totals.prefixes += shard.rib().prefix_count();
        }
        let desk = self.desk.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        totals.is_learning = desk.is_learning();
        totals
    }
}

/// How many shards there are if so many are asked for; none or 0 is one a core.
pub fn shards(asked: Option<usize>) -> usize {
    asked.filter(|asked| *asked > 0).unwrap_or_else(one_a_core)
}

fn one_a_core() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SHARDS)
}

/// Starts `count` shards and the desk.
pub fn start(settings: Settings, count: usize, extras: Extras) -> std::io::Result<Pipeline> {
    let shards = (0..count).map(|_| ShardStatus::default()).collect();
    let status = Arc::new(Status { is_learning: true.into(), shards, ..Status::default() });
    let (mut intakes, mut chunks, mut shards, mut asked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for index in 0..count {
        let (intake, batches) = mpsc::channel(limits::SHARD_QUEUE_BATCHES);
        let (out, reports) = mpsc::channel(limits::DESK_QUEUE_CHUNKS);
        let (ask, questions) = mpsc::channel(1);
        let shard = Shard::new(KeyRange { index, count });
        let status = status.clone();
        let thread = std::thread::Builder::new().name(format!("shard-{index}"));
        shards.push(thread.spawn(move || run_shard((index, shard), batches, questions, &out, &status, extras))?);
        asked.push((ask, intake.downgrade()));
        intakes.push(intake);
        chunks.push(reports);
    }
    let (desk_intake, batches) = mpsc::channel(limits::SHARD_QUEUE_BATCHES);
    let (out, outputs) = mpsc::channel(limits::SHARD_QUEUE_BATCHES);
    let mut desk = Desk::new(settings, extras.routes);
    if extras.memory {
        desk.keep_chapters();
    }
    let desk_status = status.clone();
    let merge = Merge::new(chunks);
    let thread = std::thread::Builder::new().name("desk".into());
    let desk = thread.spawn(move || run_desk(desk, batches, merge, &out, &desk_status, extras))?;
    let intake = Intake { shards: intakes, desk: desk_intake, status: status.clone() };
    let questions = Questions { shards: asked, status: status.clone() };
    Ok(Pipeline { intake, outputs, questions, status, threads: Threads { shards, desk } })
}

/// Sends all but the last reports, at most [`limits::SIGHTINGS_PER_CHUNK`]; none if nobody listens. Each chunk that is sent has room
/// for itself alone: what is split off a list keeps the room of all that was left of it.
fn send_in_chunks(reports: Vec<Keyed>, seq: u64, out: &Sender<Chunk>) -> Option<Vec<Keyed>> {
    let mut rest = reports.into_iter();
    while rest.len() > limits::SIGHTINGS_PER_CHUNK {
        let reports: Vec<Keyed> = rest.by_ref().take(limits::SIGHTINGS_PER_CHUNK).collect();
        let watermark = reports.last().map_or(Mark { seq, prefix: None }, Keyed::mark);
        out.blocking_send(Chunk { watermark, reports, memories: Vec::new() }).ok()?;
    }
    Some(rest.collect())
}

fn run_shard(
    (index, mut shard): (usize, Shard),
    mut batches: Receiver<Arc<Batch>>,
    mut questions: Receiver<Question>,
    out: &Sender<Chunk>,
    status: &Status,
    extras: Extras,
) -> Shard {
    let mut told = [Sizes::default(); 2];
    let own = &status.shards[index];
    while let Some(batch) = batches.blocking_recv() {
        let begun = Instant::now();
        let (mut reports, mut memories) = (Vec::new(), Vec::new());
        for (i, stamped) in batch.iter().enumerate() {
            if i.is_multiple_of(limits::LOOK_AHEAD) {
                shard.look_ahead(&batch[i..batch.len().min(i + limits::LOOK_AHEAD)]);
            }
            shard.handle(stamped, &mut reports);
            if extras.memory && matches!(stamped.event, Event::Checkpoint) {
                memories.push((stamped.seq, shard.memory()));
            }
            if reports.len() > limits::SIGHTINGS_PER_CHUNK {
                match send_in_chunks(reports, stamped.seq, out) {
                    Some(rest) => reports = rest,
                    None => return shard,
                }
            }
        }
        own.busy.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
        own.judged.store(shard.judged(), Ordering::Relaxed);
        own.routes.store(shard.rib().route_count(), Ordering::Relaxed);
        *own.counts.lock().unwrap_or_else(PoisonError::into_inner) = shard.counts();
        if let Some(last) = batch.last()
            && out.blocking_send(Chunk { watermark: Mark::end_of(last.seq), reports, memories }).is_err()
        {
            return shard;
        }
        for (family, told) in [Family::Ipv4, Family::Ipv6].into_iter().zip(&mut told) {
            let (held, sizes) = (&status.held[family as usize], shard.rib().sizes(family));
            publish(&held.routes, told.routes, sizes.routes);
            publish(&held.prefixes, told.prefixes, sizes.prefixes);
            *told = sizes;
        }
        // One behind each batch: whoever keeps asking must not keep news waiting.
        if let Ok(question) = questions.try_recv() {
            question(&shard);
        }
    }
    shard
}

/// Adds what changed to a sum over all shards.
fn publish(sum: &AtomicUsize, before: usize, now: usize) {
    sum.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
}

fn run_desk(
    mut desk: Desk,
    mut batches: Receiver<Led>,
    mut merge: Merge,
    out: &Sender<Told>,
    status: &Status,
    extras: Extras,
) -> Desk {
    while let Some((batch, way)) = batches.blocking_recv() {
        let mut outputs = Vec::new();
        for stamped in batch.iter() {
            desk.begin(stamped);
            merge.each_of(stamped.seq, |keyed| desk.report(&keyed.report));
            desk.finish(stamped);
            if extras.memory && matches!(stamped.event, Event::Checkpoint) {
                outputs.append(&mut desk.take_output());
                outputs.push(desk.checkpoint(stamped, merge.memories_of(stamped.seq)));
            }
            if matches!(stamped.event, Event::Tick | Event::SeedDone { .. } | Event::End) {
                let now = DeskStatus {
                    open: desk.open_incidents(),
                    suppressed: desk.suppressed().clone(),
                    relations: desk.relations().map(|(source, count)| (source.clone(), count)),
                    full_feed: Arc::new(desk.full_feed()),
                    quarantined: desk.quarantined(),
                    shed: Arc::new(desk.sessions_shed()),
                    as_of: stamped.at,
                    tables: Arc::new(if extras.tables { desk.tables() } else { Vec::new() }),
                    past_routes: desk.past_routes() as u64,
                };
                *status.desk.lock().unwrap_or_else(PoisonError::into_inner) = now;
                status.is_learning.store(desk.is_learning(), Ordering::Release);
            }
            if matches!(stamped.event, Event::SeedDone { .. } | Event::EndOfRib { .. }) {
                status.has_table.store(true, Ordering::Release);
            }
        }
        outputs.append(&mut desk.take_output());
        let judged = Instant::now();
        if !outputs.is_empty() {
            let is_of_files = way.is_none() && has_routes(&batch);
            if out.blocking_send(Told { outputs, judged, is_of_files }).is_err() {
                break;
            }
        }
        if let Some(way) = way {
            status.latency.told(way, judged);
        }
        if let Some(last) = batch.last() {
            status.judged.store(last.seq + 1, Ordering::Release);
        }
    }
    desk
}

/// Timers have something to say as well.
fn has_routes(batch: &Batch) -> bool {
    batch.iter().any(|stamped| matches!(stamped.event, Event::Update(_) | Event::Seed(_)))
}

/// The reports of all shards as one stream in the one order.
struct Merge {
    shards: Vec<Lane>,
}

struct Lane {
    chunks: Receiver<Chunk>,
    reports: VecDeque<Keyed>,
    memories: VecDeque<(u64, Vec<PrefixMemory>)>,
    watermark: Mark,
}

impl Merge {
    fn new(chunks: Vec<Receiver<Chunk>>) -> Self {
        let start = Mark { seq: 0, prefix: None };
        let lane = |chunks| Lane { chunks, reports: VecDeque::new(), memories: VecDeque::new(), watermark: start };
        Self { shards: chunks.into_iter().map(lane).collect() }
    }

    /// Calls `f` for every report of one event. Returns early only if a shard is gone.
    fn each_of(&mut self, seq: u64, mut f: impl FnMut(&Keyed)) {
        loop {
            let Some(behind) = (0..self.shards.len()).min_by_key(|i| self.shards[*i].watermark) else { return };
            let safe = self.shards[behind].watermark;
            self.release(seq, safe, &mut f);
            if safe >= Mark::end_of(seq) {
                return;
            }
            let lane = &mut self.shards[behind];
            let Some(chunk) = lane.chunks.blocking_recv() else { return };
            lane.watermark = chunk.watermark;
            lane.reports.extend(chunk.reports);
            lane.memories.extend(chunk.memories);
        }
    }

    /// What the shards gave out at an event that is complete.
    fn memories_of(&mut self, seq: u64) -> Vec<Vec<PrefixMemory>> {
        let of_event = |lane: &mut Lane| match lane.memories.front() {
            Some((at, _)) if *at == seq => lane.memories.pop_front().map(|(_, memory)| memory),
            _ => None,
        };
        self.shards.iter_mut().filter_map(of_event).collect()
    }

    /// Hands over, in order, what lies before `safe` and belongs to the event.
    fn release(&mut self, seq: u64, safe: Mark, f: &mut impl FnMut(&Keyed)) {
        let ready = |lane: &Lane| lane.reports.front().is_some_and(|k| k.seq == seq && k.mark() < safe);
        loop {
            let next = (0..self.shards.len()).filter(|i| ready(&self.shards[*i])).min_by(|a, b| {
                let front = |i: &usize| &self.shards[*i].reports[0];
                front(a).order(front(b))
            });
            let Some(next) = next else { return };
            if let Some(keyed) = self.shards[next].reports.pop_front() {
                f(&keyed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shards_are_one_a_core() {
        assert_eq!(shards(Some(0)), shards(None));
        assert_eq!(shards(Some(3)), 3);
    }

    #[tokio::test]
    async fn a_question_is_answered_though_nothing_comes_and_holds_up_no_end() {
        let Pipeline { intake, questions, threads, .. } =
            start(Settings::default(), 2, Extras::default()).expect("threads");
        for _ in 0..3 {
            let asked = questions.ask(|shard| shard.rib().prefix_count());
            let answers = tokio::time::timeout(Duration::from_secs(60), asked).await.expect("an answer");
            assert_eq!(answers, Some(vec![0, 0]));
        }
        drop(intake);
        tokio::task::spawn_blocking(|| threads.join()).await.expect("an end");
        assert_eq!(questions.ask(|shard| shard.rib().prefix_count()).await, None);
    }
}
