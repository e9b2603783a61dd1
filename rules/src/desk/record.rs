//! Who held an offending route of an incident, from when to when, why no longer, and what did he hold before?
//!
//! A vantage point holds one route per prefix and path id, whatever the number of rules that object to it. What a restart
//! interrupted is told by its key: whoever keeps the record knows the rest.

use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::incident::{IncidentRef, Lost, OffenceRef};
use super::{Desk, Output};
use crate::alert::ReasonCode;
use crate::bgp::{PathAttributes, Timestamp, VantageId, VantagePoint};
use crate::limits;
use crate::shard::{HeldBefore, Sighting};

/// What is told of the routes of incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    #[default]
    Off,
    /// Each route once, when it is over or the input is; all of them.
    WhenOver,
    /// When it begins and when it is over, within [`limits::INCIDENT_ROUTES`].
    AsItGoes,
}

/// The route of one vantage point under an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRecord {
    pub incident: Arc<str>,
    pub prefix: IpNet,
    pub point: Arc<VantagePoint>,
    pub path_id: u32,
    pub attributes: Arc<PathAttributes>,
    /// The event that brought it, and the engine's clock then.
    pub seq: u64,
    pub at: Timestamp,
    /// The collector's time.
    pub started: Timestamp,
    /// What it held until it first held an offending one.
    pub before: Option<HeldBefore>,
    /// None while it is held.
    pub ended: Option<RouteEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEnd {
    /// The collector's time.
    pub seen: Timestamp,
    pub why: ReasonCode,
}

/// What there is to say of the routes of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteNews {
    Route(RouteRecord),
    /// A route that began before a restart and has not been seen since is over.
    Gone {
        incident: Arc<str>,
        prefix: IpNet,
        point: Arc<VantagePoint>,
        path_id: u32,
        ended: RouteEnd,
    },
    /// So many routes of it found no room, all in all.
    LeftOut {
        incident: Arc<str>,
        count: usize,
    },
}

/// A route that is held.
#[derive(Clone, Debug)]
struct Held {
    vantage: VantageId,
    path_id: u32,
    attributes: Arc<PathAttributes>,
    seq: u64,
    at: Timestamp,
    started: Timestamp,
    before: Option<HeldBefore>,
    /// Its beginning was told, so its end has to be.
    is_told: bool,
    /// It stood on record when a restart interrupted the watching.
    is_counted: bool,
}

impl Held {
    fn key(&self) -> (VantageId, u32) {
        (self.vantage, self.path_id)
    }
}

/// The record of an offence.
#[derive(Clone, Debug, Default)]
pub struct OffenceRecord {
    /// Sorted by (vantage, path id).
    held: Vec<Held>,
    /// Over before there was an incident.
    past: Vec<RouteRecord>,
    /// Of these found no room.
    left_out: usize,
}

impl OffenceRecord {
    /// Routes of the past that wait for an incident.
    pub fn untold(&self) -> usize {
        self.past.len()
    }
}

/// How many routes of an incident are on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    told: usize,
    left_out: usize,
}

impl Desk {
    /// A vantage point holds the route from here on. `is_back`: it was waited for.
    pub(super) fn record_held(
        &mut self,
        at: OffenceRef,
        sighting: &Sighting,
        attributes: &Arc<PathAttributes>,
        is_back: bool,
    ) {
        if self.recording == Recording::Off {
            return;
        }
        let mut held = Held {
            vantage: sighting.vantage,
            path_id: sighting.path_id,
            attributes: attributes.clone(),
            seq: self.seq,
            at: self.now,
            started: sighting.seen,
            before: sighting.before.clone(),
            is_told: false,
            is_counted: is_back && self.before.is_some(),
        };
        let list = &mut self.offences[at.0 as usize].record.held;
        let i = match list.binary_search_by_key(&held.key(), Held::key) {
            // Another rule objects to it.
            Ok(i) if list[i].attributes == *attributes => return,
            Ok(i) => {
                held.before = list[i].before.clone();
                let old = std::mem::replace(&mut list[i], held);
                self.record_end(at, old, RouteEnd { seen: sighting.seen, why: ReasonCode::Replaced });
                i
            }
            Err(i) => {
                list.insert(i, held);
                i
            }
        };
        self.record_beginning(at, i);
    }

    /// A rule objects no longer; with the last one the route is over.
    pub(super) fn record_ended(&mut self, at: OffenceRef, sighting: &Sighting, end: RouteEnd) {
        let key = (sighting.vantage, sighting.path_id);
        let offence = &mut self.offences[at.0 as usize];
        if offence.holders.iter().any(|h| (h.vantage, h.path_id) == key) {
            return;
        }
        if let Ok(i) = offence.record.held.binary_search_by_key(&key, Held::key) {
            let held = offence.record.held.remove(i);
            self.record_end(at, held, end);
        }
    }

    /// Sessions are waited for no longer. Those of this life have told that they lost the route.
    pub(super) fn record_given_up(&mut self, at: OffenceRef, given_up: impl Fn(&Lost) -> bool, ended: RouteEnd) {
        let offence = &self.offences[at.0 as usize];
        let Some(story) = offence.incident.filter(|_| self.recording == Recording::AsItGoes && self.before.is_some())
        else {
            return;
        };
        let (incident, prefix) = (self.incidents[story.0 as usize].id.clone(), offence.key.prefix);
        let gone = offence.lost.iter().filter(|lost| given_up(lost)).filter_map(|lost| {
            let point = self.vantage.get(lost.vantage.0 as usize)?.clone();
            let news = RouteNews::Gone { incident: incident.clone(), prefix, point, path_id: lost.path_id, ended };
            Some(Output::Route(Box::new(news)))
        });
        self.out.extend(gone);
    }

