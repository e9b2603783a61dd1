//! What `replay` writes: alerts, route lines, counts, and a summary for a person.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use rules::alert::{Alert, Severity};
use rules::desk::{Output, RouteNews};
use serde::Serialize;

use super::judge::Fed;
use crate::alert::{WireContext, to_json};
use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::pipeline::Totals;
use crate::route::RouteLine;

/// Writes alerts as they come, or the last one of each incident at the end.
pub struct Printer {
    out: Box<dyn Write + Send>,
    routes: Option<io::BufWriter<std::fs::File>>,
    format: Format,
    context: WireContext,
    only_final: bool,
    /// By order of opening.
    last: Vec<Arc<Alert>>,
    index: HashMap<String, usize>,
}

impl Printer {
    pub fn open(args: &cli::Replay, context: WireContext) -> Result<Self, Failure> {
        Ok(Self {
            out: super::stdout(),
            routes: args.routes.as_deref().map(super::create).transpose()?,
            format: args.format,
            context,
            only_final: args.only_final,
            last: Vec::new(),
            index: HashMap::new(),
        })
    }

    pub fn take(&mut self, output: &Output) -> io::Result<()> {
        match output {
            Output::Alert(alert) => self.alert(alert),
            Output::Route(news) => self.route(news),
            Output::Chapter(_) | Output::Checkpoint(_) => Ok(()),
        }
    }

    fn alert(&mut self, alert: &Arc<Alert>) -> io::Result<()> {
        match self.index.get(&alert.id) {
            Some(&i) => self.last[i] = alert.clone(),
            None => {
                self.index.insert(alert.id.clone(), self.last.len());
                self.last.push(alert.clone());
            }
        }
        if self.only_final { Ok(()) } else { self.print(alert) }
    }

    fn print(&mut self, alert: &Alert) -> io::Result<()> {
        match self.format {
            Format::Ndjson => writeln!(self.out, "{}", to_json(alert, &self.context)),
            Format::Text => writeln!(self.out, "{}", line(alert)),
        }
    }

    fn route(&mut self, news: &RouteNews) -> io::Result<()> {
        let (Some(out), RouteNews::Route(record)) = (&mut self.routes, news) else { return Ok(()) };
        serde_json::to_writer(&mut *out, &RouteLine::from(record))?;
        out.write_all(b"\n")
    }

    pub fn finish(&mut self) -> io::Result<()> {
        if self.only_final {
            for alert in std::mem::take(&mut self.last) {
                self.print(&alert)?;
                self.last.push(alert);
            }
        }
        if let Some(routes) = &mut self.routes {
            routes.flush()?;
        }
        self.out.flush()
    }

    /// Incidents by the severity they ended with.
    pub fn severities(&self) -> BTreeMap<&'static str, u64> {
        let mut counts: BTreeMap<&'static str, u64> = Severity::ALL.iter().map(|s| (s.word(), 0)).collect();
        for alert in &self.last {
            *counts.entry(alert.severity.word()).or_default() += 1;
        }
        counts
    }
}

/// One alert as a line for a person.
pub fn line(alert: &Alert) -> String {
    let title = crate::text::plain(&alert.title, rules::limits::TITLE);
    format!("{} {:<9} {:<8} {} [{}]", alert.time, alert.transition, alert.severity, title, alert.id)
}

/// Counts of a replay; the keys are a contract.
#[derive(Serialize)]
pub struct Stats {
    elements: u64,
    announced: u64,
    withdrawn: u64,
    peers: usize,
    prefixes: usize,
    otc: u64,
    rov: RovStats,
    errors: BTreeMap<&'static str, u64>,
    skipped: u64,
    baseline: &'static str,
    incidents: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct RovStats {
    valid: u64,
    invalid: u64,
    not_found: u64,
    not_evaluated: u64,
}

impl Stats {
    pub fn new(fed: &Fed, totals: &Totals, incidents: BTreeMap<&'static str, u64>) -> Self {
        let counts = &fed.counts;
        let skipped = fed.skipped;
        let mut errors = counts.errors.clone();
        if skipped.time_jump > 0 {
            errors.insert("time_jump", skipped.time_jump);
        }
        Self {
            elements: counts.elements,
            announced: counts.announced,
            withdrawn: counts.withdrawn,
            peers: fed.vantage_points,
            prefixes: totals.prefixes,
            otc: counts.otc,
            rov: RovStats {
                valid: totals.rov.valid,
                invalid: totals.rov.invalid,
                not_found: totals.rov.not_found,
                not_evaluated: totals.rov.not_evaluated,
            },
            errors,
            skipped: counts.skipped + skipped.before_dump + skipped.outside,
            baseline: if totals.is_learning { "learning" } else { "ready" },
            incidents,
        }
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// A few lines for a person.
    pub fn summary(&self, fed: &Fed) -> String {
        let mut text = String::new();
        let span = match (fed.first, fed.last) {
            (Some(first), Some(last)) => format!(" from {first} to {last}"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "bgpwarden: {} elements ({} announced, {} withdrawn) of {} vantage points, {} prefixes{span}",
            self.elements, self.announced, self.withdrawn, self.peers, self.prefixes
        );
        if self.baseline == "learning" {
            text.push_str(
                "bgpwarden: no baseline, so still learning: hijacks are not called; give a RIB dump with --rib\n",
            );
        } else {
            let _ = writeln!(text, "bgpwarden: baseline of {} RIB entries", fed.seeded);
        }
        if let (Some(as_of), Some(last)) = (fed.vrps_as_of, fed.last) {
            let days = as_of.secs_since(last).abs() / 86_400.0;
            let _ = writeln!(text, "bgpwarden: {} VRPs as of {as_of}, {days:.1} days from the data", fed.vrps);
        }
        let errors: Vec<String> = self.errors.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        if !errors.is_empty() {
            let _ = writeln!(text, "bgpwarden: malformed input passed over: {}", errors.join(", "));
        }
        if fed.skipped.before_dump > 0 {
            let _ = writeln!(text, "bgpwarden: {} updates older than the dump left out", fed.skipped.before_dump);
        }
        let incidents: Vec<String> =
            self.incidents.iter().filter(|(_, n)| **n > 0).map(|(s, n)| format!("{n} {s}")).collect();
        let incidents = if incidents.is_empty() { "none".to_owned() } else { incidents.join(", ") };
        let _ = writeln!(text, "bgpwarden: incidents: {incidents}");
        text
    }
}
