use std::io::Write as _;
use std::process::{Command, Stdio};

use rules::alert::Alert;
use serde_json::Value;

use super::*;
use crate::alert::samples::{opened, worst};
use crate::alert::{WireContext, to_json};
use crate::health::{BaselineState, FeedReport, FeedState};

struct Served {
    base: String,
    report: watch::Sender<Report>,
    client: reqwest::Client,
}

fn put(view: &IncidentView, alert: Alert) {
    let json = to_json(&alert, &WireContext::default());
    view.put(Arc::new(alert), json.into());
}

async fn served(token: Option<&str>) -> Served {
    let view = Arc::new(IncidentView::default());
    let hostile = "<script>alert(1)</script>\"'&";
    let mut named = Alert { id: "bw-hostile".into(), status: Status::Resolved, title: hostile.into(), ..opened() };
    named.constituents[0].name = hostile.into();
    named.sample_paths[0].as_path = hostile.into();
    named.evidence[0].detail = hostile.into();
    put(&view, opened());
    put(&view, named);
    put(&view, Alert { id: "bw-worst".into(), ..worst() });
    let feed = FeedReport { name: hostile.into(), kind: "ris_live", state: FeedState::Live, ..FeedReport::default() };
    let (report, receiver) =
        watch::channel(Report { feeds: vec![feed], baseline: BaselineState::Learning, ..Report::default() });
    let metrics = Arc::new(Metrics::new());
    metrics.alert(&opened());
    let router = router(
        Site { view, report: receiver, watched: watch::channel(Arc::default()).1, metrics },
        token.map(Secret::new),
    );
    let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, router, std::future::pending()));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Served { base, report, client: reqwest::Client::new() }
}

impl Served {
    async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).expect("JSON")
    }
}

#[tokio::test]
async fn incidents_are_the_alerts_themselves() {
    let site = served(None).await;
    let list = site.json("/api/v1/incidents").await;
    assert_eq!(list["count"], 3);
    let one = site.json(&format!("/api/v1/incidents/{}", opened().id)).await;
    assert_eq!(one, serde_json::from_str::<Value>(&to_json(&opened(), &WireContext::default())).expect("JSON"));
    assert_eq!(site.json("/api/v1/incidents?status=resolved").await["incidents"][0]["id"], "bw-hostile");
    assert_eq!(site.json("/api/v1/incidents?limit=1").await["count"], 1);
    assert_eq!(site.get("/api/v1/incidents/none").await.0, 404);
    for bad in ["status=opn", "min_severity=9", "limit=-1"] {
        assert_eq!(site.get(&format!("/api/v1/incidents?{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn pages_escape_everything_and_load_nothing_from_elsewhere() {
    let site = served(None).await;
    for path in ["/", "/incidents/bw-hostile", "/incidents/bw-worst", "/nowhere"] {
        let (code, page) = site.get(path).await;
        assert_eq!(code, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        assert!(!page.contains("<script>alert"), "{path}");
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" style="), "{path}");
    }
    for (path, kind) in [("/style.css", "text/css"), ("/live.js", "text/javascript"), ("/favicon.ico", "image/svg+xml")]
    {
        let response = site.client.get(format!("{}{path}", site.base)).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-type"].to_str().expect("text").starts_with(kind));
        assert!(response.headers().contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn readiness_falls_only_when_it_cannot_judge() {
    let site = served(None).await;
    let (code, body) = site.get("/readyz").await;
    assert_eq!(code, 200);
    assert!(body.contains("learning"), "{body}");
    site.report.send_modify(|report| report.feeds[0].state = FeedState::Down);
    let (code, body) = site.get("/readyz").await;
    assert_eq!(code, 503);
    assert!(body.contains("no feed is live"), "{body}");
    assert_eq!(site.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_token_guards_all_but_the_probes() {
    let site = served(Some("s3cret")).await;
    for path in ["/", "/metrics", "/api/v1/incidents", "/style.css", "/nowhere"] {
        assert_eq!(site.get(path).await.0, 401, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(site.get(path).await.0, 200, "{path}");
    }
    let url = format!("{}/", site.base);
    let code = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    assert_eq!(code(site.client.get(&url).bearer_auth("s3cret")).await, 200);
    assert_eq!(code(site.client.get(&url).bearer_auth("s3cre")).await, 401);
    assert_eq!(code(site.client.get(&url).basic_auth("me", Some("s3cret"))).await, 200);
    assert_eq!(code(site.client.get(&url).basic_auth("s3cret", None::<&str>)).await, 401);
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let site = served(None).await;
    let (code, text) = site.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains("bgpwarden_alerts_total"));
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else {
        eprintln!("promtool is not installed; its check is left out");
        return;
    };
    tool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let output = tool.wait_with_output().expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
