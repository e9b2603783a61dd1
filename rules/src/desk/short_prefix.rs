//! Short prefixes (/0 to /7, ::/0 to ::/15): they cover half the world and belong to no shard, so the desk keeps
//! their few routes itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use crate::alert::{Class, RovProof, RovState};
use crate::bgp::{Asn, Family, Nlri, PathAttributes, Timestamp, Update, VantageId};
use crate::checkpoint::ShortMemory;
use crate::finding::{Code, Finding};
use crate::hijack::nobody;
use crate::limits;
use crate::path::strip_private_tail;
use crate::proofs::prove;
use crate::relations::Relations;
use crate::rpki::AspaTable;
use crate::shard::{EndedBy, Phase, Sighting};

type Key = (IpNet, u32, VantageId);

struct Held {
    origin_as: Asn,
    attributes: Arc<PathAttributes>,
    /// Stood in the dump: history, not news.
    is_history: bool,
}

/// Routes of short prefixes, by the AS that originates them.
#[derive(Default)]
pub struct ShortPrefixes {
    held: BTreeMap<Key, Held>,
}

impl ShortPrefixes {
    /// Whether it names a short prefix; next to none does.
    pub fn concern(update: &Update) -> bool {
        update.announced.iter().any(is_short) || update.withdrawn.iter().any(is_short)
    }

    /// Sightings of one update, in their order.
    pub fn apply(&mut self, update: &Update) -> Vec<Sighting> {
        let mut out = Vec::new();
        for nlri in update.withdrawn.iter().filter(|n| is_short(n)) {
            let key = (nlri.prefix, nlri.path_id, update.vantage);
            if let Some(old) = self.held.remove(&key) {
                out.push(sighting(key, old.origin_as, update.seen, Phase::Ended(EndedBy::Withdrawn)));
            }
        }
        for nlri in update.announced.iter().filter(|n| is_short(n)) {
            let key = (nlri.prefix, nlri.path_id, update.vantage);
            self.announce(key, update, &mut out);
        }
        out
    }

    /// A route of a dump.
    pub fn seed(&mut self, update: &Update) {
        for nlri in update.announced.iter().filter(|n| is_short(n)) {
            let Some(origin_as) = strip_private_tail(&update.attributes.as_path).0.last().copied() else { continue };
            let key = (nlri.prefix, nlri.path_id, update.vantage);
            let attributes = update.attributes.clone();
            self.hold(key, Held { origin_as, attributes, is_history: true });
        }
    }

    fn announce(&mut self, key: Key, update: &Update, out: &mut Vec<Sighting>) {
        let (hops, _) = strip_private_tail(&update.attributes.as_path);
        let Some(origin_as) = hops.last().copied() else { return };
        let old = self.held.remove(&key);
        let same_origin = old.as_ref().is_some_and(|o| o.origin_as == origin_as);
        let same_path = old.as_ref().is_some_and(|o| o.attributes == update.attributes);
        let is_history = same_origin && old.as_ref().is_some_and(|o| o.is_history);
        let attributes = update.attributes.clone();
        let is_held = self.hold(key, Held { origin_as, attributes: attributes.clone(), is_history });
        if let Some(old) = old.filter(|o| !same_origin && !o.is_history) {
            out.push(sighting(key, old.origin_as, update.seen, Phase::Ended(EndedBy::Replaced)));
        }
        if is_history || same_path || !is_held {
            return;
        }
        let finding = Arc::new(finding(origin_as, &hops, &attributes));
        let phase = if same_origin { Phase::Changed(finding, attributes) } else { Phase::Began(finding, attributes) };
        out.push(sighting(key, origin_as, update.seen, phase));
    }

    fn hold(&mut self, key: Key, held: Held) -> bool {
        let has_room = self.held.len() < limits::SHORT_PREFIX_ROUTES;
        if has_room {
            self.held.insert(key, held);
        }
        has_room
    }

    /// What is old news, for a restart.
    pub fn history(&self) -> Vec<ShortMemory> {
        let old = self.held.iter().filter(|(_, held)| held.is_history);
        let memory = |((prefix, path_id, vantage), held): (&Key, &Held)| ShortMemory {
            vantage: vantage.0,
            prefix: *prefix,
            path_id: *path_id,
            origin_as: held.origin_as,
        };
        old.map(memory).collect()
    }

    /// Takes old news back; which path it came over is not known any more.
    pub fn remember(&mut self, vantage: VantageId, memory: &ShortMemory) {
        let held = Held { origin_as: memory.origin_as, attributes: Arc::default(), is_history: true };
        self.hold((memory.prefix, memory.path_id, vantage), held);
    }

    pub fn lose(&mut self, vantage: VantageId, seen: Timestamp) -> Vec<Sighting> {
        let lost: Vec<Key> = self.held.keys().filter(|k| k.2 == vantage).copied().collect();
        let ended = |key: Key, held: Held| sighting(key, held.origin_as, seen, Phase::Ended(EndedBy::LostSight));
        lost.into_iter().filter_map(|key| self.held.remove(&key).map(|held| ended(key, held))).collect()
    }
}

fn is_short(nlri: &Nlri) -> bool {
    nlri.prefix.prefix_len() < Family::of(&nlri.prefix).shortest_routed()
}

fn sighting(key: Key, key_as: Asn, seen: Timestamp, phase: Phase) -> Sighting {
    Sighting {
        prefix: key.0,
        path_id: key.1,
        vantage: key.2,
        class: Class::ShortPrefix,
        key_as,
        seen,
        phase,
        before: None,
    }
}

fn finding(origin_as: Asn, hops: &[Asn], attributes: &PathAttributes) -> Finding {
    let no_rov = RovProof { state: RovState::NotEvaluated, reason: None, expected_state: None, covering: Vec::new() };
    Finding {
        class: Class::ShortPrefix,
        key_as: origin_as,
        suspects: smallvec::smallvec![origin_as],
        adjacency: None,
        maybe_suspect: None,
        detected_origin: Some(origin_as),
        accepted_by: hops.len().checked_sub(2).map(|i| hops[i]),
        covering_prefix: None,
        expected_origins: nobody(),
        rov: no_rov,
        leak: None,
        proofs: Arc::new(prove(attributes, &AspaTable::default(), &Relations::none())),
        codes: smallvec::smallvec![Code::ShortPrefix],
        constituents: Vec::new(),
        needs_company: false,
        old_if: smallvec::smallvec![],
    }
}
