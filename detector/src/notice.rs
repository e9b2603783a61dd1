//! What is wrong with the watching itself? Silence looks like health, so this is said.

pub mod decider;

use rules::bgp::Timestamp;
use rules::limits;
use serde::Serialize;

use crate::text;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    FeedSilent,
    FeedGap,
    PeerQuarantined,
    MemoryShort,
    Learning,
    VrpsStale,
    VrpsFrozen,
    AspasStale,
    RelationsStale,
    SinkFailing,
    StoreFailing,
    WatchUnseen,
    ConfigRejected,
    Heartbeat,
    Test,
}

impl NoticeKind {
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    pub const ALL: [Self; 15] = [
        Self::FeedSilent,
        Self::FeedGap,
        Self::PeerQuarantined,
        Self::MemoryShort,
        Self::Learning,
        Self::VrpsStale,
        Self::VrpsFrozen,
        Self::AspasStale,
        Self::RelationsStale,
        Self::SinkFailing,
        Self::StoreFailing,
        Self::WatchUnseen,
        Self::ConfigRejected,
        Self::Heartbeat,
        Self::Test,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::FeedSilent => "feed_silent",
            Self::FeedGap => "feed_gap",
            Self::PeerQuarantined => "peer_quarantined",
            Self::MemoryShort => "memory_short",
            Self::Learning => "learning",
            Self::VrpsStale => "vrps_stale",
            Self::VrpsFrozen => "vrps_frozen",
            Self::AspasStale => "aspas_stale",
            Self::RelationsStale => "relations_stale",
            Self::SinkFailing => "sink_failing",
            Self::StoreFailing => "store_failing",
            Self::WatchUnseen => "watch_unseen",
            Self::ConfigRejected => "config_rejected",
            Self::Heartbeat => "heartbeat",
            Self::Test => "test",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    Raised,
    Cleared,
}

impl NoticeState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Cleared => "cleared",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Raised, Self::Cleared].into_iter().find(|state| state.word() == word)
    }
}

/// One notice. `subject` is the feed, sink, source or prefix concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub time: Timestamp,
    pub kind: NoticeKind,
    pub state: NoticeState,
    pub subject: String,
    pub detail: String,
}

/// What earlier lives said, as far as it matters to this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Raised and never cleared.
    pub open: Vec<Notice>,
    pub last_heartbeat: Option<Timestamp>,
}

#[derive(Serialize)]
struct Wire {
    schema: &'static str,
    id: String,
    time: String,
    kind: NoticeKind,
    state: NoticeState,
    subject: String,
    detail: String,
}

impl Notice {
    /// The same for `raised` and `cleared` of one matter, in every life of the process, so that what was raised can be
    /// cleared by whoever comes after. `(id, time)` tells repeats.
    pub fn id(&self) -> String {
        format!("{}:{}", self.kind.word(), text::plain(&self.subject, limits::TEXT))
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            schema: "bgpwarden.notice/1",
            id: self.id(),
            time: self.time.to_string(),
            kind: self.kind,
            state: self.state,
            subject: text::plain(&self.subject, limits::TEXT),
            detail: text::plain(&self.detail, limits::TEXT),
        };
        serde_json::to_string(&wire).expect("a notice has only strings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_with_the_words_of_its_kind() {
        for kind in NoticeKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.word());
        }
        let notice = Notice {
            time: Timestamp::from_secs(1_772_334_242),
            kind: NoticeKind::FeedSilent,
            state: NoticeState::Raised,
            subject: "ris-live".into(),
            detail: "no message\nfor 60 s".into(),
        };
        assert_eq!(
            notice.to_json(),
            "{\"schema\":\"bgpwarden.notice/1\",\"id\":\"feed_silent:ris-live\",\"time\":\"2026-03-01T03:04:02.000Z\",\
             \"kind\":\"feed_silent\",\"state\":\"raised\",\"subject\":\"ris-live\",\"detail\":\"no message\u{FFFD}for 60 s\"}"
        );
    }
}
