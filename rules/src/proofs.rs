//! What a path proves by itself: ASPA, OTC and relations side by side, and the leak that follows from them.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use crate::alert::{AspaHop, AspaProof, AspaState, CheckState, OtcProof, ValleyProof};
use crate::bgp::{Asn, PathAttributes};
use crate::leak::{Violation, aspa, otc, valley};
use crate::relations::{Relation, Relations};
use crate::rpki::{AspaTable, Authorized, Procedure};

/// The three checks of one path, and what they amount to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathProofs {
    pub aspa: AspaProof,
    pub otc: OtcProof,
    pub valley: ValleyProof,
    pub leak: Option<LeakProof>,
}

/// Which proof names the leak; ordered from the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProvenBy {
    Aspa,
    OtcSigned,
    OtcByRelations,
    Valley,
}

/// `from` gave the route to `leaker`, who gave it to `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeakProof {
    pub leaker: Asn,
    pub from: Asn,
    pub to: Asn,
    pub rfc7908_type: Option<u8>,
    /// Every AS that may be the leaker, the one nearest to the origin first.
    pub suspects: Vec<Asn>,
    pub proven_by: ProvenBy,
    /// The broken hop is the origin's own: a forged origin looks the same.
    pub at_origin: bool,
    /// The receiver is the observer's own neighbor, so one session may be all there is to it.
    pub at_observer: bool,
    /// Not only relations that are old, contradicted or guessed say so.
    #[serde(default)]
    pub is_sure: bool,
}

impl PathProofs {
    /// Stands for what rules ask of it: the leak, and what ASPAs attest. The same in every process, so that replays agree; two
    /// that differ have the same one once in 2^32. Zero, where nothing is said.
    pub fn digest(&self) -> u32 {
        let is_evaluated = self.aspa.verdict != AspaState::NotEvaluated;
        digest(self.leak.as_ref(), self.aspa.hops.iter().filter(|_| is_evaluated))
    }
}

fn digest<'h>(leak: Option<&LeakProof>, hops: impl Iterator<Item = &'h AspaHop>) -> u32 {
    let mut attested = hops.filter(|hop| hop.authorized != Authorized::NoAttestation).peekable();
    if leak.is_none() && attested.peek().is_none() {
        return 0;
    }
    let mut state = FixedState::with_seed(0).build_hasher();
    leak.hash(&mut state);
    attested.for_each(|hop| hop.hash(&mut state));
    state.finish() as u32
}

/// [`PathProofs::digest`] of a compressed AS_SEQUENCE without Only-to-Customer mark, if no leak follows from it; none if it takes a
/// closer look. No proof is put together for it.
pub fn digest_if_sound(hops: &[Asn], aspas: &AspaTable, relations: &Relations) -> Option<u32> {
    if !valley::is_sound(hops, relations) {
        return None;
    }
    if hops.iter().all(|asn| aspas.providers_of(*asn).is_none()) {
        return Some(0);
    }
    let is_sound = aspas.is_sound(hops, Procedure::Downstream);
    is_sound.then(|| digest(None, aspa::hops(hops, aspas).iter()))
}

impl LeakProof {
    /// Relations alone are wrong too often (S 5.6, measured): they count in numbers only, see `desk::company`.
    pub fn counts_alone(&self) -> bool {
        self.proven_by != ProvenBy::Valley
    }
}

/// The path judged as a passive observer may: ASPA by the downstream procedure (S 4.3).
pub fn prove(attributes: &PathAttributes, aspas: &AspaTable, relations: &Relations) -> PathProofs {
    let path = &attributes.as_path;
    let hops = path.compressed();
    let aspa = aspa::check(path, aspas, relations, Procedure::Downstream);
    let otc = otc::check(path, attributes.only_to_customer, relations, aspas);
    let valley = valley::check_hops(path, &hops, relations);
    let proof = |leaker, from, to, suspects, proven_by| LeakProof {
        leaker,
        from,
        to,
        rfc7908_type: None,
        suspects,
        proven_by,
        at_origin: hops.last() == Some(&from),
        at_observer: hops.first() == Some(&to),
        is_sure: true,
    };
    let by_aspa = || {
        let (from, leaker, to) = aspa::segment(path, &aspa)?;
        let mut suspects = aspa.suspects.clone();
        suspects.reverse();
        Some(proof(leaker, from, to, suspects, ProvenBy::Aspa))
    };
    let by_otc = || {
        let (CheckState::Violation, Some(leaker), Some(from), Some(to)) = (otc.verdict, otc.leaker, otc.from, otc.to)
        else {
            return None;
        };
        let by = if otc.strong { ProvenBy::OtcSigned } else { ProvenBy::OtcByRelations };
        Some(proof(leaker, from, to, vec![leaker], by))
    };
    let by_valley = || {
        let is_unsure = |v: &Violation| valley.unsure.contains(v);
        let gravest = valley.violations.iter().min_by_key(|v| (is_unsure(v), v.rfc7908_type))?;
        let leak = proof(gravest.leaker, gravest.from, gravest.to, vec![gravest.leaker], ProvenBy::Valley);
        Some(LeakProof { is_sure: !is_unsure(gravest), ..leak })
    };
    let mut leak = by_aspa().or_else(by_otc).or_else(by_valley);
    if let Some(leak) = &mut leak {
        leak.rfc7908_type = leak_type(leak.leaker, leak.from, leak.to, aspas, relations);
    }
    PathProofs {
        aspa: AspaProof {
            verdict: aspa.verdict,
            procedure: (!aspas.is_empty()).then_some(aspa.procedure),
            suspects: aspa.suspects,
            hops: aspa.hops,
        },
        otc: OtcProof { value: attributes.only_to_customer, verdict: otc.verdict },
        valley: ValleyProof {
            verdict: valley.verdict,
            violations: valley.violations,
            unknown_hops: valley.unknown_hops,
        },
        leak,
    }
}

/// RFC 7908 section 3, types 1 to 4, from what `from` and `to` are to the leaker; none if one of them is unknown.
fn leak_type(leaker: Asn, from: Asn, to: Asn, aspas: &AspaTable, relations: &Relations) -> Option<u8> {
    let is = |other: Asn| {
        if aspas.authorized(leaker, other) == Authorized::ProviderPlus {
            return Some(Relation::Provider);
        }
        relations.between(leaker, other)
    };
    match (is(from)?, is(to)?) {
        (Relation::Provider, Relation::Provider) => Some(1),
        (Relation::LateralPeer, Relation::LateralPeer) => Some(2),
        (Relation::Provider, Relation::LateralPeer) => Some(3),
        (Relation::LateralPeer, Relation::Provider) => Some(4),
        _ => None,
    }
}
