//! Who may connect, and what becomes of a connection?
//!
//! Routers connect to us and only talk: BMP has no answer, so the one way to slow a router down is to stop reading its
//! socket. That is what a full queue does. A connection is followed by a task of its own; a router that connects again
//! replaces its older connection, which is closed and worked off first, so that one router never speaks twice.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rules::bgp::Timestamp;
use rules::event::{Event, FeedChange};
use rules::limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinSet;

use super::session::{Numbers, Session, Settings};
use super::status::Status;
use super::{connection, frame};
use crate::clock::now;
use crate::input::{Arrival, Item};

/// Who may connect, and the bounds for each.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everybody else is refused.
    pub routers: Vec<Router>,
    /// A router that says nothing for this long is reported as silent. Most send statistics every minute.
    pub idle: Duration,
    /// Connections at once.
    pub most_routers: usize,
    /// Peers of one router.
    pub most_peers: usize,
}

/// Routers of a prefix, mostly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub prefix: IpNet,
    pub name: Arc<str>,
}

impl Config {
    /// The name of the router with this address; none if it may not connect. The longest prefix decides. Of a prefix
    /// with many addresses each is a router of its own.
    fn name(&self, address: IpAddr) -> Option<Arc<str>> {
        let fits = self.routers.iter().filter(|router| router.prefix.contains(&address));
        let router = fits.max_by_key(|router| router.prefix.prefix_len())?;
        let is_one = router.prefix.prefix_len() == router.prefix.max_prefix_len();
        Some(if is_one { router.name.clone() } else { format!("{}-{address}", router.name).into() })
    }
}

