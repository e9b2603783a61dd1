//! Which control stops it, or would have, and at which AS?
//!
//! By the data given, or by what could have been published: a ROA, its maxLength, one more ASPA, a mark of RFC 9234, a filter
//! at the first AS that took it. How many peer ASes each would have spared is counted over the paths that were seen.

mod aspa;

use std::collections::{BTreeMap, BTreeSet};

use rules::alert::{CheckState, Class};
use rules::bgp::Asn;
use rules::leak;

use super::case::Case;
use super::hops::{Laws, Way, rov};
use super::report::{Control, Effect, SourcePart, StoppedAt};

/// VRPs further from the event than this are not those of its day.
pub const SAME_DAY: f64 = 1.5;
/// ASes at which a control is told to act.
const PLACES: usize = 16;

/// What kind of event the controls are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The origin itself is wrong.
    Origin,
    /// The origin is right by its number, and the way is not.
    Path,
    Leak,
}

impl Kind {
    pub fn of(case: &Case<'_>) -> Self {
        match case.alert.map(|alert| alert.class) {
            Some(Class::RouteLeak | Class::InternalMoreSpecifics) => Self::Leak,
            Some(Class::ForgedOrigin | Class::NewUpstream) => Self::Path,
            None if case.claim.is_some_and(|claim| claim.is_leak) => Self::Leak,
            _ => Self::Origin,
        }
    }
}

struct Judge<'a> {
    case: &'a Case<'a>,
    ways: &'a [Way<'a>],
    laws: &'a Laws,
    vrps: &'a SourcePart,
    kind: Kind,
}

pub fn controls(case: &Case<'_>, ways: &[Way<'_>], laws: &Laws, vrps: &SourcePart) -> Vec<Control> {
    let Some(main) = ways.first() else { return Vec::new() };
    let judge = Judge { case, ways, laws, vrps, kind: Kind::of(case) };
    vec![judge.rov(main), judge.max_length(main), judge.aspa(main), judge.otc(), judge.filter()]
}

fn control(control: &'static str, effect: Effect, text: impl Into<String>, at: Vec<StoppedAt>) -> Control {
    Control { control, effect, text: text.into(), at }
}

