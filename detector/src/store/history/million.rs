//! How long do questions take of a million incidents?

use std::fmt::Write;
use std::time::Instant;

use rules::alert::{Alert, Transition};

use super::*;
use crate::alert::samples::{at, opened};
use crate::alert::{WireContext, to_json};
use crate::sink::{Delivery, Parcel};
use crate::store::file::{self, Location, Spot};
use crate::store::{Put, rows};

const INCIDENTS: u32 = 1_000_000;
/// Nine years, so that a year is a part of it.
const APART_SECS: i64 = 284;
/// What a person waits for without noticing; the machine does other things as well.
const BOUND_MS: f64 = 1_000.0;

/// The `n`th: grave ones are rare, most are over, every network has its share.
fn incident(n: u32, usual: &str) -> (Alert, String) {
    let spread = n.wrapping_mul(2_654_435_761);
    let severity = match spread % 1_000 {
        0 => Severity::Critical,
        1..30 => Severity::High,
        30..200 => Severity::Medium,
        _ => Severity::Low,
    };
    let class = Class::ALL[(spread / 1_000) as usize % Class::ALL.len()];
    let is_open = n > INCIDENTS - 200 || spread % 50_000 == 7;
    let (status, transition) =
        if is_open { (Status::Open, Transition::Opened) } else { (Status::Resolved, Transition::Resolved) };
    let prefix = format!("2001:db8:{:x}:{:x}::/64", spread >> 16, spread & 0xff00);
    let started = at(i64::from(n) * APART_SECS);
    let id = format!("bw-{}-{n:012x}", started.compact());
    let mut json = usual.replace("192.0.2.0/25", &prefix).replace("bw-20260301T030402Z-7f3a9c21d0b4", &id);
    json = json.replace("[64511]", &format!("[{}]", 4_200_000_000 + spread % 70_000));
    json = json.replace("[64496]", &format!("[{}]", 65_536 + spread % 20_000));
    json = json.replace("Example Bank", &format!("Bank {}", spread % 300));
    json = json.replace("\"started\":\"2026-03-01T03:04:02.000Z\"", &format!("\"started\":\"{started}\""));
    (Alert { id, severity, class, status, transition, started, ..opened() }, json)
}

fn fill(spot: &Spot) {
    let mut opened_file = file::open(spot, at(0), false).expect("a store");
    let connection = &mut opened_file.connection;
    connection.pragma_update(None, "synchronous", "off").expect("faster");
    let usual = to_json(&opened(), &WireContext::default());
    for chunk in 0..INCIDENTS / 10_000 {
        let transaction = connection.transaction().expect("begun");
        for n in chunk * 10_000..(chunk + 1) * 10_000 {
            let (alert, json) = incident(n, &usual);
            let parcel = Parcel::Alert(Delivery::new(&alert, json.into()));
            rows::put(&transaction, &Put { parcel, sinks: Vec::new(), chapter: None }, 0).expect("stored");
        }
        transaction.commit().expect("written");
    }
    connection.pragma_update(None, "wal_checkpoint", "truncate").ok();
}

fn questions() -> Vec<(&'static str, Question)> {
    let anything = Question::default;
    let prefix = |text: &str, how| Question { prefix: Some((text.parse().expect("a prefix"), how)), ..anything() };
    let with_year = at(i64::from(INCIDENTS / 2) * APART_SECS);
    let seen = "2001:db8:9e37:7900::/64";
    vec![
        ("everything", anything()),
        (
            "since and until (a year)",
            Question { since: Some(with_year), until: Some(with_year.plus_secs(31_557_600)), ..anything() },
        ),
        ("status open", Question { statuses: vec![Status::Open], ..anything() }),
        ("status resolved", Question { statuses: vec![Status::Resolved], ..anything() }),
        ("class (1 of 17)", Question { classes: vec![Class::RouteLeak], ..anything() }),
        ("severity critical", Question { severities: vec![Severity::Critical], ..anything() }),
        ("severity high and critical", Question { severities: vec![Severity::High, Severity::Critical], ..anything() }),
        ("severity low and medium", Question { severities: vec![Severity::Low, Severity::Medium], ..anything() }),
        ("suspect", Question { suspect: Some(Asn(4_200_000_007)), ..anything() }),
        ("victim", Question { victim: Some(Asn(65_543)), ..anything() }),
        ("victim never seen", Question { victim: Some(Asn(64_500)), ..anything() }),
        ("constituent", Question { constituent: Some("Bank 7".into()), ..anything() }),
        ("prefix exact", prefix(seen, Match::Exact)),
        ("prefix less", prefix(seen, Match::Less)),
        ("prefix more, /48", prefix("2001:db8:9e37::/48", Match::More)),
        ("prefix more, /36", prefix("2001:db8:9000::/36", Match::More)),
        ("prefix more, all", prefix("::/0", Match::More)),
        ("prefix overlap", prefix(seen, Match::Overlapping)),
        (
            "open, high, of a class",
            Question {
                statuses: vec![Status::Open],
                severities: vec![Severity::High],
                classes: vec![Class::RouteLeak],
                ..anything()
            },
        ),
        (
            "resolved, low, of a class, of a constituent",
            Question {
                statuses: vec![Status::Resolved],
                severities: vec![Severity::Low],
                classes: vec![Class::RouteLeak],
                constituent: Some("Bank 7".into()),
                ..anything()
            },
        ),
        (
            "low of a class inside a /36",
            Question {
                severities: vec![Severity::Low],
                classes: vec![Class::RouteLeak],
                ..prefix("2001:db8:9000::/36", Match::More)
            },
        ),
    ]
}

/// The first time and the median of five, in milliseconds, and how many were found.
fn timed(connection: &Connection, question: &Question, behind: Option<i64>) -> (f64, f64, usize) {
    let (mut times, mut count) = (Vec::new(), 0);
    for _ in 0..5 {
        let begun = Instant::now();
        count = find(connection, question, behind, 100).expect("found").alerts.len();
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    (first, times[2], count)
}

#[test]
#[ignore = "takes minutes and 5 GB: cargo test -p detector --lib -- --ignored --nocapture a_million"]
fn a_million_incidents_are_searched_within_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let spot = Spot::new(Location::File(folder.path().join("bgpwarden.db")));
    let begun = Instant::now();
    fill(&spot);
    let connection = file::open_to_read(&spot).expect("a connection");
    let mb = file::bytes(&spot.location, &connection) / 1_000_000;
    println!("{INCIDENTS} incidents, {mb} MB, filled in {:.0} s", begun.elapsed().as_secs_f64());
    let deep = marks::first_number(at(i64::from(INCIDENTS / 20) * APART_SECS));
    let mut slow = String::new();
    println!(
        "{:46} {:>5} {:>9} {:>9}   {:>5} {:>9} {:>9}",
        "ms", "first", "at first", "median", "deep", "at first", "median"
    );
    for (name, question) in questions() {
        let (once, again, found) = timed(&connection, &question, None);
        let (deep_once, deep_again, deep_found) = timed(&connection, &question, Some(deep));
        println!("{name:46} {found:>5} {once:>9.1} {again:>9.1}   {deep_found:>5} {deep_once:>9.1} {deep_again:>9.1}");
        if again.max(deep_again) > BOUND_MS {
            writeln!(slow, "{name}").expect("text");
        }
    }
    assert!(slow.is_empty(), "slow: {slow}");
}
