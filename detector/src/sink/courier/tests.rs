use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use rules::alert::Severity;
use rules::bgp::Timestamp;

use super::*;
use crate::alert::samples::{at, opened};
use crate::config::{Config, Route};
use crate::notice::{NoticeKind, NoticeState};
use crate::store::{Location, Put};

/// What came: headers and body, oldest first.
type Came = Arc<Mutex<Vec<(HeaderMap, String)>>>;
type Answers = Arc<Mutex<VecDeque<(StatusCode, HeaderMap)>>>;

/// Answers as it is told, then with 200.
struct Receiver {
    url: String,
    came: Came,
    _serving: tokio::task::JoinHandle<()>,
}

impl Receiver {
    async fn start(answers: &[(u16, &'static [(&'static str, &'static str)])]) -> Self {
        let headers = |list: &[(&'static str, &'static str)]| {
            list.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
        };
        let answer = |(status, list): &(u16, &'static [(&'static str, &'static str)])| {
            (StatusCode::from_u16(*status).expect("a status"), headers(list))
        };
        let answers: Answers = Arc::new(Mutex::new(answers.iter().map(answer).collect()));
        let came = Came::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(take).with_state((came.clone(), answers));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, came, _serving: serving }
    }

    fn came(&self) -> Vec<(HeaderMap, String)> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By id.
    fn ids(&self) -> Vec<String> {
        self.came().iter().map(|(headers, _)| header(headers, "webhook-id")).collect()
    }
}

async fn take(
    State((came, answers)): State<(Came, Answers)>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap, String) {
    came.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (status, headers) = next.unwrap_or_default();
    (status, headers, "as told".repeat(10_000))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().expect("text").to_owned()
}

fn webhook(url: &str) -> Route {
    let text = format!("[routes.hook]\nkind = 'webhook'\nurl = '{url}'\nsecret = {{ env = 'PATH' }}\n");
    let config = Config::parse("c", &text, std::path::Path::new("")).expect("fine");
    config.routes.into_iter().next().expect("a route")
}

fn parcel(sequence: u32) -> Parcel {
    let alert = Alert { sequence, ..opened() };
    let json = to_json(&alert, &WireContext::default());
    Parcel::Alert(Delivery::new(&alert, json.into()))
}

fn start(route: &Route) -> (Courier, Arc<SinkStatus>) {
    let status = Arc::<SinkStatus>::default();
    (Courier::new(route, None, WireContext::default(), status.clone()).expect("a courier"), status)
}

/// Delivers these and comes back when all are settled.
async fn delivered(receiver: &Receiver, parcels: Vec<Parcel>) -> Arc<SinkStatus> {
    let (courier, status) = start(&webhook(&receiver.url));
    let outbox = Outbox::default();
    for parcel in parcels {
        outbox.push(parcel).await;
    }
    outbox.close();
    courier.run(&outbox).await;
    assert_eq!(outbox.backlog(), 0);
    status
}

#[tokio::test]
async fn a_webhook_is_signed_over_what_came_and_named_by_what_it_tells() {
    let receiver = Receiver::start(&[]).await;
    let status = delivered(&receiver, vec![parcel(1)]).await;
    let (headers, body) = &receiver.came()[0];
    let Parcel::Alert(delivery) = parcel(1) else { panic!("an alert") };
    assert_eq!(*body, *delivery.json);
    assert_eq!(header(headers, "webhook-id"), format!("{}/1", delivery.id));
    assert_eq!(header(headers, "webhook-event"), "bgpwarden.incident.opened.v1");
    let secret = std::env::var("PATH").expect("a PATH");
    let signed = format!("{}.{}.{body}", header(headers, "webhook-id"), header(headers, "webhook-timestamp"));
    assert_eq!(header(headers, "webhook-signature"), signature_of(&secret, &signed));
    assert_eq!((status.delivered(), status.buried()), (1, 0));
}

/// As a receiver would check it: HMAC by its definition (RFC 2104 §2).
fn signature_of(secret: &str, signed: &str) -> String {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let mut key = [0_u8; 64];
    match secret.len() {
        0..=64 => key[..secret.len()].copy_from_slice(secret.as_bytes()),
        _ => key[..32].copy_from_slice(&Sha256::digest(secret)),
    }
    let inner = Sha256::new().chain_update(key.map(|b| b ^ 0x36)).chain_update(signed).finalize();
    let outer = Sha256::new().chain_update(key.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(outer))
}

#[tokio::test]
async fn what_may_work_later_is_tried_again_under_the_same_id() {
    let soon: &[(&str, &str)] = &[("retry-after", "0")];
    let unwanted = [401, 403, 404, 405, 410].map(|code| (code, soon));
    let answers = [(503, &[] as &[_]), (429, soon), (408, &[]), (500, &[])].into_iter().chain(unwanted);
    let receiver = Receiver::start(&answers.collect::<Vec<_>>()).await;
    let status = delivered(&receiver, vec![parcel(1)]).await;
    let id = format!("{}/1", opened().id);
    assert_eq!(receiver.ids(), vec![id; 10]);
    assert_eq!((status.delivered(), status.buried(), status.error()), (1, 0, None));
    assert_eq!((status.failures(FailureReason::Throttled), status.failures(FailureReason::Timeout)), (1, 1));
}

#[tokio::test]
async fn what_will_never_be_taken_is_a_dead_letter_and_does_not_stand_in_the_way() {
    let receiver = Receiver::start(&[(422, &[])]).await;
    let status = delivered(&receiver, vec![parcel(1), parcel(2)]).await;
    assert_eq!(receiver.came().len(), 2, "once each");
    assert_eq!((status.delivered(), status.buried()), (1, 1));
    let [letter] = Vec::from(status.letters().newest).try_into().expect("one");
    assert!(
        letter.id.ends_with("/1") && letter.error.starts_with("answered 422 Unprocessable Entity as told"),
        "{letter:?}"
    );
    assert!(letter.error.len() < 300, "the answer is cut");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(&[]).await;
    let to: &'static str = elsewhere.url.clone().leak();
    let receiver = Receiver::start(&[(307, Vec::leak(vec![("location", to), ("retry-after", "0")]))]).await;
    let status = delivered(&receiver, vec![parcel(1)]).await;
    assert_eq!((elsewhere.came().len(), receiver.came().len()), (0, 2), "the same place is asked again");
    assert_eq!((status.delivered(), status.buried()), (1, 0));
}

#[tokio::test]
async fn alertmanager_is_told_again_of_what_an_earlier_life_left_open_and_of_nothing_that_is_over() {
    let receiver = Receiver::start(&[]).await;
    let text = format!("[routes.am]\nkind = 'alertmanager'\nurl = '{}'\n", receiver.url);
    let config = Config::parse("c", &text, std::path::Path::new("")).expect("fine");
    let (courier, _) = start(&config.routes[0]);
    let store = Store::start(Location::Memory).expect("a store");
    let over = Alert { id: "bw-over".into(), status: rules::alert::Status::Resolved, ended: Some(at(1)), ..opened() };
    let delivery = |alert: &Alert| Delivery::new(alert, to_json(alert, &WireContext::default()).into());
    for alert in [opened(), over.clone()] {
        let parcel = Parcel::Alert(delivery(&alert));
        store.put(vec![Put { parcel, sinks: vec!["am".into()], chapter: None }]).await.expect("stored");
    }
    courier.recall(&[delivery(&opened()), delivery(&over)], &store).await.expect("a store");
    courier.again().await.expect("taken");
    let told: serde_json::Value = serde_json::from_str(&receiver.came()[0].1).expect("JSON");
    let incidents: Vec<_> = told.as_array().expect("a list").iter().map(|a| &a["labels"]["incident"]).collect();
    assert_eq!(incidents, [&serde_json::json!(opened().id)]);
}

#[tokio::test]
async fn transitions_of_an_incident_arrive_in_their_order_however_often_one_fails() {
    let receiver = Receiver::start(&[(500, &[]), (500, &[])]).await;
    delivered(&receiver, vec![parcel(1), parcel(2), parcel(3)]).await;
    let sequences: Vec<_> = receiver.ids().iter().map(|id| id.rsplit('/').next().expect("one").to_owned()).collect();
    assert_eq!(sequences, ["1", "1", "1", "2", "3"]);
}

#[tokio::test]
async fn a_notice_goes_out_and_a_tombstone_does_not() {
    let receiver = Receiver::start(&[]).await;
    let (kind, state, subject) = (NoticeKind::FeedGap, NoticeState::Raised, "ris".to_owned());
    let notice = Notice { time: Timestamp::from_secs(1), kind, state, subject, detail: "closed".to_owned() };
    delivered(&receiver, vec![Parcel::Forget("bw-a".into()), Parcel::notice(notice.clone())]).await;
    let came = receiver.came();
    let [(headers, body)] = came.as_slice() else { panic!("one") };
    assert_eq!(*body, notice.to_json());
    assert_eq!(header(headers, "webhook-id"), "feed_gap:ris/1970-01-01T00:00:01.000Z");
    assert_eq!(header(headers, "webhook-event"), "bgpwarden.notice.raised.v1");
}

#[tokio::test]
async fn what_was_not_taken_is_told_by_the_next_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let name: Arc<str> = "hook".into();
    let first = Store::start(Location::File(path.clone())).expect("a store");
    let alert = Put { parcel: parcel(1), sinks: vec![name.clone()], chapter: None };
    first.put(vec![alert]).await.expect("stored");
    first.close().await;

