//! A process that is killed in the middle of things and started again: no incident under two ids, none forgotten.
//!
//! `BGPWARDEN_KILLS` says how often (default 3), `BGPWARDEN_SEED` when; the seed of a run is printed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use feeds::mrt_write::{self, Line};
use futures_util::{SinkExt, StreamExt};
use rules::bgp::{Asn, Timestamp};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

const PEERS: [u32; 3] = [64500, 64501, 64502];
/// Of every hijack: seconds from one beginning to the next, and from beginning to end.
const EVERY: f64 = 3.0;
const LASTS: f64 = 12.0;
/// What a process needs between two kills to get anywhere.
const LIFE: (u64, u64) = (2_000, 9_000);

/// Nobody does two things: those would be one story.
const CULPRITS: [u32; 23] = [
    64497, 64498, 64499, 64503, 64504, 64505, 64506, 64507, 64508, 64509, 65536, 65537, 65538, 65539, 65540, 65541,
    65542, 65543, 65544, 65545, 65546, 65547, 65548,
];

/// The hijack of that number: who, and a part of 2001:db8::/32 that nobody else announces.
fn hijack(number: usize) -> (u32, String) {
    (CULPRITS[number], format!("2001:db8:{:x}::/48", number + 1))
}

/// A collector that goes through its hijacks whether or not somebody listens. Whoever comes is told at first what is
/// there and what is gone, as the archives would tell.
async fn serve(listener: TcpListener, hijacks: usize) {
    let begun = Instant::now();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(play(stream, hijacks, begun));
    }
}

async fn play(stream: TcpStream, hijacks: usize, begun: Instant) -> Result<(), Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        if message?.to_text().is_ok_and(|text| text.contains("ris_subscribe")) {
            break;
        }
    }
    let mut told: BTreeMap<usize, bool> = BTreeMap::new();
    let mut beat = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let now = begun.elapsed().as_secs_f64();
                for number in 0..hijacks {
                    let start = number as f64 * EVERY;
                    let is_on = now >= start && now < start + LASTS;
                    let before = told.insert(number, is_on);
                    if now >= start && before != Some(is_on) {
                        for peer in PEERS {
                            socket.feed(Message::text(frame(peer, number, is_on))).await?;
                        }
                    }
                }
                socket.flush().await?;
            }
            message = socket.next() => {
                let message = message.ok_or(Error::ConnectionClosed)??;
                if message.to_text().is_ok_and(|text| text.contains("\"ping\"")) {
                    socket.send(Message::text(r#"{"type":"pong","data":null}"#)).await?;
                }
            }
        }
    }
}

fn frame(peer: u32, number: usize, is_on: bool) -> String {
    let (asn, prefix) = hijack(number);
    let address = address(peer);
    let mut data = json!({
        "timestamp": now().0 as f64 / 1e6, "peer": address, "peer_asn": peer.to_string(), "id": "test",
        "host": "rrc00.ripe.net", "type": "UPDATE", "community": [], "announcements": [], "withdrawals": [],
    });
    if is_on {
        data["path"] = json!([peer, 64511, asn]);
        data["origin"] = json!("IGP");
        data["announcements"] = json!([{"next_hop": "2001:db8::1", "prefixes": [prefix]}]);
    } else {
        data["withdrawals"] = json!([prefix]);
    }
    json!({"type": "ris_message", "data": data}).to_string()
}

fn address(peer: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, (peer % 200) as u8))
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(since.as_micros() as i64)
}

/// A dump of an hour ago: 2001:db8::/32 belongs to AS64496.
fn write_dump(path: &Path) {
    let line = |peer: &u32| Line {
        time: now().plus_secs(-3_600),
        peer_as: Asn(*peer),
        peer_address: address(*peer),
        prefix: "2001:db8::/32".parse().expect("a prefix"),
        as_path: Some(format!("{peer} 64510 64496").parse().expect("a path")),
    };
    std::fs::write(path, mrt_write::rib(PEERS.iter().map(line)).expect("a dump")).expect("written");
}

