//! What is this instance told to do?
//!
//! TOML becomes a [`Config`] in one step: unknown keys, wrong types and impossible combinations are found here,
//! all at once, each with its line. Whatever holds a `Config` need not doubt it.

mod archive;
mod bmp;
mod http;
pub mod limits;
mod reader;
mod routes;
mod rpki;
mod show;
mod store;
mod watch;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use archive::Archive;
pub use bmp::{Bmp, OpenBmp, Router};
pub use http::{Http, Role, Token};
use ipnet::IpNet;
use limits::Limits;
pub use reader::Secret;
pub(crate) use reader::suggestion;
use reader::{Section, Source};
pub use routes::{
    Alertmanager, Email, Encryption, Phase, Route, RouteKind, Slack, Syslog, TemplateFile, Transport, Webhook,
};
pub use rpki::Rpki;
use rules::alert::{Severity, Tlp};
use rules::bgp::Asn;
use rules::watch::Constituent;
pub(crate) use show::show_entries;
pub use store::Store;
pub use watch::{Entries, WatchList, read_file as watch_file, rule_text, rules_of, watch_files_of};
use watch::{PREFIXES, prefix};

use rules::desk::Settings;

use crate::failure::Failure;

/// The public RIS Live endpoint of the RIPE NCC.
pub const RIS_LIVE_URL: &str = "wss://ris-live.ripe.net/v1/ws/";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub http: Http,
    pub feeds: Vec<Feed>,
    pub rpki: Rpki,
    pub relations: Relations,
    pub alerts: Alerts,
    pub store: Store,
    pub limits: Limits,
    pub notices: Notices,
    pub sinks: Vec<Sink>,
    pub routes: Vec<Route>,
    pub watch: WatchList,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub name: Arc<str>,
    pub kind: FeedKind,
    pub scope: Scope,
    /// What was before it, and what it missed.
    pub archive: Option<Archive>,
    /// Connected and without a message for this long, it is silent.
    pub silent_secs: u64,
}

impl Feed {
    /// RIS Live sends thousands of messages a second, and answers a ping every 30 seconds.
    pub const SILENT_SECS: u64 = 60;

    pub fn new(name: impl Into<Arc<str>>, kind: FeedKind) -> Self {
        Self { name: name.into(), kind, scope: Scope::Internet, archive: None, silent_secs: Self::SILENT_SECS }
    }
}

