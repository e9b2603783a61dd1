use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::LazyLock;

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Asn;

/// Kinds of AS_PATH segment (RFC 4271 section 4.3, RFC 5065).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SegmentKind {
    Sequence,
    Set,
    ConfedSequence,
    ConfedSet,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segment {
    pub kind: SegmentKind,
    pub ases: Vec<Asn>,
}

/// An AS_PATH in **wire order**: index 0 is the AS nearest to the observer, the last one is the origin.
///
/// Almost every path is one AS_SEQUENCE, so the ASes lie flat in `ases`, and `others` names the stretches
/// that are not a plain sequence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Segment>", into = "Vec<Segment>")]
pub struct AsPath {
    /// Nearly all have no more than eight, and need no allocation.
    ases: SmallVec<[Asn; 8]>,
    others: Box<[Stretch]>,
    name: Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Stretch {
    kind: SegmentKind,
    start: u32,
    len: u32,
}

/// Follows from the rest of the path, so two paths never differ in it alone.
#[derive(Clone, Copy)]
struct Name(u64);

impl Name {
    /// Two ASes at a time; the derived hash goes one by one.
    fn of(ases: &[Asn], others: &[Stretch]) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        let mut state = KEY.build_hasher();
        let (pairs, last) = ases.as_chunks::<2>();
        for [left, right] in pairs {
            state.write_u64(u64::from(left.0) << 32 | u64::from(right.0));
        }
        last.iter().for_each(|asn| state.write_u64(u64::from(asn.0) << 32));
        state.write_usize(ases.len());
        others.iter().for_each(|stretch| stretch.hash(&mut state));
        Self(state.finish())
    }
}

impl PartialEq for Name {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl Default for AsPath {
    fn default() -> Self {
        Self::sequence([])
    }
}

impl AsPath {
    fn new(ases: SmallVec<[Asn; 8]>, others: Box<[Stretch]>) -> Self {
        let name = Name::of(&ases, &others);
        Self { ases, others, name }
    }

    /// Under a secret key of the process, as paths are chosen by strangers; worked out once, since a path is looked for in several
    /// places. Another in every process, so nothing that goes out may depend on it.
    pub fn name(&self) -> u64 {
        self.name.0
    }

    /// A path of one AS_SEQUENCE.
    pub fn sequence(ases: impl IntoIterator<Item = Asn>) -> Self {
        Self::new(ases.into_iter().collect(), Box::default())
    }

    pub fn from_segments(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut ases = SmallVec::new();
        let mut others = Vec::new();
        for segment in segments {
            if segment.kind != SegmentKind::Sequence {
                others.push(Stretch { kind: segment.kind, start: ases.len() as u32, len: segment.ases.len() as u32 });
            }
            ases.extend(segment.ases);
        }
        Self::new(ases, others.into())
    }

    /// The segments, adjacent sequences merged.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut at = 0;
        for stretch in &self.others {
            let (start, end) = (stretch.start as usize, (stretch.start + stretch.len) as usize);
            if start > at {
                segments.push(Segment { kind: SegmentKind::Sequence, ases: self.ases[at..start].to_vec() });
            }
            segments.push(Segment { kind: stretch.kind, ases: self.ases[start..end].to_vec() });
            at = end;
        }
        if at < self.ases.len() {
            segments.push(Segment { kind: SegmentKind::Sequence, ases: self.ases[at..].to_vec() });
        }
        segments
    }

    /// Every AS of the path in wire order, those of sets included.
    pub fn ases(&self) -> &[Asn] {
        &self.ases
    }

    pub fn is_empty(&self) -> bool {
        self.ases.is_empty() && self.others.is_empty()
    }

    /// False as soon as an AS_SET or a confederation segment is in it.
    pub fn is_plain_sequence(&self) -> bool {
        self.others.is_empty()
    }

    pub fn has_as_set(&self) -> bool {
        self.others.iter().any(|s| matches!(s.kind, SegmentKind::Set | SegmentKind::ConfedSet))
    }

    /// The route origin ASN of RFC 6811 section 2: the last AS if the final segment is a sequence, else NONE.
    /// The empty and confederation cases mean "the speaker's own AS", which a feed has filled in before.
    pub fn origin_as(&self) -> Option<Asn> {
        match self.others.last() {
            Some(last) if (last.start + last.len) as usize == self.ases.len() => None,
            _ => self.ases.last().copied(),
        }
    }

