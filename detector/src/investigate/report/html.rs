//! The report as one page that needs nothing else: plots and style within it, no script.

use askama::Template;

use super::plot::{Of, plot};
use super::text::{self as words, shown_steps};
use super::{Message, PathVerdict, Report, Step, Time};
use crate::text;

/// Rows of each table; all of them stand in the JSON.
const SHOWN: usize = 100;
/// Steps of the tree.
const STEPS: usize = 40;

#[derive(Template)]
#[template(path = "investigation.html")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    peers: Option<String>,
    share: Option<String>,
    steps: Vec<&'a Step>,
    main: Option<&'a PathVerdict>,
    sources: Vec<(&'static str, String)>,
}

pub fn html(report: &Report) -> askama::Result<String> {
    let minutes = &report.spread.minutes;
    Page {
        report,
        style: include_str!("../../web/style.css"),
        peers: plot(minutes, Of::PeerAses),
        share: plot(minutes, Of::Share),
        steps: shown_steps(&report.spread.tree, STEPS),
        main: report.paths.first(),
        sources: report.data.sources(),
    }
    .render()
}

impl Page<'_> {
    fn shown(&self) -> usize {
        SHOWN
    }

    fn spoken(&self, word: &str) -> String {
        words::spoken(word)
    }

    fn percent(&self, share: Option<&f64>) -> String {
        words::percent(share.copied())
    }

    fn origin(&self, origin: Option<&u32>) -> String {
        words::origin(origin.copied())
    }

    /// As far to the right as it is from the suspect.
    fn indented(&self, step: &Step) -> String {
        format!("{}AS{}", "   ".repeat(step.depth), step.asn)
    }

    fn place(&self, message: Option<&Message>) -> String {
        message.map_or_else(|| "–".to_owned(), Message::place)
    }

    fn time(&self, time: Option<&Time>) -> String {
        time.map_or_else(|| "–".to_owned(), ToString::to_string)
    }

    fn end(&self, message: Option<&Message>) -> String {
        message.map_or_else(|| "–".to_owned(), |message| message.time.to_string())
    }

    fn path(&self, path: &str) -> String {
        text::path(path, 256)
    }

    fn ases(&self, ases: &[u32]) -> String {
        let shown: Vec<String> = ases.iter().take(8).map(|asn| format!("AS{asn}")).collect();
        match ases.len() {
            0 => "–".to_owned(),
            n if n > 8 => format!("{} and {} more", shown.join(", "), n - 8),
            _ => shown.join(", "),
        }
    }
}
