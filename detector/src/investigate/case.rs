//! Everything that is known of one event: the routes in question among all routes of the trail.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ipnet::IpNet;
use rules::alert::Alert;
use rules::bgp::{Asn, Timestamp};
use rules::desk::RouteRecord;

use super::gather::{Trail, What};
use super::question::{Claim, Question};
use super::report::{Message, Time};
use super::spans::{self, Span};
use crate::text;

/// Distinct offending routes by incident: about 100 octets each, 200 MB.
const ROUTES: usize = 2_000_000;

/// Those of one incident.
#[derive(Debug, Default)]
struct Routes {
    distinct: HashSet<(IpNet, String)>,
    /// One of them at least was held within the window.
    reach_window: bool,
}

/// The routes that the engine found offending, by incident.
#[derive(Debug, Default)]
pub struct Offending {
    by_incident: BTreeMap<String, Routes>,
    count: usize,
    pub left_out: u64,
}

impl Offending {
    pub fn add(&mut self, question: &Question, record: &RouteRecord) {
        if self.count >= ROUTES {
            self.left_out += 1;
            return;
        }
        let routes = match self.by_incident.get_mut(&*record.incident) {
            Some(routes) => routes,
            None => self.by_incident.entry(record.incident.to_string()).or_default(),
        };
        routes.reach_window |= question.is_in_window(record.started, record.ended.map(|end| end.seen));
        let is_new = routes.distinct.insert((record.prefix, record.attributes.as_path.to_string()));
        self.count += usize::from(is_new);
    }

    fn of(&self, incident: &str) -> Option<&HashSet<(IpNet, String)>> {
        self.by_incident.get(incident).map(|routes| &routes.distinct)
    }

    /// Whether any was held within the window; none if no route of the incident is on record.
    pub fn reaches_window(&self, incident: &str) -> Option<bool> {
        self.by_incident.get(incident).map(|routes| routes.reach_window)
    }
}

/// One event and all that is known of it.
pub struct Case<'a> {
    pub trail: &'a Trail,
    pub spans: Vec<Span>,
    /// By span: it is one of the routes in question.
    pub is_offending: Vec<bool>,
    pub alert: Option<&'a Alert>,
    pub claim: Option<&'a Claim>,
    /// Who is blamed first.
    pub suspect: Option<Asn>,
    pub expected: BTreeSet<Asn>,
    /// What the figures are of.
    pub from: Timestamp,
    pub to: Timestamp,
    /// Peers that send a full table of the family in question.
    pub full_feed: BTreeSet<Asn>,
}

/// What is asked of the routes of a trail.
pub struct Terms<'a> {
    pub alert: Option<&'a Alert>,
    pub claim: Option<&'a Claim>,
    pub offending: &'a Offending,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub full_feed: BTreeSet<Asn>,
}

impl<'a> Case<'a> {
    pub fn new(trail: &'a Trail, terms: Terms<'a>) -> Self {
        let Terms { alert, claim, offending, full_feed, .. } = terms;
        let spans = spans::of(trail);
        let from = terms.from.or(trail.first).unwrap_or_default();
        let to = terms.to.or(trail.last).unwrap_or(from);
        let routes = alert.and_then(|alert| offending.of(&alert.id));
        let offends = |span: &Span| {
            if !span.touches(trail, from, to) {
                return false;
            }
            match routes {
                Some(routes) => routes.contains(&(span.prefix(), span.as_path(trail).to_string())),
                None => claim.is_some_and(|claim| claim.blames(span, trail)),
            }
        };
        let is_offending = spans.iter().map(offends).collect();
        let suspect = alert.and_then(|alert| alert.suspect_ases.first().copied());
        let suspect = suspect.or_else(|| claim.and_then(|claim| claim.suspects.first().copied()));
        let of_alert = alert.into_iter().flat_map(|alert| alert.expected_origins.iter().copied());
        let of_claim = claim.into_iter().flat_map(|claim| claim.victims.iter().copied());
        let expected = if alert.is_some() { of_alert.collect() } else { of_claim.collect() };
        Self { trail, spans, is_offending, alert, claim, suspect, expected, from, to, full_feed }
    }

    /// The routes in question, in the order in which they came.
    pub fn offending(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().zip(&self.is_offending).filter(|(_, is)| **is).map(|(span, _)| span)
    }

    pub fn has_offending(&self) -> bool {
        self.is_offending.contains(&true)
    }

    /// Prefixes of the routes in question.
    pub fn prefixes(&self) -> BTreeSet<IpNet> {
        self.offending().map(Span::prefix).collect()
    }

    pub fn peer_as(&self, span: &Span) -> Asn {
        self.trail.vantages[span.vantage as usize].point.peer_as
    }

