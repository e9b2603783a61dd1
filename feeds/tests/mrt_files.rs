//! Do real MRT files give what `bgpdump -m` prints of them?

mod data;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use data::data;
use feeds::counts::{Counts, kind};
use feeds::input::{Kind, Reader, Use, open};
use rules::bgp::VantagePoint;
use rules::event::Event;

type Errors = &'static [(&'static str, u64)];

const NONE: Errors = &[];

/// File under `mrt/`, elements, and the errors that are right. Numbers are those of `bgpdump -m` unless said.
const FILES: &[(&str, u64, Errors)] = &[
    ("bgp-rs/updates.20190101.0000.gz", 162_617, NONE),
    // Four announcements with AS 0 in their path (RFC 7607).
    ("bgpdump/test_data/updates.et-header.2015.gz", 577_744, &[(kind::BAD_ATTRIBUTE, 1)]),
    ("bgpkit-parser/ripe/rrc00/2000.01/bview.20000111.0032.gz", 452_018, NONE),
    ("bgpdump/test_data/bview.20020722.2337.gz", 115_521, NONE),
    ("derived/bview.20100701.0759.rebuilt.mrt.gz", 641_957, NONE),
    ("bgpdump/test_data/updates.20160811.1600.gz", 41_234, NONE),
    ("java-mrt/rrc20.updates.20180205.1030.gz", 67_533, NONE),
    ("java-mrt/updates.20170103.0630", 26_969, NONE),
    ("java-mrt/dump_as51861_addpath_disabled_bird_1.5.0_patched.mrt", 24_873, NONE),
    ("bgpdump/test_data/updates.20070211.0141.gz", 53_657, NONE),
    ("bgpdump/test_data/updates.20071015.1505.gz", 10_496, NONE),
    ("bgpdump/test_data/updates.20100722.2015.gz", 5_654, NONE),
    ("bgpdump/test_data/updates.20020722.2238.gz", 3_337, NONE),
    ("bgpparser/updates.20090501.0000.bz2", 48_644, NONE),
    ("bgpkit-parser/ripe/rrc15/2010.02/updates.20100227.1600.gz", 53_806, NONE),
    ("bgpkit-parser/ripe/rrc15/2010.02/updates.20100227.1610.gz", 7_485, NONE),
    // The deprecated type BGP, which bgpdump does not read.
    ("bgpkit-parser/ripe/rrc00/1999.09/updates.19990903.1041.gz", 65_315, NONE),
    ("bgpkit-parser/ripe/rrc00/1999.12/updates.19991214.1621.gz", 55_516, NONE),
    ("bgpkit-parser/ripe/rrc00/2000.01/updates.20000102.2014.gz", 6_359, NONE),
    // Two records without their bodies; what lies between them is lost, what follows is found again.
    (
        "bgpkit-parser/ripe/rrc00/2000.03/updates.20000325.0345.gz",
        5_146,
        &[(kind::BAD_BGP_MESSAGE, 1), (kind::BAD_MRT_HEADER, 1)],
    ),
    ("bgpkit-parser/ripe/rrc01/2000.11/updates.20001104.0124.gz", 883, NONE),
    ("bgpkit-parser/ripe/rrc03/2010.02/updates.20100227.1600.first-796-records.gz", 1_363, NONE),
    ("bgpstream/routeviews.route-views.jinx.updates.1427846400.bz2", 8_611, NONE),
    ("bgpstream/ris.rrc06.updates.1427846400.gz", 1_561, NONE),
    ("pyasn/rib.20140523.0600_firstMB.bz2", 270_005, &[(kind::TRUNCATED, 1)]),
    ("pyasn/rib.20080501.0644_firstMB.bz2", 139_291, &[(kind::TRUNCATED, 1)]),
    ("pyasn/rib6.20151101.0600_firstMB.bz2", 149_578, &[(kind::TRUNCATED, 1)]),
    // Three records cut out of a dump, without its peer index table.
    ("pyasn/bview.20140112.1600_3samples.bz2", 3, &[(kind::UNKNOWN_PEER, 3)]),
    ("bgpdump/test_data/bview.64k_stream_overflow.gz", 23, NONE),
    ("bgpdump/test_data/bview.ipv4_unicast_add_path.gz", 62, NONE),
    ("bgpdump/test_data/bview.ipv6_unicast_add_path.gz", 62, NONE),
    ("bgpdump/test_data/updates.long_withdrawal.gz", 4_096, NONE),
    // Bits set behind the length, which is fine, and one octet too many behind the prefix.
    ("bgpdump/test_data/updates.nlri_mask_trailing_bits.gz", 1, &[(kind::BAD_PREFIX, 1)]),
    // bgpdump prints 816: it repeats the IPv6 routes of 72 UPDATEs. The wire and bgpkit have these.
    ("bgpipe/sample.mrt", 744, NONE),
];

fn read(path: &str) -> Option<Reader> {
    let path = data(&format!("mrt/{path}"))?;
    Some(open(&path.display().to_string(), Use::Updates).expect("an MRT file"))
}

fn errors(counts: &Counts) -> Vec<(&'static str, u64)> {
    counts.errors.iter().map(|(kind, n)| (*kind, *n)).collect()
}

#[test]
fn elements_are_those_of_bgpdump() {
    for (path, elements, expected_errors) in FILES {
        let Some(mut reader) = read(path) else { continue };
        let mut routes = 0;
        for item in reader.by_ref() {
            if let Event::Update(update) | Event::Seed(update) = &item.event {
                routes += update.announced.len() + update.withdrawn.len();
            }
        }
        let counts = reader.counts();
        assert_eq!(reader.kind(), Kind::MrtUpdates, "{path}");
        assert_eq!((counts.elements, errors(counts).as_slice()), (*elements, *expected_errors), "{path}");
        assert!(routes as u64 <= counts.announced + counts.withdrawn, "{path}");
        assert_eq!(Some(reader.progress().0), reader.progress().1, "{path} is read to its end");
    }
}

