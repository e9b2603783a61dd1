//! Does the path run through a valley? Read from the origin, it should go up, at most once sideways, then down.
//!
//! That is a property of neighboring hops (RFC 7908 section 3, types 1 to 4), so every pair of known hops is judged on
//! its own. What stands in a path without being a party to it (route servers, private ASNs, ASes of one organisation)
//! is taken out first, and the hops around it become neighbors. Hops that nobody knows are no violation; but a route that went
//! down or sideways before them and up or sideways after them was leaked by somebody in between.

use smallvec::SmallVec;

use super::Violation;
use crate::alert::{CheckState, words};
use crate::bgp::{AsPath, Asn};
use crate::path::has_loop;
use crate::relations::{Relation, Relations};

words! {
    /// Which way a route went, as seen from the AS that gave it on.
    Direction {
        /// To a provider.
        Up = "up",
        /// To a lateral peer.
        Flat = "flat",
        /// To a customer.
        Down = "down",
    }
}

/// One step of a route, away from its origin. The direction is none if the relation is unknown or contradictory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    pub from: Asn,
    pub to: Asn,
    pub direction: Option<Direction>,
    /// A verdict may rest on it.
    pub is_sure: bool,
}

/// Somebody leaked it, in steps that nobody knows: no proof, and nobody alone is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub from: Asn,
    /// From the origin on.
    pub suspects: Vec<Asn>,
    pub to: Asn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValleyCheck {
    pub verdict: CheckState,
    /// From the origin towards the observer.
    pub violations: Vec<Violation>,
    /// Those of them that rest on relations which are old, contradicted or guessed.
    pub unsure: Vec<Violation>,
    pub hints: Vec<Hint>,
    /// Hops without a known relation: nothing was said about the pairs they belong to.
    pub unknown_hops: usize,
}

/// Judges every pair of neighboring hops.
pub fn check(path: &AsPath, relations: &Relations) -> ValleyCheck {
    check_hops(path, &path.compressed(), relations)
}

/// True if [`check`] finds no violation in a compressed AS_SEQUENCE; nothing is put together for it.
pub fn is_sound(compressed: &[Asn], relations: &Relations) -> bool {
    if relations.is_empty() {
        return true;
    }
    let parties = parties(compressed, relations);
    let mut hops = parties.windows(2).rev().filter_map(|pair| hop(pair[1], pair[0], relations));
    let Some(mut before) = hops.next() else { return true };
    let is_valley = hops.any(|after| violation(&std::mem::replace(&mut before, after), &after).is_some());
    !is_valley || has_loop(&parties)
}

/// The same as [`check`] where the compressed path is at hand.
pub fn check_hops(path: &AsPath, compressed: &[Asn], relations: &Relations) -> ValleyCheck {
    let nothing = |verdict, unknown_hops| ValleyCheck {
        verdict,
        violations: Vec::new(),
        unsure: Vec::new(),
        hints: Vec::new(),
        unknown_hops,
    };
    if relations.is_empty() {
        return nothing(CheckState::NotEvaluated, 0);
    }
    let parties = parties(compressed, relations);
    // A set has no order; a path with a loop was made by hand (poisoning), so its hops were never walked. Only route servers may
    // stand in it twice.
    if !path.is_plain_sequence() || has_loop(&parties) {
        return nothing(CheckState::Unknown, compressed.len().saturating_sub(1));
    }
    let hops = hops_of(&parties, relations);
    let pairs = || hops.windows(2).filter_map(|pair| Some((pair, violation(&pair[0], &pair[1])?)));
    let is_unsure = |pair: &[Hop]| !(pair[0].is_sure && pair[1].is_sure);
    let violations: Vec<_> = pairs().map(|(_, violation)| violation).collect();
    let unsure = pairs().filter(|(pair, _)| is_unsure(pair)).map(|(_, violation)| violation).collect();
    let unknown_hops = hops.iter().filter(|hop| hop.direction.is_none()).count();
    let verdict = match (violations.is_empty(), unknown_hops) {
        (false, _) => CheckState::Violation,
        (true, 0) => CheckState::Ok,
        (true, _) => CheckState::Unknown,
    };
    ValleyCheck { verdict, violations, unsure, hints: hints(&hops), unknown_hops }
}

