//! Does ASPA prove a leak or a forged path, as far as an observer can tell who has no part in it?
//!
//! The procedure is that of draft-ietf-sidrops-aspa-verification-28, see [`crate::rpki`]. Added here is what an observer
//! knows beyond it: a route server with its ASN in the path is missing from many ASPAs, so a path counts as Invalid
//! only if it is so with and without its route servers.

use crate::alert::{AspaHop, AspaState};
use crate::bgp::{AsPath, Asn};
use crate::path::is_poison_sandwich;
use crate::relations::Relations;
use crate::rpki::{AspaTable, Authorized, Procedure, Ramps, Verification};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AspaCheck {
    pub verdict: AspaState,
    pub procedure: Procedure,
    pub ramps: Ramps,
    /// The ASes one of which leaked or forged, wire order. Empty for an Invalid that accuses nobody: an AS_SET in the
    /// path, no path at all, or an origin that poisoned its own path. A detector must not alarm on those.
    pub suspects: Vec<Asn>,
    /// Adjacent pairs from the origin; each as customer and provider, and the other way where that is attested.
    pub hops: Vec<AspaHop>,
}

/// Verifies a path, with and without its known route servers.
pub fn check(path: &AsPath, aspas: &AspaTable, relations: &Relations, procedure: Procedure) -> AspaCheck {
    if aspas.is_empty() {
        let verdict = AspaState::NotEvaluated;
        return AspaCheck { verdict, procedure, ramps: Ramps::default(), suspects: Vec::new(), hops: Vec::new() };
    }
    let as_received = verified(path, aspas, procedure);
    if as_received.verdict != AspaState::Invalid || !path.is_plain_sequence() {
        return as_received;
    }
    match without_route_servers(&path.compressed(), relations) {
        Some(direct) => verified(&AsPath::sequence(direct), aspas, procedure),
        None => as_received,
    }
}

/// Who leaked, from whom and to whom, of an Invalid path: the only suspect, or the one nearest to the origin.
pub fn segment(path: &AsPath, check: &AspaCheck) -> Option<(Asn, Asn, Asn)> {
    let leaker = *check.suspects.last()?;
    // The hops are those of the path that was judged: what is in none of them is a route server left out.
    let judged = |asn: &Asn| check.hops.iter().any(|hop| hop.customer == *asn || hop.provider == *asn);
    let parties: Vec<Asn> = path.compressed().into_iter().filter(judged).collect();
    let at = parties.iter().rposition(|&asn| asn == leaker)?;
    Some((*parties.get(at + 1)?, leaker, *parties.get(at.checked_sub(1)?)?))
}

fn verified(path: &AsPath, aspas: &AspaTable, procedure: Procedure) -> AspaCheck {
    let compressed = path.compressed();
    let (verdict, suspects) = match aspas.verify_hops(path, &compressed, procedure) {
        Verification::Valid => (AspaState::Valid, Vec::new()),
        Verification::Unknown => (AspaState::Unknown, Vec::new()),
        Verification::Invalid { suspects } => (AspaState::Invalid, suspects),
    };
    if !path.is_plain_sequence() {
        return AspaCheck { verdict, procedure, ramps: Ramps::default(), suspects, hops: Vec::new() };
    }
    let suspects = if is_poison_sandwich(&compressed) { Vec::new() } else { suspects };
    AspaCheck { verdict, procedure, ramps: aspas.ramps(&compressed), suspects, hops: hops(&compressed, aspas) }
}

/// The path without route servers that stand between two ASes; none if there is no such one.
fn without_route_servers(compressed: &[Asn], relations: &Relations) -> Option<Vec<Asn>> {
    let last = compressed.len().checked_sub(1)?;
    let stays = |i: usize, asn: Asn| i == 0 || i == last || !relations.is_route_server(asn);
    let direct: Vec<Asn> =
        compressed.iter().enumerate().filter(|&(i, &asn)| stays(i, asn)).map(|(_, &asn)| asn).collect();
    (direct.len() < compressed.len()).then_some(direct)
}

