use std::path::Path;

use rules::alert::{Alert, Severity, Transition};
use rusqlite::Connection;

use super::verdicts::Opinion;
use super::*;
use crate::alert::samples::{at, opened};
use crate::notice::{Notice, NoticeKind, NoticeState};
use crate::sink::Delivery;

fn delivery(id: &str, sequence: u32, transition: Transition) -> Delivery {
    let json = format!("{{\"id\":\"{id}\",\"sequence\":{sequence}}}");
    let alert = Alert { id: id.into(), sequence, transition, severity: Severity::Critical, ..opened() };
    Delivery::new(&alert, json.into())
}

fn to(sinks: &[&str], id: &str, sequence: u32) -> Put {
    let transition = if sequence == 1 { Transition::Opened } else { Transition::Updated };
    let sinks = sinks.iter().map(|sink| (*sink).into()).collect();
    Put { parcel: Parcel::Alert(delivery(id, sequence, transition)), sinks, chapter: None }
}

fn memory() -> Store {
    Store::start(Location::Memory).expect("a store")
}

fn at_path(path: &Path) -> Store {
    Store::start(Location::File(path.to_owned())).expect("a store")
}

async fn waiting(store: &Store, sink: &str) -> Vec<(String, u32)> {
    let page = store.page(&sink.into(), Place::default()).await.expect("a page");
    assert!(page.is_last);
    let parcels = page.parcels.into_iter().filter_map(|(_, _, parcel)| parcel).map(|parcel| match parcel {
        Parcel::Alert(delivery) => (delivery.id.to_string(), delivery.sequence),
        Parcel::Forget(id) => (id.to_string(), 0),
        Parcel::Notice(id, notice) => (format!("{id} {}", notice.state.word()), 0),
    });
    parcels.collect()
}

#[tokio::test]
async fn what_was_put_comes_back_as_it_was() {
    let store = memory();
    let put = to(&["bus"], "bw-a", 1);
    store.put(vec![put.clone()]).await.expect("stored");
    let page = store.page(&"bus".into(), Place::default()).await.expect("a page");
    assert_eq!(page.parcels[0].2.as_ref(), Some(&put.parcel));
}

#[tokio::test]
async fn a_sink_is_offered_each_pair_once_and_a_new_sink_all_of_them() {
    let store = memory();
    for _ in 0..3 {
        for sequence in 1..=2 {
            store.put(vec![to(&["bus"], "bw-a", sequence)]).await.expect("stored");
        }
    }
    assert_eq!(waiting(&store, "bus").await, [("bw-a".into(), 1), ("bw-a".into(), 2)]);
    let places = store.put(vec![to(&["bus", "log"], "bw-a", 1)]).await.expect("stored");
    assert_eq!(waiting(&store, "bus").await.len(), 2, "nothing came twice");
    places[0].iter().for_each(|place| store.acknowledge(place.expect("it waits")));
    let again = store.put(vec![to(&["bus", "log"], "bw-a", 1)]).await.expect("stored");
    assert_eq!(again, [[None, None]], "both have it");
}

#[tokio::test]
async fn what_waits_survives_the_process_and_what_was_acknowledged_does_not_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    let puts = (1..=3).map(|sequence| to(&["bus"], "bw-a", sequence)).collect();
    let places = store.put(puts).await.expect("stored");
    store.acknowledge(places[0][0].expect("new"));
    store.close().await;
    let store = at_path(&path);
    let (told, last) = store.told(&"bus".into()).await.expect("an answer");
    assert_eq!((told.waiting, told.first.get("bw-a")), (2, Some(&1)));
    assert_eq!(Some(last), places[2][0]);
    assert_eq!(waiting(&store, "bus").await, [("bw-a".into(), 2), ("bw-a".into(), 3)]);
}

