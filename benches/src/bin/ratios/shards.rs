//! The engine as `run` has it, with its threads: how much sooner are two shards done than one? Decoding stands outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::measure::unpacked;
use benches::player::{reader, real_data};
use detector::pipeline::{self, Extras, Pipeline};
use detector::sequencer::Sequencer;
use rules::bgp::Timestamp;
use rules::desk::Settings;
use rules::event::{Batch, Event};

use crate::mrt::UPDATES;
use crate::row::Figure;
use crate::{Args, Failure};

/// Passes over the file that are measured.
const PASSES: usize = 6;

/// Batches with dense numbers from 0: what makes an engine warm, and what is measured.
struct Prepared {
    warm_up: Vec<Arc<Batch>>,
    measured: Vec<Arc<Batch>>,
}

pub fn two(args: &Args) -> Result<Figure, Failure> {
    let prepared = prepare()?;
    let mut rounds = Vec::new();
    let mut times = [Duration::ZERO; 2];
    for _ in 0..args.rounds {
        times = [run(&prepared, 1)?, run(&prepared, 2)?];
        rounds.push(times[0].as_secs_f64() / times[1].as_secs_f64());
    }
    let detail = format!("{PASSES} passes over {UPDATES}; in the last round {:?} against {:?}", times[0], times[1]);
    Ok(Figure::Measured { rounds, detail })
}

fn prepare() -> Result<Prepared, Failure> {
    let bytes = unpacked(UPDATES)?;
    let mut sequencer = Sequencer::default();
    let (mut warm_up, mut measured) = (Vec::new(), Vec::new());
    for event in real_data()? {
        sequencer.push_own(event, Timestamp::default());
        warm_up.extend(sequencer.take());
    }
    for pass in 0..PASSES + 2 {
        let into = if pass < 2 { &mut warm_up } else { &mut measured };
        for mut item in reader(&bytes) {
            if let (0, Event::Update(update)) = (pass, &item.event) {
                item.event = Event::Seed(update.clone());
            }
            let at = item.time;
            sequencer.push(pass, item, at);
            if sequencer.is_full() {
                into.extend(sequencer.take());
            }
        }
        if pass == 0 {
            sequencer.push_own(Event::SeedDone { as_of: Timestamp::default() }, Timestamp::default());
        }
        into.extend(sequencer.take());
    }
    Ok(Prepared { warm_up, measured })
}

fn run(prepared: &Prepared, shards: usize) -> Result<Duration, Failure> {
    let Pipeline { intake, mut outputs, status, threads, .. } =
        pipeline::start(Settings::default(), shards, Extras::default())?;
    let drain = std::thread::spawn(move || while outputs.blocking_recv().is_some() {});
    let judged = |batch: Option<&Arc<Batch>>| {
        let last = batch.and_then(|batch| batch.last()).map_or(0, |stamped| stamped.seq);
        while status.judged.load(std::sync::atomic::Ordering::Acquire) <= last {
            std::thread::sleep(Duration::from_micros(200));
        }
    };
    let send = |batches: &[Arc<Batch>]| batches.iter().all(|batch| intake.blocking_send(batch));
    send(&prepared.warm_up);
    judged(prepared.warm_up.last());
    let began = Instant::now();
    if !send(&prepared.measured) {
        return Err("the engine is gone".into());
    }
    judged(prepared.measured.last());
    let took = began.elapsed();
    drop(intake);
    threads.join();
    drain.join().map_err(|_| "the outputs were not drained")?;
    Ok(took)
}
