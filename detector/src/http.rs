//! Who may ask what over HTTP?
//!
//! One router for everything, and a small one with metrics and probes for an address of their own. Where others can
//! reach the address, all but the probes demand the token: as bearer, or as the password of a browser's login.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rules::alert::{Severity, Status};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Secret;
use crate::failure::Failure;
use crate::health::Report;
use crate::metrics::Metrics;
use crate::view::{Incident, IncidentView};
use crate::watched::WatchedReport;
use crate::web;

/// Incidents of one answer: 1,000 x 256 KiB at the very worst, 10 MB as a rule.
const MOST_INCIDENTS: usize = 1_000;

/// What the answers are made of.
#[derive(Clone)]
pub struct Site {
    pub view: Arc<IncidentView>,
    pub report: watch::Receiver<Report>,
    pub watched: watch::Receiver<Arc<WatchedReport>>,
    pub metrics: Arc<Metrics>,
}

/// Pages, API, metrics and probes.
pub fn router(site: Site, token: Option<Secret>) -> Router {
    let guarded = Router::new()
        .route("/", get(index))
        .route("/incidents/{id}", get(incident_page))
        .route("/style.css", get(web::style))
        .route("/live.js", get(web::script))
        .route("/favicon.svg", get(web::icon))
        .route("/favicon.ico", get(web::icon))
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/incidents/{id}", get(incident))
        .route("/api/v1/status", get(status))
        .route("/api/v1/watched", get(watched))
        .route("/metrics", get(metrics))
        .fallback(web::not_found)
        .with_state(site.clone())
        .layer(middleware::from_fn_with_state(token.map(Arc::new), demand_token));
    guarded.merge(probes().with_state(site)).layer(middleware::map_response(with_security_headers))
}

/// What may have an address of its own, without a token.
pub fn metrics_router(site: Site) -> Router {
    let router = probes().route("/metrics", get(metrics)).with_state(site);
    router.layer(middleware::map_response(with_security_headers))
}

fn probes() -> Router<Site> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

/// Opens an address, so that one that is taken is told at the start.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::failed(format!("cannot listen on {address}: {error}")))
}

/// Serves until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn demand_token(State(token): State<Option<Arc<Secret>>>, request: Request, next: Next) -> Response {
    match token {
        Some(token) if !shows(request.headers(), token.expose()) => {
            let login = [(header::WWW_AUTHENTICATE, "Basic realm=\"bgpwarden\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, login, "the token of http.token is needed\n").into_response()
        }
        _ => next.run(request).await,
    }
}

fn shows(headers: &HeaderMap, token: &str) -> bool {
    let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
    match given.split_once(' ') {
        Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => same(bearer.trim().as_bytes(), token),
        Some((scheme, login)) if scheme.eq_ignore_ascii_case("basic") => {
            let login = BASE64.decode(login.trim()).unwrap_or_default();
            let colon = login.iter().position(|byte| *byte == b':');
            colon.is_some_and(|at| same(&login[at + 1..], token))
        }
        _ => false,
    }
}

/// Takes the same time wherever the difference is.
fn same(given: &[u8], token: &str) -> bool {
    let token = token.as_bytes();
    given.len() == token.len() && given.iter().zip(token).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

async fn with_security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(site): State<Site>) -> Response {
    let readiness = site.report.borrow().readiness();
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

async fn status(State(site): State<Site>) -> Json<Report> {
    Json(site.report.borrow().clone())
}

/// Who sees the watched prefixes, those first that nobody sees.
async fn watched(State(site): State<Site>) -> Json<Arc<WatchedReport>> {
    Json(site.watched.borrow().clone())
}

async fn metrics(State(site): State<Site>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], site.metrics.render()).into_response()
}

#[derive(Debug, Deserialize)]
struct Filter {
    status: Option<String>,
    min_severity: Option<String>,
    limit: Option<usize>,
}

impl Filter {
    /// The incidents asked for, or what cannot be asked.
    fn apply(&self, view: &IncidentView) -> Result<Vec<Incident>, String> {
        let status = word("status", self.status.as_deref(), Status::ALL, Status::word)?;
        let least = word("min_severity", self.min_severity.as_deref(), Severity::ALL, Severity::word)?;
        let most = self.limit.unwrap_or(100).min(MOST_INCIDENTS);
        let wanted = |incident: &Incident| {
            status.is_none_or(|status| incident.alert.status == status)
                && least.is_none_or(|least| incident.alert.severity >= least)
        };
        Ok(view.list().into_iter().filter(wanted).take(most).collect())
    }
}

fn word<T: Copy>(
    name: &str,
    given: Option<&str>,
    all: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    let Some(given) = given else { return Ok(None) };
    let known = || all.iter().map(|value| word_of(*value)).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|value| word_of(*value) == given);
    found.map(Some).ok_or_else(|| format!("{name}: one of {}", known()))
}

fn refused(code: StatusCode, what: &str) -> Response {
    (code, Json(serde_json::json!({ "error": what }))).into_response()
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn incidents(
    State(site): State<Site>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let found = match filter {
        Ok(Query(filter)) => filter.apply(&site.view),
        Err(rejection) => Err(rejection.body_text()),
    };
    match found {
        Ok(found) => {
            let list: Vec<&str> = found.iter().map(|incident| &*incident.json).collect();
            json(format!("{{\"count\":{},\"incidents\":[{}]}}", list.len(), list.join(",")))
        }
        Err(what) => refused(StatusCode::BAD_REQUEST, &what),
    }
}

async fn incident(State(site): State<Site>, Path(id): Path<String>) -> Response {
    match site.view.get(&id) {
        Some(incident) => json(incident.json.to_string()),
        None => refused(StatusCode::NOT_FOUND, "no such incident, or it was forgotten"),
    }
}

async fn index(State(site): State<Site>) -> Response {
    let report = site.report.borrow().clone();
    web::index(&report, &site.view)
}

async fn incident_page(State(site): State<Site>, Path(id): Path<String>) -> Response {
    match site.view.get(&id) {
        Some(incident) => web::incident(&incident.alert),
        None => web::not_found().await,
    }
}

#[cfg(test)]
mod tests;
