use std::sync::Arc;

use feeds::as2org::As2org;
use rules::alert::{Alert, Constituent, Role, Tlp, Transition};

use super::*;
use crate::alert::samples::{at, opened};
use crate::alert::{WireContext, to_json};
use crate::sink::{Delivery, Parcel};
use crate::store::{Put, rows, schema};

const PREFIXES: [&str; 7] = [
    "192.0.2.0/24",
    "192.0.2.0/25",
    "192.0.2.128/25",
    "198.51.100.0/24",
    "198.51.100.7/32",
    "2001:db8::/32",
    "2001:db8:4000::/34",
];
const NAMES: [&str; 2] = ["Example Bank", "O'Neil \"100 %\""];

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// The `n`th of a world in which everything meets everything.
fn alert(n: usize) -> Alert {
    let status = Status::ALL[n % 3];
    let transition = [Transition::Opened, Transition::Resolved, Transition::Retracted][n % 3];
    let constituents = NAMES.iter().take(n % 4 % 3).map(|name| Constituent {
        name: (*name).to_owned(),
        role: Role::Victim,
        tlp: Tlp::Green,
    });
    Alert {
        id: format!("bw-{n:04}"),
        status,
        transition,
        started: at((n as i64 * 37) % 90),
        class: Class::ALL[n / 3 % 4],
        severity: Severity::ALL[n / 2 % 4],
        suspect_ases: vec![Asn(64500 + n as u32 % 5), Asn(64510)],
        victim_ases: vec![Asn(64496 + n as u32 % 3)],
        constituents: constituents.collect(),
        prefixes: vec![net(PREFIXES[n % 7]), net(PREFIXES[n / 7 % 7])],
        ..opened()
    }
}

fn put(connection: &Connection, alert: &Alert) {
    let json = to_json(alert, &WireContext::default());
    let put = Put { parcel: Parcel::Alert(Delivery::new(alert, json.into())), sinks: Vec::new(), chapter: None };
    rows::put(connection, &put, 0).expect("stored");
}

fn store_of(count: usize) -> Connection {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::migrate(&mut connection, 0).expect("migrated");
    (0..count).for_each(|n| put(&connection, &alert(n)));
    connection
}

/// What a reader would look for with his finger.
fn fits(question: &Question, alert: &Alert) -> bool {
    let lies = |(asked, how): (IpNet, Match)| {
        alert.prefixes.iter().any(|prefix| match how {
            Match::Exact => *prefix == asked,
            Match::More => asked.contains(prefix),
            Match::Less => prefix.contains(&asked),
            Match::Overlapping => prefix.contains(&asked) || asked.contains(prefix),
        })
    };
    question.since.is_none_or(|since| alert.started >= since)
        && question.until.is_none_or(|until| alert.started < until)
        && (question.statuses.is_empty() || question.statuses.contains(&alert.status))
        && (question.classes.is_empty() || question.classes.contains(&alert.class))
        && (question.severities.is_empty() || question.severities.contains(&alert.severity))
        && question.suspect.is_none_or(|asn| alert.suspect_ases.contains(&asn))
        && question.victim.is_none_or(|asn| alert.victim_ases.contains(&asn))
        && question.prefix.is_none_or(lies)
        && question.constituent.as_ref().is_none_or(|name| alert.constituents.iter().any(|c| c.name == *name))
        // Which country an AS is of, the alert alone does not say.
        && question.country.is_none()
}

/// What tells one alert from another.
#[derive(Debug, serde::Deserialize)]
struct Seen {
    id: String,
    started: String,
}

fn seen(sent: &Sent) -> Seen {
    serde_json::from_str(&sent.json).expect("an alert")
}

/// All pages of an answer.
fn walk(connection: &Connection, question: &Question, most: usize) -> Vec<Seen> {
    let (mut all, mut behind) = (Vec::new(), None);
    loop {
        let found = find(connection, question, behind, most).expect("found");
        assert!(found.alerts.len() <= most && (found.alerts.len() == most || !found.has_more));
        all.extend(found.alerts.iter().map(seen));
        behind = found.alerts.last().map(|sent| sent.number);
        if !found.has_more {
            return all;
        }
    }
}

