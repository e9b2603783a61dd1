//! What does a configuration mean, with every default written out?

use std::fmt::{self, Display, Formatter, Write};
use std::path::{Path, PathBuf};

mod routes;

use super::limits::shown;
use super::{Bmp, Config, Entries, Feed, FeedKind, Kafka, NdjsonTarget, OpenBmp, Rpki, Sink, SinkKind, WatchList};
use feeds::shown::without_secrets;
use rules::bgp::Asn;
use rules::watch::{AllowRule, Constituent, Resource};

/// TOML that says the same as the file it came from. Secrets are left out, absent values are comments.
impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[http]")?;
        writeln!(f, "listen = \"{}\"", self.http.listen)?;
        optional(f, "metrics_listen", self.http.metrics_listen.as_ref(), "no address of its own")?;
        optional(f, "public_url", self.http.public_url.as_ref(), "alerts carry no link")?;
        writeln!(f, "requests_per_sec = {}", self.http.requests_per_sec)?;
        if self.http.tokens.is_empty() {
            writeln!(f, "# tokens: none, loopback only, and only to look")?;
        }
        for token in &self.http.tokens {
            writeln!(f, "# token {}: set, role {}", key(&token.name), token.role.word())?;
        }
        for feed in &self.feeds {
            show_feed(f, feed)?;
        }
        show_rpki(f, &self.rpki)?;
        writeln!(f, "\n[relations]")?;
        optional(f, "file", self.relations.file.as_deref().map(Path::display), "inferred from routes")?;
        optional(f, "siblings", self.relations.siblings.as_deref().map(Path::display), "no siblings known")?;
        writeln!(f, "\n[alerts]")?;
        writeln!(f, "hold_down_secs = {}\nreopen_secs = {}", self.alerts.hold_down_secs, self.alerts.reopen_secs)?;
        writeln!(f, "min_peer_ases = {}\ntlp = \"{}\"", self.alerts.min_peer_ases, self.alerts.tlp)?;
        writeln!(f, "\n[store]\npath = {}", quoted(&self.store.location))?;
        writeln!(f, "retention_days = {}", self.store.retention_days)?;
        writeln!(f, "max_mb = {}", self.store.max_mb)?;
        writeln!(f, "checkpoint_secs = {}", self.store.checkpoint_secs)?;
        writeln!(f, "\n[limits]")?;
        optional(f, "memory", self.limits.memory.map(shown), "no budget, so nothing is shed")?;
        writeln!(f, "\n[notices]\nheartbeat = {}", self.notices.heartbeat)?;
        for sink in &self.sinks {
            show_sink(f, sink)?;
        }
        self.routes.iter().try_for_each(|route| routes::show(f, route))?;
        if self.watch.is_empty() {
            writeln!(f, "\n# watch: nothing; every prefix is judged alike")?;
        }
        show_watch(f, &self.watch)?;
        Ok(())
    }
}

fn show_rpki(f: &mut Formatter<'_>, rpki: &Rpki) -> fmt::Result {
    writeln!(f, "\n[rpki]\nfiles = {}\naspas = {}", paths(&rpki.files), paths(&rpki.aspas))?;
    writeln!(f, "rtr = {}", quoted_list(&rpki.rtr))?;
    optional(f, "url", rpki.url.as_deref().map(without_secrets), "none")?;
    optional(f, "slurm", rpki.slurm.as_deref().map(Path::display), "no local exceptions")?;
    writeln!(f, "refresh_secs = {}\nexpire_secs = {}", rpki.refresh_secs, rpki.expire_secs)?;
    writeln!(f, "collapse_percent = {}\nfreeze_secs = {}", rpki.collapse_percent, rpki.freeze_secs)
}

fn show_feed(f: &mut Formatter<'_>, feed: &Feed) -> fmt::Result {
    writeln!(f, "\n[feeds.{}]\nscope = \"{}\"", key(&feed.name), feed.scope.word())?;
    match &feed.kind {
        FeedKind::RisLive { url, client, hosts, prefixes, peer, path } => {
            writeln!(f, "kind = \"ris_live\"\nurl = {}\nclient = {}", quoted(without_secrets(url)), quoted(client))?;
            writeln!(f, "hosts = {}\nprefixes = {}", quoted_list(hosts), quoted_list(prefixes))?;
            optional(f, "peer", peer.as_ref(), "all")?;
            optional(f, "path", path.as_ref(), "all")?;
            writeln!(f, "silent_secs = {}", feed.silent_secs)?;
            show_archive(f, feed)
        }
        FeedKind::Bmp(bmp) => show_bmp(f, bmp),
        FeedKind::OpenBmp(openbmp) => {
            show_openbmp(f, openbmp)?;
            show_archive(f, feed)
        }
        FeedKind::Mrt { files, rib } => {
            writeln!(f, "kind = \"mrt\"\nfiles = {}\nrib = {}", inputs(files), inputs(rib))
        }
    }
}

