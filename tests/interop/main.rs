//! Do the real servers and bgpwarden understand each other?
//!
//! Every test here starts real programs on loopback and is ignored by an ordinary `cargo test`:
//! `tests/interop/run` installs what is missing and runs them all.

mod harness;
mod servers;

mod alerts_reach_kafka;
mod api;
mod kills;
mod notifications;
mod routers;
mod routers_over_kafka;
mod soak;
mod the_story;
mod validators;
mod what_is_deployed;
