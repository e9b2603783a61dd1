//! Does the Only-to-Customer attribute (RFC 9234) prove a leak?
//!
//! A passive observer knows only this: once marked by X, a route may go to customers alone. So after X gave it out,
//! each further step must go down. A mark never proves that there is no leak: an AS may strip it.

use super::valley::parties;
use crate::alert::{CheckState, words};
use crate::bgp::{AsPath, Asn};
use crate::path::has_loop;
use crate::relations::{Relation, Relations};
use crate::rpki::{AspaTable, Authorized};

words! {
    /// What we are to the remote side of a session (RFC 9234 section 4.1).
    BgpRole {
        Provider = "provider",
        RouteServer = "rs",
        RouteServerClient = "rs_client",
        Customer = "customer",
        LateralPeer = "peer",
    }
}

/// What becomes of a route on a session with roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    Ok,
    /// Accepted, and marked with the remote AS.
    OkAdd,
    Leak,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtcCheck {
    pub value: Option<Asn>,
    pub verdict: CheckState,
    pub leaker: Option<Asn>,
    pub from: Option<Asn>,
    pub to: Option<Asn>,
    /// Proven by ASPA, not by relations alone.
    pub strong: bool,
    /// The AS that set the mark is not in the path: a transparent route server, or a forgery.
    pub unknown_setter: bool,
}

/// RFC 9234 section 5, the ingress procedure.
pub fn ingress(local_role: BgpRole, otc: Option<Asn>, remote: Asn) -> Ingress {
    match (local_role, otc) {
        // Rule 1.
        (BgpRole::Provider | BgpRole::RouteServer, Some(_)) => Ingress::Leak,
        (BgpRole::Provider | BgpRole::RouteServer, None) => Ingress::Ok,
        // Rule 2.
        (BgpRole::LateralPeer, Some(setter)) if setter != remote => Ingress::Leak,
        (_, Some(_)) => Ingress::Ok,
        // Rule 3.
        (BgpRole::LateralPeer | BgpRole::Customer | BgpRole::RouteServerClient, None) => Ingress::OkAdd,
    }
}

/// Follows the route from the AS that marked it towards the observer.
pub fn check(path: &AsPath, otc: Option<Asn>, relations: &Relations, aspas: &AspaTable) -> OtcCheck {
    let Some(setter) = otc else { return undecided(None, CheckState::NotEvaluated) };
    let compressed = path.compressed();
    if !compressed.contains(&setter) {
        return OtcCheck { unknown_setter: true, ..undecided(otc, CheckState::Unknown) };
    }
    // A set has no order; a path with a loop was made by hand (poisoning), so its hops were never walked.
    if !path.is_plain_sequence() || has_loop(&parties(&compressed, relations)) {
        return undecided(otc, CheckState::Unknown);
    }
    let steps = steps_after(setter, &compressed, relations, aspas);
    let sideways_or_up = |step: &&Step| matches!(step.way, Way::Forbidden { .. });
    let proven = steps.iter().find(|step| matches!(step.way, Way::Forbidden { strong: true }));
    match proven.or(steps.iter().find(sideways_or_up)) {
        Some(leak) => OtcCheck {
            leaker: Some(leak.leaker),
            from: leak.from,
            to: Some(leak.to),
            strong: proven.is_some(),
            ..undecided(otc, CheckState::Violation)
        },
        None if steps.iter().all(|step| step.way == Way::Allowed) => undecided(otc, CheckState::Ok),
        None => undecided(otc, CheckState::Unknown),
    }
}

fn undecided(value: Option<Asn>, verdict: CheckState) -> OtcCheck {
    OtcCheck { value, verdict, leaker: None, from: None, to: None, strong: false, unknown_setter: false }
}

/// A marked route given on by `leaker`, if it is one.
struct Step {
    from: Option<Asn>,
    leaker: Asn,
    to: Asn,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Allowed,
    Unknown,
    Forbidden { strong: bool },
}

/// What the setter and each AS after it did with the route, the setter first.
fn steps_after(setter: Asn, compressed: &[Asn], relations: &Relations, aspas: &AspaTable) -> Vec<Step> {
    let at = compressed.iter().position(|&asn| asn == setter).unwrap_or(0);
    let mut walked = parties(&compressed[..at], relations);
    walked.push(setter);
    walked.reverse();
    let mut from = compressed.get(at + 1).copied();
    let mut by_setter = true;
    let mut steps = Vec::new();
    for pair in walked.windows(2) {
        let (leaker, to) = (pair[0], pair[1]);
        if !relations.are_siblings(leaker, to) {
            let way =
                if by_setter { first_step(leaker, to, relations, aspas) } else { step(leaker, to, relations, aspas) };
            steps.push(Step { from, leaker, to, way });
            by_setter = false;
        }
        from = Some(leaker);
    }
    steps
}

