//! Who announces what they should not. One detection, one file; the list of all of them is [`check`].

pub mod bogon;
pub mod forged_origin;
pub mod forged_path;
pub mod look_alike;
pub mod origin;
pub mod squatting;
pub mod subprefix;
pub mod superprefix;

use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::alert::{Class, Constituent, CoveringVrp, Role, RovProof, RovReason, RovState};
use crate::baseline::{Adjacency, Baseline};
use crate::bgp::{Asn, Family, PathAttributes, Timestamp};
use crate::finding::{Code, Finding};
use crate::limits;
use crate::registry;
use crate::relations::{Relation, Relations};
use crate::rib::{Entry, PathFacts, Rib};
use crate::rpki::{AspaTable, RoaEnds, Rov, VrpTable};
use crate::watch::{PlaceRef, Resource, Resources, Watch};

/// Everything a rule may look at when it judges one route.
pub struct Scene<'s> {
    pub now: Timestamp,
    pub entry: &'s Entry,
    pub path: PathFacts,
    pub attributes: Arc<PathAttributes>,
    pub rib: &'s Rib,
    pub vrps: &'s VrpTable,
    pub rpki_usable: bool,
    pub roa_ends: &'s RoaEnds,
    /// Empty, if they cannot be used.
    pub aspas: &'s AspaTable,
    pub relations: &'s Relations,
    pub watch: &'s Watch,
    /// The watched prefix that is nearest around this one, or is it.
    pub watched: Option<PlaceRef>,
    /// Watched resources over the prefix, least specific first.
    pub resources: Resources<'s>,
    /// No baseline yet: whatever rests on one is silent.
    pub learning: bool,
    /// What was announced before is known of a dump, not only of a day of updates.
    pub knows_table: bool,
    /// The same vantage point held a Valid route here just before.
    pub was_valid: bool,
    /// The route stood in the dump that made the baseline.
    pub is_history: bool,
}

/// The routes that a prefix is measured against.
pub struct Expectation<'s> {
    /// The prefix itself, or the longest less-specific that has a baseline.
    pub prefix: IpNet,
    pub origins: Vec<Asn>,
    pub baseline: Option<&'s Baseline>,
    /// Said by the configuration, not learned.
    pub configured: bool,
}

/// All detections about the origin of a route, in order.
pub fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    if registry::beacon(&scene.entry.prefix).is_some() {
        return;
    }
    let exact = scene.exact();
    let covering = if exact.is_some() { None } else { scene.covering() };
    let is_contributor = |member: &Asn| scene.is_contributor(*member, exact.as_ref().or(covering.as_ref()));
    if let Some(origin_as) = scene.path.origin_as.filter(|o| !is_contributor(o)) {
        origin::check(scene, origin_as, exact.as_ref(), out);
        subprefix::check(scene, origin_as, covering.as_ref(), out);
        if exact.is_none() && covering.is_none() {
            superprefix::check(scene, origin_as, out);
            squatting::check(scene, origin_as, out);
        }
        forged_origin::check(scene, origin_as, exact.as_ref().or(covering.as_ref()), out);
        forged_path::check(scene, origin_as, exact.as_ref().or(covering.as_ref()), out);
        look_alike::private_asn_leak(scene, exact.as_ref().or(covering.as_ref()), out);
    }
    // A bogon beside a hijack is evidence for it, not a second story. What may be no story at all, for want of company or
    // because another shard knows it to be old, is no reason to be silent.
    if out.iter().all(|f| f.needs_company || !f.old_if.is_empty()) {
        bogon::check(scene, out);
    }
}