/// What of a feed is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    Internet,
    /// Watched prefixes, what lies inside and what lies around them.
    Watched,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::Internet, Self::Watched];

    pub fn word(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::Watched => "watched",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedKind {
    RisLive {
        url: String,
        client: String,
        /// Collectors; empty asks for all.
        hosts: Vec<String>,
        /// These and all inside them; empty asks for everything.
        prefixes: Vec<IpNet>,
        peer: Option<IpAddr>,
        path: Option<String>,
    },
    /// Routers that connect to us.
    Bmp(Bmp),
    /// What collectors publish on Kafka.
    OpenBmp(OpenBmp),
    /// Read once at the start: `rib` is the baseline, `files` are news.
    Mrt { files: Vec<String>, rib: Vec<String> },
}

impl FeedKind {
    fn ris_live() -> Self {
        Self::RisLive {
            url: RIS_LIVE_URL.to_owned(),
            client: concat!("bgpwarden/", env!("CARGO_PKG_VERSION")).to_owned(),
            hosts: Vec::new(),
            prefixes: Vec::new(),
            peer: None,
            path: None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    pub file: Option<PathBuf>,
    pub siblings: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerts {
    pub hold_down_secs: u64,
    pub reopen_secs: u64,
    pub min_peer_ases: usize,
    /// The least strict marking of any alert.
    pub tlp: Tlp,
}

impl Alerts {
    /// The thresholds as the desk takes them.
    pub fn settings(&self) -> Settings {
        Settings {
            hold_down_secs: self.hold_down_secs as i64,
            reopen_secs: self.reopen_secs as i64,
            min_peer_ases: self.min_peer_ases,
            tlp: self.tlp,
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { hold_down_secs: 30, reopen_secs: 3_600, min_peer_ases: 2, tlp: Tlp::Clear }
    }
}

/// What is said of the watching itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// Once a day one that says that all this works.
    pub heartbeat: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    pub name: Arc<str>,
    pub min_severity: Severity,
    /// Hears of what is wrong with the watching, too.
    pub notices: bool,
    pub kind: SinkKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    Ndjson { to: NdjsonTarget },
    Kafka(Kafka),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NdjsonTarget {
    Stdout,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    pub brokers: String,
    pub alerts_topic: String,
    pub incidents_topic: String,
    pub notices_topic: String,
    pub create_topics: bool,
    /// Passed to librdkafka as they are.
    pub properties: Vec<(String, Secret)>,
}

impl Kafka {
    /// `brokers` with every other setting at its default.
    pub fn to(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            alerts_topic: "bgpwarden.alerts".to_owned(),
            incidents_topic: "bgpwarden.incidents".to_owned(),
            notices_topic: "bgpwarden.notices".to_owned(),
            create_topics: false,
            properties: Vec::new(),
        }
    }
}

impl Config {
    /// What runs without a file: RIS Live and public VRPs in, NDJSON on stdout out.
    pub fn without_file() -> Self {
        Self { feeds: default_feeds(), rpki: Rpki::public(), sinks: default_sinks(), ..Self::default() }
    }

    /// Reads a file, or gives the defaults.
    pub fn load(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::without_file()) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format!("cannot read \"{name}\": {error}; check the path")))?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&name, &text, base).map_err(|problems| Failure::impossible(problems.join("\n")))
    }

    /// Reads the text of a file; every problem is one line `name:line: key: what`.
    pub fn parse(name: &str, text: &str, base: &Path) -> Result<Self, Vec<String>> {
        let source = Source::new(name, text, base);
        let table = match toml::de::DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                source.note(&error.span().unwrap_or(0..0), error.message().replace('\n', "; "));
                return Err(source.problems());
            }
        };
        let mut root = Section::root(&source, &table);
        let (sinks, routes) = (sinks(&mut root), routes::read(&mut root));
        let watch = watch::read(root.section("watch"));
        let misnamed = routes::problems(&routes, watch.constituents(), &sinks);
        let config = Self {
            http: http::read(root.section("http")),
            feeds: feeds(&mut root),
            rpki: rpki::read(&mut root),
            relations: relations(root.section("relations")),
            alerts: alerts(root.section("alerts")),
            store: store::read(root.section("store")),
            limits: limits::read(root.section("limits")),
            notices: notices(root.section("notices")),
            sinks,
            routes: routes.into_iter().map(|(route, _)| route).collect(),
            watch,
        };
        root.finish();
        let mut problems = source.problems();
        problems.extend(config.watch.problems());
        problems.extend(misnamed);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// What a person should know of it, though it is no error.
    pub fn notes(&self) -> Vec<String> {
        let blind =
            self.feeds.iter().filter(|feed| feed.scope == Scope::Watched && self.watch.constituents().next().is_none());
        let blind = blind.map(|feed| {
            format!("feeds.{}: scope = \"watched\" takes in nothing, since [watch] names no network", feed.name)
        });
        blind.chain(self.watch.notes().cloned()).collect()
    }

    /// Watches every prefix that `asn` originates.
    pub fn watch_asn(&mut self, asn: Asn) {
        let constituent = Constituent { name: asn.to_string().into(), asns: vec![asn], ..Constituent::default() };
        self.watch.here.constituents.push(constituent);
    }
}

fn default_feeds() -> Vec<Feed> {
    vec![Feed::new("ris-live", FeedKind::ris_live())]
}

fn default_sinks() -> Vec<Sink> {
    let kind = SinkKind::Ndjson { to: NdjsonTarget::Stdout };
    vec![Sink { name: "stdout".into(), min_severity: Severity::Low, notices: false, kind }]
}

#[derive(Clone, Copy)]
enum KnownFeed {
    RisLive,
    Mrt,
    Bmp,
    OpenBmp,
}

fn feeds(root: &mut Section<'_>) -> Vec<Feed> {
    let named = root.named("feeds");
    if named.is_empty() {
        return default_feeds();
    }
    named.into_iter().filter_map(|(name, section)| feed(name, section)).collect()
}

