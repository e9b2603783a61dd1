//! The life of an incident: opened, joined, updated, resolved, reopened, retracted; and when each is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::incident::{Due, Incident, IncidentRef, OffenceRef, SegmentKey, Told};
use super::record::Recorded;
use super::timers::Timer;
use super::{Desk, Output};
use crate::alert::{Class, Episode, Reason, ReasonCode, SamplePath, Severity, Status, Transition};
use crate::bgp::{Asn, Family, PathAttributes, Timestamp, VantageId};
use crate::finding::{Finding, Kind};
use crate::limits;
use crate::shard::Sighting;

impl Desk {
    /// The story that takes new members of this kind and AS: open or within the re-open window, and still growing.
    pub(super) fn open_story(&self, kind: Kind, key_as: Asn) -> Option<IncidentRef> {
        let stories = self.stories.get(&(kind, key_as))?;
        stories.iter().rev().copied().find(|at| {
            let incident = &self.incidents[at.0 as usize];
            let grows = self.now.secs_since(incident.gained_at) < limits::STORY_GAIN_SECS as f64;
            let is_over = incident.kind.is_novelty() && self.is_normal(*at);
            grows && !is_over && incident.status != Status::Retracted && !self.is_forgotten(*at)
        })
    }

    /// Resolved longer ago than the re-open window, or taken back.
    pub(super) fn is_forgotten(&self, at: IncidentRef) -> bool {
        let incident = &self.incidents[at.0 as usize];
        let window = self.settings.reopen_secs as f64;
        incident.status == Status::Retracted
            || incident.resolved_at.is_some_and(|t| !incident.is_open() && self.now.secs_since(t) > window)
    }

    pub(super) fn open(&mut self, at: OffenceRef, code: ReasonCode) {
        if self.incidents.len() >= limits::INCIDENTS {
            let class = self.offences[at.0 as usize].best.class;
            return self.count_suppressed(class, super::Suppressed::Limit);
        }
        let offence = &self.offences[at.0 as usize];
        let (key, started, best) = (offence.key, offence.started, offence.best.clone());
        let story = IncidentRef(self.incidents.len() as u32);
        self.incidents.push(Incident {
            id: incident_id(key.kind, key.key_as, &key.prefix.to_string(), started),
            kind: key.kind,
            key_as: key.key_as,
            sequence: 0,
            status: Status::Open,
            class: best.class,
            severity: Severity::Low,
            score: 0,
            provisional: true,
            started,
            opened: self.now,
            last_seen: started,
            ended: None,
            resolved_at: None,
            quiet_since: None,
            episodes: vec![Episode { started, ended: None }],
            gained_at: self.now,
            offences: Vec::new(),
            active: 0,
            best: at,
            peers: BTreeMap::new(),
            ever_peers: BTreeSet::new(),
            peers_peak: 0,
            share_peak: None,
            collectors: BTreeSet::new(),
            samples: Vec::new(),
            suspects: Vec::new(),
            maybe_suspects: BTreeSet::new(),
            accepted_by: BTreeSet::new(),
            expected: BTreeSet::new(),
            detected: BTreeSet::new(),
            victims: BTreeSet::new(),
            victim_times: BTreeMap::new(),
            constituents: BTreeSet::new(),
            segments: BTreeMap::new(),
            due: Vec::new(),
            told: Told::default(),
            new_facts: None,
            reweigh: false,
            recorded: Recorded::default(),
        });
        self.stories.entry((key.kind, key.key_as)).or_default().push(story);
        self.timers.set(self.incidents[story.0 as usize].normal_at(), Timer::Normal(story));
        let began_by = self.offences[at.0 as usize].began_by.clone();
        match (code, began_by) {
            (ReasonCode::ShortLived, _) => {
                self.announce_transition(story, Transition::Opened, code, "over before the hold-down was");
            }
            (_, Some(reason)) => self.announce_for(story, Transition::Opened, reason),
            (_, None) => self.announce_transition(story, Transition::Opened, code, "the gates were passed"),
        }
        self.join(story, at);
    }

