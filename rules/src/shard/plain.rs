//! Which routes are plainly fine? No rule has anything to say about them, which shows without asking any: nearly every update.
//!
//! A short cut and no rule: whatever a rule might speak of is left to the rules. `Shard::overlooked` is its oracle.

use super::{RouteKey, Shard};
use crate::alert::RovState;
use crate::bgp::{Asn, Timestamp};
use crate::registry;
use crate::rib::{Entry, PathRef, PrefixRef};

impl Shard {
    /// A route that is nothing to any rule, and none was told of as an offence: there is nothing to report.
    pub(super) fn is_plainly_fine(
        &self,
        key: RouteKey,
        path: PathRef,
        was_valid: impl FnOnce() -> bool,
        now: Timestamp,
    ) -> bool {
        let is_offending = || self.rib.entry(key.0).offending > 0 && self.active.contains_key(&key);
        self.rib.paths.is_plain(path) && !is_offending() && self.is_nothing(key.0, path, was_valid, now)
    }

    /// Whatever was wrong with the route before is over: it is nothing to any rule, and did not turn from Valid to Invalid with that.
    pub(super) fn is_over(&self, at: PrefixRef, path: PathRef, was_valid: bool, now: Timestamp) -> bool {
        let may_have_turned = || {
            let origin_as = self.rib.paths.origin_as(path);
            origin_as.is_some_and(|origin_as| self.may_be_invalid(self.rib.entry(at), path, origin_as))
        };
        !(was_valid && may_have_turned()) && self.is_nothing(at, path, || was_valid, now)
    }

    /// No rule has anything to say: a normal origin behind a known neighbor, on a path nothing is wrong with. `was_valid` is asked
    /// where it matters; it is what [`Self::judge`] would be told.
    pub(super) fn is_nothing(
        &self,
        at: PrefixRef,
        path: PathRef,
        was_valid: impl FnOnce() -> bool,
        now: Timestamp,
    ) -> bool {
        if !self.rib.paths.is_plain(path) {
            return false;
        }
        let entry = self.rib.entry(at);
        let Some(origin_as) = self.rib.paths.origin_as(path) else { return !self.concerns_watched(entry, None) };
        if self.concerns_watched(entry, Some(origin_as)) && !self.satisfies_watchers(entry, path, origin_as, now) {
            return false;
        }
        let turned_invalid = || self.may_be_invalid(entry, path, origin_as) && was_valid();
        if self.learning {
            return registry::bogon_prefix(&entry.prefix).is_none() && !turned_invalid();
        }
        entry.is_history(origin_as) && !turned_invalid() || entry.is_normal(origin_as, now)
    }

    #[inline]
    fn concerns_watched(&self, entry: &Entry, origin_as: Option<Asn>) -> bool {
        !self.watch.is_empty()
            && (self.watched_over(entry).is_some() || origin_as.is_some_and(|origin_as| self.watch.holds(origin_as)))
    }

    /// Nobody who answers for the prefix, or for the AS, may be told anything of an origin that is normal or history: no resource, no ROA
    /// and no ASPA speaks of the route but for it, and it will stay so.
    fn satisfies_watchers(&self, entry: &Entry, path: PathRef, origin_as: Asn, now: Timestamp) -> bool {
        let paths = &self.rib.paths;
        if !self.is_as_signed(path, origin_as) {
            return false;
        }
        let neighbor = || paths.adjacency(path).map(|a| a.neighbor);
        let has_learned = || !self.learning && entry.has_baseline(now);
        let is_allowed = |nearest| self.watch.allows(nearest, &entry.prefix, origin_as, neighbor, has_learned);
        if !entry.watched.is_content_with(origin_as) && !self.watched_over(entry).is_none_or(is_allowed) {
            return false;
        }
        let may_end = || !self.expiry.ends.is_empty() && self.rov_of(entry, origin_as) == RovState::Valid;
        !(self.may_be_invalid(entry, path, origin_as) || self.rpki_usable && may_end())
    }

    /// The origin signed no ASPA, or one that makes sense and lists the neighbor.
    fn is_as_signed(&self, path: PathRef, origin_as: Asn) -> bool {
        let Some(providers) = self.usable_aspas().providers_of(origin_as) else { return true };
        let makes_sense = !providers.contains(&origin_as) && (providers.len() == 1 || !providers.contains(&Asn(0)));
        makes_sense && self.rib.paths.adjacency(path).is_some_and(|a| providers.contains(&a.neighbor))
    }

    /// Not known to be anything better. An AS_SET has no origin to validate, whoever it names.
    #[inline]
    fn may_be_invalid(&self, entry: &Entry, path: PathRef, origin_as: Asn) -> bool {
        self.rpki_usable
            && (self.rib.paths.odd(path).is_some_and(|odd| !odd.as_path.origin_set().is_empty())
                || self.rov_of(entry, origin_as) == RovState::Invalid)
    }

    /// Validates an origin, unless the entry remembers the outcome.
    #[inline]
    pub(super) fn rov_of(&self, entry: &Entry, origin_as: Asn) -> RovState {
        match entry.rov {
            Some((asn, state, generation)) if (asn, generation) == (origin_as, self.vrp_generation) => state,
            _ => self.rpki.vrps.state(&entry.prefix, Some(origin_as)),
        }
    }
}
