//! Would ASPA stop it: by the ASPAs given, or by one more?

use std::collections::BTreeSet;

use rules::alert::AspaState;
use rules::bgp::{AsPath, Asn};
use rules::leak;
use rules::relations::Relation;
use rules::rpki::{AspaTable, Procedure};

use super::{Judge, Kind, control};
use crate::investigate::hops::Way;
use crate::investigate::report::{Control, Effect};

/// ASPAs that are tried out: the ASes of one path.
const TRIED: usize = 32;

impl Judge<'_> {
    /// By the ASPAs given, else by one more of an AS on the path that lists the providers it was seen behind.
    pub fn aspa(&self, main: &Way<'_>) -> Control {
        const NAME: &str = "aspa";
        if !main.path.is_plain_sequence() {
            let text = "a path with an AS_SET cannot be verified";
            return control(NAME, Effect::NotEvaluated, text, Vec::new());
        }
        let path = main.path.compressed();
        if self.laws.has_aspas
            && let Some(refusal) = self.refused_at(&path, &self.laws.rpki.aspas)
        {
            let text = format!("by the ASPAs given the path is Invalid at {refusal}");
            return control(NAME, refusal.effect(), text, vec![self.stopped_at(refusal.receiver, main.first)]);
        }
        if let Some((asn, providers, refusal)) = self.missing_aspa(&path) {
            let listed: Vec<String> = providers.iter().take(8).map(ToString::to_string).collect();
            let text = format!(
                "an ASPA of {asn} that lists those it was seen behind before ({}) makes the path Invalid at {refusal}",
                listed.join(", ")
            );
            return control(NAME, Effect::WouldStop, text, vec![self.stopped_at(refusal.receiver, main.first)]);
        }
        let text = match self.kind {
            Kind::Origin => {
                "ASPA says who may pass a route on, not who may originate it: no ASPA of another AS on the path makes it Invalid"
            }
            _ => "no single ASPA, listing what was seen before, makes the path Invalid",
        };
        control(NAME, Effect::DoesNotStop, text, Vec::new())
    }

    /// The AS nearest to the origin that finds what it receives Invalid. Where nobody knows what the sender is to it, the
    /// procedure for providers, which forgives more, goes first; the other one holds on a condition.
    fn refused_at(&self, path: &[Asn], aspas: &AspaTable) -> Option<Refusal> {
        let relations = &self.laws.relations;
        let is_invalid = |received: &[Asn], procedure| {
            let check = leak::aspa::check(&AsPath::sequence(received.iter().copied()), aspas, relations, procedure);
            check.verdict == AspaState::Invalid
        };
        let steps = || (0..path.len().saturating_sub(1)).rev().map(|i| (path[i], path[i + 1], &path[i + 1..]));
        let sure = steps().find(|(receiver, sender, received)| {
            let procedure = match relations.between(*receiver, *sender) {
                Some(Relation::Customer | Relation::LateralPeer) => Procedure::Upstream,
                _ => Procedure::Downstream,
            };
            is_invalid(received, procedure)
        });
        let on_condition = || {
            steps().filter(|_| self.kind != Kind::Origin).find(|(receiver, sender, received)| {
                relations.between(*receiver, *sender).is_none() && is_invalid(received, Procedure::Upstream)
            })
        };
        match sure {
            Some((receiver, ..)) => Some(Refusal { receiver, if_below: None }),
            None => on_condition().map(|(receiver, sender, _)| Refusal { receiver, if_below: Some(sender) }),
        }
    }

    fn missing_aspa(&self, path: &[Asn]) -> Option<(Asn, Vec<Asn>, Refusal)> {
        let suspect = self.case.suspect;
        let of_others = path.iter().rev().filter(|asn| Some(**asn) != suspect || self.kind == Kind::Path);
        for asn in of_others.take(TRIED).filter(|asn| self.laws.rpki.aspas.providers_of(**asn).is_none()) {
            let providers = self.seen_behind(*asn);
            if providers.is_empty() {
                continue;
            }
            let mut aspas = self.laws.rpki.aspas.clone();
            aspas.insert(*asn, &providers);
            if let Some(refusal) = self.refused_at(path, &aspas) {
                return Some((*asn, providers, refusal));
            }
        }
        None
    }

    /// The providers that routes not in question show an AS to have: whoever carries what it originates, and who is known as one.
    fn seen_behind(&self, asn: Asn) -> Vec<Asn> {
        let relations = &self.laws.relations;
        let mut behind = BTreeSet::new();
        for (span, _) in self.case.spans.iter().zip(&self.case.is_offending).filter(|(_, is)| !**is) {
            let path = span.as_path(self.case.trail).compressed();
            let Some(at) = path.iter().rposition(|hop| *hop == asn).filter(|at| *at > 0) else { continue };
            let is_origin = at + 1 == path.len();
            match relations.between(asn, path[at - 1]) {
                Some(Relation::Provider) => drop(behind.insert(path[at - 1])),
                None if is_origin => drop(behind.insert(path[at - 1])),
                _ => {}
            }
        }
        behind.into_iter().collect()
    }
}

/// Where a path is Invalid by ASPA.
struct Refusal {
    receiver: Asn,
    /// Only if this sender is a customer or peer of the receiver, which nobody says.
    if_below: Option<Asn>,
}

impl Refusal {
    fn effect(&self) -> Effect {
        if self.if_below.is_some() { Effect::WouldStop } else { Effect::Stops }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.if_below {
            Some(sender) => write!(f, "{}, if {sender} is a customer or peer of it", self.receiver),
            None => write!(f, "{}", self.receiver),
        }
    }
}
