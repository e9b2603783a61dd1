//! What if everything around goes away and comes back, again and again, for as long as one wants to watch?
//!
//! Router, validator and broker are taken away at random while hijacks come and go. In the end every hijack is in
//! Kafka from its beginning to its end without a hole, every absence of the router is a gap, and memory is where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::harness::bgpwarden::{Bgpwarden, bmp_feed};
use crate::harness::link::Link;
use crate::harness::parts::all_here;
use crate::harness::random::Random;
use crate::harness::{free_port, times, until};
use crate::servers::exabgp::{self, Exabgp};
use crate::servers::gobgp::{self, Gobgp, Neighbor};
use crate::servers::kafka::{self, Kafka};
use crate::servers::rpki::{self, Objects, Routinator};

const VICTIM: u32 = 64_496;
const ROUTER: (u32, Ipv4Addr) = (64_512, Ipv4Addr::new(127, 0, 0, 41));
const NEIGHBOR: (u32, Ipv4Addr) = (64_514, Ipv4Addr::new(127, 0, 0, 42));
/// Seconds that somebody is away at most.
const AWAY: f64 = 12.0;

struct World {
    bgpwarden: Bgpwarden,
    kafka: Kafka,
    routinator: Routinator,
    link: Link,
    _router: Gobgp,
    neighbor: Exabgp,
    random: Random,
    /// Times that the router was away.
    cuts: usize,
    hijacks: usize,
}

fn config(kafka: &Kafka, station: u16, routinator: &Routinator) -> String {
    bmp_feed("edge", station)
        + &format!(
            "[rpki]\nrtr = [\"127.0.0.1:{}\"]\n\n[sinks.bus]\nkind = \"kafka\"\nbrokers = \"{}\"\n\
             create_topics = true\n[sinks.bus.properties]\n\"message.timeout.ms\" = \"5000\"\n\
             \"reconnect.backoff.max.ms\" = \"500\"\n\n[[watch.constituents]]\nname = \"Example Bank\"\n\
             [[watch.constituents.resources]]\nprefix = \"2001:db8::/32\"\nexpected_origins = [{VICTIM}]\n",
            routinator.rtr_port,
            kafka.brokers()
        )
}

fn prefix(hijack: usize) -> String {
    format!("2001:db8:{:x}::/48", hijack + 1)
}

impl World {
    async fn begin(folder: &std::path::Path) -> Self {
        let signed = Objects { roas: vec![("2001:db8::/32".to_owned(), 32, VICTIM)], aspas: vec![] };
        let (kafka, routinator) = (Kafka::start().await, Routinator::start(&signed).await);
        let station = free_port();
        let bgpwarden = Bgpwarden::start(folder, &config(&kafka, station, &routinator)).await;
        let link = Link::start(Ipv4Addr::LOCALHOST, station).await;
        let passive = Neighbor { asn: NEIGHBOR.0, address: NEIGHBOR.1, port: None };
        let router = Gobgp::start(ROUTER.0, ROUTER.1, &[passive], Some(link.port)).await;
        let mut neighbor = Exabgp::start(NEIGHBOR.0, NEIGHBOR.1, (router.asn, router.address, router.bgp_port));
        router.established(1).await;
        neighbor.announce("2001:db8::/32", &format!("64514 64500 {VICTIM}"));
        let world = Self {
            bgpwarden,
            kafka,
            routinator,
            link,
            _router: router,
            neighbor,
            random: Random::new(),
            cuts: 0,
            hijacks: 0,
        };
        world.bgpwarden.until_metric("bgpwarden_rib_routes", "family=\"ipv6\"", 20, |held| held == 1.0).await;
        world
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_secs_f64(AWAY * self.random.part())).await;
    }

    /// A hijack that lasts until it was seen, while somebody may go away and come back.
    async fn hijack(&mut self) {
        let hijack = self.hijacks;
        self.hijacks += 1;
        let path = format!("64514 64500 {}", 100_000 + hijack);
        let who = self.random.below(5);
        if who == 0 {
            self.cuts += 1;
            self.link.cut();
            self.pause().await;
            self.neighbor.announce(&prefix(hijack), &path);
            self.pause().await;
            self.link.mend();
        } else {
            self.neighbor.announce(&prefix(hijack), &path);
        }
        match who {
            1 => {
                self.routinator.kill();
                self.pause().await;
                self.routinator.start_again().await;
            }
            2 => {
                self.kafka.kill();
                self.pause().await;
                self.kafka.start_again().await;
            }
            _ => self.pause().await,
        }
        self.is_known(&prefix(hijack)).await;
        self.neighbor.withdraw(&prefix(hijack));
    }

    /// Waits until the incident of a prefix is on the page.
    async fn is_known(&self, prefix: &str) {
        until(&format!("an incident of {prefix}"), 120, async || {
            let page = self.bgpwarden.get("/api/v1/incidents").await;
            page.contains(&format!("\"{prefix}\"")).then_some(())
        })
        .await;
    }

    /// What Kafka has: the sequences of each incident, and its prefixes.
    fn told(&self) -> BTreeMap<String, (BTreeSet<u64>, String)> {
        let mut told: BTreeMap<String, (BTreeSet<u64>, String)> = BTreeMap::new();
        for message in self.kafka.messages("bgpwarden.alerts") {
            let (id, sequence) = message.name();
            let of_incident = told.entry(id).or_default();
            of_incident.0.insert(sequence);
            of_incident.1 = message.alert["prefixes"][0].as_str().unwrap_or_default().to_owned();
        }
        told
    }
}

