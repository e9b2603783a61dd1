//! Which incidents fit a question, and what became of each?
//!
//! Lists go from the newest beginning to the oldest, and a place in a list is the number of an incident: what opens
//! meanwhile stands before it and moves nothing. Of all that is asked, what fits fewest incidents is looked up in its index
//! and the rest is asked of those; if everything fits many, the list itself is walked, since a page is soon full.

use std::net::IpAddr;

use ipnet::IpNet;
use rules::alert::{Class, Severity, Status};
use rules::bgp::{Asn, Timestamp};
use rusqlite::types::Value as Bound;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::marks::{self, Kind, Value};

/// What fits fewer incidents than this is sorted when asked for: some milliseconds.
const FEW: i64 = 20_000;
/// JSON of one page: 32 of the largest alerts, 1,600 usual ones. A page ends before its limit rather than beyond this.
const PAGE_BYTES: usize = 8 * 1_024 * 1_024;

/// How the prefixes of an incident lie to the one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Exact,
    /// It, and what lies inside.
    More,
    /// It, and what it lies in.
    Less,
    /// All of them.
    Overlapping,
}

/// What is asked for; an empty list asks for nothing in particular.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Began at this time or later, to the second.
    pub since: Option<Timestamp>,
    /// Began before.
    pub until: Option<Timestamp>,
    pub statuses: Vec<Status>,
    pub classes: Vec<Class>,
    pub severities: Vec<Severity>,
    pub suspect: Option<Asn>,
    pub victim: Option<Asn>,
    pub prefix: Option<(IpNet, Match)>,
    pub constituent: Option<String>,
    /// Of a suspect or a victim, two capital letters.
    pub country: Option<String>,
}

/// Some of what was found, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Alerts as they were sent.
    pub alerts: Vec<Sent>,
    /// There is more behind the last one.
    pub has_more: bool,
}

impl Found {
    /// Behind which number there is more.
    pub fn next(&self) -> Option<i64> {
        self.alerts.last().filter(|_| self.has_more).map(|last| last.number)
    }
}

/// An alert as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Of the incident or, in a history, of the transition: where to go on behind it.
    pub number: i64,
    pub json: String,
}

/// The next incidents that fit, from the one that began last to the first; those behind the incident `behind`.
pub fn find(connection: &Connection, question: &Question, behind: Option<i64>, most: usize) -> rusqlite::Result<Found> {
    let numbers = numbers(connection, question, behind, most + 1)?;
    let mut read = connection.prepare_cached(
        "SELECT t.json FROM incidents i JOIN transitions t ON t.incident = i.id AND t.sequence = i.sequence
         WHERE i.number = ?1",
    )?;
    let mut found = Found { has_more: numbers.len() > most, ..Found::default() };
    let mut bytes = 0;
    for number in numbers.into_iter().take(most) {
        let Some(json) = read.query_row([number], |row| row.get::<_, String>(0)).optional()? else { continue };
        bytes += json.len();
        if bytes > PAGE_BYTES && !found.alerts.is_empty() {
            found.has_more = true;
            break;
        }
        found.alerts.push(Sent { number, json });
    }
    Ok(found)
}

