//! What did receivers refuse for good, and what became of it?
//!
//! It stays beside the history until its incident goes. Somebody may have it sent again, or say that it may rest: who, when and
//! what came of it is written down. It is sent again under the same id, so that a receiver that has it after all drops it. What
//! is overtaken, since the receiver took something newer of the same incident, is not sent: the beginning of what is over would
//! be told as news.

use std::sync::Arc;

use rules::bgp::Timestamp;
use rusqlite::{Connection, Row, params};

use super::rows::{Queued, queue, word};
use crate::sink::status::{DEAD_LETTERS, DeadLetter, Letters};

/// Of one sink: 4 MB. Beyond it the oldest go.
const OF_ONE_SINK: i64 = 10_000;
/// Settled in one transaction, so that alerts wait for some 50 ms at most.
const AT_ONCE: i64 = 1_000;

/// What is to be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    SendAgain,
    /// Nobody needs them any more.
    Dismiss,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    SentAgain,
    /// The receiver has something newer, or it is in no history any more.
    Overtaken,
    Dismissed,
}

impl Fate {
    const ALL: [Self; 3] = [Self::SentAgain, Self::Overtaken, Self::Dismissed];

    pub fn word(self) -> &'static str {
        match self {
            Self::SentAgain => "sent_again",
            Self::Overtaken => "overtaken",
            Self::Dismissed => "dismissed",
        }
    }
}

/// What became of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub sent_again: u64,
    pub overtaken: u64,
    pub dismissed: u64,
    /// Still there.
    pub left: u64,
    /// The last row of the outbox that they wait in again.
    pub last_row: i64,
}

impl Settled {
    pub fn taken(&self) -> u64 {
        self.sent_again + self.overtaken + self.dismissed
    }
}

/// One, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub letter: DeadLetter,
    pub refused: Timestamp,
    /// What became of it, when and through whom.
    pub settled: Option<(Fate, Timestamp, String)>,
}

/// A receiver will never take it: it leaves its outbox, unconfirmed.
pub fn bury(connection: &Connection, row: i64, error: &str, now: i64) -> rusqlite::Result<()> {
    let written = connection
        .prepare_cached(
            "INSERT INTO dead_letters (sink, key, sequence, notice, error, refused)
             SELECT sink, incident, sequence, notice, ?2, ?3 FROM outbox WHERE place = ?1",
        )?
        .execute(params![row, error, now])?;
    if written == 0 {
        return Ok(());
    }
    let sink: Arc<str> = connection
        .prepare_cached("DELETE FROM outbox WHERE place = ?1 RETURNING sink")?
        .query_row([row], |row| row.get(0))?;
    connection
        .prepare_cached(
            "DELETE FROM dead_letters WHERE sink = ?1 AND number <=
             (SELECT number FROM dead_letters WHERE sink = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![sink, OF_ONE_SINK])
        .map(drop)
}

/// Who has something newer of it, or cannot be told any more since it is forgotten.
const OVERTAKEN: &str = "CASE WHEN d.notice IS NULL THEN
        NOT EXISTS (SELECT 1 FROM transitions t WHERE t.incident = d.key AND t.sequence = d.sequence)
        OR EXISTS (SELECT 1 FROM deliveries v WHERE v.sink = d.sink AND v.incident = d.key AND v.confirmed > d.sequence)
        OR EXISTS (SELECT 1 FROM outbox o WHERE o.incident = d.key AND o.sink = d.sink AND o.sequence > d.sequence)
    ELSE
        NOT EXISTS (SELECT 1 FROM notices n WHERE n.number = d.notice)
        OR EXISTS (SELECT 1 FROM notices n WHERE n.id = d.key AND n.number > d.notice)
    END";

/// One that nobody has settled.
struct Open {
    number: i64,
    key: Arc<str>,
    /// None: there is no telling what it was.
    queued: Option<Queued>,
    is_overtaken: bool,
}

impl Open {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (sequence, notice): (Option<u32>, Option<i64>) = (row.get("sequence")?, row.get("notice")?);
        let queued = notice.map(Queued::Notice).or(sequence.map(Queued::Transition));
        let is_overtaken = row.get("is_overtaken")?;
        Ok(Self { number: row.get("number")?, key: row.get("key")?, queued, is_overtaken })
    }
}

