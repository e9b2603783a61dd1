//! What is said, and where in it the hijacks stand.

use std::collections::HashMap;

use benches::wire;
use benches::world::stream::{self, Said, What};
use benches::world::{START, World};
use ipnet::IpNet;
use rules::bgp::Asn;
use rules::event::Event;

use crate::{Args, Failure, Feed};

/// Messages of the everyday kind, repeated for as long as it takes.
const EVERYDAY: usize = 100_000;

pub struct Hijack {
    /// The place of its message among all.
    pub message: u64,
    pub prefix: IpNet,
    pub by: Asn,
    pub octets: Vec<u8>,
}

pub struct Script {
    pub everyday: Vec<Vec<u8>>,
    /// In order of their places.
    pub hijacks: Vec<Hijack>,
    pub messages: u64,
}

pub fn write(world: &World, args: &Args) -> Result<Script, Failure> {
    let octets = |said: &Said| match args.feed {
        Feed::RisLive => wire::ris_live::frame(world, said).into_bytes(),
        Feed::Bmp => {
            let mut octets = Vec::new();
            wire::bmp::said(world, said, &mut octets);
            octets
        }
    };
    let everyday = stream::quiet(world, 1, args.rate).take(EVERYDAY).map(|said| octets(&said)).collect();
    let first = args.warm_up_secs * args.rate;
    let apart = (args.rate / args.hijacks_a_second.max(1)).max(1);
    let count = args.secs * args.rate / apart;
    let hijacks: Vec<_> = (0..).map_while(|i| hijack(world, i)).take(count as usize).collect();
    if (hijacks.len() as u64) < count {
        return Err(format!("this world has victims for {} hijacks, not for {count}: enlarge it", hijacks.len()).into());
    }
    let placed = hijacks.into_iter().enumerate().map(|(i, (said, by))| {
        let What::Update { announced, .. } = &said.what else { unreachable!("a hijack announces") };
        Hijack { message: first + i as u64 * apart, prefix: announced[0], by, octets: octets(&said) }
    });
    Ok(Script { everyday, hijacks: placed.collect(), messages: first + args.secs * args.rate })
}

/// Each by another AS of another holder's network that a VRP speaks of, so that each is an incident of its own.
fn hijack(world: &World, number: usize) -> Option<(Said, Asn)> {
    // From the edge, whose numbers are the last; nobody is both thief and victim.
    let thief = world.plan.ases.checked_sub(number + 1).filter(|thief| *thief > world.plan.ases / 2)?;
    let place = (number * 7_919 + 13) % world.space.prefixes.len();
    let prefix = world.space.prefixes[place].prefix;
    let family = rules::bgp::Family::of(&prefix);
    let carriers = (0..world.sessions.len() as u32).cycle().skip(number);
    let session = carriers.take(world.sessions.len()).find(|s| world.sessions[*s as usize].family == family)?;
    let path = world.topology.path(world.sessions[session as usize].asn, thief as u32, 0);
    let what = What::Update { withdrawn: Vec::new(), announced: vec![prefix], path };
    Some((Said { session, at: START, what }, world.topology.number(thief as u32)))
}

/// VRPs of the world as validators write them.
pub fn vrps(world: &World) -> String {
    let Event::Rpki(delta) = world.rpki() else { return String::new() };
    let rows = delta.announced_vrps.iter().map(|vrp| {
        format!(
            "{{\"asn\":{},\"prefix\":\"{}\",\"maxLength\":{},\"ta\":\"world\"}}",
            vrp.asn.0, vrp.prefix, vrp.max_length
        )
    });
    format!("{{\"roas\":[{}]}}", rows.collect::<Vec<_>>().join(","))
}

/// Relations as CAIDA writes them.
pub fn relations(world: &World) -> String {
    let Event::Relations(relations) = world.relations() else { return String::new() };
    let words: HashMap<_, _> =
        [(rules::relations::Relation::Customer, "-1"), (rules::relations::Relation::LateralPeer, "0")].into();
    let line = |(a, b, relation): (Asn, Asn, rules::relations::Relation)| match words.get(&relation) {
        Some(word) => format!("{}|{}|{word}\n", a.0, b.0),
        None => format!("{}|{}|-1\n", b.0, a.0),
    };
    relations.edges().into_iter().map(line).collect()
}
