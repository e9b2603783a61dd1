//! What would bgpwarden have said? Reads recorded input, judges it, writes alerts to stdout.
//!
//! Dumps first, then all inputs merged by (time, position on the command line, place in the file). No clock is read:
//! the same files give the same bytes. Sinks that the configuration names get the alerts, too.

mod deliver;
mod merge;
mod report;

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use feeds::input::{self, Item, Reader, Use};
use indicatif::{ProgressBar, ProgressStyle};
use rules::bgp::Timestamp;
use rules::desk::Recording;
use rules::event::Event;
use rules::watch::Watch;

use crate::alert::WireContext;
use crate::cli;
use crate::config::Config;
use crate::data;
use crate::failure::Failure;
use crate::pipeline::{self, Extras, Intake, Totals};
use crate::sequencer::Sequencer;
use deliver::Delivering;
use merge::{Merged, Skipped};
use report::{Printer, Stats};

/// Outputs that are handled at once if they wait together: one transaction of the store.
const TOGETHER: usize = 1_024;

pub fn command(args: &cli::Replay) -> Result<(), Failure> {
    let config = match &args.config {
        Some(path) => Config::load(Some(path))?,
        None => Config::without_file(),
    };
    let rpki = data::rpki(&args.vrps, &args.aspas, None)?;
    let (relations, warnings) = data::relations(args.relations.as_deref(), args.siblings.as_deref())?;
    for warning in rpki.warnings.iter().chain(&warnings) {
        eprintln!("bgpwarden: {warning}");
    }
    let dumps = open_all(&args.rib, Use::Seed)?;
    let inputs = open_all(&args.inputs, Use::Updates)?;
    let context = WireContext { public_url: config.http.public_url.clone(), tlp: config.alerts.tlp };
    let mut delivering = Delivering::start(&config, &context)?;
    let mut printer = Printer::open(args, context)?;
    let shards = args.shards.map_or_else(pipeline::default_shards, usize::from);
    let routes = if args.routes.is_some() { Recording::WhenOver } else { Recording::Off };
    let extras = Extras { routes, memory: false };
    let engine = pipeline::start(config.alerts.settings(), shards, extras)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
    let mut outputs = engine.outputs;
    let feeder = Feeder {
        intake: engine.intake,
        sequencer: Sequencer::default(),
        hold_down_secs: config.alerts.hold_down_secs as i64,
        has_rpki: !(args.vrps.is_empty() && args.aspas.is_empty()),
        bar: progress_bar(&dumps, &inputs),
    };
    let watch = config.watch.compile(&config.alerts);
    let (from, to) = (args.from, args.to);
    let feeding = std::thread::Builder::new()
        .name("feeder".into())
        .spawn(move || feeder.run(dumps, inputs, rpki.delta, relations, watch, from, to))
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
    let mut broken = None;
    while let Some(mut batch) = outputs.blocking_recv() {
        while batch.len() < TOGETHER
            && let Ok(more) = outputs.try_recv()
        {
            batch.extend(more);
        }
        // A reader that went away ends the printing, not the counting.
        if broken.is_none() {
            broken = batch.iter().find_map(|output| printer.take(output).err());
        }
        if let Some(delivering) = &mut delivering {
            delivering.take(&batch)?;
        }
    }
    let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let totals = engine.threads.join();
    finish(args, printer, &fed, &totals, broken)?;
    delivering.map_or(Ok(()), Delivering::finish)
}

fn finish(
    args: &cli::Replay,
    mut printer: Printer,
    fed: &Fed,
    totals: &Totals,
    broken: Option<io::Error>,
) -> Result<(), Failure> {
    match broken.map_or_else(|| printer.finish(), Err) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("cannot write the alerts: {error}; what was written is whole lines")));
        }
        _ => {}
    }
    let stats = Stats::new(fed, totals, printer.severities());
    if let Some(path) = &args.stats {
        let text = stats.json();
        std::fs::write(path, text)
            .map_err(|error| Failure::failed(format!("cannot write \"{}\": {error}", path.display())))?;
    }
    eprint!("{}", stats.summary(fed));
    Ok(())
}

fn open_all(specs: &[String], used_as: Use) -> Result<Vec<Reader>, Failure> {
    specs.iter().map(|spec| input::open(spec, used_as).map_err(|error| Failure::failed(error.to_string()))).collect()
}

