//! Since when is each live feed seen without a hole, and what of an archive is old beside it?

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feeds::input::Item;
use rules::bgp::{Timestamp, VantageId, VantagePoint};
use rules::event::{Event, FeedChange};
use tokio::sync::watch;

use super::bootstrap::Standing;
use super::said::Said;
use crate::canary;
use crate::ledger::{Cause, Ledger};

/// Whether beacons come through a feed that should carry them. Microseconds since the epoch; 0 is never.
#[derive(Debug, Default)]
pub struct Canary {
    /// False where a part is asked for, which need not have beacons.
    pub is_expected: bool,
    live_since: AtomicI64,
    last_seen: AtomicI64,
}

impl Canary {
    pub fn new(is_expected: bool) -> Self {
        Self { is_expected, ..Self::default() }
    }

    /// The scheduled change that nobody has told.
    pub fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        let moment = |micros: &AtomicI64| Some(Timestamp(micros.load(Ordering::Relaxed))).filter(|at| at.0 > 0);
        let live_since = moment(&self.live_since).filter(|_| self.is_expected)?;
        canary::missed(now, live_since, moment(&self.last_seen))
    }
}

/// How long the tables of a feed that is away are held on to while its archive has no word either. Archives publish every
/// 5 to 15 minutes, and an hour late is lost: a day of half-known routes would only be believed.
const KEPT_SECS: f64 = 2.0 * 3_600.0;

/// Everything live, by the number of its feed.
pub struct Live {
    pub feeds: Vec<Option<LiveFeed>>,
    /// The feed of each source of an archive, which have the numbers behind those of the feeds.
    archives: Vec<usize>,
    pub ledger: Arc<Mutex<Ledger>>,
    said: Said,
}

/// One live feed.
pub struct LiveFeed {
    pub name: Arc<str>,
    pub canary: Arc<Canary>,
    /// Told to the archive, if the feed has one.
    standing: Option<watch::Sender<Standing>>,
    /// What it says is remembered, since an archive is behind it.
    is_noted: bool,
    points: Vec<Arc<VantagePoint>>,
    down: BTreeSet<VantageId>,
    /// Of whom it or its archive told something that was not taken back, by the engine's numbers.
    held: BTreeSet<VantageId>,
    /// When it was lost, or its archive last had a word.
    last_word: Timestamp,
}

impl LiveFeed {
    pub fn new(name: Arc<str>, canary: Arc<Canary>, standing: Option<watch::Sender<Standing>>) -> Self {
        let is_noted = standing.is_some();
        let (points, down, held) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Self { name, canary, standing, is_noted, points, down, held, last_word: Timestamp::MIN }
    }

    /// Away for too long, and so is its archive.
    fn is_out_of_sight(&self, now: Timestamp) -> bool {
        let is_away = self.standing.as_ref().is_some_and(|standing| standing.borrow().live_from.is_none());
        is_away && !self.held.is_empty() && now.secs_since(self.last_word) >= KEPT_SECS
    }

    /// Gives up what it held, and has its archive begin anew.
    fn give_up(&mut self) -> BTreeSet<VantageId> {
        if let Some(standing) = &self.standing {
            standing.send_modify(|standing| standing.given_up += 1);
        }
        self.is_noted = true;
        std::mem::take(&mut self.held)
    }

    fn change(&mut self, change: &FeedChange, ledger: &mut Ledger) {
        // A router of a station comes and goes by itself, and has no archive.
        if let Some(router) = change.feed.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('/')) {
            let part = Some(router.to_owned());
            return match change.live {
                true => ledger.back(&self.name, part, Cause::Lost, change.seen, false),
                false => {
                    let from = change.gap_from.unwrap_or(change.seen);
                    ledger.open(&self.name, part, Cause::Lost, from, &change.detail);
                }
            };
        }
        let live_since = if change.live { change.seen.0 } else { 0 };
        self.canary.live_since.store(live_since, Ordering::Relaxed);
        match change.live {
            true => ledger.back(&self.name, None, Cause::Lost, change.seen, self.standing.is_some()),
            false => {
                let from = change.gap_from.unwrap_or(change.seen);
                ledger.open(&self.name, None, Cause::Lost, from, &change.detail);
            }
        }
        let Some(standing) = &self.standing else { return };
        self.last_word = self.last_word.max(change.seen);
        self.is_noted |= change.live;
        standing.send_modify(|standing| {
            if change.live {
                standing.live_from = Some(change.seen);
            } else if standing.live_from.take().is_some() {
                standing.losses += 1;
                standing.gap_from = change.gap_from.or(Some(change.seen));
            }
        });
    }

    fn session(&mut self, event: &Event, ledger: &mut Ledger) {
        let part = |points: &[Arc<VantagePoint>], id: VantageId| points.get(id.0 as usize).map(ToString::to_string);
        match event {
            Event::PeerDown { vantage, seen } if self.down.insert(*vantage) => {
                ledger.open(&self.name, part(&self.points, *vantage), Cause::SessionDown, *seen, "session down");
            }
            Event::PeerUp { vantage, seen } => self.is_up(*vantage, *seen, ledger),
            Event::Update(update) if !self.down.is_empty() => self.is_up(update.vantage, update.seen, ledger),
            _ => {}
        }
    }

    fn is_up(&mut self, vantage: VantageId, seen: Timestamp, ledger: &mut Ledger) {
        if self.down.remove(&vantage) {
            let part = self.points.get(vantage.0 as usize).map(ToString::to_string);
            ledger.back(&self.name, part, Cause::SessionDown, seen, false);
        }
    }

    fn look_for_beacons(&self, event: &Event, now: Timestamp) {
        let Event::Update(update) = event else { return };
        let mut prefixes = update.announced.iter().chain(&update.withdrawn);
        if self.canary.is_expected && prefixes.any(|nlri| canary::is_beacon(&nlri.prefix)) {
            self.canary.last_seen.store(now.0, Ordering::Relaxed);
        }
    }
}

