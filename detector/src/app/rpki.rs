//! Where do VRPs and ASPAs come from while it runs? Files, a URL, RTR caches and the operator's exceptions, followed at once
//! and made into the one set in use ([`book`]); what changes in it goes to the engine as one event.

mod book;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use feeds::rpki_set::RpkiSet;
use feeds::slurm::{self, Exceptions};
use feeds::{rtr, vrp_poll};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, select_all};
use rules::alert::{Source, SourceState};
use rules::bgp::Timestamp;
use rules::event::Event;
use rules::rpki::{Delta, RoaEnds};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::intake::Input;
use crate::config::Rpki;
use crate::data;
use crate::failure::Failure;
use book::{Book, Given, Policy};

/// Seeding waits so long for the first answers: with them, the baseline is made by those who may announce.
const FIRST_ANSWERS: Duration = Duration::from_secs(5);

/// How the RPKI stands, for whoever reports it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub vrps: (usize, Source),
    pub aspas: (usize, Source),
    /// What is wrong with single sources, one sentence each.
    pub troubles: Vec<String>,
    /// Failed attempts by kind of source: `file`, `url`, `rtr`, `slurm`.
    pub failures: BTreeMap<&'static str, u64>,
}

/// Shared between the task and reporting.
pub struct Health {
    standing: Mutex<Standing>,
    /// Every source has answered once, or failed to.
    has_answers: watch::Sender<bool>,
}

impl Health {
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when every source has answered or failed once, or after a while.
    pub async fn first_answers(&self) {
        let mut answered = self.has_answers.subscribe();
        let _ = tokio::time::timeout(FIRST_ANSWERS, answered.wait_for(|all| *all)).await;
    }
}

/// Everything before the first event: the files are read, so that what is wrong with them is said at once.
pub struct Loaded {
    pub delta: Option<Delta>,
    pub warnings: Vec<String>,
    config: Rpki,
    clock: fn() -> Timestamp,
    book: Book,
    files: Files,
    slurm: Slurm,
}

/// Reads files and exceptions for the first time. Ages are told by `clock`.
pub fn load(config: Rpki, clock: fn() -> Timestamp) -> Result<Loaded, Failure> {
    let at = clock();
    let mut files = Files::default();
    let warnings = files.read(&config, at)?;
    let mut slurm = Slurm::default();
    if let Some(path) = &config.slurm {
        slurm.refresh(path);
        if let Some(problem) = &slurm.problem {
            return Err(Failure::impossible(problem.clone()));
        }
    }
    let policy = Policy { collapse_percent: config.collapse_percent as usize, freeze_secs: config.freeze_secs as i64 };
    let mut book = Book::new(policy);
    let delta = book.settle(&files.given(&config, at).into_iter().collect::<Vec<_>>(), &slurm.exceptions, at);
    Ok(Loaded { delta, warnings, config, clock, book, files, slurm })
}

impl Loaded {
    /// When ROAs end by themselves, as the files say.
    pub fn roa_ends(&self) -> &RoaEnds {
        self.book.in_use().roa_ends()
    }

    /// How it stands before anything is followed.
    pub fn health(&self) -> Arc<Health> {
        let none = Source::none;
        let (vrps, aspas) = self.delta.as_ref().map_or_else(|| (none(), none()), |d| (d.vrps.clone(), d.aspas.clone()));
        let standing = Standing {
            vrps: (self.book.in_use().vrps().len(), vrps),
            aspas: (self.book.in_use().aspas().len(), aspas),
            troubles: Vec::new(),
            failures: BTreeMap::new(),
        };
        let is_remote = self.config.url.is_some() || !self.config.rtr.is_empty();
        Arc::new(Health { standing: Mutex::new(standing), has_answers: watch::Sender::new(!is_remote) })
    }

    /// Follows every source until the future is dropped or nobody takes the events.
    pub(super) async fn follow(self, queue: Sender<Input>, health: Arc<Health>) {
        let mut tasks = JoinSet::new();
        let mut caches = Vec::new();
        for name in &self.config.rtr {
            let name: Arc<str> = name.as_str().into();
            let (out, cache) = watch::channel(rtr::Cache::new(name.clone()));
            tasks.spawn(rtr::run(name, out));
            caches.push(cache);
        }
        let refresh = Duration::from_secs(self.config.refresh_secs);
        let endpoint = self.config.url.clone().map(|url| {
            let (out, endpoint) = watch::channel(vrp_poll::Endpoint::new(&url));
            tasks.spawn(vrp_poll::run(url, refresh, out));
            endpoint
        });
        let Self { config, clock, book, files, slurm, .. } = self;
        let (judged, told_ends) = (Vec::new(), book.in_use().roa_ends().clone());
        let follower = Follower { config, clock, book, files, slurm, caches, endpoint, judged, told_ends, health };
        follower.run(queue, refresh).await;
    }
}

