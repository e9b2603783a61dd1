//! Who held which offending route of an incident?

use std::net::IpAddr;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::{self, Paging, cursor};
use super::parameters::Parameters;
use super::problem::Problem;
use super::turns;
use crate::http::Site;
use crate::route::RouteLine;
use crate::store::{FoundRoutes, Peer, RouteQuestion};

/// Routes read at once for an export: 1 MB of usual ones.
const AT_ONCE: usize = 1_000;
const PEER: &str = "expected an AS number such as 64502 or AS64502, or the address of a session";

/// Which routes of an incident are asked for. Everything given must fit.
#[derive(Debug, Default, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RouteFilter {
    /// For this prefix, or one inside.
    #[param(example = "192.0.2.0/24")]
    prefix: Option<String>,
    /// Held by this peer: its AS, or the address of its session.
    #[param(example = "64502")]
    peer: Option<String>,
    /// Held at this time: RFC 3339, or seconds since 1970.
    #[param(example = "2026-03-01T03:05:00Z")]
    at: Option<String>,
}

impl RouteFilter {
    fn of(given: &mut Parameters) -> Self {
        Self { prefix: given.take("prefix"), peer: given.take("peer"), at: given.take("at") }
    }

    fn question(&self) -> Result<RouteQuestion, Problem> {
        let read_peer = |text: &str| {
            let address = || text.parse::<IpAddr>().ok().map(Peer::Address);
            filter::read_asn(text).map(Peer::As).or_else(address)
        };
        Ok(RouteQuestion {
            prefix: filter::parsed("prefix", self.prefix.as_deref(), filter::PREFIX, filter::read_prefix)?,
            peer: filter::parsed("peer", self.peer.as_deref(), PEER, read_peer)?,
            at: filter::parsed("at", self.at.as_deref(), filter::TIME, rules::bgp::Timestamp::parse)?,
        })
    }
}

/// A page of the routes of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct Routes {
    /// On this page.
    count: usize,
    routes: Vec<RouteLine>,
    next: Option<String>,
    /// Of the whole incident, whatever was asked for: on record, and so many more that found no room there.
    kept: u64,
    left_out: u64,
    /// There is no telling who else held one.
    truncated: bool,
}

/// Who held which offending route of an incident, from when to when, why no longer, and what it held before
#[utoipa::path(get, path = "/api/v1/incidents/{id}/routes", operation_id = "routes", tag = "incidents",
    params(("id" = String, Path, description = "As in the alert"), RouteFilter, Paging),
    responses(
        (status = 200, description = "In the order in which they were seen; of a visibility_loss, the routes that were \
         lost. `next` is the cursor of the page behind it, null on the last", body = Routes),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "Never known, or forgotten", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(site): State<Site>,
    Path(id): Path<String>,
    mut given: Parameters,
) -> Result<Json<Routes>, Problem> {
    let (filter, paging) = (RouteFilter::of(&mut given), Paging::of(&mut given));
    given.finish()?;
    let behind = paging.behind()?.unwrap_or(0);
    let found = find(&site, &id, filter.question()?, behind, paging.most()?).await?;
    let next = found.next().map(cursor);
    let routes: Vec<_> = found.routes.into_iter().map(|(_, line)| line).collect();
    let (kept, left_out) = (found.kept, found.left_out);
    Ok(Json(Routes { count: routes.len(), routes, next, kept, left_out, truncated: left_out > 0 }))
}

/// All of them that fit, one a line
#[utoipa::path(get, path = "/api/v1/incidents/{id}/routes.ndjson", operation_id = "routes_ndjson", tag = "incidents",
    params(("id" = String, Path, description = "As in the alert"), RouteFilter),
    responses(
        (status = 200, description = "NDJSON, in the order in which they were seen", body = String,
         content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "Never known, or forgotten", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "Too many exports at once, or the store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn ndjson(
    State(site): State<Site>,
    Path(id): Path<String>,
    mut given: Parameters,
) -> Result<Response, Problem> {
    let filter = RouteFilter::of(&mut given);
    given.finish()?;
    let question = filter.question()?;
    let turn = site.turns.export()?;
    let first = find(&site, &id, question.clone(), 0, AT_ONCE).await?;
    let (out, body) = turns::body();
    let disposition = format!("attachment; filename=\"bgpwarden-{}-routes.ndjson\"", crate::text::plain(&id, 64));
    tokio::spawn(async move {
        let turns = site.turns.clone();
        let read = move |behind| {
            let (site, id, question) = (site.clone(), id.clone(), question.clone());
            async move { find(&site, &id, question, behind, AT_ONCE).await }
        };
        turns::send_all(out, turns, first, lines, FoundRoutes::next, read).await;
        drop(turn);
    });
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, disposition.as_str())];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn lines(found: &FoundRoutes) -> Vec<u8> {
    let lines = found.routes.iter().filter_map(|(_, line)| serde_json::to_string(line).ok());
    lines.map(|line| line + "\n").collect::<String>().into_bytes()
}

/// Of an incident that nothing is recorded of there are none; of one that never was there is no answer.
async fn find(
    site: &Site,
    id: &str,
    question: RouteQuestion,
    behind: i64,
    most: usize,
) -> Result<FoundRoutes, Problem> {
    match site.store.routes(id, question, behind, most).await? {
        Some(found) => Ok(found),
        None if site.store.latest(id).await?.is_some() => Ok(FoundRoutes::default()),
        None => Err(Problem::not_found()),
    }
}
