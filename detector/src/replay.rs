//! What would bgpwarden have said? Reads recorded input, judges it, writes alerts to stdout.
//!
//! Dumps first, then all inputs merged by (time, position on the command line, place in the file). No clock is read:
//! the same files give the same bytes. Sinks that the configuration names get the alerts, too.

mod deliver;
pub(crate) mod judge;
pub(crate) mod merge;
mod report;

use std::io::{self, BufWriter, Write};

use feeds::input::{self, Reader, Use};

use crate::alert::WireContext;
use crate::cli;
use crate::data::{self, Given};
use crate::failure::Failure;
use crate::pipeline::{self, Totals};
use deliver::Delivering;
use judge::{Case, Fed, Judged, judge};
use report::{Printer, Stats};

pub fn command(args: &cli::Replay) -> Result<(), Failure> {
    let groups = (args.relations.as_deref(), args.siblings.as_deref());
    let Given { config, rpki, relations } = Given::read(args.config.as_deref(), (&args.vrps, &args.aspas), groups)?;
    let dumps = open_all(&args.rib, Use::Seed)?;
    let inputs = open_all(&args.inputs, Use::Updates)?;
    let names = data::names(args.siblings.as_deref())?;
    let context = WireContext { public_url: config.http.public_url.clone(), tlp: config.alerts.tlp, names };
    let mut delivering = Delivering::start(&config, &context)?;
    let mut printer = Printer::open(args, context)?;
    let case = Case {
        dumps,
        inputs,
        has_rpki: !(args.vrps.is_empty() && args.aspas.is_empty()),
        rpki: rpki.delta,
        relations,
        config: &config,
        shards: pipeline::shards(args.shards.map(usize::from)),
        routes: args.routes.is_some(),
        from: args.from,
        to: args.to,
    };
    let mut broken = None;
    let Judged { fed, totals } = judge(case, |batch| {
        // A reader that went away ends the printing, not the counting.
        if broken.is_none() {
            broken = batch.iter().find_map(|output| printer.take(output).err());
        }
        delivering.as_mut().map_or(Ok(()), |delivering| delivering.take(&batch))
    })?;
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

pub(crate) fn open_all(specs: &[String], used_as: Use) -> Result<Vec<Reader>, Failure> {
    specs.iter().map(|spec| input::open(spec, used_as).map_err(|error| Failure::failed(error.to_string()))).collect()
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
