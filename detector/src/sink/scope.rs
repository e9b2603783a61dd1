//! What of an incident is whose?
//!
//! A route for constituents tells of an incident only what is theirs: their prefixes, and those their ASes announce. What
//! others hold is not their business, and neither is who else is watched.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use rules::alert::{
    Alert, AspaProof, AspaState, CheckState, Detail, OtcProof, RovProof, RovState, SamplePath, Transition, ValleyProof,
};
use rules::bgp::Asn;
use rules::watch::Watch;

use crate::text;

/// Gives what is watched now.
pub type Watched = dyn Fn() -> Arc<Watch> + Send + Sync;

/// What belongs to some constituents.
#[derive(Clone)]
pub struct Scope {
    names: Arc<[Arc<str>]>,
    watched: Arc<Watched>,
    known: Arc<Mutex<Option<Arc<Ours>>>>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.names).finish()
    }
}

impl Scope {
    /// Whatever `watched` gives later counts from then on.
    pub fn new(names: &[Arc<str>], watched: Arc<Watched>) -> Self {
        Self { names: names.into(), watched, known: Arc::default() }
    }

    /// Touches one of them. An alert names no more than some of those it touches, so their resources count, too.
    pub fn concerns(&self, alert: &Alert) -> bool {
        let is_named = |name: &str| self.names.iter().any(|ours| &**ours == name);
        if alert.constituents.iter().any(|constituent| is_named(&constituent.name)) {
            return true;
        }
        let ours = self.ours();
        let ases = alert.suspect_ases.iter().chain(&alert.victim_ases).chain(&alert.detected_origins);
        ases.copied().any(|asn| ours.holds(asn)) || alert.prefixes.iter().any(|prefix| ours.touches(prefix))
    }

    /// The same incident, as far as it is theirs.
    pub fn narrow(&self, alert: Alert) -> Alert {
        let ours = self.ours();
        let constituents: Vec<_> = (alert.constituents.iter())
            .filter(|constituent| self.names.iter().any(|name| **name == *constituent.name))
            .cloned()
            .collect();
        let alert = Alert { constituent_count: constituents.len(), constituents, ..alert };
        let is_theirs = |prefix: &IpNet| ours.is_in(&alert, prefix);
        if alert.suspect_ases.iter().any(|asn| ours.holds(*asn)) {
            return alert;
        }
        let prefixes: Vec<_> = alert.prefixes.iter().copied().filter(is_theirs).collect();
        if prefixes.len() == alert.prefix_count {
            return alert;
        }
        cut(alert, prefixes, &ours)
    }

    /// What they hold; found anew when another list is watched.
    fn ours(&self) -> Arc<Ours> {
        let watch = (self.watched)();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(ours) if Arc::ptr_eq(&ours.watch, &watch) => ours.clone(),
            _ => known.insert(Arc::new(Ours::of(&self.names, watch))).clone(),
        }
    }
}

/// What they hold now.
struct Ours {
    names: BTreeSet<Arc<str>>,
    resources: BTreeSet<IpNet>,
    watch: Arc<Watch>,
}

impl Ours {
    fn of(names: &[Arc<str>], watch: Arc<Watch>) -> Self {
        let names: BTreeSet<_> = names.iter().cloned().collect();
        let constituents = watch.constituents().iter().filter(|constituent| names.contains(&constituent.name));
        let resources = constituents.flat_map(|constituent| &constituent.resources);
        let resources = resources.map(|resource| resource.prefix.trunc()).collect();
        Self { names, resources, watch }
    }

    fn holds(&self, asn: Asn) -> bool {
        self.watch.holders_of(asn).any(|constituent| self.names.contains(&constituent.name))
    }

    /// Lies in a resource of theirs, or around one. Prefixes sort by address, then length, so the first that is not
    /// before `prefix` lies in it if any does.
    fn touches(&self, prefix: &IpNet) -> bool {
        let mut around = self.watch.resources_over(prefix).into_iter();
        around.any(|(constituent, _)| self.names.contains(&constituent.name))
            || self.resources.range(prefix.trunc()..).next().is_some_and(|resource| prefix.contains(resource))
    }

