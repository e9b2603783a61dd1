//! Who held which offending route of an incident, from when to when? Times are kept in milliseconds, as they are shown.

mod writer;

use std::net::IpAddr;

use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp};
use rules::limits;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::marks;
use crate::route::{BeforeLine, RouteLine, SCHEMA};
pub use writer::{Writer, close};

/// Routes of one incident; the engine tells no more of them either.
const OF_ONE: i64 = limits::INCIDENT_ROUTES as i64;
/// Routes in all: 5,000,000 x about 300 bytes = 1.5 GB of the usual 10. Those of the oldest incidents that are over make room.
const MOST: i64 = 5_000_000;
/// Routes of old incidents go as soon as there are more than this.
const FULL: i64 = MOST / 10 * 9;

/// Forgets some routes of an incident; gives how many.
pub fn forget(connection: &Connection, incident: i64, most: i64) -> rusqlite::Result<i64> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM routes WHERE incident = ?1
             AND number IN (SELECT number FROM routes WHERE incident = ?1 ORDER BY number LIMIT ?2)",
        )?
        .execute([incident, most])? as i64;
    connection
        .prepare_cached("UPDATE route_histories SET kept = kept - ?2, no_room = no_room + ?2 WHERE incident = ?1")?
        .execute([incident, gone])?;
    connection.prepare_cached("UPDATE route_room SET kept = kept - ?1")?.execute([gone])?;
    Ok(gone)
}

/// Forgets some of the oldest routes if there are too many in all; true if there is more to do.
pub fn make_room(connection: &Connection, most: i64) -> rusqlite::Result<bool> {
    let kept: i64 = connection.query_row("SELECT kept FROM route_room", [], |row| row.get(0))?;
    if kept <= FULL {
        return Ok(false);
    }
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT h.incident FROM route_histories h CROSS JOIN incidents i ON i.number = h.incident
             WHERE h.kept > 0 AND i.status <> 'open' ORDER BY h.incident LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    match oldest {
        Some(incident) => forget(connection, incident, most).map(|gone| gone > 0),
        None => Ok(false),
    }
}

/// Which routes of an incident are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteQuestion {
    /// It, and what lies inside.
    pub prefix: Option<IpNet>,
    pub peer: Option<Peer>,
    /// What was held then.
    pub at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    As(Asn),
    Address(IpAddr),
}

/// Some of the routes of an incident, in the order in which they were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRoutes {
    /// Each with its number, where to go on behind it.
    pub routes: Vec<(i64, RouteLine)>,
    pub has_more: bool,
    /// Of all its routes, whether asked for or not.
    pub kept: u64,
    /// So many more found no room, or went to make some.
    pub left_out: u64,
}

impl FoundRoutes {
    /// Behind which number there is more.
    pub fn next(&self) -> Option<i64> {
        self.routes.last().filter(|_| self.has_more).map(|(number, _)| *number)
    }
}

/// The routes of an incident behind a number; none if nothing is recorded of it.
pub fn of(
    connection: &Connection,
    id: &str,
    question: &RouteQuestion,
    behind: i64,
    most: usize,
) -> rusqlite::Result<Option<FoundRoutes>> {
    let history: Option<(i64, u64, u64)> = connection
        .prepare_cached(
            "SELECT h.incident, h.kept, h.untold + h.no_room FROM incidents i JOIN route_histories h
             ON h.incident = i.number WHERE i.id = ?1",
        )?
        .query_row([id], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, i64>(2)?.unsigned_abs()))
        })
        .optional()?;
    let Some((incident, kept, left_out)) = history else { return Ok(None) };
    let (first, last) = match &question.prefix {
        Some(prefix) => (Some(marks::key(prefix)), Some(marks::last_key(prefix))),
        None => (None, None),
    };
    let (peer_as, address) = match question.peer {
        Some(Peer::As(asn)) => (Some(asn.0), None),
        Some(Peer::Address(address)) => (None, Some(address.to_string())),
        None => (None, None),
    };
    let text = format!(
        "{COLUMNS} WHERE r.incident = ?1 AND r.number > ?2
         AND (?3 IS NULL OR r.prefix BETWEEN ?3 AND ?4) AND (?5 IS NULL OR p.peer_as = ?5)
         AND (?6 IS NULL OR p.peer_address = ?6)
         AND (?7 IS NULL OR (r.started <= ?7 AND (r.ended IS NULL OR r.ended > ?7)))
         ORDER BY r.number LIMIT ?8"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let bound = params![incident, behind, first, last, peer_as, address, question.at.map(millis), most as i64 + 1];
    let routes = statement.query_map(bound, |row| Ok((row.get("number")?, line(row)?)))?;
    let mut routes: Vec<_> = routes.collect::<rusqlite::Result<_>>()?;
    let has_more = routes.len() > most;
    routes.truncate(most);
    Ok(Some(FoundRoutes { routes, has_more, kept, left_out }))
}

