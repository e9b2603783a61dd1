use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;
use serde::{Deserialize, Serialize};

/// Address family of a prefix (AFI 1 and 2, SAFI unicast).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    /// The shortest prefix that enters the trie: shorter ones are the class `short_prefix`
    /// (a shard holds whole IPv4 /8s and IPv6 /16s, see [`crate::shard`]).
    pub fn shortest_routed(self) -> u8 {
        match self {
            Self::Ipv4 => 8,
            Self::Ipv6 => 16,
        }
    }

    /// The longest prefix that is normally accepted between networks.
    pub fn longest_routed(self) -> u8 {
        match self {
            Self::Ipv4 => 24,
            Self::Ipv6 => 48,
        }
    }
}

/// The prefix without host bits: the form everything inside relies on.
pub fn canonical(prefix: IpNet) -> IpNet {
    prefix.trunc()
}

/// What a map has over `prefix`, itself included, the longest first. No allocation on the way, unlike the walk from
/// the top.
pub fn nearest_first<T>(map: &JointPrefixMap<IpNet, T>, prefix: IpNet) -> impl Iterator<Item = (IpNet, &T)> {
    std::iter::successors(map.get_lpm(&prefix), |(outer, _)| map.get_lpm(&outer.supernet()?))
}