/// The files as they were read last.
#[derive(Default)]
struct Files {
    set: Arc<RpkiSet>,
    name: Arc<str>,
    as_of: Option<Timestamp>,
    /// When they were made, or written if they do not say.
    made: Option<Timestamp>,
    /// When they were read to their ends.
    read_at: Option<Timestamp>,
    problem: Option<String>,
    failures: u64,
}

impl Files {
    fn read(&mut self, config: &Rpki, at: Timestamp) -> Result<Vec<String>, Failure> {
        if config.files.is_empty() && config.aspas.is_empty() {
            return Ok(Vec::new());
        }
        self.take(data::rpki(&config.files, &config.aspas, Some(at)), oldest(&config.files, &config.aspas), at)
    }

    /// What cannot be read leaves the data as they were.
    fn take(
        &mut self,
        read: Result<data::RpkiData, Failure>,
        written: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<Vec<String>, Failure> {
        match read {
            Ok(read) => {
                let names = [&read.delta.vrps, &read.delta.aspas].map(|s| s.name.clone());
                let [vrps, aspas] = names.map(|n| Some(n).filter(|n| &**n != "none"));
                self.name = match (vrps, aspas) {
                    (Some(v), Some(a)) if v != a => format!("{v}, {a}").into(),
                    (v, a) => v.or(a).unwrap_or_default(),
                };
                self.as_of = read.delta.vrps.as_of.or(read.delta.aspas.as_of);
                self.made = self.as_of.or(written);
                let set = RpkiSet::new(read.delta.announced_vrps, read.delta.announced_aspas);
                let set = set.with_roa_ends(read.roa_ends);
                if set != *self.set {
                    self.set = Arc::new(set);
                }
                (self.read_at, self.problem) = (Some(at), None);
                Ok(read.warnings)
            }
            Err(failure) => {
                self.failures += 1;
                self.problem = Some(failure.to_string());
                Err(failure)
            }
        }
    }

    /// Why they are stale though they can be read.
    fn is_outdated(&self, config: &Rpki, at: Timestamp) -> bool {
        self.made.is_some_and(|made| at.secs_since(made) > config.expire_secs as f64)
    }

    fn given(&self, config: &Rpki, at: Timestamp) -> Option<Given> {
        let read_at = self.read_at?;
        let state = if at.secs_since(read_at) > config.expire_secs as f64 {
            SourceState::Expired
        } else if self.problem.is_some() || self.is_outdated(config, at) {
            SourceState::Stale
        } else {
            SourceState::Fresh
        };
        Some(Given {
            name: self.name.clone(),
            set: self.set.clone(),
            has_vrps: !config.files.is_empty(),
            has_aspas: !config.aspas.is_empty(),
            serial: None,
            as_of: self.as_of,
            state,
        })
    }
}

/// The exceptions as they were read last, and how the file looked then.
#[derive(Default)]
struct Slurm {
    exceptions: Arc<Exceptions>,
    seen: Option<(SystemTime, u64)>,
    problem: Option<String>,
    failures: u64,
}

impl Slurm {
    /// Reads the file again if it changed. A broken one leaves the exceptions as they were.
    fn refresh(&mut self, path: &Path) -> bool {
        let looks = std::fs::metadata(path).and_then(|m| Ok((m.modified()?, m.len()))).ok();
        if looks.is_some() && looks == self.seen {
            return false;
        }
        if looks.is_none() && self.problem.is_some() {
            return false;
        }
        self.seen = looks;
        match slurm::read_file(&path.display().to_string()) {
            Ok(exceptions) => {
                (self.exceptions, self.problem) = (Arc::new(exceptions), None);
            }
            Err(error) => {
                self.failures += 1;
                self.problem = Some(error.to_string());
            }
        }
        true
    }
}

/// What one source was when the set was last settled.
type Judged = (usize, SourceState, Option<u64>, Option<Timestamp>);

struct Follower {
    config: Rpki,
    clock: fn() -> Timestamp,
    book: Book,
    files: Files,
    slurm: Slurm,
    caches: Vec<watch::Receiver<rtr::Cache>>,
    endpoint: Option<watch::Receiver<vrp_poll::Endpoint>>,
    judged: Vec<Judged>,
    told_ends: RoaEnds,
    health: Arc<Health>,
}

impl Follower {
    async fn run(mut self, queue: Sender<Input>, refresh: Duration) {
        // Ages are looked at every second: data become stale and expire by time alone.
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut files_due = Instant::now() + refresh;
        loop {
            tokio::select! {
                _ = second.tick() => {}
                () = something_came(&mut self.caches, &mut self.endpoint) => {}
            }
            let mut has_news = self.reread_slurm().await;
            if Instant::now() >= files_due {
                files_due = Instant::now() + refresh;
                self.reread_files().await;
                has_news = true;
            }
            let delta = self.settle(has_news);
            self.report();
            let Some(delta) = delta else { continue };
            let roa_ends = self.news_of_ends().map(|ends| Event::RoaEnds(Arc::new(ends)));
            for event in [Event::Rpki(Arc::new(delta))].into_iter().chain(roa_ends) {
                if queue.send(Input::Own(event)).await.is_err() {
                    return;
                }
            }
        }
    }

