//! Squatting: space that nobody uses is announced by somebody: watched, closed by an AS0 ROA (RFC 6483 section 4),
//! or in the company of an open story of the same AS.

use crate::alert::{Class, RovReason, RovState};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene};

pub fn check(scene: &Scene<'_>, origin_as: Asn, out: &mut Vec<Finding>) {
    let watched = &scene.resources;
    // A resource whose origins are to be learned has them learned, not reported.
    let is_watched = watched.iter().any(|(c, r)| {
        let ours = c.asns.contains(&origin_as) || r.expected_origins.contains(&origin_as);
        !ours && (!c.asns.is_empty() || !r.expected_origins.is_empty())
    });
    let is_watched = is_watched || scene.is_signed_by_watched(origin_as);
    if scene.learning || scene.is_history {
        return;
    }
    let expected = Expectation { prefix: *scene.prefix(), origins: Vec::new(), baseline: None, configured: is_watched };
    let rov = scene.rov_proof(Some(origin_as), None);
    if rov.state == RovState::Valid {
        return;
    }
    let closed = rov.state == RovState::Invalid && rov.reason == Some(RovReason::As0);
    // An aggregate over networks of others has a name of its own.
    if !is_watched && !closed && !out.is_empty() {
        return;
    }
    let code = match (is_watched, closed) {
        (true, _) => Code::SquatWatched,
        (false, true) => Code::SquatAs0,
        (false, false) => Code::SquatCompanion,
    };
    let mut codes = smallvec::smallvec![code];
    if is_watched && rov.reason == Some(RovReason::Asn) {
        codes.push(Code::RovInvalidAsn);
    }
    if scene.is_too_specific() {
        codes.push(Code::TooSpecific);
    }
    let finding = scene.origin_finding(Class::Squatting, origin_as, &expected, rov, codes);
    out.push(Finding { needs_company: code == Code::SquatCompanion, ..finding });
}
