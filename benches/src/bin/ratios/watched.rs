//! What does it cost that somebody watches all there is? The real updates on two engines by turns: nobody is watched in one, and
//! in the other 10,000 constituents watch a million prefixes, all that is announced among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use benches::measure::{interleaved, unpacked};
use benches::player::{Player, real_data, warm};
use ipnet::IpNet;
use rules::alert::RovState;
use rules::bgp::Asn;
use rules::event::Event;
use rules::rpki::{Delta, VrpTable};
use rules::watch::{Constituent, Resource, Watch};

use crate::mrt::{UPDATES, decode_only};
use crate::row::Figure;
use crate::{Args, Failure};

const CONSTITUENTS: usize = 10_000;
const PREFIXES: usize = 1_000_000;
/// Prefixes that nobody announces are parts of those that somebody does, so many bits longer.
const LONGER: u8 = 6;

pub fn watched(args: &Args) -> Result<Figure, Failure> {
    let bytes = unpacked(UPDATES)?;
    let elements = decode_only(&bytes);
    let mut without = agreeing(warm(&bytes)?)?;
    let mut with = watching(agreeing(warm(&bytes)?)?);
    [&mut without, &mut with].into_iter().for_each(|player| player.play(&bytes));
    let count = |_| {
        without.play(&bytes);
        elements
    };
    let rounds = interleaved(args.rounds, count, |_| with.play(&bytes));
    let [without, with] = rounds.ns();
    let rounds = rounds.ratios().iter().map(|faster| 1.0 / faster).collect();
    let detail = format!("{with:.0} against {without:.0} ns an element of {UPDATES}");
    Ok(Figure::Measured { rounds, detail })
}

pub fn pass(times: usize) -> Result<(), Failure> {
    let bytes = unpacked(UPDATES)?;
    let mut player = watching(agreeing(warm(&bytes)?)?);
    (0..=times).for_each(|_| player.play(&bytes));
    Ok(())
}

/// The VRPs are six years younger than the updates: those that forbid what was announced then are taken back, since every tenth
/// network would be Invalid with its holder watching.
fn agreeing(mut player: Player) -> Result<Player, Failure> {
    let [Event::Rpki(delta), _] = real_data()? else { return Err("no VRPs in the data".into()) };
    let mut table = VrpTable::default();
    delta.announced_vrps.iter().for_each(|vrp| {
        table.insert(vrp.clone());
    });
    let mut withdrawn_vrps: Vec<_> = held(&player)
        .iter()
        .filter(|(prefix, origins)| origins.iter().any(|asn| table.state(prefix, Some(*asn)) == RovState::Invalid))
        .flat_map(|(prefix, _)| table.covering(prefix).cloned())
        .collect();
    withdrawn_vrps.sort_by_key(|vrp| (vrp.prefix, vrp.max_length, vrp.asn));
    withdrawn_vrps.dedup();
    let change =
        Delta { withdrawn_vrps, announced_vrps: Vec::new(), announced_aspas: BTreeMap::new(), ..Delta::clone(&delta) };
    player.own(Event::Rpki(Arc::new(change)));
    Ok(player)
}

fn watching(mut player: Player) -> Player {
    let watch = watch(&held(&player));
    player.own(Event::Watch(Arc::new(watch)));
    player
}

/// What is announced, and by whom.
fn held(player: &Player) -> Vec<(IpNet, Vec<Asn>)> {
    let rib = player.engine.shards()[0].rib();
    let origins = |at| rib.entry(at).origins.iter().map(|origin| origin.asn).collect();
    rib.all().into_iter().map(|at| (rib.entry(at).prefix, origins(at))).collect()
}

fn watch(held: &[(IpNet, Vec<Asn>)]) -> Watch {
    let resource = |i: usize| {
        let (prefix, origins) = &held[i % held.len()];
        let prefix = part(*prefix, i / held.len());
        Resource { prefix, expected_origins: origins.clone(), upstreams: Vec::new(), max_length: None }
    };
    let a_constituent = PREFIXES / CONSTITUENTS;
    let constituent = |c: usize| Constituent {
        name: format!("network {c}").into(),
        resources: (c * a_constituent..(c + 1) * a_constituent).map(resource).collect(),
        ..Constituent::default()
    };
    Watch::new((0..CONSTITUENTS).map(constituent).collect())
}

/// The prefix itself, then parts of it.
fn part(prefix: IpNet, number: usize) -> IpNet {
    let longer = (prefix.prefix_len() + LONGER).min(prefix.max_prefix_len());
    let part = number.checked_sub(1).and_then(|i| prefix.subnets(longer).ok()?.nth(i));
    part.unwrap_or(prefix)
}
