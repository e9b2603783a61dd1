//! Sub-prefix hijack: a prefix without a baseline of its own lies inside a baseline route of others.
//! The same shape from the right origin is a more-specific of its own: one is nothing, hundreds are a leak of type 6.

use crate::alert::{Class, RovState};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene, look_alike};

pub fn check(scene: &Scene<'_>, origin_as: Asn, covering: Option<&Expectation<'_>>, out: &mut Vec<Finding>) {
    let Some(expected) = covering else { return };
    if scene.is_history && !expected.configured {
        return;
    }
    if expected.origins.contains(&origin_as) {
        return internal_more_specific(scene, origin_as, expected, out);
    }
    if !expected.configured && scene.holds_related_route(origin_as) {
        return;
    }
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    if rov.state == RovState::Valid || scene.is_own_blackhole(origin_as, expected) {
        return;
    }
    let mut codes = scene.origin_codes(origin_as, expected, &rov);
    codes.push(Code::SubprefixOfStableRoute);
    let finding = scene.origin_finding(Class::SubprefixHijack, origin_as, expected, rov, codes);
    out.push(look_alike::reclassify(scene, expected, finding));
}

/// RFC 7908 section 3.6: many new more-specifics of one's own space in minutes. The desk counts them.
fn internal_more_specific(scene: &Scene<'_>, origin_as: Asn, expected: &Expectation<'_>, out: &mut Vec<Finding>) {
    // What comes over a leak was let out by the leaker, or made by its route optimizer (as in 2019-06-24).
    let leaker = scene.path.proofs.leak.as_ref().filter(|leak| leak.is_sure).map(|leak| leak.leaker);
    if scene.attributes.blackhole || leaker.is_some_and(|leaker| leaker != origin_as) {
        return;
    }
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    let codes = smallvec::smallvec![Code::InternalMoreSpecific];
    let finding = scene.origin_finding(Class::InternalMoreSpecifics, origin_as, expected, rov, codes);
    out.push(Finding { needs_company: true, ..finding });
}
