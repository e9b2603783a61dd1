//! When did it begin, spread, peak, shrink and end? To the second, each moment with its message.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp};
use rules::limits;

use super::case::Case;
use super::report::{Moment, Time};
use super::spans::{EndedBy, Span};

/// Pauses and counter-announcements told one by one; an event that goes on and off is told in numbers.
const MOMENTS: usize = 32;
/// Shares of the full feeds whose crossing is told, in per cent.
const SHARES: [usize; 4] = [10, 30, 50, 90];

/// How many peer ASes held some routes, after one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub change: u32,
    pub time: Timestamp,
    pub peer_ases: usize,
    pub full_feed: usize,
}

/// A stretch of time in which somebody held them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub began: u32,
    /// None while somebody does.
    pub ended: Option<u32>,
}

/// The counts of the chosen routes, one for each message that changed them.
pub fn counts<'s>(case: &Case<'_>, chosen: impl Iterator<Item = &'s Span>) -> Vec<Count> {
    let mut steps: BTreeMap<u32, Vec<(Asn, i32)>> = BTreeMap::new();
    for span in chosen {
        let peer = case.peer_as(span);
        steps.entry(span.began).or_default().push((peer, 1));
        if let Some((ended, _)) = span.ended {
            steps.entry(ended).or_default().push((peer, -1));
        }
    }
    let mut held: BTreeMap<Asn, i32> = BTreeMap::new();
    let (mut counts, mut full_feed) = (Vec::new(), 0_usize);
    let mut before = None;
    for (change, peers) in steps {
        for (peer, by) in peers {
            let now = held.entry(peer).or_default();
            let was = *now > 0;
            *now += by;
            let is = *now > 0;
            if *now == 0 {
                held.remove(&peer);
            }
            if case.is_full_feed(peer) {
                full_feed = (full_feed + usize::from(is)) - usize::from(was);
            }
        }
        let time = case.trail.changes[change as usize].time;
        let count = Count { change, time, peer_ases: held.len(), full_feed };
        if before != Some((count.peer_ases, count.full_feed)) {
            before = Some((count.peer_ases, count.full_feed));
            counts.push(count);
        }
    }
    counts
}

/// The stretches in which at least one peer AS held them; a pause below [`limits::RESOLVE_SECS`] is none, as for an incident.
pub fn stretches(counts: &[Count]) -> Vec<Stretch> {
    let mut stretches: Vec<(Stretch, Option<Timestamp>)> = Vec::new();
    for count in counts {
        match (stretches.last_mut(), count.peer_ases) {
            (Some((open, end @ None)), 0) => (open.ended, *end) = (Some(count.change), Some(count.time)),
            (Some((over, end @ Some(_))), 1..) if is_pause(*end, count.time) => (over.ended, *end) = (None, None),
            (Some((_, None)), _) | (None, 0) => {}
            (_, 1..) => stretches.push((Stretch { began: count.change, ended: None }, None)),
            (Some(_), 0) => {}
        }
    }
    stretches.into_iter().map(|(stretch, _)| stretch).collect()
}

fn is_pause(end: Option<Timestamp>, again: Timestamp) -> bool {
    end.is_some_and(|end| again < end.plus_secs(limits::RESOLVE_SECS))
}

/// All moments worth telling, in their order.
pub fn timeline(case: &Case<'_>, counts: &[Count]) -> Vec<Moment> {
    let mut told = Vec::new();
    let teller = Teller { case, counts };
    teller.rise(&mut told);
    teller.fall(&mut told);
    teller.stretches(&mut told);
    teller.countered(&mut told);
    teller.returned(&mut told);
    told.sort_by_key(|(change, _)| *change);
    let mut moments: Vec<Moment> = told.into_iter().map(|(_, moment)| moment).collect();
    if let Some(last) = counts.last().filter(|last| last.peer_ases > 0) {
        moments.push(Moment {
            time: Time(case.to),
            code: "end_of_data",
            text: format!("here the data end: {} peer ASes still hold it", last.peer_ases),
            peer_ases: last.peer_ases,
            full_feed_share: case.share(last.full_feed),
            message: None,
        });
    }
    moments
}

