//! What is in a file of BMP messages, as they came over one connection, or of OpenBMP messages one behind the other?

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, FrameError};
use super::session::{Numbers, Session, Settings};
use crate::buffered::Buffered;
use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::openbmp;
use crate::source::Stream;

/// Octets asked of the stream at once.
const CHUNK: usize = 64 << 10;
/// Peers of one file: more than any router has.
const PEERS: usize = 65_536;

/// Items of one file.
pub(crate) struct File {
    input: Buffered,
    items: Vec<Item>,
    content: Content,
    counts: Counts,
}

enum Content {
    Bmp { session: Box<Session>, numbers: Numbers },
    OpenBmp(Box<openbmp::Decoder>),
}

impl File {
    pub fn new(stream: Stream, collector: &str) -> Self {
        let numbers = Numbers::default();
        let settings =
            Settings { collector: Arc::from(collector), most_peers: PEERS, collector_as: None, is_mid_stream: false };
        let session = Box::new(Session::new(settings, numbers.clone()));
        Self::of(stream, Content::Bmp { session, numbers })
    }

    pub fn openbmp(stream: Stream) -> Self {
        Self::of(stream, Content::OpenBmp(Box::default()))
    }

    fn of(stream: Stream, content: Content) -> Self {
        Self { input: Buffered::new(stream, CHUNK), items: Vec::new(), content, counts: Counts::default() }
    }

    /// Reads one more message; false at the end.
    pub fn fill(&mut self, out: &mut VecDeque<Item>) -> bool {
        let more = match &self.content {
            Content::Bmp { .. } => self.bmp(),
            Content::OpenBmp(_) => self.openbmp_message(),
        };
        let decoded = match &mut self.content {
            Content::Bmp { session, .. } => session.take_counts(),
            Content::OpenBmp(decoder) => decoder.take_counts(),
        };
        self.counts.add(decoded);
        out.extend(self.items.drain(..));
        more
    }

    fn bmp(&mut self) -> bool {
        if !self.input.has(frame::HEADER) {
            return self.end();
        }
        let Some((version, stated)) = frame::header(self.input.octets()) else { return false };
        let Ok(length) = frame::length_of(stated) else { return self.give_up(kind::TOO_LONG) };
        // Version 4 has the same frame, so that only its messages are lost.
        if !matches!(version, frame::VERSION | 4) {
            return self.give_up(kind::BAD_BMP_VERSION);
        }
        if !self.input.has(length) {
            return self.end();
        }
        let message = self.taken(length);
        if version != frame::VERSION {
            self.counts.error(kind::BAD_BMP_VERSION);
            return true;
        }
        if let Content::Bmp { session, .. } = &mut self.content {
            session.message(&message, None, &mut self.items);
        }
        true
    }

    fn openbmp_message(&mut self) -> bool {
        if !self.input.has(openbmp::FIXED) {
            return self.end();
        }
        let Some(length) = openbmp::length_of(self.input.octets()) else { return self.give_up(kind::BAD_BMP_MESSAGE) };
        if !self.input.has(length) {
            return self.end();
        }
        let message = self.taken(length);
        if let Content::OpenBmp(decoder) = &mut self.content {
            decoder.message("", &message, None, &mut self.items);
        }
        true
    }

    fn taken(&mut self, length: usize) -> Bytes {
        let message = Bytes::copy_from_slice(&self.input.octets()[..length]);
        self.input.advance(length);
        message
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn vantage_points(&self) -> usize {
        match &self.content {
            Content::Bmp { numbers, .. } => numbers.len(),
            Content::OpenBmp(decoder) => decoder.vantage_points(),
        }
    }

    fn end(&mut self) -> bool {
        if let Some(kind) = self.input.end() {
            self.counts.error(kind);
        }
        false
    }

    /// Behind a frame that cannot be one, nothing can be found again.
    fn give_up(&mut self, kind: &'static str) -> bool {
        self.counts.error(kind);
        self.input.close();
        false
    }
}

/// True if these octets can begin a stream of BMP messages, of version 4 as well.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    let is_type = head.get(frame::HEADER - 1).is_some_and(|kind| *kind <= 6);
    let Some((frame::VERSION | 4, stated)) = frame::header(head) else { return false };
    let fits: Result<usize, FrameError> = frame::length_of(stated);
    is_type && fits.is_ok()
}
