//! The real servers, each started as its own manual says.

pub mod certificates;
pub mod exabgp;
pub mod frr;
pub mod gobgp;
pub mod kafka;
pub mod mail;
pub mod prometheus;
pub mod rpki;
