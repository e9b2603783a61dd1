//! The whole state of an incident as an alert.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::Desk;
use super::incident::{Incident, IncidentRef, Offence, OffenceRef};
use super::score::vrps;
use crate::alert::{
    Alert, Class, Detail, Leak, OtcProof, Reason, SamplePath, Severity, Status, Tlp, Transition, Visibility,
};
use crate::bgp::{Asn, Family, Timestamp};
use crate::finding::{Code, Finding, Kind};
use crate::limits;

impl Desk {
    pub(super) fn render(
        &mut self,
        at: IncidentRef,
        transition: Transition,
        reason: Reason,
        previous_severity: Option<Severity>,
    ) -> Alert {
        let (mut evidence, score) = self.evidence(at);
        evidence.truncate(limits::ALERT_EVIDENCE);
        let visibility = self.visibility(at);
        let incident = &self.incidents[at.0 as usize];
        let order = self.prefix_order(incident);
        let lead = &self.offences[order[0].0 as usize];
        let (first, time) = (&lead.first, self.now);
        let leak = leak_of(incident);
        Alert {
            id: incident.id.to_string(),
            sequence: incident.sequence,
            transition,
            status: if transition == Transition::Opened { Status::Open } else { incident.status },
            reason,
            time,
            class: incident.class,
            rfc7908_type: rfc7908_type(incident),
            severity: incident.severity,
            previous_severity,
            score,
            provisional: incident.provisional,
            title: title(incident, lead, order.len(), &visibility, time),
            tlp: self.tlp(incident),
            constituents: incident.constituents.iter().take(limits::ALERT_CONSTITUENTS).cloned().collect(),
            constituent_count: incident.constituents.len(),
            prefixes: order.iter().take(limits::ALERT_PREFIXES).map(|o| self.prefix_of(*o)).collect(),
            prefix_count: incident.offences.len(),
            active_prefix_count: incident.active,
            details: order.iter().take(limits::ALERT_DETAILS).map(|o| self.detail(*o)).collect(),
            expected_origins: capped(&incident.expected),
            detected_origins: capped(&incident.detected),
            suspect_ases: incident.suspects(),
            accepted_by: incident.accepted_by.iter().take(limits::ALERT_SUSPECTS).copied().collect(),
            victim_ases: capped(&incident.victims),
            victim_as_count: incident.victims.len(),
            leak,
            started: incident.started,
            opened: incident.opened,
            last_seen: incident.last_seen,
            ended: incident.ended.filter(|_| transition != Transition::Opened || incident.active == 0),
            episodes: incident.episodes.clone(),
            duration_secs: duration_secs(incident, time),
            visibility,
            sample_paths: samples(incident, lead),
            rov: first.rov.clone(),
            aspa: first.proofs.aspa.clone(),
            otc: OtcProof { ..first.proofs.otc },
            valley: first.proofs.valley.clone(),
            evidence,
            related_ids: self.related(at),
            inputs: self.inputs(),
        }
    }

    /// Watched prefixes first, then in the order they joined.
    fn prefix_order(&self, incident: &Incident) -> Vec<OffenceRef> {
        let mut order = incident.offences.clone();
        order.sort_by_key(|o| !self.offences[o.0 as usize].best.is_watched());
        order
    }

    fn prefix_of(&self, at: OffenceRef) -> IpNet {
        self.offences[at.0 as usize].key.prefix
    }

    fn detail(&self, at: OffenceRef) -> Detail {
        let offence = &self.offences[at.0 as usize];
        let best = &offence.best;
        let peers: BTreeSet<Asn> = offence.holders.iter().map(|h| self.peer_as(h.vantage)).collect();
        Detail {
            prefix: offence.key.prefix,
            covering_prefix: best.covering_prefix,
            expected_origins: best.expected_origins.iter().take(limits::ALERT_SUSPECTS).copied().collect(),
            detected_origins: best.detected_origin.into_iter().collect(),
            rov: best.rov.state,
            expected_rov: best.rov.expected_state,
            started: offence.started,
            ended: offence.ended,
            peer_ases: peers.len(),
        }
    }

