//! What does a route mean?

use std::fmt::{self, Formatter};

use super::{key, quoted_list};
use crate::config::{Phase, Route, RouteKind, Secret, Webhook};

pub(super) fn show(f: &mut Formatter<'_>, route: &Route) -> fmt::Result {
    writeln!(f, "\n[routes.{}]\nkind = \"{}\"", key(&route.name), route.kind.word())?;
    match route.constituents.is_empty() {
        true => writeln!(f, "# constituents: whatever it is about")?,
        false => writeln!(f, "constituents = {}", quoted_list(&route.constituents))?,
    }
    writeln!(f, "min_severity = \"{}\"", route.min_severity)?;
    match route.classes.is_empty() {
        true => writeln!(f, "# classes: all")?,
        false => writeln!(f, "classes = {}", quoted_list(&route.classes))?,
    }
    let phases: Vec<_> = route.on.iter().copied().map(Phase::word).collect();
    writeln!(f, "on = {}\nnotices = {}", quoted_list(&phases), route.notices)?;
    match &route.kind {
        RouteKind::Webhook(webhook) => show_webhook(f, webhook),
    }
}

fn show_webhook(f: &mut Formatter<'_>, webhook: &Webhook) -> fmt::Result {
    writeln!(f, "# url: {}", place_of(&webhook.url))?;
    show_secret(f, "secret", webhook.secret.as_ref(), "what is sent is not signed")?;
    show_secret(f, "token", webhook.token.as_ref(), "none")?;
    writeln!(f, "timeout_secs = {}", webhook.timeout.as_secs())
}

fn show_secret(f: &mut Formatter<'_>, key: &str, secret: Option<&Secret>, absent: &str) -> fmt::Result {
    writeln!(f, "# {key}: {}", if secret.is_some() { "set" } else { absent })
}

/// Without its path, which may be what nobody else must know.
fn place_of(url: &Secret) -> String {
    let url = reqwest::Url::parse(url.expose()).ok();
    url.map_or_else(|| "set".to_owned(), |url| format!("{}/…", url.origin().ascii_serialization()))
}
