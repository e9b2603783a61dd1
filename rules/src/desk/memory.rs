//! What does the desk keep over a restart, and how does it go on from there?
//!
//! Of an offence that was held, the holders become sessions that are waited for: each says by its next word about the
//! prefix, by its table, or by an hour of silence whether the route is still there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::incident::{Incident, IncidentRef, Lost, Offence, OffenceRef};
use super::record::OffenceRecord;
use super::timers::Timer;
use super::{Desk, Output};
use crate::bgp::{Timestamp, Update, VantageId, VantagePoint};
use crate::checkpoint::{Chapter, Checkpoint, DeskMemory, Member, Parts, PrefixMemory, Story};
use crate::event::{Role, Stamped};
use crate::limits;
use crate::session::Cause;

/// What is left to settle after a restart.
pub struct Before {
    /// The last moment that is known of: the checkpoint, or an alert after it.
    until: Timestamp,
    restored_at: Timestamp,
    /// Sessions whose table a dump brought.
    dumped: BTreeSet<VantageId>,
}

impl Desk {
    /// Everything of this moment, with what the shards gave out at the same event.
    pub fn checkpoint(&self, stamped: &Stamped, prefixes: Vec<Vec<PrefixMemory>>) -> Output {
        Output::Checkpoint(Box::new(Parts { seq: stamped.seq, at: stamped.at, desk: self.memory(), prefixes }))
    }

    fn memory(&self) -> DeskMemory {
        let mut stories: Vec<Story> = Vec::new();
        let mut room = limits::CHECKPOINT_OFFENCES;
        for at in (0..self.incidents.len() as u32)
            .map(IncidentRef)
            .filter(|at| !self.is_forgotten(*at) || self.is_normal(*at))
        {
            // One huge story must not cost all others their place.
            let story = self.story(at, room.min(limits::CHECKPOINT_OFFENCES / 10));
            room -= story.members.len();
            if !story.members.is_empty() {
                stories.push(story);
            }
        }
        let is_pending = |o: &&Offence| o.incident.is_none() && (o.is_active() || !o.lost.is_empty());
        let numbered = self.offences.iter().enumerate().filter(|(_, o)| is_pending(o));
        let mut pending: Vec<Member> = numbered.map(|(i, o)| member(i as u32, o)).take(room).collect();
        let is_free = |o: &Offence| !self.by_key.get(&o.key).is_some_and(|at| self.is_remembered(*at));
        let allowed = (self.offences.len() as u32..).zip(self.allowed.as_offences().filter(is_free));
        let room = room - pending.len();
        pending.extend(allowed.map(|(order, offence)| Member { order, offence }).take(room));
        // Places in the list of those that are kept, so that a restart does not change them.
        let mut members: Vec<&mut Member> =
            stories.iter_mut().flat_map(|s| &mut s.members).chain(&mut pending).collect();
        members.sort_by_key(|m| m.order);
        (0..).zip(members).for_each(|(order, member)| member.order = order);
        DeskMemory {
            learning: self.learning,
            learning_since: self.learning_since,
            baseline_as_of: self.baseline_as_of,
            vantage: self.vantage.clone(),
            // In any order: whoever merges the parts sorts it.
            known: Vec::from_iter(self.known.iter().copied()),
            tables: self.tables.memory(),
            short: self.short.history(),
            stories,
            pending,
            set_aside: self.quarantined().into_iter().map(|(vantage, _, cause)| (vantage, cause)).collect(),
            roles: self.roles.iter().map(|(ases, relation)| Role { ases: *ases, relation: *relation }).collect(),
        }
    }

    /// It stands in a checkpoint by itself.
    fn is_remembered(&self, at: OffenceRef) -> bool {
        let offence = &self.offences[at.0 as usize];
        match offence.incident {
            Some(incident) => !self.is_forgotten(incident) || self.is_normal(incident),
            None => offence.is_active() || !offence.lost.is_empty(),
        }
    }

    /// Kept for the checkpoint alone: whoever puts events in order makes relations of it.
    pub(super) fn note_role(&mut self, role: Role) {
        let Role { ases, relation } = role.ordered();
        if self.roles.len() < limits::MARKED_STEPS || self.roles.contains_key(&ases) {
            self.roles.insert(ases, relation);
        }
    }

