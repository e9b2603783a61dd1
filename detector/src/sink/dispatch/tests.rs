use std::path::PathBuf;

use rules::alert::{Alert, Severity, Transition};
use rusqlite::Connection;

use super::*;
use crate::alert::samples::opened;
use crate::notice::{NoticeKind, NoticeState};
use crate::sink::outbox::Outbox;
use crate::store::Location;

/// A store in a folder, and a way in for two sinks.
struct Bench {
    path: PathBuf,
    store: Store,
    dispatch: Dispatch,
    outboxes: Vec<Arc<Outbox>>,
}

fn bench(folder: &tempfile::TempDir) -> Bench {
    let path = folder.path().join("a.db");
    let store = Store::start(Location::File(path.clone())).expect("a store");
    let route = |name: &str, severity| {
        let outbox = Arc::new(Outbox::over(store.clone(), name.into()));
        Route::new(name.into(), severity, outbox)
    };
    let routes = vec![route("bus", Severity::Low), route("pager", Severity::High)];
    let outboxes = routes.iter().map(|route| route.outbox.clone()).collect();
    Bench { path, dispatch: Dispatch::new(routes, store.clone()), store, outboxes }
}

fn decided(id: &str, sequence: u32, severity: Severity) -> Decided {
    let transition = if sequence == 1 { Transition::Opened } else { Transition::Updated };
    let alert = Alert { id: id.into(), sequence, transition, severity, ..opened() };
    let delivery = Delivery::new(&alert, "{}".into());
    Decided { alert: Arc::new(alert), delivery, merely_refreshes: false, chapter: None }
}

fn owed(bench: &Bench) -> Vec<(usize, usize)> {
    bench.outboxes.iter().map(|outbox| (outbox.backlog(), outbox.unstored())).collect()
}

#[tokio::test]
async fn every_sink_is_owed_what_is_for_it_and_the_store_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    bench.dispatch.put(vec![decided("bw-a", 1, Severity::Low), decided("bw-b", 1, Severity::High)]).await;
    assert_eq!(owed(&bench), [(2, 0), (1, 0)]);
    for (sink, waiting) in [("bus", 2), ("pager", 1)] {
        assert_eq!(bench.store.told(&sink.into()).await.expect("an answer").0.waiting, waiting);
    }
}

#[tokio::test]
async fn a_second_life_owes_what_the_first_did_and_a_rerun_adds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let story = || {
        let severities = [Severity::Low, Severity::High, Severity::Low];
        (1..).zip(severities).map(|(sequence, severity)| decided("bw-a", sequence, severity)).collect::<Vec<_>>()
    };
    let mut first = bench(&folder);
    first.dispatch.put(story()).await;
    assert_eq!(owed(&first), [(3, 0), (2, 0)]);
    first.store.close().await;
    drop(first);
    let mut second = bench(&folder);
    second.dispatch.acquaint().await.expect("a store");
    assert_eq!(owed(&second), [(3, 0), (2, 0)]);
    second.dispatch.put(story()).await;
    assert_eq!(
        owed(&second),
        [(3, 0), (2, 0)],
        "what is low and came before the first telling is still not for the pager"
    );
}

