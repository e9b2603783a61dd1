//! What the routing state is, and whether it is wrong.
//!
//! Everything here is a total function over values: no clock, no I/O, no async, no logging. Events go in,
//! alerts come out, and the same events give the same bytes. The table of contents is the story:
//! [`bgp`] says what was heard, [`event`] what can change a verdict, [`rib`] and [`baseline`] what is held and
//! normal; [`checkpoint`] what of it outlives a restart; [`shard`] asks [`hijack`], [`leak`] and [`own`] about every change, [`desk`] decides, [`alert`] leaves.

pub mod alert;
pub mod baseline;
pub mod bgp;
pub mod checkpoint;
pub mod desk;
pub mod engine;
pub mod event;
pub mod finding;
mod gradual;
pub mod hijack;
pub mod leak;
pub mod limits;
pub mod own;
pub mod path;
pub mod proofs;
pub mod registry;
pub mod relations;
pub mod rib;
pub mod rpki;
pub mod session;
pub mod shard;
pub mod shed;
pub mod stamp;
#[cfg(feature = "testing")]
pub mod testing;
pub mod watch;
