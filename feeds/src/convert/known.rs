//! Which attributes were read before, so that what comes again is one and not many?
//!
//! Sessions say the same paths again and again. They are told apart by the octets themselves; the hash, keyed by the
//! process, only finds the place.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rules::bgp::{AsPath, Asn, PathAttributes, Segment, SegmentKind};
use rules::limits;

use super::plain::asn;

/// Attributes that one reader remembers: 1,024 x about 130 octets = 130 KiB. A new one takes the place of an old one. Of RIB
/// dumps two in three are found; sixteen times as many find more, and are slower, since they fit no near cache.
const KNOWN: usize = 1_024;

#[derive(Default)]
pub(super) struct Known {
    /// By hash, once there is something to remember.
    places: Vec<Option<(u64, Arc<PathAttributes>)>>,
    hasher: RandomState,
}

impl Known {
    /// What an AS_PATH of four-octet numbers makes together with the rest; none if the path is not ordinary.
    pub fn attributes(
        &mut self,
        path: &[u8],
        only_to_customer: Option<Asn>,
        blackhole: bool,
    ) -> Option<Arc<PathAttributes>> {
        let made = |as_path| PathAttributes { as_path, only_to_customer, blackhole };
        let Some(octets) = one_sequence(path) else { return segments(path).map(made).map(Arc::new) };
        let hash = self.hasher.hash_one((octets, only_to_customer, blackhole));
        if self.places.is_empty() {
            self.places.resize(KNOWN, None);
        }
        let place = &mut self.places[hash as usize % KNOWN];
        if let Some((of, known)) = place
            && *of == hash
            && (known.only_to_customer, known.blackhole) == (only_to_customer, blackhole)
            && is_path(&known.as_path, octets)
        {
            return Some(known.clone());
        }
        let attributes = made(sequence(octets)?);
        // Its room serves again once nobody else has the old one.
        if let Some((of, known)) = place
            && let Some(room) = Arc::get_mut(known)
        {
            (*of, *room) = (hash, attributes);
            return Some(known.clone());
        }
        let attributes = Arc::new(attributes);
        *place = Some((hash, attributes.clone()));
        Some(attributes)
    }
}

/// The octets of the numbers of a path that is one AS_SEQUENCE, as nearly all are.
fn one_sequence(path: &[u8]) -> Option<&[u8]> {
    let ([2, count], octets) = path.split_first_chunk::<2>()? else { return None };
    (!octets.is_empty() && octets.len() == usize::from(*count) * 4).then_some(octets)
}

fn is_path(path: &AsPath, octets: &[u8]) -> bool {
    path.is_plain_sequence() && octets.len() == path.ases().len() * 4 && numbers(octets).eq(path.ases().iter().copied())
}

fn numbers(octets: &[u8]) -> impl ExactSizeIterator<Item = Asn> {
    octets.as_chunks().0.iter().map(|number| Asn(u32::from_be_bytes(*number)))
}

fn sequence(octets: &[u8]) -> Option<AsPath> {
    let path = AsPath::sequence(numbers(octets));
    (!path.ases().contains(&Asn(0))).then_some(path)
}

/// AS_SEQUENCEs and AS_SETs of four-octet numbers; at least one.
fn segments(mut value: &[u8]) -> Option<AsPath> {
    let mut segments = Vec::new();
    let mut total = 0;
    while let [kind, count, rest @ ..] = value {
        let kind = match kind {
            1 => SegmentKind::Set,
            2 => SegmentKind::Sequence,
            _ => return None,
        };
        let (octets, rest) = rest.split_at_checked(usize::from(*count) * 4)?;
        let ases: Vec<Asn> = octets.chunks_exact(4).filter_map(asn).collect();
        total += ases.len();
        if ases.is_empty() || ases.contains(&Asn(0)) || total > limits::PATH_ASES {
            return None;
        }
        segments.push(Segment { kind, ases });
        value = rest;
    }
    (value.is_empty() && !segments.is_empty()).then(|| AsPath::from_segments(segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many more than there are places, every second one still in somebody's hands when its place is needed.
    #[test]
    fn what_somebody_holds_stays_what_it_was() {
        let mut known = Known::default();
        let octets = |n: u32| [&[2, 2][..], &(64_496 + n % 7).to_be_bytes(), &(n + 1).to_be_bytes()].concat();
        let read = |known: &mut Known, n: u32| {
            known.attributes(&octets(n), n.is_multiple_of(3).then_some(Asn(n)), n.is_multiple_of(5)).expect("ordinary")
        };
        let count = 4 * KNOWN as u32;
        let held: Vec<_> = (0..count).map(|n| (n, read(&mut known, n))).filter(|(n, _)| n.is_multiple_of(2)).collect();
        for (n, attributes) in held {
            let as_path = AsPath::sequence([64_496 + n % 7, n + 1].map(Asn));
            let (only_to_customer, blackhole) = (n.is_multiple_of(3).then_some(Asn(n)), n.is_multiple_of(5));
            assert_eq!(*attributes, PathAttributes { as_path, only_to_customer, blackhole });
        }
    }
}
