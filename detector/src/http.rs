//! Who may ask what over HTTP?
//!
//! One router for everything, and a small one with metrics and probes for an address of their own. All but the probes
//! stands behind the [`guard`].

pub mod guard;
mod health;
mod pages;
mod session;
mod triage;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use feeds::as2org::AsNames;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::api;
use crate::config::{self, Http};
use crate::failure::Failure;
use crate::health::Report;
use crate::metrics::Metrics;
use crate::pipeline::Questions;
use crate::sink::dispatch::Settling;
use crate::sink::scope::Watched;
use crate::sink::trial::Trial;
use crate::store::Store;
use crate::view::IncidentView;
use crate::watched::WatchedReport;
use crate::web;
use guard::Guard;

/// Bytes of what may be sent to us.
const BODY: usize = 64 * 1_024;

/// What the answers are made of.
#[derive(Clone)]
pub struct Site {
    pub view: Arc<IncidentView>,
    pub store: Store,
    pub report: watch::Receiver<Report>,
    pub watched: watch::Receiver<Arc<WatchedReport>>,
    pub metrics: Arc<Metrics>,
    pub turns: Arc<api::Turns>,
    pub questions: Questions,
    /// One at a time: each looks through the whole table.
    pub table_lookups: Arc<Semaphore>,
    /// Gives what is watched now.
    pub watch: Arc<Watched>,
    /// Who is told of what.
    pub routes: Arc<[config::Route]>,
    /// The same, to be tested.
    pub trials: Arc<[Trial]>,
    /// The names of all of these and of the other sinks.
    pub sinks: Arc<[Arc<str>]>,
    /// To whoever settles what they refused for good.
    pub settle: mpsc::Sender<Settling>,
    /// What ASes are called.
    pub names: Arc<AsNames>,
    /// Changes whenever somebody said something of an incident.
    pub verdicts: watch::Sender<u64>,
    /// Whoever could say that all ends has gone once it does.
    pub stopping: watch::Receiver<()>,
}

/// Pages, API, metrics and probes.
pub fn router(site: Site, http: &Http) -> Router {
    let guard = Arc::new(Guard::new(http));
    let guarded = Router::new()
        .route("/", get(pages::now))
        .route("/history", get(pages::history))
        .route("/prefix", get(pages::prefix))
        .route("/as", get(pages::asn))
        .route("/constituents", get(pages::constituents))
        .route("/watched", get(pages::watched))
        .route("/health", get(health::page))
        .route("/health/test", post(health::test))
        .route("/health/dead-letters", post(health::settle))
        .route("/incidents/{id}", get(triage::page))
        .route("/incidents/{id}/verdicts", post(triage::say))
        .route("/incidents/{id}/verdicts/{number}/undo", post(triage::undo))
        .route("/account", get(session::account))
        .route("/sign-in", post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/style.css", get(web::style))
        .route("/live.js", get(web::script))
        .route("/favicon.svg", get(web::icon))
        .route("/favicon.ico", get(web::icon))
        .route("/api", get(web::api))
        .route("/metrics", get(metrics))
        .merge(api::router())
        .fallback(web::not_found)
        .with_state(site.clone())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(Extension(guard.clone()))
        .layer(middleware::from_fn_with_state(guard, guard::admit));
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
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

async fn with_security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With less, a browser would not say whose page sends a form.
        (header::REFERRER_POLICY, "same-origin"),
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

async fn metrics(State(site): State<Site>) -> Response {
    site.metrics.streams(&site.turns);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], site.metrics.render()).into_response()
}

#[cfg(test)]
pub(crate) mod tests;
