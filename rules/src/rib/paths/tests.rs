use std::collections::BTreeMap;
use std::hash::Hasher;

use proptest::prelude::*;

use super::*;
use crate::bgp::{Segment, SegmentKind};

fn brief(attributes: &PathAttributes) -> Brief {
    let (hops, _) = crate::path::strip_private_tail(&attributes.as_path);
    Brief {
        origin_as: attributes.as_path.origin_as().and(hops.last().copied()),
        digest: 0,
        is_clean: attributes.as_path.ases().len().is_multiple_of(2),
        is_known_adjacency: false,
        has_leak: false,
        has_bogon: false,
    }
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let asn = prop_oneof![3 => 64_496..64_500_u32, 1 => 65_000..65_002_u32].prop_map(Asn);
    let segment = (prop_oneof![5 => Just("sequence"), 1 => Just("set")], prop::collection::vec(asn, 0..4));
    let path = prop::collection::vec(segment, 0..3).prop_map(|segments| {
        let kind = |k| if k == "set" { SegmentKind::Set } else { SegmentKind::Sequence };
        AsPath::from_segments(segments.into_iter().map(|(k, ases)| Segment { kind: kind(k), ases }))
    });
    let rest = prop_oneof![8 => Just((None, false)), 1 => Just((Some(Asn(64_496)), false)), 1 => Just((Some(Asn(u32::MAX)), false)), 1 => Just((None, true))];
    (path, rest).prop_map(|(as_path, (only_to_customer, blackhole))| PathAttributes {
        as_path,
        only_to_customer,
        blackhole,
    })
}

/// Gives all paths the same name, or one of a few.
#[derive(Default)]
struct FewNames<const NAMES: u64>(foldhash::fast::FixedState);

struct OneOf<H>(H, u64);

impl<const NAMES: u64> BuildHasher for FewNames<NAMES> {
    type Hasher = OneOf<<foldhash::fast::FixedState as BuildHasher>::Hasher>;

    fn build_hasher(&self) -> Self::Hasher {
        OneOf(self.0.build_hasher(), NAMES)
    }
}

impl<H: Hasher> Hasher for OneOf<H> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish() % self.1
    }
}

/// Attributes, whether they are put in or given back, and which of those that are held.
type Step = (PathAttributes, bool, prop::sample::Index);

