//! Does a message really arrive?
//!
//! Somebody wants to know before the night does: each route can be given one message that says it is a test, through the code
//! that alerts go through, and what the receiver answered is said. One attempt, and no more than one each [`PAUSE`], so that a
//! button that is pressed again and again floods nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rules::bgp::Timestamp;

use super::courier::{Courier, Message, Refusal};
use super::status::FailureReason;
use crate::app::now;
use crate::notice::{Notice, NoticeKind, NoticeState};
use crate::text;

/// Between two tests of one route.
pub const PAUSE: Duration = Duration::from_secs(5);
/// Whatever `timeout_secs` of a route says, a person waits no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub at: Timestamp,
    /// Whose token it was.
    pub by: Arc<str>,
    /// The beginning of what was answered, or why it was not taken.
    pub answer: Result<String, Refusal>,
}

/// One route, and how its last test went.
pub struct Trial {
    courier: Arc<Courier>,
    kind: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: Option<Instant>,
    last: Option<Outcome>,
}

/// A route was tested a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon;

impl Trial {
    pub fn new(courier: Arc<Courier>, kind: &'static str) -> Self {
        Self { courier, kind, state: Mutex::default() }
    }

    /// As the health of the sinks has it.
    pub fn name(&self) -> String {
        text::plain(self.courier.name(), 64)
    }

    /// Webhook, slack and so on.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The last one since the start.
    pub fn last(&self) -> Option<Outcome> {
        self.state().last.clone()
    }

    /// Sends a test and waits for the answer.
    pub async fn run(&self, by: Arc<str>) -> Result<Outcome, TooSoon> {
        self.begin(Instant::now())?;
        let outcome = Outcome { at: now(), by, answer: send(&self.courier).await };
        let by = &outcome.by;
        match &outcome.answer {
            Ok(answer) => tracing::info!(route = %self.courier.name(), %by, answer, "a test was delivered"),
            Err(refusal) => tracing::warn!(route = %self.courier.name(), %by, error = refusal.error, "a test failed"),
        }
        self.state().last = Some(outcome.clone());
        Ok(outcome)
    }

    fn begin(&self, now: Instant) -> Result<(), TooSoon> {
        let mut state = self.state();
        if state.begun.is_some_and(|begun| now.saturating_duration_since(begun) < PAUSE) {
            return Err(TooSoon);
        }
        state.begun = Some(now);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message that says what it is, in one attempt.
pub async fn send(courier: &Courier) -> Result<String, Refusal> {
    let detail = format!("a test of the route {}; nothing happened", courier.name());
    let (kind, state, subject) = (NoticeKind::Test, NoticeState::Raised, "bgpwarden".to_owned());
    let notice = Notice { time: now(), kind, state, subject, detail };
    let message = Message::Notice(notice.id().into(), notice);
    let late = |_| Refusal {
        reason: FailureReason::Timeout,
        error: format!("no answer within {} s", PATIENCE.as_secs()),
        is_final: false,
        after: None,
    };
    tokio::time::timeout(PATIENCE, courier.try_once(&message)).await.map_err(late)?
}

/// What whoever reads of a failure can do about it.
pub fn next_step(reason: FailureReason, route: &str) -> String {
    let what = match reason {
        FailureReason::Unreachable => {
            "see whether its address is right, and whether a firewall, a proxy or a certificate stands in the way"
        }
        FailureReason::Timeout => "somebody may be there and be slow: see whether its address is right, and its load",
        FailureReason::Refused => "see whether its address, token or password is right, and what the receiver allows",
        FailureReason::TooLarge => "a test is small: what takes so little is another service; see its address",
        FailureReason::Throttled => "the receiver had too many messages; try again later",
        FailureReason::Write | FailureReason::NoTopic | FailureReason::Other => {
            "the answer, or the log of the receiver, says what is wrong there"
        }
    };
    format!("{what} ([routes.{}])", text::plain(route, 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::WireContext;
    use crate::config::Config;

    fn trial(url: &str) -> Trial {
        let text = format!("[routes.hook]\nkind = 'webhook'\nurl = '{url}'\n");
        let config = Config::parse("c", &text, std::path::Path::new("")).expect("fine");
        let courier = Courier::new(&config.routes[0], None, WireContext::default(), Arc::default());
        Trial::new(Arc::new(courier.expect("a courier")), "webhook")
    }

    #[tokio::test]
    async fn a_second_test_has_to_wait_and_the_first_is_remembered() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let trial = trial("http://127.0.0.1:9/");
        assert_eq!(trial.last(), None);
        let outcome = trial.run("duty".into()).await.expect("the first");
        assert_eq!(outcome.answer.as_ref().expect_err("nobody is there").reason, FailureReason::Unreachable);
        assert_eq!(trial.run("duty".into()).await, Err(TooSoon));
        assert_eq!(trial.last(), Some(outcome));
        let begun = trial.state().begun.expect("it was begun");
        assert_eq!(trial.begin(begun + PAUSE), Ok(()), "then it may be tested again");
    }
}
