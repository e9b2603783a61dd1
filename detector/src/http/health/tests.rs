use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use serde_json::Value;

use crate::alert::WireContext;
use crate::config::Config;
use crate::health::SinkReport;
use crate::http::tests::browser::{Browser, place};
use crate::http::tests::{HOSTILE, served_by};
use crate::sink::courier::Courier;
use crate::sink::trial::Trial;

/// A receiver that answers like this, and the bodies that came.
async fn receiver(code: u16, answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (out, came) = tokio::sync::mpsc::unbounded_channel();
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
