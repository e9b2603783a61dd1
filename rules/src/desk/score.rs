//! How bad it is: the points of the best finding, of visibility and of numbers, each with its reason.

use super::Desk;
use super::gate::counts_visibility;
use super::incident::{Incident, IncidentRef, OffenceRef};
use super::link::{UNLIKELY_LINK, is_strong_forgery};
use super::tenure::is_tenure;
use crate::alert::{Class, CoveringVrp, Evidence, Role, Severity};
use crate::baseline::Adjacency;
use crate::bgp::{Asn, Family};
use crate::finding::{Code, Finding, Kind};
use crate::limits;
use crate::proofs::LeakProof;
use crate::rpki::Vrp;
use crate::shard::Known;

impl Desk {
    /// Points of an offence by itself, with the peers that ever held it.
    pub(super) fn points_of(&mut self, at: OffenceRef) -> i32 {
        let offence = &self.offences[at.0 as usize];
        let (best, tenure) = (offence.best.clone(), offence.tenure);
        let peers = offence.peers.clone();
        let share = self.share_of(&peers, Family::of(&offence.key.prefix));
        let codes = self.all_codes(&best, tenure, peers.len(), share);
        let beside = self.beside_invalid(&self.offences[at.0 as usize]);
        codes.iter().chain(&beside).map(|c| c.points()).sum()
    }

    /// Codes of the finding, of what only the desk knows, and of visibility.
    fn all_codes(&self, best: &Finding, tenure: Option<Code>, peers: usize, share: Option<f64>) -> Vec<Code> {
        // Of those who were never there, nobody thinks that they were handed it.
        let tenure = tenure.filter(|t| *t == Code::Vacated || !self.is_new_adjacency(best));
        let mut codes: Vec<Code> = best.codes.iter().copied().filter(|c| !is_tenure(*c)).chain(tenure).collect();
        let kind = best.class.kind();
        let is_misplaced = self.is_misplaced_sibling(best);
        if is_misplaced {
            codes.push(Code::NewAdjacency);
        }
        if codes.contains(&Code::SameNeighbor) && self.is_new_adjacency(best) {
            codes.retain(|c| *c != Code::SameNeighbor);
        }
        if kind == Kind::Forged || codes.contains(&Code::NewAdjacency) {
            self.link_codes(best, &mut codes);
        }
        if kind == Kind::Origin && !is_misplaced && self.is_neighbour_of_expected(best) {
            codes.push(Code::NewOriginAdjacent);
        }
        if !counts_visibility(kind) || (kind == Kind::Forged && !is_strong_forgery(best)) {
            return codes;
        }
        if kind == Kind::Origin {
            match peers {
                0 | 1 => codes.push(Code::OnePeer),
                2 => codes.push(Code::TwoPeers),
                _ => {}
            }
        }
        match share {
            Some(s) if s >= 0.5 => codes.push(Code::HalfOfPeers),
            Some(s) if s >= 0.1 => codes.push(Code::TenthOfPeers),
            _ => {}
        }
        codes
    }

    /// The new origin stood next to an expected one in the baseline: customer and provider swap prefixes all the time.
    fn is_neighbour_of_expected(&self, finding: &Finding) -> bool {
        let Some(new) = finding.detected_origin else { return false };
        finding.expected_origins.iter().any(|e| self.known.contains(&Known::link(*e, new)))
    }

    /// Share of the full-feed peers of a family that is among `peers`; none if there is no measure.
    pub(super) fn share_of(&mut self, peers: &[Asn], family: Family) -> Option<f64> {
        let full = self.tables.full_feed(family, &self.vantage)?;
        if full.is_empty() {
            return None;
        }
        let seen = peers.iter().filter(|p| full.contains(p)).count();
        Some(seen as f64 / full.len() as f64)
    }

    /// Evidence of the whole incident, largest points first, and its sum.
    pub(super) fn evidence(&self, at: IncidentRef) -> (Vec<Evidence>, i32) {
        let incident = &self.incidents[at.0 as usize];
        let gravest = &self.offences[incident.best.0 as usize];
        let best = &gravest.best;
        let mut codes = self.all_codes(best, gravest.tenure, incident.ever_peers.len(), incident.share_peak);
        codes.extend(self.beside_invalid(gravest));
        let recent = self.recent_victims(incident);
        if incident.kind == Kind::Origin && recent >= 2 {
            codes.push(Code::UnrelatedVictims);
        }
        if best.class == Class::RouteLeak && incident.offences.len() >= limits::LEAK_LARGE {
            codes.push(Code::LargeLeak);
        }
        let score = codes.iter().map(|c| c.points()).sum();
        codes.sort_by_key(|c| (std::cmp::Reverse(c.points()), *c));
        let evidence = codes.into_iter().map(|code| self.explain(code, best, incident, recent)).collect();
        (evidence, score)
    }

