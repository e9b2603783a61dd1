//! What does RIS Live say right now?
//!
//! [`decoder`] turns frames into items, [`run`] keeps a connection and feeds it.

mod decode;
mod fields;
mod frame;
mod hex;
mod run;
mod scan;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ipnet::IpNet;
use rules::bgp::Asn;
use tokio::sync::watch;

use crate::counts::{Counts, kind};
use crate::input::Item;
use crate::lines::Lines;
use crate::source::Stream;

pub use decode::{DecodeError, Decoder, decoder};
pub use run::run;

/// Where to connect and what to ask for.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://`.
    pub url: String,
    /// Who we are; RIPE NCC asks every client to say so.
    pub client: String,
    /// Collectors such as `rrc00`; empty asks for all.
    pub hosts: Vec<String>,
    /// These and all inside them; empty asks for everything.
    pub prefixes: Vec<IpNet>,
    pub peer: Option<IpAddr>,
    /// RIS Live's own path pattern, such as `64496,64497$`.
    pub path: Option<String>,
    /// In the place of `prefixes` and `path`.
    pub interest: Option<watch::Receiver<Arc<Interest>>>,
    /// Ask for the BGP messages themselves: only they carry OTC.
    pub include_raw: bool,
    /// After a loss, sessions and routes stay as they were: somebody else tells what was missed.
    pub keeps_tables: bool,
}

impl Config {
    /// Some part is asked for that may rightly have no news for long. A collector never is that quiet.
    fn is_filtered(&self) -> bool {
        !self.prefixes.is_empty() || self.peer.is_some() || self.path.is_some() || self.interest.is_some()
    }
}

/// What is asked for, where that may change while the feed runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// These, all inside them and all around them.
    pub prefixes: Vec<IpNet>,
    /// Everything that these originate.
    pub asns: Vec<Asn>,
    /// There is too much of it to be named: ask for all there is.
    pub everything: bool,
}

/// How the feed stands, for metrics and pages.
#[derive(Debug, Default)]
pub struct Status {
    pub connected: AtomicBool,
    /// When the last news arrived, or any sign of life of a filtered subscription, or a connection was made behind one that
    /// did not end in silence; microseconds since the epoch, 0 before.
    pub last_frame: AtomicI64,
    pub reconnects: AtomicU64,
    pub gaps: AtomicU64,
    pub frames: AtomicU64,
    /// How long batches waited because the queue behind was full.
    pub stalled_micros: AtomicU64,
    /// As of the last batch.
    pub counts: Mutex<Counts>,
    /// Sessions that are up, and all that were ever heard of.
    pub sessions_up: AtomicUsize,
    pub sessions_known: AtomicUsize,
}

impl Status {
    /// Sessions up and down.
    pub fn peers(&self) -> (usize, usize) {
        let up = self.sessions_up.load(Ordering::Relaxed);
        (up, self.sessions_known.load(Ordering::Relaxed).saturating_sub(up))
    }
}

/// A line longer than any frame: the longest BGP message is 64 KiB, as text and hex about 400 KiB.
const LINE: u64 = 4 << 20;

/// RIS Live frames in a file, one per line.
pub(crate) struct JsonLines {
    lines: Lines,
    decoder: Decoder,
    items: Vec<Item>,
}

impl JsonLines {
    pub fn new(stream: Stream) -> Self {
        Self { lines: Lines::new(stream, LINE), decoder: decoder(), items: Vec::new() }
    }

    /// Reads one more line; false at the end.
    pub fn fill(&mut self, out: &mut VecDeque<Item>) -> bool {
        match self.lines.next() {
            None => return false,
            Some(Err(kind)) => self.decoder.count(kind),
            Some(Ok(line)) => match std::str::from_utf8(line) {
                // The decoder has counted what is wrong with the frame.
                Ok(text) => drop(self.decoder.frame(text, &mut self.items)),
                Err(_) => self.decoder.count(kind::BAD_JSON),
            },
        }
        out.extend(self.items.drain(..));
        true
    }

    pub fn counts(&self) -> &Counts {
        self.decoder.counts()
    }

    pub fn vantage_points(&self) -> usize {
        self.decoder.vantage_points()
    }
}