/// The latest alert of one incident.
pub fn latest(connection: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT json FROM transitions WHERE incident = ?1 ORDER BY sequence DESC LIMIT 1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// What became of one incident: its alerts behind a sequence. The number of each is its sequence.
pub fn timeline(connection: &Connection, id: &str, behind: i64, most: usize) -> rusqlite::Result<Found> {
    let mut read = connection.prepare_cached(
        "SELECT sequence, json FROM transitions WHERE incident = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
    )?;
    page(read.query(params![id, behind, most as i64 + 1])?, most)
}

/// All that was sent behind a number, as it went out.
pub fn behind(connection: &Connection, number: i64, most: usize) -> rusqlite::Result<Found> {
    let mut read =
        connection.prepare_cached("SELECT number, json FROM transitions WHERE number > ?1 ORDER BY number LIMIT ?2")?;
    page(read.query(params![number, most as i64 + 1])?, most)
}

fn page(mut rows: rusqlite::Rows<'_>, most: usize) -> rusqlite::Result<Found> {
    let (mut found, mut bytes) = (Found::default(), 0);
    while let Some(row) = rows.next()? {
        let sent = Sent { number: row.get(0)?, json: row.get(1)? };
        bytes += sent.json.len();
        if found.alerts.len() == most || (bytes > PAGE_BYTES && !found.alerts.is_empty()) {
            found.has_more = true;
            break;
        }
        found.alerts.push(sent);
    }
    Ok(found)
}

/// One thing that is asked.
enum Term {
    Column { name: &'static str, words: Vec<&'static str> },
    Mark { kind: Kind, one_of: Vec<Value>, between: Option<(Value, Value)> },
}

impl Term {
    fn all(question: &Question) -> Vec<Self> {
        let column = |name, words: Vec<&'static str>| (!words.is_empty()).then_some(Self::Column { name, words });
        let mark = |kind, value| Self::Mark { kind, one_of: vec![value], between: None };
        let asn = |kind| move |asn: Asn| mark(kind, Value::Number(asn.0.into()));
        let terms = [
            column("status", question.statuses.iter().map(|status| status.word()).collect()),
            column("class", question.classes.iter().map(|class| class.word()).collect()),
            column("severity", question.severities.iter().map(|severity| severity.word()).collect()),
            question.suspect.map(asn(Kind::Suspect)),
            question.victim.map(asn(Kind::Victim)),
            question.constituent.clone().map(|name| mark(Kind::Constituent, Value::Text(name))),
            question.country.clone().map(|country| mark(Kind::Country, Value::Text(country))),
            question.prefix.map(|(prefix, how)| Self::prefix(prefix, how)),
        ];
        terms.into_iter().flatten().collect()
    }

    fn prefix(prefix: IpNet, how: Match) -> Self {
        let around = matches!(how, Match::Less | Match::Overlapping);
        let inside = matches!(how, Match::More | Match::Overlapping);
        let first = if around { 0 } else { prefix.prefix_len() };
        // What lies inside begins with the prefix itself.
        let end = if inside { prefix.prefix_len() } else { prefix.prefix_len() + 1 };
        let one_of = (first..end).filter_map(|length| Some(marks::key(&shortened(prefix, length)?)));
        let between = inside.then(|| (marks::key(&prefix), marks::last_key(&prefix)));
        Self::Mark { kind: Kind::Prefix, one_of: one_of.collect(), between }
    }

    /// What it finds stands in its index in the order of the list.
    fn is_in_order(&self) -> bool {
        match self {
            Self::Column { words, .. } => words.len() == 1,
            Self::Mark { one_of, between, .. } => one_of.len() == 1 && between.is_none(),
        }
    }

    /// The numbers of all incidents that it fits, by its index.
    fn source(&self, sql: &mut Sql, range: (i64, i64)) -> String {
        match self {
            Self::Column { name, words } => {
                let (words, range) =
                    (sql.list(words.iter().map(|word| Bound::from((*word).to_owned()))), sql.range(range));
                format!(
                    "SELECT number AS n FROM incidents INDEXED BY incidents_by_{name}
                     WHERE {name} IN ({words}) AND number {range}"
                )
            }
            Self::Mark { kind, .. } => {
                let values = self.values(sql);
                // Each by itself, so that each goes through the index.
                let found = |fits| {
                    let range = sql.range(range);
                    format!(
                        "SELECT incident AS n FROM marks WHERE kind = {} AND {fits} AND incident {range}",
                        *kind as i64
                    )
                };
                values.into_iter().map(found).collect::<Vec<_>>().join(" UNION ALL ")
            }
        }
    }

    /// Whether it fits the incident `i`, without its index.
    fn condition(&self, sql: &mut Sql) -> String {
        match self {
            Self::Column { name, words } => {
                let words = sql.list(words.iter().map(|word| Bound::from((*word).to_owned())));
                format!("+i.{name} IN ({words})")
            }
            Self::Mark { kind, .. } => {
                let fits = self.values(sql).join(" OR ");
                let kind = *kind as i64;
                format!(
                    "EXISTS (SELECT 1 FROM marks INDEXED BY marks_of
                     WHERE incident = i.number AND kind = {kind} AND ({fits}))"
                )
            }
        }
    }

    /// What the values of its marks may be; one of these is enough.
    fn values(&self, sql: &mut Sql) -> Vec<String> {
        let Self::Mark { one_of, between, .. } = self else { return Vec::new() };
        let mut fits = Vec::new();
        if !one_of.is_empty() {
            fits.push(format!("value IN ({})", sql.list(one_of.iter().cloned().map(bound))));
        }
        if let Some((first, last)) = between.clone() {
            fits.push(format!("value BETWEEN {} AND {}", sql.bind(bound(first)), sql.bind(bound(last))));
        }
        fits
    }
}

