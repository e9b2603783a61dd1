use std::collections::BTreeSet;

use super::Desk;
use super::forget::Places;
use super::incident::{IncidentRef, OffenceRef};
use crate::bgp::{Timestamp, VantageId};

/// What can fall due. The order of the variants is the order at equal deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The hold-down of an offence is over.
    Gate(OffenceRef),
    /// A minute without an offending route.
    Resolve(IncidentRef),
    /// Counts may be refreshed again.
    Refresh(IncidentRef),
    /// A session that came back has sent its table.
    TableTransfer(VantageId),
    /// Nobody came back to say whether the route is still there.
    LostSight(OffenceRef),
    /// The story became the normal state.
    Normal(IncidentRef),
    /// An allow rule is over.
    AllowRules,
    /// A lone witness has been none for long enough.
    Believe(VantageId),
}

/// Deadlines in order.
#[derive(Default)]
pub struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    /// Of the first one: with nearly every event nothing is due, which shows without a look into the tree.
    earliest: Option<Timestamp>,
}

impl Timers {
    pub fn set(&mut self, at: Timestamp, timer: Timer) {
        self.due.insert((at, timer));
        self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
    }

    fn remove(&mut self, due: &(Timestamp, Timer)) {
        self.due.remove(due);
        self.earliest = self.due.first().map(|(at, _)| *at);
    }

    /// With everything at its new place; what is about nothing any more goes.
    pub fn moved_up(self, offences: &Places, incidents: &Places) -> Self {
        let moved = |(at, timer): (Timestamp, Timer)| {
            let timer = match timer {
                Timer::Gate(offence) => Timer::Gate(offences.offence(offence)?),
                Timer::LostSight(offence) => Timer::LostSight(offences.offence(offence)?),
                Timer::Resolve(incident) => Timer::Resolve(incidents.incident(incident)?),
                Timer::Refresh(incident) => Timer::Refresh(incidents.incident(incident)?),
                Timer::Normal(incident) => Timer::Normal(incidents.incident(incident)?),
                Timer::TableTransfer(_) | Timer::AllowRules | Timer::Believe(_) => timer,
            };
            Some((at, timer))
        };
        let due: BTreeSet<_> = self.due.into_iter().filter_map(moved).collect();
        Self { earliest: due.first().map(|(at, _)| *at), due }
    }

    fn is_due(&self, until: Timestamp, is_end: bool) -> bool {
        debug_assert_eq!(self.earliest, self.due.first().map(|(at, _)| *at));
        self.earliest.is_some_and(|at| at < until || is_end) && self.first(until, is_end).is_some()
    }

    /// The earliest one before `until`; at the end of input only gates, and up to `until` itself.
    fn first(&self, until: Timestamp, is_end: bool) -> Option<(Timestamp, Timer)> {
        if is_end {
            let mut gates = self.due.iter().filter(|(_, t)| matches!(t, Timer::Gate(_)));
            gates.next().copied().filter(|(at, _)| *at <= until)
        } else {
            self.due.first().copied().filter(|(at, _)| *at < until)
        }
    }
}

impl Desk {
    /// Lets everything happen that was due before `until`. Timers of one moment make one change.
    pub(super) fn run_timers(&mut self, until: Timestamp, is_end: bool) {
        if self.dirty.is_empty() && !self.timers.is_due(until, is_end) {
            return;
        }
        loop {
            while let Some(due) = self.timers.first(until, is_end) {
                if due.0 > self.now {
                    self.flush();
                    // What is told at this moment may set a timer that is due before.
                    if self.timers.first(until, is_end) != Some(due) {
                        continue;
                    }
                    self.now = due.0;
                }
                self.timers.remove(&due);
                self.fire(due.1);
            }
            // What is told now may set timers that are due as well.
            self.flush();
            if !self.timers.is_due(until, is_end) {
                return;
            }
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Gate(offence) => self.pass_gate(offence),
            Timer::Resolve(incident) => self.resolve_if_quiet(incident),
            Timer::Refresh(incident) => {
                self.dirty.insert(incident);
            }
            Timer::TableTransfer(vantage) => self.table_is_back(vantage),
            Timer::LostSight(offence) => self.give_up_waiting(offence),
            Timer::Normal(incident) => self.became_normal(incident),
            Timer::AllowRules => self.rules_expire(),
            Timer::Believe(vantage) => self.believe(vantage),
        }
    }
}
