//! How is the connection kept?
//!
//! Three parts: a reader that only moves frames from the socket into a backlog bounded in octets, a converter that
//! decodes what is there now and hands it on, and the loop around both that reconnects.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use ipnet::IpNet;
use rules::bgp::{Timestamp, VantageId};
use rules::event::{Event, FeedChange};
use rules::limits;
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant as Moment, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::{Config, Decoder, Interest, Status, decoder};
use crate::backoff::Backoff;
use crate::clock::now;
use crate::input::{Arrival, Item};
use crate::shown::without_secrets;

/// Octets of frames that may wait for the converter: at 4,000 frames/s of 600 octets about half a minute.
const BACKLOG: usize = 64 << 20;
/// One frame: the longest BGP message is 64 KiB, as text and hex about 400 KiB.
const FRAME: usize = 8 << 20;
const CONNECT: Duration = Duration::from_secs(20);
/// A filtered subscription may have no news for long, so we ask for a sign of life.
const PING: Duration = Duration::from_secs(30);
/// Without any message for this long the connection is dead, whatever TCP says.
const SILENCE: Duration = Duration::from_secs(90);
/// Where somebody answers and has no news, the connection is given up after this long at most.
const LONGEST_SILENCE: Duration = Duration::from_secs(900);
/// A connection that had news for so long has earned a fresh start of the patience.
const SETTLED: Duration = Duration::from_secs(3_600);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that lasted this long has earned a fresh start of the back-off.
const HEALTHY: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Runs until the receiver closes: connects, subscribes, reads, and comes back after every loss.
pub async fn run(config: Config, feed_name: Arc<str>, out: mpsc::Sender<Arrival>, status: Arc<Status>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut feed = Feed {
        name: feed_name,
        out,
        status,
        decoder: decoder(),
        up: BTreeSet::new(),
        gap_from: None,
        told_lost: false,
        keeps_tables: config.keeps_tables,
        is_filtered: config.is_filtered(),
        patience: SILENCE,
        was_silent: false,
    };
    while !feed.out.is_closed() {
        let started = Instant::now();
        let detail = match timeout(CONNECT, connect(&config)).await {
            Ok(Ok((socket, asked))) => feed.follow(socket, &config, asked).await,
            Ok(Err(error)) => feed.unreachable(error).await,
            Err(_) => {
                let detail = format!("{} did not answer within {} s", without_secrets(&config.url), CONNECT.as_secs());
                feed.unreachable(detail).await
            }
        };
        if feed.out.is_closed() {
            return;
        }
        tracing::warn!(feed = %feed.name, %detail, "feed lost");
        if started.elapsed() >= HEALTHY {
            backoff.reset();
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = feed.out.closed() => return,
        }
        feed.status.reconnects.fetch_add(1, Relaxed);
    }
}

async fn connect(config: &Config) -> Result<(Socket, Interest), String> {
    let separator = if config.url.contains('?') { '&' } else { '?' };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let client = config.client.replace(|c| !is_plain(c), "-");
    let url = format!("{}{separator}client={client}", config.url);
    let limits = WebSocketConfig::default().max_message_size(Some(FRAME)).max_frame_size(Some(FRAME));
    let failed = |error| format!("cannot connect to {}: {error}", without_secrets(&config.url));
    let (mut socket, _) = connect_async_with_config(url, Some(limits), false).await.map_err(failed)?;
    let asked = config.interest.as_ref().map(|interest| (**interest.borrow()).clone()).unwrap_or_default();
    let subscriptions = match config.interest {
        Some(_) => subscriptions_to(config, &asked, None),
        None => subscriptions(config),
    };
    for subscription in subscriptions {
        socket.feed(Message::text(subscription)).await.map_err(failed)?;
    }
    socket.flush().await.map_err(failed)?;
    Ok((socket, asked))
}

fn hosts(config: &Config) -> Vec<Option<&str>> {
    match config.hosts.as_slice() {
        [] => vec![None],
        hosts => hosts.iter().map(|host| Some(host.as_str())).collect(),
    }
}