    /// A prefix of the incident that is theirs, or that their AS should announce, or does.
    fn is_in(&self, alert: &Alert, prefix: &IpNet) -> bool {
        let detail = alert.details.iter().find(|detail| detail.prefix == *prefix);
        let mut ases = detail.into_iter().flat_map(|d| d.expected_origins.iter().chain(&d.detected_origins));
        self.touches(prefix) || ases.any(|asn| self.holds(*asn))
    }
}

/// Leaves `prefixes` of an incident that touches more than these.
fn cut(alert: Alert, prefixes: Vec<IpNet>, ours: &Ours) -> Alert {
    let is_left = |prefix: &IpNet| prefixes.contains(prefix);
    let details: Vec<Detail> = alert.details.into_iter().filter(|detail| is_left(&detail.prefix)).collect();
    let is_open = |prefix: &&IpNet| {
        let detail = details.iter().find(|detail| detail.prefix == **prefix);
        alert.active_prefix_count > 0 && detail.is_none_or(|detail| detail.ended.is_none())
    };
    let mut expected: Vec<Asn> = details.iter().flat_map(|detail| detail.expected_origins.clone()).collect();
    expected.sort_unstable();
    expected.dedup();
    let victim_ases: Vec<Asn> =
        alert.victim_ases.into_iter().filter(|asn| ours.holds(*asn) || expected.contains(asn)).collect();
    let judged_one_of_them = alert.sample_paths.first().is_some_and(|sample| is_left(&sample.prefix));
    let sample_paths: Vec<SamplePath> = alert.sample_paths.into_iter().filter(|s| is_left(&s.prefix)).collect();
    let mut cut = Alert {
        title: String::new(),
        prefix_count: prefixes.len(),
        active_prefix_count: prefixes.iter().filter(is_open).count(),
        victim_as_count: victim_ases.len(),
        expected_origins: expected,
        victim_ases,
        details,
        sample_paths,
        prefixes,
        related_ids: Vec::new(),
        ..alert
    };
    cut.title = title(&cut);
    // What these say in words may be of others.
    cut.evidence.iter_mut().for_each(|evidence| evidence.detail.clear());
    cut.reason.detail.clear();
    if let Some(leak) = &mut cut.leak {
        leak.from = leak.from.filter(|asn| ours.holds(*asn));
        leak.segments.clear();
    }
    if !judged_one_of_them {
        unjudge(&mut cut);
    }
    cut
}

/// The proofs are of a route that is not theirs.
fn unjudge(alert: &mut Alert) {
    alert.rov = RovProof { state: RovState::NotEvaluated, reason: None, expected_state: None, covering: Vec::new() };
    alert.aspa =
        AspaProof { verdict: AspaState::NotEvaluated, procedure: None, suspects: Vec::new(), hops: Vec::new() };
    alert.otc = OtcProof { value: None, verdict: CheckState::NotEvaluated };
    alert.valley = ValleyProof { verdict: CheckState::NotEvaluated, violations: Vec::new(), unknown_hops: 0 };
}

/// The sentence of the whole incident may name what is not theirs.
fn title(alert: &Alert) -> String {
    let who = alert.suspect_ases.first().map_or("unknown AS".to_owned(), Asn::to_string);
    let is_over = alert.transition == Transition::Resolved || alert.transition == Transition::Retracted;
    let (what, verb) = (alert.class.word().replace('_', " "), if is_over { "touched" } else { "touches" });
    let which = match alert.prefixes.as_slice() {
        [] => "your networks".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} and {} more of your prefixes", rest.len()),
    };
    text::plain(&format!("{what} by {who} {verb} {which}"), rules::limits::TITLE)
}

#[cfg(test)]
mod tests;
