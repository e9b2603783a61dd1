//! What becomes of a route that is told, at the place where a vantage point holds one?
//!
//! A vantage point holds one route per prefix and path id, so what begins takes the place of what was held, and goes on with it
//! if it is the same: after a restart the engine tells again what stands. What is told of an earlier time than that of the
//! route that is held now (an import, or a transaction whose answer came too late) says nothing about that one.

use std::collections::HashMap;
use std::sync::Arc;

use rules::alert::{ReasonCode, Transition};
use rules::bgp::{Asn, Timestamp, VantagePoint};
use rules::desk::RouteNews;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde::Deserialize;

use super::super::marks::{self, Value};
use super::{MOST, OF_ONE, millis};
use crate::route::RouteLine;
use crate::sink::Delivery;

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
