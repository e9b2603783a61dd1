use std::sync::Arc;

use rules::alert::{Alert, Reason, ReasonCode, Status, Transition};
use rules::desk::RouteNews;

use super::*;
use crate::alert::samples::{at, opened, record};
use crate::alert::{WireContext, to_json};
use crate::sink::{Delivery, Parcel};
use crate::store::{Keep, Put, retention, rows, schema};

/// A store that was told of the incident.
fn told() -> Connection {
    let mut connection = Connection::open_in_memory().expect("memory");
    connection.pragma_update(None, "foreign_keys", true).expect("set");
    schema::migrate(&mut connection, 0).expect("migrated");
    tell(&connection, &opened());
    connection
}

fn delivery(alert: &Alert) -> Delivery {
    Delivery::new(alert, to_json(alert, &WireContext::default()).into())
}

fn tell(connection: &Connection, alert: &Alert) {
    let put = Put { parcel: Parcel::Alert(delivery(alert)), sinks: Vec::new(), chapter: None };
    rows::put(connection, &put, 0).expect("stored");
}

fn over(code: ReasonCode) -> Alert {
    let reason = Reason { code, ..opened().reason };
    let (status, transition) = (Status::Resolved, Transition::Resolved);
    Alert { sequence: 2, status, transition, reason, ended: Some(at(90)), ..opened() }
}

fn write(connection: &Connection, news: &[RouteNews]) -> u64 {
    let mut writer = Writer::new(connection);
    news.iter().for_each(|news| writer.write(news).expect("written"));
    writer.lost
}

fn route(collector: &str, started: i64, ended: Option<i64>) -> RouteNews {
    RouteNews::Route(record(collector, started, ended))
}

fn found(connection: &Connection, question: &RouteQuestion) -> FoundRoutes {
    of(connection, &opened().id, question, 0, 100).expect("read").expect("there is a record")
}

/// Collector, and from when to when and why, in seconds.
fn spans(connection: &Connection) -> Vec<(String, i64, Option<i64>, Option<String>)> {
    let secs = |time: &str| Timestamp::parse(time).expect("a time").secs() - at(0).secs();
    let routes = found(connection, &RouteQuestion::default()).routes.into_iter();
    routes.map(|(_, r)| (r.collector, secs(&r.started), r.ended.as_deref().map(secs), r.reason)).collect()
}

#[test]
fn what_was_told_comes_back_as_it_was() {
    let connection = told();
    let held = record("rrc00", 0, None);
    write(&connection, &[RouteNews::Route(held.clone())]);
    assert_eq!(found(&connection, &RouteQuestion::default()).routes, [(1, RouteLine::from(&held))]);
    write(&connection, &[route("rrc00", 0, Some(40))]);
    let ended = RouteLine::from(&record("rrc00", 0, Some(40)));
    assert_eq!(found(&connection, &RouteQuestion::default()).routes, [(1, ended)]);
}

#[test]
fn what_is_told_again_after_a_restart_goes_on_and_what_is_gone_is_closed() {
    let connection = told();
    write(&connection, &[route("rrc00", 0, None), route("rrc01", 1, None), route("rrc02", 2, None)]);
    let RouteNews::Route(gone) = route("rrc02", 2, None) else { panic!("a route") };
    let ended = rules::desk::RouteEnd { seen: at(70), why: ReasonCode::OutOfSight };
    let (incident, prefix, point) = (gone.incident, gone.prefix, gone.point);
    let attributes =
        rules::bgp::PathAttributes { as_path: "64502 64511".parse().expect("a path"), ..Default::default() };
    let other = rules::desk::RouteRecord { attributes: Arc::new(attributes), ..record("rrc01", 60, None) };
    write(
        &connection,
        &[
            route("rrc00", 60, None),
            route("rrc00", 60, Some(80)),
            RouteNews::Route(other),
            RouteNews::Gone { incident, prefix, point, path_id: 0, ended },
        ],
    );
    let why = |code: ReasonCode| Some(code.word().to_owned());
    let expected = [
        ("rrc00".to_owned(), 0, Some(80), why(ReasonCode::Withdrawn)),
        ("rrc01".to_owned(), 1, Some(60), why(ReasonCode::Replaced)),
        ("rrc02".to_owned(), 2, Some(70), why(ReasonCode::OutOfSight)),
        ("rrc01".to_owned(), 60, None, None),
    ];
    assert_eq!(spans(&connection), expected);
    // What an archive brings once more is no news.
    write(&connection, &[route("rrc00", 0, None), route("rrc00", 0, Some(80))]);
    assert_eq!(spans(&connection), expected);
}

