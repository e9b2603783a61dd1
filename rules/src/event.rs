//! What can change a verdict. Everything that does is one of these, so a recording of them is the whole history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bgp::{Asn, Family, Timestamp, Update, VantageId, VantagePoint};
use crate::checkpoint::Checkpoint;
use crate::relations::{Relation, Relations};
use crate::rpki;
use crate::session::Standing;
use crate::shed::Shed;
use crate::watch::Watch;

#[derive(Clone, Debug)]
pub enum Event {
    /// Gives a number to a vantage point, before its first use.
    Vantage(VantageId, Arc<VantagePoint>),
    /// One BGP UPDATE.
    Update(Update),
    /// A session came up; its table is about to be sent again, which is not news.
    PeerUp { vantage: VantageId, seen: Timestamp },
    /// What two ASes said to each other that they are, in the OPENs of a session (RFC 9234 section 4).
    Role(Role),
    /// A session went down: its routes are gone from sight, which is no proof that they ended.
    PeerDown { vantage: VantageId, seen: Timestamp },
    /// The table transfer of a session is complete (RFC 4724 section 2).
    EndOfRib { vantage: VantageId, family: Family },
    /// A route of a RIB dump: history, and the baseline. `announced` only.
    Seed(Update),
    /// The dumps are read; what comes now is news.
    SeedDone { as_of: Timestamp },
    /// VRPs and ASPAs that came and went, with the state of their source.
    Rpki(Arc<rpki::Delta>),
    /// ROAs that end soon by themselves, as far as their source says so; whole.
    RoaEnds(Arc<rpki::RoaEnds>),
    /// Who sells to whom according to files, whole.
    Relations(Arc<Relations>),
    /// The same together with what the routes show: takes the place of it. Follows from the events before it, so it is in no
    /// recording.
    Inferred(Arc<Relations>),
    /// Watched networks, whole.
    Watch(Arc<Watch>),
    /// A session is believed no longer, or again; see [`crate::session`].
    Session(Standing),
    /// Memory ran short: what is worth least is held no more; see [`crate::shed`].
    Shed(Arc<Shed>),
    /// A feed became live, silent, gapped or closed.
    Feed(FeedChange),
    /// What was known before a restart. Stands before the first route.
    Restore(Arc<Checkpoint>),
    /// Here everything that must outlive a restart is given out, of one moment for all shards.
    Checkpoint,
    /// A whole second of event time passed.
    Tick,
    /// The input is over. The engine's clock stands one hold-down after the last event.
    End,
}

impl Event {
    /// The session that says it.
    pub fn session(&self) -> Option<VantageId> {
        match self {
            Self::Update(update) | Self::Seed(update) => Some(update.vantage),
            Self::PeerUp { vantage, .. } | Self::PeerDown { vantage, .. } | Self::EndOfRib { vantage, .. } => {
                Some(*vantage)
            }
            _ => None,
        }
    }
}

/// What the second AS is to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub ases: (Asn, Asn),
    pub relation: Relation,
}

impl Role {
    /// The same with the smaller number first.
    pub fn ordered(self) -> Self {
        let (a, b) = self.ases;
        if a <= b { self } else { Self { ases: (b, a), relation: self.relation.reversed() } }
    }
}

/// What became of a feed. `gap_from` names the start of a stretch that was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedChange {
    pub feed: Arc<str>,
    pub live: bool,
    /// Why it is not live; empty when it is.
    pub detail: String,
    pub gap_from: Option<Timestamp>,
    pub seen: Timestamp,
}

/// An event with its place in the one order of all events.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// Dense, from 0.
    pub seq: u64,
    /// The engine's clock; never goes back.
    pub at: Timestamp,
    pub event: Event,
}

/// Events that travel together: at most [`crate::limits::BATCH_EVENTS`].
pub type Batch = Vec<Stamped>;
