//! Is what a web server says believed where it makes sense, and survived where it does not?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use feeds::vrp_poll::{Bounds, Endpoint, Poller, run};
use rules::bgp::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

const VRPS: &str = r#"{"metadata":{"generated":1700000000},
    "roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":24,"ta":"ripe"},
            {"asn":"AS64497","prefix":"198.51.100.0/24","maxLength":24,"ta":"ripe","expires":1700000100}],
    "aspas":[{"customer":"AS64500","providers":["AS64501"],"ta":"ripe"}]}"#;

const NOW: Timestamp = Timestamp(1_700_000_200 * 1_000_000);

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/vrps.json", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn bounds() -> Bounds {
    Bounds { octets: 10_000, silence: Duration::from_millis(300) }
}

#[tokio::test]
async fn the_same_answer_is_not_sent_twice() {
    let answers = |headers: HeaderMap| async move {
        let is_known = headers.get("if-none-match").is_some_and(|tag| tag == "\"one\"")
            && headers.get("if-modified-since").is_some();
        let builder =
            Response::builder().header("etag", "\"one\"").header("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT");
        match is_known {
            true => builder.status(StatusCode::NOT_MODIFIED).body(Body::empty()),
            false => builder.body(Body::from(VRPS)),
        }
        .expect("a response")
    };
    let url = serve(Router::new().route("/vrps.json", get(answers))).await;
    let mut poller = Poller::new(&url, bounds()).expect("a URL");
    let polled = poller.poll(NOW).await.expect("an answer").expect("news");
    assert_eq!((polled.set.vrps().len(), polled.set.aspas().len(), polled.has_aspas), (1, 1, true));
    assert_eq!(polled.as_of, Timestamp::from_secs(1_700_000_000));
    assert_eq!(poller.poll(NOW).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_says_not_modified_for_ever_keeps_no_row_alive_beyond_its_end() {
    let whole = Arc::new(AtomicUsize::new(0));
    let counted = whole.clone();
    let answers = move |headers: HeaderMap| {
        let is_known = headers.contains_key("if-none-match");
        counted.fetch_add(usize::from(!is_known), Ordering::Relaxed);
        async move {
            let builder = Response::builder().header("etag", "\"one\"");
            match is_known {
                true => builder.status(StatusCode::NOT_MODIFIED).body(Body::empty()),
                false => builder.body(Body::from(VRPS)),
            }
            .expect("a response")
        }
    };
    let url = serve(Router::new().route("/vrps.json", get(answers))).await;
    let mut poller = Poller::new(&url, bounds()).expect("a URL");
    let at = |secs: i64| Timestamp::from_secs(1_700_000_000 + secs);
    let polled = poller.poll(at(10)).await.expect("an answer").expect("news");
    assert_eq!((polled.set.vrps().len(), polled.next_expiry), (2, Some(at(100))));
    assert_eq!(poller.poll(at(100)).await, Ok(None));
    let polled = poller.poll(at(101)).await.expect("an answer").expect("what is left of it");
    assert_eq!((polled.set.vrps().len(), polled.next_expiry), (1, None));
    assert_eq!(poller.poll(at(1_000)).await, Ok(None));
    assert_eq!(whole.load(Ordering::Relaxed), 2, "nothing else expires, so it is not fetched again");
}

#[tokio::test]
async fn the_date_of_the_server_counts_where_the_validator_gives_none() {
    let answer = |date: Option<&'static str>| {
        let builder = Response::builder();
        let builder = date.into_iter().fold(builder, |builder, date| builder.header("last-modified", date));
        builder.body(Body::from("ASN,IP Prefix,Max Length,Trust Anchor\nAS64496,192.0.2.0/24,24,ripe\n"))
    };
    let router = Router::new()
        .route("/dated", get(move || async move { answer(Some("Tue, 14 Nov 2023 22:13:20 GMT")).expect("a response") }))
        .route("/odd", get(move || async move { answer(Some("yesterday")).expect("a response") }))
        .route("/not", get(move || async move { answer(None).expect("a response") }));
    let url = serve(router).await;
    for (path, as_of, is_dated) in
        [("dated", Timestamp::from_secs(1_700_000_000), true), ("odd", NOW, false), ("not", NOW, false)]
    {
        let mut poller = Poller::new(&url.replace("vrps.json", path), bounds()).expect("a URL");
        let polled = poller.poll(NOW).await.expect("an answer").expect("news");
        assert_eq!((polled.as_of, polled.is_dated), (as_of, is_dated), "/{path}");
    }
}

#[tokio::test]
async fn what_fails_stalls_or_is_too_much_is_told_and_bounded() {
    let endless = || async {
        let row = br#"{"asn":64496,"prefix":"192.0.2.0/24"},"#;
        let rows = futures_util::stream::iter((0..1_000_000).map(move |_| Ok::<_, std::io::Error>(row.to_vec())));
        Response::new(Body::from_stream(rows))
    };
    let stalls = || async {
        let head = futures_util::stream::once(async { Ok::<_, std::io::Error>(b"{\"roas\":[".to_vec()) });
        let never = futures_util::stream::pending();
        Response::new(Body::from_stream(futures_util::StreamExt::chain(head, never)))
    };
    let router = Router::new()
        .route("/500", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/html", get(|| async { "<html>moved</html>" }))
        .route("/half", get(|| async { &VRPS[..VRPS.len() / 2] }))
        .route("/aspas", get(|| async { r#"{"aspas":[]}"# }))
        .route("/endless", get(endless))
        .route("/stalls", get(stalls));
    let url = serve(router).await;
    for (path, why) in [
        ("500", "the server answered 500"),
        ("404", "the server answered 404"),
        ("html", "is neither JSON nor a CSV of VRPs"),
        ("half", "is not whole JSON"),
        ("aspas", "holds no list of VRPs"),
        ("endless", "longer than 10000 octets"),
        ("stalls", "timed out"),
    ] {
        let mut poller = Poller::new(&url.replace("vrps.json", path), bounds()).expect("a URL");
        let found = timeout(Duration::from_secs(20), poller.poll(NOW)).await.expect("bounded").expect_err("refused");
        assert!(found.contains(why), "/{path} gave {found:?}, not {why:?}");
        assert!(!found.contains("127.0.0.1"), "no URL in {found:?}");
    }
}

#[tokio::test]
async fn a_failure_keeps_the_last_good_answer_and_is_counted() {
    let requests = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let nth = requests.fetch_add(1, Ordering::Relaxed);
        async move { if nth == 0 { (StatusCode::OK, VRPS) } else { (StatusCode::BAD_GATEWAY, "") } }
    };
    let url = serve(Router::new().route("/vrps.json", get(answer))).await;
    let (out, mut endpoint) = watch::channel(Endpoint::new(&url));
    tokio::spawn(run(url, Duration::from_millis(50), out));
    let failed = timeout(Duration::from_secs(20), endpoint.wait_for(|e| e.failures >= 2)).await;
    let now = failed.expect("in time").expect("it runs").clone();
    assert_eq!(now.data.expect("the last good one").set.vrps().len(), 1);
    assert!(now.lost.is_some_and(|(_, why)| why.contains("502")));
}
