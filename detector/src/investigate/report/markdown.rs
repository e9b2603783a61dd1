//! The report as Markdown, for tickets and mails.

use std::fmt::Write as _;

use super::text::{origin, percent, shown_steps, spoken};
use super::{Message, Reason, Report};

/// Rows of each table; all of them stand in the JSON.
const SHOWN: usize = 40;

pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

/// Text that others wrote, so that it is nothing but text: no table, link, image, heading or HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let conclusion = &report.conclusion;
    writeln!(out, "# {}: {}\n", heading(conclusion.verdict.word()), escaped(&report.question.asked))?;
    writeln!(out, "{}\n", escaped(&conclusion.sentence))?;
    reasons(out, "Because", &conclusion.reasons)?;
    reasons(out, "Gaps in the data", &conclusion.gaps)?;
    reasons(out, "To know", &conclusion.limits)?;
    timeline(out, report)?;
    origins(out, report)?;
    witnesses(out, report)?;
    spread(out, report)?;
    paths(out, report)?;
    controls(out, report)?;
    manrs(out, report)?;
    others(out, report)?;
    data(out, report)
}

fn heading(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn reasons(out: &mut String, title: &str, reasons: &[Reason]) -> std::fmt::Result {
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "## {title}\n")?;
    for reason in reasons {
        writeln!(out, "- `{}`: {}", reason.code, escaped(&reason.text))?;
    }
    writeln!(out)
}

/// A table of at most [`SHOWN`] rows, and how many there are beside them.
fn table<'a, T: 'a>(
    out: &mut String,
    title: &str,
    columns: &[&str],
    rows: impl ExactSizeIterator<Item = T>,
    row: impl Fn(T) -> Vec<String>,
) -> std::fmt::Result {
    let all = rows.len();
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "## {title}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()))?;
    for cells in rows.take(SHOWN).map(row) {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    if all > SHOWN {
        writeln!(out, "\n{} more stand in the JSON.", all - SHOWN)?;
    }
    writeln!(out)
}

fn place(message: Option<&Message>) -> String {
    message.map_or_else(|| "–".to_owned(), Message::place)
}

fn timeline(out: &mut String, report: &Report) -> std::fmt::Result {
    let columns = ["Time", "What", "Peer ASes", "Full feeds", "Witness", "Message"];
    table(out, "Timeline", &columns, report.timeline.iter(), |m| {
        vec![
            m.time.to_string(),
            m.text.clone(),
            m.peer_ases.to_string(),
            percent(m.full_feed_share),
            m.message.as_ref().map_or_else(|| "–".to_owned(), Message::witness),
            place(m.message.as_ref()),
        ]
    })
}

fn origins(out: &mut String, report: &Report) -> std::fmt::Result {
    let columns = ["Prefix", "Origin", "In question", "Peer ASes", "First", "Message", "Last end", "Message"];
    table(out, "Who originated it", &columns, report.origins.iter(), |o| {
        vec![
            o.prefix.clone(),
            origin(o.origin_as),
            if o.is_suspect { "yes" } else { "no" }.to_owned(),
            o.peer_ases.to_string(),
            if o.is_from_dump { "in the dump".to_owned() } else { o.first.time.to_string() },
            o.first.place(),
            o.last_end.as_ref().map_or_else(|| "–".to_owned(), |m| m.time.to_string()),
            place(o.last_end.as_ref()),
        ]
    })
}

fn witnesses(out: &mut String, report: &Report) -> std::fmt::Result {
    let (w, spread) = (&report.witnesses, &report.spread);
    if w.saw_count == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "{} vantage points of {} peer ASes saw it, {} of {} other peer ASes never did. At most {} peer ASes had it at once, {} \
         of {} full feeds.\n",
        w.saw_count,
        w.saw_peer_ases,
        w.never_count,
        w.never_peer_ases,
        spread.peer_ases_peak,
        percent(spread.full_feed_share_peak),
        spread.full_feed_peers
    )?;
    let columns = ["Vantage point", "Full feed", "First", "Message", "Given up", "Message", "Path"];
    table(out, "Who saw it", &columns, w.saw.iter(), |s| {
        vec![
            s.first.witness(),
            if s.is_full_feed { "yes" } else { "no" }.to_owned(),
            s.first.time.to_string(),
            s.first.place(),
            s.last_end.as_ref().map_or_else(|| "–".to_owned(), |m| m.time.to_string()),
            place(s.last_end.as_ref()),
            s.first.as_path.clone().unwrap_or_default(),
        ]
    })?;
    table(out, "Who never did", &["Vantage point", "Full feed", "Routes in the dump"], w.never.iter(), |n| {
        vec![
            format!("{} AS{} {}", n.collector, n.peer_as, n.peer_address),
            if n.is_full_feed { "yes" } else { "no" }.to_owned(),
            n.dump_routes.to_string(),
        ]
    })
}