/// What is of interest, without what was asked for before; what no longer is still comes, and is left to whoever takes it.
fn subscriptions_to(config: &Config, interest: &Interest, before: Option<&Interest>) -> Vec<String> {
    let is_known = |prefix: &&IpNet| before.is_some_and(|b| b.prefixes.contains(prefix));
    let mut all = Vec::new();
    for host in hosts(config) {
        if interest.everything {
            if !before.is_some_and(|b| b.everything) {
                all.push(request(serde_json::json!({ "host": host, "peer": config.peer }), config));
            }
            continue;
        }
        for prefix in interest.prefixes.iter().filter(|p| !is_known(p)) {
            let around = serde_json::json!({ "host": host, "prefix": prefix, "moreSpecific": true, "lessSpecific": true,
                                             "peer": config.peer });
            all.push(request(around, config));
        }
        for asn in interest.asns.iter().filter(|asn| !before.is_some_and(|b| b.asns.contains(asn))) {
            let from = serde_json::json!({ "host": host, "path": format!("{}$", asn.0), "peer": config.peer });
            all.push(request(from, config));
        }
        if before.is_none() {
            all.push(request(serde_json::json!({ "host": host, "type": "RIS_PEER_STATE" }), config));
        }
    }
    all
}

/// Waits until there is something to ask for that was not asked for yet.
async fn wanted(config: &Config, interest: &mut Option<Receiver<Arc<Interest>>>, asked: &mut Interest) -> Vec<String> {
    loop {
        let changed = match interest {
            Some(interest) => interest.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            return std::future::pending().await;
        }
        let Some(now) = interest.as_mut().map(|interest| (**interest.borrow_and_update()).clone()) else { continue };
        let subscriptions = subscriptions_to(config, &now, Some(asked));
        *asked = now;
        if !subscriptions.is_empty() {
            return subscriptions;
        }
    }
}

/// One subscription per collector and prefix. A prefix filter hides sessions that go down, so these are asked for.
fn subscriptions(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    for host in hosts(config) {
        if config.prefixes.is_empty() {
            all.push(subscription(config, host, None));
            continue;
        }
        all.extend(config.prefixes.iter().map(|prefix| subscription(config, host, Some(prefix.to_string()))));
        let states = serde_json::json!({ "host": host, "type": "RIS_PEER_STATE" });
        all.push(request(states, config));
    }
    all
}

fn subscription(config: &Config, host: Option<&str>, prefix: Option<String>) -> String {
    let data = serde_json::json!({
        "host": host,
        "prefix": prefix,
        "moreSpecific": true,
        "lessSpecific": false,
        "peer": config.peer,
        "path": config.path,
    });
    request(data, config)
}

fn request(mut data: serde_json::Value, config: &Config) -> String {
    if let Some(members) = data.as_object_mut() {
        members.retain(|_, value| !value.is_null());
        members.insert("socketOptions".into(), serde_json::json!({ "includeRaw": config.include_raw }));
    }
    serde_json::json!({ "type": "ris_subscribe", "data": data }).to_string()
}

/// Frames between the socket and the converter, bounded in octets.
#[derive(Default)]
struct Backlog {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Each with when it came.
    frames: VecDeque<(Instant, Utf8Bytes)>,
    octets: usize,
    /// Why nothing comes any more.
    closed: Option<String>,
}

impl Backlog {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if the frame would exceed the bound.
    fn push(&self, frame: Utf8Bytes) -> bool {
        let mut waiting = self.waiting();
        if waiting.octets + frame.len() > BACKLOG {
            return false;
        }
        waiting.octets += frame.len();
        waiting.frames.push_back((Instant::now(), frame));
        drop(waiting);
        self.changed.notify_one();
        true
    }

    fn close(&self, why: String) {
        self.waiting().closed.get_or_insert(why);
        self.changed.notify_one();
    }

    /// What is there now, at most `most` frames; the error says why nothing comes any more.
    async fn take(&self, most: usize) -> Result<Vec<(Instant, Utf8Bytes)>, String> {
        loop {
            {
                let mut waiting = self.waiting();
                if !waiting.frames.is_empty() {
                    let n = waiting.frames.len().min(most);
                    let frames: Vec<_> = waiting.frames.drain(..n).collect();
                    waiting.octets -= frames.iter().map(|(_, frame)| frame.len()).sum::<usize>();
                    return Ok(frames);
                }
                if let Some(why) = &waiting.closed {
                    return Err(why.clone());
                }
            }
            self.changed.notified().await;
        }
    }
}

