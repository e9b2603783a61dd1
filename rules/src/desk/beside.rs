//! What says nothing by itself and something beside others: several victims of one AS, and a leak beside a hijack.

use std::collections::BTreeSet;

use super::Desk;
use super::incident::{IncidentRef, OffenceRef};
use super::score::ORDINARY_MEMBERS;
use crate::bgp::Asn;
use crate::finding::{Code, Kind};
use crate::limits;

impl Desk {
    /// Points that an offence gains by joining a story with several victims.
    pub(super) fn points_beside(&self, story: IncidentRef) -> i32 {
        let incident = &self.incidents[story.0 as usize];
        let has_several = incident.kind == Kind::Origin && self.recent_victims(incident) >= 2;
        if has_several { Code::UnrelatedVictims.points() } else { 0 }
    }

    /// Too little by itself, as the addresses of a black hole that escaped are; enough if the same AS does it to unrelated
    /// victims within minutes.
    pub(super) fn try_several_victims(&mut self, at: OffenceRef) {
        let offence = &self.offences[at.0 as usize];
        let (key, class) = (offence.key, offence.best.class);
        if key.kind != Kind::Origin || self.points_of(at) + Code::UnrelatedVictims.points() < 1 {
            return;
        }
        let group = (class, key.key_as);
        let members = self.waiting.entry(group).or_default();
        if !members.contains(&at) && members.len() < limits::MASS_VICTIMS {
            members.push(at);
        }
        let ready = self.ready_members(group, self.settings.hold_down_secs);
        let victims: BTreeSet<Asn> =
            ready.iter().filter_map(|m| self.offences[m.0 as usize].best.expected_origins.first().copied()).collect();
        if !self.are_unrelated(&victims) {
            return;
        }
        self.tell_together(group, ready);
    }

    /// Two at least, not all of one organisation.
    fn are_unrelated(&self, victims: &BTreeSet<Asn>) -> bool {
        let Some(first) = victims.first() else { return false };
        let is_sibling = |v: &Asn| self.relations.as_ref().is_some_and(|r| r.are_siblings(*first, *v));
        victims.iter().skip(1).any(|v| !is_sibling(v))
    }

    /// Its path leads through an AS that hijacks a part of the prefix, or what covers it, right now.
    pub(super) fn is_beside_hijack(&self, at: OffenceRef) -> bool {
        let offence = &self.offences[at.0 as usize];
        let prefix = offence.key.prefix;
        let overlaps = |o: &OffenceRef| {
            let hijacked = self.offences[o.0 as usize].key.prefix;
            hijacked.contains(&prefix) || prefix.contains(&hijacked)
        };
        offence.first_route.1.as_path.ases().iter().any(|asn| {
            let stories = self.stories.get(&(Kind::Origin, *asn)).into_iter().flatten();
            let mut open = stories.map(|s| &self.incidents[s.0 as usize]).filter(|i| i.is_open());
            open.any(|i| i.offences.iter().take(ORDINARY_MEMBERS).any(overlaps))
        })
    }
}
