//! Does one machine hold all that RIPE RIS hears, and judge ten times what it says?
//!
//! 350 full and 1,000 partial peers of an invented Internet load their tables into the engine as `run` has it, sequencer and
//! threads, and then say 40,000 UPDATEs a second with every rule on. `--scale` shrinks the table and not the peers;
//! with `--compressed` nobody waits for the moment of a message, so that weeks pass in minutes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use benches::latency::Latencies;
use benches::measure::{resident, stolen, threads_cpu};
use benches::wire::event;
use benches::world::stream::{self, Said};
use benches::world::{Plan, START, World};
use clap::{Parser, ValueEnum};
use detector::pipeline::{self, Extras, Intake, Pipeline, Status};
use detector::sequencer::Sequencer;
use feeds::input::Item;
use rules::bgp::VantageId;
use rules::desk::{Output, Settings};
use rules::event::Event;
use rules::shed::{Decision, SoFar, decide};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Args {
    /// Part of the table: 1 is 0.41 billion routes.
    #[arg(long, default_value_t = 0.01)]
    scale: f64,
    /// UPDATEs a second.
    #[arg(long, default_value_t = 40_000)]
    rate: u64,
    /// How long they are said.
    #[arg(long, default_value_t = 600)]
    secs: u64,
    #[arg(long, value_enum, default_value_t = Kind::Busy)]
    stream: Kind,
    /// As fast as it goes: the seconds are those of the messages.
    #[arg(long)]
    compressed: bool,
    /// As many as cores if not given.
    #[arg(long)]
    shards: Option<usize>,
    #[arg(long, default_value_t = 350)]
    full: usize,
    #[arg(long, default_value_t = 1_000)]
    partial: usize,
    /// After the dumps: shed until what is held is estimated to fit.
    #[arg(long, value_name = "MB")]
    budget: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Quiet,
    Busy,
    Hostile,
    /// One session alone.
    Flood,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let plan = Plan { full: args.full, partial: args.partial, ..Plan::ALL_OF_RIS.scaled(args.scale) };
    let world = World::new(plan);
    println!("{} prefixes, {} ASes, {} sessions", world.space.prefixes.len(), plan.ases, world.sessions.len());
    let mut run = Run::start(&args)?;
    run.load(&world)?;
    if let Some(budget) = args.budget {
        run.shed(budget << 20)?;
    }
    let stream: Box<dyn Iterator<Item = Said>> = match args.stream {
        Kind::Quiet => Box::new(stream::quiet(&world, 1, args.rate)),
        Kind::Busy => Box::new(stream::busy(&world, 1, args.rate)),
        Kind::Hostile => Box::new(stream::hostile(&world, 1, args.rate)),
        Kind::Flood => Box::new(stream::flood(&world, 0, args.rate)),
    };
    let all = args.rate * args.secs;
    let news = stream.take(all as usize).map(|said| event::item(&world, said));
    if args.compressed {
        run.compressed(news, all)?
    } else {
        run.paced(news, &args)?
    };
    run.sessions_end(&world)?;
    run.finish()
}

struct Run {
    sequencer: Sequencer,
    intake: Intake,
    status: Arc<Status>,
    threads: pipeline::Threads,
    drain: std::thread::JoinHandle<usize>,
    next: u64,
    /// Times that a full queue held up the sender for a millisecond or more, and for how long together.
    stalls: (usize, Duration),
    before: usize,
}

impl Run {
    fn start(args: &Args) -> Result<Self, Failure> {
        let before = resident().ok_or("this system does not say how much memory a process has")?;
        let shards = pipeline::shards(args.shards);
        let Pipeline { intake, mut outputs, status, threads, .. } =
            pipeline::start(Settings::default(), shards, Extras { tables: true, ..Extras::default() })?;
        let alerts = |outputs: Vec<Output>| outputs.iter().filter(|output| matches!(output, Output::Alert(_))).count();
        let drain = std::thread::spawn(move || {
            let mut told = 0;
            while let Some(some) = outputs.blocking_recv() {
                told += alerts(some.outputs);
            }
            told
        });
        println!("{shards} shards");
        let (sequencer, stalls) = (Sequencer::default(), (0, Duration::ZERO));
        Ok(Self { sequencer, intake, status, threads, drain, next: 0, stalls, before })
    }

