//! Super-prefix hijack: a less-specific of baseline routes of others, by an AS that holds none of them.

use crate::alert::{Class, RovState};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene};

pub fn check(scene: &Scene<'_>, origin_as: Asn, out: &mut Vec<Finding>) {
    if scene.learning || scene.is_history || scene.holds_related_route(origin_as) {
        return;
    }
    let mut origins: Vec<Asn> =
        scene.rib.covered(scene.prefix()).flat_map(|e| e.normal_origins(scene.now)).take(MOST_HOLDERS).collect();
    if origins.is_empty() {
        return;
    }
    origins.sort_unstable();
    origins.dedup();
    let expected = Expectation { prefix: *scene.prefix(), origins, baseline: None, configured: false };
    let rov = scene.rov_proof(Some(origin_as), None);
    if rov.state == RovState::Valid {
        return;
    }
    let mut codes = scene.origin_codes(origin_as, &expected, &rov);
    codes.push(Code::LessSpecificOfOthers);
    out.push(scene.origin_finding(Class::SuperprefixHijack, origin_as, &expected, rov, codes));
}

/// Holders named for one aggregate; the alert has room for 256.
const MOST_HOLDERS: usize = 1_024;