    /// An offence has become part of an incident: what is known of its routes is told.
    pub(super) fn tell_record(&mut self, at: OffenceRef, story: IncidentRef) {
        let record = &mut self.offences[at.0 as usize].record;
        let (past, left_out, held) = (std::mem::take(&mut record.past), record.left_out, record.held.len());
        record.left_out = 0;
        self.untold_routes = self.untold_routes.saturating_sub(past.len());
        if left_out > 0 {
            self.leave_out(story, left_out);
        }
        for route in past {
            if self.has_room_on_record(story) {
                self.tell_route(story, route);
            }
        }
        for i in 0..held {
            // Also of an offence that changed from one incident to another.
            self.offences[at.0 as usize].record.held[i].is_told = false;
            self.record_beginning(at, i);
        }
    }

    /// Whether the route of this place of the record is told as it begins.
    fn record_beginning(&mut self, at: OffenceRef, i: usize) {
        let offence = &self.offences[at.0 as usize];
        let Some(story) = offence.incident.filter(|_| self.recording == Recording::AsItGoes) else { return };
        let held = offence.record.held[i].clone();
        if held.is_counted || self.has_room_on_record(story) {
            self.offences[at.0 as usize].record.held[i].is_told = true;
            self.tell_held(at, story, held, None);
        }
    }

    fn record_end(&mut self, at: OffenceRef, held: Held, end: RouteEnd) {
        let end = RouteEnd { seen: end.seen.max(held.started), ..end };
        match self.offences[at.0 as usize].incident {
            Some(story) if held.is_told || self.recording == Recording::WhenOver => {
                self.tell_held(at, story, held, Some(end));
            }
            Some(_) => {}
            None => self.remember_untold(at, held, end),
        }
    }

    fn remember_untold(&mut self, at: OffenceRef, held: Held, end: RouteEnd) {
        let Some(route) = self.route_record(at, held, Some(end)) else { return };
        let is_bounded = self.recording == Recording::AsItGoes;
        let record = &mut self.offences[at.0 as usize].record;
        if is_bounded && self.keeps_no_past {
            record.left_out += 1;
            return;
        }
        if is_bounded && record.past.len() >= limits::UNTOLD_ROUTES_EACH {
            record.past.remove(0);
            record.left_out += 1;
            self.untold_routes = self.untold_routes.saturating_sub(1);
        }
        if is_bounded && self.untold_routes >= limits::UNTOLD_ROUTES {
            record.left_out += 1;
            return;
        }
        record.past.push(route);
        self.untold_routes += 1;
    }

    /// What was over before its offence was told of is only counted from here on, where the record is bounded at all.
    pub(super) fn forget_the_past(&mut self) {
        self.keeps_no_past = true;
        if self.recording != Recording::AsItGoes {
            return;
        }
        for offence in &mut self.offences {
            offence.record.left_out += std::mem::take(&mut offence.record.past).len();
        }
        self.untold_routes = 0;
    }

    fn tell_held(&mut self, at: OffenceRef, story: IncidentRef, held: Held, end: Option<RouteEnd>) {
        if let Some(route) = self.route_record(at, held, end) {
            self.tell_route(story, route);
        }
    }

    fn tell_route(&mut self, story: IncidentRef, route: RouteRecord) {
        let incident = self.incidents[story.0 as usize].id.clone();
        self.out.push(Output::Route(Box::new(RouteNews::Route(RouteRecord { incident, ..route }))));
    }

    /// The incident is named by whoever tells it.
    fn route_record(&self, at: OffenceRef, held: Held, ended: Option<RouteEnd>) -> Option<RouteRecord> {
        let point = self.vantage.get(held.vantage.0 as usize)?.clone();
        let prefix = self.offences[at.0 as usize].key.prefix;
        let Held { path_id, attributes, seq, at, started, before, .. } = held;
        Some(RouteRecord { incident: "".into(), prefix, point, path_id, attributes, seq, at, started, before, ended })
    }

    /// Takes a place on the record of an incident, or counts that there was none.
    fn has_room_on_record(&mut self, story: IncidentRef) -> bool {
        if self.recording != Recording::AsItGoes {
            return true;
        }
        let recorded = &mut self.incidents[story.0 as usize].recorded;
        let has_room = recorded.told < limits::INCIDENT_ROUTES;
        if has_room {
            recorded.told += 1;
        } else {
            self.leave_out(story, 1);
        }
        has_room
    }

    fn leave_out(&mut self, story: IncidentRef, count: usize) {
        self.incidents[story.0 as usize].recorded.left_out += count;
        self.left_out.insert(story);
    }

    /// Once an event, however many it were.
    pub(super) fn tell_left_out(&mut self) {
        if self.left_out.is_empty() {
            return;
        }
        for story in std::mem::take(&mut self.left_out) {
            let incident = &self.incidents[story.0 as usize];
            let news = RouteNews::LeftOut { incident: incident.id.clone(), count: incident.recorded.left_out };
            self.out.push(Output::Route(Box::new(news)));
        }
    }

    /// The end of the input is not the end of a route.
    pub(super) fn record_open_routes(&mut self) {
        if self.recording != Recording::WhenOver {
            return;
        }
        for i in 0..self.offences.len() {
            let Some(story) = self.offences[i].incident else { continue };
            for held in self.offences[i].record.held.clone() {
                self.tell_held(OffenceRef(i as u32), story, held, None);
            }
        }
    }
}
