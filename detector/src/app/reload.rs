//! What may change while it runs, and how does a change come in?
//!
//! On SIGHUP, or when the configuration or a watch file is another one than before, everything is read and checked anew.
//! What is wrong changes nothing. Watch lists, allow rules and thresholds go into the order of events as one event; of every
//! other key that changed it is said that it needs a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rules::bgp::{Asn, Timestamp};
use rules::event::Event;
use rules::watch::{AllowRule, Watch};
use tokio::sync::mpsc::WeakSender;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::intake::{Input, now};
use crate::config::{Config, WatchList, rules_of, watch_files_of};
use crate::store::Store;

/// How often files are looked at. A change is read once it has stood this long, so that it is whole.
const LOOKED_AT: Duration = Duration::from_secs(2);
/// Problems that one notice names.
const NAMED: usize = 3;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub path: Option<PathBuf>,
    /// Of the command line.
    pub asns: Vec<Asn>,
    /// None: [`LOOKED_AT`].
    pub every: Option<Duration>,
}

impl Origin {
    pub fn load(&self) -> Result<Config, crate::failure::Failure> {
        let mut config = Config::load(self.path.as_deref())?;
        self.asns.iter().for_each(|asn| config.watch_asn(*asn));
        Ok(config)
    }
}

/// How the configuration stands.
#[derive(Debug, Default)]
pub struct Status {
    standing: Mutex<Standing>,
}

#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Why the last one that was read is not in use.
    pub problem: Option<String>,
    /// Keys that were changed and that only a restart brings into use.
    pub restart: Vec<String>,
    /// What is watched now.
    pub watch: Arc<Watch>,
}

impl Status {
    pub fn new(watch: Arc<Watch>) -> Self {
        Self { standing: Mutex::new(Standing { watch, ..Standing::default() }) }
    }

    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whoever waits for SIGHUP. Made before anything else runs, since without it the signal ends the process.
pub struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangup {
    pub fn listen() -> Self {
        #[cfg(unix)]
        return Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok());
        #[cfg(not(unix))]
        Self()
    }