/// Before a first word of a refused address is said again.
const TELL_AGAIN: Duration = Duration::from_secs(600);
/// Refused addresses that are remembered for that.
const REFUSED: usize = 1_024;
/// After an `accept` that failed, mostly because there are no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Listens until the receiver closes.
pub async fn run(
    listener: TcpListener,
    config: Config,
    feed: Arc<str>,
    out: mpsc::Sender<Arrival>,
    status: Arc<Status>,
) {
    let mut station = Station {
        config: Arc::new(config),
        feed,
        out,
        status,
        numbers: Numbers::default(),
        turns: HashMap::new(),
        refused: HashMap::new(),
        connections: JoinSet::new(),
    };
    station.status.listening.store(true, Relaxed);
    loop {
        tokio::select! {
            () = station.out.closed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => station.accept(stream, from),
                Err(error) => {
                    tracing::warn!(feed = %station.feed, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = station.connections.join_next() => {}
        }
    }
    station.status.listening.store(false, Relaxed);
    station.connections.shutdown().await;
}

/// One connection of a router at a time; who waits tells the one before to end.
#[derive(Default)]
struct Turn {
    one: Arc<Mutex<()>>,
    end: Arc<Notify>,
}

struct Station {
    config: Arc<Config>,
    feed: Arc<str>,
    out: mpsc::Sender<Arrival>,
    status: Arc<Status>,
    numbers: Numbers,
    turns: HashMap<Arc<str>, Turn>,
    /// When it was last said that an address was refused.
    refused: HashMap<IpAddr, Instant>,
    connections: JoinSet<()>,
}

impl Station {
    fn accept(&mut self, stream: TcpStream, from: SocketAddr) {
        let address = from.ip().to_canonical();
        let Some(name) = self.config.name(address) else {
            return self.refuse(address, "is not in the list of routers");
        };
        self.turns.retain(|_, turn| Arc::strong_count(&turn.one) > 1);
        let is_known = self.turns.contains_key(&name);
        // Whoever comes again replaces a connection; the older ones need a moment to end.
        let most = if is_known { 2 * self.config.most_routers } else { self.config.most_routers };
        if self.connections.len() >= most {
            return self.refuse(address, "is one router too many; see most_routers");
        }
        if let Err(error) = connection::keep_alive(&stream) {
            tracing::warn!(feed = %self.feed, router = %name, %error, "no TCP keepalive");
        }
        let turn = self.turns.entry(name.clone()).or_default();
        let (one, end) = (turn.one.clone(), Arc::new(Notify::new()));
        std::mem::replace(&mut turn.end, end.clone()).notify_one();
        let settings = Settings {
            collector: name.clone(),
            most_peers: self.config.most_peers,
            collector_as: None,
            is_mid_stream: false,
        };
        let mut follower = Follower {
            feed: format!("{}/{name}", self.feed).into(),
            name,
            address,
            idle: self.config.idle,
            out: self.out.clone(),
            status: self.status.clone(),
            session: Session::new(settings, self.numbers.clone()),
            last: None,
            undecodable: 0,
            is_silent: false,
            viewed: None,
            is_view_old: false,
        };
        self.connections.spawn(async move {
            tokio::select! {
                biased;
                () = end.notified() => {}
                _turn = one.lock_owned() => follower.follow(stream, &end).await,
            }
        });
    }

    /// Closes the connection; says so once per address and interval.
    fn refuse(&mut self, address: IpAddr, why: &str) {
        self.status.refused.fetch_add(1, Relaxed);
        let told = self.refused.get(&address).is_some_and(|told| told.elapsed() < TELL_AGAIN);
        if told {
            return;
        }
        if self.refused.len() >= REFUSED {
            self.refused.clear();
        }
        self.refused.insert(address, Instant::now());
        tracing::warn!(feed = %self.feed, %address, "connection refused: it {why}");
    }
}

/// BMP messages of one connection that may be unreadable before it is closed: more is no accident, and whoever sends
/// them has the attention of a log and a counter by then.
const UNDECODABLE: u64 = 1_000;
/// How often what its peers look like is written down, if nothing happens to them.
const VIEW: Duration = Duration::from_secs(1);

/// Follows one connection.
struct Follower {
    /// The feed's name and the router's.
    feed: Arc<str>,
    name: Arc<str>,
    address: IpAddr,
    idle: Duration,
    out: mpsc::Sender<Arrival>,
    status: Arc<Status>,
    session: Session,
    last: Option<Timestamp>,
    undecodable: u64,
    is_silent: bool,
    viewed: Option<Instant>,
    /// Peers have changed since they were written down.
    is_view_old: bool,
}

impl Follower {
    async fn follow(&mut self, stream: TcpStream, end: &Notify) {
        let gap_from = self.status.connected(&self.name, self.address, now());
        tracing::info!(feed = %self.feed, address = %self.address, "router connected");
        let live = self.change(true, String::new(), gap_from);
        self.send(Arrival::now(vec![live])).await;
        let out = self.out.clone();
        let Some(detail) = self.read(stream, end, &out).await else { return };
        tracing::warn!(feed = %self.feed, address = %self.address, %detail, "router lost");
        let mut items = vec![self.change(false, detail.clone(), self.last)];
        self.session.close(Some(now()), &mut items);
        self.view(true);
        self.status.lost(&self.name, detail);
        for batch in items.chunks(limits::BATCH_EVENTS) {
            self.send(Arrival::now(batch.to_vec())).await;
        }
    }

    /// Reads until it ends, and says why it ended; none if nobody listens any more. What was decoded is always handed
    /// on: only the reading itself may be broken off.
    async fn read(&mut self, stream: TcpStream, end: &Notify, out: &mpsc::Sender<Arrival>) -> Option<String> {
        let mut socket = connection::Socket::new(stream);
        loop {
            let idle = tokio::time::sleep(self.idle);
            let read = tokio::select! {
                read = socket.fill() => read,
                () = end.notified() => return Some("the router connected again".into()),
                () = out.closed() => return None,
                () = tokio::time::sleep(VIEW), if self.is_view_old => {
                    self.view(true);
                    continue;
                }
                () = idle, if !self.is_silent => {
                    self.silent().await;
                    continue;
                }
            };
            match read {
                Ok(0) if socket.is_within_a_message() => return Some("closed by the router within a message".into()),
                Ok(0) => return Some("closed by the router".into()),
                Ok(_) => {}
                Err(error) => return Some(error.to_string()),
            }
            let (received, mut arrival) = (now(), Arrival::now(Vec::new()));
            if std::mem::take(&mut self.is_silent) {
                self.status.heard_again(&self.name);
                arrival.items.push(self.change(true, String::new(), None));
            }
            self.last = Some(received);
            let detail = self.decode(&mut socket, received, arrival).await;
            if detail.is_some() {
                return detail;
            }
        }
    }

    /// Works off what is there. What ends the connection is the answer.
    async fn decode(
        &mut self,
        socket: &mut connection::Socket,
        received: Timestamp,
        arrival: Arrival,
    ) -> Option<String> {
        let Arrival { mut items, at } = arrival;
        let mut detail = None;
        while detail.is_none() {
            match frame::next(&mut socket.buffer) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    self.undecodable += u64::from(!self.session.message(&message, Some(received), &mut items));
                }
                Err(error) => {
                    self.status.broken_frame(&self.name, &error);
                    detail = Some(format!("closed by us: {error}"));
                }
            }
            if let Some(reason) = self.session.take_terminated() {
                detail = Some(format!("closed by the router: {}", terminated(reason)));
            }
            if self.undecodable > UNDECODABLE {
                detail = Some(format!("closed by us: more than {UNDECODABLE} messages could not be read"));
            }
            if items.len() >= limits::BATCH_EVENTS {
                self.view(false);
                self.send(Arrival { items: std::mem::take(&mut items), at }).await;
            }
        }
        self.view(false);
        self.send(Arrival { items, at }).await;
        detail
    }

    /// Says once that nothing comes.
    async fn silent(&mut self) {
        self.is_silent = true;
        let detail = format!("silent for {} s", self.idle.as_secs());
        tracing::warn!(feed = %self.feed, address = %self.address, %detail, "router silent");
        self.status.silent(&self.name, detail.clone());
        let lost = self.change(false, detail, None);
        self.send(Arrival::now(vec![lost])).await;
    }

    fn change(&self, live: bool, detail: String, gap_from: Option<Timestamp>) -> Item {
        let seen = now();
        let change = FeedChange { feed: self.feed.clone(), live, detail, gap_from, seen };
        Item { time: seen, event: Event::Feed(change) }
    }

    /// Writes down what others may look at.
    fn view(&mut self, is_wanted: bool) {
        let has_changed = self.session.take_changed();
        let is_due = self.viewed.is_none_or(|viewed| viewed.elapsed() >= VIEW);
        let is_viewed = is_wanted || has_changed || is_due;
        self.is_view_old = !is_viewed;
        let peers = is_viewed.then(|| {
            self.viewed = Some(Instant::now());
            self.session.peers().collect()
        });
        self.status.update(
            &self.name,
            self.session.take_counts(),
            self.session.tally(),
            self.session.info(),
            peers,
            self.last,
        );
    }

    /// Hands a batch on; while it waits nothing is read. A closed receiver is noticed by the loop around.
    async fn send(&self, arrival: Arrival) {
        if arrival.items.is_empty() {
            return;
        }
        let before = Instant::now();
        let is_full = self.out.capacity() == 0;
        let _ = self.out.send(arrival).await;
        if is_full {
            let waited = u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.status.stalled_micros.fetch_add(waited, Relaxed);
        }
    }
}

/// RFC 7854 section 4.5.
fn terminated(reason: u16) -> &'static str {
    match reason {
        0 => "administratively closed",
        2 => "it is out of resources",
        3 => "it has another connection to us",
        4 => "administratively closed, for good",
        _ => "it gave no reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_names_a_router_and_strangers_have_no_name() {
        let router = |prefix: &str, name: &str| Router { prefix: prefix.parse().expect("a prefix"), name: name.into() };
        let config = Config {
            routers: vec![
                router("192.0.2.0/24", "lab"),
                router("192.0.2.1/32", "edge1"),
                router("2001:db8::/32", "v6"),
            ],
            idle: Duration::from_secs(1),
            most_routers: 1,
            most_peers: 1,
        };
        for (address, name) in [
            ("192.0.2.1", Some("edge1")),
            ("192.0.2.2", Some("lab-192.0.2.2")),
            ("2001:db8::1", Some("v6-2001:db8::1")),
            ("198.51.100.1", None),
        ] {
            assert_eq!(config.name(address.parse().expect("an address")).as_deref(), name, "{address}");
        }
    }
}
