//! One engine in this thread, fed as `replay` feeds it: everything from items to alerts, and no other thread.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use detector::data as inputs;
use detector::sequencer::Sequencer;
use feeds::input::{Item, Use, from_bytes};
use rules::bgp::Timestamp;
use rules::desk::{Output, Settings};
use rules::engine::Engine;
use rules::event::{Batch, Event};
use rules::limits;

use crate::measure::data;
use crate::wire::event;
use crate::world::World;

/// What all files are said to be from.
pub const COLLECTOR: &str = "bench";

pub struct Player {
    pub engine: Engine,
    sequencer: Sequencer,
    source: usize,
    /// Alerts that were told.
    pub alerts: usize,
}

impl Default for Player {
    fn default() -> Self {
        Self { engine: Engine::new(Settings::default()), sequencer: Sequencer::default(), source: 0, alerts: 0 }
    }
}

impl Player {
    /// Everything that routes are judged by, from real files, so that every rule has its say.
    pub fn with_real_data() -> Result<Self, Box<dyn std::error::Error>> {
        let mut player = Self::default();
        for event in real_data()? {
            player.own(event);
        }
        Ok(player)
    }

    /// The same from an invented world, whose sessions have the numbers that they have there.
    pub fn with_data_of(world: &World) -> Self {
        let mut player = Self::default();
        player.own(world.rpki());
        player.own(world.relations());
        player.items(event::vantage_points(world));
        player
    }

    /// The whole table of a world, as its dumps tell it.
    pub fn seed(&mut self, world: &World) {
        for place in 0..world.space.prefixes.len() as u32 {
            let prefix = world.space.prefixes[place as usize].prefix;
            let routes = world.routes_of(place, 0..world.sessions.len() as u32);
            self.items(routes.map(|(session, path)| event::seed(session, prefix, path)));
        }
        self.own(Event::SeedDone { as_of: crate::world::START });
    }

    /// An event of our own.
    pub fn own(&mut self, event: Event) {
        let now = self.sequencer.now().unwrap_or_default();
        self.sequencer.push_own(event, now);
        self.flush();
    }

    /// Another source of events: its vantage points are others than those before, as far as their names are.
    pub fn next_source(&mut self) {
        self.source += 1;
    }

    pub fn items(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            let at = item.time;
            self.sequencer.push(self.source, item, at);
            if self.sequencer.is_full() {
                self.flush();
            }
        }
        self.flush();
    }

    /// All of a file. The same session keeps its number over the rounds.
    pub fn play(&mut self, bytes: &Bytes) {
        self.next_source();
        self.items(reader(bytes));
    }

    /// The same as history.
    pub fn play_as_history(&mut self, bytes: &Bytes) {
        self.next_source();
        self.items(reader(bytes).map(|item| match item.event {
            Event::Update(update) => Item { event: Event::Seed(update), ..item },
            _ => item,
        }));
    }

    fn flush(&mut self) {
        let Some(batch) = self.sequencer.take() else { return };
        let batch: &Batch = &batch;
        for some in batch.chunks(limits::LOOK_AHEAD) {
            self.engine.look_ahead(some);
            for stamped in some {
                let outputs = black_box(self.engine.handle(stamped));
                self.alerts += outputs.iter().filter(|output| matches!(output, Output::Alert(_))).count();
            }
        }
    }
}

/// What a reader of `feeds` gives for those octets.
pub fn reader(bytes: &Bytes) -> impl Iterator<Item = Item> + use<> {
    from_bytes(bytes.clone(), COLLECTOR, Use::Updates).expect("a file that was read before")
}

/// 723,521 VRPs, 100 ASPAs and 261,672 relations.
pub fn real_data() -> Result<[Event; 2], Box<dyn std::error::Error>> {
    let vrps = std::env::var_os("BGPWARDEN_VRPS")
        .map_or_else(|| data().join("rpki/rpkiclient_summary_20250720T093135Z.json.bz2"), PathBuf::from);
    let aspas = data().join("rpki/aspas_20250720T093135Z.json");
    let rpki = inputs::rpki(&[vrps], &[aspas], None)?;
    let relations = inputs::relations(Some(&data().join("topology/problink_20190101_relat.txt.gz")), None)?.0;
    Ok([Event::Rpki(Arc::new(rpki.delta)), Event::Relations(Arc::new(relations))])
}

/// An engine that knows the routes of the file already: it has learnt who stands next to whom, and what is held is its baseline.
pub fn warm(bytes: &Bytes) -> Result<Player, Box<dyn std::error::Error>> {
    let mut player = Player::with_real_data()?;
    player.play(bytes);
    player.play_as_history(bytes);
    player.own(Event::SeedDone { as_of: Timestamp::default() });
    player.play(bytes);
    Ok(player)
}
