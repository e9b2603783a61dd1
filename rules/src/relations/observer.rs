//! When are relations worked out, and from what? Sees every event before the shards do, and gives what they are to judge by.
//!
//! Everything it knows comes from the events, in their order, so a recording need not hold what it gave: read again, it gives
//! the same at the same places.

use std::sync::Arc;

use super::Relations;
use super::evidence::Evidence;
use super::infer::Inferred;
use super::merge::{is_old, merge};
use super::task::{Outcome, Pending, Task, Worker};
use crate::bgp::Timestamp;
use crate::event::{Event, Role};
use crate::limits;
use crate::rpki::Snapshot;

pub struct Observer {
    evidence: Evidence,
    /// Only the ASPAs of it are kept.
    signed: Arc<Snapshot>,
    file: Arc<Relations>,
    inferred: Option<Inferred>,
    /// The file was found to be old.
    is_old: bool,
    /// When they are worked out next; none before the first tick.
    next: Option<Timestamp>,
    /// What is being worked out, and from when on it holds.
    pending: Option<(Timestamp, Pending)>,
    worker: Worker,
}

impl Default for Observer {
    fn default() -> Self {
        Self::with_worker(Task::put_off)
    }
}

impl Observer {
    /// Whoever works meanwhile, what is said is the same.
    pub fn with_worker(worker: Worker) -> Self {
        Self {
            evidence: Evidence::default(),
            signed: Arc::default(),
            file: Arc::new(Relations::none()),
            inferred: None,
            is_old: false,
            next: None,
            pending: None,
            worker,
        }
    }

    /// Learns from an event; what has to be said before it, if anything has.
    pub fn before(&mut self, at: Timestamp, event: &Event) -> Option<Arc<Relations>> {
        match event {
            Event::Seed(update) => self.evidence.seed(&update.attributes, at),
            Event::Update(update) if !update.announced.is_empty() => self.evidence.update(&update.attributes, at),
            Event::Role(role) => self.evidence.role(*role),
            Event::Rpki(delta) if delta.changes_aspas() => Arc::make_mut(&mut self.signed).apply_aspas(delta),
            Event::SeedDone { .. } => return self.dump_was_read(at),
            Event::Tick => return self.tick(at),
            _ => {}
        }
        None
    }

    /// Known from before a restart.
    pub fn role(&mut self, role: Role) {
        self.evidence.role(role);
    }

    /// What has to be said after it: a file is told as it is, and then what it is worth beside the routes.
    pub fn after(&mut self, at: Timestamp, event: &Event) -> Option<Arc<Relations>> {
        let Event::Relations(file) = event else { return None };
        self.file = file.clone();
        self.is_old = is_old(&file.source, at);
        if self.pending.take().is_some() {
            // It would bring back the file before: begun anew with the next tick.
            self.next = Some(at);
        }
        (self.is_old || self.inferred.is_some()).then(|| Arc::new(merge(&self.file, self.inferred.as_ref(), at)))
    }

    /// Rows of ASes that were left out for want of room.
    pub fn dropped(&self) -> u64 {
        self.evidence.dropped()
    }

    /// The first dump speaks before it becomes the baseline; what a later one shows is no hurry.
    fn dump_was_read(&mut self, at: Timestamp) -> Option<Arc<Relations>> {
        if self.inferred.is_some() {
            self.begin(at);
            return None;
        }
        self.pending = None;
        let task = self.task(at);
        self.take(task.work_out())
    }

    fn tick(&mut self, at: Timestamp) -> Option<Arc<Relations>> {
        let due = self.pending.take_if(|(from, _)| at >= *from);
        let said = due.and_then(|(_, outcome)| self.take(outcome()));
        if at >= *self.next.get_or_insert(at.plus_secs(limits::INFER_EVERY_SECS)) {
            self.begin(at);
        }
        said
    }

    /// Has them worked out. What was begun before and does not hold yet never will.
    fn begin(&mut self, at: Timestamp) {
        let task = self.task(at);
        self.pending = Some((at.plus_secs(limits::INFER_SECS), (self.worker)(task)));
    }

    fn task(&mut self, at: Timestamp) -> Task {
        self.next = Some(at.plus_secs(limits::INFER_EVERY_SECS));
        Task { shown: self.evidence.shown(at), signed: self.signed.clone(), file: self.file.clone(), at }
    }

