//! What the record of an incident says of who held what: never more than one route at a time, never one that is not there, and
//! nothing that stays open for ever.

use super::restarts::{interrupted, the_end};
use super::*;
use rules::desk::{RouteNews, RouteRecord};
use rules::testing::run_lives;

/// Incident, prefix, vantage point and path id.
type Place = (Arc<str>, IpNet, Arc<VantagePoint>, u32);

/// The record as somebody would keep it who reads along.
#[derive(Default)]
struct Book {
    held: BTreeMap<Place, RouteRecord>,
    /// Routes that are over.
    over: usize,
    /// A route began where another one was held, over the same path or another one.
    goes_on: usize,
    replaced: usize,
}

impl Book {
    fn of(news: &[RouteNews]) -> Self {
        let mut book = Self::default();
        news.iter().for_each(|news| book.read(news));
        book
    }

    fn read(&mut self, news: &RouteNews) {
        match news {
            RouteNews::Route(route) => {
                let place = (route.incident.clone(), route.prefix, route.point.clone(), route.path_id);
                let held = self.held.remove(&place);
                if let Some(held) = &held {
                    let is_same = held.attributes == route.attributes;
                    self.goes_on += usize::from(route.ended.is_none() && is_same);
                    self.replaced += usize::from(route.ended.is_none() && !is_same);
                    assert!(is_same || route.ended.is_none(), "another route ends than the one that began: {route:?}");
                }
                match route.ended {
                    Some(end) => {
                        assert!(end.seen >= route.started, "{route:?}");
                        self.over += 1;
                    }
                    None => drop(self.held.insert(place, route.clone())),
                }
            }
            RouteNews::Gone { incident, prefix, point, path_id, .. } => {
                let gone = self.held.remove(&(incident.clone(), *prefix, point.clone(), *path_id));
                self.over += usize::from(gone.is_some());
            }
            RouteNews::LeftOut { .. } => {}
        }
    }
}

/// What is lost is not held, and its record says who lost it.
fn is_loss(id: &str, alerts: &[Arc<Alert>]) -> bool {
    alerts.iter().any(|a| a.id == id && a.class == Class::VisibilityLoss)
}

/// Everybody's routes after these events.
fn table(events: &Events) -> BTreeMap<(IpNet, VantageId, u32), Arc<PathAttributes>> {
    let mut table = BTreeMap::new();
    let mut shed = BTreeSet::new();
    for (_, event) in events {
        if event.session().is_some_and(|session| shed.contains(&session)) {
            continue;
        }
        match event {
            Event::Shed(new) => {
                shed.extend(new.sessions.iter().map(|(vantage, _)| *vantage));
                table.retain(|(_, v, _), _| !shed.contains(v));
            }
            Event::Update(u) | Event::Seed(u) => {
                u.withdrawn.iter().for_each(|n| drop(table.remove(&(n.prefix, u.vantage, n.path_id))));
                table.extend(u.announced.iter().map(|n| ((n.prefix, u.vantage, n.path_id), u.attributes.clone())));
            }
            Event::PeerDown { vantage, .. } => table.retain(|(_, v, _), _| v != vantage),
            _ => {}
        }
    }
    table
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn who_is_said_to_hold_a_route_holds_it_and_one_at_a_time(history in a_history_with_sheds(120)) {
        let events = history.events();
        let lived = lived(&events);
        let book = Book::of(&lived.routes);
        prop_assert_eq!((book.goes_on, book.replaced), (0, 0));
        let points: Vec<_> = events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Vantage(id, point) => Some((point.clone(), *id)),
                _ => None,
            })
            .collect();
        let table = table(&events);
        for route in book.held.values().filter(|route| !is_loss(&route.incident, &lived.alerts)) {
            let (_, vantage) = points.iter().find(|(point, _)| *point == route.point).expect("a vantage point");
            let held = table.get(&(route.prefix, *vantage, route.path_id));
            prop_assert_eq!(held, Some(&route.attributes), "{:?}", route);
        }
    }

    #[test]
    fn a_route_is_over_on_record_whenever_the_process_is_killed(
        history in a_history(120), cut in 0.0f64..1.0, shards in 1usize..4,
    ) {
        let mut events = history.events();
        let behind = ((events.len() as f64 * cut) as usize).max(PEERS.len());
        let end = the_end(&events);
        events.extend(end);
        let lived = run_lives(&interrupted(&events, behind), Settings::default(), shards);
        let book = Book::of(&lived.routes);
        let open = book.held.values().find(|route| !is_loss(&route.incident, &lived.alerts));
        prop_assert!(open.is_none(), "{:?}\n{}", open, told(&lived.alerts));
    }
}

#[test]
fn of_every_fault_it_is_on_record_who_held_it_and_what_before() {
    let (mut over, mut with_before) = (0, 0);
    for seed in 0..10 {
        let world = World::new(seed);
        let mut dice = Dice(seed);
        for kind in KINDS {
            let Some(fault) = world.fault(kind, &mut dice) else { continue };
            let heard = world.faulty(&fault);
            if witnesses(&heard).len() < 2 {
                continue;
            }
            let lived = lived(&faulty_day(&world, None, &fault, &heard));
            let book = Book::of(&lived.routes);
            assert!(book.held.is_empty() && book.over >= 2, "seed {seed}: {fault:?} {}", told(&lived.alerts));
            over += book.over;
            let had_one =
                |news: &&RouteNews| matches!(news, RouteNews::Route(r) if r.before.is_some() && r.ended.is_some());
            with_before += lived.routes.iter().filter(had_one).count();
        }
    }
    assert!(over >= 150 && 2 * with_before > over, "{with_before} of {over}");
}
