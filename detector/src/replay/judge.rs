//! What does the engine say to recorded input?
//!
//! The same engine as that of `run`, fed as fast as it can take it: dumps first, then all inputs merged by time.

use std::sync::Arc;

use feeds::input::{Item, Reader};
use indicatif::{ProgressBar, ProgressStyle};
use rules::bgp::Timestamp;
use rules::desk::{Output, Recording};
use rules::event::Event;
use rules::relations::Relations;
use rules::watch::Watch;

use super::merge::{Merged, Placed, Skipped};
use crate::config::Config;
use crate::failure::Failure;
use crate::pipeline::{self, Extras, Intake, Told, Totals};
use crate::sequencer::Sequencer;

/// Outputs that are handled at once if they wait together: one transaction of the store.
const TOGETHER: usize = 1_024;

/// All that a verdict depends on.
pub struct Case<'a> {
    pub dumps: Vec<Reader>,
    pub inputs: Vec<Reader>,
    pub has_rpki: bool,
    pub rpki: rules::rpki::Delta,
    pub relations: Relations,
    /// Watched networks and alert settings.
    pub config: &'a Config,
    pub shards: usize,
    /// Who held which offending route is wanted, too.
    pub routes: bool,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// What was left in the end.
pub struct Judged {
    pub fed: Fed,
    pub totals: Totals,
}

/// Reads and judges everything; what the engine gives out goes to `take`, in its order.
pub fn judge(case: Case<'_>, mut take: impl FnMut(Vec<Output>) -> Result<(), Failure>) -> Result<Judged, Failure> {
    let thread = |error| Failure::failed(format!("cannot start a thread: {error}"));
    let Case { dumps, inputs, rpki, relations, config, from, to, .. } = case;
    let routes = if case.routes { Recording::WhenOver } else { Recording::Off };
    let extras = Extras { routes, ..Extras::default() };
    let engine = pipeline::start(config.alerts.settings(), case.shards, extras).map_err(thread)?;
    let mut outputs = engine.outputs;
    let feeder = Feeder {
        intake: engine.intake,
        sequencer: Sequencer::default(),
        hold_down_secs: config.alerts.hold_down_secs as i64,
        has_rpki: case.has_rpki,
        bar: progress_bar(&dumps, &inputs),
    };
    let watch = config.watch.compile(&config.alerts);
    let feeding = std::thread::Builder::new()
        .name("feeder".into())
        .spawn(move || feeder.run(dumps, inputs, rpki, relations, watch, from, to))
        .map_err(thread)?;
    while let Some(Told { outputs: mut batch, .. }) = outputs.blocking_recv() {
        while batch.len() < TOGETHER
            && let Ok(more) = outputs.try_recv()
        {
            batch.extend(more.outputs);
        }
        take(batch)?;
    }
    let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let totals = engine.threads.join();
    Ok(Judged { fed, totals })
}

/// What was read, for the summary and `--stats`.
#[derive(Debug, Default)]
pub struct Fed {
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
        relations: Relations,
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
        while let Some(Placed { source, item, .. }) = merged.next(&self.sequencer) {
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
pub fn progress_bar(dumps: &[Reader], inputs: &[Reader]) -> ProgressBar {
    let total: u64 = inputs.iter().filter_map(|r| r.progress().1).sum();
    if total == 0 && dumps.is_empty() {
        return ProgressBar::no_length();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