    /// Distinct victims of the last ten minutes of the story.
    pub(super) fn recent_victims(&self, incident: &Incident) -> usize {
        let Some(last) = incident.victim_times.values().max() else { return 0 };
        let since = last.plus_secs(-limits::MASS_SECS);
        incident.victim_times.values().filter(|t| **t >= since).count()
    }

    pub(super) fn severity(&self, incident: &Incident, score: i32) -> Severity {
        let best = &self.offences[incident.best.0 as usize].best;
        let is_low = best.is_look_alike()
            || incident.kind == Kind::Bogon
            || (incident.kind == Kind::Forged && !is_strong_forgery(best) && score < UNLIKELY_LINK)
            || is_weak_valley(best, incident.offences.len())
            || self.is_all_ordinary(incident)
            || self.settles_at(incident).is_some_and(|at| self.now < at);
        if is_low || score <= 3 {
            return Severity::Low;
        }
        if score <= 7 {
            return Severity::Medium;
        }
        let is_wide = incident.share_peak.is_some_and(|s| s >= 0.3);
        let is_large = incident.offences.len() >= limits::PREFIXES_CRITICAL;
        if !incident.constituents.is_empty() || is_wide || is_large { Severity::Critical } else { Severity::High }
    }

    /// One harmless prefix does not excuse the others of a story, and what is taken from several did not change hands.
    fn is_all_ordinary(&self, incident: &Incident) -> bool {
        let members = &incident.offences;
        let is_one_network = incident.victim_times.len() < 2;
        members.len() <= ORDINARY_MEMBERS
            && (members.iter().all(|o| self.is_ordinary(&self.offences[o.0 as usize].best))
                || (is_one_network && members.iter().all(|o| self.is_succession(*o))))
    }

    /// Customers in their provider's space, siblings, scrubbers and exchange LANs: reason to tell, none to wake anybody, as long
    /// as neither a ROA, an ASPA nor the configuration speaks against it, and nobody watches the victim.
    fn is_ordinary(&self, best: &Finding) -> bool {
        let has = |code: &Code| best.codes.contains(code);
        let is_watched = best.constituents.iter().any(|c| c.role == Role::Victim);
        if DENIALS.iter().any(has) || is_watched || self.is_misplaced_sibling(best) {
            return false;
        }
        let is_part = best.class == Class::SubprefixHijack;
        match best.class.kind() {
            Kind::Origin => {
                has(&Code::Scrubber)
                    || has(&Code::ExchangeLan)
                    || has(&Code::BehindExpectedOrigin)
                    || (is_part && (has(&Code::NewOriginIsCustomer) || self.stood_behind_expected(best)))
                    || (has(&Code::Sibling) && !self.is_new_adjacency(best))
            }
            Kind::Forged => has(&Code::Scrubber),
            _ => false,
        }
    }

    /// When, and which.
    fn end_of_roa(&self, best: &Finding) -> String {
        let covering = best.rov.covering.iter().filter(|v| Some(v.asn) == best.detected_origin);
        let vrp =
            |v: &CoveringVrp| Vrp { prefix: v.prefix, max_length: v.max_length, asn: v.asn, source: v.source.clone() };
        let ends = covering.filter_map(|v| Some((self.roa_ends.end_of(&vrp(v))?, v)));
        match ends.max_by_key(|(end, _)| *end) {
            Some((end, v)) => format!("the ROA behind {} ends at {end}", vrps(std::slice::from_ref(v))),
            None => "it was renewed, or is gone".to_owned(),
        }
    }

    /// The new origin stood behind an expected one before, as a customer does.
    fn stood_behind_expected(&self, finding: &Finding) -> bool {
        let Some(origin_as) = finding.detected_origin else { return false };
        let behind = |e: &Asn| self.known.contains(&Adjacency { origin_as, neighbor: *e }.into());
        finding.expected_origins.iter().any(behind)
    }

    fn explain(&self, code: Code, best: &Finding, incident: &Incident, victims: usize) -> Evidence {
        let vrps = self.vrps.as_ref();
        let aspas = self.aspas.as_ref();
        let relations = self.relations.as_ref().map(|r| &r.source);
        let (source, as_of) = match code.source() {
            "rpki" => (vrps.map(|s| s.name.clone()), vrps.and_then(|s| s.as_of)),
            "aspa" => (aspas.map(|s| s.name.clone()), aspas.and_then(|s| s.as_of)),
            "relations" => (relations.map(|s| s.name.clone()), relations.and_then(|s| s.as_of)),
            "baseline" => (None, self.baseline_as_of),
            _ => (None, None),
        };
        let detail = match code {
            Code::RoaExpiring => self.end_of_roa(best),
            _ => detail(code, best, incident, victims),
        };
        Evidence {
            code: code.word(),
            points: code.points(),
            detail,
            source: source.unwrap_or_else(|| code.source().into()),
            as_of,
        }
    }
}

