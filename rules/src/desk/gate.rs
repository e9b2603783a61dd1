//! From sighting to offence to incident: distinct peers, hold-down, company, and the limits of memory.

use std::sync::Arc;

use ipnet::IpNet;

use super::incident::{Holder, Lost, Offence, OffenceKey, OffenceRef};
use super::record::{OffenceRecord, RouteEnd};
use super::tenure::is_tenure;
use super::timers::Timer;
use super::{Desk, Settings, Suppressed};
use crate::alert::{Class, ReasonCode, Source, SourceState};
use crate::bgp::{PathAttributes, Timestamp, Update, VantageId};
use crate::finding::{Code, Finding, Kind};
use crate::limits;
use crate::shard::{EndedBy, Sighting};

/// How an offence ended that nobody saw any more.
pub(super) struct End {
    pub seen: Timestamp,
    pub code: ReasonCode,
    /// Nobody was watching: it is only known that it is gone.
    pub is_unseen: bool,
}

impl Desk {
    /// An offending route is there, or goes on in another shape.
    pub(super) fn seen(&mut self, sighting: &Sighting, finding: Arc<Finding>, attributes: Arc<PathAttributes>) {
        let Some(at) = self.offence_of(sighting, &finding, &attributes) else {
            self.count_suppressed(sighting.class, Suppressed::Limit);
            return;
        };
        let offence = &self.offences[at.0 as usize];
        let was_held = offence.is_active() || !offence.lost.is_empty();
        let is_back = self.hold(at, sighting, &attributes);
        self.weigh(at, sighting, &finding, &attributes);
        let story = self.offences[at.0 as usize].incident;
        match story {
            Some(incident) if is_back && self.incidents[incident.0 as usize].is_open() => {
                self.member_back(incident, at, &finding, sighting.seen);
            }
            // Only what became normal is resolved while it is held or waited for; another path, a session that returns or a
            // restart do not make it news again.
            Some(incident) if was_held && !self.incidents[incident.0 as usize].is_open() => {}
            Some(incident) => self.member_seen(incident, at, sighting, &finding, &attributes),
            None => self.try_open(at),
        }
    }

    /// Keeps the gravest finding. New facts make all that was found before them old: the first finding of their event
    /// takes its place.
    fn weigh(&mut self, at: OffenceRef, sighting: &Sighting, finding: &Arc<Finding>, attributes: &Arc<PathAttributes>) {
        if finding.class == Class::OriginHijack {
            self.note_tenure(at, finding.codes.iter().copied().find(|c| is_tenure(*c)));
        }
        let seq = self.new_facts.is_some().then_some(self.seq);
        let offence = &mut self.offences[at.0 as usize];
        // Whether a forged origin draws everything one way shows only as other routes arrive: until it is told, the latest
        // word on that counts, not the gravest.
        if offence.incident.is_none()
            && finding.codes.contains(&Code::NoFunnel)
            && offence.best.codes.contains(&Code::Funnel)
        {
            let best = Arc::make_mut(&mut offence.best);
            best.codes.iter_mut().filter(|code| **code == Code::Funnel).for_each(|code| *code = Code::NoFunnel);
        }
        if seq.is_some() && offence.weighed_in != seq {
            offence.weighed_in = seq;
            offence.best = finding.clone();
            offence.first = finding.clone();
            offence.first_route = (sighting.vantage, attributes.clone());
            self.note_new_facts(at);
        } else if better(finding, &offence.best) {
            offence.best = finding.clone();
        }
    }

    /// What stood alone by its proof would need company now: new facts took the proof away.
    pub(super) fn has_lost_its_proof(&self, sighting: &Sighting, finding: &Finding) -> Option<EndedBy> {
        let kind = sighting.class.kind();
        let key = OffenceKey { kind, key_as: sighting.key_as, prefix: sighting.prefix };
        let offence = &self.offences[self.by_key.get(&key)?.0 as usize];
        let is_kept = |i| offence.is_active() || !offence.lost.is_empty() || !self.is_forgotten(i);
        let stood_alone = offence.incident.is_some_and(is_kept) && !offence.best.needs_company;
        let code = match &self.new_facts {
            Some(facts) if facts.is_of_config() => ReasonCode::AllowRule,
            _ if matches!(kind, Kind::Leak | Kind::Forged) => ReasonCode::Aspa,
            _ => ReasonCode::Roa,
        };
        (self.new_facts.is_some() && stood_alone && finding.needs_company).then_some(EndedBy::Cleared(code))
    }