    fn story(&self, at: IncidentRef, most: usize) -> Story {
        let incident = &self.incidents[at.0 as usize];
        let mut offences: Vec<OffenceRef> = incident.offences.iter().copied().take(most).collect();
        let best = offences.iter().position(|o| *o == incident.best).unwrap_or_else(|| {
            // The gravest must be among them.
            offences.pop();
            offences.push(incident.best);
            offences.len() - 1
        });
        let members = offences.into_iter().take(most).map(|o| member(o.0, &self.offences[o.0 as usize])).collect();
        let incident = Incident {
            offences: Vec::new(),
            active: 0,
            best: OffenceRef::default(),
            peers: BTreeMap::new(),
            due: Vec::new(),
            ..incident.clone()
        };
        Story { incident, members, best }
    }

    /// What has to be known of an incident so that its next alert is not lost, doubled or told anew.
    pub(super) fn chapter(&self, at: IncidentRef) -> Chapter {
        let story = self.story(at, limits::CHAPTER_MEMBERS);
        let named = story
            .members
            .iter()
            .flat_map(|m| m.offence.lost.iter().map(|l| l.vantage).chain([m.offence.first_route.0]));
        let points = named.filter_map(|v| Some((v.0, self.vantage.get(v.0 as usize)?.clone()))).collect();
        Chapter { seq: self.seq, at: self.now, story, points }
    }

