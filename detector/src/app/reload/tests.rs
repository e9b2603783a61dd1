use std::path::Path;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::app::tests::{frames, replayed};
use crate::app::{App, Options};
use crate::notice::decider::Hysteresis;

fn config(text: &str) -> Config {
    Config::parse("test", text, Path::new("")).expect("fine")
}

#[test]
fn keys_that_need_a_restart_are_named_and_the_others_are_not() {
    let before = config("[http]\nlisten = '127.0.0.1:8179'\n[alerts]\nhold_down_secs = 30");
    let after = config(
        "[http]\nlisten = '127.0.0.1:8180'\n[alerts]\nhold_down_secs = 20\n[feeds.a]\nkind = 'ris_live'\n\
         [[watch.constituents]]\nname = 'x'\nasns = [64496]",
    );
    let named = needs_restart(&before, &after);
    assert!(named.contains(&"http.listen".to_owned()) && named.contains(&"feeds.a.kind".to_owned()), "{named:?}");
    assert!(!named.iter().any(|key| key.starts_with("watch") || key.starts_with("alerts")), "{named:?}");
    assert!(needs_restart(&before, &before).is_empty());
    let mut secret = before.clone();
    let (name, role) = ("a".into(), crate::config::Role::Read);
    secret.http.tokens = vec![crate::config::Token { name, role, secret: crate::config::Secret::new("x") }];
    assert_eq!(needs_restart(&before, &secret), ["a secret of http"]);
}

/// The program with its configuration in a folder, asked over HTTP.
pub(in crate::app) struct Running {
    base: String,
    pub dir: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<Result<(), crate::failure::Failure>>,
}

impl Running {
    async fn start(watch: &str) -> Self {
        Self::start_with(&text(""), watch, &[("frames.jsonl", frames().as_bytes())]).await
    }

    pub async fn start_with(config: &str, watch: &str, files: &[(&str, &[u8])]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let place = |name: &str| dir.path().join(name);
        files.iter().for_each(|(name, octets)| std::fs::write(place(name), octets).expect("written"));
        std::fs::write(place("watch.toml"), watch).expect("written");
        std::fs::write(place("bgpwarden.toml"), config).expect("written");
        let every = Some(Duration::from_millis(20));
        let origin = Origin { path: Some(place("bgpwarden.toml")), asns: Vec::new(), every };
        let config = origin.load().expect("fine");
        let hysteresis = Hysteresis { raise_secs: 0, clear_secs: 0 };
        let record = Some(place("events"));
        let app = App::start(config, Options { shards: Some(2), origin, record, hysteresis, ..Options::default() });
        let app = app.await.expect("started");
        let base = format!("http://{}", app.address);
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        Self { base, dir, stop, running }
    }

