//! May this process be believed right now?

use rules::alert::{Source, SourceState};
use rules::bgp::Timestamp;
use serde::Serialize;

/// How a feed stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// Not yet connected.
    #[default]
    Connecting,
    Live,
    /// Connected, and nothing comes.
    Silent,
    Down,
    /// A file that was read to its end.
    Finished,
}

impl FeedState {
    pub const ALL: [Self; 5] = [Self::Connecting, Self::Live, Self::Silent, Self::Down, Self::Finished];

    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Down => "down",
            Self::Finished => "finished",
        }
    }
}

/// Whether it is known what is normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineState {
    /// RIB dumps are still being read.
    #[default]
    Loading,
    /// There was none; what is stable becomes normal.
    Learning,
    Ready,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeedReport {
    pub name: String,
    pub kind: &'static str,
    pub state: FeedState,
    /// Updates read so far.
    pub updates: u64,
    /// Pieces of input that could not be read.
    pub errors: u64,
    pub gaps: u64,
    pub last_message: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceReport {
    pub kind: &'static str,
    pub objects: usize,
    pub source: String,
    pub as_of: Option<String>,
    pub state: &'static str,
}

impl SourceReport {
    pub fn new(kind: &'static str, objects: usize, source: &Source) -> Self {
        Self {
            kind,
            objects,
            source: crate::text::plain(&source.name, 256),
            as_of: source.as_of.map(|as_of| as_of.to_string()),
            state: source.state.word(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SinkReport {
    pub name: String,
    pub delivered: u64,
    pub backlog: usize,
    pub oldest_secs: u64,
    pub error: Option<String>,
}

/// Where incidents and undelivered alerts are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoreReport {
    pub path: String,
    pub bytes: u64,
    /// Why it cannot be used now.
    pub problem: Option<String>,
    /// Where a damaged one was moved to since the start.
    pub moved_aside: Option<String>,
}

/// Everything the pages and the probes say about the watching itself. Made once a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Event time.
    pub now: Option<String>,
    pub feeds: Vec<FeedReport>,
    pub baseline: BaselineState,
    pub baseline_as_of: Option<String>,
    pub sources: Vec<SourceReport>,
    pub sinks: Vec<SinkReport>,
    pub store: StoreReport,
    pub routes: usize,
    pub watched: usize,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Why it cannot judge.
    pub reasons: Vec<String>,
    /// What makes its verdicts weaker.
    pub degraded: Vec<String>,
}

impl Report {
    pub fn at(now: Timestamp) -> Self {
        Self { now: Some(now.to_string()), ..Self::default() }
    }

    pub fn readiness(&self) -> Readiness {
        let reasons = self.why_it_cannot_judge();
        Readiness { ready: reasons.is_empty(), reasons, degraded: self.what_is_degraded() }
    }

    fn why_it_cannot_judge(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let gives_news = |feed: &FeedReport| matches!(feed.state, FeedState::Live | FeedState::Finished);
        if !self.feeds.iter().any(gives_news) {
            reasons.push("no feed is live".to_owned());
        }
        if self.baseline == BaselineState::Loading {
            reasons.push("the baseline is still being loaded".to_owned());
        }
        if let Some(problem) = &self.store.problem {
            reasons.push(format!("store not writable: {problem}; alerts are delivered without it"));
        }
        reasons
    }

    fn what_is_degraded(&self) -> Vec<String> {
        let mut degraded = Vec::new();
        if self.baseline == BaselineState::Learning {
            degraded.push("learning: what is normal is not known yet, so origins are judged only where the configuration says what is expected".to_owned());
        }
        for feed in self.feeds.iter().filter(|feed| !matches!(feed.state, FeedState::Live | FeedState::Finished)) {
            degraded.push(format!("feed {} is {}", feed.name, feed.state.word()));
        }
        for source in self.sources.iter().filter(|source| source.state != SourceState::Fresh.word()) {
            let what = if source.state == SourceState::None.word() { "not given" } else { source.state };
            degraded.push(format!("{} are {what}", source.kind));
        }
        for sink in &self.sinks {
            if let Some(error) = &sink.error {
                degraded.push(format!("sink {} fails: {error}", sink.name));
            }
        }
        if let Some(aside) = &self.store.moved_aside {
            degraded.push(format!("the store was damaged and a new one begun; the old one is kept as {aside}"));
        }
        degraded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: FeedState, baseline: BaselineState) -> Report {
        let feed = FeedReport { name: "ris-live".into(), kind: "ris_live", state, ..FeedReport::default() };
        Report { feeds: vec![feed], baseline, ..Report::default() }
    }

    #[test]
    fn learning_is_ready_and_said() {
        let readiness = report(FeedState::Live, BaselineState::Learning).readiness();
        assert!(readiness.ready);
        assert!(readiness.degraded[0].starts_with("learning"));
    }

    #[test]
    fn without_a_feed_or_while_loading_it_cannot_judge() {
        for (state, baseline, why) in [
            (FeedState::Down, BaselineState::Ready, "no feed is live"),
            (FeedState::Live, BaselineState::Loading, "the baseline is still being loaded"),
        ] {
            let readiness = report(state, baseline).readiness();
            assert!(!readiness.ready);
            assert_eq!(readiness.reasons, [why]);
        }
        assert!(report(FeedState::Live, BaselineState::Ready).readiness().degraded.is_empty());
    }

    #[test]
    fn a_store_that_fails_is_red_and_one_that_was_replaced_is_said() {
        let mut report = report(FeedState::Live, BaselineState::Ready);
        report.store.problem = Some("no space for \"x\"".into());
        let readiness = report.readiness();
        assert!(!readiness.ready && readiness.reasons[0].starts_with("store not writable: no space for"));
        report.store = StoreReport { moved_aside: Some("x.damaged".into()), ..StoreReport::default() };
        let readiness = report.readiness();
        assert!(readiness.ready && readiness.degraded[0].ends_with("x.damaged"));
    }

    #[test]
    fn words_are_those_of_the_json() {
        for state in FeedState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a word"), state.word());
        }
    }
}