    /// An event that is over before its gates: told in two steps of one moment.
    pub(super) fn open_and_close(&mut self, at: OffenceRef, code: ReasonCode) {
        let key = self.offences[at.0 as usize].key;
        if let Some(story) = self.open_story(key.kind, key.key_as) {
            self.join(story, at);
            return self.member_over(story, at, self.offences[at.0 as usize].ended.unwrap_or(self.now), code);
        }
        let before = self.incidents.len();
        self.open(at, ReasonCode::ShortLived);
        if self.incidents.len() > before {
            let story = IncidentRef(before as u32);
            let ended = self.offences[at.0 as usize].ended.unwrap_or(self.now);
            self.close_episode(story, ended);
            self.resolve(story, code);
        }
    }

    pub(super) fn join(&mut self, story: IncidentRef, at: OffenceRef) {
        if !self.incidents[story.0 as usize].is_open() {
            self.reopen(story, self.offences[at.0 as usize].started);
        }
        let now = self.now;
        let offence = &mut self.offences[at.0 as usize];
        offence.incident = Some(story);
        let is_active = offence.is_active();
        let started = offence.started;
        let (first, first_route) = (offence.first.clone(), offence.first_route.clone());
        let holders = offence.holders.clone();
        let ever: Vec<Asn> = offence.peers.clone();
        let best = offence.best.clone();
        let family = Family::of(&offence.key.prefix);
        // Of what is over already, nobody will be counted any more.
        let (seen_by, share) = if is_active { (0, None) } else { (ever.len(), self.share_of(&ever, family)) };
        let point = self.vantage.get(first_route.0.0 as usize);
        let incident = &mut self.incidents[story.0 as usize];
        incident.collectors.extend(point.filter(|_| !is_active).map(|p| p.collector.clone()));
        incident.peers_peak = incident.peers_peak.max(seen_by);
        incident.share_peak = incident.share_peak.into_iter().chain(share).reduce(f64::max);
        incident.offences.push(at);
        incident.gained_at = now;
        incident.started = incident.started.min(started);
        if let Some(first_episode) = incident.episodes.first_mut().filter(|_| incident.sequence == 0) {
            first_episode.started = first_episode.started.min(started);
        }
        incident.last_seen = incident.last_seen.max(started);
        incident.active += usize::from(is_active);
        incident.ever_peers.extend(ever);
        incident.quiet_since = if is_active { None } else { incident.quiet_since };
        self.tell_record(at, story);
        self.absorb(story, at, &first);
        self.absorb(story, at, &best);
        self.sample(story, at, first_route.0, &first_route.1, started);
        for holder in holders {
            self.count_peer(story, holder.vantage, 1);
            self.sample(story, at, holder.vantage, &holder.attributes, holder.since);
            let incident = &mut self.incidents[story.0 as usize];
            incident.last_seen = incident.last_seen.max(holder.since);
        }
        if let Some(leak) = &best.leak {
            let key: SegmentKey = (leak.from, leak.leaker, leak.to, leak.rfc7908_type);
            let segments = &mut self.incidents[story.0 as usize].segments;
            if segments.contains_key(&key) || segments.len() < limits::ALERT_SEGMENTS {
                *segments.entry(key).or_default() += 1;
            }
        }
        let is_better = self.points_of(at) > self.points_of(self.incidents[story.0 as usize].best);
        if is_better {
            self.incidents[story.0 as usize].best = at;
        }
        self.dirty.insert(story);
    }

