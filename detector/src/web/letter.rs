//! What may be written to those whom an incident concerns?
//!
//! Plain text to copy into a mail: what is announced by whom, since when, seen by whom, what proves it, and what is asked for.

use std::fmt::Write as _;

use rules::alert::{Alert, RovState, Status};

use super::{ases, moment, seen_by, span, spoken};
use crate::text;

/// Prefixes and paths that are written out.
const SHOWN: usize = 10;

pub fn letter(alert: &Alert) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, alert);
    out
}

fn write(out: &mut String, alert: &Alert) -> std::fmt::Result {
    writeln!(out, "Subject: {} [{}]\n", text::plain(&alert.title, 200), alert.id)?;
    writeln!(out, "Hello,\n\nwe see in BGP: {}.\n", text::plain(&alert.title, 200))?;
    writeln!(out, "Class:     {}, severity {}", spoken(alert.class.word()), alert.severity.word())?;
    writeln!(out, "Suspects:  {}", ases(&alert.suspect_ases))?;
    writeln!(out, "Concerned: {}", ases(&alert.victim_ases))?;
    writeln!(out, "Since:     {}", moment(alert.started))?;
    match alert.ended.filter(|_| alert.status != Status::Open) {
        Some(ended) => writeln!(out, "Until:     {} ({})", moment(ended), span(alert.duration_secs))?,
        None => writeln!(out, "Until:     still so at {}", moment(alert.time))?,
    }
    writeln!(out, "Seen by:   {}", seen_by(alert))?;
    writeln!(out, "\nPrefixes{}:", shown(alert.prefix_count))?;
    for prefix in alert.prefixes.iter().take(SHOWN) {
        writeln!(out, "  {prefix}")?;
    }
    writeln!(out, "\nAS paths, the nearest AS first:")?;
    for sample in alert.sample_paths.iter().take(SHOWN) {
        let (path, collector) = (text::path(&sample.as_path, 256), text::plain(&sample.collector, 64));
        writeln!(out, "  {}  {path}  ({collector}, {})", sample.prefix, moment(sample.time))?;
    }
    if alert.rov.state == RovState::Invalid {
        writeln!(out, "\nThe origin is invalid by RPKI:")?;
        for vrp in alert.rov.covering.iter().take(SHOWN) {
            writeln!(out, "  ROA: {} up to /{} by {}", vrp.prefix, vrp.max_length, vrp.asn)?;
        }
    }
    writeln!(out, "\nPlease check whether this is intended, and withdraw it if it is not.")
}

fn shown(count: usize) -> String {
    if count > SHOWN { format!(" (the first {SHOWN} of {count})") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;

    #[test]
    fn a_letter_says_who_what_since_when_and_is_one_subject_line() {
        let mut alert = opened();
        alert.title = "AS64511 announces\nBcc: all".into();
        let letter = letter(&alert);
        let subject = letter.lines().next().expect("a line");
        assert!(subject.starts_with("Subject: AS64511 announces\u{FFFD}Bcc: all ["), "{subject}");
        for part in
            ["AS64511", "192.0.2.0/25", "2026-03-01 03:04:02 UTC", "still so at", &alert.sample_paths[0].as_path]
        {
            assert!(letter.contains(part), "{part} is missing in\n{letter}");
        }
    }
}
