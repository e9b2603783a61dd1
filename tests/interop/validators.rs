//! Does what validators say reach the verdicts, at once?

use std::time::Instant;

use serde_json::Value;

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::parts::all_here;
use crate::harness::ris_live::RisLive;
use crate::harness::until;
use crate::servers::rpki::{Objects, PARTS, Routinator, Stayrtr};

const VICTIM: u32 = 64_496;
const SUSPECT: u32 = 64_511;
const PREFIX: &str = "198.51.100.0/24";

fn config(live: &RisLive, caches: &[u16]) -> String {
    let caches: Vec<_> = caches.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    format!(
        "[feeds.live]\nkind = \"ris_live\"\nurl = \"{}\"\n\n[rpki]\nrtr = [{}]\n\n\
         [sinks.file]\nkind = \"ndjson\"\npath = \"alerts.ndjson\"\n\n\
         [[watch.constituents]]\nname = \"Example Bank\"\n[[watch.constituents.resources]]\n\
         prefix = \"{PREFIX}\"\nexpected_origins = [{VICTIM}]\n",
        live.url,
        caches.join(", ")
    )
}

fn announce(live: &RisLive, path: &[u32]) {
    for peer in [3_001, 3_002, 3_003] {
        live.say(peer, PREFIX, Some(&[&[peer][..], path].concat()));
    }
}

/// The incident of the only prefix there is, beside that a prefix of documentation is no network.
async fn incident(bgpwarden: &Bgpwarden) -> Option<Value> {
    let page = bgpwarden.json("/api/v1/incidents").await;
    page["incidents"].as_array()?.iter().find(|incident| incident["class"] != "bogon_prefix").cloned()
}

async fn until_incident(bgpwarden: &Bgpwarden, what: &str, secs: u64, is: impl Fn(&Value) -> bool) -> Value {
    until(what, secs, async || incident(bgpwarden).await.filter(|found| is(found))).await
}

async fn vrps(bgpwarden: &Bgpwarden, count: usize) {
    bgpwarden.until_metric("bgpwarden_rpki_objects", "kind=\"vrps\"", 20, |held| held == count as f64).await;
}

/// Objects that have nothing to do with the story: a set that shrinks by more than a tenth would be doubted.
fn others() -> Vec<(String, u8, u32)> {
    (0..24).map(|number| (format!("203.0.113.{number}/32"), 32, 64_499)).collect()
}

/// Those, and these.
fn with(roas: &[(&str, u8, u32)], aspas: &[(u32, &[u32])]) -> Objects {
    let own = roas.iter().map(|(prefix, longest, asn)| ((*prefix).to_owned(), *longest, *asn));
    let aspas = aspas.iter().map(|(customer, providers)| (*customer, providers.to_vec())).collect();
    Objects { roas: others().into_iter().chain(own).collect(), aspas }
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_roa_that_changes_at_routinator_escalates_and_retracts_within_two_seconds() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (live, routinator) = (RisLive::start().await, Routinator::start(&with(&[], &[])).await);
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &[routinator.rtr_port])).await;
    live.subscribed().await;
    vrps(&bgpwarden, others().len()).await;
    announce(&live, &[64_500, SUSPECT]);
    let opened = until_incident(&bgpwarden, "an incident", 20, |found| found["status"] == "open").await;
    assert_eq!(opened["rov"]["state"], "not_found");

    // The victim signs: the stranger is now invalid.
    let begun = Instant::now();
    routinator.change(&with(&[(PREFIX, 24, VICTIM)], &[]));
    let escalated = until_incident(&bgpwarden, "invalid", 2, |found| found["rov"]["state"] == "invalid").await;
    println!("ROA of the victim to its consequence: {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(escalated["id"], opened["id"], "it is the same incident");
    assert!(escalated["score"].as_i64() > opened["score"].as_i64(), "{escalated}");

    // The stranger turns out to be allowed.
    let begun = Instant::now();
    routinator.change(&with(&[(PREFIX, 24, VICTIM), (PREFIX, 24, SUSPECT)], &[]));
    let taken_back = until_incident(&bgpwarden, "retracted", 2, |found| found["status"] == "retracted").await;
    println!("ROA of the stranger to the retraction: {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(taken_back["reason"]["code"], "roa", "{taken_back}");
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn an_aspa_that_changes_at_routinator_is_seen_within_two_seconds() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let roa = (PREFIX, 24, VICTIM);
    let (live, routinator) = (RisLive::start().await, Routinator::start(&with(&[roa], &[])).await);
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &[routinator.rtr_port])).await;
    live.subscribed().await;
    vrps(&bgpwarden, others().len() + 1).await;
    // AS64503 passes on what one transit AS told it to another.
    announce(&live, &[64_502, 64_503, 64_500, VICTIM]);
    bgpwarden.until_metric("bgpwarden_rib_routes", "family=\"ipv4\"", 10, |held| held == 3.0).await;
    assert!(incident(&bgpwarden).await.is_none(), "nobody knows yet that this is wrong");

    // Both say that they have no providers, so AS64503 is none and leaks.
    let begun = Instant::now();
    routinator.change(&with(&[roa], &[(64_500, &[0]), (64_502, &[0])]));
    let opened = until_incident(&bgpwarden, "a leak", 2, |found| found["status"] == "open").await;
    println!("ASPAs to the incident: {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(opened["class"], "route_leak", "{opened}");

    let begun = Instant::now();
    routinator.change(&with(&[roa], &[(64_500, &[64_503]), (64_502, &[0])]));
    let taken_back = until_incident(&bgpwarden, "retracted", 2, |found| found["status"] == "retracted").await;
    println!("ASPA that allows it to the retraction: {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(taken_back["reason"]["code"], "aspa", "{taken_back}");
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_second_cache_serves_until_the_first_is_there_and_an_old_draft_of_aspa_does_no_harm() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (victim, suspect) = ((PREFIX, 24, VICTIM), (PREFIX, 24, SUSPECT));
    let live = RisLive::start().await;
    let stayrtr = Stayrtr::start(&with(&[victim], &[])).await;
    let mut routinator = Routinator::start(&with(&[victim, suspect], &[(VICTIM, &[64_500])])).await;
    routinator.kill();
    let caches = [routinator.rtr_port, stayrtr.rtr_port];
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &caches)).await;
    live.subscribed().await;
    vrps(&bgpwarden, others().len() + 1).await;
    announce(&live, &[64_500, SUSPECT]);
    until_incident(&bgpwarden, "an incident", 20, |found| found["rov"]["state"] == "invalid").await;
    // stayrtr looks at its file each second, and tells.
    stayrtr.change(&with(&[victim, ("192.0.2.0/24", 24, VICTIM)], &[]));
    vrps(&bgpwarden, others().len() + 2).await;
    // The cache of first choice comes back, with a ROA for the stranger.
    routinator.start_again().await;
    let found = until_incident(&bgpwarden, "retracted", 40, |found| found["status"] == "retracted").await;
    assert_eq!(found["reason"]["code"], "roa", "{found}");
    bgpwarden.until_metric("bgpwarden_rpki_objects", "kind=\"aspas\"", 10, |held| held == 1.0).await;
}
