//! Which sessions may bear witness? One that was set aside says nothing about anybody; one that alone sees more-specifics of
//! many others, as a route optimizer makes them, is believed only together with another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Desk;
use super::incident::{IncidentRef, OffenceKey, OffenceRef};
use super::timers::Timer;
use super::{Sighting, Suppressed};
use crate::alert::{Class, ReasonCode, Status};
use crate::bgp::{Asn, Family, Timestamp, VantageId, VantagePoint};
use crate::limits;
use crate::session::{Cause, Standing};
use crate::shard::{EndedBy, Phase};
use crate::shed::Worth;

#[derive(Default)]
pub(super) struct Witnesses {
    /// Set aside in front of the shards.
    aside: BTreeMap<VantageId, Cause>,
    /// Believed only together with others.
    lone: BTreeSet<VantageId>,
    /// Not heard any more, see [`crate::shed`].
    shed: BTreeMap<VantageId, Worth>,
    /// More-specifics that a session alone has had for a hold-down, of the last [`limits::MASS_SECS`]; at most twice
    /// [`limits::LONE_PREFIXES`] of each.
    alone: BTreeMap<VantageId, BTreeMap<OffenceKey, Alone>>,
}

/// Since when, and whose network it is.
#[derive(Clone, Copy)]
struct Alone {
    since: Timestamp,
    victim: Option<Asn>,
}

impl Desk {
    /// Sessions that are not believed, and why.
    pub fn quarantined(&self) -> Vec<(VantageId, Arc<VantagePoint>, Cause)> {
        let lone = self.witnesses.lone.iter().map(|v| (*v, Cause::LoneWitness));
        let aside = self.witnesses.aside.iter().map(|(v, cause)| (*v, *cause));
        let all: BTreeMap<VantageId, Cause> = lone.chain(aside).collect();
        all.into_iter().filter_map(|(v, cause)| Some((v, self.vantage.get(v.0 as usize)?.clone(), cause))).collect()
    }

    /// Sessions that are not heard any more, and what they were worth.
    pub fn sessions_shed(&self) -> Vec<(VantageId, Arc<VantagePoint>, Worth)> {
        let shed = self.witnesses.shed.iter();
        shed.filter_map(|(v, worth)| Some((*v, self.vantage.get(v.0 as usize)?.clone(), *worth))).collect()
    }

    /// The most more-specifics that a session alone has shown lately; at [`limits::LONE_PREFIXES`] it is no witness.
    pub fn most_alone(&self) -> usize {
        self.witnesses.alone.values().map(BTreeMap::len).max().unwrap_or_default()
    }

    /// What is held by a session that is set aside is held no more; when it is believed again the shards tell of it anew.
    pub(super) fn session_changed(&mut self, standing: Standing) {
        match standing.set_aside {
            Some(cause) => {
                self.witnesses.aside.insert(standing.vantage, cause);
                if cause == Cause::DecodeDesync {
                    self.short.lose(standing.vantage, self.now);
                }
                let offences = self.offences_of(standing.vantage);
                offences.iter().for_each(|at| self.disbelieve(*at, standing.vantage));
                offences.iter().for_each(|at| self.start_anew(*at, standing.vantage));
            }
            None => {
                self.witnesses.aside.remove(&standing.vantage);
            }
        }
    }

    pub(super) fn is_set_aside(&self, vantage: VantageId) -> bool {
        self.witnesses.aside.contains_key(&vantage)
    }

    /// It is no bad witness, only one there is no room for.
    pub(super) fn no_longer_heard(&mut self, vantage: VantageId, worth: Worth) {
        self.believe(vantage);
        self.witnesses.aside.remove(&vantage);
        self.witnesses.shed.insert(vantage, worth);
    }

    pub(super) fn is_shed(&self, vantage: VantageId) -> bool {
        self.witnesses.shed.contains_key(&vantage)
    }

    /// Its messages cannot be read, so there is nothing in them.
    pub(super) fn is_void(&self, vantage: VantageId) -> bool {
        self.witnesses.aside.get(&vantage) == Some(&Cause::DecodeDesync)
    }

    /// True if the sighting is of a session that is set aside; counted, if it would have told anything.
    pub(super) fn is_disbelieved(&mut self, sighting: &Sighting) -> bool {
        let is_aside = self.witnesses.aside.contains_key(&sighting.vantage);
        if is_aside && !matches!(sighting.phase, Phase::Ended(_)) {
            self.count_suppressed(sighting.class, Suppressed::Quarantine);
        }
        is_aside
    }

    /// Somebody else than a lone witness holds it, or a lone witness is not all there is.
    pub(super) fn has_a_good_witness(&self, at: OffenceRef) -> bool {
        let offence = &self.offences[at.0 as usize];
        offence.holders.is_empty() || offence.holders.iter().any(|h| !self.witnesses.lone.contains(&h.vantage))
    }

