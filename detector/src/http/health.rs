//! The page of how it fares, and what can be done there: plain forms that lead back to it.

use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Site;
use super::guard::Caller;
use crate::api::problem::Problem;
use crate::api::sinks;
use crate::store::dead_letters::Act;
use crate::web;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    sink: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SentSettling {
    sink: String,
    act: String,
}

pub async fn page(State(site): State<Site>, caller: Option<Extension<Caller>>) -> Response {
    let report = site.report.borrow().clone();
    web::health(&report, &site.trials, caller.is_some_and(|caller| caller.may_triage()))
}

/// Sends a test through a route. What came of it stands on the page.
pub async fn test(State(site): State<Site>, Extension(caller): Extension<Caller>, Form(sent): Form<Sent>) -> Response {
    let tested = match sinks::trial(&site, &sent.sink) {
        Ok(trial) => sinks::run(trial, caller.name).await.map(drop),
        Err(problem) => Err(problem),
    };
    leading_back(tested)
}

/// Has what a sink refused for good sent again, or dismisses it.
pub async fn settle(
    State(site): State<Site>,
    Extension(caller): Extension<Caller>,
    Form(sent): Form<SentSettling>,
) -> Response {
    let act = match sent.act.as_str() {
        "again" => Act::SendAgain,
        "dismiss" => Act::Dismiss,
        other => return web::refused(&Problem::parameter("act", other, "expected again or dismiss")),
    };
    leading_back(sinks::settle(&site, &sent.sink, act, &caller).await.map(drop))
}

fn leading_back(done: Result<(), Problem>) -> Response {
    match done {
        Ok(()) => (StatusCode::SEE_OTHER, [(LOCATION, "/health#sinks")]).into_response(),
        Err(problem) => web::refused(&problem),
    }
}

#[cfg(test)]
mod tests;