    /// The members of a final AS_SET; empty for every other path.
    pub fn origin_set(&self) -> &[Asn] {
        match self.others.last() {
            Some(last) if last.kind == SegmentKind::Set && (last.start + last.len) as usize == self.ases.len() => {
                &self.ases[last.start as usize..]
            }
            _ => &[],
        }
    }

    /// Who made a final AS_SET: the AS left of it (RFC 4271 section 5.1.2, an aggregate).
    pub fn aggregator(&self) -> Option<Asn> {
        let members = self.origin_set().len();
        let left = self.ases.len().checked_sub(members + 1)?;
        (members > 0).then(|| self.ases[left])
    }

    /// The AS nearest to the observer.
    pub fn neighbor_as(&self) -> Option<Asn> {
        self.ases.first().copied()
    }

    /// The path with consecutive repeats removed (prepends), wire order.
    pub fn compressed(&self) -> Vec<Asn> {
        let mut hops = self.ases.to_vec();
        hops.dedup();
        hops
    }
}

impl From<Vec<Segment>> for AsPath {
    fn from(segments: Vec<Segment>) -> Self {
        Self::from_segments(segments)
    }
}

impl From<AsPath> for Vec<Segment> {
    fn from(path: AsPath) -> Self {
        path.segments()
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments().iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let (open, between, close) = match segment.kind {
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            f.write_str(open)?;
            for (j, asn) in segment.ases.iter().enumerate() {
                if j > 0 {
                    f.write_str(between)?;
                }
                write!(f, "{}", asn.0)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

/// Text that is not an AS_PATH.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{word}\" is not part of an AS path; write numbers nearest AS first, an AS_SET as {{64500,64501}}")]
pub struct BadPath {
    word: String,
}

impl FromStr for AsPath {
    type Err = BadPath;

    /// Wire order, separated by blanks; an AS_SET as `{64500,64501}` or `[64500,64501]`.
    fn from_str(text: &str) -> Result<Self, BadPath> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(close) = match rest.as_bytes()[0] {
                b'{' => Some('}'),
                b'[' => Some(']'),
                _ => None,
            } {
                let end = rest.find(close).ok_or_else(|| BadPath { word: rest.chars().take(40).collect() })?;
                let inner = &rest[1..end];
                let ases = inner
                    .split([',', ' '])
                    .filter(|w| !w.is_empty())
                    .map(|w| w.parse().map_err(|_| BadPath { word: w.chars().take(40).collect() }))
                    .collect::<Result<Vec<Asn>, _>>()?;
                segments.push(Segment { kind: SegmentKind::Set, ases });
                rest = rest[end + 1..].trim_start();
                continue;
            }
            let end = rest.find(|c: char| c.is_whitespace() || c == '{' || c == '[').unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            let asn = word.parse().map_err(|_| BadPath { word: word.chars().take(40).collect() })?;
            match segments.last_mut() {
                Some(last) if last.kind == SegmentKind::Sequence => last.ases.push(asn),
                _ => segments.push(Segment { kind: SegmentKind::Sequence, ases: vec![asn] }),
            }
            rest = tail.trim_start();
        }
        Ok(Self::from_segments(segments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AsPath {
        text.parse().expect("a well-formed path")
    }

    #[test]
    fn a_path_reads_and_prints_the_same() {
        for text in ["64500 64496", "64500 {64496,64497}", "64500 {64496} 64499", ""] {
            assert_eq!(path(text).to_string(), text);
        }
        assert_eq!(path("64500[64496,64497]").to_string(), "64500 {64496,64497}");
        assert!("64500 x".parse::<AsPath>().is_err());
        assert!("64500 {1,2".parse::<AsPath>().is_err());
    }

    #[test]
    fn the_origin_of_a_set_is_none() {
        assert_eq!(path("64500 64496").origin_as(), Some(Asn(64496)));
        assert_eq!(path("64500 {64496}").origin_as(), None);
        assert_eq!(path("64500 {64496}").origin_set(), [Asn(64496)]);
        assert_eq!(path("{64500} 64496").origin_as(), Some(Asn(64496)));
        assert_eq!(path("").origin_as(), None);
    }

    #[test]
    fn prepends_vanish_only_where_they_are_consecutive() {
        assert_eq!(path("64500 64500 64501 64500").compressed(), [Asn(64500), Asn(64501), Asn(64500)]);
    }
}
