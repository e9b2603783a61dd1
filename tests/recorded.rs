//! A recording is the whole history: read again, it gives the same events and the same words, with what was decided on the way
//! (sessions that are set aside, Roles of RFC 9234) at the same places.

use std::sync::Arc;

use feeds::input::{Use, from_bytes};
use feeds::record::Writer;
use rules::alert::Alert;
use rules::bgp::{Asn, Timestamp};
use rules::desk::{Output, Settings};
use rules::engine::Engine;
use rules::event::{Event, Role, Stamped};
use rules::relations::Relation;
use rules::stamp::Stamper;
use rules::testing::scenario::Scenario;

/// What a history comes to: every event in its place, what was said, and how it was written down.
struct Lived {
    stamped: Vec<Stamped>,
    alerts: Vec<Arc<Alert>>,
    recording: Vec<u8>,
}

fn live(events: impl IntoIterator<Item = (Timestamp, Event)>, shards: usize) -> Lived {
    let (mut stamper, mut stamped) = (Stamper::default(), Vec::new());
    events.into_iter().for_each(|(at, event)| stamper.push(at, event, &mut stamped));
    let mut writer = Writer::new(Vec::new()).expect("a header");
    let mut engine = Engine::with_shards(Settings::default(), shards);
    let mut alerts = Vec::new();
    for event in &stamped {
        writer.write(event).expect("a line");
        let outputs = engine.handle(event).into_iter();
        alerts.extend(outputs.filter_map(|o| if let Output::Alert(alert) = o { Some(alert) } else { None }));
    }
    Lived { stamped, alerts, recording: writer.finish().expect("the end") }
}

/// Two ASes that say what they are to each other, before anything else of the story happens.
fn with_role(story: &Scenario) -> Vec<(Timestamp, Event)> {
    let mut events = story.lives[0].clone();
    let at = events[0].0;
    let role = Role { ases: (Asn(64510), Asn(64496)), relation: Relation::Customer };
    let points = events.iter().take_while(|(_, event)| matches!(event, Event::Vantage(..))).count();
    events.insert(points, (at, Event::Role(role)));
    events
}

fn check(name: &str) {
    let path = format!("{}/scenarios/{name}.scn", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let story: Scenario = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
    let first = live(with_role(&story), 1);
    let decided = first.stamped.iter().filter(|s| matches!(s.event, Event::Session(_) | Event::Shed(_))).count();
    assert!(decided > 0 && !first.alerts.is_empty(), "{name} has both");
    let written = String::from_utf8(first.recording.clone()).expect("text");
    assert!(written.contains("\"role\""), "Roles are written down");
    for shards in [1, 3] {
        let items = from_bytes(first.recording.clone().into(), "recorded", Use::Updates).expect("a recording");
        let again = live(items.map(|item| (item.time, item.event)), shards);
        assert_eq!(again.alerts, first.alerts, "{name}, {shards} shards");
        assert_eq!(String::from_utf8(again.recording).expect("text"), written, "{name}, {shards} shards");
    }
}

#[test]
fn sessions_that_never_stay_up_are_set_aside_at_the_same_places() {
    check("a_session_that_never_stays_up_is_no_witness_until_it_does");
}

#[test]
fn sessions_that_are_misread_are_set_aside_at_the_same_places() {
    check("a_session_that_misreads_add_path_accuses_nobody");
}

#[test]
fn what_is_shed_is_shed_at_the_same_places() {
    check("a_session_that_is_shed_proves_no_end");
    check("a_watched_network_is_not_lost_with_the_sessions_that_are_shed");
}
