//! Which path and which attributes may a verdict rest on (RFC 7606, RFC 6793)?

use bgpkit_parser::error::BgpValidationWarning;
use bgpkit_parser::models::{self, AsPathSegment, AsnLength, AttrType, AttributeValue, Attributes};
use bgpkit_parser::parser::bgp::attributes::parse_attributes;
use bytes::Bytes;
use rules::bgp::{AsPath, Asn, PathAttributes, Segment, SegmentKind};
use rules::limits;

use super::fields::attributes_fit;
use super::{BLACKHOLE, Session};

/// The attributes of a RIB entry and whether OTC is among them; none if they make no route.
pub(super) fn rib_attributes(section: Bytes, session: &Session) -> Option<(PathAttributes, bool)> {
    let width = if session.four_octets { AsnLength::Bits32 } else { AsnLength::Bits16 };
    let fits = attributes_fit(&section);
    let parsed = parse_attributes(section, &width, false, None, None, None).ok().filter(|_| fits)?;
    let attributes = path_attributes(&parsed, session)?;
    Some((attributes, parsed.has_attr(AttrType::ONLY_TO_CUSTOMER)))
}

/// What verdicts need of the attributes; none where RFC 7606 says treat-as-withdraw.
pub(super) fn path_attributes(parsed: &Attributes, session: &Session) -> Option<PathAttributes> {
    let mut path = None;
    let mut as4_path = None;
    let mut only_to_customer = None;
    let mut blackhole = false;
    // RFC 6793 section 4.2.3: an aggregator that knew four octets left a path that must not be merged.
    let (mut aggregator, mut as4_aggregator) = (None, false);
    for attribute in parsed {
        match attribute {
            // RFC 7606 section 3 (g): of repeated attributes the first one counts.
            AttributeValue::AsPath(p) => path = path.or(Some(p)),
            AttributeValue::As4Path(p) => as4_path = as4_path.or(Some(p)),
            AttributeValue::OnlyToCustomer(asn) => only_to_customer = only_to_customer.or(Some(Asn(asn.to_u32()))),
            AttributeValue::Communities(list) => blackhole |= list.iter().any(is_blackhole),
            AttributeValue::Aggregator { asn, .. } => aggregator = Some(asn.to_u32()),
            AttributeValue::As4Aggregator { .. } => as4_aggregator = true,
            AttributeValue::Raw(raw) if is_fatal(AttrType::from(raw.code)) => return None,
            _ => {}
        }
    }
    if parsed.validation_warnings().iter().any(makes_withdrawal) {
        return None;
    }
    let mut segments = segments(path?);
    let ignore_as4 = as4_aggregator && aggregator.is_some_and(|asn| asn != Asn::TRANS.0);
    if let (false, false, Some(as4_path)) = (session.four_octets, ignore_as4, as4_path) {
        segments = merge_as4(segments, self::segments(as4_path));
    }
    let as_path = accept_path(segments, session)?;
    Some(PathAttributes { as_path, only_to_customer, blackhole })
}

/// Attributes whose malformation makes the route a withdrawal: RFC 7606 section 7, RFC 9234 section 5.
fn is_fatal(attribute: AttrType) -> bool {
    matches!(attribute, AttrType::ORIGIN | AttrType::AS_PATH | AttrType::COMMUNITIES | AttrType::ONLY_TO_CUSTOMER)
}

fn makes_withdrawal(warning: &BgpValidationWarning) -> bool {
    matches!(warning, BgpValidationWarning::AttributeLengthError { attr_type, .. } if is_fatal(*attr_type))
}

fn is_blackhole(community: &models::Community) -> bool {
    matches!(community, models::Community::Custom(asn, value) if (asn.to_u32(), *value) == BLACKHOLE)
}

fn segments(path: &models::AsPath) -> Vec<Segment> {
    path.segments
        .iter()
        .map(|segment| {
            let (kind, ases) = match segment {
                AsPathSegment::AsSequence(ases) => (SegmentKind::Sequence, ases),
                AsPathSegment::AsSet(ases) => (SegmentKind::Set, ases),
                AsPathSegment::ConfedSequence(ases) => (SegmentKind::ConfedSequence, ases),
                AsPathSegment::ConfedSet(ases) => (SegmentKind::ConfedSet, ases),
            };
            Segment { kind, ases: ases.iter().map(|asn| Asn(asn.to_u32())).collect() }
        })
        .collect()
}

/// The path a verdict may rest on; none where RFC 7606 section 7.2 or RFC 7607 call it malformed.
pub(crate) fn accept_path(segments: Vec<Segment>, session: &Session) -> Option<AsPath> {
    let length: usize = segments.iter().map(|segment| segment.ases.len()).sum();
    if length > limits::PATH_ASES || segments.iter().any(|s| s.ases.is_empty() || s.ases.contains(&Asn(0))) {
        return None;
    }
    match <[Segment; 1]>::try_from(segments) {
        Ok([Segment { kind: SegmentKind::Sequence, ases }]) => Some(AsPath::sequence(ases)),
        Ok(other) => Some(AsPath::from_segments(other)),
        Err(none) if none.is_empty() => session.internal.then(|| AsPath::sequence([session.peer_as])),
        Err(several) => Some(AsPath::from_segments(several)),
    }
}

/// RFC 6793 section 4.2.3: the leading ASes of AS_PATH before AS4_PATH, so that the count stays.
pub(super) fn merge_as4(path: Vec<Segment>, as4_path: Vec<Segment>) -> Vec<Segment> {
    let as4_path: Vec<_> = as4_path.into_iter().filter(|segment| !is_confed(segment.kind)).collect();
    let Some(mut missing) = hops(&path).checked_sub(hops(&as4_path)) else { return path };
    let mut merged = Vec::new();
    for mut segment in path {
        match segment.kind {
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {}
            _ if missing == 0 => break,
            SegmentKind::Set => missing -= 1,
            SegmentKind::Sequence => {
                segment.ases.truncate(missing);
                missing -= segment.ases.len();
            }
        }
        merged.push(segment);
    }
    merged.extend(as4_path);
    merged
}

/// ASes as RFC 4271 section 9.1.2.2 and RFC 5065 section 5.3 count them: a set is one, a confederation none.
fn hops(path: &[Segment]) -> usize {
    let count = |segment: &Segment| match segment.kind {
        SegmentKind::Sequence => segment.ases.len(),
        SegmentKind::Set => 1,
        SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
    };
    path.iter().map(count).sum()
}

fn is_confed(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::ConfedSequence | SegmentKind::ConfedSet)
}