#[tokio::test]
async fn commands_that_wait_together_are_all_answered() {
    let store = memory();
    let asking = (0..200).map(|i| {
        let store = store.clone();
        tokio::spawn(async move { store.put(vec![to(&["bus"], &format!("bw-{i:03}"), 1)]).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert!(asked.await.expect("no panic").expect("stored")[0][0].is_some());
    }
    assert_eq!(waiting(&store, "bus").await.len(), 200);
}

#[tokio::test]
async fn a_locked_file_is_answered_with_why_and_used_again_when_it_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    store.put(vec![to(&["bus"], "bw-a", 1)]).await.expect("stored");
    let shell = Connection::open(&path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let problem = store.put(vec![to(&["bus"], "bw-a", 2)]).await.expect_err("it is locked");
    assert!(matches!(problem, Problem::Locked(_)), "{problem}");
    assert!(store.status().problem().is_some_and(|said| said.contains("locked by another program")));
    assert!(store.status().failures() > 0);
    shell.execute_batch("ROLLBACK").expect("free");
    while store.put(vec![to(&["bus"], "bw-a", 2)]).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.status().problem(), None);
    assert_eq!(waiting(&store, "bus").await, [("bw-a".into(), 1), ("bw-a".into(), 2)]);
}

#[tokio::test]
async fn a_path_that_cannot_be_written_to_is_answered_with_why() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let store = at_path(&file.path().join("a.db"));
    let problem = store.put(Vec::new()).await.expect_err("its folder is a file");
    assert!(matches!(problem, Problem::Unusable(..)), "{problem}");
    assert!(store.status().problem().is_some_and(|said| said.contains("check the path")));
}

#[tokio::test]
async fn pages_damaged_while_running_cost_the_file_its_name_and_no_alert_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    let many = (0..400).map(|i| to(&["bus"], &format!("bw-{i:04}"), 1)).collect();
    let before = store.put(many).await.expect("stored")[399][0].expect("new");
    store.close().await;
    let mut bytes = std::fs::read(&path).expect("bytes");
    // All but the first page, which says what it is.
    let page = 4_096;
    bytes[page..].fill(0xAA);
    std::fs::write(&path, bytes).expect("written");
    let store = at_path(&path);
    while store.put(vec![to(&["bus"], "bw-later", 1)]).await.is_err() {
        tokio::task::yield_now().await;
    }
    let aside = store.status().moved_aside().expect("it was damaged");
    assert!(aside.exists() && aside != path);
    assert_eq!(waiting(&store, "bus").await, [("bw-later".into(), 1)]);
    // A place of the old file means nothing in the new one.
    assert_eq!(store.page(&"bus".into(), before).await.expect("a page").parcels.len(), 1);
}

/// Every row of every table, but for what SQLite and the schema keep for themselves.
fn all_rows(connection: &Connection) -> Vec<(String, i64)> {
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").expect("SQL");
    let names = tables.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    let count = |name: &str| connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0));
    names.flatten().map(|name| (name.clone(), count(&name).expect("a count"))).collect()
}

/// Fails for want of space and leaves nothing, then succeeds once there is some.
fn is_all_or_nothing(connection: &mut Connection, write: &dyn Fn(&Connection) -> rusqlite::Result<()>) {
    let before = all_rows(connection);
    connection.execute_batch("VACUUM").expect("no free pages");
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a count");
    connection.pragma_update(None, "max_page_count", pages).expect("no more");
    let transaction = connection.transaction().expect("begun");
    let error = write(&transaction).expect_err("full");
    assert!(matches!(Problem::of(&Location::Memory, &error), Problem::Full(_)), "{error}");
    drop(transaction);
    assert_eq!(all_rows(connection), before);
    connection.pragma_update(None, "max_page_count", pages + 1_000).expect("more");
    write(connection).expect("there is space again");
    assert_ne!(all_rows(connection), before);
}

