//! The outside world in: bytes become the types of `rules`, and parser types stop here.
//!
//! [`input`] opens what `replay` reads, [`ris_live`], [`bmp`] and [`openbmp`] follow live feeds, [`archive`] knows what
//! was before them, [`vrp_file`] and [`relations_file`] read what routes are judged by, [`as2org`] who an AS is, [`rtr`], [`vrp_poll`] and [`slurm`]
//! the same from caches, over HTTP and from the operator, [`record`] writes and reads the whole history. Nothing here
//! judges a route.

pub mod archive;
pub mod as2org;
pub mod backoff;
pub mod bmp;
mod buffered;
pub mod checkpoint;
mod clock;
pub mod convert;
pub mod counts;
mod http_file;
pub mod input;
mod lines;
pub mod mrt;
pub mod mrt_write;
pub mod openbmp;
pub mod record;
pub mod relations_file;
pub mod ris_live;
pub mod rpki_set;
pub mod rtr;
pub mod shown;
pub mod slurm;
pub mod source;
mod vantage;
pub mod vrp_file;
pub mod vrp_poll;

#[cfg(test)]
#[path = "../tests/bmp_messages/mod.rs"]
mod bmp_messages;
#[cfg(test)]
#[path = "../tests/data/mod.rs"]
mod data;
