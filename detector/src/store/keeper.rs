//! What does the thread of the store do? It takes what waits, works it off in one transaction, answers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::bgp::Timestamp;
use rules::desk::RouteNews;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::dead_letters::{Act, Settled};
use super::file::{self, Location, Opened, Problem, Spot};
use super::retention::{self, Keep};
use super::verdicts::{Refused, Verdict};
use super::{
    Checkpoint, Done, Forgot, Page, Place, Put, Reply, StandingRules, Status, TOLD, Told, dead_letters, notices,
    routes, rows, schema, verdicts,
};
use crate::app::now;
use crate::notice::Said;
use crate::sink::Parcel;

/// How long acknowledgements wait for company. Nobody waits for them; whoever waits ends this wait.
const COMPANY: Duration = Duration::from_millis(5);
/// Commands of one transaction.
const AT_ONCE: usize = 64;
/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Acknowledgements kept while they cannot be written: 40 MB. Beyond it the oldest are lost, which costs a repeat.
const MOST_DONE: usize = 1_000_000;

pub enum Command {
    Put(Vec<Put>, Vec<RouteNews>, Reply<Vec<Vec<Option<Place>>>>),
    Page(Arc<str>, Place, Reply<Page>),
    Told(Arc<str>, Reply<(Told, Place)>),
    Forget {
        keep: Keep,
        sinks: Vec<Arc<str>>,
        tombstones: Vec<Arc<str>>,
        reply: Reply<Forgot>,
    },
    CheckpointBegin {
        seq: u64,
        time: Timestamp,
        reply: Reply<i64>,
    },
    CheckpointPart {
        number: i64,
        part: i64,
        bytes: Vec<u8>,
        reply: Reply<()>,
    },
    CheckpointDone {
        number: i64,
        reply: Reply<()>,
    },
    LatestCheckpoint(Reply<Option<Checkpoint>>),
    Chapters(Reply<Vec<Vec<u8>>>),
    Said(Reply<Said>),
    Say(verdicts::Said, Reply<Result<Verdict, Refused>>),
    StandingRules(Timestamp, Reply<StandingRules>),
    Settle {
        sink: Arc<str>,
        act: Act,
        by: Arc<str>,
        reply: Reply<(Settled, Place)>,
    },
    /// There are acknowledgements.
    Acknowledge,
    Close(Reply<()>),
}

/// Says the outcome to whoever waits for it, once the transaction has one.
type Answer = Box<dyn FnOnce(Option<&Problem>)>;

pub struct Keeper {
    spot: Spot,
    queue: mpsc::Receiver<Command>,
    done: Arc<Mutex<Vec<Done>>>,
    status: Arc<Status>,
    opened: Option<Opened>,
    /// Raised with every file that takes the place of a damaged one.
    file: u32,
    /// The next attempt to open, and why the last one failed.
    failed: Option<(Instant, Problem)>,
}

impl Keeper {
    pub fn new(spot: Spot, queue: mpsc::Receiver<Command>, done: Arc<Mutex<Vec<Done>>>, status: Arc<Status>) -> Self {
        Self { spot, queue, done, status, opened: None, file: 0, failed: None }
    }

    /// Until it is told to close or nobody is left who could say something.
    pub fn run(mut self) {
        // Only for its clock: this thread blocks on the file as it likes.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
        runtime.block_on(async {
            let mut closed = None;
            while closed.is_none() {
                let Some(mut batch) = self.next_batch().await else { break };
                closed = batch.extract_if(.., |command| matches!(command, Command::Close(_))).next();
                self.work_off(batch);
            }
            self.work_off(Vec::new());
            self.opened = None;
            if let Some(Command::Close(reply)) = closed {
                let _ = reply.send(Ok(()));
            }
        });
    }

    /// What waits now; acknowledgements alone wait for company.
    async fn next_batch(&mut self) -> Option<Vec<Command>> {
        let mut batch = vec![self.queue.recv().await?];
        let until = Instant::now() + COMPANY;
        while batch.len() < AT_ONCE {
            match self.queue.try_recv() {
                Ok(command) => batch.push(command),
                Err(_) if batch.iter().any(|command| !matches!(command, Command::Acknowledge)) => break,
                Err(_) => match timeout_at(until, self.queue.recv()).await {
                    Ok(Some(command)) => batch.push(command),
                    _ => break,
                },
            }
        }
        Some(batch)
    }

    fn work_off(&mut self, batch: Vec<Command>) {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        if batch.is_empty() && done.is_empty() {
            return;
        }
        let (answers, outcome) = match self.open() {
            Ok(()) => self.in_one_transaction(batch, &done),
            Err(problem) => (batch.into_iter().filter_map(refusal).collect(), Err(problem)),
        };
        match &outcome {
            Ok(()) => self.recover(),
            Err(problem) => {
                self.keep(done);
                self.fail(problem.clone());
            }
        }
        let problem = outcome.err();
        // Who has an answer finds what it speaks of.
        self.publish();
        answers.into_iter().for_each(|answer| answer(problem.as_ref()));
    }

