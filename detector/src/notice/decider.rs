//! When is something wrong with the watching worth saying, and when is it over?
//!
//! Pure: successive reports in, notices out. What is wrong must last a moment before it is said, and must be gone for a
//! while before that is said, so that a feed which comes and goes is one notice.

use std::collections::BTreeMap;

use rules::alert::SourceState;
use rules::bgp::Timestamp;

use super::{Notice, NoticeKind, NoticeState, Said};
use crate::health::{BaselineState, FeedState, GapCause, Report, SessionReport, WITHOUT_MEMORY};

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
pub const MOST: usize = 1_024;
/// A day between two heartbeats.
const HEARTBEAT_SECS: f64 = 86_400.0;

#[derive(Debug, Default)]
pub struct Decider {
    hysteresis: Hysteresis,
    heartbeat: bool,
    /// The last one; none until it is known what earlier lives said.
    last_heartbeat: Option<Timestamp>,
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
    /// `heartbeat`: once a day it says that all this works.
    pub fn new(hysteresis: Hysteresis, heartbeat: bool) -> Self {
        Self { hysteresis, heartbeat, last_heartbeat: None, matters: BTreeMap::new() }
    }

    /// Goes on from what earlier lives said: what is still wrong is not said again, what is over is cleared. Before this
    /// there is no heartbeat.
    pub fn remember(&mut self, said: Said, now: Timestamp) {
        self.last_heartbeat = Some(said.last_heartbeat.unwrap_or(Timestamp::MIN));
        for Notice { time, kind, subject, detail, .. } in said.open.into_iter().take(MOST) {
            let known = Matter { since: time, last: now, raised: true, detail };
            let matter = self.matters.entry((kind, subject)).or_insert(known);
            (matter.since, matter.raised) = (time, true);
        }
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
        notices.extend(self.beat(now, report));
        notices
    }

