//! One shard and the desk in one thread: the oracle for "the number of shards does not matter".

use crate::desk::{Desk, Output, Recording, Settings};
use crate::event::{Event, Stamped};
use crate::shard::{FullFeed, KeyRange, Keyed, Shard};

pub struct Engine {
    shards: Vec<Shard>,
    desk: Desk,
    reports: Vec<Keyed>,
}

impl Engine {
    pub fn new(settings: Settings) -> Self {
        Self::with_shards(settings, 1)
    }

    /// Several shards in one thread, for tests of the merge.
    pub fn with_shards(settings: Settings, count: usize) -> Self {
        let shards = (0..count).map(|index| Shard::new(KeyRange { index, count })).collect();
        Self { shards, desk: Desk::new(settings, Recording::Off), reports: Vec::new() }
    }

    pub fn handle(&mut self, stamped: &Stamped) -> Vec<Output> {
        self.reports.clear();
        for shard in &mut self.shards {
            shard.handle(stamped, &mut self.reports);
        }
        self.reports.sort_by(Keyed::order);
        self.desk.begin(stamped);
        for keyed in &self.reports {
            self.desk.report(&keyed.report);
        }
        self.desk.finish(stamped);
        let mut out = self.desk.take_output();
        if matches!(stamped.event, Event::Checkpoint) {
            out.push(self.desk.checkpoint(stamped, self.shards.iter().map(Shard::memory).collect()));
        }
        out
    }

    /// See [`Shard::look_ahead`].
    pub fn look_ahead(&mut self, events: &[Stamped]) {
        self.shards.iter_mut().for_each(|shard| shard.look_ahead(events));
    }

    /// See [`Desk::record`].
    pub fn record(&mut self, recording: Recording) {
        self.desk.record(recording);
    }

    /// See [`Desk::keep_chapters`].
    pub fn keep_chapters(&mut self) {
        self.desk.keep_chapters();
    }

