//! What does a shard keep over a restart, and what of the table that comes then is news?
//!
//! What was seen before the checkpoint was judged then, so it only fills the table; except where an offence was left
//! open: its routes are looked at whenever they come, since only so its incident goes on.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Known, RouteKey, Shard};
use crate::alert::Class;
use crate::baseline::{Adjacency, Baseline};
use crate::bgp::{Asn, Timestamp, Update, VantageId};
use crate::checkpoint::{Checkpoint, PrefixMemory};
use crate::finding::Kind;
use crate::limits;
use crate::rib::{PathRef, PathSet, PrefixRef};

/// What a restart left.
pub(super) struct Before {
    /// When the checkpoint was made, and when it was taken back.
    at: Timestamp,
    restored_at: Timestamp,
    /// The first so many vantage points were watched before.
    vantage: u32,
    /// Offences of the checkpoint, by prefix.
    offences: BTreeMap<IpNet, Vec<Left>>,
    /// Facts that would make one of them old news.
    disputed: BTreeSet<Known>,
}

struct Left {
    class: Class,
    key_as: Asn,
    is_open: bool,
}

impl Before {
    fn has_open(&self, prefix: &IpNet) -> bool {
        self.offences.get(prefix).is_some_and(|left| left.iter().any(|l| l.is_open))
    }

    fn was_watched(&self, vantage: VantageId) -> bool {
        vantage.0 < self.vantage
    }

    fn is_later(&self, seen: Timestamp) -> bool {
        seen > self.at.plus_secs(-limits::LAG_SECS)
    }
}

impl Shard {
    /// What this shard alone knows.
    pub fn memory(&self) -> Vec<PrefixMemory> {
        self.rib.memory()
    }

    pub(super) fn restore(&mut self, checkpoint: &Checkpoint, now: Timestamp) {
        let desk = &checkpoint.desk;
        self.learning = desk.learning;
        self.knows_table = desk.baseline_as_of.is_some();
        self.context.knows_paths = !desk.learning;
        self.learning_since = desk.learning_since;
        self.context.judges_valleys = self.judges_valleys();
        self.context.known.extend(desk.known.iter().copied());
        self.refresh_paths();
        for memory in checkpoint.prefixes.iter().filter(|m| self.range.holds(&m.0)) {
            self.rib.remember(memory);
        }
        let mut before = Before {
            at: checkpoint.at,
            restored_at: now,
            vantage: self.peer_as.len() as u32,
            offences: BTreeMap::new(),
            disputed: BTreeSet::new(),
        };
        for offence in desk.stories.iter().flat_map(|s| &s.members).chain(&desk.pending).map(|m| &m.offence) {
            before.disputed.extend(offence.first.old_if.iter().chain(&offence.best.old_if));
            if self.range.holds(&offence.key.prefix) {
                let (class, key_as, is_open) = (offence.best.class, offence.key.key_as, !offence.lost.is_empty());
                before.offences.entry(offence.key.prefix).or_default().push(Left { class, key_as, is_open });
            }
        }
        self.before = Some(before);
    }

    /// An announcement of before the checkpoint is no news, unless an offence there is open.
    pub(super) fn is_news(&self, update: &Update, at: PrefixRef) -> bool {
        let Some(before) = &self.before else { return true };
        let entry = self.rib.entry(at);
        let is_open = entry.offending > 0 || before.has_open(&entry.prefix);
        is_open || before.is_later(update.seen) || !before.was_watched(update.vantage)
    }

    /// A dump shows what happened in the meantime to what was watched. Of sessions that were not, it is history.
    pub(super) fn is_news_of_dump(&self, update: &Update, at: PrefixRef) -> bool {
        let Some(before) = &self.before else { return false };
        let is_missed = !self.learning && before.was_watched(update.vantage) && before.is_later(update.seen);
        is_missed || before.has_open(&self.rib.entry(at).prefix)
    }

    /// The route, or its like, was a hijack by that AS when the watching was interrupted.
    pub(super) fn stood_as_hijack(&self, key: RouteKey, path: PathRef) -> bool {
        let Some(before) = &self.before else { return false };
        let origin_as = self.rib.paths.origin_as(path);
        let is_it = |l: &Left| l.is_open && l.class == Class::OriginHijack && Some(l.key_as) == origin_as;
        before.offences.get(&self.rib.entry(key.0).prefix).is_some_and(|left| left.iter().any(is_it))
    }

    /// An offence was open there when the watching was interrupted: that no route goes another way may only mean that it
    /// is not back yet.
    pub(super) fn is_partly_back(&self, prefix: &IpNet, now: Timestamp) -> bool {
        let is_waiting = |b: &Before| now.secs_since(b.restored_at) < limits::LOST_SIGHT_SECS as f64;
        self.before.as_ref().is_some_and(|b| is_waiting(b) && b.has_open(prefix))
    }

    /// Who is the origin here, or stands next to it, was under suspicion at the checkpoint: nothing to learn from.
    pub(super) fn was_disputed(&self, at: PrefixRef) -> bool {
        let is_origin = |l: &Left| matches!(l.class.kind(), Kind::Origin | Kind::Forged);
        let left = self.before.as_ref().and_then(|b| b.offences.get(&self.rib.entry(at).prefix));
        left.is_some_and(|left| left.iter().any(is_origin))
    }

    pub(super) fn is_fact_disputed(&self, fact: &Known) -> bool {
        self.before.as_ref().is_some_and(|b| b.disputed.contains(fact))
    }

    /// The dumps after a restart: prefixes without a baseline get one; those that have one learn from sessions that
    /// were not watched before, and from nobody else.
    pub(super) fn extend_baseline(&mut self) -> BTreeSet<Known> {
        let Some(first_new) = self.before.as_ref().map(|b| b.vantage) else { return BTreeSet::new() };
        let (mut standing, mut oddities) = (PathSet::default(), PathSet::default());
        for at in self.rib.all() {
            if self.rib.entry(at).offending > 0 || self.was_disputed(at) {
                continue;
            }
            let routes = &self.rib.entry(at).routes;
            let new: Vec<PathRef> = routes.iter().filter(|r| r.vantage.0 >= first_new).map(|r| r.path).collect();
            new.iter().for_each(|path| standing.insert(*path));
            match &self.rib.entry(at).baseline {
                None => self.make_baseline(at, &mut oddities),
                Some(baseline) if !new.is_empty() => {
                    let mut adjacencies: Vec<Adjacency> = baseline.adjacencies().to_vec();
                    adjacencies.extend(new.iter().filter_map(|path| self.rib.paths.adjacency(*path)));
                    self.rib.entry_mut(at).baseline = Baseline::new(adjacencies);
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<Known> = standing.iter().flat_map(|path| self.known_of(path)).collect();
        known.into_iter().chain(self.oddities_of(&standing)).chain(self.oddities_of(&oddities)).collect()
    }

    /// A day after a restart what did not come back is gone, and everything that comes is new.
    pub(super) fn settle_restart(&mut self, now: Timestamp) {
        let is_over = |b: &Before| now.secs_since(b.restored_at) >= limits::LEARNING_SECS as f64;
        if self.before.as_ref().is_some_and(is_over) {
            self.before = None;
            self.rib.forget_carried();
        }
    }
}
