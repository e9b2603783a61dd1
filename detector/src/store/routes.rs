//! Who held which offending route of an incident, from when to when?
//!
//! A vantage point holds one route per prefix and path id, so what begins takes the place of what was held, and goes on with it
//! if it is the same: after a restart the engine tells again what stands. What is told of an earlier time than that of the
//! route that is held now (an import, or a transaction whose answer came too late) says nothing about that one. Times are kept
//! in milliseconds, as they are shown.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::{ReasonCode, Transition};
use rules::bgp::{Asn, Timestamp, VantagePoint};
use rules::desk::RouteNews;
use rules::limits;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use serde::Deserialize;

use super::marks::{self, Value};
use crate::route::{BeforeLine, RouteLine, SCHEMA};
use crate::sink::Delivery;

/// Routes of one incident; the engine tells no more of them either.
const OF_ONE: i64 = limits::INCIDENT_ROUTES as i64;
/// Routes in all: 5,000,000 x about 300 bytes = 1.5 GB of the usual 10. Those of the oldest incidents that are over make room.
const MOST: i64 = 5_000_000;
/// Routes of old incidents go as soon as there are more than this.
const FULL: i64 = MOST / 10 * 9;
/// Why a route is over whose end nobody saw.
const INCIDENT_OVER: &str = "incident_over";

/// Writes what there is to say of routes, in its order.
pub struct Writer<'c> {
    connection: &'c Connection,
    incidents: HashMap<Arc<str>, Option<Incident>>,
    points: HashMap<Arc<VantagePoint>, i64>,
    /// What found no room, or no incident.
    pub lost: u64,
}

/// An incident as it stands in the store, which knows it no later than its routes.
#[derive(Clone, Copy)]
struct Incident {
    number: i64,
    /// Routes of it that nobody saw end ended then at the latest.
    over: Option<i64>,
}

/// Where a vantage point can hold one route.
struct Place {
    incident: i64,
    prefix: Value,
    point: i64,
    path_id: u32,
}

/// What a place holds.
struct Held {
    as_path: String,
    started: i64,
}

impl<'c> Writer<'c> {
    pub fn new(connection: &'c Connection) -> Self {
        Self { connection, incidents: HashMap::new(), points: HashMap::new(), lost: 0 }
    }

    pub fn write(&mut self, news: &RouteNews) -> rusqlite::Result<()> {
        match news {
            RouteNews::Route(record) => self.take_in(&RouteLine::from(record)).map(drop),
            RouteNews::Gone { incident, prefix, point, path_id, ended } => {
                let Some(Incident { number: incident, .. }) = self.incident(incident)? else { return Ok(()) };
                let place =
                    Place { incident, prefix: marks::key(prefix), point: self.point(point)?, path_id: *path_id };
                self.end(&place, millis(ended.seen), ended.why.word())
            }
            RouteNews::LeftOut { incident, count } => {
                let Some(Incident { number: incident, .. }) = self.incident(incident)? else { return Ok(()) };
                self.connection
                    .prepare_cached("UPDATE route_histories SET untold = max(untold, ?2) WHERE incident = ?1")?
                    .execute(params![incident, *count as i64])
                    .map(drop)
            }
        }
    }