#[tokio::test]
async fn without_the_store_alerts_go_out_and_it_learns_of_them_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    bench.dispatch.put(vec![decided("bw-a", 1, Severity::High)]).await;
    let shell = Connection::open(&bench.path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    bench.dispatch.put(vec![decided("bw-a", 2, Severity::High), decided("bw-b", 1, Severity::High)]).await;
    assert_eq!(owed(&bench), [(3, 2), (3, 2)]);
    assert_eq!(bench.dispatch.status().unstored(), 2);
    assert!(bench.store.status().problem().is_some());
    let (ticket, parcel) = bench.outboxes[0].take().await.expect("the oldest");
    assert_eq!(&**parcel.key(), "bw-a");
    bench.outboxes[0].ack(ticket);
    shell.execute_batch("ROLLBACK").expect("free");
    while bench.store.status().problem().is_some() {
        bench.dispatch.retry().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(owed(&bench), [(2, 0), (3, 0)]);
    bench.store.close().await;
    let store = Store::start(Location::File(bench.path.clone())).expect("a store");
    for (sink, waiting) in [("bus", 2), ("pager", 3)] {
        let (told, _) = store.told(&sink.into()).await.expect("an answer");
        assert_eq!((told.waiting, told.first.len()), (waiting, 2), "{sink}");
    }
}

#[tokio::test]
async fn without_the_store_a_sink_with_a_full_window_holds_up_nobody_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    let full = Arc::new(Outbox::bounded(Some((bench.store.clone(), "bus".into())), 1, 1 << 20));
    bench.dispatch.routes[0].outbox = full.clone();
    bench.dispatch.put(vec![decided("bw-a", 1, Severity::High)]).await;
    let shell = Connection::open(&bench.path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    bench.dispatch.put(vec![decided("bw-a", 2, Severity::High), decided("bw-b", 1, Severity::High)]).await;
    assert_eq!((full.backlog(), bench.outboxes[1].backlog()), (1, 3));
    shell.execute_batch("ROLLBACK").expect("free");
    while bench.store.status().problem().is_some() {
        bench.dispatch.retry().await;
        tokio::task::yield_now().await;
    }
    assert_eq!((full.backlog(), full.unstored()), (3, 0));
    for (id, sequence) in [("bw-a", 1), ("bw-a", 2), ("bw-b", 1)] {
        let taken = tokio::select! {
            taken = full.take() => taken,
            _ = full.keep_filled() => unreachable!("it goes on for ever"),
        };
        let (ticket, parcel) = taken.expect("the oldest");
        let Parcel::Alert(delivery) = parcel else { panic!("no alert") };
        assert_eq!((&*delivery.id, delivery.sequence), (id, sequence));
        full.ack(ticket);
    }
}

#[tokio::test]
async fn who_can_come_again_is_told_that_the_store_fails() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let store = Store::start(Location::File(file.path().join("a.db"))).expect("a store");
    let mut dispatch = Dispatch::new(Vec::new(), store);
    let problem = dispatch.put_or_fail(vec![decided("bw-a", 1, Severity::Low)]).await.expect_err("no store");
    assert!(matches!(problem, Problem::Unusable(..)), "{problem}");
}

fn notice(state: NoticeState, secs: i64) -> Notice {
    let (kind, subject) = (NoticeKind::StoreFailing, "store".to_owned());
    Notice { time: Timestamp::from_secs(secs), kind, state, subject, detail: "locked".to_owned() }
}

#[tokio::test]
async fn notices_go_to_the_sinks_that_hear_of_them_also_while_the_store_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    bench.dispatch.routes[0].notices = true;
    bench.dispatch.put(vec![decided("bw-a", 1, Severity::High)]).await;
    let shell = Connection::open(&bench.path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    bench.dispatch.tell(vec![notice(NoticeState::Raised, 1)]).await;
    assert_eq!(owed(&bench), [(2, 1), (1, 0)]);
    shell.execute_batch("ROLLBACK").expect("free");
    while bench.store.status().problem().is_some() {
        bench.dispatch.retry().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.store.said().await.expect("an answer").open, [notice(NoticeState::Raised, 1)]);
    bench.dispatch.tell(vec![notice(NoticeState::Cleared, 2)]).await;
    assert_eq!(owed(&bench), [(3, 0), (1, 0)]);
    assert!(bench.store.said().await.expect("an answer").open.is_empty());
}

/// The disk answers too late: nobody waits for the answer any more, and the rows are there all the same.
#[tokio::test]
async fn what_was_stored_though_nobody_heard_of_it_leaves_no_row_that_comes_again_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    bench.dispatch.acquaint().await.expect("a store");
    let put = bench.dispatch.addressed(decided("bw-a", 1, Severity::Low));
    bench.store.put(vec![put.clone()]).await.expect("stored, and the answer is lost");
    bench.dispatch.deliver_directly(put, false).await;
    let (ticket, _) = bench.outboxes[0].take().await.expect("it was pushed");
    bench.outboxes[0].ack(ticket);
    bench.dispatch.put(vec![decided("bw-a", 2, Severity::Low)]).await;
    let (ticket, _) = bench.outboxes[0].take().await.expect("the next");
    bench.outboxes[0].ack(ticket);
    bench.store.close().await;
    let store = Store::start(Location::File(bench.path.clone())).expect("a store");
    assert_eq!(store.told(&"bus".into()).await.expect("an answer").0.waiting, 0, "a restart has nothing to repeat");
}

