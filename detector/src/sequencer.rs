//! In which order does everything happen? Takes what feeds decoded, renumbers their vantage points, and stamps.
//!
//! Relations are worked out in a thread of their own while events go on; where they are to hold is known beforehand, so how
//! long it takes changes nothing but the time that is waited there, mostly none.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use feeds::input::Item;
use rules::bgp::{Timestamp, VantageId, VantagePoint};
use rules::checkpoint::Checkpoint;
use rules::event::{Batch, Event};
use rules::limits;
use rules::relations::task::{Pending, Task};
use rules::stamp::Stamper;

/// Turns the items of many sources into one stream of events.
pub struct Sequencer {
    stamper: Stamper,
    numbers: HashMap<Arc<VantagePoint>, VantageId>,
    /// By source: its own numbers to ours; none where the limit of vantage points was reached.
    sources: Vec<Vec<Option<VantageId>>>,
    batch: Batch,
}

impl Default for Sequencer {
    fn default() -> Self {
        let (numbers, sources, batch) = (HashMap::new(), Vec::new(), Batch::default());
        Self { stamper: Stamper::with_worker(in_a_thread), numbers, sources, batch }
    }
}

/// Where no thread can be had, the work is done where its outcome is wanted. A panic in it goes on there.
fn in_a_thread(task: Task) -> Pending {
    let (hand_over, taken) = mpsc::channel();
    let thread = std::thread::Builder::new().name("relations".into());
    match thread.spawn(move || taken.recv().map(Task::work_out)) {
        Ok(thread) => {
            // It waits for it, so somebody takes it.
            let _ = hand_over.send(task);
            Box::new(move || match thread.join() {
                Ok(outcome) => outcome.expect("the task was handed over"),
                Err(panic) => std::panic::resume_unwind(panic),
            })
        }
        Err(_) => task.put_off(),
    }
}

impl Sequencer {
    /// The engine's number of a source's vantage point.
    pub fn number(&self, source: usize, local: VantageId) -> Option<VantageId> {
        self.sources.get(source)?.get(local.0 as usize).copied().flatten()
    }

    /// Adds one item at the given moment of the engine's clock. False if its vantage point has no number and it was left out.
    pub fn push(&mut self, source: usize, item: Item, at: Timestamp) -> bool {
        let mut event = item.event;
        let is_placed = self.renumber(source, &mut event, at);
        if is_placed {
            self.stamper.push(at, event, &mut self.batch);
        }
        is_placed
    }

    /// Adds an event of our own.
    pub fn push_own(&mut self, event: Event, at: Timestamp) {
        self.stamper.push(at, event, &mut self.batch);
    }

    pub fn end(&mut self, hold_down_secs: i64) {
        self.stamper.end(hold_down_secs, &mut self.batch);
    }

    pub fn now(&self) -> Option<Timestamp> {
        self.stamper.now()
    }

    /// See [`Stamper::relation_rows_dropped`].
    pub fn relation_rows_dropped(&self) -> u64 {
        self.stamper.relation_rows_dropped()
    }

    pub fn vantage_points(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_full(&self) -> bool {
        self.batch.len() >= limits::BATCH_EVENTS
    }

    /// What is there now; none if nothing is.
    pub fn take(&mut self) -> Option<Arc<Batch>> {
        if self.batch.is_empty() {
            return None;
        }
        Some(Arc::new(std::mem::replace(&mut self.batch, Batch::with_capacity(limits::BATCH_EVENTS))))
    }

    /// Goes on from a checkpoint: its vantage points come first, then what is to be taken back.
    pub fn restore(&mut self, checkpoint: Arc<Checkpoint>, at: Timestamp) {
        for point in &checkpoint.desk.vantage {
            self.place(point.clone(), at);
        }
        self.push_own(Event::Restore(checkpoint), at);
    }

    /// Puts our numbers in the place of those of a source; false if the event is not to be said, or its vantage point has no number.
    fn renumber(&mut self, source: usize, event: &mut Event, at: Timestamp) -> bool {
        let vantage = match event {
            Event::Vantage(local, point) => {
                self.learn(source, *local, point.clone(), at);
                return false;
            }
            Event::Update(update) | Event::Seed(update) => &mut update.vantage,
            Event::PeerUp { vantage, .. } | Event::PeerDown { vantage, .. } | Event::EndOfRib { vantage, .. } => {
                vantage
            }
            Event::Session(standing) => &mut standing.vantage,
            Event::Shed(shed) => {
                let ours = |(local, worth)| Some((self.number(source, local)?, worth));
                let sessions = shed.sessions.iter().copied().filter_map(ours).collect();
                Arc::make_mut(shed).sessions = sessions;
                return true;
            }
            _ => return true,
        };
        let number = self.number(source, *vantage);
        *vantage = number.unwrap_or(*vantage);
        number.is_some()
    }

    /// The same session in two sources is one vantage point.
    fn learn(&mut self, source: usize, local: VantageId, point: Arc<VantagePoint>, at: Timestamp) {
        let id = self.place(point, at);
        if self.sources.len() <= source {
            self.sources.resize_with(source + 1, Vec::new);
        }
        let numbers = &mut self.sources[source];
        if numbers.len() <= local.0 as usize {
            numbers.resize(local.0 as usize + 1, None);
        }
        numbers[local.0 as usize] = id;
    }

    /// The number of a vantage point, a new one if it has none yet; none at the limit.
    fn place(&mut self, point: Arc<VantagePoint>, at: Timestamp) -> Option<VantageId> {
        if let Some(id) = self.numbers.get(&point) {
            return Some(*id);
        }
        if self.numbers.len() >= limits::VANTAGE_POINTS {
            return None;
        }
        let id = VantageId(self.numbers.len() as u32);
        self.numbers.insert(point.clone(), id);
        self.stamper.push(at, Event::Vantage(id, point), &mut self.batch);
        Some(id)
    }
}
