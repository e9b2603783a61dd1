//! What a rule found wrong with one route: the class, whom it concerns, and the facts that made it.

use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::alert::{Class, Constituent, RovProof, words};
use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::proofs::{LeakProof, PathProofs};
use crate::shard::Known;

words! {
    /// Reasons that carry points. What each is worth stands in [`Code::points`].
    Code {
        RovInvalidAsn = "rov_invalid_asn",
        RovInvalidLength = "rov_invalid_length",
        SubprefixOfStableRoute = "subprefix_of_stable_route",
        ExactMoas = "exact_moas",
        LessSpecificOfOthers = "less_specific_of_others",
        NewPair = "new_pair",
        ExpectedConfigured = "expected_configured",
        Sibling = "sibling",
        NewOriginIsProvider = "new_origin_is_provider",
        NewOriginIsCustomer = "new_origin_is_customer",
        NewOriginIsPeer = "new_origin_is_peer",
        NewOriginAdjacent = "new_origin_adjacent",
        ExpectedOriginOnPath = "expected_origin_on_path",
        BehindExpectedOrigin = "behind_expected_origin",
        Scrubber = "scrubber",
        ExchangeLan = "exchange_lan",
        SameNeighbor = "same_neighbor",
        HandedOver = "handed_over",
        Vacated = "vacated",
        PrependTypo = "prepend_typo",
        AsnTypo = "asn_typo",
        PrefixTypo = "prefix_typo",
        PrivateAsnLeak = "private_asn_leak",
        BogonAsnOnPath = "bogon_asn_on_path",
        TooSpecific = "too_specific",
        NewAdjacency = "new_adjacency",
        NewLinkOnPath = "new_link_on_path",
        NeverCarried = "never_carried",
        SmallBeforeLarge = "small_before_large",
        ManyNeighbors = "many_neighbors",
        CarriesOthers = "carries_others",
        CommonNeighbors = "common_neighbors",
        CommonExchange = "common_exchange",
        SeenBothWays = "seen_both_ways",
        AspaNotProvider = "aspa_not_provider",
        UpstreamConfigured = "upstream_configured",
        Funnel = "funnel",
        NoFunnel = "no_funnel",
        SquatWatched = "squat_watched",
        SquatAs0 = "squat_as0",
        SquatCompanion = "squat_companion",
        AspaLeak = "aspa_leak",
        OtcLeakSigned = "otc_leak_signed",
        OtcLeakByRelations = "otc_leak_by_relations",
        ValleyNewTriple = "valley_new_triple",
        UnsureRelations = "unsure_relations",
        AspaSaysNoLeak = "aspa_says_no_leak",
        OtcSaysNoLeak = "otc_says_no_leak",
        RelationsSayNoLeak = "relations_say_no_leak",
        LargeLeak = "large_leak",
        InternalMoreSpecific = "internal_more_specific",
        OwnRouteInvalid = "own_route_invalid",
        LostByTenth = "lost_by_a_tenth",
        LostByHalf = "lost_by_half",
        LostByNearlyAll = "lost_by_nearly_all",
        CoveredByLessSpecific = "covered_by_less_specific",
        BesideInvalid = "beside_rpki_invalid",
        AspaLacksProvider = "aspa_lacks_provider",
        AspaNamesAs0 = "aspa_names_as0",
        AspaNamesItself = "aspa_names_itself",
        RoaExpiring = "roa_expiring",
        NewOwnPrefix = "new_prefix",
        NewUpstream = "new_upstream",
        BogonPrefix = "bogon_prefix",
        BogonAsn = "bogon_asn",
        ShortPrefix = "short_prefix",
        UnrelatedVictims = "unrelated_victims",
        OnePeer = "seen_by_one_peer",
        TwoPeers = "seen_by_two_peers",
        TenthOfPeers = "seen_by_a_tenth",
        HalfOfPeers = "seen_by_half",
    }
}