fn bound(value: Value) -> Bound {
    match value {
        Value::Number(number) => number.into(),
        Value::Bytes(bytes) => bytes.into(),
        Value::Text(text) => text.into(),
    }
}

/// The prefix of this length that it lies in.
fn shortened(prefix: IpNet, length: u8) -> Option<IpNet> {
    let address: IpAddr = prefix.network();
    Some(IpNet::new(address, length).ok()?.trunc())
}

/// A statement, and what is bound to it.
#[derive(Default)]
struct Sql {
    bound: Vec<Bound>,
}

impl Sql {
    fn bind(&mut self, value: Bound) -> String {
        self.bound.push(value);
        format!("?{}", self.bound.len())
    }

    fn list(&mut self, values: impl Iterator<Item = Bound>) -> String {
        values.map(|value| self.bind(value)).collect::<Vec<_>>().join(", ")
    }

    fn range(&mut self, (first, end): (i64, i64)) -> String {
        format!("BETWEEN {} AND {}", self.bind(first.into()), self.bind((end - 1).into()))
    }

    fn numbers(self, connection: &Connection, text: &str) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(text)?;
        statement.query_map(params_from_iter(self.bound), |row| row.get(0))?.collect()
    }
}

fn numbers(
    connection: &Connection,
    question: &Question,
    behind: Option<i64>,
    most: usize,
) -> rusqlite::Result<Vec<i64>> {
    let began = |time: Timestamp| marks::first_number(time);
    // Who asks up to the middle of a second gets the whole of it.
    let end = question.until.map_or(i64::MAX, |until| began(Timestamp(until.0.saturating_add(999_999))));
    let range = (question.since.map_or(0, began), end.min(behind.unwrap_or(i64::MAX)));
    let terms = Term::all(question);
    let chosen = choose(connection, &terms, range)?;
    let mut sql = Sql::default();
    let from = match chosen.map(|at| &terms[at]) {
        Some(term) => {
            let source = term.source(&mut sql, range);
            let distinct = if term.is_in_order() { source } else { format!("SELECT DISTINCT n FROM ({source})") };
            format!("({distinct}) s CROSS JOIN incidents i ON i.number = s.n WHERE true")
        }
        None => format!("incidents i NOT INDEXED WHERE i.number {}", sql.range(range)),
    };
    let others = terms.iter().enumerate().filter(|(at, _)| Some(*at) != chosen);
    let conditions: String = others.map(|(_, term)| format!(" AND {}", term.condition(&mut sql))).collect();
    let order = if chosen.is_some() { "s.n" } else { "i.number" };
    let limit = sql.bind((most as i64).into());
    let text = format!("SELECT i.number FROM {from}{conditions} ORDER BY {order} DESC LIMIT {limit}");
    sql.numbers(connection, &text)
}

/// By which term to look up; none if walking the list is better.
fn choose(connection: &Connection, terms: &[Term], range: (i64, i64)) -> rusqlite::Result<Option<usize>> {
    let mut fewest: Option<(i64, usize)> = None;
    for (at, term) in terms.iter().enumerate() {
        let mut sql = Sql::default();
        let text = format!("SELECT count(*) FROM ({} LIMIT {FEW})", term.source(&mut sql, range));
        let count = sql.numbers(connection, &text)?.first().copied().unwrap_or_default();
        if fewest.is_none_or(|(least, _)| count < least) {
            fewest = Some((count, at));
        }
    }
    Ok(match fewest {
        Some((count, at)) if count < FEW => Some(at),
        // Whatever fits many and stands in the order of the list spares the walk over what it does not fit.
        _ => terms.iter().position(Term::is_in_order),
    })
}

#[cfg(test)]
mod million;
#[cfg(test)]
mod tests;
