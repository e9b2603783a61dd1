use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use rules::alert::Severity;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::alert::WireContext;
use crate::alert::samples::opened;
use crate::config::Config;
use crate::health::SinkReport;
use crate::http::tests::browser::{Browser, place};
use crate::http::tests::{HOSTILE, served_by};
use crate::sink::courier::Courier;
use crate::sink::dispatch::{Decided, Dispatch};
use crate::sink::outbox::Outbox;
use crate::sink::status::DeadLetter;
use crate::sink::trial::Trial;
use crate::sink::{Delivery, Route};

/// A receiver that answers like this, and the bodies that came.
async fn receiver(code: u16, answer: &'static str) -> (String, mpsc::UnboundedReceiver<String>) {
    let (out, came) = mpsc::unbounded_channel();
    let take = async move |body: String| {
        out.send(body).expect("somebody looks");
        (StatusCode::from_u16(code).expect("a status"), answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(take)).await.expect("it serves") });
    (url, came)
}

/// A site with a file, and a route of a hostile name to `url`.
async fn with_route(url: &str) -> Browser {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let text = format!("[routes.{HOSTILE:?}]\nkind = 'webhook'\nurl = '{url}'\n");
    let config = Config::parse("c", &text, std::path::Path::new("")).expect("fine");
    let courier = Courier::new(&config.routes[0], None, WireContext::default(), Arc::default()).expect("a courier");
    let browser = Browser::at(|site| site.trials = vec![Trial::new(Arc::new(courier), "webhook")].into()).await;
    let sink = |name: &str| SinkReport { name: name.to_owned(), ..SinkReport::default() };
    browser.served.report.send_modify(|report| report.sinks = vec![sink("file"), sink(HOSTILE)]);
    browser
}

const FORM: &str = "sink=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26";

#[tokio::test]
async fn a_test_is_sent_and_what_was_answered_stands_on_the_page() {
    let (url, mut came) = receiver(200, HOSTILE).await;
    let mut browser = with_route(&url).await;
    browser.sign_in("s3cret", "/health").await;
    let (_, page) = browser.page("/health").await;
    assert_eq!(page.matches(">Send a test</button>").count(), 1, "a file has none: {page}");
    let sent = browser.post("/health/test", FORM).await;
    assert_eq!((sent.status().as_u16(), place(&sent).as_str()), (303, "/health#sinks"));
    let body: Value = serde_json::from_str(&came.recv().await.expect("it came")).expect("JSON");
    assert_eq!((&body["schema"], &body["kind"]), (&"bgpwarden.notice/1".into(), &"test".into()));
    let (_, page) = browser.page("/health").await;
    assert!(page.contains("<b class=\"good\">delivered</b>: 200 OK &#60;script&#62;"), "{page}");
    assert!(page.contains("by duty)") && !page.contains("<script>alert"), "{page}");
    assert_eq!(browser.post("/health/test", FORM).await.status(), 429, "one at a time");
    assert_eq!(browser.post("/health/test", "sink=file").await.status(), 404);
    assert!(came.try_recv().is_err(), "one came, and no more");
}

#[tokio::test]
async fn a_test_that_fails_says_why_and_what_to_do_on_the_page_and_to_programs() {
    let (url, _came) = receiver(401, "who are you").await;
    let mut browser = with_route(&url).await;
    browser.sign_in("s3cret", "/health").await;
    let path = format!("{}/api/v1/sinks/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22'&/test", browser.served.base);
    let answer = browser.client.post(&path).bearer_auth("s3cret").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let tested: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
    assert_eq!((&tested["sink"], &tested["delivered"]), (&HOSTILE.into(), &false.into()));
    assert_eq!(
        (&tested["answer"], &tested["reason"]),
        (&"answered 401 Unauthorized who are you".into(), &"refused".into())
    );
    assert!(tested["next_step"].as_str().is_some_and(|step| step.contains("token or password is right")), "{tested}");
    let again = browser.client.post(&path).bearer_auth("s3cret").send().await.expect("an answer");
    assert_eq!((again.status().as_u16(), again.headers().contains_key("retry-after")), (429, true));
    let (_, page) = browser.page("/health").await;
    assert!(
        page.contains("<b class=\"down\">failed</b>: answered 401") && page.contains("token or password"),
        "{page}"
    );
}

