//! What goes of the desk when memory runs short, and what of a session that is not heard any more?

use std::sync::Arc;

use super::Desk;
use crate::bgp::{Family, VantageId, VantagePoint};
use crate::shed::{Shed, Table};

impl Desk {
    /// How much each session holds, as of the last tick.
    pub fn tables(&self) -> Vec<Table> {
        let table = |(i, point): (usize, &Arc<VantagePoint>)| {
            let vantage = VantageId(i as u32);
            let prefixes = [Family::Ipv4, Family::Ipv6].map(|family| self.tables.held(family, vantage));
            Table { vantage, peer_as: point.peer_as, prefixes, is_believed: !self.is_set_aside(vantage) }
        };
        self.vantage.iter().enumerate().map(table).filter(|table| table.prefixes != [0, 0]).collect()
    }

    /// Routes that came and went before their offence was told of.
    pub fn past_routes(&self) -> usize {
        self.untold_routes
    }

    /// A session that is shed is like one that is down and does not come back: what it held is out of sight, and proves no end.
    pub(super) fn shed(&mut self, shed: &Shed) {
        if shed.history {
            self.forget_the_past();
        }
        for (vantage, worth) in &shed.sessions {
            self.no_longer_heard(*vantage, *worth);
            self.tables.forget(*vantage);
            let now = self.now;
            let lost = self.short.lose(*vantage, now).into_iter().chain(self.losses.lose(*vantage, now));
            for sighting in lost.collect::<Vec<_>>() {
                self.sighting(sighting);
            }
        }
    }
}
