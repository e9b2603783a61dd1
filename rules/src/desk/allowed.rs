//! What somebody allowed, and what becomes of it when that changes or ends.
//!
//! An allowed route is kept aside, so that the end of its rule is news: it goes on from there as if it had just come, but for
//! the hold-down, which it has served. Whether a rule holds is asked by the engine's clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gate::End;
use super::incident::{IncidentRef, Lost, Offence, OffenceKey, OffenceRef};
use super::new_facts::NewFacts;
use super::record::OffenceRecord;
use super::timers::Timer;
use super::{Desk, Suppressed};
use crate::alert::{Class, Reason, ReasonCode};
use crate::bgp::{PathAttributes, Timestamp, VantageId};
use crate::finding::Finding;
use crate::limits;
use crate::shard::{EndedBy, Phase, Sighting};
use crate::watch::{AllowRule, Route, Watch};

/// A route that a rule allows.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub finding: Arc<Finding>,
    pub attributes: Arc<PathAttributes>,
    pub seen: Timestamp,
    /// The engine's clock.
    pub first_at: Timestamp,
}

/// Who holds it, and what is wrong with it.
pub type AllowedKey = (VantageId, u32, Class);

/// Routes that rules allow, by the offence they would be.
#[derive(Default)]
pub struct AllowedRoutes {
    by_offence: BTreeMap<OffenceKey, BTreeMap<AllowedKey, Allowed>>,
    count: usize,
}

impl AllowedRoutes {
    /// Whether it is the first one of its offence; none if there is no room.
    fn put(&mut self, key: OffenceKey, at: AllowedKey, route: Allowed) -> Option<bool> {
        let is_known = self.by_offence.get(&key).is_some_and(|routes| routes.contains_key(&at));
        if !is_known && self.count >= limits::ALLOWED_ROUTES {
            return None;
        }
        let routes = self.by_offence.entry(key).or_default();
        let is_first = routes.is_empty();
        let old = routes.insert(at, route);
        self.count += usize::from(old.is_none());
        Some(is_first)
    }

    fn take(&mut self, key: OffenceKey, at: AllowedKey) -> Option<Allowed> {
        let routes = self.by_offence.get_mut(&key)?;
        let taken = routes.remove(&at)?;
        self.count -= 1;
        if routes.is_empty() {
            self.by_offence.remove(&key);
        }
        Some(taken)
    }

    /// By offence, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&OffenceKey, &BTreeMap<AllowedKey, Allowed>)> {
        self.by_offence.iter()
    }

    /// What would be offences, for a restart: their routes are to be looked at again when they come back.
    pub fn as_offences(&self) -> impl Iterator<Item = Offence> {
        self.by_offence.iter().filter_map(|(key, routes)| as_offence(*key, routes))
    }
}

fn as_offence(key: OffenceKey, routes: &BTreeMap<AllowedKey, Allowed>) -> Option<Offence> {
    let (at, first) = routes.first_key_value()?;
    let mut lost: Vec<Lost> =
        routes.keys().map(|at| Lost { vantage: at.0, path_id: at.1, since: Timestamp::default() }).collect();
    lost.dedup();
    Some(Offence {
        key,
        started: routes.values().map(|r| r.seen).min()?,
        first_at: routes.values().map(|r| r.first_at).min()?,
        ended: None,
        holders: Vec::new(),
        peers: Vec::new(),
        grew_at: Timestamp::default(),
        tenure: None,
        regained_at: None,
        lost,
        first: first.finding.clone(),
        first_route: (at.0, first.attributes.clone()),
        best: first.finding.clone(),
        weighed_in: None,
        began_by: None,
        incident: None,
        record: OffenceRecord::default(),
        last_end: ReasonCode::Withdrawn,
        unwatched: true,
        ended_unseen: false,
        allowed: true,
    })
}

fn offence_key(sighting: &Sighting) -> OffenceKey {
    OffenceKey { kind: sighting.class.kind(), key_as: sighting.key_as, prefix: sighting.prefix }
}

fn route_key(sighting: &Sighting) -> AllowedKey {
    (sighting.vantage, sighting.path_id, sighting.class)
}

