//! Who tells what they hear?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rules::bgp::{Family, VantagePoint};

use super::Plan;
use super::dice::Dice;
use super::topology::{As, Topology};

/// Collectors, as many as RIS has.
const COLLECTORS: usize = 25;

#[derive(Clone, Debug)]
pub struct Session {
    pub point: Arc<VantagePoint>,
    pub asn: As,
    pub family: Family,
    /// Holders out of a million whose prefixes it has.
    pub per_million: u32,
}

/// Full feeds first. Even ones speak IPv4, odd ones IPv6 with the same AS.
pub fn sessions(plan: &Plan, topology: &Topology) -> Vec<Session> {
    let mut dice = Dice(plan.seed ^ 0x7065_6572);
    let mut sessions = Vec::with_capacity(2 * (plan.full + plan.partial));
    for i in 0..plan.full + plan.partial {
        let asn = topology.peer(&mut dice);
        // Full feeds lack up to a tenth; most partial ones have next to nothing, some a hundredth.
        let per_million = if i < plan.full { 900_000 + dice.roll(100_000) } else { 200 << dice.roll(8) };
        let collector: Arc<str> = format!("rrc{:02}", i % COLLECTORS).into();
        for (family, peer_address) in [(Family::Ipv4, address_v4(i)), (Family::Ipv6, address_v6(i))] {
            let point = VantagePoint { collector: collector.clone(), peer_as: topology.number(asn), peer_address };
            sessions.push(Session { point: Arc::new(point), asn, family, per_million: per_million as u32 });
        }
    }
    sessions
}

/// Out of the space for benchmarks (RFC 2544).
fn address_v4(i: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + i as u32))
}

/// The same (RFC 5180).
fn address_v6(i: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, (i >> 16) as u16, i as u16 + 1))
}
