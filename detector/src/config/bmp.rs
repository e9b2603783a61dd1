//! Which routers may speak to us over BMP, and which topics bring what others heard?

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rules::bgp::Asn;

use super::reader::{Secret, Section};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bmp {
    pub listen: SocketAddr,
    /// Everybody else is refused.
    pub routers: Vec<Router>,
    /// A router that says nothing for this long is reported as silent.
    pub idle_secs: u64,
    /// Connections at once.
    pub max_routers: usize,
    /// Peers of one router.
    pub max_peers: usize,
}

/// One address, or a prefix of which each address is a router of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub address: IpNet,
    /// As it stands in alerts.
    pub name: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBmp {
    pub brokers: String,
    /// Names, or regular expressions that begin with `^`.
    pub topics: Vec<String>,
    pub group: String,
    /// Stands in front of every path and is no part of it; none: nothing does.
    pub collector_as: Option<Asn>,
    /// Passed to librdkafka as they are.
    pub properties: Vec<(String, Secret)>,
}

const ROUTERS: &str = "routers = [{ address = \"192.0.2.1\", name = \"edge1\" }]";

/// Without a list, whoever is on this machine may connect.
fn this_machine(feed: &str) -> Vec<Router> {
    let local = |prefix: &str| prefix.parse().ok().map(|address| Router { address, name: feed.into() });
    ["127.0.0.0/8", "::1/128"].into_iter().filter_map(local).collect()
}

pub(super) fn bmp(feed: &str, section: &mut Section<'_>) -> Bmp {
    let has_list = section.has("routers");
    let routers: Vec<Router> = section.sections("routers").into_iter().filter_map(router).collect();
    let listen = section.address("listen").unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 11_019)));
    if !has_list && !listen.ip().is_loopback() {
        section.problem("listen", &format!("an address that others can reach demands a list such as {ROUTERS}"));
    }
    for (i, router) in routers.iter().enumerate() {
        if let Some(other) = routers[..i].iter().find(|other| other.name == router.name) {
            let what = format!("{} and {} have the same name {:?}", other.address, router.address, router.name);
            section.problem("routers", &what);
        }
    }
    Bmp {
        listen,
        routers: if has_list { routers } else { this_machine(feed) },
        idle_secs: section.integer("idle_secs", 1..=86_400).unwrap_or(300),
        max_routers: section.integer("max_routers", 1..=10_000).map_or(64, |n| n as usize),
        max_peers: section.integer("max_peers", 1..=65_536).map_or(4_096, |n| n as usize),
    }
}

fn router(mut section: Section<'_>) -> Option<Router> {
    let name = section.text("name", "a name, as it is to stand in alerts").unwrap_or_default();
    if name.is_empty() {
        section.problem("name", "is missing");
    }
    let text = section.text("address", "the address of a router, or a prefix");
    let address = text.as_deref().and_then(|text| {
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
        let found = parsed.ok().filter(|prefix| *prefix == prefix.trunc());
        if found.is_none() {
            section.problem("address", &format!("\"{text}\" is neither an address nor a prefix without host bits"));
        }
        found
    });
    if text.is_none() && !section.has("address") {
        section.problem("address", "is missing");
    }
    section.finish();
    Some(Router { address: address?, name: name.into() })
}

pub(super) fn openbmp(feed: &str, section: &mut Section<'_>) -> OpenBmp {
    let brokers = section.text("brokers", "host:port, several separated by commas").unwrap_or_default();
    if brokers.is_empty() {
        section.problem("brokers", "is missing; write host:port, several separated by commas");
    }
    let mut topics = section.texts("topics", "a list of topics, or of regular expressions that begin with ^");
    if topics.is_empty() {
        topics.push(feeds::openbmp::consumer::ROUTE_VIEWS_TOPICS.to_owned());
    }
    let collector_as = match section.integer("collector_as", 0..=u64::from(u32::MAX)) {
        None => Some(feeds::openbmp::ROUTE_VIEWS),
        Some(asn) => u32::try_from(asn).ok().map(Asn).filter(|asn| *asn != Asn(0)),
    };
    let group = section.text("group", "a consumer group of this instance alone");
    let mut table = section.section("properties");
    let properties = table.properties(super::is_secret_property);
    for (key, value) in &properties {
        if let Err(what) = feeds::openbmp::consumer::check_property(key, value.expose()) {
            table.problem(key, &what);
        }
    }
    OpenBmp { brokers, topics, group: group.unwrap_or_else(|| format!("bgpwarden-{feed}")), collector_as, properties }
}
