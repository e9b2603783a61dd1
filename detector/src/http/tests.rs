pub(crate) mod browser;

use std::io::Write as _;
use std::process::{Command, Stdio};

use rules::alert::{Alert, Status};
use serde_json::Value;

use super::*;
use crate::alert::samples::{at, opened, record, worst};
use crate::alert::{WireContext, to_json};
use crate::config::{Role, Secret, Token};
use crate::health::{BaselineState, FeedReport, FeedState};
use crate::sink::{Delivery, Parcel};
use crate::store::{Location, Put};

pub(crate) struct Served {
    pub base: String,
    pub site: Site,
    pub client: reqwest::Client,
    pub report: watch::Sender<Report>,
    _stop: watch::Sender<()>,
}

pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'&";

/// As it is while it runs: what is told is stored and shown.
pub(crate) async fn tell(site: &Site, alert: Alert) {
    let json: Arc<str> = to_json(&alert, &WireContext::default()).into();
    let parcel = Parcel::Alert(Delivery::new(&alert, json.clone()));
    site.store.put(vec![Put { parcel, sinks: Vec::new(), chapter: None }]).await.expect("stored");
    site.view.put(Arc::new(alert), json);
}

/// A network with a hostile name, and a bank.
fn watching() -> Arc<rules::watch::Watch> {
    let network = |name: &str, prefix: &str| rules::watch::Constituent {
        name: name.into(),
        contact: Some(HOSTILE.into()),
        resources: vec![rules::watch::Resource {
            prefix: prefix.parse().expect("a prefix"),
            expected_origins: Vec::new(),
            upstreams: Vec::new(),
            max_length: None,
        }],
        ..rules::watch::Constituent::default()
    };
    let networks = vec![network("Example Bank", "192.0.2.0/24"), network(HOSTILE, "198.51.100.0/24")];
    Arc::new(rules::watch::Watch::new(networks))
}

/// Whom the samples speak of has a hostile name.
fn named() -> AsNames {
    let rows = [64496, 64500, 64511].map(|asn| format!("{asn}|{HOSTILE}|O\n")).concat();
    feeds::as2org::As2org::parse(format!("# format:aut|aut_name|org_id\n{rows}").as_bytes()).expect("as2org").names
}

pub(crate) async fn served_by(http: Http, turns: api::Turns) -> Served {
    served_with(http, turns, |_| ()).await
}

/// With something else in it.
pub(crate) async fn served_with(http: Http, turns: api::Turns, change: impl FnOnce(&mut Site)) -> Served {
    let feed = FeedReport { name: HOSTILE.into(), kind: "ris_live", state: FeedState::Live, ..FeedReport::default() };
    let (report, receiver) =
        watch::channel(Report { feeds: vec![feed], baseline: BaselineState::Learning, ..Report::default() });
    let (stop, stopping) = watch::channel(());
    let mut site = Site {
        view: Arc::default(),
        store: Store::start(Location::Memory).expect("a store"),
        report: receiver,
        watched: watch::channel(Arc::default()).1,
        metrics: Arc::new(Metrics::new()),
        turns: Arc::new(turns),
        questions: Questions::default(),
        table_lookups: Arc::new(Semaphore::new(1)),
        watch: Arc::new(watching),
        routes: Vec::new().into(),
        trials: Vec::new().into(),
        sinks: vec!["hook".into()].into(),
        settle: mpsc::channel(1).0,
        names: Arc::new(named()),
        verdicts: watch::channel(0).0,
        stopping,
    };
    change(&mut site);
    site.metrics.alert(&opened());
    site.store.said().await.expect("it is open");
    let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, router(site.clone(), &http), std::future::pending()));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Served { base, site, client: reqwest::Client::new(), report, _stop: stop }
}

pub(crate) fn token(name: &str, role: Role, secret: &str) -> Token {
    Token { name: name.into(), role, secret: Secret::new(secret) }
}

