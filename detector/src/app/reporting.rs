//! How does everything stand? Asked once a second, told to pages, probes and metrics.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use feeds::counts::Counts;
use feeds::ris_live;
use rules::alert::SourceState;
use rules::bgp::{Family, Timestamp, VantageId, VantagePoint};
use rules::desk::Suppressed;
use rules::limits;
use rules::session;
use rules::shed::Worth;
use tokio::sync::{mpsc, oneshot, watch};

use super::intake::{FeedHealth, FileStatus, Health, now};
use super::shedding::Room;
use super::{reload, silence};
use crate::health::{
    BaselineState, ConfigReport, FeedReport, FeedState, GapReport, MemoryReport, NoticeReport, QuarantineReport,
    Report, ShedReport, SinkReport, SourceReport, StoreReport,
};
use crate::latency::StageReport;
use crate::ledger::{Cause, Ledger};
use crate::metrics::{Metrics, Queue, RpkiKind, Suppression};
use crate::notice::decider::Decider;
use crate::notice::{Notice, NoticeKind, NoticeState, Said};
use crate::pipeline;
use crate::sink::dispatch::DispatchStatus;
use crate::sink::outbox::Outbox;
use crate::sink::status::SinkStatus;
use crate::store::Store;
use crate::text;
use crate::watched::{UnseenReport, WatchedReport};

/// Gaps told on pages and by probes; notices know of all of them.
const GAPS: usize = 32;

pub struct Reporter {
    pub health: Arc<Health>,
    pub engine: Arc<pipeline::Status>,
    pub sinks: Vec<(Arc<str>, Arc<Outbox>, Arc<SinkStatus>)>,
    pub store: Store,
    pub dispatched: Arc<DispatchStatus>,
    pub metrics: Arc<Metrics>,
    pub reloaded: Arc<reload::Status>,
    pub watched: watch::Receiver<Arc<WatchedReport>>,
    /// The checkpoint of earlier lives could not be read, and is kept.
    pub is_without_memory: bool,
    pub notices: Noticing,
}

/// What is wrong with the watching, on its way to whoever should know.
pub struct Noticing {
    decider: Decider,
    /// What earlier lives said.
    said: oneshot::Receiver<Said>,
    /// To the store and the sinks.
    out: mpsc::Sender<Notice>,
    /// Said and not yet taken, at most what one look finds.
    unsent: VecDeque<Notice>,
}

impl Noticing {
    /// Remembers what `store` knows of earlier lives: before the first look, so that nothing is said twice, or as soon as a
    /// store that fails answers.
    pub async fn new(decider: Decider, store: &Store, out: mpsc::Sender<Notice>) -> Self {
        let (found, said) = oneshot::channel();
        match store.said().await {
            Ok(known) => drop(found.send(known)),
            Err(_) => drop(tokio::spawn(recall(store.clone(), found))),
        }
        Self { decider, said, out, unsent: VecDeque::new() }
    }

    /// Says what there is to say after `report`, to stderr, the store and the sinks. While they do not take it nothing new
    /// is decided, so nothing is lost: what lasts is said later.
    fn observe(&mut self, now: Timestamp, report: &Report) {
        if let Ok(said) = self.said.try_recv() {
            self.decider.remember(said, now);
        }
        if self.unsent.is_empty() {
            let notices = self.decider.observe(now, report);
            notices.iter().for_each(log);
            self.unsent.extend(notices);
        }
        while let Some(notice) = self.unsent.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(notice)) = self.out.try_send(notice) {
                self.unsent.push_front(notice);
                break;
            }
        }
    }
}

