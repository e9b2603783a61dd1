//! A day in a world: what everybody knows in the morning, and what the sessions hear from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::{Alert, Source, SourceState};
use rules::bgp::{AsPath, Asn, Family, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::desk::{Output, Settings, Suppressed};
use rules::engine::Engine;
use rules::event::Event;
use rules::relations::{Relation, Relations};
use rules::rpki::{Delta, Vrp};
use rules::session::Cause;
use rules::stamp::Stamper;
use rules::testing::world::{Dice, START};
use rules::watch::{Constituent, Resource, Watch};

use super::graph::{Graph, Node, Routes};

/// An engine and a clock, fed by what sessions hear. Events are judged at once, so that no day is too long to hold.
pub struct Day {
    engine: Engine,
    stamper: Stamper,
    pub now: Timestamp,
    pub alerts: Vec<Arc<Alert>>,
    pub updates: usize,
    /// What each session holds, by prefix and session, in the words of the graph.
    held: BTreeMap<(IpNet, usize), Vec<Asn>>,
}

impl Day {
    /// The morning: relations, RPKI, and a dump of all sessions. `missing` of 100 edges, ASPAs and ROAs are not there.
    pub fn new(graph: &Graph, missing: usize, dice: &mut Dice) -> Self {
        Self::with_shards(graph, missing, dice, 1)
    }

    pub fn with_shards(graph: &Graph, missing: usize, dice: &mut Dice, shards: usize) -> Self {
        let mut day = Self {
            engine: Engine::with_shards(Settings::default(), shards),
            stamper: Stamper::default(),
            now: START,
            alerts: Vec::new(),
            updates: 0,
            held: BTreeMap::new(),
        };
        for (i, (node, _)) in graph.vantage.iter().enumerate() {
            let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, i as u8));
            let collector = format!("rrc{:02}", i % 20).into();
            let point = VantagePoint { collector, peer_as: graph.ases[*node], peer_address };
            day.say(Event::Vantage(VantageId(i as u32), Arc::new(point)));
        }
        day.say(Event::Relations(Arc::new(relations(graph, missing, dice))));
        day.say(Event::Rpki(Arc::new(rpki(graph, missing, dice))));
        for (i, (prefix, holder)) in graph.prefixes.iter().enumerate() {
            let routes = graph.spread(&[vec![*holder]], i, None);
            for session in 0..graph.vantage.len() {
                let Some(path) = graph.heard(session, &routes) else { continue };
                let path = graph.written(&path);
                let seed = update(session, *prefix, Some(&path), START);
                day.held.insert((*prefix, session), path);
                day.say(Event::Seed(seed));
            }
        }
        day.say(Event::SeedDone { as_of: START });
        day.wait(3_600);
        day
    }

    fn say(&mut self, event: Event) {
        let mut stamped = Vec::new();
        self.stamper.push(self.now, event, &mut stamped);
        for s in &stamped {
            let outputs = self.engine.handle(s).into_iter();
            self.alerts.extend(outputs.filter_map(|o| if let Output::Alert(alert) = o { Some(alert) } else { None }));
        }
    }

    /// Time passes; what falls due on the way is told at its time.
    pub fn wait(&mut self, secs: i64) {
        self.now = self.now.plus_secs(secs);
        self.say(Event::Tick);
    }

    /// A session hears of a prefix: a path or none. What it held already is not said again.
    pub fn hear(&mut self, session: usize, prefix: IpNet, path: Option<Vec<Asn>>) {
        if self.held.get(&(prefix, session)) == path.as_ref() {
            return;
        }
        let event = Event::Update(update(session, prefix, path.as_deref(), self.now));
        match path {
            Some(path) => self.held.insert((prefix, session), path),
            None => self.held.remove(&(prefix, session)),
        };
        self.updates += 1;
        self.say(event);
        // Routes arrive over some time: convergence.
        self.now = Timestamp(self.now.0 + 20_000);
    }

    /// These networks are watched: a constituent each, by its holder and what it is to be seen as.
    pub fn watch(&mut self, graph: &Graph, prefixes: &[usize]) {
        let constituent = |i: &usize| {
            let (prefix, holder) = graph.prefixes[*i];
            let expected_origins = vec![graph.ases[holder]];
            let resource = Resource { prefix, expected_origins, upstreams: Vec::new(), max_length: None };
            Constituent { name: prefix.to_string().into(), resources: vec![resource], ..Constituent::default() }
        };
        let watch = Watch::new(prefixes.iter().map(constituent).collect());
        self.say(Event::Watch(Arc::new(watch)));
    }

    pub fn peer_down(&mut self, session: usize) {
        self.say(Event::PeerDown { vantage: VantageId(session as u32), seen: self.now });
    }

    /// The session comes up and sends its table as it was.
    pub fn peer_up(&mut self, session: usize) {
        let vantage = VantageId(session as u32);
        self.say(Event::PeerUp { vantage, seen: self.now });
        self.send_table(session);
        self.say(Event::EndOfRib { vantage, family: Family::Ipv4 });
    }

    /// All that the session holds, once more.
    pub fn send_table(&mut self, session: usize) {
        let held = self.held.iter().filter(|((_, s), _)| *s == session);
        let table: Vec<Event> =
            held.map(|((p, s), path)| Event::Update(update(*s, *p, Some(path), self.now))).collect();
        self.updates += table.len();
        table.into_iter().for_each(|event| self.say(event));
    }

    /// Sessions of which nothing is believed without others, now.
    pub fn set_aside(&self) -> Vec<(usize, Cause)> {
        self.engine.desk().quarantined().into_iter().map(|(vantage, _, cause)| (vantage.0 as usize, cause)).collect()
    }

    /// Findings that were counted and not told, since their sessions are not believed.
    pub fn disbelieved(&self) -> u64 {
        let all = self.engine.desk().suppressed().iter();
        all.filter(|((_, why), _)| *why == Suppressed::Quarantine).map(|(_, count)| count).sum()
    }

    /// One message as it came, whatever the session holds. No path: it only withdraws.
    pub fn send(&mut self, session: usize, announced: impl Into<Nlris>, withdrawn: impl Into<Nlris>, path: &[Asn]) {
        let attributes = PathAttributes { as_path: AsPath::sequence(path.to_vec()), ..PathAttributes::default() };
        let vantage = VantageId(session as u32);
        let (withdrawn, announced) = (withdrawn.into(), announced.into());
        let update = Update { vantage, seen: self.now, withdrawn, announced, attributes: Arc::new(attributes) };
        self.updates += 1;
        self.say(Event::Update(update));
    }

    /// Every session hears what the best routes of a prefix now are, where they are others than before.
    pub fn hear_changes(&mut self, graph: &Graph, prefix: IpNet, before: &Routes, now: &Routes) {
        for session in 0..graph.vantage.len() {
            let path = graph.heard(session, now);
            if path != graph.heard(session, before) {
                self.hear(session, prefix, path.map(|p| graph.written(&p)));
            }
        }
    }

    /// Every session hears what the best routes of a prefix now are.
    pub fn hear_all(&mut self, graph: &Graph, prefix: IpNet, routes: &Routes) {
        for session in 0..graph.vantage.len() {
            let path = graph.heard(session, routes).map(|p| graph.written(&p));
            self.hear(session, prefix, path);
        }
    }
}

