//! How is the connection kept?

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Config, Status};
use crate::input::Item;

/// Runs until the receiver closes.
pub async fn run(_config: Config, _feed_name: Arc<str>, out: mpsc::Sender<Vec<Item>>, _status: Arc<Status>) {
    out.closed().await;
}
