//! `[routes.NAME]`: who is told of what, and how?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rules::alert::{Class, Severity};
use rules::watch::Constituent;

use super::Sink;
use super::reader::{Secret, Section, suggestion};

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
    pub kind: RouteKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RouteKind {
    Webhook(Webhook),
}

impl RouteKind {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
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

#[derive(Clone, Copy)]
enum Known {
    Webhook,
}

const KINDS: [(&str, Known); 1] = [("webhook", Known::Webhook)];

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
    };
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
        kind,
    };
    let place = section.place("constituents");
    section.finish();
    Some((route, place))
}

/// Programs are told everything.
fn phases_of(kind: Known) -> Vec<Phase> {
    match kind {
        Known::Webhook => Phase::ALL.to_vec(),
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
