//! The invented world as collectors, routers and the engine itself write it down.

pub mod bgp;
pub mod bmp;
pub mod event;
pub mod mrt;
pub mod ris_live;

#[cfg(test)]
mod tests;