#[test]
fn a_full_disk_takes_nothing_by_halves() {
    let mut connection = Connection::open_in_memory().expect("memory");
    connection.pragma_update(None, "foreign_keys", true).expect("set");
    schema::migrate(&mut connection, 0).expect("migrated");
    let delivery = Delivery::new(&opened(), "x".repeat(20_000).into());
    let put = Put { parcel: Parcel::Alert(delivery), sinks: vec!["bus".into()], chapter: None };
    is_all_or_nothing(&mut connection, &|to| rows::put(to, &put, 0).map(drop));
    let records: Vec<_> =
        (0..200).map(|i| RouteNews::Route(crate::alert::samples::record(&format!("rrc{i:03}"), i, None))).collect();
    is_all_or_nothing(&mut connection, &|to| {
        let mut writer = routes::Writer::new(to);
        records.iter().try_for_each(|news| writer.write(news))
    });
    let said = verdicts::Said {
        incident: opened().id,
        opinion: Opinion::Confirmed,
        by: "duty".into(),
        why: "x".repeat(20_000),
        expires: None,
        duplicate_of: None,
        rule: None,
        undoes: None,
    };
    is_all_or_nothing(&mut connection, &|to| verdicts::say(to, said.clone(), at(0)).map(drop));
    is_all_or_nothing(&mut connection, &|to| dead_letters::bury(to, 1, &"x".repeat(20_000), 0));
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO dead_letters (sink, key, sequence, error, refused) SELECT 'bus', ?1, 1, '', 0 FROM n";
    connection.execute(many, [opened().id]).expect("many");
    is_all_or_nothing(&mut connection, &|to| {
        dead_letters::settle(to, "bus", Act::SendAgain, &"duty".repeat(20), 0).map(drop)
    });
}

#[tokio::test]
async fn retention_forgets_what_is_over_and_told_and_leaves_a_tombstone() {
    let store = memory();
    let (bus, log): (Arc<str>, Arc<str>) = ("bus".into(), "log".into());
    let over =
        |id: &str| Put { parcel: Parcel::Alert(delivery(id, 2, Transition::Resolved)), ..to(&["bus", "log"], id, 2) };
    for id in ["bw-over", "bw-not-told"] {
        let mut places = store.put(vec![to(&["bus", "log"], id, 1), over(id)]).await.expect("stored");
        if id == "bw-over" {
            places.iter_mut().flatten().flatten().for_each(|place| store.acknowledge(*place));
        }
    }
    store.put(vec![to(&["bus"], "bw-open", 1)]).await.expect("stored");
    let later = crate::app::now().plus_secs(60);
    let keep = Keep { since: later, most_bytes: u64::MAX };
    let forgot = store.forget(keep, &[bus.clone(), log], std::slice::from_ref(&bus)).await.expect("done");
    let told: Vec<_> = forgot.tombstones.iter().map(|(sink, _, parcel)| (sink.clone(), parcel.clone())).collect();
    assert_eq!(told, [(bus.clone(), Parcel::Forget("bw-over".into()))]);
    let waits: Vec<_> = waiting(&store, "bus").await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(waits, ["bw-not-told", "bw-not-told", "bw-open", "bw-over"]);
    assert!(store.forget(keep, &[bus], &[]).await.expect("done").tombstones.is_empty(), "once is enough");
    assert_eq!(store.status().forgotten_by_age(), 1);
}

#[tokio::test]
async fn the_newest_whole_checkpoint_is_the_one_that_counts() {
    let store = memory();
    assert_eq!(store.latest_checkpoint().await, Ok(None));
    let large: Vec<u8> = (0..3 * PART_BYTES + 17).map(|i| (i % 251) as u8).collect();
    store.put_checkpoint(large.clone(), 7, at(1)).await.expect("stored");
    let expected = Checkpoint { bytes: large, seq: 7, time: at(1) };
    assert_eq!(store.latest_checkpoint().await, Ok(Some(expected.clone())));
    // Begun and never finished, as by a kill.
    let number = store.ask(|reply| Command::CheckpointBegin { seq: 8, time: at(2), reply }).await.expect("begun");
    let part = |reply| Command::CheckpointPart { number, part: 0, bytes: vec![1], reply };
    store.ask(part).await.expect("stored");
    assert_eq!(store.latest_checkpoint().await, Ok(Some(expected)));
    store.put_checkpoint(vec![9], u64::MAX, at(3)).await.expect("stored");
    assert_eq!(store.latest_checkpoint().await, Ok(Some(Checkpoint { bytes: vec![9], seq: u64::MAX, time: at(3) })));
}

