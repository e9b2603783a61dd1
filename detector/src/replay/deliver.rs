//! How do the alerts of a replay get to the sinks of its configuration?
//!
//! The same way as those of `run`: through the store, which knows what every sink was offered. A replay that was killed
//! is run again from its start, and only what is missing goes out.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rules::alert::Alert;
use rules::desk::Output;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::alert::{WireContext, to_json};
use crate::app;
use crate::config::{Config, NdjsonTarget, Sink, SinkKind};
use crate::failure::Failure;
use crate::sink::Delivery;
use crate::sink::dispatch::{Decided, Dispatch};
use crate::sink::outbox::Outbox;
use crate::sink::start::{Started, start};
use crate::sink::status::SinkStatus;
use crate::store::Store;

/// How long no sink may confirm anything at the end before the rest is left to a rerun: twice as long as Kafka tries.
const NO_PROGRESS: Duration = Duration::from_secs(120);
/// How often somebody who waits is told for what.
const SAY_EVERY: Duration = Duration::from_secs(5);

pub struct Delivering {
    runtime: Runtime,
    dispatch: Dispatch,
    store: Store,
    context: WireContext,
    sinks: Vec<(Arc<str>, Arc<Outbox>, Arc<SinkStatus>)>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Delivering {
    /// None if the configuration names no sink but stdout, where a replay writes anyway.
    pub fn start(config: &Config, context: &WireContext) -> Result<Option<Self>, Failure> {
        let is_stdout = |sink: &&Sink| matches!(sink.kind, SinkKind::Ndjson { to: NdjsonTarget::Stdout });
        let named = config.sinks.iter().filter(|sink| !is_stdout(sink)).cloned();
        // A replay watches nothing, so it has nothing to say of the watching.
        let named: Vec<Sink> = named.map(|sink| Sink { notices: false, ..sink }).collect();
        if named.is_empty() {
            return Ok(None);
        }
        app::log_to_stderr();
        let runtime = app::runtime()?;
        let store = Store::start(config.store.location.clone())?;
        let instance: Arc<str> = config.http.public_url.as_deref().unwrap_or("bgpwarden").into();
        let Started { routes, tasks, .. } = runtime.block_on(start(&named, &store, &instance))?;
        let sinks = routes.iter().map(|r| (r.name.clone(), r.outbox.clone(), r.status.clone())).collect();
        let mut dispatch = Dispatch::new(routes, store.clone());
        runtime.block_on(dispatch.acquaint()).map_err(|problem| unusable(&problem))?;
        Ok(Some(Self { runtime, dispatch, store, context: context.clone(), sinks, tasks }))
    }

    /// Stores the alerts for the sinks; waits for the disk, never for a broker.
    pub fn take(&mut self, outputs: &[Output]) -> Result<(), Failure> {
        let alerts = outputs.iter().filter_map(|output| match output {
            Output::Alert(alert) => Some(alert),
            _ => None,
        });
        let decide = |alert: &Arc<Alert>| Decided {
            alert: alert.clone(),
            delivery: Delivery::new(alert, to_json(alert, &self.context).into()),
            // A rerun must decide alike, however much waits.
            merely_refreshes: false,
            chapter: None,
        };
        let decided: Vec<_> = alerts.map(decide).collect();
        if decided.is_empty() {
            return Ok(());
        }
        self.runtime.block_on(self.dispatch.put_or_fail(decided)).map_err(|problem| unusable(&problem))
    }

    /// Waits until the sinks have everything; gives up when none of them gets on.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.sinks.iter().for_each(|(_, outbox, _)| outbox.close());
        let waiting = wait(&mut self.tasks, &self.sinks);
        let outcome = self.runtime.block_on(waiting);
        self.tasks.abort_all();
        self.runtime.block_on(self.store.close());
        let left = self.left();
        match outcome {
            Err(failure) => Err(failure),
            Ok(()) if left.is_empty() => {
                for (name, _, status) in &self.sinks {
                    eprintln!("bgpwarden: {} delivered to {name}", status.delivered());
                }
                Ok(())
            }
            Ok(()) => Err(Failure::failed(format!(
                "not delivered: {left}; it is kept in \"{}\": give the same command again, and only what is missing \
                 is sent",
                self.store.location()
            ))),
        }
    }

    fn left(&self) -> String {
        let left = self.sinks.iter().filter(|(_, outbox, _)| outbox.backlog() > 0);
        left.map(|(name, outbox, status)| owed(name, outbox, status)).collect::<Vec<_>>().join(", ")
    }
}

/// Until all tasks have ended, or no sink has got on for too long.
async fn wait(
    tasks: &mut JoinSet<Result<(), Failure>>,
    sinks: &[(Arc<str>, Arc<Outbox>, Arc<SinkStatus>)],
) -> Result<(), Failure> {
    let delivered = || sinks.iter().map(|(_, _, status)| status.delivered()).sum::<u64>();
    let (mut seen, mut since) = (delivered(), Instant::now());
    let mut say = tokio::time::interval(SAY_EVERY);
    say.tick().await;
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => return Ok(()),
                Some(Ok(outcome)) => outcome?,
                Some(Err(error)) => return Err(Failure::failed(format!("a sink stopped: {error}"))),
            },
            _ = say.tick() => {
                for (name, outbox, status) in sinks.iter().filter(|(_, outbox, _)| outbox.backlog() > 0) {
                    let end = if std::io::stderr().is_terminal() { "; Ctrl-C leaves it to a rerun" } else { "" };
                    eprintln!("bgpwarden: still to be delivered: {}{end}", owed(name, outbox, status));
                }
                if delivered() > seen {
                    (seen, since) = (delivered(), Instant::now());
                } else if since.elapsed() > NO_PROGRESS {
                    return Ok(());
                }
            }
        }
    }
}

fn owed(name: &str, outbox: &Outbox, status: &SinkStatus) -> String {
    let why = status.error().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{} to {name}{why}", outbox.backlog())
}

fn unusable(problem: &crate::store::Problem) -> Failure {
    Failure::failed(format!("store: {problem}; a replay with sinks needs it to know what each of them has"))
}
