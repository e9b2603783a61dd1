//! What do dumps say? Reads them into the engine, as `run` and `replay` do, to look at what it then holds.

use std::sync::Arc;

use feeds::input::{self, Use};
use rules::bgp::Timestamp;
use rules::desk::Settings;
use rules::engine::Engine;
use rules::event::Event;
use rules::rpki::Delta;
use rules::watch::Watch;

use crate::failure::Failure;
use crate::sequencer::Sequencer;

/// An engine that has read dumps, and of when they are.
pub struct Table {
    pub engine: Engine,
    pub as_of: Option<Timestamp>,
}

/// Reads the dumps in their order; `rpki` and `watch` are known before.
pub fn read(dumps: &[String], rpki: Delta, watch: Watch) -> Result<Table, Failure> {
    let mut engine = Engine::new(Settings::default());
    let mut sequencer = Sequencer::default();
    let readers = dumps.iter().map(|spec| input::open(spec, Use::Seed));
    let readers = readers.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::failed(error.to_string()))?;
    let start = Timestamp::default();
    sequencer.push_own(Event::Rpki(Arc::new(rpki)), start);
    sequencer.push_own(Event::Watch(Arc::new(watch)), start);
    let mut as_of = None;
    for (source, reader) in readers.into_iter().enumerate() {
        for item in reader {
            as_of = as_of.max(Some(item.time));
            sequencer.push(source, item, start);
            if sequencer.is_full() {
                work_off(&mut sequencer, &mut engine);
            }
        }
    }
    if let Some(as_of) = as_of {
        sequencer.push_own(Event::SeedDone { as_of }, as_of);
    }
    work_off(&mut sequencer, &mut engine);
    Ok(Table { engine, as_of })
}

/// What would be told of the dumps is not asked here.
fn work_off(sequencer: &mut Sequencer, engine: &mut Engine) {
    for stamped in sequencer.take().iter().flat_map(|batch| batch.iter()) {
        engine.handle(stamped);
    }
}
