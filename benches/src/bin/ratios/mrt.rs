//! From the octets of an MRT file to alerts, against decoding alone.

use std::hint::black_box;

use benches::measure::{interleaved, unpacked};
use benches::player::{COLLECTOR, Player, warm};
use benches::wire;
use benches::world::stream::{self, Said};
use benches::world::{Plan, World};
use bgpkit_parser::BgpkitParser;
use bytes::Bytes;

use crate::memory::RIB_2014;
use crate::row::Figure;
use crate::{Args, Failure};

pub const UPDATES: &str = "mrt/bgp-rs/updates.20190101.0000.gz";
/// Of an invented stream in one round.
const MESSAGES: usize = 100_000;
const A_SECOND: u64 = 4_000;

/// What everything is measured against.
pub fn decode_only(bytes: &Bytes) -> usize {
    BgpkitParser::from_reader(&bytes[..]).into_elem_iter().map(black_box).count()
}

pub fn steady(args: &Args) -> Result<Figure, Failure> {
    let bytes = unpacked(UPDATES)?;
    let mut player = warm(&bytes)?;
    let rounds = interleaved(args.rounds, |_| decode_only(&bytes), |_| player.play(&bytes));
    Ok(Figure::of(&rounds, UPDATES))
}

/// Rules, relations and VRPs are there, and no route: everything is new once, as at a first start without a dump.
pub fn cold(args: &Args) -> Result<Figure, Failure> {
    let bytes = unpacked(UPDATES)?;
    let mut players = (0..args.rounds).map(|_| Player::with_real_data()).collect::<Result<Vec<_>, _>>()?;
    let rounds = interleaved(args.rounds, |_| decode_only(&bytes), |round| players[round].play(&bytes));
    Ok(Figure::of(&rounds, UPDATES))
}

pub fn harsh(args: &Args) -> Result<Figure, Failure> {
    on_a_table(args, harsh_stretch)
}

pub fn hostile(args: &Args) -> Result<Figure, Failure> {
    on_a_table(args, hostile_stretch)
}

/// Each round is a stretch of its own, since a path is new only once.
fn on_a_table(args: &Args, stretch: impl Fn(&World, usize) -> Bytes) -> Result<Figure, Failure> {
    let world = World::new(Plan::INTERNET.scaled(args.world)).at_one_collector(COLLECTOR);
    let mut player = player_of(&world);
    let (routes, prefixes) = player.engine.sizes();
    let stretches: Vec<Bytes> = (0..args.rounds).map(|round| stretch(&world, round)).collect();
    let rounds =
        interleaved(args.rounds, |round| decode_only(&stretches[round]), |round| player.play(&stretches[round]));
    let name =
        format!("{MESSAGES} messages a round on {routes} routes of {prefixes} prefixes, {} alerts", player.alerts);
    Ok(Figure::of(&rounds, &name))
}

fn player_of(world: &World) -> Player {
    let mut player = Player::with_data_of(world);
    player.seed(world);
    // The files that follow have the same vantage points, which get the same numbers.
    player.next_source();
    player
}

fn harsh_stretch(world: &World, round: usize) -> Bytes {
    stretch(world, round, stream::harsh(world, round as u64 + 1, A_SECOND))
}

fn hostile_stretch(world: &World, round: usize) -> Bytes {
    stretch(world, round, stream::hostile(world, round as u64 + 1, A_SECOND))
}

fn stretch(world: &World, round: usize, said: impl Iterator<Item = Said>) -> Bytes {
    let mut octets = Vec::new();
    let skipped = round as i64 * MESSAGES as i64 / A_SECOND as i64;
    for mut said in said.take(MESSAGES) {
        said.at = said.at.plus_secs(skipped);
        wire::mrt::said(world, &said, &mut octets);
    }
    octets.into()
}

pub fn dump(args: &Args) -> Result<Figure, Failure> {
    let bytes = unpacked(RIB_2014)?;
    let rounds = interleaved(args.rounds, |_| decode_only(&bytes), |_| Player::default().play_as_history(&bytes));
    Ok(Figure::of(&rounds, RIB_2014))
}

pub fn pass_decode(times: usize) -> Result<(), Failure> {
    let bytes = unpacked(UPDATES)?;
    let counted: usize = (0..times).map(|_| decode_only(&bytes)).sum();
    println!("{counted} elements");
    Ok(())
}

pub fn pass_steady(times: usize) -> Result<(), Failure> {
    let bytes = unpacked(UPDATES)?;
    let mut player = warm(&bytes)?;
    (0..times).for_each(|_| player.play(&bytes));
    Ok(())
}

pub fn pass_cold(times: usize) -> Result<(), Failure> {
    let bytes = unpacked(UPDATES)?;
    (0..times).try_for_each(|_| {
        Player::with_real_data()?.play(&bytes);
        Ok(())
    })
}

pub fn pass_harsh(args: &Args) -> Result<(), Failure> {
    pass_on_a_table(args, harsh_stretch)
}

pub fn pass_hostile(args: &Args) -> Result<(), Failure> {
    pass_on_a_table(args, hostile_stretch)
}

fn pass_on_a_table(args: &Args, stretch: impl Fn(&World, usize) -> Bytes) -> Result<(), Failure> {
    let world = World::new(Plan::INTERNET.scaled(args.world)).at_one_collector(COLLECTOR);
    let mut player = player_of(&world);
    (0..args.times).for_each(|round| player.play(&stretch(&world, round)));
    Ok(())
}
