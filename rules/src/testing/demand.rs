//! What the facts of a story demand, whatever the program's words: which incidents must be told, and what may not be.
//!
//! A line of `then` reads `told CLASS[|CLASS…]`, then any of
//!
//! * `suspect AS…` · `victim AS…` · `prefix PREFIX…`: all of these are named, others may be;
//! * `severity at_least S` · `severity at_most S`: the gravest it ever was;
//! * `by TIME`: opened no later · `over TIME`: resolved, with that end · `open` · `retracted`: how it stands at the end;
//! * `count N`: that many prefixes · `episodes N` · `type N` · `leak FROM LEAKER TO` (RFC 7908).
//!
//! The end is `nothing else`, or `nothing else above low`: so many other incidents may be told.

use std::fmt::Write;
use std::sync::Arc;

use ipnet::IpNet;

use super::scenario::{Said, read, reads};
use crate::alert::{Alert, Severity, Status};
use crate::bgp::{Asn, Timestamp};

/// Classes of the contract, those that no rule tells yet among them: a demand may ask for what is to come.
const CLASSES: [&str; 21] = [
    "origin_hijack",
    "subprefix_hijack",
    "superprefix_hijack",
    "forged_origin",
    "squatting",
    "bogon_prefix",
    "bogon_asn",
    "prepend_typo",
    "asn_typo",
    "prefix_typo",
    "private_asn_leak",
    "route_leak",
    "reorigination_leak",
    "internal_more_specifics",
    "rpki_invalid_own",
    "aspa_misconfig",
    "visibility_loss",
    "new_prefix",
    "new_upstream",
    "roa_expiring",
    "short_prefix",
];

/// One incident that has to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    classes: Vec<String>,
    suspects: Vec<Asn>,
    victims: Vec<Asn>,
    prefixes: Vec<IpNet>,
    at_least: Option<Severity>,
    at_most: Option<Severity>,
    by: Option<Timestamp>,
    over: Option<Timestamp>,
    status: Option<Status>,
    count: Option<usize>,
    episodes: Option<usize>,
    rfc7908_type: Option<u8>,
    leak: Vec<Asn>,
    words: String,
}

/// What may be told beside the demanded incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    #[default]
    Nothing,
    /// Incidents that never were above low.
    Low,
}

impl Demand {
    /// Reads the words after `told`. `time` understands a time of the story's day.
    pub(super) fn read(words: &[&str], time: impl Fn(&str) -> Said<Timestamp>) -> Said<Self> {
        let [classes, rest @ ..] = words else { return Err("told what?".into()) };
        let mut demand = Self { words: words.join(" "), ..Self::default() };
        demand.classes = classes.split('|').map(str::to_owned).collect();
        if let Some(unknown) = demand.classes.iter().find(|c| !CLASSES.contains(&c.as_str())) {
            return Err(format!("{unknown:?} is no class"));
        }
        let mut rest = rest;
        while let [name, more @ ..] = rest {
            let values = more.iter().position(|w| NAMES.contains(w)).unwrap_or(more.len());
            demand.take(name, &more[..values], &time)?;
            rest = &more[values..];
        }
        Ok(demand)
    }

    fn take(&mut self, name: &str, values: &[&str], time: &impl Fn(&str) -> Said<Timestamp>) -> Said<()> {
        match (name, values) {
            ("suspect", ases) => self.suspects = reads(ases)?,
            ("victim", ases) => self.victims = reads(ases)?,
            ("leak", ases) => self.leak = reads(ases)?,
            ("prefix", prefixes) => self.prefixes = reads(prefixes)?,
            ("severity", ["at_least", s]) => self.at_least = Some(severity(s)?),
            ("severity", ["at_most", s]) => self.at_most = Some(severity(s)?),
            ("by", [t]) => self.by = Some(time(t)?),
            ("over", [t]) => self.over = Some(time(t)?),
            ("open", []) => self.status = Some(Status::Open),
            ("retracted", []) => self.status = Some(Status::Retracted),
            ("count", [n]) => self.count = Some(read(n)?),
            ("episodes", [n]) => self.episodes = Some(read(n)?),
            ("type", [n]) => self.rfc7908_type = Some(read(n)?),
            _ => return Err(format!("{name:?} with {values:?} is nothing that can be demanded")),
        }
        Ok(())
    }

