//! Is what VRPs and ASPAs change one by one the same as what they say all at once? A hundred thousand random deltas over
//! small worlds, against a shard that gets the whole in one piece; and a count of how little is judged again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use rules::alert::{Source, SourceState};
use rules::bgp::{Asn, Timestamp, VantageId, VantagePoint};
use rules::event::{Event, Stamped};
use rules::relations::{Relation, Relations};
use rules::rpki::{Delta, Vrp};
use rules::shard::{KeyRange, Offending, Shard};
use rules::testing::world::{Dice, START, update};

const WORLDS: u64 = 500;
const DELTAS_PER_WORLD: usize = 200;
/// Deltas between two comparisons with the whole.
const STEP: usize = 10;

const PEERS: [u32; 4] = [1001, 1002, 1003, 1004];
const ASES: [u32; 9] = [1001, 1002, 2001, 2002, 2003, 3001, 3002, 3003, 3004];

/// A shard that lives through events one after the other.
struct Life {
    shard: Shard,
    seq: u64,
}

impl Life {
    fn new() -> Self {
        Self { shard: Shard::new(KeyRange::ALL), seq: 0 }
    }

    /// A microsecond passes with every event: far from the hour that makes normal.
    fn live(&mut self, event: Event) {
        let at = Timestamp(START.0 + self.seq as i64);
        self.shard.handle(&Stamped { seq: self.seq, at, event }, &mut Vec::new());
        self.seq += 1;
    }

    fn offending(&self) -> Vec<Offending> {
        self.shard.offending()
    }
}

/// Everything but the RPKI: vantage points, perhaps relations, a dump, and news.
fn routes(dice: &mut Dice) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for (i, peer) in PEERS.iter().enumerate() {
        let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, i as u8 + 1));
        let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(*peer), peer_address };
        events.push(Event::Vantage(VantageId(i as u32), Arc::new(point)));
    }
    if dice.roll(2) == 0 {
        let source = Source { name: "relations".into(), ..Source::none() };
        let kinds = [Relation::Customer, Relation::Provider, Relation::LateralPeer];
        let edges: Vec<_> = (0..6).map(|_| (asn(dice), asn(dice), kinds[dice.roll(3)])).collect();
        events.push(Event::Relations(Arc::new(Relations::new(source, edges, Vec::new(), Vec::new(), Vec::new()))));
    }
    for _ in 0..10 {
        let (prefix, path) = (prefix(dice), tail(dice));
        for peer in 0..PEERS.len() {
            let route = update(VantageId(peer as u32), prefix, &from_peer(peer, &path), START);
            events.push(Event::Seed(route));
        }
    }
    events.push(Event::SeedDone { as_of: START });
    for _ in 0..20 {
        let (peer, path) = (dice.roll(PEERS.len()), tail(dice));
        events.push(Event::Update(update(VantageId(peer as u32), prefix(dice), &from_peer(peer, &path), START)));
    }
    events
}

fn asn(dice: &mut Dice) -> Asn {
    Asn(ASES[dice.roll(ASES.len())])
}

fn tail(dice: &mut Dice) -> Vec<Asn> {
    (0..1 + dice.roll(3)).map(|_| asn(dice)).collect()
}

fn from_peer(peer: usize, tail: &[Asn]) -> Vec<Asn> {
    [&[Asn(PEERS[peer])], tail].concat()
}

/// Few and nested, so that they meet.
fn prefix(dice: &mut Dice) -> IpNet {
    let len = [8, 16, 16, 17, 24][dice.roll(5)];
    let address = Ipv4Addr::new(20 + dice.roll(2) as u8, dice.roll(2) as u8 * 128, dice.roll(2) as u8, 0);
    IpNet::V4(Ipv4Net::new_assert(address, len)).trunc()
}

fn vrp(dice: &mut Dice) -> Vrp {
    let prefix = if dice.roll(12) == 0 { "16.0.0.0/5".parse().expect("a prefix") } else { prefix(dice) };
    let max_length = prefix.prefix_len() + [0, 0, 1, 8][dice.roll(4)];
    let asn = if dice.roll(6) == 0 { Asn(0) } else { asn(dice) };
    Vrp { prefix, max_length: max_length.min(32), asn, source: "test".into() }
}

/// What the deltas leave, by plain sets.
#[derive(Default)]
struct Whole {
    vrps: BTreeSet<Vrp>,
    aspas: BTreeMap<Asn, Vec<Asn>>,
}

impl Whole {
    fn change(&mut self, dice: &mut Dice, state: SourceState) -> Delta {
        let mut delta = empty(state);
        for _ in 0..dice.roll(3) {
            delta.announced_vrps.push(vrp(dice));
        }
        let held: Vec<Vrp> = self.vrps.iter().cloned().collect();
        for _ in 0..dice.roll(3) {
            delta.withdrawn_vrps.extend(dice.pick(&held).cloned());
        }
        if dice.roll(3) == 0 {
            let providers = match dice.roll(4) {
                0 => vec![Asn(0)],
                n => (0..n).map(|_| asn(dice)).collect(),
            };
            delta.announced_aspas.insert(asn(dice), providers);
        }
        if dice.roll(4) == 0 {
            delta.withdrawn_aspas.push(asn(dice));
        }
        for gone in &delta.withdrawn_vrps {
            self.vrps.remove(gone);
        }
        self.vrps.extend(delta.announced_vrps.iter().cloned());
        for gone in &delta.withdrawn_aspas {
            self.aspas.remove(gone);
        }
        self.aspas.extend(delta.announced_aspas.clone());
        delta
    }

    fn at_once(&self, state: SourceState) -> Delta {
        Delta {
            announced_vrps: self.vrps.iter().cloned().collect(),
            announced_aspas: self.aspas.clone(),
            ..empty(state)
        }
    }
}

