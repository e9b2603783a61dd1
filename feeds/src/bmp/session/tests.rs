use rules::bgp::Family;
use rules::event::{self, Event};
use rules::relations::Relation;

use super::*;
use crate::bmp::Role;
use crate::bmp_messages::*;

const NOW: i64 = 1_772_334_242;
const LOCAL: u32 = 64_520;

/// A session and what it said, in words.
struct Router {
    session: Session,
    counts: Counts,
}

impl Router {
    fn new() -> Self {
        Self::with(Settings { collector: "edge1".into(), most_peers: 16, collector_as: None, is_mid_stream: false })
    }

    fn with(settings: Settings) -> Self {
        Self { session: Session::new(settings, Numbers::default()), counts: Counts::default() }
    }

    fn items(&mut self, message: Vec<u8>) -> Vec<Item> {
        let mut items = Vec::new();
        self.session.message(&message.into(), Some(Timestamp::from_secs(NOW)), &mut items);
        self.counts.add(self.session.take_counts());
        items
    }

    fn says(&mut self, message: Vec<u8>) -> Vec<String> {
        self.items(message).iter().map(words).collect()
    }
}

fn words(item: &Item) -> String {
    match &item.event {
        Event::Vantage(id, point) => {
            format!("{} is {} {} {}", id.0, point.collector, point.peer_as, point.peer_address)
        }
        Event::PeerUp { vantage, .. } => format!("{} up", vantage.0),
        Event::PeerDown { vantage, .. } => format!("{} down", vantage.0),
        Event::EndOfRib { vantage, family: Family::Ipv4 } => format!("{} has sent IPv4", vantage.0),
        Event::EndOfRib { vantage, family: Family::Ipv6 } => format!("{} has sent IPv6", vantage.0),
        Event::Update(update) => {
            let add = update.announced.iter().map(|n| format!(" +{}", route(n)));
            let del = update.withdrawn.iter().map(|n| format!(" -{}", route(n)));
            let changes: String = add.chain(del).collect();
            format!("{}{changes} [{}]", update.vantage.0, update.attributes.as_path)
        }
        other => format!("{other:?}"),
    }
}

fn route(nlri: &rules::bgp::Nlri) -> String {
    match nlri.path_id {
        0 => nlri.prefix.to_string(),
        id => format!("{}#{id}", nlri.prefix),
    }
}

const PREFIX: &str = "203.0.113.0/24";

fn one() -> Head {
    peer("192.0.2.1", 64_500)
}

fn update_of(path: &[u32]) -> Vec<u8> {
    announce(PREFIX, path)
}

#[test]
fn a_session_comes_up_tells_its_table_and_goes_down() {
    let mut router = Router::new();
    assert_eq!(router.says(initiation("edge1.example.net")), [""; 0]);
    assert_eq!(router.says(peer_up(&one(), LOCAL)), ["0 is edge1 AS64500 192.0.2.1", "0 up"]);
    assert_eq!(
        router.says(route_monitoring(&one(), &update_of(&[64_500, 64_496]))),
        ["0 +203.0.113.0/24 [64500 64496]"]
    );
    assert_eq!(router.says(route_monitoring(&one(), &end_of_rib())), ["0 has sent IPv4"]);
    assert_eq!(router.says(route_monitoring(&one(), &end_of_rib_ipv6())), ["0 has sent IPv6"]);
    assert_eq!(router.says(route_monitoring(&one(), &withdraw(PREFIX))), ["0 -203.0.113.0/24 []"]);
    assert_eq!(router.says(peer_down(&one(), 3)), ["0 down"]);
    assert_eq!(router.session.info().sys_name, "edge1.example.net");
    assert_eq!(router.counts.errors.len(), 0);
}