    /// When ROAs end, if that is not what was told last.
    fn news_of_ends(&mut self) -> Option<RoaEnds> {
        let ends = self.book.in_use().roa_ends();
        (*ends != self.told_ends).then(|| {
            self.told_ends = ends.clone();
            ends.clone()
        })
    }

    /// The change of the set in use, if there is one. Nothing is compared while no source changed.
    fn settle(&mut self, has_news: bool) -> Option<Delta> {
        let at = (self.clock)();
        let given = self.given(at);
        let key = |g: &Given| (Arc::as_ptr(&g.set) as usize, g.state, g.serial, g.as_of);
        let judged: Vec<Judged> = given.iter().map(key).collect();
        if judged == self.judged && !has_news && !self.book.is_frozen() {
            return None;
        }
        self.judged = judged;
        let delta = self.book.settle(&given, &self.slurm.exceptions, at)?;
        let before = self.health.standing();
        for (kind, old, new) in
            [("VRPs", before.vrps.1.state, &delta.vrps), ("ASPAs", before.aspas.1.state, &delta.aspas)]
        {
            match new.state {
                same if same == old => {}
                SourceState::Fresh => tracing::info!("{kind} are fresh ({})", new.name),
                worse => tracing::warn!("{kind} are {worse}, {old} before ({})", new.name),
            }
        }
        let mut standing = self.health.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.vrps = (self.book.in_use().vrps().len(), delta.vrps.clone());
        standing.aspas = (self.book.in_use().aspas().len(), delta.aspas.clone());
        drop(standing);
        Some(delta)
    }

    fn given(&self, at: Timestamp) -> Vec<Given> {
        let mut given: Vec<Given> = self.files.given(&self.config, at).into_iter().collect();
        given.extend(self.endpoint.as_ref().and_then(|e| polled(&e.borrow(), at, self.config.expire_secs)));
        let caches: Vec<rtr::Cache> = self.caches.iter().map(|c| c.borrow().clone()).collect();
        given.extend(rtr::in_use(&caches, at).and_then(|i| cached(&caches[i], at)));
        given
    }

    /// Looks at the file; reads it in a thread where it changed.
    async fn reread_slurm(&mut self) -> bool {
        let Some(path) = self.config.slurm.clone() else { return false };
        let mut slurm = std::mem::take(&mut self.slurm);
        let read = tokio::task::spawn_blocking(move || {
            let changed = slurm.refresh(&path);
            (slurm, changed)
        });
        let Ok((slurm, changed)) = read.await else { return false };
        self.slurm = slurm;
        if let (true, Some(problem)) = (changed, &self.slurm.problem) {
            tracing::error!("{problem}; the exceptions stay as they were");
        }
        changed
    }

