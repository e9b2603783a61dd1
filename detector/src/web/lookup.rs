//! What is announced at a prefix now, by whom, and what became of it before?

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use rules::alert::Alert;
use rules::bgp::Asn;

use super::{Row, account, page, spoken};
use crate::api::lookup::{Neighbor, Prefix};
use crate::api::problem::Problem;
use crate::text;

/// Routes and prefixes inside that are listed; the API has more.
const SHOWN: usize = 100;

/// A prefix, and what else is known of it.
pub struct Around {
    pub found: Prefix,
    /// Names.
    pub watched_for: Vec<String>,
    /// The newest.
    pub incidents: Vec<Alert>,
}

#[derive(Template)]
#[template(path = "prefix.html")]
struct Lookup<'a> {
    asked: String,
    problem: Option<&'a Problem>,
    found: Option<Found>,
}

struct Found {
    prefix: Prefix,
    watched_for: String,
    /// AS, ROV, routes, whether it is as usual.
    origins: Vec<(String, String, usize, &'static str)>,
    rows: Vec<Row>,
}

/// None: nobody asked yet.
pub fn lookup(asked: &str, found: Option<Result<Around, &Problem>>) -> Response {
    let (found, problem) = match found {
        None => (None, None),
        Some(Ok(around)) => (Some(Found::of(around)), None),
        Some(Err(problem)) => (None, Some(problem)),
    };
    let response = page(&Lookup { asked: text::plain(asked, 64), problem, found });
    account::with_code(problem.map_or(StatusCode::OK, Problem::code), response)
}

impl Found {
    fn of(around: Around) -> Self {
        let Around { found: mut prefix, watched_for, incidents } = around;
        let origin = |origin: &crate::api::lookup::Origin| {
            let name = origin.asn.map_or("an AS_SET".to_owned(), |asn| Asn(asn).to_string());
            let is_normal = origin.asn.is_some_and(|asn| prefix.normal_origins.contains(&asn));
            (name, spoken(origin.rov), origin.routes, if is_normal { "as usual" } else { "new here" })
        };
        let origins = prefix.origins.iter().map(origin).collect();
        prefix.routes.truncate(SHOWN);
        prefix.inside.truncate(SHOWN);
        let names: Vec<_> = watched_for.iter().take(8).map(|name| text::plain(name, 64)).collect();
        Self { prefix, watched_for: names.join(", "), origins, rows: incidents.iter().map(Row::of).collect() }
    }
}

impl Lookup<'_> {
    fn near_origins(&self, near: &Neighbor) -> String {
        super::ases(&near.origins.iter().copied().map(Asn).collect::<Vec<_>>())
    }
}