    /// As editors do: a new file takes the place of the old one.
    pub fn write(&self, name: &str, text: &str) {
        let (new, old) = (self.dir.path().join("new"), self.dir.path().join(name));
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, old).expect("renamed");
    }

    pub async fn text_of(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// Asks until the answer has that in it.
    pub async fn until(&self, path: &str, part: &str) -> String {
        let asking = async {
            loop {
                let answer = self.text_of(path).await;
                if answer.contains(part) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(Duration::from_secs(60), asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{part} never came: {}", self.text_of(path).await),
        }
    }

    /// The alerts, and what the recording of all events says.
    pub async fn end(self) -> (String, String) {
        self.stop.send(()).expect("still running");
        let ended = timeout(Duration::from_secs(30), self.running).await;
        ended.expect("an end").expect("no panic").expect("no failure");
        let told = std::fs::read_to_string(self.dir.path().join("alerts")).expect("alerts");
        (told, replayed(&self.dir.path().join("events")))
    }
}

fn text(http: &str) -> String {
    format!(
        "[rpki]\n[store]\npath=':memory:'\n[http]\nlisten='127.0.0.1:0'\n{http}\n[watch]\nfiles=['watch.toml']\n\
         [feeds.file]\nkind='mrt'\nfiles=['frames.jsonl']\n[sinks.file]\nkind='ndjson'\npath='alerts'\n"
    )
}

fn watch(origin: u32) -> String {
    format!(
        "[[constituents]]\nname='Example'\n[[constituents.resources]]\nprefix='198.51.100.0/24'\n\
         expected_origins=[{origin}]\n"
    )
}

fn transitions(told: &str) -> Vec<(String, String)> {
    let of = |line: &str| {
        let alert: Value = serde_json::from_str(line).expect("JSON");
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        (word(&alert["transition"]), word(&alert["reason"]["code"]))
    };
    // Documentation space is a bogon beside it.
    told.lines()
        .filter(|line| line.contains("\"class\":\"origin_hijack\""))
        .map(of)
        .filter(|(transition, _)| transition != "updated")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_list_that_changes_judges_again_and_a_broken_one_changes_nothing() {
    let running = Running::start(&watch(64_496)).await;
    running.until("/api/v1/incidents", "\"open\"").await;
    running.write("watch.toml", "[[constituents]]\nname='Example'\nprefixs=['198.51.100.0/24']\n");
    let rejected = running.until("/readyz", "rejected").await;
    assert!(rejected.contains("watch.toml:3: constituents[0].prefixs: unknown key; did you mean"), "{rejected}");
    running.until("/metrics", "bgpwarden_config_last_reload_successful 0").await;
    running.until("/metrics", "bgpwarden_notices_active{kind=\"config_rejected\"} 1").await;
    assert!(running.text_of("/api/v1/incidents").await.contains("\"open\""), "nothing has changed");
    running.write("watch.toml", &watch(64_511));
    running.until("/api/v1/incidents", "\"retracted\"").await;
    running.until("/metrics", "bgpwarden_config_last_reload_successful 1").await;
    // A slip in a file that is named for the first time is mended there.
    running.write("more.toml", "[[constituents]]\nnames='More'\n");
    running.write("bgpwarden.toml", &text("").replace("['watch.toml']", "['watch.toml','more.toml']"));
    running.until("/readyz", "more.toml:2").await;
    running.write("more.toml", "[[constituents]]\nname='More'\nasns=[64500]\n");
    running.until("/metrics", "bgpwarden_config_last_reload_successful 1").await;
    let rule = "[[allow]]\nowner='desk'\nreason='ours'\nexpires='never'\norigins=[64511]\n";
    running.write("bgpwarden.toml", &text("public_url='http://bgp.example.net'"));
    running.until("/readyz", "changed and not in use until a restart: http.public_url").await;
    running.write("watch.toml", &watch(64_497));
    running.until("/api/v1/incidents", "announces 198.51.100.0/24 of AS64497").await;
    running.write("watch.toml", &(watch(64_497) + rule));
    running
        .until("/metrics", "bgpwarden_findings_suppressed_total{class=\"origin_hijack\",reason=\"allow_rule\"} 1")
        .await;
    let (told, replayed) = running.end().await;
    let word = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let expected = [
        word("opened", "seen"),
        word("retracted", "allow_rule"),
        word("opened", "data_changed"),
        word("retracted", "allow_rule"),
    ];
    assert_eq!(transitions(&told), expected, "{told}");
    assert_eq!(replayed, told, "a recording gives the same bytes as the live run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_alarm_is_taken_back_at_once_and_an_undone_verdict_brings_it_again() {
    let (frames, token) = (frames(), "s3cret\n");
    let files: [(&str, &[u8]); 2] = [("frames.jsonl", frames.as_bytes()), ("token", token.as_bytes())];
    // The token is read beside this file, not beside the configuration.
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("token");
    std::fs::write(&path, token).expect("written");
    let http = format!("token={{file='{}'}}", path.display());
    let mut running = Running::start_with(&text(&http), &watch(64_496), &files).await;
    running.base = running.base.replace("http://", "http://duty:s3cret@");
    let list = |status: &str| format!("/api/v1/incidents?class=origin_hijack&status={status}");
    let open = running.until(&list("open"), "\"open\"").await;
    let open: Value = serde_json::from_str(&open).expect("JSON");
    let id = open["incidents"][0]["id"].as_str().expect("an id");
    let verdicts = format!("{}/api/v1/incidents/{id}/verdicts", running.base);
    let post = async |url: String, body: &str| {
        let request = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        serde_json::from_str::<Value>(&answer.text().await.expect("text")).expect("JSON")
    };
    let said = post(verdicts.clone(), r#"{"verdict":"false_positive","why":"our new transit"}"#).await;
    let retracted = running.until(&list("retracted"), id).await;
    assert!(retracted.contains("allow_rule") && retracted.contains("our new transit"), "{retracted}");
    // A configuration that is read again forgets nothing of it.
    running.write("bgpwarden.toml", &text(&http).replace("[rpki]", "[rpki]\n[alerts]\nreopen_secs=3601"));
    running.until("/api/v1/status", "\"config\"").await;
    post(format!("{verdicts}/{}/undo", said["number"]), r#"{"why":"it is not ours"}"#).await;
    running.until(&list("open"), "\"open\"").await;
    let (told, replayed) = running.end().await;
    let words: Vec<_> =
        transitions(&told).into_iter().map(|(transition, reason)| format!("{transition} {reason}")).collect();
    assert_eq!(words[..2], ["opened seen", "retracted allow_rule"]);
    assert!(words.len() == 3 && words[2].starts_with("opened"), "{words:?}");
    assert_eq!(told, replayed, "what people say is in the recording");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_looked_up_with_what_lies_around_it_and_inside() {
    let running = Running::start(&watch(64_496)).await;
    let path = |prefix: &str| format!("/api/v1/prefix?prefix={prefix}");
    let answer = running.until(&path("198.51.100.0/24"), "\"route_count\":5").await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["origins"], serde_json::json!([{ "asn": 64_511, "rov": "not_evaluated", "routes": 5 }]));
    assert_eq!(answer["routes"][0]["as_path"], "3001 64511");
    let around: Value = serde_json::from_str(&running.text_of(&path("198.51.100.7")).await).expect("JSON");
    assert_eq!(
        around["covering"],
        serde_json::json!([{ "prefix": "198.51.100.0/24", "origins": [64_511], "routes": 5 }])
    );
    for wide in ["198.51.0.0/16", "0.0.0.0/0"] {
        let answer: Value = serde_json::from_str(&running.text_of(&path(wide)).await).expect("JSON");
        assert_eq!((&answer["inside"], &answer["route_count"]), (&around["covering"], &Value::from(0)), "{wide}");
    }
    assert!(running.text_of(&path("192.0.2.0/33")).await.contains("\"parameter\":\"prefix\""));
    let first = &answer["routes"][0];
    assert_eq!((&first["collector"], &first["peer_address"]), (&"rrc00".into(), &"192.0.2.1".into()));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_as_is_looked_up_with_what_it_announces_and_what_happened_to_it() {
    let running = Running::start(&watch(64_496)).await;
    running.until("/api/v1/incidents?suspect=64511", "origin_hijack").await;
    let answer = running.until("/api/v1/as/AS64511", "\"route_count\":5").await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let prefixes = serde_json::json!([{ "prefix": "198.51.100.0/24", "rov": "not_evaluated", "routes": 5 }]);
    assert_eq!((&answer["prefixes"], &answer["prefix_count"]), (&prefixes, &Value::from(1)));
    let neighbors = answer["neighbors"].as_array().expect("a list");
    assert_eq!(neighbors.iter().map(|n| &n["asn"]).collect::<Vec<_>>(), [3_001, 3_002, 3_003, 3_004, 3_005]);
    assert_eq!(
        (&answer["suspect_of"][0]["class"], &answer["victim_of"]),
        (&"origin_hijack".into(), &Value::Array(vec![]))
    );
    let victim: Value = serde_json::from_str(&running.text_of("/api/v1/as/64496").await).expect("JSON");
    assert_eq!((&victim["prefix_count"], &victim["victim_of"][0]["class"]), (&Value::from(0), &"origin_hijack".into()));
    assert!(running.text_of("/api/v1/as/AS-SET").await.contains("\"parameter\":\"asn\""));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_explained_under_the_data_of_the_moment() {
    let running = Running::start(&watch(64_496)).await;
    let of = |query: &str| format!("/api/v1/explain?prefix=198.51.100.0/24&path={query}");
    let answer = running.text_of(&of("64502%2064500%2064496")).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        (&answer["origin_as"], &answer["rov"]["state"]),
        (&Value::from(64_496), &"not_evaluated".into()),
        "{answer}"
    );
    assert_eq!(answer["aspa"]["procedure"], "downstream");
    for (query, parameter) in [("x", "path"), ("", "path"), ("64496&role=both", "role"), ("64496&rolle=x", "rolle")] {
        let problem: Value = serde_json::from_str(&running.text_of(&of(query)).await).expect("JSON");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
    }
    assert!(running.text_of("/api/v1/explain?path=64496&prefix=192.0.2.0").await.contains("a length is missing"));
    running.end().await;
}