fn feed(name: String, mut section: Section<'_>) -> Option<Feed> {
    let kinds = [
        ("ris_live", KnownFeed::RisLive),
        ("mrt", KnownFeed::Mrt),
        ("bmp", KnownFeed::Bmp),
        ("openbmp", KnownFeed::OpenBmp),
    ];
    let kind = match section.word("kind", &kinds) {
        None => {
            if !section.has("kind") {
                section.problem("kind", "is missing; one of ris_live, mrt, bmp, openbmp");
            }
            return None;
        }
        Some(KnownFeed::Bmp) => FeedKind::Bmp(bmp::bmp(&name, &mut section)),
        Some(KnownFeed::OpenBmp) => FeedKind::OpenBmp(bmp::openbmp(&name, &mut section)),
        Some(KnownFeed::RisLive) => ris_live(&mut section),
        Some(KnownFeed::Mrt) => mrt(&mut section),
    };
    // A router tells its whole table when it connects, and may rightly be quiet for longer: see idle_secs.
    let is_published = !matches!(kind, FeedKind::Mrt { .. } | FeedKind::Bmp(_));
    let archive = if is_published { archive::archive(&mut section, &kind) } else { None };
    let silent_secs = if is_published { section.integer("silent_secs", 10..=86_400) } else { None };
    let scope = section.word("scope", &Scope::ALL.map(|scope| (scope.word(), scope))).unwrap_or_default();
    if let (Scope::Watched, FeedKind::RisLive { prefixes, path, .. }) = (scope, &kind)
        && (!prefixes.is_empty() || path.is_some())
    {
        section.problem("scope", "watched asks for what [watch] names; leave out prefixes and path");
    }
    section.later(&["tlp"]);
    section.finish();
    Some(Feed { archive, scope, silent_secs: silent_secs.unwrap_or(Feed::SILENT_SECS), ..Feed::new(name, kind) })
}

fn ris_live(section: &mut Section<'_>) -> FeedKind {
    let FeedKind::RisLive { url, client, .. } = FeedKind::ris_live() else { unreachable!("it is RIS Live") };
    let url = section.text("url", "a URL such as wss://ris-live.ripe.net/v1/ws/").unwrap_or(url);
    if !url.starts_with("ws://") && !url.starts_with("wss://") {
        section.problem("url", "expected a URL that begins with ws:// or wss://");
    }
    FeedKind::RisLive {
        url,
        client: section.text("client", "a name for the server's operators").unwrap_or(client),
        hosts: section.texts("hosts", "a list of collectors such as [\"rrc00\"]"),
        prefixes: section.list("prefixes", PREFIXES, prefix),
        peer: section.parsed("peer", "the address of a peer"),
        path: section.text("path", "an AS path pattern of RIS Live such as \"64496$\""),
    }
}

fn mrt(section: &mut Section<'_>) -> FeedKind {
    let source = section.source();
    let mut inputs = |key| {
        let specs = section.texts(key, "a list of files, URLs or COLLECTOR=PATH");
        specs.iter().map(|spec| input(source, spec)).collect::<Vec<_>>()
    };
    let (files, rib) = (inputs("files"), inputs("rib"));
    if files.is_empty() && rib.is_empty() {
        section.problem("files", "is missing; a feed of kind mrt needs files or rib");
    }
    FeedKind::Mrt { files, rib }
}

/// `[COLLECTOR=]PATH` with its path made absolute; a URL stays.
fn input(source: &Source<'_>, spec: &str) -> String {
    let (collector, path) = match spec.split_once('=') {
        Some((collector, path)) if !collector.contains(['/', ':']) => (Some(collector), path),
        _ => (None, spec),
    };
    let path =
        if path.contains("://") || path == "-" { path.to_owned() } else { source.resolve(path).display().to_string() };
    collector.map_or(path.clone(), |collector| format!("{collector}={path}"))
}

fn relations(mut section: Section<'_>) -> Relations {
    let relations = Relations { file: section.path("file"), siblings: section.path("siblings") };
    section.finish();
    relations
}

