use proptest::prelude::*;
use rules::bgp::{AsPath, Segment, SegmentKind};
use rules::limits;

use super::attributes::merge_as4;
use super::*;

const NARROW: Session = Session { peer_as: Asn(64500), four_octets: false, add_path: AddPath::NONE, internal: false };
const WIDE: Session = Session { four_octets: true, ..NARROW };
const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
/// AS_PATH 64500 64496 in four octets.
const PATH: &[u8] = &[0x40, 2, 10, 2, 2, 0, 0, 0xfb, 0xf4, 0, 0, 0xfb, 0xf0];
const PREFIX: &[u8] = &[24, 192, 0, 2];

fn body(attributes: &[&[u8]], announced: &[u8]) -> Bytes {
    let attributes = attributes.concat();
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(announced);
    body.into()
}

fn heard(attributes: &[&[u8]], announced: &[u8], session: &Session) -> Heard {
    Converter::default().update(&body(attributes, announced), session).expect("an UPDATE")
}

/// Attributes that must make a withdrawal of the announcement.
fn is_withdrawn(attributes: &[&[u8]]) -> bool {
    let heard = heard(attributes, PREFIX, &WIDE);
    assert_eq!(heard.announced_on_wire, 1);
    let withdrawn = heard.announced.is_empty() && heard.withdrawn.len() == 1;
    assert_eq!(withdrawn, heard.errors == [kind::BAD_ATTRIBUTE]);
    withdrawn
}

#[test]
fn a_sound_update_is_an_announcement() {
    let communities: &[u8] = &[0xc0, 8, 8, 0xfb, 0xf4, 0, 1, 0xff, 0xff, 2, 0x9a];
    let otc: &[u8] = &[0xc0, 35, 4, 0, 0, 0xfb, 0xf4];
    let heard = heard(&[ORIGIN, PATH, communities, otc], PREFIX, &WIDE);
    assert_eq!(heard.announced[0].prefix.to_string(), "192.0.2.0/24");
    assert_eq!(heard.attributes.as_path.to_string(), "64500 64496");
    assert_eq!(heard.attributes.only_to_customer, Some(Asn(64500)));
    assert!(heard.attributes.blackhole && heard.otc && heard.errors.is_empty());
}

#[test]
fn what_rfc_7606_calls_malformed_is_a_withdrawal() {
    let no_path: &[&[u8]] = &[ORIGIN];
    let empty_path: &[&[u8]] = &[ORIGIN, &[0x40, 2, 0]];
    let empty_segment: &[&[u8]] = &[ORIGIN, &[0x40, 2, 2, 2, 0]];
    let cut_path: &[&[u8]] = &[ORIGIN, &[0x40, 2, 4, 2, 1, 0, 0]];
    let as0: &[&[u8]] = &[ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 0]];
    let short_otc: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 35, 3, 0, 0, 1]];
    let long_otc: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 35, 5, 0, 0, 0, 1, 0]];
    let odd_communities: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 8, 3, 0, 0, 0]];
    let long_origin: &[&[u8]] = &[&[0x40, 1, 2, 0, 0], PATH];
    let overrun: &[&[u8]] = &[ORIGIN, PATH, &[0xc0, 8, 40, 0]];
    for bad in
        [no_path, empty_path, empty_segment, cut_path, as0, short_otc, long_otc, odd_communities, long_origin, overrun]
    {
        assert!(is_withdrawn(bad), "{bad:?}");
    }
    assert!(!is_withdrawn(&[ORIGIN, PATH]));
}

#[test]
fn a_path_longer_than_any_real_one_is_a_withdrawal() {
    let segment = Segment { kind: SegmentKind::Sequence, ases: vec![Asn(64500); limits::PATH_ASES] };
    assert!(accept_path(vec![segment.clone()], &WIDE).is_some());
    let one_more = Segment { kind: SegmentKind::Sequence, ases: vec![Asn(64500)] };
    assert!(accept_path(vec![segment, one_more], &WIDE).is_none());
}

#[test]
fn an_empty_path_within_an_as_is_its_own_route() {
    let internal = Session { internal: true, ..WIDE };
    let heard = heard(&[ORIGIN, &[0x40, 2, 0]], PREFIX, &internal);
    assert_eq!(heard.attributes.as_path.to_string(), "64500");
}

fn path(text: &str) -> Vec<Segment> {
    text.parse::<AsPath>().expect("a path").segments()
}

#[test]
fn as4_path_takes_the_place_of_the_end_of_as_path() {
    for (as_path, as4_path, merged) in [
        ("64500 23456 23456", "4200000001 4200000002", "64500 4200000001 4200000002"),
        ("23456 23456", "4200000001 4200000002", "4200000001 4200000002"),
        ("64500 {64501,64502} 23456", "4200000001", "64500 {64501,64502} 4200000001"),
        // Longer than AS_PATH: an old speaker changed it, so it does not count.
        ("64500", "4200000001 4200000002", "64500"),
    ] {
        let found = AsPath::from_segments(merge_as4(path(as_path), path(as4_path)));
        assert_eq!(found.to_string(), merged, "{as_path} with {as4_path}");
    }
}