#[tokio::test]
#[ignore = "needs real servers, and BGPWARDEN_SOAK_SECS: tests/interop/run"]
async fn nothing_is_lost_while_everything_around_goes_away_and_comes_back() {
    let secs = times("BGPWARDEN_SOAK_SECS", 0);
    if secs == 0 || !all_here(&[&gobgp::PARTS[..], &exabgp::PARTS, &kafka::PARTS, &rpki::PARTS].concat()) {
        println!("the soak runs only with BGPWARDEN_SOAK_SECS=1800 or so");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = World::begin(folder.path()).await;
    let begun = Instant::now();
    let mut settled = None;
    while begun.elapsed().as_secs() < secs as u64 {
        world.hijack().await;
        // After a fifth of the time everything that grows once has grown.
        if settled.is_none() && begun.elapsed().as_secs() > secs as u64 / 5 {
            settled = Some(world.bgpwarden.process.memory_mib().0);
        }
    }
    let bgpwarden = &world.bgpwarden;
    bgpwarden.until_metric("bgpwarden_incidents_open", "class=\"subprefix_hijack\"", 180, |open| open == 0.0).await;
    bgpwarden.until_metric("bgpwarden_sink_backlog", "sink=\"bus\"", 60, |backlog| backlog == 0.0).await;
    let told = world.told();
    let prefixes: BTreeSet<_> = told.values().map(|(_, prefix)| prefix.clone()).collect();
    let lost: Vec<_> = (0..world.hijacks).map(prefix).filter(|prefix| !prefixes.contains(prefix)).collect();
    assert!(lost.is_empty(), "never told: {lost:?}");
    for (id, (sequences, _)) in &told {
        let whole: BTreeSet<u64> = (1..=sequences.len() as u64).collect();
        assert_eq!(*sequences, whole, "{id} has a hole");
    }
    let gaps = bgpwarden.metric("bgpwarden_feed_gaps_total", "feed=\"edge\"").await;
    let memory = bgpwarden.process.memory_mib().0;
    println!(
        "soak of {secs} s: {} hijacks, {} incidents, {} cuts and {gaps} gaps; memory {:.0} MiB, then {memory:.0} MiB",
        world.hijacks,
        told.len(),
        world.cuts,
        settled.unwrap_or(memory)
    );
    assert_eq!(gaps, world.cuts as f64, "each absence of the router is a gap");
    assert!(memory < settled.unwrap_or(memory) * 1.3 + 16.0, "memory grows");
}
