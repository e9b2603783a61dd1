//! Confirmed, refuted or inconclusive, and why?
//!
//! What was seen was seen; but when it began, how far it went and whether it is over rests on data that may have holes.
//! Any hole in the window makes the verdict inconclusive, and is named: a report is never silently sure.

use rules::alert::{Alert, Class, Detail, Status};
use rules::bgp::{Family, Timestamp};

use super::case::Case;
use super::controls::SAME_DAY;
use super::gaps::{gaps, limits};
use super::meant::is_own;
use super::report::{Conclusion, PathVerdict, Reason, SourcePart, Spread, Verdict};
use super::sources::Hole;
use super::timeline::Count;
use crate::web::{moment, spoken};

/// All that a conclusion rests on.
pub struct Grounds<'a> {
    pub case: &'a Case<'a>,
    pub counts: &'a [Count],
    pub spread: &'a Spread,
    pub paths: &'a [PathVerdict],
    pub holes: &'a [Hole],
    /// What must be covered: the window asked for, or what the claim tells.
    pub must: (Option<Timestamp>, Option<Timestamp>),
    pub is_learning: bool,
    pub left_out: u64,
    /// Prefixes of the incident that were not followed.
    pub prefixes_left_out: usize,
    pub not_believed: u64,
    pub vrps: &'a SourcePart,
    pub aspas: &'a SourcePart,
    pub relations: &'a SourcePart,
    pub family: Family,
}

pub fn conclude(grounds: &Grounds<'_>) -> Conclusion {
    let gaps = gaps(grounds);
    let (found, reasons) = found(grounds);
    let verdict = if gaps.is_empty() { found } else { Verdict::Inconclusive };
    let sentence = sentence(grounds, verdict, &reasons);
    Conclusion { verdict, sentence, reasons, gaps, limits: limits(grounds) }
}

pub fn reason(code: &'static str, text: impl Into<String>) -> Reason {
    Reason { code, text: text.into() }
}

/// What the data say, holes aside.
pub fn found(grounds: &Grounds<'_>) -> (Verdict, Vec<Reason>) {
    let case = grounds.case;
    match case.alert {
        Some(alert) => of_incident(grounds, alert),
        None if case.has_offending() => without_incident(grounds),
        None => nothing_found(case),
    }
}

fn nothing_found(case: &Case<'_>) -> (Verdict, Vec<Reason>) {
    let text = match case.claim {
        Some(claim) => format!("no route of the window is as {} tells it", claim.source),
        None => "no rule found an offending route to these prefixes within the window".to_owned(),
    };
    (Verdict::Refuted, vec![reason("nothing_found", text)])
}

fn of_incident(grounds: &Grounds<'_>, alert: &Alert) -> (Verdict, Vec<Reason>) {
    let case = grounds.case;
    if alert.status == Status::Retracted {
        let text = format!("it was retracted: {}", crate::text::plain(&alert.reason.detail, 256));
        return (Verdict::Refuted, vec![reason("retracted", text)]);
    }
    if !case.has_offending() && !is_own(alert.class) {
        return nothing_found(case);
    }
    if let Some(claim) = case.claim {
        let is_blamed = claim.suspects.is_empty() || claim.suspects.iter().any(|s| alert.suspect_ases.contains(s));
        if !is_blamed {
            let named: Vec<String> = alert.suspect_ases.iter().take(4).map(ToString::to_string).collect();
            let text = format!("{} blames others; the data name {}", claim.source, named.join(", "));
            return (Verdict::Refuted, vec![reason("other_suspect", text)]);
        }
        if is_slip(alert.class) {
            let text = format!("what happened is a slip, no attack: {}", spoken(alert.class.word()));
            return (Verdict::Refuted, vec![reason("slip", text)]);
        }
    }
    let mut reasons = vec![reason("incident", crate::text::plain(&alert.title, rules::limits::TITLE))];
    let evidence = alert.evidence.iter().filter(|evidence| evidence.points != 0);
    reasons.extend(evidence.take(8).map(|evidence| {
        let detail = crate::text::plain(&evidence.detail, 256);
        reason(evidence.code, format!("{detail} ({:+} points)", evidence.points))
    }));
    (Verdict::Confirmed, reasons)
}

