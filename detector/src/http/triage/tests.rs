use axum::http::header::SET_COOKIE;

use rules::alert::{Alert, Status};

use crate::alert::samples::{at, opened};
use crate::api::Turns;
use crate::config::Http;
use crate::http::tests::browser::{Browser, place};
use crate::http::tests::{HOSTILE, served_by, tell};

#[tokio::test]
async fn a_person_signs_in_is_led_to_where_they_wanted_and_signs_out() {
    let mut browser = Browser::new().await;
    let page = format!("/incidents/{}", opened().id);
    let (code, asked) = browser.page(&page).await;
    assert!(code == 401 && asked.contains(&format!("name=\"to\" value=\"{page}\"")), "{code} {asked}");
    let refused = browser.post("/sign-in", "token=s3cre&to=/").await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key(SET_COOKIE)), (401, false));
    assert_eq!(browser.sign_in("s3cret", "//example.net").await, "/");
    assert_eq!(browser.sign_in("s3cret", &page).await, page);
    assert_eq!(browser.page(&page).await.0, 200);
    assert!(browser.page("/account").await.1.contains("Signed in as duty"));
    let out = browser.post("/sign-out", "").await;
    browser.keep(&out);
    assert_eq!((place(&out).as_str(), browser.page(&page).await.0), ("/account", 401));
}

#[tokio::test]
async fn what_is_said_on_the_page_stands_there_and_can_be_taken_back() {
    let mut browser = Browser::new().await;
    browser.sign_in("s3cret", "/").await;
    let page = format!("/incidents/{}", opened().id);
    let form = "verdict=false_positive&why=%3Cscript%3Ealert(1)%3C/script%3E%22%27%26&until=2099-12-31&sequence=1&duplicate_of=";
    let said = browser.post(&format!("{page}/verdicts"), form).await;
    assert_eq!((said.status().as_u16(), place(&said)), (303, format!("{page}#verdicts")));
    let (_, shown) = browser.page(&page).await;
    assert!(shown.contains("False positive by duty") && shown.contains("2100-01-01 00:00:00 UTC"), "{shown}");
    assert!(!shown.contains("<script>alert"), "{HOSTILE} is escaped");
    let verdicts = browser.served.site.store.verdicts(&opened().id).await.expect("verdicts");
    assert_eq!((verdicts.len(), verdicts[0].said.why.as_str()), (1, HOSTILE));
    assert!(verdicts[0].said.rule.as_ref().is_some_and(|rule| rule.contains("192.0.2.0/25")));
    let undo = format!("{page}/verdicts/{}/undo", verdicts[0].number);
    assert_eq!(browser.post(&undo, "why=not+ours").await.status(), 303);
    let (_, shown) = browser.page(&page).await;
    assert!(shown.contains("taken back") && !shown.contains("False positive by duty"), "{shown}");
    assert_eq!(browser.post(&undo, "why=again").await.status(), 409);
}

#[tokio::test]
async fn what_cannot_be_said_is_told_on_the_page_and_nothing_that_was_written_is_lost() {
    let mut browser = Browser::new().await;
    browser.sign_in("s3cret", "/").await;
    let path = format!("/incidents/{}/verdicts", opened().id);
    for (form, code, told) in [
        ("verdict=confirmed&why=", 400, "why"),
        ("verdict=confirmed&why=lost%3F&until=tomorrow", 400, "until"),
        ("verdict=duplicate&why=lost%3F&duplicate_of=bw-none", 404, "no such incident"),
        ("verdict=accepted_risk&why=lost%3F&sequence=9", 400, "sequence"),
        ("verdict=fine&why=lost%3F", 400, "verdict"),
    ] {
        let answer = browser.post(&path, form).await;
        assert_eq!(answer.status(), code, "{form}");
        let page = answer.text().await.expect("text");
        let kept = if form.contains("lost") { ">lost?</textarea>" } else { "<textarea" };
        assert!(page.contains("role=\"alert\"") && page.contains(told) && page.contains(kept), "{form}\n{page}");
    }
    assert_eq!(browser.post("/incidents/none/verdicts", "verdict=confirmed&why=x").await.status(), 404);
}

#[tokio::test]
async fn an_incident_leads_to_what_there_was_of_the_same_prefix_and_suspect_before() {
    let mut browser = Browser::new().await;
    let started = at(-3_600);
    let earlier = Alert { id: "bw-earlier".into(), started, status: Status::Retracted, ..opened() };
    let elsewhere = Alert {
        id: "bw-elsewhere".into(),
        prefixes: vec!["198.51.100.0/24".parse().expect("a prefix")],
        ..earlier.clone()
    };
    for alert in [earlier, elsewhere] {
        tell(&browser.served.site, alert).await;
    }
    browser.sign_in("s3cret", "/").await;
    let (_, page) = browser.page(&format!("/incidents/{}", opened().id)).await;
    assert!(page.contains("<a href=\"/incidents/bw-earlier\">") && page.contains("(retracted)"), "{page}");
    assert!(!page.contains("bw-elsewhere"), "{page}");
    let (_, page) = browser.page("/incidents/bw-earlier").await;
    assert!(!page.contains("The same prefix and suspect before"), "{page}");
}

#[tokio::test]
async fn who_may_only_look_sees_no_buttons_and_no_page_of_others_can_press_them() {
    let mut browser = Browser::new().await;
    browser.sign_in("0ther", "/").await;
    let page = format!("/incidents/{}", opened().id);
    let (_, shown) = browser.page(&page).await;
    assert!(!shown.contains("<textarea") && shown.contains("The token eve may look. duty may say"), "{shown}");
    let form = "verdict=acknowledged&why=x";
    assert_eq!(browser.post(&format!("{page}/verdicts"), form).await.status(), 403);
    browser.sign_in("s3cret", "/").await;
    for (name, value) in [("origin", "https://example.net"), ("origin", "null"), ("sec-fetch-site", "same-site")] {
        let request = browser.client.post(format!("{}{page}/verdicts", browser.served.base)).header(name, value);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        assert_eq!(browser.send(request).await.status(), 403, "{name}: {value}");
    }
    assert!(browser.served.site.store.verdicts(&opened().id).await.expect("verdicts").is_empty());
    let open = served_by(Http::default(), Turns::default()).await;
    tell(&open.site, opened()).await;
    let (_, shown) = open.get(&page).await;
    assert!(!shown.contains("<textarea") && shown.contains("[http.tokens.duty]"), "{shown}");
}
