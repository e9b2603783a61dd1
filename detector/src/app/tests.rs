use std::io::BufRead;

use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::config::{Feed, FeedKind, NdjsonTarget, SinkKind};
use crate::store::Location;

/// One UPDATE a line, as RIS Live sends them: a dump's worth of history is missing, so the watched resource says
/// what is expected.
fn frames() -> String {
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
    let text = "[[watch.constituents]]\nname = 'Example'\n[[watch.constituents.resources]]\nprefix = '198.51.100.0/24'\n\
                expected_origins = [64496]";
    let mut config = Config::parse("test", text, dir.path()).expect("fine");
    config.http.listen = "127.0.0.1:0".parse().expect("an address");
    let kind = FeedKind::Mrt { files: vec![input.display().to_string()], rib: vec![] };
    config.feeds = vec![Feed { name: "file".into(), kind }];
    config.store.location = Location::File(dir.path().join("store.db"));
    config.sinks[0].kind = SinkKind::Ndjson { to: NdjsonTarget::File(alerts.clone()) };
    let options = Options { record: Some(dir.path().join("events")), shards: Some(2) };
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

/// What the engine says of a recording, without the hold-down that an end of input adds.
fn replayed(recording: &std::path::Path) -> String {
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
