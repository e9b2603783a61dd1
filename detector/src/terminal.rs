//! What does a person at a terminal see of the running service?
//!
//! A few lines at the bottom that are drawn anew each second: feeds, what is known, open incidents, what is wrong. Log lines
//! go above them. Where stderr is no terminal there is only the log.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rules::alert::{Alert, Severity, Status};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::health::{BaselineState, FeedReport, Report};
use crate::text;
use crate::view::{Incident, IncidentView};
use crate::watched::WatchedReport;

/// Feeds with a line of their own.
const FEEDS: usize = 4;
/// Open incidents with a line of their own.
const INCIDENTS: usize = 3;
/// Troubles with a line of their own.
const TROUBLES: usize = 2;

/// All that is drawn on stderr and not part of the log.
static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Whether a person reads along.
pub fn is_here() -> bool {
    io::stderr().is_terminal()
}

/// Writes a line above what is drawn.
pub fn say(line: &str) {
    SCREEN.suspend(|| eprintln!("bgpwarden: {line}"));
}

/// Stderr for the log: above what is drawn.
pub struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SCREEN.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Where alerts as JSON go that are meant for stdout: nowhere if that is the terminal on which the log tells them already.
pub fn stdout() -> Box<dyn Write + Send> {
    if is_here() && io::stdout().is_terminal() { Box::new(io::sink()) } else { Box::new(io::stdout()) }
}

/// Draws as long as it lives.
pub struct Live {
    drawing: JoinHandle<()>,
}

impl Live {
    /// None where nobody looks.
    pub fn of(app: &App) -> Option<Self> {
        let looks = app.looks.clone();
        let address = app.address;
        is_here().then(|| Self { drawing: tokio::spawn(draw(looks, address)) })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.drawing.abort();
        let _ = SCREEN.clear();
    }
}

/// What is looked at.
#[derive(Clone)]
pub struct Looks {
    pub report: watch::Receiver<Report>,
    pub watched: watch::Receiver<Arc<WatchedReport>>,
    pub view: Arc<IncidentView>,
}

async fn draw(mut looks: Looks, address: SocketAddr) {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let mut rows: Vec<ProgressBar> = Vec::new();
    let mut before: Option<(Instant, u64)> = None;
    while looks.report.changed().await.is_ok() {
        let report = looks.report.borrow_and_update().clone();
        let watched = looks.watched.borrow().clone();
        let (now, updates) = (Instant::now(), report.feeds.iter().map(|feed| feed.updates).sum());
        let rate = before.and_then(|(then, count)| per_sec(updates - count, now - then));
        before = Some((now, updates));
        let lines = lines(&report, &watched, &looks.view.list(), rate, address);
        while rows.len() > lines.len() {
            rows.pop().inspect(|row| SCREEN.remove(row));
        }
        while rows.len() < lines.len() {
            rows.push(SCREEN.add(ProgressBar::new_spinner().with_style(style.clone())));
        }
        rows.iter().zip(lines).for_each(|(row, line)| row.set_message(line));
    }
}

fn per_sec(count: u64, over: Duration) -> Option<f64> {
    (over > Duration::ZERO).then(|| count as f64 / over.as_secs_f64())
}

/// The whole view, a line each.
fn lines(
    report: &Report,
    watched: &WatchedReport,
    incidents: &[Incident],
    per_sec: Option<f64>,
    address: SocketAddr,
) -> Vec<String> {
    let rate = per_sec.map_or(String::new(), |rate| format!(", {rate:.0} routes/s"));
    let mut lines = vec![format!("── {}{rate} · http://{address}/", known(report, watched))];
    lines.extend(report.feeds.iter().take(FEEDS).map(feed));
    if report.feeds.len() > FEEDS {
        lines.push(format!("   and {} more feeds", report.feeds.len() - FEEDS));
    }
    if report.baseline != BaselineState::Ready {
        lines.extend(report.archives.iter().map(|archive| format!("   {}", archive.sentence())));
    }
    lines.extend(open(incidents));
    let readiness = report.readiness();
    let wrong: Vec<_> = readiness.reasons.iter().chain(&readiness.degraded).collect();
    lines.extend(wrong.iter().take(TROUBLES).map(|trouble| format!(" ! {}", text::plain(trouble, 200))));
    if wrong.len() > TROUBLES {
        lines.push(format!(" ! and {} more, see http://{address}/health", wrong.len() - TROUBLES));
    }
    lines
}