    fn load(&mut self, world: &World) -> Result<(), Failure> {
        let began = Instant::now();
        let cpu = threads_cpu();
        self.own(world.rpki())?;
        self.own(world.relations())?;
        event::vantage_points(world).try_for_each(|item| self.say(item))?;
        for (i, collector) in by_collector(world).iter().enumerate() {
            for place in 0..world.space.prefixes.len() as u32 {
                let prefix = world.space.prefixes[place as usize].prefix;
                let mut routes = world.routes_of(place, collector.iter().copied());
                routes.try_for_each(|(session, path)| self.say(event::seed(session, prefix, path)))?;
            }
            if i % 5 == 4 {
                self.until_judged()?;
                println!("  {} dumps read: {}", i + 1, self.size());
            }
        }
        self.own(Event::SeedDone { as_of: START })?;
        self.until_judged()?;
        println!("loaded in {:.0} s: {}", began.elapsed().as_secs_f64(), self.size());
        self.print_cpu(&cpu, began.elapsed());
        Ok(())
    }

    /// As `run` does once a second, and how long the engine takes for it.
    fn shed(&mut self, budget: u64) -> Result<(), Failure> {
        let mut so_far = SoFar::default();
        loop {
            self.own(Event::Tick)?;
            self.until_judged()?;
            let tables = self.status.desk.lock().map_err(|_| "the desk is gone")?.tables.clone();
            let decision = decide(&self.status.counts(), &tables, so_far, budget);
            so_far.note(&decision);
            let shed = match decision {
                Decision::Shed(shed) => shed,
                end => {
                    println!("{end:?}: {}", self.size());
                    return Ok(());
                }
            };
            let sessions = shed.sessions.len();
            let began = Instant::now();
            self.own(Event::Shed(Arc::new(shed)))?;
            self.until_judged()?;
            println!("shed {sessions} sessions in {:.2} s: {}", began.elapsed().as_secs_f64(), self.size());
        }
    }

    /// At their moments, whatever the engine does. A batch is what is due.
    fn paced(&mut self, mut news: impl Iterator<Item = Item>, args: &Args) -> Result<(), Failure> {
        const PULSE: Duration = Duration::from_micros(500);
        let (cpu, stolen_before) = (threads_cpu(), stolen());
        let began = Instant::now();
        let watch = Latencies::watch(self.status.clone());
        let mut said = 0;
        self.stalls = (0, Duration::ZERO);
        while said < args.rate * args.secs {
            let due = ((began.elapsed().as_secs_f64() * args.rate as f64) as u64).min(args.rate * args.secs);
            for item in news.by_ref().take((due - said) as usize) {
                self.say(item)?;
            }
            self.flush()?;
            let moment = began + Duration::from_secs_f64(said as f64 / args.rate as f64);
            if due > said {
                watch.expect(self.next, moment, due - said);
            }
            if said / (args.rate * 60) < due / (args.rate * 60) {
                println!("  {} min: {}", due / (args.rate * 60), self.size());
            }
            said = due;
            std::thread::sleep(PULSE);
        }
        self.until_judged()?;
        let latencies = watch.finish();
        println!("{said} UPDATEs in {:.1} s: {}", began.elapsed().as_secs_f64(), self.size());
        println!("from due to judged and handed on: {latencies}");
        println!("stalls of 1 ms or more: {}, {:?} together", self.stalls.0, self.stalls.1);
        if let Some(stolen) = stolen().zip(stolen_before).map(|(after, before)| after - before) {
            println!("CPU that the host gave to others meanwhile: {stolen:?}");
        }
        self.print_cpu(&cpu, began.elapsed());
        Ok(())
    }

    /// One behind the other, and how the memory grows: after a tenth it should have reached its plateau.
    fn compressed(&mut self, mut news: impl Iterator<Item = Item>, all: u64) -> Result<(), Failure> {
        let cpu = threads_cpu();
        let began = Instant::now();
        let mut plateau = Vec::new();
        for part in 1..=20 {
            for item in news.by_ref().take(all as usize / 20) {
                self.say(item)?;
            }
            self.until_judged()?;
            println!("  {} %: {}", part * 5, self.size());
            if part > 2 {
                plateau.extend(resident());
            }
        }
        let (least, most) = (plateau.iter().min().copied(), plateau.iter().max().copied());
        let (least, most) = least.zip(most).ok_or("no memory was measured")?;
        println!("{all} UPDATEs in {:.1} s", began.elapsed().as_secs_f64());
        println!(
            "resident after the first tenth: {} to {} MB, {:.1} % apart",
            least >> 20,
            most >> 20,
            (most as f64 / least as f64 - 1.0) * 100.0
        );
        self.print_cpu(&cpu, began.elapsed());
        Ok(())
    }

