//! Which offsets may be stored? Those of batches that are through, and no others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

/// A partition of a topic.
pub(crate) type Place = (Arc<str>, i32);
/// The last offset read of each.
pub(crate) type Offsets = BTreeMap<Place, i64>;

/// Batches that may be on their way before two of them become one: many times what the queues behind can hold.
const BATCHES: usize = 4_096;

/// Names a batch. Once it is through, whoever holds this says so.
#[derive(Clone, Debug)]
pub struct Receipt {
    number: u64,
    through: Arc<watch::Sender<u64>>,
}

impl Receipt {
    /// This batch and all before it are worked off: after a crash they need not come again.
    pub fn commit(&self) {
        self.through.send_if_modified(|through| {
            let is_news = self.number > *through;
            *through = self.number.max(*through);
            is_news
        });
    }
}

/// Batches that were handed on.
pub(crate) struct Unsettled {
    batches: VecDeque<(u64, Offsets)>,
    next: u64,
    through: Arc<watch::Sender<u64>>,
}

impl Default for Unsettled {
    fn default() -> Self {
        Self { batches: VecDeque::new(), next: 1, through: Arc::new(watch::Sender::new(0)) }
    }
}

impl Unsettled {
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.through.subscribe()
    }

    /// Notes a batch that is handed on.
    pub fn add(&mut self, offsets: Offsets) -> Receipt {
        let number = self.next;
        self.next += 1;
        self.batches.push_back((number, offsets));
        if self.batches.len() > BATCHES
            && let Some((_, older)) = self.batches.pop_front()
            && let Some((_, oldest)) = self.batches.front_mut()
        {
            for (place, offset) in older {
                oldest.entry(place).or_insert(offset);
            }
        }
        Receipt { number, through: self.through.clone() }
    }

    /// The offsets that are through and were not before.
    pub fn settle(&mut self, through: u64) -> Offsets {
        let mut settled = Offsets::new();
        let count = self.batches.partition_point(|(number, _)| *number <= through);
        for (_, offsets) in self.batches.drain(..count) {
            settled.extend(offsets);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(offset: i64) -> Offsets {
        Offsets::from([(("t".into(), 0), offset)])
    }

    #[test]
    fn only_what_is_through_is_settled_and_only_once() {
        let mut unsettled = Unsettled::default();
        let receipts: Vec<_> = (10..14).map(|offset| unsettled.add(offsets(offset))).collect();
        let through = unsettled.watch();
        assert_eq!(unsettled.settle(*through.borrow()), Offsets::new());
        receipts[2].commit();
        receipts[0].commit();
        assert_eq!(*through.borrow(), 3);
        assert_eq!(unsettled.settle(3), offsets(12));
        assert_eq!(unsettled.settle(3), Offsets::new());
    }

    #[test]
    fn too_many_batches_on_their_way_become_fewer_and_lose_no_offset() {
        let mut unsettled = Unsettled::default();
        unsettled.add(Offsets::from([(("only here".into(), 7), 1)]));
        let last = (0..2 * BATCHES as i64).map(|offset| unsettled.add(offsets(offset))).last().expect("some");
        assert_eq!(unsettled.batches.len(), BATCHES);
        let settled = unsettled.settle(last.number);
        assert_eq!(settled.len(), 2);
        assert_eq!(settled[&("t".into(), 0)], 2 * BATCHES as i64 - 1);
    }
}