    /// The incident of the offence rests on other facts now.
    fn note_new_facts(&mut self, at: OffenceRef) {
        let reason = self.new_facts_about(ReasonCode::DataChanged, at);
        let offence = &mut self.offences[at.0 as usize];
        match offence.incident {
            Some(story) => {
                let incident = &mut self.incidents[story.0 as usize];
                incident.new_facts = reason;
                incident.reweigh = true;
                self.dirty.insert(story);
            }
            // It began in this very event.
            None if offence.first_at == self.now && offence.began_by.is_none() => offence.began_by = reason,
            None => {}
        }
    }

    /// Finds the offence or makes one. An old one that was left and never told, or long ago, starts anew.
    pub(super) fn offence_of(
        &mut self,
        sighting: &Sighting,
        finding: &Arc<Finding>,
        attributes: &Arc<PathAttributes>,
    ) -> Option<OffenceRef> {
        let key = OffenceKey { kind: sighting.class.kind(), key_as: sighting.key_as, prefix: sighting.prefix };
        let fresh = Offence {
            key,
            started: sighting.seen,
            first_at: self.now,
            ended: None,
            holders: Vec::new(),
            grew_at: self.now,
            tenure: None,
            regained_at: None,
            peers: Vec::new(),
            lost: Vec::new(),
            first: finding.clone(),
            first_route: (sighting.vantage, attributes.clone()),
            best: finding.clone(),
            weighed_in: None,
            began_by: None,
            incident: None,
            record: OffenceRecord::default(),
            last_end: ReasonCode::Withdrawn,
            unwatched: false,
            ended_unseen: false,
            allowed: false,
        };
        if let Some(at) = self.by_key.get(&key).copied() {
            let offence = &self.offences[at.0 as usize];
            let is_over = !offence.is_active() && offence.lost.is_empty();
            let forgotten = offence.incident.is_some_and(|i| self.is_forgotten(i));
            let is_untold = offence.incident.is_none();
            if !is_over || !(is_untold || forgotten) {
                return Some(at);
            }
        }
        if self.offences.len() >= limits::OFFENCES {
            return None;
        }
        let at = OffenceRef(self.offences.len() as u32);
        self.offences.push(fresh);
        self.by_key.insert(key, at);
        Some(at)
    }

    /// True if the session was waited for.
    pub(super) fn hold(&mut self, at: OffenceRef, sighting: &Sighting, attributes: &Arc<PathAttributes>) -> bool {
        let peer_as = self.peer_as(sighting.vantage);
        let is_same_route = self.new_facts.is_some();
        // With one of its routes back, nobody waits for the others of the session.
        let is_other = |l: &Lost| l.vantage == sighting.vantage && l.path_id != sighting.path_id;
        self.record_given_up(at, is_other, RouteEnd { seen: sighting.seen, why: ReasonCode::OutOfSight });
        let offence = &mut self.offences[at.0 as usize];
        offence.ended = None;
        offence.unwatched = false;
        offence.ended_unseen = false;
        offence.allowed = false;
        let waited_for = offence.lost.len();
        offence.lost.retain(|l| l.vantage != sighting.vantage);
        let is_back = offence.lost.len() < waited_for;
        if let Err(i) = offence.peers.binary_search(&peer_as) {
            offence.peers.insert(i, peer_as);
            offence.grew_at = self.now;
        }
        let holder = Holder {
            vantage: sighting.vantage,
            path_id: sighting.path_id,
            class: sighting.class,
            since: sighting.seen,
            attributes: attributes.clone(),
        };
        match offence.holder(sighting.vantage, sighting.path_id, sighting.class) {
            // Judged otherwise, it is still the route that it was.
            Ok(_) if is_same_route => {}
            Ok(i) => {
                offence.holders[i] = holder;
                self.record_held(at, sighting, attributes, is_back);
            }
            Err(i) => {
                let is_first = offence.holders.is_empty();
                offence.holders.insert(i, holder);
                self.count_holder(at, sighting.vantage, is_first, 1);
                self.record_held(at, sighting, attributes, is_back);
            }
        }
        is_back
    }

