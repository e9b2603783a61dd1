use rules::alert::{Alert, Transition};

use super::*;
use crate::alert::samples::opened;
use crate::notice::{Notice, NoticeKind, NoticeState};
use crate::sink::{Delivery, Parcel};
use crate::store::{Keep, Put, retention, rows, schema};

fn store() -> Connection {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::migrate(&mut connection, 0).expect("migrated");
    connection
}

fn put(connection: &Connection, id: &str, sequence: u32) -> i64 {
    let transition = if sequence == 1 { Transition::Opened } else { Transition::Resolved };
    let delivery = Delivery::new(&Alert { id: id.into(), sequence, transition, ..opened() }, "{}".into());
    put_parcel(connection, Parcel::Alert(delivery))
}

fn put_parcel(connection: &Connection, parcel: Parcel) -> i64 {
    let put = Put { parcel, sinks: vec!["hook".into()], chapter: None };
    rows::put(connection, &put, 0).expect("stored")[0].expect("new")
}

fn refuse(connection: &Connection, row: i64) {
    bury(connection, row, "answered 422", 5).expect("buried");
}

fn again(connection: &Connection) -> Settled {
    settle(connection, "hook", Act::SendAgain, "duty", 7).expect("settled")
}

/// What waits for the sink, by incident and sequence.
fn waiting(connection: &Connection) -> Vec<(String, u32)> {
    let mut read =
        connection.prepare("SELECT incident, coalesce(sequence, 0) FROM outbox ORDER BY place").expect("SQL");
    let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("read")
}

#[test]
fn what_was_refused_is_sent_again_once_in_its_order_and_it_is_written_down_by_whom() {
    let connection = store();
    for (id, sequence) in [("bw-a", 1), ("bw-b", 1), ("bw-a", 2)] {
        let row = put(&connection, id, sequence);
        refuse(&connection, row);
    }
    assert_eq!(waiting(&connection), []);
    let letters = open(&connection, "hook").expect("read");
    let ids: Vec<_> = letters.newest.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!((letters.count, ids), (3, vec!["bw-a/1", "bw-b/1", "bw-a/2"]));
    assert_eq!(again(&connection), Settled { sent_again: 3, last_row: 6, ..Settled::default() });
    assert_eq!(waiting(&connection), [("bw-a".into(), 1), ("bw-b".into(), 1), ("bw-a".into(), 2)]);
    assert_eq!(again(&connection), Settled::default(), "once");
    let records = newest(&connection, "hook", 100).expect("read");
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].letter, DeadLetter { id: "bw-a/2".into(), error: "answered 422".into() });
    assert_eq!(records[0].settled, Some((Fate::SentAgain, Timestamp(7), "duty".into())));
}

#[test]
fn what_the_receiver_has_newer_news_of_is_not_sent_again() {
    let connection = store();
    let (first, second) = (put(&connection, "bw-a", 1), put(&connection, "bw-a", 2));
    refuse(&connection, first);
    rows::acknowledge(&connection, second, 6).expect("it arrived");
    let waits = put(&connection, "bw-b", 1);
    refuse(&connection, waits);
    put(&connection, "bw-b", 2);
    let row = put(&connection, "bw-c", 1);
    refuse(&connection, row);
    assert_eq!(again(&connection), Settled { sent_again: 1, overtaken: 2, last_row: 6, ..Settled::default() });
    assert_eq!(waiting(&connection), [("bw-b".into(), 2), ("bw-c".into(), 1)]);
}

#[test]
fn of_what_is_wrong_with_the_watching_only_the_last_word_is_sent_again() {
    let connection = store();
    for (state, time) in [(NoticeState::Raised, 1), (NoticeState::Cleared, 2)] {
        let (kind, subject, detail) = (NoticeKind::SinkFailing, "hook".to_owned(), String::new());
        let notice = Notice { time: Timestamp(time), kind, state, subject, detail };
        let row = put_parcel(&connection, Parcel::notice(notice));
        refuse(&connection, row);
    }
    let letters = open(&connection, "hook").expect("read");
    assert!(letters.newest[1].id.ends_with("/1970-01-01T00:00:00.000Z"), "{letters:?}");
    assert_eq!(letters.newest[0].incident(), None);
    let settled = again(&connection);
    assert_eq!((settled.sent_again, settled.overtaken), (1, 1));
}

#[test]
fn who_dismisses_them_is_written_down_and_nothing_is_sent() {
    let connection = store();
    let row = put(&connection, "bw-a", 1);
    refuse(&connection, row);
    let dismissed = settle(&connection, "hook", Act::Dismiss, "duty", 7).expect("settled");
    assert_eq!(dismissed, Settled { dismissed: 1, ..Settled::default() });
    assert_eq!((waiting(&connection).len(), open(&connection, "hook").expect("read").count), (0, 0));
    let records = newest(&connection, "hook", 1).expect("read");
    assert_eq!(records[0].settled, Some((Fate::Dismissed, Timestamp(7), "duty".into())));
}

#[test]
fn no_more_are_kept_than_there_is_room_for_and_none_of_what_is_forgotten() {
    let connection = store();
    let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO dead_letters (sink, key, sequence, error, refused) SELECT 'hook', 'bw-' || i, 1, '', 0 FROM n";
    connection.execute(insert, [OF_ONE_SINK]).expect("many");
    let row = put(&connection, "bw-last", 2);
    refuse(&connection, row);
    let letters = open(&connection, "hook").expect("read");
    assert_eq!((letters.count, letters.newest.len()), (OF_ONE_SINK.unsigned_abs(), DEAD_LETTERS));
    assert_eq!(letters.newest[DEAD_LETTERS - 1].id, "bw-last/2");
    let settled = again(&connection);
    assert_eq!((settled.taken(), settled.left), (1_000, 9_000), "by parts");
    // The newest transition stays, so something comes after it.
    put(&connection, "bw-open", 1);
    let keep = Keep { since: Timestamp::MAX, most_bytes: u64::MAX };
    retention::step(&connection, keep, &[], &[], 0).expect("a step");
    let left = newest(&connection, "hook", 1).expect("read");
    assert_ne!(left[0].letter.id, "bw-last/2", "its incident went, and so did it");
}
