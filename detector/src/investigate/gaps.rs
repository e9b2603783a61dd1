//! What is missing in the data, and what must a reader know of them?

use std::collections::{BTreeMap, BTreeSet};

use rules::bgp::Timestamp;

use super::case::Case;
use super::conclude::{Grounds, found, reason};
use super::controls::SAME_DAY;
use super::gather::Heard;
use super::question::PREFIXES;
use super::report::{Reason, Verdict};
use super::sources::{Hole, Role};
use super::spans::EndedBy;
use super::timeline::{Count, stretches};
use crate::web::moment;

/// Below this many peer ASes nobody can tell what others saw; with fewer tables there are no shares either.
const FEWEST_PEERS: usize = 3;
/// Of the sessions that had routes of it, one in so many that went down is a hole.
const DOWN_OF: usize = 10;
/// A collector of which less than one minute in so many has a message is sparse: what is missing does not show.
const BUSY_OF: usize = 4;
/// Minutes that are enough to say how busy a collector is.
const MINUTES: usize = 10;
/// Data that end this much before the window are short of it: the length of the shortest updates file.
pub(super) const QUIET_SECS: i64 = 300;
/// A dump that is older than this when the window begins is of another time: archives have one every 8 hours at least.
pub(super) const DUMP_SECS: i64 = 86_400;
/// Routes that a full table has at least: fewer are a part of one.
const WHOLE_TABLE: u64 = 10_000;
/// Of the records of an input, one in so many that is malformed is a hole.
const MALFORMED_OF: u64 = 1_000;
/// Holes told one by one.
const HOLES: usize = 16;

/// Everything that may have been missed.
pub fn gaps(grounds: &Grounds<'_>) -> Vec<Reason> {
    let case = grounds.case;
    let mut gaps = Vec::new();
    let found = found(grounds).0;
    let is_refuted = found == Verdict::Refuted;
    let family = grounds.family as usize;
    let has_table = case.trail.vantages.iter().any(|vantage| vantage.table[family] > 0);
    if !has_table {
        gaps.push(reason("no_rib", "no RIB dump of before the event: who held the prefix then is not known"));
    } else if grounds.is_learning {
        gaps.push(reason("learning", "the dumps are too small for a baseline: what was normal is not known"));
    }
    let peers: BTreeSet<_> =
        case.trail.vantages.iter().filter(|v| v.is_heard[family]).map(|v| v.point.peer_as).collect();
    if peers.len() < FEWEST_PEERS {
        let text = format!("{} peer ASes were heard, at least {FEWEST_PEERS} are needed", peers.len());
        gaps.push(reason("few_peers", text));
    }
    gaps.extend(too_late(grounds, is_refuted).or_else(|| dump_gap(grounds)));
    gaps.extend(missing(grounds));
    gaps.extend(out_of_sight(grounds));
    for input in case.trail.inputs.iter().filter(|input| input.is_cut()) {
        gaps.push(reason("truncated", format!("{} ends in the middle", input.name)));
    }
    if grounds.left_out > 0 {
        gaps.push(reason("left_out", format!("{} messages found no room", grounds.left_out)));
    }
    gaps.extend(malformed(grounds, is_refuted));
    gaps.extend(not_followed(grounds).filter(|_| is_refuted));
    if found == Verdict::Inconclusive {
        gaps.push(reason("not_told", "no rule decides it"));
    }
    gaps
}

/// Stretches of the window without updates: files that are not there, and collectors that fell silent.
fn missing(grounds: &Grounds<'_>) -> Vec<Reason> {
    let case = grounds.case;
    let mut holes: BTreeSet<Hole> = grounds.holes.iter().cloned().collect();
    for (collector, heard) in &case.trail.heard {
        holes.extend(silences(collector, &heard.minutes));
    }
    holes.extend(edges(grounds));
    let (from, to) = (grounds.must.0.unwrap_or(case.from), grounds.must.1.unwrap_or(case.to));
    let in_window: Vec<Hole> = holes.into_iter().filter(|hole| hole.from < to && hole.to > from).collect();
    let mut told: Vec<Reason> = (in_window.iter().take(HOLES))
        .map(|hole| {
            let (collector, why) = (crate::text::plain(&hole.collector, 64), crate::text::plain(&hole.why, 256));
            let (from, to) = (moment(hole.from), moment(hole.to));
            reason("missing_updates", format!("{collector} from {from} to {to}: {why}"))
        })
        .collect();
    if in_window.len() > HOLES {
        told.push(reason("missing_updates", format!("and {} more such holes", in_window.len() - HOLES)));
    }
    told
}

