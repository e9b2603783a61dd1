//! What can be counted from outside?
//!
//! Prometheus families that begin with `bgpwarden_`. Labels are closed sets or names from the configuration, never
//! a prefix, an ASN or anything else that others can choose.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use feeds::counts::Counts;
use prometheus::{
    Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use rules::alert::{Alert, Class, Severity, Source, SourceState, Status, Transition};
use rules::bgp::{Family, Timestamp};

use crate::health::FeedState;
use crate::notice::NoticeKind;
use crate::sink::dispatch::DispatchStatus;
use crate::sink::outbox::Outbox;
use crate::sink::status::{FailureReason, SinkStatus};
use crate::store;

/// Where time is measured on the way of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the collector's time to its arrival here.
    Received,
    /// From arrival to the verdict.
    Decided,
    /// From the verdict to the confirmation of a sink.
    Delivered,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Decided => "decided",
            Self::Delivered => "delivered",
        }
    }
}

/// A queue of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    Feed,
    Shard,
    Desk,
    Outbox,
}

impl Queue {
    fn word(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Shard => "shard",
            Self::Desk => "desk",
            Self::Outbox => "outbox",
        }
    }
}

/// Why a finding did not become an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    Noise,
    Gate,
    AllowRule,
    WarmUp,
    Quarantine,
    /// A bound of the desk was reached.
    Limit,
}

impl Suppression {
    fn word(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Gate => "gate",
            Self::AllowRule => "allow_rule",
            Self::WarmUp => "warm_up",
            Self::Quarantine => "quarantine",
            Self::Limit => "limit",
        }
    }
}

/// A source of data that routes are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpkiKind {
    Vrps,
    Aspas,
}

impl RpkiKind {
    fn word(self) -> &'static str {
        match self {
            Self::Vrps => "vrps",
            Self::Aspas => "aspas",
        }
    }
}

type Labels = (Class, Severity, bool);

pub struct Metrics {
    registry: Registry,
    updates: IntCounterVec,
    decode_errors: IntCounterVec,
    feed_state: IntGaugeVec,
    feed_lag: GaugeVec,
    feed_gaps: IntCounterVec,
    rib_routes: IntGaugeVec,
    rib_prefixes: IntGaugeVec,
    peers: IntGaugeVec,
    rpki_objects: IntGaugeVec,
    rpki_age: GaugeVec,
    rpki_state: IntGaugeVec,
    rpki_failures: IntCounterVec,
    relations_age: Gauge,
    baseline_ready: IntGauge,
    reload: IntGauge,
    queue_stalled: GaugeCounters,
    alerts: IntCounterVec,
    incidents_open: IntGaugeVec,
    suppressed: IntCounterVec,
    shed: IntCounter,
    watched_prefixes: IntGaugeVec,
    notices_active: IntGaugeVec,
    latency: HistogramVec,
    sink_backlog: IntGaugeVec,
    sink_oldest: GaugeVec,
    sink_failures: IntCounterVec,
    store_bytes: IntGauge,
    store_writable: IntGauge,
    store_failures: IntCounter,
    alerts_unstored: IntCounter,
    /// Under which labels each open incident is counted.
    open: Mutex<HashMap<String, Labels>>,
}

/// Counters of seconds: Prometheus counters that grow by fractions.
type GaugeCounters = prometheus::CounterVec;

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers a family under `bgpwarden_`.
struct Families(Registry);

impl Families {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let family = made.expect("names and labels are constants and well-formed");
        self.0.register(Box::new(family.clone())).expect("each family is registered once");
        family
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(options(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(options(name, help), labels))
    }

    fn measures(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(options(name, help), labels))
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("bgpwarden")
}

/// From 100 microseconds to two minutes: the goals are 10 ms inside the process and seconds from the collector.
const LATENCY_BUCKETS: [f64; 16] =
    [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 120.0];