    let receiver = Receiver::start(&[(503, &[])]).await;
    let store = Store::start(Location::File(path)).expect("a store");
    let (told, last) = store.told(&name).await.expect("an answer");
    let outbox = Outbox::over(store.clone(), name.clone());
    outbox.remember(told.waiting, last);
    outbox.close();
    let (courier, _) = start(&webhook(&receiver.url));
    tokio::select! {
        () = courier.run(&outbox) => {}
        never = outbox.keep_filled() => match never {},
    }
    assert_eq!(receiver.ids(), vec![format!("{}/1", opened().id); 2]);
    store.close().await;
}

#[tokio::test]
async fn nobody_there_is_said_without_the_path_of_the_url() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/hunter2", free.local_addr().expect("an address"));
    drop(free);
    let (courier, _) = start(&webhook(&url));
    let (kind, state, subject) = (NoticeKind::Test, NoticeState::Raised, "bgpwarden".to_owned());
    let notice = Notice { time: Timestamp::from_secs(1), kind, state, subject, detail: String::new() };
    let refusal = courier.try_once(&Message::Notice("test".into(), notice)).await.expect_err("nobody is there");
    assert!(!refusal.is_final && refusal.reason == FailureReason::Unreachable, "{refusal:?}");
    assert!(!refusal.error.contains("hunter2"), "{}", refusal.error);
}

