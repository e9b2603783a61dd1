//! Forged path: the origin and the AS next to it are right, but further on a link is new, and the AS that gives the route on
//! over it never carried anything for anybody. So looks a path that was made up from a true one (RFC 4272 section 2.3.1; the
//! man in the middle of DEF CON 16), and so does an edge network that leaks.
//!
//! New links beyond the origin's own are the Internet (S 6.8, measured); that an edge network begins to carry is not. Whether
//! both is true in the whole table is known at the desk alone; a shard reports what is new to it.

use crate::alert::{AspaState, Class};
use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene};
use crate::rpki::Authorized;
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, origin_as: Asn, expected: Option<&Expectation<'_>>, out: &mut Vec<Finding>) {
    let Some(expected) = expected.filter(|e| e.origins.contains(&origin_as)) else { return };
    if scene.is_history || scene.learning {
        return;
    }
    let links = scene.path.strangers.iter().filter(|link| !is_attested(scene, **link));
    links.for_each(|link| check_link(scene, *link, origin_as, expected, out));
}

fn check_link(scene: &Scene<'_>, link: Adjacency, origin_as: Asn, expected: &Expectation<'_>, out: &mut Vec<Finding>) {
    // A leak that is proven is told as such.
    if scene.path.proofs.leak.as_ref().is_some_and(|leak| leak.suspects.contains(&link.neighbor)) {
        return;
    }
    let mut codes = smallvec::smallvec![Code::NewLinkOnPath];
    codes.extend(funnel(scene, link.neighbor, expected));
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    let accepted_by = scene.receiver_of(link.neighbor);
    out.push(Finding {
        key_as: link.neighbor,
        suspects: smallvec::smallvec![link.neighbor],
        adjacency: Some(link),
        accepted_by,
        maybe_suspect: accepted_by,
        constituents: scene.constituents(&expected.origins, &[link.neighbor], accepted_by),
        old_if: smallvec::smallvec![Known::from(link), Known::Carrier(link.neighbor)],
        ..scene.origin_finding(Class::ForgedOrigin, origin_as, expected, rov, codes)
    });
}

/// Somebody wrote the link down: a relation, or the ASPA of either end.
fn is_attested(scene: &Scene<'_>, link: Adjacency) -> bool {
    let aspa = &scene.path.proofs.aspa;
    let ends = [(link.origin_as, link.neighbor), (link.neighbor, link.origin_as)];
    let is_provider = |customer, provider| {
        let named = |h: &&crate::alert::AspaHop| (h.customer, h.provider) == (customer, provider);
        aspa.hops.iter().find(named).is_some_and(|h| h.authorized == Authorized::ProviderPlus)
    };
    let by_aspa = aspa.verdict != AspaState::NotEvaluated && ends.iter().any(|(c, p)| is_provider(*c, *p));
    by_aspa || scene.relations.between(link.origin_as, link.neighbor).is_some()
}

/// As for a forged origin: a new more-specific that nobody reaches but through the suspect.
fn funnel(scene: &Scene<'_>, suspect: Asn, expected: &Expectation<'_>) -> Option<Code> {
    if expected.prefix == *scene.prefix() {
        return None;
    }
    let is_through = |r: crate::rib::Route| scene.rib.paths.hops(r.path).contains(&suspect);
    Some(if scene.entry.routes.iter().all(is_through) { Code::Funnel } else { Code::NoFunnel })
}
