//! What is to be said about one route, step by step?
//!
//! The route stands on the command line, the data in files; no feed, no baseline, no history. What was not given is
//! `not_evaluated`, never a verdict.

mod text;

use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::{AspaState, CheckState, RovState};
use rules::bgp::{AsPath, Asn, Family, SegmentKind};
use rules::leak::aspa::AspaCheck;
use rules::leak::valley::ValleyCheck;
use rules::path::has_loop;
use rules::relations::Relations;
use rules::rpki::{Procedure, Rov, Snapshot, Vrp};
use rules::{leak, registry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Explain, Role};
use crate::data;
use crate::failure::Failure;

/// A route as somebody typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub prefix: IpNet,
    pub path: AsPath,
    /// It was typed with host bits.
    pub had_host_bits: bool,
}

/// What the route is judged by. None: not given.
pub struct Data {
    pub rpki: Snapshot,
    pub has_vrps: bool,
    pub has_aspas: bool,
    pub relations: Arc<Relations>,
    pub procedure: Procedure,
}

/// All there is to say. The keys are a contract.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub prefix: String,
    pub as_path: String,
    pub origin_as: Option<u32>,
    pub rov: RovPart,
    pub aspa: AspaPart,
    pub valley: ValleyPart,
    pub bogons: Vec<Bogon>,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedRov)]
pub struct RovPart {
    pub state: &'static str,
    pub covering: Vec<CoveringVrp>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedVrp)]
pub struct CoveringVrp {
    pub prefix: String,
    pub max_length: u8,
    pub asn: u32,
    pub source: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedAspa)]
pub struct AspaPart {
    pub verdict: &'static str,
    pub procedure: &'static str,
    pub max_up_ramp: Option<usize>,
    pub min_up_ramp: Option<usize>,
    pub max_down_ramp: Option<usize>,
    pub min_down_ramp: Option<usize>,
    pub suspects: Vec<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedValley)]
pub struct ValleyPart {
    pub verdict: &'static str,
    pub violations: Vec<ViolationPart>,
    pub unknown_hops: usize,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedViolation)]
pub struct ViolationPart {
    pub rfc7908_type: u8,
    pub leaker: u32,
    pub from: u32,
    pub to: u32,
}

/// A number that stands for no network of the Internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ExplainedBogon)]
pub struct Bogon {
    /// The prefix or AS of the route.
    pub resource: String,
    pub name: &'static str,
    pub rfc: &'static str,
}

/// `bgpwarden explain`: what goes to stdout.
pub fn command(args: &Explain) -> Result<String, Failure> {
    let route = Route::parse(&args.prefix, &args.path)?;
    let rpki = data::rpki(&args.vrps, &args.aspas, None)?;
    let (relations, relation_warnings) = data::relations(args.relations.as_deref(), args.siblings.as_deref())?;
    let data = Data {
        rpki: rpki.snapshot(),
        has_vrps: !args.vrps.is_empty(),
        has_aspas: !args.aspas.is_empty(),
        relations: Arc::new(relations),
        procedure: match args.role {
            Role::Downstream => Procedure::Downstream,
            Role::Upstream => Procedure::Upstream,
        },
    };
    let mut explanation = explain(&route, &data);
    explanation.notes.extend(rpki.warnings.into_iter().chain(relation_warnings));
    if args.json {
        Ok(format!("{}\n", serde_json::to_string(&explanation).expect("it has only strings and numbers")))
    } else {
        Ok(explanation.to_string())
    }
}

impl Route {
    pub fn parse(prefix: &str, path: &[String]) -> Result<Self, Failure> {
        let typed: IpNet = prefix.parse().map_err(|_| {
            let hint = match prefix.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(_)) => "a length is missing, such as /24",
                Ok(std::net::IpAddr::V6(_)) => "a length is missing, such as /48",
                Err(_) => "write it as 192.0.2.0/24 or 2001:db8::/32",
            };
            Failure::impossible(format!("\"{prefix}\" is not a prefix; {hint}"))
        })?;
        let path: AsPath = path.join(" ").parse().map_err(|error| Failure::impossible(format!("{error}")))?;
        if path.ases().is_empty() {
            return Err(Failure::impossible("the AS path is empty; write the nearest AS first and the origin last"));
        }
        Ok(Self { prefix: typed.trunc(), path, had_host_bits: typed != typed.trunc() })
    }
}

/// Judges one route by the data given.
pub fn explain(route: &Route, data: &Data) -> Explanation {
    let mut notes = notes_of(route, &data.relations);
    let rov = rov(route, data, &mut notes);
    let aspa = aspa(route, data, &mut notes);
    let valley = leak::valley::check(&route.path, &data.relations);
    notes.extend(valley.hints.iter().map(hint));
    Explanation {
        prefix: route.prefix.to_string(),
        as_path: route.path.to_string(),
        origin_as: route.path.origin_as().map(|asn| asn.0),
        rov,
        aspa,
        valley: valley_part(&valley),
        bogons: bogons(route),
        notes,
    }
}

/// What is no violation, for want of relations, and yet no lawful path.
fn hint(hint: &leak::valley::Hint) -> String {
    let suspects: Vec<String> = hint.suspects.iter().map(ToString::to_string).collect();
    let (from, to) = (hint.from, hint.to);
    format!(
        "relations: somebody between {from} and {to} leaked it, {}; which one they do not say",
        suspects.join(" or ")
    )
}