/// Announced elements of this file as counted independently with the RPKI of 2025.
#[test]
fn announced_elements_are_those_that_were_validated() {
    let Some(mut reader) = read("bgp-rs/updates.20190101.0000.gz") else { return };
    assert!(reader.by_ref().count() > 0);
    assert_eq!(reader.counts().announced, 66_599 + 19_605 + 73_705 + 39);
}

#[test]
fn samples_of_every_router_are_read_without_a_panic() {
    let Some(folder) = data("mrt/mrtparse") else { return };
    let mut elements = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path().display().to_string();
        let mut reader = open(&path, Use::Seed).expect("an MRT file");
        reader.by_ref().for_each(drop);
        elements += reader.counts().elements;
        let unexpected: Vec<_> =
            reader.counts().errors.keys().filter(|error| **error != kind::UNSUPPORTED_MRT).collect();
        assert!(unexpected.is_empty(), "{path}: {unexpected:?}");
    }
    assert_eq!(elements, 346);
}

/// One line per route, as `bgpdump -m` has it: time, what, peer, AS, prefix, path.
type Lines = BTreeMap<String, i64>;

fn our_lines(reader: &mut Reader) -> Lines {
    let mut points: Vec<Arc<VantagePoint>> = Vec::new();
    let mut lines = Lines::new();
    for item in reader {
        let (Event::Update(update) | Event::Seed(update)) = item.event else {
            if let Event::Vantage(_, point) = item.event {
                points.push(point);
            }
            continue;
        };
        let point = &points[update.vantage.0 as usize];
        let mut head = format!("{}|{}|{}|", item.time.secs(), point.peer_address, point.peer_as.0);
        let length = head.len();
        for route in &update.withdrawn {
            head.truncate(length);
            write!(head, "W|{}", route.prefix).expect("a string");
            *lines.entry(head.clone()).or_default() += 1;
        }
        for route in &update.announced {
            head.truncate(length);
            write!(head, "A|{}|{}", route.prefix, update.attributes.as_path).expect("a string");
            *lines.entry(head.clone()).or_default() += 1;
        }
    }
    lines
}

fn bgpdump_lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let time = fields[1].split('.').next().expect("a time");
        let path = if fields[0].ends_with("_AP") { 7 } else { 6 };
        let line = match fields[2] {
            "STATE" => continue,
            "W" => format!("W|{}", fields[5]),
            _ => format!("A|{}|{}", fields[5], fields[path]),
        };
        // Addresses are written anew: bgpdump does not shorten them all as RFC 5952 does.
        let address: std::net::IpAddr = fields[3].parse().expect("an address");
        *lines.entry(format!("{time}|{address}|{}|{line}", fields[4])).or_default() += 1;
    }
    lines
}

#[test]
fn every_route_is_the_one_that_bgpdump_prints() {
    for (file, expected, differences) in [
        ("bgpdump/test_data/bview.20020722.2337.gz", "bview.20020722.2337.gz", 0),
        // A path of the peer's own is empty there, and filled in here.
        ("derived/bview.20100701.0759.rebuilt.mrt.gz", "bview.20100701.0759.gz", 2),
        ("bgpdump/test_data/bview.64k_stream_overflow.gz", "bview.64k_stream_overflow.gz", 0),
        // Routes of the dumping router itself, under peer 0.0.0.0 AS0.
        ("bgpdump/test_data/bview.ipv4_unicast_add_path.gz", "bview.ipv4_unicast_add_path.gz", 2),
        ("bgpdump/test_data/bview.ipv6_unicast_add_path.gz", "bview.ipv6_unicast_add_path.gz", 2),
        ("bgpdump/test_data/updates.20020722.2238.gz", "updates.20020722.2238.gz", 0),
        // Multicast routes.
        ("bgpdump/test_data/updates.20070211.0141.gz", "updates.20070211.0141.gz", 151),
        ("bgpdump/test_data/updates.20071015.1505.gz", "updates.20071015.1505.gz", 0),
        ("bgpdump/test_data/updates.20100722.2015.gz", "updates.20100722.2015.gz", 0),
        ("bgpdump/test_data/updates.20160811.1600.gz", "updates.20160811.1600.gz", 0),
        // AS 0 in the path of five routes, and one path filled in.
        ("bgpdump/test_data/updates.et-header.2015.gz", "updates.et-header.2015.gz", 12),
        ("bgpdump/test_data/updates.long_withdrawal.gz", "updates.long_withdrawal.gz", 0),
        ("bgpdump/test_data/updates.nlri_mask_trailing_bits.gz", "updates.nlri_mask_trailing_bits.gz", 0),
    ] {
        let Some(text) = data(&format!("mrt/bgpdump/test_expect/{expected}.bgp.gz")) else { continue };
        let mut unpacked = String::new();
        let packed = std::fs::File::open(text).expect("a file");
        flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut unpacked).expect("text");
        let Some(mut reader) = read(file) else { continue };
        let mut left = bgpdump_lines(&unpacked);
        for (line, n) in our_lines(&mut reader) {
            *left.entry(line).or_default() -= n;
        }
        left.retain(|_, n| *n != 0);
        let total: i64 = left.values().map(|n| n.abs()).sum();
        assert_eq!(total, differences, "{file}: {:?}", left.iter().take(5).collect::<Vec<_>>());
    }
}
