//! What has to be there before anything can run, and what cannot be had is said before anything does?

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rules::alert::Status;
use rules::checkpoint::Checkpoint;
use rules::relations::Relations;
use tokio::net::TcpListener;

use super::delivery::Delivering;
use super::{bmp, memory, orphans, reload, rpki};
use crate::alert::{self, WireContext};
use crate::config::Config;
use crate::failure::Failure;
use crate::metrics::{Labels, Metrics};
use crate::sink::Delivery;
use crate::sink::courier::Courier;
use crate::sink::dispatch::Dispatch;
use crate::sink::scope::Watched;
use crate::sink::start::{self, Started};
use crate::store::history::Question;
use crate::store::{self, Store};
use crate::view::IncidentView;
use crate::{data, http, pipeline};

/// Incidents that are over and shown again at the start, and those of one question.
const RECALLED: usize = 500;

/// Where others connect.
pub struct Ports {
    pub listener: TcpListener,
    pub metrics_listener: Option<TcpListener>,
    pub stations: bmp::Stations,
    /// Of the stations, in the order of their feeds.
    pub station_addresses: Vec<SocketAddr>,
}

impl Ports {
    pub async fn bind(config: &Config) -> Result<Self, Failure> {
        let listener = http::bind(config.http.listen).await?;
        let metrics_listener = match config.http.metrics_listen {
            Some(address) => Some(http::bind(address).await?),
            None => None,
        };
        let stations = bmp::bind(&config.feeds).await?;
        let station_addresses = stations.values().filter_map(|listener| listener.local_addr().ok()).collect();
        Ok(Self { listener, metrics_listener, stations, station_addresses })
    }
}

/// Business relations; what is odd about them and about `rpki` goes to the log.
pub fn relations(config: &Config, rpki: &rpki::Loaded) -> Result<Relations, Failure> {
    let (file, siblings) = (config.relations.file.as_deref(), config.relations.siblings.as_deref());
    let (relations, warnings) = data::relations(file, siblings)?;
    for warning in rpki.warnings.iter().chain(&warnings) {
        tracing::warn!("{warning}");
    }
    Ok(relations)
}

/// What earlier lives knew, and whether this one writes down what it learns.
pub struct Memory {
    pub before: Option<Checkpoint>,
    /// What outlives the process is kept at all.
    pub keeps: bool,
    /// How often; never if it would go over what could not be read.
    pub checkpoints: Option<Duration>,
    pub is_locked_out: bool,
}

impl Memory {
    pub async fn of(config: &Config, store: &Store) -> Self {
        // What is forgotten at the end anyway needs no checkpoint.
        let keeps = config.store.location != store::Location::Memory;
        let loaded = if keeps { memory::load(store).await } else { Ok(None) };
        let is_locked_out = loaded.is_err();
        let every = Duration::from_secs(config.store.checkpoint_secs);
        let checkpoints = (keeps && !is_locked_out).then_some(every);
        Self { before: loaded.unwrap_or_default(), keeps, checkpoints, is_locked_out }
    }

    /// What this life goes on with; none if that stands in a store that cannot be read now.
    pub fn known_incidents(&self) -> Option<BTreeSet<&str>> {
        let known = self.before.iter().flat_map(|before| &before.desk.stories).map(|story| &*story.incident.id);
        (self.keeps && !self.is_locked_out).then(|| known.collect())
    }

    /// What earlier lives opened and this one goes on with.
    pub fn open_incidents(&self) -> impl Iterator<Item = (&str, Labels)> {
        let incidents = self.before.iter().flat_map(|before| &before.desk.stories).map(|story| &story.incident);
        let open = incidents.filter(|incident| incident.is_open());
        open.map(|incident| (&*incident.id, (incident.class, incident.severity, !incident.constituents.is_empty())))
    }
}

/// Shows what the store holds: all that is open, then the newest of what is over.
pub async fn recall(store: &Store, view: &IncidentView) {
    let open = Question { statuses: vec![Status::Open], ..Question::default() };
    let over = Question { statuses: vec![Status::Resolved, Status::Retracted], ..Question::default() };
    for (question, most) in [(open, IncidentView::INCIDENTS), (over, RECALLED)] {
        if let Err(problem) = recall_some(store, view, &question, most).await {
            return tracing::warn!("incidents of earlier lives are not shown: {problem}");
        }
    }
}

