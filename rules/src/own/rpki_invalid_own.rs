//! Own route Invalid: what a watched network announces rightly is forbidden by ROAs (RFC 6811 section 2), so that much of
//! the Internet drops it.
//!
//! Either the holder made a mistake (a ROA for another AS, a maxLength that is too short, a new announcement without a ROA
//! under one that has), or somebody got hold of the account that ROAs are made with. No foreign route is needed for the
//! damage, and nobody who announces anything is to blame, so nobody is a suspect; the VRPs are named.

use crate::alert::{Class, RovReason, RovState};
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::own::Own;

pub fn check(scene: &Scene<'_>, own: &Own, out: &mut Vec<Finding>) {
    // A black hole is meant for those who are asked for it, and they do not validate it.
    if scene.attributes.blackhole || scene.is_too_specific() {
        return;
    }
    if scene.rov(Some(own.origin_as)) != RovState::Invalid {
        return;
    }
    let expected = scene.expected();
    let is_part = expected.as_ref().is_some_and(|e| e.prefix != *scene.prefix());
    // Parts that come over a leak were made by whoever leaks: a route optimizer (L11 of the incidents).
    if is_part && scene.path.proofs.leak.is_some() {
        return;
    }
    let rov = scene.rov_proof(Some(own.origin_as), expected.as_ref());
    let invalid = if rov.reason == Some(RovReason::Length) { Code::RovInvalidLength } else { Code::RovInvalidAsn };
    out.push(own.finding(scene, Class::RpkiInvalidOwn, rov, smallvec::smallvec![invalid, Code::OwnRouteInvalid]));
}
