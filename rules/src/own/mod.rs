//! What happens to a watched network by itself, without anybody announcing what they should not.
//!
//! One detection, one file. Those that a single route shows are asked by the shards, in [`check`].

pub mod aspa_misconfig;
pub mod new_prefix;
pub mod new_upstream;
pub mod roa_expiring;
pub mod rpki_invalid_own;
pub mod visibility_loss;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::alert::{Class, Constituent, RovProof};
use crate::bgp::Asn;
use crate::finding::{Code, Finding, Kind};
use crate::hijack::Scene;
use crate::registry;

/// All detections about a route of a watched network, in order.
pub fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    if scene.watch.is_empty() || registry::beacon(scene.prefix()).is_some() {
        return;
    }
    let Some(origin_as) = scene.path.origin_as else { return };
    // A route that somebody is accused of is not the network's own doing.
    // Whether what rests on the whole table accuses anybody is decided at the desk.
    let is_certain = |f: &Finding| !f.needs_company && f.old_if.is_empty();
    let accuses = |f: &Finding| matches!(f.class.kind(), Kind::Origin | Kind::Forged) && is_certain(f);
    if out.iter().any(accuses) {
        return;
    }
    let own = Own::of(scene, origin_as);
    if let Some(own) = &own {
        rpki_invalid_own::check(scene, own, out);
        roa_expiring::check(scene, own, out);
    }
    new_prefix::check(scene, origin_as, out);
    if let Some(own) = &own {
        new_upstream::check(scene, own, out);
        aspa_misconfig::check(scene, own, out);
    }
}

/// A route that a watched network announces rightly.
pub struct Own {
    pub origin_as: Asn,
    pub constituents: Vec<Constituent>,
}

impl Own {
    /// None unless the AS is watched, or the prefix is and the AS is expected there.
    fn of(scene: &Scene<'_>, origin_as: Asn) -> Option<Self> {
        let constituents = scene.constituents(&[origin_as], &[], None);
        let is_expected = || scene.expected().is_some_and(|e| e.origins.contains(&origin_as));
        let is_right = scene.watch.holds(origin_as) || is_expected();
        (is_right && !constituents.is_empty()).then_some(Self { origin_as, constituents })
    }

    /// A finding that accuses nobody.
    fn finding(&self, scene: &Scene<'_>, class: Class, rov: RovProof, codes: SmallVec<[Code; 8]>) -> Finding {
        let covering = scene.expected().map(|e| e.prefix).filter(|p| p != scene.prefix());
        Finding {
            class,
            key_as: self.origin_as,
            suspects: SmallVec::new(),
            adjacency: scene.path.adjacency(),
            maybe_suspect: None,
            detected_origin: Some(self.origin_as),
            accepted_by: None,
            covering_prefix: covering,
            expected_origins: Arc::from([self.origin_as]),
            rov,
            leak: None,
            proofs: scene.path.proofs.clone(),
            codes,
            constituents: self.constituents.clone(),
            needs_company: false,
            old_if: smallvec::smallvec![],
        }
    }
}
