//! What has to be there before anything can run, and what cannot be had is said before anything does?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rules::checkpoint::Checkpoint;
use rules::relations::Relations;
use tokio::net::TcpListener;

use super::delivery::Delivering;
use super::{bmp, memory, rpki};
use crate::alert::WireContext;
use crate::config::Config;
use crate::failure::Failure;
use crate::metrics::{Labels, Metrics};
use crate::sink::dispatch::Dispatch;
use crate::store::{self, Store};
use crate::view::IncidentView;
use crate::{data, http, pipeline};

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

    /// What earlier lives opened and this one goes on with.
    pub fn open_incidents(&self) -> impl Iterator<Item = (&str, Labels)> {
        let incidents = self.before.iter().flat_map(|before| &before.desk.stories).map(|story| &story.incident);
        let open = incidents.filter(|incident| incident.is_open());
        open.map(|incident| (&*incident.id, (incident.class, incident.severity, !incident.constituents.is_empty())))
    }
}

/// What pages and metrics show.
pub struct Shown {
    pub view: Arc<IncidentView>,
    pub metrics: Arc<Metrics>,
}

/// The way from the engine to store, sinks and pages.
pub async fn delivering(
    config: &Config,
    mut dispatch: Dispatch,
    store: &Store,
    shown: &Shown,
    engine: Arc<pipeline::Status>,
) -> Delivering {
    // A store that cannot be used is said by health and log; alerts go out without it.
    dispatch.retry().await;
    Delivering {
        dispatch,
        keeper: memory::Keeper::new(store.clone()),
        retention_days: config.store.retention_days,
        // The least strict marking is a threshold that may change: the desk applies it.
        context: WireContext { public_url: config.http.public_url.clone(), ..WireContext::default() },
        view: shown.view.clone(),
        metrics: shown.metrics.clone(),
        engine,
    }
}