impl Code {
    /// The score table: S 6.8, measured on real incidents.
    pub fn points(self) -> i32 {
        match self {
            Self::RovInvalidAsn | Self::AspaNotProvider | Self::AspaLeak | Self::OtcLeakSigned | Self::SquatAs0 => 8,
            Self::LostByNearlyAll => 8,
            Self::LostByHalf => 5,
            Self::SubprefixOfStableRoute | Self::ExpectedConfigured | Self::UpstreamConfigured | Self::Funnel => 4,
            Self::SquatWatched | Self::OtcLeakByRelations | Self::ValleyNewTriple | Self::SquatCompanion => 4,
            Self::InternalMoreSpecific => 4,
            Self::HalfOfPeers | Self::BogonPrefix | Self::OwnRouteInvalid | Self::AspaLacksProvider => 3,
            Self::LostByTenth | Self::NewOwnPrefix | Self::NewUpstream | Self::RoaExpiring => 2,
            Self::ExactMoas | Self::NewAdjacency | Self::UnrelatedVictims | Self::TenthOfPeers => 2,
            Self::NewLinkOnPath | Self::NeverCarried => 2,
            Self::ShortPrefix | Self::PrivateAsnLeak => 2,
            Self::RovInvalidLength | Self::NewPair | Self::LessSpecificOfOthers | Self::BogonAsn => 1,
            Self::BogonAsnOnPath | Self::SmallBeforeLarge | Self::AspaNamesAs0 | Self::AspaNamesItself => 1,
            // It says nothing about how bad it would be.
            Self::HandedOver => 0,
            Self::TwoPeers | Self::ManyNeighbors | Self::CommonNeighbors => -1,
            Self::NewOriginIsCustomer | Self::NewOriginIsPeer | Self::CommonExchange => -2,
            Self::LargeLeak => 2,
            Self::RelationsSayNoLeak => 0,
            Self::OtcSaysNoLeak | Self::UnsureRelations => -2,
            Self::AspaSaysNoLeak => -4,
            Self::Scrubber | Self::ExchangeLan | Self::AsnTypo | Self::PrefixTypo | Self::OnePeer => -3,
            Self::SameNeighbor | Self::CarriesOthers => -3,
            Self::Sibling | Self::NewOriginIsProvider | Self::NewOriginAdjacent | Self::ExpectedOriginOnPath => -4,
            Self::BehindExpectedOrigin | Self::TooSpecific | Self::NoFunnel | Self::SeenBothWays => -4,
            Self::Vacated | Self::CoveredByLessSpecific | Self::BesideInvalid => -4,
            Self::PrependTypo => -6,
        }
    }

    /// Where the fact comes from.
    pub fn source(self) -> &'static str {
        match self {
            Self::RovInvalidAsn
            | Self::RovInvalidLength
            | Self::SquatAs0
            | Self::OwnRouteInvalid
            | Self::RoaExpiring => "rpki",
            Self::AspaNotProvider | Self::AspaLeak | Self::AspaSaysNoLeak => "aspa",
            Self::AspaLacksProvider | Self::AspaNamesAs0 | Self::AspaNamesItself => "aspa",
            Self::OtcSaysNoLeak | Self::OtcLeakSigned | Self::OtcLeakByRelations => "otc",
            Self::Sibling
            | Self::NewOriginIsProvider
            | Self::NewOriginIsCustomer
            | Self::NewOriginIsPeer
            | Self::RelationsSayNoLeak
            | Self::UnsureRelations
            | Self::ValleyNewTriple => "relations",
            Self::ExpectedConfigured | Self::UpstreamConfigured | Self::SquatWatched => "config",
            Self::Scrubber | Self::ExchangeLan | Self::BogonPrefix | Self::BogonAsn | Self::BogonAsnOnPath => {
                "registry"
            }
            Self::LostByTenth | Self::LostByHalf | Self::LostByNearlyAll => "visibility",
            Self::BesideInvalid => "incident",
            Self::OnePeer | Self::TwoPeers | Self::TenthOfPeers | Self::HalfOfPeers => "visibility",
            Self::UnrelatedVictims | Self::LargeLeak | Self::SquatCompanion | Self::InternalMoreSpecific => "incident",
            _ => "baseline",
        }
    }
}

