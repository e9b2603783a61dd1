//! All incidents that fit, as a file: page by page from the store, so that no more than two pages are ever in memory.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use rules::alert::Alert;
use rules::bgp::{Asn, Timestamp};

use super::filter::Filter;
use super::parameters::Parameters;
use super::problem::Problem;
use super::turns;
use crate::alert::from_json;
use crate::http::Site;
use crate::store::history::Found;

/// Incidents read at once: 2 MB of usual ones.
const AT_ONCE: usize = 400;

/// The incidents that fit, one alert a line
#[utoipa::path(get, path = "/api/v1/incidents.ndjson", tag = "incidents", params(Filter), responses(
    (status = 200, description = "NDJSON, those first that began last", body = String,
     content_type = "application/x-ndjson"),
    (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, description = "Too many exports at once, or the store cannot be used now", body = Problem,
     content_type = "application/problem+json"),
))]
pub async fn ndjson(State(site): State<Site>, given: Parameters) -> Result<Response, Problem> {
    export(site, given, "application/x-ndjson", "incidents.ndjson", String::new(), |found| {
        found.alerts.iter().flat_map(|sent| [sent.json.as_bytes(), b"\n"]).flatten().copied().collect()
    })
    .await
}

/// The incidents that fit, as a table
#[utoipa::path(get, path = "/api/v1/incidents.csv", tag = "incidents", params(Filter), responses(
    (status = 200, description = "CSV with a line of names; lists are separated by blanks", body = String,
     content_type = "text/csv"),
    (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, description = "Too many exports at once, or the store cannot be used now", body = Problem,
     content_type = "application/problem+json"),
))]
pub async fn csv(State(site): State<Site>, given: Parameters) -> Result<Response, Problem> {
    let names = COLUMNS.map(|(name, _)| name).join(",") + "\r\n";
    export(site, given, "text/csv; charset=utf-8; header=present", "incidents.csv", names, |found| {
        let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        for alert in found.alerts.iter().filter_map(|sent| from_json(&sent.json).ok()) {
            // Writing to memory does not fail.
            let _ = table.write_record(COLUMNS.map(|(_, of)| harmless(of(&alert))));
        }
        table.into_inner().unwrap_or_default()
    })
    .await
}

type Column = (&'static str, fn(&Alert) -> String);

const COLUMNS: [Column; 19] = [
    ("id", |alert| alert.id.clone()),
    ("status", |alert| alert.status.word().to_owned()),
    ("class", |alert| alert.class.word().to_owned()),
    ("severity", |alert| alert.severity.word().to_owned()),
    ("score", |alert| alert.score.to_string()),
    ("started", |alert| alert.started.to_string()),
    ("opened", |alert| alert.opened.to_string()),
    ("last_seen", |alert| alert.last_seen.to_string()),
    ("ended", |alert| alert.ended.as_ref().map_or(String::new(), Timestamp::to_string)),
    ("duration_secs", |alert| alert.duration_secs.to_string()),
    ("suspect_ases", |alert| numbers(&alert.suspect_ases)),
    ("victim_ases", |alert| numbers(&alert.victim_ases)),
    ("prefix_count", |alert| alert.prefix_count.to_string()),
    ("prefixes", |alert| alert.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ("constituents", |alert| alert.constituents.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join("; ")),
    ("peer_ases", |alert| alert.visibility.peer_ases.to_string()),
    ("full_feed_share", |alert| alert.visibility.full_feed_share.map_or(String::new(), |share| share.to_string())),
    ("tlp", |alert| alert.tlp.word().to_owned()),
    ("title", |alert| alert.title.clone()),
];

fn numbers(ases: &[Asn]) -> String {
    ases.iter().map(|asn| asn.0.to_string()).collect::<Vec<_>>().join(" ")
}

/// A name from outside must not become a formula of a spreadsheet.
fn harmless(cell: String) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell }
}

/// Writes a page of what was found.
type Write = fn(&Found) -> Vec<u8>;

async fn export(
    site: Site,
    mut given: Parameters,
    kind: &'static str,
    name: &str,
    head: String,
    write: Write,
) -> Result<Response, Problem> {
    let filter = Filter::of(&mut given);
    given.finish()?;
    let question = filter.question()?;
    let turn = site.turns.export()?;
    // What is wrong with the store is said before anything is sent.
    let first = site.store.find(question.clone(), None, AT_ONCE).await?;
    let (out, body) = turns::body();
    tokio::spawn(async move {
        if head.is_empty() || turns::send(&out, head.into(), &site.turns).await {
            let turns = site.turns.clone();
            let read = move |behind| {
                let (store, question) = (site.store.clone(), question.clone());
                async move { Ok(store.find(question, Some(behind), AT_ONCE).await?) }
            };
            turns::send_all(out, turns, first, write, Found::next, read).await;
        }
        drop(turn);
    });
    let disposition = format!("attachment; filename=\"bgpwarden-{name}\"");
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition.as_str())], Body::from_stream(body)).into_response())
}
