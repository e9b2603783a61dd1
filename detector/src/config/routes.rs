//! `[routes.NAME]`: who is told of what, and how?

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use rules::alert::{Class, Severity};
use rules::watch::Constituent;

use super::Sink;
use super::reader::{Secret, Section, suggestion};
use crate::sink::template::{Markup, Template};

/// When somebody is told: a closed set of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The first that this route hears of an incident, and when one comes back.
    Opened,
    /// The severity rose.
    Escalated,
    /// Everything else that changed.
    Updated,
    Resolved,
    /// It was no incident after all.
    Retracted,
}

impl Phase {
    pub const ALL: [Self; 5] = [Self::Opened, Self::Escalated, Self::Updated, Self::Resolved, Self::Retracted];
    /// What a person wants to hear.
    const OF_PEOPLE: [Self; 4] = [Self::Opened, Self::Escalated, Self::Resolved, Self::Retracted];

    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
            Self::Retracted => "retracted",
        }
    }
}

/// One way to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub name: Arc<str>,
    /// Only what touches these, and of it only what is theirs. Empty: everything.
    pub constituents: Vec<Arc<str>>,
    pub min_severity: Severity,
    /// Empty: all.
    pub classes: Vec<Class>,
    pub on: Vec<Phase>,
    /// Hears of what is wrong with the watching, too.
    pub notices: bool,
    /// Messages within this time become one; zero: each goes by itself.
    pub digest: Duration,
    pub template: Option<TemplateFile>,
    pub kind: RouteKind,
}

/// What is said in somebody's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    pub path: PathBuf,
    pub source: Arc<str>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RouteKind {
    Webhook(Webhook),
    Slack(Slack),
    Alertmanager(Alertmanager),
    Email(Email),
    Syslog(Syslog),
}

impl RouteKind {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Alertmanager(_) => "alertmanager",
            Self::Email(_) => "email",
            Self::Syslog(_) => "syslog",
        }
    }

    /// What its text is escaped for.
    pub fn markup(&self) -> Markup {
        match self {
            Self::Slack(_) => Markup::Slack,
            Self::Email(email) if email.is_html => Markup::Html,
            _ => Markup::Text,
        }
    }
}

/// A POST of the alert for a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Whoever knows it may write there, so it is a secret like others.
    pub url: Secret,
    /// Signs what is sent.
    pub secret: Option<Secret>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    pub timeout: Duration,
}

/// An incoming webhook of Slack, Mattermost and others.
#[derive(Clone, Debug, PartialEq)]
pub struct Slack {
    /// Whoever knows it may write there.
    pub url: Secret,
    /// Where the receiver lets the sender choose.
    pub channel: Option<String>,
    pub timeout: Duration,
}

/// Version 2 of its API.
#[derive(Clone, Debug, PartialEq)]
pub struct Alertmanager {
    /// Of `/api/v2/alerts`.
    pub url: reqwest::Url,
    pub token: Option<Secret>,
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Tls,
}