fn alerts(mut section: Section<'_>) -> Alerts {
    let default = Alerts::default();
    let alerts = Alerts {
        hold_down_secs: section.integer("hold_down_secs", 0..=3_600).unwrap_or(default.hold_down_secs),
        reopen_secs: section.integer("reopen_secs", 0..=604_800).unwrap_or(default.reopen_secs),
        min_peer_ases: section.integer("min_peer_ases", 1..=1_000).map_or(default.min_peer_ases, |n| n as usize),
        tlp: tlp(&mut section).unwrap_or(default.tlp),
    };
    section.finish();
    alerts
}

fn tlp(section: &mut Section<'_>) -> Option<Tlp> {
    let words: Vec<_> = Tlp::ALL.iter().map(|tlp| (tlp.word(), *tlp)).collect();
    section.word("tlp", &words)
}

#[derive(Clone, Copy)]
enum KnownSink {
    Ndjson,
    Kafka,
}

fn notices(mut section: Section<'_>) -> Notices {
    let heartbeat = section.flag("heartbeat").unwrap_or_default();
    section.finish();
    Notices { heartbeat }
}

fn sinks(root: &mut Section<'_>) -> Vec<Sink> {
    let named = root.named("sinks");
    if named.is_empty() {
        return default_sinks();
    }
    named.into_iter().filter_map(|(name, section)| sink(name, section)).collect()
}

fn sink(name: String, mut section: Section<'_>) -> Option<Sink> {
    let kinds = [("ndjson", KnownSink::Ndjson), ("kafka", KnownSink::Kafka)];
    let severities: Vec<_> = Severity::ALL.iter().map(|severity| (severity.word(), *severity)).collect();
    let min_severity = section.word("min_severity", &severities).unwrap_or(Severity::Low);
    let kind = match section.word("kind", &kinds) {
        None => {
            if !section.has("kind") {
                section.problem("kind", "is missing; one of ndjson, kafka");
            }
            return None;
        }
        Some(KnownSink::Ndjson) => SinkKind::Ndjson { to: ndjson_target(&mut section) },
        Some(KnownSink::Kafka) => SinkKind::Kafka(kafka(&mut section)),
    };
    // Whoever reads the lines of a file expects alerts; a topic of its own surprises nobody.
    let notices = section.flag("notices").unwrap_or(matches!(kind, SinkKind::Kafka(_)));
    section.finish();
    Some(Sink { name: name.into(), min_severity, notices, kind })
}

fn ndjson_target(section: &mut Section<'_>) -> NdjsonTarget {
    match section.text("path", "the path of a file, or \"-\" for stdout").as_deref() {
        None | Some("-") => NdjsonTarget::Stdout,
        Some(path) => NdjsonTarget::File(section.source().resolve(path)),
    }
}

fn kafka(section: &mut Section<'_>) -> Kafka {
    let brokers = section.text("brokers", "host:port, several separated by commas").unwrap_or_default();
    if brokers.is_empty() {
        section.problem("brokers", "is missing; write host:port, several separated by commas");
    }
    let prefix = section.text("prefix", "the beginning of all topics").unwrap_or_else(|| "bgpwarden.".to_owned());
    let mut topic = |key, last: &str| section.text(key, "a topic").unwrap_or_else(|| format!("{prefix}{last}"));
    let (alerts_topic, incidents_topic) = (topic("alerts_topic", "alerts"), topic("incidents_topic", "incidents"));
    let notices_topic = topic("notices_topic", "notices");
    let mut table = section.section("properties");
    let properties = table.properties(is_secret_property);
    for (key, value) in &properties {
        if let Err(what) = crate::sink::kafka::check_property(key, value) {
            table.problem(key, &what);
        }
    }
    Kafka {
        brokers,
        alerts_topic,
        incidents_topic,
        notices_topic,
        create_topics: section.flag("create_topics").unwrap_or(false),
        properties,
    }
}

/// Properties of librdkafka that hold a secret.
fn is_secret_property(key: &str) -> bool {
    let words = ["password", "passphrase", "secret", "key.pem", "oauthbearer.config"];
    words.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests;
