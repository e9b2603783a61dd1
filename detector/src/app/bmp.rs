//! How do routers and OpenBMP topics become feeds, and how do they stand?

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use feeds::bmp::status::{RouterState, RouterView, Status as StationStatus};
use feeds::bmp::{PeerState, PeerView, station};
use feeds::counts::{Counts, kind};
use feeds::input::Arrival;
use feeds::openbmp::consumer::{self, Batch, Status as KafkaStatus};
use rules::bgp::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender};

use super::intake::Input;
use super::reporting::counted;
use super::silence;
use crate::config::{Bmp, Feed, FeedKind, OpenBmp};
use crate::failure::Failure;
use crate::health::{FeedReport, FeedState, PeerReport, SessionReport};
use crate::http;
use crate::metrics::{Metrics, Queue};
use crate::text::plain;

/// Listeners by the position of their feed.
pub type Stations = BTreeMap<usize, TcpListener>;

/// How a feed of routers stands.
pub enum BmpHealth {
    /// With the names of routers that are expected.
    Station(Arc<StationStatus>, Vec<Arc<str>>),
    Kafka(Arc<KafkaStatus>),
}

impl BmpHealth {
    pub fn of(bmp: &Bmp) -> Self {
        // Whoever has a prefix to himself may come from anywhere in it, or not at all.
        let is_one = |router: &&crate::config::Router| router.address.prefix_len() == router.address.max_prefix_len();
        Self::Station(Arc::default(), bmp.routers.iter().filter(is_one).map(|router| router.name.clone()).collect())
    }
}

/// Peers of one router that are described; all are counted. 256 x about 300 bytes, once a second.
const PEERS_SHOWN: usize = 256;

/// Opens the addresses of all stations, so that one that is taken is told at the start.
pub async fn bind(feeds: &[Feed]) -> Result<Stations, Failure> {
    let mut stations = Stations::new();
    for (source, feed) in feeds.iter().enumerate() {
        if let FeedKind::Bmp(bmp) = &feed.kind {
            stations.insert(source, http::bind(bmp.listen).await?);
        }
    }
    Ok(stations)
}

pub async fn listen(listener: TcpListener, bmp: Bmp, name: Arc<str>, out: Sender<Arrival>, status: Arc<StationStatus>) {
    let router = |router: crate::config::Router| station::Router { prefix: router.address, name: router.name };
    let config = station::Config {
        routers: bmp.routers.into_iter().map(router).collect(),
        idle: Duration::from_secs(bmp.idle_secs),
        most_routers: bmp.max_routers,
        most_peers: bmp.max_peers,
    };
    station::run(listener, config, name, out, status).await;
}

/// `before`: up to where everything was judged before a restart.
pub async fn consume(
    openbmp: OpenBmp,
    before: Option<Timestamp>,
    name: Arc<str>,
    out: Sender<Batch>,
    status: Arc<KafkaStatus>,
) {
    let properties = openbmp.properties.into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect();
    let config = consumer::Config {
        brokers: openbmp.brokers,
        topics: openbmp.topics,
        group: openbmp.group,
        collector_as: openbmp.collector_as,
        properties,
        before,
    };
    consumer::run(config, name, out, status).await;
}

/// Hands on items, and behind them the wish to hear when they are judged.
pub async fn forward(source: usize, mut batches: Receiver<Batch>, queue: Sender<Input>) {
    while let Some(Batch { items, receipt }) = batches.recv().await {
        let news = Input::News(source, Arrival::now(items));
        if queue.send(news).await.is_err() || queue.send(Input::Receipt(receipt)).await.is_err() {
            return;
        }
    }
}

/// Tells metrics and pages how a feed stands.
pub fn report(name: &str, health: &BmpHealth, silent_secs: u64, metrics: &Metrics, now: Timestamp) -> FeedReport {
    let report = match health {
        BmpHealth::Station(status, expected) => station_report(name, status, expected, metrics),
        BmpHealth::Kafka(status) => kafka_report(name, status, silent_secs, metrics, now),
    };
    let peers = |count: fn(&SessionReport) -> usize| report.sessions.iter().map(count).sum();
    let (peers_up, peers_down) = (peers(|session| session.peers_up), peers(|session| session.peers_down));
    metrics.peers(name, peers_up, peers_down);
    FeedReport { peers_up, peers_down, ..report }
}