impl Live {
    pub fn new(feeds: Vec<Option<LiveFeed>>, archives: Vec<usize>, ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { feeds, archives, ledger, said: Said::default() }
    }

    /// An archive has a word, at least that there is nothing new.
    pub fn told(&mut self, source: usize, now: Timestamp) {
        if let Some(feed) = self.of_archive(source) {
            feed.last_word = now;
        }
    }

    /// It is about this vantage point.
    pub fn told_of(&mut self, source: usize, number: Option<VantageId>) {
        if let Some(feed) = self.of_archive(source) {
            feed.held.extend(number);
        }
    }

    fn of_archive(&mut self, source: usize) -> Option<&mut LiveFeed> {
        let feed = *self.archives.get(source.checked_sub(self.feeds.len())?)?;
        self.feeds[feed].as_mut()
    }

    /// Vantage points that nobody has told of for so long that what they held is out of sight. What another feed still
    /// holds of the same session is in sight.
    pub fn out_of_sight(&mut self, now: Timestamp) -> BTreeSet<VantageId> {
        let mut lost = BTreeSet::new();
        for feed in self.feeds.iter_mut().flatten().filter(|feed| feed.is_out_of_sight(now)) {
            tracing::warn!(feed = %feed.name, "feed and archive are away for too long: what they held is out of sight");
            lost.append(&mut feed.give_up());
        }
        if !lost.is_empty() {
            for feed in self.feeds.iter().flatten() {
                lost.retain(|vantage| !feed.held.contains(vantage));
            }
            self.said.begin_anew(&lost);
        }
        lost
    }

    /// Counts what archives said that was old.
    pub fn old(&self) -> Arc<AtomicU64> {
        self.said.old()
    }

