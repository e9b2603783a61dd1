//! Does the station take routers, and only them, over real sockets?

mod bmp_messages;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bmp_messages::*;
use feeds::bmp::station::{self, Config, Router};
use feeds::bmp::status::{RouterState, RouterView, Status};
use feeds::counts::kind;
use feeds::input::{Arrival, Item};
use rules::event::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here takes that long; a test that hangs fails by it.
const LONG: Duration = Duration::from_secs(30);
const PREFIX: &str = "203.0.113.0/24";

struct Station {
    address: SocketAddr,
    items: mpsc::Receiver<Arrival>,
    ready: Vec<Item>,
    status: Arc<Status>,
    running: JoinHandle<()>,
}

fn router(prefix: &str, name: &str) -> Router {
    Router { prefix: prefix.parse().expect("a prefix"), name: name.into() }
}

impl Station {
    async fn start(routers: Vec<Router>, queue: usize, change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (out, items) = mpsc::channel(queue);
        let status = Arc::new(Status::default());
        let mut config = Config { routers, idle: LONG, most_routers: 4, most_peers: 8 };
        change(&mut config);
        let running = tokio::spawn(station::run(listener, config, "lab".into(), out, status.clone()));
        Self { address, items, ready: Vec::new(), status, running }
    }

    /// Two routers, `a` at 127.0.0.1 and `b` at 127.0.0.2.
    async fn of_two(queue: usize) -> Self {
        let routers = vec![router("127.0.0.1/32", "a"), router("127.0.0.2/32", "b")];
        Self::start(routers, queue, |_| {}).await
    }

    async fn connect(&self, from: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("loopback");
        socket.connect(self.address).await.expect("a connection")
    }

    /// The next thing said, in words.
    async fn next(&mut self) -> String {
        while self.ready.is_empty() {
            self.ready = timeout(LONG, self.items.recv()).await.expect("in time").expect("the station runs").items;
        }
        words(&self.ready.remove(0))
    }

    async fn says(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.next().await, *expected);
        }
    }

    fn router(&self, name: &str) -> RouterView {
        self.status.routers().into_iter().find(|router| &*router.name == name).expect("a router")
    }
}

fn words(item: &Item) -> String {
    match &item.event {
        Event::Vantage(id, point) => format!("{} is {point}", id.0),
        Event::PeerUp { vantage, .. } => format!("{} up", vantage.0),
        Event::PeerDown { vantage, .. } => format!("{} down", vantage.0),
        Event::Update(update) => {
            format!("{} +{} -{}", update.vantage.0, update.announced.len(), update.withdrawn.len())
        }
        Event::Feed(change) => {
            let gap = if change.gap_from.is_some() { ", a gap" } else { "" };
            let state = if change.live { "live" } else { "lost" };
            format!(
                "{} {state}{gap}{}",
                change.feed,
                if change.live { String::new() } else { format!(": {}", change.detail) }
            )
        }
        other => format!("{other:?}"),
    }
}

fn one() -> Head {
    peer("192.0.2.1", 64_500)
}

