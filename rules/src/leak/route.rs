//! Route leak: the path shows an AS that gave on what it should not have (RFC 7908 types 1 to 4).
//!
//! ASPA and OTC speak for themselves. Relations alone are wrong too often (S 5.6, measured): they need a new triple
//! and company, unless the prefix is watched. Where the proofs contradict each other, the finding says so.

use smallvec::SmallVec;

use crate::alert::{AspaState, CheckState, Class};
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::proofs::{LeakProof, PathProofs, ProvenBy};
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let Some(leak) = &scene.path.proofs.leak else { return };
    let origin_as = scene.path.origin_as;
    let victims: Vec<_> = origin_as.into_iter().chain([leak.from]).collect();
    let constituents = scene.constituents(&victims, &leak.suspects, Some(leak.to));
    let is_watched = !constituents.is_empty();
    let by_relations = leak.proven_by == ProvenBy::Valley;
    if by_relations && scene.learning && !is_watched {
        return;
    }
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
        codes: codes(leak, &scene.path.proofs),
        constituents,
        needs_company: by_relations && !is_watched,
        old_if: smallvec::smallvec![Known::Leak(leak.leaker, leak.from, leak.to)],
    });
}

/// What names the leak, and which other proof speaks against it.
fn codes(leak: &LeakProof, proofs: &PathProofs) -> SmallVec<[Code; 8]> {
    let mut codes = SmallVec::new();
    codes.push(match leak.proven_by {
        ProvenBy::Aspa => Code::AspaLeak,
        ProvenBy::OtcSigned => Code::OtcLeakSigned,
        ProvenBy::OtcByRelations => Code::OtcLeakByRelations,
        ProvenBy::Valley => Code::ValleyNewTriple,
    });
    if !leak.is_sure {
        codes.push(Code::UnsureRelations);
    }
    if leak.proven_by != ProvenBy::Aspa && proofs.aspa.verdict == AspaState::Valid {
        codes.push(Code::AspaSaysNoLeak);
    }
    if leak.proven_by == ProvenBy::Valley && proofs.otc.verdict == CheckState::Ok {
        codes.push(Code::OtcSaysNoLeak);
    }
    if leak.proven_by != ProvenBy::Valley && proofs.valley.verdict == CheckState::Ok {
        codes.push(Code::RelationsSayNoLeak);
    }
    codes
}