impl Desk {
    /// Keeps the route aside if a rule allows it. Had it been an offence before, that is over.
    pub(super) fn is_allowed(
        &mut self,
        sighting: &Sighting,
        finding: &Arc<Finding>,
        attributes: &Arc<PathAttributes>,
    ) -> bool {
        let route = Route { prefix: sighting.prefix, class: sighting.class, finding, path: &attributes.as_path };
        let Some(why) = self.watch.allow().over(route, self.now).map(AllowRule::sentence) else {
            self.no_longer_there(sighting);
            return false;
        };
        let (key, at) = (offence_key(sighting), route_key(sighting));
        let first_at = self.allowed.take(key, at).map_or(self.now, |old| old.first_at);
        let (finding, attributes) = (finding.clone(), attributes.clone());
        let kept = self.allowed.put(key, at, Allowed { finding, attributes, seen: sighting.seen, first_at });
        match kept {
            // Known already, over another path perhaps.
            Some(false) => {}
            Some(true) => self.count_suppressed(sighting.class, Suppressed::AllowRule),
            None => self.count_suppressed(sighting.class, Suppressed::Limit),
        }
        self.by_config(why, |desk| {
            desk.ended(sighting, EndedBy::Cleared(ReasonCode::AllowRule));
            if let Some(offence) = desk.by_key.get(&key).copied() {
                desk.stop_waiting(offence, |l| l.vantage == sighting.vantage, cleared(desk.now));
            }
        });
        true
    }

    /// A route that was allowed is gone, or is no longer allowed.
    pub(super) fn no_longer_there(&mut self, sighting: &Sighting) {
        self.allowed.take(offence_key(sighting), route_key(sighting));
    }

    /// What a rule does is told by its words.
    fn by_config(&mut self, why: impl Into<String>, act: impl FnOnce(&mut Self)) {
        let before = self.new_facts.take();
        self.new_facts = Some(NewFacts::of_config(why));
        act(self);
        self.new_facts = before;
    }

    pub(super) fn watch_begins(&mut self, watch: &Arc<Watch>) {
        self.watch = watch.clone();
        if let Some(thresholds) = watch.thresholds() {
            self.settings = thresholds;
        }
        for end in watch.allow().ends_after(self.now).collect::<Vec<_>>() {
            self.timers.set(end, Timer::AllowRules);
        }
        self.new_facts = Some(NewFacts::of_config("the configuration changed"));
    }

    /// The shards have said what the new list changes: now the rules are asked again, of everything that is held.
    pub(super) fn watch_settles(&mut self) {
        self.new_facts = None;
        self.end_rules(ReasonCode::DataChanged, "the rule that allowed it is gone");
        self.clear_what_is_allowed();
        self.try_again();
        self.name_constituents_again();
    }

    /// Some rule is over.
    pub(super) fn rules_expire(&mut self) {
        self.end_rules(ReasonCode::AllowRuleExpired, "the rule that allowed it is over");
    }

    /// What no rule allows any more offends from now on.
    fn end_rules(&mut self, code: ReasonCode, why: &str) {
        let now = self.now;
        let watch = self.watch.clone();
        let is_over = |key: &OffenceKey, at: &AllowedKey, held: &Allowed| {
            let path = &held.attributes.as_path;
            let route = Route { prefix: key.prefix, class: at.2, finding: &held.finding, path };
            watch.allow().over(route, now).is_none()
        };
        let mut over: Vec<(OffenceKey, AllowedKey)> = Vec::new();
        for (key, routes) in self.allowed.iter() {
            over.extend(routes.iter().filter(|(at, held)| is_over(key, at, held)).map(|(at, _)| (*key, *at)));
        }
        over.sort_by_key(|(key, at)| (key.prefix, at.1, at.0, at.2, key.key_as));
        for (key, at) in over {
            if let Some(held) = self.allowed.take(key, at) {
                let began_by = self.reason(code, why);
                self.offends_again(key, at, held, began_by);
            }
        }
    }

