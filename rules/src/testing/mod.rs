//! What tests of every crate share: stories in plain text, slow twins of fast structures, and small invented worlds.

pub mod demand;
pub mod scenario;
pub mod slow_rib;
pub mod world;

use std::sync::Arc;

use crate::alert::Alert;
use crate::bgp::Timestamp;
use crate::checkpoint::Checkpoint;
use crate::desk::{Output, Recording, RouteNews, Settings};
use crate::engine::Engine;
use crate::event::{Event, Stamped};
use crate::limits;
use crate::stamp::Stamper;

/// An engine that was fed a whole history, and what it said.
pub struct Run {
    pub engine: Engine,
    pub alerts: Vec<Arc<Alert>>,
    /// Who held what, as it goes.
    pub routes: Vec<RouteNews>,
}

/// Lets an engine of so many shards live through events, each with the time of its arrival, to the end of input.
pub fn run(events: &[(Timestamp, Event)], settings: Settings, shards: usize) -> Run {
    run_lives(&[events.to_vec()], settings, shards)
}

/// The same for a process that is killed after each list of events but the last one. What was kept until then is taken
/// back behind the vantage points that the next list begins with.
pub fn run_lives(lives: &[Vec<(Timestamp, Event)>], settings: Settings, shards: usize) -> Run {
    lived(lives, settings, shards > 1, || Engine::with_shards(settings, shards))
}

/// The same with one shard that looks ahead and a desk that forgets what is over as soon as it can.
pub fn run_lives_forgetting(lives: &[Vec<(Timestamp, Event)>], settings: Settings) -> Run {
    lived(lives, settings, true, || {
        let mut engine = Engine::new(settings);
        engine.forget_eagerly();
        engine
    })
}

/// Where nobody looks ahead is the twin of where somebody does.
fn lived(lives: &[Vec<(Timestamp, Event)>], settings: Settings, looks_ahead: bool, born: impl Fn() -> Engine) -> Run {
    let mut kept: Option<Checkpoint> = None;
    let (mut alerts, mut routes) = (Vec::new(), Vec::new());
    for (i, events) in lives.iter().enumerate() {
        let mut engine = born();
        engine.keep_chapters();
        engine.record(Recording::AsItGoes);
        let mut stamper = Stamper::default();
        let mut stamped = Vec::new();
        let numbered = events.iter().take_while(|(_, e)| matches!(e, Event::Vantage(..))).count();
        for (j, (at, event)) in events.iter().enumerate() {
            stamper.push(*at, event.clone(), &mut stamped);
            if let Some(checkpoint) = kept.take_if(|_| j + 1 == numbered) {
                stamper.push(*at, Event::Restore(Arc::new(checkpoint)), &mut stamped);
            }
        }
        if i + 1 == lives.len() {
            stamper.end(settings.hold_down_secs, &mut stamped);
        }
        for output in stamped.chunks(limits::LOOK_AHEAD).flat_map(|some| handled(&mut engine, some, looks_ahead)) {
            match output {
                Output::Alert(alert) => alerts.push(alert),
                Output::Chapter(chapter) => kept.iter_mut().for_each(|k| k.take_in((*chapter).clone())),
                Output::Checkpoint(parts) => kept = Some(parts.merge()),
                Output::Route(news) => routes.push(*news),
            }
        }
        if i + 1 == lives.len() {
            return Run { engine, alerts, routes };
        }
    }
    Run { engine: born(), alerts, routes }
}

fn handled(engine: &mut Engine, some: &[Stamped], looks_ahead: bool) -> Vec<Output> {
    if looks_ahead {
        engine.look_ahead(some);
    }
    some.iter().flat_map(|stamped| handled_one(engine, stamped)).collect()
}

/// Where the table is small, what the shards pass over without judging is judged all the same.
fn handled_one(engine: &mut Engine, stamped: &Stamped) -> Vec<Output> {
    const SMALL: usize = 64;
    let outputs = engine.handle(stamped);
    if engine.sizes().0 <= SMALL {
        for shard in engine.shards() {
            let overlooked = shard.overlooked(stamped.at);
            assert!(overlooked.is_empty(), "no rule was asked about {overlooked:?}");
            let stale = shard.stale();
            assert!(stale.is_empty(), "the watch list says something else of {stale:?}");
            let misremembered = shard.misremembered();
            assert!(misremembered.is_empty(), "something else is proven of {misremembered:?}");
        }
    }
    outputs
}