#[tokio::test]
async fn the_state_of_an_incident_stands_beside_a_checkpoint_until_one_contains_it() {
    let store = memory();
    let with = |id: &str, sequence, seq| Put {
        chapter: Some(Chapter { seq, bytes: format!("{id} {sequence}").into_bytes().into() }),
        ..to(&["bus"], id, sequence)
    };
    store.put(vec![with("bw-a", 1, 5), with("bw-a", 2, 9), with("bw-b", 1, 12)]).await.expect("stored");
    assert_eq!(store.chapters().await, Ok(vec![b"bw-a 2".to_vec(), b"bw-b 1".to_vec()]), "the latest of each");
    store.put_checkpoint(vec![1], 9, at(1)).await.expect("stored");
    assert_eq!(store.chapters().await, Ok(vec![b"bw-b 1".to_vec()]), "what came after the checkpoint");
}

fn over(id: &str) -> Vec<Put> {
    let end = Parcel::Alert(delivery(id, 2, Transition::Resolved));
    vec![to(&[], id, 1), Put { parcel: end, ..to(&[], id, 2) }]
}

async fn ids(store: &Store) -> Vec<String> {
    let found = store.find(Question::default(), None, 1_000).await.expect("found");
    let id = |sent: history::Sent| sent.json.split('"').nth(3).expect("an id").to_owned();
    found.alerts.into_iter().rev().map(id).collect()
}

#[tokio::test]
async fn what_was_over_first_makes_room_and_what_is_open_or_owed_stays() {
    let store = memory();
    store.put(vec![to(&[], "bw-open", 1)]).await.expect("stored");
    store.put(over("bw-first").into_iter().chain(over("bw-second")).collect()).await.expect("stored");
    let owed = over("bw-owed").into_iter().map(|put| Put { sinks: vec!["bus".into()], ..put });
    store.put(owed.collect()).await.expect("stored");
    let never = Timestamp::from_secs(0);
    let roomy = Keep { since: never, most_bytes: u64::MAX };
    let forgot = store.forget(roomy, &["bus".into()], &[]).await.expect("done");
    assert!(!forgot.has_more && ids(&store).await.len() == 4, "there is room");
    let narrow = Keep { since: never, most_bytes: 1 };
    while store.forget(narrow, &["bus".into()], &[]).await.expect("done").has_more {}
    assert_eq!(ids(&store).await, ["bw-open", "bw-owed"]);
    assert_eq!((store.status().forgotten_by_age(), store.status().forgotten_by_size()), (0, 2));
}

#[tokio::test]
async fn a_long_history_goes_by_steps_and_numbers_never_come_twice() {
    let store = memory();
    let many = (1..=1_500).map(|sequence| to(&[], "bw-long", sequence)).collect();
    store.put(many).await.expect("stored");
    let end = Parcel::Alert(delivery("bw-long", 1_501, Transition::Resolved));
    store.put(vec![Put { parcel: end, ..to(&[], "bw-long", 1) }]).await.expect("stored");
    let keep = Keep { since: crate::app::now().plus_secs(60), most_bytes: u64::MAX };
    assert!(!store.forget(keep, &[], &[]).await.expect("done").has_more, "the newest transition stays");
    let newest = store.put(over("bw-newer")).await.map(|_| store.status().position().borrow().number);
    let mut steps = 0;
    while store.forget(keep, &[], &[]).await.expect("done").has_more {
        steps += 1;
    }
    assert_eq!(steps, 1, "1,501 transitions are more than one step takes");
    assert_eq!(ids(&store).await, ["bw-newer"]);
    store.put(over("bw-newest")).await.expect("stored");
    assert_eq!(store.status().position().borrow().number, newest.expect("stored") + 2);
}

#[tokio::test]
async fn a_question_is_answered_while_another_program_holds_the_file_and_from_the_file_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    store.put(over("bw-a")).await.expect("stored");
    let shell = Connection::open(&path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(store.put(over("bw-b")).await.is_err());
    assert_eq!(ids(&store).await, ["bw-a"], "reading goes on");
    assert_eq!(store.timeline("bw-a", 0, 9).await.expect("found").alerts.len(), 2);
    assert_eq!(store.latest("bw-b").await, Ok(None));
}