/// The setter's own step may also go to a lateral peer, who may have set the mark on its behalf (RFC 9234 section 5).
fn first_step(setter: Asn, to: Asn, relations: &Relations, aspas: &AspaTable) -> Way {
    match (step(setter, to, relations, aspas), relations.between(setter, to)) {
        (Way::Allowed, _) | (Way::Unknown | Way::Forbidden { strong: false }, Some(Relation::LateralPeer)) => {
            Way::Allowed
        }
        _ => Way::Unknown,
    }
}

/// A step of an AS that received the mark: to a customer, or it is a leak.
fn step(leaker: Asn, to: Asn, relations: &Relations, aspas: &AspaTable) -> Way {
    let is_provider = |customer, provider| aspas.authorized(customer, provider) == Authorized::ProviderPlus;
    match (is_provider(leaker, to), is_provider(to, leaker)) {
        (true, false) => Way::Forbidden { strong: true },
        (false, true) => Way::Allowed,
        // Each names the other: siblings or a complex relation.
        (true, true) => Way::Unknown,
        (false, false) => match relations.between(leaker, to) {
            // Old, contradicted or guessed: no verdict rests on it.
            Some(Relation::Provider | Relation::LateralPeer) if !relations.is_sure(leaker, to) => Way::Unknown,
            Some(Relation::Provider | Relation::LateralPeer) => Way::Forbidden { strong: false },
            Some(Relation::Customer) => Way::Allowed,
            Some(Relation::Sibling | Relation::Complex) | None => Way::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::Source;
    use crate::leak::valley;

    /// 64500 sells to 64510 and 64511, they sell to 64496, and are peers; 64501 is a peer of 64500.
    fn world() -> Relations {
        let edges = [
            (64500, 64510, Relation::Customer),
            (64500, 64511, Relation::Customer),
            (64510, 64496, Relation::Customer),
            (64511, 64496, Relation::Customer),
            (64510, 64511, Relation::LateralPeer),
            (64500, 64501, Relation::LateralPeer),
        ];
        let edges = edges.map(|(a, b, relation)| (Asn(a), Asn(b), relation));
        Relations::new(Source::none(), edges, Vec::new(), vec![vec![Asn(64497), Asn(64496)]], vec![Asn(64509)])
    }

    fn judge(text: &str, otc: u32) -> OtcCheck {
        check(&text.parse().expect("a well-formed path"), Some(Asn(otc)), &world(), &AspaTable::default())
    }

    #[test]
    fn the_table_of_roles_has_fifteen_cells() {
        use BgpRole::{Customer, LateralPeer, Provider, RouteServer, RouteServerClient};
        use Ingress::{Leak, Ok, OkAdd};
        let remote = Asn(64496);
        for (role, absent, same, other) in [
            (Provider, Ok, Leak, Leak),
            (RouteServer, Ok, Leak, Leak),
            (LateralPeer, OkAdd, Ok, Leak),
            (Customer, OkAdd, Ok, Ok),
            (RouteServerClient, OkAdd, Ok, Ok),
        ] {
            assert_eq!(ingress(role, None, remote), absent, "{role}, absent");
            assert_eq!(ingress(role, Some(remote), remote), same, "{role}, set by the remote side");
            assert_eq!(ingress(role, Some(Asn(64511)), remote), other, "{role}, set by another");
        }
    }

    #[test]
    fn a_marked_route_that_goes_up_is_a_leak() {
        let leak = judge("64511 64496 64510 64500", 64500);
        assert_eq!(leak.verdict, CheckState::Violation);
        assert_eq!((leak.from, leak.leaker, leak.to), (Some(Asn(64510)), Some(Asn(64496)), Some(Asn(64511))));
        assert!(!leak.strong && !leak.unknown_setter);
    }

    #[test]
    fn aspa_makes_the_proof_strong() {
        let mut aspas = AspaTable::default();
        aspas.insert(Asn(64496), &[Asn(64510), Asn(64511)]);
        let path = "64511 64496 64510 64500".parse().expect("a path");
        let leak = check(&path, Some(Asn(64500)), &Relations::none(), &aspas);
        assert_eq!((leak.verdict, leak.leaker, leak.strong), (CheckState::Violation, Some(Asn(64496)), true));
    }

    #[test]
    fn two_ases_that_name_each_other_as_provider_prove_nothing() {
        let mut aspas = AspaTable::default();
        aspas.insert(Asn(64496), &[Asn(64511)]);
        aspas.insert(Asn(64511), &[Asn(64496)]);
        let path = "64511 64496 64510".parse().expect("a path");
        assert_eq!(check(&path, Some(Asn(64510)), &world(), &aspas).verdict, CheckState::Unknown);
    }

    #[test]
    fn a_marked_route_that_only_goes_down_is_ok() {
        assert_eq!(judge("64496 64510 64500", 64500).verdict, CheckState::Ok);
        assert_eq!(judge("64496 64511 64510", 64510).verdict, CheckState::Ok, "the setter may give it to a peer");
        assert_eq!(judge("64500 64510", 64500).verdict, CheckState::Ok, "no step after the setter");
    }

    #[test]
    fn a_peer_that_gives_it_to_another_peer_leaks() {
        let leak = judge("64511 64510 64500 64501", 64501);
        assert_eq!((leak.verdict, leak.leaker), (CheckState::Violation, Some(Asn(64510))));
    }

    #[test]
    fn the_step_of_the_setter_itself_is_never_a_leak() {
        assert_eq!(judge("64510 64496", 64496).verdict, CheckState::Unknown);
        assert_eq!(judge("64510 64496 64497", 64497).verdict, CheckState::Unknown, "siblings act as one");
    }

    #[test]
    fn a_route_server_between_two_ases_is_not_a_party() {
        assert_eq!(judge("64511 64509 64510 64500", 64500).leaker, Some(Asn(64510)));
        assert_eq!(judge("64496 64511 64509", 64509).verdict, CheckState::Unknown, "a route server may set the mark");
    }

    #[test]
    fn a_setter_outside_the_path_is_counted_and_nothing_more() {
        let unknown = judge("64511 64496 64510", 64505);
        assert_eq!((unknown.verdict, unknown.unknown_setter), (CheckState::Unknown, true));
    }

    #[test]
    fn without_a_mark_or_an_order_there_is_no_verdict() {
        let path: AsPath = "64511 64496 64510".parse().expect("a path");
        let absent = check(&path, None, &world(), &AspaTable::default());
        assert_eq!((absent.value, absent.verdict), (None, CheckState::NotEvaluated));
        assert_eq!(judge("64511 64496 64510 {64500,64501}", 64500).verdict, CheckState::Unknown);
        assert_eq!(judge("64511 64496 64510 64496", 64510).verdict, CheckState::Unknown, "poisoned");
        assert_eq!(judge("64511 64496 64510 64499", 64499).verdict, CheckState::Violation);
    }

    /// What a pair of ASes is to each other, by its numbers alone: every relation of the world is known.
    fn relation(salt: u32, a: u32, b: u32) -> Relation {
        match (a + b + salt * a.min(b)) % 3 {
            0 => Relation::LateralPeer,
            1 => Relation::Customer,
            _ => Relation::Provider,
        }
    }

    fn known_world(salt: u32, ases: u32) -> Relations {
        let pairs = (1..=ases).flat_map(|a| (a + 1..=ases).map(move |b| (Asn(a), Asn(b), relation(salt, a, b))));
        Relations::new(Source::none(), pairs, Vec::new(), Vec::new(), Vec::new())
    }

    /// The mark that RFC 9234 section 5 puts on a route: by the first AS that did not give it to a provider.
    fn marked_by(path: &AsPath, relations: &Relations) -> Option<Asn> {
        let hops = valley::hops(path, relations);
        hops.iter().find(|hop| hop.direction != Some(valley::Direction::Up)).map(|hop| hop.from)
    }

    /// `up* flat? down*`, hop by hop: the slow twin of the pairwise check.
    fn is_valley_free(path: &AsPath, relations: &Relations) -> bool {
        let directions: Vec<_> = valley::hops(path, relations).iter().filter_map(|hop| hop.direction).collect();
        let after_up = directions.iter().skip_while(|&&way| way == valley::Direction::Up);
        let mut rest = after_up.peekable();
        rest.next_if(|&&way| way == valley::Direction::Flat);
        rest.all(|&way| way == valley::Direction::Down)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn with_all_relations_known_the_mark_and_the_valley_tell_the_same(
            salt in 0u32..50,
            wire in prop::sample::subsequence((1..=9u32).collect::<Vec<_>>(), 1..8).prop_shuffle(),
        ) {
            let relations = known_world(salt, 9);
            let path = AsPath::sequence(wire.into_iter().map(Asn).collect::<Vec<_>>());
            let by_hops = if is_valley_free(&path, &relations) { CheckState::Ok } else { CheckState::Violation };
            prop_assert_eq!(valley::check(&path, &relations).verdict, by_hops);
            let by_mark = check(&path, marked_by(&path, &relations), &relations, &AspaTable::default());
            let first = valley::check(&path, &relations).violations.first().copied();
            prop_assert_eq!(by_mark.leaker, first.map(|leak| leak.leaker));
            prop_assert_eq!((by_mark.from, by_mark.to), (first.map(|leak| leak.from), first.map(|leak| leak.to)));
            prop_assert_eq!(by_mark.verdict == CheckState::Violation, by_hops == CheckState::Violation);
        }
    }
}
