//! Are real streams of Cisco, Huawei, 6WIND, FRR and gobgp read message for message as others read them?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rules::bgp::{Asn, Family};
use rules::event::Event;
use serde_json::Value;

use super::message::{self, Message};
use super::session::{Numbers, Session, Settings, Tally};
use super::{PeerView, frame};
use crate::convert::{self, AddPath};
use crate::counts::{Counts, kind};
use crate::data::data;
use crate::input::{self, Item, Use};

/// Every whole message of a stream of version 3, and what is left.
fn messages(path: &str) -> Option<(Vec<Bytes>, usize)> {
    let mut buffer = BytesMut::from(&std::fs::read(data(path)?).expect("a file")[..]);
    let mut messages = Vec::new();
    while let Some(message) = frame::next(&mut buffer).expect("version 3") {
        messages.push(message);
    }
    Some((messages, buffer.len()))
}

/// Unicast routes of all tables, as others count them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Elements {
    peer_ups: usize,
    peer_downs: usize,
    announced: [usize; 2],
    withdrawn: [usize; 2],
    ends: [usize; 2],
}

fn index(family: Family) -> usize {
    family as usize
}

fn family_of(prefix: ipnet::IpNet) -> usize {
    usize::from(prefix.addr().is_ipv6())
}

fn elements(messages: &[Bytes]) -> Elements {
    let mut elements = Elements::default();
    for bytes in messages {
        match message::read(bytes).expect("a message") {
            Message::PeerUp(..) => elements.peer_ups += 1,
            Message::PeerDown(..) => elements.peer_downs += 1,
            Message::RouteMonitoring(head, update) => {
                let session = convert::Session {
                    peer_as: head.asn,
                    four_octets: !head.two_octets,
                    add_path: AddPath::NONE,
                    internal: true,
                };
                let heard = match convert::Converter::default().message(&update, &session) {
                    Ok(convert::Message::Update(heard)) => heard,
                    other => panic!("{other:?}"),
                };
                assert_eq!(heard.errors, [""; 0]);
                heard.announced.iter().for_each(|n| elements.announced[family_of(n.prefix)] += 1);
                heard.withdrawn.iter().for_each(|n| elements.withdrawn[family_of(n.prefix)] += 1);
                heard.end_of_rib.iter().for_each(|family| elements.ends[index(*family)] += 1);
            }
            _ => {}
        }
    }
    elements
}

/// The same by pmacct, for one router.
fn by_pmacct(path: &str, router: &str) -> Option<Elements> {
    let text = std::fs::read_to_string(data(path)?).expect("a file");
    let mut elements = Elements::default();
    for row in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if row["event_type"] != "log" || row["bmp_router"] != router {
            continue;
        }
        let family = match (row["afi"].as_u64(), row["safi"].as_u64()) {
            (Some(1), Some(1)) => Some(0),
            (Some(2), Some(1)) => Some(1),
            _ => None,
        };
        match (row["bmp_msg_type"].as_str(), row["log_type"].as_str(), family) {
            (Some("peer_up"), ..) => elements.peer_ups += 1,
            (Some("peer_down"), ..) => elements.peer_downs += 1,
            (Some("route_monitor"), Some("update"), Some(family)) => elements.announced[family] += 1,
            (Some("route_monitor"), Some("withdraw"), Some(family)) => elements.withdrawn[family] += 1,
            (Some("route_monitor"), Some("end-of-rib"), Some(family)) => elements.ends[family] += 1,
            _ => {}
        }
    }
    Some(elements)
}

