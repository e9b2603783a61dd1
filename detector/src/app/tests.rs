use std::io::BufRead;
use std::sync::atomic::Ordering;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::bootstrap::tests::{Archive, times};
use super::*;
use crate::alert::WireContext;
use crate::config::{Feed, FeedKind, NdjsonTarget, SinkKind};
use crate::store::Location;

/// One UPDATE a line, as RIS Live sends them: a dump's worth of history is missing, so the watched resource says
/// what is expected.
pub(super) fn frames() -> String {
    let frame = |peer: u32, origin: u32, time: f64| {
        format!(
            r#"{{"type":"ris_message","data":{{"timestamp":{time},"peer":"192.0.2.{}","peer_asn":"{peer}","id":"x","host":"rrc00.ripe.net","type":"UPDATE","path":[{peer},{origin}],"origin":"IGP","announcements":[{{"next_hop":"192.0.2.{}","prefixes":["198.51.100.0/24"]}}],"withdrawals":[]}}}}"#,
            peer % 200,
            peer % 200
        )
    };
    let lines: Vec<_> = (1..=5).map(|i| frame(3_000 + i, 64_511, 1_772_334_242.0 + f64::from(i))).collect();
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_feed_reads_reaches_the_sink_and_the_page_before_the_end() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let (input, alerts) = (dir.path().join("frames.jsonl"), dir.path().join("alerts.ndjson"));
    std::fs::write(&input, frames()).expect("written");
    let text = "[rpki]\n[[watch.constituents]]\nname = 'Example'\n[[watch.constituents.resources]]\nprefix = '198.51.100.0/24'\n\
                expected_origins = [64496]";
    let mut config = Config::parse("test", text, dir.path()).expect("fine");
    config.http.listen = "127.0.0.1:0".parse().expect("an address");
    let kind = FeedKind::Mrt { files: vec![input.display().to_string()], rib: vec![] };
    config.store.location = Location::File(dir.path().join("store.db"));
    config.feeds = vec![Feed::new("file", kind)];
    config.sinks[0].kind = SinkKind::Ndjson { to: NdjsonTarget::File(alerts.clone()) };
    let options = Options { record: Some(dir.path().join("events")), shards: Some(2), ..Options::default() };
    let app = App::start(config, options).await.expect("started");
    let base = format!("http://{}", app.address);
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(app.run_until(async {
        let _ = stopped.await;
    }));
    let found = timeout(Duration::from_secs(20), async {
        loop {
            let body = reqwest::get(format!("{base}/api/v1/incidents")).await.expect("an answer").text().await;
            let list: Value = serde_json::from_str(&body.expect("text")).expect("JSON");
            if list["count"] != 0 {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let list = found.await.expect("an incident in time");
    assert_eq!(list["incidents"][0]["detected_origins"], serde_json::json!([64511]));
    stop.send(()).expect("still running");
    timeout(Duration::from_secs(30), running).await.expect("an end").expect("no panic").expect("no failure");
    let file = std::io::BufReader::new(std::fs::File::open(&alerts).expect("a file"));
    let first: Value = serde_json::from_str(&file.lines().next().expect("a line").expect("text")).expect("JSON");
    assert_eq!((&first["transition"], &first["constituents"][0]["name"]), (&"opened".into(), &"Example".into()));
    let told = std::fs::read_to_string(&alerts).expect("alerts");
    assert_eq!(replayed(&dir.path().join("events")), told, "a recording gives the same bytes as the live run");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_an_earlier_life_is_shown_before_anything_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let location = Location::File(dir.path().join("store.db"));
    let alert = rules::alert::Alert {
        status: rules::alert::Status::Resolved,
        transition: rules::alert::Transition::Resolved,
        ..crate::alert::samples::opened()
    };
    let json = crate::alert::to_json(&alert, &WireContext::default());
    let store = Store::start(location.clone()).expect("a store");
    let parcel = sink::Parcel::Alert(sink::Delivery::new(&alert, json.clone().into()));
    store.put(vec![crate::store::Put { parcel, sinks: Vec::new(), chapter: None }]).await.expect("stored");
    store.close().await;
    let mut config = Config::parse("test", "[rpki]", dir.path()).expect("fine");
    config.http.listen = "127.0.0.1:0".parse().expect("an address");
    config.store.location = location;
    config.feeds = vec![Feed::new("file", FeedKind::Mrt { files: vec![], rib: vec![] })];
    config.sinks = Vec::new();
    let app = App::start(config, Options::default()).await.expect("started");
    let base = format!("http://{}", app.address);
    let get = async |path: &str| reqwest::get(format!("{base}{path}")).await.expect("an answer").text().await;
    assert_eq!(get(&format!("/api/v1/incidents/{}", alert.id)).await.expect("text"), json);
    let page = get("/").await.expect("text");
    assert!(page.contains(&alert.title), "{page}");
    app.run_until(std::future::ready(())).await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_incident_that_nobody_goes_on_with_is_over_and_sinks_hear_of_it_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (location, told) = (Location::File(dir.path().join("store.db")), dir.path().join("alerts.ndjson"));
    let old = crate::alert::samples::opened();
    let recent = rules::alert::Alert { id: "bw-recent".into(), started: now(), ..old.clone() };
    let store = Store::start(location.clone()).expect("a store");
    for alert in [&old, &recent] {
        let json = crate::alert::to_json(alert, &WireContext::default());
        let parcel = sink::Parcel::Alert(sink::Delivery::new(alert, json.into()));
        store.put(vec![crate::store::Put { parcel, sinks: Vec::new(), chapter: None }]).await.expect("stored");
    }
    store.close().await;
    for _ in 0..2 {
        let mut config = Config::parse("test", "[rpki]", dir.path()).expect("fine");
        config.http.listen = "127.0.0.1:0".parse().expect("an address");
        config.store.location = location.clone();
        config.feeds = vec![Feed::new("file", FeedKind::Mrt { files: vec![], rib: vec![] })];
        config.sinks[0].kind = SinkKind::Ndjson { to: NdjsonTarget::File(told.clone()) };
        let app = App::start(config, Options::default()).await.expect("started");
        let base = format!("http://{}", app.address);
        for (id, status) in [(&old.id, "resolved"), (&recent.id, "open")] {
            let body = reqwest::get(format!("{base}/api/v1/incidents/{id}")).await.expect("an answer").text().await;
            let shown: Value = serde_json::from_str(&body.expect("text")).expect("JSON");
            assert_eq!(shown["status"], status, "what archives may tell again is left alone: {shown}");
        }
        app.run_until(std::future::ready(())).await.expect("an end");
    }
    let lines = std::fs::read_to_string(&told).expect("alerts");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["id"], &lines[0]["sequence"]), (&old.id.as_str().into(), &2.into()));
    assert_eq!((&lines[0]["transition"], &lines[0]["reason"]["code"]), (&"resolved".into(), &"out_of_sight".into()));
}

/// What the engine says of a recording, without the hold-down that an end of input adds.
pub(super) fn replayed(recording: &std::path::Path) -> String {
    let settings = crate::config::Alerts::default().settings();
    let (mut sequencer, mut engine) = (crate::sequencer::Sequencer::default(), rules::engine::Engine::new(settings));
    let reader = feeds::input::open(&recording.display().to_string(), feeds::input::Use::Updates).expect("a recording");
    for item in reader {
        let at = item.time;
        sequencer.push(0, item, at);
    }
    let events = sequencer.take().expect("events");
    let outputs = events.iter().flat_map(|event| engine.handle(event));
    let lines = outputs.filter_map(|output| match output {
        rules::desk::Output::Alert(alert) => Some(crate::alert::to_json(&alert, &WireContext::default()) + "\n"),
        _ => None,
    });
    lines.collect()
}

/// A RIS Live server for one client at a time; what is sent through the channel is played to it.
pub(super) async fn ris_live() -> (String, mpsc::Sender<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let (play, mut frames) = mpsc::channel::<String>(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
            let _subscription = socket.next().await;
            while let Some(frame) = frames.recv().await {
                if frame.is_empty() || socket.send(Message::text(frame)).await.is_err() {
                    break;
                }
            }
        }
    });
    (url, play)
}

