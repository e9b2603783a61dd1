//! When did it happen? What a router states is believed within reason.
//!
//! Live, the moment a message came is the measure. In a file there is none: there time runs with the messages, and a
//! leap of an hour is believed only if the next message confirms it.

use rules::bgp::Timestamp;

use super::session::Tally;
use crate::counts::{Counts, kind};

/// Seconds that a stated time may be away from when the message came: clocks of routers differ by seconds, and what
/// is further off (FRR 8 states the start of a session minutes wrong) would make an alert tell a wrong story.
const TRUSTED_SECS: f64 = 300.0;
/// Seconds that time may leap in a file at once.
const LEAP_SECS: f64 = 3_600.0;

#[derive(Default)]
pub(crate) struct Clock {
    now: Option<Timestamp>,
    /// A leap that the next message may confirm.
    leap: Option<Timestamp>,
}

impl Clock {
    /// The last time that was believed; the epoch before the first.
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or_default()
    }

    /// The time to go by. While a table is transferred (`is_old`) an old time is its route's age, and no mistake.
    pub fn seen(
        &mut self,
        stated: Option<Timestamp>,
        received: Option<Timestamp>,
        is_old: bool,
        tally: &mut Tally,
        counts: &mut Counts,
    ) -> Timestamp {
        let (seen, is_wrong) = match received {
            Some(received) => live(stated, received, is_old),
            None => self.in_file(stated),
        };
        if Some(seen) != stated {
            tally.times_replaced += 1;
        }
        if is_wrong {
            counts.error(kind::BAD_TIMESTAMP);
        }
        self.now = Some(seen);
        seen
    }

    fn in_file(&mut self, stated: Option<Timestamp>) -> (Timestamp, bool) {
        let (Some(stated), Some(now)) = (stated, self.now) else { return (stated.unwrap_or(self.now()), false) };
        let is_leap = stated.secs_since(now) > LEAP_SECS;
        let is_confirmed = self.leap.is_some_and(|leap| stated.secs_since(leap).abs() <= LEAP_SECS);
        self.leap = is_leap.then_some(stated);
        if is_leap && !is_confirmed { (now, true) } else { (stated.max(now), false) }
    }
}

/// The time to go by, and whether the stated one was wrong.
fn live(stated: Option<Timestamp>, received: Timestamp, is_old: bool) -> (Timestamp, bool) {
    let Some(stated) = stated else { return (received, false) };
    let age_secs = received.secs_since(stated);
    match age_secs.abs() <= TRUSTED_SECS {
        // A clock that is a little fast must not tell of the future.
        true => (stated.min(received), false),
        false => (received, age_secs < 0.0 || !is_old),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_334_242;

    #[test]
    fn live_a_time_far_from_now_is_replaced() {
        let at = Timestamp::from_secs;
        for (stated, is_old, expected, is_wrong) in [
            (None, false, NOW, false),
            (Some(NOW - 1), false, NOW - 1, false),
            (Some(NOW + 5), false, NOW, false),
            (Some(NOW - 739), false, NOW, true),
            (Some(NOW - 86_400), true, NOW, false),
            (Some(NOW + 86_400), true, NOW, true),
        ] {
            assert_eq!(live(stated.map(at), at(NOW), is_old), (at(expected), is_wrong), "{stated:?}");
        }
    }

    #[test]
    fn in_a_file_time_runs_forward_and_leaps_only_when_confirmed() {
        let (mut clock, mut tally, mut counts) = (Clock::default(), Tally::default(), Counts::default());
        let mut seen =
            |secs: Option<i64>| clock.seen(secs.map(Timestamp::from_secs), None, false, &mut tally, &mut counts).secs();
        let day = 86_400;
        assert_eq!(seen(Some(NOW)), NOW);
        assert_eq!(seen(None), NOW);
        assert_eq!(seen(Some(NOW - day)), NOW);
        assert_eq!(seen(Some(NOW + 50 * day)), NOW, "a leap that nothing confirms");
        assert_eq!(seen(Some(NOW + 2)), NOW + 2);
        assert_eq!(seen(Some(NOW + day)), NOW + 2);
        assert_eq!(seen(Some(NOW + day + 1)), NOW + day + 1, "confirmed");
        assert_eq!((tally.times_replaced, counts.errors[kind::BAD_TIMESTAMP]), (4, 2));
    }
}
