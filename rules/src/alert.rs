//! What leaves the engine: the whole state of one incident after one transition. The wire form is written in `detector`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::bgp::{Asn, Timestamp};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                let found = Self::ALL.iter().find(|w| w.word() == word).copied();
                found.ok_or_else(|| serde::de::Error::custom(format!("{word:?} is no {}", stringify!($name))))
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What kind of event it is. Ordered from the gravest: the least member gives an incident its class.
    Class {
        OriginHijack = "origin_hijack",
        SubprefixHijack = "subprefix_hijack",
        ForgedOrigin = "forged_origin",
        ReoriginationLeak = "reorigination_leak",
        RouteLeak = "route_leak",
        Squatting = "squatting",
        SuperprefixHijack = "superprefix_hijack",
        InternalMoreSpecifics = "internal_more_specifics",
        RpkiInvalidOwn = "rpki_invalid_own",
        VisibilityLoss = "visibility_loss",
        RoaExpiring = "roa_expiring",
        AspaMisconfig = "aspa_misconfig",
        NewUpstream = "new_upstream",
        NewPrefix = "new_prefix",
        BogonPrefix = "bogon_prefix",
        BogonAsn = "bogon_asn",
        ShortPrefix = "short_prefix",
        PrivateAsnLeak = "private_asn_leak",
        PrependTypo = "prepend_typo",
        AsnTypo = "asn_typo",
        PrefixTypo = "prefix_typo",
    }
}

words! {
    /// How bad. Noise (score < 1) never leaves the engine.
    Severity { Low = "low", Medium = "medium", High = "high", Critical = "critical" }
}

words! {
    Transition {
        Opened = "opened",
        Updated = "updated",
        Resolved = "resolved",
        Reopened = "reopened",
        Retracted = "retracted",
    }
}

words! {
    Status { Open = "open", Resolved = "resolved", Retracted = "retracted" }
}

words! {
    /// Why an alert goes out now.
    ReasonCode {
        Seen = "seen",
        ShortLived = "short_lived",
        DataChanged = "data_changed",
        AllowRuleExpired = "allow_rule_expired",
        Confirmed = "confirmed",
        Severity = "severity",
        Class = "class",
        Suspects = "suspects",
        Constituents = "constituents",
        Prefixes = "prefixes",
        Spread = "spread",
        Withdrawn = "withdrawn",
        Replaced = "replaced",
        BecameNormal = "became_normal",
        OutOfSight = "out_of_sight",
        SeenAgain = "seen_again",
        Roa = "roa",
        Aspa = "aspa",
        Relations = "relations",
        Transfer = "transfer",
        AllowRule = "allow_rule",
        Verdict = "verdict",
        Merged = "merged",
        BadInput = "bad_input",
    }
}

