//! ROA expiring: the route of a watched network is Valid, and will not be once its ROA ends by itself.
//!
//! Only the end of the ROA's own certificate counts (`notAfter`, in Routinator's `jsonext`). What rpki-client gives as
//! `expires` is the end of the whole chain, hours ahead and renewed all the time by whoever runs the repository: no fact
//! about the ROA, so it is not asked. While one of several ROAs allows the route for longer, nothing is told.

use crate::alert::{Class, RovState};
use crate::bgp::Timestamp;
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::limits;
use crate::own::Own;

pub fn check(scene: &Scene<'_>, own: &Own, out: &mut Vec<Finding>) {
    if !scene.rpki_usable || scene.roa_ends.is_empty() || scene.attributes.blackhole {
        return;
    }
    let matching = scene.vrps.covering(scene.prefix()).filter(|vrp| vrp.matches(scene.prefix(), Some(own.origin_as)));
    let ends: Option<Vec<Timestamp>> = matching.map(|vrp| scene.roa_ends.end_of(vrp)).collect();
    let Some(last) = ends.and_then(|ends| ends.into_iter().max()) else { return };
    if last > scene.now.plus_secs(limits::ROA_EXPIRING_SECS) {
        return;
    }
    let rov = scene.rov_proof(Some(own.origin_as), scene.expected().as_ref());
    if rov.state == RovState::Valid {
        out.push(own.finding(scene, Class::RoaExpiring, rov, smallvec::smallvec![Code::RoaExpiring]));
    }
}
