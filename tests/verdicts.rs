//! What a person was told is written down is there after a kill at that very moment.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// Kills, each right after an answer.
const KILLS: usize = 5;

const CONFIG: &str = "
[rpki]
[http]
listen = '127.0.0.1:0'
requests_per_sec = 1000000
[http.tokens.duty]
role = 'triage'
secret = { file = 'token' }
[store]
path = 'store.db'
[feeds.file]
kind = 'mrt'
files = ['frames.jsonl']
[sinks.file]
kind = 'ndjson'
path = 'alerts'
[[watch.constituents]]
name = 'Example'
[[watch.constituents.resources]]
prefix = '198.51.100.0/24'
expected_origins = [64496]
";

/// One peer announces a watched prefix with a stranger as its origin.
const FRAME: &str = r#"{"type":"ris_message","data":{"timestamp":1772334243,"peer":"192.0.2.1","peer_asn":"64500","id":"x","host":"rrc00.ripe.net","type":"UPDATE","path":[64500,64511],"origin":"IGP","announcements":[{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24"]}],"withdrawals":[]}}"#;

struct Life {
    child: Child,
    base: String,
}

impl Life {
    fn begin(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgpwarden"));
        command.args(["run", "--config", "bgpwarden.toml"]).current_dir(folder);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let base = loop {
            let line = lines.next().expect("it says where it is").expect("text");
            if let Some((_, rest)) = line.split_once("http://") {
                break format!("http://{}", rest.split('/').next().expect("an address"));
            }
        };
        // It must not wait for somebody who reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("an end");
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/{path}", self.base);
        let answer = reqwest::Client::new().get(url).bearer_auth("s3cret").send().await.expect("an answer");
        serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")
    }
}

#[tokio::test]
async fn what_was_said_survives_a_kill_at_that_moment() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("bgpwarden.toml", CONFIG), ("frames.jsonl", FRAME), ("token", "s3cret")] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let mut life = Life::begin(folder.path());
    let id = loop {
        let list = life.get("incidents?class=origin_hijack").await;
        if let Some(id) = list["incidents"][0]["id"].as_str() {
            break id.to_owned();
        }
    };
    let mut said = Vec::new();
    for n in 0..KILLS {
        let body = json!({ "verdict": "acknowledged", "why": format!("number {n}") });
        let url = format!("{}/api/v1/incidents/{id}/verdicts", life.base);
        let request = reqwest::Client::new().post(url).bearer_auth("s3cret").header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        life.kill();
        said.push(body["why"].clone());
        life = Life::begin(folder.path());
        let list = life.get(&format!("incidents/{id}/verdicts")).await;
        let kept: Vec<_> = list["verdicts"].as_array().expect("a list").iter().map(|v| v["why"].clone()).collect();
        assert_eq!(kept, said);
        assert_eq!(life.get(&format!("incidents/{id}")).await["id"], id.as_str(), "and so does the incident");
    }
    life.kill();
}
