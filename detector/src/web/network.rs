//! What does an AS announce now, who stands next to it, and what happened to it?

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use feeds::as2org::AsNames;
use rules::bgp::{Asn, Timestamp};

use super::linked::Linked;
use super::{account, moment, page, spoken};
use crate::api::network::{Incident, Network};
use crate::api::problem::Problem;
use crate::text;

/// Rows of each table; the API has more.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "as.html")]
struct NetworkPage<'a> {
    asked: String,
    problem: Option<&'a Problem>,
    found: Option<&'a Network>,
    watched_for: String,
    names: &'a AsNames,
}

/// None: nobody asked yet. `watched_for` are names.
pub fn network(
    asked: &str,
    found: Option<Result<&Network, &Problem>>,
    watched_for: &[String],
    names: &AsNames,
) -> Response {
    let problem = found.as_ref().and_then(|found| found.err());
    let watched: Vec<_> = watched_for.iter().take(8).map(|name| text::plain(name, 64)).collect();
    let found = found.and_then(Result::ok);
    let watched_for = watched.join(", ");
    let response = page(&NetworkPage { asked: text::plain(asked, 64), problem, found, watched_for, names });
    account::with_code(problem.map_or(StatusCode::OK, Problem::code), response)
}

impl NetworkPage<'_> {
    /// Heading, filter of the history, and what it finds.
    fn incidents(&self) -> Vec<(&'static str, &'static str, &[Incident])> {
        self.found.map_or(Vec::new(), |found| {
            vec![("Suspected of", "suspect", &found.suspect_of[..]), ("Concerned by", "victim", &found.victim_of[..])]
        })
    }

    fn shown(&self) -> usize {
        SHOWN
    }

    fn moment(&self, time: &str) -> String {
        Timestamp::parse(time).map_or_else(|| time.to_owned(), moment)
    }

    fn spoken(&self, word: &str) -> String {
        spoken(word)
    }

    fn list(&self, numbers: &[u32]) -> Linked {
        Linked::list(&numbers.iter().copied().map(Asn).collect::<Vec<_>>(), self.names)
    }
}