/// Waits until the other side has closed.
async fn is_closed(stream: &mut TcpStream) {
    let mut octets = [0; 1];
    let read = timeout(LONG, stream.read(&mut octets)).await.expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn two_routers_speak_at_once_and_strangers_are_refused() {
    let mut station = Station::of_two(8).await;
    let mut stranger = station.connect("127.0.0.3").await;
    is_closed(&mut stranger).await;
    assert_eq!(station.status.refused.load(std::sync::atomic::Ordering::Relaxed), 1);

    let mut a = station.connect("127.0.0.1").await;
    station.says(&["lab/a live"]).await;
    let mut b = station.connect("127.0.0.2").await;
    station.says(&["lab/b live"]).await;
    a.write_all(&[initiation("edge-a"), peer_up(&one(), 64_520)].concat()).await.expect("written");
    station.says(&["0 is a AS64500 192.0.2.1", "0 up"]).await;
    b.write_all(&peer_up(&one(), 64_521)).await.expect("written");
    station.says(&["1 is b AS64500 192.0.2.1", "1 up"]).await;
    b.write_all(&route_monitoring(&one(), &announce(PREFIX, &[64_500]))).await.expect("written");
    station.says(&["1 +1 -0"]).await;
    a.write_all(&route_monitoring(&one(), &withdraw(PREFIX))).await.expect("written");
    station.says(&["0 +0 -1"]).await;
    let view = station.router("a");
    assert_eq!((view.info.sys_name.as_str(), view.peers.len(), view.state), ("edge-a", 1, RouterState::Live));
    assert_eq!(view.tally.total(), 3);

    drop(b);
    station.says(&["lab/b lost, a gap: closed by the router", "1 down"]).await;
    assert_eq!((station.router("b").state, station.router("b").gaps), (RouterState::Down, 1));
    assert_eq!(station.router("a").state, RouterState::Live);
}

#[tokio::test]
async fn a_message_may_come_in_pieces_and_a_connection_may_end_within_one() {
    let mut station = Station::of_two(8).await;
    let mut a = station.connect("127.0.0.1").await;
    a.set_nodelay(true).expect("set");
    station.says(&["lab/a live"]).await;
    let whole = peer_up(&one(), 64_520);
    for octet in &whole {
        a.write_all(&[*octet]).await.expect("written");
        a.flush().await.expect("flushed");
    }
    station.says(&["0 is a AS64500 192.0.2.1", "0 up"]).await;
    a.write_all(&whole[..60]).await.expect("written");
    drop(a);
    station.says(&["lab/a lost, a gap: closed by the router within a message", "0 down"]).await;
    // It comes back as the same vantage point, and the gap is told.
    let mut a = station.connect("127.0.0.1").await;
    a.write_all(&whole).await.expect("written");
    station.says(&["lab/a live, a gap", "0 up"]).await;
}

#[tokio::test]
async fn whoever_speaks_something_else_is_closed() {
    for (bytes, error, kind) in [
        (&[4u8, 0, 0, 0, 6, 4][..], "it speaks version 4 of BMP, only 3 is understood", kind::BAD_BMP_VERSION),
        (b"GET / HTTP/1.1\r\n\r\n", "it speaks version 71 of BMP, only 3 is understood", kind::BAD_BMP_VERSION),
        (&[3, 0, 0, 0, 2, 4], "it announces a message of 2 octets, which none has", kind::TOO_LONG),
        (&[3, 255, 255, 255, 255, 4], "it announces a message of 4294967295 octets, which none has", kind::TOO_LONG),
    ] {
        let mut station = Station::of_two(8).await;
        let mut a = station.connect("127.0.0.1").await;
        a.write_all(bytes).await.expect("written");
        is_closed(&mut a).await;
        station.says(&["lab/a live", &format!("lab/a lost, a gap: closed by us: {error}")]).await;
        assert_eq!(station.status.counts.lock().expect("not poisoned").errors[kind], 1);
    }
}

#[tokio::test]
async fn a_router_that_sends_only_what_cannot_be_read_is_closed() {
    let mut station = Station::of_two(8).await;
    let mut a = station.connect("127.0.0.1").await;
    a.write_all(&message(0, &[0; 9]).repeat(1_001)).await.expect("written");
    station.says(&["lab/a live"]).await;
    station.says(&["lab/a lost, a gap: closed by us: more than 1000 messages could not be read"]).await;
    assert_eq!(station.router("a").counts.errors[kind::BAD_BMP_MESSAGE], 1_001);
}

#[tokio::test]
async fn a_router_that_says_it_leaves_is_believed() {
    let mut station = Station::of_two(8).await;
    let mut a = station.connect("127.0.0.1").await;
    a.write_all(&[peer_up(&one(), 64_520), termination(2)].concat()).await.expect("written");
    station.says(&["lab/a live", "0 is a AS64500 192.0.2.1", "0 up"]).await;
    station.says(&["lab/a lost, a gap: closed by the router: it is out of resources", "0 down"]).await;
}

#[tokio::test]
async fn a_router_that_connects_again_replaces_its_older_connection() {
    let mut station = Station::of_two(8).await;
    let mut first = station.connect("127.0.0.1").await;
    first.write_all(&peer_up(&one(), 64_520)).await.expect("written");
    station.says(&["lab/a live", "0 is a AS64500 192.0.2.1", "0 up"]).await;
    let mut second = station.connect("127.0.0.1").await;
    second.write_all(&peer_up(&one(), 64_520)).await.expect("written");
    station.says(&["lab/a lost, a gap: the router connected again", "0 down", "lab/a live, a gap", "0 up"]).await;
    is_closed(&mut first).await;
}

#[tokio::test]
async fn more_routers_than_allowed_are_refused() {
    let routers = vec![router("127.0.0.0/8", "lab")];
    let mut station = Station::start(routers, 8, |config| config.most_routers = 1).await;
    let _one = station.connect("127.0.0.1").await;
    station.says(&["lab/lab-127.0.0.1 live"]).await;
    let mut two = station.connect("127.0.0.2").await;
    is_closed(&mut two).await;
    assert_eq!(station.status.routers().len(), 1);
}

#[tokio::test]
async fn a_silent_router_is_told_of_and_is_live_again_with_its_next_message() {
    let routers = vec![router("127.0.0.1/32", "a")];
    let mut station = Station::start(routers, 8, |config| config.idle = Duration::from_millis(50)).await;
    let mut a = station.connect("127.0.0.1").await;
    station.says(&["lab/a live", "lab/a lost: silent for 0 s"]).await;
    assert_eq!(station.router("a").state, RouterState::Silent);
    a.write_all(&initiation("x")).await.expect("written");
    station.says(&["lab/a live"]).await;
}

#[tokio::test]
async fn a_slow_consumer_makes_the_router_wait_and_loses_nothing() {
    const MESSAGES: usize = 40_000;
    /// One batch waits in the queue, one to get into it, one is being filled.
    const AHEAD: usize = 4 * rules::limits::BATCH_EVENTS;
    let mut station = Station::of_two(1).await;
    let mut a = station.connect("127.0.0.1").await;
    let update = route_monitoring(&one(), &announce(PREFIX, &[64_500, 64_496]));
    let writing = tokio::spawn(async move {
        a.write_all(&peer_up(&one(), 64_520)).await.expect("written");
        a.write_all(&update.repeat(MESSAGES)).await.expect("written");
        a
    });
    station.says(&["lab/a live", "0 is a AS64500 192.0.2.1", "0 up"]).await;
    for taken in 0..MESSAGES {
        assert_eq!(station.next().await, "0 +1 -0");
        let read = station.router("a").tally.total() as usize;
        assert!(read <= taken + AHEAD, "{read} messages were worked off, and {taken} taken");
    }
    timeout(LONG, writing).await.expect("in time").expect("written");
    assert!(station.status.stalled_micros.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn the_station_ends_with_its_receiver() {
    let station = Station::of_two(8).await;
    let mut a = station.connect("127.0.0.1").await;
    drop(station.items);
    timeout(LONG, station.running).await.expect("in time").expect("no panic");
    is_closed(&mut a).await;
    assert!(!station.status.listening.load(std::sync::atomic::Ordering::Relaxed));
}
