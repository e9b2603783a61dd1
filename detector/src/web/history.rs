//! What does the page of an incident show of who held which route?

use askama::Template;
use feeds::as2org::AsNames;
use rules::alert::Alert;
use rules::bgp::Timestamp;

use super::linked::Linked;
use super::paths::Graph;
use super::{moment, spoken, spread};
use crate::route::RouteLine;
use crate::store::Overview;
use crate::text;

/// Routes in the table; the API has all.
pub const ROWS: usize = 200;

/// The curves: a part of the page.
#[derive(Template)]
#[template(path = "curves.html")]
pub struct Curves {
    plot: spread::Plot,
}

impl Curves {
    pub fn of(overview: &Overview, alert: &Alert, now: Timestamp) -> Option<Self> {
        // Of what is held still, up to now; of what is over, up to its end.
        let until = alert.ended.map_or(now, |ended| ended.max(alert.last_seen));
        Some(Self { plot: spread::plot_routes(&overview.spans, until)? })
    }
}

/// Ways before and during, and the vantage points: a part of the page.
#[derive(Template)]
#[template(path = "routes.html")]
pub struct History {
    id: String,
    graphs: Vec<(&'static str, Graph)>,
    rows: Vec<RouteRow>,
    kept: u64,
    left_out: u64,
}

struct RouteRow {
    peer: Linked,
    collector: String,
    prefix: String,
    path: String,
    started: String,
    ended: String,
    why: String,
    before: String,
}

impl History {
    pub fn of(overview: &Overview, alert: &Alert, names: &AsNames) -> Self {
        let graph = |name, paths: &[String]| {
            let paths = paths.iter().map(String::as_str);
            Some((name, Graph::of_paths(paths, alert, names)?))
        };
        let graphs = [graph("Before", &overview.paths_before), graph("During", &overview.paths)];
        Self {
            id: alert.id.clone(),
            graphs: graphs.into_iter().flatten().collect(),
            rows: overview.first.routes.iter().map(|(_, line)| RouteRow::of(line)).collect(),
            kept: overview.first.kept,
            left_out: overview.first.left_out,
        }
    }

    fn shows(&self, part: &str) -> bool {
        self.graphs.iter().any(|(_, graph)| graph.shows(part))
    }
}

impl RouteRow {
    fn of(line: &RouteLine) -> Self {
        let time = |text: &str| Timestamp::parse(text).map_or_else(|| text.to_owned(), moment);
        Self {
            peer: Linked::text(&format!("AS{} {}", line.peer_as, line.peer_address)),
            collector: text::plain(&line.collector, 64),
            prefix: line.prefix.to_string(),
            path: text::path(&line.as_path, 256),
            started: time(&line.started),
            ended: line.ended.as_deref().map_or("held".to_owned(), time),
            why: line.reason.as_deref().map(spoken).unwrap_or_default(),
            before: line.before.as_ref().map_or("–".to_owned(), |before| match before.prefix == line.prefix {
                true => text::path(&before.as_path, 256),
                false => format!("{} over {}", before.prefix, text::path(&before.as_path, 256)),
            }),
        }
    }
}
