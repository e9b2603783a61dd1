//! What bgpwarden costs, and what it is measured with.
//!
//! [`measure`] names the real inputs and takes ratios, [`world`] invents an Internet where the real one is not at hand, and [`wire`]
//! writes it down as collectors and routers do. The programs in `bin` print the numbers of README.md.

pub mod latency;
pub mod measure;
pub mod player;
pub mod wire;
pub mod world;
