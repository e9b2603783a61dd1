//! Which rows does each act of the store read and write? Every function is a part of somebody's transaction.

use std::sync::Arc;

use rules::alert::{Class, Severity, Status, Transition};
use rules::bgp::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::marks::{self, Marks};
use super::{Chapter, Checkpoint, Put, Told, Waiting, dead_letters, notices};
use crate::sink::{Delivery, Parcel};

/// Rows of an outbox that are read at once.
pub const PAGE_ROWS: i64 = 256;
/// Their JSON: 16 of the largest alerts, 800 usual ones.
const PAGE_BYTES: usize = 4 * 1_024 * 1_024;

/// Writes what is put, and a row per sink. Gives the row of each sink, in the order of `put.sinks`; none where the sink
/// has it.
pub fn put(connection: &Connection, put: &Put, now: i64) -> rusqlite::Result<Vec<Option<i64>>> {
    match &put.parcel {
        Parcel::Alert(delivery) => {
            transition(connection, delivery, put.chapter.as_ref(), now)?;
            put.sinks.iter().map(|sink| offer(connection, sink, &delivery.id, delivery.sequence, now)).collect()
        }
        Parcel::Notice(id, notice) => notices::put(connection, id, notice, &put.sinks, now),
        Parcel::Forget(id) => {
            put.sinks.iter().map(|sink| queue(connection, sink, id, Queued::Tombstone, now).map(Some)).collect()
        }
    }
}

/// Writes a transition and the latest state of its incident.
fn transition(connection: &Connection, d: &Delivery, chapter: Option<&Chapter>, now: i64) -> rusqlite::Result<()> {
    let first_prefix = d.first_prefix.map(|prefix| prefix.to_string());
    connection
        .prepare_cached(
            "INSERT INTO transitions (incident, sequence, transition, class, severity, time, first_prefix, json, stored)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            d.id,
            d.sequence,
            d.transition.word(),
            d.class.word(),
            d.severity.word(),
            d.time.0,
            first_prefix,
            d.json,
            now
        ])?;
    incident(connection, d, now)?;
    if let Some(chapter) = chapter {
        connection
            .prepare_cached("INSERT OR REPLACE INTO chapters (incident, seq, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![d.id, chapter.seq.cast_signed(), &*chapter.bytes])?;
    }
    Ok(())
}

