//! What does `run` do? It starts everything along the flow, waits to be told to stop, and stops along the flow.
//!
//! Feeds fill one queue, the sequencer empties it into the engine, delivery empties the engine into view, metrics
//! and outboxes, and each sink empties its outbox. A stop closes the first queue; each stage ends when the queue
//! before it is empty, so what was read is judged and what was judged is delivered.

mod bmp;
mod bootstrap;
mod delivery;
mod intake;
mod live;
mod looking;
mod memory;
mod orphans;
mod parts;
mod receipts;
mod reload;
mod reporting;
mod rpki;
mod said;
mod scope;
mod shedding;
mod silence;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rules::desk::Recording;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::failure::Failure;
use crate::health::Report;
use crate::http::{self, Site};
use crate::metrics::Metrics;
use crate::notice::decider::{self, Decider, Hysteresis};
use crate::pipeline::{self, Extras, Threads};
use crate::sink::dispatch::Dispatch;
use crate::store::Store;
use crate::terminal::{self, Live, Looks};
use crate::watched::WatchedReport;
use crate::{cli, sink};
pub use bootstrap::Times;
use delivery::Delivered;
use intake::Taken;
pub use intake::now;
use parts::{Memory, Ports, Shown, delivering, relations};
pub use reload::Origin;
use reporting::Noticing;

/// How long sinks may take to deliver what is left after a stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(10);
/// How long threads that are blocked may hold up the end.
const LAST_BLOCKED: Duration = Duration::from_secs(2);
/// How often it is looked whether all parts work.
const PARTS_LOOKED_AT: Duration = Duration::from_secs(1);
/// Notices on their way to the sinks: all that one look can find.
const NOTICES: usize = decider::MOST;

/// Who may wait for dead letters to be settled; others are told to come again.
const SETTLINGS: usize = 4;

/// What is not in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where everything that can change a verdict is written to.
    pub record: Option<PathBuf>,
    /// None: one per core.
    pub shards: Option<usize>,
    /// How long to wait for archives.
    pub times: Times,
    /// How long something must last, and be gone, before a notice says so.
    pub hysteresis: Hysteresis,
    /// What is read again when it changes.
    pub origin: Origin,
}

/// `bgpwarden run`.
pub fn command(args: &cli::Run) -> Result<(), Failure> {
    let origin = Origin { path: args.config.clone(), asns: args.asn.clone(), every: None };
    let config = origin.load()?;
    config.notes().iter().for_each(|note| eprintln!("bgpwarden: {note}"));
    block_on(async {
        let options = Options { record: args.record.clone(), origin, ..Options::default() };
        let app = App::start(config, options).await?;
        for station in &app.stations {
            terminal::say(&format!("routers may speak BMP to {station}"));
        }
        terminal::say(&format!("watching; incidents and health on http://{}/, stop with Ctrl-C", app.address));
        let _live = Live::of(&app);
        app.run_until(told_to_stop()).await
    })
}

/// Runs a future with logging to stderr and TLS ready.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    log_to_stderr();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = runtime()?;
    let outcome = runtime.block_on(future);
    // A write to a pipe that nobody empties must not hold up the end.
    runtime.shutdown_timeout(LAST_BLOCKED);
    outcome
}

pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))
}

/// What the parts have to say of themselves.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,detector=info"));
    // A second call in one process (tests) finds both in place already.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(|| terminal::Above);
    let _ = log.with_ansi(terminal::is_here()).try_init();
}

/// Ctrl-C or SIGTERM.
pub async fn told_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! { () = interrupted => {}, () = terminated => {} }
}

/// Everything that runs.
pub struct App {
    /// Where the pages are.
    pub address: SocketAddr,
    /// Where routers connect, in the order of their feeds.
    pub stations: Vec<SocketAddr>,
    /// What a terminal shows.
    pub looks: Looks,
    intake: intake::Running,
    threads: Threads,
    delivery: JoinHandle<Delivered>,
    reporting: JoinHandle<()>,
    outboxes: Vec<(Arc<str>, Arc<sink::outbox::Outbox>)>,
    store: Store,
    sinks: JoinSet<Result<(), Failure>>,
    stop_http: Vec<oneshot::Sender<()>>,
    stop_streams: watch::Sender<()>,
    servers: JoinSet<std::io::Result<()>>,
}

