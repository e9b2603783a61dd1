//! What happened, message by message, and is it so?
//!
//! ```text
//!  question ──> sources ──> engine: incidents ──> the one in question ─┐
//!  (prefix, AS,  (files,    (replay::judge)                            ├─> case ──> timeline, spread, hops, controls,
//!   incident,     archive)                                             │            conclusion ──> report
//!   event)            └───> gather: messages with their places ────────┘
//! ```
//! The inputs are read twice: by the engine, which judges them as `replay` does, and for the trail of the prefixes that the
//! verdict is about. Nothing is judged here anew: the routes in question are those that the engine found offending or, where
//! it told of nothing, those that a claim names. No clock is read and nothing random is in it.

mod case;
mod conclude;
mod controls;
mod event;
mod gaps;
mod gather;
mod hops;
mod manrs;
mod question;
mod report;
mod sources;
mod spans;
mod spread;
mod tell;
#[cfg(test)]
mod testing;
mod timeline;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rules::alert::{Alert, Class};
use rules::bgp::{Family, Timestamp};
use rules::desk::{Output, RouteNews};

use crate::cli::{self, ReportFormat};
use crate::config::Config;
use crate::data;
use crate::failure::Failure;
use crate::pipeline;
use crate::replay::judge::{self, Judged, judge};
use case::{Case, Offending, Terms};
use gather::{Scope, gather};
use hops::Laws;
use question::{PREFIXES, Question};
use report::Report;
use sources::{Role, Sources};

/// `bgpwarden investigate`: what goes to stdout.
pub fn command(args: &cli::Investigate) -> Result<String, Failure> {
    let report = investigate(args)?;
    for (path, form) in
        [(&args.html, ReportFormat::Html), (&args.markdown, ReportFormat::Markdown), (&args.json, ReportFormat::Json)]
    {
        if let Some(path) = path {
            write(path, &form_of(&report, form)?)?;
        }
    }
    form_of(&report, args.format)
}

