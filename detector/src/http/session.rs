//! How does a person come in, and go?
//!
//! Who shows a token on `/account` gets a cookie: an end, and a MAC over it under the token (RFC 2104). So nothing is kept
//! here, a restart signs nobody out, and a token that is taken from the configuration takes its sessions with it. No script
//! can read the cookie. It comes along when a link in a mail or a chat leads here, and with nothing else that a page of
//! another site may send (SameSite=Lax).

use std::sync::Arc;

use axum::extract::{Extension, Form};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use rules::bgp::Timestamp;
use serde::Deserialize;
use sha2::Sha256;

use super::guard::{Caller, Guard};
use crate::app::now;
use crate::config::Token;
use crate::web;

/// A shift.
const SECS: i64 = 12 * 3_600;

/// Cookies know no ports (RFC 6265 section 8.5), so the name says it: two instances on one host must not sign each other out.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
    port.map_or_else(|| "bgpwarden".to_owned(), |port| format!("bgpwarden-{port}"))
}

/// Whose session it is that the browser tells of. Looks at all tokens, so that the time says nothing about which one it is.
pub fn holder<'t>(tokens: &'t [Token], headers: &HeaderMap, now: Timestamp) -> Option<&'t Token> {
    let (until, mac) = told(headers)?;
    let is_over = until <= now.secs() || until > now.secs() + SECS;
    let mut found = None;
    for token in tokens {
        if signature(token, until).verify_slice(&mac).is_ok() {
            found = Some(token);
        }
    }
    found.filter(|_| !is_over)
}

/// The end and the MAC of our cookie.
fn told(headers: &HeaderMap) -> Option<(i64, Vec<u8>)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let own = name(headers);
    let (_, ours) = cookies.find(|(name, _)| *name == own)?;
    let (until, mac) = ours.split_once('.')?;
    Some((until.parse().ok()?, hex::decode(mac).ok()?))
}

fn signature(token: &Token, until: i64) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(token.secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("bgpwarden session until {until}").as_bytes());
    mac
}

/// The cookie of a session, or with no token its end.
fn cookie(name: &str, token: Option<&Token>, now: Timestamp, is_secure: bool) -> HeaderValue {
    let (value, age) = match token {
        Some(token) => {
            let until = now.secs() + SECS;
            (format!("{until}.{}", hex::encode(signature(token, until).finalize().into_bytes())), SECS)
        }
        None => (String::new(), 0),
    };
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).expect("digits and hex")
}

/// What somebody shows, and where they wanted to go.
#[derive(Deserialize)]
pub struct SignIn {
    #[serde(default)]
    token: String,
    #[serde(default)]
    to: String,
}

/// Who somebody is here.
pub async fn account(Extension(guard): Extension<Arc<Guard>>, caller: Option<Extension<Caller>>) -> Response {
    match (caller, guard.knows_anybody()) {
        (Some(Extension(caller)), _) => web::account(Some(&caller)),
        (None, false) => web::account(None),
        (None, true) => web::sign_in(StatusCode::OK, "/", None),
    }
}

/// Takes a token, and leads on.
pub async fn sign_in(
    Extension(guard): Extension<Arc<Guard>>,
    headers: HeaderMap,
    Form(given): Form<SignIn>,
) -> Response {
    let to = if is_here(&given.to) { &given.to } else { "/" };
    match guard.token_of(given.token.trim().as_bytes()) {
        Some(token) => leading_to(to, Some(token), &headers),
        None => web::sign_in(StatusCode::UNAUTHORIZED, to, Some("No token is like this one.")),
    }
}

pub async fn sign_out(headers: HeaderMap) -> Response {
    leading_to("/account", None, &headers)
}

fn leading_to(to: &str, token: Option<&Token>, headers: &HeaderMap) -> Response {
    let origin = headers.get(header::ORIGIN);
    let is_secure = origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, to), (header::SET_COOKIE, cookie(&name(headers), token, now(), is_secure))],
    )
        .into_response()
}

/// A page of ours, whatever somebody put into the form.
fn is_here(to: &str) -> bool {
    to.starts_with('/') && !to.starts_with("//") && !to.contains('\\') && to.parse::<Uri>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::at;
    use crate::config::Role;
    use crate::http::tests::token;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([
            (header::COOKIE, HeaderValue::from_str(cookie).expect("a header")),
            (header::HOST, HeaderValue::from_static("[::1]:8179")),
        ])
    }

    #[test]
    fn each_port_has_a_cookie_of_its_own() {
        let of = |host| name(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]));
        assert_eq!(of("127.0.0.1:8179"), "bgpwarden-8179");
        assert_eq!([of("bgp.example.net"), of("[::1]"), name(&HeaderMap::new())], ["bgpwarden"; 3]);
    }

    #[test]
    fn a_session_ends_by_itself_with_its_token_and_when_anything_of_it_is_changed() {
        let tokens = [token("duty", Role::Triage, "s3cret"), token("eve", Role::Read, "0ther")];
        let given = cookie("bgpwarden-8179", Some(&tokens[0]), at(0), false);
        let given = given.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        let name =
            |tokens: &[Token], cookie: &str, secs| holder(tokens, &headers(cookie), at(secs)).map(|t| t.name.clone());
        assert_eq!(name(&tokens, &given, 0).as_deref(), Some("duty"));
        assert_eq!(name(&tokens, &format!("theme=dark; {given}"), SECS - 1).as_deref(), Some("duty"));
        assert_eq!(name(&tokens, &given, SECS), None, "over");
        assert_eq!(name(&tokens[1..], &given, 0), None, "its token is gone");
        let (until, mac) = given.split_once('=').and_then(|(_, value)| value.split_once('.')).expect("two parts");
        let longer = until.parse::<i64>().expect("a number") + 1;
        for changed in
            [format!("{longer}.{mac}"), format!("{until}.{}", &mac[2..]), format!("{until}."), ".".to_owned()]
        {
            assert_eq!(name(&tokens, &format!("bgpwarden-8179={changed}"), 0), None, "{changed}");
        }
    }

    #[test]
    fn who_comes_in_is_led_nowhere_else() {
        for (to, is_ours) in [
            ("/", true),
            ("/incidents/bw-1?x=1", true),
            ("//example.net/", false),
            ("/\\example.net", false),
            ("https://example.net/", false),
            ("/\r\nset-cookie: x", false),
            ("", false),
        ] {
            assert_eq!(is_here(to), is_ours, "{to:?}");
        }
    }
}
