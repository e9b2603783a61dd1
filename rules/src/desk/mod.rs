//! The one place that decides: which sightings pass the gates, what they score, which story they belong to, and when
//! it begins, changes and ends.
//!
//! Shards see prefixes, the desk sees stories. Reports come in the order of [`crate::shard::Keyed::order`], so the
//! same events give the same alerts whatever the number of shards.

mod allowed;
mod beside;
mod company;
mod forget;
mod gate;
mod incident;
mod link;
mod memory;
mod new_facts;
mod novelty;
mod record;
mod render;
mod score;
mod shed;
mod short_prefix;
mod stories;
mod tables;
mod tenure;
mod timers;
mod topology;
mod visibility;
mod witness;

pub use incident::{Incident, Offence};
pub use record::{Recording, RouteEnd, RouteNews, RouteRecord};
pub use tables::{full_feed_of, full_table};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use foldhash::quality::RandomState;
use ipnet::IpNet;

use crate::alert::{Alert, Class, Gap, Inputs, Reason, ReasonCode, Severity, Source, Tlp};
use crate::bgp::{Asn, Family, Timestamp, VantageId, VantagePoint};
use crate::checkpoint::{Chapter, Parts};
use crate::event::{Event, FeedChange, Stamped};
use crate::finding::{Code, Finding, Kind};
use crate::limits;
use crate::own::visibility_loss::Losses;
use crate::relations::{Relation, Relations};
use crate::rpki::{Delta, RoaEnds};
use crate::shard::{EndedBy, FullFeed, Known, Phase, Report, Sighting};
use crate::watch::Watch;
use allowed::AllowedRoutes;
use forget::Room;
use gate::End;
use incident::{IncidentRef, OffenceKey, OffenceRef};
use link::NewLinks;
use memory::Before;
use new_facts::NewFacts;
use short_prefix::ShortPrefixes;
use tables::Tables;
use timers::{Timer, Timers};
use topology::Topology;
use witness::Witnesses;

/// Thresholds of the desk: table `[alerts]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub hold_down_secs: i64,
    pub reopen_secs: i64,
    pub min_peer_ases: usize,
    pub tlp: Tlp,
}

impl Default for Settings {
    fn default() -> Self {
        Self { hold_down_secs: 30, reopen_secs: 3_600, min_peer_ases: 2, tlp: Tlp::Green }
    }
}

/// What the desk gives out.
#[derive(Clone, Debug)]
pub enum Output {
    Alert(Arc<Alert>),
    /// Who holds an offending route of an incident, or no longer does.
    Route(Box<RouteNews>),
    /// What has to be kept for a restart, before the alert that follows it is told.
    Chapter(Box<Chapter>),
    /// What has to be kept for a restart, of everything.
    Checkpoint(Box<Parts>),
}

/// Why a finding did not become an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suppressed {
    /// Scored below 1.
    Noise,
    /// Ended, or the input did, before the gates were passed.
    Gate,
    /// Somebody said that it is fine.
    AllowRule,
    /// A limit of the desk was reached.
    Limit,
    /// The only sessions that show it are not believed.
    Quarantine,
}

#[derive(Default)]
pub struct Desk {
    settings: Settings,
    now: Timestamp,
    seq: u64,
    learning: bool,
    learning_since: Option<Timestamp>,
    vantage: Vec<Arc<VantagePoint>>,
    /// By the ASes, the smaller number first.
    roles: BTreeMap<(Asn, Asn), Relation>,
    known: HashSet<Known, RandomState>,
    topology: Topology,
    witnesses: Witnesses,
    new_links: NewLinks,
    tables: Tables,
    relations: Option<Arc<Relations>>,
    watch: Arc<Watch>,
    /// Routes that allow rules keep aside.
    allowed: AllowedRoutes,
    short: ShortPrefixes,
    losses: Losses,
    offences: Vec<Offence>,
    by_key: HashMap<OffenceKey, OffenceRef, RandomState>,
    incidents: Vec<Incident>,
    stories: HashMap<(Kind, Asn), Vec<IncidentRef>, RandomState>,
    /// Offences that count only together, by class and AS.
    waiting: BTreeMap<(Class, Asn), Vec<OffenceRef>>,
    timers: Timers,
    dirty: BTreeSet<IncidentRef>,
    feeds: BTreeMap<Arc<str>, bool>,
    gaps: Vec<Gap>,
    vrps: Option<Source>,
    aspas: Option<Source>,
    roa_ends: Arc<RoaEnds>,
    /// What of the RPKI changed by the event that is worked off.
    new_facts: Option<NewFacts>,
    baseline_as_of: Option<Timestamp>,
    suppressed: BTreeMap<(Class, Suppressed), u64>,
    /// Offences with sessions that are waited for, by prefix.
    awaited: BTreeMap<IpNet, BTreeSet<OffenceRef>>,
    /// What a restart left; none in a process that began with nothing.
    before: Option<Before>,
    room: Room,
    recording: Recording,
    /// Routes on record that belong to no incident yet.
    untold_routes: usize,
    /// See [`crate::shed::Shed::history`].
    keeps_no_past: bool,
    /// Incidents of which more found no room on record than was told.
    left_out: BTreeSet<IncidentRef>,
    keeps_chapters: bool,
    out: Vec<Output>,
}