fn questions() -> Vec<Question> {
    let anything = Question::default;
    let mut singles = vec![anything()];
    for prefix in PREFIXES.into_iter().chain(["0.0.0.0/0", "::/0", "192.0.2.1/32", "203.0.113.0/24"]) {
        for how in [Match::Exact, Match::More, Match::Less, Match::Overlapping] {
            singles.push(Question { prefix: Some((net(prefix), how)), ..anything() });
        }
    }
    singles.extend([64500, 64510, 64999].map(|asn| Question { suspect: Some(Asn(asn)), ..anything() }));
    singles.extend(NAMES.map(|name| Question { constituent: Some(name.to_owned()), ..anything() }));
    singles.push(Question { since: Some(at(20)), until: Some(at(60)), ..anything() });
    let others = [
        anything(),
        Question { statuses: vec![Status::Open], ..anything() },
        Question { severities: vec![Severity::High, Severity::Critical], victim: Some(Asn(64497)), ..anything() },
        Question { classes: vec![Class::ALL[1]], severities: vec![Severity::Low], since: Some(at(7)), ..anything() },
    ];
    let both = |single: &Question| {
        others.clone().map(|other| Question {
            since: single.since.or(other.since),
            statuses: other.statuses,
            severities: other.severities,
            victim: other.victim,
            classes: other.classes,
            ..single.clone()
        })
    };
    singles.iter().flat_map(both).collect()
}

#[test]
fn every_question_finds_what_looking_through_all_finds_in_the_order_of_their_beginning() {
    const COUNT: usize = 150;
    let connection = store_of(COUNT);
    let all: Vec<_> = (0..COUNT).map(alert).collect();
    for question in questions() {
        let found = walk(&connection, &question, 7);
        let mut expected: Vec<_> = all.iter().filter(|alert| fits(&question, alert)).map(|alert| &alert.id).collect();
        assert!(found.is_sorted_by(|a, b| a.started >= b.started), "{question:?}");
        let mut found: Vec<_> = found.iter().map(|alert| &alert.id).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{question:?}");
    }
}

#[test]
fn a_place_in_a_list_stays_whatever_opens_and_changes_meanwhile() {
    let connection = store_of(60);
    let before: Vec<_> = walk(&connection, &Question::default(), 7).into_iter().map(|alert| alert.id).collect();
    let (mut all, mut behind, mut n) = (Vec::new(), None, 1_000);
    loop {
        let found = find(&connection, &Question::default(), behind, 7).expect("found");
        all.extend(found.alerts.iter().map(|sent| seen(sent).id));
        behind = found.alerts.last().map(|sent| sent.number);
        if !found.has_more {
            break;
        }
        put(&connection, &Alert { id: format!("bw-later-{n}"), started: at(100), ..alert(n) });
        put(&connection, &Alert { sequence: 2, started: at(-9), ..alert(n - 1_000) });
        n += 1;
    }
    assert_eq!(all, before);
}

#[test]
fn an_incident_is_found_by_the_country_of_a_suspect_or_a_victim() {
    let connection = store_of(0);
    let text = "# format:aut|changed|aut_name|org_id|source\n64511||A|O|X\n# format:org_id|changed|org_name|country|source\nO||Org|ZZ|X\n";
    let names = Arc::new(As2org::parse(text.as_bytes()).expect("as2org").names);
    let context = WireContext { names, ..WireContext::default() };
    let alert = Alert { suspect_ases: vec![Asn(64511)], ..opened() };
    let parcel = Parcel::Alert(Delivery::new(&alert, to_json(&alert, &context).into()));
    rows::put(&connection, &Put { parcel, sinks: Vec::new(), chapter: None }, 0).expect("written");
    let of = |country: &str| Question { country: Some(country.to_owned()), ..Question::default() };
    assert_eq!((walk(&connection, &of("ZZ"), 5).len(), walk(&connection, &of("XX"), 5).len()), (1, 0));
}

#[test]
fn an_incident_is_found_by_what_it_says_now_and_by_every_prefix_it_ever_had() {
    let connection = store_of(0);
    let first = Alert { prefixes: vec![net("192.0.2.0/25")], suspect_ases: vec![Asn(64500)], ..opened() };
    let later = Alert {
        sequence: 2,
        prefixes: vec![net("198.51.100.0/24")],
        suspect_ases: vec![Asn(64501)],
        severity: Severity::Critical,
        ..opened()
    };
    for alert in [&first, &later, &first] {
        put(&connection, alert);
    }
    let count = |question| walk(&connection, &question, 5).len();
    let by_suspect = |asn| count(Question { suspect: Some(Asn(asn)), ..Question::default() });
    assert_eq!((by_suspect(64500), by_suspect(64501)), (0, 1));
    let by_prefix = |prefix| count(Question { prefix: Some((net(prefix), Match::Exact)), ..Question::default() });
    assert_eq!((by_prefix("192.0.2.0/25"), by_prefix("198.51.100.0/24")), (1, 1));
    assert_eq!(count(Question { severities: vec![Severity::High], ..Question::default() }), 0);
    assert_eq!(timeline(&connection, &first.id, 0, 9).expect("found").alerts.len(), 2);
    assert_eq!(timeline(&connection, &first.id, 1, 9).expect("found").alerts[0].number, 2);
    let latest = latest(&connection, &first.id).expect("found").expect("known");
    assert_eq!(latest, to_json(&later, &WireContext::default()));
}

