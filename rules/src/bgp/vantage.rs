use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Asn;

/// Where a route was seen: one BGP session of a collector. Visibility counts distinct `peer_as`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VantagePoint {
    pub collector: Arc<str>,
    pub peer_as: Asn,
    pub peer_address: IpAddr,
}

impl fmt::Display for VantagePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.collector, self.peer_as, self.peer_address)
    }
}

/// A vantage point by number, dense, in the order of [`crate::event::Event::Vantage`].
/// A feed numbers its own; the sequencer renumbers them for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VantageId(pub u32);
