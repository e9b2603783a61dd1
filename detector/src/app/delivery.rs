//! What becomes of an alert once it is decided?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rules::alert::Alert;
use rules::desk::Output;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::memory::Keeper;
use super::now;
use crate::alert::{WireContext, to_json};
use crate::latency;
use crate::metrics::{Metrics, Stage};
use crate::notice::Notice;
use crate::pipeline::{self, Told};
use crate::sink::dispatch::{Decided, Dispatch, Settling, outlived};
use crate::sink::{Delivery, merely_refreshes};
use crate::store::{Chapter, Keep};
use crate::text;
use crate::view::IncidentView;

/// Batches of the desk that go into one transaction if they wait together.
const TOGETHER: usize = 64;
/// How often incidents are looked for that have outlived their time.
const RETENTION: Duration = Duration::from_secs(3_600);
/// The same while there is more: alerts go in between.
const NEXT_STEP: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default)]
pub struct Delivered {
    pub alerts: u64,
    /// By sink: what waited for a store that could not be used to the end, and is in none.
    pub late: BTreeMap<Arc<str>, usize>,
}

/// Hands every alert to store and sinks, to the pages and the metrics.
pub struct Delivering {
    pub dispatch: Dispatch,
    pub keeper: Keeper,
    pub retention_days: u64,
    pub most_bytes: u64,
    pub context: WireContext,
    pub view: Arc<IncidentView>,
    pub metrics: Arc<Metrics>,
    pub engine: Arc<pipeline::Status>,
}

impl Delivering {
    /// Writes each alert once and hands the same bytes to everybody, until the engine is done.
    pub async fn run(
        mut self,
        mut outputs: Receiver<Told>,
        mut notices: Receiver<Notice>,
        mut settlings: Receiver<Settling>,
    ) -> Delivered {
        let mut delivered = Delivered::default();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut retention = Instant::now();
        let mut batches = Vec::new();
        loop {
            tokio::select! {
                taken = outputs.recv_many(&mut batches, TOGETHER) => {
                    if taken == 0 {
                        break;
                    }
                    delivered.alerts += self.take_all(batches.drain(..)).await;
                }
                Some(notice) = notices.recv() => self.tell(notice, &mut notices).await,
                Some(asked) = settlings.recv() => self.dispatch.settle(asked).await,
                _ = second.tick() => self.dispatch.retry().await,
                () = tokio::time::sleep_until(retention) => {
                    let has_more = self.dispatch.forget(self.keep()).await;
                    retention = Instant::now() + if has_more { NEXT_STEP } else { RETENTION };
                }
            }
            // Read before the queue is looked at: what was judged by then is in it, or delivered.
            let judged = self.engine.judged.load(Ordering::Acquire);
            if outputs.is_empty() {
                self.engine.delivered.store(judged, Ordering::Release);
            }
        }
        if let Ok(notice) = notices.try_recv() {
            self.tell(notice, &mut notices).await;
        }
        self.dispatch.retry().await;
        self.keeper.finish().await;
        delivered.late = self.dispatch.late();
        delivered
    }

    /// How much history there may be.
    fn keep(&self) -> Keep {
        Keep { since: outlived(self.retention_days), most_bytes: self.most_bytes }
    }

    /// One, and what waits behind it.
    async fn tell(&mut self, first: Notice, waiting: &mut Receiver<Notice>) {
        let mut notices = vec![first];
        while let Ok(notice) = waiting.try_recv() {
            notices.push(notice);
        }
        self.dispatch.tell(notices).await;
    }

    async fn take_all(&mut self, batches: impl Iterator<Item = Told>) -> u64 {
        let (mut outputs, begun, mut is_live) = (Vec::new(), Instant::now(), false);
        for told in batches {
            if !told.is_of_files {
                self.engine.latency.observe(latency::Stage::HandedOver, told.judged.elapsed());
                is_live = true;
            }
            outputs.extend(told.outputs);
        }
        let alerts = self.take(outputs).await;
        if alerts > 0 && is_live {
            self.engine.latency.observe(latency::Stage::Stored, begun.elapsed());
        }
        alerts
    }

    /// Alerts go before the checkpoints that know of them.
    async fn take(&mut self, outputs: Vec<Output>) -> u64 {
        let (mut decided, mut routes, mut chapter, mut checkpoint) = (Vec::new(), Vec::new(), None, None);
        for output in outputs {
            match output {
                Output::Chapter(next) => chapter = Some(next),
                Output::Alert(alert) => decided.push(self.show(alert, chapter.take().as_deref())),
                Output::Checkpoint(parts) => checkpoint = Some(parts),
                Output::Route(news) => routes.push(*news),
            }
        }
        let alerts = decided.len() as u64;
        let has_routes = !routes.is_empty();
        self.dispatch.record(routes);
        if alerts > 0 || has_routes {
            self.dispatch.put(decided).await;
        }
        if let Some(parts) = checkpoint {
            self.keeper.keep(parts);
        }
        alerts
    }

    fn show(&self, alert: Arc<Alert>, chapter: Option<&rules::checkpoint::Chapter>) -> Decided {
        let json: Arc<str> = to_json(&alert, &self.context).into();
        log(&alert);
        self.metrics.alert(&alert);
        let waited = (now() - alert.time).try_into().unwrap_or_default();
        self.metrics.latency(Stage::Decided, Duration::from_micros(waited));
        let decided = Decided {
            alert: alert.clone(),
            delivery: Delivery::new(&alert, json.clone()),
            merely_refreshes: merely_refreshes(&alert),
            chapter: chapter.and_then(written),
        };
        self.view.put(alert, json);
        decided
    }
}

fn written(chapter: &rules::checkpoint::Chapter) -> Option<Chapter> {
    match feeds::checkpoint::chapter_bytes(chapter) {
        Ok(bytes) => Some(Chapter { seq: chapter.seq, bytes: bytes.into() }),
        Err(error) => {
            tracing::error!(%error, "the state of an incident cannot be written");
            None
        }
    }
}

/// One line per transition.
fn log(alert: &Alert) {
    let title = text::plain(&alert.title, 200);
    tracing::info!(id = %alert.id, class = %alert.class, severity = %alert.severity, "{}: {title}", alert.transition);
}
