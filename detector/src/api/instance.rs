//! How this instance fares, and what it can be asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use super::incidents::json;
use super::openapi::DOCUMENT;
use crate::health::Report;
use crate::http::Site;
use crate::watched::WatchedReport;

/// Feeds, RPKI, sinks, store and gaps
#[utoipa::path(get, path = "/api/v1/status", tag = "instance",
    responses((status = 200, description = "As of the last second", body = Object)))]
pub async fn status(State(site): State<Site>) -> Json<Report> {
    Json(site.report.borrow().clone())
}

/// Who sees the watched prefixes, those first that nobody sees
#[utoipa::path(get, path = "/api/v1/watched", tag = "instance",
    responses((status = 200, description = "As of the last look, some seconds ago", body = Object)))]
pub async fn watched(State(site): State<Site>) -> Json<Arc<WatchedReport>> {
    Json(site.watched.borrow().clone())
}

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "instance",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn openapi() -> Response {
    json(DOCUMENT.clone())
}
