//! What do routers say over BMP (RFC 7854)?
//!
//! [`frame`] cuts a stream into messages, [`message`] reads one, [`Session`] knows what they mean together, and
//! [`station`] listens for routers. Which of a router's tables counts stands in [`session`].

mod clock;
mod connection;
pub(crate) mod file;
pub mod frame;
pub mod message;
mod open;
mod peer;
#[cfg(test)]
mod real_streams;
pub mod session;
pub mod station;
pub mod status;

pub use open::Role;
pub use session::{PeerState, PeerView, Session};