    /// A route as it begins, or as a whole; false if its incident is not known.
    pub fn take_in(&mut self, line: &RouteLine) -> rusqlite::Result<bool> {
        let Some(Incident { number: incident, over: incident_over }) = self.incident(&line.incident.as_str().into())?
        else {
            self.lost += 1;
            return Ok(false);
        };
        let (collector, peer_as) = (line.collector.as_str().into(), Asn(line.peer_as));
        let point = self.point(&Arc::new(VantagePoint { collector, peer_as, peer_address: line.peer_address }))?;
        let place = Place { incident, prefix: marks::key(&line.prefix), point, path_id: line.path_id };
        let time = |text: &str| Timestamp::parse(text).map_or(0, millis);
        let started = time(&line.started);
        let ended = line.ended.as_deref().map(|ended| time(ended).max(started));
        let why = line.reason.as_deref().unwrap_or(INCIDENT_OVER);
        let held = self.held(&place)?;
        let (before, later) = match held {
            Some(held) if held.started <= started => (Some(held), None),
            later => (None, later),
        };
        match (&before, ended) {
            (Some(held), None) if held.as_path == line.as_path => return Ok(true),
            (Some(held), Some(ended)) if held.as_path == line.as_path => {
                self.end(&place, ended, why)?;
                return Ok(true);
            }
            _ if self.is_known(&place, line, started)? => {
                if let Some(ended) = ended {
                    self.end_as_seen(&place, line, (started, ended), why)?;
                }
                return Ok(true);
            }
            (Some(_), _) => self.end(&place, started, ReasonCode::Replaced.word())?,
            (None, _) => {}
        }
        let over = match (ended, later) {
            (Some(ended), _) => Some((ended, why)),
            (None, Some(later)) => Some((later.started, ReasonCode::Replaced.word())),
            (None, None) => incident_over.map(|ended| (ended.max(started), INCIDENT_OVER)),
        };
        self.insert(&place, line, started, time(&line.time), over)?;
        Ok(true)
    }

    fn held(&self, place: &Place) -> rusqlite::Result<Option<Held>> {
        self.connection
            .prepare_cached(
                "SELECT as_path, started FROM routes INDEXED BY routes_held
                 WHERE incident = ?1 AND prefix = ?2 AND point = ?3 AND path_id = ?4 AND ended IS NULL",
            )?
            .query_row(params![place.incident, place.prefix, place.point, place.path_id], |row| {
                Ok(Held { as_path: row.get(0)?, started: row.get(1)? })
            })
            .optional()
    }

