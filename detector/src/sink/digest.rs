//! Who wants forty messages in five minutes?
//!
//! The first message after a quiet time goes out at once, with what came in the same moment: a mass event is one message. What
//! comes within the time after it is collected, and goes out together when that has passed.

use std::time::{Duration, Instant};

use super::courier::Message;

/// What comes within this time belongs together.
const MOMENT: Duration = Duration::from_secs(1);
/// Messages of one digest, of some 10 KB; more go into the next one. The outbox holds 12,000.
const MOST: usize = 2_000;

/// Collects the messages of one route.
pub struct Digest {
    every: Duration,
    collected: Vec<Message>,
    due: Option<Instant>,
    /// Nothing goes out before this.
    quiet_until: Option<Instant>,
}

impl Digest {
    pub fn new(every: Duration) -> Self {
        Self { every, collected: Vec::new(), due: None, quiet_until: None }
    }

    pub fn is_full(&self) -> bool {
        self.collected.len() >= MOST
    }

    pub fn add(&mut self, message: Message, now: Instant) {
        if self.collected.is_empty() {
            let soon = now + MOMENT;
            self.due = Some(self.quiet_until.map_or(soon, |until| until.max(soon)));
        }
        self.collected.push(message);
    }

    /// When what was collected is to go out; none if nothing was.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// All of it as one message.
    pub fn take(&mut self) -> Option<Message> {
        self.due = None;
        let mut collected = std::mem::take(&mut self.collected);
        match collected.len() {
            0 | 1 => collected.pop(),
            _ => Some(Message::Digest(collected)),
        }
    }

    pub fn sent(&mut self, now: Instant) {
        self.quiet_until = Some(now + self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::{Notice, NoticeKind, NoticeState};
    use rules::bgp::Timestamp;

    const EVERY: Duration = Duration::from_secs(300);

    fn message(n: i64) -> Message {
        let (kind, state, time) = (NoticeKind::Test, NoticeState::Raised, Timestamp::from_secs(n));
        Message::Notice("x".into(), Notice { time, kind, state, subject: String::new(), detail: String::new() })
    }

    fn count(message: Option<Message>) -> usize {
        match message {
            None => 0,
            Some(Message::Digest(messages)) => messages.len(),
            Some(_) => 1,
        }
    }

    #[test]
    fn the_first_goes_at_once_and_what_follows_within_the_time_together() {
        let mut digest = Digest::new(EVERY);
        let start = Instant::now();
        digest.add(message(1), start);
        assert_eq!(digest.due(), Some(start + MOMENT));
        assert_eq!(count(digest.take()), 1);
        digest.sent(start + MOMENT);
        for n in 0..40 {
            digest.add(message(n), start + Duration::from_secs(10));
        }
        assert_eq!(digest.due(), Some(start + MOMENT + EVERY));
        assert_eq!(count(digest.take()), 40);
        assert_eq!((digest.due(), count(digest.take())), (None, 0));
    }

    #[test]
    fn a_mass_event_is_one_message_from_its_beginning() {
        let mut digest = Digest::new(EVERY);
        let start = Instant::now();
        (0..500).for_each(|n| digest.add(message(n), start));
        assert_eq!((digest.due(), count(digest.take())), (Some(start + MOMENT), 500));
    }

    #[test]
    fn after_a_quiet_time_nothing_waits() {
        let mut digest = Digest::new(EVERY);
        let start = Instant::now();
        digest.sent(start);
        digest.add(message(1), start + 2 * EVERY);
        assert_eq!(digest.due(), Some(start + 2 * EVERY + MOMENT));
    }

    #[test]
    fn a_digest_has_a_bound() {
        let mut digest = Digest::new(EVERY);
        (0..2_000).for_each(|n| digest.add(message(n), Instant::now()));
        assert!(digest.is_full());
    }
}
