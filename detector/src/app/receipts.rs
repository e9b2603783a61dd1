//! When may a feed forget what it gave? Once the desk has judged it, and what it had to say is in the store or with the sinks.

use std::collections::VecDeque;

use feeds::openbmp::consumer::Receipt;

/// Receipts that wait for their events. As many as batches are in the queues, which are bounded.
#[derive(Default)]
pub struct Receipts {
    /// Their events are still with the sequencer.
    noted: Vec<Receipt>,
    /// With the number behind their last event.
    waiting: VecDeque<(u64, Receipt)>,
    /// The number behind the last event that was handed on.
    handed_on: u64,
}

impl Receipts {
    /// It is for everything that the sequencer took so far.
    pub fn note(&mut self, receipt: Receipt) {
        self.noted.push(receipt);
    }

    /// The sequencer gave everything it had, up to the event of this number; none: it had nothing.
    pub fn handed_on(&mut self, last: Option<u64>) {
        self.handed_on = last.map_or(self.handed_on, |last| last + 1);
        let behind = self.handed_on;
        self.waiting.extend(self.noted.drain(..).map(|receipt| (behind, receipt)));
    }

    /// Every event below this number is judged, and its alerts are delivered.
    pub fn settle(&mut self, delivered: u64) {
        while let Some((_, receipt)) = self.waiting.front().filter(|(behind, _)| *behind <= delivered) {
            receipt.commit();
            self.waiting.pop_front();
        }
    }
}
