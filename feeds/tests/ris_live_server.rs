//! Does the feed live through what a server does: play, ping, close, vanish?

mod data;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use data::data;
use feeds::input::{Arrival, Item};
use feeds::ris_live::{Config, Interest, Status, run};
use futures_util::{SinkExt, StreamExt};
use rules::bgp::Asn;
use rules::event::Event;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

const STATE: &str = r#"{"type":"ris_message","data":{"timestamp":1700000000.5,"peer":"192.0.2.1","peer_asn":"64500","host":"rrc00","type":"RIS_PEER_STATE","state":"connected"}}"#;

fn config(listener: &TcpListener) -> Config {
    Config {
        url: format!("ws://{}/v1/ws/", listener.local_addr().expect("an address")),
        client: "bgpwarden test".into(),
        hosts: Vec::new(),
        prefixes: Vec::new(),
        peer: None,
        path: None,
        include_raw: true,
        keeps_tables: false,
        interest: None,
    }
}

/// Accepts a client and reads its subscription.
async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = listener.accept().await.expect("a client");
    let mut socket = accept_async(stream).await.expect("a handshake");
    let subscription = socket.next().await.expect("a message").expect("a message");
    assert!(subscription.to_text().expect("text").contains("ris_subscribe"));
    socket
}

/// Starts the feed; what it sends, and how it stands.
async fn start() -> (TcpListener, mpsc::Receiver<Arrival>, Arc<Status>) {
    start_with(None).await
}

/// The same, asking for paths that match only.
async fn start_with(path: Option<&str>) -> (TcpListener, mpsc::Receiver<Arrival>, Arc<Status>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (out, items) = mpsc::channel(8);
    let status = Arc::new(Status::default());
    let config = Config { path: path.map(str::to_owned), ..config(&listener) };
    tokio::spawn(run(config, "ris".into(), out, status.clone()));
    (listener, items, status)
}

/// Items up to the one that matches.
async fn until(items: &mut mpsc::Receiver<Arrival>, last: impl Fn(&Event) -> bool) -> Vec<Item> {
    let mut all = Vec::new();
    loop {
        let batch = timeout(Duration::from_secs(20), items.recv()).await.expect("in time").expect("a batch").items;
        assert!(batch.len() <= rules::limits::BATCH_EVENTS);
        let done = batch.iter().any(|item| last(&item.event));
        all.extend(batch);
        if done {
            return all;
        }
    }
}

fn is_lost(event: &Event) -> bool {
    matches!(event, Event::Feed(change) if !change.live)
}

#[tokio::test]
async fn all_recorded_frames_are_played_and_counted() {
    let names = ["morrowc_1k-msgs.jsonl", "morrowc_10-msg.jsonl", "morrowc_20-msg.jsonl", "morrowc_1-msg.jsonl"];
    let more = ["morrowc_fail-as-set.jsonl", "rislive_2025_2026_frames.jsonl", "libbgpstream_ris-live-stream.json"];
    let paths: Option<Vec<_>> = names.iter().chain(&more).map(|name| data(&format!("rislive/{name}"))).collect();
    let Some(paths) = paths else { return };
    let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).expect("text")).collect();
    let lines: Vec<String> =
        texts.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let updates = lines.iter().filter(|line| line.contains(r#""UPDATE""#)).count();
    let total = lines.len() as u64;
    let (listener, mut items, status) = start().await;
    tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        for line in lines {
            socket.send(Message::text(line)).await.expect("a client that listens");
        }
        socket.close(None).await.expect("a close");
    });
    let all = until(&mut items, is_lost).await;
    assert_eq!(all.iter().filter(|item| matches!(item.event, Event::Update(_))).count(), updates);
    assert_eq!(status.frames.load(Relaxed), total);
    let counts = status.counts.lock().expect("counts").clone();
    assert_eq!(counts.error_count(), 2, "{:?}", counts.errors);
    assert!(status.last_frame.load(Relaxed) > 0 && !status.connected.load(Relaxed));
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (listener, mut items, _status) = start().await;
    let mut socket = accept(&listener).await;
    until(&mut items, |event| matches!(event, Event::Feed(change) if change.live)).await;
    socket.send(Message::Ping("are you there".into())).await.expect("a client that listens");
    let answer = timeout(Duration::from_secs(5), socket.next()).await.expect("in time").expect("an answer");
    assert_eq!(answer.expect("an answer"), Message::Pong("are you there".into()));
}

