//! Lets an engine in this process live through real files, as `bgpwarden replay` does: dumps first, then news by time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use feeds::input::{self, Item, Reader, Use};
use rules::alert::Alert;
use rules::bgp::{Timestamp, VantageId, VantagePoint};
use rules::desk::{Output, Settings};
use rules::engine::Engine;
use rules::event::Event;
use rules::stamp::Stamper;

use crate::real_data::Knowledge;

/// The items of a file, with the vantage points of all files numbered in one row.
#[derive(Default)]
pub struct Numbers {
    known: HashMap<Arc<VantagePoint>, VantageId>,
}

impl Numbers {
    /// Every item of a file, renumbered; `Event::Vantage` comes once for each vantage point of all files.
    pub fn read(&mut self, file: &Path, used_as: Use) -> Result<Vec<Item>, String> {
        let reader = input::open(&file.display().to_string(), used_as).map_err(|error| error.to_string())?;
        Ok(self.renumber(reader))
    }

    fn renumber(&mut self, reader: Reader) -> Vec<Item> {
        let mut here: Vec<VantageId> = Vec::new();
        let mut out = Vec::new();
        for Item { time, mut event } in reader {
            match &mut event {
                Event::Vantage(local, point) => {
                    let next = VantageId(self.known.len() as u32);
                    let id = *self.known.entry(point.clone()).or_insert(next);
                    here.push(id);
                    if id != next {
                        continue;
                    }
                    *local = id;
                }
                Event::Update(update) | Event::Seed(update) => update.vantage = here[update.vantage.0 as usize],
                Event::PeerUp { vantage, .. } | Event::PeerDown { vantage, .. } | Event::EndOfRib { vantage, .. } => {
                    *vantage = here[vantage.0 as usize];
                }
                _ => {}
            }
            out.push(Item { time, event });
        }
        out
    }
}

/// What an engine said about news, after it was shown a dump; none: it learns.
pub fn live(knowledge: &Knowledge, dump: Option<Vec<Item>>, news: Vec<Item>) -> Vec<Arc<Alert>> {
    lived(knowledge, dump, news).0
}

/// The same, with the engine as it is afterwards.
pub fn lived(knowledge: &Knowledge, dump: Option<Vec<Item>>, news: Vec<Item>) -> (Vec<Arc<Alert>>, Engine) {
    let settings = Settings::default();
    let mut engine = Engine::new(settings);
    let mut stamper = Stamper::default();
    let mut alerts = Vec::new();
    let start = news.first().map_or(Timestamp::default(), |item| item.time);
    let mut say = |time: Timestamp, event: Event| {
        let mut stamped = Vec::new();
        stamper.push(time, event, &mut stamped);
        stamped.iter().for_each(|s| alerts.extend(engine.handle(s).into_iter().filter_map(alert)));
    };
    if let Some(rpki) = &knowledge.rpki {
        say(start, Event::Rpki(rpki.clone()));
    }
    if let Some(relations) = &knowledge.relations {
        say(start, Event::Relations(relations.clone()));
    }
    let mut as_of: HashMap<VantageId, Timestamp> = HashMap::new();
    if let Some(dump) = dump {
        let last = dump.iter().map(|item| item.time).max().unwrap_or(start);
        for item in dump {
            if let Event::Seed(seed) = &item.event {
                let known = as_of.entry(seed.vantage).or_insert(item.time);
                *known = item.time.max(*known);
            }
            say(start, item.event);
        }
        say(start, Event::SeedDone { as_of: last });
    }
    for item in news {
        let is_in_dump = |vantage: &VantageId| as_of.get(vantage).is_some_and(|t| item.time < *t);
        let is_old = match &item.event {
            Event::Update(update) => is_in_dump(&update.vantage),
            Event::PeerUp { vantage, .. } | Event::PeerDown { vantage, .. } => is_in_dump(vantage),
            _ => false,
        };
        if !is_old {
            say(item.time, item.event);
        }
    }
    let mut stamped = Vec::new();
    stamper.end(settings.hold_down_secs, &mut stamped);
    stamped.iter().for_each(|s| alerts.extend(engine.handle(s).into_iter().filter_map(alert)));
    (alerts, engine)
}

fn alert(output: Output) -> Option<Arc<Alert>> {
    match output {
        Output::Alert(alert) => Some(alert),
        Output::Route(_) | Output::Chapter(_) | Output::Checkpoint(_) => None,
    }
}