#[test]
fn unicast_routes_are_those_that_pmacct_saw() {
    for (stream, expected, router, rest) in [
        ("200-BMP-HUAWEI-locrib_instance__traffic-00", "200-BMP-HUAWEI-locrib_instance", "172.21.1.101", 0),
        ("201-BMP-CISCO-rd_instance__traffic-00", "201-BMP-CISCO-rd_instance", "172.21.1.101", 0),
        (
            "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-00",
            "202-BMP-CISCO-HUAWEI-multiple-sources",
            "172.21.1.101",
            0,
        ),
        (
            "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-01",
            "202-BMP-CISCO-HUAWEI-multiple-sources",
            "172.21.1.102",
            0,
        ),
        // Its capture ends within a message.
        (
            "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-02",
            "202-BMP-CISCO-HUAWEI-multiple-sources",
            "172.21.1.103",
            156,
        ),
        ("203-BMP-HUAWEI-dump__traffic-00", "203-BMP-HUAWEI-dump", "172.21.1.101", 0),
        ("204-BMP-CISCO-peer_down__traffic-00", "204-BMP-CISCO-peer_down", "fd25::101", 0),
        ("205-BMP-6wind-FRR-peer_down__traffic-00", "205-BMP-6wind-FRR-peer_down", "172.21.1.101", 0),
    ] {
        let Some((messages, left)) = messages(&format!("bmp/streams/pmacct__{stream}.s0.bmp")) else { continue };
        let mut expected = by_pmacct(&format!("bmp/pmacct/{expected}/output-bmp-00.json"), router).expect("beside it");
        if stream.starts_with("204") {
            // Two on the wire that it does not log.
            expected.withdrawn[0] += 2;
        }
        assert_eq!((elements(&messages), left), (expected, rest), "{stream}");
    }
}

/// Messages by type as NetGauze decoded them; `V3` or `V4`.
fn by_netgauze(path: &str, version: &str) -> Option<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(data(path)?).expect("a file");
    let mut counts = BTreeMap::new();
    for row in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let kind = row[version].as_object().and_then(|o| o.keys().next()).expect("a message").clone();
        *counts.entry(kind).or_default() += 1;
    }
    Some(counts)
}

fn session() -> (Session, Numbers) {
    let numbers = Numbers::default();
    let settings = Settings { collector: Arc::from("x"), most_peers: 999, collector_as: None, is_mid_stream: false };
    (Session::new(settings, numbers.clone()), numbers)
}

/// A whole stream through a session.
fn told(path: &str) -> Option<(Vec<Item>, Tally, Counts, Vec<PeerView>)> {
    let (messages, _) = messages(path)?;
    let (mut session, _) = session();
    let mut items = Vec::new();
    for message in &messages {
        assert!(session.message(message, None, &mut items), "an envelope that can be read");
    }
    let peers = session.peers().collect();
    Some((items, session.tally().clone(), session.take_counts(), peers))
}

#[test]
fn messages_are_those_that_netgauze_saw() {
    let names = [
        "RouteMonitoring",
        "StatisticsReport",
        "PeerDownNotification",
        "PeerUpNotification",
        "Initiation",
        "Termination",
        "RouteMirroring",
    ];
    for (folder, json, streams) in [
        ("evpn", "evpn-bmp.json", &["evpn__evpn.s0", "evpn__evpn.s1"][..]),
        ("peers-with-different-caps", "example-bmp.json", &["peers-with-different-caps__example.s0"]),
        (
            "unreachable-prefix-announcement",
            "upa-bmp.json",
            &[
                "unreachable-prefix-announcement__upa.s6",
                "unreachable-prefix-announcement__upa.s7",
                "unreachable-prefix-announcement__upa.s8",
            ],
        ),
    ] {
        let Some(expected) = by_netgauze(&format!("bmp/netgauze/bmp/{folder}/{json}"), "V3") else { continue };
        let mut found = BTreeMap::new();
        for stream in streams {
            let path = format!("bmp/streams/netgauze__bmp__{stream}.bmp");
            let (_, tally, _, _) = told(&path).expect("beside it");
            assert_eq!(tally.messages[7], 0);
            for (name, count) in names.iter().zip(tally.messages).filter(|(_, count)| *count > 0) {
                *found.entry((*name).to_owned()).or_default() += count;
            }
        }
        assert_eq!(found, expected, "{folder}");
    }
}