fn is_slip(class: Class) -> bool {
    matches!(class, Class::PrependTypo | Class::AsnTypo | Class::PrefixTypo | Class::PrivateAsnLeak)
}

/// The routes are there, and no rule told of them.
fn without_incident(grounds: &Grounds<'_>) -> (Verdict, Vec<Reason>) {
    let case = grounds.case;
    if case.offending().all(|span| span.is_from_dump(case.trail)) {
        let text = "the routes stood in the dump before the window: how things were, not an event";
        return (Verdict::Refuted, vec![reason("history", text)]);
    }
    let is_valid = !grounds.paths.is_empty() && grounds.paths.iter().all(|path| path.rov.state == "valid");
    let is_of_that_day = grounds.vrps.days_apart.is_some_and(|days| days <= SAME_DAY);
    if is_valid && is_of_that_day && !case.claim.is_some_and(|claim| claim.is_leak) {
        return (Verdict::Refuted, vec![reason("authorised", "ROAs of that day authorise the origin")]);
    }
    let peers = grounds.spread.peer_ases_peak;
    let text = format!("{peers} peer ASes had the routes, and no rule found them offending: too little to decide on");
    (Verdict::Inconclusive, vec![reason("not_told", text)])
}
/// Who announced what, from when to when, seen by how many.
fn sentence(grounds: &Grounds<'_>, verdict: Verdict, reasons: &[Reason]) -> String {
    let case = grounds.case;
    let what = match (grounds.counts.first(), case.alert) {
        (Some(_), _) => event(grounds),
        (None, Some(alert)) => crate::text::plain(&alert.title, rules::limits::TITLE),
        (None, None) => "no offending route is in the data".to_owned(),
    };
    let class = case
        .alert
        .map_or(String::new(), |alert| format!("{}, severity {}. ", spoken(alert.class.word()), alert.severity.word()));
    match verdict {
        Verdict::Confirmed => format!("Confirmed: {class}{what}"),
        Verdict::Refuted => {
            let why = reasons.first().map_or("", |reason| reason.text.as_str());
            if grounds.counts.is_empty() {
                format!("Refuted: {why}")
            } else {
                format!("Refuted: {why}. In the data: {what}")
            }
        }
        Verdict::Inconclusive if grounds.counts.is_empty() => {
            "Inconclusive: the data have gaps. That no offending route is in them proves nothing".to_owned()
        }
        Verdict::Inconclusive => format!("Inconclusive: the data have gaps. What they show: {class}{what}"),
    }
}