impl Desk {
    pub fn new(settings: Settings, recording: Recording) -> Self {
        Self { settings, recording, learning: true, now: Timestamp::MIN, ..Self::default() }
    }

    /// From here on routes are told like this.
    pub fn record(&mut self, recording: Recording) {
        self.recording = recording;
    }

    /// From here on every alert is preceded by what a restart needs to know of its incident.
    pub fn keep_chapters(&mut self) {
        self.keeps_chapters = true;
    }

    /// The clock moves to the event, and what was due before it happens first.
    pub fn begin(&mut self, stamped: &Stamped) {
        let is_end = matches!(stamped.event, Event::End);
        self.run_timers(stamped.at, is_end);
        self.now = self.now.max(stamped.at);
        self.seq = stamped.seq;
        match &stamped.event {
            Event::Vantage(id, point) => {
                debug_assert_eq!(id.0 as usize, self.vantage.len());
                self.topology.meet(point);
                self.vantage.push(point.clone());
            }
            Event::Update(update) if !ShortPrefixes::concern(update) || self.is_void(update.vantage) => {}
            Event::Update(update) => {
                for sighting in self.short.apply(update) {
                    self.sighting(sighting);
                }
            }
            Event::PeerUp { vantage, .. } => {
                let back = self.now.plus_secs(limits::TABLE_TRANSFER_SECS);
                self.timers.set(back, Timer::TableTransfer(*vantage));
            }
            Event::PeerDown { vantage, seen } => {
                let lost = self.short.lose(*vantage, *seen).into_iter().chain(self.losses.lose(*vantage, *seen));
                for sighting in lost.collect::<Vec<_>>() {
                    self.sighting(sighting);
                }
            }
            Event::EndOfRib { vantage, .. } => self.table_is_back(*vantage),
            Event::SeedDone { as_of } => {
                self.learning = false;
                self.baseline_as_of = self.baseline_as_of.max(Some(*as_of));
            }
            Event::Session(standing) => self.session_changed(*standing),
            Event::Shed(shed) => self.shed(shed),
            Event::Rpki(delta) => self.rpki_changed(delta),
            Event::RoaEnds(ends) => self.roa_ends = ends.clone(),
            Event::Relations(relations) | Event::Inferred(relations) => self.relations = Some(relations.clone()),
            Event::Feed(change) => self.feed_changed(change),
            Event::Seed(update) => {
                self.seed_short(update);
                self.seeded(update);
            }
            Event::Restore(checkpoint) => self.restore(checkpoint),
            Event::Tick => self.tick(),
            Event::Watch(watch) => self.watch_begins(watch),
            Event::Role(role) => self.note_role(*role),
            Event::End | Event::Checkpoint => {}
        }
    }

    pub fn report(&mut self, report: &Report) {
        match report {
            Report::Known(known) => self.learn(*known),
            Report::Table { vantage, family, by } => self.tables.grow(*vantage, *family, *by),
            Report::Sighting(sighting) => self.sighting(sighting.clone()),
            Report::Tenure { prefix, key_as, tenure } => self.tenure_changed(*prefix, *key_as, *tenure),
            Report::Presence(presence) => self.presence(presence),
        }
    }