/// Down or sideways, then into the unknown, then up or sideways.
fn hints(hops: &[Hop]) -> Vec<Hint> {
    let known: Vec<usize> = (0..hops.len()).filter(|i| hops[*i].direction.is_some()).collect();
    let hint = |pair: &[usize]| {
        let (before, after) = (&hops[pair[0]], &hops[pair[1]]);
        let is_valley = before.direction != Some(Direction::Up) && after.direction != Some(Direction::Down);
        if pair[1] - pair[0] < 2 || !is_valley {
            return None;
        }
        let suspects = hops[pair[0] + 1..=pair[1]].iter().map(|hop| hop.from).collect();
        Some(Hint { from: before.from, suspects, to: after.to })
    };
    known.windows(2).filter_map(hint).collect()
}

/// The hops that count, from the origin towards the observer; none for a path that is no plain sequence.
pub fn hops(path: &AsPath, relations: &Relations) -> Vec<Hop> {
    if path.is_plain_sequence() { hops_of(&parties(&path.compressed(), relations), relations) } else { Vec::new() }
}

fn hops_of(parties: &[Asn], relations: &Relations) -> Vec<Hop> {
    parties.windows(2).rev().filter_map(|pair| hop(pair[1], pair[0], relations)).collect()
}

/// None inside one organisation, where a route goes nowhere: the hops before and after become neighbors.
fn hop(from: Asn, to: Asn, relations: &Relations) -> Option<Hop> {
    let edge = relations.edge_between(from, to);
    let direction = match edge.map(|edge| edge.relation) {
        Some(Relation::Sibling) => return None,
        Some(Relation::Provider) => Some(Direction::Up),
        Some(Relation::LateralPeer) => Some(Direction::Flat),
        Some(Relation::Customer) => Some(Direction::Down),
        Some(Relation::Complex) | None => None,
    };
    Some(Hop { from, to, direction, is_sure: edge.is_some_and(|edge| edge.is_sure) })
}

/// The ASes of a compressed path that do business with each other: no route servers, no private ASNs. Wire order.
pub(super) fn parties(compressed: &[Asn], relations: &Relations) -> SmallVec<[Asn; 16]> {
    let is_party = |asn: &Asn| !asn.is_private_or_trans() && !relations.is_route_server(*asn);
    let mut parties = SmallVec::from_slice(compressed);
    parties.retain(|asn| is_party(asn));
    parties.dedup();
    parties
}

