//! Does every event come back from a recording as it was?

use std::collections::BTreeMap;
use std::sync::Arc;

use feeds::counts::kind;
use feeds::input::{Item, Kind, Use, from_bytes};
use feeds::record::Writer;
use rules::alert::{Class, Source, SourceState, Tlp};
use rules::bgp::{
    AsPath, Asn, Family, Nlri, Nlris, PathAttributes, Segment, SegmentKind, Timestamp, Update, VantageId, VantagePoint,
};
use rules::checkpoint::Checkpoint;
use rules::desk::{Output, Settings};
use rules::engine::Engine;
use rules::event::{Event, FeedChange, Role, Stamped};
use rules::relations::{Relation, Relations};
use rules::rpki::{Delta, RoaEnds, Vrp};
use rules::session::{Cause, Standing};
use rules::shed::{Shed, Worth};
use rules::watch::{AllowRule, Constituent, Resource, Watch};

fn route(prefix: &str, path_id: u32) -> Nlri {
    Nlri { prefix: prefix.parse().expect("a prefix"), path_id }
}

fn update(path: AsPath) -> Update {
    Update {
        vantage: VantageId(0),
        seen: Timestamp(1_700_000_000_000_001),
        withdrawn: Nlris::from([route("198.51.100.0/24", 0)]),
        announced: [route("192.0.2.0/24", 0), route("2001:db8::/32", 7)].into_iter().collect(),
        attributes: Arc::new(PathAttributes { as_path: path, only_to_customer: Some(Asn(64500)), blackhole: true }),
    }
}

fn odd_path() -> AsPath {
    let segment = |kind, ases: &[u32]| Segment { kind, ases: ases.iter().map(|asn| Asn(*asn)).collect() };
    AsPath::from_segments([
        segment(SegmentKind::ConfedSequence, &[64512, 64513]),
        segment(SegmentKind::Sequence, &[64500, 4_200_000_000]),
        segment(SegmentKind::Set, &[64497, 64498]),
        segment(SegmentKind::ConfedSet, &[]),
        segment(SegmentKind::Sequence, &[64499]),
    ])
}

fn source() -> Source {
    Source { name: "vrps.json".into(), serial: Some(7), as_of: Some(Timestamp(5)), state: SourceState::Stale }
}

fn delta() -> Delta {
    let vrp = |prefix: &str| Vrp {
        prefix: prefix.parse().expect("a prefix"),
        max_length: 48,
        asn: Asn(64500),
        source: "ripe".into(),
    };
    Delta {
        announced_vrps: vec![vrp("2001:db8::/32")],
        withdrawn_vrps: vec![vrp("2001:db8:1::/48")],
        announced_aspas: BTreeMap::from([(Asn(64500), vec![Asn(64501), Asn(64502)])]),
        withdrawn_aspas: vec![Asn(64503)],
        vrps: source(),
        aspas: Source::none(),
    }
}

fn watch() -> Watch {
    Watch::new(vec![Constituent {
        name: "Example \"Bank\"".into(),
        contact: Some("noc@example.net".into()),
        sectors: vec!["finance".into()],
        country: Some("NL".into()),
        tlp: Tlp::AmberStrict,
        asns: vec![Asn(64500)],
        resources: vec![Resource {
            prefix: "192.0.2.0/24".parse().expect("a prefix"),
            expected_origins: vec![Asn(64500)],
            upstreams: vec![Asn(64501)],
            max_length: Some(25),
        }],
    }])
    .with_allow(vec![AllowRule {
        owner: "desk".into(),
        reason: "a scrubber".into(),
        expires: Some(Timestamp::from_secs(1_000)),
        classes: vec![Class::ForgedOrigin],
        prefixes: vec!["192.0.2.0/24".parse().expect("a prefix")],
        max_length: Some(25),
        origins: vec![Asn(64500)],
        suspects: vec![Asn(64501)],
        constituents: vec!["Example \"Bank\"".into()],
        path_ends: vec![vec![Asn(64501), Asn(64500)]],
    }])
    .with_thresholds(Some(Settings { hold_down_secs: 20, ..Settings::default() }))
}

fn relations() -> Relations {
    let edges = [
        (Asn(64496), Asn(64500), Relation::Customer),
        (Asn(64500), Asn(64497), Relation::Customer),
        (Asn(64496), Asn(64498), Relation::LateralPeer),
        (Asn(64500), Asn(64501), Relation::Complex),
    ];
    Relations::new(source(), edges, vec![Asn(64496)], vec![vec![Asn(64510), Asn(64511)]], vec![Asn(64499)])
}

