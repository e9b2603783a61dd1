//! What can be counted from outside?
//!
//! Prometheus families that begin with `bgpwarden_`. Labels are closed sets or names from the configuration, never
//! a prefix, an ASN or anything else that others can choose.

mod families;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use feeds::counts::Counts;
use prometheus::{Encoder, IntCounter, IntGauge, Registry, TextEncoder};
use rules::alert::{Alert, Class, Severity, Source, SourceState, Status, Transition};
use rules::bgp::{Family, Timestamp};
use rules::shed::Worth;

use crate::api::Turns;
use crate::health::{FeedState, MemoryReport};
use crate::latency::Latency;
use crate::notice::NoticeKind;
use crate::sink::dispatch::DispatchStatus;
use crate::sink::outbox::Outbox;
use crate::sink::status::{FailureReason, SinkStatus};
use crate::store;
use families::{Data, Families, Feeds, Told, Ways, options};

/// Where time is measured on the way of an update, by the clocks of others or with the wait for convergence in it; the rest is
/// [`crate::latency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the collector's time to its arrival here, of live feeds.
    Received,
    /// From arrival to the verdict.
    Decided,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Decided => "decided",
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

/// The last: of one's own networks.
pub type Labels = (Class, Severity, bool);

pub struct Metrics {
    registry: Registry,
    feeds: Feeds,
    data: Data,
    told: Told,
    ways: Ways,
    reload: IntGauge,
    /// Under which labels each open incident is counted.
    open: Mutex<HashMap<String, Labels>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let f = Families(Registry::new());
        let build = f.gauges("build_info", "Always 1; the label is the version of this program.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let reload = f.add(IntGauge::with_opts(options(
            "config_last_reload_successful",
            "1 if the configuration on disk is the one in use.",
        )));
        reload.set(1);
        let (feeds, data, told, ways) = (Feeds::new(&f), Data::new(&f), Told::new(&f), Ways::new(&f));
        let metrics = Self { reload, feeds, data, told, ways, open: Mutex::default(), registry: f.0 };
        metrics.begin_at_zero();
        metrics
    }

    /// Series that rules ask for exist from the start: a counter that is born with its first event never rises.
    fn begin_at_zero(&self) {
        for (class, severity) in Class::ALL.iter().flat_map(|class| Severity::ALL.iter().map(move |s| (*class, *s))) {
            for watched in [true, false] {
                let [class, severity, watched] = words((class, severity, watched));
                self.told.alerts.with_label_values(&[class, severity, Transition::Opened.word(), watched]);
                self.told.incidents_open.with_label_values(&[class, severity, watched]);
            }
        }
        for kind in NoticeKind::ALL {
            self.notices_active(kind, 0);
        }
        self.memory(&MemoryReport::default());
    }

    /// What a feed has read so far, and how it stands.
    pub fn feed(&self, feed: &str, counts: &Counts, state: FeedState, gaps: u64) {
        raise_to(&self.feeds.updates.with_label_values(&[feed, "announced"]), counts.announced);
        raise_to(&self.feeds.updates.with_label_values(&[feed, "withdrawn"]), counts.withdrawn);
        for (kind, count) in &counts.errors {
            raise_to(&self.feeds.decode_errors.with_label_values(&[feed, kind]), *count);
        }
        raise_to(&self.feeds.feed_gaps.with_label_values(&[feed]), gaps);
        for known in FeedState::ALL {
            self.feeds.feed_state.with_label_values(&[feed, known.word()]).set(i64::from(known == state));
        }
    }

    pub fn feed_lag(&self, feed: &str, lag: Duration) {
        self.feeds.feed_lag.with_label_values(&[feed]).set(lag.as_secs_f64());
    }

    pub fn rib(&self, family: Family, routes: usize, prefixes: usize) {
        let family = match family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        self.feeds.rib_routes.with_label_values(&[family]).set(routes as i64);
        self.feeds.rib_prefixes.with_label_values(&[family]).set(prefixes as i64);
    }

    pub fn peers_quarantined(&self, feed: &str, count: usize) {
        self.feeds.peers.with_label_values(&[feed, "quarantined"]).set(count as i64);
    }

    /// Whether there is room; without a budget it is 0.
    pub fn memory(&self, memory: &MemoryReport) {
        self.data.memory_estimate.set(memory.estimated.cast_signed());
        self.data.memory_budget.set(memory.budget.unwrap_or_default().cast_signed());
        raise_to(&self.data.shed.with_label_values(&["history"]), u64::from(memory.history_is_shed));
        for worth in Worth::ALL {
            let shed = memory.shed.iter().filter(|shed| shed.worth == worth.word()).count();
            raise_to(&self.data.shed.with_label_values(&[worth.word()]), shed as u64);
        }
    }

    pub fn peers_shed(&self, feed: &str, count: usize) {
        self.feeds.peers.with_label_values(&[feed, "shed"]).set(count as i64);
    }

    pub fn peers(&self, feed: &str, up: usize, down: usize) {
        self.feeds.peers.with_label_values(&[feed, "up"]).set(up as i64);
        self.feeds.peers.with_label_values(&[feed, "down"]).set(down as i64);
    }

    pub fn rpki(&self, kind: RpkiKind, objects: usize, source: &Source, now: Timestamp) {
        self.data.rpki_objects.with_label_values(&[kind.word()]).set(objects as i64);
        for known in SourceState::ALL {
            self.data.rpki_state.with_label_values(&[kind.word(), known.word()]).set(i64::from(*known == source.state));
        }
        if let Some(as_of) = source.as_of {
            self.data.rpki_age.with_label_values(&[kind.word()]).set(now.secs_since(as_of));
        }
    }

    /// `total` since the start; `kind` is file, url, rtr or slurm.
    pub fn rpki_failures(&self, kind: &str, total: u64) {
        raise_to(&self.data.rpki_failures.with_label_values(&[kind]), total);
    }

    pub fn relations(&self, source: &Source, now: Timestamp) {
        self.data.relations_age.set(source.as_of.map_or(0.0, |as_of| now.secs_since(as_of)));
    }

    pub fn relation_rows_dropped(&self, total: u64) {
        let counter = &self.data.relation_rows_dropped;
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    pub fn baseline_ready(&self, ready: bool) {
        self.data.baseline_ready.set(i64::from(ready));
    }

    /// `total` since the start.
    pub fn queue_stalled(&self, queue: Queue, total: Duration) {
        let counter = self.told.queue_stalled.with_label_values(&[queue.word()]);
        counter.inc_by((total.as_secs_f64() - counter.get()).max(0.0));
    }

    /// How the work is shared out.
    pub fn shard(&self, index: usize, routes: usize, judged: u64, busy: Duration) {
        let shard = index.to_string();
        self.told.shard_routes.with_label_values(&[&shard]).set(routes as i64);
        raise_to(&self.told.shard_judged.with_label_values(&[&shard]), judged);
        let counter = self.told.shard_busy.with_label_values(&[&shard]);
        counter.inc_by((busy.as_secs_f64() - counter.get()).max(0.0));
    }

    /// An alert left the desk.
    pub fn alert(&self, alert: &Alert) {
        let labels = (alert.class, alert.severity, alert.is_watched());
        let [class, severity, watched] = words(labels);
        self.told.alerts.with_label_values(&[class, severity, alert.transition.word(), watched]).inc();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match alert.status {
            Status::Open => open.insert(alert.id.clone(), labels),
            Status::Resolved | Status::Retracted => open.remove(&alert.id),
        };
        if let Some(before) = before {
            self.told.incidents_open.with_label_values(&words(before)).dec();
        }
        if alert.status == Status::Open {
            self.told.incidents_open.with_label_values(&words(labels)).inc();
        }
    }

    /// An incident that earlier lives opened. Without it whoever was paged would hear that it is over.
    pub fn still_open(&self, id: &str, labels: Labels) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.insert(id.to_owned(), labels).is_none() {
            self.told.incidents_open.with_label_values(&words(labels)).inc();
        }
    }

    /// Gives out how long the stages of the way take, and how long each sink.
    pub fn measure<'a>(&self, latency: &Latency, sinks: impl Iterator<Item = (&'a Arc<str>, &'a Arc<Outbox>)>) {
        self.registry.register(Box::new(latency.family.clone())).expect("each family is registered once");
        for (name, outbox) in sinks {
            outbox.measure(self.ways.delivery.with_label_values(&[&**name]));
        }
    }

    /// `total` since the start.
    pub fn suppressed(&self, class: Class, reason: Suppression, total: u64) {
        raise_to(&self.told.suppressed.with_label_values(&[class.word(), reason.word()]), total);
    }

    /// How the store fares, and what was done without it.
    pub fn store(&self, store: &store::Status, dispatched: &DispatchStatus) {
        self.ways.store_bytes.set(store.bytes().cast_signed());
        self.ways.store_writable.set(i64::from(store.problem().is_none()));
        raise_to(&self.ways.store_failures, store.failures());
        raise_to(&self.ways.store_unreadable, store.unreadable());
        raise_to(&self.ways.forgotten.with_label_values(&["age"]), store.forgotten_by_age());
        raise_to(&self.ways.forgotten.with_label_values(&["size"]), store.forgotten_by_size());
        raise_to(&self.ways.alerts_unstored, dispatched.unstored());
        raise_to(&self.ways.routes_unrecorded, store.routes_lost() + dispatched.records_lost());
        raise_to(&self.told.shed, dispatched.shed());
    }

    /// Who follows what happens over HTTP, and who could not.
    pub fn streams(&self, turns: &Turns) {
        self.ways.streams_open.set(turns.open_streams() as i64);
        raise_to(&self.ways.clients_cut, turns.cut());
    }

    pub fn config_in_use(&self, in_use: bool) {
        self.reload.set(i64::from(in_use));
    }

    pub fn watched_prefixes(&self, seen: usize, unseen: usize) {
        self.told.watched_prefixes.with_label_values(&["seen"]).set(seen as i64);
        self.told.watched_prefixes.with_label_values(&["unseen"]).set(unseen as i64);
    }

    pub fn notices_active(&self, kind: NoticeKind, count: usize) {
        self.told.notices_active.with_label_values(&[kind.word()]).set(count as i64);
    }

    pub fn latency(&self, stage: Stage, time: Duration) {
        self.told.latency.with_label_values(&[stage.word()]).observe(time.as_secs_f64());
    }

    pub fn sink(&self, sink: &str, outbox: &Outbox, status: &SinkStatus) {
        self.ways.sink_backlog.with_label_values(&[sink]).set(outbox.backlog() as i64);
        raise_to(&self.ways.dead_letters.with_label_values(&[sink]), status.buried());
        raise_to(&self.ways.sent_again.with_label_values(&[sink]), status.sent_again());
        self.ways.sink_oldest.with_label_values(&[sink]).set(outbox.oldest().as_secs_f64());
        for reason in FailureReason::ALL {
            raise_to(&self.ways.sink_failures.with_label_values(&[sink, reason.word()]), status.failures(reason));
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
    fn what_an_earlier_life_opened_is_open_until_this_one_says_that_it_is_over() {
        let metrics = Metrics::new();
        metrics.still_open(&opened().id, (Class::SubprefixHijack, Severity::High, true));
        let line = "bgpwarden_incidents_open{class=\"subprefix_hijack\",severity=\"high\",watched=\"yes\"}".to_owned();
        assert!(metrics.render().contains(&format!("{line} 1")));
        metrics.alert(&Alert { status: Status::Resolved, ..opened() });
        assert!(metrics.render().contains(&format!("{line} 0")));
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
