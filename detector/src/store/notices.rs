//! What was said of the watching itself: each raised and each cleared is a row.

use std::sync::Arc;

use rules::bgp::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::dead_letters;
use super::rows::{Queued, queue, word};
use crate::notice::{Notice, NoticeKind, NoticeState, Said};

/// Writes a notice and a row per sink. None where the sink has it.
pub fn put(
    connection: &Connection,
    id: &str,
    notice: &Notice,
    sinks: &[Arc<str>],
    now: i64,
) -> rusqlite::Result<Vec<Option<i64>>> {
    let (kind, state) = (notice.kind.word(), notice.state.word());
    let is_new = connection
        .prepare_cached(
            "INSERT INTO notices (id, kind, state, subject, detail, time, stored) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, kind, state, notice.subject, notice.detail, notice.time.0, now])?
        > 0;
    let number: i64 = connection
        .prepare_cached("SELECT number FROM notices WHERE id = ?1 AND time = ?2 AND state = ?3")?
        .query_row(params![id, notice.time.0, state], |row| row.get(0))?;
    let mut waiting =
        connection.prepare_cached("SELECT place FROM outbox WHERE incident = ?1 AND sink = ?2 AND notice = ?3")?;
    let mut place = |sink: &Arc<str>| match is_new {
        true => queue(connection, sink, id, Queued::Notice(number), now).map(Some),
        false => waiting.query_row(params![id, sink, number], |row| row.get(0)).optional(),
    };
    sinks.iter().map(&mut place).collect()
}

/// The notice of a row that has its columns.
pub fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    Ok(Notice {
        time: Timestamp(row.get("time")?),
        kind: word(row, "kind", NoticeKind::of_word)?,
        state: word(row, "state", NoticeState::of_word)?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
    })
}

/// What is raised and not cleared, and when the last heartbeat was. What a newer program raised is not ours to clear.
pub fn said(connection: &Connection) -> rusqlite::Result<Said> {
    let mut statement = connection.prepare(
        "SELECT n.time, n.kind, n.state, n.subject, n.detail FROM notices n WHERE n.state = 'raised'
         AND NOT EXISTS (SELECT 1 FROM notices l WHERE l.id = n.id AND l.number > n.number) ORDER BY n.number",
    )?;
    let mut rows = statement.query([])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        open.extend(notice(row).ok());
    }
    let last = "SELECT max(time) FROM notices WHERE kind = ?1";
    let last: Option<i64> = connection.query_row(last, [NoticeKind::Heartbeat.word()], |row| row.get(0))?;
    Ok(Said { open, last_heartbeat: last.map(Timestamp) })
}

/// Forgets what was stored before `before`, unless it is not over or one of `sinks` (a list in JSON) has to hear of it. It reads
/// the whole outbox, so once a round is enough.
pub fn forget(connection: &Connection, before: i64, sinks: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM notices WHERE stored < ?1
             AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.incident = notices.id AND o.notice = notices.number
                 AND o.sink IN (SELECT value FROM json_each(?2)))
             AND (state <> 'raised'
                 OR EXISTS (SELECT 1 FROM notices l WHERE l.id = notices.id AND l.number > notices.number))",
        )?
        .execute(params![before, sinks])?;
    let orphans = "DELETE FROM outbox WHERE notice IS NOT NULL AND notice NOT IN (SELECT number FROM notices)";
    connection.prepare_cached(orphans)?.execute([])?;
    dead_letters::forget_notices(connection)
}
