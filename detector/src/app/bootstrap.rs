//! What was before the feed, and what did it miss?
//!
//! For each collector of a feed: its latest dump, then every updates file from there on, until the files reach to where
//! the live feed has no hole behind it. After a loss of the feed the files go on from where it was lost, so they are
//! also what is followed while it is away. The live feed never waits: what it says meanwhile stands ([`super::said`]).
//! An archive that is down costs time and is said, nothing else.

mod follow;
mod progress;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use feeds::archive::download::{self, Outcome, Patience, Unread};
use feeds::archive::{Collector, File};
use feeds::backoff::Backoff;
use feeds::input::Item;
use feeds::shown::without_secrets;
use ipnet::IpNet;
use rules::bgp::Timestamp;
use rules::event::Event;
use tokio::sync::mpsc::WeakSender;
use tokio::sync::{Semaphore, oneshot, watch};

use super::intake::{FILE_BATCH, Input, now};
use crate::ledger::{Cause, Gap, GapState, Ledger};
use crate::terminal;
pub use progress::Progress;

/// Files read at once, over all collectors of a feed. Each takes 1 MiB of body, at most 16 MiB of one record and 256
/// items; three fill a line of 1 Gbit/s, and decoding is as fast as two cores.
const AT_ONCE: usize = 3;
/// Dumps tried before the collector has to wait: the latest may not be published, the one before may be broken.
const DUMPS: usize = 3;
/// Times an updates file that is not whole is read before its end is given up.
const ATTEMPTS: u32 = 3;
/// Frames of different collectors arrive by this much out of step, so a gap begins that much earlier.
const OUT_OF_STEP_SECS: i64 = 30;

/// How often the log says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub patience: Patience,
    /// Between two looks for a file that is not there yet, or an archive that does not answer; doubles.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// A file that is missing this long after it was due never comes.
    pub missing_secs: i64,
    pub clock: fn() -> Timestamp,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            first_wait: Duration::from_secs(30),
            longest_wait: Duration::from_secs(600),
            missing_secs: 3_600,
            clock: now,
        }
    }
}

/// How a live feed stands: since when it is seen without a hole, and where the last hole begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts the losses.
    pub losses: u64,
    pub live_from: Option<Timestamp>,
    pub gap_from: Option<Timestamp>,
    /// Counts how often everything that the feed and its archive held was given up, since neither had a word for too long.
    pub given_up: u64,
    /// See [`super::said::Said::forgotten_until`].
    pub forgotten_until: Option<Timestamp>,
}

impl Standing {
    /// The archive has told enough once it has told up to here.
    fn needed_until(&self) -> Option<Timestamp> {
        self.live_from.map(|live| self.forgotten_until.map_or(live, |forgotten| live.max(forgotten)))
    }
}

/// One feed and its archive.
pub struct Bootstrap {
    pub feed: Arc<str>,
    /// The number of the feed; files have numbers of their own from `first_source` on, one a collector.
    pub source: usize,
    pub first_source: usize,
    pub collectors: Vec<Collector>,
    pub base: Option<String>,
    /// Only these and all inside them; empty means everything.
    pub prefixes: Vec<IpNet>,
    pub times: Times,
    /// Weak: a file that is waited for does not hold up the end.
    pub queue: WeakSender<Input>,
    pub standing: watch::Receiver<Standing>,
    pub progress: Arc<Progress>,
    pub ledger: Arc<Mutex<Ledger>>,
}

/// What all collectors of a feed have come to.
#[derive(Default)]
struct Common {
    /// First word of each: the moment of its dump, or that there is none for now.
    settled: BTreeMap<usize, Option<Timestamp>>,
    /// Collectors with a past when the baseline was last made.
    told: usize,
    /// Collectors without a hole, as of so many losses.
    whole: (u64, BTreeSet<usize>),
    is_troubled: bool,
}

impl Bootstrap {
    /// Runs as long as the feed. To be cut off at the end.
    pub async fn run(self) {
        let names: Vec<&str> = self.collectors.iter().map(|collector| &*collector.name).collect();
        let from = self.base.as_deref().or(self.collectors.first().map(|c| c.keeper.url())).unwrap_or_default();
        let from = without_secrets(from);
        tracing::info!(feed = %self.feed, %from, collectors = %names.join(" "), "reading what was before");
        let shared = Shared { slots: Semaphore::new(AT_ONCE), common: Mutex::default(), bootstrap: self };
        let all = (0..shared.bootstrap.collectors.len()).map(|i| shared.follow(i));
        let following = futures_util::future::join_all(all);
        tokio::join!(following, shared.show());
    }
}