impl App {
    /// Checks all that can be checked, then starts from the sinks up to the feeds.
    pub async fn start(mut config: Config, options: Options) -> Result<Self, Failure> {
        let hangup = reload::Hangup::listen();
        let ports = Ports::bind(&config).await?;
        let rpki = rpki::load(config.rpki.clone(), now)?;
        let relations = relations(&config, &rpki)?;
        let wire = parts::wire(&config)?;
        let names = wire.names.clone();
        let recorder = options.record.as_deref().map(intake::recorder).transpose()?;
        let store = Store::start(config.store.location.clone())?;
        let instance: Arc<str> = config.http.public_url.as_deref().unwrap_or("bgpwarden").into();
        let (verdicts, said) = watch::channel(0);
        let (followed, allowed) = reload::Verdicts::new(store.clone(), said).await;
        config.watch.said = allowed;
        let watch = Arc::new(config.watch.compile(&config.alerts));
        let reloaded = Arc::new(reload::Status::new(watch.clone()));
        let mut started = sink::start::start(&config.sinks, &store, &instance).await?;
        parts::start_routes(&config, &store, &reloaded, &wire, &mut started).await?;
        let sink::start::Started { routes, tasks: sinks, reminding, trials } = started;
        let outboxes = routes.iter().map(|route| (route.name.clone(), route.outbox.clone())).collect();
        let reported = routes.iter().map(|r| (r.name.clone(), r.outbox.clone(), r.status.clone())).collect();

        let memory = Memory::of(&config, &store).await;
        let shards = pipeline::shards(options.shards);
        let budget = config.limits.memory;
        let extras = Extras { routes: Recording::AsItGoes, memory: memory.keeps, tables: budget.is_some() };
        let engine = pipeline::start(config.alerts.settings(), shards, extras)
            .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        let shown = Shown { view: Arc::default(), metrics: Arc::new(Metrics::new()) };
        shown.metrics.measure(&engine.status.latency, routes.iter().map(|route| (&route.name, &route.outbox)));
        let mut dispatch = Dispatch::new(routes, store.clone());
        parts::go_on(&store, &memory, &mut dispatch, &wire, &reminding).await;
        parts::recall(&store, &shown.view).await;
        memory.open_incidents().for_each(|(id, labels)| shown.metrics.still_open(id, labels));
        let dispatched = dispatch.status();
        let (notices, noticed) = mpsc::channel(NOTICES);
        let delivering = delivering(&config, dispatch, &store, &shown, wire, engine.status.clone()).await;
        let (settle, settlings) = mpsc::channel(SETTLINGS);
        let delivery = tokio::spawn(delivering.run(engine.outputs, noticed, settlings));

        let running = config.clone();
        let judges = intake::Engine {
            intake: engine.intake,
            status: engine.status.clone(),
            recorder,
            checkpoints: memory.checkpoints,
            budget,
        };
        let given = intake::Given { before: memory.before, rpki, relations, watch, stations: ports.stations };
        let intake = intake::start(config.feeds, given, judges, shown.metrics.clone(), options.times);
        let reload = reload::Reload::new(options.origin, running, reloaded.clone(), intake.queue.clone(), followed);
        tokio::spawn(reload.follow(hangup));
        let (looked, watched) = watch::channel(Arc::new(WatchedReport::unknown()));
        tokio::spawn(looking::look(engine.questions.clone(), engine.status.clone(), looked));
        let watch = parts::watched(&reloaded);
        let reporter = reporting::Reporter {
            health: intake.health.clone(),
            engine: engine.status,
            sinks: reported,
            store: store.clone(),
            dispatched,
            metrics: shown.metrics.clone(),
            reloaded,
            watched: watched.clone(),
            is_without_memory: memory.is_locked_out,
            notices: Noticing::new(Decider::new(options.hysteresis, config.notices.heartbeat), &store, notices).await,
        };
        let (report, receiver) = watch::channel(Report::default());
        let (stop_streams, stopping) = watch::channel(());
        let reporting = tokio::spawn(reporter.run(report));
        let mut app = Self {
            address: ports.listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?,
            stations: ports.station_addresses,
            looks: Looks { report: receiver.clone(), watched: watched.clone(), view: shown.view.clone() },
            intake,
            threads: engine.threads,
            delivery,
            reporting,
            outboxes,
            store,
            sinks,
            stop_http: Vec::new(),
            stop_streams,
            servers: JoinSet::new(),
        };
        let (view, store, metrics, turns) = (shown.view, app.store.clone(), shown.metrics, Arc::default());
        let (questions, report, routes) = (engine.questions, receiver, config.routes.into());
        let table_lookups = Arc::new(Semaphore::new(1));
        let sinks = app.outboxes.iter().map(|(name, _)| name.clone()).collect();
        let site = Site {
            view,
            store,
            report,
            watched,
            watch,
            routes,
            trials: trials.into(),
            sinks,
            settle,
            metrics,
            turns,
            questions,
            table_lookups,
            names,
            verdicts,
            stopping,
        };
        app.serve(ports.listener, http::router(site.clone(), &config.http));
        if let Some(listener) = ports.metrics_listener {
            app.serve(listener, http::metrics_router(site));
        }
        Ok(app)
    }

