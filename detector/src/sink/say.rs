//! What does a person read?
//!
//! Sentences and lines without any markup; who has markup escapes for it.

use rules::alert::{Alert, Severity, Transition};
use rules::bgp::{Asn, Timestamp};

use super::courier::{Letter, Message};
use crate::notice::{Notice, NoticeKind, NoticeState};
use crate::text;

/// Prefixes and ASes that a message names.
const NAMED: usize = 10;
/// Messages that a digest names.
const DIGESTED: usize = 40;
/// Characters of a line.
const LINE: usize = 500;

/// What happened, in one word.
pub fn event(alert: &Alert) -> &'static str {
    let rose = alert.previous_severity.is_some_and(|before| before < alert.severity);
    match alert.transition {
        Transition::Updated if rose => "escalated",
        transition => transition.word(),
    }
}

/// One sentence.
pub fn headline(message: &Message) -> String {
    let sentence = match message {
        Message::Alert(letter) => alert_headline(&letter.alert),
        Message::Notice(_, notice) => notice_headline(notice),
        Message::Digest(messages) => digest_headline(messages),
    };
    text::plain(&sentence, LINE)
}

fn alert_headline(alert: &Alert) -> String {
    format!("{} {}: {}", alert.severity, event(alert), alert.title)
}

fn notice_headline(notice: &Notice) -> String {
    let state = match (notice.kind, notice.state) {
        (NoticeKind::Test, _) => "TEST",
        (_, NoticeState::Raised) => "bgpwarden does not see everything",
        (_, NoticeState::Cleared) => "over",
    };
    format!("{state}: {} {}: {}", notice.kind.word(), notice.subject, notice.detail)
}

fn digest_headline(messages: &[Message]) -> String {
    let severities = messages.iter().filter_map(|message| match message {
        Message::Alert(letter) => Some(letter.alert.severity),
        _ => None,
    });
    let severities: Vec<Severity> = severities.collect();
    let count = |severity| match severities.iter().filter(|found| **found == severity).count() {
        0 => None,
        n => Some(format!("{n} {severity}")),
    };
    let counts: Vec<_> = Severity::ALL.iter().rev().filter_map(|severity| count(*severity)).collect();
    match counts.is_empty() {
        true => format!("{} messages", messages.len()),
        false => format!("{} messages ({})", messages.len(), counts.join(", ")),
    }
}

/// What stands below the sentence: a word, and what there is to say about it.
pub fn lines(message: &Message) -> Vec<(&'static str, String)> {
    let lines = match message {
        Message::Alert(letter) => alert_lines(letter),
        Message::Notice(_, notice) => vec![("Time", notice.time.to_string())],
        Message::Digest(messages) => return digest_lines(messages),
    };
    lines.into_iter().map(|(word, line)| (word, text::plain(&line, LINE))).collect()
}

fn alert_lines(letter: &Letter) -> Vec<(&'static str, String)> {
    let alert = &letter.alert;
    let mut lines = vec![("Severity", alert.severity.to_string()), ("Class", alert.class.to_string())];
    if !alert.suspect_ases.is_empty() {
        lines.push(("Suspect", ases(&alert.suspect_ases)));
    }
    lines.push(("Prefixes", some(alert.prefixes.iter().map(ToString::to_string), alert.prefix_count)));
    if !alert.victim_ases.is_empty() {
        lines.push(("Concerns", some(alert.victim_ases.iter().map(ToString::to_string), alert.victim_as_count)));
    }
    if !alert.constituents.is_empty() {
        let names = alert.constituents.iter().map(|constituent| constituent.name.clone());
        lines.push(("Watched", some(names, alert.constituent_count)));
    }
    lines.push(("Since", times(alert.started, alert.ended)));
    lines.push(("Seen by", format!("{} peer ASes", alert.visibility.peer_ases)));
    let reason = (alert.reason.code, alert.reason.detail.as_str());
    lines.push((
        "Why now",
        if reason.1.is_empty() { reason.0.to_string() } else { format!("{} ({})", reason.0, reason.1) },
    ));
    lines.push(("TLP", alert.tlp.to_string()));
    lines.push(("Incident", alert.id.clone()));
    lines
}

fn times(started: Timestamp, ended: Option<Timestamp>) -> String {
    ended.map_or_else(|| started.to_string(), |ended| format!("{started}, until {ended}"))
}

fn ases(list: &[Asn]) -> String {
    some(list.iter().map(ToString::to_string), list.len())
}

/// The first of them, and how many more there are.
fn some(list: impl Iterator<Item = String>, count: usize) -> String {
    let named: Vec<_> = list.take(NAMED).collect();
    match count.saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn digest_lines(messages: &[Message]) -> Vec<(&'static str, String)> {
    let mut lines: Vec<_> = messages.iter().take(DIGESTED).map(|message| ("", headline(message))).collect();
    if messages.len() > DIGESTED {
        lines.push(("", format!("and {} more", messages.len() - DIGESTED)));
    }
    lines
}

/// All of it, a line each.
pub fn whole(message: &Message) -> String {
    let mut whole = headline(message) + "\n\n";
    for (word, line) in lines(message) {
        let line = if word.is_empty() { format!("- {line}\n") } else { format!("{:<9} {line}\n", format!("{word}:")) };
        whole.push_str(&line);
    }
    if let Some(link) = message.link() {
        whole = format!("{whole}\n{link}\n");
    }
    whole
}
