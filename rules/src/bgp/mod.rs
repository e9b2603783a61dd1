//! Words of RFC 4271 as types: what a BGP speaker says, before anybody judges it.

mod as_path;
mod asn;
mod family;
mod time;
mod update;
mod vantage;

pub use as_path::{AsPath, BadPath, Segment, SegmentKind};
pub use asn::{Asn, BadAsn};
pub use family::{Family, canonical, nearest_first};
pub use time::Timestamp;
pub use update::{Nlri, Nlris, PathAttributes, Update};
pub use vantage::{VantageId, VantagePoint};
