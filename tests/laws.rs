//! Laws that hold for every history, tried on random ones; and worlds in which every fault is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rules::alert::{Alert, Class, Source, SourceState, Tlp, Transition};
use rules::bgp::{AsPath, Asn, Family, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::desk::Settings;
use rules::engine::Engine;
use rules::event::Event;
use rules::relations::{Relation, Relations};
use rules::rpki::{Delta, Vrp};
use rules::shed::{Shed, Worth};
use rules::stamp::Stamper;
use rules::testing::slow_rib::SlowRib;
use rules::testing::world::{
    Dice, Fault, FaultKind, Heard, START, World, mirrored, mirrored_event, update, withdrawal, witnesses,
};
use rules::testing::{Run, run, run_lives_forgetting};
use rules::watch::{AllowRule, Constituent, Resource, Watch};

#[path = "laws/records.rs"]
mod records;
#[path = "laws/restarts.rs"]
mod restarts;

type Events = Vec<(Timestamp, Event)>;

const PEERS: [u32; 5] = [1001, 1002, 1003, 1004, 1001];
/// Few, so that they meet; one private, one reserved.
const ASES: [u32; 12] = [1001, 1002, 1003, 2001, 2002, 2003, 3001, 3002, 3003, 30011, 64512, 64496];

/// A step of a random history, and the seconds before it.
#[derive(Clone, Debug)]
enum Step {
    Announce(u32, Vec<Nlri>, PathAttributes),
    Withdraw(u32, Vec<Nlri>),
    Up(u32),
    Down(u32),
    Shed(bool, Vec<u32>),
    TableSent(u32),
    Rpki(Delta),
    Relations(Vec<(Asn, Asn, Relation)>, Vec<Asn>),
    Watch(Vec<(IpNet, Vec<Asn>)>, Vec<Asn>, Vec<Rule>),
    Clock,
}

fn an_asn() -> impl Strategy<Value = Asn> {
    prop::sample::select(&ASES[..]).prop_map(Asn)
}

/// Nested, over several shards, short and long ones among them; IPv4 only, the mirror makes the others.
fn a_prefix() -> impl Strategy<Value = IpNet> {
    let len = prop::sample::select(vec![6u8, 8, 16, 16, 17, 22, 24, 24, 24, 25, 32]);
    (20u8..24, 0u8..2, 0u8..2, len)
        .prop_map(|(a, b, c, len)| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), len)).trunc())
}

fn a_routed_prefix() -> impl Strategy<Value = IpNet> {
    a_prefix().prop_filter("too short for the table", |p| p.prefix_len() >= 8)
}

fn some_nlri() -> impl Strategy<Value = Vec<Nlri>> {
    let nlri = (a_prefix(), prop_oneof![9 => Just(0u32), 1 => Just(1)]);
    prop::collection::vec(nlri.prop_map(|(prefix, path_id)| Nlri { prefix, path_id }), 1..4)
}

fn some_attributes(peer: u32) -> impl Strategy<Value = PathAttributes> {
    let first = PEERS[peer as usize];
    let set = prop::bool::weighted(0.05);
    (prop::collection::vec(an_asn(), 0..4), prop::option::weighted(0.1, an_asn()), prop::bool::weighted(0.05), set)
        .prop_map(move |(rest, only_to_customer, blackhole, set)| {
            let numbers: Vec<String> = rest.iter().map(|a| a.0.to_string()).collect();
            let tail = if set { " {2001,2002}" } else { "" };
            let as_path: AsPath = format!("{first} {}{tail}", numbers.join(" ")).parse().expect("a path");
            PathAttributes { as_path, only_to_customer, blackhole }
        })
}

fn a_peer() -> impl Strategy<Value = u32> {
    0..PEERS.len() as u32
}

fn an_announcement() -> impl Strategy<Value = Step> {
    a_peer()
        .prop_flat_map(|peer| (Just(peer), some_nlri(), some_attributes(peer)))
        .prop_map(|(peer, nlri, attributes)| Step::Announce(peer, nlri, attributes))
}

fn some_vrps() -> impl Strategy<Value = Vec<Vrp>> {
    let vrp = (a_prefix(), 0u8..9, prop_oneof![9 => an_asn(), 1 => Just(Asn(0))]).prop_map(|(prefix, more, asn)| Vrp {
        prefix,
        max_length: (prefix.prefix_len() + more).min(32),
        asn,
        source: "test".into(),
    });
    prop::collection::vec(vrp, 0..4)
}

