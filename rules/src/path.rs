//! What a path shows before anybody judges it: private tails, loops, poisoning and slips of the finger.

use crate::bgp::{AsPath, Asn};

/// The compressed path without the private ASNs or AS_TRANS at its end, and that end, both in wire order.
/// What ends in an AS_SET has no origin to uncover and stays whole.
pub fn strip_private_tail(path: &AsPath) -> (Vec<Asn>, Vec<Asn>) {
    let mut rest = path.compressed();
    if path.origin_as().is_none() {
        return (rest, Vec::new());
    }
    let keep = rest.iter().rposition(|asn| !asn.is_private_or_trans()).map_or(0, |last| last + 1);
    let tail = rest.split_off(keep);
    (rest, tail)
}

/// The origin stands again left of a foreign AS: it put that AS there itself, to keep its route away from it.
pub fn is_poison_sandwich(compressed: &[Asn]) -> bool {
    match compressed.split_last() {
        Some((origin_as, before)) => before.contains(origin_as),
        None => false,
    }
}

/// An AS stands twice, with another in between.
pub fn has_loop(compressed: &[Asn]) -> bool {
    compressed.iter().enumerate().any(|(i, asn)| compressed[..i].contains(asn))
}

/// One digit too many, too few, wrong, or swapped with its neighbor.
pub fn asn_typo(a: Asn, b: Asn) -> bool {
    damerau_levenshtein_is_one(&a.0.to_string(), &b.0.to_string())
}

/// Exactly one insertion, deletion, substitution or swap of neighbors turns one text into the other.
pub fn damerau_levenshtein_is_one(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    match (&a[same..], &b[same..]) {
        ([], []) => false,
        ([_, rest @ ..], other) | (other, [_, rest @ ..]) if rest == other => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([x, y, a @ ..], [v, w, b @ ..]) => a == b && x == w && y == v,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> AsPath {
        text.parse().expect("a well-formed path")
    }

    fn asns(numbers: &[u32]) -> Vec<Asn> {
        numbers.iter().copied().map(Asn).collect()
    }

    #[test]
    fn a_private_tail_is_taken_off_before_the_origin_is_named() {
        for (text, rest, tail) in [
            ("64500 64496", &[64500, 64496][..], &[][..]),
            ("64500 64496 65000 65000", &[64500, 64496], &[65000]),
            ("64500 64496 65000 23456", &[64500, 64496], &[65000, 23456]),
            ("64500 65000 64496", &[64500, 65000, 64496], &[]),
            ("65000", &[], &[65000]),
            ("64500 {65000,65001}", &[64500, 65000, 65001], &[]),
            ("", &[], &[]),
        ] {
            assert_eq!(strip_private_tail(&path(text)), (asns(rest), asns(tail)), "{text}");
        }
    }

    #[test]
    fn a_poisoned_path_has_its_origin_on_both_sides() {
        assert!(is_poison_sandwich(&asns(&[64500, 64496, 64511, 64496])));
        assert!(!is_poison_sandwich(&asns(&[64500, 64511, 64500, 64496])));
        assert!(has_loop(&asns(&[64500, 64511, 64500, 64496])));
        assert!(!has_loop(&asns(&[64500, 64511, 64496])));
        assert!(!is_poison_sandwich(&[]) && !has_loop(&[]));
    }

    #[test]
    fn one_slip_of_the_finger_is_a_typo_and_two_are_not() {
        for (a, b, typo) in [
            (64496, 64469, true),
            (64496, 6449, true),
            (64496, 644_960, true),
            (64496, 64596, true),
            (64496, 64496, false),
            (64496, 64505, false),
            (64496, 46469, false),
            (1, 12, true),
        ] {
            assert_eq!(asn_typo(Asn(a), Asn(b)), typo, "{a} {b}");
            assert_eq!(asn_typo(Asn(b), Asn(a)), typo, "{b} {a}");
        }
    }

    /// Optimal string alignment, the textbook table: the slow twin.
    fn distance(a: &[u8], b: &[u8]) -> usize {
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                d[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let changed = d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swapped = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        d[i - 2][j - 2] + 1
                    } else {
                        usize::MAX
                    };
                    changed.min(swapped).min(d[i - 1][j] + 1).min(d[i][j - 1] + 1)
                };
            }
        }
        d[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn the_quick_test_agrees_with_the_table(a in "[0-2]{0,6}", b in "[0-2]{0,6}") {
            prop_assert_eq!(damerau_levenshtein_is_one(&a, &b), distance(a.as_bytes(), b.as_bytes()) == 1);
        }
    }
}