    async fn reread_files(&mut self) {
        if self.config.files.is_empty() && self.config.aspas.is_empty() {
            return;
        }
        let (files, aspas): (Vec<PathBuf>, _) = (self.config.files.clone(), self.config.aspas.clone());
        let at = (self.clock)();
        let read =
            tokio::task::spawn_blocking(move || (data::rpki(&files, &aspas, Some(at)), oldest(&files, &aspas))).await;
        let panicked = |_| (Err(Failure::failed("reading VRPs stopped with a panic")), None);
        let (read, written) = read.unwrap_or_else(panicked);
        if let Err(error) = self.files.take(read, written, at) {
            tracing::warn!(%error, "RPKI data not refreshed");
        }
    }

    /// Sources that can be read and are not renewed.
    fn outdated(&self, endpoint: Option<&vrp_poll::Endpoint>, at: Timestamp) -> Vec<String> {
        let files = self.files.is_outdated(&self.config, at);
        let files = self.files.made.filter(|_| files).map(|made| (self.files.name.clone(), made));
        let polled = endpoint.filter(|e| e.is_outdated(at, self.config.expire_secs));
        let polled = polled.and_then(|e| Some((e.name.clone(), e.data.as_ref()?.as_of)));
        files.into_iter().chain(polled).map(|(name, made)| format!("{name} is not renewed since {made}")).collect()
    }

    /// Tells what is wrong with single sources, and whether each of them had its say.
    fn report(&self) {
        let caches: Vec<rtr::Cache> = self.caches.iter().map(|c| c.borrow().clone()).collect();
        let endpoint = self.endpoint.as_ref().map(|e| e.borrow().clone());
        let mut troubles: Vec<String> = self.files.problem.iter().chain(&self.slurm.problem).cloned().collect();
        troubles.extend(self.outdated(endpoint.as_ref(), (self.clock)()));
        if let Some(endpoint) = &endpoint
            && let Some((since, why)) = &endpoint.lost
        {
            troubles.push(format!("{} fails since {since}: {why}", endpoint.name));
        }
        for cache in &caches {
            troubles.extend(cache.warning.iter().map(|w| format!("cache {} {w}", cache.name)));
            troubles.extend(
                cache.lost.iter().map(|(since, why)| format!("cache {} lost since {since}: {why}", cache.name)),
            );
        }
        let failures = BTreeMap::from([
            ("file", self.files.failures),
            ("slurm", self.slurm.failures),
            ("url", endpoint.as_ref().map_or(0, |e| e.failures)),
            ("rtr", caches.iter().map(|c| c.failures).sum()),
        ]);
        let mut standing = self.health.standing.lock().unwrap_or_else(PoisonError::into_inner);
        (standing.troubles, standing.failures) = (troubles, failures);
        drop(standing);
        let all = caches.iter().all(rtr::Cache::was_tried) && endpoint.is_none_or(|e| e.was_tried());
        self.health.has_answers.send_replace(all);
    }
}

/// When the oldest of the files was written.
fn oldest(files: &[PathBuf], aspas: &[PathBuf]) -> Option<Timestamp> {
    let written = |path: &PathBuf| {
        let since = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_micros()).ok().map(Timestamp)
    };
    files.iter().chain(aspas).filter_map(written).min()
}

fn polled(endpoint: &vrp_poll::Endpoint, at: Timestamp, expire_secs: u64) -> Option<Given> {
    let data = endpoint.data.as_ref()?;
    Some(Given {
        name: endpoint.name.clone(),
        set: data.set.clone(),
        has_vrps: true,
        has_aspas: data.has_aspas,
        serial: None,
        as_of: Some(data.as_of),
        state: endpoint.state(at, expire_secs),
    })
}

fn cached(cache: &rtr::Cache, at: Timestamp) -> Option<Given> {
    let data = cache.data.as_ref()?;
    Some(Given {
        name: cache.name.clone(),
        set: data.set.clone(),
        has_vrps: true,
        // Version 2 is the first that has them.
        has_aspas: data.version >= 2,
        serial: Some(data.serial.into()),
        as_of: Some(data.received),
        state: cache.state(at),
    })
}

/// A cache or the URL has something new to say.
async fn something_came(
    caches: &mut [watch::Receiver<rtr::Cache>],
    endpoint: &mut Option<watch::Receiver<vrp_poll::Endpoint>>,
) {
    let mut any: Vec<BoxFuture<'_, ()>> = vec![std::future::pending().boxed()];
    any.extend(caches.iter_mut().map(|c| changed(c).boxed()));
    any.extend(endpoint.iter_mut().map(|e| changed(e).boxed()));
    select_all(any).await;
}

/// A task that is gone says nothing more; its last word stays.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
