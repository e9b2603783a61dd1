use rules::alert::{Constituent as Named, Role, Tlp};
use rules::watch::{Constituent, Resource};

use super::*;
use crate::alert::samples::opened;

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn constituent(name: &str, asns: &[u32], prefixes: &[&str]) -> Constituent {
    let resource = |prefix: &&str| Resource {
        prefix: net(prefix),
        expected_origins: Vec::new(),
        upstreams: Vec::new(),
        max_length: None,
    };
    Constituent {
        name: name.into(),
        asns: asns.iter().copied().map(Asn).collect(),
        resources: prefixes.iter().map(resource).collect(),
        ..Constituent::default()
    }
}

fn scope_of(names: &[&str], watched: Vec<Constituent>) -> Scope {
    let watch = Arc::new(Watch::new(watched));
    let names: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
    Scope::new(&names, Arc::new(move || watch.clone()))
}

fn bank_and_press() -> Vec<Constituent> {
    vec![constituent("Bank", &[64496], &["192.0.2.0/24"]), constituent("Press", &[64497], &["198.51.100.0/24"])]
}

/// A hijack of prefixes of the bank and of the press.
fn of_both() -> Alert {
    let one = opened();
    let of_press = Detail {
        prefix: net("198.51.100.0/25"),
        covering_prefix: Some(net("198.51.100.0/24")),
        expected_origins: vec![Asn(64497)],
        ..one.details[0].clone()
    };
    let named = |name: &str| Named { name: name.into(), role: Role::Victim, tlp: Tlp::Green };
    Alert {
        title: "AS64511 announces 192.0.2.0/25 and 198.51.100.0/25".into(),
        constituents: vec![named("Bank"), named("Press")],
        constituent_count: 2,
        prefixes: vec![net("192.0.2.0/25"), net("198.51.100.0/25")],
        prefix_count: 2,
        active_prefix_count: 2,
        details: vec![one.details[0].clone(), of_press],
        expected_origins: vec![Asn(64496), Asn(64497)],
        victim_ases: vec![Asn(64496), Asn(64497)],
        victim_as_count: 2,
        ..one
    }
}

#[test]
fn a_constituent_sees_nothing_of_what_another_holds() {
    for (name, theirs, others) in [
        ("Bank", "192.0.2.0/25", ["198.51.100", "64497", "Press"]),
        ("Press", "198.51.100.0/25", ["192.0.2", "64496", "Bank"]),
    ] {
        let narrowed = scope_of(&[name], bank_and_press()).narrow(of_both());
        assert_eq!((narrowed.prefixes.as_slice(), narrowed.prefix_count), ([net(theirs)].as_slice(), 1), "{name}");
        let json = crate::alert::to_json(&narrowed, &crate::alert::WireContext::default());
        for other in others {
            assert!(!json.contains(other), "{name} sees {other}: {json}");
        }
        assert!(narrowed.title.contains(theirs) && narrowed.title.contains("AS64511"), "{}", narrowed.title);
    }
}

#[test]
fn what_is_all_theirs_is_told_as_it_is() {
    let scope = scope_of(&["Bank", "Press"], bank_and_press());
    assert_eq!(scope.narrow(of_both()), of_both());
}

#[test]
fn whose_as_is_the_suspect_sees_what_it_does() {
    let mut watched = bank_and_press();
    watched.push(constituent("Culprit", &[64511], &[]));
    let scope = scope_of(&["Culprit"], watched);
    assert!(scope.concerns(&of_both()));
    let narrowed = scope.narrow(of_both());
    assert_eq!(narrowed.prefixes.len(), 2);
    assert!(narrowed.constituents.is_empty(), "who else is watched is not its business");
}

#[test]
fn an_incident_of_others_does_not_concern_them() {
    let scope = scope_of(&["Elsewhere"], vec![constituent("Elsewhere", &[64500], &["203.0.113.0/24"])]);
    assert!(!scope.concerns(&of_both()));
}

#[test]
fn who_is_beyond_the_names_an_alert_has_room_for_is_found_by_what_they_hold() {
    let scope = scope_of(&["Press"], bank_and_press());
    let nameless = Alert { constituents: Vec::new(), constituent_count: 900, victim_ases: Vec::new(), ..of_both() };
    assert!(scope.concerns(&nameless));
}

#[test]
fn a_covering_announcement_touches_what_lies_inside_it() {
    let scope = scope_of(&["Bank"], bank_and_press());
    let ours = scope.ours();
    for (prefix, touches) in [
        ("192.0.0.0/16", true),
        ("192.0.2.0/24", true),
        ("192.0.2.128/25", true),
        ("192.0.3.0/24", false),
        ("192.0.1.0/24", false),
        ("0.0.0.0/0", true),
        ("::/0", false),
    ] {
        assert_eq!(ours.touches(&net(prefix)), touches, "{prefix}");
    }
}

#[test]
fn a_new_watch_list_counts_from_the_moment_it_is_there() {
    let now = Arc::new(Mutex::new(Arc::new(Watch::new(bank_and_press()))));
    let watched = now.clone();
    let scope = Scope::new(&["Bank".into()], Arc::new(move || watched.lock().expect("a lock").clone()));
    let nameless = Alert { constituents: Vec::new(), ..of_both() };
    assert!(scope.concerns(&nameless));
    *now.lock().expect("a lock") = Arc::new(Watch::new(vec![constituent("Bank", &[], &["203.0.113.0/24"])]));
    assert!(!scope.concerns(&nameless));
}
