//! Which prefixes are announced, and by whom?
//!
//! Every /8 (IPv4) and every /20 (IPv6) that hands out addresses gets its share: blocks of many sizes one behind the other with free
//! space between them, and inside of some blocks more-specifics of their holder or of others. About half of all prefixes lie in another one, and a prefix lies in 0.7 others on average, as in the real table.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rules::registry;

use super::dice::{Dice, mix};
use super::topology::As;

#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub prefix: IpNet,
    pub holder: As,
}

/// Prefixes in order of their addresses, the wider first; IPv4 before IPv6.
#[derive(Clone, Debug)]
pub struct Space {
    pub prefixes: Vec<Held>,
    /// The prefixes of AS `i` are `by_holder[first[i]..first[i + 1]]`.
    first: Vec<u32>,
    by_holder: Vec<u32>,
}

/// How a family is cut up. Addresses count in units of the longest prefix that is announced: a /24 or a /48.
struct Family {
    longest: u8,
    /// Where a region begins, and how many units it has.
    regions: Vec<u64>,
    units: u64,
    /// Length of a block out of 100, commonest first.
    lengths: &'static [(usize, u8)],
    /// More-specifics that a block may have.
    most_inside: usize,
    /// Of ten more-specifics so many are as long as can be.
    longest_of_ten: usize,
    net: fn(u64, u8) -> IpNet,
}

const LENGTHS_V4: &[(usize, u8)] =
    &[(44, 24), (12, 23), (18, 22), (8, 21), (8, 20), (5, 19), (2, 18), (1, 17), (1, 16), (1, 15)];
const LENGTHS_V6: &[(usize, u8)] = &[(40, 48), (5, 46), (8, 44), (10, 40), (8, 36), (24, 32), (5, 29)];

fn net_v4(unit: u64, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits((unit << 8) as u32), length).trunc())
}

fn net_v6(unit: u64, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(u128::from(unit) << 80), length).trunc())
}

impl Space {
    pub fn new(seed: u64, v4: usize, v6: usize, ases: usize) -> Self {
        let of_v4 = Family {
            longest: 24,
            regions: (1..224).filter(|octet| ![10, 127].contains(octet)).map(|octet: u64| octet << 16).collect(),
            units: 1 << 16,
            lengths: LENGTHS_V4,
            most_inside: 64,
            longest_of_ten: 5,
            net: net_v4,
        };
        // 2400::/12 and its like, in 256 parts each.
        let starts = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00_u64];
        let of_v6 = Family {
            longest: 48,
            regions: starts.iter().flat_map(|s| (0..256).map(move |i| (s << 32) + (i << 28))).collect(),
            units: 1 << 28,
            lengths: LENGTHS_V6,
            most_inside: 48,
            longest_of_ten: 7,
            net: net_v6,
        };
        let mut prefixes = Vec::with_capacity(v4 + v6);
        of_v4.fill(v4, ases, &mut Dice(seed ^ 0x7634), &mut prefixes);
        of_v6.fill(v6, ases, &mut Dice(seed ^ 0x7636), &mut prefixes);
        let (first, by_holder) = indexed(&prefixes, ases);
        Self { prefixes, first, by_holder }
    }

    /// Places of the prefixes that an AS holds.
    pub fn of(&self, holder: As) -> &[u32] {
        &self.by_holder[self.first[holder as usize] as usize..self.first[holder as usize + 1] as usize]
    }
}

impl Family {
    /// Adds `count` prefixes, spread over all regions.
    fn fill(&self, count: usize, ases: usize, dice: &mut Dice, out: &mut Vec<Held>) {
        let (start, regions) = (out.len(), self.regions.len());
        for (i, region) in self.regions.iter().enumerate() {
            let until = start + count * (i + 1) / regions;
            let wanted = until - out.len();
            let mut at = *region;
            let end = region + self.units;
            // What is free lies between the blocks, evenly.
            let gap = (self.units / (wanted as u64 * 24).max(1)).max(1);
            while out.len() < until && at < end {
                let before = out.len();
                at = self.block(at, ases, dice, out) + dice.roll(gap as usize * 2) as u64;
                out[before..].sort_unstable_by_key(|held| held.prefix);
                out.truncate(until);
            }
        }
    }