struct Teller<'a> {
    case: &'a Case<'a>,
    counts: &'a [Count],
}

type Told = Vec<(u32, Moment)>;

impl Teller<'_> {
    fn tell(&self, told: &mut Told, change: u32, code: &'static str, text: String) {
        // The count that stood after it, which an earlier message may have made.
        let at = self.counts.partition_point(|count| count.change <= change);
        let count = at.checked_sub(1).map(|at| self.counts[at]);
        let message = self.case.message(change);
        told.push((
            change,
            Moment {
                time: message.time,
                code,
                text,
                peer_ases: count.map_or(0, |count| count.peer_ases),
                full_feed_share: count.and_then(|count| self.case.share(count.full_feed)),
                message: Some(message),
            },
        ));
    }

    fn rise(&self, told: &mut Told) {
        let Some(first) = self.counts.first() else { return };
        let message = self.case.message(first.change);
        let what = if message.kind == "dump" { "already in the dump" } else { "first seen" };
        self.tell(told, first.change, "first", format!("{what}, by AS{} at {}", message.peer_as, message.collector));
        if let Some(second) = self.counts.iter().find(|count| count.peer_ases >= 2) {
            self.tell(told, second.change, "second_peer", "a second peer AS has it".into());
        }
        let all = self.case.full_feed.len();
        for share in SHARES {
            let reached = |count: &&Count| all > 0 && count.full_feed * 100 >= all * share;
            if let Some(count) = self.counts.iter().find(reached) {
                let text = format!("{} of {all} full-feed peers have it, {share} % or more", count.full_feed);
                self.tell(told, count.change, "share", text);
            }
        }
        let peak = self.counts.iter().map(|count| count.peer_ases).max().unwrap_or_default();
        if let Some(count) = self.counts.iter().find(|count| count.peer_ases == peak) {
            self.tell(told, count.change, "peak", format!("most: {peak} peer ASes have it"));
        }
    }

    fn fall(&self, told: &mut Told) {
        let gone = |span: &&Span| matches!(span.ended, Some((_, EndedBy::Withdrawn)));
        let ends: BTreeSet<u32> = self.case.offending().filter(gone).filter_map(|s| Some(s.ended?.0)).collect();
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return };
        let peer = |change: u32| self.case.message(change).peer_as;
        self.tell(told, *first, "first_withdrawal", format!("the first withdrawal, by AS{}", peer(*first)));
        if last != first {
            let text = format!("the last of {} withdrawals, by AS{}", ends.len(), peer(*last));
            self.tell(told, *last, "last_withdrawal", text);
        }
    }

    fn stretches(&self, told: &mut Told) {
        for (i, stretch) in stretches(self.counts).into_iter().take(MOMENTS).enumerate() {
            if i > 0 {
                self.tell(told, stretch.began, "again", "it is announced again".into());
            }
            if let Some(ended) = stretch.ended {
                let by_session = self.case.message(ended).kind == "session_down";
                let (code, text) = match by_session {
                    true => ("out_of_sight", "the last session that had it went down: what became of it was not seen"),
                    false => ("over", "the last peer AS gives it up"),
                };
                self.tell(told, ended, code, text.into());
            }
        }
    }

    /// Expected origins announce what they did not before.
    fn countered(&self, told: &mut Told) {
        let Some(first) = self.counts.first() else { return };
        let prefixes = self.case.prefixes();
        let mut known: BTreeSet<IpNet> = BTreeSet::new();
        let mut count = 0;
        for (span, is_offending) in self.case.spans.iter().zip(&self.case.is_offending) {
            let (trail, prefix) = (self.case.trail, span.prefix());
            let Some(origin) = span.as_path(trail).origin_as().filter(|asn| self.case.expected.contains(asn)) else {
                continue;
            };
            let is_new = known.insert(prefix) && span.began > first.change && !span.is_from_dump(trail);
            let is_inside = prefixes.iter().any(|hijacked| hijacked.contains(&prefix));
            if !*is_offending && is_new && is_inside && count < MOMENTS && span.start(trail) <= self.case.to {
                count += 1;
                let text = format!("{origin}, an expected origin, announces {prefix}, which it did not before");
                self.tell(told, span.began, "counter_announcement", text);
            }
        }
    }

    /// Vantage points that turned away from it, back to an expected origin.
    fn returned(&self, told: &mut Told) {
        let lost: BTreeSet<(u32, u32, IpNet)> = (self.case.offending())
            .filter_map(|span| match span.ended {
                Some((change, EndedBy::Replaced)) => Some((change, span.vantage, span.prefix())),
                _ => None,
            })
            .collect();
        let is_back = |span: &&Span| {
            let origin = span.as_path(self.case.trail).origin_as();
            lost.contains(&(span.began, span.vantage, span.prefix()))
                && origin.is_some_and(|asn| self.case.expected.contains(&asn))
        };
        let back: BTreeSet<u32> = self.case.spans.iter().filter(is_back).map(|span| span.began).collect();
        let (Some(first), Some(last)) = (back.first(), back.last()) else { return };
        self.tell(told, *first, "first_return", "the first vantage point is back at an expected origin".into());
        if last != first {
            let text = format!("the last of {} returns to an expected origin", back.len());
            self.tell(told, *last, "last_return", text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::case::{Offending, Terms};
    use crate::investigate::gather::Trail;
    use crate::investigate::question::Claim;
    use crate::investigate::testing::Story;

    fn story() -> Trail {
        Story::new()
            .held(0, 0, "192.0.2.0/24", "64500 64496")
            .held(0, 1, "192.0.2.0/24", "64501 64496")
            .announced(10, 0, "192.0.2.0/24", "64500 64511")
            .announced(12, 1, "192.0.2.0/24", "64501 64511")
            .announced(20, 2, "192.0.2.0/25", "64502 64496")
            .announced(30, 0, "192.0.2.0/24", "64500 64496")
            .withdrawn(40, 1, "192.0.2.0/24")
            .announced(70, 1, "192.0.2.0/24", "64501 64511")
            .withdrawn(80, 1, "192.0.2.0/24")
            .announced(200, 1, "192.0.2.0/24", "64501 64511")
            .down(210, 1)
            .trail()
    }

    fn claim() -> Claim {
        Claim { suspects: vec![Asn(64511)], victims: vec![Asn(64496)], ..Claim::default() }
    }

    fn case<'a>(trail: &'a Trail, claim: &'a Claim, offending: &'a Offending) -> Case<'a> {
        let full_feed = [Asn(64500), Asn(64501)].into();
        Case::new(trail, Terms { alert: None, claim: Some(claim), offending, from: None, to: None, full_feed })
    }

    #[test]
    fn every_moment_has_its_second_and_its_message() {
        let (trail, claim, offending) = (story(), claim(), Offending::default());
        let case = case(&trail, &claim, &offending);
        let moments = timeline(&case, &counts(&case, case.offending()));
        let told: Vec<_> = moments.iter().map(|m| (m.time.0.secs(), m.code, m.peer_ases)).collect();
        assert_eq!(
            told,
            [
                (10, "first", 1),
                (10, "share", 1),
                (10, "share", 1),
                (10, "share", 1),
                (12, "second_peer", 2),
                (12, "share", 2),
                (12, "peak", 2),
                (20, "counter_announcement", 2),
                (30, "first_return", 1),
                (40, "first_withdrawal", 0),
                (80, "last_withdrawal", 0),
                (80, "over", 0),
                (200, "again", 1),
                (210, "out_of_sight", 0),
            ]
        );
        assert!(moments.iter().all(|moment| moment.message.as_ref().is_some_and(|m| m.time == moment.time)));
    }

    #[test]
    fn a_pause_of_seconds_is_none_and_one_of_minutes_is_one() {
        let (trail, claim, offending) = (story(), claim(), Offending::default());
        let case = case(&trail, &claim, &offending);
        let counts = counts(&case, case.offending());
        let times: Vec<_> = stretches(&counts)
            .into_iter()
            .map(|s| {
                (trail.changes[s.began as usize].time.secs(), s.ended.map(|e| trail.changes[e as usize].time.secs()))
            })
            .collect();
        assert_eq!(times, [(10, Some(80)), (200, Some(210))]);
    }
}
