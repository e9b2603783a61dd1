//! How many may take their time at once, and what becomes of those who take too much?

use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::problem::Problem;

/// Exports at once: each has two pages in memory, 16 MB at the very worst.
const EXPORTS: usize = 8;
/// Streams at once: each has two pages in memory while it catches up, else next to nothing.
const STREAMS: usize = 64;
/// How long a client may leave what was sent to it where it is.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Turns {
    exports: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    patience: Duration,
    cut: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self::patient_for(PATIENCE)
    }
}

impl Turns {
    pub fn patient_for(patience: Duration) -> Self {
        let (exports, streams) = (Arc::new(Semaphore::new(EXPORTS)), Arc::new(Semaphore::new(STREAMS)));
        Self { exports, streams, patience, cut: AtomicU64::new(0) }
    }

    pub fn export(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = self.exports.clone().try_acquire_owned();
        turn.map_err(|_| Problem::busy(format!("{EXPORTS} exports are under way; try again later")))
    }

    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = self.streams.clone().try_acquire_owned();
        turn.map_err(|_| Problem::busy(format!("{STREAMS} streams are open; close one, or try again later")))
    }

    /// Clients that were cut off since they did not take what was sent.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// Streams that are open.
    pub fn open_streams(&self) -> usize {
        STREAMS - self.streams.available_permits()
    }
}

/// A body that is sent as it is read: one page waits, one is on its way.
pub fn body() -> (Sender<Result<Bytes, Error>>, impl Stream<Item = Result<Bytes, Error>>) {
    let (out, parts) = mpsc::channel(1);
    (out, unfold(parts, async |mut parts| Some((parts.recv().await?, parts))))
}

/// Sends a page, then those behind it as they are read.
pub async fn send_all<P, F: Future<Output = Result<P, Problem>>>(
    out: Sender<Result<Bytes, Error>>,
    turns: Arc<Turns>,
    first: P,
    bytes: fn(&P) -> Vec<u8>,
    next: fn(&P) -> Option<i64>,
    read: impl Fn(i64) -> F,
) {
    let mut page = first;
    while send(&out, bytes(&page).into(), &turns).await
        && let Some(behind) = next(&page)
    {
        page = match read(behind).await {
            Ok(page) => page,
            Err(problem) => {
                // The connection breaks, so that half a file is not taken for a whole one.
                let _ = out.send(Err(Error::other(problem.detail().to_owned()))).await;
                return;
            }
        };
    }
}

/// False if the client has gone, or takes nothing and is cut off.
pub async fn send(out: &Sender<Result<Bytes, Error>>, bytes: Bytes, turns: &Turns) -> bool {
    match timeout(turns.patience, out.send(Ok(bytes))).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            turns.cut.fetch_add(1, Ordering::Relaxed);
            false
        }
    }
}
