//! The route of one vantage point under an incident, in the form in which it leaves the process: `replay --routes`, the API and
//! `history export --routes`.

use std::net::IpAddr;

use ipnet::IpNet;
use rules::bgp::Timestamp;
use rules::desk::RouteRecord;
use rules::limits;
use rules::shard::HeldBefore;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// Names the form.
pub const SCHEMA: &str = "bgpwarden.route/1";

/// Who held an offending route, from when to when, and what did it hold before? Bytes of messages are not kept; what an UPDATE
/// said that can change a verdict is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteLine {
    /// Always "bgpwarden.route/1".
    #[schema(example = "bgpwarden.route/1")]
    pub schema: String,
    pub incident: String,
    #[schema(value_type = String, example = "192.0.2.0/25")]
    pub prefix: IpNet,
    pub collector: String,
    pub peer_as: u32,
    #[schema(value_type = String, example = "198.51.100.7")]
    pub peer_address: IpAddr,
    /// 0 without ADD-PATH (RFC 7911).
    pub path_id: u32,
    /// In wire order, as received.
    #[schema(example = "64502 64500 64511")]
    pub as_path: String,
    /// Null: the path ends in an AS_SET.
    pub origin_as: Option<u32>,
    /// Only to Customer (RFC 9234), as received.
    pub only_to_customer: Option<u32>,
    /// It carried the BLACKHOLE community (RFC 7999).
    pub blackhole: bool,
    /// Number of the event that brought it, and when it was judged.
    pub seq: u64,
    #[schema(format = "date-time")]
    pub time: String,
    /// When the vantage point announced it, by its collector's clock.
    #[schema(format = "date-time")]
    pub started: String,
    /// When it was given up; null while it is held.
    #[schema(format = "date-time")]
    pub ended: Option<String>,
    /// Why it is over, in the words of an alert's reason: withdrawn, replaced, out_of_sight (the session or the feed was lost),
    /// what cleared it (roa, aspa, allow_rule …), or incident_over if nobody saw it end.
    pub reason: Option<String>,
    /// What the vantage point held until then; null where nothing is known of it.
    pub before: Option<BeforeLine>,
}

/// The route for the prefix itself or, where that is new to the vantage point, for what covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BeforeLine {
    #[schema(value_type = String, example = "192.0.2.0/24")]
    pub prefix: IpNet,
    #[schema(example = "64502 64500 64496")]
    pub as_path: String,
}

impl From<&HeldBefore> for BeforeLine {
    fn from(held: &HeldBefore) -> Self {
        Self { prefix: held.prefix, as_path: shown(&held.attributes.as_path.to_string()) }
    }
}

impl From<&RouteRecord> for RouteLine {
    fn from(record: &RouteRecord) -> Self {
        let attributes = &record.attributes;
        Self {
            schema: SCHEMA.to_owned(),
            incident: record.incident.to_string(),
            prefix: record.prefix,
            collector: text::plain(&record.point.collector, limits::TEXT),
            peer_as: record.point.peer_as.0,
            peer_address: record.point.peer_address,
            path_id: record.path_id,
            as_path: shown(&attributes.as_path.to_string()),
            origin_as: attributes.as_path.origin_as().map(|asn| asn.0),
            only_to_customer: attributes.only_to_customer.map(|asn| asn.0),
            blackhole: attributes.blackhole,
            seq: record.seq,
            time: record.at.to_string(),
            started: record.started.to_string(),
            ended: record.ended.map(|end| end.seen.to_string()),
            reason: record.ended.map(|end| end.why.word().to_owned()),
            before: record.before.as_ref().map(BeforeLine::from),
        }
    }
}

impl RouteLine {
    /// Reads a line that says what it is.
    pub fn of(line: &str) -> Option<Result<Self, serde_json::Error>> {
        #[derive(Deserialize)]
        struct Named {
            schema: String,
        }
        let named: Named = serde_json::from_str(line).ok()?;
        (named.schema == SCHEMA).then(|| serde_json::from_str(line))
    }

    pub fn started(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.started)
    }
}

fn shown(path: &str) -> String {
    text::path(path, limits::PATH_TEXT)
}
