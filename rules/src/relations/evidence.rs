//! What do the routes themselves show of who sells to whom? Every three ASes that stood in a row, as dumps and updates bring
//! them.
//!
//! Kept in front of the shards, so that what follows from it does not depend on their number. A row of a dump counts at once,
//! one of an update when it is seen again a day later: a leak of some hours must not become the measure it is judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use crate::bgp::{Asn, PathAttributes, Timestamp};
use crate::event::Role;
use crate::gradual::GradualTable;
use crate::limits;
use crate::path::has_loop;
use crate::registry;
use crate::relations::Relation;

/// Receiver, giver, and from whom the giver had it. The receiver is 0 where the collector itself is it.
pub type Row = [u32; 3];

/// What counts of all that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// In no order.
    pub rows: Vec<Row>,
    /// (seller, buyer) of steps that a route took after it was marked Only-to-Customer (RFC 9234 section 5).
    pub to_customers: BTreeSet<(Asn, Asn)>,
    /// Lower and higher AS of links over the route server of an exchange.
    pub over_servers: BTreeSet<(Asn, Asn)>,
    /// What the higher AS is to the lower, as both said (RFC 9234 section 4).
    pub roles: BTreeMap<(Asn, Asn), Relation>,
}

/// Hours since the epoch; 0 for what a dump held.
type Hour = u32;

#[derive(Clone, Copy, Debug)]
struct Seen {
    row: Row,
    first: Hour,
    last: Hour,
}

/// The rows of all routes that were seen within [`limits::ROW_FORGOTTEN_HOURS`].
#[derive(Default)]
pub struct Evidence {
    rows: GradualTable<Seen>,
    hasher: RandomState,
    /// What was noted lately, by a keyed hash of all that would be noted, each in the place its name says: most comes again and again, and
    /// what pushed something else out only costs a second look.
    recent: Vec<u64>,
    to_customers: BTreeSet<(Asn, Asn)>,
    over_servers: BTreeSet<(Asn, Asn)>,
    roles: BTreeMap<(Asn, Asn), Relation>,
    /// Rows left out because [`limits::RELATION_ROWS`] were held.
    dropped: u64,
}

impl Evidence {
    /// A route of a dump.
    pub fn seed(&mut self, attributes: &PathAttributes, at: Timestamp) {
        self.note(attributes, 0, hour(at));
    }

    /// A route of an update. Each origin has its turn one hour in [`limits::ROW_HOURS`], which is enough: what counts is there on
    /// many days, and updates are what there is most of.
    pub fn update(&mut self, attributes: &PathAttributes, at: Timestamp) {
        let hour = hour(at);
        let origin = attributes.as_path.ases().last().map_or(0, |asn| asn.0);
        if hour.wrapping_add(origin).is_multiple_of(limits::ROW_HOURS) {
            self.note(attributes, hour, hour);
        }
    }

    /// Two ASes agreed on what they are to each other.
    pub fn role(&mut self, role: Role) {
        let Role { ases, relation } = role.ordered();
        if ases.0 != ases.1 && (self.roles.len() < limits::MARKED_STEPS || self.roles.contains_key(&ases)) {
            self.roles.insert(ases, relation);
        }
    }

    /// What counts now. Rows that were not seen for long are forgotten.
    pub fn shown(&mut self, at: Timestamp) -> Shown {
        let now = hour(at);
        let mut rows = Vec::with_capacity(self.rows.len());
        self.rows.retain(|s| {
            let is_kept = now.saturating_sub(s.last) <= limits::ROW_FORGOTTEN_HOURS;
            if is_kept && (s.first == 0 || s.last - s.first >= limits::ROW_COUNTS_HOURS) {
                rows.push(s.row);
            }
            is_kept
        });
        let (to_customers, over_servers) = (self.to_customers.clone(), self.over_servers.clone());
        Shown { rows, to_customers, over_servers, roles: self.roles.clone() }
    }