fn show_bmp(f: &mut Formatter<'_>, bmp: &Bmp) -> fmt::Result {
    let router =
        |router: &super::Router| format!("{{ address = {}, name = {} }}", quoted(router.address), quoted(&router.name));
    let routers: Vec<_> = bmp.routers.iter().map(router).collect();
    writeln!(f, "kind = \"bmp\"\nlisten = \"{}\"\nrouters = [{}]", bmp.listen, routers.join(", "))?;
    writeln!(f, "idle_secs = {}\nmax_routers = {}\nmax_peers = {}", bmp.idle_secs, bmp.max_routers, bmp.max_peers)
}

fn show_openbmp(f: &mut Formatter<'_>, openbmp: &OpenBmp) -> fmt::Result {
    writeln!(f, "kind = \"openbmp\"\nbrokers = {}", quoted(&openbmp.brokers))?;
    writeln!(f, "topics = {}\ngroup = {}", quoted_list(&openbmp.topics), quoted(&openbmp.group))?;
    writeln!(f, "collector_as = {}", openbmp.collector_as.map_or(0, |asn| asn.0))?;
    show_properties(f, &openbmp.properties)
}

/// Names alone: a value may be a secret.
fn show_properties(f: &mut Formatter<'_>, properties: &[(String, super::Secret)]) -> fmt::Result {
    let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
    match names.is_empty() {
        true => writeln!(f, "# properties: none"),
        false => writeln!(f, "# properties: set: {}", names.join(", ")),
    }
}

fn show_archive(f: &mut Formatter<'_>, feed: &Feed) -> fmt::Result {
    writeln!(f, "bootstrap = {}", feed.archive.is_some())?;
    let Some(archive) = &feed.archive else { return Ok(()) };
    let names: Vec<_> = archive.collectors.iter().map(|collector| &collector.name).collect();
    writeln!(f, "collectors = {}", quoted_list(&names))?;
    optional(f, "archive", archive.base.as_deref().map(without_secrets), "where the collectors' files are published")
}

fn show_sink(f: &mut Formatter<'_>, sink: &Sink) -> fmt::Result {
    let kind = match sink.kind {
        SinkKind::Ndjson { .. } => "ndjson",
        SinkKind::Kafka(_) => "kafka",
    };
    writeln!(f, "\n[sinks.{}]\nkind = \"{kind}\"\nmin_severity = \"{}\"", key(&sink.name), sink.min_severity)?;
    writeln!(f, "notices = {}", sink.notices)?;
    match &sink.kind {
        SinkKind::Ndjson { to: NdjsonTarget::Stdout } => writeln!(f, "path = \"-\""),
        SinkKind::Ndjson { to: NdjsonTarget::File(path) } => writeln!(f, "path = {}", quoted(path.display())),
        SinkKind::Kafka(kafka) => show_kafka(f, kafka),
    }
}

fn show_kafka(f: &mut Formatter<'_>, kafka: &Kafka) -> fmt::Result {
    writeln!(f, "brokers = {}\nalerts_topic = {}", quoted(&kafka.brokers), quoted(&kafka.alerts_topic))?;
    writeln!(f, "incidents_topic = {}", quoted(&kafka.incidents_topic))?;
    writeln!(f, "notices_topic = {}\ncreate_topics = {}", quoted(&kafka.notices_topic), kafka.create_topics)?;
    show_properties(f, &kafka.properties)
}

fn show_watch(f: &mut Formatter<'_>, watch: &WatchList) -> fmt::Result {
    if !watch.files.is_empty() {
        writeln!(f, "\n[watch]\nfiles = {}", paths(&watch.files))?;
        let entries = &watch.from_files;
        let prefixes: usize = entries.constituents.iter().map(|c| c.resources.len()).sum();
        let (constituents, rules) = (entries.constituents.len(), entries.allow.len());
        writeln!(f, "# in them: {constituents} constituents, {prefixes} prefixes, {rules} allow rules")?;
    }
    show_entries(f, &watch.here, "watch.")
}

