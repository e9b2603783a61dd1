//! A RIS Live server on loopback: a real WebSocket, one subscriber at a time, the stories from their start.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::stories::{PEERS, STORIES, Step};

/// Serves until the task is dropped. Whoever connects and subscribes sees all stories.
pub async fn serve(listener: TcpListener, speed: f64) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away is waited for again.
        let _ = play(stream, speed).await;
    }
}

async fn play(stream: TcpStream, speed: f64) -> Result<(), Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        if message?.to_text().is_ok_and(|text| text.contains("ris_subscribe")) {
            break;
        }
    }
    let start = Instant::now();
    let mut steps: Vec<&Step> = STORIES.iter().flat_map(|story| story.steps).collect();
    steps.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut heartbeat = tokio::time::interval(Duration::from_secs(1));
    for step in steps {
        let due = start + Duration::from_secs_f64(step.at / speed);
        while Instant::now() < due {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                _ = heartbeat.tick() => socket.send(keepalive()).await?,
                message = socket.next() => answer(&mut socket, message).await?,
            }
        }
        for frame in frames(step) {
            socket.feed(frame).await?;
        }
        socket.flush().await?;
    }
    loop {
        tokio::select! {
            _ = heartbeat.tick() => socket.send(keepalive()).await?,
            message = socket.next() => answer(&mut socket, message).await?,
        }
    }
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn answer(socket: &mut Socket, message: Option<Result<Message, Error>>) -> Result<(), Error> {
    let message = message.ok_or(Error::ConnectionClosed)??;
    if message.to_text().is_ok_and(|text| text.contains("\"ping\"")) {
        socket.send(Message::text(r#"{"type":"pong","data":null}"#)).await?;
    }
    Ok(())
}

fn frames(step: &Step) -> impl Iterator<Item = Message> {
    PEERS.iter().take(step.peers).map(|peer| {
        let (host, asn, address, transit) = *peer;
        let mut data = json!({
            "timestamp": now(), "peer": format!("192.0.2.{address}"), "peer_asn": asn.to_string(),
            "id": format!("demo-{address}"), "host": format!("{host}.ripe.net"), "type": "UPDATE",
            "path": [], "community": [], "announcements": [], "withdrawals": [],
        });
        match step.tail {
            None => data["withdrawals"] = json!([step.prefix]),
            Some(tail) => {
                let tail = tail.split(' ').filter_map(|word| word.parse::<u32>().ok());
                data["path"] = json!([asn, transit].into_iter().chain(tail).collect::<Vec<_>>());
                data["origin"] = json!("IGP");
                data["announcements"] = json!([{"next_hop": format!("192.0.2.{address}"), "prefixes": [step.prefix]}]);
            }
        }
        Message::text(json!({"type": "ris_message", "data": data}).to_string())
    })
}

/// Shows that the feed lives while the stories are silent.
fn keepalive() -> Message {
    let (host, asn, address, _) = PEERS[0];
    let data = json!({
        "timestamp": now(), "peer": format!("192.0.2.{address}"), "peer_asn": asn.to_string(),
        "id": "demo", "host": format!("{host}.ripe.net"), "type": "KEEPALIVE",
    });
    Message::text(json!({"type": "ris_message", "data": data}).to_string())
}

/// The time of the frame, as a collector would write it.
fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1e3
}
