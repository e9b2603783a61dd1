//! Owns the routes of a key range: events in, reports out. Applies the update to the RIB, then asks the rules.
//!
//! The key is the first octet (IPv4) or the first 16 bits (IPv6), so a prefix, what covers it and what lies inside
//! it are always in one shard. A shard may report too much ("this adjacency is new to me"), never decide.

mod ahead;
mod before;
mod context;
mod expiry;
mod learn;
pub mod lookup;
mod memory;
pub mod network;
#[cfg(feature = "testing")]
mod oracle;
mod parts;
mod plain;
mod presence;
mod rejudge;
mod relations;
mod rewatch;
mod shed;
mod sighting;
mod standing;
mod tenure;
mod watched;
mod weigh;

use ahead::{Ahead, Hint};
use context::PathContext;
use expiry::Expiry;
use memory::Before;
use parts::InParts;
use presence::OwnRoute;
pub use sighting::{EndedBy, HeldBefore, Keyed, Known, Mark, Phase, Report, Sighting, known_of};
pub use watched::{FullFeed, Watched, WatchedAs, WatchedOrigin, WatchedPrefix};
use weigh::Remembered;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::quality::RandomState;
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::alert::{Class, ReasonCode, RovState};
use crate::baseline::{Adjacency, Baseline};
use crate::bgp::{Asn, Family, Nlri, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use crate::event::{Event, Stamped};
use crate::finding::{Code, Finding, Kind};
use crate::limits;
use crate::rib::{Change, PathRef, PathSet, PrefixRef, Rib, Sight};
use crate::rpki::{AspaTable, Snapshot};
use crate::watch::Watch;

/// Which part of the address space a shard holds.
#[derive(Clone, Copy, Debug)]
pub struct KeyRange {
    pub index: usize,
    pub count: usize,
}

impl KeyRange {
    /// Everything, for an engine of one shard.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Prefixes too short for the trie belong to nobody: the desk looks at them.
    pub fn holds(self, prefix: &IpNet) -> bool {
        prefix.prefix_len() >= Family::of(prefix).shortest_routed() && self.is_mine(prefix)
    }

    fn is_mine(self, prefix: &IpNet) -> bool {
        if self.count == 1 {
            return true;
        }
        let key = match prefix {
            IpNet::V4(p) => u32::from(p.addr().octets()[0]),
            IpNet::V6(p) => u32::from(p.addr().segments()[0]),
        };
        key % self.count as u32 == self.index as u32
    }

    /// VRPs shorter than any key cover prefixes of every shard.
    fn needs_vrp(self, prefix: &IpNet) -> bool {
        prefix.prefix_len() < Family::of(prefix).shortest_routed() || self.is_mine(prefix)
    }
}

/// Route origin validation of everything announced, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RovCounts {
    pub valid: u64,
    pub invalid: u64,
    pub not_found: u64,
    pub not_evaluated: u64,
}

impl RovCounts {
    fn count(&mut self, state: RovState) {
        match state {
            RovState::Valid => self.valid += 1,
            RovState::Invalid => self.invalid += 1,
            RovState::NotFound => self.not_found += 1,
            RovState::NotEvaluated => self.not_evaluated += 1,
        }
    }
}

/// An active sighting of a route: enough to end it, and to tell whether a new judgement says anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Active {
    class: Class,
    key_as: Asn,
    points: i32,
    rests_on: RestsOn,
}

/// Which signed objects made a sighting. Without them it cannot be weighed anew, which clears nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestsOn {
    Nothing,
    Vrps,
    Aspas,
}

impl RestsOn {
    fn of(finding: &Finding) -> Self {
        let source = finding.codes.iter().find_map(|c| match c {
            Code::RovInvalidAsn | Code::RovInvalidLength | Code::SquatAs0 | Code::RoaExpiring => Some(Self::Vrps),
            Code::AspaNotProvider | Code::AspaLeak | Code::OtcLeakSigned => Some(Self::Aspas),
            Code::AspaLacksProvider | Code::AspaNamesAs0 | Code::AspaNamesItself => Some(Self::Aspas),
            _ => None,
        });
        source.unwrap_or(Self::Nothing)
    }
}

type RouteKey = (PrefixRef, VantageId, u32);