    async fn heard(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

pub struct Reload {
    origin: Origin,
    /// What runs; its watch list is the last one that was taken.
    running: Config,
    status: Arc<Status>,
    queue: WeakSender<Input>,
    files: Vec<PathBuf>,
    verdicts: Verdicts,
}

/// What people say of incidents while it runs.
pub struct Verdicts {
    store: Store,
    /// Changes whenever something was said.
    said: watch::Receiver<u64>,
    /// The store did not say what stands.
    is_behind: bool,
    /// When something ends that stands before an earlier rule.
    next_end: Option<Timestamp>,
}

impl Verdicts {
    /// With what stands already.
    pub async fn new(store: Store, said: watch::Receiver<u64>) -> (Self, Vec<AllowRule>) {
        let mut verdicts = Self { store, said, is_behind: false, next_end: None };
        let rules = verdicts.rules().await.unwrap_or_default();
        (verdicts, rules)
    }

    /// The rules that follow from it; none if they cannot be had now.
    async fn rules(&mut self) -> Option<Vec<AllowRule>> {
        let standing = self.store.standing_rules(now()).await;
        self.is_behind = standing.is_err();
        let standing = standing.inspect_err(|problem| tracing::error!("what people said is not known: {problem}"));
        let (texts, next_end) = standing.ok()?;
        self.next_end = next_end;
        let read = |text: &String| {
            rules_of(text).inspect_err(|why| tracing::error!("a rule in the store is left out: {why}")).ok()
        };
        Some(texts.iter().filter_map(read).flatten().collect())
    }

    /// What stands may be another than what was read last.
    fn is_due(&self) -> bool {
        self.is_behind || self.next_end.is_some_and(|end| end <= now())
    }
}

/// Enough to tell one version of a file from another; none if it is not there.
type Print = Option<(SystemTime, u64, u64)>;

impl Reload {
    pub fn new(
        origin: Origin,
        running: Config,
        status: Arc<Status>,
        queue: WeakSender<Input>,
        verdicts: Verdicts,
    ) -> Self {
        let files = files_of(&origin, &running.watch);
        Self { origin, running, status, queue, files, verdicts }
    }

    /// Until the intake is gone.
    pub async fn follow(mut self, mut hangup: Hangup) {
        let mut seen = prints(&self.files);
        // What runs was read before anybody looked at the files.
        let mut is_due = self.origin.path.is_some();
        let mut look = tokio::time::interval(self.origin.every.unwrap_or(LOOKED_AT));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (mut is_told, mut is_said) = (false, false);
            tokio::select! {
                () = hangup.heard() => is_told = true,
                Ok(()) = self.verdicts.said.changed() => is_said = true,
                _ = look.tick() => {}
            }
            if self.queue.strong_count() == 0 {
                return;
            }
            if is_said || self.verdicts.is_due() {
                self.take_verdicts().await;
            }
            if is_said {
                continue;
            }
            let now = prints(&self.files);
            let has_changed = now != seen;
            if is_told || (is_due && !has_changed) {
                let files = self.files.clone();
                self.read_again(is_told).await;
                // Files that are followed from now on may have changed since they were read.
                is_due = self.files != files;
                seen = if is_due { prints(&self.files) } else { now };
                continue;
            }
            is_due |= has_changed;
            seen = now;
        }
    }

    async fn read_again(&mut self, is_told: bool) {
        if self.origin.path.is_none() {
            tracing::info!("there is no configuration file to read again");
            return;
        }
        let origin = self.origin.clone();
        match tokio::task::spawn_blocking(move || origin.load()).await {
            Ok(Ok(config)) => self.take(config, is_told).await,
            Ok(Err(failure)) => {
                self.follow_rejected();
                self.reject(&failure.to_string());
            }
            Err(error) => self.reject(&error.to_string()),
        }
    }

    /// The slip may stand in a file that is named for the first time: mending it there must be seen.
    fn follow_rejected(&mut self) {
        let named = self.origin.path.as_deref().map(watch_files_of).unwrap_or_default();
        let in_use = files_of(&self.origin, &self.running.watch);
        let new = named.into_iter().filter(|file| !in_use.contains(file)).collect::<Vec<_>>();
        self.files = in_use.into_iter().chain(new).collect();
    }

    fn reject(&mut self, why: &str) {
        tracing::error!("configuration rejected, the one before stays in use: {why}");
        let lines: Vec<&str> = why.lines().collect();
        let more = lines.len().saturating_sub(NAMED);
        let mut problem = lines[..lines.len().min(NAMED)].join("; ");
        if more > 0 {
            problem += &format!("; and {more} more");
        }
        self.status.set(|standing| standing.problem = Some(problem));
    }

    /// Somebody said that something is fine, or took it back.
    async fn take_verdicts(&mut self) {
        let Some(rules) = self.verdicts.rules().await else { return };
        self.running.watch.said = rules;
        let watch = Arc::new(self.running.watch.compile(&self.running.alerts));
        if *watch == *self.status.standing().watch {
            return;
        }
        let Some(queue) = self.queue.upgrade() else { return };
        if queue.send(Input::Own(Event::Watch(watch.clone()))).await.is_ok() {
            tracing::info!("what people said was taken in: {} allow rules", watch.allow().all().len());
            self.status.set(|standing| standing.watch = watch);
        }
    }

    async fn take(&mut self, mut config: Config, is_told: bool) {
        config.watch.said = self.running.watch.said.clone();
        config.notes().iter().for_each(|note| tracing::warn!("{note}"));
        let restart = needs_restart(&self.running, &config);
        if !restart.is_empty() {
            tracing::warn!("needs a restart: {}", restart.join(", "));
        }
        let watch = Arc::new(config.watch.compile(&config.alerts));
        let is_new = *watch != *self.status.standing().watch;
        self.files = files_of(&self.origin, &config.watch);
        // What needs a restart is not in use, so it is said again and again.
        (self.running.watch, self.running.alerts) = (config.watch, config.alerts);
        if is_new {
            let Some(queue) = self.queue.upgrade() else { return };
            if queue.send(Input::Own(Event::Watch(watch.clone()))).await.is_err() {
                return;
            }
            let (constituents, rules) = (watch.constituents().len(), watch.allow().all().len());
            tracing::info!("configuration read again: {constituents} constituents, {rules} allow rules");
        } else if is_told {
            tracing::info!("configuration read again: who is watched and what is allowed is as before");
        }
        self.status.set(|standing| *standing = Standing { problem: None, restart, watch });
    }
}

fn files_of(origin: &Origin, watch: &WatchList) -> Vec<PathBuf> {
    origin.path.iter().chain(&watch.files).cloned().collect()
}

fn prints(files: &[PathBuf]) -> Vec<Print> {
    files.iter().map(|path| print(path)).collect()
}

fn print(path: &Path) -> Print {
    let found = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&found);
    #[cfg(not(unix))]
    let inode = 0;
    Some((found.modified().ok()?, found.len(), inode))
}

/// Names of the keys that differ and cannot change while it runs.
fn needs_restart(running: &Config, new: &Config) -> Vec<String> {
    let (before, after) = (keys(running), keys(new));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut differ: Vec<String> = all.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
    // Secrets are not shown, so what differs in nothing else is one.
    let tables = [
        ("http", running.http != new.http),
        ("feeds", running.feeds != new.feeds),
        ("rpki", running.rpki != new.rpki),
        ("relations", running.relations != new.relations),
        ("store", running.store != new.store),
        ("sinks", running.sinks != new.sinks),
        ("routes", running.routes != new.routes),
    ];
    for (table, _) in tables.into_iter().filter(|(_, differs)| *differs) {
        if !differ.iter().any(|key| key.split('.').next() == Some(table)) {
            differ.push(format!("a secret of {table}"));
        }
    }
    differ
}

/// Every key of a configuration with its value, but for those that may change.
fn keys(config: &Config) -> BTreeMap<String, String> {
    let (watch, alerts) = Default::default();
    let text = Config { watch, alerts, ..config.clone() }.to_string();
    let mut keys = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        flatten("", &table, &mut keys);
    }
    keys
}

fn flatten(prefix: &str, table: &toml::Table, out: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, out),
            value => drop(out.insert(name, value.to_string())),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