    /// Takes over what a finding says about who is involved.
    fn absorb(&mut self, story: IncidentRef, at: OffenceRef, finding: &Finding) {
        let is_new_adjacency = self.is_new_adjacency(finding);
        let now = self.offences[at.0 as usize].first_at;
        let relations = self.relations.clone();
        let incident = &mut self.incidents[story.0 as usize];
        let forged_neighbor = finding
            .adjacency
            .map(|a| a.neighbor)
            .filter(|n| is_new_adjacency && finding.class.kind() == Kind::Origin && !finding.suspects.contains(n));
        let maybe = forged_neighbor.or(finding.maybe_suspect);
        incident.maybe_suspects.extend(maybe.filter(|m| !finding.expected_origins.contains(m)));
        for suspect in finding.suspects.iter().copied() {
            if !incident.suspects.contains(&suspect) && incident.suspects.len() < limits::ALERT_SUSPECTS {
                incident.suspects.push(suspect);
            }
        }
        incident.accepted_by.extend(finding.accepted_by);
        incident.expected.extend(finding.expected_origins.iter().copied());
        incident.detected.extend(finding.detected_origin);
        let holders = finding.rov.covering.iter().map(|v| v.asn).filter(|a| a.0 != 0);
        let from = finding.leak.as_ref().map(|l| l.from);
        let is_hijack = matches!(finding.class.kind(), Kind::Origin | Kind::Forged);
        let is_victim =
            |a: &Asn| Some(*a) != finding.detected_origin || !is_hijack || finding.class == Class::ForgedOrigin;
        let roa_holders = holders.filter(|_| is_hijack).filter(is_victim);
        let victims: BTreeSet<Asn> = finding.expected_origins.iter().copied().chain(roa_holders).chain(from).collect();
        // Above the limit there is nothing left to learn from one more.
        let has_room = incident.victim_times.len() < limits::MASS_VICTIMS;
        for victim in victims.iter().filter(|_| has_room) {
            let is_related = relations
                .as_ref()
                .is_some_and(|r| incident.victim_times.keys().any(|v| v != victim && r.are_siblings(*v, *victim)));
            if !is_related && finding.expected_origins.first() == Some(victim) {
                incident.victim_times.entry(*victim).or_insert(now);
            }
        }
        incident.victims.extend(victims);
        incident.constituents.extend(finding.constituents.iter().cloned());
        incident.class = incident.class.min(finding.class);
    }

    /// A session that was waited for has the route still: what it shows was told before, but for what new data say of it.
    pub(super) fn member_back(&mut self, story: IncidentRef, at: OffenceRef, finding: &Finding, seen: Timestamp) {
        let best = self.incidents[story.0 as usize].best;
        let is_graver = best != at && self.points_of(at) > self.points_of(best);
        let incident = &mut self.incidents[story.0 as usize];
        if is_graver {
            incident.best = at;
        }
        incident.constituents.extend(finding.constituents.iter().cloned());
        incident.last_seen = incident.last_seen.max(seen);
        incident.quiet_since = None;
        incident.ended = None;
        self.dirty.insert(story);
    }

    /// A member is seen again, at another vantage point, or over another path.
    pub(super) fn member_seen(
        &mut self,
        story: IncidentRef,
        at: OffenceRef,
        sighting: &Sighting,
        finding: &Arc<Finding>,
        attributes: &Arc<PathAttributes>,
    ) {
        if !self.incidents[story.0 as usize].is_open() {
            self.reopen(story, sighting.seen);
        }
        let is_announcement = self.new_facts.is_none();
        let incident = &mut self.incidents[story.0 as usize];
        if is_announcement {
            incident.last_seen = incident.last_seen.max(sighting.seen);
        }
        incident.quiet_since = None;
        incident.ended = None;
        self.absorb(story, at, finding);
        self.sample(story, at, sighting.vantage, attributes, sighting.seen);
        let best = self.incidents[story.0 as usize].best;
        if best != at && self.points_of(at) > self.points_of(best) {
            self.incidents[story.0 as usize].best = at;
        }
        self.dirty.insert(story);
    }

    /// Counts a holder in or out of the incident it belongs to.
    pub(super) fn count_holder(&mut self, at: OffenceRef, vantage: VantageId, is_edge: bool, by: i32) {
        if is_edge {
            self.count_link(at, by > 0);
        }
        let Some(story) = self.offences[at.0 as usize].incident else { return };
        self.count_peer(story, vantage, by);
        let incident = &mut self.incidents[story.0 as usize];
        if is_edge && by > 0 {
            incident.active += 1;
        } else if is_edge {
            incident.active -= 1;
        }
        self.dirty.insert(story);
    }

