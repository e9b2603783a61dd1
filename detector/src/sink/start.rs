//! How do the sinks of a configuration begin to work?

use std::sync::Arc;

use tokio::task::JoinSet;

use super::courier::Courier;
use super::filter::Filter;
use super::kafka::Publisher;
use super::outbox::Outbox;
use super::scope::{Scope, Watched};
use super::trial::Trial;
use super::{Route, ndjson};
use crate::alert::WireContext;
use crate::config::{self, Sink, SinkKind};
use crate::failure::Failure;
use crate::store::Store;

/// A route per sink, and the tasks that empty their outboxes. A task ends when its outbox is closed and empty.
pub struct Started {
    pub routes: Vec<Route>,
    pub tasks: JoinSet<Result<(), Failure>>,
    /// Those whose receivers forget what is open.
    pub reminding: Vec<Arc<Courier>>,
    /// The routes, to be tested.
    pub trials: Vec<Trial>,
}

/// Checks what can be checked and starts a task per sink. `instance` is who speaks.
pub async fn start(sinks: &[Sink], store: &Store, instance: &Arc<str>) -> Result<Started, Failure> {
    let (mut routes, mut tasks) = (Vec::new(), JoinSet::new());
    for Sink { name, min_severity, notices, kind } in sinks {
        let outbox = Arc::new(Outbox::over(store.clone(), name.clone()));
        let mut route = Route::new(name.clone(), *min_severity, outbox.clone());
        route.notices = *notices;
        let status = route.status.clone();
        match kind {
            SinkKind::Ndjson { to } => {
                let (name, writer) = (name.clone(), ndjson::open(to)?);
                tasks.spawn(async move {
                    tokio::select! {
                        outcome = ndjson::run(name, writer, outbox.clone(), status) => outcome,
                        never = outbox.keep_filled() => match never {},
                    }
                });
            }
            SinkKind::Kafka(kafka) => {
                let publisher = Publisher::new(name.clone(), kafka.clone(), instance.clone(), status)?;
                publisher.check_topics().await?;
                route.notices = *notices && publisher.check_notices_topic().await?;
                route.keeps_latest = true;
                tasks.spawn(async move {
                    tokio::select! {
                        () = publisher.run(&outbox) => Ok(()),
                        never = outbox.keep_filled() => match never {},
                    }
                });
            }
        }
        routes.push(route);
    }
    Ok(Started { routes, tasks, reminding: Vec::new(), trials: Vec::new() })
}

/// The same for routes; `watched` gives what is watched now.
pub async fn start_routes(
    routes: &[config::Route],
    store: &Store,
    context: &WireContext,
    watched: &Arc<Watched>,
    started: &mut Started,
) -> Result<(), Failure> {
    for config in routes {
        let outbox = Arc::new(Outbox::over(store.clone(), config.name.clone()));
        let scope = (!config.constituents.is_empty()).then(|| Scope::new(&config.constituents, watched.clone()));
        let filter = Filter::of(config, scope.clone());
        let mut route = Route::new(config.name.clone(), filter, outbox.clone());
        route.notices = config.notices;
        let courier = Arc::new(Courier::new(config, scope, context.clone(), route.status.clone())?);
        started.trials.push(Trial::new(courier.clone(), config.kind.word()));
        started.reminding.extend(Some(courier.clone()).filter(|courier| courier.reminds()));
        started.tasks.spawn(async move {
            tokio::select! {
                () = courier.run(&outbox) => Ok(()),
                never = outbox.keep_filled() => match never {},
            }
        });
        started.routes.push(route);
    }
    Ok(())
}