fn event(grounds: &Grounds<'_>) -> String {
    let case = grounds.case;
    let prefixes = case.prefixes();
    let first = prefixes.first().map_or_else(String::new, ToString::to_string);
    let named = if prefixes.len() > 1 { format!("{first} and {} more", prefixes.len() - 1) } else { first };
    let suspect = case.suspect.map_or_else(|| "somebody".to_owned(), |asn| asn.to_string());
    let verb = if super::controls::Kind::of(case) == super::controls::Kind::Leak { "passed on" } else { "announced" };
    let of = case.expected.first().map_or(String::new(), |asn| format!(" of {asn}"));
    let of_first = |detail: &&Detail| prefixes.first() == Some(&detail.prefix);
    let covering = case.alert.and_then(|alert| alert.details.iter().find(of_first)?.covering_prefix);
    let of = covering.map_or(of.clone(), |covering| format!(", part of {covering}{of},"));
    let began = grounds.counts.first().map_or_else(String::new, |count| moment(count.time));
    let until = match grounds.counts.last() {
        Some(count) if count.peer_ases > 0 => format!("on, and still at the end of the data at {}", moment(case.to)),
        Some(count) => format!("to {}", moment(count.time)),
        None => String::new(),
    };
    let share = match grounds.spread.full_feed_share_peak {
        Some(share) => format!(" ({:.0} % of {} full feeds)", share * 100.0, grounds.spread.full_feed_peers),
        None => String::new(),
    };
    let by = match grounds.spread.accepted_by.first() {
        Some(first) => format!("; AS{} took it first", first.asn),
        None => String::new(),
    };
    let peak = grounds.spread.peer_ases_peak;
    format!("{suspect} {verb} {named}{of} from {began} {until}; at most {peak} peer ASes had it{share}{by}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;
    use crate::investigate::case::{Offending, Terms};
    use crate::investigate::gaps::{DUMP_SECS, QUIET_SECS};
    use crate::investigate::gather::{Heard, InputSeen, Trail};
    use crate::investigate::question::Claim;
    use crate::investigate::testing::{Story, anything, at, route_record, source};
    use crate::investigate::timeline::counts;
    use crate::replay::merge::Skipped;
    use rules::bgp::Asn;

    /// Three peers, a dump, and AS64511 at two of them from second 10 on.
    fn story() -> Story {
        (0..3)
            .fold(Story::new(), |story, peer| story.held(0, peer, "192.0.2.0/24", &format!("6450{peer} 64496")))
            .announced(10, 0, "192.0.2.0/25", "64500 64511")
            .announced(11, 1, "192.0.2.0/25", "64501 64511")
    }

    fn concluded(trail: &Trail, alert: Option<&Alert>, claim: Option<&Claim>, must_to: Option<i64>) -> Conclusion {
        within(trail, alert, claim, (None, must_to), 0)
    }

    /// Within seconds of the story, where so many prefixes of the incident are not followed.
    fn within(
        trail: &Trail,
        alert: Option<&Alert>,
        claim: Option<&Claim>,
        (from, to): (Option<i64>, Option<i64>),
        prefixes_left_out: usize,
    ) -> Conclusion {
        let mut offending = Offending::default();
        for path in ["64500 64511", "64501 64511"] {
            offending.add(&anything(), &route_record(&samples::opened().id, "192.0.2.0/25", path));
        }
        let full_feed = trail.full_feed(Family::Ipv4);
        let terms = Terms { alert, claim, offending: &offending, from: from.map(at), to: None, full_feed };
        let case = Case::new(trail, terms);
        let counts = counts(&case, case.offending());
        conclude(&Grounds {
            case: &case,
            counts: &counts,
            spread: &crate::investigate::spread::spread(&case, &counts),
            paths: &[],
            holes: &[],
            must: (from.map(at), to.map(at)),
            is_learning: false,
            left_out: 0,
            prefixes_left_out,
            not_believed: 0,
            vrps: &source(None),
            aspas: &source(None),
            relations: &source(None),
            family: Family::Ipv4,
        })
    }

    fn codes(reasons: &[Reason]) -> Vec<&'static str> {
        reasons.iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn what_the_engine_told_is_confirmed_and_what_it_took_back_is_refuted() {
        let (trail, alert) = (story().trail(), samples::opened());
        let told = concluded(&trail, Some(&alert), None, None);
        assert_eq!((told.verdict, codes(&told.gaps)), (Verdict::Confirmed, vec![]));
        assert!(
            told.sentence
                .starts_with("Confirmed: subprefix hijack, severity high. AS64511 announced 192.0.2.0/25, part of")
        );
        let back = Alert { status: Status::Retracted, ..alert };
        let told = concluded(&trail, Some(&back), None, None);
        assert_eq!((told.verdict, codes(&told.reasons)), (Verdict::Refuted, vec!["retracted"]));
    }

    #[test]
    fn a_claim_is_refuted_by_another_suspect_a_slip_and_history() {
        let (trail, alert) = (story().trail(), samples::opened());
        let by = |asn| Claim { source: "somebody".into(), suspects: vec![Asn(asn)], ..Claim::default() };
        assert_eq!(concluded(&trail, Some(&alert), Some(&by(64511)), None).verdict, Verdict::Confirmed);
        let other = concluded(&trail, Some(&alert), Some(&by(64508)), None);
        assert_eq!((other.verdict, codes(&other.reasons)), (Verdict::Refuted, vec!["other_suspect"]));
        let slip = Alert { class: Class::PrefixTypo, ..alert };
        let slip = concluded(&trail, Some(&slip), Some(&by(64511)), None);
        assert_eq!((slip.verdict, codes(&slip.reasons)), (Verdict::Refuted, vec!["slip"]));
        let history = concluded(&trail, None, Some(&by(64496)), None);
        assert_eq!((history.verdict, codes(&history.reasons)), (Verdict::Refuted, vec!["history"]));
        let untold = concluded(&trail, None, Some(&by(64511)), None);
        assert_eq!((untold.verdict, codes(&untold.gaps)), (Verdict::Inconclusive, vec!["not_told"]));
    }

    #[test]
    fn sessions_that_went_down_with_it_and_data_that_end_early_make_it_inconclusive() {
        let alert = samples::opened();
        let down = story().withdrawn(20, 0, "192.0.2.0/25").down(30, 1).trail();
        let told = concluded(&down, Some(&alert), None, None);
        assert_eq!((told.verdict, codes(&told.gaps)), (Verdict::Inconclusive, vec!["out_of_sight", "sessions_down"]));
        let early = concluded(&story().trail(), Some(&alert), None, Some(11 + QUIET_SECS + 1));
        assert_eq!((early.verdict, codes(&early.gaps)), (Verdict::Inconclusive, vec!["missing_updates"]));
        let in_time = concluded(&story().trail(), Some(&alert), None, Some(11 + QUIET_SECS));
        assert_eq!(in_time.verdict, Verdict::Confirmed);
    }

    #[test]
    fn a_dump_of_another_time_is_no_baseline() {
        let alert = samples::opened();
        let with_dump = |time: i64| {
            let mut trail = story().trail();
            (trail.inputs[1].first, trail.inputs[1].last) = (Some(at(time)), Some(at(time)));
            codes(&concluded(&trail, Some(&alert), None, None).gaps)
        };
        assert_eq!(with_dump(0), Vec::<&str>::new());
        assert_eq!(with_dump(11), ["late_rib"]);
        assert_eq!(with_dump(9 - DUMP_SECS), ["old_rib"]);
    }

    #[test]
    fn an_incident_without_a_route_in_the_window_is_not_confirmed() {
        let over = story().withdrawn(20, 0, "192.0.2.0/25").withdrawn(21, 1, "192.0.2.0/25");
        let trail = over.announced(50, 2, "192.0.2.0/24", "64502 64496").trail();
        let alert = samples::opened();
        let told = within(&trail, Some(&alert), None, (Some(21), None), 0);
        assert_eq!(told.verdict, Verdict::Confirmed, "{}", told.sentence);
        let later = within(&trail, Some(&alert), None, (Some(30), None), 0);
        assert_eq!((later.verdict, codes(&later.reasons)), (Verdict::Refuted, vec!["nothing_found"]));
    }

    #[test]
    fn each_collector_has_to_cover_the_window() {
        let alert = samples::opened();
        let mut trail = story().announced(900, 0, "192.0.2.0/25", "64500 64511").trail();
        trail.heard.insert("rrc00".into(), minute_by_minute(0..=15));
        let verdict_of = |trail: &Trail| {
            let told = within(trail, Some(&alert), None, (Some(10), Some(900)), 0);
            (told.verdict, told.gaps.into_iter().map(|gap| gap.text).collect::<Vec<_>>().join("; "))
        };
        assert_eq!(verdict_of(&trail), (Verdict::Confirmed, String::new()));
        for (minutes, culprit) in
            [(0..=9, "rrc01 from 1970-01-01 00:09:00"), (6..=15, "rrc01 from 1970-01-01 00:00:10")]
        {
            trail.heard.insert("rrc01".into(), minute_by_minute(minutes));
            let (verdict, gaps) = verdict_of(&trail);
            assert_eq!(verdict, Verdict::Inconclusive);
            assert!(gaps.contains(culprit), "{gaps}");
        }
        trail.heard.remove("rrc01");
        let point = trail.vantages[2].point.as_ref().clone();
        trail.vantages[2].point = rules::bgp::VantagePoint { collector: "rrc01".into(), ..point }.into();
        let (verdict, gaps) = verdict_of(&trail);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(gaps.starts_with("rrc01") && gaps.ends_with("a dump was read and no updates"), "{gaps}");
    }

    fn minute_by_minute(minutes: std::ops::RangeInclusive<i64>) -> Heard {
        let (first, last) = (at(minutes.start() * 60), at(minutes.end() * 60));
        Heard { first, last, minutes: minutes.map(|minute| (minute, 1)).collect() }
    }

    #[test]
    fn messages_of_the_window_that_are_older_than_the_dump_are_a_gap_whatever_was_found() {
        let alert = samples::opened();
        let mut trail = story().trail();
        trail.skipped = Skipped { before_dump: 3, last_before_dump: Some(at(9)), ..Skipped::default() };
        let gaps = |alert, from| codes(&within(&trail, alert, None, (from, None), 0).gaps);
        assert_eq!(gaps(Some(&alert), Some(9)), ["late_rib"]);
        assert_eq!(gaps(Some(&alert), Some(10)), Vec::<&str>::new());
        assert_eq!(gaps(Some(&alert), None), Vec::<&str>::new(), "the window begins with what was followed");
        assert_eq!(gaps(None, Some(9)), ["late_rib"]);
        assert_eq!(gaps(None, Some(10)), Vec::<&str>::new());
        assert_eq!(gaps(None, None), ["late_rib"], "what was not followed cannot be refuted");
    }

    #[test]
    fn every_dump_is_of_before_the_event() {
        let mut trail = story().trail();
        (trail.inputs[1].first, trail.inputs[1].last) = (Some(at(0)), Some(at(0)));
        let later = InputSeen { first: Some(at(11)), last: Some(at(11)), ..trail.inputs[1].clone() };
        trail.inputs.push(later);
        assert_eq!(codes(&concluded(&trail, Some(&samples::opened()), None, None).gaps), ["late_rib"]);
    }

    #[test]
    fn prefixes_that_are_not_followed_are_named_and_nothing_is_refuted_without_them() {
        let (trail, alert) = (story().trail(), samples::opened());
        let told = within(&trail, Some(&alert), None, (None, None), 44);
        assert_eq!((told.verdict, codes(&told.gaps)), (Verdict::Confirmed, vec![]));
        assert!(codes(&told.limits).contains(&"left_out"));
        let told = within(&trail, None, None, (None, None), 44);
        assert_eq!((told.verdict, codes(&told.gaps)), (Verdict::Inconclusive, vec!["left_out"]));
    }

    #[test]
    fn malformed_records_are_a_gap_if_they_are_many_or_nothing_was_found() {
        let alert = samples::opened();
        let mut trail = story().trail();
        let gaps = |trail: &Trail, alert| codes(&concluded(trail, alert, None, None).gaps);
        trail.inputs[0].records = 2_000;
        for (kind, count, of_confirmed, of_refuted) in [
            ("bad_attribute", 2, vec![], vec!["malformed"]),
            ("bad_attribute", 3, vec!["malformed"], vec!["malformed"]),
            ("unsupported_mrt", 3, vec![], vec![]),
        ] {
            trail.inputs[0].errors = [(kind, count)].into();
            assert_eq!(gaps(&trail, Some(&alert)), of_confirmed, "{count} {kind}");
            assert_eq!(gaps(&trail, None), of_refuted, "{count} {kind}");
        }
        trail.inputs[0].errors.clear();
        trail.skipped.time_jump = 1;
        assert_eq!(gaps(&trail, None), ["malformed"]);
    }
}
