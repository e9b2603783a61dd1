//! How is one cache followed? Connect, ask, listen, and come back after every loss with all that was learned.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use rpki::rtr::client::Client;
use rpki::rtr::state::State;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::pdus::{Flaw, Pdus, Seen};
use super::target::Target;
use super::{Cache, Data, Timing};
use crate::backoff::Backoff;
use crate::clock::now;
use crate::rpki_set::RpkiSet;

const CONNECT: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A cache that is back is in use again after this long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// However often a cache notifies, it is asked no more often than this.
const BETWEEN_QUERIES: Duration = Duration::from_millis(200);
const HIGHEST_VERSION: u8 = 2;
const VERSION_WITHOUT_ASPAS: u8 = 1;

/// Follows the cache at `name`, an address `host:port`, until the future is dropped.
pub async fn run(name: Arc<str>, out: watch::Sender<Cache>) {
    let mut link = Link {
        name,
        out,
        highest_version: HIGHEST_VERSION,
        version: HIGHEST_VERSION,
        state: None,
        set: Arc::default(),
        backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
        timing: Timing::default(),
    };
    loop {
        let loss = link.connection().await;
        let wait = link.wait_after(loss);
        tokio::time::sleep(wait).await;
    }
}

/// Why a connection ended.
struct Loss {
    detail: String,
    flaw: Option<Flaw>,
    end: End,
    seen: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There was no connection.
    Unreachable,
    /// The cache hung up without an answer to our first question: perhaps the version is too high for words.
    HungUp,
    Other,
}

/// What outlives a connection.
struct Link {
    name: Arc<str>,
    out: watch::Sender<Cache>,
    /// Lowered for good where the cache sends what version 2 cannot mean.
    highest_version: u8,
    /// To begin the next connection with.
    version: u8,
    /// Goes with `set`: a Serial Query is asked from there.
    state: Option<State>,
    set: Arc<RpkiSet>,
    backoff: Backoff,
    timing: Timing,
}

impl Link {
    /// One connection from its beginning to its end.
    async fn connection(&mut self) -> Loss {
        let no_connection = |detail| Loss { detail, flaw: None, end: End::Unreachable, seen: None };
        let socket = match timeout(CONNECT, TcpStream::connect(&*self.name)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return no_connection(format!("cannot connect: {error}")),
            Err(_) => return no_connection(format!("did not answer within {} s", CONNECT.as_secs())),
        };
        let seen = Arc::new(Seen::default());
        let target = Target::new(self.name.clone(), self.set.clone());
        let pdus = Pdus::new(socket, seen.clone());
        let mut client = Client::with_initial_version(self.version, pdus, target, self.state);
        let mut answers = 0u64;
        loop {
            let step = match client.update().await {
                Ok(changes) => client.apply(changes).await,
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                let flaw = client.target_mut().flaw.take().or_else(|| Flaw::of(&error));
                let detail = match (&flaw, error.to_string()) {
                    (Some(flaw), _) => flaw.to_string(),
                    (None, text) if text.is_empty() => "sent a record that is none".to_owned(),
                    (None, text) => text,
                };
                let hung_up = matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                );
                let end = if hung_up && answers == 0 { End::HungUp } else { End::Other };
                return Loss { detail, flaw, end, seen: seen.version() };
            }
            answers += 1;
            let version = seen.version().unwrap_or_default();
            self.learned(client.target(), client.state(), version);
            tokio::time::sleep(BETWEEN_QUERIES).await;
        }
    }

    /// A complete answer came.
    fn learned(&mut self, target: &Target, state: Option<State>, version: u8) {
        self.state = state;
        self.set = target.set.clone();
        self.timing = target.timing;
        self.backoff.reset();
        let (set, timing, received) = (self.set.clone(), self.timing, now());
        let (session, serial) = state.map_or((0, 0), |s| (s.session(), s.serial().into()));
        self.out.send_modify(|cache| {
            cache.lost = None;
            cache.data = Some(Data { set, version, session, serial, received, timing });
        });
    }

    /// Draws the conclusions from a loss; how long to wait before the next attempt.
    fn wait_after(&mut self, loss: Loss) -> Duration {
        let Loss { detail, flaw, end, seen } = loss;
        tracing::warn!(cache = %self.name, %detail, "RTR connection lost");
        let mut warning = None;
        match &flaw {
            Some(Flaw::OldAspaLayout) => {
                self.highest_version = VERSION_WITHOUT_ASPAS;
                self.state = None;
                let text = "sends ASPAs in the layout of an old draft: followed at version 1, without ASPAs";
                tracing::warn!(cache = %self.name, "{text}");
                warning = Some(text.to_owned());
            }
            Some(Flaw::SessionChanged | Flaw::UnknownWithdrawal | Flaw::BadAspa | Flaw::TooManyPayloads) => {
                self.state = None;
            }
            _ => {}
        }
        let version = self.next_version(end, seen);
        if std::mem::replace(&mut self.version, version) != version {
            // A session belongs to its version (RFC 8210 section 5.1).
            self.state = None;
        }
        self.out.send_modify(|cache| {
            cache.failures += 1;
            let since = cache.lost.take().map_or_else(now, |(since, _)| since);
            cache.lost = Some((since, detail));
            if warning.is_some() {
                cache.warning = warning;
            }
        });
        let retry = Duration::from_secs(self.timing.retry_secs.into());
        match flaw {
            // The conclusion is drawn; nothing speaks for waiting.
            Some(Flaw::OldAspaLayout | Flaw::SessionChanged | Flaw::UnknownWithdrawal) => FIRST_WAIT,
            // Also of a cache that has no data yet, which is asked again and again (RFC 8210 section 8.4): it has them soon.
            _ => self.backoff.wait().min(retry),
        }
    }

    /// The version that the cache asked for. One that hung up without a word is tried a version lower, and after the lowest
    /// from the top again; so is one that was away, since it may have learned.
    fn next_version(&self, end: End, seen: Option<u8>) -> u8 {
        match (end, seen) {
            (_, Some(version)) => version.min(self.highest_version),
            (End::Unreachable, None) => self.highest_version,
            (End::HungUp, None) => self.version.checked_sub(1).unwrap_or(self.highest_version),
            (End::Other, None) => self.version.min(self.highest_version),
        }
    }
}