/// Whether this says that the stream works. Where news are rare an answer to our ping does; where everything is asked
/// for only news do, since a server may answer pings and have lost our subscription.
fn is_sign_of_life(message: &Message, is_filtered: bool) -> bool {
    is_filtered || matches!(message, Message::Text(frame) if frame.contains(r#""ris_message""#))
}

/// What is heard through one connection, and for how long nothing may be. Who answers pings and has no news may have lost
/// our subscription, so it is asked again; or has nothing to say, so each time with twice the patience.
struct Hearing {
    is_filtered: bool,
    patience: Duration,
    since: Moment,
    /// The last message of any kind, and the last sign of life.
    heard: Moment,
    alive: Moment,
    was_alive: bool,
    fell_silent: bool,
}

impl Hearing {
    fn new(is_filtered: bool, patience: Duration, now: Moment) -> Self {
        let (since, heard, alive) = (now, now, now);
        Self { is_filtered, patience, since, heard, alive, was_alive: false, fell_silent: false }
    }

    /// Whether it is a sign of life.
    fn message(&mut self, message: &Message, now: Moment) -> bool {
        self.heard = now;
        let is_alive = is_sign_of_life(message, self.is_filtered);
        if is_alive {
            (self.alive, self.was_alive) = (now, true);
        }
        is_alive
    }

    fn deadline(&self) -> Moment {
        (self.heard + SILENCE).min(self.alive + self.patience)
    }

    /// Nothing came up to the deadline. Says so.
    fn fall_silent(&mut self, now: Moment) -> String {
        self.fell_silent = true;
        let silent = now - self.alive;
        if now < self.heard + SILENCE {
            let is_settled = now - self.since >= SETTLED;
            let step = if is_settled { SILENCE } else { self.patience };
            self.patience = (step * 2).min(LONGEST_SILENCE);
        }
        format!("silent for {} s", silent.as_secs())
    }

    /// It ended without news, or never had any: the silence goes on in the next.
    fn was_silent(&self) -> bool {
        self.fell_silent || !self.was_alive
    }
}

/// Moves frames from the socket into the backlog until either fails. Pings are answered by the library while it reads.
async fn read(
    mut socket: Socket,
    config: &Config,
    mut asked: Interest,
    backlog: &Backlog,
    status: &Status,
    hearing: &mut Hearing,
) -> String {
    let mut interest = config.interest.clone();
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            subscriptions = wanted(config, &mut interest, &mut asked) => {
                for subscription in subscriptions {
                    if let Err(error) = socket.feed(Message::text(subscription)).await {
                        return error.to_string();
                    }
                }
                if let Err(error) = socket.flush().await {
                    return error.to_string();
                }
                continue;
            }
            () = tokio::time::sleep_until(hearing.deadline()) => return hearing.fall_silent(Moment::now()),
            _ = ping.tick() => {
                if let Err(error) = socket.send(Message::text(r#"{"type":"ping"}"#)).await {
                    return error.to_string();
                }
                continue;
            }
        };
        if let Some(Ok(message)) = &message
            && hearing.message(message, Moment::now())
        {
            status.last_frame.store(now().0, Relaxed);
        }
        match message {
            Some(Ok(Message::Text(frame))) => {
                status.frames.fetch_add(1, Relaxed);
                if !backlog.push(frame) {
                    // Bounded by a moment: the peer may be as stuck as we are.
                    let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
                    return format!("closed by us: {} MiB wait to be worked off", BACKLOG >> 20);
                }
            }
            Some(Ok(Message::Close(frame))) => {
                return match frame {
                    Some(frame) => format!("closed by the server: {} {}", frame.code, frame.reason),
                    None => "closed by the server".into(),
                };
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return error.to_string(),
            None => return "the connection ended".into(),
        }
    }
}

/// What outlives a connection.
struct Feed {
    name: Arc<str>,
    out: mpsc::Sender<Arrival>,
    status: Arc<Status>,
    decoder: Decoder,
    /// Sessions known to be up.
    up: BTreeSet<VantageId>,
    /// The collector's time of the last frame: where a gap begins.
    gap_from: Option<Timestamp>,
    /// That it is not live has been said.
    told_lost: bool,
    keeps_tables: bool,
    is_filtered: bool,
    /// How long the next connection may be without news.
    patience: Duration,
    /// The last connection ended in silence.
    was_silent: bool,
}

impl Feed {
    /// Says once that there is no connection, and gives the reason back.
    async fn unreachable(&mut self, detail: String) -> String {
        if !std::mem::replace(&mut self.told_lost, true) {
            let lost = self.change(false, detail.clone(), self.gap_from);
            self.send(Arrival::now(vec![lost])).await;
        }
        detail
    }

    /// Follows one connection to its end, and says why it ended.
    async fn follow(&mut self, socket: Socket, config: &Config, asked: Interest) -> String {
        // The wait for news counts from here, and from an earlier connection that had none.
        if !self.was_silent {
            self.status.last_frame.store(now().0, Relaxed);
        }
        self.status.connected.store(true, Release);
        self.told_lost = false;
        let live = self.change(true, String::new(), self.gap_from);
        self.send(Arrival::now(vec![live])).await;
        let backlog = Backlog::default();
        let status = self.status.clone();
        let closed = self.out.clone();
        let mut hearing = Hearing::new(self.is_filtered, self.patience, Moment::now());
        let reading = async {
            let why = tokio::select! {
                why = read(socket, config, asked, &backlog, &status, &mut hearing) => why,
                () = closed.closed() => "nobody listens".into(),
            };
            backlog.close(why);
        };
        let ((), detail) = tokio::join!(reading, self.convert(&backlog));
        self.status.connected.store(false, Relaxed);
        (self.patience, self.was_silent) = (hearing.patience, hearing.was_silent());
        self.lose(detail.clone()).await;
        detail
    }

    /// Decodes what is there and hands it on, until nothing comes any more.
    async fn convert(&mut self, backlog: &Backlog) -> String {
        loop {
            let frames = match backlog.take(limits::BATCH_EVENTS / 2).await {
                Ok(frames) => frames,
                Err(why) => return why,
            };
            let Some(at) = frames.first().map(|(at, _)| *at) else { continue };
            let mut items = Vec::with_capacity(frames.len());
            for (_, frame) in frames {
                if let Err(error) = self.decoder.frame(&frame, &mut items) {
                    tracing::debug!(feed = %self.name, %error, "frame not decodable");
                }
            }
            for item in &items {
                self.note(item);
            }
            *self.status.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.decoder.counts().clone();
            self.status.sessions_up.store(self.up.len(), Relaxed);
            self.status.sessions_known.store(self.decoder.vantage_points(), Relaxed);
            self.send(Arrival { items, at }).await;
        }
    }

    fn note(&mut self, item: &Item) {
        self.gap_from = self.gap_from.max(Some(item.time));
        match &item.event {
            Event::Update(update) => drop(self.up.insert(update.vantage)),
            Event::PeerUp { vantage, .. } => drop(self.up.insert(*vantage)),
            Event::PeerDown { vantage, .. } => drop(self.up.remove(vantage)),
            _ => {}
        }
    }

    /// The connection is gone: so is the sight of every session, which is no proof that routes ended. Where the tables
    /// are kept, what they held is held on to until it is known what was missed.
    async fn lose(&mut self, detail: String) {
        self.status.gaps.fetch_add(1, Relaxed);
        self.told_lost = true;
        let seen = now();
        let mut items = vec![self.change(false, detail, self.gap_from)];
        let down = if self.keeps_tables { BTreeSet::new() } else { std::mem::take(&mut self.up) };
        self.status.sessions_up.store(self.up.len(), Relaxed);
        items.extend(down.into_iter().map(|vantage| Item { time: seen, event: Event::PeerDown { vantage, seen } }));
        for batch in items.chunks(limits::BATCH_EVENTS) {
            self.send(Arrival::now(batch.to_vec())).await;
        }
    }

    fn change(&self, live: bool, detail: String, gap_from: Option<Timestamp>) -> Item {
        let seen = now();
        let change = FeedChange { feed: self.name.clone(), live, detail, gap_from, seen };
        Item { time: seen, event: Event::Feed(change) }
    }

    /// Hands a batch on; the time it had to wait is counted. A closed receiver is noticed by the loop around.
    async fn send(&self, arrival: Arrival) {
        if arrival.items.is_empty() {
            return;
        }
        let before = Instant::now();
        if self.out.capacity() > 0 {
            let _ = self.out.send(arrival).await;
            return;
        }
        let _ = self.out.send(arrival).await;
        let waited = u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.status.stalled_micros.fetch_add(waited, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            url: "wss://ris-live.example.net/v1/ws/".into(),
            client: "test".into(),
            hosts: Vec::new(),
            prefixes: Vec::new(),
            peer: None,
            path: None,
            include_raw: true,
            keeps_tables: false,
            interest: None,
        }
    }

    #[test]
    fn everything_is_one_subscription() {
        assert_eq!(
            subscriptions(&config()),
            [
                r#"{"data":{"lessSpecific":false,"moreSpecific":true,"socketOptions":{"includeRaw":true}},"type":"ris_subscribe"}"#
            ]
        );
    }

    #[test]
    fn collectors_and_prefixes_are_combined_and_sessions_asked_for_beside() {
        let config = Config {
            hosts: vec!["rrc00".into(), "rrc01".into()],
            prefixes: vec!["192.0.2.0/24".parse().expect("a prefix"), "2001:db8::/32".parse().expect("a prefix")],
            ..config()
        };
        let all = subscriptions(&config);
        assert_eq!(all.len(), 6);
        assert_eq!(all.iter().filter(|s| s.contains("RIS_PEER_STATE")).count(), 2);
        assert_eq!(all.iter().filter(|s| s.contains(r#""prefix":"2001:db8::/32""#)).count(), 2);
    }

    const NEWS: Message = Message::Text(Utf8Bytes::from_static(r#"{"type":"ris_message","data":{}}"#));

    #[tokio::test]
    async fn a_server_that_answers_and_has_no_news_is_asked_again_with_twice_the_patience() {
        let (begin, mut patience, mut lasted) = (Moment::now(), SILENCE, Vec::new());
        for _ in 0..6 {
            let mut hearing = Hearing::new(false, patience, begin);
            let mut now = begin;
            while now + PING < hearing.deadline() {
                now += PING;
                assert!(!hearing.message(&Message::Pong(Default::default()), now));
            }
            now = hearing.deadline();
            hearing.fall_silent(now);
            assert!(hearing.was_silent());
            lasted.push((now - begin).as_secs());
            patience = hearing.patience;
        }
        assert_eq!(lasted, [90, 180, 360, 720, 900, 900]);

        let mut hearing = Hearing::new(false, patience, begin);
        for second in (0..=3_600).step_by(30) {
            assert!(hearing.message(&NEWS, begin + Duration::from_secs(second)));
        }
        hearing.message(&Message::Pong(Default::default()), begin + SETTLED + LONGEST_SILENCE - PING);
        hearing.fall_silent(begin + SETTLED + LONGEST_SILENCE);
        assert_eq!(hearing.patience, 2 * SILENCE, "what had news for long begins anew");
    }

    #[tokio::test]
    async fn who_answers_nothing_is_dead_and_not_waited_for() {
        let begin = Moment::now();
        let mut hearing = Hearing::new(false, LONGEST_SILENCE, begin);
        hearing.message(&NEWS, begin);
        assert_eq!(hearing.deadline(), begin + SILENCE);
        assert_eq!(hearing.fall_silent(begin + SILENCE), "silent for 90 s");
        assert_eq!(hearing.patience, LONGEST_SILENCE);
    }

    #[tokio::test]
    async fn the_backlog_refuses_what_exceeds_its_bound_and_gives_room_back() {
        let backlog = Backlog::default();
        let frame = Utf8Bytes::from("x".repeat(BACKLOG / 2));
        assert!(backlog.push(frame.clone()) && backlog.push(frame.clone()));
        assert!(!backlog.push(Utf8Bytes::from_static("x")));
        backlog.close("done".into());
        assert_eq!(backlog.take(1).await.map(|frames| frames.len()), Ok(1));
        assert!(backlog.push(Utf8Bytes::from_static("x")));
        assert_eq!(backlog.take(9).await.map(|frames| frames.len()), Ok(2));
        assert_eq!(backlog.take(9).await, Err("done".into()));
    }
}
