//! Which routes are in an MRT file (RFC 6396, RFC 8050)?

mod frames;
mod routes;

use std::collections::VecDeque;

use bytes::Buf;
use frames::Frames;
use routes::Routes;
use rules::bgp::Timestamp;

use crate::counts::Counts;
use crate::input::Item;
use crate::source::Stream;

/// Octets of the common header (RFC 6396 section 2).
const HEADER: usize = 12;
/// No record is longer; behind such a header nothing can be trusted.
const RECORD: usize = 16 << 20;
/// A record found behind damage is no longer than this, so that the search stays within a small buffer.
const RECOVERED_RECORD: usize = 1 << 20;
/// Seconds that neighbouring records of one file are apart at most.
const DAY: u32 = 86_400;

/// MRT types that exist, those without routes included.
const BGP: u16 = 5;
const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

/// True if these octets can begin an MRT file.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    let Some(header) = Header::of(head) else { return false };
    header.is_known() && header.length <= RECORD
}

struct Header {
    seconds: u32,
    kind: u16,
    subtype: u16,
    length: usize,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut head = bytes.get(..HEADER)?;
        Some(Self {
            seconds: head.get_u32(),
            kind: head.get_u16(),
            subtype: head.get_u16(),
            length: head.get_u32() as usize,
        })
    }

    /// The types of the IANA registry.
    fn is_known(&self) -> bool {
        matches!(self.kind, 0..=13 | BGP4MP | BGP4MP_ET | 32 | 33 | 48 | 49)
    }

    /// Strict enough to be found among other octets: a record with routes, of about the time of the last one.
    fn is_near(&self, seconds: u32) -> bool {
        let subtypes = match self.kind {
            BGP => 1..=7,
            TABLE_DUMP => 1..=2,
            TABLE_DUMP_V2 => 1..=12,
            BGP4MP | BGP4MP_ET => 0..=11,
            _ => return false,
        };
        subtypes.contains(&self.subtype) && self.length <= RECOVERED_RECORD && self.seconds.abs_diff(seconds) <= DAY
    }
}

/// One record, its extended timestamp already taken off.
struct Record<'a> {
    time: Timestamp,
    kind: u16,
    subtype: u16,
    body: &'a [u8],
}

/// Items of one MRT stream.
pub(crate) struct Mrt {
    frames: Frames,
    routes: Routes,
}

impl Mrt {
    pub fn new(stream: Stream, collector: &str) -> Self {
        Self { frames: Frames::new(stream), routes: Routes::new(collector) }
    }

    /// Reads one more record; false at the end.
    pub fn fill(&mut self, out: &mut VecDeque<Item>) -> bool {
        let Some(found) = self.frames.next(&mut self.routes.counts) else { return false };
        self.routes.record(self.frames.record(found), out);
        true
    }

    pub fn counts(&self) -> &Counts {
        &self.routes.counts
    }

    pub fn vantage_points(&self) -> usize {
        self.routes.vantages.len()
    }
}