pub struct Shard {
    range: KeyRange,
    rib: Rib,
    rpki: Snapshot,
    expiry: Expiry,
    /// VRPs are there and have not expired.
    rpki_usable: bool,
    aspas_usable: bool,
    /// In the place of ASPAs that have expired.
    no_aspas: AspaTable,
    /// Counts changes of the VRPs, for the memo in the entries.
    vrp_generation: u32,
    context: PathContext,
    watch: Arc<Watch>,
    peer_as: Vec<Asn>,
    /// The same with all that is known of them.
    points: Vec<Arc<VantagePoint>>,
    /// Sessions whose messages cannot be read.
    void: BTreeSet<VantageId>,
    learning: bool,
    learning_since: Option<Timestamp>,
    /// A dump was read, in this life or before.
    knows_table: bool,
    active: HashMap<RouteKey, SmallVec<[Active; 1]>, RandomState>,
    /// By session and family: prefixes gained since that was last reported.
    tables: Vec<[i64; 2]>,
    rov: RovCounts,
    judged: u64,
    /// Watched networks that peer ASes have in parts only.
    in_parts: InParts,
    before: Option<Before>,
    ahead: Ahead,
    remembered: Remembered,
    out: Vec<Report>,
}

/// Why a route is judged again.
#[derive(Clone, Copy)]
enum Cause {
    Update,
    Data(ReasonCode),
    /// What the configuration says of it.
    Watch,
    /// VRPs over its prefix, or ASPAs of its path.
    Rpki {
        by_aspa: bool,
    },
}

impl Cause {
    /// What took a sighting of that class away.
    fn ends(self, class: Class) -> EndedBy {
        match self {
            Self::Update => EndedBy::Replaced,
            Self::Data(code) => EndedBy::Cleared(code),
            Self::Watch => EndedBy::Cleared(ReasonCode::AllowRule),
            Self::Rpki { by_aspa }
                if by_aspa && matches!(class.kind(), Kind::Leak | Kind::Forged | Kind::AspaMisconfig) =>
            {
                EndedBy::Cleared(ReasonCode::Aspa)
            }
            Self::Rpki { .. } => EndedBy::Cleared(ReasonCode::Roa),
        }
    }
}

/// An active sighting as others may look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offending {
    pub prefix: IpNet,
    pub vantage: VantageId,
    pub path_id: u32,
    pub class: Class,
    pub key_as: Asn,
    pub points: i32,
}

impl Shard {
    pub fn new(range: KeyRange) -> Self {
        Self {
            range,
            rib: Rib::default(),
            rpki: Snapshot::default(),
            expiry: Expiry::default(),
            rpki_usable: false,
            aspas_usable: false,
            no_aspas: AspaTable::default(),
            vrp_generation: 0,
            context: PathContext::new(),
            watch: Arc::default(),
            peer_as: Vec::new(),
            points: Vec::new(),
            void: BTreeSet::new(),
            learning: true,
            learning_since: None,
            knows_table: false,
            active: HashMap::default(),
            tables: Vec::new(),
            rov: RovCounts::default(),
            judged: 0,
            in_parts: InParts::default(),
            before: None,
            ahead: Ahead::default(),
            remembered: Remembered::default(),
            out: Vec::new(),
        }
    }

    pub fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The AS of a vantage point.
    pub fn peer_as(&self, vantage: VantageId) -> Option<Asn> {
        self.peer_as.get(vantage.0 as usize).copied()
    }

    pub fn rov_counts(&self) -> RovCounts {
        self.rov
    }

    /// How many times a route was weighed by all rules.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    /// Every active sighting, in order.
    pub fn offending(&self) -> Vec<Offending> {
        let mut all = Vec::new();
        for at in self.rib.all() {
            let entry = self.rib.entry(at);
            for route in entry.routes.iter().filter(|_| entry.offending > 0) {
                let active = self.active.get(&(at, route.vantage, route.path_id)).into_iter().flatten();
                all.extend(active.map(|a| Offending {
                    prefix: entry.prefix,
                    vantage: route.vantage,
                    path_id: route.path_id,
                    class: a.class,
                    key_as: a.key_as,
                    points: a.points,
                }));
            }
        }
        all.sort_unstable();
        all
    }