/// As tables under `prefix`.
pub(crate) fn show_entries(f: &mut impl Write, entries: &Entries, prefix: &str) -> fmt::Result {
    entries.constituents.iter().try_for_each(|constituent| show_constituent(f, constituent, prefix))?;
    entries.allow.iter().try_for_each(|rule| show_rule(f, rule, prefix))
}

fn asns(list: &[Asn]) -> toml::Value {
    list.iter().map(|asn| toml::Value::Integer(asn.0.into())).collect::<Vec<_>>().into()
}

fn show_rule(f: &mut impl Write, rule: &AllowRule, prefix: &str) -> fmt::Result {
    writeln!(f, "\n[[{prefix}allow]]\nowner = {}\nreason = {}", quoted(&rule.owner), quoted(&rule.reason))?;
    match rule.expires {
        Some(end) => writeln!(f, "expires = {end}")?,
        None => writeln!(f, "expires = \"never\"")?,
    }
    let lists = [
        ("classes", !rule.classes.is_empty(), quoted_list(&rule.classes)),
        ("prefixes", !rule.prefixes.is_empty(), quoted_list(&rule.prefixes)),
        ("max_length", rule.max_length.is_some(), toml::Value::Integer(rule.max_length.unwrap_or_default().into())),
        ("origins", !rule.origins.is_empty(), asns(&rule.origins)),
        ("suspects", !rule.suspects.is_empty(), asns(&rule.suspects)),
        ("constituents", !rule.constituents.is_empty(), quoted_list(&rule.constituents)),
        ("path_end", !rule.path_ends.is_empty(), asns(rule.path_ends.first().map_or(&[], Vec::as_slice))),
    ];
    lists.iter().filter(|(_, is_given, _)| *is_given).try_for_each(|(key, _, value)| writeln!(f, "{key} = {value}"))
}

fn show_constituent(f: &mut impl Write, constituent: &Constituent, prefix: &str) -> fmt::Result {
    writeln!(f, "\n[[{prefix}constituents]]\nname = {}", quoted(&constituent.name))?;
    writeln!(f, "asns = {}\ntlp = \"{}\"", asns(&constituent.asns), constituent.tlp)?;
    let texts = [("contact", &constituent.contact), ("country", &constituent.country)];
    for (key, text) in texts {
        text.iter().try_for_each(|text| writeln!(f, "{key} = {}", quoted(text)))?;
    }
    if !constituent.sectors.is_empty() {
        writeln!(f, "sectors = {}", quoted_list(&constituent.sectors))?;
    }
    constituent.resources.iter().try_for_each(|resource| show_resource(f, resource, prefix))
}

fn show_resource(f: &mut impl Write, resource: &Resource, prefix: &str) -> fmt::Result {
    writeln!(f, "\n[[{prefix}constituents.resources]]\nprefix = \"{}\"", resource.prefix)?;
    writeln!(f, "expected_origins = {}", asns(&resource.expected_origins))?;
    writeln!(f, "upstreams = {}", asns(&resource.upstreams))?;
    match resource.max_length {
        Some(length) => writeln!(f, "max_length = {length}"),
        None => writeln!(f, "# max_length: any"),
    }
}

fn optional(f: &mut Formatter<'_>, key: &str, value: Option<impl Display>, absent: &str) -> fmt::Result {
    match value {
        Some(value) => writeln!(f, "{key} = {}", quoted(value)),
        None => writeln!(f, "# {key}: {absent}"),
    }
}

fn quoted(value: impl Display) -> toml::Value {
    toml::Value::String(value.to_string())
}

fn quoted_list<T: Display>(values: &[T]) -> toml::Value {
    values.iter().map(quoted).collect::<Vec<_>>().into()
}

fn inputs(specs: &[String]) -> toml::Value {
    quoted_list(&specs.iter().map(|spec| without_secrets(spec)).collect::<Vec<_>>())
}

fn paths(paths: &[PathBuf]) -> toml::Value {
    paths.iter().map(|path| quoted(path.display())).collect::<Vec<_>>().into()
}

/// A name that is no bare key of TOML is quoted.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { name.to_owned() } else { quoted(name).to_string() }
}
