//! What must not be forgotten when the process ends? Incidents, and what every sink still has to be told.
//!
//! One file of SQLite, and one thread that owns it. Whoever wants something sends a command and waits for the answer;
//! what waits together goes into one transaction. A transition, the latest state of its incident and one outbox row
//! per sink are written together or not at all. `(id, sequence)` tells repeats: a sink is offered each pair once.
//!
//! While the file cannot be used, every command is answered at once with why, so that alerts can go another way, and
//! the file is tried again every second.

pub mod dead_letters;
mod file;
pub mod history;
mod keeper;
mod marks;
mod notices;
mod reader;
mod retention;
mod routes;
mod rows;
mod schema;
pub mod transfer;
pub mod verdicts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dead_letters::{Act, Record, Settled};
use file::Spot;
pub use file::{Location, Problem};
use rules::bgp::Timestamp;
use rules::desk::RouteNews;
use tokio::sync::{mpsc, oneshot, watch};

use crate::failure::Failure;
use crate::notice::Said;
use crate::sink::Parcel;
use crate::sink::status::Letters;
use history::{Found, Question};
use keeper::{Command, Keeper};
use reader::Reader;
pub use retention::Keep;
pub use routes::{FoundRoutes, Overview, Peer, RouteQuestion, Span};
use verdicts::{Refused, Verdict};

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

/// What a sink needs no more.
#[derive(Clone, Debug)]
struct Done {
    place: Place,
    /// Why it will never take it; none: it has it.
    refused: Option<String>,
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
    /// What it refused for good, and nobody has settled.
    pub letters: Letters,
}

/// What a step of forgetting did.
#[derive(Debug)]
pub struct Forgot {
    /// For those who keep the latest of each incident, where they wait.
    pub tombstones: Vec<(Arc<str>, Place, Parcel)>,
    pub has_more: bool,
}

/// Up to where there are transitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// When the file began, in microseconds since 1970: numbers of another file mean nothing in this one.
    pub began: i64,
    /// Of the newest transition.
    pub number: i64,
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
    forgotten_by_age: AtomicU64,
    forgotten_by_size: AtomicU64,
    routes_lost: AtomicU64,
    /// Raised with every file that is opened in the place of another; 0 before the first.
    file: AtomicU32,
    position: watch::Sender<Position>,
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

    /// Incidents that went since they were old.
    pub fn forgotten_by_age(&self) -> u64 {
        self.forgotten_by_age.load(Ordering::Relaxed)
    }

    /// Incidents that went to make room.
    pub fn forgotten_by_size(&self) -> u64 {
        self.forgotten_by_size.load(Ordering::Relaxed)
    }

    /// Routes of incidents that found no room, or no incident.
    pub fn routes_lost(&self) -> u64 {
        self.routes_lost.load(Ordering::Relaxed)
    }

    /// Up to where there are transitions, as it changes.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    fn file(&self) -> u32 {
        self.file.load(Ordering::Acquire)
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
    /// Done with by a sink, not yet taken off the outbox; at most what the windows of all outboxes hold.
    done: Arc<Mutex<Vec<Done>>>,
    status: Arc<Status>,
    reader: Arc<Reader>,
}

impl Store {
    /// Starts the thread. A file that cannot be used is no failure: see [`Status::problem`].
    pub fn start(location: Location) -> Result<Self, Failure> {
        let (commands, queue) = mpsc::channel(COMMANDS);
        let name = location.to_string().into();
        let (done, status) = (Arc::default(), Arc::<Status>::default());
        let spot = Spot::new(location);
        let reader = Arc::new(Reader::new(spot.clone(), status.clone()));
        let keeper = Keeper::new(spot, queue, Arc::clone(&done), status.clone());
        let failed = |error| Failure::failed(format!("cannot start a thread: {error}"));
        std::thread::Builder::new().name("store".into()).spawn(move || keeper.run()).map_err(failed)?;
        Ok(Self { location: name, commands, done, status, reader })
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
        self.put_with(puts, Vec::new()).await
    }

