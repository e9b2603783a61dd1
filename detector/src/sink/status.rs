//! How does a sink fare?

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// Dead letters that can be looked at; all are counted.
const DEAD_LETTERS: usize = 16;

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

/// Counts for metrics and pages.
#[derive(Debug, Default)]
pub struct SinkStatus {
    buried: AtomicU64,
    /// The newest, oldest first.
    dead_letters: Mutex<VecDeque<DeadLetter>>,
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

    /// How many nobody tries to deliver any more.
    pub fn buried(&self) -> u64 {
        self.buried.load(Ordering::Relaxed)
    }

    /// The newest of them, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// It will never be taken. The error stays until something else is.
    pub(super) fn bury(&self, id: String, error: String) {
        self.buried.fetch_add(1, Ordering::Relaxed);
        let mut letters = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() == DEAD_LETTERS {
            letters.pop_front();
        }
        letters.push_back(DeadLetter { id, error });
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
