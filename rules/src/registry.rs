//! What is special about a number: address space and ASNs that nobody may announce, route servers, scrubbers, beacons, exchanges.
//!
//! Dated data, shipped in `rules/data`; each file names its date and source.

use std::sync::LazyLock;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;
use sha2::{Digest, Sha256};

use crate::alert::words;
use crate::bgp::{Asn, Family};

const SPECIAL_PREFIXES: &str = include_str!("../data/special_prefixes.csv");
const SPECIAL_ASNS: &str = include_str!("../data/special_asns.csv");
const ROUTE_SERVERS: &str = include_str!("../data/route_servers.csv");
const SCRUBBERS: &str = include_str!("../data/scrubbers.csv");
const BEACONS: &str = include_str!("../data/beacons.csv");
const EXCHANGE_LANS: &str = include_str!("../data/exchange_lans.csv");

words! {
    /// What a special-purpose block means for a route in it.
    Label {
        /// Not globally reachable.
        Bogon = "bogon",
        /// Anycast relays of a transition technique: still announced by some, and rarely on purpose.
        Relay = "relay",
        /// Special-purpose and globally reachable: a route in it is fine.
        Global = "global",
    }
}

/// A row of the IANA special-purpose address registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialPrefix {
    pub prefix: IpNet,
    pub name: &'static str,
    pub rfc: &'static str,
    pub label: Label,
}

/// A row of the IANA special-purpose AS number registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialAsn {
    pub first: Asn,
    pub last: Asn,
    pub name: &'static str,
    pub rfc: &'static str,
    /// Reserved for private use (RFC 6996).
    pub private: bool,
}

/// A bit for every number below 131,072, where nearly all ASes are: set where some table names it. Asked several times of each AS of
/// each new path.
struct Low(Vec<u64>);

impl Low {
    const END: u32 = 131_072;

    fn new(special: impl Iterator<Item = (Asn, Asn)>) -> Self {
        let mut bits = vec![0; Self::END as usize / 64];
        for (first, last) in special {
            (first.0..=last.0.min(Self::END - 1)).for_each(|asn| bits[asn as usize / 64] |= 1 << (asn % 64));
        }
        Self(bits)
    }

    /// Some table may name it.
    fn is_special(&self, asn: Asn) -> bool {
        self.0.get(asn.0 as usize / 64).is_none_or(|bits| bits >> (asn.0 % 64) & 1 == 1)
    }
}

/// First octets that some special block reaches, IPv4 and IPv6: most prefixes lie under none.
#[derive(Default)]
struct Blocks([[u64; 4]; 2]);

impl Blocks {
    fn new(special: impl Iterator<Item = IpNet>) -> Self {
        let mut blocks = Self::default();
        for block in special {
            let ([first, last], bits) = (Self::octets(&block), &mut blocks.0[Family::of(&block) as usize]);
            (first..=last).for_each(|octet| bits[usize::from(octet / 64)] |= 1 << (octet % 64));
        }
        blocks
    }

    /// Whether some block may hold the prefix.
    fn may_hold(&self, prefix: &IpNet) -> bool {
        let [octet, _] = Self::octets(prefix);
        self.0[Family::of(prefix) as usize][usize::from(octet / 64)] >> (octet % 64) & 1 == 1
    }

    /// The first octets of its first address and its last.
    fn octets(prefix: &IpNet) -> [u8; 2] {
        match prefix {
            IpNet::V4(prefix) => [prefix.network(), prefix.broadcast()].map(|addr| addr.octets()[0]),
            IpNet::V6(prefix) => [prefix.network(), prefix.broadcast()].map(|addr| addr.octets()[0]),
        }
    }
}

struct Registry {
    low: Low,
    blocks: Blocks,
    special_prefixes: JointPrefixMap<IpNet, SpecialPrefix>,
    /// Ascending; no two overlap.
    special_asns: Vec<SpecialAsn>,
    route_servers: Vec<Asn>,
    scrubbers: Vec<Asn>,
    beacons: JointPrefixMap<IpNet, &'static str>,
    exchange_lans: JointPrefixMap<IpNet, ()>,
    digest: String,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let special_prefixes: Vec<_> = rows(SPECIAL_PREFIXES).filter_map(special_prefix).collect();
    let mut special_asns: Vec<_> = rows(SPECIAL_ASNS).filter_map(special_asn).collect();
    special_asns.sort_by_key(|special| special.first);
    let route_servers = asns(ROUTE_SERVERS);
    let ranges = special_asns.iter().map(|special| (special.first, special.last));
    Registry {
        low: Low::new(ranges.chain(route_servers.iter().map(|asn| (*asn, *asn)))),
        blocks: Blocks::new(special_prefixes.iter().map(|special| special.prefix)),
        special_prefixes: special_prefixes.into_iter().map(|special| (special.prefix, special)).collect(),
        special_asns,
        route_servers,
        scrubbers: asns(SCRUBBERS),
        beacons: rows(BEACONS).filter_map(|[prefix, name]| Some((prefix.parse().ok()?, name))).collect(),
        exchange_lans: rows(EXCHANGE_LANS)
            .filter_map(|[prefix, _]: [&str; 2]| Some((prefix.parse().ok()?, ())))
            .collect(),
        digest: digest_of(&[SPECIAL_PREFIXES, SPECIAL_ASNS, ROUTE_SERVERS, SCRUBBERS, BEACONS, EXCHANGE_LANS]),
    }
});

