//! How do the watched prefixes stand? For `check`, for `/api/v1/watched`, and for the notice about those that nobody sees.

use std::fmt::Write as _;

use rules::shard::{FullFeed, Watched, WatchedAs, WatchedOrigin, WatchedPrefix};
use serde::Serialize;

/// Prefixes that one answer describes, missing ones first; the counts beside them are exact.
pub const MOST_TOLD: usize = 10_000;

/// All watched prefixes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WatchedReport {
    /// When it was asked; none before the first time.
    pub as_of: Option<String>,
    /// While it is learned what is normal, what is not seen may only not have come yet.
    pub learning: bool,
    pub seen: usize,
    pub unseen: usize,
    /// Signed by a ROA and not announced.
    pub unannounced: usize,
    pub full_feed_peers: FullFeedPeers,
    /// At most [`MOST_TOLD`].
    pub prefixes: Vec<PrefixReport>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FullFeedPeers {
    pub ipv4: usize,
    pub ipv6: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrefixReport {
    pub prefix: String,
    /// resource, originated, signed.
    pub watched_as: &'static str,
    pub constituents: Vec<String>,
    /// seen, unseen, unannounced.
    pub state: &'static str,
    pub origins: Vec<OriginReport>,
    pub peer_ases: usize,
    pub full_feed_peers: usize,
    /// Announced prefixes inside it.
    pub more_specifics: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginReport {
    pub asn: u32,
    pub rov: &'static str,
}

impl WatchedReport {
    /// Before anybody was asked.
    pub fn unknown() -> Self {
        Self { learning: true, ..Self::default() }
    }

    /// What the shards answered, together.
    pub fn new(answers: Vec<Watched>, full_feed: &FullFeed) -> Self {
        let mut report = Self {
            full_feed_peers: FullFeedPeers { ipv4: full_feed[0].len(), ipv6: full_feed[1].len() },
            ..Self::default()
        };
        let mut prefixes = Vec::new();
        for answer in answers {
            report.seen += answer.seen;
            report.unseen += answer.unseen;
            report.unannounced += answer.unannounced;
            prefixes.extend(answer.prefixes);
        }
        prefixes.sort_by_key(|p| (!p.is_missing(), p.prefix));
        report.prefixes = prefixes.iter().take(MOST_TOLD).map(PrefixReport::new).collect();
        report
    }

    /// Those that nobody sees; they stand first.
    pub fn missing(&self) -> impl Iterator<Item = &PrefixReport> {
        self.prefixes.iter().take_while(|p| p.state == UNSEEN)
    }

    /// For people, one line a prefix.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for p in &self.prefixes {
            let origins: Vec<_> = p.origins.iter().map(|o| format!("AS{} ROV {}", o.asn, o.rov)).collect();
            let full = if p.prefix.contains(':') { self.full_feed_peers.ipv6 } else { self.full_feed_peers.ipv4 };
            let seen = match p.state {
                UNSEEN => "NOBODY SEES IT".to_owned(),
                UNANNOUNCED => "signed by a ROA, not announced".to_owned(),
                _ if p.peer_ases == 0 => format!("not announced itself, {} parts of it are", p.more_specifics),
                _ if full == 0 => format!("seen by {} peer ASes (too few tables to know full-feed peers)", p.peer_ases),
                _ => format!("seen by {} of {full} full-feed peers ({} peer ASes)", p.full_feed_peers, p.peer_ases),
            };
            let origins = if origins.is_empty() { "no origin".to_owned() } else { origins.join(", ") };
            let _ = writeln!(text, "{:<20} {origins}; {seen}; {}", p.prefix, p.constituents.join(", "));
        }
        let told = self.prefixes.len();
        let all = self.seen + self.unseen + self.unannounced;
        if told < all {
            let _ = writeln!(text, "and {} more", all - told);
        }
        text
    }
}

/// What nobody sees, as far as that can be known: nothing while it is learned what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnseenReport {
    /// Prefixes and who watches them.
    pub named: Vec<(String, String)>,
    pub others: usize,
}

/// Prefixes that get a notice of their own.
const MOST_NOTICES: usize = 256;

impl UnseenReport {
    pub fn new(watched: &WatchedReport) -> Self {
        if watched.learning {
            return Self::default();
        }
        let named = watched.missing().take(MOST_NOTICES).map(|p| (p.prefix.clone(), p.constituents.join(", ")));
        let named: Vec<_> = named.collect();
        Self { others: watched.unseen - named.len(), named }
    }
}

const UNSEEN: &str = "unseen";
const UNANNOUNCED: &str = "unannounced";

impl PrefixReport {
    fn new(p: &WatchedPrefix) -> Self {
        let rov = |o: &WatchedOrigin| OriginReport { asn: o.asn.0, rov: o.rov.word() };
        Self {
            prefix: p.prefix.to_string(),
            watched_as: match p.watched_as {
                WatchedAs::Resource => "resource",
                WatchedAs::Originated => "originated",
                WatchedAs::Signed => "signed",
            },
            constituents: p.constituents.iter().map(|name| crate::text::plain(name, rules::limits::TEXT)).collect(),
            state: match (p.is_seen(), p.is_missing()) {
                (true, _) => "seen",
                (false, true) => UNSEEN,
                (false, false) => UNANNOUNCED,
            },
            origins: p.origins.iter().map(rov).collect(),
            peer_ases: p.peer_ases,
            full_feed_peers: p.full_feed_peers,
            more_specifics: p.inside,
        }
    }
}