    /// All reports of the event are in: whatever changed goes out.
    pub fn finish(&mut self, stamped: &Stamped) {
        match &stamped.event {
            Event::SeedDone { as_of } => {
                self.tables.refresh(&self.vantage);
                self.end_old_news();
                self.dumped_tables_are_back(*as_of);
            }
            Event::Vantage(..) => self.tables.refresh(&self.vantage),
            Event::Update(update) if self.is_void(update.vantage) => {}
            Event::Update(update) | Event::Seed(update) => self.heard(update),
            Event::Watch(_) => {
                self.watch_settles();
                self.forget_unwatched_losses();
            }
            _ => {}
        }
        self.flush();
        self.tell_left_out();
        // Mostly there are none, and to drop none is more work than to look.
        if self.new_facts.is_some() {
            self.new_facts = None;
        }
        if matches!(stamped.event, Event::End) {
            self.record_open_routes();
        }
    }

    fn learn(&mut self, known: Known) {
        if self.known.insert(known) {
            self.topology.learn(&known);
        }
    }

    pub fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Findings that did not become alerts, by class and why.
    pub fn suppressed(&self) -> &BTreeMap<(Class, Suppressed), u64> {
        &self.suppressed
    }

    /// By which relations paths are judged, and how many there are.
    pub fn relations(&self) -> Option<(&Source, usize)> {
        self.relations.as_ref().map(|r| (&r.source, r.len()))
    }

    pub fn is_learning(&self) -> bool {
        self.learning
    }

    /// Peers that send a full table.
    pub fn full_feed(&mut self) -> FullFeed {
        let of = |desk: &mut Self, family| {
            desk.tables.full_feed(family, &desk.vantage).map_or_else(BTreeSet::new, |full| BTreeSet::clone(full))
        };
        [of(self, Family::Ipv4), of(self, Family::Ipv6)]
    }

    /// Open incidents by class, severity and whether they concern a watched network.
    pub fn open_incidents(&self) -> BTreeMap<(Class, Severity, bool), usize> {
        let mut open = BTreeMap::new();
        for incident in self.incidents.iter().filter(|i| i.is_open()) {
            *open.entry((incident.class, incident.severity, !incident.constituents.is_empty())).or_default() += 1;
        }
        open
    }

    fn feed_changed(&mut self, change: &FeedChange) {
        self.feeds.insert(change.feed.clone(), change.live);
        if let Some(from) = change.gap_from.filter(|_| !change.live) {
            self.gaps.push(Gap { feed: change.feed.clone(), from, to: None });
            if self.gaps.len() > limits::ALERT_GAPS {
                self.gaps.remove(0);
            }
        }
        if change.live {
            for gap in self.gaps.iter_mut().filter(|g| g.feed == change.feed && g.to.is_none()) {
                gap.to = Some(change.seen);
            }
        }
    }

    fn rpki_changed(&mut self, delta: &Arc<Delta>) {
        self.vrps = Some(delta.vrps.clone());
        self.aspas = Some(delta.aspas.clone());
        self.new_facts = Some(NewFacts::new(delta.clone()));
    }

    /// Why an offence is weighed anew in this event; none if nothing but routes changed.
    fn new_facts_about(&self, code: ReasonCode, at: OffenceRef) -> Option<Reason> {
        let facts = self.new_facts.as_ref()?;
        let offence = &self.offences[at.0 as usize];
        let (kind, path) = (offence.key.kind, &offence.first_route.1.as_path);
        Some(facts.reason(code, kind, &offence.key.prefix, path))
    }

    /// Without a dump, a day of watching has to do; the shards keep the same time.
    fn tick(&mut self) {
        let since = *self.learning_since.get_or_insert(self.now);
        self.learning &= self.now.secs_since(since) < limits::LEARNING_SECS as f64;
        self.settle_restart();
        self.forget_what_is_over();
    }

    fn inputs(&self) -> Inputs {
        let none = Source::none;
        Inputs {
            feeds_live: self.feeds.values().filter(|live| **live).count(),
            feeds_degraded: self.feeds.iter().filter(|(_, live)| !**live).map(|(f, _)| f.clone()).collect(),
            gaps: self.gaps.clone(),
            baseline_ready: !self.learning,
            baseline_as_of: self.baseline_as_of,
            vrps: self.vrps.clone().unwrap_or_else(none),
            aspas: self.aspas.clone().unwrap_or_else(none),
            relations: self.relations.as_ref().map_or_else(none, |r| r.source.clone()),
        }
    }

