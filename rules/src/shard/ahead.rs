//! Where in memory is what the next events ask for? Found for several of them at once, the waits for it pass together and not one behind
//! the other; waiting is most of what an update costs.
//!
//! What was found is a hint: it is used only where it is certain to hold still, and nothing else follows from it.

use std::hint::black_box;

use smallvec::SmallVec;

use super::{Known, Shard};
use crate::baseline::Adjacency;
use crate::bgp::{Asn, Nlri, Update, VantageId};
use crate::event::{Event, Stamped};
use crate::limits;
use crate::rib::{PathRef, PrefixRef};

/// What was found for some events, in their order.
#[derive(Default)]
pub(super) struct Ahead {
    messages: Vec<Message>,
    /// Of everything that they announce or withdraw here, of a message first what it announces.
    places: Vec<Option<PrefixRef>>,
    /// The first message that was not worked off.
    next: usize,
    /// [`crate::rib::PathTable::freed`] when the paths were found.
    freed: u64,
}

struct Message {
    seq: u64,
    path: Option<PathRef>,
    /// The first of its places.
    first: usize,
}

/// What was found for one message.
#[derive(Clone, Copy, Default)]
pub(super) struct Hint {
    /// And how many had become free when it was found.
    pub path: Option<(PathRef, u64)>,
    /// The first of its places.
    first: Option<usize>,
}

impl Ahead {
    /// To be done wherever places are forgotten.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.places.clear();
        self.next = 0;
    }

    /// What was found for the message of that number. What was found for those before it is over.
    pub fn of(&mut self, seq: u64) -> Hint {
        while let Some(message) = self.messages.get(self.next).filter(|message| message.seq <= seq) {
            self.next += 1;
            if message.seq == seq {
                let path = message.path.map(|path| (path, self.freed));
                return Hint { path, first: Some(message.first) };
            }
        }
        Hint::default()
    }

    /// The place of the prefix that the message announces here as the `i`th.
    pub fn place(&self, hint: Hint, i: usize) -> Option<PrefixRef> {
        self.places.get(hint.first? + i).copied().flatten()
    }
}

impl Shard {
    /// Brings near what the events will ask for. Tells nothing, and changes nothing that is told.
    ///
    /// In steps, each for all of the events: what one step loads says where the next one is to look, and what is loaded in one step
    /// comes together.
    pub fn look_ahead(&mut self, events: &[Stamped]) {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.clear();
        ahead.freed = self.rib.paths.freed();
        let updates: SmallVec<[(u64, &Update); limits::LOOK_AHEAD]> = events.iter().filter_map(routes_of).collect();
        let mut asked: Asked<'_> = SmallVec::new();
        for (seq, update) in &updates {
            let first = ahead.places.len();
            self.ask(update.vantage, &update.announced, &mut asked, &mut ahead.places);
            let is_needed = ahead.places.len() > first;
            let path = is_needed.then(|| self.rib.paths.guess(&update.attributes)).flatten();
            self.ask(update.vantage, &update.withdrawn, &mut asked, &mut ahead.places);
            ahead.messages.push(Message { seq: *seq, path, first });
        }
        for (place, (_, nlri)) in ahead.places.iter_mut().zip(&asked) {
            *place = place.and_then(|at| self.rib.confirm(&nlri.prefix, at));
        }
        let is_large = self.rib.route_count() >= limits::NEAR_ROUTES;
        if is_large {
            let guessed = ahead.messages.iter().filter_map(|message| message.path);
            black_box(guessed.filter(|path| self.rib.paths.ases(*path).first() == Some(&Asn(0))).count());
        }
        for ((_, update), message) in updates.iter().zip(&mut ahead.messages) {
            message.path = message.path.and_then(|path| self.rib.paths.confirm(&update.attributes, path));
        }
        if is_large {
            self.touch(&asked, &ahead.places);
            self.touch_links(&updates, &ahead.messages);
        }
        self.ahead = ahead;
    }

    /// Guesses where prefixes are that one message tells of, as far as they are held here.
    fn ask<'u>(
        &self,
        vantage: VantageId,
        told: &'u [Nlri],
        asked: &mut Asked<'u>,
        places: &mut Vec<Option<PrefixRef>>,
    ) {
        for nlri in told.iter().filter(|nlri| self.range.holds(&nlri.prefix)) {
            asked.push((vantage, nlri));
            places.push(self.rib.guess(&nlri.prefix));
        }
    }

    /// Baselines, and rows and paths of what is held now.
    fn touch(&self, asked: &Asked<'_>, places: &[Option<PrefixRef>]) {
        let entries = places.iter().flatten().map(|at| self.rib.entry(*at));
        black_box(entries.filter(|entry| entry.is_in_baseline(Asn(0))).count());
        let held = |((vantage, nlri), place): (&(VantageId, &Nlri), &Option<PrefixRef>)| {
            place.and_then(|at| self.rib.entry(at).routes.get(*vantage, nlri.path_id))
        };
        let held: SmallVec<[PathRef; 4 * limits::LOOK_AHEAD]> = asked.iter().zip(places).filter_map(held).collect();
        black_box(held.iter().filter(|path| self.rib.paths.is_plain(**path)).count());
    }

    /// What is known of the links of new paths, and what makes room for these.
    fn touch_links(&self, updates: &[(u64, &Update)], messages: &[Message]) {
        let is_new = |(_, message): &(&(u64, &Update), &Message)| message.path.is_none();
        let new = || updates.iter().zip(messages).filter(is_new).map(|((_, update), _)| &update.attributes.as_path);
        let links = new().flat_map(|path| path.ases().windows(2));
        let links = links.map(|link| Adjacency { origin_as: link[1], neighbor: link[0] });
        let has_edge = |link: &Adjacency| self.context.relations.edge(link.neighbor, link.origin_as).is_some();
        black_box(links.filter(|link| has_edge(link) & self.context.known.contains(&Known::from(*link))).count());
        black_box(self.rib.paths.leaving(new().count()));
    }
}

/// What was announced and withdrawn, and by which session.
type Asked<'u> = SmallVec<[(VantageId, &'u Nlri); 4 * limits::LOOK_AHEAD]>;

fn routes_of(stamped: &Stamped) -> Option<(u64, &Update)> {
    match &stamped.event {
        Event::Update(update) | Event::Seed(update) => Some((stamped.seq, update)),
        _ => None,
    }
}