#[tokio::test]
async fn a_question_that_takes_too_long_ends_and_says_so() {
    let store = memory();
    store.put(over("bw-a")).await.expect("stored");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let answer = store.reader.read(move |connection| connection.query_row(endless, [], |row| row.get::<_, i64>(0)));
    assert_eq!(answer.await, Err(Problem::TooMuch(":memory:".into())));
    assert_eq!(ids(&store).await, ["bw-a"], "and nothing is left of it");
}

fn says(incident: &str, opinion: Opinion, rule: Option<&str>) -> verdicts::Said {
    let (incident, by, why, rule) =
        (incident.to_owned(), "duty".to_owned(), "seen".to_owned(), rule.map(str::to_owned));
    verdicts::Said { incident, opinion, by, why, expires: None, duplicate_of: None, rule, undoes: None }
}

#[tokio::test]
async fn rules_follow_from_what_was_said_last_and_not_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = at_path(&folder.path().join("a.db"));
    for id in ["bw-a", "bw-b", "bw-c"] {
        store.put(over(id)).await.expect("stored");
    }
    let said = async |said| store.say(said).await.expect("written").expect("not refused").number;
    let rules = async || store.standing_rules(at(0)).await.expect("an answer").0;
    said(says("bw-a", Opinion::FalsePositive, Some("one"))).await;
    let second = said(says("bw-b", Opinion::AcceptedRisk, Some("two"))).await;
    let end = Some(at(0));
    said(verdicts::Said { expires: end, ..says("bw-c", Opinion::AcceptedRisk, Some("over")) }).await;
    assert_eq!(rules().await, ["one", "two"]);
    said(says("bw-a", Opinion::Confirmed, None)).await;
    assert_eq!(rules().await, ["two"], "the newest counts");
    let undo = verdicts::Said { undoes: Some(second), ..says("bw-b", Opinion::Undone, None) };
    said(undo.clone()).await;
    assert_eq!(store.say(undo).await, Ok(Err(Refused::AlreadyUndone)));
    assert!(rules().await.is_empty());
    // It outlives what it was said of.
    let keep = Keep { since: crate::app::now().plus_secs(60), most_bytes: u64::MAX };
    store.forget(keep, &[], &[]).await.expect("done");
    assert_eq!(store.verdicts("bw-b").await.expect("an answer").len(), 2);
    assert_eq!(store.say(says("bw-a", Opinion::Confirmed, None)).await, Ok(Err(Refused::NoIncident)));
}

#[tokio::test]
async fn a_start_knows_what_people_said_before_anything_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    store.put(over("bw-a")).await.expect("stored");
    store.say(says("bw-a", Opinion::FalsePositive, Some("one"))).await.expect("written").expect("said");
    store.close().await;
    assert_eq!(at_path(&path).standing_rules(at(0)).await, Ok((vec!["one".to_owned()], None)));
    assert_eq!(at_path(&folder.path().join("b.db")).standing_rules(at(0)).await, Ok((Vec::new(), None)));
}

#[tokio::test]
async fn only_what_decides_stands_before_an_earlier_rule_and_only_until_it_ends() {
    let store = memory();
    store.put(over("bw-a")).await.expect("stored");
    let said = async |said| store.say(said).await.expect("written").expect("not refused").number;
    let standing = async |secs| store.standing_rules(at(secs)).await.expect("an answer");
    said(says("bw-a", Opinion::FalsePositive, Some("one"))).await;
    said(says("bw-a", Opinion::Acknowledged, None)).await;
    said(says("bw-a", Opinion::Duplicate, None)).await;
    assert_eq!(standing(0).await, (vec!["one".to_owned()], None), "words for people change no rule");
    said(verdicts::Said { expires: Some(at(60)), ..says("bw-a", Opinion::Confirmed, None) }).await;
    assert_eq!(standing(0).await, (Vec::new(), Some(at(60))));
    assert_eq!(standing(60).await, (vec!["one".to_owned()], None), "what is over stands before nothing");
}