fn a_delta() -> impl Strategy<Value = Delta> {
    let state =
        prop_oneof![8 => Just(SourceState::Fresh), 1 => Just(SourceState::Stale), 1 => Just(SourceState::Expired)];
    let aspas = prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => prop::collection::btree_map(an_asn(), prop::collection::vec(an_asn(), 1..4), 1..3)
    ];
    (some_vrps(), some_vrps(), aspas, state).prop_map(|(announced_vrps, withdrawn_vrps, announced_aspas, state)| {
        Delta {
            announced_vrps,
            withdrawn_vrps,
            announced_aspas,
            withdrawn_aspas: Vec::new(),
            vrps: Source { name: "vrps".into(), serial: None, as_of: None, state },
            aspas: Source::none(),
        }
    })
}

fn a_relation() -> impl Strategy<Value = (Asn, Asn, Relation)> {
    let kind = prop::sample::select(vec![Relation::Customer, Relation::Provider, Relation::LateralPeer]);
    (an_asn(), an_asn(), kind)
}

/// Prefixes, origins and suspects of an allow rule, and for how many minutes it holds from [`START`] on.
type Rule = (Vec<IpNet>, Vec<Asn>, Vec<Asn>, Option<i64>);

fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let prefixes = prop::collection::vec(a_routed_prefix(), 0..2);
    let ases = || prop::collection::vec(an_asn(), 0..2);
    prop::collection::vec((prefixes, ases(), ases(), prop::option::weighted(0.7, 0i64..90)), 0..4)
}

fn a_rule((prefixes, origins, suspects, minutes): &Rule) -> AllowRule {
    AllowRule {
        owner: "Example".into(),
        reason: "agreed".into(),
        expires: minutes.map(|minutes| START.plus_secs(60 * minutes)),
        prefixes: prefixes.clone(),
        max_length: Some(24),
        origins: origins.clone(),
        suspects: suspects.clone(),
        ..AllowRule::default()
    }
}

fn a_step() -> impl Strategy<Value = Step> {
    let origins = prop::collection::vec(an_asn(), 0..3);
    prop_oneof![
        40 => an_announcement(),
        12 => (a_peer(), some_nlri()).prop_map(|(peer, nlri)| Step::Withdraw(peer, nlri)),
        2 => a_peer().prop_map(Step::Up),
        2 => a_peer().prop_map(Step::Down),
        2 => a_peer().prop_map(Step::TableSent),
        3 => a_delta().prop_map(Step::Rpki),
        1 => (prop::collection::vec(a_relation(), 0..12), prop::collection::vec(an_asn(), 0..3))
            .prop_map(|(edges, siblings)| Step::Relations(edges, siblings)),
        2 => (prop::collection::vec((a_routed_prefix(), origins), 0..3), prop::collection::vec(an_asn(), 0..2), some_rules())
            .prop_map(|(resources, asns, rules)| Step::Watch(resources, asns, rules)),
        4 => Just(Step::Clock),
    ]
}

/// A history: what the dump held, if there was one, and what came then.
#[derive(Clone, Debug)]
struct History {
    seeds: Option<Vec<Step>>,
    steps: Vec<(i64, Step)>,
}

fn a_history(steps: usize) -> impl Strategy<Value = History> {
    a_history_of(steps, a_step())
}

/// The same, and at times memory runs short.
fn a_history_with_sheds(steps: usize) -> impl Strategy<Value = History> {
    let shed = (any::<bool>(), prop::collection::vec(a_peer(), 0..3));
    a_history_of(steps, prop_oneof![50 => a_step(), 1 => shed.prop_map(|(history, peers)| Step::Shed(history, peers))])
}

fn a_history_of(steps: usize, step: impl Strategy<Value = Step>) -> impl Strategy<Value = History> {
    // Mostly seconds, at times the whole minute that resolves, or the hour that makes normal.
    let pause = prop_oneof![10 => 0i64..3_000, 3 => 20_000i64..70_000, 1 => Just(3_700_000)];
    let seeds = prop::option::weighted(0.9, prop::collection::vec(an_announcement(), 0..40));
    (seeds, prop::collection::vec((pause, step), 0..steps)).prop_map(|(seeds, steps)| History { seeds, steps })
}

