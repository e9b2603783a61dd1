//! How does a sink fare?

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Why an attempt to deliver failed: a closed set, used as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureReason {
    /// The file or stream did not take it.
    Write,
    /// Nobody answered.
    Unreachable,
    /// Nobody confirmed in time.
    Timeout,
    /// The topic does not exist.
    NoTopic,
    /// Not allowed.
    Refused,
    /// Too large for the receiver.
    TooLarge,
    /// Too often for the receiver.
    Throttled,
    Other,
}

impl FailureReason {
    pub const ALL: [Self; 8] = [
        Self::Write,
        Self::Unreachable,
        Self::Timeout,
        Self::NoTopic,
        Self::Refused,
        Self::TooLarge,
        Self::Throttled,
        Self::Other,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::NoTopic => "no_topic",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::Other => "other",
        }
    }
}

/// Dead letters that are at hand; the store has more, and all are counted.
pub const DEAD_LETTERS: usize = 16;

/// What a receiver will never take, so nobody tries again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// `id/sequence` of the alert, or `id/time` of the notice.
    pub id: String,
    pub error: String,
}

impl DeadLetter {
    /// The incident that it is about.
    pub fn incident(&self) -> Option<&str> {
        let (id, sequence) = self.id.rsplit_once('/')?;
        sequence.parse::<u32>().is_ok().then_some(id)
    }
}

/// Those that nobody has sent again or dismissed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    pub count: u64,
    /// At most [`DEAD_LETTERS`], oldest first.
    pub newest: VecDeque<DeadLetter>,
}

impl Letters {
    fn keep_newest(&mut self, most: u64) {
        let most = usize::try_from(most).unwrap_or(DEAD_LETTERS).min(DEAD_LETTERS);
        let surplus = self.newest.len().saturating_sub(most);
        self.newest.drain(..surplus);
    }
}

/// Counts for metrics and pages.
#[derive(Debug, Default)]
pub struct SinkStatus {
    buried: AtomicU64,
    sent_again: AtomicU64,
    letters: Mutex<Letters>,
    delivered: AtomicU64,
    failures: [AtomicU64; FailureReason::ALL.len()],
    /// Failed attempts since the last success.
    in_a_row: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl SinkStatus {
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub fn failures(&self, reason: FailureReason) -> u64 {
        self.failures[reason as usize].load(Ordering::Relaxed)
    }

    /// The last error, unless something was delivered since.
    pub fn error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were refused for good since the start.
    pub fn buried(&self) -> u64 {
        self.buried.load(Ordering::Relaxed)
    }

    /// How many of what was refused for good somebody had sent again.
    pub fn sent_again(&self) -> u64 {
        self.sent_again.load(Ordering::Relaxed)
    }

    /// What was refused for good, in earlier lives as well, and lies there.
    pub fn letters(&self) -> Letters {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These lie there since earlier lives.
    pub(super) fn recall(&self, before: Letters) {
        let mut letters = self.locked();
        letters.count += before.count;
        before.newest.into_iter().rev().for_each(|letter| letters.newest.push_front(letter));
        letters.keep_newest(u64::MAX);
    }

    /// The oldest `taken` lie there no more, of which `sent_again` wait to be delivered.
    pub(super) fn settled(&self, taken: u64, sent_again: u64) {
        self.sent_again.fetch_add(sent_again, Ordering::Relaxed);
        let mut letters = self.locked();
        letters.count = letters.count.saturating_sub(taken);
        let left = letters.count;
        letters.keep_newest(left);
    }

    /// It will never be taken. The error stays until something else is.
    pub(super) fn bury(&self, id: String, error: String) {
        self.buried.fetch_add(1, Ordering::Relaxed);
        let mut letters = self.locked();
        letters.count += 1;
        letters.newest.push_back(DeadLetter { id, error });
        letters.keep_newest(u64::MAX);
    }

    pub(super) fn succeeded(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.gave_up();
    }

    /// What cannot be delivered for good does not stand in the way of the rest.
    pub(super) fn gave_up(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// True if it is the first failure after a success: worth a line in the log.
    pub(super) fn failed(&self, reason: FailureReason, error: String) -> bool {
        self.failures[reason as usize].fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.in_a_row.fetch_add(1, Ordering::Relaxed) == 0
    }
}