    /// What of the demand this incident, told by these alerts, does not meet.
    fn unmet(&self, alerts: &[&Arc<Alert>]) -> Vec<String> {
        let (Some(first), Some(last)) = (alerts.first(), alerts.last()) else { return vec!["not told".into()] };
        let gravest = gravest(alerts);
        let mut unmet = Vec::new();
        let mut check = |holds: bool, what: &str| {
            if !holds {
                unmet.push(what.to_owned());
            }
        };
        check(self.classes.iter().any(|c| c == last.class.word()), "class");
        check(self.suspects.iter().all(|a| last.suspect_ases.contains(a)), "suspect");
        check(self.victims.iter().all(|a| last.victim_ases.contains(a)), "victim");
        check(self.prefixes.iter().all(|p| last.prefixes.contains(p)), "prefix");
        check(self.at_least.is_none_or(|s| gravest >= s), "severity at_least");
        check(self.at_most.is_none_or(|s| gravest <= s), "severity at_most");
        check(self.by.is_none_or(|t| first.time <= t), "by");
        check(self.over.is_none_or(|t| last.status == Status::Resolved && last.ended == Some(t)), "over");
        check(self.status.is_none_or(|s| last.status == s), "open or retracted");
        check(self.count.is_none_or(|n| last.prefix_count == n), "count");
        check(self.episodes.is_none_or(|n| last.episodes.len() == n), "episodes");
        check(self.rfc7908_type.is_none_or(|t| last.rfc7908_type == Some(t)), "type");
        let leak = last.leak.as_ref().map_or([None; 3], |l| [l.from, l.leaker, l.to]);
        check(self.leak.is_empty() || leak.iter().flatten().eq(&self.leak), "leak");
        unmet
    }
}

/// Words that begin a part of a demand.
const NAMES: [&str; 13] = [
    "suspect",
    "victim",
    "leak",
    "prefix",
    "severity",
    "by",
    "over",
    "open",
    "retracted",
    "count",
    "episodes",
    "type",
    "told",
];

/// What the alerts leave unmet, for a person; none if all is as demanded.
pub(super) fn difference(demands: &[Demand], beside: Beside, alerts: &[Arc<Alert>]) -> Option<String> {
    let incidents = by_incident(alerts);
    let mut is_claimed = vec![false; incidents.len()];
    let mut out = String::new();
    for demand in demands {
        let unmet: Vec<Vec<String>> = incidents.iter().map(|i| demand.unmet(i)).collect();
        let free = |i: &usize| !is_claimed[*i];
        match (0..incidents.len()).filter(free).min_by_key(|i| unmet[*i].len()) {
            Some(i) if unmet[i].is_empty() => is_claimed[i] = true,
            Some(i) => {
                let _ = writeln!(out, "  demanded {}\n       unmet: {}", demand.words, unmet[i].join(", "));
                let _ = writeln!(out, "       nearest: {}", incidents[i].last().map_or(String::new(), |a| line_of(a)));
            }
            None => {
                let _ = writeln!(out, "  demanded {}\n       and nothing like it was told", demand.words);
            }
        }
    }
    let is_allowed = |i: usize| beside == Beside::Low && gravest(&incidents[i]) == Severity::Low;
    for i in (0..incidents.len()).filter(|i| !is_claimed[*i] && !is_allowed(*i)) {
        let _ = writeln!(out, "  not demanded: {}", incidents[i].last().map_or(String::new(), |a| line_of(a)));
    }
    (!out.is_empty()).then_some(out)
}

fn by_incident(alerts: &[Arc<Alert>]) -> Vec<Vec<&Arc<Alert>>> {
    let mut incidents: Vec<Vec<&Arc<Alert>>> = Vec::new();
    for alert in alerts {
        match incidents.iter_mut().find(|i| i[0].id == alert.id) {
            Some(incident) => incident.push(alert),
            None => incidents.push(vec![alert]),
        }
    }
    incidents
}

fn gravest(alerts: &[&Arc<Alert>]) -> Severity {
    alerts.iter().map(|a| a.severity).max().unwrap_or(Severity::Low)
}

/// An incident as it stands at the end, in one line.
fn line_of(alert: &Alert) -> String {
    let ases = |list: &[Asn]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let evidence: Vec<String> = alert.evidence.iter().map(|e| format!("{}:{:+}", e.code, e.points)).collect();
    let ended = alert.ended.map_or_else(|| "-".into(), |t| t.to_string());
    format!(
        "{} {} {} suspects {} prefixes {} opened {} ended {ended} [{}] {}",
        alert.class,
        alert.severity,
        alert.status,
        ases(&alert.suspect_ases),
        alert.prefix_count,
        alert.opened,
        evidence.join(" "),
        alert.title,
    )
}

fn severity(word: &str) -> Said<Severity> {
    let known = Severity::ALL.iter().copied().find(|s| s.word() == word);
    known.ok_or_else(|| format!("{word:?} is no severity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(words: &str) -> Said<Demand> {
        let words: Vec<&str> = words.split_whitespace().collect();
        Demand::read(&words, |t| Timestamp::parse(t).ok_or_else(|| "no time".into()))
    }

    #[test]
    fn a_demand_is_read_word_by_word() {
        let told = demand("origin_hijack|subprefix_hijack suspect 64511 64510 severity at_least high count 2 open");
        let told = told.expect("a demand");
        assert_eq!((told.suspects.len(), told.count, told.at_least), (2, Some(2), Some(Severity::High)));
        assert_eq!(told.status, Some(Status::Open));
        for slip in ["hijack", "origin_hijack severity high", "origin_hijack by noon", "origin_hijack suspect me"] {
            assert!(demand(slip).is_err(), "{slip}");
        }
    }

    #[test]
    fn what_is_not_told_is_unmet() {
        let demands = [demand("origin_hijack").expect("a demand")];
        assert!(difference(&demands, Beside::Low, &[]).is_some());
        assert!(difference(&[], Beside::Nothing, &[]).is_none());
    }
}