fn vantage_points() -> Events {
    let point = |(i, peer): (usize, &u32)| {
        let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, i as u8 + 1));
        let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(*peer), peer_address };
        (START, Event::Vantage(VantageId(i as u32), Arc::new(point)))
    };
    PEERS.iter().enumerate().map(point).collect()
}

impl History {
    fn events(&self) -> Events {
        self.events_by(Step::event)
    }

    fn events_by(&self, event: impl Fn(&Step, Timestamp) -> Event) -> Events {
        let mut events = vantage_points();
        if let Some(seeds) = &self.seeds {
            for step in seeds {
                if let Event::Update(update) = event(step, START) {
                    events.push((START, Event::Seed(update)));
                }
            }
            events.push((START, Event::SeedDone { as_of: START }));
        }
        let mut at = START;
        for (pause_ms, step) in &self.steps {
            at = Timestamp(at.0 + pause_ms * 1_000);
            events.push((at, event(step, at)));
        }
        events.push((at.plus_secs(100), Event::Tick));
        events
    }
}

impl Step {
    fn event(&self, seen: Timestamp) -> Event {
        match self.clone() {
            Self::Announce(peer, announced, attributes) => Event::Update(Update {
                vantage: VantageId(peer),
                seen,
                withdrawn: Nlris::new(),
                announced: announced.into(),
                attributes: Arc::new(attributes),
            }),
            Self::Withdraw(peer, withdrawn) => Event::Update(Update {
                vantage: VantageId(peer),
                seen,
                withdrawn: withdrawn.into(),
                announced: Nlris::new(),
                attributes: Arc::default(),
            }),
            Self::Up(peer) => Event::PeerUp { vantage: VantageId(peer), seen },
            Self::Down(peer) => Event::PeerDown { vantage: VantageId(peer), seen },
            Self::Shed(history, peers) => {
                let sessions = peers.into_iter().map(|peer| (VantageId(peer), Worth::Partial)).collect();
                Event::Shed(Arc::new(Shed { history, sessions, ..Shed::default() }))
            }
            Self::TableSent(peer) => Event::EndOfRib { vantage: VantageId(peer), family: Family::Ipv4 },
            Self::Rpki(delta) => Event::Rpki(Arc::new(delta)),
            Self::Relations(edges, siblings) => {
                let source = Source { name: "relations".into(), ..Source::none() };
                Event::Relations(Arc::new(Relations::new(source, edges, Vec::new(), vec![siblings], Vec::new())))
            }
            Self::Watch(resources, asns, rules) => {
                let rules = rules.iter().map(a_rule).filter(|rule| !rule.is_boundless()).collect();
                Event::Watch(Arc::new(Watch::new(vec![watched(resources, asns)]).with_allow(rules)))
            }
            Self::Clock => Event::Tick,
        }
    }
}

fn watched(resources: Vec<(IpNet, Vec<Asn>)>, asns: Vec<Asn>) -> Constituent {
    let resource = |(prefix, expected_origins): (IpNet, Vec<Asn>)| Resource {
        prefix,
        expected_origins,
        upstreams: Vec::new(),
        max_length: None,
    };
    let resources = resources.into_iter().map(resource).collect();
    Constituent { name: "Example".into(), tlp: Tlp::Green, asns, resources, ..Constituent::default() }
}

fn lived(events: &Events) -> Run {
    run(events, Settings::default(), 1)
}

/// One line an alert, for a person.
fn told(alerts: &[Arc<Alert>]) -> String {
    let line = |a: &Arc<Alert>| {
        let (id, what, class, why) = (&a.id, a.transition, a.class, a.reason.code);
        format!("{} {id} {what} {class} {} {why} {} {:?}\n", a.time, a.severity, a.title, a.suspect_ases)
    };
    alerts.iter().map(line).collect()
}