fn station_report(name: &str, status: &StationStatus, expected: &[Arc<str>], metrics: &Metrics) -> FeedReport {
    let routers = status.routers();
    let is_any = |state| routers.iter().any(|router| router.state == state);
    let state = match routers.is_empty() {
        true => FeedState::Connecting,
        false if is_any(RouterState::Live) => FeedState::Live,
        false if is_any(RouterState::Silent) => FeedState::Silent,
        false => FeedState::Down,
    };
    metrics.queue_stalled(Queue::Feed, Duration::from_micros(status.stalled_micros.load(Ordering::Relaxed)));
    let mut counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let refused = status.refused.load(Ordering::Relaxed);
    if refused > 0 {
        counts.errors.insert(kind::REFUSED, refused);
    }
    let gaps = routers.iter().map(|router| router.gaps).sum();
    let last_message = routers.iter().filter_map(|router| router.last_message).max();
    let missing = expected.iter().filter(|name| !routers.iter().any(|router| router.name == **name));
    let sessions = routers.iter().map(session).chain(missing.map(|name| not_yet(name))).collect();
    finish(FeedReport { gaps, sessions, ..counted(name, "bmp", state, &counts) }, &counts, last_message, metrics)
}

fn kafka_report(name: &str, status: &KafkaStatus, silent_secs: u64, metrics: &Metrics, now: Timestamp) -> FeedReport {
    let heard = status.messages.load(Ordering::Relaxed) > 0;
    let last = heard.then(|| Timestamp(status.last_message.load(Ordering::Relaxed)));
    let age_secs = last.map_or(0.0, |last| now.secs_since(last));
    let state = silence::of_kafka(status, silent_secs, now);
    metrics.queue_stalled(Queue::Feed, Duration::from_micros(status.stalled_micros.load(Ordering::Relaxed)));
    if heard {
        metrics.feed_lag(name, Duration::from_secs_f64(age_secs.max(0.0)));
    }
    let counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let routers = status.routers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let sessions = routers.iter().map(|router| {
        let is_silent = router.last.is_some_and(|last| now.secs_since(last) > silent_secs as f64);
        SessionReport {
            router: plain(&router.name, 64),
            state: if is_silent { FeedState::Silent } else { FeedState::Live },
            messages: router.messages,
            updates: router.updates,
            errors: router.errors,
            last_message: router.last.map(|last| last.to_string()),
            ..of_peers(&router.peers)
        }
    });
    let report = FeedReport { sessions: sessions.collect(), ..counted(name, "openbmp", state, &counts) };
    finish(report, &counts, last, metrics)
}

fn finish(report: FeedReport, counts: &Counts, last: Option<Timestamp>, metrics: &Metrics) -> FeedReport {
    metrics.feed(&report.name, counts, report.state, report.gaps);
    FeedReport { last_message: last.map(|last| last.to_string()), ..report }
}

/// A router of the list that has not connected since the start.
fn not_yet(name: &str) -> SessionReport {
    let detail = Some("it has not connected since the start".to_owned());
    SessionReport { router: plain(name, 64), state: FeedState::Connecting, detail, ..SessionReport::default() }
}

fn session(router: &RouterView) -> SessionReport {
    SessionReport {
        router: plain(&router.name, 64),
        sys_name: Some(plain(&router.info.sys_name, 64)).filter(|name| !name.is_empty()),
        state: match router.state {
            RouterState::Live => FeedState::Live,
            RouterState::Silent => FeedState::Silent,
            RouterState::Down => FeedState::Down,
        },
        detail: router.detail.as_deref().map(|detail| plain(detail, 200)),
        messages: router.tally.total(),
        updates: router.counts.announced + router.counts.withdrawn,
        errors: router.counts.error_count(),
        gaps: router.gaps,
        last_message: router.last_message.map(|last| last.to_string()),
        ..of_peers(&router.peers)
    }
}

fn of_peers(peers: &[PeerView]) -> SessionReport {
    let down = peers.iter().filter(|peer| peer.state == PeerState::Down).count();
    SessionReport {
        peers_up: peers.len() - down,
        peers_down: down,
        peers: peers.iter().take(PEERS_SHOWN).map(peer).collect(),
        ..SessionReport::default()
    }
}

fn peer(peer: &PeerView) -> PeerReport {
    PeerReport {
        address: peer.address.to_string(),
        asn: peer.asn.0,
        state: peer.state.word(),
        table: peer.rib.map(|rib| rib.word()),
        local_role: peer.local_role.map(|role| role.word()),
        peer_role: peer.peer_role.map(|role| role.word()),
        updates: peer.updates,
        routes_stated: peer.routes_stated,
        last_message: peer.last.map(|last| last.to_string()),
    }
}

#[cfg(test)]
mod tests;
