//! What came of it?

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::Args;
use crate::bgpwarden::{Told, Usage};
use crate::feed::{Sent, moment};
use crate::script::{Hijack, Script};

pub fn print(args: &Args, script: &Script, sent: &Sent, told: &[Told], stages: &[String], [before, after]: [Usage; 2]) {
    let mut first: HashMap<_, _> = HashMap::new();
    for alert in told {
        for by in &alert.origins {
            first.entry((alert.prefix, *by)).or_insert(alert.when);
        }
    }
    let took = |hijack: &Hijack| {
        let due = sent.start + moment(hijack.message, args.rate);
        let time = first.get(&(hijack.prefix, hijack.by))?.saturating_duration_since(due);
        Some((time, moment(hijack.message, args.rate)))
    };
    let mut times: Vec<(Duration, Duration)> = script.hijacks.iter().filter_map(took).collect();
    times.sort_unstable();
    let megabytes = sent.octets / 1_000_000;
    println!("{:?}, {} UPDATE/s for {} s: {} messages, {megabytes} MB", args.feed, args.rate, args.secs, sent.messages);
    if let Some(cut) = sent.cut {
        println!("  CUT OFF by the receiver after {:.1} s", cut.as_secs_f64());
    }
    println!("  missed send deadlines: {} messages, at most {:?} late", sent.late, sent.latest);
    let incidents = told.len();
    println!("  hijacks: {} meant, {} told; {incidents} incidents in all", script.hijacks.len(), times.len());
    println!("  from due on the wire to alert read, everything in between:");
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("most", 1.0)] {
        if let Some((time, at)) = times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)) {
            println!("  {name:>7} {:9.3} ms, sent at {:.1} s", time.as_secs_f64() * 1e3, at.as_secs_f64());
        }
    }
    println!("  as it says of itself:");
    stages.iter().for_each(|stage| println!("  {stage}"));
    let (cpu, wall) = ((after.cpu - before.cpu).as_secs_f64(), (after.when - before.when).as_secs_f64());
    println!("  CPU {:.0} % of one core over {wall:.0} s, resident {} MB", 100.0 * cpu / wall, after.resident >> 20);
    println!("  CPU that the host gave to others meanwhile: {:?}", after.stolen - before.stolen);
}

/// How long each stage took, out of the histograms of its metrics: in which bucket the quantiles lie.
pub fn stages(metrics: &str) -> Vec<String> {
    const BUCKETS: [&str; 2] = ["bgpwarden_stage_seconds_bucket{", "bgpwarden_detection_latency_seconds_bucket{"];
    let buckets = |line| BUCKETS.iter().find_map(|name| str::strip_prefix(line, name));
    let mut stages: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for line in metrics.lines().filter_map(buckets) {
        let Some((labels, count)) = line.split_once("} ") else { continue };
        let label =
            |name: &str| labels.split(',').find_map(|l| l.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
        if let (Some(stage), Some(le), Ok(count)) = (label("stage"), label("le"), count.parse()) {
            stages.entry(stage).or_default().push((le, count));
        }
    }
    let of = |(stage, buckets): (&str, Vec<(&str, u64)>)| {
        let all = buckets.last().map_or(0, |(_, count)| *count);
        let within = |share: f64| {
            let wanted = (all as f64 * share).ceil() as u64;
            buckets.iter().find(|(_, count)| *count >= wanted).map_or("+Inf", |(le, _)| *le)
        };
        let [half, most, nearly] = [0.5, 0.99, 0.999].map(within);
        format!("{stage:>11}: {all} times, p50 within {half} s, p99 within {most} s, p99.9 within {nearly} s")
    };
    stages.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_stage_lie_in_the_first_bucket_that_holds_them() {
        let bucket = |le: &str, count: u64| {
            format!("bgpwarden_detection_latency_seconds_bucket{{stage=\"decided\",le=\"{le}\"}} {count}\n")
        };
        let metrics = [bucket("0.001", 90), bucket("0.01", 990), bucket("+Inf", 1_000)].concat();
        let told = stages(&metrics);
        assert_eq!(told, ["    decided: 1000 times, p50 within 0.01 s, p99 within 0.01 s, p99.9 within +Inf s"]);
        assert!(stages("bgpwarden_detection_latency_seconds_sum{stage=\"decided\"} 3\n").is_empty());
    }
}
