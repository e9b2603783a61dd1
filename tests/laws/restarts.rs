//! What holds when the process is killed and started again: nothing is told twice, nothing is forgotten.

use super::*;
use rules::checkpoint::Checkpoint;
use rules::desk::Output;
use rules::testing::run_lives;

/// What an engine of so many shards keeps at the end of events.
fn kept(events: &Events, shards: usize) -> Checkpoint {
    let mut engine = Engine::with_shards(Settings::default(), shards);
    let mut stamped = Vec::new();
    let mut stamper = Stamper::default();
    events.iter().for_each(|(at, event)| stamper.push(*at, event.clone(), &mut stamped));
    let mut outputs = stamped.iter().flat_map(|s| engine.handle(s)).collect::<Vec<_>>();
    match outputs.pop() {
        Some(Output::Checkpoint(parts)) => parts.merge(),
        other => panic!("a checkpoint is the last thing that is given out, not {other:?}"),
    }
}

fn with_checkpoint(mut events: Events) -> Events {
    let end = events.last().map_or(START, |(at, _)| *at);
    events.push((end, Event::Checkpoint));
    events
}

/// What a process is told when it starts at `at`, after these events: data, and the table as it is then.
fn told_again(events: &Events, at: Timestamp) -> Events {
    let mut table = BTreeMap::new();
    let (mut rpki, mut relations, mut watch) = (Vec::new(), None, None);
    for (_, event) in events {
        match event {
            Event::Update(u) | Event::Seed(u) => {
                u.withdrawn.iter().for_each(|n| drop(table.remove(&(n.prefix, u.vantage, n.path_id))));
                let held = |n: &Nlri| ((n.prefix, u.vantage, n.path_id), u.attributes.clone());
                table.extend(u.announced.iter().map(held));
            }
            Event::PeerDown { vantage, .. } => table.retain(|(_, v, _), _| v != vantage),
            Event::Rpki(_) => rpki.push(event.clone()),
            Event::Relations(_) => relations = Some(event.clone()),
            Event::Watch(_) => watch = Some(event.clone()),
            _ => {}
        }
    }
    let is_vantage = |(_, event): &&(Timestamp, Event)| matches!(event, Event::Vantage(..));
    let mut again: Vec<Event> = events.iter().filter(is_vantage).map(|(_, event)| event.clone()).collect();
    again.extend(rpki.into_iter().chain(relations).chain(watch));
    let had_dump = events.iter().any(|(_, event)| matches!(event, Event::SeedDone { .. }));
    for ((prefix, vantage, path_id), attributes) in table {
        let announced = Nlris::from([Nlri { prefix, path_id }]);
        let update = Update { vantage, seen: at, withdrawn: Nlris::new(), announced, attributes };
        again.push(if had_dump { Event::Seed(update) } else { Event::Update(update) });
    }
    if had_dump {
        again.push(Event::SeedDone { as_of: at });
    }
    again.into_iter().map(|event| (at, event)).collect()
}

/// The same history in two lives: killed behind the given event, started again a moment later.
pub(super) fn interrupted(events: &Events, behind: usize) -> [Events; 2] {
    let before: Events = events[..behind].to_vec();
    let at = Timestamp(before.last().map_or(START, |(at, _)| *at).0 + 1);
    let mut after = told_again(&before, at);
    after.extend(events[behind..].iter().map(|(t, event)| ((*t).max(at), event.clone())));
    [with_checkpoint(before), after]
}

/// Everybody takes everything back, and a good minute passes.
pub(super) fn the_end(events: &Events) -> Events {
    let mut routes = BTreeSet::new();
    for (_, event) in events {
        if let Event::Update(u) | Event::Seed(u) = event {
            routes.extend(u.announced.iter().map(|n| (u.vantage, n.path_id, n.prefix)));
        }
    }
    let at = events.last().map_or(START, |(at, _)| *at).plus_secs(1);
    let sent = |peer| (at, Event::EndOfRib { vantage: VantageId(peer), family: Family::Ipv4 });
    let mut end: Events = (0..PEERS.len() as u32).map(sent).collect();
    for (vantage, path_id, prefix) in routes {
        let mut gone = withdrawal(vantage, prefix, at);
        gone.withdrawn[0].path_id = path_id;
        end.push((at, Event::Update(gone)));
    }
    end.push((at.plus_secs(61), Event::Tick));
    end.push((at.plus_secs(62), Event::Tick));
    end
}