    /// Opens an incident, or joins one, as soon as the gates are passed; sets the timer for what is missing.
    pub(super) fn try_open(&mut self, at: OffenceRef) {
        let offence = &self.offences[at.0 as usize];
        if offence.incident.is_some() || !offence.is_held() {
            return;
        }
        let (key, best) = (offence.key, offence.best.clone());
        if key.kind == Kind::NewPrefix && self.lets_out_many(key.key_as) {
            return;
        }
        let is_beside_hijack = best.class == Class::RouteLeak && self.is_beside_hijack(at);
        if best.needs_company && !is_beside_hijack {
            return self.try_company(at, best.class);
        }
        let settled = self.offences[at.0 as usize].first_at.plus_secs(self.settings.hold_down_secs);
        if self.now < settled {
            // By then somebody else should have it.
            self.timers.set(settled, Timer::Gate(at));
            if key.kind.is_novelty() {
                return;
            }
        }
        let story = self.open_story(key.kind, key.key_as).filter(|_| self.has_a_good_witness(at));
        if let Some(story) = story {
            if self.points_of(at) + self.points_beside(story) >= 1 || best.is_always_told() {
                self.join(story, at);
            }
            return;
        }
        let Settings { min_peer_ases, hold_down_secs, .. } = self.settings;
        let (min_peers, hold_down) = match best.is_watched() && self.has_a_good_witness(at) {
            true if key.kind.is_own() => (1, hold_down_secs),
            true => (1, 0),
            // It belongs to what is told already.
            false if is_beside_hijack => (1, hold_down_secs),
            false => (min_peer_ases, hold_down_secs),
        };
        let offence = &self.offences[at.0 as usize];
        let deadline = offence.first_at.plus_secs(hold_down);
        if self.now < deadline {
            self.timers.set(deadline, Timer::Gate(at));
            return;
        }
        if offence.peers.len() < min_peers {
            return;
        }
        if self.points_of(at) < 1 && !best.is_always_told() {
            return self.try_several_victims(at);
        }
        self.open(at, ReasonCode::Seen);
    }

    pub(super) fn pass_gate(&mut self, at: OffenceRef) {
        self.note_alone(at);
        match self.offences[at.0 as usize].incident {
            Some(incident) => {
                self.settle_tenure(at);
                self.dirty.insert(incident);
            }
            None => self.try_open(at),
        }
    }

    /// An offending route is gone.
    pub(super) fn ended(&mut self, sighting: &Sighting, by: EndedBy) {
        let key = OffenceKey { kind: sighting.class.kind(), key_as: sighting.key_as, prefix: sighting.prefix };
        let Some(at) = self.by_key.get(&key).copied() else { return };
        let offence = &mut self.offences[at.0 as usize];
        let Ok(i) = offence.holder(sighting.vantage, sighting.path_id, sighting.class) else { return };
        offence.holders.remove(i);
        let is_last = offence.holders.is_empty();
        if by == EndedBy::LostSight {
            let lost = Lost { vantage: sighting.vantage, path_id: sighting.path_id, since: self.now };
            offence.lost.retain(|l| (l.vantage, l.path_id) != (lost.vantage, lost.path_id));
            offence.lost.push(lost);
            self.awaited.entry(key.prefix).or_default().insert(at);
            self.timers.set(self.now.plus_secs(limits::LOST_SIGHT_SECS), Timer::LostSight(at));
        }
        self.count_holder(at, sighting.vantage, is_last, -1);
        let code = by.reason();
        self.record_ended(at, sighting, RouteEnd { seen: sighting.seen, why: code });
        if is_last && self.new_facts.is_some() {
            self.note_new_facts(at);
        }
        if is_last {
            self.left(at, sighting.seen, code);
        }
    }

    /// Nobody holds the offence any more; unless a lost session may still, it is over.
    pub(super) fn left(&mut self, at: OffenceRef, seen: Timestamp, code: ReasonCode) {
        let offence = &mut self.offences[at.0 as usize];
        offence.last_end = code;
        if !offence.lost.is_empty() {
            return;
        }
        offence.ended = Some(seen);
        self.take_back_hand_over(at);
        match self.offences[at.0 as usize].incident {
            Some(incident) => self.member_over(incident, at, seen, code),
            None => self.over_before_told(at, code),
        }
    }

    /// Shorter than the hold-down: still told, once it is over, with its true duration; unless nobody is to blame.
    fn over_before_told(&mut self, at: OffenceRef, code: ReasonCode) {
        let offence = &self.offences[at.0 as usize];
        let best = offence.best.clone();
        let enough = offence.peers.len() >= self.settings.min_peer_ases || best.is_watched();
        let is_proof_of_end = matches!(code, ReasonCode::Withdrawn | ReasonCode::Replaced);
        if code == ReasonCode::BadInput {
            self.count_suppressed(best.class, Suppressed::Quarantine);
        } else if best.needs_company || !enough || !is_proof_of_end || best.class.kind().is_own() {
            self.count_suppressed(best.class, Suppressed::Gate);
        } else if self.points_of(at) < 1 && !best.is_always_told() {
            self.count_suppressed(best.class, Suppressed::Noise);
        } else {
            self.open_and_close(at, code);
        }
    }

