use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{AsPath, Asn, Timestamp, VantageId};

/// One destination of an UPDATE. `path_id` is 0 unless the session negotiated ADD-PATH (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    pub prefix: IpNet,
    pub path_id: u32,
}

/// Destinations of one UPDATE. Most have one, which needs no allocation.
pub type Nlris = SmallVec<[Nlri; 1]>;

/// The attributes that can change a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathAttributes {
    pub as_path: AsPath,
    /// Only to Customer (RFC 9234 section 5).
    pub only_to_customer: Option<Asn>,
    /// Carries the BLACKHOLE community 65535:666 (RFC 7999).
    pub blackhole: bool,
}

/// One BGP UPDATE as heard at one vantage point, already treated as RFC 7606 demands:
/// what was malformed stands among the withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub vantage: VantageId,
    /// The collector's time.
    pub seen: Timestamp,
    pub withdrawn: Nlris,
    pub announced: Nlris,
    /// Attributes of everything in `announced`.
    pub attributes: Arc<PathAttributes>,
}
