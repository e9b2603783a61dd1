//! Small stories for tests, in documentation space: what each of a few vantage points said, second by second.

use std::sync::Arc;

use ipnet::IpNet;
use rules::bgp::{Asn, Nlri, PathAttributes, Timestamp, VantagePoint};
use rules::desk::RouteRecord;

use super::gather::{Change, Heard, InputSeen, Place, Trail, Vantage, What};
use super::question::Question;
use super::report::{SourcePart, Time};
use super::sources::Role;

pub fn prefix(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// What the engine writes of an offending route.
pub fn route_record(incident: &str, prefix: &str, path: &str) -> RouteRecord {
    let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(64_500), peer_address: [192, 0, 2, 200].into() };
    let attributes = PathAttributes { as_path: path.parse().expect("a path"), ..PathAttributes::default() };
    RouteRecord {
        incident: incident.into(),
        prefix: self::prefix(prefix),
        point: Arc::new(point),
        path_id: 0,
        attributes: Arc::new(attributes),
        seq: 0,
        at: at(10),
        started: at(10),
        before: None,
        ended: None,
    }
}

/// Whatever the time and the prefix.
pub fn anything() -> Question {
    Question {
        asked: "anything".into(),
        prefixes: Vec::new(),
        prefixes_left_out: 0,
        asns: Vec::new(),
        from: None,
        to: None,
        claim: None,
    }
}

/// Data that were given and are so many days from the event, or were not given.
pub fn source(days_apart: Option<f64>) -> SourcePart {
    SourcePart {
        is_given: days_apart.is_some(),
        name: "vrps.json".into(),
        count: 1,
        as_of: days_apart.map(|_| Time(at(0))),
        days_apart,
    }
}

#[derive(Default)]
pub struct Story {
    trail: Trail,
}

impl Story {
    pub fn new() -> Self {
        let input = |name: &str, role| InputSeen {
            name: name.into(),
            role,
            records: 0,
            elements: 0,
            first: None,
            last: None,
            errors: Default::default(),
        };
        let mut story = Self::default();
        story.trail.inputs = vec![input("updates.gz", Role::Updates), input("rib.gz", Role::Dump)];
        story
    }

    pub fn held(self, secs: i64, vantage: u32, prefix: &str, path: &str) -> Self {
        let mut story = self.with(vantage);
        let what = What::Held(nlri(prefix), story.path(path));
        story.trail.vantages[vantage as usize].table[0] += 1;
        story.push(secs, vantage, 1, what)
    }

    pub fn announced(self, secs: i64, vantage: u32, prefix: &str, path: &str) -> Self {
        let mut story = self.with(vantage);
        let what = What::Announced(nlri(prefix), story.path(path));
        story.push(secs, vantage, 0, what)
    }

    pub fn withdrawn(self, secs: i64, vantage: u32, prefix: &str) -> Self {
        self.with(vantage).push(secs, vantage, 0, What::Withdrawn(nlri(prefix)))
    }

    pub fn down(self, secs: i64, vantage: u32) -> Self {
        let mut story = self.with(vantage);
        story.trail.vantages[vantage as usize].downs.push(at(secs));
        story.push(secs, vantage, 0, What::Down)
    }

    pub fn trail(self) -> Trail {
        self.trail
    }

    /// Vantage point 0 is AS64500, 1 is AS64501 and so on, each with a session of its own.
    fn with(mut self, vantage: u32) -> Self {
        for number in self.trail.vantages.len() as u32..=vantage {
            let point = VantagePoint {
                collector: "rrc00".into(),
                peer_as: Asn(64_500 + number),
                peer_address: [192, 0, 2, 200 + number as u8].into(),
            };
            let heard = Vantage { point: Arc::new(point), table: [0; 2], is_heard: [true, false], downs: Vec::new() };
            self.trail.vantages.push(heard);
        }
        self
    }

    fn path(&mut self, text: &str) -> u32 {
        let attributes = PathAttributes { as_path: text.parse().expect("a path"), ..PathAttributes::default() };
        self.trail.paths.push(Arc::new(attributes));
        self.trail.paths.len() as u32 - 1
    }

    fn push(mut self, secs: i64, vantage: u32, input: u32, what: What) -> Self {
        let place = Place { input, record: self.trail.changes.len() as u64 + 1 };
        self.trail.changes.push(Change { time: at(secs), vantage, place, what });
        if input == 0 {
            self.trail.first.get_or_insert(at(secs));
            self.trail.last = Some(at(secs));
            let heard = self.trail.heard.entry("rrc00".into()).or_insert_with(|| Heard::since(at(secs)));
            heard.last = at(secs);
            *heard.minutes.entry(secs.div_euclid(60)).or_default() += 1;
        }
        self
    }
}

fn nlri(text: &str) -> Nlri {
    Nlri { prefix: prefix(text), path_id: 0 }
}
