//! What may be forgotten, so that limits count what lives and not what ever was?
//!
//! Offences and incidents stand in lists, and everything else names them by their place. Now and then the lists close
//! up: what is over and can neither go on nor be reopened goes, and all others move up in their order. When that happens is
//! decided by the events alone, so the same events give the same alerts.

use super::Desk;
use super::incident::{IncidentRef, Offence, OffenceRef};
use crate::alert::Status;
use crate::bgp::Timestamp;
use crate::limits;

/// The lists are looked through again when they are as long as this.
pub(super) struct Room {
    offences: usize,
    incidents: usize,
    not_before: Timestamp,
    is_eager: bool,
}

/// Lists this short are left alone: 64 Ki offences of 400 bytes are 26 MB.
const FEW: Room = Room { offences: 65_536, incidents: 8_192, not_before: Timestamp::MIN, is_eager: false };
/// Looking through the longest lists takes a tenth of a second, so a full desk does it once a minute.
const AGAIN_SECS: i64 = 60;

impl Default for Room {
    fn default() -> Self {
        FEW
    }
}

/// Where everything of a list stands now; none for what is gone.
pub(super) struct Places(Vec<Option<u32>>);

impl Places {
    fn of(kept: impl Iterator<Item = bool>) -> Self {
        let mut next = 0;
        let place = |is_kept: bool| {
            let place = is_kept.then_some(next);
            next += u32::from(is_kept);
            place
        };
        Self(kept.map(place).collect())
    }

    pub fn offence(&self, at: OffenceRef) -> Option<OffenceRef> {
        self.0[at.0 as usize].map(OffenceRef)
    }

    pub fn incident(&self, at: IncidentRef) -> Option<IncidentRef> {
        self.0[at.0 as usize].map(IncidentRef)
    }

    fn close_up<T>(&self, list: &mut Vec<T>) {
        let kept = std::mem::take(list).into_iter().zip(&self.0).filter(|(_, place)| place.is_some());
        *list = kept.map(|(entry, _)| entry).collect();
    }
}

impl Desk {
    /// Forgets whenever it can, not when it must: for the law that this changes nothing.
    pub fn forget_eagerly(&mut self) {
        self.room.is_eager = true;
    }

    /// To be called between events only: whoever holds a place must give it up.
    pub(super) fn forget_what_is_over(&mut self) {
        let is_long = self.offences.len() >= self.room.offences || self.incidents.len() >= self.room.incidents;
        if !self.room.is_eager && (!is_long || self.now < self.room.not_before) {
            return;
        }
        let is_kept = self.incidents_to_keep();
        let stands = |o: &Offence| o.incident.map_or(is_held_or_awaited(o), |i| is_kept[i.0 as usize]);
        let offences = Places::of(self.offences.iter().map(stands));
        let incidents = Places::of(is_kept.iter().copied());
        offences.close_up(&mut self.offences);
        incidents.close_up(&mut self.incidents);
        self.move_up(&offences, &incidents);
        self.untold_routes = self.offences.iter().map(|offence| offence.record.untold()).sum();
        self.room = Room {
            offences: (2 * self.offences.len()).clamp(FEW.offences, limits::OFFENCES),
            incidents: (2 * self.incidents.len()).clamp(FEW.incidents, limits::INCIDENTS),
            not_before: self.now.plus_secs(AGAIN_SECS),
            is_eager: self.room.is_eager,
        };
    }

    fn incidents_to_keep(&self) -> Vec<bool> {
        let count = u32::try_from(self.incidents.len()).unwrap_or(u32::MAX);
        let mut kept: Vec<bool> = (0..count).map(|i| !self.is_forgotten(IncidentRef(i))).collect();
        for offence in self.offences.iter().filter(|offence| is_held_or_awaited(offence)) {
            if let Some(incident) = offence.incident {
                kept[incident.0 as usize] = true;
            }
        }
        kept
    }

    fn move_up(&mut self, offences: &Places, incidents: &Places) {
        for offence in &mut self.offences {
            offence.incident = offence.incident.and_then(|at| incidents.incident(at));
        }
        for incident in &mut self.incidents {
            incident.offences = incident.offences.iter().filter_map(|at| offences.offence(*at)).collect();
            incident.best = offences.offence(incident.best).unwrap_or_default();
        }
        self.by_key.retain(|_, at| offences.offence(*at).map(|place| *at = place).is_some());
        self.stories.retain(|_, stories| {
            *stories = stories.iter().filter_map(|at| incidents.incident(*at)).collect();
            !stories.is_empty()
        });
        self.waiting.retain(|_, members| {
            *members = members.iter().filter_map(|at| offences.offence(*at)).collect();
            !members.is_empty()
        });
        self.awaited.retain(|_, waiting| {
            *waiting = waiting.iter().filter_map(|at| offences.offence(*at)).collect();
            !waiting.is_empty()
        });
        self.left_out = self.left_out.iter().filter_map(|at| incidents.incident(*at)).collect();
        self.dirty = self.dirty.iter().filter_map(|at| incidents.incident(*at)).collect();
        self.timers = std::mem::take(&mut self.timers).moved_up(offences, incidents);
    }