/// The block that makes an announced prefix a bogon: it lies inside one that is not globally reachable.
/// A less-specific that merely contains such a block is none.
pub fn bogon_prefix(prefix: &IpNet) -> Option<&'static SpecialPrefix> {
    if !REGISTRY.blocks.may_hold(prefix) {
        return None;
    }
    let (_, special) = REGISTRY.special_prefixes.get_lpm(prefix)?;
    (special.label != Label::Global).then_some(special)
}

/// Why an AS number cannot stand for a network of the Internet.
pub fn bogon_asn(asn: Asn) -> Option<&'static SpecialAsn> {
    if !REGISTRY.low.is_special(asn) {
        return None;
    }
    let before = REGISTRY.special_asns.partition_point(|special| special.first <= asn);
    REGISTRY.special_asns[..before].last().filter(|special| asn <= special.last)
}

/// A route server of an exchange point: it passes routes between its members and is no party to them.
pub fn is_route_server(asn: Asn) -> bool {
    REGISTRY.low.is_special(asn) && REGISTRY.route_servers.binary_search(&asn).is_ok()
}

/// A network that is paid to announce other people's prefixes when they are attacked.
pub fn is_scrubber(asn: Asn) -> bool {
    REGISTRY.scrubbers.binary_search(&asn).is_ok()
}

/// The experiment that a prefix belongs to: its coming and going is on purpose.
pub fn beacon(prefix: &IpNet) -> Option<&'static str> {
    REGISTRY.beacons.get_lpm(prefix).map(|(_, name)| *name)
}

/// The peering LAN of an exchange: let out by members by mistake, and of no use to anybody elsewhere.
pub fn is_exchange_lan(prefix: &IpNet) -> bool {
    REGISTRY.exchange_lans.get_lpm(prefix).is_some()
}

/// SHA-256 of all files, in hex: two processes with the same digest judge by the same data.
pub fn digest() -> &'static str {
    &REGISTRY.digest
}

/// The rows of a file after its comments and its header, as N columns.
fn rows<const N: usize>(file: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .skip(1)
        .filter_map(|line| line.split(',').map(str::trim).collect::<Vec<_>>().try_into().ok())
}

