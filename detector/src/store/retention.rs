//! What goes when the history is too old or too large?
//!
//! What is over, and of that what was stored first. Open incidents stay, and so does what a sink still has to hear.
//! Each step is one transaction of bounded size, so that an alert waits for no more than that.

use std::sync::Arc;

use rules::bgp::Timestamp;
use rusqlite::{Connection, params};

use super::rows::{Queued, queue};
use super::{dead_letters, notices, routes};

/// Incidents of one step.
const INCIDENTS: i64 = 100;
/// Their transitions: 5 MB of usual alerts.
const TRANSITIONS: i64 = 1_000;
/// Their routes: 2 MB.
const ROUTES: i64 = 5_000;

/// How much history there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What is over and was stored last before this goes.
    pub since: Timestamp,
    /// The oldest of what is over goes until no more is in use.
    pub most_bytes: u64,
}

/// A sink that has to hear that an incident is gone.
#[derive(Debug)]
pub struct Forgotten {
    pub sink: Arc<str>,
    pub id: Arc<str>,
    pub row: i64,
}

/// What one step did.
#[derive(Debug, Default)]
pub struct Step {
    pub forgotten: Vec<Forgotten>,
    /// Incidents that went since they were old, and to make room.
    pub by_age: u64,
    pub by_size: u64,
    /// There is more to do.
    pub has_more: bool,
}

/// One step. Incidents of which one of `sinks` still has to hear stay. Of the sinks in `tombstones`, those that were told
/// of an incident are to be told that it is gone.
pub fn step(
    connection: &Connection,
    keep: Keep,
    sinks: &[Arc<str>],
    tombstones: &[Arc<str>],
    now: i64,
) -> rusqlite::Result<Step> {
    let named = serde_json::to_string(&sinks.iter().map(|sink| &**sink).collect::<Vec<_>>()).unwrap_or_default();
    let mut step = Step::default();
    let old = over(connection, keep.since, &named)?;
    if !old.is_empty() {
        step.by_age = forget(connection, &old, tombstones, now, &mut step.forgotten)?;
        step.has_more = step.by_age < old.len() as u64 || old.len() as i64 == INCIDENTS;
    }
    if !step.has_more {
        notices::forget(connection, keep.since.0, &named)?;
    }
    if old.is_empty() && bytes_in_use(connection)? > keep.most_bytes {
        let oldest = over(connection, Timestamp::MAX, &named)?;
        step.by_size = forget(connection, &oldest, tombstones, now, &mut step.forgotten)?;
        step.has_more = !oldest.is_empty();
    }
    step.has_more |= routes::make_room(connection, ROUTES)?;
    Ok(step)
}

/// The first of those that are over. The newest transition stays in any case: streams go on behind its number.
fn over(connection: &Connection, before: Timestamp, sinks: &str) -> rusqlite::Result<Vec<(i64, Arc<str>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, id FROM incidents WHERE status <> 'open' AND stored < ?1
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.incident = id AND o.sink IN (SELECT value FROM json_each(?2)))
         AND id IS NOT (SELECT incident FROM transitions ORDER BY number DESC LIMIT 1)
         ORDER BY stored LIMIT ?3",
    )?;
    let found = statement.query_map(params![before.0, sinks, INCIDENTS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.collect()
}

/// As many as one transaction can take; gives how many.
fn forget(
    connection: &Connection,
    incidents: &[(i64, Arc<str>)],
    tombstones: &[Arc<str>],
    now: i64,
    forgotten: &mut Vec<Forgotten>,
) -> rusqlite::Result<u64> {
    let (mut left, mut routes_left, mut gone) = (TRANSITIONS, ROUTES, 0);
    for (number, id) in incidents {
        routes_left -= routes::forget(connection, *number, routes_left)?;
        if routes_left == 0 {
            break;
        }
        let deleted = connection
            .prepare_cached(
                "DELETE FROM transitions WHERE number IN
                 (SELECT number FROM transitions WHERE incident = ?1 ORDER BY sequence LIMIT ?2)",
            )?
            .execute(params![id, left])?;
        left -= deleted as i64;
        if left == 0 {
            break;
        }
        forget_one(connection, *number, id, tombstones, now, forgotten)?;
        gone += 1;
    }
    Ok(gone)
}

fn forget_one(
    connection: &Connection,
    number: i64,
    id: &Arc<str>,
    tombstones: &[Arc<str>],
    now: i64,
    forgotten: &mut Vec<Forgotten>,
) -> rusqlite::Result<()> {
    let mut told = connection.prepare_cached("SELECT 1 FROM deliveries WHERE sink = ?1 AND incident = ?2")?;
    let heard: Vec<bool> = tombstones.iter().map(|sink| told.exists(params![sink, id])).collect::<Result<_, _>>()?;
    for table in ["outbox", "deliveries"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE incident = ?1"))?.execute([id])?;
    }
    dead_letters::forget(connection, id)?;
    // Its marks go with it.
    connection.prepare_cached("DELETE FROM incidents WHERE number = ?1")?.execute([number])?;
    for (sink, _) in tombstones.iter().zip(heard).filter(|(_, heard)| *heard) {
        let row = queue(connection, sink, id, Queued::Tombstone, now)?;
        forgotten.push(Forgotten { sink: sink.clone(), id: id.clone(), row });
    }
    Ok(())
}

/// Pages that hold something. A file does not shrink: what became free is used again.
fn bytes_in_use(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).unsigned_abs())
}
