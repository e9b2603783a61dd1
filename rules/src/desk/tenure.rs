//! Did a network change hands, was it uncovered, or is it taken? While sessions still move nobody knows, so this is decided when
//! they have come to rest (S 6.2, S 6.3).

use ipnet::IpNet;

use super::Desk;
use super::incident::{Incident, OffenceKey, OffenceRef};
use super::score::{DENIALS, ORDINARY_MEMBERS};
use super::timers::Timer;
use crate::alert::{Class, Role};
use crate::bgp::{Asn, Timestamp};
use crate::finding::{Code, Finding, Kind};
use crate::limits;
use crate::rib::Tenure;

impl Desk {
    /// Whether the expected origins still hold the prefix shows only as other routes come and go: the latest word counts. That they
    /// hold it again counts once it has stood for a hold-down; a newcomer that is gone by then only filled a void.
    pub(super) fn note_tenure(&mut self, at: OffenceRef, told: Option<Code>) {
        let offence = &mut self.offences[at.0 as usize];
        if told.is_some() {
            offence.tenure = told;
            offence.regained_at = None;
        } else if offence.tenure.is_some() && offence.regained_at.is_none() {
            offence.regained_at = Some(self.now);
            self.timers.set(self.now.plus_secs(self.settings.hold_down_secs), Timer::Gate(at));
        }
        if let Some(story) = self.offences[at.0 as usize].incident {
            self.dirty.insert(story);
        }
    }

    /// A shard has seen the expected origins leave, or come back.
    pub(super) fn tenure_changed(&mut self, prefix: IpNet, key_as: Asn, tenure: Tenure) {
        let key = OffenceKey { kind: Kind::Origin, key_as, prefix };
        if let Some(at) = self.by_key.get(&key).copied() {
            self.note_tenure(at, tenure.code());
        }
    }

    /// The expected origins are back to stay, and so is the newcomer.
    pub(super) fn settle_tenure(&mut self, at: OffenceRef) {
        let hold_down = self.settings.hold_down_secs;
        let offence = &mut self.offences[at.0 as usize];
        let is_settled = offence.regained_at.is_some_and(|since| self.now >= since.plus_secs(hold_down));
        if is_settled && offence.is_active() {
            offence.tenure = None;
            offence.regained_at = None;
        }
    }

    /// The newcomer is gone and the expected origins are back, whichever session was the last to tell and how: what is handed over is not handed back within the same story.
    pub(super) fn take_back_hand_over(&mut self, at: OffenceRef) {
        let offence = &mut self.offences[at.0 as usize];
        if offence.regained_at.is_some() && offence.tenure == Some(Code::HandedOver) {
            offence.tenure = None;
            offence.regained_at = None;
        }
    }

    /// Nobody holds the network any more from whom it was expected, and nobody objects; if they withdrew it themselves, not even
    /// their own ROA does: it is older than that. Networks are handed to those who are there, behind a neighbor they are known for.
    pub(super) fn is_succession(&self, at: OffenceRef) -> bool {
        let offence = &self.offences[at.0 as usize];
        let has = |code: &Code| offence.best.codes.contains(code);
        let is_vacated = offence.tenure == Some(Code::Vacated);
        let is_denied = DENIALS.iter().any(|d| has(d) && !(*d == Code::RovInvalidAsn && is_vacated));
        let is_watched = offence.best.constituents.iter().any(|c| c.role == Role::Victim);
        let is_handed_over = offence.tenure == Some(Code::HandedOver) && !self.is_new_adjacency(&offence.best);
        (is_vacated || is_handed_over) && !is_denied && !is_watched
    }

    /// While an unsigned network of one holder still moves from session to session, nobody knows yet whether it changes hands:
    /// until no peer AS has joined for a hold-down, or [`limits::SETTLE_SECS`] are over.
    pub(super) fn settles_at(&self, incident: &Incident) -> Option<Timestamp> {
        let members = || incident.offences.iter().map(|o| &self.offences[o.0 as usize]);
        let may_settle = |best: &Finding| {
            let is_denied = DENIALS.iter().any(|d| best.codes.contains(d));
            let is_plain = best.class == Class::OriginHijack && best.constituents.is_empty();
            is_plain && !is_denied && !self.is_new_adjacency(best)
        };
        let is_one_network = incident.offences.len() <= ORDINARY_MEMBERS && incident.victim_times.len() < 2;
        if !incident.is_open() || !is_one_network || !members().all(|o| may_settle(&o.best)) {
            return None;
        }
        let quiet_at = members().map(|o| o.grew_at).max()?.plus_secs(self.settings.hold_down_secs);
        let latest = members().map(|o| o.first_at).min()?.plus_secs(limits::SETTLE_SECS);
        Some(quiet_at.min(latest))
    }
}

impl Tenure {
    pub fn code(self) -> Option<Code> {
        match self {
            Self::Held => None,
            Self::Left => Some(Code::HandedOver),
            Self::Vacated => Some(Code::Vacated),
        }
    }
}

/// Codes of which the offence keeps the latest.
pub(super) fn is_tenure(code: Code) -> bool {
    matches!(code, Code::HandedOver | Code::Vacated)
}