#[tokio::test]
async fn who_may_only_look_sends_nothing_nor_does_a_page_of_another_site() {
    let (url, mut came) = receiver(200, "").await;
    let mut browser = with_route(&url).await;
    browser.sign_in("0ther", "/health").await;
    let (_, page) = browser.page("/health").await;
    assert!(!page.contains("<button") && page.contains("token of role <b>triage</b>"), "{page}");
    assert_eq!(browser.post("/health/test", FORM).await.status(), 403);
    browser.sign_in("s3cret", "/health").await;
    let forged = browser.client.post(format!("{}/health/test", browser.served.base));
    let forged =
        forged.header("content-type", "application/x-www-form-urlencoded").header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(forged.body(FORM)).await.status(), 403);
    let open = served_by(crate::config::Http::default(), crate::api::Turns::default()).await;
    let anybody = open.client.post(format!("{}/api/v1/sinks/hook/test", open.base)).send().await.expect("an answer");
    assert_eq!(anybody.status(), 403, "without a token nobody changes anything");
    assert!(came.try_recv().is_err(), "nothing came");
}

#[tokio::test]
async fn what_was_refused_is_sent_again_from_the_page_and_it_is_listed_by_whom() {
    let (settle, mut settlings) = mpsc::channel(1);
    let mut browser = Browser::at(|site| site.settle = settle).await;
    let store = browser.served.site.store.clone();
    let outbox = Arc::new(Outbox::over(store.clone(), "hook".into()));
    let mut dispatch = Dispatch::new(vec![Route::new("hook".into(), Severity::Low, outbox.clone())], store);
    let delivery = Delivery::new(&opened(), "{}".into());
    dispatch.put(vec![Decided { alert: Arc::new(opened()), delivery, merely_refreshes: false, chapter: None }]).await;
    let (ticket, _) = outbox.take().await.expect("it waits");
    outbox.bury(ticket, HOSTILE.to_owned());
    tokio::spawn(async move {
        while let Some(asked) = settlings.recv().await {
            dispatch.settle(asked).await;
        }
    });
    let letter = DeadLetter { id: format!("{}/1", opened().id), error: HOSTILE.to_owned() };
    let hook =
        SinkReport { name: "hook".into(), dead_letter_count: 1, dead_letters: vec![letter], ..SinkReport::default() };
    browser.served.report.send_modify(|report| report.sinks = vec![hook]);
    browser.sign_in("0ther", "/health").await;
    assert!(!browser.page("/health").await.1.contains("<button"), "who may only look settles nothing");
    assert_eq!(browser.post("/health/dead-letters", "sink=hook&act=again").await.status(), 403);
    browser.sign_in("s3cret", "/health").await;
    let (_, page) = browser.page("/health").await;
    assert!(page.contains(">Send 1 again to hook</button>") && !page.contains("<script>alert"), "{page}");
    for (form, code) in [("sink=hook&act=burn", 400), ("sink=none&act=again", 404), ("sink=hook&act=again", 303)] {
        assert_eq!(browser.post("/health/dead-letters", form).await.status(), code, "{form}");
    }
    assert_eq!(outbox.backlog(), 1);
    let listed = format!("{}/api/v1/sinks/hook/dead-letters", browser.served.base);
    let listed = browser.send(browser.client.get(listed)).await.text().await.expect("text");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let record = &listed["dead_letters"][0];
    assert_eq!((&listed["count"], &record["fate"], &record["by"]), (&1.into(), &"sent_again".into(), &"duty".into()));
    assert_eq!((&record["id"], &record["error"]), (&format!("{}/1", opened().id).into(), &HOSTILE.into()));
    let dismissed = browser.client.post(format!("{}/api/v1/sinks/hook/dead-letters/dismiss", browser.served.base));
    let dismissed = dismissed.bearer_auth("s3cret").send().await.expect("an answer").text().await.expect("text");
    assert_eq!(dismissed, r#"{"sent_again":0,"overtaken":0,"dismissed":0,"left":0}"#, "nothing is left");
}
