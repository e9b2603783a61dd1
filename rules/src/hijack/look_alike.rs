//! Hijacks that are slips: a repeat count taken for an AS number, a digit wrong in an ASN or a prefix, a private AS
//! that was not removed. Each has a class of its own and is always low.

use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net};

use crate::alert::{Class, RovState};
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::{Expectation, Scene};
use crate::path::asn_typo;

/// Repeat counts people use; an origin above it was meant as an AS.
const MOST_PREPENDS: u32 = 25;

/// Gives a foreign-origin finding the class of the slip it looks like, if any.
pub fn reclassify(scene: &Scene<'_>, expected: &Expectation<'_>, mut finding: Finding) -> Finding {
    let slip = if is_prepend_typo(scene, expected, finding.key_as) {
        Some((Class::PrependTypo, Code::PrependTypo))
    } else if is_asn_typo(scene, expected, finding.key_as) {
        Some((Class::AsnTypo, Code::AsnTypo))
    // A signed or configured expectation is no place for a benefit of the doubt that rests on spelling alone.
    } else if finding.rov.state != RovState::Invalid && !expected.configured && is_prefix_typo(scene, finding.key_as) {
        Some((Class::PrefixTypo, Code::PrefixTypo))
    } else {
        None
    };
    if let Some((class, code)) = slip {
        finding.class = class;
        finding.codes.push(code);
    }
    finding
}

/// `… 64496 3`: the operator wanted three prepends. Also where the slip is what the baseline knows.
fn is_prepend_typo(scene: &Scene<'_>, expected: &Expectation<'_>, origin_as: Asn) -> bool {
    let hops = &scene.path.hops;
    let Some(left) = hops.len().checked_sub(2).map(|i| hops[i]) else { return false };
    let fresh = origin_as.0 <= MOST_PREPENDS && expected.origins.contains(&left);
    let in_baseline = expected.origins.iter().any(|e| e.0 <= MOST_PREPENDS)
        && expected.adjacencies().iter().any(|a| a.neighbor == origin_as || a.neighbor == left);
    fresh || in_baseline
}

/// One digit away from an expected origin, behind the same upstream. The upstream matters: every ASN has some 30
/// active neighbours at that distance.
fn is_asn_typo(scene: &Scene<'_>, expected: &Expectation<'_>, origin_as: Asn) -> bool {
    let Some(adjacency) = scene.path.adjacency() else { return false };
    expected.origins.iter().any(|e| asn_typo(*e, origin_as))
        && (expected.origins.contains(&adjacency.neighbor)
            || expected.adjacencies().iter().any(|a| a.neighbor == adjacency.neighbor))
}

/// One digit away from a prefix that the origin normally announces. The first octet has to agree: what lies elsewhere
/// is out of a shard's sight.
fn is_prefix_typo(scene: &Scene<'_>, origin_as: Asn) -> bool {
    let IpNet::V4(prefix) = *scene.prefix() else { return false };
    if prefix.prefix_len() > 24 {
        return false;
    }
    let octets = prefix.addr().octets();
    (1..3).any(|i| {
        SLIPS[usize::from(octets[i])].iter().any(|o| {
            let mut meant = octets;
            meant[i] = *o;
            let Ok(meant) = Ipv4Net::new(meant.into(), prefix.prefix_len()) else { return false };
            let found = scene.rib.find(&IpNet::V4(meant));
            found.is_some_and(|at| scene.rib.entry(at).is_normal(origin_as, scene.now))
        })
    })
}

/// For each octet, those that a slip makes of it.
static SLIPS: LazyLock<[Vec<u8>; 256]> = LazyLock::new(|| {
    std::array::from_fn(|octet| (0..=255).filter(|other| one_slip_apart(*other, octet as u8)).collect())
});

/// A missing, additional or swapped digit. A *wrong* digit is left out: neighbouring networks differ by just that.
fn one_slip_apart(a: u8, b: u8) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    if short.len() + 1 == long.len() {
        return (0..long.len()).any(|i| format!("{}{}", &long[..i], &long[i + 1..]) == *short);
    }
    let swapped = |i: usize| {
        let mut bytes = a.as_bytes().to_vec();
        bytes.swap(i, i + 1);
        bytes == b.as_bytes()
    };
    a != b && a.len() == b.len() && (0..a.len() - 1).any(swapped)
}

/// The customer's private AS was left in the path, and what is left of it is expected.
pub fn private_asn_leak(scene: &Scene<'_>, expected: Option<&Expectation<'_>>, out: &mut Vec<Finding>) {
    let (Some(origin_as), false) = (scene.path.origin_as, scene.path.private_tail.is_empty()) else { return };
    let Some(expected) = expected.filter(|e| e.origins.contains(&origin_as) && !scene.is_history) else { return };
    let rov = scene.rov_proof(Some(origin_as), Some(expected));
    let codes = smallvec::smallvec![Code::PrivateAsnLeak];
    let mut finding = scene.origin_finding(Class::PrivateAsnLeak, origin_as, expected, rov, codes);
    finding.suspects = smallvec::smallvec![origin_as];
    out.push(finding);
}