    fn count_peer(&mut self, story: IncidentRef, vantage: VantageId, by: i32) {
        let Some(point) = self.vantage.get(vantage.0 as usize) else { return };
        let incident = &mut self.incidents[story.0 as usize];
        if by > 0 {
            *incident.peers.entry(point.peer_as).or_default() += 1;
            incident.ever_peers.insert(point.peer_as);
            if incident.collectors.len() < limits::ALERT_COLLECTORS {
                incident.collectors.insert(point.collector.clone());
            }
            incident.peers_peak = incident.peers_peak.max(incident.peers.len());
        } else if let Some(routes) = incident.peers.get_mut(&point.peer_as) {
            *routes -= 1;
            if *routes == 0 {
                incident.peers.remove(&point.peer_as);
            }
        }
    }

    fn sample(
        &mut self,
        story: IncidentRef,
        at: OffenceRef,
        vantage: VantageId,
        attributes: &Arc<PathAttributes>,
        seen: Timestamp,
    ) {
        let incident = &mut self.incidents[story.0 as usize];
        if incident.samples.len() >= limits::ALERT_SAMPLE_PATHS {
            return;
        }
        let Some(point) = self.vantage.get(vantage.0 as usize) else { return };
        let as_path = attributes.as_path.to_string();
        if incident.samples.iter().any(|s| s.as_path == as_path) {
            return;
        }
        incident.samples.push(SamplePath {
            prefix: self.offences[at.0 as usize].key.prefix,
            as_path,
            collector: point.collector.clone(),
            peer_as: point.peer_as,
            peer_address: point.peer_address,
            time: seen,
        });
    }

    /// A member is over; with the last one the story falls quiet, or is taken back if facts cleared it.
    pub(super) fn member_over(&mut self, story: IncidentRef, at: OffenceRef, seen: Timestamp, code: ReasonCode) {
        let offences = &self.offences;
        let incident = &mut self.incidents[story.0 as usize];
        self.dirty.insert(story);
        if incident.active > 0 || !incident.is_open() {
            return;
        }
        let waits = incident.offences.iter().any(|o| !offences[o.0 as usize].lost.is_empty());
        if waits {
            return;
        }
        if is_clearance(code) && !is_mended(incident.kind, code) {
            self.close_episode(story, seen);
            self.incidents[story.0 as usize].status = Status::Retracted;
            match self.new_facts_about(code, at) {
                Some(reason) => self.announce_for(story, Transition::Retracted, reason),
                None => {
                    self.announce_transition(story, Transition::Retracted, code, "new facts clear every route of it");
                }
            }
            return;
        }
        incident.quiet_since = Some(self.now);
        incident.ended = Some(seen);
        self.timers.set(self.now.plus_secs(limits::RESOLVE_SECS), Timer::Resolve(story));
    }

    pub(super) fn resolve_if_quiet(&mut self, story: IncidentRef) {
        let incident = &self.incidents[story.0 as usize];
        let due = incident.quiet_since.map(|t| t.plus_secs(limits::RESOLVE_SECS));
        if !incident.is_open() || due.is_none_or(|due| due > self.now) {
            return;
        }
        let ended = incident.ended.unwrap_or(self.now);
        let last = incident.offences.iter().map(|o| &self.offences[o.0 as usize]).max_by_key(|o| o.ended);
        let code = last.map_or(ReasonCode::Withdrawn, |o| o.last_end);
        self.close_episode(story, ended);
        self.resolve(story, code);
    }