/// Adjacent pairs of a compressed path, as in [`AspaCheck::hops`].
pub(crate) fn hops(compressed: &[Asn], aspas: &AspaTable) -> Vec<AspaHop> {
    let mut hops = Vec::with_capacity(compressed.len());
    for pair in compressed.windows(2).rev() {
        let (nearer, next) = (pair[1], pair[0]);
        hops.push(AspaHop { customer: nearer, provider: next, authorized: aspas.authorized(nearer, next) });
        let back = aspas.authorized(next, nearer);
        if back != Authorized::NoAttestation {
            hops.push(AspaHop { customer: next, provider: nearer, authorized: back });
        }
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Source;
    use crate::relations::Relation;

    fn aspas(sets: &[(u32, &[u32])]) -> AspaTable {
        let mut table = AspaTable::default();
        for (customer, providers) in sets {
            let providers: Vec<Asn> = providers.iter().copied().map(Asn).collect();
            table.insert(Asn(*customer), &providers);
        }
        table
    }

    fn path(text: &str) -> AsPath {
        text.parse().expect("a well-formed path")
    }

    fn downstream(text: &str, table: &AspaTable) -> AspaCheck {
        check(&path(text), table, &Relations::none(), Procedure::Downstream)
    }

    /// 64496 buys from 64510 and 64511; nobody sells to 64510 and 64511.
    fn two_providers() -> AspaTable {
        aspas(&[(64496, &[64510, 64511]), (64510, &[0]), (64511, &[0])])
    }

    #[test]
    fn a_customer_between_its_providers_is_the_only_suspect() {
        let hairpin = downstream("64511 64496 64496 64510", &two_providers());
        assert_eq!((hairpin.verdict, &hairpin.suspects[..]), (AspaState::Invalid, &[Asn(64496)][..]));
        assert_eq!(segment(&path("64511 64496 64496 64510"), &hairpin), Some((Asn(64510), Asn(64496), Asn(64511))));
    }

    #[test]
    fn of_several_suspects_the_one_nearest_to_the_origin_is_named() {
        let table = aspas(&[(64496, &[64510]), (64511, &[64500])]);
        let text = "64511 64499 64498 64496";
        let invalid = downstream(text, &table);
        assert_eq!((invalid.verdict, &invalid.suspects[..]), (AspaState::Invalid, &[Asn(64499), Asn(64498)][..]));
        assert_eq!(segment(&path(text), &invalid), Some((Asn(64496), Asn(64498), Asn(64499))));
    }

    #[test]
    fn hops_start_at_the_origin_and_show_both_directions_where_attested() {
        let hops = downstream("64499 64510 64496", &two_providers()).hops;
        let shown: Vec<_> = hops.iter().map(|hop| (hop.customer.0, hop.provider.0, hop.authorized)).collect();
        assert_eq!(
            shown,
            [
                (64496, 64510, Authorized::ProviderPlus),
                (64510, 64496, Authorized::NotProviderPlus),
                (64510, 64499, Authorized::NotProviderPlus),
            ]
        );
    }

    #[test]
    fn a_route_server_that_members_forgot_to_name_is_no_leak() {
        let edge = (Asn(64500), Asn(64501), Relation::LateralPeer);
        let relations = Relations::new(Source::none(), [edge], Vec::new(), Vec::new(), vec![Asn(64509)]);
        let judge = |text: &str| check(&path(text), &two_providers(), &relations, Procedure::Downstream);
        assert_eq!(downstream("64511 64509 64510 64496", &two_providers()).verdict, AspaState::Invalid);
        assert_eq!(judge("64511 64509 64510 64496").verdict, AspaState::Valid);
        let leak = judge("64511 64496 64509 64510");
        assert_eq!((leak.verdict, &leak.suspects[..]), (AspaState::Invalid, &[Asn(64496)][..]));
        let segment = segment(&path("64511 64496 64509 64510"), &leak);
        assert_eq!(segment, Some((Asn(64510), Asn(64496), Asn(64511))), "the route server is not named");
    }

    #[test]
    fn a_set_is_invalid_by_the_letter_and_accuses_nobody() {
        let set = downstream("64511 {64496,64510}", &two_providers());
        assert_eq!((set.verdict, set.suspects.len()), (AspaState::Invalid, 0));
        assert_eq!(segment(&path("64511 {64496,64510}"), &set), None);
        assert_eq!(downstream("", &two_providers()).verdict, AspaState::Invalid);
    }

    #[test]
    fn a_poisoned_path_accuses_nobody() {
        let poisoned = downstream("64510 64496 64499 64496", &two_providers());
        assert_eq!((poisoned.verdict, poisoned.suspects.len()), (AspaState::Invalid, 0));
    }

    #[test]
    fn without_any_aspa_nothing_is_evaluated() {
        let check = downstream("64511 64496 64510", &AspaTable::default());
        assert_eq!((check.verdict, check.hops.len()), (AspaState::NotEvaluated, 0));
    }
}