    /// What is held since a later moment goes on.
    fn end(&self, place: &Place, ended: i64, why: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE routes SET ended = ?5, why = ?6 WHERE incident = ?1 AND prefix = ?2 AND point = ?3
                 AND path_id = ?4 AND ended IS NULL AND started <= ?5",
            )?
            .execute(params![place.incident, place.prefix, place.point, place.path_id, ended, why])
            .map(drop)
    }

    /// It ended with its incident since its end was not known yet.
    fn end_as_seen(
        &self,
        place: &Place,
        line: &RouteLine,
        (started, ended): (i64, i64),
        why: &str,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE routes SET ended = ?7, why = ?8 WHERE incident = ?1 AND prefix = ?2 AND point = ?3
                 AND path_id = ?4 AND started = ?5 AND as_path = ?6 AND why = ?9",
            )?
            .execute(params![
                place.incident,
                place.prefix,
                place.point,
                place.path_id,
                started,
                line.as_path,
                ended,
                why,
                INCIDENT_OVER
            ])
            .map(drop)
    }

    /// It was told before, or was held then and goes by an earlier beginning.
    fn is_known(&self, place: &Place, line: &RouteLine, started: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT 1 FROM routes INDEXED BY routes_at WHERE incident = ?1 AND prefix = ?2 AND point = ?3
                 AND path_id = ?4 AND started <= ?5 AND as_path = ?6 AND (started = ?5 OR ended > ?5)",
            )?
            .exists(params![place.incident, place.prefix, place.point, place.path_id, started, line.as_path])
    }

    fn insert(
        &mut self,
        place: &Place,
        line: &RouteLine,
        started: i64,
        at: i64,
        over: Option<(i64, &str)>,
    ) -> rusqlite::Result<()> {
        let Some(number) = self.next_number(place.incident)? else {
            self.lost += 1;
            return Ok(());
        };
        let before = line.before.as_ref();
        self.connection
            .prepare_cached(
                "INSERT INTO routes (incident, number, prefix, point, path_id, as_path, origin_as, otc, blackhole, seq, at,
                     started, ended, why, before_prefix, before_path)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                place.incident,
                number,
                place.prefix,
                place.point,
                place.path_id,
                line.as_path,
                line.origin_as,
                line.only_to_customer,
                line.blackhole,
                line.seq.cast_signed(),
                at,
                started,
                over.map(|(ended, _)| ended),
                over.map(|(_, why)| why),
                before.map(|before| marks::key(&before.prefix)),
                before.map(|before| before.as_path.as_str()),
            ])
            .map(drop)
    }

    /// Takes a place in the list of the incident; none if that, or the store, is full.
    fn next_number(&self, incident: i64) -> rusqlite::Result<Option<i64>> {
        let room: i64 = self.connection.prepare_cached("SELECT kept FROM route_room")?.query_row([], |r| r.get(0))?;
        let number = self
            .connection
            .prepare_cached(
                "UPDATE route_histories SET last = last + 1, kept = kept + 1 WHERE incident = ?1 AND kept < ?2
                 RETURNING last",
            )?
            .query_row([incident, if room < MOST { OF_ONE } else { 0 }], |row| row.get(0))
            .optional()?;
        let taken = match number {
            Some(_) => "UPDATE route_room SET kept = kept + 1",
            None => "UPDATE route_histories SET no_room = no_room + 1 WHERE incident = ?1",
        };
        let mut taken = self.connection.prepare_cached(taken)?;
        let bound = if number.is_none() { Some(incident) } else { None };
        taken.execute(params_from_iter(bound))?;
        Ok(number)
    }

    /// An incident, whose record begins here at the latest.
    fn incident(&mut self, id: &Arc<str>) -> rusqlite::Result<Option<Incident>> {
        if let Some(known) = self.incidents.get(id) {
            return Ok(*known);
        }
        let found: Option<(i64, Option<String>)> = self
            .connection
            .prepare_cached(
                "SELECT i.number, t.json FROM incidents i LEFT JOIN transitions t
                 ON t.incident = i.id AND t.sequence = i.sequence AND i.status <> 'open' WHERE i.id = ?1",
            )?
            .query_row([&**id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let incident = found.map(|(number, json)| Incident { number, over: json.and_then(|json| over_at(&json)) });
        if let Some(Incident { number, .. }) = incident {
            self.connection
                .prepare_cached("INSERT INTO route_histories (incident) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute([number])?;
        }
        self.incidents.insert(id.clone(), incident);
        Ok(incident)
    }

    fn point(&mut self, point: &Arc<VantagePoint>) -> rusqlite::Result<i64> {
        if let Some(known) = self.points.get(point) {
            return Ok(*known);
        }
        let named = params![&*point.collector, point.peer_as.0, point.peer_address.to_string()];
        self.connection
            .prepare_cached(
                "INSERT INTO route_points (collector, peer_as, peer_address) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(named)?;
        let number = self
            .connection
            .prepare_cached(
                "SELECT number FROM route_points WHERE collector = ?1 AND peer_as = ?2 AND peer_address = ?3",
            )?
            .query_row(named, |row| row.get(0))?;
        self.points.insert(point.clone(), number);
        Ok(number)
    }
}

/// An incident that is over leaves no route open, also those that nobody saw end; what became normal stands. One that was opened
/// again since is left alone.
pub fn close(connection: &Connection, delivery: &Delivery) -> rusqlite::Result<()> {
    if !matches!(delivery.transition, Transition::Resolved | Transition::Retracted) {
        return Ok(());
    }
    let Some(ended) = over_at(&delivery.json) else { return Ok(()) };
    connection
        .prepare_cached(
            "UPDATE routes SET ended = max(started, ?2), why = ?3 WHERE ended IS NULL
             AND incident = (SELECT number FROM incidents WHERE id = ?1 AND status <> 'open')",
        )?
        .execute(params![delivery.id, ended, INCIDENT_OVER])
        .map(drop)
}

/// When an incident ended, from the alert that said so; none if its routes became normal and stand.
fn over_at(json: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Over {
        ended: Option<String>,
        reason: Why,
    }
    #[derive(Deserialize)]
    struct Why {
        code: ReasonCode,
    }
    let over: Over = serde_json::from_str(json).ok()?;
    let ended = over.ended.filter(|_| over.reason.code != ReasonCode::BecameNormal)?;
    Timestamp::parse(&ended).map(millis)
}

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
