//! The report for a terminal: the verdict, why, and the figures one asks for first.

use std::fmt::Write as _;

use super::{Message, Reason, Report, Step};
pub(crate) use crate::web::spoken;

/// Rows of each list; all of them stand in the JSON.
const SHOWN: usize = 12;
/// Steps of the tree.
const STEPS: usize = 20;

pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

impl Message {
    /// Where it stands, as `input:record`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.input, self.record)
    }

    /// Whose it is.
    pub fn witness(&self) -> String {
        format!("{} AS{} {}", self.collector, self.peer_as, self.peer_address)
    }
}

/// `34 %`, or a dash where there is no measure.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// `AS64496`, or what stands for an AS_SET.
pub fn origin(origin: Option<u32>) -> String {
    origin.map_or_else(|| "AS_SET".to_owned(), |asn| format!("AS{asn}"))
}

/// The steps shown: those that most peers had it by, in their order.
pub fn shown_steps(tree: &[Step], most: usize) -> Vec<&Step> {
    let mut order: Vec<usize> = (0..tree.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(tree[*i].peer_ases), tree[*i].depth, *i));
    order.truncate(most);
    order.sort_unstable_by_key(|i| chain(tree, *i));
    order.into_iter().map(|i| &tree[i]).collect()
}

/// The way from the suspect, so that each step stands below the one that it came by.
fn chain(tree: &[Step], at: usize) -> Vec<usize> {
    let mut chain = vec![at];
    while let Some(via) = chain.last().and_then(|at| tree.get(*at)).and_then(|step| step.via) {
        chain.push(via);
    }
    chain.reverse();
    chain
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let conclusion = &report.conclusion;
    writeln!(out, "{}\n", conclusion.sentence)?;
    reasons(out, "Because", &conclusion.reasons)?;
    reasons(out, "Gaps", &conclusion.gaps)?;
    reasons(out, "To know", &conclusion.limits)?;
    timeline(out, report)?;
    origins(out, report)?;
    spread(out, report)?;
    paths(out, report)?;
    controls(out, report)?;
    if let Some(manrs) = &report.manrs {
        writeln!(out, "MANRS\n  {}\n", manrs.text)?;
    }
    data(out, report)
}

fn reasons(out: &mut String, title: &str, reasons: &[Reason]) -> std::fmt::Result {
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    for reason in reasons {
        writeln!(out, "  {}: {}", reason.code, reason.text)?;
    }
    writeln!(out)
}

fn timeline(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.timeline.is_empty() {
        return Ok(());
    }
    writeln!(out, "Timeline (input:record)")?;
    for moment in &report.timeline {
        let place = moment.message.as_ref().map_or_else(|| "–".to_owned(), Message::place);
        writeln!(out, "  {}  {:>8}  {:>4} peer ASes  {}", moment.time, place, moment.peer_ases, moment.text)?;
    }
    writeln!(out)
}

fn origins(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.origins.is_empty() {
        return Ok(());
    }
    writeln!(out, "Who originated it")?;
    for o in report.origins.iter().take(SHOWN) {
        let mark = if o.is_suspect { "  <- in question" } else { "" };
        let first = if o.is_from_dump { "in the dump".to_owned() } else { format!("from {}", o.first.time) };
        let (who, peers, place) = (origin(o.origin_as), o.peer_ases, o.first.place());
        writeln!(out, "  {:<20} {who:<12} {peers:>4} peer ASes  {first} ({place}){mark}", o.prefix)?;
    }
    more(out, report.origin_count, SHOWN)
}

fn spread(out: &mut String, report: &Report) -> std::fmt::Result {
    let (spread, witnesses) = (&report.spread, &report.witnesses);
    if spread.peer_ases_peak == 0 {
        return Ok(());
    }
    writeln!(out, "Who saw it")?;
    writeln!(
        out,
        "  {} vantage points of {} peer ASes saw it, {} of {} other peer ASes never did; at most {} peer ASes at once, \
         {} of {} full feeds\n",
        witnesses.saw_count,
        witnesses.saw_peer_ases,
        witnesses.never_count,
        witnesses.never_peer_ases,
        spread.peer_ases_peak,
        percent(spread.full_feed_share_peak),
        spread.full_feed_peers
    )?;
    writeln!(out, "Through whom it spread")?;
    for step in shown_steps(&spread.tree, STEPS) {
        let indent = "  ".repeat(step.depth + 1);
        let first = &step.first;
        writeln!(out, "{indent}AS{} {} peer ASes, from {} ({})", step.asn, step.peer_ases, first.time, first.place())?;
    }
    more(out, spread.tree.len() + spread.tree_left_out, STEPS)
}

fn paths(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(path) = report.paths.first() else { return Ok(()) };
    writeln!(out, "What the checks say, hop by hop (one path; --json has more)")?;
    writeln!(out, "  {} {} ({} peer ASes, {})", path.prefix, path.as_path, path.peer_ases, path.first.place())?;
    writeln!(
        out,
        "  ROV {}, ASPA {}, Only to Customer {}, valley {}",
        spoken(path.rov.state),
        spoken(path.aspa),
        spoken(path.otc),
        spoken(path.valley)
    )?;
    for hop in &path.hops {
        let (aspa, otc) = (spoken(hop.aspa), spoken(hop.otc));
        let direction = spoken(hop.direction);
        writeln!(out, "    AS{} -> AS{}: ASPA {aspa}, direction {direction}, OTC {otc}", hop.from, hop.to)?;
    }
    writeln!(out)
}

fn controls(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.controls.is_empty() {
        return Ok(());
    }
    writeln!(out, "What would have stopped it")?;
    for control in &report.controls {
        writeln!(out, "  {} {}: {}", spoken(control.control), control.effect.words(), control.text)?;
        for at in control.at.iter().take(4) {
            let (spared, of) = (at.spared_peer_ases, at.of_peer_ases);
            writeln!(out, "    at AS{}: {spared} of {of} peer ASes would not have had it", at.asn)?;
        }
    }
    writeln!(out)
}

fn data(out: &mut String, report: &Report) -> std::fmt::Result {
    let data = &report.data;
    writeln!(out, "Data: {} vantage points of {} peer ASes", data.vantage_points, data.peer_ases)?;
    for input in &data.inputs {
        writeln!(out, "  input {}: {} ({}, {} records)", input.number, input.name, input.role, input.records)?;
    }
    Ok(())
}

fn more(out: &mut String, all: usize, shown: usize) -> std::fmt::Result {
    if all > shown {
        writeln!(out, "  and {} more (--json has them)", all - shown)?;
    }
    writeln!(out)
}
