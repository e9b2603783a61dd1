//! From the case to the report.

use rules::alert::Alert;
use rules::bgp::{Asn, Family, Timestamp};
use rules::rpki::Delta;

use super::case::Case;
use super::conclude::{Grounds, conclude};
use super::controls;
use super::gather::InputSeen;
use super::hops::{self, Laws};
use super::question::{Claim, Question};
use super::report::{
    Asked, ClaimPart, Conclusion, Data, Episode, EvidencePart, Incident, InputPart, Manrs, Other, Report, SourcePart,
    Time, Verdict,
};
use super::sources::{Hole, Role};
use super::timeline::{Count, counts, stretches, timeline};
use super::{Told, gaps, manrs, spread};
use crate::alert::RULES_VERSION;
use crate::text;

/// Other incidents that are named.
const OTHERS: usize = 64;
/// Accomplices, prefixes and ASes of one list.
const LIST: usize = 256;
/// Episodes told one by one.
const EPISODES: usize = 256;

/// All that a report is made of.
pub(super) struct Ground<'a> {
    pub question: &'a Question,
    pub must: (Option<Timestamp>, Option<Timestamp>),
    pub told: &'a Told,
    pub main: Option<&'a Alert>,
    pub case: &'a Case<'a>,
    pub laws: &'a Laws,
    pub rpki: &'a Delta,
    pub holes: &'a [Hole],
    pub family: Family,
    pub prefixes_left_out: usize,
}

pub(super) fn report(ground: &Ground<'_>) -> Report {
    let case = ground.case;
    let offending = counts(case, case.offending());
    let spread = spread::spread(case, &offending);
    let data = data(ground);
    let ways = hops::ways(case);
    let paths = hops::verdicts(case, &ways, ground.laws);
    let controls = controls::controls(case, &ways, ground.laws, &data.vrps);
    let judged = &ground.told.judged;
    let conclusion = conclude(&Grounds {
        case,
        counts: &offending,
        spread: &spread,
        paths: &paths,
        holes: ground.holes,
        must: ground.must,
        is_learning: judged.totals.is_learning,
        left_out: case.trail.left_out + ground.told.offending.left_out,
        prefixes_left_out: ground.prefixes_left_out,
        not_believed: not_believed(case, judged.fed.skipped.time_jump),
        vrps: &data.vrps,
        aspas: &data.aspas,
        relations: &data.relations,
        family: ground.family,
    });
    let (origins, origin_count) = spread::origins(case);
    Report {
        schema: "bgpwarden.investigation/1",
        question: asked(ground.question),
        incident: ground.main.map(incident),
        other_incidents: others(ground),
        timeline: timeline(case, &offending),
        origins,
        origin_count,
        witnesses: spread::witnesses(case),
        manrs: manrs(ground, &offending, &spread, &conclusion),
        conclusion,
        spread,
        paths,
        controls,
        data,
    }
}

fn not_believed(case: &Case<'_>, time_jumps: u64) -> u64 {
    case.trail.inputs.iter().flat_map(|input| input.errors.values()).sum::<u64>() + time_jumps
}

fn numbers(ases: &[Asn]) -> Vec<u32> {
    ases.iter().take(LIST).map(|asn| asn.0).collect()
}

fn asked(question: &Question) -> Asked {
    let claim = |claim: &Claim| ClaimPart {
        source: text::plain(&claim.source, 256),
        suspects: numbers(&claim.suspects),
        victims: numbers(&claim.victims),
        leak_segment: claim.leak.map(|segment| segment.map(|asn| asn.0)),
        started: claim.started.map(Time),
        ended: claim.ended.map(Time),
    };
    Asked {
        asked: question.asked.clone(),
        prefixes: question.prefixes.iter().map(ToString::to_string).collect(),
        asns: numbers(&question.asns),
        from: question.from.map(Time),
        to: question.to.map(Time),
        claim: question.claim.as_ref().map(claim),
    }
}

fn incident(alert: &Alert) -> Incident {
    let evidence = |e: &rules::alert::Evidence| EvidencePart {
        code: e.code,
        points: e.points,
        detail: text::plain(&e.detail, 256),
        source: text::plain(&e.source, 64),
    };
    Incident {
        id: alert.id.clone(),
        class: alert.class.word(),
        rfc7908_type: alert.rfc7908_type,
        severity: alert.severity.word(),
        score: alert.score,
        title: text::plain(&alert.title, rules::limits::TITLE),
        suspects: numbers(&alert.suspect_ases),
        expected_origins: numbers(&alert.expected_origins),
        detected_origins: numbers(&alert.detected_origins),
        victims: numbers(&alert.victim_ases),
        prefixes: alert.prefixes.iter().take(LIST).map(ToString::to_string).collect(),
        prefix_count: alert.prefix_count,
        evidence: alert.evidence.iter().map(evidence).collect(),
        rov: alert.rov.state.word(),
        aspa: alert.aspa.verdict.word(),
        otc: alert.otc.verdict.word(),
        valley: alert.valley.verdict.word(),
        relations: text::plain(&alert.inputs.relations.name, 256),
    }
}

