//! What becomes of the routes of a session that is believed no longer? They stay in the table, so that it is right when the
//! session is believed again; but for those that were misread, which were never routes.

use super::{EndedBy, Shard};
use crate::alert::ReasonCode;
use crate::bgp::Timestamp;
use crate::session::{Cause, Standing};

impl Shard {
    pub(super) fn session_changed(&mut self, standing: Standing, now: Timestamp) {
        let vantage = standing.vantage;
        match standing.set_aside {
            Some(Cause::DecodeDesync) => {
                self.void.insert(vantage);
                self.clear_session(vantage, EndedBy::Cleared(ReasonCode::BadInput), now);
            }
            Some(_) => {}
            None => {
                self.void.remove(&vantage);
                self.tell_session_again(standing, now);
            }
        }
    }

    /// The desk heard nothing of it while it was set aside.
    fn tell_session_again(&mut self, standing: Standing, now: Timestamp) {
        for at in self.rib.held_by(standing.vantage) {
            if self.rib.entry(at).offending == 0 {
                continue;
            }
            for route in self.rib.routes_of(at, standing.vantage) {
                let key = (at, route.vantage, route.path_id);
                for active in self.active.get(&key).cloned().unwrap_or_default() {
                    self.tell_again(key, route.path, (active.class, active.key_as), now);
                }
            }
        }
    }
}