async fn served(tokens: Vec<Token>) -> Served {
    let served = served_by(Http { tokens, ..Http::default() }, api::Turns::default()).await;
    let mut named = Alert { id: "bw-hostile".into(), status: Status::Resolved, title: HOSTILE.into(), ..opened() };
    named.transition = rules::alert::Transition::Resolved;
    named.constituents[0].name = HOSTILE.into();
    named.sample_paths[0].as_path = HOSTILE.into();
    named.evidence[0].detail = HOSTILE.into();
    for alert in [opened(), named, Alert { id: "bw-worst".into(), ..worst() }] {
        tell(&served.site, alert).await;
    }
    served
}

impl Served {
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.1).expect("JSON")
    }
}

#[tokio::test]
async fn the_page_of_an_incident_shows_who_held_what_and_what_before() {
    let site = served_by(Http { requests_per_sec: 1_000_000, ..Http::default() }, Default::default()).await;
    tell(&site.site, opened()).await;
    let path = format!("/incidents/{}", opened().id);
    assert!(!site.get(&path).await.1.contains("Who held it"), "nothing is on record");
    let hostile = record(HOSTILE, 20, None);
    let records = [record("rrc00", 0, Some(40)), record("rrc01", 10, None), hostile];
    let news = records.into_iter().map(rules::desk::RouteNews::Route).collect();
    site.site.store.put_with(Vec::new(), news).await.expect("stored");
    let (code, page) = site.get(&path).await;
    assert_eq!(code, 200);
    for part in
        ["Before</h3>", "During</h3>", "Who held it", "3 routes", "AS64496", "192.0.2.0/24 over 64502", "curve1"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(HOSTILE) && page.contains("&#60;script&#62;"), "{page}");
}

