//! The page of an incident, and what people say on it: plain forms that lead back to the page.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use rules::alert::Alert;
use serde::Deserialize;

use super::Site;
use super::guard::{Caller, Guard};
use crate::alert;
use crate::api::problem::Problem;
use crate::api::verdicts::{self, NewVerdict};
use crate::store::history::{Match, Question};
use crate::store::verdicts::Opinion;
use crate::web::{self, Draft, Triage};

/// Characters of the id of an incident: 33, with room for another form of it.
const ID: usize = 64;
/// Alerts that the page of an incident lists; the API has all.
const STEPS: usize = 200;
/// Earlier incidents that it leads to; the history has all.
const EARLIER: usize = 5;

/// The form as it was sent; what is left empty is there, too.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    verdict: String,
    why: String,
    until: String,
    duplicate_of: String,
    sequence: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SentUndo {
    why: String,
}

pub async fn page(
    State(site): State<Site>,
    Extension(guard): Extension<Arc<Guard>>,
    caller: Option<Extension<Caller>>,
    Path(id): Path<String>,
) -> Response {
    show(&site, &guard, caller.as_deref(), &id, None).await
}

/// Writes down what somebody says.
pub async fn say(
    State(site): State<Site>,
    Extension(guard): Extension<Arc<Guard>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let said = match new_verdict(&sent) {
        Ok(new) => verdicts::speak(&site, id.clone(), &caller, new).await.map(drop),
        Err(problem) => Err(problem),
    };
    let Sent { why, until, duplicate_of, .. } = sent;
    let draft = |problem| Draft { problem, why, until, duplicate_of };
    match said {
        Ok(()) => leading_back(&id),
        Err(problem) => show(&site, &guard, Some(&caller), &id, Some(draft(problem))).await,
    }
}

/// Writes down that somebody takes back what was said.
pub async fn undo(
    State(site): State<Site>,
    Extension(guard): Extension<Arc<Guard>>,
    Extension(caller): Extension<Caller>,
    Path((id, number)): Path<(String, String)>,
    Form(sent): Form<SentUndo>,
) -> Response {
    match verdicts::take_back(&site, id.clone(), &number, &caller, &sent.why).await {
        Ok(_) => leading_back(&id),
        Err(problem) => show(&site, &guard, Some(&caller), &id, Some(Draft::of(problem))).await,
    }
}

fn new_verdict(sent: &Sent) -> Result<NewVerdict, Problem> {
    let is_duplicate = sent.verdict == Opinion::Duplicate.word();
    Ok(NewVerdict {
        verdict: sent.verdict.clone(),
        why: sent.why.clone(),
        expires: Some(sent.until.trim()).filter(|until| !until.is_empty()).map(end_of).transpose()?,
        duplicate_of: is_duplicate.then(|| sent.duplicate_of.trim().to_owned()),
        sequence: sent.sequence,
    })
}

/// When a day is over (UTC).
fn end_of(day: &str) -> Result<String, Problem> {
    let next = day.parse::<jiff::civil::Date>().and_then(|day| day.tomorrow());
    let next = next.map_err(|_| Problem::parameter("until", day, "expected a day such as 2030-12-31"))?;
    Ok(format!("{next}T00:00:00Z"))
}

/// Ids that can be said something of have nothing in them that a place could not have.
fn leading_back(id: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, format!("/incidents/{id}#verdicts"))]).into_response()
}

/// What the view has forgotten is in the store; what the store cannot say now is in the view.
async fn show(site: &Site, guard: &Guard, caller: Option<&Caller>, id: &str, draft: Option<Draft>) -> Response {
    if id.len() > ID {
        return web::not_found().await;
    }
    let alert = match site.view.get(id) {
        Some(incident) => Some(incident.alert),
        None => stored(site, id).await,
    };
    let Some(alert) = alert else { return web::not_found().await };
    let told = site.store.timeline(id, 0, STEPS).await.map(|found| found.alerts).unwrap_or_default();
    let told: Vec<Alert> = told.iter().filter_map(|sent| alert::from_json(&sent.json).ok()).collect();
    let verdicts = site.store.verdicts(id).await.unwrap_or_default();
    // Nothing recorded, or a store that cannot be used: the alerts say what they say.
    let overview = site.store.overview(id, web::ROUTES).await.ok().flatten().filter(|o| !o.spans.is_empty());
    let triage = Triage::new(&alert, &verdicts, caller, guard, draft);
    let known = web::Known { told: &told, earlier: &earlier(site, &alert).await, overview: overview.as_ref() };
    web::incident(&alert, &known, triage, &site.names)
}

/// What there was of the same prefix and suspect before: what an undone verdict opens again, and what comes back after a day, is
/// another incident.
async fn earlier(site: &Site, alert: &Alert) -> Vec<Alert> {
    let prefix = alert.prefixes.first().map(|prefix| (*prefix, Match::Exact));
    if prefix.is_none() {
        return Vec::new();
    }
    let (suspect, until) = (alert.suspect_ases.first().copied(), Some(alert.started));
    let question = Question { prefix, suspect, until, ..Question::default() };
    let found = site.store.find(question, None, EARLIER).await.unwrap_or_default();
    let read = found.alerts.iter().filter_map(|sent| alert::from_json(&sent.json).ok());
    read.filter(|other| other.id != alert.id).collect()
}

async fn stored(site: &Site, id: &str) -> Option<Arc<Alert>> {
    let json = site.store.latest(id).await.ok().flatten()?;
    alert::from_json(&json).ok().map(Arc::new)
}

#[cfg(test)]
mod tests;
