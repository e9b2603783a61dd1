//! Route leaks: what RFC 7908 calls types 1 to 6, proven by ASPA, OTC or relations.

pub mod aspa;
pub mod otc;
pub mod route;
pub mod valley;

use serde::{Deserialize, Serialize};

use crate::bgp::Asn;

/// One AS that gave on what it should not have: `from` gave it to `leaker`, who gave it to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Violation {
    /// RFC 7908 section 3, 1 to 4.
    pub rfc7908_type: u8,
    pub leaker: Asn,
    pub from: Asn,
    pub to: Asn,
}