impl Encryption {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub login: Option<(String, Secret)>,
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    /// Of the template.
    pub is_html: bool,
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Syslog {
    /// `host:port`
    pub server: String,
    pub transport: Transport,
    pub timeout: Duration,
}

#[derive(Clone, Copy)]
enum Known {
    Webhook,
    Slack,
    Alertmanager,
    Email,
    Syslog,
}

const KINDS: [(&str, Known); 5] = [
    ("webhook", Known::Webhook),
    ("slack", Known::Slack),
    ("alertmanager", Known::Alertmanager),
    ("email", Known::Email),
    ("syslog", Known::Syslog),
];
/// Octets of a template.
const TEMPLATE: u64 = 256 * 1_024;

/// With each the place where its constituents are named, for what is found wrong later.
pub(super) fn read(root: &mut Section<'_>) -> Vec<(Route, String)> {
    root.named("routes").into_iter().filter_map(|(name, section)| route(name, section)).collect()
}

fn route(name: String, mut section: Section<'_>) -> Option<(Route, String)> {
    let Some(known) = section.word("kind", &KINDS) else {
        if !section.has("kind") {
            section.problem("kind", &format!("is missing; one of {}", KINDS.map(|(word, _)| word).join(", ")));
        }
        return None;
    };
    let kind = match known {
        Known::Webhook => RouteKind::Webhook(webhook(&mut section)),
        Known::Slack => RouteKind::Slack(slack(&mut section)),
        Known::Alertmanager => RouteKind::Alertmanager(alertmanager(&mut section)),
        Known::Email => RouteKind::Email(email(&mut section)?),
        Known::Syslog => RouteKind::Syslog(syslog(&mut section)),
    };
    // A program wants the alert as it is.
    let template = if matches!(known, Known::Webhook) { None } else { template(&mut section, kind.markup()) };
    let is_for_people = matches!(known, Known::Slack | Known::Email);
    let digest = if is_for_people { section.integer("digest_secs", 0..=86_400).unwrap_or(300) } else { 0 };
    let severities: Vec<_> = Severity::ALL.iter().map(|severity| (severity.word(), *severity)).collect();
    let constituents: Vec<Arc<str>> =
        section.list("constituents", "names of [[watch.constituents]]", |name| Ok(name.into()));
    let on = section.list("on", "a list of opened, escalated, updated, resolved, retracted", phase);
    let route = Route {
        name: name.into(),
        min_severity: section.word("min_severity", &severities).unwrap_or(Severity::Low),
        classes: section.list("classes", "a list of classes such as [\"origin_hijack\"]", class),
        on: if section.has("on") { on } else { phases_of(known) },
        // A notice may name what others watch.
        notices: section.flag("notices").unwrap_or(constituents.is_empty()),
        constituents,
        digest: Duration::from_secs(digest),
        template,
        kind,
    };
    let place = section.place("constituents");
    section.finish();
    Some((route, place))
}

/// Programs are told everything.
fn phases_of(kind: Known) -> Vec<Phase> {
    match kind {
        Known::Webhook | Known::Alertmanager => Phase::ALL.to_vec(),
        Known::Slack | Known::Email | Known::Syslog => Phase::OF_PEOPLE.to_vec(),
    }
}

fn phase(word: &str) -> Result<Phase, String> {
    let words = Phase::ALL.map(Phase::word);
    let found = Phase::ALL.into_iter().find(|phase| phase.word() == word);
    found.ok_or_else(|| format!("\"{word}\" is no phase; {}", suggestion(word, &words)))
}

fn class(word: &str) -> Result<Class, String> {
    let words: Vec<_> = Class::ALL.iter().map(|class| class.word()).collect();
    let found = Class::ALL.iter().find(|class| class.word() == word).copied();
    found.ok_or_else(|| format!("\"{word}\" is no class; {}", suggestion(word, &words)))
}

fn webhook(section: &mut Section<'_>) -> Webhook {
    Webhook {
        url: url(section),
        secret: secret(section, "secret"),
        token: secret(section, "token"),
        timeout: timeout(section),
    }
}

fn slack(section: &mut Section<'_>) -> Slack {
    let channel = section.text("channel", "a channel such as \"#noc\"");
    Slack { url: url(section), channel, timeout: timeout(section) }
}

fn alertmanager(section: &mut Section<'_>) -> Alertmanager {
    let text = url(section).expose().trim_end_matches('/').to_owned();
    let url = reqwest::Url::parse(&format!("{text}/api/v2/alerts")).unwrap_or_else(|_| nowhere());
    Alertmanager { url, token: secret(section, "token"), timeout: timeout(section) }
}

/// Stands for what was found wrong.
fn nowhere() -> reqwest::Url {
    reqwest::Url::parse("http://localhost/").expect("a URL")
}

fn email(section: &mut Section<'_>) -> Option<Email> {
    let words = [Encryption::None, Encryption::StartTls, Encryption::Tls].map(|e| (e.word(), e));
    let encryption = section.word("tls", &words).unwrap_or(Encryption::StartTls);
    let (host, port) = server(section, encryption.port());
    let from: Option<Mailbox> = section.parsed("from", "an address such as \"bgpwarden <noc@example.net>\"");
    let to = section.list("to", "a list of addresses", |text| {
        text.parse::<Mailbox>().map_err(|error| format!("\"{text}\" is no address: {error}"))
    });
    for (key, is_missing) in [("from", from.is_none()), ("to", to.is_empty())] {
        if is_missing && !section.has(key) {
            section.problem(key, "is missing");
        }
    }
    let is_html = section.text("template", "the path of a file").is_some_and(|path| path.ends_with(".html"));
    let email = Email {
        host,
        port,
        encryption,
        login: login(section, encryption),
        from: from?,
        to,
        is_html,
        timeout: timeout(section),
    };
    Some(email)
}

fn login(section: &mut Section<'_>, encryption: Encryption) -> Option<(String, Secret)> {
    let (user, password) = (section.text("user", "a name"), secret(section, "password"));
    if section.has("user") != section.has("password") {
        section.problem("user", "user and password belong together");
    }
    if password.is_some() && encryption == Encryption::None {
        section.problem("tls", "a password is sent over TLS only; write \"starttls\" or \"tls\"");
    }
    user.zip(password)
}

/// `server`, with a port or without.
fn server(section: &mut Section<'_>, usual: u16) -> (String, u16) {
    let Some(text) = section.text("server", "host:port") else {
        if !section.has("server") {
            section.problem("server", "is missing; write host:port");
        }
        return (String::new(), usual);
    };
    let parted = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    match parted {
        Some((host, port)) if !host.is_empty() => (host.trim_matches(['[', ']']).to_owned(), port),
        _ if !text.is_empty() && !text.contains(':') => (text, usual),
        _ => {
            section.problem("server", "expected host:port such as smtp.example.net:587");
            (String::new(), usual)
        }
    }
}

fn syslog(section: &mut Section<'_>) -> Syslog {
    let words = [Transport::Udp, Transport::Tcp].map(|transport| (transport.word(), transport));
    let transport = section.word("transport", &words).unwrap_or(Transport::Udp);
    let (host, port) = server(section, if transport == Transport::Udp { 514 } else { 601 });
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Syslog { server: format!("{host}:{port}"), transport, timeout: timeout(section) }
}

fn template(section: &mut Section<'_>, markup: Markup) -> Option<TemplateFile> {
    let path = section.path("template")?;
    let read = read_template(&path).and_then(|source| {
        Template::new("".into(), &source, markup)?;
        Ok(source)
    });
    match read {
        Ok(source) => Some(TemplateFile { path, source: source.into() }),
        Err(error) => {
            section.problem("template", &format!("\"{}\": {error}", path.display()));
            None
        }
    }
}

fn read_template(path: &Path) -> Result<String, String> {
    let mut source = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(TEMPLATE + 1).read_to_string(&mut source).map_err(|error| format!("cannot be read: {error}"))?;
    if source.len() as u64 > TEMPLATE {
        return Err(format!("is longer than {TEMPLATE} octets"));
    }
    Ok(source)
}

/// The address of a receiver over HTTP. It may stand in the file, or not.
fn url(section: &mut Section<'_>) -> Secret {
    let text = section.text("url", "a URL such as https://hooks.example.net/bgp").unwrap_or_default();
    let is_url = reqwest::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !section.has("url") {
        section.problem("url", "is missing; write a URL, { file = \"…\" } or { env = \"…\" }");
    } else if !text.is_empty() && !is_url {
        section.problem("url", "expected a URL that begins with http:// or https://");
    }
    Secret::new(text)
}

fn timeout(section: &mut Section<'_>) -> Duration {
    Duration::from_secs(section.integer("timeout_secs", 1..=300).unwrap_or(10))
}

fn secret(section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
    let secret = section.secret(key)?;
    if secret.expose().is_empty() {
        section.problem(key, "is empty");
    }
    Some(secret)
}

/// Constituents that nobody watches, and names that sinks have already.
pub(super) fn problems<'a>(
    routes: &[(Route, String)],
    watched: impl Iterator<Item = &'a Constituent>,
    sinks: &[Sink],
) -> Vec<String> {
    let names: BTreeSet<&str> = watched.map(|constituent| &*constituent.name).collect();
    let known: Vec<&str> = names.iter().copied().collect();
    let mut problems = Vec::new();
    for (route, place) in routes {
        for name in route.constituents.iter().filter(|name| !names.contains(&***name) && !is_asn(name)) {
            problems.push(format!("{place}: no constituent is called \"{name}\"; {}", suggestion(name, &known)));
        }
        if sinks.iter().any(|sink| sink.name == route.name) {
            problems.push(format!("{place}: [sinks.{}] has the same name; give one of them another", route.name));
        }
    }
    problems
}

/// Such a constituent comes with `run --asn`.
fn is_asn(name: &str) -> bool {
    name.strip_prefix("AS").is_some_and(|digits| digits.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests;
