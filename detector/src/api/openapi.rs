//! What can be asked, in the words of OpenAPI 3.1.
//!
//! Paths and parameters stand beside the functions that answer; the alert is described by its own schema, so that there is
//! one description of it.

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::problem::Problem;
use super::{explain, export, incidents, instance, lookup, network, routes, sinks, stream, verdicts};
use crate::alert;

/// Stands for the alert; its schema takes the place of this one.
#[derive(ToSchema)]
pub struct Alert {}

/// A page of incidents.
#[derive(ToSchema)]
pub struct Incidents {
    /// On this page.
    pub count: usize,
    pub incidents: Vec<Alert>,
    pub next: Option<String>,
}

/// A page of the history of one incident.
#[derive(ToSchema)]
pub struct Alerts {
    /// On this page.
    pub count: usize,
    pub alerts: Vec<Alert>,
    pub next: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "bgpwarden",
        description = "Incidents of BGP as they are and were. An incident is its latest alert, the same object that goes \
                       to every sink. Reading needs no token where the service listens on loopback only and none is \
                       configured; else a token as bearer, or as the password of a login.",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        incidents::list,
        incidents::one,
        incidents::timeline,
        routes::list,
        routes::ndjson,
        export::ndjson,
        export::csv,
        verdicts::list,
        verdicts::say,
        verdicts::undo,
        stream::stream,
        lookup::prefix,
        network::network,
        explain::explain,
        sinks::test,
        sinks::dead_letters,
        sinks::again,
        sinks::dismiss,
        instance::status,
        instance::watched,
        instance::openapi,
    ),
    components(schemas(Problem, Alert)),
    security(("bearer" = []), ("basic" = []), ()),
    modifiers(&Logins),
    tags((name = "incidents", description = "What happened"), (name = "verdicts", description = "What people say of it"), (name = "lookups", description = "What is announced"), (name = "instance", description = "How this bgpwarden fares")),
)]
struct Description;

struct Logins;

impl Modify for Logins {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, scheme) in [("bearer", HttpAuthScheme::Bearer), ("basic", HttpAuthScheme::Basic)] {
            components.add_security_scheme(name, SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build()));
        }
    }
}

/// The document, as it is served.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_value(Description::openapi()).expect("it is made of strings");
    let mut alert = alert::schema_with("/components/schemas");
    let parts = alert["components"]["schemas"].take();
    let own = alert.as_object_mut().expect("a schema is an object");
    own.remove("components");
    own.remove("$schema");
    let schemas = document["components"]["schemas"].as_object_mut().expect("there are some");
    schemas.extend(parts.as_object().cloned().unwrap_or_default());
    schemas.insert("Alert".to_owned(), alert);
    Value::to_string(&document)
});