    fn resolve(&mut self, story: IncidentRef, code: ReasonCode) {
        let members = self.incidents[story.0 as usize].offences.iter().map(|o| &self.offences[o.0 as usize]);
        let ended_unseen = members.max_by_key(|o| o.ended).is_some_and(|o| o.ended_unseen);
        let kind = self.incidents[story.0 as usize].kind;
        let is_loss = kind == Kind::VisibilityLoss;
        let detail = match code {
            ReasonCode::Withdrawn if ended_unseen => "ended while not watching",
            ReasonCode::Replaced if is_loss => "it is visible again",
            ReasonCode::Withdrawn if kind.is_novelty() => "it was withdrawn",
            ReasonCode::Replaced if kind.is_novelty() => "no vantage point has it so any more",
            ReasonCode::BecameNormal if kind.is_novelty() => "after an hour it is the normal state",
            ReasonCode::Replaced => "the last offending route was replaced",
            ReasonCode::OutOfSight => "the sessions that held it are gone: no proof of an end",
            ReasonCode::BecameNormal => "after 30 days it is the normal state",
            ReasonCode::Roa if kind == Kind::RoaExpiring => "the ROA was renewed, or is gone",
            ReasonCode::Roa => "the ROAs forbid it no longer",
            ReasonCode::Aspa => "the ASPA agrees with what is seen",
            _ => "the last offending route was withdrawn",
        };
        let incident = &mut self.incidents[story.0 as usize];
        incident.status = Status::Resolved;
        incident.resolved_at = Some(self.now);
        self.announce_transition(story, Transition::Resolved, code, detail);
    }

    pub(super) fn became_normal(&mut self, story: IncidentRef) {
        if !self.incidents[story.0 as usize].is_open() {
            return;
        }
        let due = self.incidents[story.0 as usize].normal_at();
        if self.now < due {
            return self.timers.set(due, Timer::Normal(story));
        }
        self.close_episode(story, self.now);
        self.resolve(story, ReasonCode::BecameNormal);
    }

    fn close_episode(&mut self, story: IncidentRef, ended: Timestamp) {
        let incident = &mut self.incidents[story.0 as usize];
        incident.ended = Some(ended);
        if let Some(episode) = incident.episodes.last_mut() {
            episode.ended = Some(ended.max(episode.started));
        }
    }

    fn reopen(&mut self, story: IncidentRef, seen: Timestamp) {
        let incident = &mut self.incidents[story.0 as usize];
        incident.status = Status::Open;
        incident.ended = None;
        incident.quiet_since = None;
        if incident.episodes.len() == limits::ALERT_EPISODES {
            // The oldest pause is given up, so that the sum of all episodes stays what it was.
            let first = incident.episodes[0];
            incident.episodes.remove(0);
            incident.episodes[0].started = first.started;
        }
        incident.episodes.push(Episode { started: seen, ended: None });
        let detail = match self.incidents[story.0 as usize].kind {
            Kind::VisibilityLoss => "it is lost again",
            kind if kind.is_novelty() => "it is back",
            _ => "offending routes are back",
        };
        self.announce_transition(story, Transition::Reopened, ReasonCode::SeenAgain, detail);
    }

    fn announce_transition(&mut self, story: IncidentRef, transition: Transition, code: ReasonCode, detail: &str) {
        let reason = self.reason(code, detail);
        self.announce_for(story, transition, reason);
    }

    fn announce_for(&mut self, story: IncidentRef, transition: Transition, reason: Reason) {
        self.incidents[story.0 as usize].due.push(Due { transition, reason });
        self.dirty.insert(story);
    }

    /// The watch list names others than before.
    pub(super) fn constituents_changed(&mut self, story: IncidentRef) {
        self.dirty.insert(story);
        let incident = &self.incidents[story.0 as usize];
        if incident.sequence > 0 && incident.due.is_empty() {
            let detail = "the watch list names others whom it concerns";
            self.announce_transition(story, Transition::Updated, ReasonCode::Constituents, detail);
        }
    }

    pub(super) fn reason(&self, code: ReasonCode, detail: &str) -> Reason {
        let source = match code {
            ReasonCode::Roa => self.vrps.as_ref(),
            ReasonCode::Aspa => self.aspas.as_ref(),
            ReasonCode::Relations => self.relations.as_ref().map(|r| &r.source),
            _ => None,
        };
        let default = match code {
            ReasonCode::AllowRule | ReasonCode::AllowRuleExpired | ReasonCode::DataChanged => "config",
            _ => "bgp",
        };
        Reason {
            code,
            detail: detail.to_owned(),
            source: source.map_or_else(|| default.to_owned(), |s| s.name.to_string()),
            as_of: source.and_then(|s| s.as_of),
        }
    }

