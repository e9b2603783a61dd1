//! How are relations worked out while the routes go on? What they follow from is taken at one moment of the stream of events,
//! and what follows from it holds from a later one, whoever did the work meanwhile and however long it took.

use std::sync::Arc;

use super::Relations;
use super::evidence::Shown;
use super::infer::{Inferred, infer};
use super::merge::{is_old, merge};
use crate::bgp::Timestamp;
use crate::rpki::Snapshot;

/// Everything that relations follow from, as of one moment.
pub struct Task {
    pub(super) shown: Shown,
    /// Only the ASPAs of it are kept.
    pub(super) signed: Arc<Snapshot>,
    pub(super) file: Arc<Relations>,
    pub(super) at: Timestamp,
}

/// What follows from it.
pub struct Outcome {
    pub(super) inferred: Option<Inferred>,
    pub(super) relations: Arc<Relations>,
    /// The file was found to be old.
    pub(super) is_old: bool,
}

/// Called where the outcome is to hold: gives it, and waits for it if it is not there yet.
pub type Pending = Box<dyn FnOnce() -> Outcome + Send>;

/// Takes a task and sees to it. Nothing but [`Task::work_out`] may come out, and nothing depends on when.
pub type Worker = fn(Task) -> Pending;

impl Task {
    /// Seconds of one processor for the largest tables.
    pub fn work_out(self) -> Outcome {
        let Self { mut shown, signed, file, at } = self;
        shown.rows.sort_unstable();
        let inferred = infer(&shown, &signed.aspas);
        let relations = Arc::new(merge(&file, inferred.as_ref(), at));
        Outcome { inferred, relations, is_old: is_old(&file.source, at) }
    }

    /// The work is done where its outcome is wanted.
    pub fn put_off(self) -> Pending {
        Box::new(move || self.work_out())
    }
}