#[test]
fn a_route_that_is_told_three_times_counts_once() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    let (post, loc) = (one().with(POST_POLICY), loc_rib(LOCAL));
    let update = update_of(&[64_500, 64_496]);
    assert_eq!(router.says(route_monitoring(&one(), &update)).len(), 1);
    for other in [post, loc, one().with(OUT), post.with(OUT)] {
        assert_eq!(router.says(route_monitoring(&other, &update)), [""; 0]);
        assert_eq!(router.says(route_monitoring(&other, &withdraw(PREFIX))), [""; 0]);
        assert_eq!(router.says(route_monitoring(&other, &end_of_rib())), [""; 0]);
    }
    assert_eq!((router.counts.announced, router.session.tally().other_rib), (1, 12));
}

#[test]
fn the_first_announcement_of_a_better_table_drops_what_the_lesser_one_told() {
    let mut router = Router::new();
    let (post, loc) = (one().with(POST_POLICY), loc_rib(LOCAL));
    let update = update_of(&[64_500, 64_496]);
    assert_eq!(
        router.says(route_monitoring(&loc, &update)),
        ["0 is edge1 AS64520 0.0.0.0", "0 up", "0 +203.0.113.0/24 [64500 64496]"]
    );
    router.says(peer_up(&one(), LOCAL));
    assert_eq!(router.says(route_monitoring(&post, &update)), ["0 down", "1 +203.0.113.0/24 [64500 64496]"]);
    assert_eq!(router.says(route_monitoring(&loc, &update)), [""; 0]);
    assert_eq!(router.says(route_monitoring(&one(), &update)), ["1 down", "1 up", "1 +203.0.113.0/24 [64500 64496]"]);
    assert_eq!(router.says(route_monitoring(&post, &update)), [""; 0]);
    let ribs: Vec<_> = router.session.peers().map(|peer| peer.rib).collect();
    assert_eq!(ribs, [Some(Rib::PrePolicy), None]);
}

#[test]
fn a_better_table_that_only_withdraws_does_not_count() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    let post = one().with(POST_POLICY);
    // FRR without soft-reconfiguration inbound.
    assert_eq!(router.says(route_monitoring(&post, &update_of(&[64_500, 64_496]))).len(), 1);
    assert_eq!(router.says(route_monitoring(&one(), &withdraw(PREFIX))), [""; 0]);
    assert_eq!(router.says(route_monitoring(&post, &withdraw(PREFIX))), ["0 -203.0.113.0/24 []"]);
}

#[test]
fn after_a_peer_down_the_table_is_chosen_anew() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    let post = one().with(POST_POLICY);
    router.says(route_monitoring(&one(), &update_of(&[64_500, 64_496])));
    assert_eq!(router.says(peer_down(&one(), 1)), ["0 down"]);
    assert_eq!(router.says(peer_up(&one(), LOCAL)), ["0 up"]);
    assert_eq!(router.says(route_monitoring(&post, &update_of(&[64_500, 64_496]))).len(), 1);
}

#[test]
fn a_loc_rib_without_a_peer_up_is_read_and_its_own_routes_have_the_routers_as() {
    let mut router = Router::new();
    assert_eq!(
        router.says(route_monitoring(&loc_rib(LOCAL), &update_of(&[]))),
        ["0 is edge1 AS64520 0.0.0.0", "0 up", "0 +203.0.113.0/24 [64520]"]
    );
    // 0x80 says "filtered" of a Loc-RIB.
    let filtered = loc_rib(LOCAL).with(0x80);
    assert_eq!(
        router.says(route_monitoring(&filtered, &update_of(&[64_500, 64_496]))),
        ["0 +203.0.113.0/24 [64500 64496]"]
    );
    assert_eq!(router.says(peer_down(&filtered, 6)), ["0 down"]);
}

#[test]
fn the_as_that_frr_puts_in_front_of_its_peers_is_taken_off() {
    for (path, expected, stripped) in [
        (&[LOCAL, 64_500, 64_496][..], "64500 64496", 1),
        (&[64_500, LOCAL, 64_496], "64500 64520 64496", 0),
        // A route server's client stands first: not the peer, so what is in front may be anybody.
        (&[LOCAL, 64_501, 64_496], "64520 64501 64496", 0),
        (&[LOCAL], "64520", 0),
    ] {
        let mut router = Router::new();
        router.says(peer_up(&one(), LOCAL));
        let expected = format!("0 +203.0.113.0/24 [{expected}]");
        assert_eq!(router.says(route_monitoring(&one(), &update_of(path))), [expected]);
        assert_eq!(router.session.tally().own_as_stripped, stripped, "{path:?}");
    }
}

