//! What means something only in numbers: internal more-specifics, leaks by relations alone, and squats beside a story of the
//! same AS.
//!
//! Relations alone are wrong too often (S 5.6): on recorded days most new triples are of one or two prefixes. So a leak that
//! only they show needs a handful of prefixes within minutes, and one vantage point at least that heard it from somebody who
//! took it.

use std::collections::BTreeSet;

use super::Desk;
use super::incident::{IncidentRef, OffenceRef};
use super::timers::Timer;
use crate::alert::{Class, ReasonCode, Severity};
use crate::bgp::Asn;
use crate::limits;

/// Members of a group that are remembered, as a multiple of what makes it a story.
const COMPANY: usize = 4;

impl Desk {
    pub(super) fn try_company(&mut self, at: OffenceRef, class: Class) {
        let key = self.offences[at.0 as usize].key;
        let group = (class, key.key_as);
        let members = self.waiting.entry(group).or_default();
        // More than enough are not counted: each has a timer of its own and joins when the story is open.
        if members.len() < COMPANY * least_needed(class) && !members.contains(&at) {
            members.push(at);
        }
        let has_members = members.len() >= least_needed(class);
        let deadline = self.offences[at.0 as usize].first_at.plus_secs(self.settings.hold_down_secs);
        if self.now < deadline {
            self.timers.set(deadline, Timer::Gate(at));
        }
        let story = self.open_story(key.kind, key.key_as);
        let same_class = story.filter(|s| self.incidents[s.0 as usize].class == class);
        if same_class.is_none() && !has_members {
            return;
        }
        let hold_down = if same_class.is_some() { 0 } else { self.settings.hold_down_secs };
        let ready = self.ready_members(group, hold_down);
        let backed = class != Class::Squatting || story.is_some_and(|s| self.is_grave(s));
        if !backed || (same_class.is_none() && !self.are_enough(class, &ready)) {
            return;
        }
        self.tell_together(group, ready);
    }

    /// They waited for each other, and are one story from now on.
    pub(super) fn tell_together(&mut self, group: (Class, Asn), ready: Vec<OffenceRef>) {
        self.waiting.remove(&group);
        for member in ready {
            match self.open_story(group.0.kind(), group.1) {
                Some(story) => self.join(story, member),
                None => self.open(member, ReasonCode::Seen),
            }
        }
    }

    fn is_grave(&self, story: IncidentRef) -> bool {
        self.incidents[story.0 as usize].severity >= Severity::Medium
    }

    fn are_enough(&self, class: Class, ready: &[OffenceRef]) -> bool {
        if class != Class::RouteLeak {
            return ready.len() >= least_needed(class);
        }
        let peers: BTreeSet<Asn> =
            ready.iter().flat_map(|m| self.offences[m.0 as usize].peers.iter().copied()).collect();
        if peers.len() < self.settings.min_peer_ases {
            return false;
        }
        let mut leaks = ready.iter().filter_map(|m| self.offences[m.0 as usize].best.leak.as_ref());
        ready.len() >= limits::VALLEY_PREFIXES && leaks.any(|l| !l.at_observer)
    }

    /// Members of a group that are held now by enough peers for long enough, and not too old to be one event.
    pub(super) fn ready_members(&mut self, group: (Class, Asn), hold_down_secs: i64) -> Vec<OffenceRef> {
        let now = self.now;
        let offences = &self.offences;
        let Some(members) = self.waiting.get_mut(&group) else { return Vec::new() };
        members.retain(|m| {
            let o = &offences[m.0 as usize];
            o.is_held() && o.incident.is_none() && now.secs_since(o.first_at) <= limits::MASS_SECS as f64
        });
        // A leak is one thing of many prefixes, and other sessions hear other ones of them.
        let least_peers = if group.0 == Class::RouteLeak { 1 } else { self.settings.min_peer_ases };
        let is_ready = |m: &&OffenceRef| {
            let o = &offences[m.0 as usize];
            o.peers.len() >= least_peers && now >= o.first_at.plus_secs(hold_down_secs)
        };
        members.iter().filter(is_ready).copied().collect()
    }
}

/// Fewer are no story.
fn least_needed(class: Class) -> usize {
    match class {
        Class::InternalMoreSpecifics => limits::INTERNAL_PREFIXES,
        Class::Squatting => limits::SQUAT_COMPANIONS,
        _ => limits::VALLEY_PREFIXES,
    }
}
