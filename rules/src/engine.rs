//! One shard and the desk in one thread: the oracle for "the number of shards does not matter".

use crate::desk::{Desk, Output, Settings};
use crate::event::{Event, Stamped};
use crate::shard::{KeyRange, Keyed, Shard};

pub struct Engine {
    shards: Vec<Shard>,
    desk: Desk,
    reports: Vec<Keyed>,
}

impl Engine {
    pub fn new(settings: Settings) -> Self {
        Self::with_shards(settings, 1)
    }

    /// Several shards in one thread, for tests of the merge.
    pub fn with_shards(settings: Settings, count: usize) -> Self {
        let shards = (0..count).map(|index| Shard::new(KeyRange { index, count })).collect();
        Self { shards, desk: Desk::new(settings, false), reports: Vec::new() }
    }

    pub fn handle(&mut self, stamped: &Stamped) -> Vec<Output> {
        self.reports.clear();
        for shard in &mut self.shards {
            shard.handle(stamped, &mut self.reports);
        }
        self.reports.sort_by(Keyed::order);
        self.desk.begin(stamped);
        for keyed in &self.reports {
            self.desk.report(&keyed.report);
        }
        self.desk.finish(stamped);
        let mut out = self.desk.take_output();
        if matches!(stamped.event, Event::Checkpoint) {
            out.push(self.desk.checkpoint(stamped, self.shards.iter().map(Shard::memory).collect()));
        }
        out
    }

    /// See [`Desk::keep_chapters`].
    pub fn keep_chapters(&mut self) {
        self.desk.keep_chapters();
    }

    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Routes and prefixes held by all shards.
    pub fn sizes(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(r, p), s| (r + s.rib().route_count(), p + s.rib().prefix_count()))
    }
}