impl Judge<'_> {
    /// Every AS that took it directly from the suspect, by whom the peers had it.
    fn first_takers(&self) -> Vec<StoppedAt> {
        let mut takers: BTreeMap<Asn, u32> = BTreeMap::new();
        for way in self.ways {
            let path = way.path.compressed();
            let Some(at) = self.case.place_of_suspect(&path).filter(|at| *at > 0) else { continue };
            let first = takers.entry(path[at - 1]).or_insert(way.first);
            *first = way.first.min(*first);
        }
        let mut takers: Vec<_> = takers.into_iter().collect();
        takers.sort_by_key(|(asn, first)| (*first, *asn));
        takers.into_iter().take(PLACES).map(|(asn, first)| self.stopped_at(asn, first)).collect()
    }

    /// Peer ASes that had it on no way but through this AS.
    fn stopped_at(&self, asn: Asn, first: u32) -> StoppedAt {
        let (mut through, mut beside) = (BTreeSet::<Asn>::new(), BTreeSet::<Asn>::new());
        for way in self.ways {
            let is_through = way.path.ases().contains(&asn);
            if is_through { &mut through } else { &mut beside }.extend(&way.peers);
        }
        let all = through.union(&beside).count();
        let spared = through.difference(&beside).count();
        StoppedAt { asn: asn.0, spared_peer_ases: spared, of_peer_ases: all, first: self.case.message(first) }
    }

    fn rov(&self, main: &Way<'_>) -> Control {
        const NAME: &str = "rov";
        if self.kind == Kind::Leak {
            let text = "a leak keeps the rightful origin, so route origin validation has nothing to object to";
            return control(NAME, Effect::NotApplicable, text, Vec::new());
        }
        if !self.laws.has_vrps {
            let text = "no VRPs were given; give those of that day with --vrps";
            return control(NAME, Effect::NotEvaluated, text, Vec::new());
        }
        let rov = rov(main, self.laws);
        let (prefix, origin) = (main.prefix, origin_of(main));
        match rov.state {
            "invalid" => {
                let why = rov.reason.unwrap_or("asn");
                let (effect, caveat) = if self.is_of_that_day() {
                    (Effect::Stops, String::new())
                } else {
                    (Effect::WouldStop, self.other_day())
                };
                let text = format!(
                    "{prefix} by {origin} is Invalid ({why}): {}; whoever drops Invalid does not pass it on{caveat}",
                    rov.covering.join(", ")
                );
                control(NAME, effect, text, self.first_takers())
            }
            "valid" => {
                let text = format!("{prefix} by {origin} is Valid: {}", rov.covering.join(", "));
                control(NAME, Effect::DoesNotStop, text, Vec::new())
            }
            _ if self.kind == Kind::Path => {
                let text = format!("no ROA covers {prefix}, and one for {origin} would make the forged origin Valid");
                control(NAME, Effect::DoesNotStop, text, Vec::new())
            }
            _ => {
                let holder = self.holder();
                let text = format!("no ROA covers {prefix}; one of {holder} would have made the route Invalid");
                control(NAME, Effect::WouldStop, text, self.first_takers())
            }
        }
    }

    fn is_of_that_day(&self) -> bool {
        self.vrps.days_apart.is_some_and(|days| days <= SAME_DAY)
    }

    fn other_day(&self) -> String {
        match (self.vrps.as_of, self.vrps.days_apart) {
            (Some(as_of), Some(days)) => format!(" (by VRPs of {as_of}, {days:.0} days from the event)"),
            _ => " (by VRPs of an unknown day)".into(),
        }
    }

    fn holder(&self) -> String {
        match self.case.expected.iter().next() {
            Some(asn) => asn.to_string(),
            None => "its holder".into(),
        }
    }

    /// Whether a more-specific would be Invalid even from a forged origin.
    fn max_length(&self, main: &Way<'_>) -> Control {
        const NAME: &str = "max_length";
        let covering = self.case.alert.and_then(|alert| {
            let detail = alert.details.iter().find(|detail| detail.prefix == main.prefix)?;
            detail.covering_prefix
        });
        let Some(covering) = covering.filter(|_| self.kind != Kind::Leak) else {
            return control(NAME, Effect::NotApplicable, "no more-specific of somebody else's route", Vec::new());
        };
        if !self.laws.has_vrps {
            let text = "no VRPs were given; give those of that day with --vrps";
            return control(NAME, Effect::NotEvaluated, text, Vec::new());
        }
        let (prefix, length) = (main.prefix, main.prefix.prefix_len());
        let of_holder = |asn: &Asn| self.case.expected.contains(asn);
        let vrps = self.laws.rpki.vrps.covering(&prefix).filter(|vrp| of_holder(&vrp.asn));
        match vrps.map(|vrp| (vrp.max_length, vrp)).max_by_key(|(longest, _)| *longest) {
            Some((longest, vrp)) if longest >= length => {
                let text = format!(
                    "the ROA {} up to /{longest} of {} lets anybody who forges that origin announce {prefix}; \
                     up to /{} would not",
                    vrp.prefix,
                    vrp.asn,
                    covering.prefix_len()
                );
                control(NAME, Effect::DoesNotStop, text, Vec::new())
            }
            Some((longest, vrp)) => {
                let text = format!(
                    "the ROA {} up to /{longest} of {} makes {prefix} Invalid even from a forged origin",
                    vrp.prefix, vrp.asn
                );
                let effect = if self.is_of_that_day() { Effect::Stops } else { Effect::WouldStop };
                control(NAME, effect, text, self.first_takers())
            }
            None => {
                let text = format!(
                    "{} has no ROA; one for {covering} up to /{} makes {prefix} Invalid even from a forged origin",
                    self.holder(),
                    covering.prefix_len()
                );
                control(NAME, Effect::WouldStop, text, self.first_takers())
            }
        }
    }

    fn otc(&self) -> Control {
        const NAME: &str = "otc";
        if self.kind != Kind::Leak {
            let text = "Only to Customer tells leaks, and this is none";
            return control(NAME, Effect::NotApplicable, text, Vec::new());
        }
        for way in self.ways {
            let check = leak::otc::check(way.path, way.otc, &self.laws.relations, &self.laws.rpki.aspas);
            if check.verdict == CheckState::Violation
                && let (Some(leaker), Some(to)) = (check.leaker, check.to)
            {
                let text = format!("the mark of {} is on the route: {to} may not take it from {leaker}", mark(way.otc));
                return control(NAME, Effect::Stops, text, vec![self.stopped_at(to, way.first)]);
            }
        }
        let of_alert =
            self.case.alert.and_then(|alert| alert.leak.as_ref()).map(|leak| (leak.from, leak.leaker, leak.to));
        let of_claim =
            self.case.claim.and_then(|claim| claim.leak).map(|[from, by, to]| (Some(from), Some(by), Some(to)));
        match of_alert.or(of_claim) {
            Some((Some(from), Some(leaker), Some(to))) => {
                let first = self.ways.first().map_or(0, |way| way.first);
                let text = format!(
                    "with roles (RFC 9234) between {from} and {leaker} the route carries the mark of {from}, and {to} \
                     refuses it from {leaker}"
                );
                control(NAME, Effect::WouldStop, text, vec![self.stopped_at(to, first)])
            }
            _ => control(NAME, Effect::NotEvaluated, "who leaked from whom to whom is not known", Vec::new()),
        }
    }

    fn filter(&self) -> Control {
        const NAME: &str = "prefix_filter";
        let at = self.first_takers();
        let Some(suspect) = self.case.suspect.filter(|_| !at.is_empty()) else {
            let text = "nobody is seen to have taken it from the suspect";
            return control(NAME, Effect::NotApplicable, text, Vec::new());
        };
        let what = if self.kind == Kind::Leak { "of its customers" } else { "registered to it and its customers" };
        let text = format!("whoever takes from {suspect} only prefixes {what} does not take this one");
        control(NAME, Effect::WouldStop, text, at)
    }
}

fn origin_of(way: &Way<'_>) -> String {
    way.path.origin_as().map_or_else(|| "an AS_SET".to_owned(), |asn| asn.to_string())
}

fn mark(otc: Option<Asn>) -> String {
    otc.map_or_else(|| "nobody".to_owned(), |asn| asn.to_string())
}

#[cfg(test)]
mod tests;