    fn visibility(&mut self, at: IncidentRef) -> Visibility {
        let incident = &self.incidents[at.0 as usize];
        let family = Family::of(&self.offences[incident.offences[0].0 as usize].key.prefix);
        let peers: Vec<Asn> = incident.peers.keys().copied().collect();
        let share = self.share_of(&peers, family);
        let full_feed_peers = self.tables.full_feed(family, &self.vantage).map_or(0, |full| full.len());
        let incident = &self.incidents[at.0 as usize];
        Visibility {
            peer_ases: peers.len(),
            peer_ases_peak: incident.peers_peak,
            full_feed_peers,
            full_feed_share: share,
            full_feed_share_peak: incident.share_peak,
            collectors: incident.collectors.iter().cloned().collect(),
        }
    }

    fn tlp(&self, incident: &Incident) -> Tlp {
        incident.constituents.iter().map(|c| c.tlp).chain([self.settings.tlp]).max().unwrap_or(Tlp::Green)
    }

    /// Other open incidents that share a prefix's first AS: the same suspect in another family.
    fn related(&self, at: IncidentRef) -> Vec<String> {
        let incident = &self.incidents[at.0 as usize];
        let mut related: Vec<String> = Kind::ALL
            .iter()
            .filter_map(|kind| self.stories.get(&(*kind, incident.key_as)))
            .flatten()
            .filter(|other| **other != at && self.incidents[other.0 as usize].is_open())
            .map(|other| self.incidents[other.0 as usize].id.to_string())
            .collect();
        related.sort_unstable();
        related.truncate(limits::ALERT_RELATED);
        related
    }
}

fn capped(ases: &BTreeSet<Asn>) -> Vec<Asn> {
    ases.iter().take(limits::ALERT_ASES).copied().collect()
}

fn rfc7908_type(incident: &Incident) -> Option<u8> {
    match incident.class {
        Class::ReoriginationLeak => Some(5),
        Class::InternalMoreSpecifics => Some(6),
        Class::RouteLeak => incident.segments().first().and_then(|s| s.rfc7908_type),
        _ => None,
    }
}

fn leak_of(incident: &Incident) -> Option<Leak> {
    let segments = incident.segments();
    let most = segments.first()?;
    Some(Leak { leaker: most.leaker, from: most.from, to: most.to, segments: segments.clone() })
}

/// The path that the proofs judge comes first, then distinct paths by first sighting.
fn samples(incident: &Incident, lead: &Offence) -> Vec<SamplePath> {
    let judged = lead.first_route.1.as_path.to_string();
    let mut samples = incident.samples.clone();
    samples.sort_by_key(|s| (s.as_path != judged || s.prefix != lead.key.prefix, s.time));
    samples
}

fn duration_secs(incident: &Incident, now: Timestamp) -> f64 {
    let span = |from: Timestamp, to: Timestamp| to.secs_since(from).max(0.0);
    incident.episodes.iter().map(|e| span(e.started, e.ended.unwrap_or(now))).sum()
}

