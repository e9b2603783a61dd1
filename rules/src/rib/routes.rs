//! Which routes does one prefix have?
//!
//! Four octets a route where most sessions have one, eight where few do, twelve where one session has several (ADD-PATH,
//! RFC 7911). One allocation at most, and routes always come in the order (vantage point, path id).

use smallvec::SmallVec;

use super::{PathRef, Route};
use crate::bgp::VantageId;

/// At most one route per (vantage point, path id).
#[derive(Clone, Debug)]
pub struct Routes(Layout);

#[derive(Clone, Debug)]
enum Layout {
    /// Sorted; path id 0.
    Few(SmallVec<[(VantageId, PathRef); 2]>),
    /// Path id 0.
    Many(Many),
    /// Sorted; some path id is not 0.
    Several(Vec<Route>),
}

/// A bit for each vantage point by its number, 32 a word, then the paths of those whose bit is set.
#[derive(Clone, Debug)]
struct Many {
    words: u32,
    /// Bits, then paths.
    data: Vec<u32>,
}

impl Default for Routes {
    fn default() -> Self {
        Self(Layout::Few(SmallVec::new()))
    }
}

impl Routes {
    pub fn len(&self) -> usize {
        match &self.0 {
            Layout::Few(few) => few.len(),
            Layout::Many(many) => many.len(),
            Layout::Several(several) => several.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, vantage: VantageId, path_id: u32) -> Option<PathRef> {
        match &self.0 {
            Layout::Several(several) => Some(several[search(several, vantage, path_id).ok()?].path),
            _ if path_id != 0 => None,
            Layout::Few(few) => Some(few[few.binary_search_by_key(&vantage, |(v, _)| *v).ok()?].1),
            Layout::Many(many) => Some(PathRef(many.data[many.find(vantage).ok()?])),
        }
    }

    /// Whether the vantage point has any.
    pub fn has(&self, vantage: VantageId) -> bool {
        match &self.0 {
            Layout::Several(_) => self.of(vantage).next().is_some(),
            _ => self.get(vantage, 0).is_some(),
        }
    }

    /// Whether the vantage point has another one than that of `path_id`, which it has or just gave back.
    pub fn has_other(&self, vantage: VantageId, path_id: u32) -> bool {
        matches!(self.0, Layout::Several(_)) && self.of(vantage).any(|route| route.path_id != path_id)
    }

    /// All of one vantage point.
    pub fn of(&self, vantage: VantageId) -> impl Iterator<Item = Route> + '_ {
        let single = self.get(vantage, 0).filter(|_| !matches!(self.0, Layout::Several(_)));
        let several: &[Route] = match &self.0 {
            Layout::Several(several) => &several[several.partition_point(|r| r.vantage < vantage)..],
            _ => &[],
        };
        let several = several.iter().take_while(move |r| r.vantage == vantage).copied();
        single.map(|path| Route { vantage, path_id: 0, path }).into_iter().chain(several)
    }

    /// Puts a route in; gives what stood there.
    pub fn insert(&mut self, vantage: VantageId, path_id: u32, path: PathRef) -> Option<PathRef> {
        if path_id != 0 && !matches!(self.0, Layout::Several(_)) {
            self.0 = Layout::Several(self.to_vec());
        }
        let old = match &mut self.0 {
            Layout::Few(few) => match few.binary_search_by_key(&vantage, |(v, _)| *v) {
                Ok(i) => Some(std::mem::replace(&mut few[i].1, path)),
                Err(i) => {
                    if few.len() == few.capacity() {
                        few.reserve_exact(room::<(VantageId, PathRef)>(few.len()));
                    }
                    few.insert(i, (vantage, path));
                    None
                }
            },
            Layout::Many(many) => many.insert(vantage, path),
            Layout::Several(several) => match search(several, vantage, path_id) {
                Ok(i) => Some(std::mem::replace(&mut several[i].path, path)),
                Err(i) => {
                    if several.len() == several.capacity() {
                        several.reserve_exact(room::<Route>(several.len()));
                    }
                    several.insert(i, Route { vantage, path_id, path });
                    None
                }
            },
        };
        if old.is_none() {
            self.grow();
        }
        old
    }

    /// Takes a route out.
    pub fn remove(&mut self, vantage: VantageId, path_id: u32) -> Option<PathRef> {
        let old = match &mut self.0 {
            Layout::Several(several) => several.remove(search(several, vantage, path_id).ok()?).path,
            _ if path_id != 0 => return None,
            Layout::Few(few) => few.remove(few.binary_search_by_key(&vantage, |(v, _)| *v).ok()?).1,
            Layout::Many(many) => many.remove(vantage)?,
        };
        self.shrink();
        Some(old)
    }

    /// Gives back the room to grow.
    pub fn fit(&mut self) {
        match &mut self.0 {
            Layout::Few(few) => few.shrink_to_fit(),
            Layout::Many(many) => many.data.shrink_to_fit(),
            Layout::Several(several) => several.shrink_to_fit(),
        }
    }

