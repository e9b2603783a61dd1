//! What becomes of an alert once it is decided?

use std::sync::Arc;
use std::time::Duration;

use rules::alert::Alert;
use rules::desk::Output;
use tokio::sync::mpsc::Receiver;

use super::intake::now;
use crate::alert::{WireContext, to_json};
use crate::metrics::{Metrics, Stage};
use crate::sink::{Delivery, Route};
use crate::text;
use crate::view::IncidentView;

#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    pub alerts: u64,
}

/// Writes each alert once and hands the same bytes to everybody, until the engine is done.
pub async fn run(
    mut outputs: Receiver<Vec<Output>>,
    mut routes: Vec<Route>,
    context: WireContext,
    view: Arc<IncidentView>,
    metrics: Arc<Metrics>,
) -> Delivered {
    let mut delivered = Delivered::default();
    while let Some(batch) = outputs.recv().await {
        for output in batch {
            let Output::Alert(alert) = output else { continue };
            delivered.alerts += 1;
            let json: Arc<str> = to_json(&alert, &context).into();
            log(&alert);
            metrics.alert(&alert);
            let waited = (now() - alert.time).try_into().unwrap_or_default();
            metrics.latency(Stage::Decided, Duration::from_micros(waited));
            let delivery = Delivery::new(&alert, json.clone());
            view.put(alert, json);
            for route in &mut routes {
                route.push(&delivery).await;
            }
        }
    }
    delivered
}

/// One line per transition.
fn log(alert: &Alert) {
    let title = text::plain(&alert.title, 200);
    tracing::info!(id = %alert.id, class = %alert.class, severity = %alert.severity, "{}: {title}", alert.transition);
}