fn spread(out: &mut String, report: &Report) -> std::fmt::Result {
    let columns = ["Taken by", "Peer ASes behind it", "First", "Message"];
    table(out, "Who took it from the suspect", &columns, report.spread.accepted_by.iter(), |a| {
        vec![format!("AS{}", a.asn), a.peer_ases.to_string(), a.first.time.to_string(), a.first.place()]
    })?;
    let steps = shown_steps(&report.spread.tree, SHOWN);
    table(out, "Through whom it spread", &["Step", "AS", "Peer ASes", "First", "Message"], steps.into_iter(), |s| {
        let (asn, peers) = (format!("AS{}", s.asn), s.peer_ases.to_string());
        vec![s.depth.to_string(), asn, peers, s.first.time.to_string(), s.first.place()]
    })?;
    let busy: Vec<_> = report.spread.minutes.iter().filter(|m| m.peer_ases > 0).collect();
    table(out, "Minute by minute", &["Minute", "Peer ASes", "Full feeds", "Expected origin"], busy.into_iter(), |m| {
        let (peers, expected) = (m.peer_ases.to_string(), m.expected_peer_ases.to_string());
        vec![m.minute.to_string(), peers, percent(m.full_feed_share), expected]
    })
}

fn paths(out: &mut String, report: &Report) -> std::fmt::Result {
    let columns = ["Path", "Peer ASes", "ROV", "ASPA", "Only to Customer", "Valley", "Message"];
    table(out, "What the checks say of each path", &columns, report.paths.iter(), |p| {
        vec![
            p.as_path.clone(),
            p.peer_ases.to_string(),
            spoken(p.rov.state),
            spoken(p.aspa),
            spoken(p.otc),
            spoken(p.valley),
            p.first.place(),
        ]
    })?;
    let Some(path) = report.paths.first() else { return Ok(()) };
    let columns = ["From", "To", "ROV at its receiver", "ASPA", "Direction", "Only to Customer"];
    table(out, "Hop by hop: the first of these paths", &columns, path.hops.iter(), |h| {
        let (from, to) = (format!("AS{}", h.from), format!("AS{}", h.to));
        vec![from, to, spoken(h.rov), spoken(h.aspa), spoken(h.direction), spoken(h.otc)]
    })
}

fn controls(out: &mut String, report: &Report) -> std::fmt::Result {
    table(out, "What would have stopped it", &["Control", "", "Why", "Where"], report.controls.iter(), |c| {
        let at = c.at.iter().take(8);
        let at: Vec<String> = at
            .map(|at| format!("AS{} ({} of {} peer ASes spared)", at.asn, at.spared_peer_ases, at.of_peer_ases))
            .collect();
        vec![spoken(c.control), c.effect.words().to_owned(), c.text.clone(), at.join(", ")]
    })
}

fn manrs(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(manrs) = &report.manrs else { return Ok(()) };
    table(out, "Weight at MANRS", &["From", "To", "Seconds", "Messages"], manrs.episodes.iter(), |e| {
        let ended = e.ended.map_or_else(|| "still announced".to_owned(), |t| t.to_string());
        let messages = format!("{}, {}", e.first.place(), place(e.last.as_ref()));
        vec![e.started.to_string(), ended, e.secs.to_string(), messages]
    })?;
    writeln!(out, "{}\n", escaped(&manrs.text))
}

fn others(out: &mut String, report: &Report) -> std::fmt::Result {
    let columns = ["Incident", "Class", "Severity", "Started", "What"];
    table(out, "Other incidents", &columns, report.other_incidents.iter(), |o| {
        vec![o.id.clone(), spoken(o.class), o.severity.to_owned(), o.started.to_string(), o.title.clone()]
    })
}

fn data(out: &mut String, report: &Report) -> std::fmt::Result {
    let data = &report.data;
    table(out, "Data", &["Input", "Name", "Role", "Records", "From", "To"], data.inputs.iter(), |i| {
        let time = |time: Option<super::Time>| time.map_or_else(|| "–".to_owned(), |time| time.to_string());
        let (number, records) = (i.number.to_string(), i.records.to_string());
        vec![number, i.name.clone(), i.role.to_owned(), records, time(i.first), time(i.last)]
    })?;
    writeln!(out, "A message `2:17` is record 17 of input 2, both counted from 1.\n")?;
    for (what, source) in data.sources() {
        writeln!(out, "- {what}: {}", escaped(&source))?;
    }
    writeln!(out, "\nbgpwarden {}, rules {}", data.version, data.rules_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_text_and_nothing_else() {
        let hostile = "<script>|x|[a](javascript:b)`c`\n# d ![e](f) &lt; *g* _h_ \\";
        let escaped = escaped(hostile);
        for bad in ["<", "\n", " # ", "](", "|x"] {
            assert!(!escaped.replace("\\|", "").replace("\\]", "").contains(bad), "{bad:?} in {escaped}");
        }
        assert!(escaped.starts_with("&lt;script&gt;\\|x\\|\\[a\\](javascript:b)\\`c\\` \\# d"), "{escaped}");
    }
}