/// Few enough for every build, and the same ones in each; `PROPTEST_CASES` asks for more, and those are others each time.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases: asked.unwrap_or(50), rng_seed: seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_number_of_shards_does_not_matter(history in a_history_with_sheds(120)) {
        let events = history.events();
        let Run { alerts: one, routes, .. } = lived(&events);
        for shards in [2, 3, 8] {
            let Run { alerts: many, routes: routes_of_many, .. } = run(&events, Settings::default(), shards);
            prop_assert_eq!(&routes, &routes_of_many);
            let (of_one, of_many) = (told(&one), told(&many));
            let differs = of_one.lines().zip(of_many.lines()).find(|(a, b)| a != b);
            prop_assert!(differs.is_none(), "{} shards: {:#?}", shards, differs);
            prop_assert_eq!(&one, &many);
            prop_assert_eq!(format!("{one:?}"), format!("{many:?}"));
        }
    }

    #[test]
    fn it_does_not_matter_when_the_desk_forgets_what_is_over(history in a_history_with_sheds(120)) {
        // So short a window that much of it is over for good.
        let settings = Settings { reopen_secs: 5, ..Settings::default() };
        let mut events = history.events();
        let end = restarts::the_end(&events);
        events.extend(end);
        let lazy = run(&events, settings, 1).alerts;
        let eager = run_lives_forgetting(&[events], settings).alerts;
        prop_assert_eq!(told(&lazy), told(&eager));
        prop_assert_eq!(format!("{lazy:?}"), format!("{eager:?}"));
    }

    #[test]
    fn the_table_answers_as_a_list_of_routes_would(
        history in a_history_with_sheds(120),
        probes in prop::collection::vec(a_routed_prefix(), 20),
    ) {
        let events = history.events();
        let engine = lived(&events).engine;
        let rib = engine.shards()[0].rib();
        let mut twin = SlowRib::default();
        events.iter().for_each(|(_, event)| twin.apply(event));
        prop_assert_eq!(rib.route_count(), twin.len());
        for prefix in probes {
            let found = rib.find(&prefix).map_or_else(Vec::new, |at| rib.entry(at).routes.to_vec());
            let routes: Vec<_> =
                found.iter().map(|r| (r.vantage, r.path_id, rib.paths.attributes(r.path))).collect();
            prop_assert_eq!(routes, twin.routes_at(&prefix));
            let held = |e: &&rules::rib::Entry| !e.routes.is_empty();
            let mut covering: Vec<IpNet> = rib.covering(&prefix).filter(held).map(|e| e.prefix).collect();
            covering.reverse();
            prop_assert_eq!(covering, twin.covering(&prefix));
            let covered: Vec<IpNet> = rib.covered(&prefix).filter(held).map(|e| e.prefix).collect();
            prop_assert_eq!(covered, twin.covered(&prefix));
        }
    }

    #[test]
    fn what_was_announced_and_withdrawn_leaves_no_route_and_no_open_incident(history in a_history(60)) {
        let mut events = history.events();
        let mut twin = BTreeSet::new();
        for (_, event) in &events {
            if let Event::Update(u) | Event::Seed(u) = event {
                twin.extend(u.announced.iter().map(|n| (u.vantage, n.path_id, n.prefix)));
            }
        }
        let end = events.last().map_or(START, |(at, _)| *at);
        for peer in 0..PEERS.len() as u32 {
            // Nobody is waited for any more.
            events.push((end, Event::EndOfRib { vantage: VantageId(peer), family: Family::Ipv4 }));
        }
        for (vantage, path_id, prefix) in twin {
            let mut gone = withdrawal(vantage, prefix, end);
            gone.withdrawn[0].path_id = path_id;
            events.push((end, Event::Update(gone)));
        }
        events.push((end.plus_secs(61), Event::Tick));
        let after = lived(&events);
        prop_assert_eq!(after.engine.sizes().0, 0);
        let mut open = after.engine.desk().open_incidents();
        // A route that is missed offends by being gone.
        open.retain(|(class, ..), _| *class != Class::VisibilityLoss);
        prop_assert_eq!(open, BTreeMap::new(), "{}", told(&after.alerts));
    }

    #[test]
    fn a_repeated_announcement_adds_no_alert(history in a_history_with_sheds(80)) {
        let events = history.events();
        let repeated: Events = events
            .iter()
            .flat_map(|(at, event)| {
                let is_update = matches!(event, Event::Update(u) if !u.announced.is_empty());
                std::iter::repeat_n((*at, event.clone()), if is_update { 2 } else { 1 })
            })
            .collect();
        prop_assert_eq!(told(&lived(&events).alerts), told(&lived(&repeated).alerts));
    }

    #[test]
    fn both_families_are_judged_alike(history in a_history(80)) {
        let mut history = history;
        // A short prefix of one family has no twin of the other.
        let is_routed = |n: &Nlri| n.prefix.prefix_len() >= 8;
        for step in history.seeds.iter_mut().flatten().chain(history.steps.iter_mut().map(|(_, s)| s)) {
            match step {
                Step::Announce(_, nlri, _) | Step::Withdraw(_, nlri) => nlri.retain(is_routed),
                Step::Rpki(delta) => {
                    delta.announced_vrps.retain(|v| v.prefix.prefix_len() >= 8);
                    delta.withdrawn_vrps.retain(|v| v.prefix.prefix_len() >= 8);
                }
                _ => {}
            }
        }
        let flip = |step: &Step, at: Timestamp| match step {
            Step::Watch(resources, asns, rules) => {
                let resources = resources.iter().map(|(p, o)| (mirrored(p), o.clone())).collect();
                let rule = |(p, o, s, end): &Rule| (p.iter().map(mirrored).collect(), o.clone(), s.clone(), *end);
                let Event::Watch(watch) = Step::Watch(resources, asns.clone(), rules.iter().map(rule).collect()).event(at)
                else {
                    unreachable!("it is a watch list")
                };
                let mirrored = |rule: &AllowRule| AllowRule { max_length: Some(48), ..rule.clone() };
                let rules = watch.allow().all().iter().map(mirrored).collect();
                Event::Watch(Arc::new(Watch::new(watch.constituents().to_vec()).with_allow(rules)))
            }
            other => mirrored_event(&other.event(at)),
        };
        let (v4, v6) = (history.events(), history.events_by(flip));
        prop_assert_eq!(essence(&lived(&v4).alerts, mirrored), essence(&lived(&v6).alerts, |p| *p));
    }
}

