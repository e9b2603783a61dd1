//! What is asked: which prefixes or which AS, when, and what does somebody else say happened?

use ipnet::IpNet;
use rules::alert::Alert;
use rules::bgp::{Asn, Family, Timestamp};

use super::event;
use crate::alert;
use crate::cli;
use crate::failure::Failure;
use crate::history;
use crate::store::transfer;

/// Prefixes that one investigation follows: 256 x 90 peers x some ten messages each stay far below
/// [`super::gather::CHANGES`].
pub const PREFIXES: usize = 256;
/// How long before and after an event of others its traces are looked for.
pub const AROUND_SECS: i64 = 600;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As it was asked.
    pub asked: String,
    pub prefixes: Vec<IpNet>,
    /// Further ones of the incident asked for, beyond [`PREFIXES`].
    pub prefixes_left_out: usize,
    pub asns: Vec<Asn>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub claim: Option<Claim>,
}

/// What somebody says who saw it before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub source: String,
    pub suspects: Vec<Asn>,
    pub victims: Vec<Asn>,
    /// From whom, by whom and to whom, if it is a leak.
    pub leak: Option<[Asn; 3]>,
    pub is_leak: bool,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
}

impl Question {
    pub fn of(args: &cli::Investigate) -> Result<Self, Failure> {
        let mut question = match (&args.event, &args.what) {
            (Some(path), _) => event::read(path)?,
            (None, Some(what)) => Self::parse(what, args)?,
            (None, None) => return Err(Failure::impossible("say what to look into: a prefix, an AS or an incident")),
        };
        question.from = args.from.or(question.from);
        question.to = args.to.or(question.to);
        if question.from.zip(question.to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::impossible("--from must lie before --to"));
        }
        if let Some(wide) = question.prefixes.iter().find(|p| p.prefix_len() < Family::of(p).shortest_routed()) {
            let shortest = Family::of(wide).shortest_routed();
            return Err(Failure::impossible(format!("{wide} is too wide; name a /{shortest} or a part of it")));
        }
        if question.prefixes.len() > PREFIXES {
            let (have, most) = (question.prefixes.len(), PREFIXES);
            return Err(Failure::impossible(format!(
                "{have} prefixes are asked for, {most} at a time are looked into"
            )));
        }
        Ok(question)
    }

    fn parse(what: &str, args: &cli::Investigate) -> Result<Self, Failure> {
        let asked = crate::text::plain(what, 256);
        let empty = Self {
            asked,
            prefixes: Vec::new(),
            prefixes_left_out: 0,
            asns: Vec::new(),
            from: None,
            to: None,
            claim: None,
        };
        if let Ok(prefix) = what.parse::<IpNet>() {
            return Ok(Self { prefixes: vec![prefix.trunc()], ..empty });
        }
        if let Ok(asn) = what.parse::<Asn>() {
            return Ok(Self { asns: vec![asn], ..empty });
        }
        if what.starts_with("bw-") {
            return of_incident(what, args);
        }
        Err(Failure::impossible(format!(
            "\"{}\" is neither a prefix (192.0.2.0/24), an AS (AS64496) nor the id of an incident (bw-…); \
             the facts of an event are given with --event",
            empty.asked
        )))
    }
}

/// Prefixes and times of an incident that the store has.
fn of_incident(id: &str, args: &cli::Investigate) -> Result<Question, Failure> {
    let location = history::location(args.config.as_deref())?;
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let json = transfer::latest(&location, id).map_err(|problem| failed(&problem))?;
    let json = json.ok_or_else(|| Failure::failed(format!("the store knows no incident \"{id}\"; check --config")))?;
    let alert = alert::from_json(&json).map_err(|error| failed(&error))?;
    Ok(Question::told(&alert))
}

