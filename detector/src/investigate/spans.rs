//! Who held which route, from when to when?
//!
//! A vantage point holds one route for each prefix and path id: an announcement replaces what it held, a withdrawal ends it, and
//! a session that goes down takes all of its routes out of sight.

use std::collections::BTreeMap;

use ipnet::IpNet;
use rules::bgp::{AsPath, Nlri, Timestamp};

use super::gather::{Change, Trail, What};

/// One route at one vantage point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub vantage: u32,
    pub route: Nlri,
    /// Index into [`Trail::paths`].
    pub path: u32,
    /// Index into [`Trail::changes`] of the message that brought it.
    pub began: u32,
    /// And of the one that ended it.
    pub ended: Option<(u32, EndedBy)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    Withdrawn,
    /// Another route took its place.
    Replaced,
    /// Out of sight, which is no end.
    SessionDown,
}

impl Span {
    pub fn start(&self, trail: &Trail) -> Timestamp {
        trail.changes[self.began as usize].time
    }

    pub fn end(&self, trail: &Trail) -> Option<Timestamp> {
        self.ended.map(|(at, _)| trail.changes[at as usize].time)
    }

    /// It stood before the first update: a dump has it.
    pub fn is_from_dump(&self, trail: &Trail) -> bool {
        matches!(trail.changes[self.began as usize].what, What::Held(..))
    }

    pub fn prefix(&self) -> IpNet {
        self.route.prefix
    }

    pub fn as_path<'a>(&self, trail: &'a Trail) -> &'a AsPath {
        &trail.paths[self.path as usize].as_path
    }

    /// Some of it lies between the two.
    pub fn touches(&self, trail: &Trail, from: Timestamp, to: Timestamp) -> bool {
        self.start(trail) <= to && self.end(trail).is_none_or(|end| end >= from)
    }
}

/// All routes of a trail, in the order of the messages that brought them.
pub fn of(trail: &Trail) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: BTreeMap<(u32, Nlri), usize> = BTreeMap::new();
    for (at, Change { vantage, what, .. }) in trail.changes.iter().enumerate() {
        let (at, vantage) = (at as u32, *vantage);
        match what {
            What::Held(route, path) | What::Announced(route, path) => {
                let key = (vantage, *route);
                if let Some(&held) = open.get(&key) {
                    if same_route(trail, spans[held].path, *path) {
                        continue;
                    }
                    spans[held].ended = Some((at, EndedBy::Replaced));
                }
                open.insert(key, spans.len());
                spans.push(Span { vantage, route: *route, path: *path, began: at, ended: None });
            }
            What::Withdrawn(route) => {
                if let Some(held) = open.remove(&(vantage, *route)) {
                    spans[held].ended = Some((at, EndedBy::Withdrawn));
                }
            }
            What::Down => {
                let lost: Vec<(u32, Nlri)> = of_vantage(&open, vantage);
                for key in lost {
                    if let Some(held) = open.remove(&key) {
                        spans[held].ended = Some((at, EndedBy::SessionDown));
                    }
                }
            }
        }
    }
    spans
}

/// Another mark or community makes no other way.
fn same_route(trail: &Trail, held: u32, now: u32) -> bool {
    held == now || trail.paths[held as usize].as_path == trail.paths[now as usize].as_path
}

fn of_vantage(open: &BTreeMap<(u32, Nlri), usize>, vantage: u32) -> Vec<(u32, Nlri)> {
    let first = Nlri { prefix: IpNet::V4(Default::default()), path_id: 0 };
    open.range((vantage, first)..).map(|(key, _)| *key).take_while(|(of, _)| *of == vantage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::testing::{Story, prefix};

    #[test]
    fn a_route_ends_by_another_by_withdrawal_and_out_of_sight_with_its_session() {
        let trail = Story::new()
            .held(0, 0, "192.0.2.0/24", "64500 64496")
            .announced(10, 0, "192.0.2.0/24", "64500 64511")
            .announced(11, 0, "192.0.2.0/24", "64500 64511")
            .announced(12, 1, "192.0.2.0/24", "64501 64511")
            .announced(13, 1, "198.51.100.0/24", "64501 64497")
            .withdrawn(20, 0, "192.0.2.0/24")
            .down(30, 1)
            .trail();
        let told: Vec<_> = of(&trail)
            .iter()
            .map(|span| {
                (span.vantage, span.as_path(&trail).to_string(), span.end(&trail).map(Timestamp::secs), span.ended)
            })
            .map(|(vantage, path, end, by)| (vantage, path, end, by.map(|(_, by)| by)))
            .collect();
        let span = |v, path: &str, end, by| (v, path.to_owned(), Some(end), Some(by));
        assert_eq!(
            told,
            [
                span(0, "64500 64496", 10, EndedBy::Replaced),
                span(0, "64500 64511", 20, EndedBy::Withdrawn),
                span(1, "64501 64511", 30, EndedBy::SessionDown),
                span(1, "64501 64497", 30, EndedBy::SessionDown),
            ]
        );
    }

    #[test]
    fn a_more_specific_ends_nothing_of_what_it_lies_in() {
        let trail = Story::new()
            .held(0, 0, "192.0.2.0/24", "64500 64496")
            .announced(10, 0, "192.0.2.0/25", "64500 64511")
            .withdrawn(11, 0, "198.51.100.0/24")
            .trail();
        let open: Vec<_> = of(&trail).into_iter().filter(|span| span.ended.is_none()).map(|s| s.prefix()).collect();
        assert_eq!(open, [prefix("192.0.2.0/24"), prefix("192.0.2.0/25")]);
    }
}
