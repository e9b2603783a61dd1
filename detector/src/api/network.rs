//! What does an AS announce, who stands next to it, and what happened to it?

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use rules::alert::RovState;
use rules::bgp::Asn;
use rules::relations::{Relation, Relations};
use rules::shard::network::{Announced, MOST};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::filter;
use super::lookup::PATIENCE;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::alert::from_json;
use crate::http::Site;
use crate::store::history::Question;
use crate::text;

/// ASes of one list.
const ASES: usize = 256;
/// Incidents of one list; the filters `suspect` and `victim` find all.
const INCIDENTS: usize = 20;

/// An AS as it is seen now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Network)]
pub struct Network {
    pub asn: u32,
    /// What it is called and where its organisation is registered, by `relations.siblings`; null where that does not say.
    pub name: Option<String>,
    pub country: Option<String>,
    /// What is normal is not known yet.
    pub learning: bool,
    /// Prefixes it is the origin of, in their order; at most 1000.
    pub prefixes: Vec<Announcement>,
    pub prefix_count: usize,
    pub route_count: usize,
    /// Prefixes by what ROAs say of its being their origin.
    pub rov: RovSums,
    /// The ASes next to it on the way of these prefixes, those with most routes first; at most 256.
    pub neighbors: Vec<NextTo>,
    pub neighbor_count: usize,
    /// Providers that its ASPA lists; null: it has none, or ASPAs cannot be evaluated.
    pub aspa_providers: Option<Vec<u32>>,
    /// What it is known to be to others.
    pub relations: Known,
    /// Incidents, those first that began last; at most 20 of each.
    pub suspect_of: Vec<Incident>,
    pub victim_of: Vec<Incident>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Announcement {
    pub prefix: String,
    /// valid, invalid, not_found or not_evaluated.
    pub rov: &'static str,
    pub routes: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RovSums {
    pub valid: usize,
    pub invalid: usize,
    pub not_found: usize,
    pub not_evaluated: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NextTo {
    pub asn: u32,
    pub routes: usize,
    /// What that AS is to it: provider, customer, peer, sibling, unclear (sources contradict) or null.
    pub relation: Option<&'static str>,
}

/// At most 256 of each, ascending.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = KnownRelations)]
pub struct Known {
    pub providers: Vec<u32>,
    pub customers: Vec<u32>,
    pub peers: Vec<u32>,
    pub siblings: Vec<u32>,
    pub provider_count: usize,
    pub customer_count: usize,
    pub peer_count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentInShort)]
pub struct Incident {
    pub id: String,
    pub class: &'static str,
    pub severity: &'static str,
    pub status: &'static str,
    #[schema(format = "date-time")]
    pub started: String,
    pub title: String,
}

/// An AS as it is seen now: what it announces, who stands next to it, its ASPA, its relations and its incidents
#[utoipa::path(get, path = "/api/v1/as/{asn}", operation_id = "as", tag = "lookups",
    params(("asn" = String, Path, description = "An AS number, with or without \"AS\"", example = "64496")),
    responses(
        (status = 200, description = "As of this moment; the prefixes as they were looked through, some seconds at most",
         body = Network),
        (status = 400, description = "It is no AS number", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The engine has no time, or the store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn network(
    State(site): State<Site>,
    Path(asked): Path<String>,
    given: Parameters,
) -> Result<Json<Network>, Problem> {
    given.finish()?;
    let asn = filter::read_asn(&asked).ok_or_else(|| Problem::parameter("asn", &asked, filter::ASN))?;
    look_up(&site, asn).await.map(Json)
}

/// The same for whoever shows it.
pub async fn look_up(site: &Site, asn: Asn) -> Result<Network, Problem> {
    let of = |question| incidents(site, question);
    let suspect_of = of(Question { suspect: Some(asn), ..Question::default() }).await?;
    let victim_of = of(Question { victim: Some(asn), ..Question::default() }).await?;
    let busy = || Problem::busy("the engine has no time; ask again later");
    let turn = tokio::time::timeout(PATIENCE, site.table_lookups.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(busy()) };
    let found = announced(site, asn).await.ok_or_else(busy)?;
    let asked = move |shard: &rules::shard::Shard| {
        let providers = shard.aspa_of(asn).map(|list| list.iter().map(|asn| asn.0).collect::<Vec<u32>>());
        (shard.relations().clone(), providers)
    };
    let answers = tokio::time::timeout(PATIENCE, site.questions.ask(asked)).await;
    let (relations, aspa_providers) = answers.ok().flatten().and_then(|all| all.into_iter().next()).ok_or_else(busy)?;
    let known = related(relations.clone(), asn).await;
    let mut neighbors: Vec<_> = found.neighbors.into_iter().collect();
    neighbors.sort_by_key(|(neighbor, routes)| (Reverse(*routes), *neighbor));
    let neighbor_count = neighbors.len();
    let next_to = |(neighbor, routes): (Asn, usize)| NextTo {
        asn: neighbor.0,
        routes,
        relation: relations.between(asn, neighbor).map(word),
    };
    let called = site.names.of(asn);
    let sum = |state| found.rov.get(&state).copied().unwrap_or_default();
    Ok(Network {
        asn: asn.0,
        name: called.and_then(|called| called.name.as_deref()).map(|name| text::plain(name, 64)),
        country: called.and_then(|called| called.country.as_deref()).map(str::to_owned),
        learning: site.questions.is_learning(),
        prefixes: found
            .prefixes
            .iter()
            .map(|p| Announcement { prefix: p.prefix.to_string(), rov: p.rov.word(), routes: p.routes })
            .collect(),
        prefix_count: found.prefix_count,
        route_count: found.route_count,
        rov: RovSums {
            valid: sum(RovState::Valid),
            invalid: sum(RovState::Invalid),
            not_found: sum(RovState::NotFound),
            not_evaluated: sum(RovState::NotEvaluated),
        },
        neighbors: neighbors.into_iter().take(ASES).map(next_to).collect(),
        neighbor_count,
        aspa_providers,
        relations: known,
        suspect_of,
        victim_of,
    })
}

/// Step by step through every shard; none if that takes too long.
async fn announced(site: &Site, asn: Asn) -> Option<Announced> {
    let until = Instant::now() + PATIENCE;
    let mut all = Announced::default();
    // Where each shard goes on; it is asked for nothing more once it is through.
    let mut places: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    loop {
        let asked = Arc::new(places.clone());
        let step = move |shard: &rules::shard::Shard| {
            let place = asked.get(&shard.index()).copied().unwrap_or(Some(0));
            (shard.index(), place.map(|from| shard.announced_by(asn, from)))
        };
        for (shard, found) in timeout_at(until, site.questions.ask(step)).await.ok()?? {
            let Some(found) = found else { continue };
            places.insert(shard, found.next);
            all.prefixes.extend(found.prefixes);
            all.prefix_count += found.prefix_count;
            all.route_count += found.route_count;
            found.rov.into_iter().for_each(|(state, n)| *all.rov.entry(state).or_default() += n);
            found.neighbors.into_iter().for_each(|(asn, n)| *all.neighbors.entry(asn).or_default() += n);
        }
        all.prefixes.sort_unstable();
        all.prefixes.truncate(MOST);
        if places.values().all(Option::is_none) {
            return Some(all);
        }
    }
}

/// Half a million edges may have to be looked through.
async fn related(relations: Arc<Relations>, asn: Asn) -> Known {
    let look = move || {
        let mut known = Known::default();
        for (one, other, relation) in relations.edges() {
            let (other, relation) = match (one == asn, other == asn) {
                (true, _) => (other, relation),
                (_, true) => (one, relation.reversed()),
                _ => continue,
            };
            let (list, count) = match relation {
                Relation::Provider => (&mut known.providers, &mut known.provider_count),
                Relation::Customer => (&mut known.customers, &mut known.customer_count),
                Relation::LateralPeer => (&mut known.peers, &mut known.peer_count),
                Relation::Sibling | Relation::Complex => continue,
            };
            *count += 1;
            list.push(other.0);
        }
        let group = relations.siblings().into_iter().find(|group| group.contains(&asn)).unwrap_or_default();
        known.siblings = group.into_iter().filter(|other| *other != asn).map(|other| other.0).collect();
        for list in [&mut known.providers, &mut known.customers, &mut known.peers, &mut known.siblings] {
            list.sort_unstable();
            list.truncate(ASES);
        }
        known
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// What the other is to the AS.
fn word(relation: Relation) -> &'static str {
    match relation {
        Relation::Provider => "provider",
        Relation::Customer => "customer",
        Relation::LateralPeer => "peer",
        Relation::Sibling => "sibling",
        Relation::Complex => "unclear",
    }
}

async fn incidents(site: &Site, question: Question) -> Result<Vec<Incident>, Problem> {
    let found = site.store.find(question, None, INCIDENTS).await?;
    let alerts = found.alerts.iter().filter_map(|sent| from_json(&sent.json).ok());
    let short = alerts.map(|alert| Incident {
        class: alert.class.word(),
        severity: alert.severity.word(),
        status: alert.status.word(),
        started: alert.started.to_string(),
        title: text::plain(&alert.title, rules::limits::TITLE),
        id: alert.id,
    });
    Ok(short.collect())
}
