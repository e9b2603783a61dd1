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
    /// What is wrong with where it comes from; empty if nothing is.
    pub detail: String,
}

impl SourceReport {
    pub fn new(kind: &'static str, objects: usize, source: &Source) -> Self {
        Self {
            kind,
            objects,
            source: crate::text::plain(&source.name, 256),
            as_of: source.as_of.map(|as_of| as_of.to_string()),
            state: source.state.word(),
            detail: String::new(),
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
            let why = if source.detail.is_empty() { String::new() } else { format!(": {}", source.detail) };
            degraded.push(format!("{} are {what}{why}", source.kind));
        }
        // A source may fail while others still do.
        let fresh = self.sources.iter().filter(|s| s.state == SourceState::Fresh.word() && !s.detail.is_empty());
        degraded.extend(fresh.map(|s| format!("{} are fresh, but {}", s.kind, s.detail)));
        for sink in &self.sinks {
            if let Some(error) = &sink.error {
                degraded.push(format!("sink {} fails: {error}", sink.name));
            }
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
    fn words_are_those_of_the_json() {
        for state in FeedState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a word"), state.word());
        }
    }
}
