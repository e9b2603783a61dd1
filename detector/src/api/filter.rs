//! Which incidents does somebody ask for?

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use rules::alert::{Class, Severity, Status};
use rules::bgp::{Asn, Timestamp};
use utoipa::IntoParams;

use super::parameters::Parameters;
use super::problem::Problem;
use crate::store::history::{Match, Question};

/// Incidents of one page, unless asked otherwise.
const USUAL: usize = 100;
/// Incidents or alerts of one page at the very most; a page of large alerts ends earlier.
pub const MOST: usize = 1_000;
/// Characters of the name of a watched network.
const NAME: usize = 64;

/// What incidents are asked for. Everything given must fit.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Began at this time or later (the time in the id; to the second): RFC 3339, or seconds since 1970.
    #[param(example = "2026-03-01T00:00:00Z")]
    since: Option<String>,
    /// Began before this time.
    #[param(example = "2026-04-01T00:00:00Z")]
    until: Option<String>,
    /// open, resolved, retracted; several separated by commas.
    #[param(example = "open")]
    status: Option<String>,
    /// Classes of the alert, several separated by commas.
    #[param(example = "origin_hijack,subprefix_hijack")]
    class: Option<String>,
    /// low, medium, high, critical; several separated by commas.
    #[param(example = "high,critical")]
    severity: Option<String>,
    /// This severity or graver.
    #[param(example = "high")]
    min_severity: Option<String>,
    /// An AS that is suspected.
    #[param(example = "64511")]
    suspect: Option<String>,
    /// An AS that suffers from it.
    #[param(example = "64496")]
    victim: Option<String>,
    /// A prefix or an address that it ever concerned.
    #[param(example = "192.0.2.0/24")]
    prefix: Option<String>,
    /// How its prefixes lie to `prefix`: exact; more, the same or inside; less, the same or around; overlap, all of these.
    #[param(example = "overlap")]
    r#match: Option<String>,
    /// The name of a watched network.
    #[param(example = "Example Bank")]
    constituent: Option<String>,
    /// Where a suspect or a victim is registered, as far as `[relations] siblings` says: ISO 3166-1, two letters.
    #[param(example = "NL")]
    country: Option<String>,
}

impl Filter {
    pub fn of(given: &mut Parameters) -> Self {
        Self {
            since: given.take("since"),
            until: given.take("until"),
            status: given.take("status"),
            class: given.take("class"),
            severity: given.take("severity"),
            min_severity: given.take("min_severity"),
            suspect: given.take("suspect"),
            victim: given.take("victim"),
            prefix: given.take("prefix"),
            r#match: given.take("match"),
            constituent: given.take("constituent"),
            country: given.take("country"),
        }
    }

    pub fn question(&self) -> Result<Question, Problem> {
        let mut severities = words("severity", self.severity.as_deref(), Severity::ALL, Severity::word)?;
        if let Some(least) = &self.min_severity {
            let least = word("min_severity", least, Severity::ALL, Severity::word)?;
            let given = if severities.is_empty() { Severity::ALL.to_vec() } else { severities };
            severities = given.into_iter().filter(|severity| *severity >= least).collect();
            if severities.is_empty() {
                let least = least.word();
                return Err(Problem::parameter("min_severity", least, "nothing of \"severity\" is that grave"));
            }
        }
        let time = |name, given: &Option<String>| parsed(name, given.as_deref(), TIME, Timestamp::parse);
        let asn = |name, given: &Option<String>| parsed(name, given.as_deref(), ASN, read_asn);
        let prefix = parsed("prefix", self.prefix.as_deref(), PREFIX, read_prefix)?;
        let how = match &self.r#match {
            None => Match::Overlapping,
            Some(given) => word("match", given, &MATCHES, |how| MATCH_WORDS[how as usize])?,
        };
        if self.constituent.as_ref().is_some_and(|name| name.chars().count() > NAME) {
            let given = self.constituent.as_deref().unwrap_or_default();
            return Err(Problem::parameter("constituent", given, "expected at most 64 characters"));
        }
        Ok(Question {
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
            statuses: words("status", self.status.as_deref(), Status::ALL, Status::word)?,
            classes: words("class", self.class.as_deref(), Class::ALL, Class::word)?,
            severities,
            suspect: asn("suspect", &self.suspect)?,
            victim: asn("victim", &self.victim)?,
            prefix: prefix.map(|prefix| (prefix, how)),
            constituent: self.constituent.clone(),
            country: parsed("country", self.country.as_deref(), COUNTRY, read_country)?,
        })
    }
}

pub const TIME: &str = "expected a time such as 2026-03-01T03:04:05Z, or seconds since 1970";
pub const ASN: &str = "expected an AS number such as 64496 or AS64496";
const COUNTRY: &str = "expected two letters such as NL";
pub const PREFIX: &str = "expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, or an address";
const MATCHES: [Match; 4] = [Match::Exact, Match::More, Match::Less, Match::Overlapping];
/// In the order of [`Match`].
const MATCH_WORDS: [&str; 4] = ["exact", "more", "less", "overlap"];

fn read_country(text: &str) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic())).then(|| text.to_ascii_uppercase())
}

pub fn read_asn(text: &str) -> Option<Asn> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    digits.parse().ok().map(Asn)
}

pub fn read_prefix(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().or_else(address).map(|prefix| prefix.trunc())
}

pub fn parsed<T>(
    name: &str,
    given: Option<&str>,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    given.map(|given| read(given).ok_or_else(|| Problem::parameter(name, given, expected))).transpose()
}

fn word<T: Copy>(name: &str, given: &str, all: &[T], word_of: impl Fn(T) -> &'static str) -> Result<T, Problem> {
    let found = all.iter().copied().find(|value| word_of(*value) == given);
    found.ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|value| word_of(*value)).collect();
        Problem::parameter(name, given, &format!("expected one of {}", known.join(", ")))
    })
}

fn words<T: Copy + PartialEq>(
    name: &str,
    given: Option<&str>,
    all: &[T],
    word_of: impl Fn(T) -> &'static str + Copy,
) -> Result<Vec<T>, Problem> {
    let mut found = Vec::new();
    for given in given.into_iter().flat_map(|given| given.split(',')) {
        let value = word(name, given, all, word_of)?;
        if !found.contains(&value) {
            found.push(value);
        }
    }
    Ok(found)
}

/// Which part of a list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many at most: 1 to 1000, usually 100. A page of large alerts ends earlier.
    #[param(example = "100")]
    limit: Option<String>,
    /// `next` of the page before. What changes meanwhile moves no place in a list.
    cursor: Option<String>,
}

impl Paging {
    pub fn of(given: &mut Parameters) -> Self {
        Self { limit: given.take("limit"), cursor: given.take("cursor") }
    }

    pub fn most(&self) -> Result<usize, Problem> {
        let read = |text: &str| usize::from_str(text).ok().filter(|most| (1..=MOST).contains(most));
        Ok(parsed("limit", self.limit.as_deref(), "expected a number from 1 to 1000", read)?.unwrap_or(USUAL))
    }

    pub fn behind(&self) -> Result<Option<i64>, Problem> {
        let read = |text: &str| i64::from_str_radix(text, 16).ok().filter(|number| *number >= 0);
        parsed("cursor", self.cursor.as_deref(), "expected \"next\" of the page before", read)
    }
}

/// What goes on behind this number.
pub fn cursor(number: i64) -> String {
    format!("{number:x}")
}
