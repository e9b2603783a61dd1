//! Which keys does an alert have, of which types, in which order?

use std::borrow::Cow;

use rules::alert::{
    AspaState, CheckState, Class, ReasonCode, Role, RovReason, RovState, Severity, SourceState, Status, Tlp, Transition,
};
use rules::bgp::Timestamp;
use rules::rpki::Authorized;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of a closed set of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

macro_rules! words_on_the_wire {
    ($($name:ident),+ $(,)?) => {$(
        impl Serialize for Word<$name> {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.0.word())
            }
        }

        impl<'de> Deserialize<'de> for Word<$name> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = Cow::<str>::deserialize(from)?;
                let found = $name::ALL.iter().copied().find(|value| value.word() == word);
                let unknown = || serde::de::Error::custom(format!("{word:?} is no {}", stringify!($name)));
                found.map(Self).ok_or_else(unknown)
            }
        }

        impl JsonSchema for Word<$name> {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<_> = $name::ALL.iter().map(|value| value.word()).collect();
                json_schema!({ "type": "string", "enum": words })
            }
        }
    )+};
}

words_on_the_wire!(
    AspaState,
    Authorized,
    CheckState,
    Class,
    ReasonCode,
    Role,
    RovReason,
    RovState,
    Severity,
    SourceState,
    Status,
    Tlp,
    Transition,
);

/// A moment of event time: UTC, RFC 3339, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let malformed = || serde::de::Error::custom(format!("{text:?} is no time"));
        Timestamp::parse(&text).map(Self).ok_or_else(malformed)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^-?\d{4,6}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
        })
    }
}

/// The name and version of this form.
#[derive(Clone, Copy, Debug)]
pub struct SchemaName;

impl SchemaName {
    const NAME: &str = "bgpwarden.alert/1";
}

impl Serialize for SchemaName {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(Self::NAME)
    }
}

impl<'de> Deserialize<'de> for SchemaName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(from)?;
        let other = || serde::de::Error::custom(format!("{name:?} is not {}", Self::NAME));
        (name == Self::NAME).then_some(Self).ok_or_else(other)
    }
}

impl JsonSchema for SchemaName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SchemaName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": Self::NAME })
    }
}

/// The whole state of one incident after one transition. Every key is always present: what is unknown or does not
/// apply is null, what is empty is []. Readers ignore keys they do not know.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "bgpwarden alert")]
pub struct Wire {
    /// Always this.
    pub schema: SchemaName,
    /// The incident; fixed at opening.
    pub id: String,
    /// 1, 2, 3 ... within the incident, no gaps; (id, sequence) tells repeats.
    #[schemars(range(min = 1))]
    pub sequence: u32,
    pub transition: Word<Transition>,
    /// After this transition.
    pub status: Word<Status>,
    /// Why this alert goes out now.
    pub reason: Reason,
    /// Event time of the transition.
    pub time: Time,
    pub class: Word<Class>,
    /// RFC 7908 section 3, the type of most prefixes; null if it is no leak.
    #[schemars(range(min = 1, max = 6))]
    pub rfc7908_type: Option<u8>,
    pub severity: Word<Severity>,
    /// In the alert before; null in the first.
    pub previous_severity: Option<Word<Severity>>,
    /// Sum of the points of all evidence.
    pub score: i32,
    /// Not yet confirmed by the usual number of peer ASes and hold-down.
    pub provisional: bool,
    /// One sentence for a person.
    #[schemars(length(max = 200))]
    pub title: String,
    /// Page of the incident.
    pub url: Option<String>,
    /// Traffic Light Protocol 2.0.
    pub tlp: Word<Tlp>,
    /// Watched networks it touches; empty: none.
    #[schemars(length(max = 64))]
    pub constituents: Vec<Constituent>,
    pub constituent_count: usize,
    /// Announced prefixes that ever belonged to it: watched first, then by first sighting, then address.
    #[schemars(length(max = 1000))]
    pub prefixes: Vec<String>,
    pub prefix_count: usize,
    /// Still announced now.
    pub active_prefix_count: usize,
    /// Per prefix, in the order of `prefixes`.
    #[schemars(length(max = 100))]
    pub details: Vec<Detail>,
    /// Baseline origins of all its prefixes.
    #[schemars(length(max = 256))]
    pub expected_origins: Vec<u32>,
    /// Origins of the offending routes; [] for an AS_SET.
    #[schemars(length(max = 256))]
    pub detected_origins: Vec<u32>,
    /// Most likely first; [] where nobody is suspected.
    #[schemars(length(max = 64))]
    pub suspect_ases: Vec<u32>,
    /// ASes that took it directly from the suspect.
    #[schemars(length(max = 64))]
    pub accepted_by: Vec<u32>,
    /// Hijack: expected origins and ROA holders. Leak: origins of the leaked prefixes and `leak.from`.
    #[schemars(length(max = 256))]
    pub victim_ases: Vec<u32>,
    pub victim_as_count: usize,
    /// The ASes above.
    #[schemars(length(max = 64))]
    pub as_info: Vec<AsInfo>,
    pub leak: Option<Leak>,
    /// First offending route.
    pub started: Time,
    /// The gates were passed.
    pub opened: Time,
    /// Last offending announcement.
    pub last_seen: Time,
    /// The last vantage point gave it up; null while it is open.
    pub ended: Option<Time>,
    /// Pauses inside the re-open window separate them; newest last.
    #[schemars(length(max = 32))]
    pub episodes: Vec<Episode>,
    /// Sum of all episodes, an open one up to `time`.
    pub duration_secs: f64,
    pub visibility: Visibility,
    /// By first sighting, distinct paths; the proofs below judge the first.
    #[schemars(length(max = 16))]
    pub sample_paths: Vec<SamplePath>,
    pub rov: Rov,
    pub aspa: Aspa,
    pub otc: Otc,
    pub valley: Valley,
    /// Reasons for the score, largest points first.
    #[schemars(length(max = 32))]
    pub evidence: Vec<Evidence>,
    /// Other incidents of the same story.
    #[schemars(length(max = 16))]
    pub related_ids: Vec<String>,
    /// What the verdict rests on.
    pub inputs: Inputs,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    pub code: Word<ReasonCode>,
    pub detail: String,
    pub source: String,
    pub as_of: Option<Time>,
}