#[test]
fn a_page_ends_before_it_is_too_large() {
    let connection = store_of(0);
    let large: Arc<str> = format!("{{\"detail\":\"{}\"}}", "x".repeat(200_000)).into();
    for n in 0..80 {
        let delivery = Delivery::new(&Alert { id: format!("bw-{n:04}"), ..opened() }, large.clone());
        let put = Put { parcel: Parcel::Alert(delivery), sinks: Vec::new(), chapter: None };
        rows::put(&connection, &put, 0).expect("stored");
    }
    let found = find(&connection, &Question::default(), None, 1_000).expect("found");
    let bytes: usize = found.alerts.iter().map(|sent| sent.json.len()).sum();
    assert!(found.has_more && bytes <= PAGE_BYTES && found.alerts.len() > 10, "{}", found.alerts.len());
    let sent = behind(&connection, 3, 1_000).expect("found");
    assert!(sent.has_more && sent.alerts[0].number == 4);
}

#[test]
fn incidents_of_version_3_are_found_after_the_migration() {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::migrate_to(&mut connection, 3).expect("version 3");
    for n in 0..40 {
        let alert = Alert { sequence: 2, ..alert(n) };
        let (id, json) = (&alert.id, to_json(&alert, &WireContext::default()));
        let status = alert.status.word();
        let (class, severity) = (alert.class.word(), alert.severity.word());
        for (sequence, json) in [(1, "{}"), (2, json.as_str())] {
            let insert = "INSERT INTO transitions (incident, sequence, transition, class, severity, time, json, stored)
                VALUES (?1, ?2, 'opened', ?3, ?4, 5, ?5, 6)";
            connection.execute(insert, params![id, sequence, class, severity, json]).expect("a row");
        }
        let insert = "INSERT INTO incidents VALUES (?1, 2, ?2, ?3, ?4, 5, 6)";
        connection.execute(insert, params![id, status, class, severity]).expect("a row");
        let owed = "INSERT INTO outbox (sink, incident, sequence, queued) VALUES ('bus', ?1, 2, 7)";
        connection.execute(owed, [id]).expect("a row");
    }
    schema::migrate(&mut connection, 8).expect("version 4");
    let (waiting, _) = rows::page(&connection, "bus", 0).expect("a page");
    assert!(waiting.len() == 40 && waiting.iter().all(|waiting| waiting.parcel.is_some()), "what waits still waits");
    for question in questions() {
        let expected = (0..40).map(alert).filter(|alert| fits(&question, alert)).count();
        assert_eq!(walk(&connection, &question, 7).len(), expected, "{question:?}");
    }
    put(&connection, &Alert { sequence: 3, severity: Severity::Critical, ..alert(0) });
    assert_eq!(walk(&connection, &Question::default(), 7).len(), 40, "the same incident goes on");
}

#[test]
fn questions_use_their_index() {
    let connection = store_of(5);
    let plan = |question: &Question| {
        let terms = Term::all(question);
        let mut sql = Sql::default();
        let text = format!("EXPLAIN QUERY PLAN {}", terms[0].source(&mut sql, (0, i64::MAX)));
        let mut statement = connection.prepare(&text).expect("a statement");
        let steps = statement.query_map(params_from_iter(sql.bound), |row| row.get::<_, String>(3)).expect("a plan");
        steps.collect::<rusqlite::Result<Vec<_>>>().expect("steps").join("; ")
    };
    for how in [Match::Exact, Match::More, Match::Less, Match::Overlapping] {
        let plan = plan(&Question { prefix: Some((net("192.0.2.0/24"), how)), ..Question::default() });
        let by_value = plan.matches("(kind=? AND value").count();
        let steps = if how == Match::Overlapping { 2 } else { 1 };
        assert!(!plan.contains("SCAN") && by_value == steps, "{how:?}: {plan}");
    }
    let plan = plan(&Question { statuses: vec![Status::Open], ..Question::default() });
    assert!(plan.contains("incidents_by_status"), "{plan}");
}