    /// Rows that were left out for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn note(&mut self, attributes: &PathAttributes, first: Hour, last: Hour) {
        if !self.is_news(attributes, first, last) {
            return;
        }
        let mut hops: SmallVec<[Asn; 16]> = SmallVec::from_slice(attributes.as_path.ases());
        hops.dedup();
        let parties = parties(&hops);
        // Made by hand (poisoning): its steps were never walked.
        if has_loop(&parties) {
            return;
        }
        // A route server is no party.
        if parties.len() < hops.len() {
            self.note_exchanges(&hops);
        }
        if let Some(setter) = attributes.only_to_customer {
            self.note_mark(&parties, setter);
        }
        let mut receiver = 0;
        for pair in parties.windows(2) {
            self.add([receiver, pair[0].0, pair[1].0], first, last);
            receiver = pair[0].0;
        }
    }

    /// Mostly true once for all that would be noted alike, and always the first time.
    fn is_news(&mut self, attributes: &PathAttributes, first: Hour, last: Hour) -> bool {
        let path = &attributes.as_path;
        if !path.is_plain_sequence() {
            return false;
        }
        if self.recent.is_empty() {
            self.recent = vec![0; limits::RECENT_PATHS];
        }
        let mark = attributes.only_to_customer.map_or(0, |setter| 1 << 32 | u64::from(setter.0));
        let hours = u64::from(first) << 32 | u64::from(last);
        // 0 is an empty place.
        let name = self.hasher.hash_one((path.name(), mark, hours)).max(1);
        let place = &mut self.recent[name as usize % limits::RECENT_PATHS];
        std::mem::replace(place, name) != name
    }

    fn add(&mut self, row: Row, first: Hour, last: Hour) {
        let hash = self.hasher.hash_one(row);
        if let Some(seen) = self.rows.find_mut(hash, |s| s.row == row) {
            seen.first = seen.first.min(first);
            seen.last = seen.last.max(last);
        } else if self.rows.len() < limits::RELATION_ROWS {
            let hasher = &self.hasher;
            self.rows.insert_unique(hash, Seen { row, first, last }, |s| hasher.hash_one(s.row));
        } else {
            self.dropped += 1;
        }
    }

    /// Who received a marked route may give it to customers only; the setter may have given it to a peer.
    fn note_mark(&mut self, parties: &[Asn], setter: Asn) {
        let Some(at) = parties.iter().position(|a| *a == setter) else { return };
        for step in parties[..at].windows(2) {
            if self.to_customers.len() < limits::MARKED_STEPS {
                self.to_customers.insert((step[1], step[0]));
            }
        }
    }

    fn note_exchanges(&mut self, hops: &[Asn]) {
        let is_member = |asn: Asn| registry::bogon_asn(asn).is_none() && !registry::is_route_server(asn);
        let meets = |step: &&[Asn]| registry::is_route_server(step[1]) && is_member(step[0]) && is_member(step[2]);
        for step in hops.windows(3).filter(meets) {
            if self.over_servers.len() < limits::MARKED_STEPS {
                self.over_servers.insert((step[0].min(step[2]), step[0].max(step[2])));
            }
        }
    }
}

fn hour(at: Timestamp) -> Hour {
    u32::try_from(at.secs() / 3_600).unwrap_or_default().max(1)
}

