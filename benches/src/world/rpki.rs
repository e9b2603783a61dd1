//! What is signed, and what files say about relations, as the engine hears it.

use std::ops::Range;
use std::sync::Arc;

use rules::alert::{Source, SourceState};
use rules::bgp::Asn;
use rules::event::Event;
use rules::rpki::{Delta, Vrp};

use super::dice::mix;
use super::topology::As;
use super::{START, World};

fn fresh(name: &str) -> Source {
    Source { name: name.into(), serial: None, as_of: Some(START), state: SourceState::Fresh }
}

impl World {
    /// As many VRPs and ASPAs as the plan has. One VRP in 300 names the wrong AS, so that about as many routes are Invalid as in life;
    /// beyond one for each prefix they name some other AS beside the holder.
    pub fn rpki(&self) -> Event {
        let source: Arc<str> = "world".into();
        let count = self.space.prefixes.len();
        let of = |place: usize, again: u64| {
            let held = self.space.prefixes[place];
            let taste = mix(self.plan.seed ^ 8, place as u64, again);
            let is_wrong = again > 0 || taste.is_multiple_of(300);
            let holder = if is_wrong { (taste >> 16) as usize % self.plan.ases } else { held.holder as usize };
            let length = held.prefix.prefix_len();
            // One in seven allows more-specifics.
            let longer = if held.prefix.addr().is_ipv4() { 24 } else { 48 };
            let max_length = if (taste >> 8).is_multiple_of(7) { length.max(longer) } else { length };
            Vrp { prefix: held.prefix, max_length, asn: self.topology.number(holder as As), source: source.clone() }
        };
        let places = self.places_to_sign();
        let announced_vrps =
            places.iter().cycle().take(self.plan.vrps).enumerate().map(|(i, at)| of(*at, (i / count) as u64)).collect();
        Event::Rpki(Arc::new(Delta {
            announced_vrps,
            withdrawn_vrps: Vec::new(),
            announced_aspas: self.aspas().collect(),
            withdrawn_aspas: Vec::new(),
            vrps: fresh("vrps"),
            aspas: fresh("aspas"),
        }))
    }

    /// All prefixes in the order in which they are signed: with all that lies inside, which would be Invalid otherwise and what lies deepest
    /// first, and from all regions.
    fn places_to_sign(&self) -> Vec<usize> {
        let mut trees: Vec<Range<usize>> = Vec::new();
        for (at, held) in self.space.prefixes.iter().enumerate() {
            match trees.last_mut() {
                Some(tree) if self.space.prefixes[tree.start].prefix.contains(&held.prefix) => tree.end = at + 1,
                _ => trees.push(at..at + 1),
            }
        }
        trees.sort_by_key(|tree| mix(self.plan.seed ^ 11, tree.start as u64, 0));
        trees.into_iter().flat_map(Iterator::rev).collect()
    }

    fn aspas(&self) -> impl Iterator<Item = (Asn, Vec<Asn>)> {
        let wanted = self.plan.aspas.min(self.plan.ases);
        (0..wanted).map(move |i| {
            let asn = (i * self.plan.ases / wanted) as As;
            let mut providers: Vec<_> = self.topology.providers(asn).iter().map(|p| self.topology.number(*p)).collect();
            providers.sort_unstable();
            // Who buys from nobody says so (AS0).
            (self.topology.number(asn), if providers.is_empty() { vec![Asn(0)] } else { providers })
        })
    }

    pub fn relations(&self) -> Event {
        Event::Relations(Arc::new(self.topology.relations(fresh("relations"))))
    }
}
