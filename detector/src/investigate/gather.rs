//! Which messages are about the prefixes in question?
//!
//! A second reading of the same inputs in the same order as the engine's. What touches the prefixes, or comes from the AS in
//! question, is kept with its place in the file; of all else only how much came in which minute, so that silence shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use feeds::counts::kind;
use feeds::input::{Item, Reader};
use ipnet::IpNet;
use prefix_trie::joint::set::JointPrefixSet;
use rules::bgp::{Asn, Family, Nlri, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::desk::full_feed_of;
use rules::event::Event;

use super::question::PREFIXES;
use super::sources::{Role, Sources};
use crate::failure::Failure;
use crate::replay::judge::progress_bar;
use crate::replay::merge::{Merged, Placed, Skipped};
use crate::sequencer::Sequencer;

/// Messages kept: 2,000,000 x 64 octets = 128 MB. A prefix that all peers of RIS lose and find again ten times in an hour has
/// 30,000; past it they are counted, and the verdict is inconclusive.
pub const CHANGES: usize = 2_000_000;
/// Distinct paths and attributes kept: about 200 octets each, 100 MB.
const PATHS: usize = 500_000;
/// Minutes by collector that are counted: four weeks of 64 collectors, 40 MB.
const MINUTES: usize = 4 * 7 * 1_440 * 64;

/// An input that has one of these lacks its end.
const CUT: [&str; 3] = [kind::TRUNCATED, kind::BAD_COMPRESSION, kind::READ_FAILED];

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub prefixes: Vec<IpNet>,
    /// Prefixes of the incident beyond [`PREFIXES`].
    pub prefixes_left_out: usize,
    /// Whatever these originate.
    pub asns: Vec<Asn>,
}

/// All that was heard of it, in the order in which the engine heard it.
#[derive(Debug, Default)]
pub struct Trail {
    pub vantages: Vec<Vantage>,
    pub paths: Vec<Arc<PathAttributes>>,
    pub changes: Vec<Change>,
    /// Messages for which there was no room.
    pub left_out: u64,
    pub inputs: Vec<InputSeen>,
    /// What was read and not followed.
    pub skipped: Skipped,
    /// Messages of any prefix by collector.
    pub heard: BTreeMap<Arc<str>, Heard>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

/// When a collector had messages of any prefix.
#[derive(Clone, Debug)]
pub struct Heard {
    pub first: Timestamp,
    pub last: Timestamp,
    /// How many, by minute since 1970.
    pub minutes: BTreeMap<i64, u32>,
}

impl Heard {
    pub fn since(first: Timestamp) -> Self {
        Self { first, last: first, minutes: BTreeMap::new() }
    }
}

#[derive(Clone, Debug)]
pub struct Vantage {
    pub point: Arc<VantagePoint>,
    /// Routes that dumps have of it, IPv4 first.
    pub table: [u64; 2],
    /// It said something in this family, a dump included.
    pub is_heard: [bool; 2],
    pub downs: Vec<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub time: Timestamp,
    pub vantage: u32,
    pub place: Place,
    pub what: What,
}

/// Where a message stands: which input, and which record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub input: u32,
    pub record: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// By a dump: held then, nobody says since when.
    Held(Nlri, u32),
    Announced(Nlri, u32),
    Withdrawn(Nlri),
    /// The session went down, and all its routes with it.
    Down,
}

/// One input as it was read.
#[derive(Clone, Debug)]
pub struct InputSeen {
    pub name: String,
    pub role: Role,
    pub records: u64,
    pub elements: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub errors: BTreeMap<&'static str, u64>,
}

impl InputSeen {
    /// It ends in the middle, or could not be read on.
    pub fn is_cut(&self) -> bool {
        CUT.iter().any(|kind| self.errors.contains_key(kind))
    }

    /// What might have been a message, had it been whole.
    pub fn malformed(&self) -> u64 {
        let is_malformed = |kind: &&'static str| !CUT.contains(kind) && *kind != kind::UNSUPPORTED_MRT;
        self.errors.iter().filter(|(kind, _)| is_malformed(kind)).map(|(_, count)| count).sum()
    }
}