impl Metrics {
    pub fn new() -> Self {
        let f = Families(Registry::new());
        let latency =
            HistogramOpts::new("detection_latency_seconds", "Time from one stage of the way of an update to the next.")
                .namespace("bgpwarden")
                .buckets(LATENCY_BUCKETS.to_vec());
        let build = f.gauges("build_info", "Always 1; the label is the version of this program.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let reload = f.add(IntGauge::with_opts(options(
            "config_last_reload_successful",
            "1 if the configuration on disk is the one in use.",
        )));
        reload.set(1);
        let metrics = Self {
            reload,
            updates: f.counters(
                "updates_total",
                "Announced and withdrawn prefixes read from a feed.",
                &["feed", "kind"],
            ),
            decode_errors: f.counters(
                "decode_errors_total",
                "Pieces of input that could not be read, by what was wrong.",
                &["feed", "kind"],
            ),
            feed_state: f.gauges("feed_state", "1 for the state a feed is in.", &["feed", "state"]),
            feed_lag: f.measures("feed_lag_seconds", "Age of the last message of a feed.", &["feed"]),
            feed_gaps: f.counters("feed_gaps_total", "Stretches of time a feed did not see.", &["feed"]),
            rib_routes: f.gauges("rib_routes", "Routes held, one per vantage point and prefix.", &["family"]),
            rib_prefixes: f.gauges("rib_prefixes", "Distinct prefixes held.", &["family"]),
            peers: f.gauges("peers", "Vantage points of a feed by state.", &["feed", "state"]),
            rpki_objects: f.gauges("rpki_objects", "VRPs and ASPAs in use.", &["kind"]),
            rpki_age: f.measures("rpki_age_seconds", "Age of the data of a source.", &["source"]),
            rpki_state: f.gauges("rpki_state", "1 for the state a source is in.", &["source", "state"]),
            rpki_failures: f.counters(
                "rpki_fetch_failures_total",
                "Failed attempts to get VRPs and ASPAs, by kind of source.",
                &["kind"],
            ),
            relations_age: f
                .add(Gauge::with_opts(options("relations_age_seconds", "Age of the business relations in use."))),
            baseline_ready: f.add(IntGauge::with_opts(options(
                "baseline_ready",
                "1 once it is known what is normal; 0 while learning.",
            ))),
            queue_stalled: f.add(GaugeCounters::new(
                options("queue_stalled_seconds_total", "Time producers waited for space in a queue."),
                &["queue"],
            )),
            alerts: f.counters(
                "alerts_total",
                "Alerts by class, severity and transition; watched = of one's own networks.",
                &["class", "severity", "transition", "watched"],
            ),
            incidents_open: f.gauges(
                "incidents_open",
                "Open incidents; watched = of one's own networks.",
                &["class", "severity", "watched"],
            ),
            suppressed: f.counters(
                "findings_suppressed_total",
                "Findings that became no alert, and why.",
                &["class", "reason"],
            ),
            shed: f.add(IntCounter::with_opts(options(
                "updates_shed_total",
                "Alerts left out that would only have refreshed counts.",
            ))),
            watched_prefixes: f.gauges("watched_prefixes", "Watched prefixes that are seen or not.", &["state"]),
            notices_active: f.gauges("notices_active", "Notices raised and not cleared.", &["kind"]),
            latency: f.add(HistogramVec::new(latency, &["stage"])),
            sink_backlog: f.gauges("sink_backlog", "Alerts a sink has not confirmed yet.", &["sink"]),
            sink_oldest: f.measures("sink_oldest_seconds", "How long the oldest of them has waited.", &["sink"]),
            sink_failures: f.counters("sink_failures_total", "Failed attempts to deliver.", &["sink", "reason"]),
            store_bytes: f.add(IntGauge::with_opts(options("store_bytes", "Bytes of the store on disk."))),
            store_writable: f.add(IntGauge::with_opts(options("store_writable", "1 while the store can be used."))),
            store_failures: f.add(IntCounter::with_opts(options(
                "store_failures_total",
                "Attempts to write or read the store that failed.",
            ))),
            alerts_unstored: f.add(IntCounter::with_opts(options(
                "alerts_unstored_total",
                "Alerts that went to the sinks without the store, since it failed.",
            ))),
            open: Mutex::default(),
            registry: f.0,
        };
        metrics.begin_at_zero();
        metrics
    }

    /// Series that rules ask for exist from the start: a counter that is born with its first event never rises.
    fn begin_at_zero(&self) {
        for (class, severity) in Class::ALL.iter().flat_map(|class| Severity::ALL.iter().map(move |s| (*class, *s))) {
            for watched in [true, false] {
                let [class, severity, watched] = words((class, severity, watched));
                self.alerts.with_label_values(&[class, severity, Transition::Opened.word(), watched]);
                self.incidents_open.with_label_values(&[class, severity, watched]);
            }
        }
        for kind in NoticeKind::ALL {
            self.notices_active(kind, 0);
        }
    }

    /// What a feed has read so far, and how it stands.
    pub fn feed(&self, feed: &str, counts: &Counts, state: FeedState, gaps: u64) {
        raise_to(&self.updates.with_label_values(&[feed, "announced"]), counts.announced);
        raise_to(&self.updates.with_label_values(&[feed, "withdrawn"]), counts.withdrawn);
        for (kind, count) in &counts.errors {
            raise_to(&self.decode_errors.with_label_values(&[feed, kind]), *count);
        }
        raise_to(&self.feed_gaps.with_label_values(&[feed]), gaps);
        for known in FeedState::ALL {
            self.feed_state.with_label_values(&[feed, known.word()]).set(i64::from(known == state));
        }
    }

    pub fn feed_lag(&self, feed: &str, lag: Duration) {
        self.feed_lag.with_label_values(&[feed]).set(lag.as_secs_f64());
    }

    pub fn rib(&self, family: Family, routes: usize, prefixes: usize) {
        let family = match family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        self.rib_routes.with_label_values(&[family]).set(routes as i64);
        self.rib_prefixes.with_label_values(&[family]).set(prefixes as i64);
    }

    pub fn peers(&self, feed: &str, up: usize, down: usize) {
        self.peers.with_label_values(&[feed, "up"]).set(up as i64);
        self.peers.with_label_values(&[feed, "down"]).set(down as i64);
    }

    pub fn rpki(&self, kind: RpkiKind, objects: usize, source: &Source, now: Timestamp) {
        self.rpki_objects.with_label_values(&[kind.word()]).set(objects as i64);
        for known in SourceState::ALL {
            self.rpki_state.with_label_values(&[kind.word(), known.word()]).set(i64::from(*known == source.state));
        }
        if let Some(as_of) = source.as_of {
            self.rpki_age.with_label_values(&[kind.word()]).set(now.secs_since(as_of));
        }
    }

    /// `total` since the start; `kind` is file, url, rtr or slurm.
    pub fn rpki_failures(&self, kind: &str, total: u64) {
        raise_to(&self.rpki_failures.with_label_values(&[kind]), total);
    }

    pub fn relations(&self, source: &Source, now: Timestamp) {
        self.relations_age.set(source.as_of.map_or(0.0, |as_of| now.secs_since(as_of)));
    }

    pub fn baseline_ready(&self, ready: bool) {
        self.baseline_ready.set(i64::from(ready));
    }

    /// `total` since the start.
    pub fn queue_stalled(&self, queue: Queue, total: Duration) {
        let counter = self.queue_stalled.with_label_values(&[queue.word()]);
        counter.inc_by((total.as_secs_f64() - counter.get()).max(0.0));
    }

    /// An alert left the desk.
    pub fn alert(&self, alert: &Alert) {
        let labels = (alert.class, alert.severity, alert.is_watched());
        let [class, severity, watched] = words(labels);
        self.alerts.with_label_values(&[class, severity, alert.transition.word(), watched]).inc();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match alert.status {
            Status::Open => open.insert(alert.id.clone(), labels),
            Status::Resolved | Status::Retracted => open.remove(&alert.id),
        };
        if let Some(before) = before {
            self.incidents_open.with_label_values(&words(before)).dec();
        }
        if alert.status == Status::Open {
            self.incidents_open.with_label_values(&words(labels)).inc();
        }
    }

    /// `total` since the start.
    pub fn suppressed(&self, class: Class, reason: Suppression, total: u64) {
        raise_to(&self.suppressed.with_label_values(&[class.word(), reason.word()]), total);
    }

    /// How the store fares, and what was done without it.
    pub fn store(&self, store: &store::Status, dispatched: &DispatchStatus) {
        self.store_bytes.set(store.bytes().cast_signed());
        self.store_writable.set(i64::from(store.problem().is_none()));
        raise_to(&self.store_failures, store.failures());
        raise_to(&self.alerts_unstored, dispatched.unstored());
        raise_to(&self.shed, dispatched.shed());
    }

    pub fn config_in_use(&self, in_use: bool) {
        self.reload.set(i64::from(in_use));
    }

    pub fn watched_prefixes(&self, seen: usize, unseen: usize) {
        self.watched_prefixes.with_label_values(&["seen"]).set(seen as i64);
        self.watched_prefixes.with_label_values(&["unseen"]).set(unseen as i64);
    }

    pub fn notices_active(&self, kind: NoticeKind, count: usize) {
        self.notices_active.with_label_values(&[kind.word()]).set(count as i64);
    }

    pub fn latency(&self, stage: Stage, time: Duration) {
        self.latency.with_label_values(&[stage.word()]).observe(time.as_secs_f64());
    }

    pub fn sink(&self, sink: &str, outbox: &Outbox, status: &SinkStatus) {
        self.sink_backlog.with_label_values(&[sink]).set(outbox.backlog() as i64);
        self.sink_oldest.with_label_values(&[sink]).set(outbox.oldest().as_secs_f64());
        for reason in FailureReason::ALL {
            raise_to(&self.sink_failures.with_label_values(&[sink, reason.word()]), status.failures(reason));
        }
    }

    /// The text format 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a buffer takes everything");
        String::from_utf8(text).expect("the format is UTF-8")
    }
}

