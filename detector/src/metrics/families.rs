//! Which families are there, and what does each say?

use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::latency;

/// What feeds give, and what is held of it.
pub struct Feeds {
    pub updates: IntCounterVec,
    pub decode_errors: IntCounterVec,
    pub feed_state: IntGaugeVec,
    pub feed_lag: GaugeVec,
    pub feed_gaps: IntCounterVec,
    pub rib_routes: IntGaugeVec,
    pub rib_prefixes: IntGaugeVec,
    pub peers: IntGaugeVec,
}

/// What routes are judged by.
pub struct Data {
    pub rpki_objects: IntGaugeVec,
    pub rpki_age: GaugeVec,
    pub rpki_state: IntGaugeVec,
    pub rpki_failures: IntCounterVec,
    pub relations_age: Gauge,
    pub relation_rows_dropped: IntCounter,
    pub baseline_ready: IntGauge,
    pub memory_estimate: IntGauge,
    pub memory_budget: IntGauge,
    pub shed: IntCounterVec,
}

/// What became of it.
pub struct Told {
    pub shard_routes: IntGaugeVec,
    pub shard_judged: IntCounterVec,
    pub shard_busy: GaugeCounters,
    pub queue_stalled: GaugeCounters,
    pub alerts: IntCounterVec,
    pub incidents_open: IntGaugeVec,
    pub suppressed: IntCounterVec,
    pub shed: IntCounter,
    pub watched_prefixes: IntGaugeVec,
    pub notices_active: IntGaugeVec,
    pub latency: HistogramVec,
}

/// How it gets out.
pub struct Ways {
    pub delivery: HistogramVec,
    pub sink_backlog: IntGaugeVec,
    pub sink_oldest: GaugeVec,
    pub sink_failures: IntCounterVec,
    pub dead_letters: IntCounterVec,
    pub sent_again: IntCounterVec,
    pub store_bytes: IntGauge,
    pub store_writable: IntGauge,
    pub store_failures: IntCounter,
    pub store_unreadable: IntCounter,
    pub forgotten: IntCounterVec,
    pub alerts_unstored: IntCounter,
    pub routes_unrecorded: IntCounter,
    pub streams_open: IntGauge,
    pub clients_cut: IntCounter,
}

/// Counters of seconds: Prometheus counters that grow by fractions.
pub type GaugeCounters = prometheus::CounterVec;

/// Registers a family under `bgpwarden_`.
pub struct Families(pub Registry);

impl Families {
    pub fn add<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let family = made.expect("names and labels are constants and well-formed");
        self.0.register(Box::new(family.clone())).expect("each family is registered once");
        family
    }

    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(options(name, help), labels))
    }

    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(options(name, help), labels))
    }

    pub fn measures(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(options(name, help), labels))
    }
}

pub fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("bgpwarden")
}

/// From 100 microseconds to two minutes: the goals are 10 ms inside the process and seconds from the collector.
const LATENCY_BUCKETS: [f64; 16] =
    [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 120.0];

impl Feeds {
    pub fn new(f: &Families) -> Self {
        Self {
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
        }
    }
}

impl Data {
    pub fn new(f: &Families) -> Self {
        Self {
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
            relation_rows_dropped: f.add(IntCounter::with_opts(options(
                "relation_rows_dropped_total",
                "What relations are inferred from and was left out for want of room.",
            ))),
            baseline_ready: f.add(IntGauge::with_opts(options(
                "baseline_ready",
                "1 once it is known what is normal; 0 while learning.",
            ))),
            memory_estimate: f.add(IntGauge::with_opts(options(
                "memory_estimate_bytes",
                "Memory that what is held takes, estimated from its counts.",
            ))),
            memory_budget: f
                .add(IntGauge::with_opts(options("memory_budget_bytes", "limits.memory, or 0 without one."))),
            shed: f.counters(
                "shed_total",
                "What was let go to keep limits.memory: history, once, and sessions by their worth.",
                &["what"],
            ),
        }
    }
}

impl Told {
    pub fn new(f: &Families) -> Self {
        let latency =
            HistogramOpts::new("detection_latency_seconds", "Time from one stage of the way of an update to the next.")
                .namespace("bgpwarden")
                .buckets(LATENCY_BUCKETS.to_vec());
        Self {
            shard_routes: f.gauges("shard_routes", "Routes that a shard holds.", &["shard"]),
            shard_judged: f.counters(
                "shard_judged_total",
                "Times that a shard weighed a route by all rules.",
                &["shard"],
            ),
            shard_busy: f.add(GaugeCounters::new(
                options("shard_busy_seconds_total", "Time a shard was at work, and did not wait for it."),
                &["shard"],
            )),
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
        }
    }
}

impl Ways {
    pub fn new(f: &Families) -> Self {
        let delivery =
            HistogramOpts::new("sink_delivery_seconds", "Time from the store to the confirmation of a sink.")
                .namespace("bgpwarden")
                .buckets(latency::BUCKETS.to_vec());
        Self {
            delivery: f.add(HistogramVec::new(delivery, &["sink"])),
            sink_backlog: f.gauges("sink_backlog", "Alerts a sink has not confirmed yet.", &["sink"]),
            sink_oldest: f.measures("sink_oldest_seconds", "How long the oldest of them has waited.", &["sink"]),
            sink_failures: f.counters("sink_failures_total", "Failed attempts to deliver.", &["sink", "reason"]),
            dead_letters: f.counters(
                "sink_dead_letters_total",
                "What a receiver will never take, so nobody tries again.",
                &["sink"],
            ),
            sent_again: f.counters(
                "sink_dead_letters_sent_again_total",
                "Of these, what somebody had sent again.",
                &["sink"],
            ),
            store_bytes: f.add(IntGauge::with_opts(options("store_bytes", "Bytes of the store on disk."))),
            store_writable: f.add(IntGauge::with_opts(options("store_writable", "1 while the store can be used."))),
            store_failures: f.add(IntCounter::with_opts(options(
                "store_failures_total",
                "Attempts to write or read the store that failed.",
            ))),
            store_unreadable: f.add(IntCounter::with_opts(options(
                "store_unreadable_total",
                "Rows that wait for a sink and were passed over, since a newer program wrote them.",
            ))),
            streams_open: f.add(IntGauge::with_opts(options("http_streams", "Clients of /api/v1/stream."))),
            clients_cut: f.add(IntCounter::with_opts(options(
                "http_clients_cut_total",
                "Streams and exports that ended since the client did not take what was sent to it.",
            ))),
            forgotten: f.counters(
                "incidents_forgotten_total",
                "Incidents that are over and went out of the store, by what there was too much of.",
                &["reason"],
            ),
            alerts_unstored: f.add(IntCounter::with_opts(options(
                "alerts_unstored_total",
                "Alerts that went to the sinks without the store, since it failed.",
            ))),
            routes_unrecorded: f.add(IntCounter::with_opts(options(
                "routes_unrecorded_total",
                "Routes of incidents that are not in the store: no room, no incident, or the store failed for too long.",
            ))),
        }
    }
}
