//! Losses of watched prefixes at the desk: who counts is known here alone.

use super::incident::{Offence, OffenceKey, OffenceRef};
use super::{Desk, Suppressed};
use crate::alert::Class;
use crate::bgp::{Family, VantageId};
use crate::finding::{Code, Kind};
use crate::own::visibility_loss::{Observers, Presence};
use crate::shard::{Phase, Sighting};

impl Desk {
    pub(super) fn presence(&mut self, presence: &Presence) {
        // What the peers had is not known yet.
        if self.learning {
            return;
        }
        let full = self.tables.full_feed(Family::of(&presence.prefix), &self.vantage).cloned();
        let vantage = &self.vantage;
        let peer_as = |v: VantageId| vantage.get(v.0 as usize).map_or(Default::default(), |p| p.peer_as);
        let observers =
            Observers { now: self.now, min_peer_ases: self.settings.min_peer_ases, peer_as: &peer_as, full };
        match self.losses.apply(presence, &observers) {
            Some(sightings) => sightings.into_iter().for_each(|s| self.sighting(s)),
            None => self.count_suppressed(Class::VisibilityLoss, Suppressed::Limit),
        }
    }

    /// Whoever had lost a prefix when its session went away, and came back without it, has lost it still. Gives back the
    /// other offences that wait for the session.
    pub(super) fn still_lost(&mut self, vantage: VantageId, waiting: Vec<OffenceRef>) -> Vec<OffenceRef> {
        let is_loss = |at: &OffenceRef| self.offences[at.0 as usize].key.kind == Kind::VisibilityLoss;
        let (losses, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_loss);
        for at in losses {
            let offence = &self.offences[at.0 as usize];
            let OffenceKey { key_as, prefix, .. } = offence.key;
            let (finding, attributes) = (offence.best.clone(), offence.first_route.1.clone());
            let phase = Phase::Began(finding.clone(), attributes.clone());
            let class = Class::VisibilityLoss;
            let sighting = Sighting { prefix, path_id: 0, vantage, class, key_as, seen: self.now, phase, before: None };
            self.losses.still_lost(&finding, &attributes, &sighting);
            self.sighting(sighting);
        }
        others
    }

    pub(super) fn forget_unwatched_losses(&mut self) {
        let watch = self.watch.clone();
        let is_watched = |prefix: &_, finding: &crate::finding::Finding| {
            watch.covers(prefix) || finding.expected_origins.iter().any(|asn| watch.holds(*asn))
        };
        for sighting in self.losses.forget(is_watched, self.now) {
            self.sighting(sighting);
        }
    }

    /// Its cause has an alarm of its own: the ROAs forbid what is lost.
    pub(super) fn beside_invalid(&self, offence: &Offence) -> Option<Code> {
        if offence.key.kind != Kind::VisibilityLoss {
            return None;
        }
        let cause = self.by_key.get(&OffenceKey { kind: Kind::RpkiInvalidOwn, ..offence.key })?;
        let story = self.offences[cause.0 as usize].incident?;
        // Once it was the cause it stays so, whichever of the two is over first.
        let was_over = self.incidents[story.0 as usize].resolved_at.is_some_and(|t| t < offence.first_at);
        (!was_over).then_some(Code::BesideInvalid)
    }
}
