//! Incidents, one or many, and what became of each.

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::filter::{Filter, Paging, cursor};
use super::parameters::Parameters;
use super::problem::Problem;
use crate::http::Site;
use crate::store::history::Found;

/// Characters of an id: 33, with room for another form of it.
const ID: usize = 64;

/// Incidents, those first that began last
#[utoipa::path(get, path = "/api/v1/incidents", operation_id = "incidents", tag = "incidents", params(Filter, Paging),
    responses(
        (status = 200, description = "A page; `next` is the cursor of the page behind it, null on the last",
         body = inline(super::openapi::Incidents)),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn list(State(site): State<Site>, mut given: Parameters) -> Result<Response, Problem> {
    let (filter, paging) = (Filter::of(&mut given), Paging::of(&mut given));
    given.finish()?;
    let found = site.store.find(filter.question()?, paging.behind()?, paging.most()?).await?;
    Ok(page("incidents", &found))
}

/// One incident with all evidence: its latest alert
#[utoipa::path(get, path = "/api/v1/incidents/{id}", operation_id = "incident", tag = "incidents",
    params(("id" = String, Path, description = "As in the alert", example = "bw-20260301T030402Z-7f3a9c21d0b4")),
    responses(
        (status = 200, description = "The alert as it was sent", body = super::openapi::Alert),
        (status = 404, description = "Never known, or forgotten", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn one(State(site): State<Site>, Path(id): Path<String>, given: Parameters) -> Result<Response, Problem> {
    given.finish()?;
    if id.len() > ID {
        return Err(Problem::not_found());
    }
    match site.store.latest(&id).await {
        Ok(Some(alert)) => Ok(json(alert)),
        Ok(None) => Err(Problem::not_found()),
        // What is shown on the pages while the store fails is here, too.
        Err(problem) => site.view.get(&id).map(|shown| json(shown.json.to_string())).ok_or_else(|| problem.into()),
    }
}

/// Every transition of one incident, from the first on
#[utoipa::path(get, path = "/api/v1/incidents/{id}/timeline", tag = "incidents",
    params(("id" = String, Path, description = "As in the alert"), Paging),
    responses(
        (status = 200, description = "A page; `next` is the cursor of the page behind it, null on the last",
         body = inline(super::openapi::Alerts)),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "Never known, or forgotten", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn timeline(
    State(site): State<Site>,
    Path(id): Path<String>,
    mut given: Parameters,
) -> Result<Response, Problem> {
    let paging = Paging::of(&mut given);
    given.finish()?;
    let behind = paging.behind()?;
    let found = match id.len() > ID {
        true => Found::default(),
        false => site.store.timeline(&id, behind.unwrap_or(0), paging.most()?).await?,
    };
    // Behind the last alert there is an empty page; of what was never known there is none.
    if found.alerts.is_empty() && (behind.is_none() || site.store.latest(&id).await?.is_none()) {
        return Err(Problem::not_found());
    }
    Ok(page("alerts", &found))
}

/// Alerts are put together as they were sent.
fn page(name: &str, found: &Found) -> Response {
    let list: Vec<&str> = found.alerts.iter().map(|sent| sent.json.as_str()).collect();
    let next = found.next().map_or("null".to_owned(), |number| format!("\"{}\"", cursor(number)));
    json(format!("{{\"count\":{},\"{name}\":[{}],\"next\":{next}}}", list.len(), list.join(",")))
}

pub fn json(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