fn form_of(report: &Report, form: ReportFormat) -> Result<String, Failure> {
    match form {
        ReportFormat::Text => Ok(report::text::text(report)),
        ReportFormat::Json => Ok(report.json()),
        ReportFormat::Markdown => Ok(report::markdown::markdown(report)),
        ReportFormat::Html => {
            report::html::html(report).map_err(|error| Failure::failed(format!("cannot make the page: {error}")))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::failed(format!("cannot write \"{}\": {error}", path.display())))
}

/// What the engine said of all that was read.
struct Told {
    incidents: Vec<Arc<Alert>>,
    offending: Offending,
    judged: Judged,
}

fn investigate(args: &cli::Investigate) -> Result<Report, Failure> {
    let question = Question::of(args)?;
    let config = match &args.config {
        Some(path) => Config::load(Some(path))?,
        None => Config::without_file(),
    };
    let rpki = data::rpki(&args.vrps, &args.aspas, None)?;
    let (relations, warnings) = data::relations(args.relations.as_deref(), args.siblings.as_deref())?;
    for warning in rpki.warnings.iter().chain(&warnings) {
        eprintln!("bgpwarden: {warning}");
    }
    let laws =
        Laws { rpki: rpki.snapshot(), has_vrps: !args.vrps.is_empty(), has_aspas: !args.aspas.is_empty(), relations };
    let sources = Sources::gather(args, &inputs(args), question.from, question.to)?;
    eprintln!("bgpwarden: judging {} inputs", sources.list.len());
    let told = judged(args, &config, &question, &sources, rpki.delta.clone(), &laws)?;
    let main = main_incident(&question, &told.incidents);
    let scope = scope(&question, main);
    eprintln!("bgpwarden: gathering messages about {}", described(&scope));
    let trail = gather(&sources, &scope, question.to)?;
    let family = scope.prefixes.first().map_or(Family::Ipv4, Family::of);
    let terms = Terms {
        alert: main,
        claim: question.claim.as_ref(),
        offending: &told.offending,
        from: question.from,
        to: question.to,
        full_feed: trail.full_feed(family),
    };
    let case = Case::new(&trail, terms);
    Ok(tell::report(&tell::Ground {
        question: &question,
        must: must(args, &question),
        told: &told,
        main,
        case: &case,
        laws: &laws,
        rpki: &rpki.delta,
        holes: &sources.holes,
        family,
    }))
}

/// With --event there is no other question, so the first word is an input as well.
fn inputs(args: &cli::Investigate) -> Vec<String> {
    let first = args.what.iter().filter(|_| args.event.is_some());
    first.chain(&args.inputs).cloned().collect()
}

fn judged(
    args: &cli::Investigate,
    config: &Config,
    question: &Question,
    sources: &Sources,
    rpki: rules::rpki::Delta,
    laws: &Laws,
) -> Result<Told, Failure> {
    let case = judge::Case {
        dumps: sources.open(Role::Dump)?,
        inputs: sources.open(Role::Updates)?,
        has_rpki: laws.has_vrps || laws.has_aspas,
        rpki,
        relations: laws.relations.clone(),
        config,
        shards: args.shards.map_or_else(pipeline::default_shards, usize::from),
        routes: true,
        from: None,
        to: question.to,
    };
    let mut last: BTreeMap<String, Arc<Alert>> = BTreeMap::new();
    let mut offending = Offending::default();
    let judged = judge(case, |outputs| {
        for output in outputs {
            match output {
                Output::Alert(alert) if question.meets(&alert) => drop(last.insert(alert.id.clone(), alert)),
                Output::Route(news) => match *news {
                    RouteNews::Route(record) if question.touches(&record.prefix) => offending.add(&record),
                    _ => {}
                },
                Output::Alert(_) | Output::Chapter(_) | Output::Checkpoint(_) => {}
            }
        }
        Ok(())
    })?;
    let mut incidents: Vec<Arc<Alert>> = last.into_values().collect();
    incidents.sort_by_cached_key(|alert| rank(question, alert));
    Ok(Told { incidents, offending, judged })
}

type Rank = (bool, bool, bool, Reverse<rules::alert::Severity>, Reverse<i32>, Timestamp, String);

/// What is blamed by the claim comes first, then what is exactly about the prefix, then the gravest, then the earliest.
fn rank(question: &Question, alert: &Alert) -> Rank {
    let claim = question.claim.as_ref();
    let is_blamed = claim.is_none_or(|claim| claim.suspects.iter().any(|asn| alert.suspect_ases.contains(asn)));
    let is_exact = question.prefixes.is_empty() || question.prefixes.iter().any(|p| alert.prefixes.contains(p));
    let (severity, score) = (Reverse(alert.severity), Reverse(alert.score));
    (!is_blamed, is_own(alert.class), !is_exact, severity, score, alert.started, alert.id.clone())
}

/// Nobody did it to anybody: it happened to a network by itself.
fn is_own(class: Class) -> bool {
    use Class::{AspaMisconfig, NewPrefix, NewUpstream, RoaExpiring, RpkiInvalidOwn, VisibilityLoss};
    matches!(class, AspaMisconfig | NewPrefix | NewUpstream | RoaExpiring | RpkiInvalidOwn | VisibilityLoss)
}

fn main_incident<'a>(question: &Question, incidents: &'a [Arc<Alert>]) -> Option<&'a Alert> {
    let first = incidents.first().map(|alert| &**alert)?;
    // What happened to a network by itself is no answer to a claim that somebody did it.
    (question.claim.is_none() || !is_own(first.class)).then_some(first)
}

/// The prefixes asked for; of an AS those of its incident or, without one, whatever it originates.
fn scope(question: &Question, main: Option<&Alert>) -> Scope {
    let of_incident = main.into_iter().flat_map(|alert| alert.prefixes.iter().copied());
    let mut prefixes: BTreeSet<_> = question.prefixes.iter().copied().collect();
    if prefixes.is_empty() {
        prefixes.extend(of_incident.take(PREFIXES));
    }
    let asns = if prefixes.is_empty() { question.asns.clone() } else { Vec::new() };
    Scope { prefixes: prefixes.into_iter().collect(), asns }
}

fn described(scope: &Scope) -> String {
    match (scope.prefixes.as_slice(), scope.asns.as_slice()) {
        ([prefix], _) => prefix.to_string(),
        ([first, rest @ ..], _) => format!("{first} and {} more", rest.len()),
        ([], [asn, ..]) => format!("what {asn} originates"),
        ([], []) => "nothing".to_owned(),
    }
}

/// What the data must cover: the window as it was asked for, else the event as it is claimed.
fn must(args: &cli::Investigate, question: &Question) -> (Option<Timestamp>, Option<Timestamp>) {
    let claim = question.claim.as_ref();
    let started = claim.and_then(|claim| claim.started);
    let ended = claim.and_then(|claim| claim.ended);
    (args.from.or(started), args.to.or(ended))
}
