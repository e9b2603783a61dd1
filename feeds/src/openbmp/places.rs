//! Up to where is each partition read, and is anything missing between?
//!
//! A broker keeps messages for a time. Whoever was away for longer is set to another offset, without a word; only the
//! offset of the next message tells. Offsets of such topics are dense, so each one that is skipped is a message lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::bgp::Timestamp;

/// What is known of one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The offset that comes next; none before the first message, if none was ever stored.
    next: Option<i64>,
    /// The first one read since the start, until it is known what was stored before it.
    first: Option<i64>,
    /// When it brought something last.
    last: Option<Timestamp>,
}

/// Messages that no broker holds any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    pub messages: u64,
    /// Some topic they were in, and of how many partitions.
    pub topic: Arc<str>,
    pub partitions: usize,
    /// When the first of those partitions brought something last; none if that is not known of any.
    pub from: Option<Timestamp>,
}

/// All partitions that were ever assigned: RouteViews has some thousand, 100 octets each.
#[derive(Debug, Default)]
pub(crate) struct Places {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, Place>>,
    /// Until when an earlier run is known to have read.
    before: Option<Timestamp>,
    missed: Option<Missed>,
}

impl Places {
    pub fn new(before: Option<Timestamp>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Notes that a message was read; gives the name of its topic, shared.
    pub fn read(&mut self, topic: &str, partition: i32, offset: i64, at: Timestamp) -> Arc<str> {
        let name = self.topics.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| name.clone());
        let place = self.topics.entry(name.clone()).or_default().entry(partition).or_default();
        let (expected, last) = (place.next, place.last.or(self.before));
        if expected.is_none() {
            place.first = Some(offset);
        }
        // What comes once more, after a rebalance, takes nothing back.
        place.next = Some(expected.unwrap_or_default().max(offset.saturating_add(1)));
        place.last = Some(at);
        if let Some(expected) = expected {
            self.compare(&name, expected, offset, last);
        }
        name
    }

    /// Notes where an earlier run of this group was, which may be told before the first message or after it.
    pub fn stored(&mut self, topic: &str, partition: i32, offset: i64) {
        let name = self.topics.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| name.clone());
        let place = self.topics.entry(name.clone()).or_default().entry(partition).or_default();
        match place.first.take() {
            Some(first) => self.compare(&name, offset, first, self.before),
            None => place.next = place.next.or(Some(offset)),
        }
    }

    fn compare(&mut self, topic: &Arc<str>, expected: i64, found: i64, from: Option<Timestamp>) {
        let Ok(messages @ 1..) = u64::try_from(found.saturating_sub(expected)) else { return };
        let missed =
            self.missed.get_or_insert_with(|| Missed { messages: 0, topic: topic.clone(), partitions: 0, from });
        missed.messages = missed.messages.saturating_add(messages);
        missed.partitions += 1;
        missed.from = missed.from.into_iter().chain(from).min();
    }

    /// What was missed and not told yet.
    pub fn take_missed(&mut self) -> Option<Missed> {
        self.missed.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINX: &str = "routeviews.linx.64500.bmp_raw";

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn missed(messages: u64, partitions: usize, from: Option<i64>) -> Option<Missed> {
        Some(Missed { messages, topic: LINX.into(), partitions, from: from.map(at) })
    }

    #[test]
    fn a_jump_is_told_once_with_the_time_of_what_was_read_before_it() {
        let mut places = Places::default();
        for (offset, secs) in [(7, 1), (8, 2), (9, 3)] {
            places.read(LINX, 0, offset, at(secs));
        }
        assert_eq!(places.take_missed(), None, "where it begins is no gap");
        places.read(LINX, 0, 109, at(50));
        places.read(LINX, 0, 110, at(51));
        assert_eq!(places.take_missed(), missed(99, 1, Some(3)));
        assert_eq!(places.take_missed(), None);
    }

    #[test]
    fn what_comes_again_is_no_jump_and_partitions_are_told_apart() {
        let mut places = Places::default();
        for offset in [5, 6, 5, 6, 7] {
            places.read(LINX, 0, offset, at(1));
        }
        places.read(LINX, 1, 1_000, at(2));
        assert_eq!(places.take_missed(), None);
        places.read(LINX, 1, 1_011, at(3));
        places.read(LINX, 0, 10, at(4));
        assert_eq!(places.take_missed(), missed(12, 2, Some(1)));
    }

    #[test]
    fn a_partition_with_an_unknown_beginning_does_not_hide_that_of_another() {
        let mut places = Places::default();
        places.read(LINX, 0, 1, at(5));
        places.read(LINX, 0, 10, at(6));
        places.stored(LINX, 1, 40);
        places.read(LINX, 1, 50, at(7));
        assert_eq!(places.take_missed(), missed(18, 2, Some(5)));
    }

    #[test]
    fn where_an_earlier_run_was_counts_whenever_it_is_told() {
        for (is_told_first, before) in [(true, None), (false, None), (true, Some(-9)), (false, Some(-9))] {
            let mut places = Places::new(before.map(at));
            if is_told_first {
                places.stored(LINX, 0, 40);
            }
            places.read(LINX, 0, 100, at(1));
            if !is_told_first {
                places.stored(LINX, 0, 40);
            }
            assert_eq!(places.take_missed(), missed(60, 1, before));
            places.read(LINX, 0, 101, at(2));
            // A rebalance tells it anew; by then we are ahead of it.
            places.stored(LINX, 0, 90);
            places.read(LINX, 0, 102, at(3));
            assert_eq!(places.take_missed(), None);
        }
    }
}
