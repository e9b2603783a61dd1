//! What files say and what the routes show, put together edge by edge.
//!
//! | file | routes | together |
//! |---|---|---|
//! | says it | say the same | sure |
//! | says it | silent, or a mere guess | as the file says; sure unless the file is old |
//! | silent | say it | as the routes say; sure if they are |
//! | is old | are sure of something else | as the routes say, not sure |
//! | is fresh | are sure of something else | complex: no verdict rests on it |
//! | says something | an ASPA says something else | as the ASPA says, not sure |

use super::infer::{Inferred, InferredEdge};
use super::{Edge, FastMap, Relation, Relations};
use crate::alert::{Source, SourceState};
use crate::bgp::Timestamp;
use crate::limits;

/// The name of relations that no file gave.
pub const INFERRED: &str = "inferred";

/// True if the day of the file is too far from the routes, before or after them.
pub fn is_old(source: &Source, at: Timestamp) -> bool {
    source.as_of.is_some_and(|as_of| at.secs_since(as_of).abs() > limits::RELATIONS_STALE_SECS as f64)
}

/// The file and what was inferred, as of then. Either may be without an edge.
pub fn merge(file: &Relations, inferred: Option<&Inferred>, at: Timestamp) -> Relations {
    let is_stale = is_old(&file.source, at);
    let mut edges: FastMap<(u32, u32), Edge> = file.edges.clone();
    if is_stale {
        edges.values_mut().for_each(|edge| edge.is_sure = false);
    }
    for found in inferred.iter().flat_map(|i| &i.edges) {
        let key = (found.ases.0.0, found.ases.1.0);
        let known = edges.get(&key).copied();
        edges.insert(key, together(known, found, is_stale));
    }
    let clique = match (file.clique.is_empty(), inferred) {
        (true, Some(inferred)) => inferred.clique.clone(),
        _ => file.clique.clone(),
    };
    let source = source(file, inferred.is_some(), is_stale, at);
    Relations::of_edges(source, edges, clique, file.organisations.clone(), file.ixps.clone())
}

fn together(file: Option<Edge>, routes: &InferredEdge, is_stale: bool) -> Edge {
    let shown = Edge { relation: routes.relation, is_sure: routes.is_sure && routes.relation != Relation::Complex };
    let Some(file) = file else { return shown };
    // Neither shows in routes: one organisation, and two relations at once.
    if matches!(file.relation, Relation::Sibling | Relation::Complex) {
        return file;
    }
    if file.relation == shown.relation {
        return Edge { is_sure: file.is_sure || shown.is_sure, ..file };
    }
    if routes.is_signed || (is_stale && routes.is_sure) {
        return Edge { is_sure: false, ..shown };
    }
    if !routes.is_sure {
        return file;
    }
    Edge { relation: Relation::Complex, is_sure: false }
}

fn source(file: &Relations, is_inferred: bool, is_stale: bool, at: Timestamp) -> Source {
    let has_file = file.source.state != SourceState::None;
    if !has_file && !is_inferred {
        return Source::none();
    }
    if !has_file {
        return Source { name: INFERRED.into(), serial: None, as_of: Some(at), state: SourceState::Fresh };
    }
    let name =
        if is_inferred { format!("{} and {INFERRED}", file.source.name).into() } else { file.source.name.clone() };
    let state = if is_stale { SourceState::Stale } else { file.source.state };
    Source { name, serial: file.source.serial, as_of: file.source.as_of, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::Asn;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_secs(1_600_000_000 + day * DAY)
    }

    fn file(relation: Relation) -> Relations {
        let source = Source { name: "file".into(), serial: None, as_of: Some(at(0)), state: SourceState::Fresh };
        Relations::new(source, [(Asn(64496), Asn(64500), relation)], Vec::new(), Vec::new(), Vec::new())
    }

    fn routes(relation: Relation, is_sure: bool, is_signed: bool) -> Inferred {
        let edge = InferredEdge { ases: (Asn(64496), Asn(64500)), relation, is_sure, is_signed };
        Inferred { edges: vec![edge], clique: Vec::new() }
    }

    #[test]
    fn agreement_is_sure_and_contradiction_or_age_weakens() {
        use Relation::{Complex, Customer, LateralPeer, Provider, Sibling};
        let old = limits::RELATIONS_STALE_SECS / DAY + 1;
        let (sure, guess, signed) = ((true, false), (false, false), (true, true));
        for (file_says, day, routes_say, (is_sure, is_signed), together, is_sure_together) in [
            (Customer, 0, Customer, guess, Customer, true),
            (Customer, old, Customer, guess, Customer, false),
            (Customer, old, Customer, sure, Customer, true),
            (Customer, 0, LateralPeer, guess, Customer, true),
            (Customer, 0, LateralPeer, sure, Complex, false),
            (Customer, old, LateralPeer, sure, LateralPeer, false),
            (Customer, old, LateralPeer, guess, Customer, false),
            (Customer, 0, Provider, signed, Provider, false),
            (Sibling, 0, Provider, sure, Sibling, true),
        ] {
            let merged = merge(&file(file_says), Some(&routes(routes_say, is_sure, is_signed)), at(day));
            let edge = merged.edge(Asn(64496), Asn(64500)).expect("an edge");
            assert_eq!(
                (edge.relation, edge.is_sure),
                (together, is_sure_together),
                "{file_says:?} of {day} days, routes {routes_say:?} {is_sure} {is_signed}"
            );
        }
    }

    #[test]
    fn the_source_says_where_it_is_from_and_whether_it_is_old() {
        let said = |r: &Relations| (r.source.name.to_string(), r.source.state);
        let inferred = routes(Relation::Customer, true, false);
        let alone = merge(&Relations::none(), Some(&inferred), at(9));
        assert_eq!(said(&alone), ("inferred".into(), SourceState::Fresh));
        assert_eq!(alone.source.as_of, Some(at(9)));
        let both = merge(&file(Relation::Customer), Some(&inferred), at(1));
        assert_eq!(said(&both), ("file and inferred".into(), SourceState::Fresh));
        let old = merge(&file(Relation::Customer), None, at(1_000));
        assert_eq!((said(&old), old.source.as_of), (("file".into(), SourceState::Stale), Some(at(0))));
        assert!(!old.is_sure(Asn(64500), Asn(64496)) && old.between(Asn(64500), Asn(64496)).is_some());
        assert_eq!(said(&merge(&Relations::none(), None, at(1))), said(&Relations::none()));
        // A file of the future is as wrong about these routes as an old one.
        assert_eq!(said(&merge(&file(Relation::Customer), None, at(-1_000))).1, SourceState::Stale);
    }
}
