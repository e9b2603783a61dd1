//! How does what is decided get into the outboxes, whatever the disk does?
//!
//! First into the store, in one transaction, then to the sinks. While the store cannot be used, straight to the
//! sinks, from memory: an alert is never withheld. Once it can be used again it is told what it missed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rules::alert::Alert;
use rules::bgp::Timestamp;
use rules::desk::RouteNews;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Delivery, Parcel, Route};
use crate::app::now;
use crate::notice::Notice;
use crate::store::dead_letters::{Act, Settled};
use crate::store::{Chapter, Keep, Place, Problem, Put, Store};

/// How long alerts wait for a disk that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is left alone then.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// Bytes of alerts remembered for a store that cannot be used: some 10,000. Beyond it the oldest are in no history.
const UNSTORED_BYTES: usize = 64 * 1_024 * 1_024;
/// What there is to say of routes, for a store that cannot be used: about 200 bytes each, 40 MB. Beyond it the oldest are in no
/// history.
const RECORDS: usize = 200_000;
/// Of these, in one transaction: some 100 ms. Alerts wait for no more than that.
const RECORDS_AT_ONCE: usize = 5_000;
/// Such transactions one after the other, once the alerts of that time are on their way.
const RECORD_TURNS: usize = 8;
/// What these may take; the next alerts wait for no more than that.
const RECORD_PATIENCE: Duration = Duration::from_secs(1);
/// Transitions a sink may owe, on disk, before those that merely refresh counts are left out: 5 GB of usual alerts.
const SHED_ABOVE: usize = 1_000_000;

/// Counts for metrics.
#[derive(Debug, Default)]
pub struct DispatchStatus {
    unstored: AtomicU64,
    shed: AtomicU64,
    records_lost: AtomicU64,
}

impl DispatchStatus {
    /// Alerts that went to the sinks without the store.
    pub fn unstored(&self) -> u64 {
        self.unstored.load(Ordering::Relaxed)
    }

    /// What was to be said of routes, and is in no history.
    pub fn records_lost(&self) -> u64 {
        self.records_lost.load(Ordering::Relaxed)
    }

    /// Alerts left out for a sink that owes too much.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }
}

/// Somebody settles what a sink refused for good.
#[derive(Debug)]
pub struct Settling {
    pub sink: Arc<str>,
    pub act: Act,
    /// Whose token it was.
    pub by: Arc<str>,
    pub reply: oneshot::Sender<Result<Settled, Problem>>,
}

/// One transition, and whether it may be left out.
#[derive(Clone, Debug)]
pub struct Decided {
    pub alert: Arc<Alert>,
    pub delivery: Delivery,
    pub merely_refreshes: bool,
    pub chapter: Option<Chapter>,
}

pub struct Dispatch {
    routes: Vec<Route>,
    store: Store,
    status: Arc<DispatchStatus>,
    /// What earlier lives told the sinks is known.
    is_acquainted: bool,
    /// Went out without the store; oldest first.
    unstored: VecDeque<Unstored>,
    /// Sinks that get nothing directly any more, since some of that waits for the store.
    late: BTreeSet<Arc<str>>,
    unstored_bytes: usize,
    /// What there is to say of routes, not yet in the store; oldest first.
    records: VecDeque<RouteNews>,
    /// The disk did not answer; it is not asked again before this.
    left_alone_until: Option<Instant>,
    /// What the store was asked to settle and has not answered yet.
    settling: Option<JoinHandle<Settlement>>,
}

/// Of a sink, by whom, and what came of it.
type Settlement = (Arc<str>, Arc<str>, Result<(Settled, Place), Problem>);

/// A transition that is in no store.
struct Unstored {
    put: Put,
    /// Sinks whose window was full: they get it from the store.
    late: Vec<Arc<str>>,
}

impl Dispatch {
    pub fn new(routes: Vec<Route>, store: Store) -> Self {
        Self {
            routes,
            store,
            status: Arc::default(),
            is_acquainted: false,
            unstored: VecDeque::new(),
            late: BTreeSet::new(),
            unstored_bytes: 0,
            records: VecDeque::new(),
            left_alone_until: None,
            settling: None,
        }
    }

    pub fn status(&self) -> Arc<DispatchStatus> {
        self.status.clone()
    }