    /// Tells what changed in this event, once per incident.
    pub(super) fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        for story in std::mem::take(&mut self.dirty) {
            self.refresh(story);
            let due = std::mem::take(&mut self.incidents[story.0 as usize].due);
            if due.is_empty() {
                self.tell_changes(story);
            }
            for step in due {
                self.tell(story, step.transition, step.reason);
            }
        }
    }

    /// Brings everything derived up to date: visibility, score, severity, class, gates.
    fn refresh(&mut self, story: IncidentRef) {
        let incident = &self.incidents[story.0 as usize];
        let family = Family::of(&self.offences[incident.offences[0].0 as usize].key.prefix);
        let ever: Vec<Asn> = incident.peers.keys().copied().collect();
        let share = self.share_of(&ever, family);
        let incident = &mut self.incidents[story.0 as usize];
        incident.share_peak = match (incident.share_peak, share) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.apply_mass_rule(story);
        if self.incidents[story.0 as usize].provisional && self.has_passed_gates(story) {
            self.incidents[story.0 as usize].provisional = false;
        }
        let reweigh = std::mem::take(&mut self.incidents[story.0 as usize].reweigh);
        if reweigh {
            self.find_best(story);
        }
        let (_, score) = self.evidence(story);
        if let Some(at) = self.settles_at(&self.incidents[story.0 as usize]).filter(|at| self.now < *at) {
            self.timers.set(at, Timer::Refresh(story));
        }
        let severity = self.severity(&self.incidents[story.0 as usize], score);
        let incident = &mut self.incidents[story.0 as usize];
        // An event that fades stays as grave as it was; only facts lower it.
        incident.severity = if reweigh && incident.is_open() { severity } else { incident.severity.max(severity) };
        incident.score = score;
        if (Some(incident.severity), score) == (incident.told.severity, incident.told.score) {
            // Weighed anew, and as grave as before: nothing to tell.
            incident.new_facts = None;
        }
    }

    /// The gravest member, of those that facts did not clear.
    fn find_best(&mut self, story: IncidentRef) {
        let counts = |o: &&OffenceRef| {
            let offence = &self.offences[o.0 as usize];
            offence.is_active() || !is_clearance(offence.last_end)
        };
        let members: Vec<OffenceRef> =
            self.incidents[story.0 as usize].offences.iter().filter(counts).copied().collect();
        let mut best: Option<(i32, OffenceRef)> = None;
        for at in members {
            let points = self.points_of(at);
            if best.is_none_or(|(most, _)| points > most) {
                best = Some((points, at));
            }
        }
        if let Some((_, at)) = best {
            self.incidents[story.0 as usize].best = at;
        }
    }

    /// RFC 7908 section 3.5: one AS originates the prefixes of many others within minutes.
    fn apply_mass_rule(&mut self, story: IncidentRef) {
        let incident = &self.incidents[story.0 as usize];
        let is_mass = incident.kind == Kind::Origin
            && self.recent_victims(incident) >= limits::REORIGINATION_VICTIMS
            && incident.class != Class::ReoriginationLeak;
        if is_mass {
            self.incidents[story.0 as usize].class = Class::ReoriginationLeak;
        }
    }

    fn has_passed_gates(&mut self, story: IncidentRef) -> bool {
        let (now, settings) = (self.now, self.settings);
        let mut wake = None;
        let passed = self.incidents[story.0 as usize].offences.iter().any(|at| {
            let offence = &self.offences[at.0 as usize];
            let deadline = offence.first_at.plus_secs(settings.hold_down_secs);
            if offence.peers.len() < settings.min_peer_ases {
                return false;
            }
            if now < deadline {
                wake = Some((deadline, *at));
            }
            now >= deadline
        });
        if let (false, Some((deadline, at))) = (passed, wake) {
            self.timers.set(deadline, Timer::Gate(at));
        }
        passed
    }

    fn tell_changes(&mut self, story: IncidentRef) {
        let incident = &self.incidents[story.0 as usize];
        if !incident.is_open() || incident.sequence == 0 {
            return;
        }
        let told = &incident.told;
        let suspects = incident.suspects();
        let at_once = if told.provisional && !incident.provisional {
            Some((ReasonCode::Confirmed, "the gates were passed".to_owned()))
        } else if told.severity != Some(incident.severity) {
            Some((ReasonCode::Severity, format!("now {}", incident.severity)))
        } else if told.class != Some(incident.class) {
            Some((ReasonCode::Class, format!("now {}", incident.class)))
        } else if told.suspects != suspects {
            Some((ReasonCode::Suspects, "another suspect".to_owned()))
        } else if told.constituents != incident.constituents.len() {
            Some((ReasonCode::Constituents, "another watched network is concerned".to_owned()))
        } else {
            None
        };
        let facts = incident.new_facts.clone();
        if let Some((code, detail)) = at_once {
            let reason = match facts {
                Some(facts) => Reason { code, detail: format!("{detail}: {}", facts.detail), ..facts },
                None => self.reason(code, &detail),
            };
            return self.tell(story, Transition::Updated, reason);
        }
        let (prefixes, peers) = (incident.offences.len(), incident.peers_peak);
        let counts = if prefixes != told.prefixes {
            Some(self.reason(ReasonCode::Prefixes, &format!("{prefixes} prefixes, {} before", told.prefixes)))
        } else if peers >= 2 * told.peers.max(1) {
            Some(self.reason(ReasonCode::Spread, &format!("seen by {peers} peer ASes, {} before", told.peers)))
        } else {
            facts
        };
        let Some(reason) = counts else { return };
        let free_at = told.at.plus_secs(limits::UPDATE_SECS);
        if self.now < free_at {
            self.timers.set(free_at, Timer::Refresh(story));
            return;
        }
        self.tell(story, Transition::Updated, reason);
    }

    fn tell(&mut self, story: IncidentRef, transition: Transition, reason: Reason) {
        let incident = &mut self.incidents[story.0 as usize];
        incident.sequence += 1;
        if transition == Transition::Opened {
            incident.opened = self.now;
        }
        let previous = incident.told.severity;
        incident.new_facts = None;
        incident.told = Told {
            at: self.now,
            severity: Some(incident.severity),
            score: incident.score,
            class: Some(incident.class),
            provisional: incident.provisional,
            suspects: incident.suspects(),
            constituents: incident.constituents.len(),
            prefixes: incident.offences.len(),
            peers: incident.peers_peak,
        };
        let alert = self.render(story, transition, reason, previous);
        if self.keeps_chapters {
            let chapter = self.chapter(story);
            self.out.push(Output::Chapter(Box::new(chapter)));
        }
        self.out.push(Output::Alert(Arc::new(alert)));
    }
}

/// New facts that say the routes were right all along.
fn is_clearance(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::Roa
            | ReasonCode::Aspa
            | ReasonCode::Relations
            | ReasonCode::AllowRule
            | ReasonCode::Transfer
            | ReasonCode::BadInput
    )
}

/// It was true until then, and is over now.
fn is_mended(kind: Kind, code: ReasonCode) -> bool {
    let is_about_roas = matches!(kind, Kind::RpkiInvalidOwn | Kind::RoaExpiring) && code == ReasonCode::Roa;
    is_about_roas || matches!((kind, code), (Kind::AspaMisconfig, ReasonCode::Aspa))
}

/// `bw-<started>-<12 hex digits>`: fixed at opening, the same in every run over the same events.
fn incident_id(kind: Kind, key_as: Asn, prefix: &str, started: Timestamp) -> Arc<str> {
    let digest = Sha256::digest(format!("{kind}|{}|{prefix}|{}", key_as.0, started.0));
    let hex: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("bw-{}-{hex}", started.compact()).into()
}