/// Everything of the alerts that does not depend on how a prefix is written.
fn essence(alerts: &[Arc<Alert>], flip: impl Fn(&IpNet) -> IpNet) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let mut out = String::new();
    for a in alerts {
        if !ids.contains(&a.id.as_str()) {
            ids.push(&a.id);
        }
        let number = ids.iter().position(|id| *id == a.id);
        let prefixes: Vec<IpNet> = a.prefixes.iter().map(&flip).collect();
        let evidence: Vec<_> = a.evidence.iter().map(|e| (e.code, e.points)).collect();
        let parts = (&a.suspect_ases, &a.victim_ases, &a.accepted_by, &a.leak, &a.visibility, a.provisional);
        let word = (a.transition, a.class, a.severity, a.reason.code, a.sequence, a.score);
        out += &format!("{} {number:?} {word:?} {prefixes:?} {parts:?} {evidence:?} {:?}\n", a.time, a.episodes);
    }
    out
}

/// A day in a world: links break and heal, siblings stand in for each other, sessions are reset, nobody does wrong.
fn quiet_day(world: &World, dice: &mut Dice) -> Events {
    let mut events = world.morning();
    let mut at = START.plus_secs(600);
    let mut held: BTreeMap<(VantageId, IpNet), Vec<Asn>> = BTreeMap::new();
    let mut tell = |events: &mut Events, at: Timestamp, prefix: IpNet, heard: Vec<(VantageId, Vec<Asn>)>| {
        for vantage in (0..world.vantage.len() as u32).map(VantageId) {
            let key = (vantage, prefix);
            match heard.iter().find(|(v, _)| *v == vantage) {
                Some((_, path)) if held.get(&key) != Some(path) => {
                    held.insert(key, path.clone());
                    events.push((at, Event::Update(update(vantage, prefix, path, at))));
                }
                None if held.remove(&key).is_some() => {
                    events.push((at, Event::Update(withdrawal(vantage, prefix, at))));
                }
                _ => {}
            }
        }
    };
    for _ in 0..6 {
        let Some(link) = dice.pick(&world.links()).copied() else { break };
        let broken = world.without(link);
        for (now, secs) in [(&broken, 40), (world, 90)] {
            for _ in 0..8 {
                let Some((prefix, holder)) = dice.pick(&world.prefixes).copied() else { break };
                tell(&mut events, at, prefix, now.heard(&now.propagate(&[vec![holder]])));
            }
            at = at.plus_secs(secs);
        }
        let Some([a, b, ..]) = dice.pick(&world.siblings).map(Vec::as_slice) else { break };
        let of_a = world.prefixes.iter().find(|(_, h)| h == a).map(|(p, _)| *p);
        if let Some(prefix) = of_a {
            tell(&mut events, at, prefix, world.heard(&world.propagate(&[vec![*a], vec![*b]])));
        }
        at = at.plus_secs(100);
    }
    events.push((at.plus_secs(100), Event::Tick));
    events
}

