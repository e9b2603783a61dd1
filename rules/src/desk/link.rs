//! How likely is a link real that nobody saw before? What the baseline says of its two ends, in the spirit of DFOH (S 6.6).
//!
//! None of it proves anything alone, so no single reason weighs more than the link's own points, but for one: a link that
//! carries routes of both ends to the other is a link.

use super::Desk;
use crate::alert::Class;
use crate::baseline::Adjacency;
use crate::finding::{Code, Finding, Kind};

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
        if self.topology.has_many_neighbors(far) {
            out.push(Code::ManyNeighbors);
        }
        if self.topology.are_near(near, far) {
            out.push(Code::CommonNeighbors);
        }
        if self.topology.meet_at_exchange(near, far, self.relations.as_deref()) {
            out.push(Code::CommonExchange);
        }
        if self.new_links.contains(&Adjacency { origin_as: far, neighbor: near }) {
            out.push(Code::SeenBothWays);
        }
    }

    /// Remembers a link that somebody told of. A path that passes an AS twice can say so about anybody.
    pub(super) fn note_link(&mut self, finding: &Finding) {
        let at_origin = finding.class == Class::ForgedOrigin && finding.codes.contains(&Code::NewAdjacency);
        let Some(link) = finding.adjacency.filter(|_| at_origin) else { return };
        self.new_links.insert(link);
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