#[tokio::test]
async fn pages_escape_everything_and_load_nothing_from_elsewhere() {
    let site = served(Vec::new()).await;
    let hostile = "?constituent=%3Cscript%3Ealert(1)%3C/script%3E%22'&suspect=%3Cscript%3Ealert(1)";
    let (history, prefix) = (format!("/history{hostile}"), "/prefix?prefix=%3Cscript%3Ealert(1)%3C/script%3E");
    let pages = ["/", "/health", "/watched", "/incidents/bw-hostile", "/incidents/bw-worst", "/api", "/nowhere"];
    let lookups = ["/history", "/constituents", "/prefix", "/as", &history, prefix, "/as?asn=%3Cscript%3Ealert(1)"];
    for path in pages.into_iter().chain(lookups) {
        let (code, page) = site.get(path).await;
        let expected = match path {
            "/nowhere" => 404,
            _ if path.contains("alert") => 400,
            _ => 200,
        };
        assert_eq!(code, expected, "{path}");
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
async fn an_incident_that_the_view_forgot_is_shown_from_the_store_with_what_became_of_it() {
    let site = served(Vec::new()).await;
    let id = opened().id;
    let over = Alert {
        sequence: 2,
        transition: rules::alert::Transition::Resolved,
        status: Status::Resolved,
        ended: Some(at(90)),
        ..opened()
    };
    tell(&site.site, over).await;
    let forgetful = Site { view: Arc::default(), ..site.site.clone() };
    let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let url = format!("http://{}/incidents/{id}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, router(forgetful, &Http::default()), std::future::pending()));
    for url in [url, format!("{}/incidents/{id}", site.base)] {
        let page = site.client.get(url).send().await.expect("an answer").text().await.expect("text");
        assert!(page.contains("<td>opened</td>") && page.contains("<td>resolved</td>"), "both alerts\n{page}");
        assert!(page.contains("<figure class=\"plot\"") && page.contains("<svg class=\"paths\""), "{page}");
    }
}

#[tokio::test]
async fn readiness_falls_only_when_it_cannot_judge() {
    let site = served(Vec::new()).await;
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
async fn ases_are_links_with_their_names_beside_them() {
    let site = served(Vec::new()).await;
    let named = "<a href=\"/as?asn=64511\">AS64511</a> <span class=\"as-name\">&#60;script&#62;alert(1)";
    for path in ["/", "/history", &format!("/incidents/{}", opened().id)] {
        let (_, page) = site.get(path).await;
        assert!(page.contains(named), "{path}: {page}");
    }
    let (_, page) = site.get(&format!("/incidents/{}", opened().id)).await;
    assert!(page.contains("<a href=\"/as?asn=64502\">AS64502</a> 2001:db8:"), "peers as well: {page}");
    assert!(page.contains("<title>&#60;script&#62;"), "and the boxes of the graph: {page}");
}

async fn code(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_token_guards_all_but_the_probes() {
    let site = served(vec![token("token", Role::Admin, "s3cret"), token("eve", Role::Read, "0ther")]).await;
    for path in ["/", "/metrics", "/api/v1/incidents", "/api/v1/stream", "/nowhere"] {
        assert_eq!(site.get(path).await.0, 401, "{path}");
    }
    for path in ["/healthz", "/readyz", "/account", "/style.css"] {
        assert_eq!(site.get(path).await.0, 200, "{path}");
    }
    let url = format!("{}/", site.base);
    assert_eq!(code(site.client.get(&url).bearer_auth("s3cret")).await, 200);
    assert_eq!(code(site.client.get(&url).bearer_auth("0ther")).await, 200);
    assert_eq!(code(site.client.get(&url).bearer_auth("s3cre")).await, 401);
    assert_eq!(code(site.client.get(&url).basic_auth("me", Some("s3cret"))).await, 200);
    assert_eq!(code(site.client.get(&url).basic_auth("s3cret", None::<&str>)).await, 401);
}

#[tokio::test]
async fn changing_takes_a_role_and_a_page_of_ones_own() {
    let guarded = served(vec![token("duty", Role::Triage, "s3cret"), token("eve", Role::Read, "0ther")]).await;
    let post = |secret: &str| guarded.client.post(format!("{}/api/v1/incidents", guarded.base)).bearer_auth(secret);
    assert_eq!(code(post("0ther")).await, 403, "who may read may not change");
    assert_eq!(code(post("s3cret")).await, 405, "nothing to change here, but it came through");
    assert_eq!(code(post("s3cret").header("origin", &guarded.base)).await, 405);
    assert_eq!(code(post("s3cret").header("origin", "https://example.net")).await, 403);
    assert_eq!(code(post("s3cret").header("sec-fetch-site", "cross-site")).await, 403);
    let open = served(Vec::new()).await;
    assert_eq!(code(open.client.post(format!("{}/api/v1/incidents", open.base))).await, 403, "nobody in particular");
}

#[tokio::test]
async fn without_a_token_only_names_of_this_machine_lead_here() {
    let public_url = Some("https://bgp.example.net/x".to_owned());
    let open = served_by(Http { public_url, ..Http::default() }, api::Turns::default()).await;
    let named = |host: &str| code(open.client.get(format!("{}/api/v1/status", open.base)).header("host", host));
    for host in ["localhost:8179", "127.0.0.1", "[::1]:8179", "127.9.9.9:1", "BGP.example.net"] {
        assert_eq!(named(host).await, 200, "{host}");
    }
    for host in ["rebound.example.org", "rebound.example.org:8179", "192.0.2.1", "localhost.example.org"] {
        assert_eq!(named(host).await, 403, "{host}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_and_the_probes_answer() {
    let site = served_by(Http { requests_per_sec: 1, ..Http::default() }, api::Turns::default()).await;
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(site.get("/api/v1/status").await.0);
    }
    assert!(codes[0] == 200 && codes.contains(&429), "{codes:?}");
    assert_eq!(site.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn who_shows_a_token_is_not_held_up_by_those_without_one() {
    let tokens = vec![token("duty", Role::Read, "s3cret"), token("eve", Role::Read, "0ther")];
    let site = served_by(Http { requests_per_sec: 1, tokens, ..Http::default() }, api::Turns::default()).await;
    let url = format!("{}/api/v1/status", site.base);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(site.get("/api/v1/status").await.0);
    }
    assert!(codes[0] == 401 && codes.contains(&429), "{codes:?}");
    assert_eq!(code(site.client.get(&url).bearer_auth("s3cret")).await, 200);
    codes.clear();
    for _ in 0..20 {
        codes.push(code(site.client.get(&url).bearer_auth("s3cret")).await);
    }
    assert!(codes.contains(&429), "a token has its own measure: {codes:?}");
    assert_eq!(code(site.client.get(&url).bearer_auth("0ther")).await, 200, "and so has the other");
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let site = served(Vec::new()).await;
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
