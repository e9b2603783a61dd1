//! What came of it?

use std::collections::HashMap;
use std::time::Duration;

use crate::Args;
use crate::bgpwarden::{Told, Usage};
use crate::feed::{Sent, moment};
use crate::script::Script;

pub fn print(args: &Args, script: &Script, sent: &Sent, told: &[Told], [before, after]: [Usage; 2]) {
    let mut first: HashMap<_, _> = HashMap::new();
    for alert in told {
        for by in &alert.origins {
            first.entry((alert.prefix, *by)).or_insert(alert.when);
        }
    }
    let took = |hijack: &crate::script::Hijack| {
        let due = sent.start + moment(hijack.message, args.rate);
        Some(first.get(&(hijack.prefix, hijack.by))?.saturating_duration_since(due))
    };
    let mut times: Vec<Duration> = script.hijacks.iter().filter_map(took).collect();
    times.sort_unstable();
    let wall = after.when - before.when;
    println!(
        "{:?}, {} UPDATE/s for {} s: {} messages, {} MB",
        args.feed,
        args.rate,
        args.secs,
        sent.messages,
        sent.octets / 1_000_000
    );
    println!("  missed send deadlines: {} messages, at most {:?} late", sent.late, sent.latest);
    println!(
        "  hijacks: {} sent, {} told; {} alerts of incidents in all",
        script.hijacks.len(),
        times.len(),
        told.len()
    );
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("most", 1.0)] {
        if let Some(time) = times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)) {
            println!("  {name:>5} {:9.3} ms from due on the wire to alert read", time.as_secs_f64() * 1e3);
        }
    }
    let cpu = after.cpu - before.cpu;
    println!(
        "  CPU {:.0} % of one core over {:.0} s, resident {} MB",
        100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
        wall.as_secs_f64(),
        after.resident / 1_000_000
    );
}
