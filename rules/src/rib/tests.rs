use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::bgp::{AsPath, PathAttributes};

const VANTAGE: VantageId = VantageId(0);

/// Of 64496.
fn path(rib: &mut Rib, neighbor: u32) -> PathRef {
    path_of(rib, neighbor, 64_496)
}

fn path_of(rib: &mut Rib, neighbor: u32, origin: u32) -> PathRef {
    let attributes = PathAttributes { as_path: AsPath::sequence([Asn(neighbor), Asn(origin)]), ..Default::default() };
    rib.paths.intern(&Arc::new(attributes), |_| Brief {
        origin_as: Some(Asn(origin)),
        digest: 0,
        is_clean: true,
        is_known_adjacency: true,
        has_leak: false,
        has_bogon: false,
    })
}

fn prefix(bits: u32, len: u8) -> IpNet {
    IpNet::new_assert(std::net::Ipv4Addr::from(0xc000_0200 | bits).into(), len).trunc()
}

fn announce(rib: &mut Rib, prefix: IpNet, vantage: VantageId) {
    let path = path(rib, 64_500);
    if let Some(old) = rib.announce(prefix, vantage, 0, path, Timestamp::from_secs(1)).old {
        rib.paths.release(old);
    }
}

fn withdraw(rib: &mut Rib, prefix: &IpNet, vantage: VantageId) {
    let change = rib.withdraw(prefix, vantage, 0, Timestamp::from_secs(1));
    change.and_then(|change| change.old).into_iter().for_each(|old| rib.paths.release(old));
}

proptest! {
    /// The slow twin is a map from prefixes to the sessions that have a route.
    #[test]
    fn what_is_swept_is_forgotten_and_nothing_else(
        steps in prop::collection::vec((0..64_u32, 26..=32_u8, 0..3_u32, 0..8_u8), 0..200),
    ) {
        let (mut rib, mut twin) = (Rib::default(), BTreeMap::<IpNet, Vec<u32>>::new());
        for (bits, len, vantage, what) in steps {
            let prefix = prefix(bits, len);
            let held = twin.entry(prefix).or_default();
            held.retain(|v| *v != vantage);
            match what {
                0..=3 => {
                    held.push(vantage);
                    announce(&mut rib, prefix, VantageId(vantage));
                }
                _ => withdraw(&mut rib, &prefix, VantageId(vantage)),
            }
            twin.retain(|_, held| !held.is_empty());
            if what == 7 {
                rib.sweep();
                prop_assert_eq!(rib.prefix_count(), twin.len());
                prop_assert_eq!(rib.sizes(Family::Ipv4).prefixes, twin.len());
            }
            let mut all: Vec<IpNet> = rib.all().into_iter().map(|at| rib.entry(at).prefix).collect();
            all.retain(|prefix| rib.find(prefix).is_some_and(|at| !rib.entry(at).routes.is_empty()));
            prop_assert_eq!(&all, &twin.keys().copied().collect::<Vec<_>>());
            prop_assert!(twin.iter().all(|(p, held)| rib.find(p).is_some_and(|at| rib.entry(at).routes.len() == held.len())));
        }
    }
}

#[test]
fn prefixes_that_come_and_go_take_no_more_room() {
    let mut rib = Rib::default();
    for round in 0..100 {
        for bits in 0..64 {
            announce(&mut rib, prefix(round * 64 + bits, 32), VANTAGE);
        }
        for bits in 0..64 {
            withdraw(&mut rib, &prefix(round * 64 + bits, 32), VANTAGE);
        }
        rib.sweep();
    }
    assert_eq!((rib.prefix_count(), rib.entries().len()), (0, 64));
}

#[test]
fn what_was_an_offence_is_forgotten_once_it_is_over() {
    let mut rib = Rib::default();
    announce(&mut rib, prefix(0, 32), VANTAGE);
    let at = rib.find(&prefix(0, 32)).expect("it is held");
    rib.entry_mut(at).offending = 1;
    // In this order a shard does it.
    withdraw(&mut rib, &prefix(0, 32), VANTAGE);
    rib.entry_mut(at).offending = 0;
    rib.sweep();
    assert_eq!(rib.prefix_count(), 0);
}

#[test]
fn an_origin_that_found_no_place_is_counted_once_there_is_one() {
    let mut rib = Rib::default();
    let place = prefix(0, 24);
    for i in 0..=limits::ORIGINS_PER_PREFIX as u32 {
        let path = path_of(&mut rib, 64_500, 64_496 + i);
        rib.announce(place, VantageId(i), 0, path, Timestamp::from_secs(1));
    }
    let last = limits::ORIGINS_PER_PREFIX as u32;
    let origins =
        |rib: &Rib| rib.entry(rib.find(&place).expect("held")).origins.iter().map(|o| o.asn.0).collect::<Vec<_>>();
    assert!(!origins(&rib).contains(&(64_496 + last)));
    rib.withdraw(&place, VANTAGE, 0, Timestamp::from_secs(2));
    let path = path_of(&mut rib, 64_501, 64_496 + last);
    rib.announce(place, VantageId(last), 0, path, Timestamp::from_secs(3));
    assert!(origins(&rib).contains(&(64_496 + last)));
}

#[test]
fn another_path_of_the_same_origin_is_no_pause() {
    let mut rib = Rib::default();
    announce(&mut rib, prefix(0, 24), VANTAGE);
    let other = path(&mut rib, 64_501);
    let at = rib.announce(prefix(0, 24), VANTAGE, 0, other, Timestamp::from_secs(9)).prefix;
    assert_eq!(rib.entry(at).origins[0].since, Timestamp::from_secs(1));
}
