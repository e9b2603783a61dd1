//! Who is somebody here, and how do they come in? And what if they may not do what they asked for?

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::page;
use crate::api::problem::Problem;
use crate::http::guard::Caller;
use crate::text;

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    /// Name and role.
    who: Option<(String, &'static str)>,
    may_triage: bool,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    to: &'a str,
    problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    problem: &'a Problem,
}

/// None: nobody has a token here.
pub fn account(caller: Option<&Caller>) -> Response {
    let who = caller.map(|caller| (text::plain(&caller.name, 64), caller.role.word()));
    page(&Account { who, may_triage: caller.is_some_and(Caller::may_triage) })
}

/// Asks for a token, then leads to `to`.
pub fn sign_in(code: StatusCode, to: &str, problem: Option<&str>) -> Response {
    with_code(code, page(&SignIn { to, problem }))
}

/// Says why something is not done.
pub fn refused(problem: &Problem) -> Response {
    with_code(problem.code(), page(&Refused { problem }))
}

pub fn with_code(code: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = code;
    response
}
