//! Route leak: the path shows an AS that gave on what it should not have (RFC 7908 types 1 to 4).
//!
//! ASPA and OTC speak for themselves. Relations alone are wrong too often (S 5.6, measured): they need a new triple
//! of type 1, a receiver beyond the observer's own neighbor, and company, unless the prefix is watched.

use crate::alert::Class;
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::proofs::ProvenBy;
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let Some(leak) = &scene.path.proofs.leak else { return };
    let origin_as = scene.path.origin_as;
    let victims: Vec<_> = origin_as.into_iter().chain([leak.from]).collect();
    let constituents = scene.constituents(&victims, &leak.suspects, Some(leak.to));
    let is_watched = !constituents.is_empty();
    let by_relations = leak.proven_by == ProvenBy::Valley;
    if !is_watched && (!leak.counts_alone() || (by_relations && scene.learning)) {
        return;
    }
    let code = match leak.proven_by {
        ProvenBy::Aspa => Code::AspaLeak,
        ProvenBy::OtcSigned => Code::OtcLeakSigned,
        ProvenBy::OtcByRelations => Code::OtcLeakByRelations,
        ProvenBy::Valley => Code::ValleyNewTriple,
    };
    let mut expected_origins: Vec<_> = origin_as.into_iter().collect();
    expected_origins.dedup();
    out.push(Finding {
        class: Class::RouteLeak,
        key_as: leak.suspects.first().copied().unwrap_or(leak.leaker),
        suspects: leak.suspects.iter().copied().collect(),
        adjacency: scene.path.adjacency(),
        maybe_suspect: None,
        detected_origin: origin_as,
        accepted_by: Some(leak.to),
        covering_prefix: None,
        expected_origins: expected_origins.into(),
        rov: scene.rov_proof(origin_as, None),
        leak: Some(leak.clone()),
        proofs: scene.path.proofs.clone(),
        codes: smallvec::smallvec![code],
        constituents,
        needs_company: by_relations && !is_watched,
        old_if: Some(Known::Leak(leak.leaker, leak.from, leak.to)),
    });
}