/// Those of a path that do business with each other.
fn parties(hops: &[Asn]) -> SmallVec<[Asn; 16]> {
    let is_party = |asn: &Asn| registry::bogon_asn(*asn).is_none() && !registry::is_route_server(*asn);
    let mut parties = SmallVec::from_slice(hops);
    parties.retain(|asn| is_party(asn));
    parties.dedup();
    parties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(text: &str, otc: Option<u32>) -> PathAttributes {
        let as_path = text.parse().expect("a well-formed path");
        PathAttributes { as_path, only_to_customer: otc.map(Asn), ..PathAttributes::default() }
    }

    fn rows(evidence: &mut Evidence, at: Timestamp) -> Vec<Row> {
        let mut rows = evidence.shown(at).rows;
        rows.sort_unstable();
        rows
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_secs(1_600_000_000 + day * 86_400)
    }

    #[test]
    fn a_dump_counts_at_once_and_an_update_a_day_later() {
        let mut evidence = Evidence::default();
        let hours = |n: i64| Timestamp(day(0).0 + n * 3_600_000_000);
        evidence.seed(&attributes("701 701 3356 13335", None), day(0));
        // 13335 has its turn an hour after the numbers that four divides.
        evidence.update(&attributes("701 1299 13335", None), hours(1));
        let of_dump = [[0, 701, 3356], [701, 3356, 13335]];
        assert_eq!(rows(&mut evidence, hours(1)), of_dump);
        evidence.update(&attributes("701 1299 13335", None), hours(5));
        assert_eq!(rows(&mut evidence, hours(5)), of_dump, "four hours later it may still be a leak");
        evidence.update(&attributes("701 174 13335", None), hours(0));
        evidence.update(&attributes("701 174 13335", None), hours(24));
        assert_eq!(rows(&mut evidence, hours(24)), of_dump, "of other hours nothing is kept");
        evidence.update(&attributes("701 1299 13335", None), hours(25));
        assert_eq!(rows(&mut evidence, hours(25)).len(), 4);
        assert_eq!(rows(&mut evidence, day(31)).len(), 2, "the dump is forgotten, what was seen since is not");
    }

    #[test]
    fn the_same_path_with_a_mark_or_of_a_dump_is_looked_at_again_in_the_same_hour() {
        let mut evidence = Evidence::default();
        let hour = day(0).plus_secs(3_600);
        evidence.update(&attributes("701 1299 13335", None), hour);
        evidence.update(&attributes("701 1299 13335", Some(13335)), hour);
        let shown = evidence.shown(hour);
        assert!(shown.rows.is_empty() && !shown.to_customers.is_empty());
        evidence.seed(&attributes("701 1299 13335", None), hour);
        assert_eq!(rows(&mut evidence, hour), [[0, 701, 1299], [701, 1299, 13335]]);
    }

    #[test]
    fn what_was_made_by_hand_or_does_no_business_shows_nothing() {
        let mut evidence = Evidence::default();
        for text in ["701 3356 701", "701 {3356,1299}", ""] {
            evidence.seed(&attributes(text, None), day(0));
        }
        assert!(rows(&mut evidence, day(0)).is_empty());
        evidence.seed(&attributes("701 23456 6695 3356", None), day(0));
        let shown = evidence.shown(day(0));
        assert_eq!(shown.rows, [[0, 701, 3356]]);
        assert!(shown.over_servers.is_empty(), "beside the server stands nobody's number");
        evidence.seed(&attributes("701 6695 3356", None), day(0));
        assert_eq!(evidence.shown(day(0)).over_servers, BTreeSet::from([(Asn(701), Asn(3356))]));
    }

    #[test]
    fn a_marked_route_goes_down_after_the_first_step() {
        let mut evidence = Evidence::default();
        evidence.seed(&attributes("5511 1299 3356 701 13335", Some(701)), day(0));
        let steps: Vec<_> = evidence.shown(day(0)).to_customers.iter().map(|(a, b)| (a.0, b.0)).collect();
        assert_eq!(steps, [(1299, 5511), (3356, 1299)]);
    }

    #[test]
    fn a_role_reads_from_the_lower_number() {
        let mut evidence = Evidence::default();
        evidence.role(Role { ases: (Asn(64500), Asn(64496)), relation: Relation::Customer });
        evidence.role(Role { ases: (Asn(64500), Asn(64500)), relation: Relation::Customer });
        let roles = evidence.shown(day(0)).roles;
        assert_eq!(roles, BTreeMap::from([((Asn(64496), Asn(64500)), Relation::Provider)]));
    }
}