    /// A copy to walk along while the table changes.
    pub fn to_vec(&self) -> Vec<Route> {
        self.iter().collect()
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Layout::Few(few) => Walk::Few(few.iter()),
            Layout::Many(many) => {
                let (bits, paths) = many.data.split_at(many.words as usize);
                Walk::Many { bits, paths: paths.iter(), word: 0, left: bits.first().copied().unwrap_or_default() }
            }
            Layout::Several(several) => Walk::Several(several.iter()),
        })
    }

    /// Bits pay once they take less than the numbers they stand for.
    fn grow(&mut self) {
        if let Layout::Few(few) = &self.0
            && let Some((last, _)) = few.last()
            && few.len() > most_few(words_of(*last))
        {
            self.0 = Layout::Many(Many::of(few));
        }
    }

    fn shrink(&mut self) {
        let is_less = match &self.0 {
            // Not at the same number as it grew, or a session that flaps would move all of it each time.
            Layout::Many(many) => many.len() < most_few(many.words) / 2,
            Layout::Several(several) => several.is_empty(),
            Layout::Few(few) => few.spilled() && few.len() < few.capacity() / 4,
        };
        if is_less {
            self.0 = Layout::Few(self.iter().map(|r| (r.vantage, r.path)).collect());
        }
    }
}

impl<'a> IntoIterator for &'a Routes {
    type Item = Route;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// By how much room for `held` grows: to the next 32 octets, less the 8 that allocators keep; large rows by a sixty-fourth. Rows of a
/// table grow together, one dump after the other, and what one leaves behind is soon filled by its neighbors if they all take small
/// steps of one size. An eighth at a time left one octet in six of all rows empty, between the rows and in them.
fn room<T>(held: usize) -> usize {
    let wanted = (held + (held / 64).max(1)) * size_of::<T>();
    ((wanted + 8).next_multiple_of(32) - 8) / size_of::<T>() - held
}

fn words_of(last: VantageId) -> u32 {
    last.0 / 32 + 1
}

/// Routes for which a number each is less than the bits.
fn most_few(words: u32) -> usize {
    8 + words as usize
}

fn search(several: &[Route], vantage: VantageId, path_id: u32) -> Result<usize, usize> {
    several.binary_search_by_key(&(vantage, path_id), |r| (r.vantage, r.path_id))
}

impl Many {
    fn of(few: &[(VantageId, PathRef)]) -> Self {
        let words = few.last().map_or(0, |(last, _)| words_of(*last));
        let held = words as usize + few.len();
        let mut data = Vec::with_capacity(held + room::<u32>(held));
        data.resize(words as usize, 0);
        few.iter().for_each(|(vantage, _)| data[vantage.0 as usize / 32] |= 1 << (vantage.0 % 32));
        data.extend(few.iter().map(|(_, path)| path.0));
        Self { words, data }
    }

    fn len(&self) -> usize {
        self.data.len() - self.words as usize
    }

    /// Where the path of a vantage point stands in `data`, or would.
    fn find(&self, vantage: VantageId) -> Result<usize, usize> {
        let (word, bit) = (vantage.0 as usize / 32, vantage.0 % 32);
        let bits = &self.data[..self.words as usize];
        let Some(own) = bits.get(word) else { return Err(self.data.len()) };
        let before: u32 = bits[..word].iter().map(|w| w.count_ones()).sum();
        let at = bits.len() + (before + (own & ((1 << bit) - 1)).count_ones()) as usize;
        if own >> bit & 1 == 1 { Ok(at) } else { Err(at) }
    }

    fn insert(&mut self, vantage: VantageId, path: PathRef) -> Option<PathRef> {
        let words = words_of(vantage);
        if words > self.words {
            let (end, more) = (self.words as usize, (words - self.words) as usize);
            if self.data.capacity() - self.data.len() < more {
                self.data.reserve_exact(more + room::<u32>(self.data.len() + more));
            }
            self.data.splice(end..end, std::iter::repeat_n(0, more));
            self.words = words;
        }
        match self.find(vantage) {
            Ok(at) => Some(PathRef(std::mem::replace(&mut self.data[at], path.0))),
            Err(at) => {
                if self.data.len() == self.data.capacity() {
                    self.data.reserve_exact(room::<u32>(self.data.len()));
                }
                self.data.insert(at, path.0);
                self.data[vantage.0 as usize / 32] |= 1 << (vantage.0 % 32);
                None
            }
        }
    }

