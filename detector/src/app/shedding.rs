//! Is there room for all that is heard, and what goes if there is not?
//!
//! Looked at once a second, in front of the shards, by counts that they and the desk tell of. Those are a moment old, which
//! is why what is decided is an event: a recording has it where it was decided. A replay of anything else sheds nothing, since
//! what it says must not depend on its speed.

use std::sync::{Arc, Mutex, PoisonError};

use rules::bgp::Timestamp;
use rules::shed::{Decision, Shed, SoFar, decide};

use crate::pipeline::Status;

/// How things stand, for whoever reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub budget: Option<u64>,
    pub estimated: u64,
    pub history_is_shed: bool,
    /// Over the budget, and all that is left is needed.
    pub is_too_small: bool,
}

/// Decides what is shed.
pub struct Shedding {
    room: Room,
    told: Arc<Mutex<Room>>,
    so_far: SoFar,
    /// When something was shed last. Counts of before that say nothing.
    last: Timestamp,
}

impl Shedding {
    pub fn new(budget: Option<u64>, told: Arc<Mutex<Room>>) -> Self {
        Self { room: Room { budget, ..Room::default() }, told, so_far: SoFar::default(), last: Timestamp::MIN }
    }

    /// What has to go now.
    pub fn look(&mut self, status: &Status) -> Option<Arc<Shed>> {
        let (as_of, tables) = {
            let desk = status.desk.lock().unwrap_or_else(PoisonError::into_inner);
            (desk.as_of, desk.tables.clone())
        };
        // The shards tell their counts before the desk tells of a tick: what is read after it is no older.
        let counts = status.counts();
        self.room.estimated = counts.estimate();
        let mut shed = None;
        if let Some(budget) = self.room.budget.filter(|_| as_of > self.last) {
            let decision = decide(&counts, &tables, self.so_far, budget);
            self.so_far.note(&decision);
            self.room.history_is_shed = self.so_far.history_is_shed;
            self.room.is_too_small = decision == Decision::NothingLeft;
            if let Decision::Shed(decided) = decision {
                shed = Some(Arc::new(decided));
            }
        }
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = self.room;
        shed
    }

    /// It was said at this moment of the engine's clock.
    pub fn said(&mut self, at: Timestamp) {
        self.last = at;
    }
}

#[cfg(test)]
mod tests;
