//! How likely is a link real that nobody saw before? What the baseline says of its two ends, in the spirit of DFOH (S 6.6).
//!
//! None of it proves anything alone, so no single reason weighs more than the link's own points, but for one: a link that
//! carries routes of both ends to the other is a link.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::Desk;
use super::incident::{OffenceKey, OffenceRef};
use crate::alert::Class;
use crate::baseline::Adjacency;
use crate::finding::{Code, Finding, Kind};

/// New links that some offence shows right now, each way by itself: as many as there are held offences.
#[derive(Default)]
pub(super) struct NewLinks {
    by_offence: HashMap<OffenceKey, Adjacency, RandomState>,
    held: HashMap<Adjacency, u32, RandomState>,
}

impl NewLinks {
    fn hold(&mut self, key: OffenceKey, link: Adjacency) {
        self.leave(&key);
        self.by_offence.insert(key, link);
        *self.held.entry(link).or_default() += 1;
    }

    fn leave(&mut self, key: &OffenceKey) {
        let Some(link) = self.by_offence.remove(key) else { return };
        let left = self.held.get_mut(&link).map_or(0, |held| {
            *held -= 1;
            *held
        });
        if left == 0 {
            self.held.remove(&link);
        }
    }

    fn is_held(&self, link: Adjacency) -> bool {
        self.held.contains_key(&link)
    }
}

impl Desk {
    /// Reasons for and against the new link of a finding.
    pub(super) fn link_codes(&self, finding: &Finding, out: &mut Vec<Code>) {
        let Some(link) = finding.adjacency else { return };
        let (near, far) = (link.origin_as, link.neighbor);
        if self.topology.never_carried(far) {
            out.push(Code::NeverCarried);
            if self.topology.degree(far) < self.topology.degree(near) {
                out.push(Code::SmallBeforeLarge);
            }
        }
        // A part that goes over one more provider alone is what customers do, too.
        if self.topology.carries(far) && finding.codes.contains(&Code::Funnel) {
            out.push(Code::CarriesOthers);
        }
        if self.topology.has_many_neighbors(far) {
            out.push(Code::ManyNeighbors);
        }
        if self.topology.are_near(near, far) {
            out.push(Code::CommonNeighbors);
        }
        if self.topology.meet_at_exchange(near, far, self.relations.as_deref()) {
            out.push(Code::CommonExchange);
        }
        if self.new_links.is_held(Adjacency { origin_as: far, neighbor: near }) {
            out.push(Code::SeenBothWays);
        }
    }

    /// An offence is held, or no longer: so is the new link at its origin.
    pub(super) fn count_link(&mut self, at: OffenceRef, is_held: bool) {
        let offence = &self.offences[at.0 as usize];
        let finding = &offence.first;
        let at_origin = finding.class == Class::ForgedOrigin && finding.codes.contains(&Code::NewAdjacency);
        match finding.adjacency.filter(|_| is_held && at_origin) {
            Some(link) => self.new_links.hold(offence.key, link),
            None => self.new_links.leave(&offence.key),
        }
    }

    /// A sibling as origin explains much, but not that it stands behind an AS it never stood behind.
    pub(super) fn is_misplaced_sibling(&self, finding: &Finding) -> bool {
        finding.class.kind() == Kind::Origin
            && finding.codes.contains(&Code::Sibling)
            && self.is_new_adjacency(finding)
            && finding.detected_origin.is_some_and(|origin_as| self.topology.has_seen(origin_as))
    }
}

/// A new adjacency alone is ordinary; what makes it a forgery is the origin's own word, or a funnel.
pub(super) fn is_strong_forgery(best: &Finding) -> bool {
    let is_strong = |c: &Code| matches!(c, Code::AspaNotProvider | Code::UpstreamConfigured | Code::Funnel);
    best.is_watched() || best.codes.iter().any(is_strong)
}

/// The points of a new link, of an AS that never carried anything, and of a smaller one before a larger; nothing speaks for it.
pub(super) const UNLIKELY_LINK: i32 = 5;
