//! What have peers said themselves, so that the archive must not overwrite it?
//!
//! While an archive tells what was before, or what was missed, the live feed goes on. An archive's route or withdrawal
//! that is not newer than what the same session has said since for that prefix is old, and left out.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rules::bgp::{Nlri, Timestamp, Update, VantageId};
use rules::event::Event;

/// Routes remembered: a table of 4 Mi places is full at 7/8 of them; 17 bytes a place are 71 MB. All of RIS says
/// something new about fewer routes in ten minutes, and that is how far an archive is behind.
const MOST: usize = (4 << 20) / 8 * 7;

/// By route, the second in which its session last spoke of it.
pub struct Said {
    hasher: RandomState,
    /// By a keyed hash: two of 4 million routes share one once in two million runs.
    routes: HashMap<u64, u32>,
    sessions: HashMap<VantageId, Session>,
    most: usize,
    forgotten_until: Option<Timestamp>,
    old: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Default)]
struct Session {
    /// When it came up or went down: what was before is void.
    reset: Option<u32>,
    spoke: bool,
    /// How often what it said was let go: what is remembered from before counts no more.
    life: u32,
}

impl Default for Said {
    fn default() -> Self {
        Self::bounded(MOST)
    }
}

impl Said {
    pub(super) fn bounded(most: usize) -> Self {
        let (routes, sessions) = (HashMap::new(), HashMap::new());
        Self { hasher: RandomState::new(), routes, sessions, most, forgotten_until: None, old: Arc::default() }
    }

    /// Remembers what a live session says. A full memory starts anew: see [`Self::forgotten_until`].
    pub fn note(&mut self, vantage: VantageId, event: &Event) {
        match event {
            Event::Update(update) => {
                let session = self.sessions.entry(vantage).or_default();
                session.spoke = true;
                let life = session.life;
                let second = second(update.seen);
                for nlri in update.announced.iter().chain(&update.withdrawn) {
                    if self.routes.len() >= self.most {
                        self.routes.clear();
                        self.forgotten_until = self.forgotten_until.max(Some(update.seen));
                    }
                    let key = self.key(vantage, life, nlri);
                    self.routes.insert(key, second);
                }
            }
            Event::PeerUp { seen, .. } | Event::PeerDown { seen, .. } => {
                let session = self.sessions.entry(vantage).or_default();
                (session.reset, session.spoke) = (Some(second(*seen)), true);
            }
            _ => {}
        }
    }

    /// Leaves in an event of an archive what is news; false if nothing is left of it.
    pub fn sift(&mut self, vantage: VantageId, event: &mut Event) -> bool {
        let session = self.sessions.get(&vantage).copied().unwrap_or_default();
        match event {
            Event::Update(update) | Event::Seed(update) => {
                let before = update.announced.len() + update.withdrawn.len();
                self.sift_update(vantage, session, update);
                let after = update.announced.len() + update.withdrawn.len();
                self.old.fetch_add((before - after) as u64, Ordering::Relaxed);
                after > 0
            }
            // It would take away what was said since. What the reset took away goes when the table comes again.
            Event::PeerUp { .. } | Event::PeerDown { .. } | Event::EndOfRib { .. } => !session.spoke,
            _ => true,
        }
    }

    fn sift_update(&self, vantage: VantageId, session: Session, update: &mut Update) {
        let second = second(update.seen);
        if session.reset.is_some_and(|reset| second <= reset) {
            update.announced.clear();
            update.withdrawn.clear();
        }
        if session.spoke {
            let is_news = |nlri: &mut Nlri| {
                self.routes.get(&self.key(vantage, session.life, nlri)).is_none_or(|said| *said < second)
            };
            update.announced.retain(is_news);
            update.withdrawn.retain(is_news);
        }
    }

    /// Nothing is being fetched any more.
    pub fn forget(&mut self) {
        (self.routes, self.sessions, self.forgotten_until) = Default::default();
    }

    /// What these sessions said counts no more: it was given up, and an archive tells it again.
    pub fn begin_anew(&mut self, given_up: &BTreeSet<VantageId>) {
        for vantage in given_up {
            let session = self.sessions.entry(*vantage).or_default();
            *session = Session { life: session.life.wrapping_add(1), ..Session::default() };
        }
    }

    /// What was said before this is remembered no more. An archive that is read beyond it says the same again.
    pub fn forgotten_until(&self) -> Option<Timestamp> {
        self.forgotten_until
    }

    /// Counts the routes and withdrawals of archives that were left out.
    pub fn old(&self) -> Arc<AtomicU64> {
        self.old.clone()
    }

