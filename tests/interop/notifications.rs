//! Do those who are to be told understand what they are told: Alertmanager, and a mail server?

use std::path::Path;

use serde_json::Value;

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::parts::all_here;
use crate::harness::process::tool;
use crate::harness::ris_live::RisLive;
use crate::harness::webhook::Webhook;
use crate::harness::{free_port, until};
use crate::servers::mail::{self, MailServer};
use crate::servers::prometheus::{Alertmanager, PARTS};

const BGPWARDEN: &str = env!("CARGO_BIN_EXE_bgpwarden");

/// Two watched networks; no ROA, so a hijack begins below its final severity only if told to.
fn config(live: &RisLive, routes: &str) -> String {
    let watched = |name: &str, prefix: &str, origin: u32| {
        format!(
            "[[watch.constituents]]\nname = \"{name}\"\n[[watch.constituents.resources]]\nprefix = \"{prefix}\"\n\
             expected_origins = [{origin}]\n"
        )
    };
    format!(
        "[feeds.live]\nkind = \"ris_live\"\nurl = \"{}\"\n\n[sinks.file]\nkind = \"ndjson\"\npath = \"alerts.ndjson\"\n\n\
         {routes}\n{}{}",
        live.url,
        watched("Example Bank", "198.51.100.0/24", 64496),
        watched("Example Press", "203.0.113.0/24", 64497),
    )
}

fn announce(live: &RisLive, prefixes: &[&str]) {
    for prefix in prefixes {
        for peer in [3_001, 3_002, 3_003] {
            live.say(peer, prefix, Some(&[peer, 3_100, 64_511]));
        }
    }
}

fn withdraw(live: &RisLive, prefixes: &[&str]) {
    for prefix in prefixes {
        for peer in [3_001, 3_002, 3_003] {
            live.say(peer, prefix, None);
        }
    }
}

/// What Alertmanager holds and would tell.
async fn firing(port: u16) -> Vec<Value> {
    let Ok(answer) = reqwest::get(format!("http://127.0.0.1:{port}/api/v2/alerts")).await else { return Vec::new() };
    let text = answer.text().await.unwrap_or_default();
    let alerts: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
    alerts.into_iter().filter(|alert| alert["labels"]["alertname"] == "BgpwardenIncident").collect()
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn alertmanager_holds_one_set_of_labels_of_an_incident_and_none_when_it_is_over() {
    if !all_here(&PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (live, pager) = (RisLive::start().await, Webhook::start().await);
    let alertmanager = Alertmanager::start(&pager.url).await;
    let url = format!("http://127.0.0.1:{}", alertmanager.port);
    let route = format!("[routes.am]\nkind = \"alertmanager\"\nurl = \"{url}\"\n");
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &route)).await;
    live.subscribed().await;
    let prefixes = ["198.51.100.0/24", "198.51.100.0/25"];
    // The second makes it another class, so other labels.
    announce(&live, &prefixes[1..]);
    let first = until("Alertmanager fires", 30, async || firing(alertmanager.port).await.pop()).await;
    announce(&live, &prefixes[..1]);
    until("it has another class", 30, async || {
        let now = firing(alertmanager.port).await;
        (now.len() == 1 && now[0]["labels"]["class"] != first["labels"]["class"]).then_some(())
    })
    .await;
    bgpwarden.until_metric("bgpwarden_sink_backlog", "sink=\"am\"", 20, |backlog| backlog == 0.0).await;
    withdraw(&live, &prefixes);
    until("it is over", 120, async || firing(alertmanager.port).await.is_empty().then_some(())).await;
    assert_eq!(bgpwarden.metric("bgpwarden_sink_dead_letters_total", "sink=\"am\"").await, 0.0);
    // What it was told ends with labels that were told before: nothing else was ever held.
    let ids: Vec<_> = pager.kept().into_iter().flat_map(|(_, body)| incidents_of(&body)).collect();
    assert!(ids.iter().all(|id| *id == first["labels"]["incident"]), "{ids:?}");
}

