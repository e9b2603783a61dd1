//! May this process be believed right now?

use std::collections::BTreeMap;

use rules::alert::{Source, SourceState};
use rules::bgp::Timestamp;
use rules::shed::Worth;
use serde::Serialize;

use crate::config::limits::shown;
use crate::latency::StageReport;
pub use crate::ledger::Cause as GapCause;
use crate::ledger::{Gap, GapState};
use crate::sink::status::DeadLetter;
use crate::watched::UnseenReport;

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
    /// Routers that speak to this feed.
    pub sessions: Vec<SessionReport>,
    /// Sessions of its collectors.
    pub peers_up: usize,
    pub peers_down: usize,
    /// When RIS beacons changed and no peer told.
    pub canary_missed: Option<String>,
}

/// How one router of a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionReport {
    pub router: String,
    /// What the router calls itself.
    pub sys_name: Option<String>,
    pub state: FeedState,
    /// Why it is not live.
    pub detail: Option<String>,
    pub peers_up: usize,
    pub peers_down: usize,
    /// BMP messages of the present connection.
    pub messages: u64,
    pub updates: u64,
    pub errors: u64,
    pub gaps: u64,
    pub last_message: Option<String>,
    /// Not in `/readyz`, which anybody may ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerReport>,
}

/// How one BGP session of a router stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeerReport {
    pub address: String,
    pub asn: u32,
    pub state: &'static str,
    /// The table whose routes count.
    pub table: Option<&'static str>,
    /// What router and peer are to each other by their Roles (RFC 9234).
    pub local_role: Option<&'static str>,
    pub peer_role: Option<&'static str>,
    pub updates: u64,
    /// Routes the router says it holds.
    pub routes_stated: Option<u64>,
    pub last_message: Option<String>,
}

/// A stretch of time that was not seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapReport {
    pub feed: String,
    /// The collector, if it is not all of the feed.
    pub part: Option<String>,
    pub cause: GapCause,
    pub from: String,
    pub to: Option<String>,
    pub why: String,
    pub state: GapState,
}

impl GapReport {
    pub fn new(gap: &Gap) -> Self {
        Self {
            feed: gap.feed.to_string(),
            part: gap.part.clone(),
            cause: gap.cause,
            from: gap.from.to_string(),
            to: gap.to.map(|to| to.to_string()),
            why: gap.why.clone(),
            state: gap.state,
        }
    }

    /// Not seen now, or not known yet what was missed.
    pub fn is_open(&self) -> bool {
        matches!(self.state, GapState::Open | GapState::Filling)
    }

    fn sentence(&self) -> String {
        let part = self.part.as_ref().map_or(String::new(), |part| format!(" {part}"));
        let what = match self.state {
            GapState::Filling => "what was missed is being fetched",
            _ => "not seen",
        };
        format!("{}{part}: {what} since {} ({})", self.feed, self.from, self.why)
    }
}

impl Default for GapReport {
    fn default() -> Self {
        let (cause, state) = (GapCause::Lost, GapState::Open);
        Self { feed: String::new(), part: None, cause, from: String::new(), to: None, why: String::new(), state }
    }
}

/// How far the archive has told a feed what was before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ArchiveReport {
    pub feed: String,
    pub collectors: usize,
    /// Their dump is read.
    pub seeded: usize,
    /// Known without a hole from the dump to now.
    pub whole: usize,
    pub files: u64,
    pub octets: u64,
    pub routes: u64,
    /// What is in the way, by collector.
    pub troubles: Vec<String>,
}

impl ArchiveReport {
    /// For people.
    pub fn sentence(&self) -> String {
        let named: Vec<&str> = self.troubles.iter().take(2).map(String::as_str).collect();
        let troubles = match self.troubles.len() {
            0 => String::new(),
            n if n > named.len() => format!("; {}; and {} more", named.join("; "), n - named.len()),
            _ => format!("; {}", named.join("; ")),
        };
        let (seeded, all, mib) = (self.seeded, self.collectors, self.octets >> 20);
        format!("{seeded} of {all} dumps of {} read, {mib} MiB, {} routes{troubles}", self.feed, self.routes)
    }
}

/// A session that is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineReport {
    /// The feed that brought it, if it is live.
    pub feed: Option<String>,
    /// Collector, AS and address.
    pub peer: String,
    pub cause: &'static str,
}

/// Whether there is room for what is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// Octets that what is held takes, by its counts.
    pub estimated: u64,
    /// `limits.memory`.
    pub budget: Option<u64>,
    /// Over the budget, and all that is left is needed.
    pub is_too_small: bool,
    /// What is only kept because it may be wanted again is kept no more.
    pub history_is_shed: bool,
    /// Sessions that are not heard any more.
    pub shed: Vec<ShedReport>,
}