/// Brings an incident to this transition, unless it is at a later one.
fn incident(connection: &Connection, d: &Delivery, now: i64) -> rusqlite::Result<()> {
    let known: Option<(i64, u32)> = connection
        .prepare_cached("SELECT number, sequence FROM incidents WHERE id = ?1")?
        .query_row([&d.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if known.is_some_and(|(_, sequence)| sequence >= d.sequence) {
        return Ok(());
    }
    let marks = Marks::of(&d.json);
    let number = match known {
        Some((number, _)) => number,
        None => marks::next_number(connection, marks.started.unwrap_or(d.time))?,
    };
    let status = status_after(d.transition).word();
    connection
        .prepare_cached(
            "INSERT INTO incidents (number, id, sequence, status, class, severity, time, stored)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET sequence = excluded.sequence, status = excluded.status, class = excluded.class,
                 severity = excluded.severity, time = excluded.time, stored = excluded.stored",
        )?
        .execute(params![number, d.id, d.sequence, status, d.class.word(), d.severity.word(), d.time.0, now])?;
    marks.write(connection, number)
}

fn status_after(transition: Transition) -> Status {
    match transition {
        Transition::Opened | Transition::Updated | Transition::Reopened => Status::Open,
        Transition::Resolved => Status::Resolved,
        Transition::Retracted => Status::Retracted,
    }
}

fn offer(connection: &Connection, sink: &str, id: &str, sequence: u32, now: i64) -> rusqlite::Result<Option<i64>> {
    let is_new = connection
        .prepare_cached(
            "INSERT INTO deliveries (sink, incident, first, offered) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT DO UPDATE SET offered = excluded.offered WHERE excluded.offered > deliveries.offered",
        )?
        .execute(params![sink, id, sequence])?
        > 0;
    if is_new {
        return queue(connection, sink, id, Queued::Transition(sequence), now).map(Some);
    }
    // Who puts it again may not know that it was put: a disk that answers too late has it all the same.
    connection
        .prepare_cached("SELECT place FROM outbox WHERE incident = ?1 AND sink = ?2 AND sequence = ?3")?
        .query_row(params![id, sink, sequence], |row| row.get(0))
        .optional()
}

/// What a row of an outbox stands for.
pub enum Queued {
    Transition(u32),
    /// The number of the notice.
    Notice(i64),
    Tombstone,
}

pub fn queue(connection: &Connection, sink: &str, key: &str, queued: Queued, now: i64) -> rusqlite::Result<i64> {
    let (sequence, notice) = match queued {
        Queued::Transition(sequence) => (Some(sequence), None),
        Queued::Notice(number) => (None, Some(number)),
        Queued::Tombstone => (None, None),
    };
    connection
        .prepare_cached("INSERT INTO outbox (sink, incident, sequence, notice, queued) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .insert(params![sink, key, sequence, notice, now])
}

/// It has arrived.
pub fn acknowledge(connection: &Connection, row: i64, now: i64) -> rusqlite::Result<()> {
    let gone = connection
        .prepare_cached("DELETE FROM outbox WHERE place = ?1 RETURNING sink, incident, sequence")?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((sink, incident, Some(sequence))) = gone else { return Ok(()) };
    let (sink, incident, sequence): (String, String, u32) = (sink, incident, sequence);
    connection
        .prepare_cached("UPDATE deliveries SET confirmed = ?3, confirmed_at = ?4 WHERE sink = ?1 AND incident = ?2")?
        .execute(params![sink, incident, sequence, now])?;
    Ok(())
}

/// The next rows of a sink behind `after`, oldest first. The last page is shorter than [`PAGE_ROWS`] or empty.
pub fn page(connection: &Connection, sink: &str, after: i64) -> rusqlite::Result<(Vec<Waiting>, bool)> {
    let mut statement = connection.prepare_cached(
        "SELECT o.place, o.queued, o.incident, o.sequence, o.notice, t.transition, t.class, t.severity,
             coalesce(t.time, n.time) AS time, t.first_prefix, t.json, n.kind, n.state, n.subject, n.detail
         FROM outbox o LEFT JOIN transitions t ON t.incident = o.incident AND t.sequence = o.sequence
             LEFT JOIN notices n ON n.number = o.notice
         WHERE o.sink = ?1 AND o.place > ?2 ORDER BY o.place LIMIT ?3",
    )?;
    let mut rows = statement.query(params![sink, after, PAGE_ROWS])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let waiting = waiting(row)?;
        bytes += waiting.parcel.as_ref().map_or(0, Parcel::bytes);
        page.push(waiting);
        if bytes >= PAGE_BYTES {
            return Ok((page, false));
        }
    }
    let is_last = (page.len() as i64) < PAGE_ROWS;
    Ok((page, is_last))
}

/// What cannot be read holds up nothing behind it: it is said, counted, and stays.
fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    let (place, key): (i64, Arc<str>) = (row.get("place")?, row.get("incident")?);
    let parcel = parcel(row, key.clone()).inspect_err(|error| {
        tracing::error!(of = %key, place, "passing over what this program cannot read; it stays in the store: {error}");
    });
    Ok(Waiting { row: place, queued: Timestamp(row.get("queued")?), parcel: parcel.ok() })
}

fn parcel(row: &Row<'_>, id: Arc<str>) -> rusqlite::Result<Parcel> {
    if row.get::<_, Option<i64>>("notice")?.is_some() {
        return Ok(Parcel::Notice(id, notices::notice(row)?));
    }
    let Some(sequence) = row.get::<_, Option<u32>>("sequence")? else { return Ok(Parcel::Forget(id)) };
    Ok(Parcel::Alert(Delivery {
        id,
        sequence,
        transition: word(row, "transition", |text| of_word(text, Transition::ALL, Transition::word))?,
        json: row.get("json")?,
        first_prefix: row.get::<_, Option<String>>("first_prefix")?.and_then(|text| text.parse().ok()),
        severity: word(row, "severity", |text| of_word(text, Severity::ALL, Severity::word))?,
        class: word(row, "class", |text| of_word(text, Class::ALL, Class::word))?,
        time: Timestamp(row.get("time")?),
    }))
}

fn of_word<T: Copy>(text: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|value| word(*value) == text)
}