/// Asks the store until it knows what earlier lives said, or nobody wants to hear it any more.
async fn recall(store: Store, said: oneshot::Sender<Said>) {
    while !said.is_closed() {
        match store.said().await {
            // Nobody waits for it once all ends.
            Ok(found) => return drop(said.send(found)),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

impl Reporter {
    pub async fn run(mut self, report: watch::Sender<Report>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let now = now();
            let mut next = self.report(now);
            self.notices.observe(now, &next);
            next.gaps.truncate(GAPS);
            next.notices = self.active_notices();
            report.send_replace(next);
        }
    }

    fn active_notices(&self) -> Vec<NoticeReport> {
        for kind in NoticeKind::ALL {
            self.metrics.notices_active(kind, self.notices.decider.active_count(kind));
        }
        let report = |(kind, subject, detail, since): (NoticeKind, &str, &str, Timestamp)| NoticeReport {
            kind: kind.word(),
            subject: text::plain(subject, limits::TEXT),
            detail: text::plain(detail, limits::TEXT),
            since: since.to_string(),
        };
        self.notices.decider.active().map(report).collect()
    }

    fn report(&self, now: Timestamp) -> Report {
        let mut routes = 0;
        for family in [Family::Ipv4, Family::Ipv6] {
            let held = &self.engine.held[family as usize];
            let of_family = held.routes.load(Ordering::Relaxed);
            self.metrics.rib(family, of_family, held.prefixes.load(Ordering::Relaxed));
            routes += of_family;
        }
        let baseline = self.baseline();
        self.metrics.baseline_ready(baseline == BaselineState::Ready);
        self.suppressed();
        for (queue, stalled) in [(Queue::Shard, &self.engine.stalled_shards), (Queue::Desk, &self.engine.stalled_desk)]
        {
            self.metrics.queue_stalled(queue, Duration::from_micros(stalled.load(Ordering::Relaxed)));
        }
        for (i, shard) in self.engine.shards.iter().enumerate() {
            let [judged, busy] = [&shard.judged, &shard.busy].map(|count| count.load(Ordering::Relaxed));
            self.metrics.shard(i, shard.routes.load(Ordering::Relaxed), judged, Duration::from_micros(busy));
        }
        let numbered = self.health.feeds.iter().enumerate();
        let feeds: Vec<_> = numbered.map(|(i, (name, feed))| self.feed(i, name, feed, now)).collect();
        let sources = self.sources(now);
        self.keep_ledger(&feeds, &sources, now);
        let standing = self.reloaded.standing();
        let watched = self.watched.borrow().clone();
        self.metrics.watched_prefixes(watched.seen, if watched.learning { 0 } else { watched.unseen });
        self.metrics.config_in_use(standing.problem.is_none());
        Report {
            feeds,
            baseline,
            sources,
            sinks: self.sinks(),
            store: self.store(),
            archives: self.health.archives.iter().map(|(feed, progress)| progress.report(feed)).collect(),
            old_archive_routes: self.health.old.load(Ordering::Relaxed),
            gaps: self.ledger().gaps().map(GapReport::new).collect(),
            quarantined: self.quarantined(),
            memory: self.memory(),
            routes,
            stages: self.stages(),
            watched: standing.watch.constituents().len(),
            unseen: UnseenReport::new(&watched),
            config: ConfigReport { problem: standing.problem, restart: standing.restart },
            ..Report::at(now)
        }
    }

    fn baseline(&self) -> BaselineState {
        if self.health.seeding.load(Ordering::Relaxed) {
            BaselineState::Loading
        } else if self.engine.is_learning.load(Ordering::Relaxed) {
            BaselineState::Learning
        } else {
            BaselineState::Ready
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.health.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What only shows in how things stand: silence, and data that grew old.
    fn keep_ledger(&self, feeds: &[FeedReport], sources: &[SourceReport], now: Timestamp) {
        let mut ledger = self.ledger();
        for ((name, _), feed) in self.health.feeds.iter().zip(feeds) {
            match feed.state {
                FeedState::Silent => ledger.open(name, None, Cause::Silent, now, "connected, and nothing comes"),
                _ => ledger.back(name, None, Cause::Silent, now, false),
            }
        }
        for source in sources {
            let name = Arc::from(source.kind);
            match source.state == SourceState::Fresh.word() || source.state == SourceState::None.word() {
                true => ledger.back(&name, None, Cause::Stale, now, false),
                false => ledger.open(&name, None, Cause::Stale, now, source.state),
            }
        }
    }

    fn feed(&self, i: usize, name: &str, feed: &FeedHealth, now: Timestamp) -> FeedReport {
        match feed {
            FeedHealth::Bmp(health) => super::bmp::report(name, health, self.health.silent_secs[i], &self.metrics, now),
            FeedHealth::RisLive(status) => {
                let canary_missed = self.health.canaries[i].missed(now).map(|due| due.to_string());
                FeedReport { canary_missed, ..self.ris_live(name, status, self.health.silent_secs[i], now) }
            }
            FeedHealth::Mrt(status) => self.file(name, status),
        }
    }

    fn ris_live(&self, name: &str, status: &ris_live::Status, silent_secs: u64, now: Timestamp) -> FeedReport {
        let last = Timestamp(status.last_frame.load(Ordering::Relaxed));
        let heard = status.frames.load(Ordering::Relaxed) > 0;
        let age_secs = now.secs_since(last);
        let state = silence::of_ris_live(status, silent_secs, now);
        if heard {
            self.metrics.feed_lag(name, Duration::from_secs_f64(age_secs.max(0.0)));
        }
        let stalled = Duration::from_micros(status.stalled_micros.load(Ordering::Relaxed));
        self.metrics.queue_stalled(Queue::Feed, stalled);
        let counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gaps = self.ledger().count_of(name);
        self.metrics.feed(name, &counts, state, gaps);
        let (peers_up, peers_down) = status.peers();
        self.metrics.peers(name, peers_up, peers_down);
        let last_message = heard.then(|| last.to_string());
        FeedReport { gaps, last_message, peers_up, peers_down, ..counted(name, "ris_live", state, &counts) }
    }

    fn file(&self, name: &str, status: &FileStatus) -> FeedReport {
        let finished = status.finished.load(Ordering::Relaxed);
        let state = if finished { FeedState::Finished } else { FeedState::Live };
        let counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.metrics.feed(name, &counts, state, 0);
        counted(name, "mrt", state, &counts)
    }

    fn sources(&self, now: Timestamp) -> Vec<SourceReport> {
        let rpki = self.health.rpki.standing();
        let ((vrps, vrps_from), (aspas, aspas_from)) = (&rpki.vrps, &rpki.aspas);
        self.metrics.rpki(RpkiKind::Vrps, *vrps, vrps_from, now);
        self.metrics.rpki(RpkiKind::Aspas, *aspas, aspas_from, now);
        for (kind, failures) in &rpki.failures {
            self.metrics.rpki_failures(kind, *failures);
        }
        let detail = rpki.troubles.join("; ");
        let in_use = self.engine.desk.lock().unwrap_or_else(PoisonError::into_inner).relations.clone();
        let (relations, edges) = in_use.as_ref().unwrap_or(&self.health.relations);
        self.metrics.relations(relations, now);
        vec![
            SourceReport { detail: detail.clone(), ..SourceReport::new("VRPs", *vrps, vrps_from) },
            SourceReport { detail, ..SourceReport::new("ASPAs", *aspas, aspas_from) },
            SourceReport::new("relations", *edges, relations),
        ]
    }

    fn sinks(&self) -> Vec<SinkReport> {
        let mut reports = Vec::new();
        let mut stalled = Duration::ZERO;
        for (name, outbox, status) in &self.sinks {
            self.metrics.sink(name, outbox, status);
            stalled += outbox.stalled();
            let letters = status.letters();
            reports.push(SinkReport {
                name: text::plain(name, 64),
                delivered: status.delivered(),
                backlog: outbox.backlog(),
                oldest_secs: outbox.oldest().as_secs(),
                error: status.error(),
                dead_letter_count: letters.count,
                dead_letters: letters.newest.into(),
            });
        }
        self.metrics.queue_stalled(Queue::Outbox, stalled);
        reports
    }

    /// Up to the store, and from there to each sink.
    fn stages(&self) -> Vec<StageReport> {
        let mut stages = self.engine.latency.report();
        for (name, outbox, _) in &self.sinks {
            let times = outbox.times().filter(|times| times.get_sample_count() > 0);
            let sentence = || format!("stored → delivered to {}", text::plain(name, 64));
            stages.extend(times.map(|times| StageReport::of("delivered", sentence(), times)));
        }
        stages
    }

    fn store(&self) -> StoreReport {
        let status = self.store.status();
        self.metrics.store(status, &self.dispatched);
        StoreReport {
            path: self.store.location().to_owned(),
            bytes: status.bytes(),
            problem: status.problem(),
            is_without_memory: self.is_without_memory,
            moved_aside: status.moved_aside().map(|path| path.display().to_string()),
        }
    }

    fn quarantined(&self) -> Vec<QuarantineReport> {
        let desk = self.engine.desk.lock().unwrap_or_else(PoisonError::into_inner).quarantined.clone();
        let report = |(vantage, point, cause): (_, Arc<VantagePoint>, session::Cause)| QuarantineReport {
            feed: self.feed_of(vantage),
            peer: text::plain(&point.to_string(), limits::TEXT),
            cause: cause.word(),
        };
        let all: Vec<_> = desk.into_iter().map(report).collect();
        for (name, _) in &self.health.feeds {
            let of_feed = all.iter().filter(|q| q.feed.as_deref() == Some(&**name));
            self.metrics.peers_quarantined(name, of_feed.count());
        }
        all
    }

    fn memory(&self) -> MemoryReport {
        let Room { budget, estimated, history_is_shed, is_too_small } =
            *self.health.room.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = self.engine.desk.lock().unwrap_or_else(PoisonError::into_inner).shed.clone();
        let report = |(vantage, point, worth): &(_, Arc<VantagePoint>, Worth)| ShedReport {
            feed: self.feed_of(*vantage),
            peer: text::plain(&point.to_string(), limits::TEXT),
            worth: worth.word(),
        };
        let shed: Vec<ShedReport> = sessions.iter().map(report).collect();
        for (name, _) in &self.health.feeds {
            self.metrics.peers_shed(name, shed.iter().filter(|s| s.feed.as_deref() == Some(&**name)).count());
        }
        let memory = MemoryReport { estimated, budget, is_too_small, history_is_shed, shed };
        self.metrics.memory(&memory);
        memory
    }

    /// The feed that brought it, if it is live.
    fn feed_of(&self, vantage: VantageId) -> Option<String> {
        let feed_of = self.health.feed_of.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, _) = self.health.feeds.get(*feed_of.get(&vantage)?)?;
        Some(name.to_string())
    }

    fn suppressed(&self) {
        let desk = self.engine.desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((class, why), total) in desk.suppressed {
            let reason = match why {
                Suppressed::Noise => Suppression::Noise,
                Suppressed::Gate => Suppression::Gate,
                Suppressed::AllowRule => Suppression::AllowRule,
                Suppressed::Limit => Suppression::Limit,
                Suppressed::Quarantine => Suppression::Quarantine,
            };
            self.metrics.suppressed(class, reason, total);
        }
    }
}

/// One line of stderr.
fn log(notice: &Notice) {
    let (kind, subject) = (notice.kind.word(), text::plain(&notice.subject, limits::TEXT));
    let detail = text::plain(&notice.detail, limits::TEXT);
    match notice.state {
        NoticeState::Raised => tracing::warn!("notice {kind} raised: {subject}: {detail}"),
        NoticeState::Cleared if notice.kind == NoticeKind::Heartbeat => tracing::info!("heartbeat: {detail}"),
        NoticeState::Cleared => tracing::info!("notice {kind} cleared: {subject}"),
    }
}

pub(super) fn counted(name: &str, kind: &'static str, state: FeedState, counts: &Counts) -> FeedReport {
    FeedReport {
        name: name.to_owned(),
        kind,
        state,
        updates: counts.announced + counts.withdrawn,
        errors: counts.error_count(),
        ..FeedReport::default()
    }
}