    /// Works off one event; what there is to report is appended in the order of reports.
    pub fn handle(&mut self, stamped: &Stamped, out: &mut Vec<Keyed>) {
        let now = stamped.at;
        match &stamped.event {
            Event::Vantage(id, point) => {
                debug_assert_eq!(id.0 as usize, self.peer_as.len());
                self.peer_as.push(point.peer_as);
                self.points.push(point.clone());
            }
            Event::Update(update) => {
                let hint = self.ahead.of(stamped.seq);
                self.update(update, hint, now);
            }
            Event::Seed(update) => {
                let hint = self.ahead.of(stamped.seq);
                self.seed(update, hint, now);
            }
            Event::SeedDone { .. } => self.seed_done(now),
            Event::PeerDown { vantage, seen } => self.peer_down(*vantage, *seen),
            Event::Session(standing) => self.session_changed(*standing, now),
            Event::Shed(shed) => self.shed(shed, now),
            Event::Rpki(delta) => self.rpki_changed(delta, now),
            Event::RoaEnds(ends) => self.roa_ends_changed(ends, now),
            Event::Relations(relations) => self.relations_given(relations.clone(), now),
            Event::Inferred(relations) => self.relations_inferred(relations.clone(), now),
            Event::Watch(watch) => self.watch_changed(watch.clone(), now),
            Event::Restore(checkpoint) => self.restore(checkpoint, now),
            Event::Tick => self.tick(now),
            Event::End => self.report_tables(),
            Event::PeerUp { .. } | Event::Role(_) | Event::EndOfRib { .. } | Event::Feed(_) | Event::Checkpoint => {}
        }
        if self.out.is_empty() {
            return;
        }
        let first = out.len();
        out.extend(self.out.drain(..).map(|report| Keyed { seq: stamped.seq, report }));
        // A dump has more to tell than anything that comes after it.
        if self.out.capacity() > limits::SIGHTINGS_PER_CHUNK {
            self.out = Vec::new();
        }
        out[first..].sort_by(Keyed::order);
    }

    fn update(&mut self, update: &Update, hint: Hint, now: Timestamp) {
        if self.void.contains(&update.vantage) {
            return;
        }
        let mut gone: Vec<(PrefixRef, OwnRoute)> = Vec::new();
        for nlri in &update.withdrawn {
            if self.range.holds(&nlri.prefix) {
                gone.extend(self.withdraw(update, nlri, now));
            }
        }
        self.announce_all(update, hint, now);
        // What the same message announces may be in the place of what it withdrew.
        for (at, was) in gone {
            self.own_route_changed(at, Some(&was), update.vantage, update.seen, now);
            self.rib.paths.release(was.path);
        }
        for nlri in &update.withdrawn {
            self.part_is_gone(&nlri.prefix, update.vantage, update.seen, now);
        }
    }

    fn announce_all(&mut self, update: &Update, hint: Hint, now: Timestamp) {
        let announced_by = update.attributes.as_path.origin_as();
        let (mut path, mut count) = (None, 0);
        for nlri in &update.announced {
            if !self.range.holds(&nlri.prefix) {
                self.count_short_rov(&nlri.prefix, announced_by);
                continue;
            }
            let held = path.unwrap_or_else(|| self.hold_path(update, hint));
            path = Some(held);
            let at = self.place(nlri, hint, count);
            self.announce(update, (at, nlri), (held, announced_by), now);
            count += 1;
        }
        if let Some(path) = path {
            self.rib.paths.release(path);
        }
    }

    /// The path of what is announced here, with a hold on it. While learning it is learned.
    fn hold_path(&mut self, update: &Update, hint: Hint) -> PathRef {
        let path = self.intern(&update.attributes, hint);
        if self.learning {
            self.learn_path(path);
        }
        path
    }

    /// The place of a prefix that a message announces here as the `i`th.
    fn place(&mut self, nlri: &Nlri, hint: Hint, i: usize) -> PrefixRef {
        let at = self.ahead.place(hint, i).unwrap_or_else(|| self.rib.place(nlri.prefix));
        debug_assert_eq!(self.rib.entry(at).prefix, nlri.prefix);
        at
    }

