//! Is what bgpwarden holds what the routers hold, through withdrawals, resets and restarts?

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

use feeds::mrt_write::{self, Line};
use rules::bgp::{Asn, Timestamp};

use crate::harness::bgpwarden::{Bgpwarden, bmp_feed};
use crate::harness::free_port;
use crate::harness::parts::all_here;
use crate::servers::exabgp::{self, Exabgp};
use crate::servers::frr::{self, Frr};
use crate::servers::gobgp::{self, Gobgp, Neighbor};

const ROUTER: (u32, Ipv4Addr) = (64_512, Ipv4Addr::new(127, 0, 0, 11));
const NEIGHBOR: (u32, Ipv4Addr) = (64_513, Ipv4Addr::new(127, 0, 0, 12));
const FAST_NEIGHBOR: (u32, Ipv4Addr) = (64_514, Ipv4Addr::new(127, 0, 0, 13));
const FRR: (u32, Ipv4Addr) = (64_520, Ipv4Addr::new(127, 0, 0, 14));
const FRR_NEIGHBOR: (u32, Ipv4Addr) = (64_515, Ipv4Addr::new(127, 0, 0, 15));

fn passive((asn, address): (u32, Ipv4Addr)) -> Neighbor {
    Neighbor { asn, address, port: None }
}

/// A daemon that calls `router` and originates what it is told.
async fn neighbor_of(router: &Gobgp, (asn, address): (u32, Ipv4Addr)) -> Gobgp {
    let to = Neighbor { asn: router.asn, address: router.address, port: Some(router.bgp_port) };
    Gobgp::start(asn, address, &[to], None).await
}

async fn holds(bgpwarden: &Bgpwarden, family: &str, routes: usize, secs: u64) {
    let label = format!("family=\"{family}\"");
    bgpwarden.until_metric("bgpwarden_rib_routes", &label, secs, |held| held == routes as f64).await;
}

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn routes_of_gobgp_and_frr_come_and_go_as_they_do_there() {
    if !all_here(&[&gobgp::PARTS[..], &exabgp::PARTS, &frr::PARTS].concat()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (gobgp_station, frr_station) = (free_port(), free_port());
    let config = bmp_feed("gobgp", gobgp_station) + &bmp_feed("frr", frr_station);
    let bgpwarden = Bgpwarden::start(folder.path(), &config).await;
    let mut router =
        Gobgp::start(ROUTER.0, ROUTER.1, &[passive(NEIGHBOR), passive(FAST_NEIGHBOR)], Some(gobgp_station)).await;
    let neighbor = neighbor_of(&router, NEIGHBOR).await;
    let mut fast = Exabgp::start(FAST_NEIGHBOR.0, FAST_NEIGHBOR.1, (router.asn, router.address, router.bgp_port));
    let frr = Frr::start(FRR.0, FRR.1, FRR_NEIGHBOR, frr_station);
    let mut of_frr = Exabgp::start(FRR_NEIGHBOR.0, FRR_NEIGHBOR.1, (frr.asn, frr.address, frr.bgp_port));
    router.established(2).await;

    for prefix in ["198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/25", "2001:db8:1::/48", "2001:db8:2::/48"] {
        neighbor.announce(prefix, "64500 64496");
    }
    fast.announce("198.51.100.0/24", "64514 64501 64496");
    of_frr.announce("198.51.100.0/24", "64515 64502 64496");
    of_frr.announce("2001:db8:1::/48", "64515 64502 64496");
    // Told three times each by gobgp (before and after policy, and as it is used), twice and mirrored by FRR.
    holds(&bgpwarden, "ipv4", 5, 30).await;
    holds(&bgpwarden, "ipv6", 3, 30).await;

    neighbor.withdraw("203.0.113.0/24");
    fast.withdraw("198.51.100.0/24");
    of_frr.withdraw("2001:db8:1::/48");
    holds(&bgpwarden, "ipv4", 3, 10).await;
    holds(&bgpwarden, "ipv6", 2, 10).await;

    // A session that is reset takes its routes with it and brings them again. After a reset gobgp takes no connection for
    // half a minute, and the neighbor tries every 14 seconds or so.
    router.cli(&["neighbor", &NEIGHBOR.1.to_string(), "reset"]);
    holds(&bgpwarden, "ipv4", 1, 10).await;
    holds(&bgpwarden, "ipv4", 3, 90).await;
    holds(&bgpwarden, "ipv6", 2, 10).await;

    // So does a router that is gone.
    router.restart().await;
    holds(&bgpwarden, "ipv4", 1, 10).await;
    holds(&bgpwarden, "ipv4", 3, 90).await;
    // The prefixes of documentation are no networks, and that is all there is to say.
    let page = bgpwarden.json("/api/v1/incidents").await;
    let others: Vec<_> =
        page["incidents"].as_array().into_iter().flatten().filter(|i| i["class"] != "bogon_prefix").collect();
    assert!(others.is_empty(), "nothing of this is an incident: {others:?}");
    let errors = bgpwarden.metric("bgpwarden_decode_errors_total", "").await;
    assert_eq!(errors, 0.0, "everything that gobgp and FRR say can be read");
}

/// How many routes the router is given.
const MANY: u32 = 100_000;

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn a_hundred_thousand_routes_are_held_as_gobgp_holds_them() {
    if !all_here(&gobgp::PARTS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let station = free_port();
    let bgpwarden = Bgpwarden::start(folder.path(), &bmp_feed("gobgp", station)).await;
    let router = Gobgp::start(ROUTER.0, ROUTER.1, &[passive(NEIGHBOR)], Some(station)).await;
    let neighbor = neighbor_of(&router, NEIGHBOR).await;
    router.established(1).await;
    let table = folder.path().join("table.mrt");
    write_table(&table);
    let begun = Instant::now();
    neighbor.cli(&["mrt", "inject", "global", "--nexthop", "192.0.2.2", "--only-best", &table.display().to_string()]);
    let told = neighbor.route_count("ipv4");
    assert!(told > MANY as usize * 99 / 100, "gobgp took {told} routes");
    crate::harness::until("the router has every route", 60, async || {
        (router.route_count("ipv4") == told).then_some(())
    })
    .await;
    let at_router = begun.elapsed().as_secs_f64();
    holds(&bgpwarden, "ipv4", told, 60).await;
    let (now, peak) = bgpwarden.process.memory_mib();
    println!(
        "{told} routes: {at_router:.1} s until the router had them, {:.1} s until bgpwarden had them; memory {now:.0} \
         MiB, at most {peak:.0} MiB (gobgpd {:.0} MiB)",
        begun.elapsed().as_secs_f64(),
        router.memory_mib().0
    );
    assert!(peak < 512.0, "{peak} MiB for {told} routes");
}

/// A dump with `MANY` prefixes of one peer.
fn write_table(path: &Path) {
    let lines = (0..MANY).map(|number| Line {
        time: Timestamp::from_secs(1_772_334_242),
        peer_as: Asn(64_500),
        peer_address: [192, 0, 2, 1].into(),
        prefix: format!("{}.{}.{}.0/24", 20 + number / 65_536, number / 256 % 256, number % 256).parse().expect("fine"),
        as_path: Some(format!("64500 {} {}", 64_501 + number % 7, 65_536 + number % 16).parse().expect("a path")),
    });
    std::fs::write(path, mrt_write::rib(lines.collect::<Vec<_>>()).expect("a dump")).expect("written");
}
