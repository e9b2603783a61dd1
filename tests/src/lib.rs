//! How right are the verdicts? The four sources of the measure, and the table that holds them against their floors.
//! `cargo run -p tests --bin accuracy` prints it.

pub mod classic;
pub mod noise;
pub mod real_data;
pub mod relations;
pub mod replay;
pub mod stories;
pub mod table;
pub mod worlds;