#[tokio::test]
async fn a_rule_can_be_taken_back_however_much_was_said() {
    let store = memory();
    store.put(over("bw-a")).await.expect("stored");
    let number =
        store.say(says("bw-a", Opinion::FalsePositive, Some("one"))).await.expect("written").expect("said").number;
    for _ in 1..1_000 {
        store.say(says("bw-a", Opinion::Acknowledged, None)).await.expect("written").expect("said");
    }
    assert_eq!(store.say(says("bw-a", Opinion::Confirmed, None)).await, Ok(Err(Refused::TooMany)));
    let undo = verdicts::Said { undoes: Some(number), ..says("bw-a", Opinion::Undone, None) };
    assert!(store.say(undo.clone()).await.expect("written").is_ok());
    assert_eq!(store.standing_rules(at(0)).await.expect("an answer").0, Vec::<String>::new());
    assert_eq!(store.say(undo).await, Ok(Err(Refused::AlreadyUndone)));
    assert_eq!(store.verdicts("bw-a").await.expect("an answer").len(), 1_001, "and that is read, too");
}

fn notice(kind: NoticeKind, state: NoticeState, secs: i64) -> Notice {
    let (subject, detail) = ("ris \"a\"".to_owned(), "no message".to_owned());
    Notice { time: at(secs), kind, state, subject, detail }
}

fn told(notice: Notice) -> Put {
    Put { parcel: Parcel::notice(notice), sinks: vec!["bus".into()], chapter: None }
}

#[tokio::test]
async fn notices_wait_in_their_order_and_what_is_not_over_is_known_to_the_next_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    let (silent, gap) = (NoticeKind::FeedSilent, NoticeKind::FeedGap);
    let open = notice(silent, NoticeState::Raised, 3);
    let story = [
        notice(silent, NoticeState::Raised, 1),
        notice(gap, NoticeState::Raised, 1),
        notice(silent, NoticeState::Cleared, 2),
        notice(NoticeKind::Heartbeat, NoticeState::Cleared, 2),
        notice(gap, NoticeState::Cleared, 3),
        open.clone(),
    ];
    for _ in 0..2 {
        store.put(story.iter().cloned().map(told).collect()).await.expect("stored");
    }
    store.close().await;
    let store = at_path(&path);
    let said = Said { open: vec![open.clone()], last_heartbeat: Some(at(2)) };
    assert_eq!(store.said().await, Ok(said.clone()));
    let page = store.page(&"bus".into(), Place::default()).await.expect("a page");
    let parcels: Vec<_> = page.parcels.into_iter().map(|(_, _, parcel)| parcel.expect("readable")).collect();
    assert_eq!(parcels, story.map(Parcel::notice));
    // What a sink still has to hear stays, and so does what is not over.
    let later = Keep { since: crate::app::now().plus_secs(60), most_bytes: u64::MAX };
    store.forget(later, &["bus".into()], &[]).await.expect("done");
    assert_eq!(waiting(&store, "bus").await.len(), 6);
    store.forget(later, &[], &[]).await.expect("done");
    assert_eq!(waiting(&store, "bus").await.len(), 1);
    assert_eq!(store.said().await.expect("an answer").open, [open]);
}

#[tokio::test]
async fn what_a_newer_program_left_is_passed_over_counted_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let store = at_path(&path);
    let mut puts: Vec<_> = (1..=3).map(|sequence| to(&["bus"], "bw-a", sequence)).collect();
    puts.push(told(notice(NoticeKind::Test, NoticeState::Raised, 1)));
    puts.push(to(&["bus"], "bw-b", 1));
    store.put(puts).await.expect("stored");
    store.close().await;
    let shell = Connection::open(&path).expect("opened");
    shell.execute_batch("UPDATE transitions SET class = 'of_tomorrow' WHERE sequence = 2").expect("changed");
    shell.execute_batch("UPDATE notices SET kind = 'of_tomorrow'").expect("changed");
    let store = at_path(&path);
    assert_eq!(waiting(&store, "bus").await, [("bw-a".into(), 1), ("bw-a".into(), 3), ("bw-b".into(), 1)]);
    assert_eq!(store.status().unreadable(), 2);
    assert_eq!(store.said().await, Ok(Said::default()), "it is for who raised it to clear");
    store.close().await;
    shell.execute_batch("UPDATE transitions SET class = 'origin_hijack'").expect("changed");
    assert_eq!(waiting(&at_path(&path), "bus").await.len(), 4, "a program that can read it delivers it");
}
