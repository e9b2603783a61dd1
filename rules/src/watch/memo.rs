//! What is remembered of the watch list where a prefix is held, so that its routes need not ask again: two words.

use super::PlaceRef;
use crate::bgp::Asn;

/// Good for one watch list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memo {
    place: u32,
    /// An origin that the watchers are content with, whoever stands next to it and whatever was learned; AS0 while there is none.
    content_with: Asn,
}

const UNASKED: u32 = u32::MAX;
const NOBODY: u32 = u32::MAX - 1;

impl Default for Memo {
    fn default() -> Self {
        Self { place: UNASKED, content_with: Asn(0) }
    }
}

impl Memo {
    pub fn new(nearest: Option<PlaceRef>) -> Self {
        Self { place: nearest.map_or(NOBODY, |place| place.0), content_with: Asn(0) }
    }

    /// The nearest watched prefix, if somebody asked.
    pub fn nearest(self) -> Option<Option<PlaceRef>> {
        match self.place {
            UNASKED => None,
            NOBODY => Some(None),
            place => Some(Some(PlaceRef(place))),
        }
    }

    /// Where it is not yet known that they are content with this origin.
    pub fn open_place(self, origin_as: Asn) -> Option<PlaceRef> {
        self.nearest().flatten().filter(|_| !self.is_content_with(origin_as))
    }

    pub fn is_content_with(self, origin_as: Asn) -> bool {
        self.content_with == origin_as && origin_as != Asn(0)
    }

    pub fn content_with(self, origin_as: Asn) -> Self {
        Self { content_with: origin_as, ..self }
    }
}
