//! How long does it take until an event is judged and what was to be said of it is handed on?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use detector::pipeline::Status;

/// Times, each with how many events took it, and when that was last after the start. Ten minutes of pulses take no memory to speak
/// of, since that is measured as well.
#[derive(Default)]
pub struct Latencies {
    times: BTreeMap<Duration, (u64, Duration)>,
}

/// Looks on from a thread of its own.
pub struct Watch {
    expected: Sender<Expected>,
    thread: JoinHandle<Latencies>,
}

/// Everything below `seq` was due at `due`.
struct Expected {
    seq: u64,
    due: Instant,
    events: u64,
}

/// How exact it is.
const LOOK: Duration = Duration::from_micros(100);
/// To what times are rounded.
const STEP: Duration = Duration::from_micros(10);

impl Latencies {
    pub fn watch(status: Arc<Status>) -> Watch {
        let (expected, batches) = channel();
        Watch { expected, thread: std::thread::spawn(move || look(&status, batches)) }
    }

    /// The time within which that share of the events was judged.
    pub fn quantile(&self, share: f64) -> Duration {
        let all: u64 = self.times.values().map(|(events, _)| events).sum();
        let mut left = (all as f64 * share).ceil() as u64;
        for (time, (events, _)) in &self.times {
            if left <= *events {
                return *time;
            }
            left -= events;
        }
        Duration::ZERO
    }

    fn add(&mut self, time: Duration, events: u64, at: Duration) {
        let steps = time.as_nanos().div_ceil(STEP.as_nanos());
        let (sum, last) = self.times.entry(STEP * steps as u32).or_default();
        *sum += events;
        *last = at;
    }
}

impl Watch {
    pub fn expect(&self, seq: u64, due: Instant, events: u64) {
        // It looks for as long as this end is there.
        let _ = self.expected.send(Expected { seq, due, events });
    }

    pub fn finish(self) -> Latencies {
        drop(self.expected);
        self.thread.join().unwrap_or_default()
    }
}

fn look(status: &Status, batches: Receiver<Expected>) -> Latencies {
    let mut latencies = Latencies::default();
    let start = Instant::now();
    for batch in batches {
        while status.judged.load(Ordering::Acquire) < batch.seq {
            std::thread::sleep(LOOK);
        }
        latencies.add(batch.due.elapsed(), batch.events, batch.due.saturating_duration_since(start));
    }
    latencies
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("most", 1.0)] {
            write!(f, "{name} {:.2} ms  ", self.quantile(share).as_secs_f64() * 1e3)?;
        }
        let Some((_, (_, at))) = self.times.last_key_value() else { return Ok(()) };
        write!(f, "(after {:.1} s)", at.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_counts_events_and_not_batches() {
        let ms = Duration::from_millis;
        let mut latencies = Latencies::default();
        for (time, events) in [(ms(7), 1), (ms(1), 89), (ms(2), 9), (ms(1), 1)] {
            latencies.add(time, events, ms(0));
        }
        assert_eq!([0.5, 0.9, 0.99, 0.999].map(|share| latencies.quantile(share)), [ms(1), ms(1), ms(2), ms(7)]);
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn a_batch_waits_until_the_engine_has_judged_it() {
        let status = Arc::new(Status::default());
        let watch = Latencies::watch(status.clone());
        watch.expect(5, Instant::now(), 3);
        status.judged.store(5, Ordering::Release);
        let latencies = watch.finish();
        assert_eq!(latencies.times.values().map(|(events, _)| *events).collect::<Vec<_>>(), [3]);
    }
}