/// A route over another path than that of [`route`].
fn another(collector: &str, started: i64, ended: Option<i64>) -> RouteNews {
    let as_path = "64502 64511".parse().expect("a path");
    let attributes = Arc::new(rules::bgp::PathAttributes { as_path, ..Default::default() });
    RouteNews::Route(rules::desk::RouteRecord { attributes, ..record(collector, started, ended) })
}

/// Its end, if nobody says more than where it was.
fn gone(collector: &str, seen: i64) -> RouteNews {
    let rules::desk::RouteRecord { incident, prefix, point, path_id, .. } = record(collector, 0, None);
    let ended = rules::desk::RouteEnd { seen: at(seen), why: ReasonCode::OutOfSight };
    RouteNews::Gone { incident, prefix, point, path_id, ended }
}

#[test]
fn what_is_told_twice_says_nothing_about_the_route_that_is_held_now() {
    let spells = [
        vec![route("rrc00", 0, Some(10)), another("rrc00", 10, None)],
        vec![route("rrc00", 0, Some(10)), route("rrc00", 20, None)],
        vec![route("rrc00", 0, None), another("rrc00", 10, None), route("rrc00", 20, None)],
        vec![route("rrc00", 0, None), gone("rrc00", 10), route("rrc00", 20, None)],
        // Both in one millisecond.
        vec![route("rrc00", 0, None), another("rrc00", 0, None)],
    ];
    for news in spells {
        let connection = told();
        write(&connection, &news);
        let once = spans(&connection);
        assert_eq!(once.iter().filter(|(_, _, ended, _)| ended.is_none()).count(), 1, "{once:?}");
        write(&connection, &news);
        assert_eq!(spans(&connection), once);
        let again: Vec<_> = found(&connection, &RouteQuestion::default()).routes;
        let mut writer = Writer::new(&connection);
        assert!(again.iter().all(|(_, line)| writer.take_in(line).expect("written")));
        assert_eq!(spans(&connection), once, "as an import of what was exported");
    }
}

#[test]
fn an_older_backup_ends_nothing_that_began_after_it() {
    let connection = told();
    let replaced = || Some(ReasonCode::Replaced.word().to_owned());
    write(&connection, &[route("rrc00", 0, Some(10)), another("rrc00", 20, None), another("rrc01", 20, None)]);
    // In the backup both are held still; of the second this store knows nothing.
    write(&connection, &[route("rrc00", 0, None), route("rrc01", 5, None)]);
    let expected = [
        ("rrc00".to_owned(), 0, Some(10), Some(ReasonCode::Withdrawn.word().to_owned())),
        ("rrc00".to_owned(), 20, None, None),
        ("rrc01".to_owned(), 20, None, None),
        ("rrc01".to_owned(), 5, Some(20), replaced()),
    ];
    assert_eq!(spans(&connection), expected);
}

#[test]
fn an_older_table_that_is_read_at_a_restart_ends_nothing_that_began_after_it() {
    let connection = told();
    write(&connection, &[route("rrc00", 0, Some(30)), route("rrc00", 50, None)]);
    // The table is of second 20; the updates behind it are told again.
    write(&connection, &[route("rrc00", 20, None), route("rrc00", 20, Some(30)), gone("rrc00", 40)]);
    let expected = [
        ("rrc00".to_owned(), 0, Some(30), Some(ReasonCode::Withdrawn.word().to_owned())),
        ("rrc00".to_owned(), 50, None, None),
    ];
    assert_eq!(spans(&connection), expected);
}

