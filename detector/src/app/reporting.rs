//! How does everything stand? Asked once a second, told to pages, probes and metrics.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use feeds::counts::Counts;
use feeds::ris_live;
use rules::bgp::{Family, Timestamp};
use rules::desk::Suppressed;
use tokio::sync::watch;

use super::intake::{FeedHealth, FileStatus, Health, now};
use crate::health::{BaselineState, FeedReport, FeedState, Report, SinkReport, SourceReport, StoreReport};
use crate::metrics::{Metrics, Queue, RpkiKind, Suppression};
use crate::pipeline;
use crate::sink::dispatch::DispatchStatus;
use crate::sink::outbox::Outbox;
use crate::sink::status::SinkStatus;
use crate::store::Store;

/// A feed that says nothing for this long is silent: RIS Live brings thousands of messages a second.
const SILENT: f64 = 60.0;

pub struct Reporter {
    pub health: Arc<Health>,
    pub engine: Arc<pipeline::Status>,
    pub sinks: Vec<(Arc<str>, Arc<Outbox>, Arc<SinkStatus>)>,
    pub store: Store,
    pub dispatched: Arc<DispatchStatus>,
    pub metrics: Arc<Metrics>,
    pub watched: usize,
}

impl Reporter {
    pub async fn run(self, report: watch::Sender<Report>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            report.send_replace(self.report(now()));
        }
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
        Report {
            feeds: self.health.feeds.iter().map(|(name, feed)| self.feed(name, feed, now)).collect(),
            baseline,
            sources: self.sources(now),
            sinks: self.sinks(),
            store: self.store(),
            routes,
            watched: self.watched,
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

    fn feed(&self, name: &str, feed: &FeedHealth, now: Timestamp) -> FeedReport {
        match feed {
            FeedHealth::RisLive(status) => self.ris_live(name, status, now),
            FeedHealth::Mrt(status) => self.file(name, status),
        }
    }

    fn ris_live(&self, name: &str, status: &ris_live::Status, now: Timestamp) -> FeedReport {
        let last = Timestamp(status.last_frame.load(Ordering::Relaxed));
        let heard = status.frames.load(Ordering::Relaxed) > 0;
        let age_secs = now.secs_since(last);
        let state = match status.connected.load(Ordering::Relaxed) {
            true if heard && age_secs > SILENT => FeedState::Silent,
            true => FeedState::Live,
            false if heard => FeedState::Down,
            false => FeedState::Connecting,
        };
        if heard {
            self.metrics.feed_lag(name, Duration::from_secs_f64(age_secs.max(0.0)));
        }
        let stalled = Duration::from_micros(status.stalled_micros.load(Ordering::Relaxed));
        self.metrics.queue_stalled(Queue::Feed, stalled);
        let counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gaps = status.gaps.load(Ordering::Relaxed);
        self.metrics.feed(name, &counts, state, gaps);
        let last_message = heard.then(|| last.to_string());
        FeedReport { gaps, last_message, ..counted(name, "ris_live", state, &counts) }
    }

    fn file(&self, name: &str, status: &FileStatus) -> FeedReport {
        let finished = status.finished.load(Ordering::Relaxed);
        let state = if finished { FeedState::Finished } else { FeedState::Live };
        let counts = status.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.metrics.feed(name, &counts, state, 0);
        counted(name, "mrt", state, &counts)
    }

    fn sources(&self, now: Timestamp) -> Vec<SourceReport> {
        let rpki = self.health.rpki.lock().unwrap_or_else(PoisonError::into_inner);
        let (vrps, aspas) = (rpki.announced_vrps.len(), rpki.announced_aspas.len());
        self.metrics.rpki(RpkiKind::Vrps, vrps, &rpki.vrps, now);
        self.metrics.rpki(RpkiKind::Aspas, aspas, &rpki.aspas, now);
        let (relations, edges) = &self.health.relations;
        self.metrics.relations(relations, now);
        vec![
            SourceReport::new("VRPs", vrps, &rpki.vrps),
            SourceReport::new("ASPAs", aspas, &rpki.aspas),
            SourceReport::new("relations", *edges, relations),
        ]
    }

    fn sinks(&self) -> Vec<SinkReport> {
        let mut reports = Vec::new();
        let mut stalled = Duration::ZERO;
        for (name, outbox, status) in &self.sinks {
            self.metrics.sink(name, outbox, status);
            stalled += outbox.stalled();
            reports.push(SinkReport {
                name: name.to_string(),
                delivered: status.delivered(),
                backlog: outbox.backlog(),
                oldest_secs: outbox.oldest().as_secs(),
                error: status.error(),
            });
        }
        self.metrics.queue_stalled(Queue::Outbox, stalled);
        reports
    }

    fn store(&self) -> StoreReport {
        let status = self.store.status();
        self.metrics.store(status, &self.dispatched);
        StoreReport {
            path: self.store.location().to_owned(),
            bytes: status.bytes(),
            problem: status.problem(),
            moved_aside: status.moved_aside().map(|path| path.display().to_string()),
        }
    }

    fn suppressed(&self) {
        let desk = self.engine.desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((class, why), total) in desk.suppressed {
            let reason = match why {
                Suppressed::Noise => Suppression::Noise,
                Suppressed::Gate => Suppression::Gate,
                Suppressed::Limit => Suppression::Limit,
            };
            self.metrics.suppressed(class, reason, total);
        }
    }
}

fn counted(name: &str, kind: &'static str, state: FeedState, counts: &Counts) -> FeedReport {
    FeedReport {
        name: name.to_owned(),
        kind,
        state,
        updates: counts.announced + counts.withdrawn,
        errors: counts.error_count(),
        ..FeedReport::default()
    }
}