/// An announcement by one of the five peers of the archive's dump.
pub(super) fn news(peer: u32, prefix: &str, origin_as: u32) -> String {
    let (time, asn) = (now().secs(), 64_500 + peer);
    format!(
        r#"{{"type":"ris_message","data":{{"timestamp":{time},"peer":"192.0.2.{peer}","peer_asn":"{asn}","id":"x","host":"rrc00.ripe.net","type":"UPDATE","path":[{asn},64510,{origin_as}],"origin":"IGP","announcements":[{{"next_hop":"192.0.2.{peer}","prefixes":["{prefix}"]}}],"withdrawals":[]}}}}"#
    )
}

/// The lines that are notices, as (id, state).
fn notices_in(path: &std::path::Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
    let notices = lines.filter(|line| line["schema"] == "bgpwarden.notice/1");
    notices.map(|line| (line["id"].to_string(), line["state"].to_string())).collect()
}

/// Nobody serves the feed: it is silent. Then somebody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_reaches_the_sink_outlives_the_process_and_is_cleared_once_by_the_next() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let told = dir.path().join("told");
    let life = async |url: String, until: usize| {
        let text = format!(
            "[rpki]\n[store]\npath='a.db'\n[feeds.ris]\nkind='ris_live'\nurl='{url}'\n[sinks.file]\nkind='ndjson'\n\
             path='told'\nnotices=true"
        );
        let mut config = Config::parse("test", &text, dir.path()).expect("fine");
        config.http.listen = "127.0.0.1:0".parse().expect("an address");
        let hysteresis = Hysteresis { raise_secs: 0, clear_secs: 0 };
        let options = Options { shards: Some(1), hysteresis, ..Options::default() };
        let app = App::start(config, options).await.expect("started");
        let is_told = async {
            while notices_in(&told).iter().filter(|(id, _)| id.contains("feed_silent")).count() < until {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let stop = async { timeout(Duration::from_secs(60), is_told).await.expect("told in time") };
        app.run_until(stop).await.expect("no failure");
    };
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    life(format!("ws://{nobody}/"), 1).await;
    let (url, play) = ris_live().await;
    play.send(news(1, "198.51.100.0/24", 64_496)).await.expect("a server");
    life(url, 2).await;
    let silent: Vec<_> = notices_in(&told).into_iter().filter(|(id, _)| id.contains("feed_silent")).collect();
    let id = "\"feed_silent:ris\"".to_owned();
    assert_eq!(silent, [(id.clone(), "\"raised\"".to_owned()), (id, "\"cleared\"".to_owned())]);
}

/// The whole program beside an archive and a live feed on loopback.
pub(super) struct Running {
    base: String,
    pub play: mpsc::Sender<String>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Failure>>,
    dir: tempfile::TempDir,
}

impl Running {
    async fn start(archive: &Arc<Archive>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let (url, play) = ris_live().await;
        let files = archive.serve().await;
        let text = format!(
            "[rpki]\n[store]\npath=':memory:'\n[feeds.ris]\nkind='ris_live'\nurl='{url}'\nhosts=['rrc00']\narchive='{files}'\n[alerts]\nhold_down_secs=0\n\
             [sinks.file]\nkind='ndjson'\npath='alerts'"
        );
        let mut config = Config::parse("test", &text, dir.path()).expect("fine");
        config.http.listen = "127.0.0.1:0".parse().expect("an address");
        let hysteresis = Hysteresis { raise_secs: 0, clear_secs: 0 };
        let options = Options { shards: Some(2), times: times(now), hysteresis, ..Options::default() };
        Self::of(config, options, play, dir).await
    }

    pub async fn of(config: Config, options: Options, play: mpsc::Sender<String>, dir: tempfile::TempDir) -> Self {
        let app = App::start(config, options).await.expect("started");
        let base = format!("http://{}", app.address);
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        Self { base, play, stop, running, dir }
    }

    pub async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        answer.text().await.expect("text")
    }

    pub async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("JSON")
    }

    /// Asks until the answer is as it should be.
    pub async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if is_so(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(Duration::from_secs(60), asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{path} never was so: {}", self.get(path).await),
        }
    }

    /// Gives back where it wrote.
    pub async fn end(self) -> tempfile::TempDir {
        self.stop.send(()).expect("still running");
        timeout(Duration::from_secs(30), self.running).await.expect("an end").expect("no panic").expect("no failure");
        self.dir
    }
}