fn rov(route: &Route, data: &Data, notes: &mut Vec<String>) -> RovPart {
    if !data.has_vrps {
        return RovPart { state: RovState::NotEvaluated.word(), covering: Vec::new() };
    }
    let origin_as = route.path.origin_as();
    let state = match data.rpki.vrps.validate(&route.prefix, origin_as) {
        Rov::Valid(_) => RovState::Valid,
        Rov::NotFound => RovState::NotFound,
        Rov::Invalid { covering } => {
            notes.push(why_invalid(&covering, origin_as));
            RovState::Invalid
        }
    };
    let part = |vrp: &Vrp| CoveringVrp {
        prefix: vrp.prefix.to_string(),
        max_length: vrp.max_length,
        asn: vrp.asn.0,
        source: crate::text::plain(&vrp.source, 64),
    };
    RovPart { state: state.word(), covering: data.rpki.vrps.covering(&route.prefix).map(part).collect() }
}

fn why_invalid(covering: &[&Vrp], origin_as: Option<Asn>) -> String {
    let Some(origin_as) = origin_as else {
        return "RPKI: invalid, since a path that ends in an AS_SET has no origin (RFC 6811 section 2)".to_owned();
    };
    if covering.iter().any(|vrp| vrp.asn == origin_as && vrp.asn != Asn(0)) {
        format!("RPKI: invalid, since the prefix is longer than {origin_as} is allowed to announce")
    } else if covering.iter().all(|vrp| vrp.asn == Asn(0)) {
        "RPKI: invalid, since the holder says that nobody may announce it (AS0, RFC 6483 section 4)".to_owned()
    } else {
        format!("RPKI: invalid, since no covering VRP names {origin_as}")
    }
}

fn aspa(route: &Route, data: &Data, notes: &mut Vec<String>) -> AspaPart {
    let check = leak::aspa::check(&route.path, &data.rpki.aspas, &data.relations, data.procedure);
    let evaluated = data.has_aspas && check.verdict != AspaState::NotEvaluated;
    if check.verdict == AspaState::Invalid && !route.path.is_plain_sequence() {
        notes.push("ASPA: invalid, since a path with an AS_SET cannot be verified".to_owned());
    }
    let ramp = |length| (evaluated && route.path.is_plain_sequence()).then_some(length);
    let AspaCheck { verdict, procedure, ramps, suspects, .. } = check;
    AspaPart {
        verdict: if data.has_aspas { verdict.word() } else { AspaState::NotEvaluated.word() },
        procedure: procedure.word(),
        max_up_ramp: ramp(ramps.max_up),
        min_up_ramp: ramp(ramps.min_up),
        max_down_ramp: ramp(ramps.max_down),
        min_down_ramp: ramp(ramps.min_down),
        suspects: suspects.iter().map(|asn| asn.0).collect(),
    }
}

fn valley_part(check: &ValleyCheck) -> ValleyPart {
    let verdict = match check.verdict {
        CheckState::Ok => "valid",
        CheckState::Violation => "invalid",
        CheckState::Unknown => "unknown",
        CheckState::NotEvaluated => "not_evaluated",
    };
    let part = |v: &leak::Violation| ViolationPart {
        rfc7908_type: v.rfc7908_type,
        leaker: v.leaker.0,
        from: v.from.0,
        to: v.to.0,
    };
    let violations = check.violations.iter().map(part).collect();
    ValleyPart { verdict, violations, unknown_hops: check.unknown_hops }
}

fn bogons(route: &Route) -> Vec<Bogon> {
    let prefix = registry::bogon_prefix(&route.prefix).map(|block| Bogon {
        resource: route.prefix.to_string(),
        name: block.name,
        rfc: block.rfc,
    });
    let mut ases = route.path.ases().to_vec();
    ases.sort_unstable();
    ases.dedup();
    let asns = ases.into_iter().filter_map(|asn| {
        registry::bogon_asn(asn).map(|block| Bogon { resource: asn.to_string(), name: block.name, rfc: block.rfc })
    });
    prefix.into_iter().chain(asns).collect()
}

/// What the route shows without any data.
fn notes_of(route: &Route, relations: &Relations) -> Vec<String> {
    let mut notes = Vec::new();
    let compressed = route.path.compressed();
    if route.had_host_bits {
        notes.push(format!("host bits were set; read as {}", route.prefix));
    }
    notes.extend(length_note(&route.prefix));
    notes.extend(prepends(&route.path));
    if has_loop(&compressed) {
        notes.push(
            "loop: an AS stands twice with another in between; a router would not accept it, so the path \
                    was made by hand (poisoning) or forged"
                .to_owned(),
        );
    }
    if route.path.has_as_set() {
        notes.push("the path holds an AS_SET, which RFC 9774 forbids".to_owned());
    }
    for asn in &compressed {
        if *asn == Asn::TRANS {
            notes.push("AS23456 stands for a 32-bit AS number that an old router could not carry".to_owned());
        } else if asn.is_private_or_trans() {
            notes.push(format!("private ASN: {asn} should have been removed before the route left its network"));
        } else if relations.is_route_server(*asn) {
            notes.push(format!("{asn} is the route server of an exchange point, no party to the route"));
        }
    }
    notes
}

fn length_note(prefix: &IpNet) -> Option<String> {
    let family = Family::of(prefix);
    if prefix.prefix_len() > family.longest_routed() {
        Some(format!("too specific: most networks accept nothing longer than /{}", family.longest_routed()))
    } else if prefix.prefix_len() < family.shortest_routed() {
        Some(format!("too short: nobody holds more than a /{}", family.shortest_routed()))
    } else {
        None
    }
}

fn prepends(path: &AsPath) -> Vec<String> {
    let sequences = path.segments().into_iter().filter(|segment| segment.kind == SegmentKind::Sequence);
    let mut notes = Vec::new();
    for segment in sequences {
        for run in segment.ases.chunk_by(|a, b| a == b).filter(|run| run.len() > 1) {
            notes.push(format!("prepends: {} stands {} times in a row", run[0], run.len()));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