/// Of an engine that learned a prefix and knows of a hijack of it.
fn checkpoint() -> Checkpoint {
    let mut engine = Engine::new(Settings::default());
    let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(64500), peer_address: [192, 0, 2, 1].into() };
    let other = VantagePoint { peer_as: Asn(64501), ..point.clone() };
    let heard = |vantage: u32, prefix: &str, path: &[u32]| {
        let ases: Vec<Asn> = path.iter().copied().map(Asn).collect();
        let attributes = PathAttributes { as_path: AsPath::sequence(ases), ..PathAttributes::default() };
        let (withdrawn, announced, attributes) = (Nlris::new(), Nlris::from([route(prefix, 0)]), Arc::new(attributes));
        Update { vantage: VantageId(vantage), seen: Timestamp(0), withdrawn, announced, attributes }
    };
    let events = [
        Event::Vantage(VantageId(0), Arc::new(point)),
        Event::Vantage(VantageId(1), Arc::new(other)),
        Event::Seed(heard(0, "192.0.2.0/24", &[64500, 64510, 64496])),
        Event::Seed(heard(1, "192.0.2.0/24", &[64501, 64510, 64496])),
        Event::SeedDone { as_of: Timestamp(0) },
        Event::Update(heard(0, "192.0.2.0/25", &[64500, 64511])),
        Event::Update(heard(1, "192.0.2.0/25", &[64501, 64511])),
        Event::Checkpoint,
    ];
    let outputs = (0..).zip(events).flat_map(|(seq, event)| {
        let at = Timestamp::from_secs(if matches!(event, Event::Checkpoint) { 60 } else { 0 });
        engine.handle(&Stamped { seq, at, event })
    });
    match outputs.last() {
        Some(Output::Checkpoint(parts)) => parts.merge(),
        other => panic!("no checkpoint but {other:?}"),
    }
}

fn roa_ends() -> RoaEnds {
    let row = |prefix: &str| ((prefix.parse().expect("a prefix"), 32, Asn(64_496)), Timestamp(9));
    RoaEnds::new([row("192.0.2.0/24"), row("198.51.100.0/24")])
}

fn shed() -> Shed {
    let sessions = vec![(VantageId(0), Worth::FullFeed)];
    Shed { estimated: 9 << 30, budget: 8 << 30, history: true, sessions }
}

fn events() -> Vec<Event> {
    let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(64500), peer_address: [192, 0, 2, 1].into() };
    let (vantage, seen) = (VantageId(0), Timestamp(1));
    let feed = |live, gap_from| FeedChange { feed: "ris".into(), live, detail: "lost".into(), gap_from, seen };
    vec![
        Event::Vantage(vantage, Arc::new(point)),
        Event::Relations(Arc::new(relations())),
        Event::Watch(Arc::new(watch())),
        Event::Rpki(Arc::new(delta())),
        Event::RoaEnds(Arc::new(roa_ends())),
        Event::Restore(Arc::new(checkpoint())),
        Event::Seed(update(AsPath::sequence([Asn(64500)]))),
        Event::SeedDone { as_of: Timestamp(3) },
        Event::Feed(feed(true, None)),
        Event::PeerUp { vantage, seen },
        Event::Role(Role { ases: (Asn(64500), Asn(64496)), relation: Relation::Customer }),
        Event::Update(update(odd_path())),
        Event::EndOfRib { vantage, family: Family::Ipv4 },
        Event::EndOfRib { vantage, family: Family::Ipv6 },
        Event::Tick,
        Event::Shed(Arc::new(shed())),
        Event::Checkpoint,
        Event::PeerDown { vantage, seen },
        Event::Session(Standing { vantage, set_aside: Some(Cause::Flood) }),
        Event::Feed(feed(false, Some(Timestamp(2)))),
        Event::End,
    ]
}

fn record(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).expect("a header");
    for (seq, event) in events.iter().enumerate() {
        let stamped = Stamped { seq: seq as u64, at: Timestamp(1_000 + seq as i64), event: event.clone() };
        writer.write(&stamped).expect("a line");
    }
    writer.finish().expect("a recording")
}