fn others(ground: &Ground<'_>) -> Vec<Other> {
    let main = ground.main.map(|alert| alert.id.as_str());
    let others = ground.told.incidents.iter().filter(|alert| Some(alert.id.as_str()) != main);
    others
        .take(OTHERS)
        .map(|alert| Other {
            id: alert.id.clone(),
            class: alert.class.word(),
            severity: alert.severity.word(),
            title: text::plain(&alert.title, rules::limits::TITLE),
            started: Time(alert.started),
            ended: alert.ended.map(Time),
        })
        .collect()
}

fn data(ground: &Ground<'_>) -> Data {
    let (case, trail) = (ground.case, ground.case.trail);
    let input = |(i, input): (usize, &InputSeen)| InputPart {
        number: i as u32 + 1,
        name: input.name.clone(),
        role: if input.role == Role::Dump { "rib" } else { "updates" },
        records: input.records,
        elements: input.elements,
        first: input.first.map(Time),
        last: input.last.map(Time),
        errors: input.errors.clone(),
    };
    let collectors: std::collections::BTreeSet<_> =
        trail.vantages.iter().map(|vantage| text::plain(&vantage.point.collector, 64)).collect();
    let relations = ground.laws.relations.source.clone();
    let snapshot = &ground.laws.rpki;
    let part = |is_given, source: &rules::alert::Source, count| source_part(case, is_given, source, count);
    Data {
        inputs: trail.inputs.iter().enumerate().map(input).collect(),
        window_from: trail.first.map(|_| Time(case.from)),
        window_to: trail.first.map(|_| Time(case.to)),
        collectors: collectors.into_iter().take(LIST).collect(),
        vantage_points: trail.vantages.len(),
        peer_ases: trail.peer_ases(),
        dump_routes: trail.vantages.iter().flat_map(|vantage| vantage.table).sum(),
        messages_kept: trail.changes.len(),
        messages_left_out: trail.left_out,
        sessions_down: gaps::down(case),
        vrps: part(ground.laws.has_vrps, &ground.rpki.vrps, snapshot.vrps.len()),
        aspas: part(ground.laws.has_aspas, &ground.rpki.aspas, snapshot.aspas.len()),
        relations: part(!ground.laws.relations.is_empty(), &relations, ground.laws.relations.len()),
        version: env!("CARGO_PKG_VERSION"),
        rules_version: RULES_VERSION,
    }
}

fn source_part(case: &Case<'_>, is_given: bool, source: &rules::alert::Source, count: usize) -> SourcePart {
    let apart = |as_of: Timestamp| {
        let secs = as_of.secs_since(case.to).max(case.from.secs_since(as_of)).max(0.0);
        (secs / 864.0).round() / 100.0
    };
    SourcePart {
        is_given,
        name: text::plain(&source.name, 256),
        count,
        as_of: source.as_of.filter(|_| is_given).map(Time),
        days_apart: source.as_of.filter(|_| is_given).map(apart),
    }
}

/// What the seen duration weighs; nothing where nothing is left of the claim.
fn manrs(
    ground: &Ground<'_>,
    offending: &[Count],
    spread: &super::report::Spread,
    conclusion: &Conclusion,
) -> Option<Manrs> {
    let case = ground.case;
    let claimed = || ground.question.claim.as_ref().map(|claim| if claim.is_leak { "M1" } else { "M2" });
    let metric = match ground.main {
        Some(alert) => manrs::metric(alert.class),
        None => claimed(),
    };
    let metric = metric.filter(|_| conclusion.verdict != Verdict::Refuted && !offending.is_empty())?;
    let stretches = stretches(offending);
    let event = |stretch: &super::timeline::Stretch| {
        let time = |change: u32| case.trail.changes[change as usize].time.max(case.from);
        (time(stretch.began), stretch.ended.map(time))
    };
    let events: Vec<manrs::Event> = (stretches.iter().map(event))
        .map(|(start, end)| manrs::Event { start: start.secs(), end: end.unwrap_or(case.to).secs(), weight: 1.0 })
        .collect();
    let weight = manrs::weight(&events, (case.from.secs(), case.to.secs()));
    let is_lower_bound = stretches.iter().any(|stretch| stretch.ended.is_none());
    let episode = |stretch: &super::timeline::Stretch| {
        let (start, end) = event(stretch);
        let secs = (end.unwrap_or(case.to).secs_since(start) * 1e3).round() / 1e3;
        Episode {
            started: Time(start),
            ended: end.map(Time),
            secs,
            first: case.message(stretch.began),
            last: stretch.ended.map(|at| case.message(at)),
        }
    };
    let episodes = if events.len() == 1 { "1 episode".to_owned() } else { format!("{} episodes", events.len()) };
    let least = if is_lower_bound { "at least " } else { "" };
    let text = format!(
        "{episodes} of {metric} within the window, weight {least}{weight}: below 30 min 0.5, below 24 h 1, each further \
         24 h 1 more. A weight of what was seen here, no score of MANRS"
    );
    Some(Manrs {
        metric,
        culprit: case.suspect.map(|asn| asn.0),
        accomplices: spread.accepted_by.iter().map(|a| a.asn).take(LIST).collect(),
        episodes: stretches.iter().take(EPISODES).map(episode).collect(),
        weight,
        is_lower_bound,
        text,
    })
}
