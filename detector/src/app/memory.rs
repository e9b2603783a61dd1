//! What does a restart go on from, and how is it written down without holding anybody up?
//!
//! Shards and desk only copy what they know. A thread that has time puts the parts together and packs them, and the
//! store takes them in by parts between alerts.

use std::time::{Duration, Instant};

use rules::bgp::Timestamp;
use rules::checkpoint::{Checkpoint, Parts};
use tokio::task::JoinHandle;

use super::now;
use crate::store::{self, Store};

/// How often the store is asked before it is given up.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// What earlier lives left; none if there is nothing that can be used, and then the log says why. An error: it cannot be
/// read now, so nothing may be written over it.
pub async fn load(store: &Store) -> Result<Option<Checkpoint>, store::Problem> {
    let (stored, chapters) = patiently(store).await.inspect_err(|problem| {
        tracing::error!("nothing is known of the time before the start: {problem}");
    })?;
    Ok(taken_in(store, stored, chapters).await)
}

async fn taken_in(store: &Store, stored: Option<store::Checkpoint>, chapters: Vec<Vec<u8>>) -> Option<Checkpoint> {
    if stored.is_none() && chapters.is_empty() {
        tracing::info!("the store holds no checkpoint: what is normal has to be learned");
        return None;
    }
    let has_chapters = !chapters.is_empty();
    let Some(checkpoint) = tokio::task::spawn_blocking(move || unpack(stored, &chapters)).await.ok()? else {
        tracing::error!("without a checkpoint, what is normal has to be learned");
        return None;
    };
    tell(&checkpoint);
    if has_chapters {
        // From here on the numbers of events begin anew, so what stood beside the checkpoint must be in it.
        write(store, checkpoint.clone()).await;
    }
    Some(checkpoint)
}

/// A store that is locked for a moment must not cost what was known.
async fn patiently(store: &Store) -> Result<(Option<store::Checkpoint>, Vec<Vec<u8>>), store::Problem> {
    let mut left = ATTEMPTS;
    loop {
        let problem = match (store.latest_checkpoint().await, store.chapters().await) {
            (Ok(stored), Ok(chapters)) => return Ok((stored, chapters)),
            (Err(problem), _) | (Ok(_), Err(problem)) => problem,
        };
        left -= 1;
        if left == 0 {
            return Err(problem);
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

/// A checkpoint that cannot be used takes nothing with it but itself: incidents told since stand on their own.
fn unpack(stored: Option<store::Checkpoint>, chapters: &[Vec<u8>]) -> Option<Checkpoint> {
    let unpacked = match stored.map(|stored| feeds::checkpoint::unpack(&stored.bytes)) {
        Some(Ok(checkpoint)) => Some(checkpoint),
        Some(Err(error)) => {
            tracing::error!("the last checkpoint cannot be used: {error}");
            None
        }
        None => None,
    };
    if unpacked.is_none() && chapters.is_empty() {
        return None;
    }
    let mut checkpoint = unpacked.unwrap_or_else(Checkpoint::empty);
    for chapter in chapters {
        match feeds::checkpoint::chapter(chapter) {
            Some(chapter) => checkpoint.take_in(chapter),
            None => tracing::error!("the state of an incident in the store is damaged and left out"),
        }
    }
    Some(checkpoint)
}

fn tell(checkpoint: &Checkpoint) {
    let age_secs = now().secs_since(checkpoint.at).max(0.0) as u64;
    let open = checkpoint.desk.stories.iter().filter(|s| s.incident.is_open()).count();
    tracing::info!(
        age_secs,
        prefixes = checkpoint.prefixes.len(),
        open_incidents = open,
        learning = checkpoint.desk.learning,
        "going on from the checkpoint of {}",
        checkpoint.at
    );
}

/// Writes one checkpoint at a time.
pub struct Keeper {
    store: Store,
    writing: Option<JoinHandle<()>>,
    /// Came while another was being written; the newest one.
    next: Option<Box<Parts>>,
}

impl Keeper {
    pub fn new(store: Store) -> Self {
        Self { store, writing: None, next: None }
    }

    /// Begins to write, or waits for its turn: of several that wait, the newest counts.
    pub fn keep(&mut self, parts: Box<Parts>) {
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            tracing::warn!("the last checkpoint is still being written");
            self.next = Some(parts);
            return;
        }
        self.next = None;
        self.writing = Some(tokio::spawn(merge_and_write(self.store.clone(), parts)));
    }

    /// The last one, at a stop, is worth waiting for.
    pub async fn finish(self) {
        if let Some(writing) = self.writing {
            let _ = writing.await;
        }
        if let Some(parts) = self.next {
            merge_and_write(self.store, parts).await;
        }
    }
}

async fn merge_and_write(store: Store, parts: Box<Parts>) {
    if let Ok(checkpoint) = tokio::task::spawn_blocking(move || parts.merge()).await {
        write(&store, checkpoint).await;
    }
}

/// With it, what was stored beside the one before goes.
async fn write(store: &Store, checkpoint: Checkpoint) {
    let begun = Instant::now();
    let (seq, at): (u64, Timestamp) = (checkpoint.seq, checkpoint.at);
    let prefixes = checkpoint.prefixes.len();
    let Ok(packed) = tokio::task::spawn_blocking(move || feeds::checkpoint::pack(&checkpoint)).await else { return };
    let bytes = match packed {
        Ok(bytes) => bytes,
        Err(error) => return tracing::error!(%error, "a checkpoint cannot be packed"),
    };
    let size = bytes.len();
    match store.put_checkpoint(bytes, seq, at).await {
        Ok(()) => tracing::debug!(prefixes, bytes = size, took = ?begun.elapsed(), "checkpoint written"),
        Err(problem) => tracing::warn!("no checkpoint was written: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Memory;
    use super::*;
    use crate::config::Config;
    use crate::store::Location;

    #[tokio::test]
    async fn a_checkpoint_comes_back_and_a_damaged_one_means_learning() {
        let store = Store::start(Location::Memory).expect("a store");
        assert!(load(&store).await.expect("readable").is_none(), "nothing was kept");
        let kept = Checkpoint { seq: 7, at: now(), ..Checkpoint::empty() };
        write(&store, kept.clone()).await;
        assert_eq!(load(&store).await.expect("readable").map(|c| (c.seq, c.at)), Some((7, kept.at)));
        store.put_checkpoint(b"nonsense".to_vec(), 8, kept.at).await.expect("stored");
        assert!(load(&store).await.expect("readable").is_none(), "damage is told, and stops nothing");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_checkpoint_that_cannot_be_read_is_kept_and_nothing_goes_over_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let config = || Config {
            store: crate::config::Store { location: Location::File(path.clone()), ..Default::default() },
            ..Config::default()
        };
        let store = Store::start(config().store.location).expect("a store");
        write(&store, Checkpoint { seq: 7, at: now(), ..Checkpoint::empty() }).await;
        let shell = rusqlite::Connection::open(&path).expect("opened");
        shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
        let memory = Memory::of(&config(), &store).await;
        assert!(memory.is_locked_out && memory.before.is_none() && memory.keeps);
        assert_eq!(memory.checkpoints, None, "what this life learns is not worth the loss");
        shell.execute_batch("ROLLBACK").expect("free");
        let memory = loop {
            let memory = Memory::of(&config(), &store).await;
            if !memory.is_locked_out {
                break memory;
            }
        };
        assert_eq!(memory.before.map(|checkpoint| checkpoint.seq), Some(7), "the next start goes on from it");
        assert!(memory.checkpoints.is_some());
    }
}
