use serde_json::Value;

use crate::app::reload::tests::Running;
use crate::init::tests::dump;

const CONFIG: &str = "[rpki]\n[store]\npath=':memory:'\n[http]\nlisten='127.0.0.1:0'\n[watch]\nfiles=['watch.toml']\n\
                      [feeds.dump]\nkind='mrt'\nrib=['rrc00=dump']\nscope='watched'\n[sinks.file]\nkind='ndjson'\npath='alerts'\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_prefix_that_nobody_sees_is_a_notice_and_what_is_not_watched_is_not_held() {
    let listed = "[[constituents]]\nname='Example'\nasns=[64496]\n";
    let both = format!("{listed}prefixes=['203.0.113.0/24']\n");
    let running = Running::start_with(CONFIG, &both, &[("dump", &dump())]).await;
    let answer = running.until("/api/v1/watched", "\"learning\":false").await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((&answer["seen"], &answer["unseen"]), (&2.into(), &1.into()), "{answer}");
    let [missing, ours, covering] = [0, 1, 2].map(|i| &answer["prefixes"][i]);
    assert_eq!((&missing["prefix"], &missing["state"]), (&"203.0.113.0/24".into(), &"unseen".into()));
    assert_eq!((&ours["prefix"], &ours["origins"][0]["asn"]), (&"192.0.2.0/24".into(), &64_496.into()));
    assert_eq!((&ours["peer_ases"], &ours["full_feed_peers"]), (&5.into(), &5.into()));
    assert_eq!(covering["prefix"], "2001:db8::/32");
    running.until("/metrics", "bgpwarden_watched_prefixes{state=\"unseen\"} 1").await;
    running.until("/metrics", "bgpwarden_notices_active{kind=\"watch_unseen\"} 1").await;
    let metrics = running.text_of("/metrics").await;
    assert!(
        metrics.contains("bgpwarden_rib_prefixes{family=\"ipv4\"} 2"),
        "the watched one and the one around it\n{metrics}"
    );
    running.write("watch.toml", listed);
    running.until("/metrics", "bgpwarden_notices_active{kind=\"watch_unseen\"} 0").await;
    running.end().await;
}