    /// Whatever of it still stands in the lists: what may go counts as gone.
    pub(super) fn is_still_known(&self, at: IncidentRef) -> bool {
        !self.is_forgotten(at) || self.stands(at)
    }

    fn stands(&self, at: IncidentRef) -> bool {
        self.incidents[at.0 as usize].offences.iter().any(|o| is_held_or_awaited(&self.offences[o.0 as usize]))
    }

    /// It became normal after 30 days, and stands: not news again, also after a restart.
    pub(super) fn is_normal(&self, at: IncidentRef) -> bool {
        self.incidents[at.0 as usize].status == Status::Resolved && self.stands(at)
    }
}

fn is_held_or_awaited(offence: &Offence) -> bool {
    offence.is_active() || !offence.lost.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::{Asn, Nlri, Nlris, PathAttributes, Update, VantageId, VantagePoint};
    use crate::desk::{Recording, Settings};
    use crate::event::{Event, Stamped};
    use crate::shard::{KeyRange, Keyed, Shard};
    use std::sync::Arc;

    /// Hijacks by many ASes that come and go, one an hour; how long the lists are at the end.
    fn held_after(hijacks: u32, mut desk: Desk) -> (usize, usize, usize) {
        let mut shard = Shard::new(KeyRange { index: 0, count: 1 });
        let mut events: Vec<(i64, Event)> = Vec::new();
        let update = |peer: u32, secs: i64, path: &str, announce: bool| {
            let nlri = Nlris::from([Nlri { prefix: "192.0.2.0/24".parse().expect("a prefix"), path_id: 0 }]);
            let (announced, withdrawn) = if announce { (nlri, Nlris::new()) } else { (Nlris::new(), nlri) };
            let as_path = format!("{} 64510 {path}", 64_500 + peer).parse().expect("a path");
            let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
            Update { vantage: VantageId(peer), seen: Timestamp::from_secs(secs), withdrawn, announced, attributes }
        };
        for peer in 0..3 {
            let peer_address = [192, 0, 2, peer as u8].into();
            let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(64_500 + peer), peer_address };
            events.push((0, Event::Vantage(VantageId(peer), Arc::new(point))));
            events.push((0, Event::Seed(update(peer, 0, "64496", true))));
        }
        events.push((1, Event::SeedDone { as_of: Timestamp::from_secs(1) }));
        for i in 0..hijacks {
            let begin = 7_200 * i64::from(i + 1);
            let attacker = (65_600 + i).to_string();
            let told = (0..2).map(|peer| (begin, Event::Update(update(peer, begin, &attacker, true))));
            events.extend(told);
            events.push((begin + 60, Event::Tick));
            let back = (0..2).map(|peer| (begin + 90, Event::Update(update(peer, begin + 90, "64496", true))));
            events.extend(back);
            events.push((begin + 7_100, Event::Tick));
        }
        for (seq, (at, event)) in (0..).zip(events) {
            let stamped = Stamped { seq, at: Timestamp::from_secs(at), event };
            let mut reports = Vec::new();
            shard.handle(&stamped, &mut reports);
            reports.sort_by(Keyed::order);
            desk.begin(&stamped);
            reports.iter().for_each(|keyed| desk.report(&keyed.report));
            desk.finish(&stamped);
        }
        (desk.offences.len(), desk.incidents.len(), desk.by_key.len())
    }

    #[test]
    fn the_lists_hold_what_lives_and_not_what_ever_was() {
        let room = |offences| Room { offences, ..FEW };
        let desk = |room| Desk { room, ..Desk::new(Settings::default(), Recording::Off) };
        let (offences, incidents, _) = held_after(20, desk(FEW));
        assert!(offences >= 20 && incidents == 20, "without need nothing is thrown away: {offences} {incidents}");
        let (offences, incidents, keys) = held_after(20, desk(room(20)));
        assert!(offences < 20 && incidents < 20 && keys == offences, "{offences} {incidents} {keys}");
        let mut eager = desk(FEW);
        eager.forget_eagerly();
        // The last story is within the window in which it may be reopened, or a moment beyond.
        let (offences, incidents, _) = held_after(20, eager);
        assert!(offences <= 1 && incidents <= 1, "{offences} {incidents}");
    }
}
