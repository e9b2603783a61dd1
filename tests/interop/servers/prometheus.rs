//! Prometheus with the rules that are shipped, and Alertmanager with the route that is shipped.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::parts::{Part, program};
use crate::harness::process::Process;
use crate::harness::{free_port, until};

pub const PARTS: [Part; 5] = [
    Part::Command("prometheus"),
    Part::Command("prometheus-alertmanager"),
    Part::Command("promtool"),
    Part::Command("amtool"),
    Part::Command("setpriv"),
];

/// The folder `deploy`.
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize().expect("deploy is there")
}

pub struct Prometheus {
    pub url: String,
    _process: Process,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` each second under the job of the shipped rules, and tells Alertmanager.
    pub async fn start(target: u16, alertmanager: Option<&Alertmanager>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let shipped = deploy().join("prometheus").display().to_string();
        let receivers = alertmanager.map(|a| format!("'127.0.0.1:{}'", a.port)).unwrap_or_default();
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{shipped}/alerts.yml', '{shipped}/recording.yml']\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: [{receivers}]}}]}}]}}\n\
             scrape_configs:\n- job_name: bgpwarden\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), text).expect("written");
        let args = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let process = Process::start("prometheus", folder.path(), &program(Part::Command("prometheus")), args);
        let url = format!("http://127.0.0.1:{port}");
        let mut prometheus = Self { url, _process: process, _folder: folder };
        prometheus.answers().await;
        prometheus
    }

    async fn answers(&mut self) {
        until("Prometheus is ready", 30, async || {
            self._process.assert_alive();
            reqwest::get(format!("{}/-/ready", self.url)).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// The result of an instant query, or what is wrong with it.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let client = reqwest::Client::new();
        let body: String =
            [("query", expression)].iter().map(|(key, value)| format!("{key}={}", percent_encoded(value))).collect();
        let request = client
            .post(format!("{}/api/v1/query", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let text = request.send().await.map_err(|error| error.to_string())?.text().await.map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match answer["data"]["result"].as_array() {
            Some(result) => Ok(result.clone()),
            None => Err(answer["error"].to_string()),
        }
    }

    /// Waits until an expression gives something.
    pub async fn until_some(&self, expression: &str, secs: u64) -> Vec<Value> {
        until(expression, secs, async || self.query(expression).await.ok().filter(|found| !found.is_empty())).await
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

pub struct Alertmanager {
    pub port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Alertmanager {
    /// The shipped example of a route, with every receiver at `webhook`.
    pub async fn start(webhook: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let example = std::fs::read_to_string(deploy().join("prometheus/alertmanager.yml")).expect("it is shipped");
        let text: Vec<_> = example
            .lines()
            .map(|line| match line.split_once("url:") {
                Some((before, _)) => format!("{before}url: '{webhook}'"),
                None => line.to_owned(),
            })
            .collect();
        std::fs::write(folder.path().join("alertmanager.yml"), text.join("\n") + "\n").expect("written");
        let args = [
            "--config.file=alertmanager.yml".to_owned(),
            "--storage.path=data".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
            // Empty: else it opens a port on all addresses.
            "--cluster.listen-address=".to_owned(),
        ];
        let program = program(Part::Command("prometheus-alertmanager"));
        let mut process = Process::start("alertmanager", folder.path(), &program, args);
        until("Alertmanager is ready", 30, async || {
            process.assert_alive();
            let url = format!("http://127.0.0.1:{port}/-/ready");
            reqwest::get(url).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        Self { port, _process: process, _folder: folder }
    }
}
