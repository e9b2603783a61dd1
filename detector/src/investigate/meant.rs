//! Which incidents are meant by the question?
//!
//! By their newest version alone: what was open once may be over before the window, and who was suspected may be cleared.
//! An alert names its first prefixes only, so the routes of an incident on record count as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rules::alert::{Alert, Class, Severity};
use rules::bgp::Timestamp;

use super::case::Offending;
use super::question::Question;

/// The newest version of whatever may be meant.
#[derive(Debug, Default)]
pub struct Meant {
    newest: BTreeMap<String, Arc<Alert>>,
}

impl Meant {
    pub fn take(&mut self, question: &Question, alert: Arc<Alert>) {
        let names_all = alert.prefix_count <= alert.prefixes.len() || question.prefixes.is_empty();
        if self.newest.contains_key(&alert.id) || !names_all || question.is_about(&alert) {
            self.newest.insert(alert.id.clone(), alert);
        }
    }

    /// Those that are about it and reach into the window, the one that answers first.
    pub fn incidents(self, question: &Question, offending: &Offending) -> Vec<Arc<Alert>> {
        let is_meant = |alert: &Arc<Alert>| {
            let has_routes = !question.prefixes.is_empty() && offending.reaches_window(&alert.id).is_some();
            let by_times = || question.is_in_window(alert.started, alert.ended);
            (has_routes || question.is_about(alert)) && offending.reaches_window(&alert.id).unwrap_or_else(by_times)
        };
        let mut incidents: Vec<Arc<Alert>> = self.newest.into_values().filter(is_meant).collect();
        incidents.sort_by_cached_key(|alert| rank(question, alert));
        incidents
    }
}

type Rank = (bool, bool, bool, Reverse<Severity>, Reverse<i32>, Timestamp, String);

/// What is blamed by the claim comes first, then what is exactly about the prefix, then the gravest, then the earliest.
fn rank(question: &Question, alert: &Alert) -> Rank {
    let claim = question.claim.as_ref();
    let is_blamed = claim.is_none_or(|claim| claim.suspects.iter().any(|asn| alert.suspect_ases.contains(asn)));
    let is_exact = question.prefixes.is_empty() || question.prefixes.iter().any(|p| alert.prefixes.contains(p));
    let (severity, score) = (Reverse(alert.severity), Reverse(alert.score));
    (!is_blamed, is_own(alert.class), !is_exact, severity, score, alert.started, alert.id.clone())
}

/// Nobody did it to anybody: it happened to a network by itself.
pub fn is_own(class: Class) -> bool {
    use Class::{AspaMisconfig, NewPrefix, NewUpstream, RoaExpiring, RpkiInvalidOwn, VisibilityLoss};
    matches!(class, AspaMisconfig | NewPrefix | NewUpstream | RoaExpiring | RpkiInvalidOwn | VisibilityLoss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;
    use crate::investigate::testing::{anything, at, prefix, route_record};
    use rules::bgp::Asn;

    fn asked(prefixes: &[&str], asns: &[u32], from: Timestamp) -> Question {
        Question {
            prefixes: prefixes.iter().map(|text| prefix(text)).collect(),
            asns: asns.iter().copied().map(Asn).collect(),
            from: Some(from),
            ..anything()
        }
    }

    fn meant(question: &Question, versions: Vec<Alert>, offending: &Offending) -> usize {
        let mut meant = Meant::default();
        for version in versions {
            meant.take(question, Arc::new(version));
        }
        meant.incidents(question, offending).len()
    }

    #[test]
    fn what_was_over_before_the_window_is_not_meant_though_it_was_open_once() {
        let opened = samples::opened();
        let over = Alert { ended: Some(opened.started.plus_secs(60)), ..opened.clone() };
        let versions = || vec![opened.clone(), over.clone()];
        let at_end = |secs| asked(&["192.0.2.0/24"], &[], opened.started.plus_secs(secs));
        assert_eq!(meant(&at_end(60), versions(), &Offending::default()), 1);
        assert_eq!(meant(&at_end(61), versions(), &Offending::default()), 0);
        let by_as = asked(&[], &[64511], opened.started.plus_secs(61));
        assert_eq!(meant(&by_as, versions(), &Offending::default()), 0);
    }

    #[test]
    fn who_was_cleared_is_not_meant() {
        let opened = samples::opened();
        let other = vec![Asn(64508)];
        let newer = Alert { suspect_ases: other.clone(), detected_origins: other, ..opened.clone() };
        let versions = vec![opened.clone(), newer];
        assert_eq!(meant(&asked(&[], &[64511], opened.started), versions.clone(), &Offending::default()), 0);
        assert_eq!(meant(&asked(&[], &[64496], opened.started), versions, &Offending::default()), 1);
    }

    #[test]
    fn a_prefix_that_the_alert_has_no_room_for_is_found_by_its_routes() {
        let mass = Alert { prefix_count: 1_001, ..samples::opened() };
        let mut offending = Offending::default();
        let question = asked(&["203.0.113.0/24"], &[], at(5));
        assert_eq!(meant(&question, vec![mass.clone()], &offending), 0);
        offending.add(&question, &route_record(&mass.id, "203.0.113.0/24", "64500 64511"));
        assert_eq!(meant(&question, vec![mass.clone()], &offending), 1);
        // The incident goes on, but with none of the prefixes asked for.
        let later = asked(&["203.0.113.0/24"], &[], at(100));
        let mut earlier = Offending::default();
        let mut record = route_record(&mass.id, "203.0.113.0/24", "64500 64511");
        record.ended = Some(rules::desk::RouteEnd { seen: at(50), why: rules::alert::ReasonCode::Withdrawn });
        earlier.add(&later, &record);
        assert_eq!(meant(&later, vec![mass], &earlier), 0);
    }
}