/// A session that was shed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShedReport {
    pub feed: Option<String>,
    /// Collector, AS and address.
    pub peer: String,
    pub worth: &'static str,
}

/// What helps against a budget that is too small.
const MORE_ROOM: &str = "raise limits.memory, ask for fewer collectors or for scope = \"watched\", and restart";
/// Sessions that were shed and are named on a page; `/api/v1/status` names them all.
const SHED_NAMED: usize = 50;

impl MemoryReport {
    pub fn has_shed(&self) -> bool {
        self.history_is_shed || !self.shed.is_empty()
    }

    /// What was shed, for people; the peers of each worth.
    pub fn what_is_shed(&self) -> String {
        let count = |worth: Worth| self.shed.iter().filter(|shed| shed.worth == worth.word()).count();
        let words = [
            (count(Worth::SetAside), "peers set aside"),
            (count(Worth::Partial), "partial peers"),
            (count(Worth::FullFeed), "full-feed peers"),
        ];
        let peers = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{word}: {n}"));
        let history = self.history_is_shed.then(|| "history".to_owned());
        history.into_iter().chain(peers).collect::<Vec<_>>().join(", ")
    }

    /// The first of them.
    pub fn named(&self) -> &[ShedReport] {
        &self.shed[..self.shed.len().min(SHED_NAMED)]
    }

    pub fn unnamed(&self) -> usize {
        self.shed.len() - self.named().len()
    }

    /// For people.
    pub fn estimated_mib(&self) -> u64 {
        self.estimated >> 20
    }

    /// As it is written in the configuration; empty without one.
    pub fn budget_text(&self) -> String {
        self.budget.map(shown).unwrap_or_default()
    }

    /// What was shed, and what to do.
    pub fn advice(&self) -> String {
        format!("shed to keep limits.memory = {}: {}; {MORE_ROOM}", self.budget_text(), self.what_is_shed())
    }

    /// That it cannot be kept, by how much, and what to do.
    pub fn warning(&self) -> String {
        let (held, budget) = (self.estimated_mib(), self.budget_text());
        format!("limits.memory = {budget} cannot be kept: {held} MiB are held, and all of it is needed; {MORE_ROOM}")
    }
}

/// A notice that was raised and not cleared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoticeReport {
    pub kind: &'static str,
    pub subject: String,
    pub detail: String,
    pub since: String,
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
    /// How many it refused for good and nobody has sent again or dismissed, also in earlier lives, and the newest of them.
    pub dead_letter_count: u64,
    pub dead_letters: Vec<DeadLetter>,
}

/// Where incidents and undelivered alerts are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoreReport {
    pub path: String,
    pub bytes: u64,
    /// Why it cannot be used now.
    pub problem: Option<String>,
    /// What earlier lives knew could not be read at the start. It is kept for the next start, so this life keeps nothing.
    pub is_without_memory: bool,
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
    pub archives: Vec<ArchiveReport>,
    /// Routes and withdrawals of archives that were left out, since their session has said something newer.
    pub old_archive_routes: u64,
    /// Open ones first, then recent ones.
    pub gaps: Vec<GapReport>,
    pub notices: Vec<NoticeReport>,
    /// Sessions whose routes say nothing.
    pub quarantined: Vec<QuarantineReport>,
    pub memory: MemoryReport,
    pub routes: usize,
    /// How long each stage of the way takes, since the start.
    pub stages: Vec<StageReport>,
    pub watched: usize,
    /// Watched prefixes that nobody sees.
    pub unseen: UnseenReport,
    pub config: ConfigReport,
}

/// Whether what runs is what is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConfigReport {
    /// Why the configuration that was read last is not in use.
    pub problem: Option<String>,
    /// Changed keys that need a restart.
    pub restart: Vec<String>,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Why it cannot judge.
    pub reasons: Vec<String>,
    /// What makes its verdicts weaker.
    pub degraded: Vec<String>,
    /// Routers by feed.
    pub sessions: BTreeMap<String, Vec<SessionReport>>,
}

/// For people.
pub const WITHOUT_MEMORY: &str = "the checkpoint could not be read at the start; it is kept, none is written over it, and a \
                                  restart tries again";

impl Report {
    pub fn at(now: Timestamp) -> Self {
        Self { now: Some(now.to_string()), ..Self::default() }
    }

    /// Whether routers speak to any feed.
    pub fn has_sessions(&self) -> bool {
        self.feeds.iter().any(|feed| !feed.sessions.is_empty())
    }

    /// Whether any sink refused something for good.
    pub fn has_dead_letters(&self) -> bool {
        self.sinks.iter().any(|sink| !sink.dead_letters.is_empty())
    }

    pub fn readiness(&self) -> Readiness {
        let reasons = self.why_it_cannot_judge();
        Readiness { ready: reasons.is_empty(), reasons, degraded: self.what_is_degraded(), sessions: self.sessions() }
    }

