//! How may a string from outside appear in what leaves the process?
//!
//! Names, details and paths carry what others wrote. Nothing of it may move a cursor, turn the direction of a
//! line or grow without bound; each sink escapes for its own format on top of this.

use std::borrow::Cow;

/// Plain text of at most `max_chars` characters: what controls a terminal or the writing direction becomes
/// U+FFFD, and what is too long is cut with an ellipsis.
pub fn plain(text: &str, max_chars: usize) -> String {
    cut(
        &text.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect::<String>(),
        max_chars,
    )
    .into_owned()
}

/// An AS path of at most `max_chars` characters, cut between two words so that no AS number loses digits.
pub fn path(text: &str, max_chars: usize) -> String {
    let whole = plain(text, usize::MAX);
    if whole.chars().count() <= max_chars {
        return whole;
    }
    let head = cut(&whole, max_chars);
    match head.rfind(' ') {
        Some(at) => format!("{} …", &head[..at.min(head.len())]),
        None => head.into_owned(),
    }
}

fn cut(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(max_chars.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

/// Control characters (C0, C1), line and paragraph separators, and the controls of UAX #9.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_direction_marks_are_replaced() {
        assert_eq!(
            plain("a\u{1b}[2Jb\nc\u{202E}d\u{2066}e\u{85}", 64),
            "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\u{FFFD}e\u{FFFD}"
        );
        assert_eq!(plain("Größe – 名前", 64), "Größe – 名前");
    }

    #[test]
    fn long_text_is_cut_by_characters_not_bytes() {
        assert_eq!(plain("ääää", 4), "ääää");
        assert_eq!(plain("äääää", 4), "äää…");
        assert_eq!(plain("", 4), "");
    }

    #[test]
    fn a_cut_path_keeps_whole_numbers() {
        assert_eq!(path("64500 64501 64502", 64), "64500 64501 64502");
        assert_eq!(path("64500 64501 64502", 13), "64500 64501 …");
        assert_eq!(path("64500 64501 64502", 11), "64500 …");
    }
}
