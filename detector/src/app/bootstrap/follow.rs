//! How is one collector followed from its dump to now, and again after each loss?

use std::sync::Arc;
use std::time::Duration;

use feeds::archive::File;
use feeds::archive::download::{Outcome, Unread};
use feeds::backoff::Backoff;
use rules::bgp::Timestamp;
use tokio::sync::watch;

use super::super::intake::Input;
use super::{ATTEMPTS, OUT_OF_STEP_SECS, Shared, Standing, Times};
use crate::ledger::Cause;

/// How far one collector has been followed.
struct Followed {
    /// The moment of its dump.
    dump: Timestamp,
    /// Told without a hole up to here.
    covered: Timestamp,
    losses: u64,
    given_up: u64,
    was_whole: bool,
    /// To read the next file.
    attempts: u32,
    backoff: Backoff,
}

impl Followed {
    fn from(covered: Timestamp, stands: &Standing, times: &Times) -> Self {
        let backoff = Backoff::new(times.first_wait, times.longest_wait);
        let (losses, given_up) = (stands.losses, stands.given_up);
        Self { dump: covered, covered, losses, given_up, was_whole: false, attempts: 0, backoff }
    }

    /// After a loss it goes on from where that began; what was before the dump is in it.
    fn note_loss(&mut self, stands: &Standing) {
        if stands.losses != self.losses {
            self.losses = stands.losses;
            let lost = stands.gap_from.unwrap_or(self.covered).plus_secs(-OUT_OF_STEP_SECS);
            self.covered = if self.was_whole { lost } else { self.covered.min(lost) }.max(self.dump);
            self.was_whole = false;
        }
    }

    fn next_file(&mut self, file: &File) {
        (self.covered, self.attempts) = (file.to, 0);
    }
}

impl Shared {
    /// From the dump of one collector to now, and again after each loss.
    pub(super) async fn follow(&self, i: usize) {
        let times = &self.bootstrap.times;
        let mut standing = self.bootstrap.standing.clone();
        let Some(covered) = self.past(i).await else { return };
        let mut at = Followed::from(covered, &standing.borrow(), times);
        loop {
            let stands = standing.borrow_and_update().clone();
            if stands.given_up != at.given_up {
                self.begin_anew(i);
                let Some(covered) = self.past(i).await else { return };
                at = Followed::from(covered, &stands, times);
            }
            at.note_loss(&stands);
            let goes_on = if stands.needed_until().is_some_and(|needed| at.covered >= needed) {
                at.was_whole = true;
                self.is_whole(i, at.losses).await;
                self.settle(i, Some(at.covered)).await;
                standing.changed().await.is_ok()
            } else {
                self.go_on(i, &mut at, &mut standing).await
            };
            if !goes_on {
                return;
            }
        }
    }

    /// What it held is out of sight: without a new dump nothing is known of it.
    fn begin_anew(&self, i: usize) {
        let b = &self.bootstrap;
        let name = &b.collectors[i].name;
        let why = "feed and archive were away for so long that what it held was given up";
        self.ledger().open(&b.feed, Some(name.to_string()), Cause::NoHistory, self.now(), why);
        b.progress.trouble(name, why.to_owned());
        self.unsettle(i);
    }

    /// Reads the next file, or waits for it; false if nobody listens any more.
    async fn go_on(&self, i: usize, at: &mut Followed, standing: &mut watch::Receiver<Standing>) -> bool {
        let b = &self.bootstrap;
        let collector = &b.collectors[i];
        b.progress.behind(&collector.name);
        let file = collector.updates(self.base(collector), at.covered);
        let early = file.due - self.now();
        if early > 0 {
            // All there is has been told; what is not published yet is told when it comes.
            self.settle(i, Some(at.covered)).await;
            let early = Duration::from_micros(u64::try_from(early).unwrap_or_default());
            return tokio::select! {
                () = tokio::time::sleep(early.min(b.times.longest_wait)) => true,
                changed = standing.changed() => changed.is_ok(),
            };
        }
        let Some(outcome) = self.read(&file, i, at.covered).await else { return false };
        if self.is_done_with(&collector.name, &file, &outcome, at) {
            at.next_file(&file);
            if matches!(outcome, Ok(Outcome::Whole)) {
                // A sign of life, also of a collector that had nothing to say.
                self.send(Input::Archive(b.first_source + i, Vec::new())).await;
            }
            return true;
        }
        // The past is known, only its end is late: good enough to say what is normal.
        self.settle(i, Some(at.covered)).await;
        tokio::time::sleep(at.backoff.wait()).await;
        true
    }

    /// True if the file is read, or never will be.
    fn is_done_with(&self, name: &Arc<str>, file: &File, read: &Result<Outcome, Unread>, at: &mut Followed) -> bool {
        let b = &self.bootstrap;
        let (why, said, is_final) = match read {
            Ok(Outcome::Whole) => {
                at.backoff.reset();
                b.progress.no_trouble(name);
                return true;
            }
            Ok(outcome) => (outcome.to_string(), format!("{file} is {outcome}"), true),
            Err(unread) if unread.is_missing() => {
                let is_late = self.now() > file.due.plus_secs(b.times.missing_secs);
                if is_late {
                    self.give_up(name, file, &unread.to_string());
                }
                return is_late;
            }
            Err(unread) => {
                let is_final = matches!(unread, Unread::Unreadable(_));
                (unread.to_string(), format!("{file} {unread}"), is_final)
            }
        };
        b.progress.trouble(name, said);
        at.attempts += u32::from(is_final);
        let is_given_up = is_final && at.attempts >= ATTEMPTS;
        if is_given_up {
            self.give_up(name, file, &why);
        }
        is_given_up
    }
}

#[cfg(test)]
mod tests {
    use feeds::archive::download::Patience;

    use super::*;

    #[test]
    fn a_loss_that_began_before_the_dump_is_read_from_the_dump_on() {
        let at = |secs: i64| Timestamp::from_secs(1_772_323_200 + secs);
        let short = Duration::from_millis(1);
        let times = Times {
            patience: Patience::default(),
            first_wait: short,
            longest_wait: short,
            missing_secs: 600,
            clock: || Timestamp::MIN,
        };
        for (gap_from, expected) in [(-86_400, 0), (1_030, 1_000)] {
            let mut followed = Followed::from(at(0), &Standing::default(), &times);
            followed.covered = at(2_000);
            followed.note_loss(&Standing { losses: 1, gap_from: Some(at(gap_from)), ..Standing::default() });
            assert_eq!(followed.covered, at(expected));
        }
    }
}
