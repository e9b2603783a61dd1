//! When are relations worked out, and from what? Sees every event before the shards do, and gives what they are to judge by.
//!
//! Everything it knows comes from the events, in their order, so a recording need not hold what it gave: read again, it gives
//! the same at the same places.

use std::sync::Arc;

use super::Relations;
use super::evidence::Evidence;
use super::infer::{Inferred, infer};
use super::merge::{is_old, merge};
use crate::bgp::Timestamp;
use crate::event::{Event, Role};
use crate::limits;
use crate::rpki::Snapshot;

pub struct Observer {
    evidence: Evidence,
    /// Only the ASPAs of it are kept.
    signed: Snapshot,
    file: Arc<Relations>,
    inferred: Option<Inferred>,
    worked_out_at: Option<Timestamp>,
    /// The file was found to be old.
    is_old: bool,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            evidence: Evidence::default(),
            signed: Snapshot::default(),
            file: Arc::new(Relations::none()),
            inferred: None,
            worked_out_at: None,
            is_old: false,
        }
    }
}

impl Observer {
    /// Learns from an event; what has to be said before it, if anything has.
    pub fn before(&mut self, at: Timestamp, event: &Event) -> Option<Arc<Relations>> {
        match event {
            Event::Seed(update) => self.evidence.seed(&update.attributes, at),
            Event::Update(update) if !update.announced.is_empty() => self.evidence.update(&update.attributes, at),
            Event::Role(role) => self.evidence.role(*role),
            Event::Rpki(delta) => self.signed.apply_aspas(delta),
            Event::SeedDone { .. } => return self.work_out(at),
            Event::Tick if self.is_due(at) => return self.work_out(at),
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
        (self.is_old || self.inferred.is_some()).then(|| self.merged(at))
    }

    /// Rows of ASes that were left out for want of room.
    pub fn dropped(&self) -> u64 {
        self.evidence.dropped()
    }

    fn is_due(&mut self, at: Timestamp) -> bool {
        let since = *self.worked_out_at.get_or_insert(at);
        at.secs_since(since) >= limits::INFER_EVERY_SECS as f64
    }

    /// None if nothing is known that was not known before.
    fn work_out(&mut self, at: Timestamp) -> Option<Arc<Relations>> {
        self.worked_out_at = Some(at);
        let inferred = infer(&self.evidence.shown(at), &self.signed.aspas);
        let was_old = std::mem::replace(&mut self.is_old, is_old(&self.file.source, at));
        if inferred == self.inferred && was_old == self.is_old {
            return None;
        }
        self.inferred = inferred;
        Some(self.merged(at))
    }

    fn merged(&self, at: Timestamp) -> Arc<Relations> {
        Arc::new(merge(&self.file, self.inferred.as_ref(), at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Source, SourceState};
    use crate::bgp::{AsPath, Asn, Nlri, PathAttributes, Update, VantageId};
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
        let announced = vec![Nlri { prefix: "192.0.2.0/24".parse().expect("a prefix"), path_id: 0 }];
        let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
        Update { vantage: VantageId(0), seen: at(day), withdrawn: Vec::new(), announced, attributes }
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
        assert_eq!(out[first.0].at, at(2).plus_secs(3_600), "a day later, in the hour that is its origin's turn");
    }

    #[test]
    fn a_file_is_put_together_with_the_routes_and_grows_old() {
        let (mut stamper, mut out) = (Stamper::default(), Vec::new());
        stamper.push(at(0), file(), &mut out);
        assert!(said(&out).is_empty(), "the file alone is told as it is");
        seeds(&mut stamper, &mut out);
        stamper.push(at(0), Event::SeedDone { as_of: at(0) }, &mut out);
        stamper.push(at(91), Event::Tick, &mut out);
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
