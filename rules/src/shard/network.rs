//! What does an AS announce, and who takes it from there? For looking, not for deciding.
//!
//! Nothing is indexed by origin, so all prefixes are looked through: a step at a time, between which the shard does its work.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::Shard;
use crate::alert::RovState;
use crate::bgp::Asn;
use crate::relations::Relations;

/// Prefixes looked at in one step, and routes: about a millisecond.
const STEP: usize = 16_384;
const STEP_ROUTES: usize = 16_384;
/// Prefixes told one by one in one step.
pub const MOST: usize = 1_000;

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// At most [`MOST`].
    pub prefixes: Vec<AnnouncedPrefix>,
    pub prefix_count: usize,
    pub route_count: usize,
    /// Prefixes by what ROAs say of its being the origin.
    pub rov: BTreeMap<RovState, usize>,
    /// The ASes next to it, with the routes that go over each.
    pub neighbors: BTreeMap<Asn, usize>,
    /// Where the next step begins; none after the last.
    pub next: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnnouncedPrefix {
    pub prefix: IpNet,
    pub rov: RovState,
    /// Of this origin.
    pub routes: usize,
}

impl Shard {
    /// Its place among the shards.
    pub fn index(&self) -> usize {
        self.range.index
    }

    /// By which relations it judges.
    pub fn relations(&self) -> &Arc<Relations> {
        &self.context.relations
    }

    /// Providers that the ASPA of an AS lists; none: it has no ASPA, or none can be used.
    pub fn aspa_of(&self, asn: Asn) -> Option<&[Asn]> {
        self.rpki.aspas.providers_of(asn).filter(|_| self.aspas_usable)
    }

    /// Looks on from `from`.
    pub fn announced_by(&self, asn: Asn, from: usize) -> Announced {
        let entries = self.rib.entries();
        let mut found = Announced::default();
        let end = entries.len().min(from.saturating_add(STEP));
        let mut at = from;
        while at < end && found.route_count < STEP_ROUTES {
            let entry = &entries[at];
            at += 1;
            if !entry.origins.iter().any(|origin| origin.asn == asn && origin.routes > 0) {
                continue;
            }
            let mut routes = 0;
            for route in entry.routes.iter().filter(|route| self.rib.paths.origin_as(route.path) == Some(asn)) {
                routes += 1;
                let adjacency = self.rib.paths.adjacency(route.path);
                if let Some(adjacency) = adjacency.filter(|a| a.neighbor != asn) {
                    *found.neighbors.entry(adjacency.neighbor).or_default() += 1;
                }
            }
            let rov = match self.rpki_usable {
                true => self.rpki.vrps.state(&entry.prefix, Some(asn)),
                false => RovState::NotEvaluated,
            };
            found.prefix_count += 1;
            found.route_count += routes;
            *found.rov.entry(rov).or_default() += 1;
            if found.prefixes.len() < MOST {
                found.prefixes.push(AnnouncedPrefix { prefix: entry.prefix, rov, routes });
            }
        }
        found.next = (at < entries.len()).then_some(at);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::{Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
    use crate::event::{Event, Stamped};
    use crate::shard::KeyRange;

    #[test]
    fn steps_find_together_what_is_announced_and_each_goes_on_where_the_last_one_ended() {
        let mut shard = Shard::new(KeyRange::ALL);
        let point =
            VantagePoint { collector: "rrc00".into(), peer_as: Asn(64500), peer_address: [192, 0, 2, 1].into() };
        let mut events = vec![Event::Vantage(VantageId(0), Arc::new(point))];
        for (prefix, path) in [
            ("192.0.2.0/24", "64500 64510 64496"),
            ("198.51.100.0/24", "64500 64511"),
            ("203.0.113.0/24", "64500 64510 64496 64496"),
            ("2001:db8::/32", "64500 64512 64496"),
        ] {
            let announced = Nlris::from([Nlri { prefix: prefix.parse().expect("a prefix"), path_id: 0 }]);
            let as_path = path.parse().expect("a path");
            let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
            let (vantage, seen) = (VantageId(0), Timestamp::from_secs(1));
            events.push(Event::Update(Update { vantage, seen, withdrawn: Nlris::new(), announced, attributes }));
        }
        for (seq, event) in (0..).zip(events) {
            shard.handle(&Stamped { seq, at: Timestamp::from_secs(1), event }, &mut Vec::new());
        }
        let all = shard.announced_by(Asn(64496), 0);
        let prefixes: Vec<_> = all.prefixes.iter().map(|p| (p.prefix.to_string(), p.rov, p.routes)).collect();
        let not_evaluated = |prefix: &str| (prefix.to_owned(), RovState::NotEvaluated, 1);
        assert_eq!(prefixes, ["192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32"].map(not_evaluated));
        assert_eq!((all.prefix_count, all.route_count, all.next), (3, 3, None));
        assert_eq!(all.neighbors, BTreeMap::from([(Asn(64510), 2), (Asn(64512), 1)]));
        assert_eq!(shard.announced_by(Asn(64496), 1).prefix_count, 2);
        assert_eq!(shard.announced_by(Asn(64496), 9), Announced::default(), "behind the end there is nothing");
        assert_eq!(shard.announced_by(Asn(64499), 0).prefix_count, 0);
    }
}