impl Question {
    /// What an alert says, as a claim to be looked into.
    pub fn told(alert: &Alert) -> Self {
        let leak = alert.leak.as_ref().and_then(|leak| Some([leak.from?, leak.leaker?, leak.to?]));
        let claim = Claim {
            source: format!("incident {}", alert.id),
            suspects: alert.suspect_ases.clone(),
            victims: alert.victim_ases.clone(),
            leak,
            is_leak: alert.leak.is_some(),
            started: Some(alert.started),
            ended: alert.ended,
        };
        let prefixes: Vec<IpNet> = alert.prefixes.iter().copied().take(PREFIXES).collect();
        let mut question = Self {
            asked: alert.id.clone(),
            prefixes_left_out: alert.prefix_count.saturating_sub(prefixes.len()),
            prefixes,
            asns: Vec::new(),
            from: None,
            to: None,
            claim: Some(claim),
        };
        question.look_around();
        question
    }

    /// A window from a while before the claimed beginning to a while after its end, if both are known.
    pub fn look_around(&mut self) {
        let Some(claim) = &self.claim else { return };
        self.from = claim.started.map(|time| time.plus_secs(-AROUND_SECS));
        self.to = claim.ended.map(|time| time.plus_secs(AROUND_SECS));
    }

    /// Whether an incident is about what is asked for, whenever it was.
    pub fn is_about(&self, alert: &Alert) -> bool {
        let touches = |prefix: &IpNet| !self.prefixes.is_empty() && self.touches(prefix);
        let named = |asn: &Asn| self.asns.contains(asn);
        alert.prefixes.iter().any(touches)
            || alert.suspect_ases.iter().chain(&alert.detected_origins).chain(&alert.victim_ases).any(named)
    }

    /// It lies in what is asked for or around it; any does where an AS is asked for.
    pub fn touches(&self, prefix: &IpNet) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|p| p.contains(prefix) || prefix.contains(p))
    }

    /// Whether what lasted so long reaches into the window.
    pub fn is_in_window(&self, started: Timestamp, ended: Option<Timestamp>) -> bool {
        let over_before = self.from.zip(ended).is_some_and(|(from, ended)| ended < from);
        let began_after = self.to.is_some_and(|to| started > to);
        !over_before && !began_after
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::alert::samples;
    use crate::cli::{Cli, Command};

    fn args(line: &str) -> cli::Investigate {
        match Cli::try_parse_from(line.split(' ')).expect("accepted").command {
            Some(Command::Investigate(args)) => args,
            _ => panic!("not investigate"),
        }
    }

    fn asked(line: &str) -> Result<Question, Failure> {
        Question::of(&args(line))
    }

    #[test]
    fn prefixes_and_ases_are_told_apart() {
        let prefix = asked("bgpwarden investigate 192.0.2.7/24 --from 10 --to 20 u.gz").expect("a prefix");
        assert_eq!(prefix.prefixes, ["192.0.2.0/24".parse().expect("a prefix")]);
        assert_eq!((prefix.from, prefix.to), (Some(Timestamp::from_secs(10)), Some(Timestamp::from_secs(20))));
        for what in ["64511", "AS64511"] {
            let question = asked(&format!("bgpwarden investigate {what} u.gz")).expect("an AS");
            assert_eq!(question.asns, [Asn(64511)]);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said_with_the_next_step() {
        for (line, culprit) in [
            ("bgpwarden investigate nonsense u.gz", "nonsense"),
            ("bgpwarden investigate 0.0.0.0/0 u.gz", "too wide"),
            ("bgpwarden investigate AS1 --from 20 --to 10 u.gz", "--from"),
        ] {
            let failure = asked(line).expect_err(line);
            assert!(failure.to_string().contains(culprit), "{failure}");
        }
    }

    #[test]
    fn an_incident_of_the_store_is_looked_into_by_its_prefixes_and_times() {
        let alert = samples::opened();
        let question = Question::told(&alert);
        assert_eq!(question.prefixes, alert.prefixes);
        assert_eq!(question.from, Some(alert.started.plus_secs(-AROUND_SECS)));
        assert_eq!(question.to, None, "it is still open");
        assert!(question.is_about(&alert) && question.is_in_window(alert.started, alert.ended));
        let elsewhere = Question { prefixes: vec!["203.0.113.0/24".parse().expect("a prefix")], ..question.clone() };
        assert!(!elsewhere.is_about(&alert));
        let earlier = Question { to: Some(alert.started.plus_secs(-1)), ..question };
        assert!(!earlier.is_in_window(alert.started, alert.ended));
    }
}
