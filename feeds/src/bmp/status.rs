//! How do the routers stand? For metrics, probes and pages; nothing is decided by it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rules::bgp::Timestamp;

use super::frame::FrameError;
use super::message::Info;
use super::session::{PeerView, Tally};
use crate::counts::{Counts, kind};

/// How a station stands.
#[derive(Debug, Default)]
pub struct Status {
    pub listening: AtomicBool,
    /// Connections of addresses that are not in the list, or too many.
    pub refused: AtomicU64,
    /// How long batches waited because the queue behind was full; routers waited with them.
    pub stalled_micros: AtomicU64,
    /// Of all routers.
    pub counts: Mutex<Counts>,
    routers: Mutex<BTreeMap<Arc<str>, RouterView>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterState {
    #[default]
    Live,
    /// Connected, and nothing comes.
    Silent,
    Down,
}

/// A router as others may look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterView {
    pub name: Arc<str>,
    pub address: IpAddr,
    pub state: RouterState,
    /// Why it is not live.
    pub detail: Option<String>,
    /// Of the state.
    pub since: Timestamp,
    pub last_message: Option<Timestamp>,
    /// Times that its connection was lost.
    pub gaps: u64,
    pub info: Info,
    pub counts: Counts,
    /// Of the present or last connection.
    pub tally: Tally,
    pub peers: Vec<PeerView>,
}

/// Routers remembered although they are gone: a station that listens to whole prefixes may see many.
const ROUTERS: usize = 1_024;

impl Status {
    /// All routers by name.
    pub fn routers(&self) -> Vec<RouterView> {
        self.locked().values().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, RouterView>> {
        self.routers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a new connection; where the gap before it began, if it is not the first.
    pub(super) fn connected(&self, name: &Arc<str>, address: IpAddr, now: Timestamp) -> Option<Timestamp> {
        let mut routers = self.locked();
        if routers.len() >= ROUTERS && !routers.contains_key(name) {
            let gone = routers.iter().filter(|(_, r)| r.state == RouterState::Down).min_by_key(|(_, r)| r.since);
            if let Some(gone) = gone.map(|(name, _)| name.clone()) {
                routers.remove(&gone);
            }
        }
        let router = routers.entry(name.clone()).or_insert_with(|| RouterView::new(name.clone(), address, now));
        router.address = address;
        router.set(RouterState::Live, None, now);
        router.last_message.filter(|_| router.gaps > 0)
    }

    pub(super) fn update(
        &self,
        name: &str,
        counts: Counts,
        tally: &Tally,
        info: &Info,
        peers: Option<Vec<PeerView>>,
        last: Option<Timestamp>,
    ) {
        if let Some(router) = self.locked().get_mut(name) {
            router.tally.clone_from(tally);
            router.last_message = last.or(router.last_message);
            router.counts.add(counts.clone());
            if let Some(peers) = peers {
                router.info.clone_from(info);
                router.peers = peers;
            }
        }
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }

    pub(super) fn broken_frame(&self, name: &str, error: &FrameError) {
        let mut counts = Counts::default();
        counts.error(match error {
            FrameError::Version(_) => kind::BAD_BMP_VERSION,
            FrameError::Length(_) => kind::TOO_LONG,
        });
        if let Some(router) = self.locked().get_mut(name) {
            router.counts.add(counts.clone());
        }
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }

    pub(super) fn silent(&self, name: &str, detail: String) {
        self.set(name, RouterState::Silent, Some(detail));
    }

    pub(super) fn heard_again(&self, name: &str) {
        self.set(name, RouterState::Live, None);
    }

    pub(super) fn lost(&self, name: &str, detail: String) {
        self.set(name, RouterState::Down, Some(detail));
        if let Some(router) = self.locked().get_mut(name) {
            router.gaps += 1;
        }
    }

    fn set(&self, name: &str, state: RouterState, detail: Option<String>) {
        if let Some(router) = self.locked().get_mut(name) {
            router.set(state, detail, crate::clock::now());
        }
    }
}

impl RouterView {
    fn new(name: Arc<str>, address: IpAddr, now: Timestamp) -> Self {
        Self {
            name,
            address,
            state: RouterState::Live,
            detail: None,
            since: now,
            last_message: None,
            gaps: 0,
            info: Info::default(),
            counts: Counts::default(),
            tally: Tally::default(),
            peers: Vec::new(),
        }
    }

    fn set(&mut self, state: RouterState, detail: Option<String>, now: Timestamp) {
        (self.state, self.detail, self.since) = (state, detail, now);
    }
}