    fn in_one_transaction(&mut self, batch: Vec<Command>, done: &[Done]) -> (Vec<Answer>, Result<(), Problem>) {
        let (file, now) = (self.file, now());
        let Some(opened) = &mut self.opened else { return (Vec::new(), Ok(())) };
        let transaction = match opened.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                let answers = batch.into_iter().filter_map(refusal).collect();
                return (answers, Err(Problem::of(&self.spot.location, &error)));
            }
        };
        let mut answers = Vec::new();
        let mut outcome = if self.failed.is_some() { probe(&transaction) } else { Ok(()) };
        for Done { place, refused } in done.iter().filter(|done| done.place.file == file) {
            outcome = outcome.and_then(|()| match refused {
                None => rows::acknowledge(&transaction, place.row, now.0),
                Some(error) => dead_letters::bury(&transaction, place.row, error, now.0),
            });
        }
        for command in batch {
            answers.extend(if outcome.is_ok() {
                act(&transaction, command, (file, now), &self.status, &mut outcome)
            } else {
                refusal(command)
            });
        }
        let outcome = outcome.and_then(|()| transaction.commit());
        (answers, outcome.map_err(|error| Problem::of(&self.spot.location, &error)))
    }

    /// Keeps for the next attempt what could not be taken off.
    fn keep(&self, mut done: Vec<Done>) {
        let mut later = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.append(&mut later);
        let surplus = done.len().saturating_sub(MOST_DONE);
        done.drain(..surplus);
        *later = done;
    }

    /// Opens the file unless it is open or failed a moment ago.
    fn open(&mut self) -> Result<(), Problem> {
        if let Some((again, problem)) = &self.failed
            && Instant::now() < *again
        {
            return Err(problem.clone());
        }
        if self.opened.is_some() {
            return Ok(());
        }
        let is_damaged = matches!(self.failed, Some((_, Problem::Damaged(..))));
        let opened = file::open(&self.spot, now(), is_damaged)?;
        if let Some(aside) = &opened.moved_aside {
            tracing::error!(
                store = %self.spot.location, moved_to = %aside.display(),
                "the store was damaged; it is kept under its new name, and a new one begins. What had not been \
                 delivered from it is in there only"
            );
            self.file += 1;
            *self.status.moved_aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(aside.clone());
        }
        let began = schema::began(&opened.connection).map_err(|error| Problem::of(&self.spot.location, &error))?;
        self.status.position.send_modify(|position| position.began = began);
        self.opened = Some(opened);
        self.publish();
        self.status.file.store(self.file + 1, Ordering::Release);
        Ok(())
    }

    /// Says how large it is, and up to where there are transitions.
    fn publish(&self) {
        let Some(Opened { connection, .. }) = &self.opened else { return };
        self.status.bytes.store(file::bytes(&self.spot.location, connection), Ordering::Relaxed);
        let Ok(newest) = rows::newest(connection) else { return };
        self.status.position.send_if_modified(|position| std::mem::replace(&mut position.number, newest) != newest);
    }

    fn fail(&mut self, problem: Problem) {
        self.status.failures.fetch_add(1, Ordering::Relaxed);
        let again = Instant::now() + PAUSE;
        match &self.failed {
            Some((until, _)) if Instant::now() < *until => return,
            Some((_, before)) if *before == problem => {}
            _ => {
                tracing::error!("the store cannot be used, alerts are delivered directly: {problem}");
                *self.status.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.to_string());
            }
        }
        // What is only locked or full is still the right file.
        if matches!(problem, Problem::Damaged(..) | Problem::Unusable(..)) && self.spot.location != Location::Memory {
            self.opened = None;
        }
        self.failed = Some((again, problem));
    }

    fn recover(&mut self) {
        let problem = self.status.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.failed.take().is_some() || problem.is_some() {
            tracing::info!(store = %self.spot.location, "the store can be used again");
        }
    }
}

/// A write that changes nothing: reading alone would not show that there is space again.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE migrations SET program = program", []).map(drop)
}