    /// None if nothing is known that was not known before.
    fn take(&mut self, outcome: Outcome) -> Option<Arc<Relations>> {
        let was_old = std::mem::replace(&mut self.is_old, outcome.is_old);
        if outcome.inferred == self.inferred && was_old == self.is_old {
            return None;
        }
        self.inferred = outcome.inferred;
        Some(outcome.relations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Source, SourceState};
    use crate::bgp::{AsPath, Asn, Nlri, Nlris, PathAttributes, Update, VantageId};
    use crate::desk::{Desk, Output};
    use crate::event::Stamped;
    use crate::relations::Relation;
    use crate::relations::infer::tests::paths;
    use crate::stamp::Stamper;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_secs(1_600_000_000 + day * DAY)
    }

    fn update(path: &[u32], day: i64) -> Update {
        let as_path = AsPath::sequence(path.iter().copied().map(Asn).collect::<Vec<_>>());
        let announced = Nlris::from([Nlri { prefix: "192.0.2.0/24".parse().expect("a prefix"), path_id: 0 }]);
        let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
        Update { vantage: VantageId(0), seen: at(day), withdrawn: Nlris::new(), announced, attributes }
    }

    fn file() -> Event {
        let source = Source { name: "file".into(), serial: None, as_of: Some(at(0)), state: SourceState::Fresh };
        let edges = [(Asn(1), Asn(64496), Relation::Customer)];
        Event::Relations(Arc::new(Relations::new(source, edges, Vec::new(), Vec::new(), Vec::new())))
    }

    /// Place among all events, name and state of every relation that was worked out.
    fn said(out: &[Stamped]) -> Vec<(usize, String, SourceState)> {
        let relations = |s: &Stamped| match &s.event {
            Event::Inferred(r) => Some((r.source.name.to_string(), r.source.state)),
            _ => None,
        };
        out.iter().enumerate().filter_map(|(i, s)| relations(s).map(|(name, state)| (i, name, state))).collect()
    }

    fn seeds(stamper: &mut Stamper, out: &mut Vec<Stamped>) {
        paths().iter().for_each(|path| stamper.push(at(0), Event::Seed(update(path, 0)), out));
    }

    #[test]
    fn without_a_file_the_dump_speaks_before_it_becomes_the_baseline() {
        let (mut stamper, mut out) = (Stamper::default(), Vec::new());
        seeds(&mut stamper, &mut out);
        stamper.push(at(0), Event::SeedDone { as_of: at(0) }, &mut out);
        assert_eq!(said(&out), [(out.len() - 2, "inferred".to_owned(), SourceState::Fresh)]);
        out.clear();
        stamper.push(at(2), Event::Tick, &mut out);
        assert!(said(&out).is_empty(), "nothing is known that was not known before");
    }

    #[test]
    fn routes_that_stand_for_a_day_say_it_too() {
        let (mut stamper, mut out) = (Stamper::default(), Vec::new());
        for hour in (0..3).flat_map(|day| (0..4).map(move |hour| at(day).plus_secs(hour * 3_600))) {
            paths().iter().for_each(|path| stamper.push(hour, Event::Update(update(path, 0)), &mut out));
        }
        let first = said(&out).into_iter().next().expect("relations");
        // Worked out a day later, in the hour that is its origin's turn; an hour on there is the next tick.
        assert_eq!(out[first.0].at, at(2).plus_secs(7_200));
    }

    /// Every event that the worker had its part in, as text.
    fn lived(worker: Worker) -> Vec<String> {
        let (mut stamper, mut out) = (Stamper::with_worker(worker), Vec::new());
        seeds(&mut stamper, &mut out);
        stamper.push(at(0), Event::SeedDone { as_of: at(0) }, &mut out);
        stamper.push(at(0).plus_secs(1), Event::Tick, &mut out);
        // It is due a day after the dump, and what comes until it holds counts the next time only.
        let begun = at(1);
        stamper.push(begun, Event::Tick, &mut out);
        stamper.push(begun, Event::Role(Role { ases: (Asn(13), Asn(12)), relation: Relation::Customer }), &mut out);
        for day in 1..=2 {
            for secs in 1..=2 * limits::INFER_SECS {
                stamper.push(at(day).plus_secs(secs), Event::Tick, &mut out);
            }
        }
        // Another file puts an end to what is under way.
        stamper.push(at(3), Event::Tick, &mut out);
        stamper.push(at(3).plus_secs(5), file(), &mut out);
        (6..=100).for_each(|secs| stamper.push(at(3).plus_secs(secs), Event::Tick, &mut out));
        out.iter().map(|stamped| format!("{} {} {:?}", stamped.seq, stamped.at, word(&stamped.event))).collect()
    }

