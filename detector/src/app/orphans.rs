//! What becomes of incidents that stand open in the store and that nobody goes on with?
//!
//! The checkpoint that knew them cannot be read, or they came from elsewhere (`history import`, `replay`). They end as
//! out of sight, by a transition like any other, so every sink that has them hears of it once.

use std::collections::BTreeSet;
use std::sync::Arc;

use rules::alert::{Alert, Reason, ReasonCode, Status, Transition};
use rules::bgp::Timestamp;

use super::now;
use crate::alert::{WireContext, from_json, to_json};
use crate::sink::Delivery;
use crate::sink::dispatch::{Decided, Dispatch};
use crate::store::history::Question;
use crate::store::{Problem, Store};

/// Incidents looked at and ended at once.
const AT_ONCE: usize = 500;
/// What began later may come again, under the same id, from the dump and the updates that a start reads: no dump is older
/// than some hours. It is left to the next start.
const MAY_COME_AGAIN_SECS: i64 = 86_400;

/// Ends what stands open and is not `known`.
pub async fn end(store: &Store, known: &BTreeSet<&str>, dispatch: &mut Dispatch, context: &WireContext) {
    match end_all(store, known, dispatch, context).await {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "incidents of the store that nobody goes on with are over"),
        Err(problem) => tracing::warn!("incidents that nobody goes on with stay open until the next start: {problem}"),
    }
}

async fn end_all(
    store: &Store,
    known: &BTreeSet<&str>,
    dispatch: &mut Dispatch,
    context: &WireContext,
) -> Result<usize, Problem> {
    let now = now();
    let until = Some(now.plus_secs(-MAY_COME_AGAIN_SECS));
    let open = Question { statuses: vec![Status::Open], until, ..Question::default() };
    let (mut behind, mut ended) = (None, 0);
    loop {
        let found = store.find(open.clone(), behind, AT_ONCE).await?;
        // What cannot be read is told when it is shown.
        let read = found.alerts.iter().filter_map(|sent| from_json(&sent.json).ok());
        let orphans = read.filter(|alert| !known.contains(alert.id.as_str()));
        let decide = |alert: Alert| {
            let alert = Arc::new(over(alert, now));
            let delivery = Delivery::new(&alert, to_json(&alert, context).into());
            Decided { alert, delivery, merely_refreshes: false, chapter: None }
        };
        let decided: Vec<Decided> = orphans.map(decide).collect();
        ended += decided.len();
        if !decided.is_empty() {
            dispatch.put_or_fail(decided).await?;
        }
        behind = found.alerts.last().map(|sent| sent.number);
        if !found.has_more || behind.is_none() {
            return Ok(ended);
        }
    }
}

/// It ended when it was seen last, as far as anybody knows.
fn over(mut alert: Alert, now: Timestamp) -> Alert {
    let end = Some(alert.last_seen);
    alert.sequence += 1;
    (alert.transition, alert.status) = (Transition::Resolved, Status::Resolved);
    alert.reason = Reason {
        code: ReasonCode::OutOfSight,
        detail: "what was known of it is lost: no proof of an end".to_owned(),
        source: "store".to_owned(),
        as_of: None,
    };
    (alert.time, alert.previous_severity, alert.ended) = (now, None, end);
    alert.active_prefix_count = 0;
    (alert.visibility.peer_ases, alert.visibility.full_feed_share) = (0, None);
    for detail in &mut alert.details {
        (detail.ended, detail.peer_ases) = (detail.ended.or(end), 0);
    }
    if let Some(last) = alert.episodes.last_mut() {
        last.ended = last.ended.or(end);
    }
    alert
}
