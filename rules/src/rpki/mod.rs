//! What the RPKI says: route origin validation (RFC 6811) and ASPA path verification
//! (draft-ietf-sidrops-aspa-verification-28), over snapshots that deltas change.

mod aspa;
mod delta;
mod ends;
mod vrp;

pub use aspa::{AspaTable, Authorized, Procedure, Ramps, Verification};
pub use delta::{Delta, Snapshot};
pub use ends::RoaEnds;
pub use vrp::{Rov, Vrp, VrpTable};