/// Does what a command asks for; the answer goes out when the transaction is through.
fn act(
    connection: &Connection,
    command: Command,
    (file, now): (u32, Timestamp),
    status: &Status,
    outcome: &mut rusqlite::Result<()>,
) -> Option<Answer> {
    let place = |row| Place { file, row };
    Some(match command {
        Command::Put(puts, routes, reply) => {
            let written = put_all(connection, &puts, &routes, now.0, status);
            let all = |rows: Vec<Option<i64>>| rows.into_iter().map(|row| row.map(place)).collect();
            later(reply, written.map(|rows| rows.into_iter().map(all).collect()), outcome)
        }
        Command::Page(sink, after, reply) => {
            let after = if after.file == file { after.row } else { 0 };
            let page = rows::page(connection, &sink, after).map(|(waiting, is_last)| {
                let unreadable = waiting.iter().filter(|w| w.parcel.is_none()).count() as u64;
                status.unreadable.fetch_add(unreadable, Ordering::Relaxed);
                Page { parcels: waiting.into_iter().map(|w| (place(w.row), w.queued, w.parcel)).collect(), is_last }
            });
            later(reply, page, outcome)
        }
        Command::Told(sink, reply) => {
            let told = rows::told(connection, &sink, TOLD);
            later(
                reply,
                told.map(|told| {
                    let last = place(told.last_row);
                    (told, last)
                }),
                outcome,
            )
        }
        Command::Forget { keep, sinks, tombstones, reply } => {
            let step = retention::step(connection, keep, &sinks, &tombstones, now.0);
            let forgot = step.map(|step| {
                status.forgotten_by_age.fetch_add(step.by_age, Ordering::Relaxed);
                status.forgotten_by_size.fetch_add(step.by_size, Ordering::Relaxed);
                let tombstones = step.forgotten.into_iter().map(|f| (f.sink, place(f.row), Parcel::Forget(f.id)));
                Forgot { tombstones: tombstones.collect(), has_more: step.has_more }
            });
            later(reply, forgot, outcome)
        }
        Command::CheckpointBegin { seq, time, reply } => {
            later(reply, rows::checkpoint_begin(connection, seq, time), outcome)
        }
        Command::CheckpointPart { number, part, bytes, reply } => {
            later(reply, rows::checkpoint_part(connection, number, part, &bytes), outcome)
        }
        Command::CheckpointDone { number, reply } => later(reply, rows::checkpoint_done(connection, number), outcome),
        Command::LatestCheckpoint(reply) => later(reply, rows::latest_checkpoint(connection), outcome),
        Command::Chapters(reply) => later(reply, rows::chapters(connection), outcome),
        Command::Said(reply) => later(reply, notices::said(connection), outcome),
        Command::Say(said, reply) => later(reply, verdicts::say(connection, said, now), outcome),
        Command::StandingRules(at, reply) => {
            let texts = verdicts::standing_rules(connection, at);
            let standing = texts.and_then(|texts| Ok((texts, verdicts::next_end(connection, at)?)));
            later(reply, standing, outcome)
        }
        Command::Settle { sink, act, by, reply } => {
            let settled = dead_letters::settle(connection, &sink, act, &by, now.0);
            later(reply, settled.map(|settled| (settled, place(settled.last_row))), outcome)
        }
        Command::Acknowledge | Command::Close(_) => return None,
    })
}

/// Alerts first: the routes of an incident stand beside it. What is over then leaves none open.
fn put_all(
    connection: &Connection,
    puts: &[Put],
    routes: &[RouteNews],
    now: i64,
    status: &Status,
) -> rusqlite::Result<Vec<Vec<Option<i64>>>> {
    let rows = puts.iter().map(|put| rows::put(connection, put, now)).collect::<rusqlite::Result<_>>()?;
    let mut writer = routes::Writer::new(connection);
    routes.iter().try_for_each(|news| writer.write(news))?;
    status.routes_lost.fetch_add(writer.lost, Ordering::Relaxed);
    for put in puts {
        if let Parcel::Alert(delivery) = &put.parcel {
            routes::close(connection, delivery)?;
        }
    }
    Ok(rows)
}

/// Answers with what was found if the transaction goes through, else with why not.
fn later<T: 'static>(reply: Reply<T>, found: rusqlite::Result<T>, outcome: &mut rusqlite::Result<()>) -> Answer {
    let found = match found {
        Ok(found) => Some(found),
        Err(error) => {
            *outcome = Err(error);
            None
        }
    };
    Box::new(move |problem| {
        let answer = match (found, problem) {
            (Some(found), None) => Ok(found),
            (_, Some(problem)) => Err(problem.clone()),
            (None, None) => return,
        };
        // Who asked may have gone away.
        let _ = reply.send(answer);
    })
}

/// Answers that nothing was done.
fn refusal(command: Command) -> Option<Answer> {
    fn refuse<T: 'static>(reply: Reply<T>) -> Option<Answer> {
        let answer: Answer = Box::new(move |problem| {
            let _ = problem.map(|problem| reply.send(Err(problem.clone())));
        });
        Some(answer)
    }
    match command {
        Command::Put(_, _, reply) => refuse(reply),
        Command::Page(_, _, reply) => refuse(reply),
        Command::Told(_, reply) => refuse(reply),
        Command::Forget { reply, .. } => refuse(reply),
        Command::CheckpointBegin { reply, .. } => refuse(reply),
        Command::CheckpointPart { reply, .. } | Command::CheckpointDone { reply, .. } => refuse(reply),
        Command::LatestCheckpoint(reply) => refuse(reply),
        Command::Chapters(reply) => refuse(reply),
        Command::Said(reply) => refuse(reply),
        Command::Say(_, reply) => refuse(reply),
        Command::StandingRules(_, reply) => refuse(reply),
        Command::Settle { reply, .. } => refuse(reply),
        Command::Acknowledge | Command::Close(_) => None,
    }
}