#[test]
fn a_route_for_some_hears_only_of_them() {
    let config = "[routes.a]\nkind='webhook'\nurl='http://x'\nmin_severity='critical'\nclasses=['route_leak']";
    let config = Config::parse("c", config, std::path::Path::new("")).expect("fine");
    let filter = crate::sink::filter::Filter::of(&config.routes[0], None);
    let leak = Alert { severity: Severity::Critical, class: rules::alert::Class::RouteLeak, ..opened() };
    assert!(filter.wants(&leak, false) && !filter.wants(&opened(), false));
}

fn slack(url: &str, digest_secs: u64) -> Route {
    let text = format!("[routes.chat]\nkind='slack'\nurl='{url}'\ndigest_secs={digest_secs}\nchannel='#noc'\n");
    let config = Config::parse("c", &text, std::path::Path::new("")).expect("fine");
    config.routes.into_iter().next().expect("a route")
}

#[tokio::test]
async fn a_chat_is_told_in_a_few_lines() {
    let receiver = Receiver::start(&[]).await;
    let (courier, _) = start(&slack(&receiver.url, 0));
    let outbox = Outbox::default();
    outbox.push(parcel(1)).await;
    outbox.close();
    courier.run(&outbox).await;
    let body: serde_json::Value = serde_json::from_str(&receiver.came()[0].1).expect("JSON");
    let text = body["text"].as_str().expect("a text");
    let expected = "*high opened: AS64511 announces 192.0.2.0/25, part of 192.0.2.0/24 of AS64496*\n\
                    Suspect: AS64511\nPrefixes: 192.0.2.0/25\nWatched: Example Bank\nSince: 2026-03-01T03:04:02.000Z";
    assert_eq!((text, body["channel"].as_str()), (expected, Some("#noc")));
}