/// What was read, for the summary and `--stats`.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    pub counts: feeds::counts::Counts,
    pub skipped: Skipped,
    pub vantage_points: usize,
    pub seeded: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub vrps_as_of: Option<Timestamp>,
    pub vrps: usize,
}

/// Reads, merges and stamps; runs in a thread of its own so that decoding and judging overlap.
struct Feeder {
    intake: Intake,
    sequencer: Sequencer,
    hold_down_secs: i64,
    has_rpki: bool,
    bar: ProgressBar,
}

impl Feeder {
    #[allow(clippy::too_many_arguments, reason = "the inputs of one replay, each used once")]
    fn run(
        mut self,
        dumps: Vec<Reader>,
        inputs: Vec<Reader>,
        rpki: rules::rpki::Delta,
        relations: rules::relations::Relations,
        watch: Watch,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Fed {
        let mut fed = Fed { vrps_as_of: rpki.vrps.as_of, vrps: rpki.announced_vrps.len(), ..Fed::default() };
        let mut merged = Merged::new(inputs, from, to);
        let mut dumps = dumps.into_iter().map(Iterator::peekable).collect::<Vec<_>>();
        let first_dump = dumps.iter_mut().filter_map(|d| d.peek().map(|i| i.time)).min();
        // The clock starts with the news: history does not move it beyond them.
        let start = merged.first_time().or(first_dump).unwrap_or_default();
        if self.has_rpki {
            self.sequencer.push_own(Event::Rpki(Arc::new(rpki)), start);
        }
        if !relations.is_empty() {
            self.sequencer.push_own(Event::Relations(Arc::new(relations)), start);
        }
        self.sequencer.push_own(Event::Watch(Arc::new(watch)), start);
        self.seed(dumps, start, &mut merged, &mut fed);
        while let Some((source, item)) = merged.next(&self.sequencer) {
            let time = item.time;
            if !matches!(item.event, Event::Vantage(..)) {
                fed.first.get_or_insert(time);
                fed.last = Some(time);
            }
            if !self.push(source, item, time, merged.position()) {
                break;
            }
        }
        self.sequencer.end(self.hold_down_secs);
        self.flush();
        self.bar.finish_and_clear();
        fed.counts = merged.counts();
        fed.skipped = merged.skipped();
        fed.vantage_points = self.sequencer.vantage_points();
        fed
    }

    fn seed(&mut self, dumps: Vec<std::iter::Peekable<Reader>>, start: Timestamp, merged: &mut Merged, fed: &mut Fed) {
        if dumps.is_empty() {
            return;
        }
        let mut as_of = None;
        for (i, dump) in dumps.into_iter().enumerate() {
            let source = merged.sources() + i;
            let mut read = 0;
            for item in dump {
                as_of = as_of.max(Some(item.time));
                if let Event::Seed(update) = &item.event {
                    read += 1;
                    if let Some(vantage) = self.sequencer.number(source, update.vantage) {
                        merged.has_dump(vantage, item.time);
                    }
                }
                self.push(source, item, start, read);
            }
            fed.seeded += read;
        }
        self.sequencer.push_own(Event::SeedDone { as_of: as_of.unwrap_or(start) }, start);
        self.flush();
    }

    fn push(&mut self, source: usize, item: Item, at: Timestamp, position: u64) -> bool {
        self.sequencer.push(source, item, at);
        if self.sequencer.is_full() {
            self.bar.set_position(position);
            return self.flush();
        }
        true
    }

    fn flush(&mut self) -> bool {
        match self.sequencer.take() {
            Some(batch) => self.intake.blocking_send(&batch),
            None => true,
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(dumps: &[Reader], inputs: &[Reader]) -> ProgressBar {
    let total: u64 = inputs.iter().filter_map(|r| r.progress().1).sum();
    if total == 0 && dumps.is_empty() {
        return ProgressBar::no_length();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}

/// A buffered file for writing.
fn create(path: &std::path::Path) -> Result<BufWriter<std::fs::File>, Failure> {
    let file = std::fs::File::create(path)
        .map_err(|error| Failure::failed(format!("cannot write \"{}\": {error}", path.display())))?;
    Ok(BufWriter::new(file))
}

/// Lines of stdout in large writes.
fn stdout() -> Box<dyn Write + Send> {
    Box::new(BufWriter::with_capacity(1 << 16, io::stdout()))
}
