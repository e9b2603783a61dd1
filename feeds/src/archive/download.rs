//! What is in one file of an archive, and was it whole?

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use crate::http_file::{Patience, Progress, Refused};

use super::{Collector, Content, File};
use crate::counts::kind;
use crate::http_file::{self, End};
use crate::input::{self, Item, Reader, Use};

/// Unpacked octets of one file: more than ten times the largest dump, so that a file of zeros has an end.
const UNPACKED: u64 = 64 << 30;

/// Why nothing of a file could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{0}")]
    Unreadable(String),
}

impl Unread {
    /// The archive works and does not have it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(Refused::Missing(_)))
    }
}

/// How the reading of a file ended; `at` counts octets as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Whole,
    /// It ends in the middle, or its connection broke too often.
    Truncated {
        at: u64,
    },
    Stalled {
        at: u64,
    },
    /// Longer than any such file.
    TooLong {
        at: u64,
    },
}

impl Outcome {
    pub fn is_whole(self) -> bool {
        self == Self::Whole
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Truncated { at } => write!(f, "cut off at octet {at}"),
            Self::Stalled { at } => write!(f, "stalled at octet {at}"),
            Self::TooLong { at } => write!(f, "longer than any such file, left at octet {at}"),
        }
    }
}

/// Items of one file, while it is fetched.
pub struct Opened {
    reader: Reader,
    pub progress: Arc<Progress>,
}

/// Begins to fetch a file. To be called in a thread: the reading waits for the network.
pub fn open(file: &File, collector: &Collector, patience: Patience) -> Result<Opened, Unread> {
    let download = http_file::open(&file.url, patience)?;
    let (progress, length) = (download.progress.clone(), download.length);
    let used_as = if file.content == Content::Dump { Use::Seed } else { Use::Updates };
    let reader = input::from_stream(Box::new(download), length, &file.url, &collector.name, used_as, UNPACKED)
        .map_err(|error| Unread::Unreadable(error.to_string()))?;
    Ok(Opened { reader, progress })
}

/// Copies a file as it is stored, to be read more than once. In a thread as well.
pub fn save(file: &File, patience: Patience, into: &mut impl Write) -> Result<Outcome, Unread> {
    let mut download = http_file::open(&file.url, patience)?;
    // A body that breaks off is an error of reading, and said by its end.
    if let Err(error) = io::copy(&mut download, into)
        && download.progress.end() == End::Open
    {
        return Err(Unread::Unreadable(format!("cannot be kept: {error}")));
    }
    Ok(outcome(&download.progress, false))
}

fn outcome(progress: &Progress, is_cut: bool) -> Outcome {
    let octets = progress.octets.load(Ordering::Relaxed);
    match progress.end() {
        End::Stalled { at } => Outcome::Stalled { at },
        End::TooLong { at } => Outcome::TooLong { at },
        End::Broken { at } => Outcome::Truncated { at },
        End::Open => Outcome::Truncated { at: octets },
        End::Complete if is_cut => Outcome::Truncated { at: octets },
        End::Complete => Outcome::Whole,
    }
}

impl Opened {
    pub fn octets(&self) -> u64 {
        self.progress.octets.load(Ordering::Relaxed)
    }

    /// Announced and withdrawn prefixes so far.
    pub fn elements(&self) -> u64 {
        self.reader.counts().elements
    }

    /// To be asked once nothing more comes.
    pub fn outcome(&self) -> Outcome {
        let errors = &self.reader.counts().errors;
        let is_cut = errors.contains_key(kind::TRUNCATED) || errors.contains_key(kind::BAD_COMPRESSION);
        outcome(&self.progress, is_cut)
    }
}

impl Iterator for Opened {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.reader.next()
    }
}
