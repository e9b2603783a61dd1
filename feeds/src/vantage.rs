//! Which number does this session have?

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::HashMap;
use rules::bgp::{Asn, Timestamp, VantageId, VantagePoint};
use rules::event::Event;
use rules::limits;

use crate::input::Item;

/// Collector, family and AS, then the address: quicker to hash than what they are.
type Key = (u64, u128);

fn key(collector: u32, peer_as: Asn, peer_address: IpAddr) -> Key {
    let (is_ipv6, address) = match peer_address {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    };
    (u64::from(collector) << 33 | u64::from(is_ipv6) << 32 | u64::from(peer_as.0), address)
}

/// The vantage points of one reader, numbered from 0 in the order of their first word.
#[derive(Default)]
pub(crate) struct Vantages {
    collectors: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    /// Of the last word: most readers have one collector.
    last: u32,
    ids: HashMap<Key, VantageId>,
    /// Who spoke last mostly speaks next: six messages in seven of a collector's file.
    speaker: Option<(Key, VantageId)>,
}

impl Vantages {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Its number, announced to `out` if it is new; none beyond [`limits::VANTAGE_POINTS`].
    pub fn id(
        &mut self,
        collector: &str,
        peer_as: Asn,
        peer_address: IpAddr,
        time: Timestamp,
        out: &mut impl Extend<Item>,
    ) -> Option<VantageId> {
        let full = self.ids.len() >= limits::VANTAGE_POINTS;
        if self.names.get(self.last as usize).is_none_or(|name| **name != *collector) {
            self.last = match self.collectors.get(collector) {
                Some(&number) => number,
                None if full => return None,
                None => self.add_collector(collector),
            };
        }
        let number = self.last;
        let key = key(number, peer_as, peer_address);
        if let Some((_, id)) = self.speaker.filter(|(last, _)| *last == key) {
            return Some(id);
        }
        if let Some(&id) = self.ids.get(&key) {
            self.speaker = Some((key, id));
            return Some(id);
        }
        if full {
            return None;
        }
        let id = VantageId(self.ids.len() as u32);
        self.ids.insert(key, id);
        let point = VantagePoint { collector: self.names[number as usize].clone(), peer_as, peer_address };
        out.extend([Item { time, event: Event::Vantage(id, Arc::new(point)) }]);
        Some(id)
    }

    fn add_collector(&mut self, collector: &str) -> u32 {
        let name: Arc<str> = collector.into();
        let number = self.names.len() as u32;
        self.names.push(name.clone());
        self.collectors.insert(name, number);
        number
    }
}
