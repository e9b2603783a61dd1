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
mod meant;
mod question;
mod report;
mod sources;
mod spans;
mod spread;
mod tell;
#[cfg(test)]
mod testing;
mod timeline;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rules::alert::Alert;
use rules::bgp::{Family, Timestamp};
use rules::desk::{Output, RouteNews};

use crate::cli::{self, ReportFormat};
use crate::config::Config;
use crate::data::Given;
use crate::failure::Failure;
use crate::pipeline;
use crate::replay::judge::{self, Judged, judge};
use case::{Case, Offending, Terms};
use gather::{Scope, gather};
use hops::Laws;
use meant::{Meant, is_own};
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
    let groups = (args.relations.as_deref(), args.siblings.as_deref());
    let Given { config, rpki, relations } = Given::read(args.config.as_deref(), (&args.vrps, &args.aspas), groups)?;
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
        prefixes_left_out: scope.prefixes_left_out,
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
        shards: pipeline::shards(args.shards.map(usize::from)),
        routes: true,
        from: None,
        to: question.to,
    };
    let mut meant = Meant::default();
    let mut offending = Offending::default();
    let judged = judge(case, |outputs| {
        for output in outputs {
            match output {
                Output::Alert(alert) => meant.take(question, alert),
                Output::Route(news) => match *news {
                    RouteNews::Route(record) if question.touches(&record.prefix) => offending.add(question, &record),
                    _ => {}
                },
                Output::Chapter(_) | Output::Checkpoint(_) => {}
            }
        }
        Ok(())
    })?;
    Ok(Told { incidents: meant.incidents(question, &offending), offending, judged })
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
    let of_main = || main.map_or(0, |alert| alert.prefix_count.saturating_sub(prefixes.len()));
    let prefixes_left_out = if question.prefixes.is_empty() { of_main() } else { question.prefixes_left_out };
    let asns = if prefixes.is_empty() { question.asns.clone() } else { Vec::new() };
    Scope { prefixes: prefixes.into_iter().collect(), prefixes_left_out, asns }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;

    #[test]
    fn prefixes_of_an_incident_that_are_not_followed_are_counted() {
        let prefixes: Vec<_> = (0..300_u32).map(|i| testing::prefix(&format!("2001:db8:{i:x}::/48"))).collect();
        let alert = Alert { prefixes, prefix_count: 1_200, ..samples::opened() };
        let by_as = testing::anything();
        let by_main = scope(&by_as, Some(&alert));
        assert_eq!((by_main.prefixes.len(), by_main.prefixes_left_out), (PREFIXES, 1_200 - PREFIXES));
        let by_id = Question::told(&alert);
        let by_id = scope(&by_id, Some(&alert));
        assert_eq!((by_id.prefixes.len(), by_id.prefixes_left_out), (PREFIXES, 1_200 - PREFIXES));
        let by_prefix = Question { prefixes: vec![alert.prefixes[0]], ..by_as };
        assert_eq!(scope(&by_prefix, Some(&alert)).prefixes_left_out, 0, "no more was asked for");
    }
}