/// Minutes of nothing, where a collector usually has messages every minute.
fn silences(collector: &str, minutes: &BTreeMap<i64, u32>) -> Vec<Hole> {
    if is_sparse(minutes) {
        return Vec::new();
    }
    let busy: Vec<i64> = minutes.keys().copied().collect();
    let silent = busy.windows(2).filter(|pair| pair[1] - pair[0] > 1);
    silent
        .map(|pair| Hole {
            from: Timestamp::from_secs((pair[0] + 1) * 60),
            to: Timestamp::from_secs(pair[1] * 60),
            collector: collector.to_string(),
            why: "not one message of any prefix".to_owned(),
        })
        .collect()
}

fn is_sparse(minutes: &BTreeMap<i64, u32>) -> bool {
    let (Some((first, _)), Some((last, _))) = (minutes.first_key_value(), minutes.last_key_value()) else {
        return true;
    };
    let all = (last - first + 1) as usize;
    if all < MINUTES { minutes.len() < all } else { minutes.len() * BUSY_OF < all }
}

/// The window begins before the data, or ends after them: of every collector that is busy, else of all inputs together.
fn edges(grounds: &Grounds<'_>) -> Vec<Hole> {
    let (case, trail) = (grounds.case, grounds.case.trail);
    let (Some(first), Some(last)) = (trail.first, trail.last) else {
        let to = case.to.max(case.from.plus_secs(1));
        return vec![hole("all inputs", case.from, to, "no updates were read")];
    };
    let mut holes = unheard(case);
    let busy: Vec<(&str, &Heard)> = (trail.heard.iter().map(|(name, heard)| (&**name, heard)))
        .filter(|(_, heard)| !is_sparse(&heard.minutes))
        .collect();
    if busy.is_empty() {
        holes.extend(beyond(grounds, "all inputs", first, last));
    }
    holes.extend(busy.iter().flat_map(|(name, heard)| beyond(grounds, name, heard.first, heard.last)));
    holes
}

fn hole(collector: &str, from: Timestamp, to: Timestamp, why: &str) -> Hole {
    Hole { from, to, collector: collector.to_owned(), why: why.to_owned() }
}

fn beyond(grounds: &Grounds<'_>, collector: &str, first: Timestamp, last: Timestamp) -> Vec<Hole> {
    let mut holes = Vec::new();
    if let Some(from) = grounds.must.0.filter(|from| first > from.plus_secs(QUIET_SECS)) {
        holes.push(hole(collector, from, first, "the updates begin later"));
    }
    if let Some(to) = grounds.must.1.filter(|to| *to > last.plus_secs(QUIET_SECS)) {
        holes.push(hole(collector, last, to, "the updates end earlier"));
    }
    holes
}

/// Collectors of which there is a table and nothing else.
fn unheard(case: &Case<'_>) -> Vec<Hole> {
    let with_table = case.trail.vantages.iter().filter(|vantage| vantage.table != [0; 2]);
    let dumped: BTreeSet<&str> = with_table.map(|vantage| &*vantage.point.collector).collect();
    let silent = dumped.into_iter().filter(|name| !case.trail.heard.contains_key(*name));
    let to = case.to.max(case.from.plus_secs(1));
    silent.map(|name| hole(name, case.from, to, "a dump was read and no updates")).collect()
}