    /// One block with all that lies in it; gives where the next may begin.
    fn block(&self, at: u64, ases: usize, dice: &mut Dice, out: &mut Vec<Held>) -> u64 {
        let length = self.length(dice);
        let size = 1 << (self.longest - length);
        let at = at.next_multiple_of(size);
        let prefix = (self.net)(at, length);
        if registry::bogon_prefix(&prefix).is_some() || registry::beacon(&prefix).is_some() {
            return at + size;
        }
        let holder = dice.skewed(ases, 2) as As;
        let before = out.len();
        out.push(Held { prefix, holder });
        self.inside(at, length, holder, ases, dice, out);
        out[before..].sort_unstable_by_key(|held| held.prefix);
        let mut kept = before;
        for i in before..out.len() {
            if kept == before || out[kept - 1].prefix != out[i].prefix {
                out[kept] = out[i];
                kept += 1;
            }
        }
        out.truncate(kept);
        at + size
    }

    /// More-specifics: none in half of the blocks, in some a handful, in a few dozens. They lie in each other as it comes.
    fn inside(&self, at: u64, length: u8, holder: As, ases: usize, dice: &mut Dice, out: &mut Vec<Held>) {
        let room = self.longest - length;
        if room == 0 || dice.once_in(2) {
            return;
        }
        let most = (1_usize << room.min(8)).min(self.most_inside);
        for _ in 0..=dice.skewed(most, 4) {
            let shorter_by = if dice.roll(10) < self.longest_of_ten { 0 } else { dice.skewed(usize::from(room), 3) };
            let longer = self.longest - shorter_by as u8;
            let size = 1_u64 << (self.longest - longer);
            let at = at + dice.roll(1 << (longer - length)) as u64 * size;
            let holder = if dice.once_in(4) { dice.skewed(ases, 2) as As } else { holder };
            out.push(Held { prefix: (self.net)(at, longer), holder });
        }
    }

    fn length(&self, dice: &mut Dice) -> u8 {
        let mut ticket = dice.roll(100);
        for (share, length) in self.lengths {
            match ticket.checked_sub(*share) {
                Some(rest) => ticket = rest,
                None => return *length,
            }
        }
        self.longest
    }
}

/// Counting sort of all places by holder.
fn indexed(prefixes: &[Held], ases: usize) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0_u32; ases + 1];
    for held in prefixes {
        first[held.holder as usize + 1] += 1;
    }
    for i in 0..ases {
        first[i + 1] += first[i];
    }
    let (mut next, mut by_holder) = (first.clone(), vec![0; prefixes.len()]);
    for (place, held) in prefixes.iter().enumerate() {
        let slot = &mut next[held.holder as usize];
        by_holder[*slot as usize] = place as u32;
        *slot += 1;
    }
    (first, by_holder)
}

/// Of how many prefixes of the table each one is a part, on average.
pub fn mean_depth(prefixes: &[Held]) -> f64 {
    let (mut around, mut sum): (Vec<IpNet>, usize) = (Vec::new(), 0);
    for held in prefixes {
        while around.last().is_some_and(|wide| !wide.contains(&held.prefix)) {
            around.pop();
        }
        sum += around.len();
        around.push(held.prefix);
    }
    sum as f64 / prefixes.len() as f64
}

/// How a route to the prefix differs from others of its holder: three in four do not.
pub fn variant(seed: u64, place: u32) -> u64 {
    let taste = mix(seed ^ 3, u64::from(place), 0);
    if taste & 3 == 0 { 1 + (taste >> 2) % 3 } else { 0 }
}