/// The oldest of a sink, as `by` says, in the order in which they were refused.
pub fn settle(connection: &Connection, sink: &str, act: Act, by: &str, now: i64) -> rusqlite::Result<Settled> {
    let mut open = connection.prepare_cached(&format!(
        "SELECT d.number, d.key, d.sequence, d.notice, {OVERTAKEN} AS is_overtaken FROM dead_letters d
         WHERE d.sink = ?1 AND d.settled IS NULL ORDER BY d.number LIMIT ?2"
    ))?;
    let open: Vec<Open> = open.query_map(params![sink, AT_ONCE], Open::of)?.collect::<rusqlite::Result<_>>()?;
    let mut settled = Settled::default();
    for Open { number, key, queued, is_overtaken } in open {
        let (fate, count) = match (act, queued) {
            (Act::Dismiss, _) => (Fate::Dismissed, &mut settled.dismissed),
            (Act::SendAgain, Some(queued)) if !is_overtaken => {
                settled.last_row = queue(connection, sink, &key, queued, now)?;
                (Fate::SentAgain, &mut settled.sent_again)
            }
            (Act::SendAgain, _) => (Fate::Overtaken, &mut settled.overtaken),
        };
        *count += 1;
        connection
            .prepare_cached("UPDATE dead_letters SET settled = ?2, by = ?3, fate = ?4 WHERE number = ?1")?
            .execute(params![number, now, by, fate.word()])?;
    }
    settled.left = count(connection, sink)?;
    Ok(settled)
}

fn count(connection: &Connection, sink: &str) -> rusqlite::Result<u64> {
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM dead_letters WHERE sink = ?1 AND settled IS NULL")?;
    count.query_row([sink], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

const READ: &str = "SELECT d.key, d.sequence, d.error, d.refused, d.settled, d.by, d.fate, n.time
    FROM dead_letters d LEFT JOIN notices n ON n.number = d.notice WHERE d.sink = ?1";

/// What nobody has settled yet, and the newest of it.
pub fn open(connection: &Connection, sink: &str) -> rusqlite::Result<Letters> {
    let mut newest =
        connection.prepare_cached(&format!("{READ} AND d.settled IS NULL ORDER BY d.number DESC LIMIT ?2"))?;
    let newest = newest.query_map(params![sink, DEAD_LETTERS as i64], letter)?;
    let mut newest: Vec<DeadLetter> = newest.collect::<rusqlite::Result<_>>()?;
    newest.reverse();
    Ok(Letters { count: count(connection, sink)?, newest: newest.into() })
}

/// The newest of a sink, those that are settled as well.
pub fn newest(connection: &Connection, sink: &str, most: usize) -> rusqlite::Result<Vec<Record>> {
    let mut newest = connection.prepare_cached(&format!("{READ} ORDER BY d.number DESC LIMIT ?2"))?;
    newest.query_map(params![sink, most as i64], record)?.collect()
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let key: String = row.get("key")?;
    let id = match (row.get::<_, Option<u32>>("sequence")?, row.get::<_, Option<i64>>("time")?) {
        (Some(sequence), _) => format!("{key}/{sequence}"),
        (None, Some(time)) => format!("{key}/{}", Timestamp(time)),
        (None, None) => key,
    };
    Ok(DeadLetter { id, error: row.get("error")? })
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let settled = match row.get::<_, Option<i64>>("settled")? {
        Some(at) => {
            let fate = word(row, "fate", |text| Fate::ALL.into_iter().find(|fate| fate.word() == text))?;
            Some((fate, Timestamp(at), row.get("by")?))
        }
        None => None,
    };
    Ok(Record { letter: letter(row)?, refused: Timestamp(row.get("refused")?), settled })
}

/// Of an incident that is forgotten.
pub fn forget(connection: &Connection, incident: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM dead_letters WHERE key = ?1")?.execute([incident]).map(drop)
}

/// Of notices that are forgotten.
pub fn forget_notices(connection: &Connection) -> rusqlite::Result<()> {
    let gone = "DELETE FROM dead_letters WHERE notice IS NOT NULL AND notice NOT IN (SELECT number FROM notices)";
    connection.prepare_cached(gone)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