/// How much is known, and of what.
fn known(report: &Report, watched: &WatchedReport) -> String {
    let baseline = match report.baseline {
        BaselineState::Loading => "loading what is normal",
        BaselineState::Learning => "learning what is normal",
        BaselineState::Ready => "ready",
    };
    let all = watched.seen + watched.unseen;
    let seen = if all > 0 { format!(", {} of {all} watched prefixes seen", watched.seen) } else { String::new() };
    format!("{baseline}: {} routes{seen}", report.routes)
}

fn feed(feed: &FeedReport) -> String {
    let up = feed.peers_up + feed.sessions.iter().map(|session| session.peers_up).sum::<usize>();
    let down = feed.peers_down + feed.sessions.iter().map(|session| session.peers_down).sum::<usize>();
    let peers = if up + down > 0 { format!(", {up} peers up, {down} down") } else { String::new() };
    let errors = if feed.errors > 0 { format!(", {} malformed", feed.errors) } else { String::new() };
    let last = feed.last_message.as_ref().map_or(String::new(), |last| format!(", last message {last}"));
    let name = text::plain(&feed.name, 64);
    format!("   {name} is {}{peers}, {} routes heard{errors}{last}", feed.state.word(), feed.updates)
}

/// The gravest open incidents; the list has them first.
fn open(incidents: &[Incident]) -> Vec<String> {
    let open: Vec<&Alert> = incidents.iter().map(|i| &*i.alert).filter(|alert| alert.status == Status::Open).collect();
    let count = |severity: &Severity| match open.iter().filter(|alert| alert.severity == *severity).count() {
        0 => None,
        n => Some(format!("{n} {severity}")),
    };
    let counts: Vec<_> = Severity::ALL.iter().rev().filter_map(count).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let mut lines = vec![format!("   open incidents: {counts}")];
    let told = |alert: &&Alert| format!("   {:<8} {}", alert.severity.word(), text::plain(&alert.title, 200));
    lines.extend(open.iter().take(INCIDENTS).map(told));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;
    use crate::health::FeedState;

    #[test]
    fn the_view_says_what_is_heard_what_is_open_and_what_is_wrong() {
        let feed = FeedReport {
            name: "ris".into(),
            state: FeedState::Live,
            updates: 1_234,
            peers_up: 3,
            peers_down: 1,
            ..FeedReport::default()
        };
        let report = Report { feeds: vec![feed], routes: 77, baseline: BaselineState::Learning, ..Report::default() };
        let watched = WatchedReport { seen: 2, unseen: 1, ..WatchedReport::default() };
        let incident = Incident { alert: Arc::new(opened()), json: "{}".into() };
        let address = ([127, 0, 0, 1], 8_179).into();
        let lines = lines(&report, &watched, &[incident], per_sec(500, Duration::from_secs(2)), address);
        assert_eq!(
            lines[0],
            "── learning what is normal: 77 routes, 2 of 3 watched prefixes seen, 250 routes/s · http://127.0.0.1:8179/"
        );
        assert_eq!(lines[1], "   ris is live, 3 peers up, 1 down, 1234 routes heard");
        assert!(lines[2].starts_with("   open incidents: 1 "), "{lines:?}");
        assert!(lines[3].contains(&opened().title), "{lines:?}");
        assert!(lines[4].starts_with(" ! learning"), "{lines:?}");
    }

    #[test]
    fn what_there_is_too_much_of_is_counted() {
        let feeds = (0..6).map(|i| FeedReport { name: format!("f{i}"), ..FeedReport::default() }).collect();
        let report = Report { feeds, baseline: BaselineState::Ready, ..Report::default() };
        let lines = lines(&report, &WatchedReport::default(), &[], None, ([127, 0, 0, 1], 1).into());
        assert!(lines.contains(&"   and 2 more feeds".to_owned()), "{lines:?}");
        assert!(lines.contains(&"   open incidents: none".to_owned()), "{lines:?}");
        assert_eq!(lines.last().expect("a line"), " ! and 5 more, see http://127.0.0.1:1/health");
    }
}
