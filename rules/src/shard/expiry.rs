//! Which routes lose their ROA soon? Asked when the ends of ROAs change, and when one of them comes close.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Cause, Shard};
use crate::bgp::Timestamp;
use crate::limits;
use crate::rpki::RoaEnds;

/// Ends of ROAs, and when they are near.
#[derive(Default)]
pub(super) struct Expiry {
    pub ends: Arc<RoaEnds>,
    /// Of those that are not near yet.
    due: BTreeSet<(Timestamp, IpNet)>,
}

impl Shard {
    pub(super) fn roa_ends_changed(&mut self, ends: &Arc<RoaEnds>, now: Timestamp) {
        let changed = self.expiry.ends.changes(ends);
        let near_at = |end: Timestamp| end.plus_secs(-limits::ROA_EXPIRING_SECS);
        let mine = ends.iter().filter(|((prefix, ..), _)| self.range.needs_vrp(prefix));
        let due = mine.map(|((prefix, ..), end)| (near_at(end), prefix)).filter(|(at, _)| *at > now).collect();
        self.expiry = Expiry { ends: ends.clone(), due };
        self.judge_watched_under(&changed, now);
    }

    /// Whatever came close since the last time.
    pub(super) fn roas_expire(&mut self, now: Timestamp) {
        let mut near = BTreeSet::new();
        while let Some(due) = self.expiry.due.first().copied().filter(|(at, _)| *at <= now) {
            self.expiry.due.remove(&due);
            near.insert(due.1);
        }
        self.judge_watched_under(&near, now);
    }

    fn judge_watched_under(&mut self, prefixes: &BTreeSet<IpNet>, now: Timestamp) {
        if self.watch.is_empty() || prefixes.is_empty() {
            return;
        }
        let under = prefixes.iter().flat_map(|prefix| self.rib.under(prefix)).filter(|at| self.is_watched(*at));
        let touched: BTreeSet<_> = under.map(|at| (self.rib.entry(at).prefix, at)).collect();
        for (_, at) in touched {
            for route in self.rib.entry(at).routes.to_vec() {
                let key = (at, route.vantage, route.path_id);
                self.judge(key, route.path, false, now, Cause::Rpki { by_aspa: false }, now);
            }
        }
    }
}