fn empty(state: SourceState) -> Delta {
    let source = |name: &str| Source { name: name.into(), serial: None, as_of: None, state };
    Delta {
        announced_vrps: Vec::new(),
        withdrawn_vrps: Vec::new(),
        announced_aspas: BTreeMap::new(),
        withdrawn_aspas: Vec::new(),
        vrps: source("vrps"),
        aspas: source("aspas"),
    }
}

fn rpki(delta: Delta) -> Event {
    Event::Rpki(Arc::new(delta))
}

#[test]
fn a_hundred_thousand_deltas_leave_what_their_sum_says_at_once() {
    let mut offences = 0;
    for seed in 0..WORLDS {
        offences += compare(seed);
    }
    assert!(offences > 10_000, "the worlds are too quiet to show anything: {offences} sightings compared");
}

/// Lives through the deltas of one world; how many sightings were compared.
fn compare(seed: u64) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let routes = routes(&mut dice);
    let (mut stepwise, mut whole) = (Life::new(), Whole::default());
    routes.iter().for_each(|event| stepwise.live(event.clone()));
    let mut compared = 0;
    for i in 0..DELTAS_PER_WORLD {
        let state = match dice.roll(12) {
            0 => SourceState::Stale,
            1 => SourceState::Frozen,
            2 if i % STEP != STEP - 1 => SourceState::Expired,
            _ => SourceState::Fresh,
        };
        stepwise.live(rpki(whole.change(&mut dice, state)));
        if i % STEP == STEP - 1 {
            let mut at_once = Life::new();
            routes.iter().for_each(|event| at_once.live(event.clone()));
            at_once.live(rpki(whole.at_once(SourceState::Fresh)));
            let (one, other) = (stepwise.offending(), at_once.offending());
            assert_eq!(one, other, "seed {seed}, after delta {i}");
            compared += one.len();
        }
    }
    compared
}

#[test]
fn what_expires_leaves_every_sighting_as_it_was() {
    for seed in 0..100 {
        let mut dice = Dice(seed * 2 + 1);
        let (mut life, mut whole) = (Life::new(), Whole::default());
        routes(&mut dice).into_iter().for_each(|event| life.live(event));
        for _ in 0..20 {
            life.live(rpki(whole.change(&mut dice, SourceState::Fresh)));
        }
        let before = (life.offending(), life.shard.judged());
        for state in [SourceState::Stale, SourceState::Frozen, SourceState::Expired] {
            life.live(rpki(empty(state)));
            assert_eq!((life.offending(), life.shard.judged()), before, "seed {seed}, {state}");
        }
        life.live(rpki(empty(SourceState::Fresh)));
        assert_eq!(life.offending(), before.0, "seed {seed}");
    }
}

#[test]
fn only_routes_under_the_delta_are_judged_again() {
    let net = |i: u8| -> IpNet { format!("20.{i}.0.0/16").parse().expect("a prefix") };
    let mut life = Life::new();
    for (i, peer) in PEERS.iter().enumerate() {
        let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, i as u8 + 1));
        let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(*peer), peer_address };
        life.live(Event::Vantage(VantageId(i as u32), Arc::new(point)));
    }
    let every = |life: &mut Life, event: fn(rules::bgp::Update) -> Event, prefix: IpNet, tail: &[u32]| {
        for peer in 0..PEERS.len() {
            let path = from_peer(peer, &tail.iter().copied().map(Asn).collect::<Vec<_>>());
            life.live(event(update(VantageId(peer as u32), prefix, &path, START)));
        }
    };
    for i in 0..200 {
        every(&mut life, Event::Seed, net(i), &[2001, 3001]);
    }
    life.live(Event::SeedDone { as_of: START });
    life.live(rpki(Delta { announced_aspas: [(Asn(9), vec![Asn(8)])].into(), ..empty(SourceState::Fresh) }));
    // A hundred hijacked, over two ways.
    for i in 0..100 {
        every(&mut life, Event::Update, net(i), if i < 50 { &[2002, 3002] } else { &[2003, 3002] });
    }
    let mut judged_by = |delta: Delta| {
        let before = life.shard.judged();
        life.live(rpki(delta));
        life.shard.judged() - before
    };
    let roa = |prefix: IpNet, asn| Vrp { prefix, max_length: prefix.prefix_len(), asn: Asn(asn), source: "t".into() };
    let vrps = |vrps: Vec<Vrp>| Delta { announced_vrps: vrps, ..empty(SourceState::Fresh) };
    let aspa = |customer, provider: u32| Delta {
        announced_aspas: [(Asn(customer), vec![Asn(provider)])].into(),
        ..empty(SourceState::Fresh)
    };
    let peers = PEERS.len() as u64;
    assert_eq!(judged_by(vrps(vec![roa(net(7), 3001)])), peers, "one hijacked prefix");
    assert_eq!(judged_by(vrps(vec![roa(net(150), 3001)])), 0, "routes with nothing wrong");
    assert_eq!(judged_by(vrps(vec![roa("20.0.0.0/14".parse().expect("a prefix"), 3001)])), 4 * peers);
    assert_eq!(judged_by(vrps(vec![roa("192.0.2.0/24".parse().expect("a prefix"), 3001)])), 0, "space of nobody");
    assert_eq!(judged_by(empty(SourceState::Fresh)), 0, "nothing changed");
    assert_eq!(judged_by(empty(SourceState::Stale)), 0, "nothing but the age changed");
    assert_eq!(judged_by(aspa(64496, 64500)), 0, "a customer that is in no path");
    assert_eq!(judged_by(aspa(2003, 1001)), 50 * peers, "a customer of half of them");
    assert_eq!(judged_by(aspa(2003, 1001)), 0, "the same once more");
}
