//! The one order of all events: a dense number and a clock that never goes back, with a tick for each second crossed,
//! relations wherever the routes show others than before, and what becomes of sessions by what they say. What a session says
//! that was shed goes no further.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bgp::{Timestamp, VantageId, VantagePoint};
use crate::checkpoint::DeskMemory;
use crate::event::{Event, Stamped};
use crate::relations::observer::Observer;
use crate::relations::task::Worker;
use crate::session::{Cause, Sessions};

/// Gives every event its place. What is pushed first comes first.
#[derive(Default)]
pub struct Stamper {
    next_seq: u64,
    now: Option<Timestamp>,
    relations: Observer,
    sessions: Sessions,
    numbers: HashMap<Arc<VantagePoint>, VantageId>,
}

impl Stamper {
    /// Relations are worked out by this worker: by itself it does so where they are to hold.
    pub fn with_worker(worker: Worker) -> Self {
        Self { relations: Observer::with_worker(worker), ..Self::default() }
    }

    /// Appends the event, with a tick before it if its time is in a later second than the last one. A tick needs no
    /// tick: so a recording, which has them all, comes out as it went in.
    pub fn push(&mut self, time: Timestamp, event: Event, out: &mut Vec<Stamped>) {
        let at = self.now.map_or(time, |now| now.max(time));
        // Most come in the same moment, which shows without the seconds.
        let is_later = self.now.is_some_and(|now| now != at && now.secs() < at.secs());
        if is_later && !matches!(event, Event::Tick) {
            self.tick(Timestamp::from_secs(at.secs()), out);
        }
        self.now = Some(at);
        if event.session().is_some_and(|session| self.sessions.is_shed(session)) {
            return;
        }
        match &event {
            Event::Tick => return self.tick(at, out),
            // In a recording it stands where it was decided first.
            Event::Session(standing) if !self.sessions.note(*standing, at) => return,
            Event::Shed(shed) => self.sessions.shed(shed),
            Event::Vantage(id, point) => drop(self.numbers.insert(point.clone(), *id)),
            _ => {}
        }
        let restored = match &event {
            Event::Restore(checkpoint) => Some(checkpoint.clone()),
            _ => None,
        };
        for standing in self.sessions.judge(&event, at) {
            self.stamp(at, Event::Session(standing), out);
        }
        self.observed(at, event, out);
        if let Some(checkpoint) = restored {
            self.carry_on(&checkpoint.desk, at, out);
        }
    }

    /// Which sessions were not believed, and what ASes said that they are to each other. Lone witnesses are the desk's.
    fn carry_on(&mut self, memory: &DeskMemory, at: Timestamp, out: &mut Vec<Stamped>) {
        for role in &memory.roles {
            self.relations.role(*role);
        }
        for (vantage, cause) in memory.set_aside.iter().filter(|(_, cause)| *cause != Cause::LoneWitness) {
            let point = memory.vantage.get(vantage.0 as usize);
            if let Some(id) = point.and_then(|point| self.numbers.get(point)) {
                let standing = self.sessions.carry_on(*id, *cause, at);
                self.stamp(at, Event::Session(standing), out);
            }
        }
    }

    fn tick(&mut self, at: Timestamp, out: &mut Vec<Stamped>) {
        self.observed(at, Event::Tick, out);
        for standing in self.sessions.judge(&Event::Tick, at) {
            self.stamp(at, Event::Session(standing), out);
        }
    }

    /// The end of input: the clock advances by one hold-down.
    pub fn end(&mut self, hold_down_secs: i64, out: &mut Vec<Stamped>) {
        let at = self.now.unwrap_or_default().plus_secs(hold_down_secs);
        self.stamp(at, Event::End, out);
    }

    /// The clock as of the last event.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// What was left out of the inference of relations for want of room.
    pub fn relation_rows_dropped(&self) -> u64 {
        self.relations.dropped()
    }

    #[inline]
    fn observed(&mut self, at: Timestamp, event: Event, out: &mut Vec<Stamped>) {
        if let Some(relations) = self.relations.before(at, &event) {
            self.stamp(at, Event::Inferred(relations), out);
        }
        let after = self.relations.after(at, &event);
        self.stamp(at, event, out);
        if let Some(relations) = after {
            self.stamp(at, Event::Inferred(relations), out);
        }
    }

    #[inline]
    fn stamp(&mut self, at: Timestamp, event: Event, out: &mut Vec<Stamped>) {
        out.push(Stamped { seq: self.next_seq, at, event });
        self.next_seq += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_and_ticks_once_a_jump() {
        let mut stamper = Stamper::default();
        let mut out = Vec::new();
        for secs in [10, 9, 11, 15] {
            stamper.push(Timestamp::from_secs(secs), Event::SeedDone { as_of: Timestamp::MIN }, &mut out);
        }
        let times: Vec<i64> = out.iter().map(|s| s.at.secs()).collect();
        assert_eq!(times, [10, 10, 11, 11, 15, 15]);
        assert!(out.iter().enumerate().all(|(i, s)| s.seq == i as u64));
    }
}
