//! How do ASes stand in a text? As links to what they announce, with their names where these are known.

use askama::Template;
use feeds::as2org::AsNames;
use rules::bgp::Asn;

use super::ases;
use crate::text;

/// Characters of a name.
const NAME: usize = 64;

/// A text with links: a part of a page.
#[derive(Template)]
#[template(path = "linked.html")]
pub struct Linked {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    As { asn: u32, name: Option<String> },
}

impl Linked {
    /// The first ASes of a list, each with its name.
    pub fn list(list: &[Asn], names: &AsNames) -> Self {
        match list.is_empty() {
            true => Self { parts: Vec::new() },
            false => Self::of(&ases(list), |asn| name(names, asn)),
        }
    }

    /// A text in which ASes are written as `AS64511`.
    pub fn text(text: &str) -> Self {
        Self::of(text, |_| None)
    }

    fn of(text: &str, name: impl Fn(Asn) -> Option<String>) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, asn, behind)) = first_as(rest) {
            parts.extend(Some(before).filter(|text| !text.is_empty()).map(|text| Part::Text(text.to_owned())));
            parts.push(Part::As { asn: asn.0, name: name(asn) });
            rest = behind;
        }
        parts.extend(Some(rest).filter(|text| !text.is_empty()).map(|text| Part::Text(text.to_owned())));
        Self { parts }
    }
}

/// What an AS is called.
pub fn name(names: &AsNames, asn: Asn) -> Option<String> {
    names.of(asn)?.name.as_deref().map(|name| text::plain(name, NAME))
}

/// The first `AS64511` that is a word, with what stands before and behind it.
fn first_as(text: &str) -> Option<(&str, Asn, &str)> {
    text.match_indices("AS").find_map(|(at, _)| {
        let digits = &text[at + 2..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let is_word = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let is_alone = is_word(text[..at].chars().next_back()) && is_word(digits[end..].chars().next());
        let asn = digits[..end].parse().ok().filter(|_| is_alone)?;
        Some((&text[..at], Asn(asn), &digits[end..]))
    })
}

#[cfg(test)]
mod tests {
    use feeds::as2org::As2org;

    use super::*;

    fn shown(linked: &Linked) -> String {
        linked.render().expect("a text").trim_end().to_owned()
    }

    #[test]
    fn ases_are_links_and_nothing_else_is() {
        let link = |asn: u32| format!("<a href=\"/as?asn={asn}\">AS{asn}</a>");
        for (text, expected) in [
            ("AS64511", link(64511)),
            ("from AS64511 to AS64500.", format!("from {} to {}.", link(64511), link(64500))),
            (
                "ASPA, AS_SET, AS, BIAS64511, AS64511x, AS99999999999 <b>",
                "ASPA, AS_SET, AS, BIAS64511, AS64511x, AS99999999999 &#60;b&#62;".into(),
            ),
            ("é AS1é AS64496", format!("é AS1é {}", link(64496))),
        ] {
            assert_eq!(shown(&Linked::text(text)), expected, "{text}");
        }
        assert_eq!(shown(&Linked::list(&[], &AsNames::default())), "–");
    }

    #[test]
    fn names_stand_beside_their_numbers_and_do_nothing() {
        let text = "# format:aut|aut_name|org_id\n64511|<script>alert(1)</script>\u{202e}|O\n64500||O\n";
        let names = As2org::parse(text.as_bytes()).expect("as2org").names;
        let list = shown(&Linked::list(&[Asn(64511), Asn(64500)], &names));
        assert!(
            list.contains("<span class=\"as-name\">&#60;script&#62;alert(1)&#60;/script&#62;\u{fffd}</span>, <a"),
            "{list}"
        );
        assert_eq!(list.matches("as-name").count(), 1);
    }
}