    fn ledger(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
        ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a feed says, before it goes on. `number` is the engine's for its vantage point.
    pub fn heard(&mut self, source: usize, item: &Item, number: Option<VantageId>, now: Timestamp) {
        let Some(Some(feed)) = self.feeds.get_mut(source) else { return };
        match &item.event {
            Event::Vantage(_, point) => return feed.points.push(point.clone()),
            Event::Feed(change) => return feed.change(change, &mut Self::ledger(&self.ledger)),
            Event::Update(_) if feed.down.is_empty() => {}
            event => feed.session(event, &mut Self::ledger(&self.ledger)),
        }
        feed.look_for_beacons(&item.event, now);
        match item.event {
            Event::PeerDown { .. } => drop(number.map(|number| feed.held.remove(&number))),
            _ => feed.held.extend(number),
        }
        let (true, Some(number)) = (feed.is_noted, number) else { return };
        let before = self.said.forgotten_until();
        self.said.note(number, &item.event);
        if self.said.forgotten_until() != before {
            tracing::warn!("more news than can be remembered beside the archive; it is read up to now once more");
            self.tell_forgotten();
        }
    }

    /// Of other feeds nothing was remembered: their archives have told all, and must not tell it as news once more.
    fn tell_forgotten(&self) {
        let until = self.said.forgotten_until();
        let noted = self.feeds.iter().flatten().filter(|feed| feed.is_noted);
        for standing in noted.filter_map(|feed| feed.standing.as_ref()) {
            standing.send_modify(|standing| standing.forgotten_until = until);
        }
    }

    /// Leaves in an archive's event what is news; false if nothing is left.
    pub fn sift(&mut self, number: Option<VantageId>, event: &mut Event) -> bool {
        number.is_none_or(|number| self.said.sift(number, event))
    }

    /// The archive has told all of a feed, unless it was lost once more meanwhile.
    pub fn is_whole(&mut self, source: usize, losses: u64) {
        let Some(Some(feed)) = self.feeds.get_mut(source) else { return };
        let Some(standing) = &feed.standing else { return };
        let is_current = {
            let standing = standing.borrow();
            standing.losses == losses && standing.live_from.is_some()
        };
        feed.is_noted &= !is_current;
        if self.feeds.iter().flatten().all(|feed| !feed.is_noted) {
            self.said.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use rules::bgp::{Nlri, Nlris, Update};

    use super::*;

    const FEED: usize = 0;
    const ARCHIVE: usize = 1;
    const OTHER: usize = 1;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_772_323_200 + secs)
    }

    /// One feed with an archive of one collector, live since the beginning, that told of two sessions.
    fn live() -> (Live, watch::Receiver<Standing>) {
        let standing = watch::Sender::new(Standing::default());
        let stands = standing.subscribe();
        let feed = LiveFeed::new("ris".into(), Arc::default(), Some(standing));
        let mut live = Live::new(vec![Some(feed)], vec![FEED], Arc::default());
        hear(&mut live, Event::Feed(change(true, 0)), None, 0);
        hear(&mut live, update(0), Some(VantageId(40)), 0);
        live.told_of(ARCHIVE, Some(VantageId(41)));
        (live, stands)
    }

    fn update(secs: i64) -> Event {
        Event::Update(Update {
            vantage: VantageId(0),
            seen: at(secs),
            withdrawn: Nlris::new(),
            announced: Nlris::from([Nlri { prefix: "192.0.2.0/24".parse().expect("a prefix"), path_id: 0 }]),
            attributes: Arc::default(),
        })
    }

    /// A second feed with an archive, that is whole since it began and told of one session.
    fn add_whole(live: &mut Live, number: VantageId) -> watch::Receiver<Standing> {
        let standing = watch::Sender::new(Standing::default());
        let stands = standing.subscribe();
        live.feeds.push(Some(LiveFeed::new("other".into(), Arc::default(), Some(standing))));
        live.heard(OTHER, &item(Event::Feed(change(true, 0)), 0), None, at(0));
        live.heard(OTHER, &item(update(0), 0), Some(number), at(0));
        live.is_whole(OTHER, 0);
        stands
    }

    fn item(event: Event, secs: i64) -> Item {
        Item { time: at(secs), event }
    }

    fn change(is_live: bool, secs: i64) -> FeedChange {
        let detail = String::new();
        FeedChange { feed: "ris".into(), live: is_live, detail, gap_from: Some(at(secs)), seen: at(secs) }
    }

    fn hear(live: &mut Live, event: Event, number: Option<VantageId>, secs: i64) {
        live.heard(FEED, &item(event, secs), number, at(secs));
    }

    #[test]
    fn what_feed_and_archive_held_is_out_of_sight_once_both_are_away_for_too_long() {
        let (mut live, stands) = live();
        assert!(live.out_of_sight(at(90_000)).is_empty(), "a feed that is live may be quiet");
        hear(&mut live, Event::Feed(change(false, 90_000)), None, 90_000);
        live.told(ARCHIVE, at(100_000));
        assert!(live.out_of_sight(at(107_199)).is_empty(), "its archive is followed");
        assert_eq!(stands.borrow().given_up, 0);
        assert_eq!(Vec::from_iter(live.out_of_sight(at(107_200))), [VantageId(40), VantageId(41)]);
        assert_eq!(stands.borrow().given_up, 1);
        assert!(live.out_of_sight(at(900_000)).is_empty(), "once");
        let sifted = |live: &mut Live, number| live.sift(Some(VantageId(number)), &mut update(0));
        assert!(sifted(&mut live, 40), "what it said is told again");
    }

    #[test]
    fn when_one_feed_is_given_up_another_that_is_whole_has_nothing_to_read_once_more() {
        let (mut live, _) = live();
        let other = add_whole(&mut live, VantageId(50));
        let before = other.borrow().clone();
        hear(&mut live, Event::Feed(change(false, 100)), None, 100);
        assert_eq!(live.out_of_sight(at(7_300)).len(), 2);
        assert_eq!(*other.borrow(), before);
    }

    #[test]
    fn when_the_memory_is_full_only_feeds_that_are_remembered_read_once_more() {
        let (mut live, stands) = live();
        live.said = Said::bounded(1);
        let other = add_whole(&mut live, VantageId(50));
        let before = other.borrow().clone();
        for number in [40, 41] {
            hear(&mut live, update(100), Some(VantageId(number)), 100);
        }
        assert_eq!(stands.borrow().forgotten_until, Some(at(100)));
        assert_eq!(*other.borrow(), before);
    }

    #[test]
    fn a_session_that_another_feed_shows_is_in_sight() {
        let (mut live, _) = live();
        live.feeds.push(Some(LiveFeed::new("routers".into(), Arc::default(), None)));
        let shown = |live: &mut Live, event| live.heard(OTHER, &item(event, 0), Some(VantageId(40)), at(0));
        shown(&mut live, update(0));
        hear(&mut live, Event::Feed(change(false, 100)), None, 100);
        let mut unseen = live.out_of_sight(at(7_300));
        assert_eq!(Vec::from_iter(unseen), [VantageId(41)]);

        hear(&mut live, update(8_000), Some(VantageId(40)), 8_000);
        shown(&mut live, Event::PeerDown { vantage: VantageId(0), seen: at(8_000) });
        unseen = live.out_of_sight(at(20_000));
        assert_eq!(Vec::from_iter(unseen), [VantageId(40)], "the other shows it no more");
    }
}
