//! The engine as `run` has it, with its threads: how much sooner are two shards done than one? Decoding stands outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::wire::event;
use benches::world::{Plan, START, World, stream};
use detector::pipeline::{self, Extras, Pipeline};
use detector::sequencer::Sequencer;
use feeds::input::Item;
use rules::desk::Settings;
use rules::event::{Batch, Event};

use crate::row::Figure;
use crate::{Args, Failure};

/// Messages that are measured.
const MESSAGES: usize = 100_000;
/// Of the world of the other rows: it is loaded anew for each pipeline.
const PART: f64 = 0.2;

/// Batches with dense numbers from 0: what makes an engine warm, and what is measured.
struct Prepared {
    warm_up: Vec<Arc<Batch>>,
    measured: Vec<Arc<Batch>>,
}

pub fn two(args: &Args) -> Result<Figure, Failure> {
    let world = World::new(Plan::INTERNET.scaled(args.world * PART));
    let prepared = prepare(&world);
    let mut rounds = Vec::new();
    let mut times = [Duration::ZERO; 2];
    for round in 0..args.rounds {
        // Each goes first in turn, so that neither always finds fresh memory.
        let first = 1 + round % 2;
        times[first - 1] = run(&prepared, first)?;
        times[2 - first] = run(&prepared, 3 - first)?;
        rounds.push(times[0].as_secs_f64() / times[1].as_secs_f64());
    }
    let detail =
        format!("{MESSAGES} messages of the hostile stream; in the last round {:?} against {:?}", times[0], times[1]);
    Ok(Figure::Measured { rounds, detail })
}

fn prepare(world: &World) -> Prepared {
    let mut sequencer = Sequencer::default();
    let mut warm_up = Vec::new();
    for event in [world.rpki(), world.relations()] {
        sequencer.push_own(event, START);
        warm_up.extend(sequencer.take());
    }
    batches(&mut sequencer, event::vantage_points(world), &mut warm_up);
    for place in 0..world.space.prefixes.len() as u32 {
        let prefix = world.space.prefixes[place as usize].prefix;
        let routes = world.routes_of(place, 0..world.sessions.len() as u32);
        batches(&mut sequencer, routes.map(|(session, path)| event::seed(session, prefix, path)), &mut warm_up);
    }
    sequencer.push_own(Event::SeedDone { as_of: START }, START);
    warm_up.extend(sequencer.take());
    let mut measured = Vec::new();
    let news = stream::hostile(world, 1, 4_000).take(MESSAGES);
    batches(&mut sequencer, news.map(|said| event::item(world, said)), &mut measured);
    measured.extend(sequencer.take());
    Prepared { warm_up, measured }
}

fn batches(sequencer: &mut Sequencer, items: impl Iterator<Item = Item>, into: &mut Vec<Arc<Batch>>) {
    for item in items {
        let at = item.time;
        sequencer.push(0, item, at);
        if sequencer.is_full() {
            into.extend(sequencer.take());
        }
    }
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
    if !send(&prepared.warm_up) {
        return Err("the engine is gone".into());
    }
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