#[test]
fn a_collectors_own_as_is_taken_off_every_path() {
    let settings = Settings {
        collector: "route-views5".into(),
        most_peers: 16,
        collector_as: Some(Asn(6447)),
        is_mid_stream: true,
    };
    let mut router = Router::with(settings);
    let says = router.says(route_monitoring(&one(), &update_of(&[6447, 64_501, 64_496])));
    // Nobody said that it came up, and the stream may begin anywhere: this is no table transfer.
    assert_eq!(says, ["0 is route-views5 AS64500 192.0.2.1", "0 +203.0.113.0/24 [64501 64496]"]);
    assert_eq!(router.says(route_monitoring(&one(), &withdraw("198.51.100.0/24"))), ["0 -198.51.100.0/24 []"]);
}

#[test]
fn path_identifiers_are_read_where_the_opens_agree_on_them() {
    let add_path = |direction| [69, 4, 0, 1, 1, direction];
    for (sent, received, message, expected) in [
        (1, 2, announce_path(PREFIX, &[64_500], 7), "0 +203.0.113.0/24#7 [64500]"),
        (3, 3, announce_path(PREFIX, &[64_500], 7), "0 +203.0.113.0/24#7 [64500]"),
        (2, 1, update_of(&[64_500]), "0 +203.0.113.0/24 [64500]"),
        (2, 3, update_of(&[64_500]), "0 +203.0.113.0/24 [64500]"),
    ] {
        let mut router = Router::new();
        let (ours, theirs) = (add_path(sent), add_path(received));
        router.says(peer_up_with(&one(), (179, 1), (LOCAL, &ours), (64_500, &theirs)));
        assert_eq!(router.says(route_monitoring(&one(), &message)), [expected], "{sent} and {received}");
    }
}

#[test]
fn narrow_paths_are_read_by_their_flag_or_where_only_that_makes_sense() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    let narrow = announce_narrow(PREFIX, &[64_500, 64_501, 64_496]);
    for head in [one().with(TWO_OCTETS), one()] {
        assert_eq!(
            router.says(route_monitoring(&head, &narrow)),
            ["0 +203.0.113.0/24 [64500 64501 64496]"],
            "{head:?}"
        );
    }
}

#[test]
fn roles_are_kept() {
    let mut router = Router::new();
    let said = router.says(peer_up_with(&one(), (179, 1), (LOCAL, &[9, 1, 3]), (64_500, &[9, 1, 0])));
    let role = event::Role { ases: (Asn(LOCAL), Asn(64_500)), relation: Relation::Provider };
    assert!(said.contains(&format!("{:?}", Event::Role(role))), "{said:?}");
    let view = router.session.peers().next().expect("a peer");
    assert_eq!((view.local_role, view.peer_role), (Some(Role::Customer), Some(Role::Provider)));
    assert_eq!((view.local_as, view.table.as_deref()), (Some(Asn(LOCAL)), Some("global")));
}

#[test]
fn a_vrf_is_left_out_even_with_the_same_address() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    for (kind, distinguisher) in [(1, 0x0000_fbf0_0000_0001), (2, 5), (0, 9), (1, 0)] {
        let vrf = Head { kind, distinguisher, ..one() };
        for message in [
            peer_up(&vrf, LOCAL),
            route_monitoring(&vrf, &update_of(&[64_500])),
            statistics(&vrf, 7, 1),
            peer_down(&vrf, 1),
        ] {
            assert_eq!(router.says(message), [""; 0]);
        }
    }
    assert_eq!((router.session.peers().count(), router.session.tally().other_table), (1, 12));
}

