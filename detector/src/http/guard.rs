//! Who may ask, and how often?
//!
//! Questions are counted by the token that is shown, and by address where none is: behind a proxy all have one address, and
//! those without a token must not use up what belongs to those who have one.
//!
//! With tokens configured everybody shows one, as bearer or as the password of a browser's login, and its role says what
//! for. Without any, those on this machine may look and nobody may change anything: the address is loopback then, and a
//! page of another site that has its name lead to it does not get through, since the browser says that name.

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

use crate::api::problem::Problem;
use crate::config::{Http, Role, Token};

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

/// Who showed which token.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<str>);

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
        let holder = shown(request.headers()).and_then(|secret| self.token_of(&secret));
        let address = || request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| network(info.0.ip()));
        holder.map(|token| Client::Holder(token.name.clone())).or_else(|| address().map(Client::Address))
    }

    fn judge(&self, request: &Request) -> Result<Option<Caller>, Problem> {
        let headers = request.headers();
        let needed = if matches!(*request.method(), Method::GET | Method::HEAD) { Role::Read } else { Role::Triage };
        if needed > Role::Read && is_from_elsewhere(headers) {
            return Err(forbidden("a page of another site may not do this"));
        }
        if self.tokens.is_empty() {
            return match needed {
                Role::Read if self.is_called_by_its_name(headers) => Ok(None),
                Role::Read => {
                    Err(forbidden("without a token only the names of this machine lead here; see http.tokens"))
                }
                _ => Err(forbidden("this needs a token of role triage; configure [http.tokens.NAME]")),
            };
        }
        match shown(headers).and_then(|secret| self.token_of(&secret)) {
            Some(token) if token.role >= needed => Ok(Some(Caller(token.name.clone()))),
            Some(token) => Err(forbidden(&format!("the token \"{}\" is of role {}", token.name, token.role.word()))),
            None => {
                Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed, as bearer or as password of a login"))
            }
        }
    }

    /// Looks at all of them, so that the time says nothing about which one it is.
    fn token_of(&self, secret: &[u8]) -> Option<&Token> {
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

/// Browsers send logins by themselves, also for pages of others; they say whose page it was.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    headers.contains_key(header::ORIGIN) && origin != text(header::HOST)
        || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
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
    if guard.client(&request).is_some_and(|client| !guard.take(client)) {
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; see http.requests_per_sec")
            .into_response();
    }
    match guard.judge(&request) {
        Ok(caller) => {
            caller.map(|caller| request.extensions_mut().insert(caller));
            next.run(request).await
        }
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                let login = HeaderValue::from_static("Basic realm=\"bgpwarden\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, login);
            }
            response
        }
    }
}