/// Sessions that went down: their routes are out of sight, and that is no end.
fn out_of_sight(grounds: &Grounds<'_>) -> Vec<Reason> {
    let case = grounds.case;
    let mut gaps = Vec::new();
    let last = stretches(grounds.counts).last().and_then(|stretch| stretch.ended);
    if last.is_some_and(|ended| case.message(ended).kind == "session_down") {
        gaps.push(reason("out_of_sight", "the last session that had it went down: whether it is over was not seen"));
    }
    let (lost, holders) = lost_holders(case);
    if lost * DOWN_OF > holders {
        let text = format!("{lost} of {holders} sessions that had routes of it went down within the window");
        gaps.push(reason("sessions_down", text));
    }
    gaps
}

/// Sessions that had any route of the prefixes within the window, and those of them that went down with it.
fn lost_holders(case: &Case<'_>) -> (usize, usize) {
    let in_window = |time: &Timestamp| (case.from..=case.to).contains(time);
    let (mut lost, mut holders) = (BTreeSet::new(), BTreeSet::new());
    for span in case.spans.iter().filter(|span| span.touches(case.trail, case.from, case.to)) {
        holders.insert(span.vantage);
        let is_down = matches!(span.ended, Some((_, EndedBy::SessionDown)));
        if is_down && span.end(case.trail).as_ref().is_some_and(in_window) {
            lost.insert(span.vantage);
        }
    }
    (lost.len(), holders.len())
}

/// Sessions that went down within the window.
pub fn down(case: &Case<'_>) -> usize {
    let in_window = |time: &Timestamp| (case.from..=case.to).contains(time);
    case.trail.vantages.iter().filter(|vantage| vantage.downs.iter().any(in_window)).count()
}

/// Messages of the window that are older than the dump of their peer; where nothing was found and no window asked for, any are.
fn too_late(grounds: &Grounds<'_>, is_refuted: bool) -> Option<Reason> {
    let skipped = grounds.case.trail.skipped;
    let last = skipped.last_before_dump?;
    let from = grounds.must.0.or((!is_refuted).then_some(grounds.case.from));
    let text = || {
        format!(
            "{} messages up to {} are older than the dump of their peer and were not followed: take a dump of before them, \
             or name a window behind it",
            skipped.before_dump,
            moment(last)
        )
    };
    from.is_none_or(|from| last >= from).then(|| reason("late_rib", text()))
}

/// Records that may have told of it. Where something was found, a few in a large input change nothing.
fn malformed(grounds: &Grounds<'_>, is_refuted: bool) -> Option<Reason> {
    let trail = grounds.case.trail;
    let mut told: Vec<String> = (trail.inputs.iter().filter(|input| input.malformed() > 0))
        .filter(|input| is_refuted || input.malformed() * MALFORMED_OF > input.records)
        .take(HOLES)
        .map(|input| format!("{} in {} records of {}", input.malformed(), input.records, input.name))
        .collect();
    if is_refuted && trail.skipped.time_jump > 0 {
        told.push(format!("{} of a time that no neighbour confirms", trail.skipped.time_jump));
    }
    let text = || format!("what could not be read may have told of it: {}", told.join(", "));
    (!told.is_empty()).then(|| reason("malformed", text()))
}

/// Prefixes beyond those that one investigation follows.
fn not_followed(grounds: &Grounds<'_>) -> Option<Reason> {
    let count = grounds.prefixes_left_out;
    let text =
        || format!("{count} more prefixes of the incident were not followed: the figures are of {PREFIXES} of them");
    (count > 0).then(|| reason("left_out", text()))
}

/// Whether the dumps are of before the event, and not of another time.
fn dump_gap(grounds: &Grounds<'_>) -> Option<Reason> {
    let case = grounds.case;
    let dumps = || case.trail.inputs.iter().filter(|input| input.role == Role::Dump);
    let newest = dumps().filter_map(|dump| dump.last).max()?;
    let latest = dumps().filter_map(|dump| dump.first).max()?;
    let news = |count: &&Count| case.message(count.change).kind != "dump";
    if grounds.counts.iter().find(news).is_some_and(|first| latest > first.time) {
        let text = format!("the dump is of {}, when it had begun: it may hold the event itself", moment(latest));
        return Some(reason("late_rib", text));
    }
    let text =
        || format!("the dump is of {}, long before the window: what was normal then need not be", moment(newest));
    (newest.plus_secs(DUMP_SECS) < case.from).then(|| reason("old_rib", text()))
}

