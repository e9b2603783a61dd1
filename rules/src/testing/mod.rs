//! What tests of every crate share: stories in plain text, slow twins of fast structures, and small invented worlds.

pub mod demand;
pub mod scenario;
pub mod slow_rib;
pub mod world;

use std::sync::Arc;

use crate::alert::Alert;
use crate::bgp::Timestamp;
use crate::desk::{Output, Settings};
use crate::engine::Engine;
use crate::event::Event;
use crate::stamp::Stamper;

/// An engine that was fed a whole history, and what it said.
pub struct Run {
    pub engine: Engine,
    pub alerts: Vec<Arc<Alert>>,
}

/// Lets an engine of so many shards live through events, each with the time of its arrival, to the end of input.
pub fn run(events: &[(Timestamp, Event)], settings: Settings, shards: usize) -> Run {
    let mut engine = Engine::with_shards(settings, shards);
    let mut stamper = Stamper::default();
    let mut stamped = Vec::new();
    for (at, event) in events {
        stamper.push(*at, event.clone(), &mut stamped);
    }
    stamper.end(settings.hold_down_secs, &mut stamped);
    let alerts = stamped.iter().flat_map(|s| engine.handle(s)).filter_map(|output| match output {
        Output::Alert(alert) => Some(alert),
        Output::Route(_) => None,
    });
    let alerts = alerts.collect();
    Run { engine, alerts }
}