    pub(super) fn offences_waiting_for(&self, vantage: VantageId) -> Vec<OffenceRef> {
        let waits = |o: &Offence| o.lost.iter().any(|l| l.vantage == vantage);
        self.offences.iter().enumerate().filter(|(_, o)| waits(o)).map(|(i, _)| OffenceRef(i as u32)).collect()
    }

    /// Waits no longer for some of the sessions that were lost; with the last one the offence is over.
    pub(super) fn stop_waiting(&mut self, at: OffenceRef, given_up: impl Fn(&Lost) -> bool, end: End) {
        self.record_given_up(at, &given_up, RouteEnd { seen: end.seen, why: end.code });
        let offence = &mut self.offences[at.0 as usize];
        offence.lost.retain(|l| !given_up(l));
        if offence.lost.is_empty() && !offence.is_active() && offence.ended.is_none() {
            offence.ended_unseen = offence.unwatched && end.is_unseen;
            self.left(at, end.seen, end.code);
        }
    }

    pub(super) fn give_up_waiting(&mut self, at: OffenceRef) {
        let waited_enough = self.now.plus_secs(-limits::LOST_SIGHT_SECS);
        let end = End { seen: self.now, code: ReasonCode::OutOfSight, is_unseen: false };
        // Each session has an hour of its own.
        self.stop_waiting(at, |l| l.since <= waited_enough, end);
    }

    /// A session that is waited for speaks of the prefix again. If it had brought the offence back, it would not be
    /// waited for any more: so it has no such route now.
    pub(super) fn heard(&mut self, update: &Update) {
        if self.awaited.is_empty() || self.is_of_before(update.seen) {
            return;
        }
        let gone = update.withdrawn.iter().map(|n| (n, ReasonCode::Withdrawn));
        for (nlri, code) in gone.chain(update.announced.iter().map(|n| (n, ReasonCode::Replaced))) {
            let Some(waiting) = self.awaited.get(&nlri.prefix).cloned() else { continue };
            let speaks = |l: &Lost| (l.vantage, l.path_id) == (update.vantage, nlri.path_id);
            for at in waiting {
                // With the data that proved it gone, no finding is no proof of innocence.
                if code == ReasonCode::Replaced && self.cannot_tell(at) {
                    continue;
                }
                if self.offences[at.0 as usize].lost.iter().any(speaks) {
                    self.stop_waiting(at, speaks, End { seen: update.seen, code, is_unseen: false });
                }
            }
            self.forget_awaited(&nlri.prefix);
        }
    }

    /// What made it an offence is expired or not there yet, so its routes would not be reported now.
    pub(super) fn cannot_tell(&self, at: OffenceRef) -> bool {
        let usable = [SourceState::Fresh, SourceState::Stale, SourceState::Frozen];
        let is_gone = |source: &Option<Source>| source.as_ref().is_none_or(|s| !usable.contains(&s.state));
        self.offences[at.0 as usize].best.codes.iter().any(|code| match code {
            Code::RovInvalidAsn | Code::RovInvalidLength | Code::SquatAs0 | Code::RoaExpiring => is_gone(&self.vrps),
            Code::AspaNotProvider | Code::AspaLeak | Code::OtcLeakSigned => is_gone(&self.aspas),
            Code::AspaLacksProvider | Code::AspaNamesAs0 | Code::AspaNamesItself => is_gone(&self.aspas),
            _ => false,
        })
    }

    fn forget_awaited(&mut self, prefix: &IpNet) {
        let offences = &self.offences;
        let Some(waiting) = self.awaited.get_mut(prefix) else { return };
        waiting.retain(|at| !offences[at.0 as usize].lost.is_empty());
        if waiting.is_empty() {
            self.awaited.remove(prefix);
        }
    }
}

/// More points; of equal points the graver class. A finding that stands alone beats one that needs company, and a leak that
/// went beyond the observer's own neighbor one that may not have.
fn better(new: &Finding, old: &Finding) -> bool {
    let is_beyond = |f: &Finding| f.leak.as_ref().is_none_or(|l| !l.at_observer);
    let rank =
        |f: &Finding| (!f.needs_company, is_beyond(f), f.points(), std::cmp::Reverse(f.class), f.constituents.len());
    rank(new) > rank(old)
}

/// Two kinds of story never need visibility: what is in the registry, and slips.
pub(super) fn counts_visibility(kind: Kind) -> bool {
    matches!(kind, Kind::Origin | Kind::Leak | Kind::Forged)
}
