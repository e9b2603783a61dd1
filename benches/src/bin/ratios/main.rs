//! The numbers of benches/README.md, measured in one run: `cargo run --release -p benches --bin ratios`, or only
//! those whose names follow. `--pass NAME --times N` does the work of one of them and nothing else, for profilers.

mod instructions;
mod memory;
mod mrt;
mod ris_live;
mod row;
mod shards;
mod watched;

use clap::Parser;
use row::{Outcome, Row};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Args {
    /// Rows to measure; all if none is named.
    rows: Vec<String>,
    /// Rounds of each measurement: what is compared runs by turns.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Size of the invented world, 1 being the Internet seen by 30 full feeds.
    #[arg(long, default_value_t = 0.25)]
    world: f64,
    /// Does the work of a row so many times, without measuring it.
    #[arg(long)]
    pass: Option<String>,
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// What a pass reads in place of its file: the same, unpacked.
    #[arg(long)]
    input: Option<std::path::PathBuf>,
}

/// What is promised, in the order it is.
const ROWS: &[Row] = &[
    Row::gain("steady", "MRT, all rules, real updates, steady / decode-only", 1.4, 2.3, mrt::steady),
    Row::gain("cold", "the same, cold single pass", 0.8, 1.2, mrt::cold),
    Row::gain("harsh", "the same, invented stream as harsh as that of the floors", 1.0, 1.6, mrt::harsh),
    Row::gain("hostile", "the same, hostile stream", 1.0, 1.6, mrt::hostile),
    Row::cost("instructions", "instructions an element / decode-only", 0.45, 0.25, instructions::steady),
    Row::gain("ris_live", "RIS Live frames to verdicts / parse-only", 1.5, 2.4, ris_live::frames),
    Row::cost("bytes2014", "bytes a route, all in, real RIB of 2014", 50.0, 34.0, memory::of_2014),
    Row::cost("bytes2010", "the same, RIB of 2010", 50.0, 34.0, memory::of_2010),
    Row::gain("shards", "2 shards / 1, wall, pre-decoded batches", 1.25, 1.8, shards::two),
    Row::cost("watched", "a million watched prefixes / none, real updates, steady", 1.1, 1.0, watched::watched),
    Row::gain("dump", "RIB dump load / decode-only", 1.3, 2.0, mrt::dump),
];

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if let Some(pass) = &args.pass {
        return do_pass(pass, &args);
    }
    if let Some(stranger) = args.rows.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no row is called \"{stranger}\"; there are: {}", names.join(", ")).into());
    }
    let wanted = |row: &Row| args.rows.is_empty() || args.rows.iter().any(|name| name == row.name);
    let mut table = Vec::new();
    for row in ROWS.iter().filter(|row| wanted(row)) {
        let figure = (row.measure)(&args)?;
        println!("{}: {figure}", row.name);
        table.push(Outcome { row, figure });
    }
    println!("\n{}", row::HEAD);
    table.iter().for_each(|outcome| println!("{outcome}"));
    Ok(())
}

fn do_pass(name: &str, args: &Args) -> Result<(), Failure> {
    match name {
        "decode" => mrt::pass_decode(args.times),
        "steady" => mrt::pass_steady(args.times),
        "cold" => mrt::pass_cold(args.times),
        "harsh" => mrt::pass_harsh(args),
        "hostile" => mrt::pass_hostile(args),
        "ris_live" => ris_live::pass(args.times),
        "watched" => watched::pass(args.times),
        "bytes2014" => memory::pass(memory::RIB_2014, args),
        "bytes2010" => memory::pass(memory::RIB_2010, args),
        _ => {
            Err("a pass is one of decode, steady, cold, harsh, hostile, ris_live, watched, bytes2014, bytes2010".into())
        }
    }
}
