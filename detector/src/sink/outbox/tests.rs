use std::time::Duration;

use rules::alert::Alert;
use tokio::time::timeout;

use super::*;
use crate::alert::samples::opened;
use crate::sink::Delivery;
use crate::store::{Location, Put};

fn delivery(id: &str, sequence: u32) -> Delivery {
    Delivery::new(&Alert { id: id.into(), sequence, ..opened() }, "0123456789".into())
}

fn parcel(id: &str, sequence: u32) -> Parcel {
    Parcel::Alert(delivery(id, sequence))
}

fn sequence(parcel: &Parcel) -> u32 {
    match parcel {
        Parcel::Alert(delivery) => delivery.sequence,
        Parcel::Forget(_) | Parcel::Notice(..) => 0,
    }
}

async fn take(outbox: &Outbox) -> Option<(Ticket, String, u32)> {
    let taken = timeout(Duration::from_millis(50), outbox.take()).await.ok()??;
    Some((taken.0, taken.1.key().to_string(), sequence(&taken.1)))
}

#[tokio::test]
async fn of_one_incident_one_is_out_at_a_time() {
    let outbox = Outbox::default();
    for (id, sequence) in [("a", 1), ("a", 2), ("b", 1), ("a", 3)] {
        outbox.push(parcel(id, sequence)).await;
    }
    let (a1, id, sequence) = take(&outbox).await.expect("a first");
    assert_eq!((id.as_str(), sequence), ("a", 1));
    let (_, id, sequence) = take(&outbox).await.expect("b does not wait for a");
    assert_eq!((id.as_str(), sequence), ("b", 1));
    assert!(take(&outbox).await.is_none(), "a is still out");
    outbox.ack(a1);
    assert_eq!(take(&outbox).await.map(|taken| taken.2), Some(2));
    assert_eq!((outbox.backlog(), outbox.unstored()), (3, 3));
}

#[tokio::test]
async fn a_full_window_makes_who_has_no_store_wait_and_counts_it() {
    for full in [Outbox::bounded(None, 1, 1_000), Outbox::bounded(None, 10, 15)] {
        full.push(parcel("a", 1)).await;
        let (ticket, ..) = take(&full).await.expect("one");
        assert!(timeout(Duration::from_millis(20), full.push(parcel("a", 2))).await.is_err());
        let (pushed, ()) = tokio::join!(timeout(Duration::from_secs(5), full.push(parcel("a", 2))), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            full.ack(ticket);
        });
        pushed.expect("there is space again");
        assert!(full.stalled() >= Duration::from_millis(10));
        assert_eq!(full.backlog(), 1);
    }
}

#[tokio::test]
async fn a_closed_outbox_ends_when_the_last_is_acknowledged() {
    let outbox = Outbox::default();
    outbox.push(parcel("a", 1)).await;
    outbox.close();
    let (ticket, ..) = take(&outbox).await.expect("it is still there");
    outbox.ack(ticket);
    assert!(timeout(Duration::from_secs(5), outbox.take()).await.expect("no wait").is_none());
}

/// Stores transitions of one sink; gives their places.
async fn put(store: &Store, sink: &Arc<str>, ids: impl IntoIterator<Item = (String, u32)>) -> Vec<(Place, Parcel)> {
    let deliveries: Vec<_> = ids.into_iter().map(|(id, sequence)| delivery(&id, sequence)).collect();
    let puts = deliveries
        .iter()
        .map(|d| Put { parcel: Parcel::Alert(d.clone()), sinks: vec![sink.clone()], chapter: None })
        .collect();
    let places = store.put(puts).await.expect("stored");
    let places = places.into_iter().map(|of_sinks| of_sinks[0].expect("new"));
    places.zip(deliveries.into_iter().map(Parcel::Alert)).collect()
}

async fn drained(outbox: &Outbox) -> Vec<(String, u32)> {
    let mut seen = Vec::new();
    let all = async {
        while let Some((ticket, parcel)) = outbox.take().await {
            seen.push((parcel.key().to_string(), sequence(&parcel)));
            outbox.ack(ticket);
        }
    };
    tokio::select! {
        done = timeout(Duration::from_secs(30), all) => done.expect("an end in time"),
        never = outbox.keep_filled() => match never {},
    }
    seen
}

fn numbered(from: u32, to: u32) -> Vec<(String, u32)> {
    (from..to).map(|i| (format!("bw-{:04}", i / 3), i % 3 + 1)).collect()
}