/// The slow twin is a map from attributes to the number of those who hold them.
fn holds_what_was_put_in<H: BuildHasher + Default>(steps: Vec<Step>, most_idle: usize) -> Result<(), TestCaseError> {
    let mut table = PathTable::<H>::keeping(most_idle);
    let mut held: BTreeMap<PathAttributes, (PathRef, u32)> = BTreeMap::new();
    let mut hints = Vec::new();
    for (attributes, is_put, which) in steps {
        for (attributes, path, freed) in &hints {
            let is_retained = table.retain_if(*path, attributes, *freed);
            prop_assert_eq!(is_retained, table.find(attributes) == Some(*path));
            if is_retained {
                table.release(*path);
            }
        }
        let found = table.find(&attributes);
        prop_assert_eq!(table.guess(&attributes).and_then(|guess| table.confirm(&attributes, guess)), found);
        prop_assert!(found.is_some() || !held.contains_key(&attributes));
        hints.extend(found.map(|path| (attributes.clone(), path, table.freed())));
        for path in (0..table.rows.len() as u32).map(PathRef) {
            let is_retained = table.retain_if(path, &attributes, u64::MAX);
            prop_assert_eq!(is_retained, Some(path) == found);
            if is_retained {
                table.release(path);
            }
        }
        if is_put || held.is_empty() {
            let path = table.intern(&Arc::new(attributes.clone()), brief);
            let known = held.entry(attributes).or_insert((path, 0));
            prop_assert_eq!(known.0, path);
            known.1 += 1;
        } else {
            let attributes = which.get(&held.keys().cloned().collect::<Vec<_>>()).clone();
            let holders = held.get_mut(&attributes).expect("held");
            let (leaving, freed) = (table.leaving(1) as u64, table.freed());
            table.release(holders.0);
            holders.1 -= 1;
            let has_gone = if holders.1 == 0 && most_idle > 0 { leaving } else { u64::from(holders.1 == 0) };
            prop_assert_eq!(table.freed() - freed, has_gone, "what leaves next is what was told");
            if holders.1 == 0 {
                held.remove(&attributes);
            }
        }
        for (attributes, (path, refs)) in &held {
            let told = brief(attributes);
            let hops = crate::path::strip_private_tail(&attributes.as_path).0;
            let adjacency = told.origin_as.map(|origin_as| Adjacency::in_path(origin_as, &hops));
            prop_assert_eq!(&*table.attributes(*path), attributes);
            prop_assert_eq!(table.rows[path.0 as usize].refs, *refs);
            prop_assert_eq!(&table.hops(*path)[..], &hops[..]);
            prop_assert_eq!(table.adjacency(*path), adjacency);
            prop_assert_eq!(table.origin_as(*path), told.origin_as);
            prop_assert_eq!((table.is_clean(*path), table.is_plain(*path)), (told.is_clean, false));
        }
        prop_assert!(table.len() <= held.len() + most_idle, "{} paths, {} held", table.len(), held.len());
        prop_assert!(table.odd.len() <= table.len());
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((attributes(), any::<bool>(), any::<prop::sample::Index>()), 0..300)
}

proptest! {
    #[test]
    fn a_path_is_what_was_put_in_as_long_as_somebody_holds_it(steps in steps(), most_idle in 0..5_usize) {
        holds_what_was_put_in::<RandomState>(steps, most_idle)?;
    }

    #[test]
    fn paths_of_one_name_are_told_apart(steps in steps(), most_idle in 0..5_usize) {
        holds_what_was_put_in::<FewNames<1>>(steps.clone(), most_idle)?;
        holds_what_was_put_in::<FewNames<7>>(steps, most_idle)?;
    }
}

#[test]
fn names_fill_all_parts_of_the_index_and_all_places_of_a_part() {
    let names = (0..1_u64 << 18).map(|i| foldhash::fast::FixedState::default().hash_one(i) as Name);
    let (mut parts, mut places, mut tags) = ([0; 256], [0; 256], [0; 128]);
    let mut both = vec![0_u8; 1 << 18];
    for hash in names.map(spread) {
        parts[(hash >> 48) as usize % 256] += 1;
        places[hash as usize % 256] += 1;
        tags[(hash >> 57) as usize] += 1;
        let (part, place) = ((hash >> 48) as usize % 256, hash as usize % 1_024);
        both[part * 1_024 + place] += 1;
    }
    let is_even = |counts: &[u32]| {
        let mean = (1 << 18) / counts.len() as u32;
        counts.iter().all(|count| (mean * 4 / 5..mean * 6 / 5).contains(count))
    };
    assert!(is_even(&parts) && is_even(&places) && is_even(&tags));
    let empty = both.iter().filter(|count| **count == 0).count() as f64 / both.len() as f64;
    assert!((empty - (-1.0_f64).exp()).abs() < 0.01, "{empty} of all places are empty");
}

#[test]
fn a_row_is_less_than_half_a_cache_line() {
    assert_eq!(size_of::<Row>(), 24);
}

#[test]
fn a_path_that_was_learned_is_plain_until_it_is_worked_out_again() {
    let mut table: PathTable = PathTable::default();
    let path = table.intern(&Arc::new(of_sequence(&[Asn(64_500), Asn(64_496)])), brief);
    assert!(!table.is_plain(path) && !table.is_learned(path));
    table.mark_known(path);
    assert!(table.is_plain(path) && table.is_learned(path));
    assert!(table.refresh(|_| true, brief).is_empty(), "it proves what it proved");
    assert!(!table.is_plain(path) && !table.is_learned(path));
}
