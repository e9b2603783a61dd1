//! What does this configuration mean, and who sees what it watches?

use std::fmt::Write as _;

use crate::cli;
use crate::config::Config;
use crate::data;
use crate::failure::Failure;
use crate::table;
use crate::watched::{MOST_TOLD, WatchedReport};

/// The configuration with every default, as a file of the same meaning; behind it how the watched prefixes stand.
pub fn command(args: &cli::Check) -> Result<String, Failure> {
    let config = Config::load(args.config.as_deref())?;
    let name = args.config.as_ref().map_or("without a file".to_owned(), |path| path.display().to_string());
    let mut text = format!("# {name}: fine. It means:\n\n{config}");
    for note in config.notes() {
        let _ = writeln!(text, "# note: {note}");
    }
    if !args.rib.is_empty() {
        text.push_str(&watched(args, &config)?);
    } else if !config.watch.is_empty() {
        text.push_str(
            "\n# Who sees the watched prefixes: give --rib FILE, or ask a running bgpwarden at /api/v1/watched\n",
        );
    }
    Ok(text)
}

fn watched(args: &cli::Check, config: &Config) -> Result<String, Failure> {
    let vrps = if args.vrps.is_empty() { &config.rpki.files } else { &args.vrps };
    let rpki = data::rpki(vrps, &[], None)?;
    rpki.warnings.iter().for_each(|warning| eprintln!("bgpwarden: {warning}"));
    let vrp_names: Vec<_> = vrps.iter().map(|path| path.display().to_string()).collect();
    let vrp_names = if vrp_names.is_empty() { "no VRPs".to_owned() } else { vrp_names.join(", ") };
    let mut table = table::read(&args.rib, rpki.delta, config.watch.compile(&config.alerts))?;
    let full_feed = table.engine.full_feed();
    let answers = table.engine.shards().iter().map(|shard| shard.watched(&full_feed, MOST_TOLD)).collect();
    let report = WatchedReport::new(answers, &full_feed);
    let as_of = table.as_of.map_or_else(|| "empty".to_owned(), |time| time.to_string());
    let mut text = format!("\n# Watched prefixes in {} (as of {as_of}), by {vrp_names}:\n", args.rib.join(", "));
    for line in report.text().lines() {
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(
        text,
        "# {} seen, {} seen by nobody, {} signed and not announced",
        report.seen, report.unseen, report.unannounced
    );
    Ok(text)
}