#[test]
fn a_valley_free_world_with_complete_data_is_silent() {
    for seed in 0..25 {
        let world = World::new(seed);
        let alerts = lived(&quiet_day(&world, &mut Dice(seed))).alerts;
        assert!(alerts.is_empty(), "seed {seed}\n{}", told(&alerts));
    }
}

/// The morning, and the fault as these vantage points hear it for a minute; then it is over.
fn faulty_day(world: &World, watch: Option<Constituent>, fault: &Fault, heard: &[Heard]) -> Events {
    let mut events = world.morning();
    if let Some(watch) = watch {
        events.insert(0, (START, Event::Watch(Arc::new(Watch::new(vec![watch])))));
    }
    let at = START.plus_secs(3_600 * 6);
    let prefix = fault.announced();
    for h in heard {
        events.push((at, Event::Update(update(h.vantage, prefix, &h.path, at))));
    }
    let end = at.plus_secs(60);
    let usual = world.propagate(&[vec![world.holder_of(&prefix)]]);
    let usual = world.heard(&usual);
    for h in heard {
        let back = usual.iter().find(|(v, _)| *v == h.vantage);
        let gone = match back {
            Some((_, path)) => update(h.vantage, prefix, path, end),
            None => withdrawal(h.vantage, prefix, end),
        };
        events.push((end, Event::Update(gone)));
    }
    events.push((end.plus_secs(100), Event::Tick));
    events
}

/// Opened for that prefix with that suspect, and over when it was over.
fn is_found(alerts: &[Arc<Alert>], fault: &Fault) -> bool {
    let concerns = |a: &&Arc<Alert>| a.prefixes.contains(&fault.announced()) && a.suspect_ases.contains(&fault.by());
    let told: Vec<_> = alerts.iter().filter(concerns).map(|a| a.transition).collect();
    told.contains(&Transition::Opened) && told.contains(&Transition::Resolved)
}

const KINDS: [FaultKind; 4] = [FaultKind::Origin, FaultKind::Subprefix, FaultKind::ForgedOrigin, FaultKind::Leak];

#[test]
fn every_fault_that_two_peer_ases_see_is_found() {
    let mut found = [0; KINDS.len()];
    for seed in 0..60 {
        let world = World::new(seed);
        let mut dice = Dice(seed);
        for (i, kind) in KINDS.into_iter().enumerate() {
            let Some(fault) = world.fault(kind, &mut dice) else { continue };
            let heard = world.faulty(&fault);
            if witnesses(&heard).len() < 2 {
                continue;
            }
            let alerts = lived(&faulty_day(&world, None, &fault, &heard)).alerts;
            assert!(is_found(&alerts, &fault), "seed {seed}: {fault:?}\n{heard:#?}\n{}", told(&alerts));
            found[i] += 1;
        }
    }
    assert!(found.iter().all(|n| *n >= 10), "too few faults to speak of: {found:?}");
}

#[test]
fn of_a_watched_prefix_every_fault_that_one_peer_as_sees_is_found() {
    let mut found = [0; KINDS.len()];
    for seed in 100..140 {
        let world = World::new(seed);
        let mut dice = Dice(seed);
        for (i, kind) in KINDS.into_iter().enumerate() {
            let Some(fault) = world.fault(kind, &mut dice) else { continue };
            let mut heard = world.faulty(&fault);
            heard.retain(|h| h.is_wrong);
            heard.truncate(1);
            if heard.is_empty() {
                continue;
            }
            let holder = world.holder_of(&fault.victim());
            let watch = watched(vec![(fault.victim(), vec![holder])], Vec::new());
            let alerts = lived(&faulty_day(&world, Some(watch), &fault, &heard)).alerts;
            assert!(is_found(&alerts, &fault), "seed {seed}: {fault:?}\n{heard:#?}\n{}", told(&alerts));
            found[i] += 1;
        }
    }
    assert!(found.iter().all(|n| *n >= 10), "too few faults to speak of: {found:?}");
}

/// What an engine says must not depend on how events are handed over: one by one is all there is.
#[test]
fn an_engine_that_hears_nothing_says_nothing() {
    let mut engine = Engine::new(Settings::default());
    let mut stamped = Vec::new();
    Stamper::default().end(30, &mut stamped);
    assert!(stamped.iter().all(|s| engine.handle(s).is_empty()));
}