    fn key(&self, vantage: VantageId, life: u32, nlri: &Nlri) -> u64 {
        self.hasher.hash_one((vantage, life, nlri.prefix, nlri.path_id))
    }
}

/// Live frames are rounded to hundredths, files are not: within a second, the live one is right.
fn second(time: Timestamp) -> u32 {
    u32::try_from(time.secs().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rules::bgp::PathAttributes;

    use super::*;

    const PEER: VantageId = VantageId(7);

    fn update(secs: i64, announced: &[&str], withdrawn: &[&str]) -> Event {
        let nlri = |prefix: &&str| Nlri { prefix: prefix.parse().expect("a prefix"), path_id: 0 };
        Event::Update(Update {
            vantage: PEER,
            seen: Timestamp::from_secs(secs),
            withdrawn: withdrawn.iter().map(nlri).collect(),
            announced: announced.iter().map(nlri).collect(),
            attributes: Arc::new(PathAttributes::default()),
        })
    }

    fn left(said: &mut Said, vantage: VantageId, mut event: Event) -> (usize, usize) {
        said.sift(vantage, &mut event);
        let Event::Update(update) = event else { panic!("an update") };
        (update.announced.len(), update.withdrawn.len())
    }

    #[test]
    fn an_older_update_does_not_overwrite_what_the_peer_has_said_since() {
        let mut said = Said::default();
        said.note(PEER, &update(100, &["192.0.2.0/24"], &["198.51.100.0/24"]));
        let both = ["192.0.2.0/24", "198.51.100.0/24"];
        assert_eq!(left(&mut said, PEER, update(99, &both, &[])), (0, 0));
        assert_eq!(left(&mut said, PEER, update(100, &[], &both)), (0, 0));
        assert_eq!(left(&mut said, PEER, update(101, &both, &[])), (2, 0));
        assert_eq!(left(&mut said, PEER, update(99, &["203.0.113.0/24"], &[])), (1, 0));
        assert_eq!(left(&mut said, VantageId(8), update(99, &both, &[])), (2, 0));
        assert_eq!(said.old().load(Ordering::Relaxed), 4);
        said.forget();
        assert_eq!(left(&mut said, PEER, update(99, &both, &[])), (2, 0));
    }

    #[test]
    fn what_a_session_said_before_its_reset_is_void() {
        let mut said = Said::default();
        said.note(PEER, &Event::PeerDown { vantage: PEER, seen: Timestamp::from_secs(100) });
        assert_eq!(left(&mut said, PEER, update(100, &["192.0.2.0/24"], &[])), (0, 0));
        assert_eq!(left(&mut said, PEER, update(101, &["192.0.2.0/24"], &[])), (1, 0));
        let mut up = Event::PeerUp { vantage: PEER, seen: Timestamp::from_secs(101) };
        assert!(!said.sift(PEER, &mut up) && said.sift(VantageId(8), &mut up));
    }

    #[test]
    fn what_a_session_said_before_it_was_given_up_counts_no_more_and_what_others_said_does() {
        let mut said = Said::default();
        for vantage in [PEER, VantageId(8)] {
            said.note(vantage, &Event::PeerUp { vantage, seen: Timestamp::from_secs(100) });
            said.note(vantage, &update(110, &["192.0.2.0/24"], &[]));
        }
        said.begin_anew(&[PEER].into());
        assert_eq!(said.forgotten_until(), None, "nobody else has to read anything once more");
        for (vantage, expected) in [(PEER, (1, 0)), (VantageId(8), (0, 0))] {
            assert_eq!(left(&mut said, vantage, update(100, &["192.0.2.0/24"], &[])), expected);
        }
        said.note(PEER, &update(200, &["192.0.2.0/24"], &[]));
        assert_eq!(left(&mut said, PEER, update(199, &["192.0.2.0/24"], &[])), (0, 0));
    }

    #[test]
    fn a_full_memory_says_until_when_it_has_forgotten() {
        let mut said = Said::bounded(2);
        for (secs, prefix) in [(1, "192.0.2.0/25"), (2, "192.0.2.128/25"), (3, "198.51.100.0/24")] {
            said.note(PEER, &update(secs, &[prefix], &[]));
        }
        assert_eq!(said.forgotten_until(), Some(Timestamp::from_secs(3)));
        assert_eq!(left(&mut said, PEER, update(1, &["192.0.2.0/25"], &[])), (1, 0));
        assert_eq!(left(&mut said, PEER, update(3, &["198.51.100.0/24"], &[])), (0, 0));
    }
}
