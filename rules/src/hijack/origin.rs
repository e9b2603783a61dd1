//! Origin hijack: a prefix that has a baseline is announced by an AS outside it.

use crate::alert::{Class, RovReason, RovState};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene, look_alike};

pub fn check(scene: &Scene<'_>, origin_as: Asn, exact: Option<&Expectation<'_>>, out: &mut Vec<Finding>) {
    let Some(expected) = exact else {
        return turned_invalid(scene, origin_as, out);
    };
    if expected.origins.contains(&origin_as) || is_old_news(scene, expected) {
        return;
    }
    // Who holds a covering or covered route only has to answer to a configuration.
    if !expected.configured && scene.holds_related_route(origin_as) {
        return;
    }
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    // A ROA for the new origin: an authorised change (S 6.7).
    if rov.state == RovState::Valid || scene.is_own_blackhole(origin_as, expected) {
        return;
    }
    let mut codes = scene.origin_codes(origin_as, expected, &rov);
    codes.push(Code::ExactMoas);
    codes.extend(succession(scene, expected));
    let finding = scene.origin_finding(Class::OriginHijack, origin_as, expected, rov, codes);
    out.push(look_alike::reclassify(scene, expected, finding));
}

/// Does it look as if the network had changed hands (S 6.2), or had lain bare? Only the desk knows whether the new origin stood
/// behind that neighbor before.
fn succession(scene: &Scene<'_>, expected: &Expectation<'_>) -> impl Iterator<Item = Code> {
    let neighbor = scene.path.adjacency().map(|a| a.neighbor);
    let is_same = !expected.configured
        && expected.adjacencies().iter().any(|a| a.neighbor != a.origin_as && Some(a.neighbor) == neighbor);
    is_same.then_some(Code::SameNeighbor).into_iter().chain(scene.entry.tenure().code())
}

/// Foreign origins of the dump are history, unless somebody said in writing who is right.
fn is_old_news(scene: &Scene<'_>, expected: &Expectation<'_>) -> bool {
    scene.is_history && !expected.configured
}

/// Without a baseline, a session that changes from a Valid route to one of an AS without a ROA is news all the same.
fn turned_invalid(scene: &Scene<'_>, origin_as: Asn, out: &mut Vec<Finding>) {
    if !scene.was_valid || scene.rov(Some(origin_as)) != RovState::Invalid {
        return;
    }
    let mut origins: Vec<Asn> = scene.vrps.covering(scene.prefix()).map(|v| v.asn).filter(|a| a.0 != 0).collect();
    origins.sort_unstable();
    origins.dedup();
    let expected = Expectation { prefix: *scene.prefix(), origins, baseline: None, configured: false };
    let rov = scene.rov_proof(Some(origin_as), Some(&expected));
    if rov.reason == Some(RovReason::Length) {
        return;
    }
    let codes = scene.origin_codes(origin_as, &expected, &rov);
    out.push(scene.origin_finding(Class::OriginHijack, origin_as, &expected, rov, codes));
}
