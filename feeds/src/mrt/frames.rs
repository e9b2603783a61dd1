//! Where does one record end and the next begin, also behind damage?

use bytes::{Buf, Bytes};
use rules::bgp::Timestamp;

use super::{BGP4MP_ET, HEADER, Header, RECORD, Record, TABLE_DUMP};
use crate::buffered::Buffered;
use crate::counts::{Counts, kind};
use crate::source::Stream;

/// Octets asked of the stream at once.
const CHUNK: usize = 256 << 10;

/// Cuts a stream into records. Bodies share the buffer they were read into.
pub(super) struct Frames {
    input: Buffered,
    /// Time of the last good record.
    seconds: u32,
}

impl Frames {
    pub fn new(stream: Stream) -> Self {
        Self { input: Buffered::new(stream, CHUNK), seconds: 0 }
    }

    pub fn next(&mut self, counts: &mut Counts) -> Option<Record> {
        loop {
            if !self.input.has(HEADER) {
                return self.end(counts);
            }
            let header = Header::of(&self.input.buffer)?;
            if !header.is_known() || header.length > RECORD {
                counts.error(kind::BAD_MRT_HEADER);
                self.find_header();
                continue;
            }
            if !self.input.has(HEADER + header.length) {
                return self.end(counts);
            }
            self.input.buffer.advance(HEADER);
            let mut body = self.input.buffer.split_to(header.length);
            if header.kind == TABLE_DUMP && is_four_short(header.subtype, &body) && self.input.has(4) {
                body.unsplit(self.input.buffer.split_to(4));
            }
            self.seconds = header.seconds;
            if let Some(record) = Record::new(&header, body.freeze()) {
                return Some(record);
            }
            counts.error(kind::BAD_MRT_RECORD);
        }
    }

    /// Drops octets up to what looks like a header with another one behind its body.
    fn find_header(&mut self) {
        loop {
            self.input.buffer.advance(1);
            let Some(header) = self.input.has(HEADER).then(|| Header::of(&self.input.buffer)).flatten() else {
                return self.input.buffer.clear();
            };
            if !header.is_near(self.seconds) {
                continue;
            }
            let end = HEADER + header.length;
            if !self.input.has(end + HEADER) {
                if self.input.buffer.len() == end {
                    return;
                }
            } else if Header::of(&self.input.buffer[end..]).is_some_and(|next| next.is_near(self.seconds)) {
                return;
            }
        }
    }

    fn end(&mut self, counts: &mut Counts) -> Option<Record> {
        if let Some(kind) = self.input.end() {
            counts.error(kind);
        }
        None
    }
}

/// The first writers of TABLE_DUMP left the four octets of view and sequence out of the length.
fn is_four_short(subtype: u16, body: &[u8]) -> bool {
    let Some(fixed) = table_dump_entry(subtype) else { return false };
    let mut at = 4;
    while at < body.len() {
        let Some(length) = body.get(at + fixed - 2..at + fixed) else { return false };
        at += fixed + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    at == body.len() + 4
}

/// Octets of a TABLE_DUMP entry before its attributes, by subtype = address family.
fn table_dump_entry(subtype: u16) -> Option<usize> {
    match subtype {
        1 => Some(18),
        2 => Some(42),
        _ => None,
    }
}

impl Record {
    fn new(header: &Header, mut body: Bytes) -> Option<Self> {
        let mut time = Timestamp::from_secs(i64::from(header.seconds));
        if matches!(header.kind, BGP4MP_ET | 33 | 49) {
            time.0 += i64::from(body.try_get_u32().ok()?.min(999_999));
        }
        Some(Self { time, kind: header.kind, subtype: header.subtype, body })
    }
}