    /// See [`Desk::forget_eagerly`].
    pub fn forget_eagerly(&mut self) {
        self.desk.forget_eagerly();
    }

    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// See [`Desk::full_feed`].
    pub fn full_feed(&mut self) -> FullFeed {
        self.desk.full_feed()
    }

    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Routes and prefixes held by all shards.
    pub fn sizes(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(r, p), s| (r + s.rib().route_count(), p + s.rib().prefix_count()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alert::{Alert, Class};
    use crate::bgp::{Asn, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
    use crate::event::{Event, FeedChange};
    use crate::stamp::Stamper;
    use crate::watch::Watch;

    fn vantage(id: u32) -> Event {
        let point = VantagePoint {
            collector: "rrc00".into(),
            peer_as: Asn(64500 + id),
            peer_address: [192, 0, 2, id as u8].into(),
        };
        Event::Vantage(VantageId(id), Arc::new(point))
    }

    fn route(id: u32, secs: i64, tail: &str) -> Update {
        let as_path = format!("{} {tail}", 64500 + id).parse().expect("a path");
        Update {
            vantage: VantageId(id),
            seen: Timestamp::from_secs(secs),
            withdrawn: Nlris::new(),
            announced: Nlris::from([Nlri { prefix: "192.0.2.0/24".parse().expect("a prefix"), path_id: 0 }]),
            attributes: Arc::new(PathAttributes { as_path, ..PathAttributes::default() }),
        }
    }

    fn alerts(engine: &mut Engine, stamper: &mut Stamper, secs: i64, events: Vec<Event>) -> Vec<Arc<Alert>> {
        let mut stamped = Vec::new();
        events.into_iter().for_each(|event| stamper.push(Timestamp::from_secs(secs), event, &mut stamped));
        let outputs = stamped.iter().flat_map(|event| engine.handle(event));
        // Documentation space and numbers are bogons while nothing is known: not what is asked here.
        let alert = |output| match output {
            Output::Alert(alert) if alert.class == Class::OriginHijack => Some(alert),
            _ => None,
        };
        outputs.filter_map(alert).collect()
    }

    #[test]
    fn every_alert_says_which_feeds_are_not_seen_and_since_when() {
        let mut engine = Engine::new(Settings { hold_down_secs: 0, ..Settings::default() });
        let mut stamper = Stamper::default();
        let feed = |name: &str, live: bool, secs: i64| {
            let (seen, gap_from) = (Timestamp::from_secs(secs), (!live).then(|| Timestamp::from_secs(secs - 5)));
            Event::Feed(FeedChange { feed: name.into(), live, detail: String::new(), gap_from, seen })
        };
        let mut events: Vec<_> = (0..5).map(vantage).collect();
        events.extend([feed("ris", true, 50), feed("routers", true, 50)]);
        events.extend((0..3).map(|id| Event::Seed(route(id, 50, "64510 64496"))));
        events.extend([Event::SeedDone { as_of: Timestamp::from_secs(50) }, feed("ris", false, 90)]);
        events.extend([0, 1].map(|id| Event::Update(route(id, 100, "64510 64511"))));
        let told = alerts(&mut engine, &mut stamper, 100, events);
        let inputs = |alert: &Alert| {
            let gaps: Vec<_> = alert.inputs.gaps.iter().map(|g| (g.feed.to_string(), g.from.secs(), g.to)).collect();
            (alert.inputs.feeds_live, alert.inputs.feeds_degraded.join(" "), gaps)
        };
        assert_eq!(inputs(&told[0]), (1, "ris".to_owned(), vec![("ris".to_owned(), 85, None)]));
        let mut events = vec![feed("ris", true, 120)];
        events.extend([0, 1].map(|id| Event::Update(route(id, 130, "64510 64496"))));
        events.push(Event::Tick);
        assert!(alerts(&mut engine, &mut stamper, 130, events).is_empty(), "quiet for a minute first");
        let told = alerts(&mut engine, &mut stamper, 200, vec![Event::Tick]);
        let until = Some(Timestamp::from_secs(120));
        assert_eq!(inputs(&told[0]), (2, String::new(), vec![("ris".to_owned(), 85, until)]));
    }

    #[test]
    fn other_thresholds_hold_from_the_moment_they_come() {
        let mut engine = Engine::new(Settings::default());
        let mut stamper = Stamper::default();
        let mut events: Vec<_> = (0..4).map(vantage).collect();
        events.extend((0..4).map(|id| Event::Seed(route(id, 50, "64510 64496"))));
        events.push(Event::SeedDone { as_of: Timestamp::from_secs(50) });
        events.extend((0..3).map(|id| Event::Update(route(id, 100, "64510 64511"))));
        assert!(alerts(&mut engine, &mut stamper, 100, events).is_empty(), "the hold-down is not over");
        let thresholds = |hold_down_secs| Some(Settings { hold_down_secs, ..Settings::default() });
        let watch = |secs| Event::Watch(Arc::new(Watch::default().with_thresholds(thresholds(secs))));
        assert!(alerts(&mut engine, &mut stamper, 105, vec![watch(20)]).is_empty());
        assert_eq!(alerts(&mut engine, &mut stamper, 106, vec![watch(5)]).len(), 1);
    }

    #[test]
    fn what_came_before_the_dump_was_read_is_judged_by_it_and_never_becomes_normal() {
        let mut engine = Engine::new(Settings { hold_down_secs: 0, ..Settings::default() });
        let mut stamper = Stamper::default();
        let done = |as_of| Event::SeedDone { as_of: Timestamp::from_secs(as_of) };
        let mut events: Vec<_> = (0..5).map(vantage).collect();
        events.extend([0, 1].map(|id| Event::Update(route(id, 100, "64520 64511"))));
        assert!(alerts(&mut engine, &mut stamper, 110, events).is_empty(), "nothing is known yet");
        let mut events: Vec<_> = [2, 3].map(|id| Event::Seed(route(id, 50, "64510 64496"))).to_vec();
        events.push(done(50));
        let told = alerts(&mut engine, &mut stamper, 200, events);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].class, &told[0].detected_origins[..]), (Class::OriginHijack, &[Asn(64511)][..]));
        assert_eq!((&told[0].expected_origins[..], told[0].started.secs()), (&[Asn(64496)][..], 100));
        // A later dump holds the hijack as well: still no history.
        let events = vec![Event::Seed(route(4, 210, "64520 64511")), done(210)];
        assert!(alerts(&mut engine, &mut stamper, 220, events).is_empty());
        let joined = alerts(&mut engine, &mut stamper, 230, vec![Event::Update(route(4, 230, "64510 64511"))]);
        assert!(joined.iter().all(|alert| alert.id == told[0].id && alert.detected_origins == [Asn(64511)]));
        let withdrawn = alerts(
            &mut engine,
            &mut stamper,
            240,
            [0, 1, 4].map(|id| Event::Update(route(id, 240, "64510 64496"))).to_vec(),
        );
        assert!(withdrawn.is_empty());
        let over = alerts(&mut engine, &mut stamper, 400, vec![Event::Tick]);
        assert_eq!(over.last().map(|alert| alert.ended.map(Timestamp::secs)), Some(Some(240)));
    }
}