#[test]
fn an_incident_that_is_over_leaves_no_route_open_but_one_that_became_normal_does() {
    for (code, ended) in [(ReasonCode::OutOfSight, Some(90)), (ReasonCode::BecameNormal, None)] {
        let connection = told();
        write(&connection, &[route("rrc00", 0, Some(40)), route("rrc01", 10, None)]);
        tell(&connection, &over(code));
        close(&connection, &delivery(&over(code))).expect("closed");
        let ends: Vec<_> = spans(&connection).into_iter().map(|(_, _, ended, _)| ended).collect();
        assert_eq!(ends, [Some(40), ended], "{code}");
    }
}

#[test]
fn a_route_that_is_written_after_the_end_of_its_incident_is_over_too_until_more_is_known() {
    for (code, ended) in [(ReasonCode::OutOfSight, Some(90)), (ReasonCode::BecameNormal, None)] {
        let connection = told();
        tell(&connection, &over(code));
        close(&connection, &delivery(&over(code))).expect("closed");
        write(&connection, &[route("rrc00", 0, None), route("rrc01", 10, None)]);
        let ends = || spans(&connection).into_iter().map(|(_, _, ended, _)| ended).collect::<Vec<_>>();
        assert_eq!(ends(), [ended; 2], "{code}");
        write(&connection, &[route("rrc00", 0, Some(40))]);
        assert_eq!(ends(), [Some(40), ended], "{code}: somebody saw it end");
        write(&connection, &[route("rrc00", 0, Some(50)), route("rrc00", 0, None)]);
        assert_eq!(ends(), [Some(40), ended], "{code}: and only once");
    }
}

#[test]
fn routes_are_found_by_prefix_by_peer_and_by_the_moment_at_which_they_were_held() {
    let connection = told();
    write(&connection, &[route("rrc00", 0, Some(40)), route("rrc01", 10, None)]);
    let count = |question: &RouteQuestion| found(&connection, question).routes.len();
    let net = |text: &str| Some(text.parse().expect("a prefix"));
    for (prefix, expected) in [("192.0.2.0/25", 2), ("192.0.2.0/24", 2), ("192.0.2.0/26", 0), ("198.51.100.0/24", 0)] {
        assert_eq!(count(&RouteQuestion { prefix: net(prefix), ..Default::default() }), expected, "{prefix}");
    }
    for (peer, expected) in [
        (Peer::As(Asn(64502)), 2),
        (Peer::As(Asn(64511)), 0),
        (Peer::Address([198, 51, 100, 7].into()), 2),
        (Peer::Address([198, 51, 100, 8].into()), 0),
    ] {
        assert_eq!(count(&RouteQuestion { peer: Some(peer), ..Default::default() }), expected, "{peer:?}");
    }
    for (secs, expected) in [(-1, 0), (0, 1), (10, 2), (39, 2), (40, 1), (1_000, 1)] {
        assert_eq!(count(&RouteQuestion { at: Some(at(secs)), ..Default::default() }), expected, "{secs}");
    }
    assert_eq!(of(&connection, "bw-unknown", &RouteQuestion::default(), 0, 10).expect("read"), None);
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let connection = told();
    let news: Vec<_> = (0..25).map(|i| route(&format!("rrc{i:02}"), i, None)).collect();
    write(&connection, &news);
    let (mut behind, mut all) = (0, Vec::new());
    loop {
        let page = of(&connection, &opened().id, &RouteQuestion::default(), behind, 10).expect("read").expect("some");
        all.extend(page.routes.iter().map(|(_, route)| route.collector.clone()));
        behind = page.routes.last().expect("a route").0;
        if !page.has_more {
            break;
        }
    }
    let expected: Vec<_> = (0..25).map(|i| format!("rrc{i:02}")).collect();
    assert_eq!(all, expected);
}