/// More prefixes than this are no single customer's, sibling's or scrubber's everyday business.
pub(super) const ORDINARY_MEMBERS: usize = 16;

/// Somebody said in writing that it is wrong.
pub(super) const DENIALS: [Code; 6] = [
    Code::RovInvalidAsn,
    Code::AspaNotProvider,
    Code::ExpectedConfigured,
    Code::UpstreamConfigured,
    Code::SquatWatched,
    Code::SquatAs0,
];

/// Relations alone that are unsure, or of a kind that they are often wrong about and of few prefixes; and nobody watches.
fn is_weak_valley(best: &Finding, prefixes: usize) -> bool {
    let is_small_lateral = |leak: &LeakProof| leak.rfc7908_type != Some(1) && prefixes < limits::VALLEY_LARGE;
    let is_weak = |leak: &LeakProof| !leak.counts_alone() && (!leak.is_sure || is_small_lateral(leak));
    !best.is_watched() && best.leak.as_ref().is_some_and(is_weak)
}

fn list(ases: &[Asn]) -> String {
    match ases {
        [] => "nobody".into(),
        [one] => one.to_string(),
        [a, b] => format!("{a} and {b}"),
        [a, rest @ ..] => format!("{a} and {} others", rest.len()),
    }
}

/// The VRPs over a prefix, for a person.
pub(super) fn vrps(covering: &[CoveringVrp]) -> String {
    let named = covering.iter().map(|v| format!("VRP {}-{} {}", v.prefix, v.max_length, v.asn)).take(NAMED_VRPS);
    let more = covering.len().saturating_sub(NAMED_VRPS);
    let rest = (more > 0).then(|| format!("{more} more"));
    named.chain(rest).collect::<Vec<_>>().join(", ")
}

const NAMED_VRPS: usize = 3;

