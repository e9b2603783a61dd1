//! What is announced at a prefix now, by whom, and what became of it before?

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use feeds::as2org::AsNames;
use rules::alert::Alert;
use rules::bgp::Asn;

use super::linked::Linked;
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
    names: &'a AsNames,
}

struct Found {
    prefix: Prefix,
    watched_for: String,
    /// AS, ROV, routes, whether it is as usual.
    origins: Vec<(Linked, String, usize, &'static str)>,
    /// Whom each VRP names.
    vrps: Vec<Linked>,
    rows: Vec<Row>,
}

/// None: nobody asked yet.
pub fn lookup(asked: &str, found: Option<Result<Around, &Problem>>, names: &AsNames) -> Response {
    let (found, problem) = match found {
        None => (None, None),
        Some(Ok(around)) => (Some(Found::of(around, names)), None),
        Some(Err(problem)) => (None, Some(problem)),
    };
    let response = page(&Lookup { asked: text::plain(asked, 64), problem, found, names });
    account::with_code(problem.map_or(StatusCode::OK, Problem::code), response)
}

impl Found {
    fn of(around: Around, names: &AsNames) -> Self {
        let Around { found: mut prefix, watched_for, incidents } = around;
        let origin = |origin: &crate::api::lookup::Origin| {
            let name = origin.asn.map_or(Linked::text("an AS_SET"), |asn| Linked::list(&[Asn(asn)], names));
            let is_normal = origin.asn.is_some_and(|asn| prefix.normal_origins.contains(&asn));
            (name, spoken(origin.rov), origin.routes, if is_normal { "as usual" } else { "new here" })
        };
        let origins = prefix.origins.iter().map(origin).collect();
        prefix.routes.truncate(SHOWN);
        prefix.inside.truncate(SHOWN);
        let watched: Vec<_> = watched_for.iter().take(8).map(|name| text::plain(name, 64)).collect();
        let vrps = prefix.vrps.iter().map(|vrp| Linked::list(&[Asn(vrp.asn)], names)).collect();
        let rows = incidents.iter().map(|alert| Row::of(alert, names)).collect();
        Self { prefix, watched_for: watched.join(", "), origins, vrps, rows }
    }
}

impl Lookup<'_> {
    fn near_origins(&self, near: &Neighbor) -> Linked {
        Linked::list(&near.origins.iter().copied().map(Asn).collect::<Vec<_>>(), self.names)
    }
}