#[test]
fn what_finds_no_room_is_counted_to_the_last() {
    let connection = told();
    connection.execute("UPDATE route_histories SET kept = 0", []).expect("none yet");
    write(&connection, &[route("rrc00", 0, None)]);
    connection.execute("UPDATE route_histories SET kept = ?1", [OF_ONE]).expect("full");
    assert_eq!(write(&connection, &[route("rrc01", 1, None)]), 1, "of one incident");
    connection.execute("UPDATE route_histories SET kept = 1", []).expect("room");
    connection.execute("UPDATE route_room SET kept = ?1", [MOST]).expect("full");
    assert_eq!(write(&connection, &[route("rrc02", 2, None), route("rrc00", 0, Some(9))]), 1, "in all");
    let count = RouteNews::LeftOut { incident: opened().id.into(), count: 1_000 };
    write(&connection, &[count.clone(), count]);
    let found = found(&connection, &RouteQuestion::default());
    assert_eq!((found.kept, found.left_out), (1, 1_002));
    assert!(found.routes[0].1.ended.is_some(), "the end of what is kept finds its place");
    let stray = RouteNews::Route(rules::desk::RouteRecord { incident: "bw-stray".into(), ..record("rrc00", 0, None) });
    assert_eq!(write(&connection, &[stray]), 1, "without an incident");
}

#[test]
fn the_routes_of_what_is_over_make_room_and_go_with_their_incident() {
    let connection = told();
    let news: Vec<_> = (0..20).map(|i| route(&format!("rrc{i:02}"), i, Some(i + 5))).collect();
    write(&connection, &news);
    connection.execute("UPDATE route_room SET kept = ?1", [FULL + 15]).expect("nearly full");
    assert!(!make_room(&connection, 10).expect("looked"), "it is open");
    tell(&connection, &over(ReasonCode::Withdrawn));
    assert!(make_room(&connection, 10).expect("made") && make_room(&connection, 10).expect("made"));
    assert!(!make_room(&connection, 10).expect("looked"), "there is room");
    let left = found(&connection, &RouteQuestion::default());
    assert_eq!((left.routes.len(), left.kept, left.left_out), (0, 0, 20));

    let connection = told();
    write(&connection, &news);
    tell(&connection, &over(ReasonCode::Withdrawn));
    let newer = Alert { id: "bw-newer".into(), ..opened() };
    tell(&connection, &newer);
    let keep = Keep { since: Timestamp::MAX, most_bytes: u64::MAX };
    assert_eq!(retention::step(&connection, keep, &[], &[], 0).expect("a step").by_age, 1);
    for table in ["routes", "route_histories"] {
        let left: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).expect("a count");
        assert_eq!(left, 0, "{table}");
    }
    let room: i64 = connection.query_row("SELECT kept FROM route_room", [], |row| row.get(0)).expect("a count");
    assert_eq!(room, 0);
}

#[test]
fn a_file_of_any_version_learns_to_keep_routes_of_the_incidents_it_has() {
    for version in 1..=5 {
        let mut connection = Connection::open_in_memory().expect("memory");
        schema::migrate_to(&mut connection, version).expect("an older file");
        let delivery = delivery(&opened());
        connection
            .execute(
                "INSERT INTO transitions (incident, sequence, transition, class, severity, time, json, stored)
                 VALUES (?1, 1, 'opened', 'subprefix_hijack', 'high', 0, ?2, 0)",
                params![delivery.id, delivery.json],
            )
            .expect("a row");
        let number = if version >= 4 { "number, " } else { "" };
        let value = if version >= 4 { "7, " } else { "" };
        let insert = format!(
            "INSERT INTO incidents ({number}id, sequence, status, class, severity, time, stored)
             VALUES ({value}?1, 1, 'open', 'subprefix_hijack', 'high', 0, 0)"
        );
        connection.execute(&insert, [&delivery.id]).expect("a row");
        schema::migrate(&mut connection, 8).expect("migrated");
        assert_eq!(of(&connection, &delivery.id, &RouteQuestion::default(), 0, 9).expect("read"), None);
        assert_eq!(write(&connection, &[route("rrc00", 0, None)]), 0);
        assert_eq!(found(&connection, &RouteQuestion::default()).kept, 1, "version {version}");
    }
}