/// Sequences without a gap, one beginning each, and none that is open at the end.
fn is_told_once_and_to_its_end(alerts: &[Arc<Alert>]) -> Result<(), String> {
    let mut last: BTreeMap<&str, &Arc<Alert>> = BTreeMap::new();
    for alert in alerts {
        let before = last.insert(&alert.id, alert);
        if alert.sequence != before.map_or(0, |b| b.sequence) + 1 {
            return Err(format!("{} {} follows {:?}", alert.id, alert.sequence, before.map(|b| b.sequence)));
        }
        if (alert.transition == Transition::Opened) != before.is_none() {
            return Err(format!("{} begins with {} or twice", alert.id, alert.transition));
        }
        let is_open = |a: &&&Arc<Alert>| a.status == rules::alert::Status::Open && a.id != alert.id;
        let twin = last.values().filter(is_open).find(|a| {
            // Where nobody is a suspect, a story is that of its victim.
            let about = |a: &Alert| match a.suspect_ases.first() {
                Some(suspect) => vec![*suspect],
                None => a.victim_ases.clone(),
            };
            // One network may get two upstreams at once, each a story of its own.
            let over =
                |a: &Alert| a.title.split(',').next().filter(|_| a.class == Class::NewUpstream).map(str::to_owned);
            let same = a.class.kind() == alert.class.kind() && about(a) == about(alert) && over(a) == over(alert);
            same && alert.transition == Transition::Opened && a.prefixes.iter().any(|p| alert.prefixes.contains(p))
        });
        if let Some(twin) = twin {
            return Err(format!("{} is {} under another id", alert.id, twin.id));
        }
    }
    // What everybody took back is missed where it is watched.
    let is_route = |a: &&&Arc<Alert>| a.class != Class::VisibilityLoss;
    match last.values().filter(is_route).find(|a| a.status == rules::alert::Status::Open) {
        Some(open) => Err(format!("{} was forgotten", open.id)),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_checkpoint_has_the_same_bytes_for_any_number_of_shards(history in a_history(120)) {
        let events = with_checkpoint(history.events());
        let bytes = |shards| feeds::checkpoint::pack(&kept(&events, shards)).expect("it is packed");
        let one = bytes(1);
        for shards in [2, 3, 8] {
            prop_assert!(one == bytes(shards), "{} shards", shards);
        }
    }

    #[test]
    fn what_is_taken_back_is_what_was_kept(history in a_history(120)) {
        let first = kept(&with_checkpoint(history.events()), 1);
        let bytes = feeds::checkpoint::pack(&first).expect("it is packed");
        let mut again = vantage_points().into_iter().map(|(_, event)| (first.at, event)).collect::<Events>();
        again.push((first.at, Event::Restore(Arc::new(feeds::checkpoint::unpack(&bytes).expect("it is whole")))));
        let second = kept(&with_checkpoint(again), 3);
        prop_assert_eq!(&first.prefixes, &second.prefixes);
        prop_assert_eq!(
            serde_json::to_string(&first.desk).expect("JSON"),
            serde_json::to_string(&second.desk).expect("JSON")
        );
    }

    #[test]
    fn a_restart_tells_nothing_twice_and_forgets_nothing(
        history in a_history(120), cut in 0.0f64..1.0, shards in 1usize..4,
    ) {
        let mut events = history.events();
        let behind = (events.len() as f64 * cut) as usize;
        let behind = behind.max(PEERS.len());
        let end = the_end(&events);
        events.extend(end);
        let alerts = run_lives(&interrupted(&events, behind), Settings::default(), shards).alerts;
        let wrong = is_told_once_and_to_its_end(&alerts);
        prop_assert!(wrong.is_ok(), "{:?}\n{}", wrong, told(&alerts));
    }
}

/// What was said, without what a restart may change: the moment, and what is counted.
fn steps(alerts: &[Arc<Alert>]) -> Vec<(String, u32, Transition)> {
    alerts.iter().map(|a| (a.id.clone(), a.sequence, a.transition)).collect()
}

#[test]
fn a_fault_is_one_incident_whenever_the_process_is_killed() {
    let mut compared = 0;
    for seed in 0..30 {
        let world = World::new(seed);
        let mut dice = Dice(seed);
        for kind in KINDS {
            let Some(fault) = world.fault(kind, &mut dice) else { continue };
            let heard = world.faulty(&fault);
            if witnesses(&heard).len() < 2 {
                continue;
            }
            let mut events = faulty_day(&world, None, &fault, &heard);
            let began = START.plus_secs(3_600 * 6);
            // In the hold-down, while it is open, in the minute after its end, when it is resolved.
            for secs in [10, 40, 70] {
                events.push((began.plus_secs(secs), Event::Tick));
            }
            events.sort_by_key(|(at, _)| *at);
            let whole = steps(&lived(&events).alerts);
            assert!(whole.len() >= 2, "seed {seed}: {fault:?}");
            for secs in [0, 10, 40, 60, 70] {
                let behind = events.partition_point(|(at, _)| *at <= began.plus_secs(secs));
                let lives = interrupted(&events, behind);
                let after = run_lives(&lives, Settings::default(), 2).alerts;
                assert_eq!(steps(&after), whole, "seed {seed}, killed after {secs} s: {fault:?}\n{}", told(&after));
                compared += 1;
            }
        }
    }
    assert!(compared >= 200, "too few to speak of: {compared}");
}