impl<'s> Scene<'s> {
    pub fn prefix(&self) -> &'s IpNet {
        &self.entry.prefix
    }

    /// The most specific watched resource that says which origins are right here.
    pub fn configured(&self) -> Option<&'s Resource> {
        self.resources.iter().map(|(_, r)| *r).rfind(|r| !r.expected_origins.is_empty())
    }

    /// What is expected of the prefix itself, or else of the nearest less-specific.
    pub fn expected(&self) -> Option<Expectation<'s>> {
        self.exact().or_else(|| self.covering())
    }

    /// Somebody answers for the prefix, or for all that this AS announces.
    pub fn is_watched_by(&self, origin_as: Asn) -> bool {
        !self.resources.is_empty() || self.watch.holds(origin_as)
    }

    /// What is expected of the prefix itself.
    fn exact(&self) -> Option<Expectation<'s>> {
        if let Some(resource) = self.configured().filter(|r| r.prefix == *self.prefix()) {
            return Some(Expectation {
                prefix: resource.prefix,
                origins: resource.expected_origins.clone(),
                baseline: self.entry.baseline.as_ref(),
                configured: true,
            });
        }
        self.learned(self.entry)
    }

    /// What is expected of the longest less-specific that has a baseline.
    fn covering(&self) -> Option<Expectation<'s>> {
        let learned = self.rib.covering(self.prefix()).find_map(|e| self.learned(e));
        let configured = self.configured().filter(|r| r.prefix != *self.prefix()).map(|resource| Expectation {
            prefix: resource.prefix,
            origins: resource.expected_origins.clone(),
            baseline: None,
            configured: true,
        });
        match (learned, configured) {
            (Some(l), Some(c)) if l.prefix.prefix_len() > c.prefix.prefix_len() => Some(l),
            (learned, configured) => configured.or(learned),
        }
    }

    fn learned(&self, entry: &'s Entry) -> Option<Expectation<'s>> {
        if self.learning {
            return None;
        }
        let mut origins: Vec<Asn> = entry.normal_origins(self.now).collect();
        origins.sort_unstable();
        origins.dedup();
        let baseline = entry.baseline.as_ref();
        (!origins.is_empty()).then_some(Expectation { prefix: entry.prefix, origins, baseline, configured: false })
    }

    /// An origin that holds a covering or covered baseline route is not foreign.
    pub fn holds_related_route(&self, origin_as: Asn) -> bool {
        if self.learning {
            return false;
        }
        let holds = |e: &Entry| e.is_normal(origin_as, self.now);
        self.rib.covering(self.prefix()).any(holds) || self.rib.covered(self.prefix()).any(holds)
    }

    /// An AS_SET of one names the origin, unless who aggregated it holds the network, or a part of it: then it names a customer. Nor
    /// is a member accused that a ROA allows, though the set itself is Invalid.
    fn is_contributor(&self, member: Asn, expected: Option<&Expectation<'_>>) -> bool {
        if self.attributes.as_path.origin_set().is_empty() {
            return false;
        }
        let holds = |by: Asn| expected.is_some_and(|e| e.origins.contains(&by)) || self.holds_related_route(by);
        let is_allowed = || self.vrps.state(self.prefix(), Some(member)) == RovState::Valid;
        self.attributes.as_path.aggregator().is_some_and(holds) || (self.rpki_usable && is_allowed())
    }

    /// For origin validation an AS_SET has no origin, whatever it holds (RFC 6811 section 2).
    fn rov_origin(&self, origin_as: Option<Asn>) -> Option<Asn> {
        origin_as.filter(|_| self.attributes.as_path.origin_set().is_empty())
    }

    pub fn rov(&self, origin_as: Option<Asn>) -> RovState {
        if !self.rpki_usable {
            return RovState::NotEvaluated;
        }
        self.vrps.state(self.prefix(), self.rov_origin(origin_as))
    }

    /// The route's origin validation with the VRPs that made it, and what the expected origin would get.
    pub fn rov_proof(&self, origin_as: Option<Asn>, expected: Option<&Expectation<'_>>) -> RovProof {
        if !self.rpki_usable {
            return RovProof {
                state: RovState::NotEvaluated,
                reason: None,
                expected_state: None,
                covering: Vec::new(),
            };
        }
        let origin_as = self.rov_origin(origin_as);
        let rov = self.vrps.validate(self.prefix(), origin_as);
        let expected_state = expected.map(|e| {
            let states = e.origins.iter().map(|o| self.vrps.state(&e.prefix, Some(*o)));
            states.min().unwrap_or(RovState::NotFound)
        });
        RovProof {
            state: rov.state(),
            reason: rov.reason(self.prefix(), origin_as),
            expected_state,
            covering: self.covering_vrps(&rov),
        }
    }

    fn covering_vrps(&self, rov: &Rov<'_>) -> Vec<CoveringVrp> {
        if matches!(rov, Rov::NotFound) {
            return Vec::new();
        }
        let mut covering: Vec<CoveringVrp> = self
            .vrps
            .covering(self.prefix())
            .take(limits::ALERT_COVERING)
            .map(|v| CoveringVrp { prefix: v.prefix, max_length: v.max_length, asn: v.asn, source: v.source.clone() })
            .collect();
        covering.sort_by_key(|v| (v.prefix, v.max_length, v.asn));
        covering
    }

    /// A ROA over the prefix names an AS whose prefixes are all watched, and not `origin_as`.
    pub fn is_signed_by_watched(&self, origin_as: Asn) -> bool {
        let is_watched = |asn: Asn| asn != origin_as && self.watch.holds(asn);
        self.rpki_usable && !self.watch.is_empty() && self.vrps.covering(self.prefix()).any(|vrp| is_watched(vrp.asn))
    }

    /// Whom the event concerns, by prefix and by AS.
    pub fn constituents(&self, victims: &[Asn], suspects: &[Asn], accepted_by: Option<Asn>) -> Vec<Constituent> {
        if self.watch.is_empty() {
            return Vec::new();
        }
        let named = |c: &crate::watch::Constituent, role| Constituent { name: c.name.to_string(), role, tlp: c.tlp };
        let mut out: Vec<Constituent> = self.resources.iter().map(|(c, _)| named(c, Role::Victim)).collect();
        for (ases, role) in
            [(victims, Role::Victim), (suspects, Role::Suspect), (accepted_by.as_slice(), Role::AcceptedBy)]
        {
            out.extend(ases.iter().flat_map(|a| self.watch.holders_of(*a)).map(|c| named(c, role)));
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The AS left of the suspect in the path: who took it directly.
    pub fn receiver_of(&self, suspect: Asn) -> Option<Asn> {
        let i = self.path.hops.iter().position(|h| *h == suspect)?;
        i.checked_sub(1).map(|j| self.path.hops[j])
    }

    /// Nobody wants to hear of these: a black hole that the holder, or one who serves it, asked for (RFC 7999).
    pub fn is_own_blackhole(&self, origin_as: Asn, expected: &Expectation<'_>) -> bool {
        self.attributes.blackhole
            && self.is_too_specific()
            && (expected.origins.contains(&origin_as)
                || expected.origins.iter().any(|e| self.relations.between(*e, origin_as) == Some(Relation::Provider)))
    }

    pub fn is_too_specific(&self) -> bool {
        self.prefix().prefix_len() > Family::of(self.prefix()).longest_routed()
    }

    /// Evidence about a foreign origin beside the expected ones.
    pub fn origin_codes(&self, origin_as: Asn, expected: &Expectation<'_>, rov: &RovProof) -> SmallVec<[Code; 8]> {
        let mut codes = SmallVec::new();
        if rov.state == RovState::Invalid {
            codes.push(if rov.reason == Some(RovReason::Length) {
                Code::RovInvalidLength
            } else {
                Code::RovInvalidAsn
            });
        }
        if expected.configured {
            codes.push(Code::ExpectedConfigured);
        } else {
            codes.push(Code::NewPair);
        }
        // What the new origin is to the old one; the kindest relation counts once.
        let related = expected.origins.iter().filter_map(|e| {
            Some(match self.relations.between(*e, origin_as)? {
                Relation::Sibling => Code::Sibling,
                Relation::Provider => Code::NewOriginIsProvider,
                Relation::Customer => Code::NewOriginIsCustomer,
                Relation::LateralPeer => Code::NewOriginIsPeer,
                Relation::Complex => return None,
            })
        });
        codes.extend(related.min_by_key(|c| c.points()));
        let hops = &self.path.hops;
        if self.is_behind_expected(expected) {
            codes.push(Code::BehindExpectedOrigin);
        } else if hops[..hops.len() - 1].iter().any(|h| expected.origins.contains(h)) {
            codes.push(Code::ExpectedOriginOnPath);
        }
        if registry::is_exchange_lan(self.prefix()) {
            codes.push(Code::ExchangeLan);
        }
        if registry::is_scrubber(origin_as) {
            codes.push(Code::Scrubber);
        }
        if self.is_too_specific() {
            codes.push(Code::TooSpecific);
        }
        if self.path.bogon.is_some() {
            codes.push(Code::BogonAsnOnPath);
        }
        codes
    }

    /// The path takes a known way to an expected origin and ends one AS behind it, most likely at a customer. A known way,
    /// since anybody can write the expected origin into a path.
    fn is_behind_expected(&self, expected: &Expectation<'_>) -> bool {
        let [.., neighbor, holder, _] = self.path.hops[..] else { return false };
        expected.adjacencies().contains(&Adjacency { origin_as: holder, neighbor })
    }

    /// A finding about a foreign origin.
    pub fn origin_finding(
        &self,
        class: Class,
        origin_as: Asn,
        expected: &Expectation<'_>,
        rov: RovProof,
        codes: SmallVec<[Code; 8]>,
    ) -> Finding {
        let mut suspects: SmallVec<[Asn; 2]> = SmallVec::from_slice(&[origin_as]);
        suspects.extend(self.path.private_tail.iter().copied());
        let accepted_by = self.receiver_of(origin_as);
        // An AS watches what it signed, too, whether anybody announces it or not.
        let signed = rov.covering.iter().map(|vrp| vrp.asn).filter(|asn| *asn != origin_as);
        let victims: Vec<Asn> = expected.origins.iter().copied().chain(signed).collect();
        let constituents = self.constituents(&victims, &suspects, accepted_by);
        Finding {
            class,
            key_as: origin_as,
            suspects,
            adjacency: self.path.adjacency(),
            maybe_suspect: None,
            detected_origin: Some(origin_as),
            accepted_by,
            covering_prefix: (expected.prefix != *self.prefix()).then_some(expected.prefix),
            expected_origins: expected.origins.as_slice().into(),
            rov,
            leak: None,
            proofs: self.path.proofs.clone(),
            codes,
            constituents,
            needs_company: false,
            old_if: SmallVec::new(),
        }
    }
}

impl Expectation<'_> {
    /// Who normally stands next to an expected origin here; empty if the configuration is all there is.
    pub fn adjacencies(&self) -> &[Adjacency] {
        self.baseline.map_or(&[], Baseline::adjacencies)
    }
}

/// The constant of "nobody": shared, since most bogon findings have it.
pub fn nobody() -> Arc<[Asn]> {
    Arc::from([])
}