    /// `announced_by` is the origin that the path has for ROV, a private tail included.
    fn announce(
        &mut self,
        update: &Update,
        (at, nlri): (PrefixRef, &Nlri),
        (path, announced_by): (PathRef, Option<Asn>),
        now: Timestamp,
    ) {
        self.rib.paths.retain(path);
        let since = self.since(update.seen, now);
        let own = if self.watch.is_empty() {
            None
        } else {
            self.note_watched(at, self.rib.paths.origin_as(path));
            let may_be_missed = !self.is_of_only_origin(at, path);
            may_be_missed.then(|| self.own_route(at, nlri.path_id, Some(path), update.vantage, now)).flatten()
        };
        let change = self.rib.announce_at(at, update.vantage, nlri.path_id, path, since);
        self.count_table(update.vantage, &nlri.prefix, change.table);
        self.count_rov(change.prefix, announced_by);
        if change.old.is_none() {
            self.move_in(change.prefix, path);
        }
        let is_news = change.old != Some(path) && self.is_news(update, change.prefix);
        if is_news {
            self.judge_news((change.prefix, update.vantage, nlri.path_id), &change, update, now);
        }
        let may_matter = !self.watch.is_empty() || !self.in_parts.is_empty();
        if may_matter && !self.is_of_same_origin(change.old, path) {
            self.own_route_changed(change.prefix, own.as_ref(), update.vantage, update.seen, now);
            self.own_route_is_back(change.prefix, path, update.vantage, update.seen, now);
            self.part_is_gone(&nlri.prefix, update.vantage, update.seen, now);
        }
        if let Some(old) = change.old {
            self.rib.paths.release(old);
        }
    }

    fn judge_news(&mut self, key: RouteKey, change: &Change, update: &Update, now: Timestamp) {
        let Some(path) = change.new else { return };
        let was_valid = || change.old.is_some_and(|old| self.is_valid(key.0, old)) || self.stood_as_hijack(key, path);
        let is_fine = self.is_plainly_fine(key, path, was_valid, now);
        if !is_fine {
            let was_valid = was_valid();
            let first = self.out.len();
            self.judge(key, path, was_valid, update.seen, Cause::Update, now);
            self.say_before(first, key, change.old);
        }
        if !is_fine || self.rib.entry(key.0).offending > 0 {
            self.revisit_funnel(key.0, update, now);
            self.revisit_tenure(key.0);
        }
    }

    /// From when a route counts as standing: what comes late has not stood long for us.
    fn since(&self, seen: Timestamp, now: Timestamp) -> Timestamp {
        if self.learning { seen } else { seen.max(now.plus_secs(-limits::LAG_SECS)) }
    }

    /// Gives back what may be missed now, with a hold on its path.
    fn withdraw(&mut self, update: &Update, nlri: &Nlri, now: Timestamp) -> Option<(PrefixRef, OwnRoute)> {
        let own = match self.watch.is_empty() {
            true => None,
            false => self.own_route(self.rib.find(&nlri.prefix)?, nlri.path_id, None, update.vantage, now),
        };
        let change = self.rib.withdraw(&nlri.prefix, update.vantage, nlri.path_id, update.seen)?;
        if let Some(own) = &own {
            self.rib.paths.retain(own.path);
        }
        let at = change.prefix;
        self.count_table(update.vantage, &nlri.prefix, change.table);
        self.vacate(&change);
        self.end_route(change, update.vantage, nlri.path_id, EndedBy::Withdrawn, update.seen);
        if self.rib.entry(change.prefix).offending > 0 {
            self.revisit_funnel(change.prefix, update, now);
        }
        self.revisit_tenure(at);
        own.map(|own| (at, own))
    }

    fn end_route(&mut self, change: Change, vantage: VantageId, path_id: u32, by: EndedBy, seen: Timestamp) {
        if self.rib.entry(change.prefix).offending > 0 {
            let key = (change.prefix, vantage, path_id);
            for active in self.active.remove(&key).unwrap_or_default() {
                self.rib.entry_mut(change.prefix).offending -= 1;
                self.sighted(key, active.class, active.key_as, seen, Phase::Ended(by));
            }
        }
        if let Some(old) = change.old {
            self.rib.paths.release(old);
        }
    }

    fn is_valid(&self, at: PrefixRef, path: PathRef) -> bool {
        let is_set = self.rib.paths.odd(path).is_some_and(|odd| !odd.as_path.origin_set().is_empty());
        let origin_as = self.rib.paths.origin_as(path).filter(|_| !is_set);
        self.rpki_usable && origin_as.is_some_and(|asn| self.rov_of(self.rib.entry(at), asn) == RovState::Valid)
    }