#[test]
fn version_4_is_refused_message_for_message() {
    for (stream, json) in [
        ("path-status__ipv4_unicast_path_marking", "path-status/ipv4_unicast_path_marking-bmp.json"),
        ("stateless-with-add-path__ipv4_unicast_all", "stateless-with-add-path/ipv4_unicast_all-bmp.json"),
        (
            "vpnv4-stateless-with-withdraw__vpnv4-stateless-with-withdraw",
            "vpnv4-stateless-with-withdraw/vpnv4-stateless-with-withdraw-bmp.json",
        ),
    ] {
        let Some(path) = data(&format!("bmp/streams/netgauze__bmp__{stream}.s0.bmp")) else { continue };
        let expected = by_netgauze(&format!("bmp/netgauze/bmp/{json}"), "V4").expect("beside it");
        let mut reader = input::open(&path.display().to_string(), Use::Updates).expect("a BMP stream");
        assert_eq!(reader.by_ref().count(), 0);
        let errors: Vec<_> = reader.counts().errors.clone().into_iter().collect();
        assert_eq!(errors, [(kind::BAD_BMP_VERSION, expected.values().sum())], "{stream}");
    }
}

/// What is announced and by which path.
fn routes(items: &[Item]) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for item in items {
        if let Event::Update(update) = &item.event {
            let path = update.attributes.as_path.to_string();
            routes.extend(update.announced.iter().map(|n| (n.prefix.to_string(), path.clone())));
        }
    }
    routes
}

/// What FRR received, as its mirrored messages have it.
fn mirrored(path: &str) -> Option<BTreeSet<(String, String)>> {
    let (messages, _) = messages(path)?;
    let mut routes = BTreeSet::new();
    for bytes in messages.iter().filter(|bytes| bytes[frame::HEADER - 1] == 6) {
        // Common and per-peer header, and the type and length of the TLV in front of the BGP message.
        let update = bytes.slice(frame::HEADER + 42 + 4..);
        let session = convert::Session { peer_as: Asn(0), four_octets: true, add_path: AddPath::NONE, internal: false };
        if let Ok(convert::Message::Update(heard)) = convert::Converter::default().message(&update, &session) {
            let path = heard.attributes.as_path.to_string();
            routes.extend(heard.announced.iter().map(|n| (n.prefix.to_string(), path.clone())));
        }
    }
    Some(routes)
}

#[test]
fn the_paths_of_frr_are_those_that_it_received() {
    let Some((items, tally, counts, peers)) = told("captures/bmp-frr.bin") else { return };
    let (told, received) = (routes(&items), mirrored("captures/bmp-frr.bin").expect("the same file"));
    assert_eq!(told.difference(&received).count(), 0, "{told:?} {received:?}");
    // FRR 8.4 tells the route that its policy refuses as a withdrawal even before policy.
    let refused = ("198.51.100.0/25".to_owned(), "64513 666".to_owned());
    assert_eq!(received.difference(&told).collect::<Vec<_>>(), [&refused]);
    assert!(tally.own_as_stripped > 0 && counts.error_count() == 0, "{tally:?} {counts:?}");
    assert_eq!(peers.iter().map(|peer| peer.local_as).collect::<Vec<_>>(), [Some(Asn(64_520))]);
}

#[test]
fn the_routes_of_gobgp_are_those_that_it_writes_as_mrt_each_once() {
    let Some((items, tally, counts, peers)) = told("captures/bmp-gobgp.bin") else { return };
    let dump = data("captures/gobgp-updates.mrt").expect("beside it");
    let dump = input::open(&dump.display().to_string(), Use::Updates).expect("MRT");
    assert_eq!(routes(&items), routes(&dump.collect::<Vec<_>>()));
    assert_eq!((counts.announced, counts.withdrawn, counts.error_count()), (205, 1, 0));
    assert_eq!(tally.messages[0], 206 + 410 + 411);
    let ribs: Vec<_> = peers.iter().map(|peer| (peer.address.to_string(), peer.rib)).collect();
    assert_eq!(ribs, [("127.0.0.2".to_owned(), None)], "its only peer went down in the end, and no Loc-RIB counted");
}