    fn sessions(&self) -> BTreeMap<String, Vec<SessionReport>> {
        let without_peers = |session: &SessionReport| SessionReport { peers: Vec::new(), ..session.clone() };
        let feeds = self.feeds.iter().filter(|feed| !feed.sessions.is_empty());
        feeds.map(|feed| (feed.name.clone(), feed.sessions.iter().map(without_peers).collect())).collect()
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

    /// Why it is not known what is normal.
    pub fn why_learning(&self) -> String {
        let archives: Vec<_> = self.archives.iter().map(ArchiveReport::sentence).collect();
        let reason = if archives.is_empty() { String::new() } else { format!(" ({})", archives.join("; ")) };
        format!(
            "learning{reason}: what is normal is not known yet, so origins are judged only where the configuration says what is expected"
        )
    }

    fn what_is_degraded(&self) -> Vec<String> {
        let mut degraded = Vec::new();
        if self.baseline == BaselineState::Learning {
            degraded.push(self.why_learning());
        }
        if !self.quarantined.is_empty() {
            let first = &self.quarantined[0];
            let n = self.quarantined.len();
            degraded.push(format!("{n} peers are set aside, the first is {} ({})", first.peer, first.cause));
        }
        if self.memory.has_shed() {
            degraded.push(self.memory.advice());
        }
        if self.memory.is_too_small {
            degraded.push(self.memory.warning());
        }
        for archive in self
            .archives
            .iter()
            .filter(|archive| self.baseline == BaselineState::Ready && archive.seeded < archive.collectors)
        {
            degraded.push(format!("a part of the past is missing: {}", archive.sentence()));
        }
        let is_told = |gap: &&GapReport| gap.is_open() && !matches!(gap.cause, GapCause::Stale | GapCause::Silent);
        for gap in self.gaps.iter().filter(is_told) {
            degraded.push(gap.sentence());
        }
        for feed in &self.feeds {
            if let Some(due) = &feed.canary_missed {
                degraded.push(format!("feed {}: RIS beacons changed at {due} and no peer told", feed.name));
            }
        }
        for feed in self.feeds.iter().filter(|feed| !matches!(feed.state, FeedState::Live | FeedState::Finished)) {
            degraded.push(format!("feed {} is {}", feed.name, feed.state.word()));
        }
        for (feed, session) in self.feeds.iter().flat_map(|feed| feed.sessions.iter().map(move |s| (&feed.name, s))) {
            let router = format!("router {} of feed {feed}", session.router);
            if session.state != FeedState::Live {
                let detail = session.detail.as_deref().unwrap_or("no reason known");
                degraded.push(format!("{router} is {}: {detail}", session.state.word()));
            } else if session.peers_down > 0 {
                let all = session.peers_up + session.peers_down;
                degraded.push(format!("{router}: {} of {all} peers are down", session.peers_down));
            }
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
            if sink.dead_letter_count > 0 {
                let count = sink.dead_letter_count;
                degraded.push(format!(
                    "sink {}: {count} were refused for good; send them again or dismiss them on the page of its health",
                    sink.name
                ));
            }
        }
        if self.store.is_without_memory {
            degraded.push(WITHOUT_MEMORY.to_owned());
        }
        if let Some(problem) = &self.config.problem {
            degraded.push(format!("the configuration was rejected, the one before is in use: {problem}"));
        }
        if !self.config.restart.is_empty() {
            degraded.push(format!("changed and not in use until a restart: {}", self.config.restart.join(", ")));
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
    fn what_is_shed_is_said_with_what_to_do_and_is_no_reason_not_to_judge() {
        let mut report = report(FeedState::Live, BaselineState::Ready);
        report.memory = MemoryReport { budget: Some(8 << 30), ..MemoryReport::default() };
        assert!(report.readiness().degraded.is_empty());
        let shed = |peer: &str, worth| ShedReport { feed: None, peer: peer.into(), worth };
        report.memory.history_is_shed = true;
        report.memory.shed =
            vec![shed("rrc00 AS64500 192.0.2.1", "partial"), shed("x", "full_feed"), shed("y", "partial")];
        let readiness = report.readiness();
        let said = "shed to keep limits.memory = 8GiB: history, partial peers: 2, full-feed peers: 1; raise limits.memory, ask for \
                    fewer collectors or for scope = \"watched\", and restart";
        assert!(readiness.ready);
        assert_eq!(readiness.degraded, [said]);
        report.memory.is_too_small = true;
        assert!(report.readiness().degraded[1].starts_with("limits.memory = 8GiB cannot be kept: "));
    }

    #[test]
    fn words_are_those_of_the_json() {
        for state in FeedState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a word"), state.word());
        }
    }
}