async fn recall_some(
    store: &Store,
    view: &IncidentView,
    question: &Question,
    most: usize,
) -> Result<(), store::Problem> {
    let (mut behind, mut recalled) = (None, 0);
    while recalled < most {
        let found = store.find(question.clone(), behind, RECALLED.min(most - recalled)).await?;
        for sent in &found.alerts {
            match alert::from_json(&sent.json) {
                Ok(alert) => view.put(Arc::new(alert), sent.json.as_str().into()),
                Err(error) => tracing::warn!("an incident of the store is not shown: {error}"),
            }
        }
        recalled += found.alerts.len();
        behind = found.alerts.last().map(|sent| sent.number);
        if !found.has_more {
            break;
        }
    }
    Ok(())
}

/// The ways to people and programs, each with what is watched at the moment it speaks.
pub async fn start_routes(
    config: &Config,
    store: &Store,
    reloaded: &Arc<reload::Status>,
    wire: &WireContext,
    started: &mut Started,
) -> Result<(), Failure> {
    start::start_routes(&config.routes, store, wire, &watched(reloaded), started).await
}

/// What stands open and nobody goes on with is over; then receivers that forget what is open are reminded of what is left of
/// what they heard of.
pub async fn go_on(
    store: &Store,
    memory: &Memory,
    dispatch: &mut Dispatch,
    wire: &WireContext,
    reminding: &[Arc<Courier>],
) {
    if let Some(known) = memory.known_incidents() {
        orphans::end(store, &known, dispatch, wire).await;
    }
    if reminding.is_empty() {
        return;
    }
    let open = open(store).await;
    for courier in reminding {
        if let Err(problem) = courier.recall(&open, store).await {
            tracing::warn!("a receiver that forgot what is open is told once it changes: {problem}");
        }
    }
}

/// What earlier lives left open.
async fn open(store: &Store) -> Vec<Delivery> {
    let (question, mut behind) = (Question { statuses: vec![Status::Open], ..Question::default() }, None);
    let mut open = Vec::new();
    while open.len() < IncidentView::INCIDENTS {
        let found = match store.find(question.clone(), behind, RECALLED).await {
            Ok(found) => found,
            Err(problem) => {
                tracing::warn!("receivers that forgot what is open are told once it changes: {problem}");
                break;
            }
        };
        let read = found.alerts.iter().filter_map(|sent| Some((alert::from_json(&sent.json).ok()?, &sent.json)));
        open.extend(read.map(|(alert, json)| Delivery::new(&alert, json.as_str().into())));
        behind = found.alerts.last().map(|sent| sent.number);
        if !found.has_more {
            break;
        }
    }
    open
}

/// Gives what is watched at the moment somebody asks.
pub fn watched(reloaded: &Arc<reload::Status>) -> Arc<Watched> {
    let reloaded = reloaded.clone();
    Arc::new(move || reloaded.standing().watch)
}

/// What pages and metrics show.
pub struct Shown {
    pub view: Arc<IncidentView>,
    pub metrics: Arc<Metrics>,
}

/// The least strict marking is a threshold that may change: the desk applies it.
pub fn wire(config: &Config) -> Result<WireContext, Failure> {
    let names = data::names(config.relations.siblings.as_deref())?;
    Ok(WireContext { public_url: config.http.public_url.clone(), names, ..WireContext::default() })
}

/// The way from the engine to store, sinks and pages.
pub async fn delivering(
    config: &Config,
    mut dispatch: Dispatch,
    store: &Store,
    shown: &Shown,
    context: WireContext,
    engine: Arc<pipeline::Status>,
) -> Delivering {
    // A store that cannot be used is said by health and log; alerts go out without it.
    dispatch.retry().await;
    Delivering {
        dispatch,
        keeper: memory::Keeper::new(store.clone()),
        retention_days: config.store.retention_days,
        most_bytes: config.store.max_mb.saturating_mul(1_000_000),
        context,
        view: shown.view.clone(),
        metrics: shown.metrics.clone(),
        engine,
    }
}

#[cfg(test)]
mod tests;
