//! What do people say of an incident, and what may whoever looks say of it?

use askama::Template;
use axum::http::StatusCode;
use rules::alert::Alert;

use super::moment;
use crate::api::problem::Problem;
use crate::app::now;
use crate::http::guard::{Caller, Guard};
use crate::store::verdicts::{Opinion, Verdict};
use crate::text;

/// What was said that is listed, the newest; the API has all.
const SHOWN: usize = 50;

/// A part of the page of an incident.
#[derive(Template)]
#[template(path = "triage.html")]
pub struct Triage {
    id: String,
    /// Of the alert that is looked at.
    sequence: u32,
    /// The newest first.
    verdicts: Vec<VerdictRow>,
    more: usize,
    pub(super) summary: Option<String>,
    voice: Voice,
    /// What somebody wanted to say, and why it was not taken.
    draft: Option<Draft>,
}

/// Whether whoever looks may say something.
enum Voice {
    /// By this name.
    Speaks(String),
    /// This token may not, these may.
    Looks(String, String),
    /// No token is there for it.
    Nobody,
}

/// What somebody wanted to say, and why it was not taken.
pub struct Draft {
    pub problem: Problem,
    pub why: String,
    pub until: String,
    pub duplicate_of: String,
}

impl Draft {
    pub fn of(problem: Problem) -> Self {
        Self { problem, why: String::new(), until: String::new(), duplicate_of: String::new() }
    }
}

struct VerdictRow {
    number: i64,
    word: String,
    by: String,
    at: String,
    why: String,
    until: Option<String>,
    duplicate_of: Option<String>,
    state: State,
}

/// Whether it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Stands,
    Undone,
    Over,
    /// It takes another back.
    Undoes(i64),
}

impl VerdictRow {
    fn of(verdict: &Verdict) -> Self {
        let said = &verdict.said;
        Self {
            number: verdict.number,
            word: word(said.opinion).to_owned(),
            by: text::plain(&said.by, 64),
            at: moment(verdict.at),
            why: text::plain(&said.why, 1_000),
            until: said.expires.map(moment),
            duplicate_of: said.duplicate_of.clone(),
            state: match (said.undoes, verdict.is_undone) {
                (Some(number), _) => State::Undoes(number),
                (None, true) => State::Undone,
                (None, false) if said.expires.is_some_and(|end| end <= now()) => State::Over,
                (None, false) => State::Stands,
            },
        }
    }

    fn stands(&self) -> bool {
        self.state == State::Stands
    }

    /// What became of it, for people.
    fn state(&self) -> Option<String> {
        match self.state {
            State::Stands => None,
            State::Undone => Some("taken back".to_owned()),
            State::Over => Some("over".to_owned()),
            State::Undoes(number) => Some(format!("takes back number {number}")),
        }
    }
}

impl Triage {
    pub fn new(
        alert: &Alert,
        verdicts: &[Verdict],
        caller: Option<&Caller>,
        guard: &Guard,
        draft: Option<Draft>,
    ) -> Self {
        let mut rows: Vec<_> = verdicts.iter().rev().map(VerdictRow::of).collect();
        let newest = rows.iter().find(|row| row.stands());
        let summary = newest.map(|row| format!("{} by {}", row.word, row.by));
        let more = rows.len().saturating_sub(SHOWN);
        rows.truncate(SHOWN);
        let voice = match caller {
            Some(caller) if caller.may_triage() => Voice::Speaks(text::plain(&caller.name, 64)),
            Some(caller) if guard.triagers().next().is_some() => {
                let who: Vec<_> = guard.triagers().take(8).map(|name| text::plain(name, 64)).collect();
                Voice::Looks(text::plain(&caller.name, 64), who.join(", "))
            }
            _ => Voice::Nobody,
        };
        Self { id: alert.id.clone(), sequence: alert.sequence, verdicts: rows, more, summary, voice, draft }
    }

    /// Of the page.
    pub(super) fn code(&self) -> StatusCode {
        self.draft.as_ref().map_or(StatusCode::OK, |draft| draft.problem.code())
    }

    /// What can be said, and what comes of it.
    fn choices(&self) -> [(&'static str, &'static str, &'static str); 5] {
        Opinion::ALL.map(|opinion| {
            let effect = match opinion {
                Opinion::Acknowledged => "somebody is at it",
                Opinion::Confirmed => "it is what it says",
                Opinion::FalsePositive => "all is fine: it is retracted, and the same again is allowed",
                Opinion::AcceptedRisk => "known and taken: retracted and allowed as well",
                Opinion::Duplicate => "the same as the incident named above",
                Opinion::Undone => "",
            };
            (opinion.word(), word(opinion), effect)
        })
    }
}

fn word(opinion: Opinion) -> &'static str {
    match opinion {
        Opinion::Acknowledged => "Acknowledged",
        Opinion::Confirmed => "Confirmed",
        Opinion::FalsePositive => "False positive",
        Opinion::AcceptedRisk => "Accepted risk",
        Opinion::Duplicate => "Duplicate",
        Opinion::Undone => "Taken back",
    }
}
