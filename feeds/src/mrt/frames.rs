//! Where does one record end and the next begin, also behind damage?

use std::ops::Range;

use rules::bgp::Timestamp;

use super::{BGP4MP_ET, HEADER, Header, RECORD, Record, TABLE_DUMP};
use crate::buffered::Buffered;
use crate::counts::{Counts, kind};
use crate::source::Stream;

/// Octets asked of the stream at once.
const CHUNK: usize = 32 << 10;

/// Cuts a stream into records.
pub(super) struct Frames {
    input: Buffered,
    /// Octets of the last record, which are taken off before the next.
    used: usize,
    /// Time of the last good record.
    seconds: u32,
}

/// Where a record stands in the buffer, its extended timestamp already taken off.
pub(super) struct Found {
    time: Timestamp,
    kind: u16,
    subtype: u16,
    body: Range<usize>,
}

impl Frames {
    pub fn new(stream: Stream) -> Self {
        Self { input: Buffered::new(stream, CHUNK), used: 0, seconds: 0 }
    }

    pub fn next(&mut self, counts: &mut Counts) -> Option<Found> {
        loop {
            self.input.advance(std::mem::take(&mut self.used));
            if !self.input.has(HEADER) {
                return self.end(counts);
            }
            let header = Header::of(self.input.octets())?;
            if !header.is_known() || header.length > RECORD {
                counts.error(kind::BAD_MRT_HEADER);
                self.find_header();
                continue;
            }
            let mut end = HEADER + header.length;
            if !self.input.has(end) {
                return self.end(counts);
            }
            if header.kind == TABLE_DUMP
                && is_four_short(header.subtype, &self.input.octets()[HEADER..end])
                && self.input.has(end + 4)
            {
                end += 4;
            }
            self.used = end;
            self.seconds = header.seconds;
            if let Some(found) = Found::new(&header, &self.input.octets()[..end]) {
                return Some(found);
            }
            counts.error(kind::BAD_MRT_RECORD);
        }
    }

    pub fn record(&self, found: Found) -> Record<'_> {
        let Found { time, kind, subtype, body } = found;
        Record { time, kind, subtype, body: &self.input.octets()[body] }
    }

    /// Drops octets up to what looks like a header with another one behind its body.
    fn find_header(&mut self) {
        loop {
            self.input.advance(1);
            let Some(header) = self.input.has(HEADER).then(|| Header::of(self.input.octets())).flatten() else {
                return self.input.clear();
            };
            if !header.is_near(self.seconds) {
                continue;
            }
            let end = HEADER + header.length;
            if !self.input.has(end + HEADER) {
                if self.input.octets().len() == end {
                    return;
                }
            } else if Header::of(&self.input.octets()[end..]).is_some_and(|next| next.is_near(self.seconds)) {
                return;
            }
        }
    }

    fn end(&mut self, counts: &mut Counts) -> Option<Found> {
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

impl Found {
    /// `octets` are those of the record, its header first.
    fn new(header: &Header, octets: &[u8]) -> Option<Self> {
        let mut time = Timestamp::from_secs(i64::from(header.seconds));
        let mut start = HEADER;
        if matches!(header.kind, BGP4MP_ET | 33 | 49) {
            let micros = octets[start..].first_chunk()?;
            time.0 += i64::from(u32::from_be_bytes(*micros).min(999_999));
            start += micros.len();
        }
        Some(Self { time, kind: header.kind, subtype: header.subtype, body: start..octets.len() })
    }
}
