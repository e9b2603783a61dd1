use std::collections::BTreeMap;

use super::{AspaTable, Vrp, VrpTable};
use crate::alert::Source;
use crate::bgp::Asn;

/// What came and went, and how its source stands. Applying all deltas in order gives the snapshot.
/// A VRP is withdrawn when the last of its sources gave it up: two that differ only in `source` are one.
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

impl Delta {
    /// Whether anything in it is about paths.
    pub fn changes_aspas(&self) -> bool {
        !self.announced_aspas.is_empty() || !self.withdrawn_aspas.is_empty()
    }
}

impl Snapshot {
    pub fn apply(&mut self, delta: &Delta) {
        for vrp in &delta.withdrawn_vrps {
            self.vrps.remove(vrp);
        }
        for vrp in &delta.announced_vrps {
            self.vrps.insert(vrp.clone());
        }
        self.apply_aspas(delta);
    }

    /// The half of it that is about paths.
    pub fn apply_aspas(&mut self, delta: &Delta) {
        for customer in &delta.withdrawn_aspas {
            self.aspas.remove(*customer);
        }
        for (customer, providers) in &delta.announced_aspas {
            self.aspas.insert(*customer, providers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Payload = (u8, u8, u32);

    fn vrp((net, max_length, asn): Payload) -> Vrp {
        let prefix = format!("192.0.2.{}/28", net * 16).parse().expect("a prefix");
        Vrp { prefix, max_length, asn: Asn(asn), source: "test".into() }
    }

    fn a_payload() -> impl Strategy<Value = Payload> {
        (0u8..4, 27u8..30, 64496u32..64499)
    }

    type Change = (Vec<Payload>, Vec<Payload>, BTreeMap<u32, Vec<u32>>, Vec<u32>);

    fn a_change() -> impl Strategy<Value = Change> {
        (
            prop::collection::vec(a_payload(), 0..5),
            prop::collection::vec(a_payload(), 0..5),
            prop::collection::btree_map(64496u32..64500, prop::collection::vec(0u32..4, 0..4), 0..3),
            prop::collection::vec(64496u32..64500, 0..3),
        )
    }

    fn delta((announced, withdrawn, aspas, gone): &Change) -> Delta {
        let providers = |set: &Vec<u32>| set.iter().copied().map(Asn).collect();
        Delta {
            announced_vrps: announced.iter().copied().map(vrp).collect(),
            withdrawn_vrps: withdrawn.iter().copied().map(vrp).collect(),
            announced_aspas: aspas.iter().map(|(&customer, set)| (Asn(customer), providers(set))).collect(),
            withdrawn_aspas: gone.iter().copied().map(Asn).collect(),
            vrps: Source::none(),
            aspas: Source::none(),
        }
    }

    /// What the deltas leave, by plain sets.
    fn left(changes: &[Change]) -> Change {
        let (mut vrps, mut aspas) = (BTreeSet::new(), BTreeMap::new());
        for (announced, withdrawn, replaced, gone) in changes {
            vrps.retain(|payload| !withdrawn.contains(payload));
            vrps.extend(announced.iter().copied());
            aspas.retain(|customer, _| !gone.contains(customer));
            aspas.extend(replaced.clone());
        }
        (vrps.into_iter().collect(), Vec::new(), aspas, Vec::new())
    }

    type Contents = (Vec<Vrp>, usize, Vec<Option<Vec<Asn>>>, usize);

    fn contents(snapshot: &Snapshot) -> Contents {
        let vrps = snapshot.vrps.iter().cloned().collect();
        let sets = (64496..64500).map(|asn| snapshot.aspas.providers_of(Asn(asn)).map(<[Asn]>::to_vec)).collect();
        (vrps, snapshot.vrps.len(), sets, snapshot.aspas.len())
    }

    proptest! {
        #[test]
        fn deltas_in_order_give_the_snapshot(changes in prop::collection::vec(a_change(), 0..12)) {
            let (mut stepwise, mut at_once) = (Snapshot::default(), Snapshot::default());
            for change in &changes {
                stepwise.apply(&delta(change));
            }
            at_once.apply(&delta(&left(&changes)));
            prop_assert_eq!(contents(&stepwise), contents(&at_once));
        }
    }
}
