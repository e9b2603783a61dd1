//! When is something wrong with the watching worth saying, and when is it over?
//!
//! Pure: successive reports in, notices out. What is wrong must last a moment before it is said, and must be gone for a
//! while before that is said, so that a feed which comes and goes is one notice.

use std::collections::BTreeMap;

use rules::alert::SourceState;
use rules::bgp::Timestamp;

use super::{Notice, NoticeKind, NoticeState};
use crate::health::{BaselineState, FeedState, GapCause, Report, SessionReport};

/// How long something must last, and be gone, before it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    pub raise_secs: i64,
    pub clear_secs: i64,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self { raise_secs: 10, clear_secs: 60 }
    }
}

/// Matters at once: several for each feed, collector, sink and source of a large configuration.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub struct Decider {
    hysteresis: Hysteresis,
    matters: BTreeMap<(NoticeKind, String), Matter>,
}

#[derive(Clone, Debug)]
struct Matter {
    since: Timestamp,
    last: Timestamp,
    raised: bool,
    detail: String,
}

impl Decider {
    pub fn new(hysteresis: Hysteresis) -> Self {
        Self { hysteresis, matters: BTreeMap::new() }
    }

    /// What there is to say after this report.
    pub fn observe(&mut self, now: Timestamp, report: &Report) -> Vec<Notice> {
        for ((kind, subject), detail) in wrong(report) {
            let known = self.matters.len();
            if known >= MOST && !self.matters.contains_key(&(kind, subject.clone())) {
                continue;
            }
            let fresh = Matter { since: now, last: now, raised: false, detail: String::new() };
            let matter = self.matters.entry((kind, subject)).or_insert(fresh);
            (matter.last, matter.detail) = (now, detail);
        }
        let mut notices = Vec::new();
        for ((kind, subject), matter) in &mut self.matters {
            let state = if !matter.raised && now.secs_since(matter.since) >= self.hysteresis.raise_secs as f64 {
                matter.raised = true;
                NoticeState::Raised
            } else if matter.is_over(now, self.hysteresis) && matter.raised {
                NoticeState::Cleared
            } else {
                continue;
            };
            let (subject, detail) = (subject.clone(), matter.detail.clone());
            notices.push(Notice { time: now, kind: *kind, state, subject, detail });
        }
        self.matters.retain(|_, matter| !matter.is_over(now, self.hysteresis));
        notices
    }

    /// Raised and not cleared.
    pub fn active(&self) -> impl Iterator<Item = (NoticeKind, &str, &str, Timestamp)> {
        let raised = self.matters.iter().filter(|(_, matter)| matter.raised);
        raised.map(|((kind, subject), matter)| (*kind, subject.as_str(), matter.detail.as_str(), matter.since))
    }

    pub fn active_count(&self, kind: NoticeKind) -> usize {
        self.active().filter(|active| active.0 == kind).count()
    }
}

impl Matter {
    /// One that was never said is over as soon as it is gone.
    fn is_over(&self, now: Timestamp, hysteresis: Hysteresis) -> bool {
        let gone_secs = now.secs_since(self.last);
        if self.raised { gone_secs >= hysteresis.clear_secs as f64 && gone_secs > 0.0 } else { gone_secs > 0.0 }
    }
}

/// Everything that is wrong in one report, by kind and subject.
fn wrong(report: &Report) -> BTreeMap<(NoticeKind, String), String> {
    let mut wrong = BTreeMap::new();
    for feed in &report.feeds {
        if matches!(feed.state, FeedState::Connecting | FeedState::Silent | FeedState::Down) {
            let last = feed.last_message.as_ref().map_or(String::new(), |last| format!(", last message {last}"));
            wrong.insert((NoticeKind::FeedSilent, feed.name.clone()), format!("{}{last}", feed.state.word()));
        }
        if let Some(due) = &feed.canary_missed {
            let detail = format!("RIS beacons changed at {due} and no peer told");
            wrong.insert((NoticeKind::FeedSilent, format!("{} beacons", feed.name)), detail);
        }
    }
    for feed in report.feeds.iter().filter(|feed| feed.state == FeedState::Live) {
        // One that is down left a gap, which is told below.
        let is_quiet = |s: &&SessionReport| matches!(s.state, FeedState::Connecting | FeedState::Silent);
        for session in feed.sessions.iter().filter(is_quiet) {
            let detail = session.detail.clone().unwrap_or_else(|| session.state.word().to_owned());
            wrong.insert((NoticeKind::FeedSilent, format!("{} {}", feed.name, session.router)), detail);
        }
    }
    let open = report.gaps.iter().filter(|gap| gap.is_open());
    for gap in open.filter(|gap| matches!(gap.cause, GapCause::Lost | GapCause::NoHistory)) {
        let subject = gap.part.as_ref().map_or(gap.feed.clone(), |part| format!("{} {part}", gap.feed));
        wrong.insert((NoticeKind::FeedGap, subject), format!("since {}: {}", gap.from, gap.why));
    }
    if report.baseline != BaselineState::Ready {
        wrong.insert((NoticeKind::Learning, "baseline".to_owned()), report.why_learning());
    }
    for source in &report.sources {
        if let Some(kind) = kind_of(source.kind, source.state) {
            wrong.insert((kind, source.kind.to_owned()), format!("{} from {}", source.state, source.source));
        }
    }
    for sink in &report.sinks {
        if let Some(error) = &sink.error {
            wrong.insert((NoticeKind::SinkFailing, sink.name.clone()), error.clone());
        }
    }
    if let Some(problem) = &report.config.problem {
        wrong.insert((NoticeKind::ConfigRejected, "configuration".to_owned()), problem.clone());
    }
    if let Some(problem) = &report.store.problem {
        wrong.insert((NoticeKind::StoreFailing, "store".to_owned()), problem.clone());
    }
    wrong
}

