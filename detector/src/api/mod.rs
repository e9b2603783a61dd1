//! What can programs ask?
//!
//! `/api/v1`: incidents with filters, pages, exports and a stream, all read from the store; the words of every answer are
//! those of the alert. What is wrong with a question is told in one form, [`problem::Problem`].

mod explain;
mod export;
pub mod filter;
mod incidents;
mod instance;
pub mod lookup;
pub mod network;
pub mod openapi;
pub mod parameters;
pub mod problem;
mod routes;
pub mod sinks;
mod stream;
mod turns;
pub mod verdicts;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

pub use turns::Turns;

use crate::http::Site;
use problem::Problem;

/// Everything below `/api`.
pub fn router() -> Router<Site> {
    Router::new()
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents.ndjson", get(export::ndjson))
        .route("/api/v1/incidents.csv", get(export::csv))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/timeline", get(incidents::timeline))
        .route("/api/v1/incidents/{id}/routes", get(routes::list))
        .route("/api/v1/incidents/{id}/routes.ndjson", get(routes::ndjson))
        .route("/api/v1/incidents/{id}/verdicts", get(verdicts::list).post(verdicts::say))
        .route("/api/v1/incidents/{id}/verdicts/{number}/undo", post(verdicts::undo))
        .route("/api/v1/stream", get(stream::stream))
        // The names of the first contract.
        .route("/api/v1/incidents/{id}/alerts", get(incidents::timeline))
        .route("/api/v1/alerts/stream", get(stream::stream))
        .route("/api/v1/prefix", get(lookup::prefix))
        .route("/api/v1/as/{asn}", get(network::network))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/sinks/{name}/test", post(sinks::test))
        .route("/api/v1/sinks/{name}/dead-letters", get(sinks::dead_letters))
        .route("/api/v1/sinks/{name}/dead-letters/again", post(sinks::again))
        .route("/api/v1/sinks/{name}/dead-letters/dismiss", post(sinks::dismiss))
        .route("/api/v1/status", get(instance::status))
        .route("/api/v1/watched", get(instance::watched))
        .route("/api/v1/openapi.json", get(instance::openapi))
        .route("/api/{*path}", axum::routing::any(nowhere))
        .method_not_allowed_fallback(wrong_method)
}

async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here; /api/v1/openapi.json says what there is")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not by this method; /api/v1/openapi.json says by which")
}

#[cfg(test)]
mod tests;
