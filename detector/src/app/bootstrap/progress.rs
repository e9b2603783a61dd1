//! How far has the archive been read?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use feeds::archive::Collector;

use crate::health::ArchiveReport;
use crate::text;

/// Troubles told at once.
const TROUBLES: usize = 8;

#[derive(Default)]
pub struct Progress {
    collectors: Mutex<BTreeMap<Arc<str>, State>>,
    files: AtomicU64,
    octets: AtomicU64,
    routes: AtomicU64,
}

#[derive(Clone, Default)]
struct State {
    is_seeded: bool,
    is_whole: bool,
    trouble: Option<String>,
}

impl Progress {
    pub fn of(collectors: &[Collector]) -> Self {
        let states = collectors.iter().map(|collector| (collector.name.clone(), State::default())).collect();
        Self { collectors: Mutex::new(states), ..Self::default() }
    }

    pub fn read(&self, octets: u64, routes: u64) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.routes.fetch_add(routes, Ordering::Relaxed);
    }

    pub fn file(&self, is_whole: bool) {
        self.files.fetch_add(u64::from(is_whole), Ordering::Relaxed);
    }

    pub fn seeded(&self, collector: &str) {
        self.change(collector, |state| *state = State { is_seeded: true, ..State::default() });
    }

    pub fn behind(&self, collector: &str) {
        self.change(collector, |state| state.is_whole = false);
    }

    pub fn whole(&self, collector: &str) {
        self.change(collector, |state| *state = State { is_seeded: true, is_whole: true, trouble: None });
    }

    pub fn trouble(&self, collector: &str, trouble: String) {
        self.change(collector, |state| state.trouble = Some(text::plain(&trouble, 200)));
    }

    pub fn no_trouble(&self, collector: &str) {
        self.change(collector, |state| state.trouble = None);
    }

    fn change(&self, collector: &str, change: impl FnOnce(&mut State)) {
        let mut states = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get_mut(collector) {
            change(state);
        }
    }

    pub fn seeded_count(&self) -> usize {
        let states = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().filter(|state| state.is_seeded).count()
    }

    pub fn report(&self, feed: &str) -> ArchiveReport {
        let states = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles = states.values().filter_map(|state| state.trouble.clone());
        ArchiveReport {
            feed: feed.to_owned(),
            collectors: states.len(),
            seeded: states.values().filter(|state| state.is_seeded).count(),
            whole: states.values().filter(|state| state.is_whole).count(),
            files: self.files.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
            routes: self.routes.load(Ordering::Relaxed),
            troubles: troubles.take(TROUBLES).collect(),
        }
    }
}