    fn judge(&mut self, key: RouteKey, path: PathRef, was_valid: bool, seen: Timestamp, cause: Cause, now: Timestamp) {
        let before = self.active.get(&key).cloned().unwrap_or_default();
        // A session that turned Invalid stays so until something better comes.
        let turned = before.iter().any(|a| a.class == Class::OriginHijack);
        let is_over = !before.is_empty() && !turned && self.is_over(key.0, path, was_valid, now);
        let proven = (!is_over).then(|| self.proven(path));
        let findings =
            proven.as_ref().map_or_else(Vec::new, |proven| self.findings(key.0, proven, was_valid || turned, now));
        self.judged += u64::from(!is_over);
        let mut after: SmallVec<[Active; 1]> = SmallVec::new();
        for old in &before {
            let gone = !findings.iter().any(|f| f.class == old.class && f.key_as == old.key_as);
            if gone && self.cannot_tell(old, path) {
                after.push(*old);
            } else if gone {
                self.sighted(key, old.class, old.key_as, seen, Phase::Ended(cause.ends(old.class)));
            }
        }
        let attributes = proven.map(|proven| proven.attributes).unwrap_or_default();
        for finding in findings {
            let active = Active {
                class: finding.class,
                key_as: finding.key_as,
                points: finding.points(),
                rests_on: RestsOn::of(&finding),
            };
            after.push(active);
            let was = before.iter().find(|b| b.class == active.class && b.key_as == active.key_as);
            // Whom it concerns may be others, at the same number of points.
            let same_path = !matches!(cause, Cause::Update | Cause::Watch);
            if was.is_some_and(|w| same_path && w.points == active.points) {
                continue;
            }
            self.suspect(key.0, &finding);
            let finding = Arc::new(finding);
            let phase = match was {
                Some(_) => Phase::Changed(finding, attributes.clone()),
                None => Phase::Began(finding, attributes.clone()),
            };
            self.sighted(key, active.class, active.key_as, seen, phase);
        }
        let entry = self.rib.entry_mut(key.0);
        entry.offending = entry.offending + after.len() as u32 - before.len() as u32;
        if after.is_empty() {
            self.active.remove(&key);
        } else {
            self.active.insert(key, after);
        }
    }

    /// The objects that made the sighting have expired, and the AS it is about is still in its place: not evaluated is
    /// not innocent.
    fn cannot_tell(&self, old: &Active, path: PathRef) -> bool {
        let has_expired = match old.rests_on {
            RestsOn::Nothing => false,
            RestsOn::Vrps => !self.rpki_usable,
            RestsOn::Aspas => !self.aspas_usable,
        };
        has_expired
            && match old.class.kind() {
                Kind::Forged | Kind::Leak => self.rib.paths.hops(path).contains(&old.key_as),
                _ => self.rib.paths.origin_as(path) == Some(old.key_as),
            }
    }

    /// What is under suspicion is never learned.
    fn suspect(&mut self, at: PrefixRef, finding: &Finding) {
        if finding.class.kind() != Kind::Origin {
            return;
        }
        let origins = &mut self.rib.entry_mut(at).origins;
        if let Some(held) = origins.iter_mut().find(|o| Some(o.asn) == finding.detected_origin) {
            held.suspicious = true;
        }
    }

    /// A route over a known adjacency changes what a forged origin at the same prefix is worth.
    fn revisit_funnel(&mut self, at: PrefixRef, update: &Update, now: Timestamp) {
        let entry = self.rib.entry(at);
        if entry.offending == 0 || entry.baseline.is_some() {
            return;
        }
        let forged: Vec<(RouteKey, PathRef)> = entry
            .routes
            .iter()
            .map(|r| ((at, r.vantage, r.path_id), r.path))
            .filter(|(key, _)| self.active.get(key).is_some_and(|a| a.iter().any(|a| a.class == Class::ForgedOrigin)))
            .collect();
        for (key, path) in forged {
            self.judge_forged(key, path, update.seen, now);
        }
    }