/// What `Debug` says, hash maps in order.
fn shown(event: &Event) -> String {
    match event {
        Event::Relations(r) => {
            format!("{:?} {:?} {:?} {:?} {:?}", r.source, r.edges(), r.clique(), r.siblings(), r.ixps())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_follows_from_other_events_is_not_written_down() {
    let without = record(&events());
    let mut with = events();
    with.push(Event::Inferred(Arc::new(relations())));
    assert_eq!(record(&with), without);
}

#[test]
fn every_event_comes_back_except_the_end() {
    let events = events();
    let mut reader = from_bytes(record(&events).into(), "x", Use::Updates).expect("a recording");
    assert_eq!(reader.kind(), Kind::Recording);
    let items: Vec<Item> = reader.by_ref().collect();
    let expected: Vec<(i64, String)> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| !matches!(event, Event::End))
        .map(|(seq, event)| (1_000 + seq as i64, shown(event)))
        .collect();
    let found: Vec<(i64, String)> = items.iter().map(|item| (item.time.0, shown(&item.event))).collect();
    assert_eq!(found, expected);
    assert_eq!((reader.counts().error_count(), reader.vantage_points()), (0, 1));
    assert_eq!((reader.counts().announced, reader.counts().withdrawn, reader.counts().elements), (4, 2, 8));
}

#[test]
fn a_checkpoint_holds_what_was_told_and_what_is_normal() {
    let checkpoint = checkpoint();
    assert_eq!(checkpoint.desk.stories.len(), 1, "the hijack was opened after its hold-down");
    assert_eq!(checkpoint.desk.stories[0].members.len(), 1);
    assert!(checkpoint.prefixes[0].1.is_some(), "the prefix has a baseline");
    let packed = feeds::checkpoint::pack(&checkpoint).expect("packed");
    let back = feeds::checkpoint::unpack(&packed).expect("it is whole");
    assert_eq!(format!("{back:?}"), format!("{checkpoint:?}"));
}

#[test]
fn a_recording_starts_with_its_format_and_version() {
    let bytes = record(&[]);
    let header = String::from_utf8(bytes).expect("text");
    assert!(header.starts_with(r#"{"bgpwarden":"events/1","version":""#), "{header}");
}

#[test]
fn lines_that_are_none_are_counted_and_the_others_come() {
    let mut bytes = record(&events()[..1]);
    bytes.extend(b"{\"seq\":1}\nnonsense\n{\"seq\":1,\"at\":2,\"event\":{\"peer_up\":{\"vantage\":9,\"seen\":1}}}\n");
    bytes.extend(b"{\"seq\":1,\"at\":2,\"event\":{\"peer_up\":{\"vantage\":0,\"seen\":1}}}\n{\"seq\":2,\"at");
    let mut reader = from_bytes(bytes.into(), "x", Use::Updates).expect("a recording");
    assert_eq!(reader.by_ref().count(), 2);
    let errors: Vec<_> = reader.counts().errors.iter().map(|(kind, n)| (*kind, *n)).collect();
    assert_eq!(errors, [(kind::BAD_JSON, 3), (kind::UNKNOWN_PEER, 1)]);
}

#[test]
fn what_is_decided_of_a_session_that_was_never_told_of_is_left_out() {
    let of_another = Shed { sessions: vec![(VantageId(0), Worth::Partial), (VantageId(1), Worth::Partial)], ..shed() };
    let standing = Standing { vantage: VantageId(1), set_aside: None };
    let told = [events()[0].clone(), Event::Shed(Arc::new(of_another)), Event::Session(standing)];
    let mut reader = from_bytes(record(&told).into(), "x", Use::Updates).expect("a recording");
    assert_eq!(reader.by_ref().count(), 1);
    assert_eq!(reader.counts().errors.get(kind::UNKNOWN_PEER), Some(&2));
}

#[test]
fn a_path_longer_than_any_feed_takes_is_in_no_recording_of_ours() {
    let of = |len: usize| update(AsPath::sequence(vec![Asn(64500); len]));
    let most = rules::limits::PATH_ASES;
    let mut told = events()[..1].to_vec();
    told.extend([Event::Update(of(most)), Event::Update(of(most + 1)), Event::Seed(of(70_000))]);
    let mut reader = from_bytes(record(&told).into(), "x", Use::Updates).expect("a recording");
    let held: Vec<usize> = reader
        .by_ref()
        .filter_map(|item| match item.event {
            Event::Update(update) | Event::Seed(update) => Some(update.attributes.as_path.ases().len()),
            _ => None,
        })
        .collect();
    assert_eq!(held, [most]);
    let errors: Vec<_> = reader.counts().errors.iter().map(|(kind, n)| (*kind, *n)).collect();
    assert_eq!(errors, [(kind::BAD_JSON, 2)]);
}