/// Reads everything up to `to`.
pub fn gather(sources: &Sources, scope: &Scope, to: Option<Timestamp>) -> Result<Trail, Failure> {
    let dumps = sources.open(Role::Dump)?;
    let updates = sources.open(Role::Updates)?;
    let bar = progress_bar(&dumps, &updates);
    let mut gatherer = Gatherer::new(scope);
    let names = |role| sources.names(role).map(str::to_owned).collect::<Vec<_>>();
    let (dump_names, update_names) = (names(Role::Dump), names(Role::Updates));
    let mut merged = Merged::new(updates, None, to);
    for (i, dump) in dumps.into_iter().enumerate() {
        gatherer.dump(merged.sources() + i, dump, &dump_names[i], &mut merged);
    }
    let mut seen: Vec<Times> = vec![Times::default(); merged.sources()];
    while let Some(Placed { source, record, item }) = merged.next(&gatherer.sequencer) {
        if matches!(item.event, Event::Update(_) | Event::PeerUp { .. } | Event::PeerDown { .. }) {
            seen[source].add(item.time);
        }
        gatherer.news(source, record, item);
        if record % 4_096 == 0 {
            bar.set_position(merged.position());
        }
    }
    bar.finish_and_clear();
    let readers = merged.readers().zip(&update_names).zip(&seen);
    let updates = readers.map(|((reader, name), times)| input_seen(name, Role::Updates, reader, *times)).collect();
    gatherer.trail.skipped = merged.skipped();
    Ok(gatherer.finish(updates))
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Times {
    fn add(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
    }
}

fn input_seen(name: &str, role: Role, reader: &Reader, times: Times) -> InputSeen {
    let counts = reader.counts();
    InputSeen {
        name: name.to_owned(),
        role,
        records: reader.record(),
        elements: counts.elements,
        first: times.first,
        last: times.last,
        errors: counts.errors.clone(),
    }
}

struct Gatherer {
    sequencer: Sequencer,
    asked: JointPrefixSet<IpNet>,
    /// Found by their origin.
    found: BTreeSet<IpNet>,
    asns: Vec<Asn>,
    path_numbers: HashMap<Arc<PathAttributes>, u32>,
    minutes: usize,
    trail: Trail,
}

impl Gatherer {
    fn new(scope: &Scope) -> Self {
        let mut asked = JointPrefixSet::new();
        for prefix in &scope.prefixes {
            asked.insert(*prefix);
        }
        Self {
            sequencer: Sequencer::default(),
            asked,
            found: BTreeSet::new(),
            asns: scope.asns.clone(),
            path_numbers: HashMap::new(),
            minutes: 0,
            trail: Trail::default(),
        }
    }

    fn dump(&mut self, source: usize, mut dump: Reader, name: &str, merged: &mut Merged) {
        let mut times = Times::default();
        while let Some(item) = dump.next() {
            let record = dump.record();
            match item.event {
                Event::Vantage(..) => self.learn(source, item),
                Event::Seed(update) => {
                    times.add(item.time);
                    let Some(vantage) = self.sequencer.number(source, update.vantage) else { continue };
                    merged.has_dump(vantage, item.time);
                    self.held(vantage, item.time, Place { input: source as u32, record }, &update);
                }
                _ => {}
            }
        }
        let seen = input_seen(name, Role::Dump, &dump, times);
        self.trail.inputs.push(seen);
    }

    /// A new vantage point, under the number that the engine has for it as well.
    fn learn(&mut self, source: usize, item: Item) {
        if let Event::Vantage(local, point) = &item.event {
            let (local, point, time) = (*local, point.clone(), item.time);
            self.sequencer.push(source, item, time);
            self.sequencer.take();
            if let Some(VantageId(number)) = self.sequencer.number(source, local)
                && number as usize == self.trail.vantages.len()
            {
                let vantage = Vantage { point, table: [0; 2], is_heard: [false; 2], downs: Vec::new() };
                self.trail.vantages.push(vantage);
            }
        }
    }

    fn held(&mut self, vantage: VantageId, time: Timestamp, place: Place, update: &Update) {
        for route in &update.announced {
            let family = Family::of(&route.prefix) as usize;
            let heard = &mut self.trail.vantages[vantage.0 as usize];
            heard.table[family] += 1;
            heard.is_heard[family] = true;
            if self.wants(&route.prefix, Some(&update.attributes)) {
                self.keep(vantage, time, place, &update.attributes, |path| What::Held(*route, path));
            }
        }
    }

    fn news(&mut self, source: usize, record: u64, item: Item) {
        let place = Place { input: source as u32, record };
        let number = |local| self.sequencer.number(source, local);
        let (time, vantage) = match &item.event {
            Event::Vantage(..) => return self.learn(source, item),
            Event::Update(update) => (update.seen, number(update.vantage)),
            // A dump among the updates: history, too.
            Event::Seed(update) => {
                let vantage = number(update.vantage);
                return vantage.map_or((), |vantage| self.held(vantage, item.time, place, update));
            }
            Event::PeerDown { vantage, seen } | Event::PeerUp { vantage, seen } => (*seen, number(*vantage)),
            _ => return,
        };
        let Some(vantage) = vantage else { return };
        self.count(vantage, time);
        match &item.event {
            Event::Update(update) => self.update(vantage, place, update),
            Event::PeerDown { .. } => {
                self.trail.vantages[vantage.0 as usize].downs.push(time);
                self.push(Change { time, vantage: vantage.0, place, what: What::Down });
            }
            _ => {}
        }
    }

    fn update(&mut self, vantage: VantageId, place: Place, update: &Update) {
        let time = update.seen;
        for route in &update.withdrawn {
            self.heard(vantage, &route.prefix);
            if self.wants(&route.prefix, None) {
                self.push(Change { time, vantage: vantage.0, place, what: What::Withdrawn(*route) });
            }
        }
        for route in &update.announced {
            self.heard(vantage, &route.prefix);
            if self.wants(&route.prefix, Some(&update.attributes)) {
                self.keep(vantage, time, place, &update.attributes, |path| What::Announced(*route, path));
            }
        }
    }

    fn heard(&mut self, vantage: VantageId, prefix: &IpNet) {
        self.trail.vantages[vantage.0 as usize].is_heard[Family::of(prefix) as usize] = true;
    }

    /// It is asked for, lies in what is asked for or around it, or is originated by the AS in question.
    fn wants(&mut self, prefix: &IpNet, attributes: Option<&PathAttributes>) -> bool {
        let is_routed = prefix.prefix_len() >= Family::of(prefix).shortest_routed();
        if self.asked.is_covered(prefix) || (is_routed && self.asked.children(prefix).next().is_some()) {
            return true;
        }
        if self.asns.is_empty() {
            return false;
        }
        let by_origin = || attributes.and_then(|a| a.as_path.origin_as()).is_some_and(|asn| self.asns.contains(&asn));
        if self.found.contains(prefix) {
            return true;
        }
        if !by_origin() {
            return false;
        }
        let has_room = self.found.len() < PREFIXES;
        self.trail.left_out += u64::from(!has_room);
        has_room && self.found.insert(*prefix)
    }

    fn keep(
        &mut self,
        vantage: VantageId,
        time: Timestamp,
        place: Place,
        attributes: &Arc<PathAttributes>,
        what: impl FnOnce(u32) -> What,
    ) {
        let next = self.trail.paths.len() as u32;
        let path = match self.path_numbers.get(attributes) {
            Some(number) => *number,
            None if self.trail.paths.len() >= PATHS => {
                self.trail.left_out += 1;
                return;
            }
            None => {
                self.path_numbers.insert(attributes.clone(), next);
                self.trail.paths.push(attributes.clone());
                next
            }
        };
        self.push(Change { time, vantage: vantage.0, place, what: what(path) });
    }

    fn push(&mut self, change: Change) {
        if self.trail.changes.len() < CHANGES {
            self.trail.changes.push(change);
        } else {
            self.trail.left_out += 1;
        }
    }

    fn count(&mut self, vantage: VantageId, time: Timestamp) {
        self.trail.first.get_or_insert(time);
        self.trail.last = self.trail.last.max(Some(time));
        let collector = &self.trail.vantages[vantage.0 as usize].point.collector;
        let heard = self.trail.heard.entry(collector.clone()).or_insert_with(|| Heard::since(time));
        (heard.first, heard.last) = (heard.first.min(time), heard.last.max(time));
        let minutes = &mut heard.minutes;
        let minute = time.secs().div_euclid(60);
        if self.minutes < MINUTES || minutes.contains_key(&minute) {
            let count = minutes.entry(minute).or_insert_with(|| {
                self.minutes += 1;
                0
            });
            *count = count.saturating_add(1);
        }
    }

    /// Inputs are numbered as the engine numbers them: updates first, then dumps.
    fn finish(mut self, mut updates: Vec<InputSeen>) -> Trail {
        updates.append(&mut self.trail.inputs);
        self.trail.inputs = updates;
        self.trail
    }
}

impl Trail {
    /// Peers that sent a full table of a family before the event, by the dumps; none where there is no measure.
    pub fn full_feed(&self, family: Family) -> BTreeSet<Asn> {
        let mut largest: BTreeMap<Asn, i64> = BTreeMap::new();
        for vantage in &self.vantages {
            let size = largest.entry(vantage.point.peer_as).or_default();
            *size = (vantage.table[family as usize] as i64).max(*size);
        }
        full_feed_of(largest).unwrap_or_default()
    }

    pub fn peer_ases(&self) -> usize {
        self.vantages.iter().map(|vantage| vantage.point.peer_as).collect::<BTreeSet<_>>().len()
    }
}