    /// Hands over what is wrong with the watching, or no longer, to the sinks that hear of it. The same way as alerts:
    /// it is most needed when the store fails.
    pub async fn tell(&mut self, notices: Vec<Notice>) {
        let sinks: Vec<_> = self.routes.iter().filter(|route| route.notices).map(|route| route.name.clone()).collect();
        let put = |notice| Put { parcel: Parcel::notice(notice), sinks: sinks.clone(), chapter: None };
        let puts = notices.into_iter().map(|notice| (put(notice), false)).collect();
        self.hand_over(puts).await;
    }

    /// What there is to say of routes goes into the store together with the next that is put.
    pub fn record(&mut self, news: Vec<RouteNews>) {
        self.records.extend(news);
        let surplus = self.records.len().saturating_sub(RECORDS);
        self.records.drain(..surplus);
        self.status.records_lost.fetch_add(surplus as u64, Ordering::Relaxed);
    }

    /// Hands over what was decided. If the store fails, a sink whose window is full waits for it, and nobody for the sink
    /// before more than [`UNSTORED_BYTES`] do.
    pub async fn put(&mut self, decided: Vec<Decided>) {
        let address = |decided: Decided| {
            let merely_refreshes = decided.merely_refreshes;
            (self.addressed(decided), merely_refreshes)
        };
        let puts = decided.into_iter().map(address).collect();
        self.hand_over(puts).await;
    }

    /// With each, whether it may be left out.
    async fn hand_over(&mut self, puts: Vec<(Put, bool)>) {
        let (puts, refreshing): (Vec<Put>, Vec<bool>) = puts.into_iter().unzip();
        match self.store(&puts).await {
            Ok(places) => {
                self.offer(&puts, places);
                self.put_records().await;
            }
            Err(_) => {
                for (put, merely_refreshes) in puts.into_iter().zip(refreshing) {
                    self.deliver_directly(put, merely_refreshes).await;
                }
            }
        }
    }

    /// The same, but a store that fails is an error: for those who can come again.
    pub async fn put_or_fail(&mut self, decided: Vec<Decided>) -> Result<(), Problem> {
        // Who heard of an incident in an earlier life hears of its end.
        self.acquaint().await?;
        let puts: Vec<Put> = decided.into_iter().map(|decided| self.addressed(decided)).collect();
        let places = self.store(&puts).await?;
        self.offer(&puts, places);
        self.put_records().await;
        Ok(())
    }

    /// What only this process knows, and no outbox: for each sink, how many wait for a store that can be used.
    pub fn late(&self) -> BTreeMap<Arc<str>, usize> {
        let mut late = BTreeMap::new();
        for sink in self.unstored.iter().flat_map(|unstored| &unstored.late) {
            *late.entry(sink.clone()).or_default() += 1;
        }
        late
    }

    /// Looks whether a store that failed can be used again.
    pub async fn retry(&mut self) {
        let waits = !self.unstored.is_empty() || !self.records.is_empty();
        if !self.is_acquainted || waits || self.store.status().problem().is_some() {
            // What is wrong stands in the store's status.
            if self.store(&[]).await.is_ok() {
                self.put_records().await;
            }
        }
    }

    /// Learns what earlier lives told the sinks, and left for them.
    pub async fn acquaint(&mut self) -> Result<(), Problem> {
        if self.is_acquainted {
            return Ok(());
        }
        let mut all = Vec::new();
        for route in &self.routes {
            all.push(self.store.told(&route.name).await?);
        }
        for (route, (told, last)) in self.routes.iter_mut().zip(all) {
            told.first.into_iter().for_each(|(id, first)| route.tell(id, first));
            route.outbox.remember(told.waiting, last);
            route.status.recall(told.letters);
        }
        self.is_acquainted = true;
        Ok(())
    }

