//! How is the whole history written down and read again?
//!
//! NDJSON: a header line, then one event per line with its place in the one order. Times are microseconds since the
//! epoch, prefixes and AS numbers as everywhere, so a recording can be read with the usual tools.

mod wire;

use std::collections::VecDeque;
use std::io::{self, Write};

use rules::event::{Event, Stamped};

use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::lines::Lines;
use crate::source::Stream;

/// The name and version of the format.
pub const FORMAT: &str = "events/1";
/// A recorded line is at most a checkpoint of 1.2 million prefixes at 100 octets, with room.
const LINE: u64 = 256 << 20;

/// Writes events as NDJSON, one per line, after a header line.
pub struct Writer<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W) -> io::Result<Self> {
        let header = wire::Header { bgpwarden: FORMAT.into(), version: env!("CARGO_PKG_VERSION").into() };
        serde_json::to_writer(&mut out, &header)?;
        out.write_all(b"\n")?;
        Ok(Self { out, line: Vec::new() })
    }

    /// What follows from the events before it is left out: whoever reads the recording works it out again.
    pub fn write(&mut self, stamped: &Stamped) -> io::Result<()> {
        if matches!(stamped.event, Event::Inferred(_)) {
            return Ok(());
        }
        let line = wire::Line { seq: stamped.seq, at: stamped.at.0, event: wire::Event::of(&stamped.event) };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Flushes, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Items of a recording, ticks included: they are a part of the order. The end is left out, whoever reads makes it anew.
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
    pub fn fill(&mut self, out: &mut VecDeque<Item>) -> bool {
        match self.lines.next() {
            None => return false,
            Some(Err(kind)) => self.counts.error(kind),
            Some(Ok(line)) => match wire::read(line) {
                Ok(Some(stamped)) => self.item(stamped, out),
                Ok(None) => {}
                Err(kind) => self.counts.error(kind),
            },
        }
        true
    }

    fn item(&mut self, stamped: Stamped, out: &mut VecDeque<Item>) {
        match &stamped.event {
            Event::End => return,
            Event::Vantage(id, _) if id.0 as usize == self.vantage_points => self.vantage_points += 1,
            // Numbers are dense: anything else names a vantage point that was never told.
            Event::Vantage(..) => return self.counts.error(kind::BAD_JSON),
            Event::Update(update) | Event::Seed(update) => {
                if update.vantage.0 as usize >= self.vantage_points {
                    return self.counts.error(kind::UNKNOWN_PEER);
                }
                self.counts.routes(update);
            }
            Event::Restore(checkpoint) if checkpoint.check().is_err() => return self.counts.error(kind::BAD_JSON),
            Event::Session(standing) if standing.vantage.0 as usize >= self.vantage_points => {
                return self.counts.error(kind::UNKNOWN_PEER);
            }
            Event::Shed(shed) if shed.sessions.iter().any(|(v, _)| v.0 as usize >= self.vantage_points) => {
                return self.counts.error(kind::UNKNOWN_PEER);
            }
            Event::PeerUp { vantage, .. } | Event::PeerDown { vantage, .. } | Event::EndOfRib { vantage, .. } => {
                if vantage.0 as usize >= self.vantage_points {
                    return self.counts.error(kind::UNKNOWN_PEER);
                }
                self.counts.elements += u64::from(!matches!(stamped.event, Event::EndOfRib { .. }));
            }
            _ => {}
        }
        out.push_back(Item { time: stamped.at, event: stamped.event });
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn vantage_points(&self) -> usize {
        self.vantage_points
    }
}
