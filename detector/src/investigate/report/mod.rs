//! What does an investigation say? One structure, from which text, JSON, Markdown and a page are made.
//!
//! Keys are a contract, like those of an alert: every key is always there, unknown is null. Each figure stands beside the
//! [`Message`] that made it. No clock is read, so the same input gives the same bytes.

pub mod html;
pub mod markdown;
mod plot;
pub mod text;

use rules::bgp::Timestamp;
use serde::{Serialize, Serializer};

/// A time as alerts write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl std::fmt::Display for Time {
    /// `2026-03-01 03:04:05 UTC`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::web::moment(self.0))
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub question: Asked,
    pub conclusion: Conclusion,
    pub incident: Option<Incident>,
    /// Others that the engine told of the same prefixes or ASes.
    pub other_incidents: Vec<Other>,
    pub timeline: Vec<Moment>,
    pub origins: Vec<Origin>,
    /// Pairs of prefix and origin, exact; `origins` names the first ones.
    pub origin_count: usize,
    pub spread: Spread,
    pub witnesses: Witnesses,
    pub paths: Vec<PathVerdict>,
    pub controls: Vec<Control>,
    pub manrs: Option<Manrs>,
    pub data: Data,
}

#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    pub asked: String,
    pub prefixes: Vec<String>,
    pub asns: Vec<u32>,
    pub from: Option<Time>,
    pub to: Option<Time>,
    pub claim: Option<ClaimPart>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ClaimPart {
    pub source: String,
    pub suspects: Vec<u32>,
    pub victims: Vec<u32>,
    pub leak_segment: Option<[u32; 3]>,
    pub started: Option<Time>,
    pub ended: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Confirmed,
    Refuted,
    Inconclusive,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Conclusion {
    pub verdict: Verdict,
    pub sentence: String,
    /// What the data show.
    pub reasons: Vec<Reason>,
    /// Why it is inconclusive; empty otherwise.
    pub gaps: Vec<Reason>,
    /// What a reader must know that changes no verdict.
    pub limits: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    pub id: String,
    pub class: &'static str,
    pub rfc7908_type: Option<u8>,
    pub severity: &'static str,
    pub score: i32,
    pub title: String,
    pub suspects: Vec<u32>,
    pub expected_origins: Vec<u32>,
    pub detected_origins: Vec<u32>,
    pub victims: Vec<u32>,
    pub prefixes: Vec<String>,
    pub prefix_count: usize,
    pub evidence: Vec<EvidencePart>,
    pub rov: &'static str,
    pub aspa: &'static str,
    pub otc: &'static str,
    pub valley: &'static str,
    pub relations: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct EvidencePart {
    pub code: &'static str,
    pub points: i32,
    pub detail: String,
    pub source: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Other {
    pub id: String,
    pub class: &'static str,
    pub severity: &'static str,
    pub title: String,
    pub started: Time,
    pub ended: Option<Time>,
}

/// The message that a figure comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    pub time: Time,
    pub kind: &'static str,
    pub collector: String,
    pub peer_as: u32,
    pub peer_address: String,
    pub prefix: Option<String>,
    pub as_path: Option<String>,
    /// Where it stands: `data.inputs[input - 1]`, and which record, message or line of it, counted from 1.
    pub input: u32,
    pub record: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    pub time: Time,
    pub code: &'static str,
    pub text: String,
    /// Peer ASes that held it after this moment.
    pub peer_ases: usize,
    pub full_feed_share: Option<f64>,
    pub message: Option<Message>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    pub prefix: String,
    /// None for a route that ends in an AS_SET.
    pub origin_as: Option<u32>,
    pub is_suspect: bool,
    pub is_from_dump: bool,
    /// Distinct peer ASes that held it at any time of the window.
    pub peer_ases: usize,
    pub first: Message,
    /// When the last of them gave it up; none if one still held it.
    pub last_end: Option<Message>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Spread {
    pub peer_ases_peak: usize,
    pub full_feed_peers: usize,
    pub full_feed_share_peak: Option<f64>,
    pub minutes: Vec<Minute>,
    /// Who took it directly from the suspect.
    pub accepted_by: Vec<AcceptedBy>,
    /// Steps away from the suspect, each after the one it came by.
    pub tree: Vec<Step>,
    pub tree_left_out: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Minute {
    pub minute: Time,
    /// Most peer ASes that held it at one moment of the minute.
    pub peer_ases: usize,
    pub full_feed: usize,
    pub full_feed_share: Option<f64>,
    /// Most that held a route of an expected origin to the same prefix.
    pub expected_peer_ases: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct AcceptedBy {
    pub asn: u32,
    /// Distinct peer ASes that had it by this AS.
    pub peer_ases: usize,
    pub first: Message,
}

#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub asn: u32,
    /// Index of the step that it came by; none for the suspect.
    pub via: Option<usize>,
    /// 0 for the suspect.
    pub depth: usize,
    pub peer_ases: usize,
    pub first: Message,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Witnesses {
    pub saw_count: usize,
    pub saw_peer_ases: usize,
    pub never_count: usize,
    pub never_peer_ases: usize,
    pub saw: Vec<Saw>,
    pub never: Vec<Never>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Saw {
    pub collector: String,
    pub peer_as: u32,
    pub peer_address: String,
    pub is_full_feed: bool,
    pub first: Message,
    /// The message after which it held none; none if it still did.
    pub last_end: Option<Message>,
    pub held_secs: f64,
}

/// A vantage point that was there and never had it.
#[derive(Clone, Debug, Serialize)]
pub struct Never {
    pub collector: String,
    pub peer_as: u32,
    pub peer_address: String,
    pub is_full_feed: bool,
    pub dump_routes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct PathVerdict {
    pub prefix: String,
    pub as_path: String,
    pub peer_ases: usize,
    pub first: Message,
    pub rov: RovPart,
    pub aspa: &'static str,
    pub otc: &'static str,
    pub otc_value: Option<u32>,
    pub valley: &'static str,
    /// From the origin on.
    pub hops: Vec<HopVerdict>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RovPart {
    pub state: &'static str,
    pub reason: Option<&'static str>,
    pub covering: Vec<String>,
}

/// `from` gave the route to `to`.
#[derive(Clone, Debug, Serialize)]
pub struct HopVerdict {
    pub from: u32,
    pub to: u32,
    /// Whether `to` may be a provider of `from`, by the ASPA of `from`.
    pub aspa: &'static str,
    /// `up` to a provider, `flat` to a peer, `down` to a customer.
    pub direction: &'static str,
    pub otc: &'static str,
    /// What an AS that checks would have said when it received it.
    pub rov: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// By the data given.
    Stops,
    /// By what could have been published or configured.
    WouldStop,
    DoesNotStop,
    NotApplicable,
    NotEvaluated,
}

impl Effect {
    pub fn words(self) -> &'static str {
        match self {
            Self::Stops => "stops it",
            Self::WouldStop => "would stop it",
            Self::DoesNotStop => "does not stop it",
            Self::NotApplicable => "not applicable",
            Self::NotEvaluated => "not evaluated",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Control {
    pub control: &'static str,
    pub effect: Effect,
    pub text: String,
    /// Where, and how many of the peer ASes that had it would not have had it.
    pub at: Vec<StoppedAt>,
}

#[derive(Clone, Debug, Serialize)]
pub struct StoppedAt {
    pub asn: u32,
    pub spared_peer_ases: usize,
    pub of_peer_ases: usize,
    pub first: Message,
}

#[derive(Clone, Debug, Serialize)]
pub struct Manrs {
    pub metric: &'static str,
    pub culprit: Option<u32>,
    pub accomplices: Vec<u32>,
    pub episodes: Vec<Episode>,
    pub weight: f64,
    /// It was still announced when the data ended.
    pub is_lower_bound: bool,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Episode {
    pub started: Time,
    /// None while it is held.
    pub ended: Option<Time>,
    pub secs: f64,
    pub first: Message,
    pub last: Option<Message>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Data {
    pub inputs: Vec<InputPart>,
    pub window_from: Option<Time>,
    pub window_to: Option<Time>,
    pub collectors: Vec<String>,
    pub vantage_points: usize,
    pub peer_ases: usize,
    pub dump_routes: u64,
    pub messages_kept: usize,
    pub messages_left_out: u64,
    pub sessions_down: usize,
    pub vrps: SourcePart,
    pub aspas: SourcePart,
    pub relations: SourcePart,
    pub version: &'static str,
    pub rules_version: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct InputPart {
    /// As messages name it.
    pub number: u32,
    pub name: String,
    pub role: &'static str,
    pub records: u64,
    pub elements: u64,
    pub first: Option<Time>,
    pub last: Option<Time>,
    pub errors: std::collections::BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SourcePart {
    pub is_given: bool,
    pub name: String,
    pub count: usize,
    pub as_of: Option<Time>,
    /// Days between it and the window.
    pub days_apart: Option<f64>,
}

impl Data {
    /// What routes were judged by, in words.
    fn sources(&self) -> Vec<(&'static str, String)> {
        let words = |source: &SourcePart| match (source.is_given, source.as_of) {
            (false, _) => "not given, so not evaluated".to_owned(),
            (true, None) => format!("{} of {}", source.count, source.name),
            (true, Some(as_of)) => format!("{} of {}, as of {as_of}", source.count, source.name),
        };
        vec![("VRPs", words(&self.vrps)), ("ASPAs", words(&self.aspas)), ("Relations", words(&self.relations))]
    }
}

impl Report {
    /// All of it, for programs.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it has only string keys and finite numbers");
        text + "\n"
    }
}