/// One sentence for a person at 3 am.
fn title(incident: &Incident, lead: &Offence, prefixes: usize, seen: &Visibility, now: Timestamp) -> String {
    let best = &lead.best;
    let prefix = lead.key.prefix;
    let more = if prefixes > 1 { format!(" and {} more", prefixes - 1) } else { String::new() };
    let who = incident.suspects.first().copied().unwrap_or(incident.key_as);
    let owner = match &*best.expected_origins {
        [] => String::new(),
        [one] => format!(" of {one}"),
        [one, rest @ ..] => format!(" of {one} and {} others", rest.len()),
    };
    let what = match incident.class {
        Class::SubprefixHijack => {
            let covering = best.covering_prefix.map_or_else(String::new, |p| format!(", part of {p}"));
            format!("{who} announces {prefix}{more}{covering}{owner}")
        }
        Class::OriginHijack => format!("{who} announces {prefix}{more}{owner}"),
        Class::ReoriginationLeak => {
            format!("{who} re-originates {prefixes} prefixes of {} ASes", incident.expected.len())
        }
        Class::SuperprefixHijack => format!("{who} announces {prefix}{more}, which covers prefixes{owner}"),
        Class::Squatting => format!("{who} announces unused space {prefix}{more}"),
        Class::ForgedOrigin => {
            let origin = best.detected_origin.map_or_else(String::new, |a| format!(" as if from {a}"));
            format!("{who} announces {prefix}{more}{origin}, whose neighbor it never was")
        }
        Class::RouteLeak => match &best.leak {
            Some(l) => format!("{} leaks {prefix}{more} from {} to {}", l.leaker, l.from, l.to),
            None => format!("{who} leaks {prefix}{more}"),
        },
        Class::InternalMoreSpecifics => format!("{who} lets out {prefixes} more-specifics of its own space"),
        Class::RpkiInvalidOwn => format!("{prefix}{more}{owner} is RPKI Invalid by {}", vrps(&lead.first.rov.covering)),
        Class::VisibilityLoss => {
            let covering = best.covering_prefix.map_or_else(String::new, |p| format!(", still covered by {p}"));
            format!("{prefix}{more}{owner} is lost{covering}")
        }
        Class::RoaExpiring => {
            format!("the ROA of {prefix}{more}{owner} ends within {} days", limits::ROA_EXPIRING_SECS / 86_400)
        }
        Class::AspaMisconfig => format!("the ASPA of {who} is not what is seen: {}", aspa_slip(best)),
        Class::NewUpstream => {
            let holder = best.detected_origin.unwrap_or_default();
            format!("{prefix}{more} of {holder} comes over {}, for the first time", incident.key_as)
        }
        Class::NewPrefix => format!("{who} announces {prefix}{more}, for the first time"),
        Class::BogonPrefix => format!("{who} announces {prefix}{more}, which is special-purpose space"),
        Class::BogonAsn => format!("{who} passes on {prefix}{more} from a reserved AS"),
        Class::ShortPrefix => format!("{who} announces {prefix}{more}, shorter than any single network"),
        Class::PrependTypo => format!("{who} is the origin of {prefix}{more}{owner}: a slip in prepending"),
        Class::AsnTypo => format!("{who} is the origin of {prefix}{more}{owner}: a slip in an AS number"),
        Class::PrefixTypo => format!("{who} announces {prefix}{more}{owner}: a slip in a prefix"),
        Class::PrivateAsnLeak => format!("{who} lets a private AS through in {prefix}{more}"),
    };
    let by = if incident.kind == Kind::VisibilityLoss { "given up" } else { "seen" };
    let by = match seen.full_feed_share_peak {
        Some(share) => {
            let peers = (share * seen.full_feed_peers as f64).round();
            format!("{by} by {peers} of {} full-feed peers", seen.full_feed_peers)
        }
        None => format!("{by} by {} peer ASes", seen.peer_ases_peak),
    };
    let mut sentence = format!("{what}; {by} for {}", span_words(duration_secs(incident, now)));
    if sentence.len() > limits::TITLE {
        sentence = sentence.chars().take(limits::TITLE - 1).chain(['…']).collect();
    }
    sentence
}

/// The gravest slip of an ASPA.
fn aspa_slip(best: &Finding) -> String {
    let has = |code| best.codes.contains(&code);
    let neighbor = best.adjacency.map(|a| a.neighbor).unwrap_or_default();
    match () {
        () if has(Code::AspaLacksProvider) => format!("it does not list {neighbor}"),
        () if has(Code::AspaNamesItself) => "it lists itself".to_owned(),
        () => "it lists AS0 beside others".to_owned(),
    }
}

fn span_words(secs: f64) -> String {
    let secs = secs as u64;
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7_199 => format!("{} min", secs / 60),
        7_200..=172_799 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} days", secs / 86_400),
    }
}