/// One finding about one route. Everything the desk needs to score, group and explain it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub class: Class,
    /// What groups offences into a story: the offending origin, the AS next to a forged one, or the leaker.
    pub key_as: Asn,
    /// Most likely first.
    pub suspects: SmallVec<[Asn; 2]>,
    pub adjacency: Option<Adjacency>,
    /// A suspect as long as all paths of the story lead through it.
    pub maybe_suspect: Option<Asn>,
    pub detected_origin: Option<Asn>,
    /// The AS that took the route directly from the suspect.
    pub accepted_by: Option<Asn>,
    pub covering_prefix: Option<IpNet>,
    pub expected_origins: Arc<[Asn]>,
    pub rov: RovProof,
    pub leak: Option<LeakProof>,
    pub proofs: Arc<PathProofs>,
    pub codes: SmallVec<[Code; 8]>,
    pub constituents: Vec<Constituent>,
    /// Only counts together with others of the same AS; see `desk::gate`.
    pub needs_company: bool,
    /// Facts of the dump any of which would make it old news. None, where the configuration speaks against it.
    pub old_if: SmallVec<[Known; 1]>,
}

impl Finding {
    /// Points that the route alone settles.
    pub fn points(&self) -> i32 {
        self.codes.iter().map(|c| c.points()).sum()
    }

    pub fn is_old(&self, mut is_known: impl FnMut(&Known) -> bool) -> bool {
        self.old_if.iter().any(&mut is_known)
    }

    pub fn is_watched(&self) -> bool {
        !self.constituents.is_empty()
    }

    pub fn is_look_alike(&self) -> bool {
        self.class.is_look_alike()
    }

    /// Told at any score: slips, and whatever the configuration says is wrong. A path that names the expected origin
    /// somewhere is easily made up, so the points it takes off must not silence a watched network.
    pub fn is_always_told(&self) -> bool {
        let configured =
            |c: &Code| matches!(c, Code::ExpectedConfigured | Code::UpstreamConfigured | Code::SquatWatched);
        self.is_look_alike() || self.codes.iter().any(configured)
    }
}

words! {
    /// Offences of one family and key AS make one story.
    Kind {
        Origin = "origin",
        Forged = "forged",
        Leak = "leak",
        PrependTypo = "prepend_typo",
        AsnTypo = "asn_typo",
        PrefixTypo = "prefix_typo",
        PrivateAsnLeak = "private_asn_leak",
        Bogon = "bogon",
        RpkiInvalidOwn = "rpki_invalid_own",
        VisibilityLoss = "visibility_loss",
        RoaExpiring = "roa_expiring",
        AspaMisconfig = "aspa_misconfig",
        NewUpstream = "new_upstream",
        NewPrefix = "new_prefix",
    }
}

impl Kind {
    /// What happens to a watched network by itself: nobody attacks, so nothing is lost by waiting for the hold-down.
    pub fn is_own(self) -> bool {
        let is_state = matches!(self, Self::RpkiInvalidOwn | Self::RoaExpiring | Self::AspaMisconfig);
        is_state || self == Self::VisibilityLoss || self.is_novelty()
    }

    /// It is new, and nothing else is said of it: normal once it has stood for as long as anything has to.
    pub fn is_novelty(self) -> bool {
        matches!(self, Self::NewUpstream | Self::NewPrefix)
    }
}

impl Class {
    /// The family of the class: design section 4.
    pub fn kind(self) -> Kind {
        match self {
            Self::OriginHijack
            | Self::SubprefixHijack
            | Self::SuperprefixHijack
            | Self::Squatting
            | Self::ReoriginationLeak => Kind::Origin,
            Self::ForgedOrigin => Kind::Forged,
            Self::RouteLeak | Self::InternalMoreSpecifics => Kind::Leak,
            Self::PrependTypo => Kind::PrependTypo,
            Self::AsnTypo => Kind::AsnTypo,
            Self::PrefixTypo => Kind::PrefixTypo,
            Self::PrivateAsnLeak => Kind::PrivateAsnLeak,
            Self::BogonPrefix | Self::BogonAsn | Self::ShortPrefix => Kind::Bogon,
            Self::RpkiInvalidOwn => Kind::RpkiInvalidOwn,
            Self::VisibilityLoss => Kind::VisibilityLoss,
            Self::RoaExpiring => Kind::RoaExpiring,
            Self::AspaMisconfig => Kind::AspaMisconfig,
            Self::NewUpstream => Kind::NewUpstream,
            Self::NewPrefix => Kind::NewPrefix,
        }
    }

    /// Looks like a hijack and has a known innocent shape: always reported, always low.
    pub fn is_look_alike(self) -> bool {
        matches!(self, Self::PrependTypo | Self::AsnTypo | Self::PrefixTypo | Self::PrivateAsnLeak)
    }
}