    fn offends_again(&mut self, key: OffenceKey, at: AllowedKey, held: Allowed, began_by: Reason) {
        let (vantage, path_id, class) = at;
        let (prefix, key_as) = (key.prefix, key.key_as);
        let Allowed { finding, attributes, first_at, .. } = held;
        let phase = Phase::Began(finding.clone(), attributes.clone());
        let sighting = Sighting { prefix, path_id, vantage, class, key_as, seen: self.now, phase, before: None };
        if self.is_old_news(&finding) {
            return;
        }
        let Some(place) = self.offence_of(&sighting, &finding, &attributes) else {
            return self.count_suppressed(class, Suppressed::Limit);
        };
        let why = began_by.detail.clone();
        // The hold-down is for convergence; what stood for longer has nothing to converge.
        let served = first_at.max(self.now.plus_secs(-self.settings.hold_down_secs));
        let offence = &mut self.offences[place.0 as usize];
        let is_fresh = !offence.is_active() && offence.incident.is_none();
        if is_fresh {
            (offence.first_at, offence.began_by) = (served, Some(began_by));
            self.hold(place, &sighting, &attributes);
        }
        self.by_config(why, |desk| desk.seen(&sighting, finding, attributes));
    }

    /// Takes back what rules allow now: held routes, and those of sessions that are waited for.
    fn clear_what_is_allowed(&mut self) {
        if self.watch.allow().all().is_empty() {
            return;
        }
        let mut order: Vec<OffenceRef> = (0..self.offences.len() as u32).map(OffenceRef).collect();
        order.retain(|at| self.offences[at.0 as usize].is_active() || !self.offences[at.0 as usize].lost.is_empty());
        order.sort_by_key(|at| self.offences[at.0 as usize].key.prefix);
        for at in order {
            let offence = &self.offences[at.0 as usize];
            let (key, best) = (offence.key, offence.best.clone());
            for holder in offence.holders.clone() {
                let (prefix, key_as) = (key.prefix, key.key_as);
                let phase = Phase::Changed(best.clone(), holder.attributes.clone());
                let (vantage, path_id, class, seen) = (holder.vantage, holder.path_id, holder.class, self.now);
                let sighting = Sighting { prefix, path_id, vantage, class, key_as, seen, phase, before: None };
                self.is_allowed(&sighting, &best, &holder.attributes);
            }
            let offence = &self.offences[at.0 as usize];
            if offence.is_active() || offence.lost.is_empty() {
                continue;
            }
            // Nobody holds it: what is known is how it began.
            let path = &offence.first_route.1.as_path;
            let route = Route { prefix: key.prefix, class: best.class, finding: &best, path };
            if let Some(why) = self.watch.allow().over(route, self.now).map(AllowRule::sentence) {
                self.by_config(why, |desk| desk.stop_waiting(at, |_| true, cleared(desk.now)));
            }
        }
    }

    /// Other thresholds, or no rule over what a restart left: what waits may be ready.
    fn try_again(&mut self) {
        let untold = |at: &OffenceRef| {
            let offence = &self.offences[at.0 as usize];
            offence.incident.is_none() && offence.is_held()
        };
        let mut waiting: Vec<OffenceRef> = (0..self.offences.len() as u32).map(OffenceRef).filter(untold).collect();
        waiting.sort_by_key(|at| self.offences[at.0 as usize].key.prefix);
        for at in waiting {
            self.try_open(at);
        }
    }

    /// Whom an open incident concerns, by what its members say now.
    fn name_constituents_again(&mut self) {
        for i in 0..self.incidents.len() {
            let incident = &self.incidents[i];
            if !incident.is_open() {
                continue;
            }
            let members = incident.offences.iter().map(|o| &self.offences[o.0 as usize]);
            let named = members.flat_map(|o| o.first.constituents.iter().chain(&o.best.constituents));
            let constituents = named.cloned().collect();
            if incident.constituents != constituents {
                self.incidents[i].constituents = constituents;
                self.incidents[i].reweigh = true;
                self.constituents_changed(IncidentRef(i as u32));
            }
        }
    }
}

fn cleared(seen: Timestamp) -> End {
    End { seen, code: ReasonCode::AllowRule, is_unseen: false }
}
