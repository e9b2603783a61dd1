//! Each control against a small story.

use super::*;
use crate::alert::samples;
use crate::investigate::case::{Offending, Terms};
use crate::investigate::gather::Trail;
use crate::investigate::hops::ways;
use crate::investigate::question::Claim;
use crate::investigate::testing::{Story, anything, prefix, route_record, source};
use rules::alert::{Alert, Leak};
use rules::relations::{Relation, Relations};
use rules::rpki::{Snapshot, Vrp};

fn laws(vrps: &[(&str, u8, u32)], aspas: &[(u32, &[u32])]) -> Laws {
    let mut rpki = Snapshot::default();
    for (at, max_length, asn) in vrps {
        rpki.vrps.insert(Vrp { prefix: prefix(at), max_length: *max_length, asn: Asn(*asn), source: "x".into() });
    }
    for (customer, providers) in aspas {
        rpki.aspas.insert(Asn(*customer), &providers.iter().copied().map(Asn).collect::<Vec<_>>());
    }
    Laws { rpki, has_vrps: !vrps.is_empty(), has_aspas: !aspas.is_empty(), relations: Relations::none() }
}

/// A part of AS64496's network from AS64511, taken by AS64505 and AS64506.
fn hijack() -> Trail {
    Story::new()
        .held(0, 0, "192.0.2.0/24", "64500 64510 64496")
        .announced(10, 0, "192.0.2.0/25", "64500 64505 64511")
        .announced(11, 1, "192.0.2.0/25", "64501 64505 64511 64511")
        .announced(12, 2, "192.0.2.0/25", "64502 64506 64511")
        .trail()
}

fn controlled(trail: &Trail, alert: &Alert, laws: &Laws, days: f64) -> Vec<Control> {
    let mut offending = Offending::default();
    for path in trail.paths.iter().skip(1) {
        offending.add(&anything(), &route_record(&alert.id, &alert.prefixes[0].to_string(), &path.as_path.to_string()));
    }
    let full_feed = BTreeSet::new();
    let terms =
        Terms { alert: Some(alert), claim: None::<&Claim>, offending: &offending, from: None, to: None, full_feed };
    let case = Case::new(trail, terms);
    let ways = ways(&case);
    controls(&case, &ways, laws, &source(Some(days).filter(|_| laws.has_vrps)))
}

fn effect(controls: &[Control], name: &str) -> (Effect, Vec<(u32, usize, usize)>) {
    let control = controls.iter().find(|control| control.control == name).expect("told");
    let at = control.at.iter().map(|at| (at.asn, at.spared_peer_ases, at.of_peer_ases)).collect();
    (control.effect, at)
}

#[test]
fn a_roa_stops_it_at_those_who_took_it_first_and_only_by_vrps_of_that_day() {
    let (trail, alert) = (hijack(), samples::opened());
    let takers = vec![(64505, 2, 3), (64506, 1, 3)];
    let roa = laws(&[("192.0.2.0/24", 24, 64496)], &[]);
    let today = controlled(&trail, &alert, &roa, 0.5);
    assert_eq!(effect(&today, "rov"), (Effect::Stops, takers.clone()));
    assert_eq!(effect(&today, "max_length"), (Effect::Stops, takers.clone()));
    assert_eq!(effect(&today, "prefix_filter"), (Effect::WouldStop, takers.clone()));
    assert_eq!(effect(&today, "otc").0, Effect::NotApplicable);
    assert_eq!(effect(&today, "aspa").0, Effect::DoesNotStop);
    assert_eq!(effect(&controlled(&trail, &alert, &roa, 400.0), "rov"), (Effect::WouldStop, takers.clone()));
    let none = laws(&[("198.51.100.0/24", 24, 64497)], &[]);
    assert_eq!(effect(&controlled(&trail, &alert, &none, 0.5), "rov"), (Effect::WouldStop, takers));
    assert_eq!(effect(&controlled(&trail, &alert, &laws(&[], &[]), 0.0), "rov").0, Effect::NotEvaluated);
}

#[test]
fn a_wide_max_length_lets_a_forged_origin_pass() {
    let wide = laws(&[("192.0.2.0/24", 25, 64496)], &[]);
    let told = controlled(&hijack(), &samples::opened(), &wide, 0.5);
    assert_eq!(effect(&told, "rov").0, Effect::Stops);
    assert_eq!(effect(&told, "max_length").0, Effect::DoesNotStop);
}

/// AS64511 pretends to be a neighbor of AS64496.
fn forged() -> (Trail, Alert) {
    let trail = Story::new()
        .held(0, 0, "192.0.2.0/24", "64500 64510 64496")
        .announced(10, 1, "192.0.2.0/24", "64501 64511 64496")
        .trail();
    let mut alert = samples::opened();
    alert.class = Class::ForgedOrigin;
    alert.prefixes = vec![prefix("192.0.2.0/24")];
    (trail, alert)
}

#[test]
fn one_more_aspa_would_stop_a_forged_origin_and_a_given_one_does() {
    let (trail, alert) = forged();
    let told = controlled(&trail, &alert, &laws(&[], &[]), 0.0);
    let aspa = told.iter().find(|control| control.control == "aspa").expect("told");
    assert_eq!((aspa.effect, aspa.at[0].asn), (Effect::WouldStop, 64_501), "{}", aspa.text);
    assert!(aspa.text.starts_with("an ASPA of AS64496") && aspa.text.contains("AS64510"), "{}", aspa.text);
    assert!(aspa.text.ends_with("at AS64501, if AS64511 is a customer or peer of it"), "{}", aspa.text);
    let given = controlled(&trail, &alert, &laws(&[], &[(64496, &[64510])]), 0.0);
    assert_eq!(effect(&given, "aspa"), (Effect::WouldStop, vec![(64_501, 1, 1)]), "on the same condition");
    let customer = (Asn(64501), Asn(64511), Relation::Customer);
    let relations = Relations::new(rules::alert::Source::none(), [customer], Vec::new(), Vec::new(), Vec::new());
    let both = controlled(&trail, &alert, &Laws { relations, ..laws(&[], &[(64496, &[64510])]) }, 0.0);
    assert_eq!(effect(&both, "aspa"), (Effect::Stops, vec![(64_501, 1, 1)]));
}

#[test]
fn a_mark_would_stop_a_leak_at_whoever_took_it_from_the_leaker() {
    let trail = Story::new()
        .held(0, 0, "192.0.2.0/24", "64500 64501 64496")
        .announced(10, 2, "192.0.2.0/24", "64502 64511 64501 64496")
        .trail();
    let mut alert = samples::opened();
    alert.class = Class::RouteLeak;
    alert.prefixes = vec![prefix("192.0.2.0/24")];
    let (from, leaker, to) = (Some(Asn(64501)), Some(Asn(64511)), Some(Asn(64502)));
    alert.leak = Some(Leak { leaker, from, to, segments: Vec::new() });
    let told = controlled(&trail, &alert, &laws(&[], &[]), 0.0);
    assert_eq!(effect(&told, "otc"), (Effect::WouldStop, vec![(64_502, 1, 1)]));
    assert_eq!(effect(&told, "rov").0, Effect::NotApplicable);
    assert_eq!(effect(&told, "prefix_filter"), (Effect::WouldStop, vec![(64_502, 1, 1)]));
}
