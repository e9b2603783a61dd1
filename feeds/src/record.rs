//! How is the whole history written down and read again?

use std::collections::VecDeque;
use std::io::{self, Write};

use rules::event::Stamped;

use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::lines::Lines;
use crate::source::Stream;

/// Writes events as NDJSON, one per line, after a header line.
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> io::Result<Self> {
        Ok(Self { out })
    }

    pub fn write(&mut self, _stamped: &Stamped) -> io::Result<()> {
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A recorded line is at most a full set of a million VRPs at 70 octets, with room.
const LINE: u64 = 256 << 20;

/// Items of a recording.
pub(crate) struct Recorded {
    lines: Lines,
    counts: Counts,
    vantage_points: usize,
}

impl Recorded {
    pub fn new(stream: Stream) -> Self {
        Self { lines: Lines::new(stream, LINE), counts: Counts::default(), vantage_points: 0 }
    }

    /// Reads one more line; false at the end.
    pub fn fill(&mut self, _out: &mut VecDeque<Item>) -> bool {
        match self.lines.next() {
            None => return false,
            Some(Err(kind)) => self.counts.error(kind),
            Some(Ok(_)) => self.counts.error(kind::BAD_JSON),
        }
        true
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn vantage_points(&self) -> usize {
        self.vantage_points
    }
}
