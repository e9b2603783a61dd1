//! How do feeds, data, queues and sinks fare, and what can be done about it?

use askama::Template;
use axum::response::Response;

use super::{moment, page};
use crate::health::{BaselineState, Readiness, Report, SinkReport};
use crate::sink::trial::{Outcome, Trial, next_step};
use crate::text;

#[derive(Template)]
#[template(path = "health.html")]
struct Health<'a> {
    report: &'a Report,
    readiness: Readiness,
    learning: bool,
    sinks: Vec<SinkRow<'a>>,
    has_routes: bool,
    /// Whoever looks may press the buttons.
    may_triage: bool,
}

/// Where alerts go.
struct SinkRow<'a> {
    sink: &'a SinkReport,
    /// None: files, Kafka and stdout have no test.
    test: Option<Test>,
}

/// The last test of a route.
struct Test {
    /// When and by whom.
    said: Option<String>,
    delivered: bool,
    /// What was answered, or what is wrong.
    answer: String,
    next_step: String,
}

impl Test {
    fn of(trial: &Trial) -> Self {
        let none = || Self { said: None, delivered: true, answer: String::new(), next_step: String::new() };
        trial.last().map_or_else(none, |outcome| Self::after(outcome, &trial.name()))
    }

    fn after(outcome: Outcome, name: &str) -> Self {
        let said = Some(format!("{} by {}", moment(outcome.at), text::plain(&outcome.by, 64)));
        let plain = |text: &str| text::plain(text, 256);
        match outcome.answer {
            Ok(answer) => Self { said, delivered: true, answer: plain(&answer), next_step: String::new() },
            Err(refusal) => Self {
                said,
                delivered: false,
                answer: plain(&refusal.error),
                next_step: next_step(refusal.reason, name),
            },
        }
    }
}

/// Feeds, peers, gaps, data, queues and sinks.
pub fn health(report: &Report, trials: &[Trial], may_triage: bool) -> Response {
    let trial_of = |name: &str| trials.iter().find(|trial| trial.name() == name);
    let row = |sink| SinkRow { sink, test: trial_of(&sink.name).map(Test::of) };
    page(&Health {
        report,
        readiness: report.readiness(),
        learning: report.baseline != BaselineState::Ready,
        sinks: report.sinks.iter().map(row).collect(),
        has_routes: !trials.is_empty(),
        may_triage,
    })
}
