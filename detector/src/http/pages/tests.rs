use rules::alert::Alert;

use crate::alert::samples::{at, opened};
use crate::api::Turns;
use crate::config::Http;
use crate::http::tests::{Served, served_by, tell};

/// Sixty incidents, one a day from 1 March 2026 on.
async fn served() -> Served {
    let served = served_by(Http { requests_per_sec: 1_000_000, ..Http::default() }, Turns::default()).await;
    for day in 0..60 {
        let started = at(day * 86_400);
        tell(&served.site, Alert { id: format!("bw-{day:02}"), started, ..opened() }).await;
    }
    served
}

fn count(page: &str) -> usize {
    page.matches("class=\"title\" href=\"/incidents/").count()
}

#[tokio::test]
async fn the_history_leads_from_page_to_page_and_forgets_no_question_on_the_way() {
    let site = served().await;
    let (code, page) = site.get("/history?prefix=192.0.2.0%2F25&status=open&class=&since=").await;
    assert_eq!((code, count(&page)), (200, 50), "{page}");
    let (_, rest) = page.split_once("<a href=\"/history?").expect("a link");
    let next = rest.split('"').next().expect("a place").replace("&#38;", "&");
    assert!(
        next.contains("prefix=192.0.2.0%2F25") && next.contains("status=open") && next.contains("cursor="),
        "{next}"
    );
    let (_, last) = site.get(&format!("/history?{next}")).await;
    assert_eq!(count(&last), 10);
    assert!(!last.contains("rel=\"next\"") && last.contains("First page"), "{last}");
}

#[tokio::test]
async fn days_are_searched_whole_and_what_cannot_be_read_is_told_beside_what_was_asked() {
    let site = served().await;
    let (_, page) = site.get("/history?since=2026-03-02&until=2026-03-03").await;
    assert_eq!(count(&page), 2, "{page}");
    assert!(page.contains("incidents.csv?since=2026-03-02T00%3A00%3A00Z&#38;until=2026-03-04T00%3A00%3A00Z"), "{page}");
    let (code, page) = site.get("/history?suspect=somebody&status=open").await;
    assert!(code == 400 && page.contains("value=\"somebody\"") && page.contains("role=\"alert\""), "{page}");
    assert!(page.contains("<option value=\"open\" selected>"), "{page}");
    let (code, page) = site.get("/history?until=9999-12-31").await;
    assert!(code == 200 || code == 400, "the last day there is: {page}");
}

#[tokio::test]
async fn networks_are_found_by_a_part_of_their_name() {
    let site = served().await;
    let (_, all) = site.get("/constituents").await;
    assert!(all.contains("2 watched networks") && all.contains("60 open"), "{all}");
    let (_, some) = site.get("/constituents?name=ple+ba").await;
    assert!(some.contains("Example Bank") && some.matches("<h2").count() == 1, "{some}");
}