    /// Weighs the forged origin of a route anew, and looks at nothing else: whether there is one may depend on what this
    /// shard alone does not know.
    fn judge_forged(&mut self, key: RouteKey, path: PathRef, seen: Timestamp, now: Timestamp) {
        let proven = self.proven(path);
        for finding in self.findings(key.0, &proven, false, now) {
            let is_it = |a: &&mut Active| (a.class, a.key_as) == (finding.class, finding.key_as);
            let held = self.active.get_mut(&key).and_then(|a| a.iter_mut().find(is_it));
            let moved = held.filter(|a| a.class == Class::ForgedOrigin && a.points != finding.points());
            let Some(held) = moved else { continue };
            held.points = finding.points();
            let attributes = proven.attributes.clone();
            let (class, key_as) = (finding.class, finding.key_as);
            self.sighted(key, class, key_as, seen, Phase::Changed(Arc::new(finding), attributes));
        }
    }

    fn sighted(&mut self, key: RouteKey, class: Class, key_as: Asn, seen: Timestamp, phase: Phase) {
        let prefix = self.rib.entry(key.0).prefix;
        let sighting = Sighting { prefix, path_id: key.2, vantage: key.1, class, key_as, seen, phase, before: None };
        self.out.push(Report::Sighting(sighting));
    }

    fn count_table(&mut self, vantage: VantageId, prefix: &IpNet, by: i8) {
        if by != 0 {
            let i = vantage.0 as usize;
            if self.tables.len() <= i {
                self.tables.resize(i + 1, [0; 2]);
            }
            self.tables[i][Family::of(prefix) as usize] += i64::from(by);
        }
    }

    /// Counts the outcome for one announced element; the entry remembers the last one.
    fn count_rov(&mut self, at: PrefixRef, origin_as: Option<Asn>) {
        if !self.rpki_usable {
            return self.rov.count(RovState::NotEvaluated);
        }
        let entry = self.rib.entry(at);
        let Some(asn) = origin_as else {
            return self.rov.count(self.rpki.vrps.state(&entry.prefix, None));
        };
        let state = self.rov_of(entry, asn);
        self.rib.entry_mut(at).rov = Some((asn, state, self.vrp_generation));
        self.rov.count(state);
    }

    /// Short prefixes are in no shard's range; the first one counts them for all.
    fn count_short_rov(&mut self, prefix: &IpNet, origin_as: Option<Asn>) {
        if self.range.index > 0 || prefix.prefix_len() >= Family::of(prefix).shortest_routed() {
            return;
        }
        let state = match self.rpki_usable {
            true => self.rpki.vrps.state(prefix, origin_as),
            false => RovState::NotEvaluated,
        };
        self.rov.count(state);
    }

    fn intern(&mut self, attributes: &Arc<PathAttributes>, hint: Hint) -> PathRef {
        if let Some((path, freed)) = hint.path
            && self.rib.paths.retain_if(path, attributes, freed)
        {
            return path;
        }
        let aspas = if self.aspas_usable { &self.rpki.aspas } else { &self.no_aspas };
        let context = &self.context;
        self.rib.paths.intern(attributes, |a| context.brief(a, aspas))
    }

    /// A route of a dump. Dumps may come while news do: what is under suspicion is no history, and a route that takes the
    /// place of an offending one is judged.
    fn seed(&mut self, update: &Update, hint: Hint, now: Timestamp) {
        if !update.announced.iter().any(|n| self.range.holds(&n.prefix)) {
            return;
        }
        let path = self.intern(&update.attributes, hint);
        let range = self.range;
        for (i, nlri) in update.announced.iter().filter(|n| range.holds(&n.prefix)).enumerate() {
            self.rib.paths.retain(path);
            let since = self.since(update.seen, now);
            let at = self.place(nlri, hint, i);
            let change = self.rib.announce_at(at, update.vantage, nlri.path_id, path, since);
            let is_news = self.is_news_of_dump(update, change.prefix);
            if !is_news && !self.was_disputed(change.prefix) {
                self.mark_seeded(change.prefix, path);
            }
            let takes_place = self.rib.entry(change.prefix).offending > 0 && change.old.is_some();
            let key = (change.prefix, update.vantage, nlri.path_id);
            let stood = || self.stood_as_hijack(key, path);
            if (is_news || takes_place) && change.old != Some(path) && !self.is_plainly_fine(key, path, stood, now) {
                let (first, stood) = (self.out.len(), stood());
                self.judge(key, path, stood, update.seen, Cause::Update, now);
                self.say_before(first, key, change.old);
            }
            if let Some(old) = change.old {
                self.rib.paths.release(old);
            }
            self.count_table(update.vantage, &nlri.prefix, change.table);
        }
        self.rib.paths.release(path);
    }

