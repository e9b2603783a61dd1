//! Do the rules agree with the cases that others worked out? One case a line in `vectors/`; every case counts.

use std::collections::BTreeMap;
use std::str::FromStr;

use rules::alert::{AspaState, CheckState, RovReason, RovState, Source};
use rules::bgp::{AsPath, Asn};
use rules::leak::otc::{BgpRole, Ingress};
use rules::leak::{aspa, otc, valley};
use rules::relations::{Relation, Relations};
use rules::rpki::{AspaTable, Procedure, Ramps, Vrp, VrpTable};

const ASPA: &str = include_str!("vectors/aspa.txt");
const ROV: &str = include_str!("vectors/rov.txt");
const VALLEY: &str = include_str!("vectors/valley.txt");
const OTC: &str = include_str!("vectors/otc.txt");

/// The lines of a table that start with a word, without it.
fn lines(table: &'static str, word: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| line.strip_prefix(word))
}

fn read<T: FromStr>(word: &str) -> T {
    word.parse().ok().unwrap_or_else(|| panic!("{word:?} has no place in this table"))
}

fn asns(words: &str) -> Vec<Asn> {
    words.split_whitespace().map(read).collect()
}

/// The member of a closed set whose word it is.
fn named<T: Copy + ToString>(all: &[T], word: &str) -> T {
    all.iter().copied().find(|one| one.to_string() == word).unwrap_or_else(|| panic!("{word:?} is unknown"))
}

fn aspa_sets() -> BTreeMap<&'static str, AspaTable> {
    let mut sets: BTreeMap<_, AspaTable> = BTreeMap::new();
    for line in lines(ASPA, "aspa ") {
        let (set, rest) = line.split_once(' ').expect("a set and its row");
        let row = asns(rest);
        sets.entry(set).or_default().insert(row[0], &row[1..]);
    }
    sets
}

/// `max_up=2` and the like, as far as the source gives them.
fn assert_ramps(ramps: Ramps, expected: &[&str], line: &str) {
    for word in expected {
        let (name, length) = word.split_once('=').expect("a ramp and its length");
        let actual = match name {
            "max_up" => ramps.max_up,
            "min_up" => ramps.min_up,
            "max_down" => ramps.max_down,
            "min_down" => ramps.min_down,
            other => panic!("{other:?} is no ramp"),
        };
        assert_eq!(actual, read::<usize>(length), "{name} of {line}");
    }
}

#[test]
fn aspa_verification_agrees_with_108_third_party_cases() {
    let sets = aspa_sets();
    let mut count = 0;
    for line in lines(ASPA, "path ") {
        let words: Vec<_> = line.split_whitespace().collect();
        let (procedure, expected) = (named(Procedure::ALL, words[1]), named(AspaState::ALL, words[3]));
        let (ramps, path): (Vec<&str>, Vec<&str>) = words[4..].iter().partition(|word| word.contains('='));
        let path = AsPath::sequence(asns(&path.join(" ")));
        let check = aspa::check(&path, &sets[words[0]], &Relations::none(), procedure);
        assert_eq!(check.verdict, expected, "{line}");
        assert_eq!(check.suspects.is_empty(), expected != AspaState::Invalid || path.is_empty(), "{line}");
        assert_ramps(check.ramps, &ramps, line);
        count += 1;
    }
    assert_eq!((count, sets.len()), (108, 3));
}

#[test]
fn origin_validation_agrees_with_24_cases() {
    let mut table = VrpTable::default();
    for line in lines(ROV, "vrp ") {
        let words: Vec<_> = line.split_whitespace().collect();
        let (prefix, max_length, asn) = (read(words[0]), read(words[1]), read(words[2]));
        assert!(table.insert(Vrp { prefix, max_length, asn, source: "rov.txt".into() }), "{line}");
    }
    let mut count = 0;
    for line in lines(ROV, "route ") {
        let words: Vec<_> = line.split_whitespace().collect();
        let prefix = read(words[0]);
        let origin_as = (words[1] != "none").then(|| read::<Asn>(words[1]));
        let rov = table.validate(&prefix, origin_as);
        assert_eq!(rov.state(), named(RovState::ALL, words[2]), "{line}");
        // The cases know two reasons; ours tell more about why no VRP names the origin.
        let reason = match rov.reason(&prefix, origin_as) {
            None => "-",
            Some(RovReason::Length) => "length",
            Some(RovReason::Asn | RovReason::As0 | RovReason::AsSet) => "asn",
        };
        assert_eq!(reason, words[3], "{line}");
        count += 1;
    }
    assert_eq!((count, table.len()), (24, 7));
}

fn valley_relations() -> Relations {
    let edge = |relation| {
        move |line: &str| {
            let pair = asns(line);
            (pair[0], pair[1], relation)
        }
    };
    let customers = lines(VALLEY, "customer ").map(edge(Relation::Customer));
    let peers = lines(VALLEY, "peer ").map(edge(Relation::LateralPeer));
    Relations::new(Source::none(), customers.chain(peers), Vec::new(), Vec::new(), Vec::new())
}

#[test]
fn the_valley_check_agrees_with_11_cases() {
    let relations = valley_relations();
    let mut count = 0;
    for line in lines(VALLEY, "path ") {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let path: AsPath = read(columns[0]);
        let hops: Vec<_> = valley::hops(&path, &relations)
            .iter()
            .map(|hop| hop.direction.map_or("unknown", valley::Direction::word))
            .collect();
        assert_eq!(hops.join(" "), columns[1], "{line}");
        let check = valley::check(&path, &relations);
        let leaks: Vec<_> = check
            .violations
            .iter()
            .map(|leak| format!("{}:{}>{}>{}", leak.rfc7908_type, leak.from.0, leak.leaker.0, leak.to.0))
            .collect();
        assert_eq!(leaks.join(" "), columns[2].trim_matches('-'), "{line}");
        let expected = if leaks.is_empty() { CheckState::Ok } else { CheckState::Violation };
        assert_eq!((check.verdict, check.unknown_hops), (expected, 0), "{line}");
        count += 1;
    }
    assert_eq!((count, relations.len()), (11, 11));
}

#[test]
fn ingress_of_rfc_9234_agrees_with_15_cells() {
    let remote = Asn(64496);
    let mut count = 0;
    for line in lines(OTC, "") {
        let words: Vec<_> = line.split_whitespace().collect();
        let otc = match words[1] {
            "absent" => None,
            "same" => Some(remote),
            _ => Some(Asn(64511)),
        };
        let expected = match words[2] {
            "ok" => Ingress::Ok,
            "ok_add" => Ingress::OkAdd,
            _ => Ingress::Leak,
        };
        assert_eq!(otc::ingress(named(BgpRole::ALL, words[0]), otc, remote), expected, "{line}");
        count += 1;
    }
    assert_eq!(count, 15);
}
