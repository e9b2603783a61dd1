//! Where in memory is what the next events ask for? Found for several of them at once, the waits for it pass together and not one behind
//! the other; waiting is most of what an update costs.
//!
//! What was found is a hint: it is used only where it is certain to hold still, and nothing else follows from it.

use std::hint::black_box;

use smallvec::SmallVec;

use super::Shard;
use crate::bgp::{Nlri, Update};
use crate::event::{Event, Stamped};
use crate::limits;
use crate::rib::{PathRef, PrefixRef};

/// What was found for some events, in their order.
#[derive(Default)]
pub(super) struct Ahead {
    messages: Vec<Message>,
    /// Of everything that they announce or withdraw here, in the order of [`Shard::nlri_here`].
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
        for (seq, update) in events.iter().filter_map(routes_of) {
            let first = ahead.places.len();
            ahead.places.reserve(update.announced.len() + update.withdrawn.len());
            self.nlri_here(update).for_each(|nlri| ahead.places.push(self.rib.guess(&nlri.prefix)));
            let is_needed = update.announced.iter().any(|nlri| self.range.holds(&nlri.prefix));
            let path = is_needed.then(|| self.rib.paths.guess(&update.attributes)).flatten();
            ahead.messages.push(Message { seq, path, first });
        }
        let mut places = ahead.places.iter_mut();
        for (_, update) in events.iter().filter_map(routes_of) {
            self.nlri_here(update).for_each(|nlri| {
                if let Some(place) = places.next() {
                    *place = place.and_then(|at| self.rib.confirm(&nlri.prefix, at));
                }
            });
        }
        for ((_, update), message) in events.iter().filter_map(routes_of).zip(&mut ahead.messages) {
            message.path = message.path.and_then(|path| self.rib.paths.confirm(&update.attributes, path));
        }
        if self.rib.route_count() >= limits::NEAR_ROUTES {
            self.touch(events, &ahead.places);
        }
        self.ahead = ahead;
    }

    /// Rows and paths of what is held now.
    fn touch(&self, events: &[Stamped], places: &[Option<PrefixRef>]) {
        let mut held: SmallVec<[PathRef; 64]> = SmallVec::new();
        let mut places = places.iter();
        for (_, update) in events.iter().filter_map(routes_of) {
            for (nlri, place) in self.nlri_here(update).zip(&mut places) {
                let routes = |at: PrefixRef| &self.rib.entry(at).routes;
                held.extend(place.and_then(|at| routes(at).get(update.vantage, nlri.path_id)));
            }
        }
        black_box(held.iter().filter(|path| self.rib.paths.is_plain(**path)).count());
    }

    /// What is announced here, then what is withdrawn.
    fn nlri_here<'u>(&self, update: &'u Update) -> impl Iterator<Item = &'u Nlri> {
        let range = self.range;
        update.announced.iter().chain(&update.withdrawn).filter(move |nlri| range.holds(&nlri.prefix))
    }
}

fn routes_of(stamped: &Stamped) -> Option<(u64, &Update)> {
    match &stamped.event {
        Event::Update(update) | Event::Seed(update) => Some((stamped.seq, update)),
        _ => None,
    }
}
