//! How does the cost of one update grow with what there is? One size at a time, all else stays: a table for README.md, and
//! one plot each in `benches/curve`.

mod plot;
mod sizes;

use benches::measure::{cpu, spread};
use benches::player::Player;
use benches::wire::event;
use benches::world::{World, stream};
use clap::Parser;
use sizes::{CURVES, Curve, Setting};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Args {
    /// Curves to draw; all if none is named.
    curves: Vec<String>,
    /// All sizes times this.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// UPDATE messages in one round.
const MESSAGES: usize = 40_000;

/// Nanoseconds an element at one size.
pub struct Point {
    pub size: usize,
    pub quiet: f64,
    pub hostile: f64,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    println!("| with | size | quiet, ns an element | hostile, ns an element | open incidents |\n|---|---|---|---|---|");
    for curve in CURVES.iter().filter(|c| args.curves.is_empty() || args.curves.iter().any(|name| name == c.name)) {
        let points: Vec<Point> = curve.sizes.iter().map(|size| measured(curve, *size, &args)).collect();
        plot::draw(curve, &points)?;
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let grown = (last.size.max(1) as f64 / first.size.max(1) as f64).ln();
            let power = |of: fn(&Point) -> f64| (of(last) / of(first)).ln() / grown;
            println!(
                "| {} | grows with the power | {:.2} | {:.2} |",
                curve.name,
                power(|p| p.quiet),
                power(|p| p.hostile)
            );
        }
    }
    Ok(())
}

fn measured(curve: &Curve, size: usize, args: &Args) -> Point {
    let size = ((size as f64 * args.scale) as usize).max(1);
    let setting = (curve.set)(size, Setting::small(args.scale));
    let world = World::new(setting.plan);
    let mut player = Player::with_data_of(&world);
    player.seed(&world);
    setting.prepare(&world, &mut player);
    let mut of = |stream: &dyn Fn(u64) -> Vec<stream::Said>| {
        let rounds = (0..args.rounds).map(|round| {
            let said = stream(round as u64 + 1);
            let elements: usize = said.iter().map(stream::Said::elements).sum();
            let items: Vec<_> = said.into_iter().map(|said| event::item(&world, setting.later(said))).collect();
            cpu(|| player.items(items)).0.as_secs_f64() * 1e9 / elements as f64
        });
        spread(rounds.collect()).0
    };
    let quiet = of(&|seed| stream::quiet(&world, seed, 4_000).take(MESSAGES).collect());
    let hostile = of(&|seed| stream::hostile(&world, seed, 4_000).take(MESSAGES).collect());
    let open: usize = player.engine.desk().open_incidents().values().sum();
    println!("| {} | {size} | {quiet:.0} | {hostile:.0} | {open} |", curve.name);
    Point { size, quiet, hostile }
}