pub(super) fn says(list: &Value, what: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|entry| entry.to_string().contains(what)))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_archive_it_knows_what_is_normal_and_finds_a_live_hijack_of_it() {
    let archive = Arc::new(Archive::default());
    let app = Running::start(&archive).await;
    let is_ready = |answer: &Value| answer["ready"] == true && !says(&answer["degraded"], "learning");
    app.until("/readyz", is_ready).await;
    let status = app.get("/api/v1/status").await;
    assert_eq!((&status["archives"][0]["seeded"], &status["archives"][0]["routes"]), (&1.into(), &5.into()));
    assert_eq!(status["baseline"], "ready");
    for peer in 1..=3 {
        app.play.send(news(peer, "198.51.100.0/25", 64_511)).await.expect("played");
    }
    let list = app.until("/api/v1/incidents", |list| list["count"] != 0).await;
    let incident = &list["incidents"][0];
    assert_eq!((&incident["class"], &incident["detected_origins"][0]), (&"subprefix_hijack".into(), &64_511.into()));
    assert_eq!(incident["inputs"]["baseline"]["state"], "ready");
    app.until("/api/v1/status", |status| status["feeds"][0]["peers_up"] == 3).await;
    let measured = ["sequenced", "judged", "handed_over", "stored", "told", "delivered"];
    app.until("/api/v1/status", |status| measured.iter().all(|stage| says(&status["stages"], stage))).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_archive_is_down_it_is_learning_and_says_why_and_a_loss_is_a_gap() {
    let archive = Arc::new(Archive::default());
    archive.is_down.store(true, Ordering::Relaxed);
    let app = Running::start(&archive).await;
    let has_notice = |kind: &'static str| move |status: &Value| says(&status["notices"], kind);
    app.until("/api/v1/status", has_notice("\"learning\"")).await;
    let readiness = app.until("/readyz", |answer| answer["ready"] == true && says(&answer["degraded"], "503")).await;
    assert!(says(&readiness["degraded"], "learning (0 of 1 dumps of ris read"), "{readiness}");
    let text = reqwest::get(format!("{}/metrics", app.base)).await.expect("metrics").text().await.expect("text");
    assert!(text.contains("bgpwarden_notices_active{kind=\"learning\"} 1"));

    archive.is_down.store(false, Ordering::Relaxed);
    app.until("/api/v1/status", |status| status["baseline"] == "ready" && !says(&status["notices"], "\"learning\""))
        .await;

    app.play.send(news(1, "203.0.113.0/24", 64_497)).await.expect("played");
    app.until("/api/v1/status", |status| status["feeds"][0]["updates"] == 1).await;
    app.play.send(String::new()).await.expect("closed");
    let status = app.until("/api/v1/status", |status| says(&status["gaps"], "\"lost\"")).await;
    assert!(status["routes"].as_u64() >= Some(5), "tables are kept: {status}");
    app.until("/api/v1/status", |status| says(&status["gaps"], "\"filling\"")).await;
    let page = reqwest::get(format!("{}/health", app.base)).await.expect("a page").text().await.expect("text");
    assert!(page.contains("What was not seen") && page.contains("filling"));
    app.end().await;
}
