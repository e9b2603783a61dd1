//! What of a feed concerns the watched networks? With `scope = "watched"` the rest is left out before it enters the order of
//! events, so that a small machine can hold what is left.
//!
//! Kept is what lies inside a watched prefix or around one. Watched are the prefixes of the configuration, those that ROAs
//! give to a watched AS, and those that a watched AS was seen to originate.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::set::JointPrefixSet;
use rules::bgp::{Asn, Nlri};
use rules::event::Event;
use rules::rpki::Delta;
use rules::watch::Watch;
use tokio::sync::watch as signal;

use feeds::ris_live::Interest as Subscribed;

/// Prefixes that are subscribed to one by one; of more, all that the server has is asked for and sifted here.
const MOST_SUBSCRIBED: usize = 1_000;
/// Prefixes that watched ASes were seen to originate: none of them has more, and a forged origin must not fill memory.
const MOST_LEARNED: usize = 1_000_000;

#[derive(Default)]
pub struct Interest {
    prefixes: JointPrefixSet<IpNet>,
    count: usize,
    asns: BTreeSet<Asn>,
    /// What live feeds ask for.
    subscribed: signal::Sender<Arc<Subscribed>>,
    is_new: bool,
}

impl Interest {
    pub fn new(watch: &Watch) -> Self {
        let mut interest = Self::default();
        interest.renew(watch);
        interest
    }

    pub fn subscribe(&self) -> signal::Receiver<Arc<Subscribed>> {
        self.subscribed.subscribe()
    }

    /// Another watch list. What was of interest stays so: to let go of it would look like a withdrawal.
    pub fn renew(&mut self, watch: &Watch) {
        self.asns = watch.asns().collect();
        watch.prefixes().for_each(|prefix| self.add(prefix));
        self.is_new = true;
        self.tell();
    }

    /// ROAs that name a watched AS.
    pub fn signed(&mut self, delta: &Delta) {
        let asns = std::mem::take(&mut self.asns);
        let ours = delta.announced_vrps.iter().filter(|vrp| asns.contains(&vrp.asn));
        ours.for_each(|vrp| self.add(vrp.prefix));
        self.asns = asns;
        self.tell();
    }

    fn add(&mut self, prefix: IpNet) {
        if self.count < MOST_LEARNED && self.prefixes.insert(prefix) {
            self.count += 1;
            self.is_new = true;
        }
    }

    /// What watched ASes were found to originate.
    pub fn learn(&mut self, prefixes: BTreeSet<IpNet>) {
        prefixes.into_iter().for_each(|prefix| self.add(prefix));
        self.tell();
    }

    fn concerns(&self, prefix: &IpNet) -> bool {
        self.prefixes.cover(prefix).next().is_some() || self.prefixes.children(prefix).next().is_some()
    }

    /// Leaves out what is of no interest; false if nothing is left.
    pub fn sift(&mut self, event: &mut Event) -> bool {
        let (Event::Update(update) | Event::Seed(update)) = event else { return true };
        if update.attributes.as_path.origin_as().is_some_and(|origin| self.asns.contains(&origin)) {
            update.announced.iter().for_each(|nlri| self.add(nlri.prefix));
            self.tell();
        }
        let concerns = |nlri: &mut Nlri| self.concerns(&nlri.prefix);
        update.announced.retain(concerns);
        update.withdrawn.retain(concerns);
        !(update.announced.is_empty() && update.withdrawn.is_empty())
    }

    /// Live feeds ask for what is new.
    fn tell(&mut self) {
        if !std::mem::take(&mut self.is_new) {
            return;
        }
        // Whatever lies inside another one comes with it.
        let is_outer = |prefix: &IpNet| self.prefixes.cover(prefix).next().is_some_and(|first| first == *prefix);
        let outer = self.prefixes.iter().filter(is_outer).take(MOST_SUBSCRIBED + 1);
        let mut prefixes: Vec<IpNet> = outer.collect();
        let everything = prefixes.len() > MOST_SUBSCRIBED;
        if everything {
            prefixes.clear();
        }
        let asns = self.asns.iter().copied().collect();
        self.subscribed.send_replace(Arc::new(Subscribed { prefixes, asns, everything }));
    }
}

#[cfg(test)]
mod tests {
    use rules::bgp::{AsPath, Nlris, PathAttributes, Timestamp, Update, VantageId};
    use rules::watch::Constituent;

    use super::*;

    fn event(prefixes: &[&str], origin: u32) -> Event {
        let nlri = |prefix: &&str| Nlri { prefix: prefix.parse().expect("a prefix"), path_id: 0 };
        let as_path = AsPath::sequence(vec![Asn(64500), Asn(origin)]);
        let attributes = PathAttributes { as_path, ..PathAttributes::default() };
        Event::Update(Update {
            vantage: VantageId(0),
            seen: Timestamp::default(),
            withdrawn: Nlris::from([nlri(&"198.51.100.0/24")]),
            announced: prefixes.iter().map(nlri).collect(),
            attributes: Arc::new(attributes),
        })
    }

    fn left(interest: &mut Interest, prefixes: &[&str], origin: u32) -> Vec<String> {
        let mut event = event(prefixes, origin);
        let is_left = interest.sift(&mut event);
        let Event::Update(update) = event else { panic!("it is an update") };
        assert_eq!(is_left, !update.announced.is_empty());
        update.announced.iter().map(|n| n.prefix.to_string()).collect()
    }

    #[test]
    fn what_is_inside_and_around_a_watched_prefix_is_kept_and_a_watched_as_adds_its_own() {
        let resource = rules::watch::Resource {
            prefix: "192.0.2.0/24".parse().expect("a prefix"),
            expected_origins: Vec::new(),
            upstreams: Vec::new(),
            max_length: None,
        };
        let ours = Constituent { asns: vec![Asn(64496)], resources: vec![resource], ..Constituent::default() };
        let mut interest = Interest::new(&Watch::new(vec![ours]));
        let kept = left(&mut interest, &["192.0.2.128/25", "192.0.0.0/16", "192.0.3.0/24", "203.0.113.0/24"], 64511);
        assert_eq!(kept, ["192.0.2.128/25", "192.0.0.0/16"]);
        assert_eq!(left(&mut interest, &["203.0.113.0/24"], 64496), ["203.0.113.0/24"]);
        assert_eq!(left(&mut interest, &["203.0.113.0/25"], 64511), ["203.0.113.0/25"], "its neighbours are known now");
        let subscribed = interest.subscribe().borrow().clone();
        let prefixes: Vec<String> = subscribed.prefixes.iter().map(ToString::to_string).collect();
        assert_eq!((prefixes, subscribed.everything), (vec!["192.0.2.0/24".into(), "203.0.113.0/24".into()], false));
    }
}
