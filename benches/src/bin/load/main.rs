//! How long does a hijack take from the wire to somebody who is told, at a set rate of updates?
//!
//! An open loop: every message has a moment at which it is due, whatever the receiver does, and a hijack's time counts from
//! that moment. The program that is measured is the real one, in a process of its own, on loopback: it reads dumps, VRPs and
//! relations of an invented world, hears RIS Live or a router over BMP, and writes alerts to its standard output, which are waited for here.
//! There is no hold-down, and one peer AS is enough, so that nothing waits on purpose.
//!
//! Everything counts: sockets, decoding, queues, judging, the store's commit before an alert goes out, and the pipe back.

mod bgpwarden;
mod feed;
mod report;
mod script;
mod stage;

use std::path::PathBuf;

use benches::world::{Plan, World};
use clap::{Parser, ValueEnum};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Args {
    /// UPDATE messages a second.
    #[arg(long, default_value_t = 4_000)]
    rate: u64,
    /// How long it is measured, after a warm-up.
    #[arg(long, default_value_t = 60)]
    secs: u64,
    #[arg(long, default_value_t = 5)]
    warm_up_secs: u64,
    #[arg(long, default_value_t = 20)]
    hijacks_a_second: u64,
    #[arg(long, value_enum, default_value_t = Feed::RisLive)]
    feed: Feed,
    /// Size of the invented world, 1 being the Internet.
    #[arg(long, default_value_t = 0.05)]
    world: f64,
    /// Full feeds of it.
    #[arg(long, default_value_t = 30)]
    peers: usize,
    /// The program that is measured; beside this one if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Feed {
    RisLive,
    Bmp,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let plan = Plan::INTERNET.scaled(args.world);
    let plan = Plan { full: args.peers, vrps: plan.v4 + plan.v6, ..plan };
    let world = World::new(plan);
    let script = script::write(&world, &args)?;
    let stage = stage::set(&world, &args)?;
    let mut warden = bgpwarden::start(&stage, &args)?;
    warden.until_ready()?;
    eprintln!("{}", warden.held()?);
    let before = warden.usage()?;
    let sent = feed::play(&world, &script, &stage, &args)?;
    let after = warden.usage()?;
    let stages = report::stages(&warden.get("/metrics")?);
    let told = warden.stop()?;
    report::print(&args, &script, &sent, &told, &stages, [before, after]);
    Ok(())
}
