//! The program under test, as its users run it.

use std::path::Path;

use serde_json::Value;

use super::process::Process;
use super::{free_port, until};

pub struct Bgpwarden {
    pub process: Process,
    /// `http://127.0.0.1:PORT`
    pub page: String,
    /// Where /metrics is without a token, as Prometheus has it in its configuration.
    pub metrics_port: u16,
}

impl Bgpwarden {
    /// `run` with a configuration whose `[http]` table is written here, up to where it answers.
    pub async fn start(folder: &Path, config: &str) -> Self {
        let metrics_port = free_port();
        // Nothing of the Internet: without a table the public VRPs would be fetched.
        let rpki = if config.contains("[rpki]") { "" } else { "\n[rpki]\nfiles = []\n" };
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:{metrics_port}\"\n\
             public_url = \"https://bgp.example.net\"\n\n{config}{rpki}"
        );
        let store = if text.contains("[store]") { "" } else { "\n[store]\npath = \"bgpwarden.db\"\n" };
        let text = text + store;
        std::fs::write(folder.join("bgpwarden.toml"), text).expect("written");
        let _ = std::fs::remove_file(folder.join("bgpwarden.log"));
        let program = Path::new(env!("CARGO_BIN_EXE_bgpwarden"));
        let mut process = Process::start("bgpwarden", folder, program, ["run", "--config", "bgpwarden.toml"]);
        let page = until("bgpwarden says where its page is", 30, async || {
            process.assert_alive();
            let said = process.said();
            let (_, rest) = said.split_once("health on ")?;
            Some(rest.split_once("/,")?.0.to_owned())
        });
        Self { page: page.await, process, metrics_port }
    }

    pub async fn get(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.page)).await.expect("an answer");
        answer.text().await.expect("text")
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await).expect("JSON")
    }

    /// The sum of all series of a family whose labels contain `labels`, such as `family="ipv4"`.
    pub async fn metric(&self, family: &str, labels: &str) -> f64 {
        let text = self.get("/metrics").await;
        let of_family = |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let lines = text.lines().filter(of_family).filter(|line| line.contains(labels));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until a metric is what it should be.
    pub async fn until_metric(&self, family: &str, labels: &str, secs: u64, good: impl Fn(f64) -> bool) -> f64 {
        until(&format!("{family}{{{labels}}}"), secs, async || {
            Some(self.metric(family, labels).await).filter(|v| good(*v))
        })
        .await
    }

    /// Stops it as systemd does.
    pub fn stop(&mut self) -> String {
        let status = self.process.stop(40);
        assert!(status.success(), "bgpwarden ended with {status}: {}", self.process.said());
        self.process.said()
    }
}

/// A station for routers of this machine.
pub fn bmp_feed(name: &str, port: u16) -> String {
    format!(
        "[feeds.{name}]\nkind = \"bmp\"\nlisten = \"127.0.0.1:{port}\"\n\
         [[feeds.{name}.routers]]\naddress = \"127.0.0.1\"\nname = \"{name}\"\n\n"
    )
}