    fn remove(&mut self, vantage: VantageId) -> Option<PathRef> {
        let at = self.find(vantage).ok()?;
        self.data[vantage.0 as usize / 32] &= !(1 << (vantage.0 % 32));
        Some(PathRef(self.data.remove(at)))
    }
}

/// In the order (vantage point, path id).
#[derive(Clone, Debug)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    Few(std::slice::Iter<'a, (VantageId, PathRef)>),
    Many {
        bits: &'a [u32],
        paths: std::slice::Iter<'a, u32>,
        word: usize,
        /// Bits of that word that are still to come.
        left: u32,
    },
    Several(std::slice::Iter<'a, Route>),
}

impl Iterator for Iter<'_> {
    type Item = Route;

    fn next(&mut self) -> Option<Route> {
        match &mut self.0 {
            Walk::Few(few) => few.next().map(|(vantage, path)| Route { vantage: *vantage, path_id: 0, path: *path }),
            Walk::Many { bits, paths, word, left } => {
                while *left == 0 {
                    *word += 1;
                    *left = *bits.get(*word)?;
                }
                let vantage = VantageId(*word as u32 * 32 + left.trailing_zeros());
                *left &= *left - 1;
                paths.next().map(|path| Route { vantage, path_id: 0, path: PathRef(*path) })
            }
            Walk::Several(several) => several.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Few(few) => few.size_hint(),
            Walk::Many { paths, .. } => paths.size_hint(),
            Walk::Several(several) => several.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32, u32, u32),
        Remove(u32, u32),
    }

    fn step(vantages: u32, path_ids: u32) -> impl Strategy<Value = Step> {
        let key = move || (0..vantages, 0..path_ids);
        prop_oneof![
            3 => (key(), 0..9_u32).prop_map(|((v, id), path)| Step::Insert(v, id, path)),
            2 => key().prop_map(|(v, id)| Step::Remove(v, id)),
        ]
    }

    /// Few and many sessions, near each other and far apart, with and without ADD-PATH.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let of = |vantages, path_ids| proptest::collection::vec(step(vantages, path_ids), 0..400);
        prop_oneof![of(4, 1), of(70, 1), of(2_000, 1), of(40, 3)]
    }

    fn agree(routes: &Routes, twin: &BTreeMap<(VantageId, u32), PathRef>) {
        let listed: Vec<_> = routes.iter().map(|r| ((r.vantage, r.path_id), r.path)).collect();
        let told: Vec<_> = twin.iter().map(|(key, path)| (*key, *path)).collect();
        assert_eq!(listed, told);
        assert_eq!((routes.len(), routes.is_empty()), (twin.len(), twin.is_empty()));
    }

    proptest! {
        #[test]
        fn routes_are_what_a_sorted_map_is(steps in steps()) {
            let (mut routes, mut twin) = (Routes::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(v, id, path) => {
                        let (vantage, path) = (VantageId(v), PathRef(path));
                        prop_assert_eq!(routes.insert(vantage, id, path), twin.insert((vantage, id), path));
                    }
                    Step::Remove(v, id) => {
                        let vantage = VantageId(v);
                        let gone = routes.remove(vantage, id);
                        prop_assert_eq!(gone, twin.remove(&(vantage, id)));
                        let others = twin.range((vantage, 0)..=(vantage, u32::MAX)).count();
                        prop_assert!(gone.is_none() || routes.has_other(vantage, id) == (others > 0));
                    }
                }
                agree(&routes, &twin);
            }
            for vantage in (0..2_001).map(VantageId) {
                let all: Vec<_> = routes.of(vantage).map(|r| (r.path_id, r.path)).collect();
                let told: Vec<_> = twin.range((vantage, 0)..=(vantage, u32::MAX)).map(|((_, id), p)| (*id, *p)).collect();
                prop_assert_eq!(routes.has(vantage), !told.is_empty());
                for (path_id, _) in &told {
                    prop_assert_eq!(routes.has_other(vantage, *path_id), told.len() > 1);
                }
                prop_assert_eq!(routes.get(vantage, 0), twin.get(&(vantage, 0)).copied());
                prop_assert_eq!(all, told);
            }
        }
    }

    #[test]
    fn a_full_row_takes_little_more_than_its_paths() {
        let mut routes = Routes::default();
        (0..350).for_each(|v| assert_eq!(routes.insert(VantageId(v), 0, PathRef(v)), None));
        let Layout::Many(many) = &routes.0 else { panic!("{routes:?}") };
        assert!(many.data.capacity() * 4 < 350 * 5, "{} octets", many.data.capacity() * 4);
        assert_eq!(size_of::<Routes>(), 32);
    }

    #[test]
    fn what_was_many_is_few_again() {
        let mut routes = Routes::default();
        (0..100).for_each(|v| assert_eq!(routes.insert(VantageId(v), 0, PathRef(v)), None));
        (3..100).for_each(|v| assert_eq!(routes.remove(VantageId(v), 0), Some(PathRef(v))));
        assert!(matches!(&routes.0, Layout::Few(few) if few.len() == 3 && few.capacity() <= 8), "{routes:?}");
    }
}