    /// Goes on where the checkpoint was made.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) {
        let memory = &checkpoint.desk;
        self.learning = memory.learning;
        self.learning_since = memory.learning_since;
        self.baseline_as_of = memory.baseline_as_of;
        memory.known.iter().for_each(|known| self.learn(*known));
        let told = memory.stories.iter().map(|s| s.incident.told.at);
        self.before = Some(Before {
            until: told.fold(checkpoint.at, Timestamp::max),
            restored_at: self.now,
            dumped: BTreeSet::new(),
        });
        let ours: HashMap<&Arc<VantagePoint>, VantageId> =
            self.vantage.iter().enumerate().map(|(i, v)| (v, VantageId(i as u32))).collect();
        let numbers: Vec<Option<VantageId>> = memory.vantage.iter().map(|v| ours.get(v).copied()).collect();
        let number = |v: VantageId| numbers.get(v.0 as usize).copied().flatten();
        for (family, vantage, size) in &memory.tables {
            if let Some(vantage) = number(*vantage) {
                self.tables.remember(*family, vantage, *size);
            }
        }
        for short in &memory.short {
            if let Some(vantage) = number(VantageId(short.vantage)) {
                self.short.remember(vantage, short);
            }
        }
        let lone = memory.set_aside.iter().filter(|(_, cause)| *cause == Cause::LoneWitness);
        lone.filter_map(|(vantage, _)| number(*vantage)).for_each(|vantage| self.doubt(vantage));
        memory.roles.iter().for_each(|role| self.note_role(*role));
        let places = self.restore_offences(checkpoint, number);
        let mut first = 0;
        for story in &memory.stories {
            let next = first + story.members.len();
            self.restore_story(story, &places[first..next], checkpoint.at);
            first = next;
        }
    }

    /// Puts all offences in their old order; where those of the stories, then the pending ones, now stand.
    fn restore_offences(
        &mut self,
        checkpoint: &Checkpoint,
        number: impl Fn(VantageId) -> Option<VantageId>,
    ) -> Vec<OffenceRef> {
        let memory = &checkpoint.desk;
        let members: Vec<&Member> = memory.stories.iter().flat_map(|s| &s.members).chain(&memory.pending).collect();
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|i| members[*i].order);
        let mut places = vec![OffenceRef(0); members.len()];
        for i in order {
            let mut offence = members[i].offence.clone();
            offence.renumber(&number);
            places[i] = self.restore_offence(offence, checkpoint.at);
        }
        places
    }

    /// What was due before the checkpoint has happened; what was due since then happens at once.
    fn set_if_due(&mut self, kept_at: Timestamp, deadline: Timestamp, timer: Timer) {
        if deadline >= kept_at {
            self.timers.set(deadline, timer);
        }
    }

    fn restore_offence(&mut self, mut offence: Offence, kept_at: Timestamp) -> OffenceRef {
        let at = OffenceRef(self.offences.len() as u32);
        offence.lost.iter_mut().for_each(|l| l.since = self.now);
        if !offence.lost.is_empty() {
            self.awaited.entry(offence.key.prefix).or_default().insert(at);
            self.timers.set(self.now.plus_secs(limits::LOST_SIGHT_SECS), Timer::LostSight(at));
        } else {
            offence.ended.get_or_insert(self.now);
        }
        if !offence.allowed {
            self.set_if_due(kept_at, offence.first_at.plus_secs(self.settings.hold_down_secs), Timer::Gate(at));
        }
        self.by_key.insert(offence.key, at);
        self.offences.push(offence);
        at
    }

    fn restore_story(&mut self, story: &Story, members: &[OffenceRef], kept_at: Timestamp) {
        let at = IncidentRef(self.incidents.len() as u32);
        let mut incident = story.incident.clone();
        incident.offences = members.to_vec();
        incident.best = members[story.best];
        // What the checkpoint had no room for is found again, and is no news until then.
        incident.told.prefixes = incident.told.prefixes.min(members.len());
        for member in members {
            self.offences[member.0 as usize].incident = Some(at);
        }
        let waits = members.iter().any(|m| !self.offences[m.0 as usize].lost.is_empty());
        if incident.is_open() && !waits {
            incident.ended.get_or_insert(self.now);
            let quiet_since = *incident.quiet_since.get_or_insert(self.now);
            self.timers.set(quiet_since.plus_secs(limits::RESOLVE_SECS), Timer::Resolve(at));
        }
        if incident.is_open() {
            self.set_if_due(kept_at, incident.told.at.plus_secs(limits::UPDATE_SECS), Timer::Refresh(at));
            // First it has to show whether it stands at all.
            let shown = self.now.plus_secs(limits::LOST_SIGHT_SECS + 2 * limits::RESOLVE_SECS);
            self.timers.set(incident.normal_at().max(shown), Timer::Normal(at));
        }
        self.stories.entry((incident.kind, incident.key_as)).or_default().push(at);
        self.incidents.push(incident);
    }

    /// A day after a restart whoever did not come back is gone.
    pub(super) fn settle_restart(&mut self) {
        let is_over = |b: &Before| self.now.secs_since(b.restored_at) >= limits::LEARNING_SECS as f64;
        if self.before.as_ref().is_some_and(is_over) {
            self.before = None;
            self.tables.forget_carried();
        }
    }

    /// Seen well before that: judged by then, and no proof of what is now.
    pub(super) fn is_of_before(&self, seen: Timestamp) -> bool {
        self.before.as_ref().is_some_and(|b| seen <= b.until.plus_secs(-limits::LAG_SECS))
    }

    /// A short prefix of a dump is history, unless an offence there was left open.
    pub(super) fn seed_short(&mut self, update: &Update) {
        if update.announced.iter().any(|n| self.awaited.contains_key(&n.prefix)) {
            for sighting in self.short.apply(update) {
                self.sighting(sighting);
            }
        } else {
            self.short.seed(update);
        }
    }

    pub(super) fn seeded(&mut self, update: &Update) {
        if let Some(before) = &mut self.before {
            before.dumped.insert(update.vantage);
        }
    }

    /// Tables of after that, or that were followed to there, show what is still held.
    pub(super) fn dumped_tables_are_back(&mut self, as_of: Timestamp) {
        let Some(before) = self.before.as_mut().filter(|b| as_of > b.until) else { return };
        for vantage in std::mem::take(&mut before.dumped) {
            self.table_is_back(vantage);
        }
    }
}

/// An offence without its holders: they are sessions to wait for.
fn member(order: u32, offence: &Offence) -> Member {
    let mut lost = offence.lost.clone();
    for holder in &offence.holders {
        lost.push(Lost { vantage: holder.vantage, path_id: holder.path_id, since: Timestamp::default() });
    }
    lost.iter_mut().for_each(|l| l.since = Timestamp::default());
    lost.sort_unstable_by_key(|l| (l.vantage, l.path_id));
    lost.dedup();
    let offence = Offence {
        key: offence.key,
        started: offence.started,
        first_at: offence.first_at,
        ended: offence.ended,
        holders: Vec::new(),
        peers: offence.peers.clone(),
        grew_at: offence.grew_at,
        tenure: offence.tenure,
        regained_at: offence.regained_at,
        lost,
        first: offence.first.clone(),
        first_route: offence.first_route.clone(),
        best: offence.best.clone(),
        weighed_in: None,
        began_by: offence.began_by.clone(),
        incident: None,
        record: OffenceRecord::default(),
        last_end: offence.last_end,
        unwatched: offence.is_held(),
        ended_unseen: offence.ended_unseen,
        allowed: offence.allowed,
    };
    Member { order, offence }
}
