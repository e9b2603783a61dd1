//! An Internet of any size, invented from a seed: ASes in tiers, a table with nesting, sessions, VRPs, ASPAs, and streams of
//! updates. Nothing in it is real, and the same seed gives the same octets everywhere.
//!
//! Held is what one prefix or one AS costs (a full world is about 40 MB); routes are made when they are asked for, prefix by prefix as a
//! dump has them ([`World::routes_of`]) or session by session as a table transfer does ([`World::table_of`]), since 0.41 billion of them
//! fit nowhere. [`stream`] has what is said from then on. `wire` writes it down as collectors do.

pub mod dice;
pub mod rpki;
pub mod sessions;
pub mod space;
pub mod stream;
mod table;
pub mod topology;

use std::sync::Arc;

use rules::bgp::{Family, Timestamp, VantagePoint};

use dice::mix;
use sessions::Session;
use space::Space;
use topology::{As, Path, Topology};

/// Midnight in every world.
pub const START: Timestamp = Timestamp::from_secs(1_772_323_200);

/// How large the world is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub v4: usize,
    pub v6: usize,
    pub ases: usize,
    /// Peer ASes with nearly everything; each has one session for each family.
    pub full: usize,
    /// Peer ASes with a small share of it, again with two sessions.
    pub partial: usize,
    pub vrps: usize,
    pub aspas: usize,
}

impl Plan {
    /// What the Internet has, seen by 30 full feeds.
    pub const INTERNET: Self =
        Self { seed: 1, v4: 1_000_000, v6: 230_000, ases: 80_000, full: 30, partial: 0, vrps: 500_000, aspas: 3_000 };

    /// The same seen by all peers of RIPE RIS: 0.41 billion routes.
    pub const ALL_OF_RIS: Self = Self { full: 350, partial: 1_000, ..Self::INTERNET };

    /// A part of it: prefixes, ASes and what is signed shrink, the peers stay.
    pub fn scaled(self, part: f64) -> Self {
        let of = |count: usize| (count as f64 * part) as usize;
        Self {
            v4: of(self.v4),
            v6: of(self.v6),
            ases: of(self.ases).max(400),
            vrps: of(self.vrps),
            aspas: of(self.aspas),
            ..self
        }
    }
}

pub struct World {
    pub plan: Plan,
    pub topology: Topology,
    pub space: Space,
    pub sessions: Vec<Session>,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let topology = Topology::new(plan.seed, plan.ases);
        let space = Space::new(plan.seed, plan.v4, plan.v6, plan.ases);
        let sessions = sessions::sessions(&plan, &topology);
        Self { plan, topology, space, sessions }
    }

    /// The same as one collector sees it: a file of MRT does not say whose it is.
    pub fn at_one_collector(mut self, collector: &str) -> Self {
        for session in &mut self.sessions {
            let point = VantagePoint { collector: collector.into(), ..(*session.point).clone() };
            session.point = Arc::new(point);
        }
        self
    }

    /// Whether a session has a route to that prefix. It has all prefixes of a holder or none.
    pub fn carries(&self, session: u32, place: u32) -> bool {
        let held = self.space.prefixes[place as usize];
        let by = &self.sessions[session as usize];
        Family::of(&held.prefix) == by.family && self.knows(session, held.holder)
    }

    fn knows(&self, session: u32, holder: As) -> bool {
        mix(self.plan.seed ^ 5, u64::from(session), u64::from(holder)) % 1_000_000
            < u64::from(self.sessions[session as usize].per_million)
    }

    /// Who announces the prefix, as this session has it: one in 128 prefixes has a second origin that half of them prefer.
    pub fn origin(&self, session: u32, place: u32) -> As {
        let holder = self.space.prefixes[place as usize].holder;
        let prefers = mix(self.plan.seed ^ 6, u64::from(place), u64::from(session)) & 1 == 1;
        self.rival(place).filter(|_| prefers).unwrap_or(holder)
    }

    /// The other origin of a prefix that has two.
    pub fn rival(&self, place: u32) -> Option<As> {
        let taste = mix(self.plan.seed ^ 4, u64::from(place), 0);
        let other = || (mix(self.plan.seed ^ 7, u64::from(place), 0) % self.plan.ases as u64) as As;
        taste.is_multiple_of(128).then(other)
    }

    /// The usual path from a session to a prefix.
    pub fn path(&self, session: u32, place: u32) -> Path {
        let variant = space::variant(self.plan.seed, place);
        self.topology.path(self.sessions[session as usize].asn, self.origin(session, place), variant)
    }
}

#[cfg(test)]
mod tests;
