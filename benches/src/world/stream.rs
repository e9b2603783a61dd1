//! What do the sessions say once their tables are told?
//!
//! | stream | what it is |
//! |---|---|
//! | [`quiet`] | a usual day: few origins move, again and again, and many sessions tell the same few paths |
//! | [`busy`] | the same with links that fail: the prefixes of dozens of origins move at many sessions |
//! | [`harsh`] | what the floors of the ratios were measured on: any origin, some more often than others; a quarter of all messages bring a path that nobody knew, so that there are 12 to 16 of those for a hundred elements |
//! | [`hostile`] | what costs most: any prefix, nearly every path a new one, one announcement in ten a more-specific that nobody knew |
//! | [`flood`] | one session says its whole table again and again, each time over other paths |
//! | [`reset`] | one session goes down, comes back and sends its table as it was |
//!
//! All but the last two run without end; all are valley-free and from lawful origins, so that what they cost is what they cost when nothing is wrong.

use std::collections::VecDeque;

use ipnet::IpNet;
use rules::bgp::{Family, Timestamp};

use super::dice::{Dice, mix};
use super::table::PREFIXES_AN_UPDATE;
use super::topology::{As, Path};
use super::{START, World};

/// One thing that a session said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub session: u32,
    pub at: Timestamp,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Update { withdrawn: Vec<IpNet>, announced: Vec<IpNet>, path: Path },
    Up,
    Down,
    EndOfRib,
}

impl Said {
    /// Prefixes announced and withdrawn.
    pub fn elements(&self) -> usize {
        match &self.what {
            What::Update { withdrawn, announced, .. } => withdrawn.len() + announced.len(),
            _ => 0,
        }
    }
}

/// The moment of the next message at an even rate.
#[derive(Clone, Copy, Debug)]
struct Clock {
    said: u64,
    a_second: u64,
}

impl Clock {
    fn next(&mut self) -> Timestamp {
        self.said += 1;
        Timestamp(START.0 + (self.said * 1_000_000 / self.a_second) as i64)
    }
}

pub fn quiet(world: &World, seed: u64, a_second: u64) -> impl Iterator<Item = Said> {
    Churn::new(world, seed, a_second, None)
}

pub fn busy(world: &World, seed: u64, a_second: u64) -> impl Iterator<Item = Said> {
    Churn::new(world, seed, a_second, Some(64))
}

/// Origins that move, each a few messages long.
struct Churn<'w> {
    world: &'w World,
    dice: Dice,
    clock: Clock,
    /// One movement in so many is a link that fails.
    failure_in: Option<usize>,
    ready: VecDeque<Said>,
}

/// Origins that move when a link fails.
const BEHIND_A_LINK: usize = 48;

impl<'w> Churn<'w> {
    fn new(world: &'w World, seed: u64, a_second: u64, failure_in: Option<usize>) -> Self {
        Self { world, dice: Dice(seed), clock: Clock { said: 0, a_second }, failure_in, ready: VecDeque::new() }
    }

    /// Some are restless: a hundredth of all origins makes most of the noise.
    fn origin(&mut self) -> As {
        let place = self.dice.skewed(self.world.plan.ases, 6) as u64;
        (mix(self.world.plan.seed ^ 9, place, 0) % self.world.plan.ases as u64) as As
    }

    fn movement(&mut self) {
        let world = self.world;
        let failure = self.failure_in.is_some_and(|of| self.dice.once_in(of));
        let (origins, hear) = if failure { (BEHIND_A_LINK, 3) } else { (1, 4) };
        let goes = !failure && self.dice.once_in(24);
        let variant = self.dice.roll(4) as u64;
        for _ in 0..origins {
            let origin = self.origin();
            let family = if self.dice.once_in(5) { Family::Ipv6 } else { Family::Ipv4 };
            // A few prefixes of it, those that always move.
            let most = 1 + self.dice.skewed(12, 2);
            let moves: Vec<u32> = world.space.of(origin).iter().copied().take(most).collect();
            for session in 0..world.sessions.len() as u32 {
                if world.sessions[session as usize].family == family && self.dice.once_in(hear) {
                    self.tell(session, origin, &moves, variant, goes);
                }
            }
        }
    }

    fn tell(&mut self, session: u32, origin: As, moves: &[u32], variant: u64, goes: bool) {
        let world = self.world;
        let moves = moves.iter().filter(|place| world.carries(session, **place));
        let prefixes: Vec<IpNet> = moves.map(|place| world.space.prefixes[*place as usize].prefix).collect();
        if prefixes.is_empty() {
            return;
        }
        let path = world.topology.path(world.sessions[session as usize].asn, origin, variant);
        let withdrawal = || What::Update { withdrawn: prefixes.clone(), announced: Vec::new(), path: Path::new() };
        let announcement = || What::Update { withdrawn: Vec::new(), announced: prefixes.clone(), path: path.clone() };
        let mut say = |what| self.ready.push_back(Said { session, at: START, what });
        if goes {
            say(withdrawal());
        }
        say(announcement());
        // Some say everything twice.
        if self.dice.once_in(7) {
            self.ready.push_back(Said { session, at: START, what: announcement() });
        }
    }
}

impl Iterator for Churn<'_> {
    type Item = Said;

    fn next(&mut self) -> Option<Said> {
        while self.ready.is_empty() {
            self.movement();
        }
        let at = self.clock.next();
        self.ready.pop_front().map(|said| Said { at, ..said })
    }
}

