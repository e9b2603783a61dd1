//! What would be said of a route, whether anybody announces it or not?

use axum::Json;
use axum::extract::State;
use rules::rpki::Procedure;
use tokio::time::timeout;

use super::lookup::PATIENCE;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::explain::{self, Data, Explanation, Route};
use crate::http::Site;

/// Characters of a path: a thousand ASes.
const PATH: usize = 11_000;
const ROLES: [(&str, Procedure); 2] = [("downstream", Procedure::Downstream), ("upstream", Procedure::Upstream)];

/// One route under the data of this moment: what ROAs, ASPAs and relations say of it, and what it shows without any
///
/// The answer of `bgpwarden explain --json`.
#[utoipa::path(get, path = "/api/v1/explain", tag = "lookups",
    params(
        ("prefix" = String, Query, description = "With its length", example = "192.0.2.0/24"),
        ("path" = String, Query, description = "AS_PATH in wire order, the origin last",
         example = "64502 64500 64496"),
        ("role" = Option<String>, Query, description = "Of the one who hears it, for ASPA: downstream (usual) or upstream",
         example = "downstream"),
    ),
    responses(
        (status = 200, description = "As of this moment", body = Explanation),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The engine has no time", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn explain(State(site): State<Site>, mut given: Parameters) -> Result<Json<Explanation>, Problem> {
    let mut take = |name| given.take(name).unwrap_or_default();
    let (prefix, path, role) = (take("prefix"), take("path"), take("role"));
    given.finish()?;
    let known = ROLES.iter().find(|(word, _)| *word == role || role.is_empty());
    let Some((_, procedure)) = known else {
        return Err(Problem::parameter("role", &role, "expected one of downstream, upstream"));
    };
    if path.len() > PATH {
        return Err(Problem::parameter("path", &path, "expected at most 11000 characters"));
    }
    let alone = Route::parse(&prefix, &["64496".to_owned()]);
    alone.map_err(|failure| Problem::parameter("prefix", &prefix, &failure.to_string()))?;
    let route = Route::parse(&prefix, std::slice::from_ref(&path))
        .map_err(|failure| Problem::parameter("path", &path, &failure.to_string()))?;
    let (asked, as_path) = (route.prefix, route.path.clone());
    let answers = timeout(PATIENCE, site.questions.ask(move |shard| shard.facts_about(&asked, &as_path))).await;
    let Ok(Some(answers)) = answers else { return Err(Problem::busy("the engine has no time; ask again later")) };
    // The shard that holds the prefix knows most of what covers it.
    let Some(facts) = answers.into_iter().max_by_key(|facts| facts.vrps) else {
        return Err(Problem::busy("the engine is gone"));
    };
    let data = Data {
        rpki: facts.rpki,
        has_vrps: facts.has_vrps,
        has_aspas: facts.has_aspas,
        relations: facts.relations,
        procedure: *procedure,
    };
    Ok(Json(explain::explain(&route, &data)))
}
