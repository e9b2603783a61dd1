//! What does `replay` read, and in which form?

use bytes::Bytes;
use rules::bgp::Timestamp;
use rules::event::Event;

use crate::counts::Counts;

/// What the file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// History: the baseline.
    Seed,
    /// News.
    Updates,
}

/// What the content turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MRT, RIB dumps included: one file may hold both.
    MrtUpdates,
    RisLive,
    Bmp,
    Recording,
}

/// One decoded thing with the collector's time. Vantage ids are the reader's own, dense from 0;
/// `Event::Vantage` comes before the first use of its id.
#[derive(Clone, Debug)]
pub struct Item {
    pub time: Timestamp,
    pub event: Event,
}

/// Why an input cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot open \"{path}\": {error}; check the path and its permissions")]
    Open { path: String, error: std::io::Error },
    #[error("\"{path}\" {what}")]
    Content { path: String, what: String },
}

impl InputError {
    pub(crate) fn open(path: &str, error: std::io::Error) -> Self {
        Self::Open { path: path.to_owned(), error }
    }

    pub(crate) fn content(path: &str, what: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), what: what.into() }
    }
}

/// Items of one input, in its own order. Malformed input is counted, the good part still comes.
pub struct Reader {
    name: String,
    kind: Kind,
    counts: Counts,
}

impl Reader {
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes read as they are stored, and of how many.
    pub fn progress(&self) -> (u64, Option<u64>) {
        (0, None)
    }

    pub fn vantage_points(&self) -> usize {
        0
    }
}

impl Iterator for Reader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        None
    }
}

/// Opens `[COLLECTOR=]PATH`, a URL, or `-` for stdin.
pub fn open(spec: &str, used_as: Use) -> Result<Reader, InputError> {
    let bytes = std::fs::read(spec).map_err(|error| InputError::open(spec, error))?;
    from_bytes(bytes.into(), spec, used_as)
}

/// The same from bytes, with the collector's name.
pub fn from_bytes(bytes: Bytes, collector: &str, _used_as: Use) -> Result<Reader, InputError> {
    if bytes.is_empty() {
        return Err(InputError::content(collector, "is empty"));
    }
    Ok(Reader { name: collector.to_owned(), kind: Kind::MrtUpdates, counts: Counts::default() })
}
