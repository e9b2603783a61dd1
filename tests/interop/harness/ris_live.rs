//! A RIS Live server that sends what a test tells it to: for tests of what comes behind the feeds.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::until;

/// Frames that a subscriber may lag behind.
const FRAMES: usize = 65_536;

pub struct RisLive {
    pub url: String,
    frames: broadcast::Sender<String>,
    serving: tokio::task::JoinHandle<()>,
}

impl RisLive {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("ws://{}/", listener.local_addr().expect("an address"));
        let (frames, _) = broadcast::channel(FRAMES);
        let of_clients = frames.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, of_clients.clone()));
            }
        });
        Self { url, frames, serving }
    }

    pub async fn subscribed(&self) {
        until("a subscriber of RIS Live", 20, async || (self.frames.receiver_count() > 0).then_some(())).await;
    }

    /// A peer announces a prefix with a path, or withdraws it.
    pub fn say(&self, peer: u32, prefix: &str, path: Option<&[u32]>) {
        let address = format!("192.0.2.{}", peer % 250);
        let mut data = json!({
            "timestamp": jiff::Timestamp::now().as_millisecond() as f64 / 1e3, "peer": address,
            "peer_asn": peer.to_string(), "id": "interop", "host": "rrc00.ripe.net", "type": "UPDATE",
            "path": [], "community": [], "announcements": [], "withdrawals": [],
        });
        match path {
            None => data["withdrawals"] = json!([prefix]),
            Some(path) => {
                data["path"] = json!(path);
                data["origin"] = json!("IGP");
                data["announcements"] = json!([{"next_hop": address, "prefixes": [prefix]}]);
            }
        }
        self.send(&json!({"type": "ris_message", "data": data}));
    }

    pub fn send(&self, frame: &Value) {
        self.frames.send(frame.to_string()).expect("somebody listens");
    }
}

async fn serve(stream: TcpStream, frames: broadcast::Sender<String>) -> Result<(), Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        if message?.to_text().is_ok_and(|text| text.contains("ris_subscribe")) {
            break;
        }
    }
    let mut frames = frames.subscribe();
    loop {
        tokio::select! {
            Ok(frame) = frames.recv() => socket.send(Message::text(frame)).await?,
            message = socket.next() => {
                let message = message.ok_or(Error::ConnectionClosed)??;
                if message.to_text().is_ok_and(|text| text.contains("\"ping\"")) {
                    socket.send(Message::text(r#"{"type":"pong","data":null}"#)).await?;
                }
            }
        }
    }
}

impl Drop for RisLive {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