    fn mark_seeded(&mut self, at: PrefixRef, path: PathRef) {
        let Some(origin_as) = self.rib.paths.origin_as(path) else { return };
        let origins = &mut self.rib.entry_mut(at).origins;
        if let Some(held) = origins.iter_mut().find(|o| o.asn == origin_as && !o.suspicious) {
            held.seeded = true;
        }
    }

    /// Makes the baseline out of what the dumps held, then judges what somebody has said in writing, and origins that
    /// came after the dumps and are still there.
    fn seed_done(&mut self, now: Timestamp) {
        let has_baseline = self.before.is_some() && !self.learning;
        self.learning = false;
        self.knows_table = true;
        self.context.judges_valleys = true;
        self.context.knows_paths = true;
        let known = if has_baseline { self.extend_baseline() } else { self.baseline_of_dump() };
        for fact in known {
            if !self.is_fact_disputed(&fact) {
                self.learn(fact);
            }
        }
        self.refresh_paths();
        self.report_tables();
        for at in self.rib.all() {
            let entry = self.rib.entry(at);
            let has_newcomer = entry.origins.iter().any(|o| !o.seeded && o.routes > 0);
            if has_newcomer || self.is_watched(at) {
                self.judge_standing(at, now);
            }
        }
    }

    fn baseline_of_dump(&mut self) -> BTreeSet<Known> {
        let mut known = self.known_of_dump();
        let mut standing = PathSet::default();
        for at in self.rib.all() {
            if !self.was_disputed(at) {
                self.make_baseline(at, &mut standing);
            }
        }
        known.extend(self.oddities_of(&standing));
        known
    }

    /// Judges what stands at a prefix once the baseline is known. A newcomer stands there since it came.
    fn judge_standing(&mut self, at: PrefixRef, now: Timestamp) {
        for route in self.rib.entry(at).routes.to_vec() {
            let origin_as = self.rib.paths.origin_as(route.path);
            let newcomer = self.rib.entry(at).origins.iter().find(|o| Some(o.asn) == origin_as && !o.seeded);
            let seen = newcomer.map_or(now, |o| o.since);
            let key = (at, route.vantage, route.path_id);
            let stood = self.stood_as_hijack(key, route.path);
            self.judge(key, route.path, stood, seen, Cause::Data(ReasonCode::Seen), now);
        }
    }

    /// Somebody is accused of the route, so that nothing is to be learned from it.
    fn is_offending(&self, key: RouteKey) -> bool {
        let accuses = |active: &SmallVec<[Active; 1]>| active.iter().any(|a| !a.class.kind().is_own());
        self.rib.entry(key.0).offending > 0 && self.active.get(&key).is_some_and(accuses)
    }

    /// Adds the paths whose leaks and bogons are history to `standing`.
    fn make_baseline(&mut self, at: PrefixRef, standing: &mut PathSet) {
        let entry = self.rib.entry(at);
        let paths = &self.rib.paths;
        let mut seen_by: Vec<(Adjacency, Asn)> = Vec::with_capacity(entry.routes.len());
        for route in &entry.routes {
            let Some(adjacency) = paths.adjacency(route.path) else { continue };
            if self.is_offending((at, route.vantage, route.path_id)) {
                continue;
            }
            // Where all places are taken, nobody knows who came after the dump.
            if !entry.was_in_dump(adjacency.origin_as) && entry.origins.len() < limits::ORIGINS_PER_PREFIX {
                continue;
            }
            let peer_as = self.peer_as[route.vantage.0 as usize];
            seen_by.extend([Some(adjacency), self.aggregated(route.path)].into_iter().flatten().map(|a| (a, peer_as)));
            if paths.has_leak(route.path) || paths.has_bogon(route.path) {
                standing.insert(route.path);
            }
        }
        seen_by.sort_unstable_by_key(|(a, peer)| (a.origin_as, *peer));
        seen_by.dedup_by_key(|(a, peer)| (a.origin_as, *peer, a.neighbor));
        let by_two = seen_by.windows(2).any(|w| w[0].0.origin_as == w[1].0.origin_as && w[0].1 != w[1].1);
        if by_two && self.is_watched(at) {
            self.drop_unsigned(at, &mut seen_by);
        }
        if by_two {
            let adjacencies: Vec<Adjacency> = seen_by.iter().map(|(a, _)| *a).collect();
            self.rib.entry_mut(at).baseline = Baseline::new(adjacencies);
        }
    }

