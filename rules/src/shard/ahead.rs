//! Which memory will the next events need? Touched for several of them at once, the waits for it pass together and not one behind the
//! other; waiting is most of what an update costs where the table is larger than the caches.

use std::hint::black_box;

use smallvec::SmallVec;

use super::Shard;
use crate::bgp::{Nlri, Update, VantageId};
use crate::event::{Event, Stamped};
use crate::limits;
use crate::rib::{PathRef, PrefixRef};

impl Shard {
    /// Brings near what the events will ask for. Changes nothing and tells nothing.
    pub fn look_ahead(&self, events: &[Stamped]) {
        if self.rib.route_count() < limits::NEAR_ROUTES {
            return;
        }
        let updates = events.iter().filter_map(|stamped| match &stamped.event {
            Event::Update(update) | Event::Seed(update) => Some(update),
            _ => None,
        });
        let mut places: SmallVec<[(PrefixRef, VantageId, u32); 64]> = SmallVec::new();
        for update in updates.clone() {
            places.extend(self.nlri_ahead(update).filter_map(|nlri| {
                let at = self.rib.find(&nlri.prefix)?;
                Some((at, update.vantage, nlri.path_id))
            }));
        }
        let held: SmallVec<[PathRef; 64]> = places
            .iter()
            .filter_map(|(at, vantage, path_id)| self.rib.entry(*at).routes.get(*vantage, *path_id))
            .collect();
        black_box(held.iter().filter(|path| self.rib.paths.is_plain(**path)).count());
        let announcing = updates.filter(|update| !update.announced.is_empty());
        black_box(announcing.filter(|update| self.rib.paths.holds(&update.attributes)).count());
    }

    fn nlri_ahead<'u>(&self, update: &'u Update) -> impl Iterator<Item = &'u Nlri> {
        let range = self.range;
        update.withdrawn.iter().chain(&update.announced).filter(move |nlri| range.holds(&nlri.prefix))
    }
}
