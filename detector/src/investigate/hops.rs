//! What do ROV, ASPA, Only to Customer and relations say of each path and each of its hops, by the data of that day?

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use rules::alert::CheckState;
use rules::bgp::{AsPath, Asn};
use rules::leak;
use rules::relations::{Relation, Relations};
use rules::rpki::{Procedure, Snapshot};

use super::case::Case;
use super::report::{HopVerdict, PathVerdict, RovPart};

/// Paths judged hop by hop; the first ones are those that most peers had.
const PATHS: usize = 16;
const COVERING: usize = 16;
const NOT_EVALUATED: &str = "not_evaluated";

/// What routes are judged by. What was not given says nothing.
pub struct Laws {
    pub rpki: Snapshot,
    pub has_vrps: bool,
    pub has_aspas: bool,
    pub relations: Relations,
}

/// One path of the routes in question.
pub struct Way<'a> {
    pub prefix: IpNet,
    pub path: &'a AsPath,
    pub otc: Option<Asn>,
    pub first: u32,
    pub peers: BTreeSet<Asn>,
}

/// The distinct ways, those of most peer ASes first.
pub fn ways<'a>(case: &'a Case<'_>) -> Vec<Way<'a>> {
    let mut by: BTreeMap<(IpNet, &AsPath), Way<'a>> = BTreeMap::new();
    for span in case.offending() {
        let attributes = &case.trail.paths[span.path as usize];
        let path = &attributes.as_path;
        let new = || Way {
            prefix: span.prefix(),
            path,
            otc: attributes.only_to_customer,
            first: span.began,
            peers: BTreeSet::new(),
        };
        by.entry((span.prefix(), path)).or_insert_with(new).peers.insert(case.peer_as(span));
    }
    let mut ways: Vec<Way<'a>> = by.into_values().collect();
    ways.sort_by_key(|way| (std::cmp::Reverse(way.peers.len()), way.first));
    ways
}

pub fn verdicts(case: &Case<'_>, ways: &[Way<'_>], laws: &Laws) -> Vec<PathVerdict> {
    ways.iter().take(PATHS).map(|way| verdict(case, way, laws)).collect()
}

fn verdict(case: &Case<'_>, way: &Way<'_>, laws: &Laws) -> PathVerdict {
    let rov = rov(way, laws);
    let aspa = leak::aspa::check(way.path, &laws.rpki.aspas, &laws.relations, Procedure::Downstream);
    let valley = leak::valley::check(way.path, &laws.relations);
    let otc = leak::otc::check(way.path, way.otc, &laws.relations, &laws.rpki.aspas);
    PathVerdict {
        prefix: way.prefix.to_string(),
        as_path: crate::text::path(&way.path.to_string(), rules::limits::PATH_TEXT),
        peer_ases: way.peers.len(),
        first: case.message(way.first),
        aspa: if laws.has_aspas { aspa.verdict.word() } else { NOT_EVALUATED },
        otc: otc.verdict.word(),
        otc_value: way.otc.map(|asn| asn.0),
        valley: valley.verdict.word(),
        hops: hops(way, laws, &otc, rov.state),
        rov,
    }
}

pub fn rov(way: &Way<'_>, laws: &Laws) -> RovPart {
    if !laws.has_vrps {
        return RovPart { state: NOT_EVALUATED, reason: None, covering: Vec::new() };
    }
    let origin = way.path.origin_as();
    let rov = laws.rpki.vrps.validate(&way.prefix, origin);
    let covering = laws.rpki.vrps.covering(&way.prefix).take(COVERING);
    RovPart {
        state: rov.state().word(),
        reason: rov.reason(&way.prefix, origin).map(|reason| reason.word()),
        covering: covering.map(|vrp| format!("{} up to /{} by {}", vrp.prefix, vrp.max_length, vrp.asn)).collect(),
    }
}

/// A set has no order, so a path with one has no hops.
fn hops(way: &Way<'_>, laws: &Laws, otc: &leak::otc::OtcCheck, rov: &'static str) -> Vec<HopVerdict> {
    if !way.path.is_plain_sequence() {
        return Vec::new();
    }
    let path = way.path.compressed();
    let pairs = path.windows(2).rev().take(rules::limits::PATH_ASES);
    pairs
        .map(|pair| {
            let (from, to) = (pair[1], pair[0]);
            HopVerdict {
                from: from.0,
                to: to.0,
                aspa: if laws.has_aspas { laws.rpki.aspas.authorized(from, to).word() } else { NOT_EVALUATED },
                direction: direction(&laws.relations, from, to),
                otc: otc_at(otc, from, to),
                rov,
            }
        })
        .collect()
}

fn direction(relations: &Relations, from: Asn, to: Asn) -> &'static str {
    if relations.is_empty() {
        return NOT_EVALUATED;
    }
    match relations.between(from, to) {
        Some(Relation::Provider) => "up",
        Some(Relation::LateralPeer) => "flat",
        Some(Relation::Customer) => "down",
        Some(Relation::Sibling) => "sibling",
        Some(Relation::Complex) => "contradictory",
        None => "unknown",
    }
}

fn otc_at(otc: &leak::otc::OtcCheck, from: Asn, to: Asn) -> &'static str {
    match otc.verdict {
        CheckState::NotEvaluated => "not_set",
        CheckState::Violation if otc.leaker == Some(from) && otc.to == Some(to) => "violation",
        CheckState::Violation | CheckState::Ok => "ok",
        CheckState::Unknown => "unknown",
    }
}