    /// The hold-down is over. An offence that one session alone holds counts against that session.
    pub(super) fn note_alone(&mut self, at: OffenceRef) {
        let offence = &self.offences[at.0 as usize];
        let best = &offence.best;
        let is_part = matches!(best.class, Class::SubprefixHijack | Class::InternalMoreSpecifics)
            || (best.class == Class::ForgedOrigin && best.covering_prefix.is_some());
        let [peer] = offence.peers[..] else { return };
        let Some(holder) = offence.holders.first().filter(|_| is_part && self.settings.min_peer_ases > 1) else {
            return;
        };
        if self.witnesses.lone.contains(&holder.vantage) {
            let vantage = holder.vantage;
            self.take_back(at);
            return self.start_anew(at, vantage);
        }
        let (vantage, now, family) = (holder.vantage, self.now, Family::of(&offence.key.prefix));
        let (key, victim) = (offence.key, best.expected_origins.first().copied());
        // Where nobody else could have seen it, to be alone says nothing.
        if self.share_of(&[peer], family).is_none() {
            return;
        }
        let alone = self.witnesses.alone.entry(vantage).or_default();
        alone.retain(|_, a| now.secs_since(a.since) <= limits::MASS_SECS as f64);
        if alone.len() < 2 * limits::LONE_PREFIXES {
            alone.entry(key).or_insert(Alone { since: now, victim });
        }
        if alone.len() < limits::LONE_PREFIXES || self.victims_of(vantage) < limits::LONE_VICTIMS {
            return;
        }
        self.witnesses.alone.remove(&vantage);
        self.doubt(vantage);
        let offences = self.offences_of(vantage);
        offences.iter().for_each(|at| self.take_back(*at));
        offences.iter().for_each(|at| self.start_anew(*at, vantage));
    }

    /// Believed only together with others from now on.
    pub(super) fn doubt(&mut self, vantage: VantageId) {
        self.timers.set(self.now.plus_secs(limits::LONE_SECS), Timer::Believe(vantage));
        self.witnesses.lone.insert(vantage);
    }

    /// An attack is on somebody, an optimizer is on everybody.
    fn victims_of(&self, vantage: VantageId) -> usize {
        let alone = self.witnesses.alone.get(&vantage).into_iter().flat_map(BTreeMap::values);
        alone.filter_map(|a| a.victim).collect::<BTreeSet<_>>().len()
    }

    /// Made by nobody else for long enough.
    pub(super) fn believe(&mut self, vantage: VantageId) {
        self.witnesses.lone.remove(&vantage);
        self.witnesses.alone.remove(&vantage);
    }

    /// What was told because a watched network needs one witness only, and that one turned out to be none.
    fn take_back(&mut self, at: OffenceRef) {
        let peers = self.offences[at.0 as usize].peers.len();
        if peers >= self.settings.min_peer_ases || self.has_a_good_witness(at) {
            return;
        }
        let offence = &self.offences[at.0 as usize];
        let class = offence.best.class;
        self.count_suppressed(class, Suppressed::Quarantine);
        if self.offences[at.0 as usize].incident.is_some() {
            let holders: BTreeSet<VantageId> = self.offences[at.0 as usize].holders.iter().map(|h| h.vantage).collect();
            holders.into_iter().for_each(|v| self.disbelieve(at, v));
        }
    }

    fn offences_of(&self, vantage: VantageId) -> Vec<OffenceRef> {
        let holds = |i: &usize| self.offences[*i].holders.iter().any(|h| h.vantage == vantage);
        (0..self.offences.len()).filter(holds).map(|i| OffenceRef(i as u32)).collect()
    }

    /// Takes the routes of a session out of an offence, as if they never were.
    fn disbelieve(&mut self, at: OffenceRef, vantage: VantageId) {
        let peer_as = self.peer_as(vantage);
        let offence = &self.offences[at.0 as usize];
        let others = offence.peers.iter().any(|p| *p != peer_as);
        // What others saw as well is no mistake of this session; it is only out of its sight.
        let code = if others { ReasonCode::OutOfSight } else { ReasonCode::BadInput };
        let key = offence.key;
        let held: Vec<_> =
            offence.holders.iter().filter(|h| h.vantage == vantage).map(|h| (h.path_id, h.class)).collect();
        for (path_id, class) in held {
            let by = EndedBy::Cleared(code);
            let (prefix, key_as, phase) = (key.prefix, key.key_as, Phase::Ended(by));
            self.ended(&Sighting { prefix, path_id, vantage, class, key_as, seen: self.now, phase, before: None }, by);
        }
    }

    /// What was taken back, or never told, has to pass the gates like anything new, should it be seen again.
    fn start_anew(&mut self, at: OffenceRef, vantage: VantageId) {
        let peer_as = self.peer_as(vantage);
        let is_taken_back = |i: IncidentRef| self.incidents[i.0 as usize].status == Status::Retracted;
        let offence = &self.offences[at.0 as usize];
        let holds_still = offence.holders.iter().any(|h| self.peer_as(h.vantage) == peer_as);
        let is_untold = offence.incident.is_none_or(is_taken_back);
        if is_untold && !holds_still {
            let offence = &mut self.offences[at.0 as usize];
            offence.incident = None;
            offence.peers.retain(|p| *p != peer_as);
        }
    }
}