/// What a reader must know, and what was not asked.
pub fn limits(grounds: &Grounds<'_>) -> Vec<Reason> {
    let case = grounds.case;
    let mut limits = Vec::new();
    let sparse: Vec<String> = (case.trail.heard.iter().filter(|(_, heard)| is_sparse(&heard.minutes)))
        .map(|(name, _)| crate::text::plain(name, 64))
        .take(8)
        .collect();
    if !sparse.is_empty() {
        let text = format!(
            "{} has messages in few minutes only, as a file cut out for one event: minutes that are missing in \
             between, before or after would not show",
            sparse.join(", ")
        );
        limits.push(reason("sparse", text));
    }
    limits.extend(dump_apart(case));
    limits.extend(not_followed(grounds));
    let from = grounds.must.0.unwrap_or(case.from);
    let before = grounds.holes.iter().filter(|hole| hole.to <= from).count();
    if before > 0 {
        let text =
            format!("{before} updates files of before the window are missing: what changed in them is not known");
        limits.push(reason("missing_before", text));
    }
    let down = down(case);
    if down > 0 {
        limits.push(reason("sessions_down", format!("{down} sessions went down within the window")));
    }
    for (name, source) in [("VRPs", grounds.vrps), ("ASPAs", grounds.aspas), ("relations", grounds.relations)] {
        if !source.is_given {
            limits.push(reason("not_evaluated", format!("no {name} were given: what they say is not evaluated")));
        } else if let Some(days) = source.days_apart.filter(|days| *days > SAME_DAY) {
            let text = format!("the {name} are {days:.0} days from the event: not what was known that day");
            limits.push(reason("other_day", text));
        } else if source.days_apart.is_none() {
            limits.push(reason("other_day", format!("of what day the {name} are is not known")));
        }
    }
    if grounds.not_believed > 0 {
        let text = format!("{} records were malformed or of a time that no neighbour confirms", grounds.not_believed);
        limits.push(reason("malformed", text));
    }
    let largest = case.trail.vantages.iter().map(|v| v.table[grounds.family as usize]).max().unwrap_or_default();
    if case.has_offending() && !case.full_feed.is_empty() && largest < WHOLE_TABLE {
        let text = format!(
            "routes in the largest table of the dumps: {largest}, so it is no whole one; shares are over the peers that \
             have most of those"
        );
        limits.push(reason("small_tables", text));
    }
    if case.has_offending() && case.full_feed.is_empty() {
        limits.push(reason("no_measure", "too few tables to say who sends a full one: no shares"));
    }
    limits
}

/// Between the dump and the first update nobody knows what changed.
fn dump_apart(case: &Case<'_>) -> Option<Reason> {
    let dumps = case.trail.inputs.iter().filter(|input| input.role == Role::Dump);
    let newest = dumps.filter_map(|dump| dump.last).max()?;
    let minutes = case.trail.first?.secs_since(newest) / 60.0;
    let text =
        || format!("{minutes:.0} minutes lie between the dump and the first update: what changed then is not known");
    (minutes * 60.0 > QUIET_SECS as f64).then(|| reason("dump_apart", text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::testing::at;

    #[test]
    fn silence_shows_where_a_collector_is_usually_busy() {
        let collector = "rrc00";
        let minutes = |busy: &[std::ops::Range<i64>]| busy.iter().cloned().flatten().map(|m| (m, 1)).collect();
        assert!(silences(collector, &minutes(&[0..30, 30..60])).is_empty());
        let holes = silences(collector, &minutes(&[0..20, 50..60]));
        assert_eq!((holes.len(), holes[0].from, holes[0].to), (1, at(20 * 60), at(50 * 60)));
        let sparse: BTreeMap<i64, u32> = minutes(&[0..2, 50..52]);
        assert!(silences(collector, &sparse).is_empty() && is_sparse(&sparse));
        assert!(is_sparse(&minutes(&[0..2, 4..5])) && !is_sparse(&minutes(&[0..2, 2..5])));
    }
}