fn start(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bgpwarden"))
        .args(["run", "--config"])
        .arg(config)
        .env("RUST_LOG", "warn,detector=info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// Every alert, repeats left out; a repeat must say the same.
fn alerts(path: &Path) -> BTreeMap<(String, u64), Value> {
    let mut all = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        // The last line may be half written while we look.
        let Ok(alert) = serde_json::from_str::<Value>(line) else { continue };
        let key = (alert["id"].as_str().expect("an id").to_owned(), alert["sequence"].as_u64().expect("a number"));
        if let Some(before) = all.insert(key, alert.clone()) {
            assert_eq!(before, alert, "a repeat says something else");
        }
    }
    all
}

/// The last alert of each incident.
fn last(alerts: &BTreeMap<(String, u64), Value>) -> BTreeMap<&str, &Value> {
    alerts.iter().map(|((id, _), alert)| (id.as_str(), alert)).collect()
}

/// What a number in the environment says.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// splitmix64.
fn roll(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % sides
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_random_tells_every_incident_once_and_to_its_end() {
    let kills = given("BGPWARDEN_KILLS").unwrap_or(3);
    let mut dice = given("BGPWARDEN_SEED").unwrap_or(now().0 as u64 % 100_000);
    eprintln!("BGPWARDEN_SEED={dice} BGPWARDEN_KILLS={kills}");
    let hijacks = (3 + 2 * kills as usize).min(CULPRITS.len());
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(serve(listener, hijacks));
    let (dump, out) = (folder.path().join("dump.mrt"), folder.path().join("alerts.ndjson"));
    write_dump(&dump);
    let config = folder.path().join("bgpwarden.toml");
    let text = format!(
        "[http]\nlisten = '127.0.0.1:0'\n[store]\npath = 'store.db'\ncheckpoint_secs = 1\n[alerts]\nhold_down_secs = 1\n\
         [rpki]\n[feeds.dump]\nkind = 'mrt'\nrib = ['rrc00=dump.mrt']\n\
         [feeds.live]\nkind = 'ris_live'\nurl = 'ws://127.0.0.1:{port}/v1/ws/'\n\
         [sinks.file]\nkind = 'ndjson'\npath = 'alerts.ndjson'\n"
    );
    std::fs::write(&config, text).expect("written");

    for _ in 0..kills {
        let mut child = start(&config);
        tokio::time::sleep(Duration::from_millis(LIFE.0 + roll(&mut dice, LIFE.1 - LIFE.0))).await;
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
        tokio::time::sleep(Duration::from_millis(roll(&mut dice, 2_000))).await;
    }
    let mut child = start(&config);
    let is_over = |all: &BTreeMap<(String, u64), Value>| {
        let last = last(all);
        last.len() >= hijacks && last.values().all(|a| a["status"] == "resolved")
    };
    let deadline = Instant::now() + Duration::from_secs_f64(hijacks as f64 * EVERY + LASTS + 150.0);
    while Instant::now() < deadline && !is_over(&alerts(&out)) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");

    let all = alerts(&out);
    let told = last(&all);
    for number in 0..hijacks {
        let (asn, prefix) = hijack(number);
        let ids: Vec<_> =
            told.iter().filter(|(_, a)| a["prefixes"].as_array().is_some_and(|p| p.contains(&json!(prefix)))).collect();
        assert_eq!(
            ids.len(),
            1,
            "hijack {number} of {prefix} by AS{asn} has the ids {:?}",
            ids.iter().map(|(id, _)| id).collect::<Vec<_>>()
        );
        assert_eq!(ids[0].1["status"], "resolved", "hijack {number}: {}", ids[0].1["title"]);
    }
    for (id, last) in &told {
        let sequences: Vec<u64> = all.keys().filter(|(of, _)| of == id).map(|(_, sequence)| *sequence).collect();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "of {id}: {last}");
    }
}
