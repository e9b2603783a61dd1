//! How the watched prefixes stand, asked again and again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::intake::now;
use crate::pipeline::{Questions, Status};
use crate::watched::{MOST_TOLD, WatchedReport};

/// Least time between two looks.
const LOOKED_AT: Duration = Duration::from_secs(5);
/// A look takes at most this part of the time of a shard.
const SHARE: u32 = 50;

/// Asks until the engine is gone.
pub async fn look(questions: Questions, status: Arc<Status>, out: watch::Sender<Arc<WatchedReport>>) {
    loop {
        // Before the question: an answer given before the table was whole must not count as one given after.
        let learning = status.is_learning.load(Ordering::Acquire) || !status.has_table.load(Ordering::Acquire);
        let Some((answers, full_feed, took)) = questions.watched(MOST_TOLD).await else { return };
        let report =
            WatchedReport { as_of: Some(now().to_string()), learning, ..WatchedReport::new(answers, &full_feed) };
        out.send_replace(Arc::new(report));
        tokio::time::sleep(LOOKED_AT.max(took * SHARE)).await;
    }
}

#[cfg(test)]
mod tests;