    fn word(event: &Event) -> String {
        match event {
            Event::Inferred(relations) => format!("{:?} {:?}", relations.source, relations.edges()),
            Event::Tick => "tick".to_owned(),
            Event::Relations(_) => "file".to_owned(),
            _ => String::new(),
        }
    }

    #[test]
    fn whoever_works_and_however_long_the_same_is_said_at_the_same_place() {
        let at_once: Worker = |task| {
            let outcome = task.work_out();
            Box::new(move || outcome)
        };
        let in_a_thread: Worker = |task| {
            let thread = std::thread::spawn(move || task.work_out());
            Box::new(move || thread.join().expect("no panic"))
        };
        let events = lived(Task::put_off);
        assert_eq!(events, lived(at_once));
        assert_eq!(events, lived(in_a_thread));
        let secs = |day: i64, secs: i64| format!("{}", at(day).plus_secs(secs));
        let said: Vec<_> =
            events.iter().filter(|e| e.contains("Source")).map(|e| e.split(' ').nth(1).unwrap()).collect();
        // It is begun with the first tick of a day after the last time.
        let role = secs(2, 1 + limits::INFER_SECS);
        // The dump; the role a day after the first work; the file with what was known, which the work begun anew only confirms.
        assert_eq!(said, [secs(0, 0), role, secs(3, 5)]);
    }

    #[test]
    fn a_file_is_put_together_with_the_routes_and_grows_old() {
        let (mut stamper, mut out) = (Stamper::default(), Vec::new());
        stamper.push(at(0), file(), &mut out);
        assert!(said(&out).is_empty(), "the file alone is told as it is");
        seeds(&mut stamper, &mut out);
        stamper.push(at(0), Event::SeedDone { as_of: at(0) }, &mut out);
        stamper.push(at(91), Event::Tick, &mut out);
        assert_eq!(said(&out).len(), 1, "it holds a minute later");
        stamper.push(at(91).plus_secs(limits::INFER_SECS), Event::Tick, &mut out);
        let states: Vec<_> = said(&out).into_iter().map(|(_, name, state)| (name, state)).collect();
        let both = "file and inferred".to_owned();
        // After three months of silence nothing is left that shows relations.
        assert_eq!(states, [(both, SourceState::Fresh), ("file".to_owned(), SourceState::Stale)]);
        out.clear();
        stamper.push(at(91), file(), &mut out);
        assert_eq!(said(&out), [(1, "file".to_owned(), SourceState::Stale)]);
    }
    /// What the second of two ASes is to the first, by what was worked out last.
    fn between(out: &[Stamped], a: u32, b: u32) -> Option<Relation> {
        let mut worked_out = out.iter().rev().filter_map(|s| match &s.event {
            Event::Inferred(relations) => Some(relations.clone()),
            _ => None,
        });
        worked_out.next().and_then(|relations| relations.between(Asn(a), Asn(b)))
    }

    #[test]
    fn what_two_ases_said_to_each_other_outlives_a_restart() {
        let live = |role: Option<Event>, out: &mut Vec<Stamped>| {
            let mut stamper = Stamper::default();
            role.into_iter().for_each(|role| stamper.push(at(0), role, out));
            seeds(&mut stamper, out);
            stamper.push(at(0), Event::SeedDone { as_of: at(0) }, out);
        };
        let role = Role { ases: (Asn(13), Asn(12)), relation: Relation::Customer };
        let mut desk = Desk::default();
        let mut first = Vec::new();
        live(Some(Event::Role(role)), &mut first);
        first.iter().for_each(|stamped| desk.begin(stamped));
        let parts = match desk.checkpoint(&first[0], Vec::new()) {
            Output::Checkpoint(parts) => parts,
            other => panic!("{other:?}"),
        };
        let (mut without, mut second) = (Vec::new(), Vec::new());
        live(None, &mut without);
        live(Some(Event::Restore(Arc::new(parts.merge()))), &mut second);
        assert_ne!(between(&without, 12, 13), Some(Relation::Provider), "the routes say otherwise");
        assert_eq!(between(&first, 12, 13), Some(Relation::Provider));
        assert_eq!(between(&second, 12, 13), Some(Relation::Provider));
    }
}
