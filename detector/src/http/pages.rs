//! What each page is made of.

use axum::extract::State;
use axum::response::Response;
use rules::alert::Alert;
use rules::bgp::Asn;

use super::Site;
use crate::alert;
use crate::api::filter::{ASN, Filter, Paging, cursor, read_asn};
use crate::api::lookup::look_up;
use crate::api::network;
use crate::api::parameters::Parameters;
use crate::api::problem::Problem;
use crate::store::history::{Found, Match, Question};
use crate::web;

/// Incidents of one page of the history.
const ROWS: usize = 50;
/// Incidents beside a lookup.
const NEWEST: usize = 10;

pub async fn now(State(site): State<Site>) -> Response {
    let report = site.report.borrow().clone();
    let watched = site.watched.borrow().clone();
    web::index(&report, &watched, &site.view, &site.names)
}

pub async fn watched(State(site): State<Site>) -> Response {
    let watched = site.watched.borrow().clone();
    web::watched(&watched)
}

/// The questions of `/api/v1/incidents`, as a form asks them: what nobody filled in is not asked, and a day has an end.
pub async fn history(State(site): State<Site>, given: Result<Parameters, Problem>) -> Response {
    let mut given = match given {
        Ok(given) => given.filled_in(),
        Err(problem) => return web::refused(&problem),
    };
    let asked = given.all().clone();
    given.change("since", |day| web::day_as_moment(day, 0));
    given.change("until", |day| web::day_as_moment(day, 1));
    let found = find(&site, given).await;
    web::search(&asked, found.as_ref().map(|(alerts, next)| (alerts.as_slice(), next.as_deref())), &site.names)
}

async fn find(site: &Site, mut given: Parameters) -> Result<(Vec<Alert>, Option<String>), Problem> {
    let filter = Filter::of(&mut given);
    let behind = Paging::of(&mut given).behind()?;
    given.finish()?;
    let found = site.store.find(filter.question()?, behind, ROWS).await?;
    let next = found.next().map(cursor);
    Ok((alerts(&found), next))
}

/// What another version wrote and this one cannot read is left out.
fn alerts(found: &Found) -> Vec<Alert> {
    found.alerts.iter().filter_map(|sent| alert::from_json(&sent.json).ok()).collect()
}

/// What is announced at a prefix, and the newest incidents of it.
pub async fn prefix(State(site): State<Site>, given: Result<Parameters, Problem>) -> Response {
    let asked = match one(given, "prefix") {
        Ok(asked) => asked,
        Err(problem) => return web::refused(&problem),
    };
    if asked.is_empty() {
        return web::lookup("", None, &site.names);
    }
    let found = match look_up(&site, &asked).await {
        Ok(found) => found,
        Err(problem) => return web::lookup(&asked, Some(Err(&problem)), &site.names),
    };
    let watch = (site.watch)();
    let prefix = found.prefix.parse().ok();
    let over = prefix.iter().flat_map(|prefix| watch.resources_over(prefix));
    let watched_for = over.map(|(constituent, _)| constituent.name.to_string()).collect();
    let question = Question { prefix: prefix.map(|p| (p, Match::Overlapping)), ..Question::default() };
    let incidents = site.store.find(question, None, NEWEST).await.map(|found| alerts(&found)).unwrap_or_default();
    web::lookup(&asked, Some(Ok(web::Around { found, watched_for, incidents })), &site.names)
}

/// What an AS announces, and its incidents.
pub async fn asn(State(site): State<Site>, given: Result<Parameters, Problem>) -> Response {
    let asked = match one(given, "asn") {
        Ok(asked) => asked,
        Err(problem) => return web::refused(&problem),
    };
    if asked.is_empty() {
        return web::network("", None, &[], &site.names);
    }
    let asn = read_asn(&asked).ok_or_else(|| Problem::parameter("asn", &asked, ASN));
    let found = match asn {
        Ok(asn) => network::look_up(&site, asn).await,
        Err(problem) => Err(problem),
    };
    let watch = (site.watch)();
    let holders = found.iter().flat_map(|found| watch.holders_of(Asn(found.asn)));
    let watched_for: Vec<_> = holders.map(|constituent| constituent.name.to_string()).collect();
    web::network(&asked, Some(found.as_ref()), &watched_for, &site.names)
}

/// The only parameter that there is.
fn one(given: Result<Parameters, Problem>, name: &'static str) -> Result<String, Problem> {
    let mut given = given?.filled_in();
    let asked = given.take(name).unwrap_or_default();
    given.finish().map(|()| asked.trim().to_owned())
}

/// Who is watched, by name.
pub async fn constituents(State(site): State<Site>, given: Result<Parameters, Problem>) -> Response {
    let name = match one(given, "name") {
        Ok(name) => name,
        Err(problem) => return web::refused(&problem),
    };
    let (watch, watched) = ((site.watch)(), site.watched.borrow().clone());
    let open = site.view.list();
    let asked = web::Asked { name: &name, watched: &watched, routes: &site.routes };
    web::constituents(&asked, watch.constituents(), &open)
}

#[cfg(test)]
mod tests;
