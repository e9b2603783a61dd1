//! Why is something not answered? One form for all of it: RFC 9457, with the parameter that is to blame.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{store, text};

/// Characters of what was sent that are said back.
const SAID_BACK: usize = 64;
/// Seconds after which it may be tried again.
const AGAIN: &str = "5";

/// What is wrong, for people in `detail` and for programs in `status` and `parameter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always "about:blank": the status says what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    detail: String,
    /// The parameter that is to blame.
    parameter: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), parameter: None }
    }

    /// This parameter cannot be `given`; `expected` says what can.
    pub fn parameter(name: &str, given: &str, expected: &str) -> Self {
        let given = text::plain(given, SAID_BACK);
        Self {
            parameter: Some(name.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, format!("{name}: \"{given}\": {expected}"))
        }
    }

    /// No such parameter, or the same one twice.
    pub fn unexpected(name: &str, what: impl Into<String>) -> Self {
        Self { parameter: Some(text::plain(name, SAID_BACK)), ..Self::new(StatusCode::BAD_REQUEST, what) }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such incident, or it was forgotten")
    }

    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn title(&self) -> &'static str {
        self.title
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Later it may be otherwise.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl From<store::Problem> for Problem {
    fn from(problem: store::Problem) -> Self {
        match problem {
            store::Problem::TooMuch(_) => Self::new(StatusCode::BAD_REQUEST, problem.to_string()),
            _ => Self::busy(problem.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code();
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(AGAIN));
        }
        response
    }
}
