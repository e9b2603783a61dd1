//! Where alerts go: does it really arrive there?

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::http::Site;
use crate::http::guard::Caller;
use crate::sink::trial::{Outcome, PAUSE, TooSoon, Trial, next_step};

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
