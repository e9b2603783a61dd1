//! Which octets does this text stand for? Without a branch, since a third of a frame is such text.

/// Leaves in `octets` what `text` stands for; none if it is not pairs of digits.
pub(super) fn decode(text: &[u8], octets: &mut Vec<u8>) -> Option<()> {
    octets.clear();
    let (pairs, rest) = text.as_chunks();
    octets.extend(pairs.iter().map(|[high, low]| value(*high) << 4 | value(*low)));
    let are_digits = text.iter().fold(true, |all, octet| all & octet.is_ascii_hexdigit());
    (rest.is_empty() && are_digits).then_some(())
}

/// Of a digit. In ASCII a letter has bit 6, and stands for nine more than its low bits.
fn value(digit: u8) -> u8 {
    (digit & 15) + 9 * (digit >> 6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decode;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut octets = vec![7];
        decode(text.as_bytes(), &mut octets).map(|()| octets)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets: Vec<u8>, upper: bool) {
            let digit = |octet: &u8| if upper { format!("{octet:02X}") } else { format!("{octet:02x}") };
            let text: String = octets.iter().map(digit).collect();
            prop_assert_eq!(decoded(&text), Some(octets));
        }

        #[test]
        fn what_has_another_character_is_none(before in "[0-9a-f]{0,8}", other in "[^0-9a-fA-F]", after in "[0-9a-f]{0,8}") {
            prop_assert_eq!(decoded(&format!("{before}{other}{after}")), None);
        }
    }

    #[test]
    fn half_an_octet_is_none() {
        assert_eq!(decoded("abc"), None);
    }
}