/// The meaning of a word of a closed set.
pub fn word<T>(row: &Row<'_>, column: &str, meaning: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let unknown = || {
        let what = format!("\"{text}\" is no {column}").into();
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what)
    };
    meaning(&text).ok_or_else(unknown)
}

/// What a sink was told in earlier lives of this store, and what it still has to be told. `most` of the newest.
pub fn told(connection: &Connection, sink: &str, most: i64) -> rusqlite::Result<Told> {
    let (waiting, last) = connection.query_row(
        "SELECT count(*), coalesce(max(place), 0) FROM outbox WHERE sink = ?1",
        [sink],
        |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
    )?;
    let mut statement =
        connection.prepare("SELECT incident, first FROM deliveries WHERE sink = ?1 ORDER BY incident DESC LIMIT ?2")?;
    let first = statement.query_map(params![sink, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Told {
        first: first.collect::<rusqlite::Result<_>>()?,
        waiting: waiting.unsigned_abs(),
        last_row: last,
        letters: dead_letters::open(connection, sink)?,
    })
}

/// The number of the newest transition; 0 before the first.
pub fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT coalesce(max(number), 0) FROM transitions")?.query_row([], |row| row.get(0))
}

/// Begins a checkpoint that does not count before [`checkpoint_done`]; gives its number. What an earlier life left
/// unfinished goes.
pub fn checkpoint_begin(connection: &Connection, seq: u64, time: Timestamp) -> rusqlite::Result<i64> {
    connection.execute("DELETE FROM checkpoints WHERE complete = 0", [])?;
    let mut insert = connection.prepare_cached("INSERT INTO checkpoints (seq, time) VALUES (?1, ?2)")?;
    insert.insert(params![seq.cast_signed(), time.0])
}

pub fn checkpoint_part(connection: &Connection, number: i64, part: i64, bytes: &[u8]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO checkpoint_parts VALUES (?1, ?2, ?3)")?;
    insert.execute(params![number, part, bytes]).map(drop)
}

/// The checkpoint is whole: the ones before it go, and what of single incidents is in it now.
pub fn checkpoint_done(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE checkpoints SET complete = 1 WHERE number = ?1", [number])?;
    connection
        .execute("DELETE FROM chapters WHERE seq <= (SELECT seq FROM checkpoints WHERE number = ?1)", [number])?;
    connection.execute("DELETE FROM checkpoints WHERE number < ?1", [number]).map(drop)
}

/// The latest state of every incident that changed since the newest checkpoint, as the alerts went out.
pub fn chapters(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare("SELECT bytes FROM chapters ORDER BY seq, incident")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// The newest checkpoint that is whole.
pub fn latest_checkpoint(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    let newest = connection
        .query_row(
            "SELECT number, seq, time FROM checkpoints WHERE complete = 1 ORDER BY number DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((number, seq, time)) = newest else { return Ok(None) };
    let mut parts = connection.prepare("SELECT bytes FROM checkpoint_parts WHERE checkpoint = ?1 ORDER BY part")?;
    let mut rows = parts.query([number])?;
    let mut bytes = Vec::new();
    while let Some(row) = rows.next()? {
        bytes.extend_from_slice(row.get_ref(0)?.as_blob()?);
    }
    Ok(Some(Checkpoint { bytes, seq: seq.cast_unsigned(), time: Timestamp(time) }))
}
