//! Which incidents were there? All that the store knows, by the filters of the API.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use feeds::as2org::AsNames;
use reqwest::Url;
use rules::alert::{Alert, Class, Severity, Status};

use super::{Row, account, page, spoken};
use crate::api::problem::Problem;
use crate::text;

#[derive(Template)]
#[template(path = "search.html")]
struct Search<'a> {
    rows: Vec<Row>,
    problem: Option<&'a Problem>,
    /// Text fields: name, label, kind, what stands in it.
    fields: Vec<(&'static str, &'static str, &'static str, String)>,
    choices: Vec<Choice>,
    /// The place of the next page, and of the first if this is another one.
    next: Option<String>,
    first: Option<String>,
    /// The same for programs.
    export: String,
}

/// One of several words.
struct Choice {
    name: &'static str,
    label: &'static str,
    /// What no choice means.
    usual: &'static str,
    /// Value, in words, whether it is chosen.
    options: Vec<(&'static str, String, bool)>,
}

const FIELDS: [(&str, &str, &str); 7] = [
    ("since", "Began from", "date"),
    ("until", "to", "date"),
    ("suspect", "Suspect AS", "text"),
    ("victim", "Victim AS", "text"),
    ("prefix", "Prefix or address", "text"),
    ("constituent", "Watched network", "text"),
    ("country", "Country", "text"),
];

/// `asked` as it was given; what was found with the cursor of the next page, or why nothing can be.
pub fn search(
    asked: &BTreeMap<String, String>,
    found: Result<(&[Alert], Option<&str>), &Problem>,
    names: &AsNames,
) -> Response {
    let said = |name: &str| asked.get(name).map_or(String::new(), |value| text::plain(value, 64));
    let choice = |name, label, words: Vec<&'static str>| {
        let chosen = said(name);
        let option = |word: &'static str| (word, spoken(word), word == chosen);
        Choice { name, label, usual: "any", options: words.into_iter().map(option).collect() }
    };
    let lying = [("exact", "are the same"), ("more", "lie inside"), ("less", "lie around")];
    let lying = lying.map(|(word, words)| (word, words.to_owned(), said("match") == word));
    let (alerts, next) = found.unwrap_or_default();
    let response = page(&Search {
        rows: alerts.iter().map(|alert| Row::of(alert, names)).collect(),
        problem: found.err(),
        fields: FIELDS.map(|(name, label, kind)| (name, label, kind, said(name))).to_vec(),
        choices: vec![
            choice("status", "Status", Status::ALL.iter().map(|status| status.word()).collect()),
            choice("min_severity", "At least", Severity::ALL.iter().map(|severity| severity.word()).collect()),
            choice("class", "Class", Class::ALL.iter().map(|class| class.word()).collect()),
            Choice { name: "match", label: "Prefixes that", usual: "overlap", options: lying.to_vec() },
        ],
        next: next.map(|next| place("/history", asked, Some(next))),
        first: asked.contains_key("cursor").then(|| place("/history", asked, None)),
        export: place("/api/v1/incidents.csv", &for_programs(asked), None),
    });
    account::with_code(found.err().map_or(StatusCode::OK, Problem::code), response)
}

/// The same question at another place of the list.
fn place(path: &str, asked: &BTreeMap<String, String>, cursor: Option<&str>) -> String {
    let mut url = Url::parse("http://localhost").expect("a URL");
    let asked = asked.iter().filter(|(name, _)| *name != "cursor");
    let cursor = cursor.map(|cursor| ("cursor", cursor));
    url.query_pairs_mut().extend_pairs(asked.map(|(name, value)| (name.as_str(), value.as_str())).chain(cursor));
    let query = url.query().filter(|query| !query.is_empty()).map_or(String::new(), |query| format!("?{query}"));
    format!("{path}{query}")
}

/// Programs say moments, not days.
fn for_programs(asked: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut asked = asked.clone();
    for (name, days) in [("since", 0), ("until", 1)] {
        if let Some(day) = asked.get_mut(name) {
            *day = super::day_as_moment(day, days);
        }
    }
    asked
}