words! {
    /// Traffic Light Protocol 2.0, from the least strict.
    #[derive(Default)]
    Tlp { #[default] Clear = "clear", Green = "green", Amber = "amber", AmberStrict = "amber+strict", Red = "red" }
}

words! {
    Role { Victim = "victim", Suspect = "suspect", AcceptedBy = "accepted_by" }
}

words! {
    /// Ordered from the best: of several origins that may be right, the best state counts.
    RovState { Valid = "valid", Invalid = "invalid", NotFound = "not_found", NotEvaluated = "not_evaluated" }
}

words! {
    RovReason { Asn = "asn", Length = "length", As0 = "as0", AsSet = "as_set" }
}

words! {
    AspaState { Valid = "valid", Invalid = "invalid", Unknown = "unknown", NotEvaluated = "not_evaluated" }
}

words! {
    /// Verdict of the OTC and of the valley check.
    CheckState { Ok = "ok", Violation = "violation", Unknown = "unknown", NotEvaluated = "not_evaluated" }
}

words! {
    /// How far a data source can be trusted now.
    SourceState { Fresh = "fresh", Stale = "stale", Expired = "expired", Frozen = "frozen", None = "none" }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: String,
    pub sequence: u32,
    pub transition: Transition,
    pub status: Status,
    pub reason: Reason,
    pub time: Timestamp,
    pub class: Class,
    pub rfc7908_type: Option<u8>,
    pub severity: Severity,
    pub previous_severity: Option<Severity>,
    pub score: i32,
    pub provisional: bool,
    pub title: String,
    pub tlp: Tlp,
    pub constituents: Vec<Constituent>,
    pub constituent_count: usize,
    pub prefixes: Vec<IpNet>,
    pub prefix_count: usize,
    pub active_prefix_count: usize,
    pub details: Vec<Detail>,
    pub expected_origins: Vec<Asn>,
    pub detected_origins: Vec<Asn>,
    pub suspect_ases: Vec<Asn>,
    pub accepted_by: Vec<Asn>,
    pub victim_ases: Vec<Asn>,
    pub victim_as_count: usize,
    pub leak: Option<Leak>,
    pub started: Timestamp,
    pub opened: Timestamp,
    pub last_seen: Timestamp,
    pub ended: Option<Timestamp>,
    pub episodes: Vec<Episode>,
    pub duration_secs: f64,
    pub visibility: Visibility,
    pub sample_paths: Vec<SamplePath>,
    pub rov: RovProof,
    pub aspa: AspaProof,
    pub otc: OtcProof,
    pub valley: ValleyProof,
    pub evidence: Vec<Evidence>,
    pub related_ids: Vec<String>,
    pub inputs: Inputs,
}

impl Alert {
    /// Touches a watched network.
    pub fn is_watched(&self) -> bool {
        self.constituent_count > 0
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    pub detail: String,
    pub source: String,
    pub as_of: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Constituent {
    pub name: String,
    pub role: Role,
    pub tlp: Tlp,
}

/// One announced prefix of the incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    pub prefix: IpNet,
    pub covering_prefix: Option<IpNet>,
    pub expected_origins: Vec<Asn>,
    pub detected_origins: Vec<Asn>,
    pub rov: RovState,
    pub expected_rov: Option<RovState>,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub peer_ases: usize,
}

/// `from` gave the route to `leaker`, who gave it to `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeakSegment {
    pub from: Option<Asn>,
    pub leaker: Option<Asn>,
    pub to: Option<Asn>,
    pub rfc7908_type: Option<u8>,
    pub prefix_count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    pub leaker: Option<Asn>,
    pub from: Option<Asn>,
    pub to: Option<Asn>,
    pub segments: Vec<LeakSegment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visibility {
    /// Distinct peer ASes that hold an offending route now.
    pub peer_ases: usize,
    pub peer_ases_peak: usize,
    pub full_feed_peers: usize,
    /// Over the full-feed peers of the family; none if fewer than three tables are known.
    pub full_feed_share: Option<f64>,
    pub full_feed_share_peak: Option<f64>,
    pub collectors: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePath {
    pub prefix: IpNet,
    pub as_path: String,
    pub collector: Arc<str>,
    pub peer_as: Asn,
    pub peer_address: IpAddr,
    pub time: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveringVrp {
    pub prefix: IpNet,
    pub max_length: u8,
    pub asn: Asn,
    pub source: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RovProof {
    pub state: RovState,
    pub reason: Option<RovReason>,
    pub expected_state: Option<RovState>,
    pub covering: Vec<CoveringVrp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AspaHop {
    pub customer: Asn,
    pub provider: Asn,
    pub authorized: crate::rpki::Authorized,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AspaProof {
    pub verdict: AspaState,
    pub procedure: Option<crate::rpki::Procedure>,
    pub suspects: Vec<Asn>,
    pub hops: Vec<AspaHop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtcProof {
    pub value: Option<Asn>,
    pub verdict: CheckState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValleyProof {
    pub verdict: CheckState,
    pub violations: Vec<crate::leak::Violation>,
    pub unknown_hops: usize,
}

/// One reason for the score. The sum of all points is the score.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub code: &'static str,
    pub points: i32,
    pub detail: String,
    pub source: Arc<str>,
    pub as_of: Option<Timestamp>,
}

/// What the verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    pub feeds_live: usize,
    pub feeds_degraded: Vec<Arc<str>>,
    pub gaps: Vec<Gap>,
    pub baseline_ready: bool,
    pub baseline_as_of: Option<Timestamp>,
    pub vrps: Source,
    pub aspas: Source,
    pub relations: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub feed: Arc<str>,
    pub from: Timestamp,
    pub to: Option<Timestamp>,
}

/// A data source with its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: Arc<str>,
    pub serial: Option<u64>,
    pub as_of: Option<Timestamp>,
    pub state: SourceState,
}

impl Source {
    /// No data of this kind was given.
    pub fn none() -> Self {
        Self { name: "none".into(), serial: None, as_of: None, state: SourceState::None }
    }
}
