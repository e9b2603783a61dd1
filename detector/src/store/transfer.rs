//! How does a whole history get out of a file, and into one, while nobody watches?

use rules::bgp::Timestamp;

use super::file::{self, Location, Opened, Problem, Spot};
use super::{Put, history, routes, rows, schema};
use crate::route::RouteLine;
use crate::sink::{Delivery, Parcel};

/// Alerts read or written at once: 2.5 MB of usual ones.
const AT_ONCE: usize = 500;

/// Calls `f` with every alert of a store, in the order in which they went out, until it fails. The store may be in use.
pub fn each<E>(location: &Location, mut f: impl FnMut(&str) -> Result<(), E>) -> Result<Result<(), E>, Problem> {
    let of = |error: rusqlite::Error| Problem::of(location, &error);
    let connection = file::open_to_read(&Spot::new(location.clone()))?;
    let version = schema::version(&connection).map_err(of)?;
    if version > schema::VERSION {
        return Err(Problem::Newer(location.to_string(), version));
    }
    let mut number = 0;
    loop {
        let found = history::behind(&connection, number, AT_ONCE).map_err(of)?;
        for sent in &found.alerts {
            if let Err(error) = f(&sent.json) {
                return Ok(Err(error));
            }
            number = sent.number;
        }
        if !found.has_more {
            return Ok(Ok(()));
        }
    }
}

/// The same with every route of an incident.
pub fn each_route<E>(
    location: &Location,
    mut f: impl FnMut(&RouteLine) -> Result<(), E>,
) -> Result<Result<(), E>, Problem> {
    let of = |error: rusqlite::Error| Problem::of(location, &error);
    let connection = file::open_to_read(&Spot::new(location.clone()))?;
    // A store that no newer program has written to yet has none.
    if schema::version(&connection).map_err(of)? < schema::ROUTES {
        return Ok(Ok(()));
    }
    let mut place = (0, 0);
    loop {
        let found = routes::behind(&connection, place, AT_ONCE).map_err(of)?;
        for (at, line) in &found {
            if let Err(error) = f(line) {
                return Ok(Err(error));
            }
            place = *at;
        }
        if found.len() < AT_ONCE {
            return Ok(Ok(()));
        }
    }
}

/// The latest alert of one incident as it was sent. The store may be in use.
pub fn latest(location: &Location, id: &str) -> Result<Option<String>, Problem> {
    let connection = file::open_to_read(&Spot::new(location.clone()))?;
    history::latest(&connection, id).map_err(|error| Problem::of(location, &error))
}

/// A store that takes in what was sent elsewhere; nothing of it goes to any sink.
pub struct Into {
    location: Location,
    opened: Opened,
    waiting: Vec<Delivery>,
    routes: Vec<RouteLine>,
    lost: u64,
}

impl Into {
    /// Nobody else may use it.
    pub fn open(location: &Location, now: Timestamp) -> Result<Self, Problem> {
        let opened = file::open(&Spot::new(location.clone()), now, false)?;
        Ok(Self { location: location.clone(), opened, waiting: Vec::new(), routes: Vec::new(), lost: 0 })
    }

    pub fn put(&mut self, delivery: Delivery) -> Result<(), Problem> {
        self.waiting.push(delivery);
        if self.waiting.len() == AT_ONCE { self.write() } else { Ok(()) }
    }

    /// A route of an incident that was put before.
    pub fn put_route(&mut self, line: RouteLine) -> Result<(), Problem> {
        self.routes.push(line);
        if self.routes.len() == AT_ONCE { self.write() } else { Ok(()) }
    }

    /// Writes what is left; gives how many routes found no room, or no incident.
    pub fn finish(mut self) -> Result<u64, Problem> {
        self.write()?;
        Ok(self.lost)
    }

    /// Its age counts from when it was sent, so that what is old enough goes.
    fn write(&mut self) -> Result<(), Problem> {
        let of = |error: rusqlite::Error| Problem::of(&self.location, &error);
        let transaction = self.opened.connection.transaction().map_err(of)?;
        for delivery in self.waiting.drain(..) {
            let stored = delivery.time.0;
            let put = Put { parcel: Parcel::Alert(delivery), sinks: Vec::new(), chapter: None };
            rows::put(&transaction, &put, stored).map_err(of)?;
        }
        let mut writer = routes::Writer::new(&transaction);
        for line in self.routes.drain(..) {
            writer.take_in(&line).map_err(of)?;
        }
        self.lost += writer.lost;
        drop(writer);
        transaction.commit().map_err(of)
    }
}

/// What was taken in before an error stays.
impl Drop for Into {
    fn drop(&mut self) {
        // Who let it fall without finishing says why himself.
        let _ = self.write();
    }
}
