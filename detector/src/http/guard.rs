//! Who may ask, and how often?
//!
//! Questions are counted by the token that is shown, and by address where none is: behind a proxy all have one address, and
//! those without a token must not use up what belongs to those who have one.
//!
//! With tokens configured everybody shows one, as bearer, as the password of a browser's login or by having signed in
//! ([`session`]), and its role says what for. Without any, those on this machine may look and nobody may change anything:
//! the address is loopback then, and a page of another site that has its name lead to it does not get through, since the
//! browser says that name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;

use super::session;
use crate::api::problem::Problem;
use crate::app::now;
use crate::config::{Http, Role, Token};
use crate::web;

/// Clients whose questions are counted one by one; beyond it all other addresses are one.
const CLIENTS: usize = 10_000;
/// Seconds of questions that may come at once.
const BURST_SECS: f64 = 4.0;

pub struct Guard {
    tokens: Vec<Token>,
    /// Names that lead here, beside those of loopback.
    public_host: Option<String>,
    per_sec: f64,
    clients: Mutex<HashMap<Client, Bucket>>,
}

/// Whose questions are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    Holder(Arc<str>),
    Address(IpAddr),
}

/// Whose token was shown, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: Arc<str>,
    pub role: Role,
}

impl Caller {
    fn of(token: &Token) -> Self {
        Self { name: token.name.clone(), role: token.role }
    }

    pub fn may_triage(&self) -> bool {
        self.role >= Role::Triage
    }
}

/// How many questions somebody may still ask.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    as_of: Instant,
}

impl Guard {
    pub fn new(http: &Http) -> Self {
        let public_host = http.public_url.as_deref().and_then(|url| {
            let (_, rest) = url.split_once("://")?;
            Some(rest.split('/').next().unwrap_or(rest).to_ascii_lowercase())
        });
        let clients = Mutex::default();
        Self { tokens: http.tokens.clone(), public_host, per_sec: http.requests_per_sec as f64, clients }
    }

    /// By whose token, or else from where.
    fn client(&self, request: &Request) -> Option<Client> {
        let holder = self.holder(request.headers());
        let address = || request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| network(info.0.ip()));
        holder.map(|token| Client::Holder(token.name.clone())).or_else(|| address().map(Client::Address))
    }

    fn judge(&self, request: &Request) -> Result<Option<Caller>, Problem> {
        let headers = request.headers();
        let needed = if matches!(*request.method(), Method::GET | Method::HEAD) { Role::Read } else { Role::Triage };
        if needed > Role::Read && self.is_from_elsewhere(headers) {
            return Err(forbidden("a page of another site may not do this"));
        }
        let holder = self.holder(headers);
        if self.tokens.is_empty() && !self.is_called_by_its_name(headers) {
            return Err(forbidden("without a token only the names of this machine lead here; see http.tokens"));
        }
        if is_for_everybody(request.uri().path()) {
            return Ok(holder.map(Caller::of));
        }
        match holder {
            Some(token) if token.role >= needed => Ok(Some(Caller::of(token))),
            Some(token) => Err(forbidden(&format!("the token \"{}\" is of role {}", token.name, token.role.word()))),
            None if !self.tokens.is_empty() => {
                Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed, as bearer or as password of a login"))
            }
            None if needed > Role::Read => {
                Err(forbidden("this needs a token of role triage; configure [http.tokens.NAME]"))
            }
            None => Ok(None),
        }
    }

    /// Whose token is shown, or was when they signed in.
    fn holder(&self, headers: &HeaderMap) -> Option<&Token> {
        match shown(headers) {
            Some(secret) => self.token_of(&secret),
            None => session::holder(&self.tokens, headers, now()),
        }
    }

    /// For whom there is a token at all.
    pub fn knows_anybody(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The names of those who may say what they think of an incident.
    pub fn triagers(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter(|token| token.role >= Role::Triage).map(|token| &*token.name)
    }

    /// Looks at all of them, so that the time says nothing about which one it is.
    pub fn token_of(&self, secret: &[u8]) -> Option<&Token> {
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.secret.expose().as_bytes().ct_eq(secret)) {
                found = Some(token);
            }
        }
        found
    }

    fn is_called_by_its_name(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
        let host = host.to_ascii_lowercase();
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let name = name.map_or(host.as_str(), |(name, _)| name);
        let is_loopback = |text: &str| text.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        name == "localhost"
            || is_loopback(name.trim_matches(['[', ']']))
            || self.public_host.as_deref().is_some_and(|public| public == host)
    }

    /// Browsers send logins by themselves, also for pages of others; they say whose page it was. A proxy may have given us
    /// another name than the one that the browser knows.
    fn is_from_elsewhere(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let is_ours = origin == text(header::HOST) || origin.is_some() && origin == self.public_host.as_deref();
        let site = text(header::HeaderName::from_static("sec-fetch-site"));
        headers.contains_key(header::ORIGIN) && !is_ours
            || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
    }

    /// Takes one of the questions that a client may ask.
    fn take(&self, client: Client) -> bool {
        let (now, most) = (Instant::now(), self.per_sec * BURST_SECS);
        let filled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.as_of).as_secs_f64();
            (bucket.left + since * self.per_sec).min(most)
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS {
            clients.retain(|_, bucket| filled(bucket) < most);
        }
        // Holders are as many as tokens are configured.
        let is_counted =
            matches!(client, Client::Holder(_)) || clients.len() < CLIENTS || clients.contains_key(&client);
        let client = if is_counted { client } else { Client::Address(Ipv6Addr::UNSPECIFIED.into()) };
        let bucket = clients.entry(client).or_insert(Bucket { left: most, as_of: now });
        let left = filled(bucket);
        *bucket = Bucket { left: if left >= 1.0 { left - 1.0 } else { left }, as_of: now };
        left >= 1.0
    }
}

/// One subscriber of IPv6 has a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

fn forbidden(what: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, what)
}

/// The way in, and what it is drawn with.
fn is_for_everybody(path: &str) -> bool {
    matches!(path, "/account" | "/sign-in" | "/sign-out" | "/style.css" | "/live.js" | "/favicon.svg" | "/favicon.ico")
}

/// The secret that somebody shows.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().as_bytes().to_vec());
    }
    let login = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(given.trim()).ok())??;
    let colon = login.iter().position(|byte| *byte == b':')?;
    Some(login[colon + 1..].to_vec())
}

/// Lets through what may pass.
pub async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let judged = match guard.client(&request).is_some_and(|client| !guard.take(client)) {
        true => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; see http.requests_per_sec")),
        false => guard.judge(&request),
    };
    let problem = match judged {
        Ok(caller) => {
            caller.map(|caller| request.extensions_mut().insert(caller));
            return next.run(request).await;
        }
        Err(problem) => problem,
    };
    let is_person = is_for_a_person(&request);
    let mut response = match (is_person, problem.code()) {
        (true, StatusCode::UNAUTHORIZED) => {
            let to = if request.method() == Method::GET { request.uri().to_string() } else { "/".to_owned() };
            web::sign_in(StatusCode::UNAUTHORIZED, &to, None)
        }
        (true, _) => web::refused(&problem),
        (false, _) => problem.into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        // A browser that is asked for a login would hide the page that asks for it.
        let challenge =
            if is_person { "Bearer realm=\"bgpwarden\"" } else { "Basic realm=\"bgpwarden\", charset=\"UTF-8\"" };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Somebody looks at a page, or sends one of its forms.
fn is_for_a_person(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    !request.uri().path().starts_with("/api/") && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
