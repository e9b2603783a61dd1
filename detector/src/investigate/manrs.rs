//! How heavily does it weigh in the measurements of MANRS?
//!
//! The rule of the MANRS Observatory (S 2.2): an incident below half an hour weighs 0.5, below a day 1, and each further day that
//! is full adds 1. Events of the same weight that touch each other are one incident. These are weights of what was seen
//! here, never a score of MANRS.

use rules::alert::Class;

const HALF_HOUR: i64 = 1_800;
const DAY: i64 = 86_400;

/// From when to when, in seconds, and the weight of the part that the AS had in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pub start: i64,
    pub end: i64,
    pub weight: f64,
}

/// The metric that counts events of this class.
pub fn metric(class: Class) -> Option<&'static str> {
    match class {
        Class::RouteLeak | Class::ReoriginationLeak | Class::InternalMoreSpecifics => Some("M1"),
        Class::OriginHijack
        | Class::SubprefixHijack
        | Class::SuperprefixHijack
        | Class::ForgedOrigin
        | Class::Squatting
        | Class::PrependTypo
        | Class::AsnTypo
        | Class::PrefixTypo => Some("M2"),
        Class::BogonPrefix => Some("M3"),
        Class::BogonAsn | Class::PrivateAsnLeak => Some("M4"),
        Class::RpkiInvalidOwn
        | Class::VisibilityLoss
        | Class::RoaExpiring
        | Class::AspaMisconfig
        | Class::NewUpstream
        | Class::NewPrefix
        | Class::ShortPrefix => None,
    }
}

/// The sum over all incidents within a period.
pub fn weight(events: &[Event], period: (i64, i64)) -> f64 {
    merged(events, period).iter().map(|event| score(event.end - event.start) * event.weight).sum()
}

/// Clipped to the period; those of the same weight that touch are one.
fn merged(events: &[Event], (from, to): (i64, i64)) -> Vec<Event> {
    let clip = |event: &Event| Event { start: event.start.max(from), end: event.end.min(to), ..*event };
    let mut clipped: Vec<Event> = events.iter().map(clip).filter(|event| event.end >= event.start).collect();
    clipped.sort_by(|a, b| a.weight.total_cmp(&b.weight).then(a.start.cmp(&b.start)).then(a.end.cmp(&b.end)));
    let mut merged: Vec<Event> = Vec::new();
    for event in clipped {
        match merged.last_mut() {
            Some(last) if last.weight == event.weight && event.start <= last.end => last.end = last.end.max(event.end),
            _ => merged.push(event),
        }
    }
    merged
}

fn score(secs: i64) -> f64 {
    match secs {
        ..=0 => 0.0,
        1..HALF_HOUR => 0.5,
        HALF_HOUR..DAY => 1.0,
        _ => (secs / DAY + 1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!("../../../tests/vectors/manrs.txt");

    fn numbers(words: &str) -> Vec<f64> {
        words.split_whitespace().map(|word| word.parse().expect("a number")).collect()
    }

    #[test]
    fn every_case_that_others_worked_out_agrees() {
        let mut cases = 0;
        for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
            let [name, events, period, expected] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let event = |words: &str| match numbers(words)[..] {
                [start, end, weight] => Event { start: start as i64, end: end as i64, weight },
                _ => panic!("{line}"),
            };
            let events: Vec<Event> = events.split(',').map(event).collect();
            let period = numbers(period);
            let weight = weight(&events, (period[0] as i64, period[1] as i64));
            assert_eq!(vec![weight], numbers(expected), "{name}");
            cases += 1;
        }
        assert_eq!(cases, 11);
    }

    #[test]
    fn what_no_metric_counts_has_none() {
        assert_eq!(metric(Class::SubprefixHijack), Some("M2"));
        assert_eq!(metric(Class::RouteLeak), Some("M1"));
        assert_eq!(metric(Class::VisibilityLoss), None);
    }
}
