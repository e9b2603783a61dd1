//! What does a route mean?

use std::fmt::{self, Formatter};

use super::{key, optional, quoted, quoted_list};
use crate::config::{Email, Phase, Route, RouteKind, Secret, Webhook};

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
        RouteKind::Slack(slack) => {
            show_speech(f, route)?;
            writeln!(f, "# url: {}", place_of(&slack.url))?;
            optional(f, "channel", slack.channel.as_ref(), "that of the webhook")?;
            writeln!(f, "timeout_secs = {}", slack.timeout.as_secs())
        }
        RouteKind::Alertmanager(alertmanager) => {
            show_speech(f, route)?;
            writeln!(f, "# url: {}/…", alertmanager.url.origin().ascii_serialization())?;
            show_secret(f, "token", alertmanager.token.as_ref(), "none")?;
            writeln!(f, "timeout_secs = {}", alertmanager.timeout.as_secs())
        }
        RouteKind::Email(email) => {
            show_speech(f, route)?;
            show_email(f, email)
        }
        RouteKind::Syslog(syslog) => {
            show_speech(f, route)?;
            writeln!(f, "server = {}\ntransport = \"{}\"", quoted(&syslog.server), syslog.transport.word())?;
            writeln!(f, "timeout_secs = {}", syslog.timeout.as_secs())
        }
    }
}

fn show_speech(f: &mut Formatter<'_>, route: &Route) -> fmt::Result {
    if matches!(route.kind, RouteKind::Slack(_) | RouteKind::Email(_)) {
        writeln!(f, "digest_secs = {}", route.digest.as_secs())?;
    }
    let path = route.template.as_ref().map(|template| template.path.display());
    optional(f, "template", path, "bgpwarden's own words")
}

fn show_email(f: &mut Formatter<'_>, email: &Email) -> fmt::Result {
    let server = if email.host.contains(':') { format!("[{}]", email.host) } else { email.host.clone() };
    writeln!(f, "server = {}", quoted(format!("{server}:{}", email.port)))?;
    writeln!(f, "tls = \"{}\"", email.encryption.word())?;
    writeln!(f, "# user: {}", if email.login.is_some() { "set, with a password" } else { "nobody logs in" })?;
    writeln!(f, "from = {}\nto = {}", quoted(&email.from), quoted_list(&email.to))?;
    writeln!(f, "timeout_secs = {}", email.timeout.as_secs())
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
