//! What does `replay` read, and in which form?

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use rules::bgp::Timestamp;
use rules::event::Event;

use crate::bmp;
use crate::counts::Counts;
use crate::mrt::{self, Mrt};
use crate::openbmp;
use crate::record::Recorded;
use crate::ris_live::JsonLines;
use crate::shown::without_secrets;
use crate::source::{self, Source, Stream};

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

/// Items of a live feed that came together.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub items: Vec<Item>,
    /// When the octets of the first of them came, by the monotonic clock.
    pub at: Instant,
}

impl Arrival {
    pub fn now(items: Vec<Item>) -> Self {
        Self { items, at: Instant::now() }
    }
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
        Self::Open { path: without_secrets(path), error }
    }

    pub(crate) fn content(path: &str, what: impl Into<String>) -> Self {
        Self::Content { path: without_secrets(path), what: what.into() }
    }
}

/// Items of one input, in its own order. Malformed input is counted, the good part still comes.
pub struct Reader {
    name: String,
    content: Content,
    ready: VecDeque<Item>,
    read: Arc<AtomicU64>,
    of: Option<u64>,
    record: u64,
}

enum Content {
    Mrt(Box<Mrt>),
    Bmp(Box<bmp::file::File>),
    RisLive(Box<JsonLines>),
    Recording(Box<Recorded>),
}

impl Reader {
    pub fn counts(&self) -> &Counts {
        match &self.content {
            Content::Mrt(mrt) => mrt.counts(),
            Content::Bmp(file) => file.counts(),
            Content::RisLive(lines) => lines.counts(),
            Content::Recording(recorded) => recorded.counts(),
        }
    }

    /// The path, or the URL without its secrets; without a collector's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Mrt(_) => Kind::MrtUpdates,
            Content::Bmp(_) => Kind::Bmp,
            Content::RisLive(_) => Kind::RisLive,
            Content::Recording(_) => Kind::Recording,
        }
    }

    /// Octets read as they are stored, and of how many.
    pub fn progress(&self) -> (u64, Option<u64>) {
        (self.read.load(Ordering::Relaxed), self.of)
    }

    /// In which record, message or line the last item stood, counted from 1. Octets that are no record are not counted.
    pub fn record(&self) -> u64 {
        self.record
    }

    pub fn vantage_points(&self) -> usize {
        match &self.content {
            Content::Mrt(mrt) => mrt.vantage_points(),
            Content::Bmp(file) => file.vantage_points(),
            Content::RisLive(lines) => lines.vantage_points(),
            Content::Recording(recorded) => recorded.vantage_points(),
        }
    }
}

impl Iterator for Reader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            let more = match &mut self.content {
                Content::Mrt(mrt) => mrt.fill(&mut self.ready),
                Content::Bmp(file) => file.fill(&mut self.ready),
                Content::RisLive(lines) => lines.fill(&mut self.ready),
                Content::Recording(recorded) => recorded.fill(&mut self.ready),
            };
            if !more && self.ready.is_empty() {
                return None;
            }
            self.record += 1;
        }
    }
}

/// Opens `[COLLECTOR=]PATH`, an http(s) URL, or `-` for stdin; plain, gzip or bzip2. The kind is told by the content:
/// RIB entries are always history and messages always news, whatever the file is used as.
pub fn open(spec: &str, used_as: Use) -> Result<Reader, InputError> {
    let (collector, path) = split_collector(spec);
    reader(source::open(path)?, path, collector, used_as)
}

/// The same from bytes, with the collector's name.
pub fn from_bytes(bytes: Bytes, collector: &str, used_as: Use) -> Result<Reader, InputError> {
    reader(source::from_bytes(bytes, collector)?, collector, collector, used_as)
}

/// The same from a stream that is being fetched, at most `most` octets of it unpacked.
pub(crate) fn from_stream(
    stream: Stream,
    of: Option<u64>,
    name: &str,
    collector: &str,
    used_as: Use,
    most: u64,
) -> Result<Reader, InputError> {
    reader(source::from_stream(stream, of, name, most)?, name, collector, used_as)
}

