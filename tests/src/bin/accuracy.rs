//! Measures the verdicts and fails on a drop: `accuracy [classic] [stories] [worlds] [relations] [noise] [--worlds N] [--updates N]`.
//! Without a source, all of them.

use std::process::ExitCode;
use std::time::Instant;

use tests::table::Table;
use tests::worlds::Size;
use tests::{classic, noise, relations, stories, worlds};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let size = match size(&args) {
        Ok(size) => size,
        Err(what) => {
            eprintln!("accuracy: {what}; see the head of tests/src/bin/accuracy.rs");
            return ExitCode::from(2);
        }
    };
    let named = |source: &str| args.iter().any(|a| a == source);
    let is_any_named = SOURCES.iter().any(|s| named(s));
    let mut table = Table::default();
    for source in SOURCES {
        if !named(source) && is_any_named {
            continue;
        }
        let since = Instant::now();
        match source {
            "classic" => classic::measure(&mut table),
            "stories" => stories::measure(&mut table),
            "relations" => relations::measure(&mut table),
            "worlds" => worlds::measure(size, &mut table),
            _ => noise::measure(&mut table),
        }
        table.line(format!("({source}: {:.0} s)", since.elapsed().as_secs_f64()));
    }
    if table.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const SOURCES: [&str; 5] = ["classic", "stories", "worlds", "relations", "noise"];

fn size(args: &[String]) -> Result<Size, String> {
    let mut size = Size::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).ok_or_else(|| format!("{arg} wants a number"));
        match arg.as_str() {
            "--worlds" => size.worlds = number()?,
            "--updates" => size.quiet_updates = number()?,
            source if SOURCES.contains(&source) => {}
            other => return Err(format!("\"{other}\" is no source and no option")),
        }
    }
    Ok(size)
}
