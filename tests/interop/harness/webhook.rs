//! A receiver of webhooks that keeps what it gets, with the moment it came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

type Kept = Arc<Mutex<Vec<(Instant, Value)>>>;

pub struct Webhook {
    pub url: String,
    kept: Kept,
    serving: tokio::task::JoinHandle<()>,
}

impl Webhook {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let kept = Kept::default();
        let router = Router::new().route("/", post(keep)).with_state(kept.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Self { url, kept, serving }
    }

    /// Everything that came so far.
    pub fn kept(&self) -> Vec<(Instant, Value)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn keep(State(kept): State<Kept>, Json(body): Json<Value>) {
    kept.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), body));
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
