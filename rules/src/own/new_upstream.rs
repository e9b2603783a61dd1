//! New upstream: a route of a watched network comes over a neighbor that it never came over, and somebody vouches for the link.
//!
//! Where nobody does it is a forged origin, and told as such. Here a relation is on record or the neighbor's own ASPA names
//! the origin, so that it is rather a new contract, or the neighbor gives on what it should not; the desk adds links to an
//! everyday carrier that nothing speaks against, see `desk::novelty`. A neighbor that the configuration or the origin's ASPA
//! lists is none of it. Told once, as low; after an hour it is what is normal there.

use crate::alert::{AspaState, Class};
use crate::baseline::Adjacency;
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::own::Own;
use crate::path::is_poison_sandwich;
use crate::rpki::Authorized;
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, own: &Own, out: &mut Vec<Finding>) {
    let Some(adjacency) = scene.path.adjacency().filter(|a| a.neighbor != a.origin_as) else { return };
    if scene.learning || scene.is_history || scene.path.is_known_adjacency || is_listed(scene, adjacency) {
        return;
    }
    // An origin that stands on both sides of its neighbor put it there itself (S 5.5).
    if is_poison_sandwich(&scene.path.hops) || scene.path.proofs.leak.is_some() || scene.attributes.blackhole {
        return;
    }
    if out.iter().any(|finding| is_told_otherwise(finding, adjacency)) {
        return;
    }
    let rov = scene.rov_proof(Some(own.origin_as), scene.expected().as_ref());
    let finding = own.finding(scene, Class::NewUpstream, rov, smallvec::smallvec![Code::NewUpstream]);
    out.push(Finding { key_as: adjacency.neighbor, old_if: smallvec::smallvec![Known::from(adjacency)], ..finding });
}

/// Stronger evidence about the same link, and a prefix that is itself new. What is new further on is another story, of which
/// a shard alone does not know whether it is one.
fn is_told_otherwise(finding: &Finding, adjacency: Adjacency) -> bool {
    match finding.class {
        Class::ForgedOrigin => finding.adjacency == Some(adjacency),
        class => class == Class::NewPrefix || finding.is_look_alike(),
    }
}

/// The holder said so: in the configuration, or in an ASPA.
fn is_listed(scene: &Scene<'_>, adjacency: Adjacency) -> bool {
    let aspa = &scene.path.proofs.aspa;
    let is_it = |customer, provider| (customer, provider) == (adjacency.origin_as, adjacency.neighbor);
    let mut hops =
        aspa.hops.iter().filter(|h| aspa.verdict != AspaState::NotEvaluated && is_it(h.customer, h.provider));
    scene.watch.upstreams_from(scene.watched).any(|upstream| upstream == adjacency.neighbor)
        || hops.any(|h| h.authorized == Authorized::ProviderPlus)
}