    fn serve(&mut self, listener: TcpListener, router: axum::Router) {
        let (stop, stopped) = oneshot::channel();
        self.stop_http.push(stop);
        self.servers.spawn(http::serve(listener, router, async {
            let _ = stopped.await;
        }));
    }

    /// Runs until `stop` resolves or a sink cannot go on, then drains in the order of the flow.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let parts = (&self.delivery, &self.reporting);
        let part_ended = async {
            while !parts.0.is_finished() && !parts.1.is_finished() {
                tokio::time::sleep(PARTS_LOOKED_AT).await;
            }
        };
        let failure = tokio::select! {
            () = stop => None,
            // A supervisor starts anew what has ended; what only looks alive, nobody.
            () = part_ended => Some(Failure::failed("a part of it stopped with a panic; the lines above say which")),
            Some(ended) = self.sinks.join_next() => match ended {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure),
                Err(error) => Some(Failure::failed(format!("a sink stopped: {error}"))),
            },
        };
        let summary = self.drain().await;
        terminal::say(&summary);
        failure.map_or(Ok(()), Err)
    }

    async fn drain(mut self) -> String {
        let stopping = tokio::time::timeout(LAST_DELIVERIES, self.intake.stop()).await;
        let taken: Taken = stopping.unwrap_or_default();
        let delivering = tokio::time::timeout(LAST_DELIVERIES, &mut self.delivery).await;
        let delivered = match delivering {
            Ok(Ok(delivered)) => delivered,
            _ => {
                self.delivery.abort();
                Delivered::default()
            }
        };
        if tokio::task::spawn_blocking(|| self.threads.join()).await.is_err() {
            tracing::error!("the engine stopped with a panic");
        }
        self.outboxes.iter().for_each(|(_, outbox)| outbox.close());
        let all = async { while self.sinks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_DELIVERIES, all).await;
        self.reporting.abort();
        // Each server stops as soon as its sender is gone, and so does each stream.
        drop((self.stop_http, self.stop_streams));
        let closed = async { while self.servers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
        let _ = tokio::time::timeout(LAST_DELIVERIES, self.store.close()).await;
        let summary = format!("stopped after {} events and {} alerts", taken.events, delivered.alerts);
        let late = &delivered.late;
        let owed =
            self.outboxes.iter().map(|(name, outbox)| (name, outbox, late.get(name).copied().unwrap_or_default()));
        let left: Vec<_> = owed.filter_map(|(name, outbox, late)| left_over(name, outbox, late)).collect();
        match left.is_empty() {
            true => format!("{summary}; all delivered"),
            false => format!("{summary}; not delivered: {}", left.join(", ")),
        }
    }
}

/// `late`: never got as far as the outbox.
fn left_over(name: &str, outbox: &sink::outbox::Outbox, late: usize) -> Option<String> {
    let (left, lost) = (outbox.backlog() + late, outbox.unstored() + late);
    match (left, lost) {
        (0, _) => None,
        (_, 0) => Some(format!("{left} to {name}, kept in the store for the next start")),
        _ => Some(format!("{left} to {name}, {lost} of them in no store")),
    }
}

#[cfg(test)]
mod tests;
