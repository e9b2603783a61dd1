//! Every alert as it goes out, for programs and pages (Server-Sent Events, HTML Living Standard section 9.2).
//!
//! Each client reads the store at its own pace, behind its own place: who was away goes on where it was, and nobody waits
//! for anybody. The id of an event is the place: the file, and the number of the transition in it.

use std::io::Error;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc::Sender;

use super::parameters::Parameters;
use super::problem::Problem;
use super::turns;
use crate::http::Site;
use crate::store::Position;
use crate::store::history::Found;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Alerts read at once: 1 MB of usual ones.
const AT_ONCE: usize = 200;
/// Something is said this often, so that whoever is in between does not close the connection.
const ALIVE: Duration = Duration::from_secs(15);
/// A store that cannot be read is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Every alert as it goes out
///
/// Server-Sent Events: `event` is the transition, `data` the alert, `id` the cursor. With `Last-Event-ID` (browsers send
/// it by themselves) or `cursor` it goes on behind that; without, from now on. A cursor of another store, or beyond
/// what this one holds (an older copy was put back), begins anew with an event `reset`, and all that the store holds; (id, sequence) of the alert tells repeats.
#[utoipa::path(get, path = "/api/v1/stream", tag = "incidents",
    params(
        ("cursor" = Option<String>, Query, description = "`id` of the last event seen"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same; it counts if both are given"),
    ),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = 400, description = "The cursor cannot be read", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "Too many streams at once", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn stream(State(site): State<Site>, headers: HeaderMap, mut given: Parameters) -> Result<Response, Problem> {
    let cursor = given.take("cursor");
    given.finish()?;
    let place = match (headers.get(LAST_EVENT_ID), cursor) {
        (Some(last), _) => Some(read("Last-Event-ID", &String::from_utf8_lossy(last.as_bytes()))?),
        (None, Some(cursor)) => Some(read("cursor", &cursor)?),
        (None, None) => None,
    };
    let turn = site.turns.stream()?;
    let (out, body) = turns::body();
    let now = *site.store.status().position().borrow();
    tokio::spawn(async move {
        follow(&site, place.unwrap_or(now), out).await;
        drop(turn);
    });
    let no_buffer = HeaderName::from_static("x-accel-buffering");
    Ok(([(CONTENT_TYPE, "text/event-stream"), (no_buffer, "no")], Body::from_stream(body)).into_response())
}

fn read(name: &str, text: &str) -> Result<Position, Problem> {
    let read = || {
        let (began, number) = text.split_once('-')?;
        let natural = |hex| i64::from_str_radix(hex, 16).ok().filter(|number| *number >= 0);
        Some(Position { began: natural(began)?, number: natural(number)? })
    };
    read().ok_or_else(|| Problem::parameter(name, text, "expected the id of an event of this stream"))
}

fn written(place: Position) -> String {
    format!("{:x}-{:x}", place.began, place.number)
}

/// Sends what lies behind `place`, then what comes, until the client is gone or all ends.
async fn follow(site: &Site, mut place: Position, out: Sender<Result<Bytes, Error>>) {
    let (mut newest, mut stopping) = (site.store.status().position(), site.stopping.clone());
    // Only now: later a number may be read before it is published.
    if place.number > newest.borrow().number {
        place = Position::default();
    }
    let mut said = format!("retry: 1000\nid: {}\n\n", written(place));
    while !out.is_closed() {
        let now = *newest.borrow_and_update();
        if now.began != place.began {
            place = Position { began: now.began, number: 0 };
            said.push_str(&format!("event: reset\nid: {}\ndata: {{}}\n\n", written(place)));
        }
        let mut is_behind = false;
        if place.number < now.number {
            match site.store.behind(place.number, AT_ONCE).await {
                Ok(found) => is_behind = tell(&found, &mut place, &mut said),
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    is_behind = true;
                }
            }
        }
        if !said.is_empty() && !turns::send(&out, std::mem::take(&mut said).into(), &site.turns).await {
            return;
        }
        if is_behind {
            continue;
        }
        tokio::select! {
            _ = newest.changed() => {}
            // Whoever could say that it stops has gone.
            _ = stopping.changed() => return,
            () = out.closed() => return,
            () = tokio::time::sleep(ALIVE) => said.push_str(": alive\n\n"),
        }
    }
}

/// True if there is more.
fn tell(found: &Found, place: &mut Position, said: &mut String) -> bool {
    #[derive(Deserialize)]
    struct Named {
        transition: String,
    }
    for sent in &found.alerts {
        place.number = sent.number;
        let named: Result<Named, _> = serde_json::from_str(&sent.json);
        let event = named.map_or("alert".to_owned(), |named| named.transition);
        said.push_str(&format!("event: {event}\nid: {}\ndata: {}\n\n", written(*place), sent.json));
    }
    found.has_more
}