fn reader(source: Source, path: &str, collector: &str, used_as: Use) -> Result<Reader, InputError> {
    let (head, stream) = source::peek(source.stream);
    let content = match kind_of(&head) {
        _ if head.is_empty() => {
            return Err(source::empty(stream, path, "is empty; nothing can be read from it"));
        }
        Some(Kind::MrtUpdates) => Content::Mrt(Box::new(Mrt::new(stream, collector))),
        Some(Kind::RisLive) => Content::RisLive(Box::new(JsonLines::new(stream))),
        Some(Kind::Recording) if used_as == Use::Seed => {
            return Err(InputError::content(path, "is a recording, which is no baseline; give it as INPUT"));
        }
        Some(Kind::Recording) => Content::Recording(Box::new(Recorded::new(stream))),
        Some(Kind::Bmp) if used_as == Use::Seed => {
            return Err(InputError::content(path, "is a BMP stream, which is no baseline; give it as INPUT"));
        }
        Some(Kind::Bmp) if head.starts_with(openbmp::MAGIC) => Content::Bmp(Box::new(bmp::file::File::openbmp(stream))),
        Some(Kind::Bmp) => Content::Bmp(Box::new(bmp::file::File::new(stream, collector))),
        None => {
            return Err(InputError::content(
                path,
                "is neither MRT, a BMP stream, RIS Live JSON lines nor a recording; check that it is what you meant",
            ));
        }
    };
    Ok(Reader {
        name: without_secrets(path),
        content,
        ready: VecDeque::new(),
        read: source.read,
        of: source.of,
        record: 0,
    })
}

fn kind_of(head: &[u8]) -> Option<Kind> {
    match head.trim_ascii_start() {
        text if text.starts_with(br#"{"bgpwarden""#) => Some(Kind::Recording),
        [b'{', ..] => Some(Kind::RisLive),
        _ if head.starts_with(openbmp::MAGIC) => Some(Kind::Bmp),
        _ if mrt::looks_like(head) => Some(Kind::MrtUpdates),
        // As an MRT time it would be 1971.
        _ => bmp::file::looks_like(head).then_some(Kind::Bmp),
    }
}

/// The collector of an input as it is given to [`open`].
pub fn collector_of(spec: &str) -> String {
    split_collector(spec).0.to_owned()
}

/// The collector's name and the path: named before `=`, else found in the path, else "mrt".
fn split_collector(spec: &str) -> (&str, &str) {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    match spec.split_once('=') {
        Some((name, path)) if is_name(name) => (name, path),
        _ => (collector_in(spec).unwrap_or("mrt"), spec),
    }
}

/// The last `rrcNN` or `route-views*` of a path.
fn collector_in(path: &str) -> Option<&str> {
    let ris = path.rmatch_indices("rrc").find_map(|(at, _)| {
        let digits = path[at + 3..].bytes().take_while(u8::is_ascii_digit).count();
        (digits == 2).then(|| (at, &path[at..at + 5]))
    });
    let route_views = path.rmatch_indices("route-views").next().map(|(at, _)| (at, route_views(&path[at..])));
    ris.max(route_views).map(|(_, name)| name)
}

/// `route-views`, a number, and a place behind a dot: but not the name of a file behind it.
fn route_views(path: &str) -> &str {
    let number = "route-views".len() + path["route-views".len()..].bytes().take_while(u8::is_ascii_digit).count();
    let Some(place) = path[number..].strip_prefix('.') else { return &path[..number] };
    let length = place.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'-').count();
    match &place[..length] {
        "" | "rib" | "updates" | "bgpdata" | "mrt" | "bz2" | "gz" => &path[..number],
        _ => &path[..number + 1 + length],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_is_named_or_found_in_the_path() {
        for (spec, collector, path) in [
            ("lab=a/b.mrt", "lab", "a/b.mrt"),
            ("ris.rrc06.updates.1427846400.gz", "rrc06", "ris.rrc06.updates.1427846400.gz"),
            ("rrc00/rrc15/updates.gz", "rrc15", "rrc00/rrc15/updates.gz"),
            ("route-views.jinx.updates.1.bz2", "route-views.jinx", "route-views.jinx.updates.1.bz2"),
            ("route-views.iraq-ixp/x", "route-views.iraq-ixp", "route-views.iraq-ixp/x"),
            ("route-views6.updates.bz2", "route-views6", "route-views6.updates.bz2"),
            ("https://example.net/get?name=x", "mrt", "https://example.net/get?name=x"),
            ("updates.20190101.0000.gz", "mrt", "updates.20190101.0000.gz"),
            ("-", "mrt", "-"),
            ("rrc=-", "rrc", "-"),
        ] {
            assert_eq!(split_collector(spec), (collector, path), "{spec}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_with_the_next_step() {
        let error = |bytes: &'static [u8]| match from_bytes(bytes.into(), "x", Use::Updates) {
            Err(error) => error.to_string(),
            Ok(_) => "no error".into(),
        };
        assert!(error(b"").contains("empty"));
        assert!(error(&[0x1f, 0x8b]).contains("unpacked"));
        assert!(error(b"hello, world").contains("neither MRT"));
        assert!(matches!(open("/no/such/file", Use::Updates), Err(InputError::Open { .. })));
    }
}