    pub fn is_full_feed(&self, asn: Asn) -> bool {
        self.full_feed.contains(&asn)
    }

    /// A share over the peers with a full table; none without a measure.
    pub fn share(&self, full_feed: usize) -> Option<f64> {
        let of = self.full_feed.len();
        (of > 0).then(|| (full_feed as f64 / of as f64 * 1e4).round() / 1e4)
    }

    /// The place of the suspect in the compressed path of a route in question, the one nearest to its origin.
    pub fn place_of_suspect(&self, compressed: &[Asn]) -> Option<usize> {
        let suspect = self.suspect?;
        compressed.iter().rposition(|asn| *asn == suspect)
    }

    /// The message with this number, as a report names it.
    pub fn message(&self, change: u32) -> Message {
        let change = &self.trail.changes[change as usize];
        let point = &self.trail.vantages[change.vantage as usize].point;
        let (kind, route, path) = match change.what {
            What::Held(route, path) => ("dump", Some(route), Some(path)),
            What::Announced(route, path) => ("announcement", Some(route), Some(path)),
            What::Withdrawn(route) => ("withdrawal", Some(route), None),
            What::Down => ("session_down", None, None),
        };
        let as_path = path.map(|path| self.trail.paths[path as usize].as_path.to_string());
        Message {
            time: Time(change.time),
            kind,
            collector: text::plain(&point.collector, 64),
            peer_as: point.peer_as.0,
            peer_address: point.peer_address.to_string(),
            prefix: route.map(|route| route.prefix.to_string()),
            as_path: as_path.map(|path| text::path(&path, rules::limits::PATH_TEXT)),
            input: change.place.input + 1,
            record: change.place.record,
        }
    }
}

impl Claim {
    /// A route as the claim tells it: the leaked segment is in it, or the suspect is its origin.
    fn blames(&self, span: &Span, trail: &Trail) -> bool {
        let path = span.as_path(trail);
        if let Some([from, leaker, to]) = self.leak {
            return path.compressed().windows(3).any(|way| way == [to, leaker, from]);
        }
        if self.is_leak {
            return self.suspects.iter().any(|suspect| path.ases().contains(suspect));
        }
        path.origin_as().is_some_and(|origin| self.suspects.contains(&origin) && !self.victims.contains(&origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::testing::{Story, at, prefix};

    fn story() -> Trail {
        Story::new()
            .held(0, 0, "192.0.2.0/24", "64500 64496")
            .announced(10, 0, "192.0.2.0/24", "64500 64502 64511")
            .announced(11, 1, "192.0.2.0/24", "64501 64502 64511 64511")
            .withdrawn(20, 1, "192.0.2.0/24")
            .trail()
    }

    fn terms<'a>(claim: &'a Claim, offending: &'a Offending) -> Terms<'a> {
        Terms { alert: None, claim: Some(claim), offending, from: None, to: None, full_feed: BTreeSet::new() }
    }

    #[test]
    fn a_claim_blames_the_routes_of_its_suspect_alone() {
        let trail = story();
        let offending = Offending::default();
        let claim = Claim { suspects: vec![Asn(64511)], victims: vec![Asn(64496)], ..Claim::default() };
        let case = Case::new(&trail, terms(&claim, &offending));
        assert_eq!(case.is_offending, [false, true, true]);
        assert_eq!(case.prefixes(), [prefix("192.0.2.0/24")].into());
        assert_eq!(case.place_of_suspect(&[Asn(64500), Asn(64502), Asn(64511)]), Some(2));
        let leak = Claim { leak: Some([Asn(64511), Asn(64502), Asn(64500)]), is_leak: true, ..Claim::default() };
        assert_eq!(Case::new(&trail, terms(&leak, &offending)).is_offending, [false, true, false]);
    }

    #[test]
    fn routes_outside_the_window_are_not_in_question() {
        let (trail, offending) = (story(), Offending::default());
        let claim = Claim { suspects: vec![Asn(64511)], ..Claim::default() };
        let later = Terms { from: Some(at(21)), to: Some(at(30)), ..terms(&claim, &offending) };
        assert_eq!(Case::new(&trail, later).is_offending, [false, true, false]);
    }

    #[test]
    fn a_message_is_named_with_its_place() {
        let (trail, offending) = (story(), Offending::default());
        let claim = Claim::default();
        let message = Case::new(&trail, terms(&claim, &offending)).message(2);
        assert_eq!((message.input, message.record, message.peer_as), (1, 3, 64501));
        assert_eq!(message.as_path.as_deref(), Some("64501 64502 64511 64511"));
        assert_eq!((message.kind, message.prefix.as_deref()), ("announcement", Some("192.0.2.0/24")));
    }
}