    /// It asks for nothing, so it is never raised.
    fn beat(&mut self, now: Timestamp, report: &Report) -> Option<Notice> {
        let last = self.last_heartbeat.filter(|_| self.heartbeat)?;
        if now.secs_since(last) < HEARTBEAT_SECS {
            return None;
        }
        self.last_heartbeat = Some(now);
        let live = report.feeds.iter().filter(|feed| matches!(feed.state, FeedState::Live | FeedState::Finished));
        let (live, feeds, active) = (live.count(), report.feeds.len(), self.active().count());
        let detail = format!("{live} of {feeds} feeds live, {} routes held, {active} notices active", report.routes);
        let (kind, state) = (NoticeKind::Heartbeat, NoticeState::Cleared);
        Some(Notice { time: now, kind, state, subject: "bgpwarden".to_owned(), detail })
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
    for peer in &report.quarantined {
        let detail = format!("its routes count for nothing: {}", peer.cause);
        wrong.insert((NoticeKind::PeerQuarantined, peer.peer.clone()), detail);
    }
    if report.memory.has_shed() {
        wrong.insert((NoticeKind::MemoryShort, "shed".to_owned()), report.memory.advice());
    }
    if report.memory.is_too_small {
        wrong.insert((NoticeKind::MemoryShort, "budget".to_owned()), report.memory.warning());
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
    for (prefix, who) in &report.unseen.named {
        wrong.insert((NoticeKind::WatchUnseen, prefix.clone()), format!("nobody sees it; watched by {who}"));
    }
    if report.unseen.others > 0 {
        let detail = format!("nobody sees {} more; /api/v1/watched names them", report.unseen.others);
        wrong.insert((NoticeKind::WatchUnseen, "others".to_owned()), detail);
    }
    if let Some(problem) = &report.config.problem {
        wrong.insert((NoticeKind::ConfigRejected, "configuration".to_owned()), problem.clone());
    }
    if let Some(problem) = &report.store.problem {
        wrong.insert((NoticeKind::StoreFailing, "store".to_owned()), problem.clone());
    }
    if report.store.is_without_memory {
        wrong.insert((NoticeKind::StoreFailing, "checkpoint".to_owned()), WITHOUT_MEMORY.to_owned());
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
    use crate::health::{FeedReport, GapReport, MemoryReport, QuarantineReport, SinkReport, SourceReport, StoreReport};

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

    fn raised(kind: NoticeKind, subject: &str) -> Notice {
        let (state, subject) = (NoticeState::Raised, subject.to_owned());
        Notice { time: Timestamp::from_secs(0), kind, state, subject, detail: "before".to_owned() }
    }

    #[test]
    fn what_was_open_at_a_kill_goes_on_or_is_cleared_under_the_same_id_and_is_never_raised_twice() {
        let (still, over) = (raised(NoticeKind::FeedSilent, "ris"), raised(NoticeKind::FeedSilent, "of old"));
        for remembered_at in [1_000, 1_030] {
            let mut decider = Decider::default();
            let mut told = Vec::new();
            for second in 1_000..1_300 {
                let now = Timestamp::from_secs(second);
                if second == remembered_at {
                    decider.remember(Said { open: vec![still.clone(), over.clone()], last_heartbeat: None }, now);
                }
                let state = if second < 1_100 { FeedState::Down } else { FeedState::Live };
                told.extend(decider.observe(now, &feed(state)));
            }
            let cleared: Vec<_> =
                told.iter().filter(|n| n.state == NoticeState::Cleared).map(|n| (n.id(), n.time.secs())).collect();
            let expected = [(over.id(), remembered_at + 60), (still.id(), 1_159)];
            assert_eq!(cleared, expected);
            // A store that answers late costs a repeat under the same id, and nothing is left open.
            assert!(told.iter().all(|n| n.state == NoticeState::Cleared || n.id() == still.id()));
            assert_eq!((told.len() == 2, decider.active().count()), (remembered_at == 1_000, 0));
        }
    }

    #[test]
    fn a_heartbeat_comes_once_a_day_also_over_restarts_and_only_if_asked_for() {
        let beats = |heartbeat: bool, last: Option<i64>| {
            let mut decider = Decider::new(Hysteresis::default(), heartbeat);
            let said = Said { last_heartbeat: last.map(Timestamp::from_secs), ..Said::default() };
            let mut beats = Vec::new();
            for second in (1_000_000..1_200_000).step_by(100) {
                if second == 1_000_100 {
                    decider.remember(said.clone(), Timestamp::from_secs(second));
                }
                beats.extend(decider.observe(Timestamp::from_secs(second), &feed(FeedState::Live)));
            }
            assert_eq!(decider.active().count(), 0);
            beats.into_iter().map(|n| (n.kind, n.state, n.time.secs(), n.detail)).collect::<Vec<_>>()
        };
        let beat = |second| {
            let detail = "1 of 1 feeds live, 0 routes held, 0 notices active".to_owned();
            (NoticeKind::Heartbeat, NoticeState::Cleared, second, detail)
        };
        assert_eq!(beats(false, None), []);
        assert_eq!(beats(true, None), [beat(1_000_100), beat(1_086_500), beat(1_172_900)]);
        assert_eq!(beats(true, Some(990_000)), [beat(1_076_400), beat(1_162_800)]);
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
        let peer = QuarantineReport { feed: None, peer: "rrc00 AS64500 192.0.2.1".into(), cause: "flood" };
        let report = Report {
            baseline: BaselineState::Learning,
            sources: vec![source("VRPs", "expired"), source("ASPAs", "stale"), source("relations", "stale")],
            gaps: vec![gap(GapCause::Lost, None), gap(GapCause::NoHistory, Some("rrc00"))],
            quarantined: vec![peer],
            memory: MemoryReport { is_too_small: true, history_is_shed: true, ..MemoryReport::default() },
            sinks: vec![sink],
            store: StoreReport { problem: Some("no space".into()), is_without_memory: true, ..StoreReport::default() },
            ..feed(FeedState::Silent)
        };
        let mut decider = Decider::new(Hysteresis { raise_secs: 0, clear_secs: 0 }, false);
        let raised: Vec<_> = decider.observe(Timestamp::MIN, &report).iter().map(Notice::id).collect();
        let expected = [
            "feed_silent:ris",
            "feed_gap:ris",
            "feed_gap:ris rrc00",
            "peer_quarantined:rrc00 AS64500 192.0.2.1",
            "memory_short:budget",
            "memory_short:shed",
            "learning:baseline",
            "vrps_stale:VRPs",
            "aspas_stale:ASPAs",
            "relations_stale:relations",
            "sink_failing:bus",
            "store_failing:checkpoint",
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
