//! Does a replay that is killed and begun again tell Kafka exactly what an undisturbed one tells?

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::parts::all_here;
use crate::harness::process::Process;
use crate::harness::random::Random;
use crate::harness::{times, until};
use crate::servers::kafka::{Kafka, PARTS};

/// Hijacked networks, each by an AS of its own.
const VICTIMS: u32 = 1_200;
/// Times that each is announced and withdrawn.
const EPISODES: u32 = 3;

/// RIS Live frames of two peers: everything announced and withdrawn again and again.
fn write_frames(path: &Path) {
    let mut lines = String::new();
    let mut time = 1_772_334_242_u32;
    for _ in 0..EPISODES {
        for is_announced in [true, false] {
            for victim in 0..VICTIMS {
                for peer in [3_001, 3_002] {
                    lines += &frame(peer, victim, time, is_announced);
                }
            }
            // Longer than the minute after which an end is told.
            time += 120;
        }
    }
    std::fs::write(path, lines).expect("written");
}

fn frame(peer: u32, victim: u32, time: u32, is_announced: bool) -> String {
    let (address, prefix) = (format!("192.0.2.{}", peer % 250), format!("2001:db8:{victim:x}::/48"));
    let mut data = json!({
        "timestamp": time, "peer": address, "peer_asn": peer.to_string(), "id": "interop", "host": "rrc00.ripe.net",
        "type": "UPDATE", "path": [], "community": [], "announcements": [], "withdrawals": [],
    });
    if is_announced {
        data["path"] = json!([peer, 3_100, 100_000 + victim]);
        data["origin"] = json!("IGP");
        data["announcements"] = json!([{"next_hop": address, "prefixes": [prefix]}]);
    } else {
        data["withdrawals"] = json!([prefix]);
    }
    json!({"type": "ris_message", "data": data}).to_string() + "\n"
}

/// A replay into topics that begin with `prefix`, with a store of its own in `folder`.
fn replay(kafka: &Kafka, folder: &Path, prefix: &str, frames: &Path) -> Process {
    let config = format!(
        "[store]\npath = \"bgpwarden.db\"\n\n[rpki]\nfiles = []\n\n[sinks.bus]\nkind = \"kafka\"\nbrokers = \"{}\"\n\
         prefix = \"{prefix}\"\ncreate_topics = true\n\n[[watch.constituents]]\nname = \"Example Bank\"\n\
         [[watch.constituents.resources]]\nprefix = \"2001:db8::/32\"\nexpected_origins = [64496]\n",
        kafka.brokers()
    );
    std::fs::write(folder.join("bgpwarden.toml"), config).expect("written");
    let program = Path::new(env!("CARGO_BIN_EXE_bgpwarden"));
    Process::start("replay", folder, program, ["replay", "--config", "bgpwarden.toml", &frames.display().to_string()])
}

async fn to_its_end(mut replay: Process) {
    let status = until("the replay ends", 120, async || replay.ended()).await;
    assert!(status.success(), "{}", replay.said());
}

/// What a topic has: (id, sequence), repeats once.
fn told(kafka: &Kafka, topic: &str) -> BTreeSet<(String, u64)> {
    kafka.messages(topic).iter().map(|message| message.name()).collect()
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_replay_that_is_killed_and_begun_again_tells_what_an_undisturbed_one_tells() {
    if !all_here(&PARTS) {
        return;
    }
    let kafka = Kafka::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let frames = folder.path().join("frames.jsonl");
    write_frames(&frames);
    let begun = Instant::now();
    to_its_end(replay(&kafka, folder.path(), "whole.", &frames)).await;
    let whole_secs = begun.elapsed().as_secs_f64();
    let expected = told(&kafka, "whole.alerts");
    assert!(expected.len() >= (VICTIMS * EPISODES * 2) as usize, "{} alerts only", expected.len());

    let mut random = Random::new();
    let mut in_mid_stream = 0;
    let kills = times("BGPWARDEN_KILLS", 5);
    for kill in 0..kills {
        let folder = tempfile::tempdir().expect("a folder");
        let prefix = format!("kill{kill}.");
        let mut killed = replay(&kafka, folder.path(), &prefix, &frames);
        tokio::time::sleep(Duration::from_secs_f64(whole_secs * random.part())).await;
        killed.kill();
        drop(killed);
        let topic = format!("{prefix}alerts");
        let before = kafka.messages_if_there(&topic).len();
        in_mid_stream += usize::from(before > 0 && before < expected.len());
        to_its_end(replay(&kafka, folder.path(), &prefix, &frames)).await;
        assert_eq!(told(&kafka, &topic), expected, "kill {kill}, after {before} alerts");
    }
    println!(
        "{kills} kills of a replay of {whole_secs:.1} s, {in_mid_stream} in mid-stream: {} alerts each time",
        expected.len()
    );
}