struct Shared {
    bootstrap: Bootstrap,
    slots: Semaphore,
    common: Mutex<Common>,
}

impl Shared {
    /// Reads the dump of a collector, however long that takes to come.
    async fn past(&self, i: usize) -> Option<Timestamp> {
        let b = &self.bootstrap;
        let name = &b.collectors[i].name;
        let mut backoff = Backoff::new(b.times.first_wait, b.times.longest_wait);
        loop {
            let trouble = match self.dump(i).await? {
                Ok(as_of) => {
                    self.ledger().filled(&b.feed, Some(name.to_string()), Cause::NoHistory, self.now());
                    b.progress.seeded(name);
                    return Some(as_of);
                }
                Err(trouble) => trouble,
            };
            if self.is_first_trouble() {
                tracing::warn!(feed = %b.feed, %trouble, "learning: no dump for now; trying again until there is one");
            }
            self.ledger().open(&b.feed, Some(name.to_string()), Cause::NoHistory, self.now(), &trouble);
            b.progress.trouble(name, trouble);
            self.settle(i, None).await;
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    /// One line for all collectors: they have one archive.
    fn is_first_trouble(&self) -> bool {
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut common.is_troubled, true)
    }

    /// The latest whole dump. What an earlier one says wrong is put right by the updates files behind it.
    async fn dump(&self, i: usize) -> Option<Result<Timestamp, String>> {
        let collector = &self.bootstrap.collectors[i];
        let mut trouble = String::new();
        for dump in collector.dumps(self.base(collector), self.now(), DUMPS) {
            match self.read(&dump, i, Timestamp::MIN).await? {
                Ok(Outcome::Whole) => return Some(Ok(dump.from)),
                Ok(outcome) => trouble = format!("{dump} is {outcome}"),
                Err(unread) => {
                    trouble = format!("{dump} {unread}");
                    if !unread.is_missing() && !matches!(unread, Unread::Unreadable(_)) {
                        break;
                    }
                }
            }
        }
        Some(Err(trouble))
    }

    fn now(&self) -> Timestamp {
        (self.bootstrap.times.clock)()
    }

    fn base<'a>(&'a self, collector: &Collector) -> &'a str {
        self.bootstrap.base.as_deref().unwrap_or(collector.keeper.url())
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.bootstrap.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one file in a thread, from `since` on; none if nobody listens any more.
    async fn read(&self, file: &File, i: usize, since: Timestamp) -> Option<Result<Outcome, Unread>> {
        let b = &self.bootstrap;
        let _slot = self.slots.acquire().await.ok()?;
        let (told, heard) = oneshot::channel();
        let reading = Reading {
            file: file.clone(),
            collector: b.collectors[i].clone(),
            source: b.first_source + i,
            since,
            prefixes: b.prefixes.clone(),
            patience: b.times.patience,
            queue: b.queue.clone(),
            progress: b.progress.clone(),
        };
        let started = std::thread::Builder::new().name("archive".into()).spawn(move || drop(told.send(reading.run())));
        if let Err(error) = started {
            return Some(Err(Unread::Unreadable(format!("cannot start a thread: {error}"))));
        }
        let outcome = match heard.await {
            Ok(outcome) => outcome?,
            Err(_) => Err(Unread::Unreadable("reading it stopped with a panic".to_owned())),
        };
        b.progress.file(matches!(outcome, Ok(Outcome::Whole)));
        tracing::debug!(%file, ?outcome, "file of the archive");
        Some(outcome)
    }

    /// The end of this file, or all of it, stays unknown.
    fn give_up(&self, collector: &Arc<str>, file: &File, why: &str) {
        tracing::warn!(feed = %self.bootstrap.feed, %file, %why, "a file of the archive is left out");
        self.ledger().lasting(Gap {
            feed: self.bootstrap.feed.clone(),
            part: Some(collector.to_string()),
            cause: Cause::FileMissing,
            from: file.from,
            to: Some(file.to),
            why: crate::text::plain(why, 256),
            state: GapState::Lasting,
        });
    }

