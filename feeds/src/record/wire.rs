//! What does a recorded line look like?
//!
//! The wire is not the model: these types are the format, and nothing else uses them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert;
use rules::bgp::{
    self, AsPath, Asn, Family, PathAttributes, Segment, SegmentKind, Timestamp, VantageId, VantagePoint, canonical,
};
use rules::checkpoint::Checkpoint;
use rules::desk::Settings;
use rules::event::{self, Stamped};
use rules::limits;
use rules::relations;
use rules::rpki;
use rules::session::Standing;
use rules::shed::Shed;
use rules::watch;
use serde::{Deserialize, Serialize};

use crate::convert::no_attributes;
use crate::counts::kind;

#[derive(Serialize, Deserialize)]
pub(super) struct Header<'a> {
    pub bgpwarden: Cow<'a, str>,
    pub version: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub seq: u64,
    /// The engine's clock, microseconds.
    pub at: i64,
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Vantage { id: u32, collector: Arc<str>, peer_as: u32, peer_address: IpAddr },
    Update(Routes),
    Seed(Routes),
    PeerUp { vantage: u32, seen: i64 },
    Role { ases: (u32, u32), relation: Relation },
    PeerDown { vantage: u32, seen: i64 },
    EndOfRib { vantage: u32, family: u8 },
    SeedDone { as_of: i64 },
    Rpki(Box<Delta>),
    RoaEnds(Vec<RoaEnd>),
    Relations(Box<Relations>),
    Watch(Watch),
    Session(Standing),
    Shed(Arc<Shed>),
    Feed(Feed),
    Restore(Arc<Checkpoint>),
    Checkpoint,
    Tick,
    End,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Routes {
    vantage: u32,
    seen: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<Nlri>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    announced: Vec<Nlri>,
    /// Wire order: an AS is a number, any other segment an object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<Hop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    otc: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blackhole: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Nlri {
    Prefix(IpNet),
    WithId(IpNet, u32),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Hop {
    As(u32),
    Segment(Group),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Group {
    Set(Vec<u32>),
    ConfedSequence(Vec<u32>),
    ConfedSet(Vec<u32>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Delta {
    announced_vrps: Vec<Vrp>,
    withdrawn_vrps: Vec<Vrp>,
    announced_aspas: BTreeMap<u32, Vec<u32>>,
    withdrawn_aspas: Vec<u32>,
    vrps: Source,
    aspas: Source,
}

/// Prefix, maxLength, AS, end.
#[derive(Serialize, Deserialize)]
pub(super) struct RoaEnd(IpNet, u8, u32, i64);

/// Prefix, maxLength, AS, source.
#[derive(Serialize, Deserialize)]
struct Vrp(IpNet, u8, u32, Arc<str>);

#[derive(Serialize, Deserialize)]
struct Source {
    name: Arc<str>,
    serial: Option<u64>,
    as_of: Option<i64>,
    state: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Relations {
    source: Source,
    edges: Vec<(u32, u32, Relation)>,
    clique: Vec<u32>,
    siblings: Vec<Vec<u32>>,
    ixps: Vec<u32>,
}

/// What the second AS is to the first.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", remote = "relations::Relation")]
enum RelationWord {
    Customer,
    Provider,
    LateralPeer,
    Sibling,
    Complex,
}

#[derive(Serialize, Deserialize)]
pub struct Relation(#[serde(with = "RelationWord")] relations::Relation);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Watch {
    All(Box<All>),
    /// As it was written before there were rules.
    Constituents(Vec<Constituent>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct All {
    constituents: Vec<Constituent>,
    allow: Vec<AllowRule>,
    thresholds: Option<Thresholds>,
}

#[derive(Serialize, Deserialize)]
struct AllowRule {
    owner: Arc<str>,
    reason: Arc<str>,
    expires: Option<i64>,
    classes: Vec<String>,
    prefixes: Vec<IpNet>,
    max_length: Option<u8>,
    origins: Vec<u32>,
    suspects: Vec<u32>,
    constituents: Vec<Arc<str>>,
    path_ends: Vec<Vec<u32>>,
}

#[derive(Serialize, Deserialize)]
struct Thresholds {
    hold_down_secs: i64,
    reopen_secs: i64,
    min_peer_ases: usize,
    tlp: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Constituent {
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sectors: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<Arc<str>>,
    tlp: String,
    asns: Vec<u32>,
    resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    prefix: IpNet,
    expected_origins: Vec<u32>,
    upstreams: Vec<u32>,
    max_length: Option<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Feed {
    feed: Arc<str>,
    live: bool,
    detail: String,
    gap_from: Option<i64>,
    seen: i64,
}

/// Reads a line; none for a header. The error is a word of [`crate::counts::kind`].
pub(super) fn read(line: &[u8]) -> Result<Option<Stamped>, &'static str> {
    let Ok(line) = serde_json::from_slice::<Line>(line) else {
        return match serde_json::from_slice::<Header<'_>>(line) {
            Ok(header) if header.bgpwarden == super::FORMAT => Ok(None),
            Ok(_) => Err(kind::UNKNOWN_MESSAGE),
            Err(_) => Err(kind::BAD_JSON),
        };
    };
    let event = line.event.into_event().ok_or(kind::BAD_JSON)?;
    Ok(Some(Stamped { seq: line.seq, at: Timestamp(line.at), event }))
}

fn numbers(ases: &[Asn]) -> Vec<u32> {
    ases.iter().map(|asn| asn.0).collect()
}

fn ases(numbers: Vec<u32>) -> Vec<Asn> {
    numbers.into_iter().map(Asn).collect()
}

impl Event {
    pub fn of(event: &event::Event) -> Self {
        match event {
            event::Event::Vantage(id, point) => Self::Vantage {
                id: id.0,
                collector: point.collector.clone(),
                peer_as: point.peer_as.0,
                peer_address: point.peer_address,
            },
            event::Event::Update(update) => Self::Update(Routes::of(update)),
            event::Event::Seed(update) => Self::Seed(Routes::of(update)),
            event::Event::Role(role) => {
                Self::Role { ases: (role.ases.0.0, role.ases.1.0), relation: Relation(role.relation) }
            }
            event::Event::PeerUp { vantage, seen } => Self::PeerUp { vantage: vantage.0, seen: seen.0 },
            event::Event::PeerDown { vantage, seen } => Self::PeerDown { vantage: vantage.0, seen: seen.0 },
            event::Event::EndOfRib { vantage, family } => {
                Self::EndOfRib { vantage: vantage.0, family: if *family == Family::Ipv4 { 4 } else { 6 } }
            }
            event::Event::SeedDone { as_of } => Self::SeedDone { as_of: as_of.0 },
            event::Event::Rpki(delta) => Self::Rpki(Box::new(Delta::of(delta))),
            event::Event::RoaEnds(ends) => {
                let row = |((prefix, max_length, asn), end): ((_, _, Asn), Timestamp)| {
                    RoaEnd(prefix, max_length, asn.0, end.0)
                };
                Self::RoaEnds(ends.iter().map(row).collect())
            }
            event::Event::Relations(relations) | event::Event::Inferred(relations) => {
                Self::Relations(Box::new(Relations::of(relations)))
            }
            event::Event::Watch(watch) => Self::Watch(Watch::of(watch)),
            event::Event::Session(standing) => Self::Session(*standing),
            event::Event::Shed(shed) => Self::Shed(shed.clone()),
            event::Event::Feed(change) => Self::Feed(Feed {
                feed: change.feed.clone(),
                live: change.live,
                detail: change.detail.clone(),
                gap_from: change.gap_from.map(|time| time.0),
                seen: change.seen.0,
            }),
            event::Event::Restore(checkpoint) => Self::Restore(checkpoint.clone()),
            event::Event::Checkpoint => Self::Checkpoint,
            event::Event::Tick => Self::Tick,
            event::Event::End => Self::End,
        }
    }

    fn into_event(self) -> Option<event::Event> {
        Some(match self {
            Self::Vantage { id, collector, peer_as, peer_address } => {
                let point = VantagePoint { collector, peer_as: Asn(peer_as), peer_address };
                event::Event::Vantage(VantageId(id), Arc::new(point))
            }
            Self::Update(routes) => event::Event::Update(routes.into_update()?),
            Self::Seed(routes) => event::Event::Seed(routes.into_update()?),
            Self::Role { ases, relation } => {
                event::Event::Role(event::Role { ases: (Asn(ases.0), Asn(ases.1)), relation: relation.0 })
            }
            Self::PeerUp { vantage, seen } => {
                event::Event::PeerUp { vantage: VantageId(vantage), seen: Timestamp(seen) }
            }
            Self::PeerDown { vantage, seen } => {
                event::Event::PeerDown { vantage: VantageId(vantage), seen: Timestamp(seen) }
            }
            Self::EndOfRib { vantage, family } => {
                let family = match family {
                    4 => Family::Ipv4,
                    6 => Family::Ipv6,
                    _ => return None,
                };
                event::Event::EndOfRib { vantage: VantageId(vantage), family }
            }
            Self::SeedDone { as_of } => event::Event::SeedDone { as_of: Timestamp(as_of) },
            Self::Rpki(delta) => event::Event::Rpki(Arc::new(delta.into_delta()?)),
            Self::RoaEnds(ends) => {
                let row =
                    |RoaEnd(prefix, max_length, asn, end)| ((canonical(prefix), max_length, Asn(asn)), Timestamp(end));
                event::Event::RoaEnds(Arc::new(rpki::RoaEnds::new(ends.into_iter().map(row))))
            }
            Self::Relations(relations) => event::Event::Relations(Arc::new(relations.into_relations()?)),
            Self::Watch(watch) => event::Event::Watch(Arc::new(watch.into_watch()?)),
            Self::Session(standing) => event::Event::Session(standing),
            Self::Shed(shed) => event::Event::Shed(shed),
            Self::Feed(feed) => event::Event::Feed(event::FeedChange {
                feed: feed.feed,
                live: feed.live,
                detail: feed.detail,
                gap_from: feed.gap_from.map(Timestamp),
                seen: Timestamp(feed.seen),
            }),
            Self::Restore(checkpoint) => event::Event::Restore(checkpoint),
            Self::Checkpoint => event::Event::Checkpoint,
            Self::Tick => event::Event::Tick,
            Self::End => event::Event::End,
        })
    }
}

impl Routes {
    fn of(update: &bgp::Update) -> Self {
        let list = |routes: &[bgp::Nlri]| {
            let nlri = |route: &bgp::Nlri| match route.path_id {
                0 => Nlri::Prefix(route.prefix),
                id => Nlri::WithId(route.prefix, id),
            };
            routes.iter().map(nlri).collect()
        };
        Self {
            vantage: update.vantage.0,
            seen: update.seen.0,
            withdrawn: list(&update.withdrawn),
            announced: list(&update.announced),
            path: hops(&update.attributes.as_path),
            otc: update.attributes.only_to_customer.map(|asn| asn.0),
            blackhole: update.attributes.blackhole,
        }
    }

    /// None for a path longer than any feed takes: no recording of ours has one.
    fn into_update(self) -> Option<bgp::Update> {
        let list = |routes: Vec<Nlri>| {
            let nlri = |route| match route {
                Nlri::Prefix(prefix) => bgp::Nlri { prefix: canonical(prefix), path_id: 0 },
                Nlri::WithId(prefix, path_id) => bgp::Nlri { prefix: canonical(prefix), path_id },
            };
            routes.into_iter().map(nlri).collect()
        };
        let attributes = PathAttributes {
            as_path: as_path(self.path),
            only_to_customer: self.otc.map(Asn),
            blackhole: self.blackhole,
        };
        if attributes.as_path.ases().len() > limits::PATH_ASES {
            return None;
        }
        let attributes = if attributes == PathAttributes::default() { no_attributes() } else { Arc::new(attributes) };
        Some(bgp::Update {
            vantage: VantageId(self.vantage),
            seen: Timestamp(self.seen),
            withdrawn: list(self.withdrawn),
            announced: list(self.announced),
            attributes,
        })
    }
}

fn hops(path: &AsPath) -> Vec<Hop> {
    let mut hops = Vec::with_capacity(path.ases().len());
    for segment in path.segments() {
        match segment.kind {
            SegmentKind::Sequence => hops.extend(segment.ases.iter().map(|asn| Hop::As(asn.0))),
            SegmentKind::Set => hops.push(Hop::Segment(Group::Set(numbers(&segment.ases)))),
            SegmentKind::ConfedSequence => hops.push(Hop::Segment(Group::ConfedSequence(numbers(&segment.ases)))),
            SegmentKind::ConfedSet => hops.push(Hop::Segment(Group::ConfedSet(numbers(&segment.ases)))),
        }
    }
    hops
}

fn as_path(hops: Vec<Hop>) -> AsPath {
    let segment = |hop| match hop {
        Hop::As(asn) => Segment { kind: SegmentKind::Sequence, ases: vec![Asn(asn)] },
        Hop::Segment(Group::Set(list)) => Segment { kind: SegmentKind::Set, ases: ases(list) },
        Hop::Segment(Group::ConfedSequence(list)) => Segment { kind: SegmentKind::ConfedSequence, ases: ases(list) },
        Hop::Segment(Group::ConfedSet(list)) => Segment { kind: SegmentKind::ConfedSet, ases: ases(list) },
    };
    AsPath::from_segments(hops.into_iter().map(segment))
}

impl Delta {
    fn of(delta: &rpki::Delta) -> Self {
        let vrps = |list: &[rpki::Vrp]| {
            list.iter().map(|vrp| Vrp(vrp.prefix, vrp.max_length, vrp.asn.0, vrp.source.clone())).collect()
        };
        Self {
            announced_vrps: vrps(&delta.announced_vrps),
            withdrawn_vrps: vrps(&delta.withdrawn_vrps),
            announced_aspas: delta.announced_aspas.iter().map(|(c, p)| (c.0, numbers(p))).collect(),
            withdrawn_aspas: numbers(&delta.withdrawn_aspas),
            vrps: Source::of(&delta.vrps),
            aspas: Source::of(&delta.aspas),
        }
    }

    fn into_delta(self) -> Option<rpki::Delta> {
        let vrps = |list: Vec<Vrp>| {
            let vrp = |Vrp(prefix, max_length, asn, source)| {
                let prefix = canonical(prefix);
                rpki::Vrp { prefix, max_length, asn: Asn(asn), source }
            };
            list.into_iter().map(vrp).collect()
        };
        Some(rpki::Delta {
            announced_vrps: vrps(self.announced_vrps),
            withdrawn_vrps: vrps(self.withdrawn_vrps),
            announced_aspas: self.announced_aspas.into_iter().map(|(c, p)| (Asn(c), ases(p))).collect(),
            withdrawn_aspas: ases(self.withdrawn_aspas),
            vrps: self.vrps.into_source()?,
            aspas: self.aspas.into_source()?,
        })
    }
}

impl Relations {
    fn of(relations: &relations::Relations) -> Self {
        let edge = |(a, b, relation): (Asn, Asn, relations::Relation)| (a.0, b.0, Relation(relation));
        Self {
            source: Source::of(&relations.source),
            edges: relations.edges().into_iter().map(edge).collect(),
            clique: numbers(relations.clique()),
            siblings: relations.siblings().iter().map(|group| numbers(group)).collect(),
            ixps: numbers(relations.ixps()),
        }
    }

    fn into_relations(self) -> Option<relations::Relations> {
        let edges = self.edges.into_iter().map(|(a, b, relation)| (Asn(a), Asn(b), relation.0));
        let siblings = self.siblings.into_iter().map(ases).collect();
        Some(relations::Relations::new(self.source.into_source()?, edges, ases(self.clique), siblings, ases(self.ixps)))
    }
}

impl Source {
    fn of(source: &alert::Source) -> Self {
        Self {
            name: source.name.clone(),
            serial: source.serial,
            as_of: source.as_of.map(|time| time.0),
            state: source.state.word().into(),
        }
    }

    fn into_source(self) -> Option<alert::Source> {
        let state = *alert::SourceState::ALL.iter().find(|state| state.word() == self.state)?;
        Some(alert::Source { name: self.name, serial: self.serial, as_of: self.as_of.map(Timestamp), state })
    }
}

impl Watch {
    fn of(watch: &watch::Watch) -> Self {
        Self::All(Box::new(All {
            constituents: watch.constituents().iter().map(Constituent::of).collect(),
            allow: watch.allow().all().iter().map(AllowRule::of).collect(),
            thresholds: watch.thresholds().map(Thresholds::of),
        }))
    }

    fn into_watch(self) -> Option<watch::Watch> {
        let (constituents, allow, thresholds) = match self {
            Self::All(all) => (all.constituents, all.allow, all.thresholds),
            Self::Constituents(constituents) => (constituents, Vec::new(), None),
        };
        let constituents = constituents.into_iter().map(Constituent::into_constituent).collect::<Option<_>>()?;
        let allow = allow.into_iter().map(AllowRule::into_rule).collect::<Option<_>>()?;
        let thresholds = match thresholds {
            Some(thresholds) => Some(thresholds.into_settings()?),
            None => None,
        };
        Some(watch::Watch::new(constituents).with_allow(allow).with_thresholds(thresholds))
    }
}

impl AllowRule {
    fn of(rule: &watch::AllowRule) -> Self {
        Self {
            owner: rule.owner.clone(),
            reason: rule.reason.clone(),
            expires: rule.expires.map(|end| end.0),
            classes: rule.classes.iter().map(|class| class.word().into()).collect(),
            prefixes: rule.prefixes.clone(),
            max_length: rule.max_length,
            origins: numbers(&rule.origins),
            suspects: numbers(&rule.suspects),
            constituents: rule.constituents.clone(),
            path_ends: rule.path_ends.iter().map(|end| numbers(end)).collect(),
        }
    }

    fn into_rule(self) -> Option<watch::AllowRule> {
        let class = |word: &String| alert::Class::ALL.iter().find(|class| class.word() == word).copied();
        Some(watch::AllowRule {
            owner: self.owner,
            reason: self.reason,
            expires: self.expires.map(Timestamp),
            classes: self.classes.iter().map(class).collect::<Option<_>>()?,
            prefixes: self.prefixes.into_iter().map(canonical).collect(),
            max_length: self.max_length,
            origins: ases(self.origins),
            suspects: ases(self.suspects),
            constituents: self.constituents,
            path_ends: self.path_ends.into_iter().map(ases).collect(),
        })
    }
}

impl Thresholds {
    fn of(settings: Settings) -> Self {
        Self {
            hold_down_secs: settings.hold_down_secs,
            reopen_secs: settings.reopen_secs,
            min_peer_ases: settings.min_peer_ases,
            tlp: settings.tlp.word().into(),
        }
    }

    fn into_settings(self) -> Option<Settings> {
        let (hold_down_secs, reopen_secs, min_peer_ases) = (self.hold_down_secs, self.reopen_secs, self.min_peer_ases);
        // A year: further out, times would not fit.
        let is_sane = |secs: i64| (0..=31_536_000).contains(&secs);
        let settings = Settings { hold_down_secs, reopen_secs, min_peer_ases, tlp: tlp(&self.tlp)? };
        (is_sane(hold_down_secs) && is_sane(reopen_secs)).then_some(settings)
    }
}

fn tlp(word: &str) -> Option<alert::Tlp> {
    alert::Tlp::ALL.iter().find(|tlp| tlp.word() == word).copied()
}

impl Constituent {
    fn of(constituent: &watch::Constituent) -> Self {
        Self {
            name: constituent.name.clone(),
            contact: constituent.contact.clone(),
            sectors: constituent.sectors.clone(),
            country: constituent.country.clone(),
            tlp: constituent.tlp.word().into(),
            asns: numbers(&constituent.asns),
            resources: constituent.resources.iter().map(Resource::of).collect(),
        }
    }

    fn into_constituent(self) -> Option<watch::Constituent> {
        Some(watch::Constituent {
            tlp: tlp(&self.tlp)?,
            name: self.name,
            contact: self.contact,
            sectors: self.sectors,
            country: self.country,
            asns: ases(self.asns),
            resources: self.resources.into_iter().map(Resource::into_resource).collect(),
        })
    }
}

impl Resource {
    fn of(resource: &watch::Resource) -> Self {
        Self {
            prefix: resource.prefix,
            expected_origins: numbers(&resource.expected_origins),
            upstreams: numbers(&resource.upstreams),
            max_length: resource.max_length,
        }
    }

    fn into_resource(self) -> watch::Resource {
        watch::Resource {
            prefix: canonical(self.prefix),
            expected_origins: ases(self.expected_origins),
            upstreams: ases(self.upstreams),
            max_length: self.max_length,
        }
    }
}