/// Data that was never given is no event.
fn kind_of(source: &str, state: &str) -> Option<NoticeKind> {
    let is_frozen = state == SourceState::Frozen.word();
    let is_old = is_frozen || state == SourceState::Stale.word() || state == SourceState::Expired.word();
    match source {
        "VRPs" if is_frozen => Some(NoticeKind::VrpsFrozen),
        "VRPs" if is_old => Some(NoticeKind::VrpsStale),
        "ASPAs" if is_old => Some(NoticeKind::AspasStale),
        "relations" if is_old => Some(NoticeKind::RelationsStale),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{FeedReport, GapReport, SinkReport, SourceReport, StoreReport};

    fn feed(state: FeedState) -> Report {
        let feed = FeedReport { name: "ris".into(), kind: "ris_live", state, ..FeedReport::default() };
        Report { feeds: vec![feed], baseline: BaselineState::Ready, ..Report::default() }
    }

    /// (second, raised?) of every notice of one report a second.
    fn told(reports: impl IntoIterator<Item = Report>) -> Vec<(usize, NoticeKind, bool)> {
        let mut decider = Decider::default();
        let mut told = Vec::new();
        for (second, report) in reports.into_iter().enumerate() {
            for notice in decider.observe(Timestamp::from_secs(second as i64), &report) {
                told.push((second, notice.kind, notice.state == NoticeState::Raised));
            }
        }
        told
    }

    #[test]
    fn what_lasts_is_raised_once_and_cleared_once() {
        let reports = (0..200).map(|second| feed(if second < 50 { FeedState::Down } else { FeedState::Live }));
        assert_eq!(told(reports), [(10, NoticeKind::FeedSilent, true), (109, NoticeKind::FeedSilent, false)]);
    }

    #[test]
    fn a_feed_that_comes_and_goes_is_one_notice() {
        let is_up = |second: usize| second >= 600 || second % 30 >= 15;
        let reports = (0..700).map(|second| feed(if is_up(second) { FeedState::Live } else { FeedState::Down }));
        let all = told(reports);
        assert_eq!(all, [(10, NoticeKind::FeedSilent, true), (644, NoticeKind::FeedSilent, false)]);
    }

    #[test]
    fn a_router_that_never_connects_is_raised_beside_others_that_do() {
        let session = |router: &str, state| SessionReport { router: router.into(), state, ..SessionReport::default() };
        let sessions = vec![session("edge1", FeedState::Live), session("edge2", FeedState::Connecting)];
        let mut report = feed(FeedState::Live);
        report.feeds[0].sessions = sessions;
        let raised: Vec<_> = wrong(&report).into_keys().collect();
        assert_eq!(raised, [(NoticeKind::FeedSilent, "ris edge2".to_owned())]);
    }

    #[test]
    fn what_is_over_in_a_moment_is_not_said() {
        let reports = (0..300).map(|second| feed(if second % 20 < 5 { FeedState::Down } else { FeedState::Live }));
        assert_eq!(told(reports), []);
    }

    #[test]
    fn every_kind_that_a_report_can_show_is_raised() {
        let source = |kind, state| SourceReport { kind, state, source: "x".into(), ..SourceReport::default() };
        let gap = |cause, part: Option<&str>| GapReport {
            feed: "ris".into(),
            part: part.map(str::to_owned),
            cause,
            state: crate::ledger::GapState::Filling,
            ..GapReport::default()
        };
        let sink = SinkReport { name: "bus".into(), error: Some("no broker".into()), ..SinkReport::default() };
        let report = Report {
            baseline: BaselineState::Learning,
            sources: vec![source("VRPs", "expired"), source("ASPAs", "stale"), source("relations", "none")],
            gaps: vec![gap(GapCause::Lost, None), gap(GapCause::NoHistory, Some("rrc00"))],
            sinks: vec![sink],
            store: StoreReport { problem: Some("no space".into()), ..StoreReport::default() },
            ..feed(FeedState::Silent)
        };
        let mut decider = Decider::new(Hysteresis { raise_secs: 0, clear_secs: 0 });
        let raised: Vec<_> = decider.observe(Timestamp::MIN, &report).iter().map(Notice::id).collect();
        let expected = [
            "feed_silent:ris",
            "feed_gap:ris",
            "feed_gap:ris rrc00",
            "learning:baseline",
            "vrps_stale:VRPs",
            "aspas_stale:ASPAs",
            "sink_failing:bus",
            "store_failing:store",
        ];
        assert_eq!(raised, expected);
        assert_eq!(decider.active_count(NoticeKind::FeedGap), 2);
        let frozen = Report { sources: vec![source("VRPs", "frozen")], ..feed(FeedState::Live) };
        let next: Vec<_> = decider.observe(Timestamp::from_secs(1), &frozen).iter().map(Notice::id).collect();
        assert!(next.contains(&"vrps_frozen:VRPs".to_owned()));
        assert_eq!(decider.active().count(), 1);
    }
}