/// What a page shows of the routes of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The first of them.
    pub first: FoundRoutes,
    /// All of them, from when to when.
    pub spans: Vec<Span>,
    /// Different paths, by first sighting; none twice, and no more than [`PATHS`].
    pub paths: Vec<String>,
    /// What was held before, the same way.
    pub paths_before: Vec<String>,
}

/// Paths that a page draws.
const PATHS: i64 = 64;

/// How long a vantage point held a route of an origin; times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Stands for the vantage point.
    pub point: i64,
    pub origin_as: Option<u32>,
    pub started: i64,
    pub ended: Option<i64>,
}

/// What a page shows; none if nothing is recorded.
pub fn overview(connection: &Connection, id: &str, most: usize) -> rusqlite::Result<Option<Overview>> {
    let Some(first) = of(connection, id, &RouteQuestion::default(), 0, most)? else { return Ok(None) };
    let of_incident = "incident = (SELECT number FROM incidents WHERE id = ?1)";
    let mut spans = connection.prepare_cached(&format!(
        "SELECT point, origin_as, started, ended FROM routes WHERE {of_incident} ORDER BY number"
    ))?;
    let span = |row: &Row<'_>| {
        Ok(Span { point: row.get(0)?, origin_as: row.get(1)?, started: row.get(2)?, ended: row.get(3)? })
    };
    let spans = spans.query_map([id], span)?.collect::<rusqlite::Result<_>>()?;
    let paths = |column: &str| -> rusqlite::Result<Vec<String>> {
        let mut paths = connection.prepare_cached(&format!(
            "SELECT {column} FROM routes WHERE {of_incident} AND {column} IS NOT NULL
             GROUP BY {column} ORDER BY min(number) LIMIT {PATHS}"
        ))?;
        paths.query_map([id], |row| row.get(0))?.collect()
    };
    Ok(Some(Overview { first, spans, paths: paths("as_path")?, paths_before: paths("before_path")? }))
}

/// Routes of all incidents, those behind a place, and where each stands.
pub fn behind(
    connection: &Connection,
    place: (i64, i64),
    most: usize,
) -> rusqlite::Result<Vec<((i64, i64), RouteLine)>> {
    let text = format!(
        "{COLUMNS} WHERE (r.incident, r.number) > (?1, ?2)
         ORDER BY r.incident, r.number LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let read = |row: &Row<'_>| Ok(((row.get("incident")?, row.get("number")?), line(row)?));
    statement.query_map(params![place.0, place.1, most as i64], read)?.collect()
}

const COLUMNS: &str = "SELECT r.*, i.id, p.collector, p.peer_as, p.peer_address FROM routes r
    CROSS JOIN incidents i ON i.number = r.incident CROSS JOIN route_points p ON p.number = r.point";

fn line(row: &Row<'_>) -> rusqlite::Result<RouteLine> {
    let unreadable = |column: &str| {
        let what = format!("\"{column}\" of a route cannot be read").into();
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, what)
    };
    let prefix = |column: &str| -> rusqlite::Result<Option<IpNet>> {
        let key: Option<Vec<u8>> = row.get(column)?;
        key.map(|key| marks::prefix_of(&key).ok_or_else(|| unreadable(column))).transpose()
    };
    let time = |column: &str| -> rusqlite::Result<Option<String>> {
        let millis: Option<i64> = row.get(column)?;
        Ok(millis.map(|millis| Timestamp(millis.saturating_mul(1_000)).to_string()))
    };
    let before = prefix("before_prefix")?.zip(row.get::<_, Option<String>>("before_path")?);
    let address: String = row.get("peer_address")?;
    Ok(RouteLine {
        schema: SCHEMA.to_owned(),
        incident: row.get("id")?,
        prefix: prefix("prefix")?.ok_or_else(|| unreadable("prefix"))?,
        collector: row.get("collector")?,
        peer_as: row.get("peer_as")?,
        peer_address: address.parse().map_err(|_| unreadable("peer_address"))?,
        path_id: row.get("path_id")?,
        as_path: row.get("as_path")?,
        origin_as: row.get("origin_as")?,
        only_to_customer: row.get("otc")?,
        blackhole: row.get("blackhole")?,
        seq: row.get::<_, i64>("seq")?.cast_unsigned(),
        time: time("at")?.unwrap_or_default(),
        started: time("started")?.unwrap_or_default(),
        ended: time("ended")?,
        reason: row.get("why")?,
        before: before.map(|(prefix, as_path)| BeforeLine { prefix, as_path }),
    })
}

fn millis(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests;
