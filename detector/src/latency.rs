//! How long does each stage of the way take?
//!
//! From the octets of a live feed to the confirmation of a sink, by the monotonic clock of the process: event time does not
//! enter, and nothing in `rules` knows of it. One observation for each batch, of the one in it that waited longest; what
//! files bring is in no hurry, and not measured.

use std::time::{Duration, Instant};

use prometheus::core::Metric;
use prometheus::{Histogram, HistogramOpts, HistogramVec};
use serde::Serialize;

/// Upper bounds in seconds: the goal is 10 ms, of which most stages take a hundredth.
pub const BUCKETS: [f64; 19] = [
    0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

/// A stretch of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the arrival of the octets: decoding, waiting for the sequencer, a place in the one order.
    Sequenced,
    /// From there: every shard has judged the batch, and so has the desk.
    Judged,
    /// From there: what the desk has to say, if anything, is taken by those who store and send it.
    HandedOver,
    /// From there: it is in the store, or with the sinks if the store fails.
    Stored,
    /// From the arrival of the octets up to where the desk is rid of what it has to say, if anything.
    Told,
}

impl Stage {
    pub const ALL: [Self; 5] = [Self::Sequenced, Self::Judged, Self::HandedOver, Self::Stored, Self::Told];

    pub fn word(self) -> &'static str {
        match self {
            Self::Sequenced => "sequenced",
            Self::Judged => "judged",
            Self::HandedOver => "handed_over",
            Self::Stored => "stored",
            Self::Told => "told",
        }
    }

    /// From where to where, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Sequenced => "received → sequenced",
            Self::Judged => "sequenced → judged",
            Self::HandedOver => "judged → handed over",
            Self::Stored => "handed over → stored",
            Self::Told => "received → told by the desk, in all",
        }
    }
}

/// When a batch with news of live feeds was where.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The octets came, those that waited longest.
    pub received: Instant,
    pub sequenced: Instant,
}

/// The stages up to the store.
#[derive(Clone, Debug)]
pub struct Latency {
    pub family: HistogramVec,
    stages: [Histogram; 5],
}

impl Default for Latency {
    fn default() -> Self {
        let options = HistogramOpts::new("stage_seconds", "Time that a batch of live news takes from stage to stage.")
            .namespace("bgpwarden")
            .buckets(BUCKETS.to_vec());
        let family = HistogramVec::new(options, &["stage"]).expect("names and labels are constants and well-formed");
        let stages = Stage::ALL.map(|stage| family.with_label_values(&[stage.word()]));
        Self { family, stages }
    }
}

impl Latency {
    pub fn observe(&self, stage: Stage, time: Duration) {
        self.stages[stage as usize].observe(time.as_secs_f64());
    }

    /// The desk is done with a batch at `judged`, and rid of what it has to say by now.
    pub fn told(&self, way: Way, judged: Instant) {
        self.observe(Stage::Judged, judged - way.sequenced);
        self.observe(Stage::Told, way.received.elapsed());
    }

    /// Stages that had something to measure, in their order.
    pub fn report(&self) -> Vec<StageReport> {
        let measured = Stage::ALL.iter().zip(&self.stages).filter(|(_, times)| times.get_sample_count() > 0);
        measured.map(|(stage, times)| StageReport::of(stage.word(), stage.sentence().to_owned(), times)).collect()
    }
}

/// How long one stage takes, since the start of the process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    pub stage: String,
    pub sentence: String,
    pub count: u64,
    /// Not more than so many seconds; none: more than the widest bound.
    pub p50_secs: Option<f64>,
    pub p99_secs: Option<f64>,
}

impl StageReport {
    pub fn of(stage: &str, sentence: String, times: &Histogram) -> Self {
        Self {
            stage: stage.to_owned(),
            sentence,
            count: times.get_sample_count(),
            p50_secs: quantile(times, 0.5),
            p99_secs: quantile(times, 0.99),
        }
    }

    /// `p50_secs` and `p99_secs` for people.
    pub fn quantiles(&self) -> [String; 2] {
        [self.p50_secs, self.p99_secs].map(|secs| match secs {
            None => format!("> {} s", BUCKETS[BUCKETS.len() - 1]),
            Some(secs) if secs < 0.001 => format!("≤ {:.0} µs", secs * 1e6),
            Some(secs) if secs < 1.0 => format!("≤ {:.0} ms", secs * 1e3),
            Some(secs) => format!("≤ {secs:.0} s"),
        })
    }
}

/// The bound that this share of all observations does not exceed.
fn quantile(times: &Histogram, share: f64) -> Option<f64> {
    let metric = times.metric();
    let histogram = metric.get_histogram();
    let wanted = histogram.get_sample_count() as f64 * share;
    let bucket = histogram.get_bucket().iter().find(|bucket| bucket.cumulative_count() as f64 >= wanted);
    bucket.map(|bucket| bucket.upper_bound()).filter(|bound| bound.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_that_holds_for_so_many() {
        let latency = Latency::default();
        for millis in [0; 90].into_iter().chain([3; 9]).chain([11_000]) {
            latency.observe(Stage::Judged, Duration::from_millis(millis));
        }
        let [report] = latency.report().try_into().expect("one stage was measured");
        assert_eq!((report.stage.as_str(), report.count), ("judged", 100));
        assert_eq!(report.quantiles(), ["≤ 10 µs", "≤ 5 ms"]);
        latency.observe(Stage::Judged, Duration::from_secs(60));
        assert_eq!(latency.report()[0].quantiles()[1], "> 10 s");
    }

    #[test]
    fn stages_that_nothing_went_through_are_left_out() {
        let latency = Latency::default();
        let now = Instant::now();
        latency.told(Way { received: now, sequenced: now }, now);
        let words: Vec<_> = latency.report().into_iter().map(|stage| stage.stage).collect();
        assert_eq!(words, ["judged", "told"]);
    }
}