    /// How long one session that goes down holds up all others: the fullest, and two of those with little.
    fn sessions_end(&mut self, world: &World) -> Result<(), Failure> {
        let by_size = |session: &u32| world.sessions[*session as usize].per_million;
        let mut sessions: Vec<u32> = (0..world.sessions.len() as u32).collect();
        sessions.sort_by_key(by_size);
        let busy = |status: &Status| -> Vec<u64> {
            status.shards.iter().map(|shard| shard.busy.load(Ordering::Relaxed)).collect()
        };
        for session in [sessions.last(), sessions.get(world.plan.partial), sessions.first()].into_iter().flatten() {
            let (routes, before, began) = (self.routes(), busy(&self.status), Instant::now());
            let (vantage, seen) = (VantageId(*session), self.sequencer.now().unwrap_or(START));
            self.say(Item { time: seen, event: Event::PeerDown { vantage, seen } })?;
            self.until_judged()?;
            let took = began.elapsed();
            // The last shard publishes what it holds and did behind its answer.
            std::thread::sleep(Duration::from_millis(100));
            let of_shard = busy(&self.status).into_iter().zip(before).map(|(after, before)| after - before);
            let longest = Duration::from_micros(of_shard.max().unwrap_or_default());
            let lost = routes - self.routes();
            println!(
                "a session with {lost} routes goes down: judged after {took:?}, a shard busy for {longest:?} at most"
            );
        }
        Ok(())
    }

    fn own(&mut self, event: Event) -> Result<(), Failure> {
        self.sequencer.push_own(event, self.sequencer.now().unwrap_or(START));
        self.flush()
    }

    fn say(&mut self, item: Item) -> Result<(), Failure> {
        let at = item.time;
        self.sequencer.push(0, item, at);
        if self.sequencer.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let Some(batch) = self.sequencer.take() else { return Ok(()) };
        self.next = batch.last().map_or(self.next, |stamped| stamped.seq + 1);
        let began = Instant::now();
        if !self.intake.blocking_send(&batch) {
            return Err("the engine is gone".into());
        }
        let waited = began.elapsed();
        if waited >= Duration::from_millis(1) {
            self.stalls = (self.stalls.0 + 1, self.stalls.1 + waited);
        }
        Ok(())
    }

    fn until_judged(&mut self) -> Result<(), Failure> {
        self.flush()?;
        while self.status.judged.load(Ordering::Acquire) < self.next {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn routes(&self) -> usize {
        self.status.held.iter().map(|held| held.routes.load(Ordering::Relaxed)).sum()
    }

    fn size(&self) -> String {
        let routes = self.routes();
        let prefixes: usize = self.status.held.iter().map(|held| held.prefixes.load(Ordering::Relaxed)).sum();
        let resident = resident().unwrap_or_default();
        let each = resident.saturating_sub(self.before) as f64 / routes.max(1) as f64;
        let counts = self.status.counts();
        let (paths, estimated) = (counts.paths, counts.estimate() >> 20);
        format!(
            "{routes} routes of {prefixes} prefixes, {paths} paths, {} MB resident, {} MB of it ours, {estimated} MB estimated, {each:.1} bytes a route",
            resident >> 20,
            resident.saturating_sub(self.before) >> 20
        )
    }

    /// Where the time went, by thread.
    fn print_cpu(&self, before: &std::collections::BTreeMap<String, Duration>, wall: Duration) {
        let spent = threads_cpu().into_iter().map(|(name, now)| {
            let spent = now.saturating_sub(before.get(&name).copied().unwrap_or_default());
            format!("{name} {:.1} %", 100.0 * spent.as_secs_f64() / wall.as_secs_f64())
        });
        println!("CPU of one core: {}", spent.collect::<Vec<_>>().join(", "));
    }

    fn finish(self) -> Result<(), Failure> {
        drop(self.intake);
        let totals = self.threads.join();
        let alerts = self.drain.join().map_err(|_| "the outputs were not drained")?;
        println!("{alerts} alerts; {totals:?}");
        Ok(())
    }
}

/// Each collector has a dump of its own.
fn by_collector(world: &World) -> Vec<Vec<u32>> {
    let mut collectors: std::collections::BTreeMap<&str, Vec<u32>> = Default::default();
    for (i, session) in world.sessions.iter().enumerate() {
        collectors.entry(&session.point.collector).or_default().push(i as u32);
    }
    collectors.into_values().collect()
}