/// A watched network.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Constituent {
    pub name: String,
    pub role: Word<Role>,
    pub tlp: Word<Tlp>,
}

/// One announced prefix.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    pub prefix: String,
    pub covering_prefix: Option<String>,
    pub expected_origins: Vec<u32>,
    pub detected_origins: Vec<u32>,
    pub rov: Word<RovState>,
    pub expected_rov: Option<Word<RovState>>,
    pub started: Time,
    pub ended: Option<Time>,
    pub peer_ases: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AsInfo {
    pub asn: u32,
    pub name: Option<String>,
    pub country: Option<String>,
}

/// `leaker` took the route of `from` and gave it to `to`: those of most prefixes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Leak {
    /// Null if only a set of suspects is known.
    pub leaker: Option<u32>,
    pub from: Option<u32>,
    pub to: Option<u32>,
    #[schemars(length(max = 16))]
    pub segments: Vec<Segment>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    pub from: Option<u32>,
    pub leaker: Option<u32>,
    pub to: Option<u32>,
    #[schemars(range(min = 1, max = 6))]
    pub rfc7908_type: Option<u8>,
    pub prefix_count: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Episode {
    pub started: Time,
    pub ended: Option<Time>,
}

/// Who holds an offending route. Shares are over the full-feed peers of the family, null if there are too few.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Visibility {
    pub peer_ases: usize,
    pub peer_ases_peak: usize,
    pub full_feed_peers: usize,
    #[schemars(range(min = 0, max = 1))]
    pub full_feed_share: Option<f64>,
    #[schemars(range(min = 0, max = 1))]
    pub full_feed_share_peak: Option<f64>,
    #[schemars(length(max = 64))]
    pub collectors: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SamplePath {
    pub prefix: String,
    /// Wire order, as received.
    pub as_path: String,
    pub collector: String,
    pub peer_as: u32,
    pub peer_address: String,
    pub time: Time,
}

/// Route origin validation (RFC 6811) of the first detail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rov {
    pub state: Word<RovState>,
    pub reason: Option<Word<RovReason>>,
    pub expected_state: Option<Word<RovState>>,
    #[schemars(length(max = 32))]
    pub covering: Vec<Vrp>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Vrp {
    pub prefix: String,
    pub max_length: u8,
    pub asn: u32,
    pub source: String,
}

/// ASPA verification of the first sample path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Aspa {
    pub verdict: Word<AspaState>,
    pub procedure: Option<String>,
    pub suspects: Vec<u32>,
    pub hops: Vec<Authorization>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Authorization {
    pub customer: u32,
    pub provider: u32,
    pub authorized: Word<Authorized>,
}

/// Only to Customer (RFC 9234) of the first sample path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Otc {
    pub value: Option<u32>,
    pub verdict: Word<CheckState>,
}

/// Business relations along the first sample path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Valley {
    pub verdict: Word<CheckState>,
    pub violations: Vec<Violation>,
    pub unknown_hops: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    #[schemars(range(min = 1, max = 4))]
    pub rfc7908_type: u8,
    pub leaker: u32,
    pub from: u32,
    pub to: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub code: String,
    pub points: i32,
    pub detail: String,
    pub source: String,
    pub as_of: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    pub feeds: Feeds,
    #[schemars(length(max = 8))]
    pub gaps: Vec<Gap>,
    pub baseline: Baseline,
    pub vrps: Source,
    pub aspas: Source,
    pub relations: Source,
    /// Differs whenever the same events may give another verdict.
    pub rules_version: u32,
    /// Of the program.
    pub version: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Feeds {
    pub live: usize,
    pub degraded: Vec<String>,
}

/// A stretch of time a feed did not see.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    pub feed: String,
    pub from: Time,
    pub to: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    pub state: BaselineState,
    pub as_of: Option<Time>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineState {
    Learning,
    Ready,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub source: String,
    pub serial: Option<u64>,
    pub as_of: Option<Time>,
    /// At the time of the alert; negative if the data is younger.
    pub age_secs: Option<f64>,
    pub state: Word<SourceState>,
}
