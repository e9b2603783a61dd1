//! Several inputs as one, by time; and what of them is not believed or not wanted.

use std::collections::{BTreeSet, HashMap};

use feeds::counts::Counts;
use feeds::input::{Item, Reader};
use rules::bgp::{Timestamp, VantageId};
use rules::event::Event;

use crate::sequencer::Sequencer;

/// A record this far ahead of its neighbours is believed only if the next one agrees.
const JUMP_SECS: i64 = 3_600;

/// Items that were read and left out, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Older than the dump that holds the table of the same vantage point.
    pub before_dump: u64,
    /// The latest of those.
    pub last_before_dump: Option<Timestamp>,
    /// Outside `--from` and `--to`.
    pub outside: u64,
    /// A time that no neighbour confirms.
    pub time_jump: u64,
}

/// All inputs, merged by (time, position on the command line, place in the file).
pub struct Merged {
    lanes: Vec<Lane>,
    /// The lanes that have an item, by its time.
    order: BTreeSet<(Timestamp, usize)>,
    from: Timestamp,
    to: Timestamp,
    dumped: HashMap<VantageId, Timestamp>,
    skipped: Skipped,
}

/// An item with its place: which input, and which record of it.
pub struct Placed {
    pub source: usize,
    pub record: u64,
    pub item: Item,
}

struct Lane {
    reader: Reader,
    next: Option<(u64, Item)>,
    after: Option<(u64, Item)>,
    /// Never goes back, so that a record out of order does not hold up the others.
    clock: Timestamp,
}

impl Lane {
    fn read(&mut self) -> Option<(u64, Item)> {
        let item = self.reader.next()?;
        Some((self.reader.record(), item))
    }

    /// Moves on to the next item that can be believed; the count is of those that cannot.
    fn advance(&mut self) -> u64 {
        let mut jumps = 0;
        loop {
            self.next = self.after.take().or_else(|| self.read());
            let Some((_, item)) = &self.next else { return jumps };
            if self.clock == Timestamp::MIN || item.time <= self.clock.plus_secs(JUMP_SECS) {
                self.clock = self.clock.max(item.time);
                return jumps;
            }
            let time = item.time;
            self.after = self.read();
            let agrees = self.after.as_ref().is_none_or(|(_, a)| a.time >= time.plus_secs(-JUMP_SECS));
            if agrees {
                self.clock = time;
                return jumps;
            }
            jumps += 1;
        }
    }
}

impl Merged {
    pub fn new(readers: Vec<Reader>, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        let lanes = readers.into_iter().map(|reader| Lane { reader, next: None, after: None, clock: Timestamp::MIN });
        let mut merged = Self {
            lanes: lanes.collect(),
            order: BTreeSet::new(),
            from: from.unwrap_or(Timestamp::MIN),
            to: to.unwrap_or(Timestamp::MAX),
            dumped: HashMap::new(),
            skipped: Skipped::default(),
        };
        for i in 0..merged.lanes.len() {
            merged.advance(i);
        }
        merged
    }

    /// How many inputs there are; dumps are numbered behind them.
    pub fn sources(&self) -> usize {
        self.lanes.len()
    }

    pub fn first_time(&self) -> Option<Timestamp> {
        self.order.first().map(|(time, _)| (*time).max(self.from))
    }

    /// The table of a vantage point is known as of then; what is older is contained in it.
    pub fn has_dump(&mut self, vantage: VantageId, as_of: Timestamp) {
        let known = self.dumped.entry(vantage).or_insert(as_of);
        *known = (*known).max(as_of);
    }

    /// The next item of all inputs, with its place and its time brought into order.
    pub fn next(&mut self, sequencer: &Sequencer) -> Option<Placed> {
        loop {
            let (time, source) = self.order.pop_first()?;
            let (record, item) = self.lanes[source].next.take()?;
            self.advance(source);
            if matches!(item.event, Event::Vantage(..)) {
                return Some(Placed { source, record, item: Item { time: time.max(self.from), ..item } });
            }
            if item.time < self.from || item.time > self.to {
                self.skipped.outside += 1;
            } else if self.is_in_dump(source, &item, sequencer) {
                self.skipped.before_dump += 1;
                self.skipped.last_before_dump = self.skipped.last_before_dump.max(Some(item.time));
            } else {
                return Some(Placed { source, record, item });
            }
        }
    }

    fn is_in_dump(&self, source: usize, item: &Item, sequencer: &Sequencer) -> bool {
        let vantage = match &item.event {
            Event::Update(update) => update.vantage,
            Event::PeerUp { vantage, .. } | Event::PeerDown { vantage, .. } => *vantage,
            _ => return false,
        };
        let dumped = sequencer.number(source, vantage).and_then(|v| self.dumped.get(&v));
        dumped.is_some_and(|as_of| item.time < *as_of)
    }

    fn advance(&mut self, i: usize) {
        let lane = &mut self.lanes[i];
        self.skipped.time_jump += lane.advance();
        if lane.next.is_some() {
            self.order.insert((lane.clock, i));
        }
    }

    /// Octets read of all inputs.
    pub fn position(&self) -> u64 {
        self.lanes.iter().map(|l| l.reader.progress().0).sum()
    }

    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Each input, in the order of the command line.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.lanes.iter().map(|lane| &lane.reader)
    }

    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for lane in &self.lanes {
            sum.add(lane.reader.counts().clone());
        }
        sum
    }
}
