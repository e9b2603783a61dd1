//! Is what a collector publishes on a real Kafka read as completely as a router that connects itself?

use std::net::Ipv4Addr;

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::collector::Collector;
use crate::harness::parts::all_here;
use crate::servers::exabgp::{self, Exabgp};
use crate::servers::gobgp::{self, Gobgp, Neighbor};
use crate::servers::kafka::{self, Kafka};

const TOPIC: &str = "routeviews.interop.64512.bmp_raw";
const ROUTER: (u32, Ipv4Addr) = (64_512, Ipv4Addr::new(127, 0, 0, 31));
const NEIGHBOR: (u32, Ipv4Addr) = (64_514, Ipv4Addr::new(127, 0, 0, 32));
/// Routes of each part of the test.
const ROUTES: usize = 200;

fn config(kafka: &Kafka) -> String {
    format!(
        "[feeds.collectors]\nkind = \"openbmp\"\nbrokers = \"{}\"\ntopics = ['^routeviews\\..+\\.bmp_raw$']\n\
         collector_as = 0\n[feeds.collectors.properties]\n\"auto.offset.reset\" = \"earliest\"\n\
         \"reconnect.backoff.max.ms\" = \"500\"\n",
        kafka.brokers()
    )
}

fn prefix(number: usize) -> String {
    format!("198.51.{}.{}/32", 100 + number / 256, number % 256)
}

async fn holds(bgpwarden: &Bgpwarden, routes: usize) {
    bgpwarden.until_metric("bgpwarden_rib_routes", "family=\"ipv4\"", 60, |held| held == routes as f64).await;
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn routes_from_a_topic_survive_a_restart_of_the_broker_in_mid_stream() {
    if !all_here(&[&gobgp::PARTS[..], &exabgp::PARTS, &kafka::PARTS].concat()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut kafka = Kafka::start().await;
    kafka.create_topic(TOPIC, 1).await;
    let collector = Collector::start(&kafka, TOPIC, "interop").await;
    let passive = Neighbor { asn: NEIGHBOR.0, address: NEIGHBOR.1, port: None };
    let router = Gobgp::start(ROUTER.0, ROUTER.1, &[passive], Some(collector.port)).await;
    let mut neighbor = Exabgp::start(NEIGHBOR.0, NEIGHBOR.1, (router.asn, router.address, router.bgp_port));
    router.established(1).await;
    let mut bgpwarden = Bgpwarden::start(folder.path(), &config(&kafka)).await;
    let mut announce = |range: std::ops::Range<usize>| {
        range.for_each(|number| neighbor.announce(&prefix(number), "64514 64500 64496"));
    };
    announce(0..ROUTES);
    holds(&bgpwarden, ROUTES).await;

    // While the broker is away the collector keeps what the router says.
    kafka.kill();
    announce(ROUTES..2 * ROUTES);
    crate::harness::until("the router has every route", 20, async || {
        (router.route_count("ipv4") == 2 * ROUTES).then_some(())
    })
    .await;
    kafka.start_again().await;
    holds(&bgpwarden, 2 * ROUTES).await;
    assert_eq!(router.route_count("ipv4"), 2 * ROUTES, "as many as gobgp reports");
    (0..ROUTES).for_each(|number| neighbor.withdraw(&prefix(number)));
    holds(&bgpwarden, ROUTES).await;

    // A stop commits what was judged; who starts again goes on from there.
    bgpwarden.stop();
    neighbor.announce(&prefix(2 * ROUTES), "64514 64500 64496");
    let bgpwarden = Bgpwarden::start(folder.path(), &config(&kafka)).await;
    holds(&bgpwarden, 1).await;
    assert_eq!(bgpwarden.metric("bgpwarden_decode_errors_total", "").await, 0.0);
}
