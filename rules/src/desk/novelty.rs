//! What is only new about a watched network: where does it end, and is it told otherwise already?

use std::sync::Arc;

use ipnet::IpNet;

use super::Desk;
use super::incident::{Incident, IncidentRef, OffenceKey, OffenceRef};
use super::score::ORDINARY_MEMBERS;
use crate::alert::Class;
use crate::bgp::{Asn, PathAttributes};
use crate::finding::{Code, Finding, Kind};
use crate::proofs::ProvenBy;
use crate::shard::{EndedBy, Known, Phase, Sighting};
use crate::watch::Route;

impl Desk {
    /// A forged origin of a watched network that is none: an everyday carrier, for which the origin is one more customer, and
    /// nothing speaks against the link but that it is new (S 6.6).
    pub(super) fn as_novelty(&mut self, sighting: Sighting) -> Sighting {
        if sighting.class != Class::ForgedOrigin {
            return sighting;
        }
        let novel = |phase| Sighting { class: Class::NewUpstream, phase, ..sighting.clone() };
        match &sighting.phase {
            Phase::Ended(by) => {
                let ended = novel(Phase::Ended(*by));
                self.no_longer_there(&ended);
                self.ended(&ended, *by);
                sighting
            }
            Phase::Began(finding, attributes) | Phase::Changed(finding, attributes) => {
                let (prefix, class, path) = (sighting.prefix, sighting.class, &attributes.as_path);
                let is_allowed = self.watch.allow().over(Route { prefix, class, finding, path }, self.now).is_some();
                if is_allowed || !self.is_everyday_upstream(finding) {
                    let was = novel(Phase::Ended(EndedBy::Replaced));
                    self.ended(&was, EndedBy::Replaced);
                    return sighting;
                }
                self.ended(&sighting, EndedBy::Replaced);
                novel(Phase::Began(Arc::new(as_new_upstream(finding)), attributes.clone()))
            }
        }
    }

    fn is_everyday_upstream(&self, finding: &Finding) -> bool {
        let is_only_new = finding.codes.iter().all(|c| matches!(c, Code::NewAdjacency | Code::NoFunnel));
        let carries = |neighbor| self.topology.carries(neighbor) && self.topology.has_many_neighbors(neighbor);
        finding.is_watched() && is_only_new && finding.adjacency.is_some_and(|a| carries(a.neighbor))
    }

    /// The prefix was told before as a hijack, a forged origin or Invalid, it is one of the many that its origin lets out, or its
    /// answer to a hijack.
    pub(super) fn is_told_otherwise(&self, sighting: &Sighting, finding: &Finding) -> bool {
        if sighting.class != Class::NewPrefix {
            return false;
        }
        let was_told = |kind, key_as| {
            let at = self.by_key.get(&OffenceKey { kind, key_as, prefix: sighting.prefix });
            at.and_then(|at| self.offences[at.0 as usize].incident).is_some_and(|story| self.is_still_known(story))
        };
        let origin_as = sighting.key_as;
        let is_forged = |a: &crate::baseline::Adjacency| {
            let key = OffenceKey { kind: Kind::Forged, key_as: a.neighbor, prefix: sighting.prefix };
            self.by_key.get(&key).is_some_and(|at| self.offences[at.0 as usize].is_held())
        };
        was_told(Kind::Origin, origin_as)
            || was_told(Kind::RpkiInvalidOwn, origin_as)
            || finding.adjacency.as_ref().is_some_and(is_forged)
            || self.lets_out_many(origin_as)
            || self.is_answer(origin_as, &sighting.prefix)
    }

    /// The victim of a hijack announces the same, or parts of it, to have its traffic back.
    fn is_answer(&self, origin_as: Asn, prefix: &IpNet) -> bool {
        let accuses = |kind: Kind| matches!(kind, Kind::Origin | Kind::Forged);
        let overlaps = |o: &OffenceRef| {
            let taken = &self.offences[o.0 as usize].key.prefix;
            taken.contains(prefix) || prefix.contains(taken)
        };
        let is_it = |i: &Incident| accuses(i.kind) && i.victims.contains(&origin_as);
        let mut all = (0..self.incidents.len() as u32).map(IncidentRef);
        all.any(|at| {
            let incident = &self.incidents[at.0 as usize];
            is_it(incident) && !self.is_forgotten(at) && incident.offences.iter().take(ORDINARY_MEMBERS).any(overlaps)
        })
    }

    /// A neighbor that the ASPA of a watched network lacks gives on its route. Did it so in the dump, the ASPA is wrong; does it
    /// so since, it leaks (S 4.3). One of the two is told.
    pub(super) fn is_other_slip(&self, finding: &Finding, attributes: &PathAttributes) -> bool {
        let hops = attributes.as_path.compressed();
        let [.., to, neighbor, origin_as] = hops[..] else { return false };
        let stood = || self.known.contains(&Known::Onward(origin_as, neighbor, to));
        match (finding.class, &finding.leak) {
            (Class::AspaMisconfig, _) => finding.codes[..] == [Code::AspaLacksProvider] && !stood(),
            (Class::RouteLeak, Some(leak)) => {
                let is_it = leak.proven_by == ProvenBy::Aspa && (leak.from, leak.leaker) == (origin_as, neighbor);
                is_it && stood()
            }
            _ => false,
        }
    }

    /// Its more-specifics are told together, as a leak of internal routes.
    pub(super) fn lets_out_many(&self, origin_as: Asn) -> bool {
        let story = self.open_story(Kind::Leak, origin_as).map(|at| &self.incidents[at.0 as usize]);
        story.is_some_and(|i| i.is_open() && i.class == Class::InternalMoreSpecifics)
    }
}

fn as_new_upstream(finding: &Finding) -> Finding {
    Finding {
        class: Class::NewUpstream,
        suspects: Default::default(),
        maybe_suspect: None,
        accepted_by: None,
        codes: smallvec::smallvec![Code::NewUpstream],
        ..finding.clone()
    }
}
