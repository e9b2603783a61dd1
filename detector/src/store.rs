//! What must not be forgotten when the process ends? Incidents, and what every sink still has to be told.
//!
//! One file of SQLite, and one thread that owns it. Whoever wants something sends a command and waits for the answer;
//! what waits together goes into one transaction. A transition, the latest state of its incident and one outbox row
//! per sink are written together or not at all. `(id, sequence)` tells repeats: a sink is offered each pair once.
//!
//! While the file cannot be used, every command is answered at once with why, so that alerts can go another way, and
//! the file is tried again every second.

mod file;
mod keeper;
mod notices;
mod rows;
mod schema;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use file::{Location, Problem};
use rules::bgp::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::notice::Said;
use crate::sink::Parcel;
use keeper::{Command, Keeper};

/// Commands that may wait: delivery has one out at a time, each sink one, the checkpoint one; the rest is room for
/// the wake-up calls of acknowledgements.
const COMMANDS: usize = 64;
/// Bytes of a checkpoint in one transaction: alerts wait for no more than that.
const PART_BYTES: usize = 1_024 * 1_024;
/// Incidents whose first telling is remembered for each sink.
const TOLD: i64 = rules::limits::INCIDENTS as i64;

/// A row of an outbox, good as long as the file that it stands in. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Raised when a damaged file was replaced.
    file: u32,
    row: i64,
}

/// A transition or a notice, and the sinks it is for.
#[derive(Clone, Debug)]
pub struct Put {
    pub parcel: Parcel,
    pub sinks: Vec<Arc<str>>,
    /// What a restart has to know of the incident after it.
    pub chapter: Option<Chapter>,
}

/// The state of an incident that is newer than the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    pub seq: u64,
    pub bytes: Arc<[u8]>,
}

/// A parcel that waits in an outbox.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    row: i64,
    queued: Timestamp,
    parcel: Option<Parcel>,
}

/// Some of what waits for a sink, oldest first.
#[derive(Debug)]
pub struct Page {
    /// With its place, and since when it waits. None: this program cannot read what a newer one wrote there. It stays
    /// in the store for one that can.
    pub parcels: Vec<(Place, Timestamp, Option<Parcel>)>,
    /// Nothing waits behind these.
    pub is_last: bool,
}

/// What a sink was told before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The first sequence of each incident that it was offered.
    pub first: BTreeMap<Arc<str>, u32>,
    /// Rows it has not confirmed.
    pub waiting: u64,
    last_row: i64,
}

/// A sink that has to hear that an incident is gone.
struct Forgotten {
    sink: Arc<str>,
    id: Arc<str>,
    row: i64,
}

/// What the engine wrote down about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub bytes: Vec<u8>,
    /// The last event it contains.
    pub seq: u64,
    pub time: Timestamp,
}

/// How the store fares, for probes and metrics.
#[derive(Debug, Default)]
pub struct Status {
    problem: Mutex<Option<String>>,
    moved_aside: Mutex<Option<PathBuf>>,
    bytes: AtomicU64,
    failures: AtomicU64,
    unreadable: AtomicU64,
}

