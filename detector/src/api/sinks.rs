//! Where alerts go: does it really arrive there, and what becomes of what was refused for good?

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::parameters::Parameters;
use super::problem::Problem;
use crate::http::Site;
use crate::http::guard::Caller;
use crate::sink::dispatch::Settling;
use crate::sink::trial::{Outcome, PAUSE, TooSoon, Trial, next_step};
use crate::store::dead_letters::{self, Act, Record};
use crate::text;

/// Dead letters of one answer; the store keeps more.
const LISTED: usize = 200;

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tested {
    sink: String,
    /// webhook, slack, alertmanager, email or syslog.
    kind: &'static str,
    time: String,
    delivered: bool,
    /// The beginning of what was answered, or why it was not taken.
    answer: String,
    /// Why not, as in `bgpwarden_sink_failures_total`; null if it was delivered.
    reason: Option<&'static str>,
    /// What can be done about it; null if it was delivered.
    next_step: Option<String>,
}

impl Tested {
    fn of(trial: &Trial, outcome: Outcome) -> Self {
        let (sink, kind, time) = (trial.name(), trial.kind(), outcome.at.to_string());
        let (delivered, reason) = (outcome.answer.is_ok(), outcome.answer.as_ref().err().map(|refusal| refusal.reason));
        let answer = outcome.answer.unwrap_or_else(|refusal| refusal.error);
        let next_step = reason.map(|reason| next_step(reason, &sink));
        Self { sink, kind, time, delivered, answer, reason: reason.map(|reason| reason.word()), next_step }
    }
}

/// Send one marked message through a route, and say what was answered
///
/// It goes the way that alerts go, in one attempt; nothing is kept of it. A route can be tested every five seconds.
#[utoipa::path(post, path = "/api/v1/sinks/{name}/test", operation_id = "test", tag = "instance",
    params(("name" = String, Path, description = "Of a route, as in the status")),
    responses(
        (status = 200, description = "It was sent; `delivered` says whether it was taken", body = Tested),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role triage is needed", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such route", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "It was tested a moment ago", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn test(
    State(site): State<Site>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Tested>, Problem> {
    let trial = trial(&site, &name)?;
    Ok(Json(Tested::of(trial, run(trial, caller.name).await?)))
}

/// The route of that name.
pub fn trial<'s>(site: &'s Site, name: &str) -> Result<&'s Trial, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "no route is called so; files, Kafka and stdout have no test");
    site.trials.iter().find(|trial| trial.name() == name).ok_or_else(none)
}

/// Sends a test as `by`, unless one was sent a moment ago.
pub async fn run(trial: &Trial, by: Arc<str>) -> Result<Outcome, Problem> {
    trial.run(by).await.map_err(|TooSoon| {
        let secs = PAUSE.as_secs();
        Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("a route is tested at most every {secs} s; try again then"))
    })
}

/// What a receiver refused for good.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetters {
    count: usize,
    dead_letters: Vec<DeadLetter>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetter {
    /// `id/sequence` of the alert, or `id/time` of the notice: under this id it was sent, and is sent again.
    id: String,
    error: String,
    refused: String,
    /// sent_again, dismissed, or overtaken by something newer that was taken; null: it lies there.
    fate: Option<&'static str>,
    /// When and by whose token.
    settled: Option<String>,
    by: Option<String>,
}

impl From<Record> for DeadLetter {
    fn from(record: Record) -> Self {
        let Record { letter, refused, settled } = record;
        let (fate, at, by) = match settled {
            Some((fate, at, by)) => (Some(fate.word()), Some(at.to_string()), Some(text::plain(&by, 64))),
            None => (None, None, None),
        };
        Self { id: letter.id, error: letter.error, refused: refused.to_string(), fate, settled: at, by }
    }
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Settled {
    /// Wait to be delivered again.
    sent_again: u64,
    /// Not sent, since the receiver took something newer of the same incident.
    overtaken: u64,
    dismissed: u64,
    /// Lie there still: at most 1,000 are settled at once.
    left: u64,
}

impl From<dead_letters::Settled> for Settled {
    fn from(settled: dead_letters::Settled) -> Self {
        let dead_letters::Settled { sent_again, overtaken, dismissed, left, .. } = settled;
        Self { sent_again, overtaken, dismissed, left }
    }
}

/// What a sink refused for good, the newest first, and what became of it
#[utoipa::path(get, path = "/api/v1/sinks/{name}/dead-letters", operation_id = "dead_letters", tag = "instance",
    params(("name" = String, Path, description = "Of a sink or route, as in the status")),
    responses(
        (status = 200, description = "The newest 200", body = DeadLetters),
        (status = 400, description = "A parameter is unknown", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such sink", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn dead_letters(
    State(site): State<Site>,
    Path(name): Path<String>,
    given: Parameters,
) -> Result<Json<DeadLetters>, Problem> {
    given.finish()?;
    let found = site.store.dead_letters(sink(&site, &name)?, LISTED).await?;
    let dead_letters: Vec<_> = found.into_iter().map(DeadLetter::from).collect();
    Ok(Json(DeadLetters { count: dead_letters.len(), dead_letters }))
}

/// Send again what a sink refused for good
///
/// The oldest 1,000, in their order and under the same ids. What is overtaken, since the sink took something newer of the same
/// incident, stays in the history alone. It is written down who did it.
#[utoipa::path(post, path = "/api/v1/sinks/{name}/dead-letters/again", operation_id = "again", tag = "instance",
    params(("name" = String, Path, description = "Of a sink or route, as in the status")),
    responses(
        (status = 200, description = "They wait to be delivered", body = Settled),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role triage is needed", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such sink", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn again(
    State(site): State<Site>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Settled>, Problem> {
    settle(&site, &name, Act::SendAgain, &caller).await.map(Json)
}

/// Dismiss what a sink refused for good: nobody needs it there any more
///
/// The oldest 1,000. They stay in the list, and it is written down who did it.
#[utoipa::path(post, path = "/api/v1/sinks/{name}/dead-letters/dismiss", operation_id = "dismiss", tag = "instance",
    params(("name" = String, Path, description = "Of a sink or route, as in the status")),
    responses(
        (status = 200, description = "They are no trouble any more", body = Settled),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role triage is needed", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such sink", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn dismiss(
    State(site): State<Site>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Settled>, Problem> {
    settle(&site, &name, Act::Dismiss, &caller).await.map(Json)
}

/// As the holder of a token says.
pub async fn settle(site: &Site, name: &str, act: Act, caller: &Caller) -> Result<Settled, Problem> {
    let (reply, answer) = oneshot::channel();
    let asked = Settling { sink: sink(site, name)?.clone(), act, by: caller.name.clone(), reply };
    let busy = || Problem::busy("others are at it, or it is about to stop; try again");
    site.settle.try_send(asked).map_err(|_| busy())?;
    Ok(answer.await.map_err(|_| busy())??.into())
}

/// By the name that the status says.
fn sink<'s>(site: &'s Site, name: &str) -> Result<&'s Arc<str>, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "no sink is called so; /api/v1/status names them");
    site.sinks.iter().find(|sink| text::plain(sink, 64) == name).ok_or_else(none)
}
