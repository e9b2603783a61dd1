//! `[http]`: where can it be looked at, and by whom?

use std::net::SocketAddr;
use std::sync::Arc;

use super::reader::{Secret, Section};

/// Pages ask every few seconds, a program that walks through pages some 20 times a second.
const REQUESTS_PER_SEC: u64 = 50;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub listen: SocketAddr,
    /// `/metrics`, `/healthz` and `/readyz` without a token.
    pub metrics_listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    /// Without any, those on this machine may look.
    pub tokens: Vec<Token>,
    /// Of each client, over some seconds.
    pub requests_per_sec: u64,
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8179));
        let (tokens, requests_per_sec) = (Vec::new(), REQUESTS_PER_SEC);
        Self { listen, metrics_listen: None, public_url: None, tokens, requests_per_sec }
    }
}

/// Who may come in, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub name: Arc<str>,
    pub role: Role,
    pub secret: Secret,
}

/// Each may do what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Read,
    /// Say what is to be thought of an incident.
    Triage,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Read, Self::Triage, Self::Admin];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Admin => "admin",
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Http {
    let default = Http::default();
    let http = Http {
        listen: section.address("listen").unwrap_or(default.listen),
        metrics_listen: section.address("metrics_listen"),
        public_url: section.text("public_url", "a URL such as https://bgp.example.net"),
        tokens: tokens(&mut section),
        requests_per_sec: section.integer("requests_per_sec", 1..=1_000_000).unwrap_or(default.requests_per_sec),
    };
    if http.public_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        section.problem("public_url", "expected a URL that begins with http:// or https://");
    }
    if !http.listen.ip().is_loopback() && http.tokens.is_empty() {
        let what = "an address that others can reach demands http.token = { file = \"…\" }, or [http.tokens.NAME] with \
                    role and secret";
        section.problem("listen", what);
    }
    section.finish();
    http
}

/// `token`, which may do everything, and `[http.tokens.NAME]`.
fn tokens(section: &mut Section<'_>) -> Vec<Token> {
    let one = secret(section, "token").map(|secret| Token { name: "token".into(), role: Role::Admin, secret });
    let roles = Role::ALL.map(|role| (role.word(), role));
    let mut tokens = Vec::from_iter(one);
    for (name, mut table) in section.named("tokens") {
        let (role, secret) = (table.word("role", &roles), secret(&mut table, "secret"));
        for (key, is_missing) in [("role", role.is_none()), ("secret", secret.is_none())] {
            if is_missing && !table.has(key) {
                table.problem(key, "is missing");
            }
        }
        if let (Some(role), Some(secret)) = (role, secret) {
            if tokens.iter().any(|token| token.secret == secret) {
                table.problem("secret", "another token has the same");
            }
            tokens.push(Token { name: name.into(), role, secret });
        }
        table.finish();
    }
    tokens
}

fn secret(section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
    let secret = section.secret(key)?;
    if secret.expose().is_empty() {
        section.problem(key, "is empty");
    }
    Some(secret)
}