    /// Forgets some of what is over and more than `keep` says, and tells those who keep the latest of each incident. True if
    /// there is more to forget.
    pub async fn forget(&mut self, keep: Keep) -> bool {
        let names = |wanted: fn(&Route) -> bool| {
            self.routes.iter().filter(|route| wanted(route)).map(|route| route.name.clone()).collect::<Vec<_>>()
        };
        let (sinks, tombstones) = (names(|_| true), names(|route| route.keeps_latest));
        // What the store missed goes in first, so that places stand in the order in which sinks hear of them.
        if !self.unstored.is_empty() || self.left_alone_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let forgetting = timeout(PATIENCE, self.store.forget(keep, &sinks, &tombstones)).await;
        let Ok(Ok(forgot)) = forgetting else { return false };
        for (sink, place, parcel) in forgot.tombstones {
            if let Some(route) = self.routes.iter().find(|route| route.name == sink) {
                route.outbox.offer(place, parcel);
            }
        }
        forgot.has_more
    }

    /// Sends some of what a sink refused for good again, or lets it rest, and answers.
    pub async fn settle(&mut self, asked: Settling) {
        let Settling { sink, act, by, reply } = asked;
        let settled = self.settle_now(&sink, act, by).await;
        // Who asked may have gone.
        let _ = reply.send(settled);
    }

    /// Places stand in the order in which sinks hear of them, so what the store missed goes in first.
    async fn settle_now(&mut self, sink: &Arc<str>, act: Act, by: Arc<str>) -> Result<Settled, Problem> {
        if !self.unstored.is_empty() || self.left_alone_until.is_some_and(|until| Instant::now() < until) {
            return Err(Problem::Busy(self.store.location().to_owned()));
        }
        let settling = timeout(PATIENCE, self.settle_in_store(sink, act, by)).await;
        settling.unwrap_or_else(|_| {
            self.left_alone_until = Some(Instant::now() + LEFT_ALONE);
            Err(Problem::Busy(self.store.location().to_owned()))
        })
    }

    async fn settle_in_store(&mut self, sink: &Arc<str>, act: Act, by: Arc<str>) -> Result<Settled, Problem> {
        self.acquaint().await?;
        self.finish_settling().await;
        let (store, sink) = (self.store.clone(), sink.clone());
        let settling = async move { (sink.clone(), by.clone(), store.settle(&sink, act, by).await) };
        self.settling = Some(tokio::spawn(settling));
        self.finish_settling().await.unwrap_or_else(|| Err(Problem::Busy(self.store.location().to_owned())))
    }

    /// What the store was asked to settle it settles, even if nobody waits for it any more: its outboxes hear of it before they
    /// hear of anything later.
    async fn finish_settling(&mut self) -> Option<Result<Settled, Problem>> {
        let done = self.settling.as_mut()?.await;
        self.settling = None;
        let (sink, by, settled) = done.ok()?;
        Some(settled.map(|(settled, last)| {
            let Settled { sent_again, overtaken, dismissed, left, .. } = settled;
            tracing::info!(%sink, %by, sent_again, overtaken, dismissed, left, "dead letters were settled");
            if let Some(route) = self.routes.iter().find(|route| route.name == sink) {
                route.outbox.add_waiting(sent_again, last);
                route.status.settled(settled.taken(), sent_again);
            }
            settled
        }))
    }

    /// Which sinks get it. One that owes too much does not get what merely refreshes.
    fn addressed(&mut self, decided: Decided) -> Put {
        let Decided { alert, delivery, merely_refreshes, chapter } = decided;
        let mut sinks = Vec::new();
        for route in self.routes.iter_mut().filter(|route| route.wants(&alert)) {
            route.tell(delivery.id.clone(), delivery.sequence);
            if merely_refreshes && route.outbox.backlog() >= SHED_ABOVE {
                self.status.shed.fetch_add(1, Ordering::Relaxed);
            } else {
                sinks.push(route.name.clone());
            }
        }
        Put { parcel: Parcel::Alert(delivery), sinks, chapter }
    }

    /// Stores what it missed, then `puts`.
    async fn store(&mut self, puts: &[Put]) -> Result<Vec<Vec<Option<Place>>>, Problem> {
        let hung = Problem::Unusable(self.store.location().to_owned(), "the disk does not answer".to_owned());
        if self.left_alone_until.is_some_and(|until| Instant::now() < until) {
            return Err(hung);
        }
        timeout(PATIENCE, self.store_now(puts)).await.unwrap_or_else(|_| {
            self.store.status().hangs(&hung);
            self.left_alone_until = Some(Instant::now() + LEFT_ALONE);
            Err(hung)
        })
    }

