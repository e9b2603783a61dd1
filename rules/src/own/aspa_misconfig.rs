//! ASPA misconfiguration: what a watched network signed of its providers is not what is seen, or makes no sense
//! (draft-ietf-sidrops-aspa-verification section 4 and draft-ietf-sidrops-aspa-profile section 3).
//!
//! * A neighbor that the ASPA lacks gives the route to its own provider or lateral peer, as a provider does, and did so
//!   before the dump already. A lateral peer that begins to do so leaks instead (S 4.3), and that is told as a leak: which of
//!   the two it is, the desk knows.
//! * AS0 says that there is no provider, so beside others it says nothing.
//! * Nobody is its own provider.
//!
//! Networks that verify paths will drop the route one day. Nobody is a suspect: it is a line on the list of the holder.

use smallvec::SmallVec;

use crate::alert::{AspaState, Class};
use crate::baseline::Adjacency;
use crate::bgp::Asn;
use crate::finding::{Code, Finding};
use crate::hijack::Scene;
use crate::own::Own;
use crate::relations::Relation;
use crate::rpki::Authorized;

pub fn check(scene: &Scene<'_>, own: &Own, out: &mut Vec<Finding>) {
    let Some(providers) = scene.aspas.providers_of(own.origin_as) else { return };
    let mut codes: SmallVec<[Code; 8]> = SmallVec::new();
    if providers.contains(&Asn(0)) && providers.len() > 1 {
        codes.push(Code::AspaNamesAs0);
    }
    if providers.contains(&own.origin_as) {
        codes.push(Code::AspaNamesItself);
    }
    if codes.is_empty() && lacks_provider(scene) {
        codes.push(Code::AspaLacksProvider);
    }
    if !codes.is_empty() {
        let rov = scene.rov_proof(Some(own.origin_as), scene.expected().as_ref());
        out.push(own.finding(scene, Class::AspaMisconfig, rov, codes));
    }
}

/// The neighbor is not listed and gives the route on to somebody who is no customer of its own.
fn lacks_provider(scene: &Scene<'_>) -> bool {
    let [.., to, neighbor, _] = scene.path.hops[..] else { return false };
    let Some(adjacency) = scene.path.adjacency().filter(|a| a.neighbor == neighbor) else { return false };
    if scene.path.proofs.aspa.verdict == AspaState::Valid || scene.relations.is_route_server(neighbor) {
        return false;
    }
    let Adjacency { origin_as, .. } = adjacency;
    let is_denied = scene.aspas.authorized(origin_as, neighbor) == Authorized::NotProviderPlus;
    is_denied && is_no_customer(scene, to, neighbor)
}

/// `to` signed that `of` is no provider of its, or relations know what else it is.
fn is_no_customer(scene: &Scene<'_>, to: Asn, of: Asn) -> bool {
    match scene.aspas.authorized(to, of) {
        Authorized::ProviderPlus => false,
        Authorized::NotProviderPlus => true,
        Authorized::NoAttestation => {
            matches!(scene.relations.between(of, to), Some(Relation::Provider | Relation::LateralPeer))
        }
    }
}
