//! Bogons: special-purpose address space or AS numbers in the global table (IANA registries, S 9.4).
//! Space that is in routine use here, by a covering route, is judged by the other rules.

use crate::alert::{Class, RovProof};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Scene, nobody};
use crate::registry;
use crate::shard::Known;

pub fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    if scene.is_history {
        return;
    }
    let in_use = !scene.learning
        && (scene.entry.has_baseline(scene.now)
            || scene.rib.covering(scene.prefix()).any(|e| e.has_baseline(scene.now)));
    if let (Some(_), Some(origin_as), false) = (registry::bogon_prefix(scene.prefix()), scene.path.origin_as, in_use) {
        out.push(finding(scene, Class::BogonPrefix, Code::BogonPrefix, origin_as));
    } else if let Some((bogon, left)) = scene.path.bogon {
        let finding = finding(scene, Class::BogonAsn, Code::BogonAsn, left.unwrap_or(bogon));
        out.push(Finding { old_if: smallvec::smallvec![Known::Bogon(bogon, left)], ..finding });
    }
}

fn finding(scene: &Scene<'_>, class: Class, code: Code, suspect: Asn) -> Finding {
    let accepted_by = scene.receiver_of(suspect);
    let rov: RovProof = scene.rov_proof(scene.path.origin_as, None);
    Finding {
        class,
        key_as: suspect,
        suspects: smallvec::smallvec![suspect],
        adjacency: None,
        maybe_suspect: None,
        detected_origin: scene.path.origin_as,
        accepted_by,
        covering_prefix: None,
        expected_origins: nobody(),
        rov,
        leak: None,
        proofs: scene.path.proofs.clone(),
        codes: smallvec::smallvec![code],
        constituents: scene.constituents(&[], &[suspect], accepted_by),
        needs_company: false,
        old_if: smallvec::smallvec![],
    }
}