    /// What was settled was given up.
    fn unsettle(&self, i: usize) {
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        common.settled.remove(&i);
        common.told = common.told.min(common.settled.values().flatten().count());
    }

    /// A collector has told what it can, or has nothing for now. Once all have, what is normal is known; and again when
    /// one comes late.
    async fn settle(&self, i: usize, as_of: Option<Timestamp>) {
        let baseline = {
            let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
            if common.settled.get(&i).is_some_and(|known| known.is_some() || as_of.is_none()) {
                return;
            }
            common.settled.insert(i, as_of);
            let all = common.settled.len() == self.bootstrap.collectors.len();
            let told = common.settled.values().flatten().count();
            let is_news = all && told > common.told;
            if is_news {
                common.told = told;
            }
            common.settled.values().flatten().max().copied().filter(|_| is_news)
        };
        let Some(as_of) = baseline else { return };
        tracing::info!(feed = %self.bootstrap.feed, %as_of, "what was before is known");
        self.send(Input::Own(Event::SeedDone { as_of })).await;
    }

    /// A collector has no hole left.
    async fn is_whole(&self, i: usize, losses: u64) {
        let b = &self.bootstrap;
        b.progress.whole(&b.collectors[i].name);
        let count = {
            let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
            if common.whole.0 != losses {
                common.whole = (losses, BTreeSet::new());
            }
            common.whole.1.insert(i);
            common.whole.1.len()
        };
        if count >= b.progress.seeded_count() {
            self.ledger().filled(&b.feed, None, Cause::Lost, self.now());
        }
        if count == b.collectors.len() {
            self.send(Input::Whole(b.source, losses)).await;
        }
    }

    async fn send(&self, input: Input) {
        if let Some(queue) = self.bootstrap.queue.upgrade() {
            let _ = queue.send(input).await;
        }
    }

    /// A line now and then until all is read for the first time; a terminal shows by itself how far it is.
    async fn show(&self) {
        let b = &self.bootstrap;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.tick().await;
        let mut told = (Instant::now(), String::new());
        while b.progress.seeded_count() < b.collectors.len() {
            second.tick().await;
            let sentence = b.progress.report(&b.feed).sentence();
            if told.0.elapsed() >= TOLD_EVERY && sentence != told.1 && !terminal::is_here() {
                tracing::info!("{sentence}");
                told = (Instant::now(), sentence);
            }
        }
        tracing::info!("{}", b.progress.report(&b.feed).sentence());
    }
}

/// The work of one thread.
struct Reading {
    file: File,
    collector: Collector,
    source: usize,
    since: Timestamp,
    prefixes: Vec<IpNet>,
    patience: Patience,
    queue: WeakSender<Input>,
    progress: Arc<Progress>,
}

impl Reading {
    /// None if nobody listens any more.
    fn run(self) -> Option<Result<Outcome, Unread>> {
        let mut opened = match download::open(&self.file, &self.collector, self.patience) {
            Ok(opened) => opened,
            Err(unread) => return Some(Err(unread)),
        };
        let mut octets = 0;
        loop {
            let items: Vec<Item> = opened.by_ref().filter_map(|item| self.wanted(item)).take(FILE_BATCH).collect();
            self.progress.read(opened.octets() - octets, routes(&items));
            octets = opened.octets();
            if items.is_empty() {
                return Some(Ok(opened.outcome()));
            }
            self.queue.upgrade()?.blocking_send(Input::Archive(self.source, items)).ok()?;
        }
    }

    fn wanted(&self, mut item: Item) -> Option<Item> {
        let is_inside = |prefix: &IpNet| self.prefixes.is_empty() || self.prefixes.iter().any(|p| p.contains(prefix));
        match &mut item.event {
            Event::Vantage(..) => return Some(item),
            Event::Update(update) | Event::Seed(update) => {
                update.announced.retain(|nlri| is_inside(&nlri.prefix));
                update.withdrawn.retain(|nlri| is_inside(&nlri.prefix));
                if update.announced.is_empty() && update.withdrawn.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
        (item.time >= self.since).then_some(item)
    }
}

fn routes(items: &[Item]) -> u64 {
    let of = |item: &Item| match &item.event {
        Event::Seed(update) => update.announced.len() as u64,
        _ => 0,
    };
    items.iter().map(of).sum()
}

#[cfg(test)]
pub(super) mod tests;