fn words((class, severity, watched): Labels) -> [&'static str; 3] {
    [class.word(), severity.word(), if watched { "yes" } else { "no" }]
}

/// Sets a counter to a total that is counted elsewhere.
fn raise_to(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;

    #[test]
    fn an_incident_is_open_once_under_its_latest_labels() {
        let metrics = Metrics::new();
        let line = |severity: &str| {
            format!("bgpwarden_incidents_open{{class=\"subprefix_hijack\",severity=\"{severity}\",watched=\"yes\"}}")
        };
        metrics.alert(&opened());
        assert!(metrics.render().contains(&format!("{} 1", line("high"))));
        metrics.alert(&Alert { severity: Severity::Critical, ..opened() });
        assert!(metrics.render().contains(&format!("{} 0", line("high"))));
        assert!(metrics.render().contains(&format!("{} 1", line("critical"))));
        metrics.alert(&Alert { severity: Severity::Critical, status: Status::Resolved, ..opened() });
        assert!(metrics.render().contains(&format!("{} 0", line("critical"))));
    }

    #[test]
    fn totals_counted_elsewhere_never_count_twice() {
        let metrics = Metrics::new();
        let counts = Counts { announced: 7, ..Counts::default() };
        for _ in 0..3 {
            metrics.feed("ris-live", &counts, FeedState::Live, 1);
            metrics.queue_stalled(Queue::Shard, Duration::from_millis(1_500));
        }
        let text = metrics.render();
        assert!(text.contains("bgpwarden_updates_total{feed=\"ris-live\",kind=\"announced\"} 7"));
        assert!(text.contains("bgpwarden_feed_gaps_total{feed=\"ris-live\"} 1"));
        assert!(text.contains("bgpwarden_queue_stalled_seconds_total{queue=\"shard\"} 1.5"));
        assert!(text.contains("bgpwarden_feed_state{feed=\"ris-live\",state=\"live\"} 1"));
    }

    #[test]
    fn every_family_has_help_and_the_prefix() {
        let metrics = Metrics::new();
        metrics.alert(&opened());
        let text = metrics.render();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("bgpwarden_"), "{line}");
        }
        let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(count("# HELP"), count("# TYPE"));
    }
}