fn incidents_of(body: &Value) -> Vec<Value> {
    let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
    alerts.iter().map(|alert| alert["labels"]["incident"].clone()).filter(|id| !id.is_null()).collect()
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_mail_server_gets_a_thread_per_incident_and_each_constituent_its_own() {
    if !all_here(&mail::PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let live = RisLive::start().await;
    let server = MailServer::start(folder.path()).await;
    let route = |name: &str, whose: &str| {
        format!(
            "[routes.{name}]\nkind = \"email\"\nserver = \"127.0.0.1:{}\"\ntls = \"none\"\nfrom = \"bgpwarden@example.net\"\n\
             to = [\"{name}@example.net\"]\nconstituents = [\"{whose}\"]\ndigest_secs = 0\n",
            server.port
        )
    };
    let routes = route("bank", "Example Bank") + &route("press", "Example Press");
    let _bgpwarden = Bgpwarden::start(folder.path(), &config(&live, &routes)).await;
    live.subscribed().await;
    let prefixes = ["198.51.100.0/24", "203.0.113.0/24"];
    announce(&live, &prefixes);
    until("both were told", 30, async || {
        ["bank", "press"].iter().all(|to| !server.mails_to(to).is_empty()).then_some(())
    })
    .await;
    withdraw(&live, &prefixes);
    until("both were told of the end", 120, async || {
        ["bank", "press"].iter().all(|to| server.mails_to(to).iter().any(|m| m.body.contains("resolved"))).then_some(())
    })
    .await;
    for (to, theirs, others) in [("bank", "198.51.100", "203.0.113"), ("press", "203.0.113", "198.51.100")] {
        let mails = server.mails_to(to);
        let (first, last) = (&mails[0], mails.last().expect("one"));
        assert!(
            mails.len() >= 2 && mails.iter().all(|mail| !mail.body.contains(others)),
            "{to} sees others: {mails:#?}"
        );
        assert!(first.body.contains(theirs), "{first:#?}");
        assert_eq!((&first.subject, &first.references), (&last.subject, &last.references), "one thread");
        assert_ne!(first.id, last.id);
    }
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_test_message_says_what_each_receiver_answered() {
    if !all_here(&[&PARTS[..], &mail::PARTS].concat()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (pager, server) = (Webhook::start().await, MailServer::start(folder.path()).await);
    let alertmanager = Alertmanager::start(&pager.url).await;
    let text = format!(
        "[routes.am]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{}\"\n\
         [routes.chat]\nkind = \"slack\"\nurl = \"{}\"\n\
         [routes.hook]\nkind = \"webhook\"\nurl = \"{}\"\n\
         [routes.mail]\nkind = \"email\"\nserver = \"127.0.0.1:{}\"\ntls = \"none\"\nfrom = \"b@example.net\"\nto = [\"noc@example.net\"]\n",
        alertmanager.port, pager.url, pager.url, server.port
    );
    let config = written(folder.path(), &text);
    let said = run_test(&config, &[]).await.expect("all delivered");
    assert_eq!(said.lines().filter(|line| line.contains(": delivered: 2")).count(), 4, "{said}");
    assert_eq!(server.mails_to("noc").len(), 1);

    let broken =
        written(folder.path(), &text.replace(&format!(":{}\"\ntls", server.port), &format!(":{}\"\ntls", free_port())));
    let said = run_test(&broken, &["mail"]).await.expect_err("one failed");
    assert!(said.contains("1 of 1 routes failed"), "{said}");
    run_test(&broken, &["hook"]).await.expect("the others work");
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_mail_server_is_spoken_to_under_tls_and_only_if_somebody_vouches_for_it() {
    if !all_here(&mail::PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start_with_tls(folder.path()).await;
    let config = |tls: &str| {
        let text = format!(
            "[routes.mail]\nkind = \"email\"\nserver = \"localhost:{}\"\ntls = \"{tls}\"\nfrom = \"b@example.net\"\nto = [\"noc@example.net\"]\n",
            server.port
        );
        written(folder.path(), &text)
    };
    let ca = folder.path().join("ca.pem").display().to_string();
    let trusting = |config: String| {
        let (trust, arguments) = (format!("SSL_CERT_FILE={ca}"), ["notify", "--test", "--config", &config]);
        tool("env", [&[&*trust, BGPWARDEN][..], &arguments[..]].concat(), 60)
    };
    let said = trusting(config("starttls")).expect("delivered");
    assert!(said.contains(": delivered: 2") && server.mails_to("noc").len() == 1, "{said}");
    let said = run_test(&config("starttls"), &[]).await.expect_err("nobody vouches for it");
    assert!(said.contains("certificate"), "{said}");
    let said = trusting(config("none")).expect_err("it takes nothing in the clear");
    assert!(said.contains("530"), "{said}");
    assert_eq!(server.mails_to("noc").len(), 1);
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("notify.toml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// The receivers answer on this runtime, so it must not wait.
async fn run_test(config: &str, route: &[&str]) -> Result<String, String> {
    let args: Vec<String> =
        ["notify", "--test", "--config", config].iter().chain(route).map(|arg| (*arg).to_owned()).collect();
    let running = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        tool(BGPWARDEN, &args, 60)
    });
    running.await.expect("it ran")
}
