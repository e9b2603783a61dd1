//! What goes of a shard when memory runs short, and what there is of everything?

use std::collections::BTreeSet;

use super::{EndedBy, Shard};
use crate::bgp::{Timestamp, VantageId};
use crate::shed::{Counts, Shed};

impl Shard {
    /// What this shard holds.
    pub fn counts(&self) -> Counts {
        Counts {
            routes: self.rib.route_count() as u64,
            prefixes: self.rib.prefix_count() as u64,
            paths: self.rib.paths.len() as u64,
            vrps: self.rpki.vrps.len() as u64,
            past_routes: 0,
        }
    }

    pub(super) fn shed(&mut self, shed: &Shed, now: Timestamp) {
        if shed.history {
            self.rib.paths.keep_none_idle();
        }
        if !shed.sessions.is_empty() {
            self.lose_sessions(shed.sessions.iter().map(|(vantage, _)| *vantage), now);
        }
    }

    /// As if all of them had gone down, in one walk through the table.
    fn lose_sessions(&mut self, sessions: impl Iterator<Item = VantageId>, now: Timestamp) {
        let mut peer_ases = BTreeSet::new();
        // By number: every route that there is is asked.
        let mut is_lost = vec![false; self.peer_as.len()];
        for vantage in sessions {
            peer_ases.extend(self.peer_as(vantage));
            if let Some(place) = is_lost.get_mut(vantage.0 as usize) {
                *place = true;
            }
        }
        self.in_parts.retain(|peer, _| !peer_ases.contains(&peer));
        for at in self.rib.all() {
            let prefix = self.rib.entry(at).prefix;
            let is_gone = |vantage: VantageId| is_lost.get(vantage.0 as usize).is_some_and(|is_lost| *is_lost);
            let held = self.rib.entry(at).routes.iter().filter(|route| is_gone(route.vantage));
            for route in held.collect::<Vec<_>>() {
                if let Some(change) = self.rib.withdraw(&prefix, route.vantage, route.path_id, now) {
                    self.count_table(route.vantage, &prefix, change.table);
                    self.end_route(change, route.vantage, route.path_id, EndedBy::LostSight, now);
                }
            }
            self.rib.entry_mut(at).routes.fit();
        }
        self.report_tables();
    }
}