#[test]
fn a_peer_up_is_the_same_session_as_long_as_its_ports_are() {
    let mut router = Router::new();
    let up = |port| peer_up_with(&one(), (179, port), (LOCAL, &[]), (64_500, &[]));
    assert_eq!(router.says(up(1)).len(), 2);
    // Huawei: once per family and table.
    assert_eq!(router.says(up(1)), [""; 0]);
    assert_eq!(router.says(peer_up_with(&one().with(POST_POLICY), (179, 1), (LOCAL, &[]), (64_500, &[]))), [""; 0]);
    assert_eq!(router.says(up(2)), ["0 down", "0 up"]);
}

#[test]
fn a_peer_down_of_a_peer_that_was_never_up_says_nothing() {
    let mut router = Router::new();
    assert_eq!(router.says(peer_down(&one(), 2)), [""; 0]);
    router.says(peer_up(&one(), LOCAL));
    assert_eq!(router.says(peer_down(&one(), 2)), ["0 down"]);
    assert_eq!(router.says(peer_down(&one(), 2)), [""; 0]);
    assert_eq!(router.session.tally().needless_downs, 2);
}

#[test]
fn a_routers_own_routes_and_mirrored_messages_are_nobodys() {
    let mut router = Router::new();
    let nobody = peer("0.0.0.0", 0).with(POST_POLICY);
    assert_eq!(router.says(route_monitoring(&nobody, &update_of(&[]))), [""; 0]);
    assert_eq!(router.says(mirroring(&one(), &update_of(&[64_500]))), [""; 0]);
    assert_eq!(router.session.peers().count(), 0);
    assert_eq!((router.counts.skipped, router.counts.error_count()), (2, 0));
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_goes_on() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    let mut cut = update_of(&[64_500]);
    cut[18] = 9;
    assert_eq!(router.says(route_monitoring(&one(), &cut)), [""; 0]);
    assert_eq!(router.says(route_monitoring(&one(), &update_of(&[64_500, 0]))), ["0 -203.0.113.0/24 []"]);
    assert_eq!(router.says(message(0, &[0; 41])), [""; 0]);
    assert_eq!(router.says(message(9, &[])), [""; 0]);
    let errors: Vec<_> = router.counts.errors.iter().map(|(kind, n)| (*kind, *n)).collect();
    let each = [kind::BAD_ATTRIBUTE, kind::BAD_BGP_MESSAGE, kind::BAD_BMP_MESSAGE, kind::UNKNOWN_MESSAGE];
    assert_eq!(errors, each.map(|kind| (kind, 1)));
}

#[test]
fn a_time_that_cannot_be_true_is_replaced_and_counted() {
    let now = u32::try_from(NOW).expect("a time");
    let mut router = Router::new();
    router.says(peer_up(&one().at(now - 739), LOCAL));
    let mut time = |secs: u32| {
        let items = router.items(route_monitoring(&one().at(secs), &update_of(&[64_500])));
        let wrong = router.counts.errors.get(kind::BAD_TIMESTAMP).copied().unwrap_or(0);
        (items[0].time.secs() - NOW, wrong)
    };
    // While the table is sent, an old time is the age of a route.
    assert_eq!(time(now - 86_400), (0, 0));
    assert_eq!(time(now - 2), (-2, 0));
    assert_eq!(time(0), (0, 0));
    router.says(route_monitoring(&one(), &end_of_rib()));
    let mut time = |secs: u32| {
        let items = router.items(route_monitoring(&one().at(secs), &update_of(&[64_500])));
        let wrong = router.counts.errors.get(kind::BAD_TIMESTAMP).copied().unwrap_or(0);
        (items[0].time.secs() - NOW, wrong)
    };
    assert_eq!(time(now - 86_400), (0, 1));
    assert_eq!(time(now + 86_400), (0, 2));
}

#[test]
fn peers_are_bounded_and_who_is_down_makes_room() {
    let mut router =
        Router::with(Settings { collector: "edge1".into(), most_peers: 2, collector_as: None, is_mid_stream: false });
    let (two, three) = (peer("192.0.2.2", 64_501), peer("2001:db8::3", 64_502));
    router.says(peer_up(&one(), LOCAL));
    router.says(peer_up(&two, LOCAL));
    assert_eq!(router.says(peer_up(&three, LOCAL)), [""; 0]);
    assert_eq!(router.counts.errors[kind::TOO_MANY_PEERS], 1);
    router.says(peer_down(&two, 1));
    assert_eq!(router.says(peer_up(&three, LOCAL)), ["2 is edge1 AS64502 2001:db8::3", "2 up"]);
}

