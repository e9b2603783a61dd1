//! New prefix: a watched AS originates what it never did, or something never seen appears inside watched space, and nothing
//! speaks against it: no hijack, no slip, and no ROA that forbids it.
//!
//! Nobody is suspected. Most often the holder did it and knows; an internal route that escaped, a forgotten test, and a
//! network somebody announces with the holder's ROA look the same, so it is told once, as low. What the configuration
//! expects is not new: a resource by its own name, and whatever is no longer than the longest announcement it allows. Neither is
//! the victim's answer to a hijack.
//! After an hour it is what is normal there.

use crate::alert::Class;
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::own::Own;

pub fn check(scene: &Scene<'_>, origin_as: Asn, out: &mut Vec<Finding>) {
    // Without a table nobody knows what was there before.
    if scene.learning || !scene.knows_table || scene.entry.was_in_dump(origin_as) {
        return;
    }
    if scene.entry.is_normal(origin_as, scene.now) || is_expected(scene) || out.iter().any(is_told_otherwise) {
        return;
    }
    // A black hole is meant for those who are asked for it; parts that come over a leak were made by whoever leaks.
    if scene.attributes.blackhole || scene.path.proofs.leak.is_some() {
        return;
    }
    let constituents = scene.constituents(&[origin_as], &[], None);
    if constituents.is_empty() {
        return;
    }
    let own = Own { origin_as, constituents };
    let rov = scene.rov_proof(Some(origin_as), None);
    out.push(own.finding(scene, Class::NewPrefix, rov, smallvec::smallvec![Code::NewOwnPrefix]));
}

/// A slip of the finger, and a route that the holder's ROAs forbid, have names of their own.
fn is_told_otherwise(finding: &Finding) -> bool {
    finding.is_look_alike() || finding.class == Class::RpkiInvalidOwn
}

/// The configuration names it, or allows parts of this length. Whether the origin is right there was asked before.
fn is_expected(scene: &Scene<'_>) -> bool {
    let resources = &scene.resources;
    let longest = resources.iter().rev().find_map(|(_, r)| r.max_length);
    resources.iter().any(|(_, r)| r.prefix == *scene.prefix())
        || longest.is_some_and(|most| scene.prefix().prefix_len() <= most)
}
