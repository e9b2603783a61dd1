//! What can grow?

use std::sync::Arc;

use benches::player::Player;
use benches::wire::event;
use benches::world::stream::{Said, What};
use benches::world::{Plan, START, World};
use ipnet::IpNet;
use rules::bgp::{Asn, Family};
use rules::event::Event;
use rules::watch::{Constituent, Resource, Watch};

pub struct Curve {
    pub name: &'static str,
    pub sizes: &'static [usize],
    /// The setting with that size.
    pub set: fn(usize, Setting) -> Setting,
}

pub const CURVES: &[Curve] = &[
    Curve {
        name: "peers",
        sizes: &[10, 30, 100, 300, 1_000],
        set: |full, s| Setting { plan: Plan { full: full.max(2), ..s.plan }, ..s },
    },
    Curve {
        name: "prefixes",
        sizes: &[30_000, 100_000, 300_000, 1_000_000],
        set: |count, s| Setting { plan: Plan { v4: count * 4 / 5, v6: count / 5, ..s.plan }, ..s },
    },
    Curve {
        name: "vrps",
        sizes: &[1_000, 10_000, 100_000, 1_000_000],
        set: |vrps, s| Setting { plan: Plan { vrps, ..s.plan }, ..s },
    },
    Curve {
        name: "watched",
        sizes: &[1, 1_000, 10_000, 100_000, 1_000_000],
        set: |watched, s| Setting { watched, ..s },
    },
    Curve {
        name: "incidents",
        sizes: &[1, 100, 1_000, 10_000, 50_000],
        set: |incidents, s| Setting { incidents, ..s },
    },
];

pub struct Setting {
    pub plan: Plan,
    /// Watched prefixes of constituents with a hundred each.
    pub watched: usize,
    /// Incidents that are open.
    pub incidents: usize,
}

const PREFIXES_A_CONSTITUENT: usize = 100;
/// Hijackers' numbers begin here, above all of the world.
const STRANGERS: u32 = 400_000;
/// The incidents are open by then.
const OPENED_SECS: i64 = 300;

impl Setting {
    /// What everything else is while one size grows.
    pub fn small(scale: f64) -> Self {
        let of = |count: f64| (count * scale) as usize;
        let plan = Plan { v4: of(80_000.0), v6: of(20_000.0), ases: of(8_000.0).max(400), ..Plan::INTERNET };
        Self { plan: Plan { full: 10, vrps: of(50_000.0), aspas: 1_000, ..plan }, watched: 0, incidents: 0 }
    }

    /// Streams begin when the incidents are open.
    pub fn later(&self, said: Said) -> Said {
        Said { at: said.at.plus_secs(OPENED_SECS), ..said }
    }

    pub fn prepare(&self, world: &World, player: &mut Player) {
        if self.watched > 0 {
            player.own(Event::Watch(Arc::new(watch(world, self.watched))));
        }
        let hijacks = (0..self.incidents).flat_map(|i| hijack(world, i));
        player.items(hijacks.map(|said| event::item(world, said)));
    }
}

/// The prefixes of the table, then parts of them.
fn watch(world: &World, count: usize) -> Watch {
    let prefixes = &world.space.prefixes;
    let resource = |i: usize| {
        let place = i % prefixes.len();
        let prefix = part(prefixes[place].prefix, i / prefixes.len());
        let holders = std::iter::once(prefixes[place].holder).chain(world.rival(place as u32));
        let expected_origins = holders.map(|asn| world.topology.number(asn)).collect();
        Resource { prefix, expected_origins, upstreams: Vec::new(), max_length: None }
    };
    let constituent = |first: usize| Constituent {
        name: format!("network {first}").into(),
        resources: (first..count.min(first + PREFIXES_A_CONSTITUENT)).map(resource).collect(),
        ..Constituent::default()
    };
    Watch::new((0..count).step_by(PREFIXES_A_CONSTITUENT).map(constituent).collect())
}

/// The prefix itself, then its sixteenths.
fn part(prefix: IpNet, number: usize) -> IpNet {
    let longer = (prefix.prefix_len() + 4).min(prefix.max_prefix_len());
    let part = number.checked_sub(1).and_then(|i| prefix.subnets(longer).ok()?.nth(i));
    part.unwrap_or(prefix)
}

/// A stranger announces a network over two peers.
fn hijack(world: &World, number: usize) -> Vec<Said> {
    let prefix = world.space.prefixes[number * 7 % world.space.prefixes.len()].prefix;
    let family = Family::of(&prefix);
    let sessions = (0..world.sessions.len() as u32).filter(|s| world.sessions[*s as usize].family == family);
    let say = |session: u32| {
        let seller = number as u32 % world.plan.ases as u32;
        let mut path = world.topology.path(world.sessions[session as usize].asn, seller, 0);
        path.push(Asn(STRANGERS + number as u32));
        let what = What::Update { withdrawn: Vec::new(), announced: vec![prefix], path };
        Said { session, at: START.plus_secs(number as i64 % 60), what }
    };
    sessions.take(4).map(say).collect()
}