/// What the code means for this finding, in words.
fn detail(code: Code, best: &Finding, incident: &Incident, victims: usize) -> String {
    let new = best.detected_origin.map_or_else(|| "the origin".to_owned(), |a| a.to_string());
    let old = list(&best.expected_origins);
    let neighbor = best.adjacency.map_or(Asn(0), |a| a.neighbor);
    let near = best.adjacency.map_or(Asn(0), |a| a.origin_as);
    match code {
        Code::RovInvalidAsn => format!("no ROA lets {new} announce this prefix"),
        Code::RovInvalidLength => format!("a ROA lets {new} announce it, but not as specific as this"),
        Code::SubprefixOfStableRoute => {
            let covering = best.covering_prefix.map_or_else(String::new, |p| p.to_string());
            format!("lies inside {covering} of {old}")
        }
        Code::ExactMoas => format!("the same prefix as {old}"),
        Code::LessSpecificOfOthers => format!("covers prefixes of {old}"),
        Code::NewPair => format!("{new} was never seen here before"),
        Code::ExpectedConfigured => format!("the configuration expects {old}"),
        Code::Sibling => format!("{new} and {old} belong to one organisation"),
        Code::NewOriginIsProvider => format!("{new} is a provider of {old}"),
        Code::NewOriginIsCustomer => format!("{new} is a customer of {old}"),
        Code::NewOriginIsPeer => format!("{new} is a peer of {old}"),
        Code::NewOriginAdjacent => format!("{new} and {old} stood next to each other before"),
        Code::ExpectedOriginOnPath => format!("the path leads through {old}"),
        Code::BehindExpectedOrigin => format!("a known path to {old} ends one AS behind it"),
        Code::Scrubber if best.class == Class::ForgedOrigin => format!("{neighbor} protects others against DDoS"),
        Code::Scrubber => format!("{new} protects others against DDoS"),
        Code::SameNeighbor => format!("behind {neighbor}, as {old} was"),
        Code::HandedOver => format!("no vantage point has it from {old} any more"),
        Code::Vacated => format!("{old} had withdrawn it before"),
        Code::ExchangeLan => "the peering LAN of an exchange".to_owned(),
        Code::PrependTypo => format!("{new} looks like a repeat count behind {neighbor}"),
        Code::AsnTypo => format!("{new} is one digit away from {old}, behind the same neighbor"),
        Code::PrefixTypo => format!("one digit away from a prefix that {new} announces"),
        Code::PrivateAsnLeak => format!("{new} left a private AS in the path"),
        Code::BogonAsnOnPath => "a reserved AS is in the path".to_owned(),
        Code::TooSpecific => "more specific than networks normally accept".to_owned(),
        Code::NewAdjacency => format!("{neighbor} never stood next to {new} before"),
        Code::NewLinkOnPath => format!("{neighbor} never stood next to {near} before"),
        Code::NeverCarried => format!("no route of others ever went through {neighbor}"),
        Code::SmallBeforeLarge => format!("{neighbor} has fewer neighbors than {near}"),
        Code::ManyNeighbors => format!("{neighbor} has many neighbors, and gets new ones all the time"),
        Code::CarriesOthers => format!("routes of others go through {neighbor} all the time"),
        Code::CommonNeighbors => format!("{neighbor} and {near} have neighbors in common"),
        Code::CommonExchange => format!("{neighbor} and {near} meet at an exchange"),
        Code::SeenBothWays => format!("routes of {neighbor} come through {near} as well"),
        Code::AspaNotProvider => format!("the ASPA of {new} does not list {neighbor}"),
        Code::UpstreamConfigured => format!("the configuration does not list {neighbor} as an upstream"),
        Code::Funnel => format!("no vantage point reaches it over a known neighbor of {new}"),
        Code::NoFunnel => format!("others reach it over a known neighbor of {new}"),
        Code::SquatWatched => "watched space that nobody announced".to_owned(),
        Code::SquatAs0 => "closed for everybody by a ROA for AS0".to_owned(),
        Code::SquatCompanion => format!("unused space, beside an open incident of {new}"),
        Code::InternalMoreSpecific => format!("{} new more-specifics of its own space", incident.offences.len()),
        Code::AspaLeak | Code::OtcLeakSigned | Code::OtcLeakByRelations | Code::ValleyNewTriple => {
            leak_detail(code, best)
        }
        Code::UnsureRelations => "yet the relations it rests on are old, contradicted or guessed".to_owned(),
        Code::AspaSaysNoLeak => "yet each hop of the path is attested by an ASPA, which makes no leak of it".to_owned(),
        Code::OtcSaysNoLeak => {
            "yet Only-to-Customer was set, and each AS after it gave the route to a customer".to_owned()
        }
        Code::RelationsSayNoLeak => "yet relations see no valley in the path".to_owned(),
        Code::LargeLeak => format!("{} prefixes", incident.offences.len()),
        Code::LostByTenth | Code::LostByHalf | Code::LostByNearlyAll => {
            let share = incident.share_peak.map(|s| format!(", {:.0} % of full-feed peers at its peak", s * 100.0));
            format!("withdrawn by {} peer ASes{}", incident.ever_peers.len(), share.unwrap_or_default())
        }
        Code::CoveredByLessSpecific => {
            let covering = best.covering_prefix.map_or_else(String::new, |p| p.to_string());
            format!("{covering} of the same network covers it still")
        }
        Code::BesideInvalid => "its own routes are RPKI Invalid, which is told beside this".to_owned(),
        // It needs what only the desk knows.
        Code::RoaExpiring => String::new(),
        Code::AspaLacksProvider => {
            format!(
                "the ASPA of {new} does not list {neighbor}, which gave its routes on as a provider before the dump"
            )
        }
        Code::AspaNamesAs0 => format!("the ASPA of {new} lists AS0, for no provider at all, beside others"),
        Code::AspaNamesItself => format!("the ASPA of {new} lists {new} itself"),
        Code::NewOwnPrefix => match best.covering_prefix {
            Some(covering) => format!("{new} never announced this part of {covering} before"),
            None => format!("{new} never announced it before"),
        },
        Code::NewUpstream => format!("{new} never was seen behind {neighbor} before"),
        Code::OwnRouteInvalid => format!("networks that validate origins drop it: {}", vrps(&best.rov.covering)),
        Code::BogonPrefix => "special-purpose space, not globally reachable".to_owned(),
        Code::BogonAsn => "an AS number that is reserved or private".to_owned(),
        Code::ShortPrefix => "shorter than any single network".to_owned(),
        Code::UnrelatedVictims => format!("{victims} unrelated victims within ten minutes"),
        Code::OnePeer | Code::TwoPeers => format!("seen by {} peer ASes", incident.ever_peers.len()),
        Code::TenthOfPeers | Code::HalfOfPeers => {
            let share = incident.share_peak.unwrap_or_default() * 100.0;
            format!("seen by {share:.0} % of full-feed peers at its peak")
        }
    }
}

fn leak_detail(code: Code, best: &Finding) -> String {
    let Some(leak) = &best.leak else { return String::new() };
    let what = match code {
        Code::AspaLeak => "the path is Invalid under ASPA",
        Code::OtcLeakSigned => "Only-to-Customer was set, and ASPA says it went on to a provider or peer",
        Code::OtcLeakByRelations => "Only-to-Customer was set, and relations say it went on to a provider or peer",
        _ => "relations make the path a valley that was never seen before",
    };
    format!("{what}: from {} through {} to {}", leak.from, leak.leaker, leak.to)
}