#[test]
fn as4_path_counts_on_two_octet_sessions_only() {
    let as4: &[u8] = &[0xc0, 17, 6, 2, 1, 0xfa, 0x56, 0xea, 1];
    let narrow: &[u8] = &[0x40, 2, 6, 2, 2, 0xfb, 0xf4, 0x5b, 0xa0];
    let merged = heard(&[ORIGIN, narrow, as4], PREFIX, &NARROW);
    assert_eq!(merged.attributes.as_path.to_string(), "64500 4200000001");
    let ignored = heard(&[ORIGIN, PATH, as4], PREFIX, &WIDE);
    assert_eq!(ignored.attributes.as_path.to_string(), "64500 64496");
    // An aggregator that is not AS_TRANS beside AS4_AGGREGATOR: the path was changed by an old speaker.
    let aggregator: &[u8] = &[0xc0, 7, 6, 0xfb, 0xf4, 192, 0, 2, 1];
    let as4_aggregator: &[u8] = &[0xc0, 18, 8, 0xfa, 0x56, 0xea, 1, 192, 0, 2, 1];
    let old = heard(&[ORIGIN, narrow, as4, aggregator, as4_aggregator], PREFIX, &NARROW);
    assert_eq!(old.attributes.as_path.to_string(), "64500 23456");
}

#[test]
fn a_bad_prefix_costs_only_what_follows_it() {
    let heard = heard(&[ORIGIN, PATH], &[24, 192, 0, 2, 33, 1, 2, 3, 4, 5], &WIDE);
    assert_eq!((heard.announced.len(), heard.errors.as_slice()), (1, [kind::BAD_PREFIX].as_slice()));
}

#[test]
fn a_default_route_is_no_sign_of_path_identifiers() {
    let heard = heard(&[ORIGIN, PATH], &[0, 24, 192, 0, 2], &WIDE);
    let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
    assert_eq!(prefixes, [("0.0.0.0/0".into(), 0), ("192.0.2.0/24".into(), 0)]);
}

#[test]
fn path_identifiers_under_a_subtype_that_denies_them_are_seen() {
    let field = [0, 0, 0, 1, 24, 192, 0, 2, 0, 0, 0, 2, 24, 198, 51, 100];
    let heard = heard(&[ORIGIN, PATH], &field, &WIDE);
    let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
    assert_eq!(prefixes, [("192.0.2.0/24".into(), 1), ("198.51.100.0/24".into(), 2)]);
}

#[test]
fn path_identifiers_are_a_matter_of_each_family() {
    let only_ipv6 = Session { add_path: AddPath { ipv4: false, ipv6: true }, ..WIDE };
    let reach: &[u8] =
        &[&[0x80, 14, 30, 0, 2, 1, 16][..], &[0x20; 16], &[0, 0, 0, 0, 7, 32, 0x20, 1, 0xd, 0xb8]].concat();
    let heard = heard(&[ORIGIN, PATH, reach], PREFIX, &only_ipv6);
    let prefixes: Vec<_> = heard.announced.iter().map(|route| (route.prefix.to_string(), route.path_id)).collect();
    assert_eq!(prefixes, [("192.0.2.0/24".into(), 0), ("2001:db8::/32".into(), 7)]);
    assert!(heard.errors.is_empty());
}

#[test]
fn host_bits_do_not_survive() {
    let heard = heard(&[ORIGIN, PATH], &[20, 192, 0, 0xff], &WIDE);
    assert_eq!(heard.announced[0].prefix.to_string(), "192.0.240.0/20");
}

#[test]
fn an_update_without_routes_ends_a_table_transfer() {
    let end = |attributes: &[&[u8]]| heard(attributes, &[], &WIDE).end_of_rib;
    assert_eq!(end(&[]), Some(Family::Ipv4));
    assert_eq!(end(&[&[0x80, 15, 3, 0, 2, 1]]), Some(Family::Ipv6));
    assert_eq!(end(&[&[0x90, 15, 0, 3, 0, 1, 1]]), Some(Family::Ipv4));
    assert_eq!(end(&[&[0x80, 15, 3, 0, 2, 128]]), None);
    assert_eq!(end(&[ORIGIN]), None);
}

#[test]
fn repeats_in_one_announcement_are_one() {
    let mut many: Vec<u8> = (0..40).flat_map(|i| [24, 192, 0, i]).collect();
    many.extend([24, 192, 0, 3]);
    assert_eq!(heard(&[ORIGIN, PATH], &many, &WIDE).announced.len(), 40);
    assert_eq!(heard(&[ORIGIN, PATH], &[PREFIX, PREFIX].concat(), &WIDE).announced.len(), 1);
}

/// Few addresses, so that some come again, and more routes than the sieve has room for.
fn some_routes() -> impl Strategy<Value = Vec<Nlri>> {
    let prefix = |text: String| text.parse().expect("a prefix");
    let route = (0..600_u32, any::<bool>(), 0..2_u32).prop_map(move |(i, is_ipv6, path_id)| {
        let prefix = if is_ipv6 {
            prefix(format!("2001:db8:{i:x}::/48"))
        } else {
            prefix(format!("10.{}.{}.0/24", i / 256, i % 256))
        };
        Nlri { prefix, path_id }
    });
    prop::collection::vec(route, 0..400)
}

proptest! {
    #[test]
    fn of_each_route_the_first_one_stays(routes in some_routes()) {
        let mut first: Vec<Nlri> = Vec::new();
        for route in &routes {
            if !first.contains(route) {
                first.push(*route);
            }
        }
        let mut rid = Nlris::from_vec(routes);
        dedup(&mut rid);
        prop_assert_eq!(rid.into_vec(), first);
    }
}