/// The four patterns of RFC 7908 sections 3.1 to 3.4.
fn violation(before: &Hop, after: &Hop) -> Option<Violation> {
    let rfc7908_type = match (before.direction?, after.direction?) {
        (Direction::Down, Direction::Up) => 1,
        (Direction::Flat, Direction::Flat) => 2,
        (Direction::Down, Direction::Flat) => 3,
        (Direction::Flat, Direction::Up) => 4,
        (Direction::Up, _) | (_, Direction::Down) => return None,
    };
    // Within one organisation the leaker is the AS that gave the route out.
    Some(Violation { rfc7908_type, leaker: after.from, from: before.from, to: after.to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Source;

    /// 64500 and 64501 are peers and have the customers 64510 and 64511, who share the customer 64496;
    /// 64502 and 64503 are one organisation; 64509 is a route server.
    fn world() -> Relations {
        let edges = [
            (64500, 64510, Relation::Customer),
            (64501, 64511, Relation::Customer),
            (64510, 64496, Relation::Customer),
            (64511, 64496, Relation::Customer),
            (64510, 64511, Relation::LateralPeer),
            (64500, 64501, Relation::LateralPeer),
            (64502, 64496, Relation::Customer),
            (64501, 64503, Relation::Customer),
        ];
        let edges = edges.map(|(a, b, relation)| (Asn(a), Asn(b), relation));
        let siblings = vec![vec![Asn(64502), Asn(64503)]];
        Relations::new(Source::none(), edges, Vec::new(), siblings, vec![Asn(64509)])
    }

    fn path(text: &str) -> AsPath {
        text.parse().expect("a well-formed path")
    }

    fn leaks(text: &str) -> Vec<(u8, u32, u32, u32)> {
        let violations = check(&path(text), &world()).violations;
        violations.iter().map(|v| (v.rfc7908_type, v.from.0, v.leaker.0, v.to.0)).collect()
    }

    #[test]
    fn a_customer_between_two_providers_leaks_type_1() {
        let verdict = check(&path("64511 64511 64496 64496 64510"), &world());
        assert_eq!(verdict.verdict, CheckState::Violation);
        assert_eq!(leaks("64511 64511 64496 64496 64510"), [(1, 64510, 64496, 64511)]);
    }

    #[test]
    fn up_sideways_down_is_ok() {
        for text in ["64511 64501 64500 64510 64496", "64496"] {
            let check = check(&path(text), &world());
            assert_eq!((check.verdict, check.unknown_hops), (CheckState::Ok, 0), "{text}");
            assert!(check.violations.is_empty() && check.hints.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_pair_with_an_unknown_hop_is_not_judged() {
        let verdict = check(&path("64511 64496 64499 64510"), &world());
        assert_eq!((verdict.verdict, verdict.unknown_hops), (CheckState::Unknown, 2));
        let beside = check(&path("64501 64511 64510 64496 64499"), &world());
        assert_eq!((beside.verdict, beside.unknown_hops), (CheckState::Violation, 1));
    }

    #[test]
    fn between_steps_that_contradict_each_other_somebody_leaked() {
        // Down from 64510, two unknown steps, and up again to 64501.
        let text = "64501 64511 64499 64496 64510";
        let check = check(&path(text), &world());
        assert_eq!((check.verdict, check.violations.len()), (CheckState::Unknown, 0));
        let suspects = vec![Asn(64496), Asn(64499), Asn(64511)];
        assert_eq!(check.hints, [Hint { from: Asn(64510), suspects, to: Asn(64501) }]);
        let lawful = super::check(&path("64511 64499 64496 64510"), &world());
        assert!(lawful.hints.is_empty(), "nothing is known of the last step");
    }

    #[test]
    fn what_rests_on_an_old_file_is_unsure() {
        let file = Source { as_of: Some(crate::bgp::Timestamp::from_secs(0)), ..Source::none() };
        let edges = [(64510, 64496, Relation::Customer), (64511, 64496, Relation::Customer)];
        let edges = edges.map(|(a, b, relation)| (Asn(a), Asn(b), relation));
        let fresh = Relations::new(file, edges, Vec::new(), Vec::new(), Vec::new());
        let old = crate::relations::merge::merge(&fresh, None, crate::bgp::Timestamp::from_secs(400 * 86_400));
        let hairpin = path("64511 64496 64510");
        assert!(check(&hairpin, &fresh).unsure.is_empty());
        let unsure = check(&hairpin, &old);
        assert_eq!((unsure.verdict, &unsure.unsure), (CheckState::Violation, &unsure.violations));
    }

    #[test]
    fn route_servers_and_private_asns_are_no_parties() {
        assert_eq!(leaks("64501 64511 64509 64510 64496"), [(4, 64510, 64511, 64501)]);
        assert_eq!(leaks("64501 64511 65000 64510 64496"), [(4, 64510, 64511, 64501)]);
        assert_eq!(check(&path("64509 64510 64496 65000"), &world()).verdict, CheckState::Ok);
    }

    #[test]
    fn a_route_server_may_stand_in_a_path_twice() {
        assert_eq!(leaks("64501 64509 64500 64509 64510 64496"), []);
        assert_eq!(leaks("64500 64509 64510 64509 64511 64496"), [(4, 64511, 64510, 64500)]);
    }

    #[test]
    fn siblings_are_one_as_and_the_pair_spans_them() {
        assert_eq!(check(&path("64500 64501 64503 64502 64496"), &world()).verdict, CheckState::Ok);
        let hairpin = "64510 64496 64502 64503 64501";
        assert_eq!(leaks(hairpin), [(1, 64502, 64496, 64510)]);
        assert_eq!(hops(&path(hairpin), &world()).len(), 3);
    }

    #[test]
    fn a_poisoned_path_proves_nothing() {
        let check = check(&path("64511 64496 64510 64496"), &world());
        assert_eq!((check.verdict, check.unknown_hops), (CheckState::Unknown, 3));
        assert!(check.violations.is_empty() && check.hints.is_empty());
    }

    #[test]
    fn sets_are_unknown_and_no_relations_are_not_evaluated() {
        assert_eq!(check(&path("64511 64496 {64510,64511}"), &world()).verdict, CheckState::Unknown);
        assert_eq!(check(&path("64511 64496 64510"), &Relations::none()).verdict, CheckState::NotEvaluated);
    }

    #[test]
    fn contradictory_relations_are_unknown() {
        let edges = [
            (Asn(64510), Asn(64496), Relation::Customer),
            (Asn(64511), Asn(64496), Relation::Customer),
            (Asn(64511), Asn(64496), Relation::LateralPeer),
        ];
        let relations = Relations::new(Source::none(), edges, Vec::new(), Vec::new(), Vec::new());
        let verdict = check(&path("64511 64496 64510"), &relations);
        assert_eq!((verdict.verdict, verdict.unknown_hops), (CheckState::Unknown, 1));
    }
}