    /// Who made the AS_SET at the end of a path holds the network as well, with or without the set.
    fn aggregated(&self, path: PathRef) -> Option<Adjacency> {
        let origin_as = self.rib.paths.odd(path)?.as_path.aggregator()?;
        let hops = self.rib.paths.hops(path);
        let left = hops.iter().position(|h| *h == origin_as)?.checked_sub(1).map(|i| hops[i]);
        Some(Adjacency { origin_as, neighbor: left.unwrap_or(origin_as) })
    }

    /// On a watched prefix whose ROA says who is right, a foreign origin of the dump is no baseline.
    fn drop_unsigned(&self, at: PrefixRef, seen_by: &mut Vec<(Adjacency, Asn)>) {
        let prefix = &self.rib.entry(at).prefix;
        let state = |a: &Adjacency| self.rpki.vrps.state(prefix, Some(a.origin_as));
        if self.rpki_usable && seen_by.iter().any(|(a, _)| state(a) == RovState::Valid) {
            seen_by.retain(|(a, _)| state(a) == RovState::Valid);
        }
    }

    fn refresh_paths(&mut self) {
        self.refresh_paths_where(|_| true);
    }

    /// Works out the paths anew that are asked for; those that prove something else than before.
    fn refresh_paths_where(&mut self, is_touched: impl Fn(&Sight<'_>) -> bool) -> PathSet {
        self.remembered.clear();
        let aspas = if self.aspas_usable { &self.rpki.aspas } else { &self.no_aspas };
        let context = &self.context;
        self.rib.paths.refresh(is_touched, |a| context.brief(a, aspas))
    }

    /// Judges again what stands at a prefix, but for routes that nothing can be wrong with.
    fn judge_prefix(&mut self, at: PrefixRef, code: ReasonCode, now: Timestamp) {
        for route in self.rib.entry(at).routes.to_vec() {
            let key = (at, route.vantage, route.path_id);
            if !self.is_plainly_fine(key, route.path, || false, now) {
                self.judge(key, route.path, false, now, Cause::Data(code), now);
            }
        }
    }

    fn peer_down(&mut self, vantage: VantageId, seen: Timestamp) {
        self.clear_session(vantage, EndedBy::LostSight, seen);
    }

    fn clear_session(&mut self, vantage: VantageId, by: EndedBy, seen: Timestamp) {
        let peer_as = self.peer_as.get(vantage.0 as usize).copied();
        self.in_parts.retain(|peer, _| Some(peer) != peer_as);
        for at in self.rib.held_by(vantage) {
            for route in self.rib.routes_of(at, vantage) {
                let prefix = self.rib.entry(at).prefix;
                if let Some(change) = self.rib.withdraw(&prefix, vantage, route.path_id, seen) {
                    self.count_table(vantage, &prefix, change.table);
                    self.end_route(change, vantage, route.path_id, by, seen);
                }
            }
        }
        self.report_tables();
    }

    fn tick(&mut self, now: Timestamp) {
        let since = *self.learning_since.get_or_insert(now);
        if self.learning && now.secs_since(since) >= limits::LEARNING_SECS as f64 {
            self.learning = false;
            self.context.judges_valleys = true;
            self.refresh_paths();
            self.learn_standing_valleys();
            self.context.knows_paths = true;
            self.refresh_paths();
        }
        self.settle_restart(now);
        self.roas_expire(now);
        self.report_tables();
        self.rib.sweep();
        self.ahead.clear();
    }

    fn report_tables(&mut self) {
        for (i, table) in self.tables.iter_mut().enumerate() {
            for family in [Family::Ipv4, Family::Ipv6] {
                let by = std::mem::take(&mut table[family as usize]);
                if by != 0 {
                    self.out.push(Report::Table { vantage: VantageId(i as u32), family, by });
                }
            }
        }
    }
}