fn special_prefix([prefix, name, rfc, label]: [&'static str; 4]) -> Option<SpecialPrefix> {
    let label = Label::ALL.iter().copied().find(|known| known.word() == label)?;
    Some(SpecialPrefix { prefix: prefix.parse().ok()?, name, rfc, label })
}

fn special_asn([first, last, name, rfc, kind]: [&'static str; 5]) -> Option<SpecialAsn> {
    Some(SpecialAsn { first: first.parse().ok()?, last: last.parse().ok()?, name, rfc, private: kind == "private" })
}

fn asns(file: &'static str) -> Vec<Asn> {
    let mut asns: Vec<Asn> = rows(file).filter_map(|[asn, _]: [&str; 2]| asn.parse().ok()).collect();
    asns.sort_unstable();
    asns
}

fn digest_of(files: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update((file.len() as u64).to_be_bytes());
        hasher.update(file);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    fn lines(file: &str) -> usize {
        file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count() - 1
    }

    #[test]
    fn every_row_of_every_file_is_read() {
        assert_eq!(REGISTRY.special_prefixes.len(), lines(SPECIAL_PREFIXES));
        assert_eq!(REGISTRY.special_asns.len(), lines(SPECIAL_ASNS));
        assert_eq!(REGISTRY.route_servers.len(), lines(ROUTE_SERVERS));
        assert_eq!(REGISTRY.scrubbers.len(), lines(SCRUBBERS));
        assert_eq!(REGISTRY.beacons.len(), lines(BEACONS));
        assert_eq!(REGISTRY.exchange_lans.len(), lines(EXCHANGE_LANS));
        assert!(REGISTRY.special_prefixes.iter().all(|(_, special)| special.prefix == special.prefix.trunc()));
        assert_eq!(digest().len(), 64);
    }

    proptest! {
        #[test]
        fn first_octets_hide_no_block(addr in any::<std::net::IpAddr>(), length in 0..=128_u8, block in any::<prop::sample::Index>()) {
            let blocks: Vec<IpNet> = REGISTRY.special_prefixes.iter().map(|(prefix, _)| prefix).collect();
            let block = blocks[block.index(blocks.len())];
            let prefix = IpNet::new(addr, length.min(if addr.is_ipv4() { 32 } else { 128 })).expect("a length").trunc();
            let longer = length.clamp(block.prefix_len(), block.max_prefix_len());
            let inside = IpNet::new(block.addr(), longer).expect("a length");
            for prefix in [prefix, inside] {
                let is_in_some = REGISTRY.special_prefixes.get_lpm(&prefix).is_some();
                prop_assert!(!is_in_some || REGISTRY.blocks.may_hold(&prefix), "{}", prefix);
            }
        }
    }

    #[test]
    fn a_prefix_inside_special_space_is_a_bogon() {
        for (inside, rfc) in [
            ("10.0.0.0/8", "RFC 1918"),
            ("10.64.0.0/16", "RFC 1918"),
            ("100.127.255.0/24", "RFC 6598"),
            ("192.0.2.128/25", "RFC 5737"),
            ("192.0.0.0/25", "RFC 6890"),
            ("240.0.0.0/24", "RFC 1112"),
            ("2001:db8:1::/48", "RFC 3849"),
            ("2001:1::/32", "RFC 2928"),
            ("3fff:123::/32", "RFC 9637"),
            ("5f00::/24", "RFC 9602"),
            ("64:ff9b:1::/48", "RFC 8215"),
            ("fd00::/8", "RFC 4193"),
            ("4000::/16", "RFC 4291"),
            ("fec0::/10", "RFC 4291"),
        ] {
            assert_eq!(bogon_prefix(&net(inside)).map(|special| special.rfc), Some(rfc), "{inside}");
        }
    }

    #[test]
    fn what_is_globally_reachable_is_no_bogon() {
        for fine in [
            "1.1.1.0/24",
            "128.0.0.0/16",
            "191.255.0.0/16",
            "223.255.255.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.175.48.0/24",
            "192.0.0.9/32",
            "192.0.0.10/32",
            "64:ff9b::/96",
            "2001:1::1/128",
            "2001:1::3/128",
            "2001:3::/32",
            "2001:4:112::/48",
            "2001:20::/28",
            "2001:30::/28",
            "2001:200::/32",
            "2620:4f:8000::/48",
            "2000::/16",
        ] {
            assert_eq!(bogon_prefix(&net(fine)), None, "{fine}");
        }
    }

    #[test]
    fn a_less_specific_that_contains_special_space_is_no_bogon() {
        for wide in ["0.0.0.0/0", "::/0", "192.0.0.0/16", "172.0.0.0/8", "198.0.0.0/8", "2001::/16", "2000::/3"] {
            assert_eq!(bogon_prefix(&net(wide)), None, "{wide}");
        }
    }

    #[test]
    fn relays_of_old_transition_techniques_carry_their_own_label() {
        for relay in ["192.88.99.0/24", "2002::/16", "2002:c000:200::/48", "2001::/32"] {
            assert_eq!(bogon_prefix(&net(relay)).map(|special| special.label), Some(Label::Relay), "{relay}");
        }
    }

    #[test]
    fn special_as_numbers_end_where_their_ranges_end() {
        for (asn, rfc, private) in [
            (0, "RFC 7607", false),
            (23456, "RFC 6793", false),
            (64496, "RFC 5398", false),
            (64511, "RFC 5398", false),
            (64512, "RFC 6996", true),
            (65534, "RFC 6996", true),
            (65535, "RFC 7300", false),
            (65551, "RFC 5398", false),
            (131_071, "RFC 1930", false),
            (4_200_000_000, "RFC 6996", true),
            (4_294_967_294, "RFC 6996", true),
            (4_294_967_295, "RFC 7300", false),
        ] {
            assert_eq!(
                bogon_asn(Asn(asn)).map(|special| (special.rfc, special.private)),
                Some((rfc, private)),
                "{asn}"
            );
        }
        for normal in [1, 23455, 23457, 64495, 131_072, 4_199_999_999] {
            assert_eq!(bogon_asn(Asn(normal)), None, "{normal}");
        }
    }

    #[test]
    fn private_numbers_are_the_same_here_and_in_asn() {
        for asn in (0..=140_000).chain(4_199_999_990..=4_200_000_010).chain(4_294_967_280..=u32::MAX).map(Asn) {
            let private = bogon_asn(asn).is_some_and(|special| special.private);
            assert_eq!(private || asn == Asn::TRANS, asn.is_private_or_trans(), "{asn}");
        }
    }

    #[test]
    fn beacons_scrubbers_and_route_servers_are_known() {
        assert_eq!(beacon(&net("84.205.67.0/24")), Some("RIPE RIS beacons and anchors"));
        assert_eq!(beacon(&net("184.164.240.0/24")), Some("PEERING testbed"));
        assert_eq!(beacon(&net("84.205.0.0/16")), None, "it merely contains them");
        assert!(is_scrubber(Asn(45474)) && !is_scrubber(Asn(454_974)));
        assert!(is_route_server(Asn(6695)) && !is_route_server(Asn(64496)));
    }
}
