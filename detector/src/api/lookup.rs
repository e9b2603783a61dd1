//! What is announced at a prefix, around it and inside it? Asked of the engine, between two batches.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ipnet::IpNet;
use rules::bgp::Asn;
use rules::shard::lookup::{Lookup, MOST, Nearby};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::filter;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::app::now;
use crate::http::Site;
use crate::text;

/// The engine answers between two batches, and at least once a second.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A prefix as it is announced now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Prefix {
    pub prefix: String,
    /// What is normal is not known yet.
    pub learning: bool,
    pub origins: Vec<Origin>,
    /// Origins that count as normal here.
    pub normal_origins: Vec<u32>,
    /// At most 1000, by session.
    pub routes: Vec<Route>,
    pub route_count: usize,
    /// What covers it, least specific first.
    pub covering: Vec<Neighbor>,
    /// What lies inside, in prefix order; at most 1000.
    pub inside: Vec<Neighbor>,
    pub has_more_inside: bool,
    /// VRPs that cover it.
    pub vrps: Vec<Vrp>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Origin {
    /// Null: the path ends in an AS_SET.
    pub asn: Option<u32>,
    /// valid, invalid, not_found or not_evaluated.
    pub rov: &'static str,
    pub routes: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Route {
    /// Null for a session that is not known by name.
    pub collector: Option<String>,
    pub peer_as: u32,
    pub peer_address: Option<String>,
    /// 0 without ADD-PATH.
    pub path_id: u32,
    /// In wire order, as received.
    pub as_path: String,
    pub origin_as: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbor {
    pub prefix: String,
    pub origins: Vec<u32>,
    pub routes: usize,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoveringVrp)]
pub struct Vrp {
    pub prefix: String,
    pub max_length: u8,
    pub asn: u32,
    pub source: String,
}

/// A prefix as it is announced now: routes, origins with ROV, what is normal, what covers it and lies inside
#[utoipa::path(get, path = "/api/v1/prefix", tag = "lookups",
    params(("prefix" = String, Query, description = "A prefix or an address", example = "192.0.2.0/24")),
    responses(
        (status = 200, description = "As of this moment", body = Prefix),
        (status = 400, description = "A parameter cannot be read; it is named", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The engine has no time", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn prefix(State(site): State<Site>, mut given: Parameters) -> Result<Json<Prefix>, Problem> {
    let asked = given.take("prefix").unwrap_or_default();
    given.finish()?;
    look_up(&site, &asked).await.map(Json)
}

/// Asks what is announced at `asked`.
pub async fn look_up(site: &Site, asked: &str) -> Result<Prefix, Problem> {
    let prefix = filter::read_prefix(asked).ok_or_else(|| Problem::parameter("prefix", asked, filter::PREFIX))?;
    let answers = timeout(PATIENCE, site.questions.ask(move |shard| shard.lookup(&prefix, now()))).await;
    let Ok(Some(answers)) = answers else { return Err(Problem::busy("the engine has no time; ask again later")) };
    Ok(shown(prefix, answers, site.questions.is_learning()))
}

/// One shard holds the prefix; of a short one, each may hold something inside.
fn shown(prefix: IpNet, answers: Vec<Lookup>, learning: bool) -> Prefix {
    let mut all = Lookup::default();
    for answer in answers {
        all.inside.extend(answer.inside);
        all.has_more_inside |= answer.has_more_inside;
        all.covering.extend(answer.covering);
        all.vrps.extend(answer.vrps);
        if answer.route_count > 0 || !answer.normal_origins.is_empty() {
            (all.origins, all.routes) = (answer.origins, answer.routes);
            (all.route_count, all.normal_origins) = (answer.route_count, answer.normal_origins);
        }
    }
    all.inside.sort_by_key(|nearby| nearby.prefix);
    all.has_more_inside |= all.inside.len() > MOST;
    all.inside.truncate(MOST);
    let origin = |(asn, origin): &(Option<Asn>, rules::shard::lookup::LookedOrigin)| Origin {
        asn: asn.map(|asn| asn.0),
        rov: origin.rov.word(),
        routes: origin.routes,
    };
    let route = |route: &rules::shard::lookup::LookedRoute| Route {
        collector: route.point.as_ref().map(|point| text::plain(&point.collector, rules::limits::TEXT)),
        peer_as: route.point.as_ref().map_or(0, |point| point.peer_as.0),
        peer_address: route.point.as_ref().map(|point| point.peer_address.to_string()),
        path_id: route.path_id,
        as_path: text::path(&route.as_path, rules::limits::PATH_TEXT),
        origin_as: route.origin_as.map(|asn| asn.0),
    };
    let vrp = |vrp: &rules::rpki::Vrp| Vrp {
        prefix: vrp.prefix.to_string(),
        max_length: vrp.max_length,
        asn: vrp.asn.0,
        source: text::plain(&vrp.source, 64),
    };
    Prefix {
        prefix: prefix.to_string(),
        learning,
        origins: all.origins.iter().map(origin).collect(),
        normal_origins: numbers(&all.normal_origins),
        routes: all.routes.iter().map(route).collect(),
        route_count: all.route_count,
        covering: all.covering.iter().map(neighbor).collect(),
        inside: all.inside.iter().map(neighbor).collect(),
        has_more_inside: all.has_more_inside,
        vrps: all.vrps.iter().map(vrp).collect(),
    }
}

fn neighbor(nearby: &Nearby) -> Neighbor {
    Neighbor { prefix: nearby.prefix.to_string(), origins: numbers(&nearby.origins), routes: nearby.routes }
}

fn numbers(ases: &[Asn]) -> Vec<u32> {
    ases.iter().map(|asn| asn.0).collect()
}
