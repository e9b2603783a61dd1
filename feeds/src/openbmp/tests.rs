use proptest::prelude::*;
use rules::event::Event;

use super::*;
use crate::bmp_messages::*;
use crate::data;
use crate::input::{self, Use};

const SECS: u32 = 1_772_334_242;
const TOPIC: &str = "routeviews.linx.64500.bmp_raw";

fn one() -> Head {
    peer("192.0.2.1", 64_500)
}

fn update() -> Vec<u8> {
    route_monitoring(&one().at(SECS - 1), &announce("203.0.113.0/24", &[6447, 64_500, 64_496]))
}

fn decode(decoder: &mut Decoder, bytes: Vec<u8>) -> Vec<Item> {
    let mut items = Vec::new();
    decoder.message(TOPIC, &bytes.into(), None, &mut items);
    items
}

fn path_of(items: &[Item]) -> String {
    match items.last().map(|item| &item.event) {
        Some(Event::Update(update)) => update.attributes.as_path.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_header_names_the_router_and_the_collectors_as_is_no_part_of_a_path() {
    let mut decoder = Decoder::default();
    let items = decode(&mut decoder, openbmp("linx", 1, SECS, &update()));
    let Event::Vantage(_, point) = &items[0].event else { panic!("{items:?}") };
    assert_eq!((&*point.collector, point.peer_as), ("route-views.linx", Asn(64_500)));
    assert_eq!(path_of(&items), "64500 64496");
    assert_eq!(items[1].time.secs(), i64::from(SECS) - 1);
    let mut plain = Decoder::new(None);
    assert_eq!(path_of(&decode(&mut plain, openbmp("linx", 1, SECS, &update()))), "6447 64500 64496");
}

#[test]
fn collectors_have_the_names_of_their_archives() {
    let header = |group: &str, address: Option<&str>| Header {
        time: None,
        collector: "bmp1".into(),
        router: 0,
        address: address.map(|address| address.parse().expect("an address")),
        group: group.into(),
    };
    for (group, address, topic, name) in [
        ("linx", None, TOPIC, "route-views.linx"),
        ("route-views5", None, TOPIC, "route-views5"),
        ("cix.atl", None, TOPIC, "cix.atl"),
        ("lab", None, "my.topic", "lab"),
        ("", Some("192.0.2.1"), TOPIC, "192.0.2.1"),
        ("", None, TOPIC, "bmp1"),
    ] {
        assert_eq!(header(group, address).name(topic), name);
    }
}

#[test]
fn the_address_of_a_router_stands_in_the_first_octets() {
    let bytes = openbmp("x", 9, SECS, &initiation("y")).into();
    let (header, message) = split(&bytes).expect("a message").expect("of a router");
    assert_eq!(header.address, "192.0.2.9".parse().ok());
    assert_eq!(message, initiation("y"));
}

#[test]
fn what_stands_behind_the_known_fields_of_a_header_is_skipped() {
    let mut bytes = openbmp("linx", 1, SECS, &update());
    let header = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    bytes.splice(header..header, [1, 2, 3, 4, 5]);
    bytes[6..8].copy_from_slice(&(header as u16 + 5).to_be_bytes());
    assert_eq!(path_of(&decode(&mut Decoder::default(), bytes)), "64500 64496");
}

#[test]
fn what_is_not_about_a_router_is_skipped_and_what_is_broken_counted() {
    let sound = openbmp("linx", 1, SECS, &update());
    let with = |at: usize, octet: u8| {
        let mut bytes = sound.clone();
        bytes[at] = octet;
        bytes
    };
    let mut decoder = Decoder::default();
    for bytes in [with(12, 0), with(13, 1)] {
        assert!(decode(&mut decoder, bytes).is_empty());
    }
    assert_eq!(decoder.take_counts(), Counts { skipped: 2, ..Counts::default() });
    for bytes in [with(0, b'X'), with(4, 2), with(6, 255), with(8, 255), with(38, 255), sound[..90].to_vec(), vec![]] {
        assert!(decode(&mut decoder, bytes).is_empty());
    }
    assert_eq!(decoder.take_counts().errors[kind::BAD_BMP_MESSAGE], 7);
    let version_4 = openbmp("linx", 1, SECS, &[4, 0, 0, 0, 6, 4]);
    assert!(decode(&mut decoder, version_4).is_empty());
    assert_eq!(decoder.take_counts().errors[kind::BAD_BMP_VERSION], 1);
}

#[test]
fn an_initiation_ends_nothing_and_a_termination_only_who_was_silent_since() {
    let mut decoder = Decoder::default();
    let two = peer("192.0.2.2", 64_501);
    decode(&mut decoder, openbmp("linx", 1, SECS, &peer_up(&one().at(SECS), 64_520)));
    decode(&mut decoder, openbmp("linx", 1, SECS + 9, &peer_up(&two.at(SECS + 9), 64_520)));
    assert!(decode(&mut decoder, openbmp("linx", 1, SECS + 10, &initiation("x"))).is_empty());
    // It was under way for longer than what came from the second peer.
    let items = decode(&mut decoder, openbmp("linx", 1, SECS + 5, &termination(0)));
    assert_eq!(items.len(), 1);
    assert!(matches!(items[0].event, Event::PeerDown { vantage, .. } if vantage.0 == 0));
}

#[test]
fn real_messages_of_route_views_are_read() {
    let read = |name: &str| {
        let path = data::data(&format!("bmp/openbmp-raw/{name}"))?;
        let (mut decoder, mut items) = (Decoder::default(), Vec::new());
        decoder.message(TOPIC, &std::fs::read(path).expect("a file").into(), None, &mut items);
        Some((items, decoder.take_counts()))
    };
    let Some((items, counts)) = read("openbmp_01.bin") else { return };
    assert!(items.is_empty() && counts.skipped == 1 && counts.error_count() == 0, "a Peer Down of an unknown peer");
    let (items, counts) = read("openbmp_02.bin").expect("beside it");
    let Event::Vantage(_, point) = &items[0].event else { panic!("{items:?}") };
    assert_eq!(point.to_string(), "route-views.linx AS6830 2001:7f8:4::1aae:4");
    assert_eq!(path_of(&items), "6830 9002 207083 208046");
    assert_eq!((counts.announced, counts.error_count()), (1, 0));
}

#[test]
fn messages_one_behind_the_other_are_a_file_that_replay_reads() {
    let file = [openbmp("linx", 1, SECS, &update()), openbmp("linx", 1, SECS, &update()), b"OBM".to_vec()].concat();
    let mut reader = input::from_bytes(file.into(), "x", Use::Updates).expect("OpenBMP");
    assert_eq!((reader.kind(), reader.by_ref().count()), (input::Kind::Bmp, 3));
    assert_eq!((reader.counts().announced, reader.counts().errors[kind::TRUNCATED]), (2, 1));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        header in prop::collection::vec(any::<u8>(), 0..120),
        body in prop::collection::vec(any::<u8>(), 0..200),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut framed = b"OBMP\x01\x07".to_vec();
        framed.extend((12 + header.len() as u16).to_be_bytes());
        framed.extend((body.len() as u32).to_be_bytes());
        framed.extend(&header);
        framed.extend(&body);
        let mut real = openbmp("linx", 1, SECS, &update());
        for (at, octet) in damage {
            let at = at.index(real.len());
            real[at] = octet;
        }
        for bytes in [framed, real, body] {
            decode(&mut Decoder::default(), bytes);
        }
    }
}
