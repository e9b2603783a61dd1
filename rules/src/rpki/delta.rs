use std::collections::BTreeMap;

use super::{AspaTable, Vrp, VrpTable};
use crate::alert::Source;
use crate::bgp::Asn;

/// What came and went, and how its source stands. Applying all deltas in order gives the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub announced_vrps: Vec<Vrp>,
    pub withdrawn_vrps: Vec<Vrp>,
    /// The whole provider set of a customer replaces what it had.
    pub announced_aspas: BTreeMap<Asn, Vec<Asn>>,
    pub withdrawn_aspas: Vec<Asn>,
    pub vrps: Source,
    pub aspas: Source,
}

/// Everything the RPKI says now.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub vrps: VrpTable,
    pub aspas: AspaTable,
}

impl Snapshot {
    pub fn apply(&mut self, delta: &Delta) {
        for vrp in &delta.withdrawn_vrps {
            self.vrps.remove(vrp);
        }
        for vrp in &delta.announced_vrps {
            self.vrps.insert(vrp.clone());
        }
        for customer in &delta.withdrawn_aspas {
            self.aspas.remove(*customer);
        }
        for (customer, providers) in &delta.announced_aspas {
            self.aspas.insert(*customer, providers);
        }
    }
}