    async fn store_now(&mut self, puts: &[Put]) -> Result<Vec<Vec<Option<Place>>>, Problem> {
        self.acquaint().await?;
        self.finish_settling().await;
        if !self.unstored.is_empty() {
            let missed: Vec<Put> = self.unstored.iter().map(|unstored| unstored.put.clone()).collect();
            let places = self.store.put(missed).await?;
            self.place(places);
        }
        self.put_with_records(puts.to_vec()).await
    }

    /// More of a great many routes. What is left may wait for the next time, and what was stored too late to hear of it may be
    /// told twice.
    async fn put_records(&mut self) {
        let turns = async {
            for _ in 1..RECORD_TURNS {
                if self.records.is_empty() || self.put_with_records(Vec::new()).await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(RECORD_PATIENCE, turns).await;
    }

    async fn put_with_records(&mut self, puts: Vec<Put>) -> Result<Vec<Vec<Option<Place>>>, Problem> {
        let records: Vec<RouteNews> = self.records.iter().take(RECORDS_AT_ONCE).cloned().collect();
        let count = records.len();
        let places = self.store.put_with(puts, records).await?;
        self.records.drain(..count);
        Ok(places)
    }

    fn place(&mut self, places: Vec<Vec<Option<Place>>>) {
        for (Unstored { put, late }, places) in self.unstored.drain(..).zip(places) {
            for (sink, place) in put.sinks.iter().zip(places).filter_map(|(sink, place)| Some((sink, place?))) {
                let Some(route) = self.routes.iter().find(|route| route.name == *sink) else { continue };
                match late.contains(sink) {
                    true => route.outbox.offer(place, put.parcel.clone()),
                    false => route.outbox.placed(place, &put.parcel),
                }
            }
        }
        self.late.clear();
        self.unstored_bytes = 0;
    }

    fn offer(&self, puts: &[Put], places: Vec<Vec<Option<Place>>>) {
        for (put, place, sink) in each(puts, places) {
            if let Some(route) = self.routes.iter().find(|route| route.name == *sink) {
                route.outbox.offer(place, put.parcel.clone());
            }
        }
    }

    /// Where a sink's window is full it goes to the store once that can be used; what merely refreshes goes nowhere.
    async fn deliver_directly(&mut self, mut put: Put, merely_refreshes: bool) {
        self.status.unstored.fetch_add(u64::from(matches!(put.parcel, Parcel::Alert(_))), Ordering::Relaxed);
        let mut late = Vec::new();
        for route in &self.routes {
            let Some(i) = put.sinks.iter().position(|sink| *sink == route.name) else { continue };
            let has_room = !self.late.contains(&route.name) && route.outbox.has_room_for(&put.parcel);
            if has_room {
                route.outbox.push(put.parcel.clone()).await;
            } else if merely_refreshes {
                self.status.shed.fetch_add(1, Ordering::Relaxed);
                put.sinks.remove(i);
            } else {
                late.push(route.name.clone());
            }
        }
        self.late.extend(late.iter().cloned());
        self.unstored_bytes += put.parcel.bytes();
        self.unstored.push_back(Unstored { put, late });
        self.make_room().await;
    }

    /// Forgets the oldest that every sink has; for a sink that has it not, there is nothing left but to wait.
    async fn make_room(&mut self) {
        while self.unstored_bytes > UNSTORED_BYTES {
            let Some(Unstored { put, late }) = self.unstored.pop_front() else { break };
            self.unstored_bytes -= put.parcel.bytes();
            for route in self.routes.iter().filter(|route| late.contains(&route.name)) {
                route.outbox.push(put.parcel.clone()).await;
            }
        }
    }
}

/// Every new place with its transition and its sink.
fn each(puts: &[Put], places: Vec<Vec<Option<Place>>>) -> impl Iterator<Item = (&Put, Place, &Arc<str>)> {
    puts.iter().zip(places).flat_map(|(put, places)| {
        let placed = put.sinks.iter().zip(places);
        placed.filter_map(move |(sink, place)| Some((put, place?, sink)))
    })
}

/// What was stored before this has outlived its time.
pub fn outlived(retention_days: u64) -> Timestamp {
    now().plus_secs(-i64::try_from(retention_days).unwrap_or(i64::MAX / 86_400).saturating_mul(86_400))
}

#[cfg(test)]
mod tests;