#[tokio::test]
async fn what_is_left_at_the_end_goes_out_as_one_and_all_of_it_is_confirmed() {
    let receiver = Receiver::start(&[(503, &[])]).await;
    let (courier, status) = start(&slack(&receiver.url, 300));
    let outbox = Outbox::default();
    for n in 0..40 {
        let alert = Alert { id: format!("bw-{n}"), ..opened() };
        let json = to_json(&alert, &WireContext::default());
        outbox.push(Parcel::Alert(Delivery::new(&alert, json.into()))).await;
    }
    outbox.close();
    courier.run(&outbox).await;
    let came = receiver.came();
    assert_eq!((came.len(), outbox.backlog(), status.delivered()), (2, 0, 1), "refused once, then taken");
    assert_eq!(came[0].1, came[1].1);
    assert!(came[0].1.contains("40 messages (40 high)"), "{}", came[0].1);
}

#[tokio::test]
async fn what_is_in_a_digest_is_not_confirmed_before_it_is_sent() {
    let receiver = Receiver::start(&[]).await;
    let (courier, _) = start(&slack(&receiver.url, 300));
    let outbox = Outbox::default();
    outbox.push(parcel(1)).await;
    let first = async {
        while outbox.backlog() > 0 {
            tokio::task::yield_now().await;
        }
        outbox.push(parcel(2)).await;
        // Taken by the courier, and so no longer to be had.
        while outbox.has_something_to_take() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = courier.run(&outbox) => panic!("it goes on"),
        () = first => {}
    }
    assert_eq!((receiver.came().len(), outbox.backlog()), (1, 1));
}

#[tokio::test]
async fn what_a_proxy_refuses_for_too_long_is_given_up_and_the_next_is_taken() {
    for digest_secs in [0, 300] {
        let receiver = Receiver::start(&[(403, &[])]).await;
        let (mut courier, status) = start(&slack(&receiver.url, digest_secs));
        courier.patience = Duration::ZERO;
        let outbox = Outbox::default();
        outbox.push(parcel(1)).await;
        let then = async {
            while outbox.backlog() > 0 {
                tokio::task::yield_now().await;
            }
            outbox.push(parcel(2)).await;
            outbox.close();
        };
        tokio::join!(courier.run(&outbox), then);
        assert_eq!((receiver.came().len(), status.delivered(), status.buried()), (2, 1, 1));
        let [letter] = Vec::from(status.letters().newest).try_into().expect("one");
        assert!(letter.id.ends_with("/1") && letter.error.starts_with("answered 403"), "{letter:?}");
    }
}

#[tokio::test]
async fn only_a_refusal_over_http_is_ever_given_up_and_only_after_a_day() {
    let (courier, _) = start(&webhook("http://127.0.0.1:9/"));
    assert_eq!(courier.patience, Duration::from_secs(86_400));
    let mail =
        "[routes.mail]\nkind='email'\nserver='127.0.0.1:9'\ntls='none'\nfrom='a@example.net'\nto=['b@example.net']\n";
    let mail = Config::parse("c", mail, std::path::Path::new("")).expect("fine");
    assert_eq!(start(&mail.routes[0]).0.patience, Duration::MAX);
    let receiver = Receiver::start(&[(503, &[])]).await;
    let (mut courier, status) = start(&slack(&receiver.url, 0));
    courier.patience = Duration::ZERO;
    let outbox = Outbox::default();
    outbox.push(parcel(1)).await;
    outbox.close();
    courier.run(&outbox).await;
    assert_eq!((status.delivered(), status.buried()), (1, 0), "it failed, and did not refuse");
}