#[test]
fn the_end_of_a_connection_and_a_second_initiation_take_all_peers_down() {
    let mut router = Router::new();
    router.says(initiation("a"));
    for (address, asn) in [("192.0.2.1", 64_500), ("192.0.2.2", 64_501)] {
        router.says(peer_up(&peer(address, asn), LOCAL));
    }
    assert_eq!(router.says(initiation("a")), ["0 down", "1 down"]);
    assert_eq!(router.says(peer_up(&one(), LOCAL)), ["0 up"]);
    router.says(termination(2));
    assert_eq!(router.session.take_terminated(), Some(2));
    let mut items = Vec::new();
    router.session.close(Some(Timestamp::from_secs(NOW)), &mut items);
    assert_eq!(items.iter().map(words).collect::<Vec<_>>(), ["0 down"]);
}

#[test]
fn statistics_say_how_many_routes_there_are() {
    let mut router = Router::new();
    router.says(peer_up(&one(), LOCAL));
    router.says(statistics(&one(), 7, 99_616));
    router.says(statistics(&one(), 11, 5));
    assert_eq!(router.session.peers().next().expect("a peer").routes_stated, Some(99_616));
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    fn any_message() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..300);
        let noise = (0u8..9, body.clone()).prop_map(|(kind, body)| message(kind, &body));
        let head = (0u8..4, any::<u8>(), prop_oneof![Just(0u64), any::<u64>()], 64_500u32..64_503, any::<u32>())
            .prop_map(|(kind, flags, distinguisher, asn, secs)| Head {
                kind,
                flags,
                distinguisher,
                asn,
                secs,
                address: std::net::Ipv4Addr::from(asn).into(),
            });
        let routes = (head.clone(), body).prop_map(|(head, body)| route_monitoring(&head, &body));
        let sound = (head, 0u8..7).prop_map(|(head, which)| match which {
            0 => peer_up(&head, LOCAL),
            1 => peer_down(&head, 1),
            2 => route_monitoring(&head, &update_of(&[LOCAL, 64_500, 64_496])),
            3 => route_monitoring(&head, &withdraw(PREFIX)),
            4 => route_monitoring(&head, &end_of_rib()),
            5 => statistics(&head, 7, 3),
            _ => initiation("x"),
        });
        let damaged = (sound.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, octet)| {
            let at = at.index(bytes.len());
            bytes[at] = octet;
            bytes
        });
        prop_oneof![noise, routes, sound, damaged]
    }

    proptest! {
        #[test]
        fn never_panic_and_a_vantage_point_is_known_before_it_speaks_and_up_and_down_take_turns(
            messages in prop::collection::vec(any_message(), 0..40),
            is_live in any::<bool>(),
        ) {
            let received = is_live.then(|| Timestamp::from_secs(NOW));
            let mut router = Router::new();
            let mut items = Vec::new();
            for message in messages {
                router.session.message(&message.into(), received, &mut items);
            }
            router.session.close(received, &mut items);
            let mut up = Vec::new();
            for item in &items {
                match &item.event {
                    Event::Vantage(id, _) => {
                        prop_assert_eq!(id.0 as usize, up.len());
                        up.push(false);
                    }
                    Event::PeerUp { vantage, .. } => {
                        prop_assert!(!std::mem::replace(&mut up[vantage.0 as usize], true));
                    }
                    Event::PeerDown { vantage, .. } => {
                        prop_assert!(std::mem::take(&mut up[vantage.0 as usize]));
                    }
                    Event::Update(update) => prop_assert!(up[update.vantage.0 as usize]),
                    Event::EndOfRib { vantage, .. } => prop_assert!(up[vantage.0 as usize]),
                    Event::Role(_) => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert!(up.iter().all(|up| !up), "the end takes all down");
            prop_assert!(router.session.peers().count() <= 16);
        }
    }
}