pub fn harsh(world: &World, seed: u64, a_second: u64) -> impl Iterator<Item = Said> {
    by_full_feeds(world, seed, a_second, moved_on)
}

/// Some prefixes of one origin move to another path: mostly one of two, now and then one that nobody knew.
fn moved_on(world: &World, session: u32, dice: &mut Dice) -> What {
    let most = 1 + dice.skewed(6, 2);
    let (holder, announced) = loop {
        let holder =
            (mix(world.plan.seed ^ 10, dice.skewed(world.plan.ases, 4) as u64, 0) % world.plan.ases as u64) as As;
        let own = world.space.of(holder);
        let from = dice.roll(own.len().max(1));
        let held = own.iter().skip(from).filter(|place| world.carries(session, **place)).take(most);
        let announced: Vec<IpNet> = held.map(|place| world.space.prefixes[*place as usize].prefix).collect();
        if !announced.is_empty() {
            break (holder, announced);
        }
    };
    if dice.once_in(20) {
        return What::Update { withdrawn: announced, announced: Vec::new(), path: Path::new() };
    }
    let asn = world.sessions[session as usize].asn;
    let path = match dice.once_in(4) {
        true => lengthened(world.topology.path(asn, holder, dice.number()), dice),
        false => world.topology.path(asn, holder, dice.roll(2) as u64),
    };
    What::Update { withdrawn: Vec::new(), announced, path }
}

pub fn hostile(world: &World, seed: u64, a_second: u64) -> impl Iterator<Item = Said> {
    by_full_feeds(world, seed, a_second, unheard_of)
}

/// Who has little to tell cannot trouble anybody.
fn by_full_feeds(
    world: &World,
    seed: u64,
    a_second: u64,
    what: impl Fn(&World, u32, &mut Dice) -> What,
) -> impl Iterator<Item = Said> {
    let (mut dice, mut clock) = (Dice(seed), Clock { said: 0, a_second });
    std::iter::repeat_with(move || {
        let session = loop {
            let session = dice.roll(world.sessions.len()) as u32;
            if world.sessions[session as usize].per_million > 100_000 {
                break session;
            }
        };
        Said { session, at: clock.next(), what: what(world, session, &mut dice) }
    })
}

fn unheard_of(world: &World, session: u32, dice: &mut Dice) -> What {
    let place = loop {
        let place = dice.roll(world.space.prefixes.len()) as u32;
        if world.carries(session, place) {
            break place;
        }
    };
    let held = world.space.prefixes[place as usize];
    let siblings = world.space.of(held.holder);
    let second = siblings[dice.roll(siblings.len())];
    let mut announced = vec![held.prefix];
    if second != place && world.carries(session, second) {
        announced.push(world.space.prefixes[second as usize].prefix);
    }
    if dice.once_in(20) {
        return What::Update { withdrawn: announced, announced: Vec::new(), path: Path::new() };
    }
    if dice.once_in(10) {
        announced = vec![part_of(held.prefix, dice)];
    }
    let asn = world.sessions[session as usize].asn;
    let path = lengthened(world.topology.path(asn, held.holder, dice.number()), dice);
    What::Update { withdrawn: Vec::new(), announced, path }
}

/// A more-specific by up to three bits.
fn part_of(prefix: IpNet, dice: &mut Dice) -> IpNet {
    let longer = (prefix.prefix_len() + 1 + dice.roll(3) as u8).min(prefix.max_prefix_len());
    let parts = prefix.subnets(longer).map(|mut parts| {
        let which = dice.roll(1 << (longer - prefix.prefix_len()));
        parts.nth(which)
    });
    parts.ok().flatten().unwrap_or(prefix)
}

/// Every AS but the first stands there once to three times: hundreds of shapes of one path.
fn lengthened(path: Path, dice: &mut Dice) -> Path {
    let mut longer = Path::new();
    for (i, asn) in path.iter().enumerate() {
        let times = if i == 0 { 1 } else { 1 + dice.skewed(3, 2) };
        longer.extend(std::iter::repeat_n(*asn, times));
    }
    longer
}

pub fn flood(world: &World, session: u32, a_second: u64) -> impl Iterator<Item = Said> {
    let mut clock = Clock { said: 0, a_second };
    let asn = world.sessions[session as usize].asn;
    let over = move |variant: u64| (0..world.plan.ases as As).map(move |holder| (holder, variant));
    (1..).flat_map(over).filter(move |(holder, _)| world.knows(session, *holder)).flat_map(move |(holder, variant)| {
        let path = world.topology.path(asn, holder, variant);
        let mine = world.space.of(holder).iter().filter(|place| world.carries(session, **place));
        let prefixes: Vec<IpNet> = mine.map(|place| world.space.prefixes[*place as usize].prefix).collect();
        let said = |chunk: &[IpNet]| Said {
            session,
            at: clock.next(),
            what: What::Update { withdrawn: Vec::new(), announced: chunk.to_vec(), path: path.clone() },
        };
        prefixes.chunks(PREFIXES_AN_UPDATE).map(said).collect::<Vec<_>>()
    })
}

pub fn reset(world: &World, session: u32, a_second: u64) -> impl Iterator<Item = Said> {
    let mut clock = Clock { said: 0, a_second };
    let is = move |what| std::iter::once(Said { session, at: START, what });
    let table = world.table_of(session, START);
    is(What::Down)
        .chain(is(What::Up))
        .chain(table)
        .chain(is(What::EndOfRib))
        .map(move |said| Said { at: clock.next(), ..said })
}
