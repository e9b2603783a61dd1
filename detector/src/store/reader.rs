//! How is the history read without holding up what is written?
//!
//! By connections of their own that can only read, each on a thread that may block. Each question sees the file as it was
//! at one moment, and has only so much time: SQLite keeps the log of all that is written while anybody reads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::Status;
use super::file::{self, Problem, Spot};

/// Questions answered at the same time. SQLite takes some MB for each.
const AT_ONCE: usize = 4;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take.
const TIME: Duration = Duration::from_secs(5);
/// Steps of SQLite between two looks at the clock: far below a millisecond.
const STEPS: i32 = 10_000;

#[derive(Debug)]
pub struct Reader {
    spot: Spot,
    status: Arc<Status>,
    /// With the file that they were opened for; at most [`AT_ONCE`].
    idle: Mutex<Vec<(u32, Connection)>>,
    turns: Arc<Semaphore>,
}

impl Reader {
    pub fn new(spot: Spot, status: Arc<Status>) -> Self {
        Self { spot, status, idle: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks one question.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let name = || self.spot.location.to_string();
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Problem::Busy(name())) };
        let reader = self.clone();
        let answering = tokio::task::spawn_blocking(move || {
            let answer = reader.read_now(question);
            drop(turn);
            answer
        });
        answering.await.unwrap_or_else(|error| Err(Problem::Unusable(name(), error.to_string())))
    }

    fn read_now<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Problem> {
        let file = self.status.file();
        let mut connection = self.connection(file)?;
        let answer = answer(&mut connection, question).map_err(|error| Problem::of(&self.spot.location, &error));
        if !matches!(answer, Err(Problem::Damaged(..) | Problem::Unusable(..))) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((file, connection));
        }
        answer
    }

    /// One to the file that is written to now.
    fn connection(&self, file: u32) -> Result<Connection, Problem> {
        if file == 0 {
            let why = self.status.problem().unwrap_or_else(|| "it is not open yet".to_owned());
            return Err(Problem::Unusable(self.spot.location.to_string(), why));
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, _)| *of == file);
        if let Some((_, connection)) = idle.pop() {
            return Ok(connection);
        }
        drop(idle);
        file::open_to_read(&self.spot)
    }
}

fn answer<T>(
    connection: &mut Connection,
    question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let end = Instant::now() + TIME;
    connection.progress_handler(STEPS, Some(move || Instant::now() > end))?;
    let snapshot = connection.unchecked_transaction()?;
    let answer = question(&snapshot);
    snapshot.finish()?;
    answer
}
