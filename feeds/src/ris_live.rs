//! What does RIS Live say right now?

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use crate::counts::Counts;
use crate::input::Item;

/// Where to connect and what to ask for.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://`.
    pub url: String,
    pub client: String,
    /// Collectors; empty asks for all.
    pub hosts: Vec<String>,
    /// These and all inside them; empty asks for everything.
    pub prefixes: Vec<IpNet>,
    pub peer: Option<IpAddr>,
    pub path: Option<String>,
    pub include_raw: bool,
}

/// How the feed stands, for metrics and pages.
#[derive(Debug, Default)]
pub struct Status {
    pub connected: AtomicBool,
    /// Microseconds since the epoch, 0 before the first frame.
    pub last_frame: AtomicI64,
    pub reconnects: AtomicU64,
    pub gaps: AtomicU64,
    pub frames: AtomicU64,
    /// How long batches waited because the queue behind was full.
    pub stalled_micros: AtomicU64,
    pub counts: Mutex<Counts>,
}

/// A frame that is no RIS Live message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct DecodeError {
    pub kind: &'static str,
    pub detail: String,
}

/// Turns frames into items.
pub struct Decoder {
    counts: Counts,
}

pub fn decoder() -> Decoder {
    Decoder { counts: Counts::default() }
}

impl Decoder {
    pub fn frame(&mut self, _text: &str, _out: &mut Vec<Item>) -> Result<(), DecodeError> {
        Ok(())
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// Runs until the receiver closes.
pub async fn run(
    _config: Config,
    _feed_name: Arc<str>,
    out: tokio::sync::mpsc::Sender<Vec<Item>>,
    _status: Arc<Status>,
) {
    out.closed().await;
}