fn update(session: usize, prefix: IpNet, path: Option<&[Asn]>, seen: Timestamp) -> Update {
    // Every tenth session sends path identifiers.
    let nlri = Nlris::from([Nlri { prefix, path_id: if session % 10 == 9 { 7 } else { 0 } }]);
    let vantage = VantageId(session as u32);
    match path {
        Some(path) => {
            let attributes = PathAttributes { as_path: AsPath::sequence(path.to_vec()), ..Default::default() };
            Update { vantage, seen, withdrawn: Nlris::new(), announced: nlri, attributes: Arc::new(attributes) }
        }
        None => Update { vantage, seen, withdrawn: nlri, announced: Nlris::new(), attributes: Arc::default() },
    }
}

fn fresh(name: &str) -> Source {
    Source { name: name.into(), serial: Some(1), as_of: Some(START), state: SourceState::Fresh }
}

/// The file of relations; hybrid ones stand in it both ways.
fn relations(graph: &Graph, missing: usize, dice: &mut Dice) -> Relations {
    let mut edges = Vec::new();
    for (a, links) in graph.links.iter().enumerate() {
        for link in links.iter().filter(|l| l.to > a) {
            if dice.roll(100) < missing {
                continue;
            }
            let ends = (graph.ases[a], graph.ases[link.to]);
            edges.push((ends.0, ends.1, link.is));
            if link.is_hybrid {
                edges.push((ends.0, ends.1, Relation::LateralPeer));
            }
        }
    }
    let named = |nodes: &[Node]| nodes.iter().map(|n| graph.ases[*n]).collect::<Vec<_>>();
    let siblings = graph.siblings.iter().map(|s| named(&s[..])).collect();
    Relations::new(fresh("relations"), edges, Vec::new(), siblings, graph.route_servers.clone())
}

pub fn rpki(graph: &Graph, missing: usize, dice: &mut Dice) -> Delta {
    let mut vrps = Vec::new();
    for (prefix, holder) in &graph.prefixes {
        if dice.roll(100) < missing {
            continue;
        }
        let sibling = graph.siblings.iter().find(|s| s.contains(holder));
        let holders: BTreeSet<Node> = sibling.map_or_else(|| [*holder].into(), |s| (*s).into());
        vrps.extend(holders.into_iter().map(|h| Vrp {
            prefix: *prefix,
            max_length: prefix.prefix_len(),
            asn: graph.ases[h],
            source: "world".into(),
        }));
    }
    let mut aspas = BTreeMap::new();
    for (node, links) in graph.links.iter().enumerate() {
        if dice.roll(100) < missing {
            continue;
        }
        // Where a peer is a customer in another place, each has to name the other.
        let providers = links.iter().filter(|l| l.is == Relation::Provider || l.is_hybrid).map(|l| graph.ases[l.to]);
        let mut providers: Vec<Asn> = providers.collect();
        providers.sort_unstable();
        aspas.insert(graph.ases[node], if providers.is_empty() { vec![Asn(0)] } else { providers });
    }
    Delta {
        announced_vrps: vrps,
        withdrawn_vrps: Vec::new(),
        announced_aspas: aspas,
        withdrawn_aspas: Vec::new(),
        vrps: fresh("vrps"),
        aspas: fresh("aspas"),
    }
}