    /// The same with what there is to say of the routes of incidents, of these or earlier ones.
    pub async fn put_with(&self, puts: Vec<Put>, routes: Vec<RouteNews>) -> Result<Vec<Vec<Option<Place>>>, Problem> {
        self.ask(|reply| Command::Put(puts, routes, reply)).await
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

    /// Forgets some of what is over and more than `keep` says, unless one of `sinks` still has to hear of it. The tombstones
    /// are in the outboxes of those in `tombstones`.
    pub async fn forget(&self, keep: Keep, sinks: &[Arc<str>], tombstones: &[Arc<str>]) -> Result<Forgot, Problem> {
        let (sinks, tombstones) = (sinks.to_vec(), tombstones.to_vec());
        self.ask(|reply| Command::Forget { keep, sinks, tombstones, reply }).await
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

    /// The next incidents that fit, from the one that began last to the first; those behind the number `behind`.
    pub async fn find(&self, question: Question, behind: Option<i64>, most: usize) -> Result<Found, Problem> {
        self.reader.read(move |connection| history::find(connection, &question, behind, most)).await
    }

    /// The latest alert of one incident.
    pub async fn latest(&self, id: &str) -> Result<Option<String>, Problem> {
        let id = id.to_owned();
        self.reader.read(move |connection| history::latest(connection, &id)).await
    }

    /// The alerts of one incident behind a sequence; the number of each is its sequence.
    pub async fn timeline(&self, id: &str, behind: i64, most: usize) -> Result<Found, Problem> {
        let id = id.to_owned();
        self.reader.read(move |connection| history::timeline(connection, &id, behind, most)).await
    }

    /// Routes of one incident behind a number; none if nothing is recorded of it.
    pub async fn routes(
        &self,
        id: &str,
        question: RouteQuestion,
        behind: i64,
        most: usize,
    ) -> Result<Option<FoundRoutes>, Problem> {
        let id = id.to_owned();
        self.reader.read(move |connection| routes::of(connection, &id, &question, behind, most)).await
    }

    /// What a page shows of the routes of an incident; none if nothing is recorded of it.
    pub async fn overview(&self, id: &str, most: usize) -> Result<Option<Overview>, Problem> {
        let id = id.to_owned();
        self.reader.read(move |connection| routes::overview(connection, &id, most)).await
    }

    /// All alerts behind the number of a transition, in the order in which they went out.
    pub async fn behind(&self, number: i64, most: usize) -> Result<Found, Problem> {
        self.reader.read(move |connection| history::behind(connection, number, most)).await
    }

    /// Writes down what somebody says of an incident; it is on disk when this answers.
    pub async fn say(&self, said: verdicts::Said) -> Result<Result<Verdict, Refused>, Problem> {
        self.ask(|reply| Command::Say(said, reply)).await
    }

    /// All that was said of an incident, in its order.
    pub async fn verdicts(&self, id: &str) -> Result<Vec<Verdict>, Problem> {
        let id = id.to_owned();
        self.reader.read(move |connection| verdicts::of(connection, &id)).await
    }

    /// What follows from what people said. A start asks for it before anything is written, so it opens the file.
    pub async fn standing_rules(&self, now: Timestamp) -> Result<StandingRules, Problem> {
        self.ask(|reply| Command::StandingRules(now, reply)).await
    }

    /// A sink has it: takes it off the outbox soon, together with others. Never waits.
    pub fn acknowledge(&self, place: Place) {
        self.done_with(Done { place, refused: None });
    }

    /// The same of what a sink will never take, and why: it becomes a dead letter.
    pub fn bury(&self, place: Place, error: String) {
        self.done_with(Done { place, refused: Some(error) });
    }

    fn done_with(&self, one: Done) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(one);
        if done.len() == 1 {
            // A full queue means that the thread is awake.
            let _ = self.commands.try_send(Command::Acknowledge);
        }
    }

    /// Sends some of what a sink refused for good again, or lets it rest; with the place up to which it waits in the outbox
    /// then.
    pub async fn settle(&self, sink: &Arc<str>, act: Act, by: Arc<str>) -> Result<(Settled, Place), Problem> {
        let sink = sink.clone();
        self.ask(|reply| Command::Settle { sink, act, by, reply }).await
    }

    /// The newest of what a sink refused for good, and what became of it.
    pub async fn dead_letters(&self, sink: &Arc<str>, most: usize) -> Result<Vec<Record>, Problem> {
        let sink = sink.clone();
        self.reader.read(move |connection| dead_letters::newest(connection, &sink, most)).await
    }

    /// Works off what waits and closes the file.
    pub async fn close(&self) {
        // Either answer means that it is closed.
        let _ = self.ask(Command::Close).await;
    }
}

/// The allow rules that follow from what was decided last of each incident, as TOML, and when an earlier one may be back.
pub type StandingRules = (Vec<String>, Option<Timestamp>);

/// The way back.
type Reply<T> = oneshot::Sender<Result<T, Problem>>;

#[cfg(test)]
mod tests;
