//! The slow twin of the RIB: a list of routes, and a look at every one of them for every question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use crate::bgp::{Family, PathAttributes, Update, VantageId};
use crate::event::Event;

type Key = (IpNet, VantageId, u32);

#[derive(Default)]
pub struct SlowRib {
    routes: BTreeMap<Key, Arc<PathAttributes>>,
    shed: BTreeSet<VantageId>,
}

impl SlowRib {
    pub fn apply(&mut self, event: &Event) {
        match event {
            event if event.session().is_some_and(|session| self.shed.contains(&session)) => {}
            Event::Update(update) | Event::Seed(update) => self.update(update),
            Event::Shed(shed) => {
                self.shed.extend(shed.sessions.iter().map(|(vantage, _)| *vantage));
                self.routes.retain(|(_, v, _), _| !self.shed.contains(v));
            }
            Event::PeerDown { vantage, .. } => self.routes.retain(|(_, v, _), _| v != vantage),
            _ => {}
        }
    }

    fn update(&mut self, update: &Update) {
        for nlri in &update.withdrawn {
            self.routes.remove(&(nlri.prefix, update.vantage, nlri.path_id));
        }
        for nlri in &update.announced {
            if nlri.prefix.prefix_len() >= Family::of(&nlri.prefix).shortest_routed() {
                self.routes.insert((nlri.prefix, update.vantage, nlri.path_id), update.attributes.clone());
            }
        }
    }

    pub fn len(&self) -> usize {
        self.routes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Who holds what at exactly this prefix.
    pub fn routes_at(&self, prefix: &IpNet) -> Vec<(VantageId, u32, Arc<PathAttributes>)> {
        let here = self.routes.iter().filter(|((p, ..), _)| p == prefix);
        here.map(|(&(_, vantage, path_id), attributes)| (vantage, path_id, attributes.clone())).collect()
    }

    /// Prefixes with routes that contain `prefix`, itself left out, least specific first.
    pub fn covering(&self, prefix: &IpNet) -> Vec<IpNet> {
        let mut found = self.prefixes(|p| p.contains(prefix) && p != prefix);
        found.sort_by_key(IpNet::prefix_len);
        found
    }

    /// Prefixes with routes that lie inside `prefix`, itself left out.
    pub fn covered(&self, prefix: &IpNet) -> Vec<IpNet> {
        self.prefixes(|p| prefix.contains(p) && p != prefix)
    }

    fn prefixes(&self, wanted: impl Fn(&IpNet) -> bool) -> Vec<IpNet> {
        let mut found: Vec<IpNet> = self.routes.keys().map(|(p, ..)| *p).filter(wanted).collect();
        found.dedup();
        found
    }
}