#[tokio::test]
async fn what_does_not_fit_into_the_window_waits_in_the_store_in_its_order() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    let outbox = Outbox::bounded(Some((store.clone(), sink.clone())), 20, BYTES);
    for (place, parcel) in put(&store, &sink, numbered(0, 900)).await {
        outbox.offer(place, parcel);
    }
    assert_eq!(outbox.backlog(), 900);
    assert_eq!(outbox.state().entries.len(), 20, "memory holds the window only");
    outbox.close();
    assert_eq!(drained(&outbox).await, numbered(0, 900));
    assert_eq!(outbox.backlog(), 0);
    assert_eq!(store.told(&sink).await.expect("an answer").0.waiting, 0, "the store has forgotten them, too");
}

#[tokio::test]
async fn offers_while_the_window_is_filled_are_neither_lost_nor_doubled() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    let outbox = Outbox::bounded(Some((store.clone(), sink.clone())), 8, BYTES);
    let feeding = async {
        for chunk in numbered(0, 600).chunks(7) {
            for (place, parcel) in put(&store, &sink, chunk.to_vec()).await {
                outbox.offer(place, parcel);
            }
        }
        outbox.close();
    };
    let (seen, ()) = tokio::join!(drained(&outbox), feeding);
    assert_eq!(seen, numbered(0, 600));
}

#[tokio::test]
async fn what_an_earlier_life_left_comes_first() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    put(&store, &sink, numbered(0, 300)).await;
    let (told, last) = store.told(&sink).await.expect("an answer");
    let outbox = Outbox::over(store.clone(), sink.clone());
    outbox.remember(told.waiting, last);
    for (place, parcel) in put(&store, &sink, numbered(300, 310)).await {
        outbox.offer(place, parcel);
    }
    assert_eq!(outbox.backlog(), 310);
    outbox.close();
    assert_eq!(drained(&outbox).await, numbered(0, 310));
}

#[tokio::test]
async fn what_went_out_before_it_was_stored_does_not_go_out_again() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    let outbox = Outbox::bounded(Some((store.clone(), sink.clone())), 4, BYTES);
    outbox.push(parcel("bw-a", 1)).await;
    outbox.push(parcel("bw-b", 1)).await;
    let (ticket, id, _) = take(&outbox).await.expect("one");
    outbox.ack(ticket);
    assert_eq!(id, "bw-a");
    for (place, parcel) in put(&store, &sink, [("bw-a".into(), 1), ("bw-b".into(), 1)]).await {
        outbox.placed(place, &parcel);
    }
    assert_eq!(outbox.unstored(), 0);
    outbox.close();
    assert_eq!(drained(&outbox).await, [("bw-b".to_owned(), 1)]);
    assert_eq!(store.told(&sink).await.expect("an answer").0.waiting, 0);
}

#[tokio::test]
async fn a_row_that_is_not_offered_yet_is_left_to_who_offers_it() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    put(&store, &sink, numbered(0, 3)).await;
    let (told, last) = store.told(&sink).await.expect("an answer");
    // Stored, and pushed at once since the store seemed to fail.
    let pushed = put(&store, &sink, [("bw-x".into(), 1)]).await;
    let outbox = Outbox::over(store.clone(), sink.clone());
    outbox.push(pushed[0].1.clone()).await;
    outbox.remember(told.waiting, last);
    outbox.fill(store.page(&sink, Place::default()).await.expect("a page"));
    assert_eq!(outbox.backlog(), 4);
    outbox.placed(pushed[0].0, &pushed[0].1);
    outbox.close();
    let mut seen = drained(&outbox).await;
    seen.sort();
    assert_eq!(seen, [numbered(0, 3), vec![("bw-x".into(), 1)]].concat(), "each of them once");
    assert_eq!(store.told(&sink).await.expect("an answer").0.waiting, 0);
}

#[tokio::test]
async fn what_cannot_be_read_holds_up_nothing_behind_it() {
    let (store, sink): (_, Arc<str>) = (Store::start(Location::Memory).expect("a store"), "bus".into());
    put(&store, &sink, numbered(0, 3)).await;
    let (told, last) = store.told(&sink).await.expect("an answer");
    let outbox = Outbox::over(store.clone(), sink.clone());
    outbox.remember(told.waiting, last);
    let mut page = store.page(&sink, Place::default()).await.expect("a page");
    page.is_last = false;
    page.parcels[0].2 = None;
    outbox.fill(page);
    assert_eq!(outbox.backlog(), 2);
    outbox.close();
    assert_eq!(drained(&outbox).await, numbered(1, 3));
}
