//! Who buys from nobody? The largest group of well-connected ASes that all stand next to each other, and of which no three
//! ever stood in a row: who sells nothing to each other carries nothing from one to the other.

use std::collections::BTreeSet;

/// Steps of the search at most. Real tables take some thousand; past this the best group so far is given.
const STEPS: usize = 200_000;

/// Of `count` candidates, best-connected first, the members of the largest group; of equal ones the first found.
pub fn find(count: usize, is_link: impl Fn(usize, usize) -> bool, in_a_row: &BTreeSet<[usize; 3]>) -> Vec<usize> {
    let mut search = Search { is_link, in_a_row, best: Vec::new(), steps: 0 };
    search.extend(&mut Vec::new(), &(0..count).collect::<Vec<_>>());
    search.best
}

struct Search<'s, F> {
    is_link: F,
    in_a_row: &'s BTreeSet<[usize; 3]>,
    best: Vec<usize>,
    steps: usize,
}

impl<F: Fn(usize, usize) -> bool> Search<'_, F> {
    fn extend(&mut self, group: &mut Vec<usize>, candidates: &[usize]) {
        self.steps += 1;
        if group.len() > self.best.len() {
            self.best.clone_from(group);
        }
        for (i, next) in candidates.iter().enumerate() {
            if self.steps > STEPS || group.len() + candidates.len() - i <= self.best.len() {
                return;
            }
            let fits = |other: &&usize| {
                let is_row = |member: &usize| self.in_a_row.contains(&sorted([*member, *next, **other]));
                (self.is_link)(*next, **other) && !group.iter().any(is_row)
            };
            let rest: Vec<usize> = candidates[i + 1..].iter().filter(fits).copied().collect();
            group.push(*next);
            self.extend(group, &rest);
            group.pop();
        }
    }
}

/// The key of three candidates in a row, whatever their order.
pub fn sorted(mut row: [usize; 3]) -> [usize; 3] {
    row.sort_unstable();
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_of_two_members_is_none_although_it_stands_next_to_all() {
        // 0 to 2 are the top; 3 buys from all of them, so it hears 1 from 0.
        let rows = BTreeSet::from([[0, 1, 3]]);
        assert_eq!(find(4, |_, _| true, &rows), [0, 1, 2]);
        assert_eq!(find(4, |_, _| true, &BTreeSet::new()), [0, 1, 2, 3]);
        assert_eq!(find(4, |a, b| a + b != 3, &BTreeSet::new()), [0, 1]);
        assert!(find(0, |_, _| true, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn the_search_ends_although_everybody_stands_next_to_everybody() {
        assert!(find(60, |a, b| (a * 7 + b * 13) % 5 != 0, &BTreeSet::new()).len() > 2);
    }
}