impl Status {
    /// Why it cannot be used now.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It does not answer; true until it does something again.
    pub(crate) fn hangs(&self, problem: &Problem) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.to_string());
    }

    /// Where a damaged file was moved to in this life of the process.
    pub fn moved_aside(&self) -> Option<PathBuf> {
        self.moved_aside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows of outboxes that were passed over, since they say what this program does not know.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Failed attempts to write or read.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// The way to the store; clones lead to the same one.
#[derive(Clone, Debug)]
pub struct Store {
    location: Arc<str>,
    commands: mpsc::Sender<Command>,
    /// Confirmed by a sink, not yet taken off the outbox; at most what the windows of all outboxes hold.
    acknowledged: Arc<Mutex<Vec<Place>>>,
    status: Arc<Status>,
}

impl Store {
    /// Starts the thread. A file that cannot be used is no failure: see [`Status::problem`].
    pub fn start(location: Location) -> Result<Self, Failure> {
        let (commands, queue) = mpsc::channel(COMMANDS);
        let name = location.to_string().into();
        let (acknowledged, status) = (Arc::default(), Arc::default());
        let keeper = Keeper::new(location, queue, Arc::clone(&acknowledged), Arc::clone(&status));
        let failed = |error| Failure::failed(format!("cannot start a thread: {error}"));
        std::thread::Builder::new().name("store".into()).spawn(move || keeper.run()).map_err(failed)?;
        Ok(Self { location: name, commands, acknowledged, status })
    }

    /// The path, or `:memory:`.
    pub fn location(&self) -> &str {
        &self.location
    }

    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let gone = || Problem::Unusable(self.location.to_string(), "it was closed".to_owned());
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Writes transitions and notices in one transaction. For each, in the order of its sinks, where it waits, also if
    /// it was put before and still waits; none where the sink has it.
    pub async fn put(&self, puts: Vec<Put>) -> Result<Vec<Vec<Option<Place>>>, Problem> {
        self.ask(|reply| Command::Put(puts, reply)).await
    }

    /// The next parcels of a sink behind `after`.
    pub async fn page(&self, sink: &Arc<str>, after: Place) -> Result<Page, Problem> {
        self.ask(|reply| Command::Page(sink.clone(), after, reply)).await
    }

    /// What was said of the watching and is not over.
    pub async fn said(&self) -> Result<Said, Problem> {
        self.ask(Command::Said).await
    }

    /// What a sink was told, and the last place of its outbox.
    pub async fn told(&self, sink: &Arc<str>) -> Result<(Told, Place), Problem> {
        self.ask(|reply| Command::Told(sink.clone(), reply)).await
    }

    /// Forgets incidents that are over and were stored last before `before`, unless one of `sinks` still has to hear
    /// of them. Gives the tombstones, now in the outboxes of those in `tombstones`.
    pub async fn forget(
        &self,
        before: Timestamp,
        sinks: &[Arc<str>],
        tombstones: &[Arc<str>],
    ) -> Result<Vec<(Arc<str>, Place, Parcel)>, Problem> {
        let mut all = Vec::new();
        loop {
            let (sinks, tombstones) = (sinks.to_vec(), tombstones.to_vec());
            let (some, more) = self.ask(|reply| Command::Forget { before, sinks, tombstones, reply }).await?;
            all.extend(some);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Keeps what the engine wrote down instead of what it wrote before. Alerts are stored meanwhile: a large one
    /// goes in by parts and counts once it is whole.
    pub async fn put_checkpoint(&self, bytes: Vec<u8>, seq: u64, time: Timestamp) -> Result<(), Problem> {
        let number = self.ask(|reply| Command::CheckpointBegin { seq, time, reply }).await?;
        for (part, bytes) in (0..).zip(bytes.chunks(PART_BYTES)) {
            let bytes = bytes.to_vec();
            self.ask(|reply| Command::CheckpointPart { number, part, bytes, reply }).await?;
        }
        self.ask(|reply| Command::CheckpointDone { number, reply }).await
    }

    /// The newest checkpoint that is whole.
    pub async fn latest_checkpoint(&self) -> Result<Option<Checkpoint>, Problem> {
        self.ask(Command::LatestCheckpoint).await
    }

    /// What was stored with alerts since that checkpoint, the latest of each incident.
    pub async fn chapters(&self) -> Result<Vec<Vec<u8>>, Problem> {
        self.ask(Command::Chapters).await
    }

    /// A sink has it: takes it off the outbox soon, together with others. Never waits.
    pub fn acknowledge(&self, place: Place) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.push(place);
        if acknowledged.len() == 1 {
            // A full queue means that the thread is awake.
            let _ = self.commands.try_send(Command::Acknowledge);
        }
    }

    /// Works off what waits and closes the file.
    pub async fn close(&self) {
        // Either answer means that it is closed.
        let _ = self.ask(Command::Close).await;
    }
}

/// The way back.
type Reply<T> = oneshot::Sender<Result<T, Problem>>;

#[cfg(test)]
mod tests;
