//! Forged origin: the origin is right, but the AS next to it never stood there before, or the origin's ASPA denies it.
//!
//! Whether an adjacency is new in the whole table is known at the desk alone; a shard reports all that are new to it.

use crate::alert::{AspaHop, AspaState, Class, RovState};
use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene};
use crate::path::is_poison_sandwich;
use crate::registry;
use crate::rpki::Authorized;
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, origin_as: Asn, expected: Option<&Expectation<'_>>, out: &mut Vec<Finding>) {
    let Some(adjacency) = scene.path.adjacency().filter(|a| a.neighbor != a.origin_as) else { return };
    // An origin that stands on both sides of its neighbor put it there itself (S 5.5).
    if scene.is_history || is_poison_sandwich(&scene.path.hops) {
        return;
    }
    let attested = attestation(scene, adjacency);
    // A signed denial needs no baseline; but while there is none, only who watches a network is told of it.
    let is_proven = attested == Authorized::NotProviderPlus && scene.is_watched_by(origin_as);
    let nothing = Expectation { prefix: *scene.prefix(), origins: Vec::new(), baseline: None, configured: false };
    let expected = match expected {
        Some(e) if e.origins.contains(&origin_as) => e,
        Some(_) => return,
        // A first announcement is right if a ROA says so.
        None if scene.rov(Some(origin_as)) == RovState::Valid && (!scene.learning || is_proven) => &nothing,
        None => return,
    };
    let mut upstreams = scene.watch.upstreams_from(scene.watched).peekable();
    let are_configured = upstreams.peek().is_some();
    if upstreams.any(|upstream| upstream == adjacency.neighbor) {
        return;
    }
    let denied_by_config = are_configured;
    let needs_no_baseline = denied_by_config || (scene.learning && is_proven);
    if !needs_no_baseline {
        if scene.learning || scene.path.is_known_adjacency || expected.has(adjacency) {
            return;
        }
        // Somebody wrote the edge down: not new, whatever it is.
        if scene.relations.between(origin_as, adjacency.neighbor).is_some() {
            return;
        }
    }
    if attested == Authorized::ProviderPlus || is_named_by_neighbor(scene, adjacency) {
        return;
    }
    let mut codes = smallvec::smallvec![Code::NewAdjacency];
    if attested == Authorized::NotProviderPlus {
        codes.push(Code::AspaNotProvider);
    }
    if denied_by_config {
        codes.push(Code::UpstreamConfigured);
    }
    codes.extend(funnel(scene, origin_as, expected));
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    let mut finding = scene.origin_finding(Class::ForgedOrigin, origin_as, expected, rov, codes);
    // Whoever watches a network knows its scrubbers.
    if !finding.is_watched() && registry::is_scrubber(adjacency.neighbor) {
        finding.codes.push(Code::Scrubber);
    }
    finding.key_as = adjacency.neighbor;
    finding.suspects = smallvec::smallvec![adjacency.neighbor];
    finding.accepted_by = scene.receiver_of(adjacency.neighbor);
    if !denied_by_config && !scene.learning {
        finding.old_if.push(Known::from(adjacency));
    }
    // The AS left of the neighbor may have made up both.
    finding.maybe_suspect = finding.accepted_by;
    out.push(finding);
}

/// What the origin's ASPA says of the neighbor. Lateral peers are never named in one: where all other hops are attested, so
/// that the path is Valid with a peer at its top, the neighbor is that peer and not denied.
fn attestation(scene: &Scene<'_>, adjacency: Adjacency) -> Authorized {
    let aspa = &scene.path.proofs.aspa;
    if aspa.verdict == AspaState::NotEvaluated {
        return Authorized::NoAttestation;
    }
    let hop = aspa.hops.iter().find(|h| h.customer == adjacency.origin_as && h.provider == adjacency.neighbor);
    match hop.map_or(Authorized::NoAttestation, |h| h.authorized) {
        Authorized::NotProviderPlus if aspa.verdict == AspaState::Valid => Authorized::NoAttestation,
        attested => attested,
    }
}

/// The neighbor's own ASPA lists the origin among its providers: the link is there, whatever goes over it.
fn is_named_by_neighbor(scene: &Scene<'_>, adjacency: Adjacency) -> bool {
    let aspa = &scene.path.proofs.aspa;
    let is_it = |h: &AspaHop| h.customer == adjacency.neighbor && h.provider == adjacency.origin_as;
    let hop = aspa.hops.iter().find(|h| is_it(h));
    aspa.verdict != AspaState::NotEvaluated && hop.is_some_and(|h| h.authorized == Authorized::ProviderPlus)
}

/// A new more-specific that reaches no vantage point over an adjacency its origin is known for draws all its traffic
/// one way: the mark of a forged origin. One that reaches some of them so is ordinary engineering.
fn funnel(scene: &Scene<'_>, origin_as: Asn, expected: &Expectation<'_>) -> Option<Code> {
    if expected.prefix == *scene.prefix() || expected.adjacencies().is_empty() {
        return None;
    }
    let over_known = scene.entry.routes.iter().any(|r| {
        let held = scene.rib.paths.adjacency(r.path);
        held.is_some_and(|a| a.origin_as == origin_as && expected.has(a))
    });
    Some(if over_known { Code::NoFunnel } else { Code::Funnel })
}

impl Expectation<'_> {
    fn has(&self, adjacency: Adjacency) -> bool {
        self.baseline.is_some_and(|b| b.has_adjacency(adjacency))
    }
}
