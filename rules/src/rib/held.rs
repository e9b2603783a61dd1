//! What does a session hold? Its routes are counted, and as long as they are few it is known where they are, so that its end
//! does not look at the whole table.

use super::PrefixRef;
use crate::bgp::VantageId;
use crate::limits;

#[derive(Default)]
struct Session {
    routes: u32,
    /// Every prefix with a route of it, some twice and some that have none any more; none: it has or had too many.
    places: Option<Vec<PrefixRef>>,
}

/// All sessions, by number.
#[derive(Default)]
pub struct Held(Vec<Session>);

impl Held {
    /// One more route. `is_held`: whether the session has a route at a prefix.
    pub fn gained(&mut self, vantage: VantageId, at: PrefixRef, is_held: impl Fn(PrefixRef) -> bool) {
        let i = vantage.0 as usize;
        if self.0.len() <= i {
            self.0.resize_with(i + 1, Session::default);
        }
        let session = &mut self.0[i];
        session.routes += 1;
        if session.routes == 1 {
            session.places = Some(Vec::new());
        }
        let Some(places) = &mut session.places else { return };
        places.push(at);
        if places.len() < limits::PLACES_OF_A_SESSION {
            return;
        }
        // Half of the room at least is free again, so this is rare; else it is no small session.
        if session.routes as usize > limits::PLACES_OF_A_SESSION / 2 {
            session.places = None;
        } else {
            places.sort_unstable();
            places.dedup();
            places.retain(|at| is_held(*at));
        }
    }

    /// One less.
    pub fn lost(&mut self, vantage: VantageId) {
        self.0[vantage.0 as usize].routes -= 1;
    }

    pub fn routes(&self, vantage: VantageId) -> u32 {
        self.0.get(vantage.0 as usize).map_or(0, |session| session.routes)
    }

    /// Where its routes are, if they are few: sorted, each once, among them some without.
    pub fn places(&self, vantage: VantageId) -> Option<Vec<PrefixRef>> {
        let mut places = self.0.get(vantage.0 as usize)?.places.clone()?;
        places.sort_unstable();
        places.dedup();
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MOST: u32 = limits::PLACES_OF_A_SESSION as u32;

    /// Announced or withdrawn, from which prefix on, how many, and under which path id.
    fn a_history() -> impl Strategy<Value = Vec<(bool, u32, u32, u32)>> {
        prop::collection::vec((any::<bool>(), 0..2 * MOST, 1..MOST / 2, 0u32..2), 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn places_are_all_that_a_session_holds_or_it_has_had_many(history in a_history()) {
            let (mut held, vantage) = (Held::default(), VantageId(3));
            let mut routes: BTreeSet<(u32, u32)> = BTreeSet::new();
            let mut most = 0;
            for (announces, from, count, path_id) in history {
                for i in from..from + count {
                    if announces && routes.insert((i, path_id)) {
                        let has = |at: PrefixRef| [0, 1].iter().any(|id| routes.contains(&(at.0, *id)));
                        held.gained(vantage, PrefixRef(i), has);
                    } else if !announces && routes.remove(&(i, path_id)) {
                        held.lost(vantage);
                    }
                    most = if routes.is_empty() { 0 } else { most.max(routes.len() as u32) };
                }
                prop_assert_eq!(held.routes(vantage) as usize, routes.len());
                let expected: BTreeSet<u32> = routes.iter().map(|(i, _)| *i).collect();
                match held.places(vantage) {
                    Some(places) => {
                        prop_assert!(places.len() < MOST as usize && places.is_sorted());
                        let told: Vec<_> = places.into_iter().map(|at| at.0).filter(|i| expected.contains(i)).collect();
                        prop_assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
                    }
                    None => prop_assert!(most > MOST / 2 || routes.is_empty()),
                }
            }
        }
    }
}