#[tokio::test]
async fn an_alert_is_on_its_way_before_the_last_of_a_great_many_routes_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    let outbox = bench.outboxes[0].clone();
    let route = |path_id| {
        let held = crate::alert::samples::record("rrc00", 0, None);
        RouteNews::Route(rules::desk::RouteRecord { incident: "bw-a".into(), path_id, ..held })
    };
    let count = RECORDS_AT_ONCE as u32 + 1;
    bench.dispatch.record((0..count).map(route).collect());
    let handed_over = async {
        let put = bench.dispatch.put(vec![decided("bw-a", 1, Severity::Low)]);
        tokio::pin!(put);
        tokio::select! {
            biased;
            taken = outbox.take() => drop(taken.expect("the alert")),
            () = &mut put => panic!("it waited for the routes"),
        }
        put.await;
    };
    handed_over.await;
    let written = "SELECT count(*) FROM routes";
    let shell = Connection::open(&bench.path).expect("opened");
    assert_eq!(shell.query_row(written, [], |row| row.get::<_, u32>(0)).expect("a count"), count);
}

/// Asks, and lets the dispatch answer.
async fn settle(bench: &mut Bench, act: Act) -> Result<Settled, Problem> {
    let (reply, answer) = oneshot::channel();
    bench.dispatch.settle(Settling { sink: "bus".into(), act, by: "duty".into(), reply }).await;
    answer.await.expect("an answer")
}

#[tokio::test]
async fn dead_letters_outlive_the_process_and_are_taken_again_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = bench(&folder);
    first.dispatch.put(vec![decided("bw-a", 1, Severity::Low), decided("bw-a", 2, Severity::Low)]).await;
    for _ in 0..2 {
        let (ticket, _) = first.outboxes[0].take().await.expect("the oldest");
        first.outboxes[0].bury(ticket, "answered 422".to_owned());
    }
    first.store.close().await;
    drop(first);
    let mut second = bench(&folder);
    second.dispatch.put(vec![decided("bw-b", 1, Severity::Low)]).await;
    let status = second.dispatch.routes[0].status.clone();
    assert_eq!((status.letters().count, owed(&second)[0].0), (2, 1));
    let settled = settle(&mut second, Act::SendAgain).await.expect("settled");
    assert_eq!((settled.sent_again, settled.left), (2, 0));
    assert_eq!((status.letters(), status.sent_again()), (Default::default(), 2));
    second.dispatch.put(vec![decided("bw-b", 2, Severity::Low)]).await;
    let outbox = second.outboxes[0].clone();
    let mut taken = Vec::new();
    while taken.len() < 4 {
        let (ticket, parcel) = tokio::select! {
            next = outbox.take() => next.expect("it waits"),
            never = outbox.keep_filled() => match never {},
        };
        let Parcel::Alert(delivery) = parcel else { panic!("no alert") };
        taken.push((delivery.id.to_string(), delivery.sequence));
        outbox.ack(ticket);
    }
    assert_eq!(outbox.backlog(), 0);
    let order = |id: &str| taken.iter().filter(|(of, _)| of == id).map(|(_, sequence)| *sequence).collect::<Vec<_>>();
    assert_eq!((order("bw-a"), order("bw-b")), (vec![1, 2], vec![1, 2]));
}

#[tokio::test]
async fn dead_letters_wait_for_a_store_that_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(&folder);
    bench.dispatch.put(vec![decided("bw-a", 1, Severity::Low)]).await;
    let shell = Connection::open(&bench.path).expect("opened");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locked");
    bench.dispatch.put(vec![decided("bw-a", 2, Severity::Low)]).await;
    let problem = settle(&mut bench, Act::Dismiss).await.expect_err("what it missed goes in first");
    assert!(matches!(problem, Problem::Busy(_)), "{problem}");
}