#[tokio::test]
async fn an_answer_to_our_ping_is_a_sign_of_life_only_where_news_are_rare() {
    for (path, counts) in [(None, false), (Some("64496$"), true)] {
        let (listener, mut items, status) = start_with(path).await;
        let mut socket = accept(&listener).await;
        socket.send(Message::text(STATE)).await.expect("a client that listens");
        until(&mut items, |event| matches!(event, Event::PeerUp { .. })).await;
        let news = status.last_frame.load(Relaxed);
        assert!(news > 0);
        // The second is read after the first was taken note of.
        for _ in 0..2 {
            socket.send(Message::text(r#"{"type":"pong","data":null}"#)).await.expect("a client that listens");
            socket.send(Message::Ping("x".into())).await.expect("a client that listens");
        }
        while status.frames.load(Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(status.last_frame.load(Relaxed) > news, counts, "with {path:?}");
    }
}

#[tokio::test]
async fn a_lost_feed_says_its_gap_takes_its_peers_down_and_comes_back() {
    let (listener, mut items, status) = start().await;
    let mut socket = accept(&listener).await;
    socket.send(Message::text(STATE)).await.expect("a client that listens");
    until(&mut items, |event| matches!(event, Event::PeerUp { .. })).await;
    drop(socket);
    let lost = until(&mut items, is_lost).await;
    let Some(Event::Feed(change)) = lost.iter().map(|item| &item.event).find(|event| is_lost(event)) else {
        panic!("no loss in {lost:?}");
    };
    assert_eq!(change.gap_from.map(|time| time.0), Some(1_700_000_000_500_000));
    assert!(!change.detail.is_empty());
    assert_eq!(lost.iter().filter(|item| matches!(item.event, Event::PeerDown { .. })).count(), 1);
    let _socket = timeout(Duration::from_secs(10), accept(&listener)).await.expect("a second visit");
    until(&mut items, |event| matches!(event, Event::Feed(change) if change.live)).await;
    assert_eq!((status.reconnects.load(Relaxed), status.gaps.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn silence_counts_from_the_reconnect_and_from_the_first_of_connections_without_news() {
    let (listener, mut items, status) = start().await;
    let is_live = |event: &Event| matches!(event, Event::Feed(change) if change.live);
    let mut last_frames = Vec::new();
    for has_news in [true, false, false] {
        let mut socket = timeout(Duration::from_secs(20), accept(&listener)).await.expect("a visit");
        until(&mut items, is_live).await;
        last_frames.push(status.last_frame.load(Relaxed));
        if has_news {
            socket.send(Message::text(STATE)).await.expect("a client that listens");
            until(&mut items, |event| matches!(event, Event::PeerUp { .. })).await;
            last_frames.push(status.last_frame.load(Relaxed));
        }
        drop(socket);
        until(&mut items, is_lost).await;
    }
    let [first, news, behind_news, behind_silence] = last_frames[..] else { panic!("{last_frames:?}") };
    assert!(0 < first && first < news && news < behind_news, "{last_frames:?}");
    assert_eq!(behind_silence, behind_news);
}

#[tokio::test]
async fn an_unreachable_server_is_said_once_and_a_closed_receiver_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = config(&listener);
    drop(listener);
    let (out, mut items) = mpsc::channel(8);
    let task = tokio::spawn(run(config, "ris".into(), out, Arc::new(Status::default())));
    let first = until(&mut items, is_lost).await;
    assert_eq!(first.len(), 1);
    drop(items);
    timeout(Duration::from_secs(5), task).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn what_is_of_interest_is_asked_for_and_what_joins_it_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (out, mut items) = mpsc::channel(8);
    let prefix = |text: &str| text.parse().expect("a prefix");
    let first = Interest { prefixes: vec![prefix("192.0.2.0/24")], asns: vec![Asn(64496)], everything: false };
    let interest = watch::Sender::new(Arc::new(first.clone()));
    let config = Config { interest: Some(interest.subscribe()), ..config(&listener) };
    tokio::spawn(run(config, "ris".into(), out, Arc::default()));
    tokio::spawn(async move { while items.recv().await.is_some() {} });
    let (stream, _) = listener.accept().await.expect("a client");
    let mut socket = accept_async(stream).await.expect("a handshake");
    let mut next = async || {
        let message = timeout(Duration::from_secs(20), socket.next()).await.expect("in time");
        let text = message.expect("a message").expect("a message").into_text().expect("text");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["data"].clone()
    };
    let asked = next().await;
    assert_eq!(
        (&asked["prefix"], &asked["moreSpecific"], &asked["lessSpecific"]),
        (&"192.0.2.0/24".into(), &true.into(), &true.into())
    );
    assert_eq!(next().await["path"], "64496$");
    assert_eq!(next().await["type"], "RIS_PEER_STATE");
    let second = Interest { prefixes: vec![prefix("192.0.2.0/24"), prefix("2001:db8::/32")], ..first };
    interest.send_replace(Arc::new(second));
    assert_eq!(next().await["prefix"], "2001:db8::/32", "and the first one is not asked for again");
    interest.send_replace(Arc::new(Interest { everything: true, ..Interest::default() }));
    let asked = next().await;
    assert!(asked["prefix"].is_null() && asked["path"].is_null() && asked["type"].is_null(), "{asked}");
}
