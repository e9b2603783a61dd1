//! What did people say of incidents? Nothing that was said is ever changed: who takes it back says so, too.

use rules::bgp::Timestamp;
use rusqlite::{Connection, Row, params};

use super::rows::word;

/// Rows of one incident beyond which nothing more is said of it.
const OF_ONE: i64 = 1_000;
/// All rows that one incident can have: each of those can still be taken back, once.
const READ_OF_ONE: i64 = 2 * OF_ONE;
/// Rules that follow from verdicts and are in force: a tenth of what may be allowed at all.
pub const RULES: usize = rules::limits::ALLOW_RULES / 10;

/// What somebody thinks of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    Acknowledged,
    Confirmed,
    FalsePositive,
    AcceptedRisk,
    Duplicate,
    /// Not what was said before.
    Undone,
}

impl Opinion {
    /// What can be said in the first place.
    pub const ALL: [Self; 5] =
        [Self::Acknowledged, Self::Confirmed, Self::FalsePositive, Self::AcceptedRisk, Self::Duplicate];

    pub fn word(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Confirmed => "confirmed",
            Self::FalsePositive => "false_positive",
            Self::AcceptedRisk => "accepted_risk",
            Self::Duplicate => "duplicate",
            Self::Undone => "undone",
        }
    }

    /// It is fine as it is.
    pub fn allows(self) -> bool {
        matches!(self, Self::FalsePositive | Self::AcceptedRisk)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Undone]).find(|opinion| opinion.word() == word)
    }
}

/// What somebody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub incident: String,
    pub opinion: Opinion,
    /// The name of the token.
    pub by: String,
    pub why: String,
    pub expires: Option<Timestamp>,
    /// The incident that it is the same as.
    pub duplicate_of: Option<String>,
    /// The allow rule that follows from it, as TOML.
    pub rule: Option<String>,
    /// The number of what is taken back.
    pub undoes: Option<i64>,
}

/// What somebody said, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub number: i64,
    pub said: Said,
    pub at: Timestamp,
    /// Taken back since.
    pub is_undone: bool,
}

/// Why it was not written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    NoIncident,
    /// Nothing of that number was said of it.
    NothingToUndo,
    AlreadyUndone,
    TooMany,
    TooManyRules,
}

/// Writes down what somebody says; what is refused leaves nothing.
pub fn say(connection: &Connection, said: Said, now: Timestamp) -> rusqlite::Result<Result<Verdict, Refused>> {
    if let Some(refused) = refusal(connection, &said, now)? {
        return Ok(Err(refused));
    }
    let number = connection
        .prepare_cached(
            "INSERT INTO verdicts (incident, opinion, by, why, at, expires, duplicate_of, rule, undoes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .insert(params![
            said.incident,
            said.opinion.word(),
            said.by,
            said.why,
            now.0,
            said.expires.map(|end| end.0),
            said.duplicate_of,
            said.rule,
            said.undoes
        ])?;
    Ok(Ok(Verdict { number, said, at: now, is_undone: false }))
}

fn refusal(connection: &Connection, said: &Said, now: Timestamp) -> rusqlite::Result<Option<Refused>> {
    let mut known = connection.prepare_cached("SELECT 1 FROM incidents WHERE id = ?1")?;
    let before = of(connection, &said.incident)?;
    if let Some(number) = said.undoes {
        let undone = before.iter().find(|verdict| verdict.number == number && verdict.said.undoes.is_none());
        return Ok(match undone {
            None => Some(Refused::NothingToUndo),
            Some(verdict) if verdict.is_undone => Some(Refused::AlreadyUndone),
            Some(_) => None,
        });
    }
    if before.len() as i64 >= OF_ONE {
        return Ok(Some(Refused::TooMany));
    }
    for id in [&said.incident].into_iter().chain(&said.duplicate_of) {
        if !known.exists([id])? {
            return Ok(Some(Refused::NoIncident));
        }
    }
    let has_room = said.rule.is_none() || standing_rules(connection, now)?.len() < RULES;
    Ok((!has_room).then_some(Refused::TooManyRules))
}

/// All that was said of an incident, in its order.
pub fn of(connection: &Connection, incident: &str) -> rusqlite::Result<Vec<Verdict>> {
    let mut read = connection.prepare_cached(
        "SELECT v.*, EXISTS (SELECT 1 FROM verdicts u WHERE u.undoes = v.number) AS is_undone
         FROM verdicts v WHERE v.incident = ?1 ORDER BY v.number LIMIT ?2",
    )?;
    read.query_map(params![incident, READ_OF_ONE], verdict)?.collect()
}

/// What says whether an incident is fine; the other words are for people and change no rule.
const DECIDES: &str = "('false_positive', 'accepted_risk', 'confirmed')";

/// The rules of what was decided last of each incident, not undone, and not over yet.
pub fn standing_rules(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<String>> {
    let mut read = connection.prepare_cached(&format!(
        "SELECT v.rule FROM verdicts v WHERE v.rule IS NOT NULL AND (v.expires IS NULL OR v.expires > ?1)
         AND NOT EXISTS (SELECT 1 FROM verdicts u WHERE u.undoes = v.number)
         AND NOT EXISTS (SELECT 1 FROM verdicts l WHERE l.incident = v.incident AND l.number > v.number
             AND l.opinion IN {DECIDES} AND (l.expires IS NULL OR l.expires > ?1)
             AND NOT EXISTS (SELECT 1 FROM verdicts u WHERE u.undoes = l.number))
         ORDER BY v.number LIMIT ?2"
    ))?;
    read.query_map(params![now.0, RULES as i64], |row| row.get(0))?.collect()
}

/// When the next decision ends that stands before an earlier rule, so that the rule may be back.
pub fn next_end(connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    let mut read = connection.prepare_cached(&format!(
        "SELECT min(l.expires) FROM verdicts l WHERE l.expires > ?1 AND l.opinion IN {DECIDES} AND EXISTS
             (SELECT 1 FROM verdicts v WHERE v.incident = l.incident AND v.number < l.number AND v.rule IS NOT NULL)"
    ))?;
    read.query_row([now.0], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Timestamp)))
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    Ok(Verdict {
        number: row.get("number")?,
        said: Said {
            incident: row.get("incident")?,
            opinion: word(row, "opinion", Opinion::of_word)?,
            by: row.get("by")?,
            why: row.get("why")?,
            expires: row.get::<_, Option<i64>>("expires")?.map(Timestamp),
            duplicate_of: row.get("duplicate_of")?,
            rule: row.get("rule")?,
            undoes: row.get("undoes")?,
        },
        at: Timestamp(row.get("at")?),
        is_undone: row.get("is_undone")?,
    })
}
