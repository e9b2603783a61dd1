use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rules::alert::{Alert, Class, Severity, Status, Transition};
use rules::bgp::{Asn, VantagePoint};
use rules::desk::RouteNews;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::*;
use crate::alert::samples::{at, opened, record as sample};
use crate::alert::{WireContext, to_json};
use crate::config::{Http, Role};
use crate::http::tests::{HOSTILE, Served, served_by, tell, token};
use crate::route::RouteLine;
use crate::sink::{Delivery, Parcel};
use crate::store::Put;

/// Nobody asks as often as tests do.
async fn served() -> Served {
    served_by(Http { requests_per_sec: 1_000_000, ..Http::default() }, Turns::default()).await
}

fn numbered(n: u32) -> Alert {
    let severity = if n.is_multiple_of(2) { Severity::Low } else { Severity::High };
    let started = at(i64::from(n));
    Alert { id: format!("bw-{n:04}"), severity, started, suspect_ases: vec![Asn(64500 + n % 3)], ..opened() }
}

fn later(alert: &Alert, sequence: u32, transition: Transition) -> Alert {
    let status = if transition == Transition::Resolved { Status::Resolved } else { Status::Open };
    Alert { sequence, transition, status, ..alert.clone() }
}

fn ids(page: &Value) -> Vec<&str> {
    let incidents = page["incidents"].as_array().expect("a list");
    incidents.iter().map(|incident| incident["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn incidents_are_the_alerts_themselves_and_pages_lead_to_the_next() {
    let site = served().await;
    for n in 0..5 {
        tell(&site.site, numbered(n)).await;
    }
    tell(&site.site, later(&numbered(3), 2, Transition::Resolved)).await;
    let first = site.json("/api/v1/incidents?limit=2").await;
    assert_eq!((ids(&first), &first["count"]), (vec!["bw-0004", "bw-0003"], &json!(2)));
    let next = first["next"].as_str().expect("a cursor");
    tell(&site.site, numbered(9)).await;
    let second = site.json(&format!("/api/v1/incidents?limit=3&cursor={next}")).await;
    assert_eq!((ids(&second), &second["next"]), (vec!["bw-0002", "bw-0001", "bw-0000"], &Value::Null));
    for (query, expected) in [
        ("status=resolved", vec!["bw-0003"]),
        ("min_severity=high&status=open", vec!["bw-0009", "bw-0001"]),
        ("severity=low,critical&suspect=AS64502", vec!["bw-0002"]),
        ("prefix=192.0.2.1&victim=64496&limit=1", vec!["bw-0009"]),
        ("prefix=192.0.2.0/24&match=exact", vec![]),
        ("prefix=192.0.2.0/24&match=more&until=2026-03-01T03:04:03Z", vec!["bw-0000"]),
        ("constituent=Example%20Bank&since=1772334250", vec!["bw-0009"]),
        ("class=route_leak", vec![]),
    ] {
        assert_eq!(ids(&site.json(&format!("/api/v1/incidents?{query}")).await), expected, "{query}");
    }
    let one = site.get("/api/v1/incidents/bw-0004").await;
    assert_eq!(one, (200, to_json(&numbered(4), &WireContext::default())));
    let timeline = site.json("/api/v1/incidents/bw-0003/timeline").await;
    let alerts = timeline["alerts"].as_array().expect("a list");
    let transitions: Vec<_> = alerts.iter().map(|a| a["transition"].as_str().expect("a word")).collect();
    assert_eq!((transitions, &timeline["count"]), (vec!["opened", "resolved"], &json!(2)));
    let first = site.json("/api/v1/incidents/bw-0003/timeline?limit=1").await;
    let rest = format!("/api/v1/incidents/bw-0003/alerts?cursor={}", first["next"].as_str().expect("a cursor"));
    assert_eq!(site.json(&rest).await["alerts"][0]["sequence"], 2);
}

/// Three routes of the incident, the second of them over.
async fn record(site: &Served) -> [RouteLine; 3] {
    let records = [("rrc00", 0, None), ("rrc00", 10, Some(40)), ("rrc01", 20, None)];
    let mut records = records.map(|(collector, started, ended)| sample(collector, started, ended));
    let mut point = VantagePoint::clone(&records[1].point);
    (point.peer_as, point.peer_address) = (Asn(64503), [198, 51, 100, 8].into());
    records[1].point = Arc::new(point);
    tell(&site.site, opened()).await;
    let news = records.iter().cloned().map(RouteNews::Route).collect();
    site.site.store.put_with(Vec::new(), news).await.expect("stored");
    [0, 1, 2].map(|i| RouteLine::from(&records[i]))
}

#[tokio::test]
async fn routes_of_an_incident_come_in_pages_and_by_prefix_peer_and_time() {
    let site = served().await;
    let lines = record(&site).await;
    let path = format!("/api/v1/incidents/{}/routes", opened().id);
    let first = site.json(&format!("{path}?limit=2")).await;
    assert_eq!((&first["count"], &first["kept"], &first["truncated"]), (&json!(2), &json!(3), &json!(false)));
    let next = first["next"].as_str().expect("a cursor");
    let second = site.json(&format!("{path}?limit=2&cursor={next}")).await;
    assert_eq!((&second["routes"], &second["next"]), (&json!([lines[2]]), &Value::Null));
    for (query, expected) in [
        ("prefix=192.0.2.0/24", vec![0, 1, 2]),
        ("prefix=192.0.2.0/26", vec![]),
        ("peer=AS64503", vec![1]),
        ("peer=198.51.100.7", vec![0, 2]),
        ("at=2026-03-01T03:04:15Z", vec![0, 1]),
        ("at=2026-03-01T03:04:45Z&prefix=192.0.2.0/25", vec![0, 2]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|i: usize| &lines[i]).collect();
        assert_eq!(site.json(&format!("{path}?{query}")).await["routes"], json!(expected), "{query}");
        let (code, text) = site.get(&format!("{path}.ndjson?{query}")).await;
        let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((code, json!(read)), (200, json!(expected)), "{query}");
    }
    for (query, parameter) in [("peer=x", "peer"), ("at=then", "at"), ("prefix=1/99", "prefix"), ("origin=1", "origin")]
    {
        let problem = site.json(&format!("{path}?{query}")).await;
        assert_eq!((&problem["status"], &problem["parameter"]), (&json!(400), &json!(parameter)), "{query}");
    }
    assert_eq!(site.get("/api/v1/incidents/bw-none/routes").await.0, 404);
    tell(&site.site, numbered(1)).await;
    let none = site.json("/api/v1/incidents/bw-0001/routes").await;
    assert_eq!((&none["count"], &none["kept"]), (&json!(0), &json!(0)), "nothing is recorded of it");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_in_one_form_that_names_the_parameter() {
    let site = served().await;
    for (query, parameter) in [
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("status=opn", "status"),
        ("status=open,", "status"),
        ("class=hijack", "class"),
        ("severity=9", "severity"),
        ("min_severity=9", "min_severity"),
        ("severity=low&min_severity=high", "min_severity"),
        ("suspect=4294967296", "suspect"),
        ("victim=-1", "victim"),
        ("prefix=192.0.2.0/33", "prefix"),
        ("match=inside", "match"),
        ("country=NLD", "country"),
        ("country=%C3%A9", "country"),
        ("constituent=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "constituent"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=x", "cursor"),
        ("suspekt=1", "suspekt"),
        ("limit=1&limit=2", "limit"),
        ("%00%ff=1", "\u{fffd}\u{fffd}"),
    ] {
        let response = site.client.get(format!("{}/api/v1/incidents?{query}", site.base)).send().await;
        let response = response.expect("an answer");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (400, &"application/problem+json".parse().expect("a value")),
            "{query}"
        );
        let problem: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
        assert_eq!((&problem["parameter"], &problem["status"]), (&json!(parameter), &json!(400)), "{query}");
    }
    for path in ["/api/v1/incidents/none", "/api/v1/incidents/none/timeline", "/api/v1/nowhere", "/api/v1"] {
        assert_eq!(site.get(path).await.0, 404, "{path}");
    }
    let suggested = site.json("/api/v1/incidents?suspekt=1").await;
    assert!(suggested["detail"].as_str().expect("text").contains("suspect"), "{suggested}");
}

#[tokio::test]
async fn exports_hold_all_that_fits_over_many_pages() {
    let site = served().await;
    let put = |n| {
        let json: Arc<str> = to_json(&numbered(n), &WireContext::default()).into();
        Put { parcel: Parcel::Alert(Delivery::new(&numbered(n), json)), sinks: Vec::new(), chapter: None }
    };
    site.site.store.put((0..1_000).map(put).collect()).await.expect("stored");
    let mut hostile = Alert { title: "=HYPERLINK(\"http://192.0.2.1\")".into(), ..numbered(1_000) };
    hostile.constituents[0].name = format!("a,b\n{HOSTILE}");
    tell(&site.site, hostile).await;
    let (code, lines) = site.get("/api/v1/incidents.ndjson?severity=high").await;
    assert_eq!((code, lines.lines().count()), (200, 500));
    assert_eq!(lines.lines().last(), Some(to_json(&numbered(1), &WireContext::default()).as_str()));
    let (code, table) = site.get("/api/v1/incidents.csv").await;
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let names = table.headers().expect("names").clone();
    let rows: Vec<_> = table.records().map(|row| row.expect("a row")).collect();
    assert_eq!((code, rows.len()), (200, 1_001));
    let cell = |name: &str| &rows[0][names.iter().position(|n| n == name).expect("a column")];
    assert_eq!((cell("id"), cell("suspect_ases"), cell("prefixes")), ("bw-1000", "64501", "192.0.2.0/25"));
    assert!(cell("title").starts_with("'=HYPERLINK"), "{}", cell("title"));
    assert_eq!(site.get("/api/v1/incidents.csv?limit=3").await.0, 400, "an export has no pages");
}

/// Says something with a token of role triage.
async fn post(site: &Served, path: &str, body: &Value) -> (u16, Value) {
    let request = site.client.post(format!("{}/api/v1/incidents/{path}", site.base)).bearer_auth("s3cret");
    let response = request.header("content-type", "application/json").body(body.to_string()).send().await;
    let response = response.expect("an answer");
    (response.status().as_u16(), serde_json::from_str(&response.text().await.expect("text")).expect("JSON"))
}

async fn duty() -> Served {
    let http = Http { tokens: vec![token("duty", Role::Triage, "s3cret")], ..Http::default() };
    let http = Http { requests_per_sec: 1_000_000, ..http };
    served_by(http, Turns::default()).await
}

#[tokio::test]
async fn what_people_say_is_kept_in_its_order_and_only_ever_added_to() {
    let site = duty().await;
    for n in 0..2 {
        tell(&site.site, numbered(n)).await;
    }
    let seen = json!({ "verdict": "acknowledged", "why": "on it" });
    assert_eq!(post(&site, "bw-0000/verdicts", &seen).await.0, 201);
    let fine =
        json!({ "verdict": "false_positive", "why": "our \"new\" transit\n", "expires": "2099-01-01T00:00:00Z" });
    let (code, said) = post(&site, "bw-0000/verdicts", &fine).await;
    assert_eq!((code, &said["by"], &said["undone"]), (201, &json!("duty"), &json!(false)));
    let rules = crate::config::rules_of(said["rule"].as_str().expect("a rule")).expect("as in a watch file");
    let rule = &rules[0];
    assert_eq!((&*rule.owner, rule.prefixes.len(), &rule.suspects), ("duty", 1, &vec![Asn(64500)]));
    assert!(rule.classes.contains(&Class::SubprefixHijack) && !rule.classes.contains(&Class::OriginHijack));
    assert!(rule.expires.is_some_and(|end| end > at(0)));
    let undo = format!("bw-0000/verdicts/{}/undo", said["number"]);
    let (code, undone) = post(&site, &undo, &json!({ "why": "it was not ours" })).await;
    assert_eq!((code, &undone["undoes"], &undone["verdict"]), (201, &said["number"], &json!("undone")));
    assert_eq!(post(&site, &undo, &json!({ "why": "again" })).await.0, 409);
    assert_eq!(post(&site, &format!("bw-0001/verdicts/{}/undo", said["number"]), &json!({ "why": "x" })).await.0, 404);
    let duplicate = json!({ "verdict": "duplicate", "why": "the same", "duplicate_of": "bw-0001" });
    assert_eq!(post(&site, "bw-0000/verdicts", &duplicate).await.0, 201);
    let list = site.client.get(format!("{}/api/v1/incidents/bw-0000/verdicts", site.base)).bearer_auth("s3cret");
    let list = list.send().await.expect("an answer").text().await.expect("text");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let told: Vec<_> = list["verdicts"].as_array().expect("a list").iter().collect();
    let words: Vec<_> = told.iter().map(|v| (v["verdict"].as_str().expect("a word"), v["undone"] == true)).collect();
    let expected = [("acknowledged", false), ("false_positive", true), ("undone", false), ("duplicate", false)];
    assert_eq!(words, expected);
    assert_eq!(*site.site.verdicts.borrow(), 4, "whoever follows it was told");
}

#[tokio::test]
async fn what_cannot_be_said_names_what_is_wrong_with_it_and_leaves_nothing() {
    let site = duty().await;
    tell(&site.site, opened()).await;
    let path = format!("{}/verdicts", opened().id);
    for (body, parameter) in [
        (json!({ "verdict": "wrong", "why": "x" }), "verdict"),
        (json!({ "verdict": "undone", "why": "x" }), "verdict"),
        (json!({ "verdict": "confirmed" }), "why"),
        (json!({ "verdict": "confirmed", "why": " " }), "why"),
        (json!({ "verdict": "confirmed", "why": "x".repeat(1_001) }), "why"),
        (json!({ "verdict": "accepted_risk", "why": "x", "expires": "2020-01-01T00:00:00Z" }), "expires"),
        (json!({ "verdict": "duplicate", "why": "x" }), "duplicate_of"),
        (json!({ "verdict": "confirmed", "why": "x", "duplicate_of": "bw-0" }), "duplicate_of"),
        (json!({ "verdict": "confirmed", "why": "x", "who": "me" }), "who"),
        (json!([]), "body"),
    ] {
        let (code, problem) = post(&site, &path, &body).await;
        assert_eq!((code, &problem["parameter"]), (400, &json!(parameter)), "{body}: {problem}");
    }
    let fine = json!({ "verdict": "confirmed", "why": "x" });
    assert_eq!(post(&site, "bw-none/verdicts", &fine).await.0, 404);
    let none = site.client.get(format!("{}/api/v1/incidents/bw-none/verdicts", site.base)).bearer_auth("s3cret");
    assert_eq!(none.send().await.expect("an answer").status(), 404);
    let text = site.client.post(format!("{}/api/v1/incidents/{path}", site.base)).bearer_auth("s3cret");
    assert_eq!(text.body(fine.to_string()).send().await.expect("an answer").status(), 415);
    assert_eq!(site.site.store.verdicts(&opened().id).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_rule_speaks_of_the_one_who_did_it_and_of_nobody_on_the_way() {
    let site = duty().await;
    let first = Alert { suspect_ases: vec![Asn(64511), Asn(64505)], ..opened() };
    tell(&site.site, first).await;
    let fine = json!({ "verdict": "accepted_risk", "why": "a test" });
    let (code, said) = post(&site, &format!("{}/verdicts", opened().id), &fine).await;
    let rules = crate::config::rules_of(said["rule"].as_str().expect("a rule")).expect("as in a watch file");
    assert_eq!((code, &rules[0].suspects, &rules[0].origins), (201, &vec![Asn(64511)], &vec![Asn(64511)]));
    let leak = Alert { id: "bw-leak".into(), class: Class::RouteLeak, ..opened() };
    tell(&site.site, leak).await;
    let (_, said) = post(&site, "bw-leak/verdicts", &fine).await;
    let rules = crate::config::rules_of(said["rule"].as_str().expect("a rule")).expect("as in a watch file");
    assert!(rules[0].origins.is_empty(), "a leaker is no origin");
}

#[tokio::test]
async fn no_rule_follows_from_what_was_not_seen_or_cannot_be_named() {
    let site = duty().await;
    let path = format!("{}/verdicts", opened().id);
    let prefix = |text: &str| text.parse().expect("a prefix");
    tell(&site.site, opened()).await;
    tell(&site.site, later(&opened(), 2, Transition::Updated)).await;
    let seen = |sequence: u32| json!({ "verdict": "false_positive", "why": "ours", "sequence": sequence });
    assert_eq!(post(&site, &path, &seen(1)).await.0, 201, "it means the same");
    let prefixes = vec![prefix("192.0.2.0/25"), prefix("192.0.2.128/25")];
    let grown = Alert { prefixes, prefix_count: 2, ..later(&opened(), 3, Transition::Updated) };
    tell(&site.site, grown.clone()).await;
    let (code, problem) = post(&site, &path, &seen(2)).await;
    assert!(code == 409 && problem["detail"].as_str().expect("text").contains("sequence 3"), "{problem}");
    assert_eq!(post(&site, &path, &seen(3)).await.0, 201);
    let (code, problem) = post(&site, &path, &seen(9)).await;
    assert_eq!((code, &problem["parameter"]), (400, &json!("sequence")));
    tell(&site.site, Alert { prefix_count: 1_001, sequence: 4, ..grown }).await;
    let all = json!({ "verdict": "accepted_risk", "why": "ours" });
    let (code, problem) = post(&site, &path, &all).await;
    assert!(code == 409 && problem["detail"].as_str().expect("text").contains("1001 prefixes"), "{problem}");
    let confirmed = json!({ "verdict": "confirmed", "why": "a leak" });
    assert_eq!(post(&site, &path, &confirmed).await.0, 201, "what needs no rule can be said");
}

/// One event after the other, as (event, id, data).
struct Events {
    body: futures_util::stream::BoxStream<'static, Vec<u8>>,
    text: String,
}

impl Events {
    async fn of(site: &Served, query: &str, last: Option<&str>) -> Self {
        let mut request = site.client.get(format!("{}/api/v1/stream{query}", site.base));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let body = response.bytes_stream().map(|part| part.expect("a part").to_vec()).boxed();
        Self { body, text: String::new() }
    }

    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (kind, id, data) = (field("event: "), field("id: "), field("data: "));
                self.text = rest.to_owned();
                if let (Some(kind), Some(id), Some(data)) = (kind, id, data) {
                    return (kind, id, serde_json::from_str(&data).expect("JSON"));
                }
                continue;
            }
            let part = timeout(Duration::from_secs(20), self.body.next()).await.expect("in time").expect("no end");
            self.text.push_str(std::str::from_utf8(&part).expect("text"));
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_and_brings_what_comes() {
    let site = served().await;
    for n in 0..300 {
        tell(&site.site, numbered(n)).await;
    }
    let began = site.site.store.status().position().borrow().began;
    let from_the_start = format!("{began:x}-0");
    let mut stream = Events::of(&site, "", Some(&from_the_start)).await;
    let mut last = String::new();
    for n in 0..250 {
        let (event, id, alert) = stream.next().await;
        assert_eq!((event.as_str(), &alert["id"]), ("opened", &json!(numbered(n).id)));
        last = id;
    }
    drop(stream);
    tell(&site.site, later(&numbered(7), 2, Transition::Resolved)).await;
    let mut stream = Events::of(&site, &format!("?cursor={last}"), None).await;
    for n in 250..300 {
        assert_eq!(stream.next().await.2["id"], numbered(n).id);
    }
    let (event, _, alert) = stream.next().await;
    assert_eq!((event.as_str(), &alert["sequence"]), ("resolved", &json!(2)));
    let mut new = Events::of(&site, "", None).await;
    tell(&site.site, numbered(300)).await;
    for stream in [&mut stream, &mut new] {
        assert_eq!(stream.next().await.2["id"], "bw-0300", "nothing twice, nothing left out");
    }
    let mut other_file = Events::of(&site, "?cursor=7-ffff", None).await;
    assert_eq!(other_file.next().await.0, "reset");
    assert_eq!(other_file.next().await.2["id"], "bw-0000");
    assert_eq!(site.get("/api/v1/stream?cursor=9").await.0, 400);
    let mut restored = Events::of(&site, &format!("?cursor={began:x}-ffff"), None).await;
    assert_eq!(restored.next().await.0, "reset", "the file is an older copy of what it was");
    assert_eq!(restored.next().await.2["id"], "bw-0000");
    drop((stream, new, other_file, restored));
    while site.site.turns.open_streams() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_and_holds_up_nobody() {
    let site = served_by(Http::default(), Turns::patient_for(Duration::from_millis(200))).await;
    let large: Arc<str> = format!("{{\"transition\":\"opened\",\"x\":\"{}\"}}", "x".repeat(200_000)).into();
    let put = |n: u32| {
        let parcel = Parcel::Alert(Delivery::new(&numbered(n), large.clone()));
        Put { parcel, sinks: Vec::new(), chapter: None }
    };
    site.site.store.put((0..300).map(put).collect()).await.expect("stored");
    let address = site.base.strip_prefix("http://").expect("an address");
    let mut lazy = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let began = site.site.store.status().position().borrow().began;
    let request = format!("GET /api/v1/stream?cursor={began:x}-0 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    lazy.write_all(request.as_bytes()).await.expect("sent");
    let cut = async {
        while site.site.turns.cut() == 0 {
            assert_eq!(site.get("/healthz").await.0, 200);
        }
    };
    timeout(Duration::from_secs(20), cut).await.expect("it is cut off");
    assert!(site.get("/metrics").await.1.contains("bgpwarden_http_clients_cut_total 1"));
}

#[tokio::test]
async fn the_description_knows_every_path_and_the_alert() {
    let site = served().await;
    tell(&site.site, opened()).await;
    let document = site.json("/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 20);
    // Some are asked of the engine, which is not there.
    let can_be_read = |path: &&String| {
        ["stream", "undo", "test", "again", "dismiss", "explain", "{asn}"].iter().all(|end| !path.ends_with(end))
    };
    for path in paths.keys().filter(can_be_read) {
        let path =
            path.replace("{id}", &opened().id).replace("{name}", "hook").replace("/prefix", "/prefix?prefix=192.0.2.1");
        assert_eq!(site.get(&path).await.0, 200, "{path}");
    }
    let operations = paths.values().flat_map(|methods| methods.as_object().expect("methods").values());
    let mut names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().expect("a name")).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((count, names.len()), (21, 21), "each has a name of its own");
    let page = site.get("/api").await.1;
    assert!(paths.keys().all(|path| page.contains(path)) && page.contains("min_severity"));
    let mut schema = json!({ "$ref": "#/components/schemas/Alert" });
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let alert: Value = serde_json::from_str(&to_json(&opened(), &WireContext::default())).expect("JSON");
    assert!(validator.is_valid(&alert));
    assert!(!validator.is_valid(&json!({})));
}