    fn sighting(&mut self, sighting: Sighting) {
        if self.is_disbelieved(&sighting) {
            return;
        }
        let sighting = self.as_novelty(sighting);
        match sighting.phase.clone() {
            Phase::Ended(by) => {
                self.no_longer_there(&sighting);
                self.ended(&sighting, by);
            }
            Phase::Began(finding, attributes) | Phase::Changed(finding, attributes) => {
                let is_otherwise = self.is_told_otherwise(&sighting, &finding);
                if is_otherwise || self.is_old_news(&finding) || self.is_other_slip(&finding, &attributes) {
                    self.no_longer_there(&sighting);
                    // What stood there before took another path, and over this one it is nothing new.
                    return self.ended(&sighting, EndedBy::Replaced);
                }
                if self.is_allowed(&sighting, &finding, &attributes) {
                    return;
                }
                match self.has_lost_its_proof(&sighting, &finding) {
                    Some(by) => self.ended(&sighting, by),
                    None => self.seen(&sighting, finding, attributes),
                }
            }
        }
    }

    /// What one shard could not know to be old.
    fn is_old_news(&self, finding: &Finding) -> bool {
        if finding.is_old(|fact| self.known.contains(fact)) {
            return true;
        }
        let is_path = finding.codes.contains(&Code::NewLinkOnPath);
        if is_path && finding.adjacency.is_some_and(|link| !self.topology.never_carried(link.neighbor)) {
            return true;
        }
        // Behind a neighbor that the network never had it is rather forged than its own.
        if finding.class == Class::RpkiInvalidOwn && self.is_new_adjacency(finding) {
            return true;
        }
        // The origin denies the very AS next to it: a forged origin if that adjacency is new, and told as such.
        let denied_at_origin = finding.leak.as_ref().is_some_and(|l| l.at_origin) && finding.class == Class::RouteLeak;
        denied_at_origin && self.is_new_adjacency(finding) && !self.is_on_record(finding)
    }

    /// What was taken for news while the dumps were still coming, and which they show to be old.
    fn end_old_news(&mut self) {
        let is_old = |f: &Finding| f.is_old(|fact| self.known.contains(fact));
        let untold = self.offences.iter().filter(|o| o.incident.is_none() && is_old(&o.best));
        let held = untold.flat_map(|o| o.holders.iter().map(|h| (o.key, h.vantage, h.path_id, h.class)));
        for (key, vantage, path_id, class) in held.collect::<Vec<_>>() {
            let by = EndedBy::Cleared(ReasonCode::Seen);
            let (prefix, key_as, phase) = (key.prefix, key.key_as, Phase::Ended(by));
            self.ended(&Sighting { prefix, path_id, vantage, class, key_as, seen: self.now, phase, before: None }, by);
        }
    }

    /// Relations name the adjacency at the origin: then a provider's own prefix was leaked, and no origin was forged.
    fn is_on_record(&self, finding: &Finding) -> bool {
        let relations = self.relations.as_ref();
        relations.zip(finding.adjacency).is_some_and(|(r, a)| r.between(a.origin_as, a.neighbor).is_some())
    }

    /// The adjacency at the origin never was in the baseline.
    fn is_new_adjacency(&self, finding: &Finding) -> bool {
        !self.learning
            && finding.adjacency.is_some_and(|a| a.neighbor != a.origin_as && !self.known.contains(&a.into()))
    }

    fn count_suppressed(&mut self, class: Class, why: Suppressed) {
        *self.suppressed.entry((class, why)).or_default() += 1;
    }

    fn peer_as(&self, vantage: VantageId) -> Asn {
        self.vantage.get(vantage.0 as usize).map_or(Asn(0), |v| v.peer_as)
    }

    /// A session has sent its table again: what it did not bring is gone.
    fn table_is_back(&mut self, vantage: VantageId) {
        if self.is_shed(vantage) {
            return;
        }
        let waiting: Vec<OffenceRef> = self.offences_waiting_for(vantage);
        let waiting = self.still_lost(vantage, waiting);
        for at in waiting.into_iter().filter(|at| !self.cannot_tell(*at)).collect::<Vec<_>>() {
            let end = End { seen: self.now, code: ReasonCode::Withdrawn, is_unseen: true };
            self.stop_waiting(at, |l| l.vantage == vantage, end);
        }
    }
}
