//! What is written down is what the readers of `feeds` give back, whatever the form.

use bytes::{Bytes, BytesMut};
use feeds::input::{Item, Use, from_bytes};
use rules::event::Event;

use super::*;
use crate::world::stream::{self, Said};
use crate::world::{Plan, START, World};

fn small() -> World {
    World::new(Plan { full: 4, partial: 4, ..Plan::INTERNET.scaled(0.005) })
}

/// All kinds of messages, one a second.
fn told(world: &World) -> Vec<Said> {
    let news = stream::quiet(world, 1, 50).take(300).chain(stream::hostile(world, 2, 50).take(300));
    let all = news.chain(stream::reset(world, 1, 50)).enumerate();
    all.map(|(i, said)| Said { at: START.plus_secs(i as i64), ..said }).collect()
}

/// Without the numbers of the vantage points, which every reader gives out anew.
fn plain(events: impl Iterator<Item = Item>) -> Vec<String> {
    let mut points = Vec::new();
    let mut text = Vec::new();
    for item in events {
        match item.event {
            Event::Vantage(id, point) => {
                assert_eq!(id.0 as usize, points.len());
                points.push(point);
            }
            Event::Update(update) | Event::Seed(update) => {
                let point = &points[update.vantage.0 as usize];
                text.push(format!(
                    "{} {} {} {:?} {:?} {}",
                    point.peer_address,
                    point.peer_as,
                    update.seen.0,
                    update.withdrawn,
                    update.announced,
                    update.attributes.as_path
                ));
            }
            Event::PeerUp { vantage, seen } => {
                text.push(format!("{} up {seen:?}", points[vantage.0 as usize].peer_address))
            }
            Event::PeerDown { vantage, seen } => {
                text.push(format!("{} down {seen:?}", points[vantage.0 as usize].peer_address));
            }
            Event::EndOfRib { vantage, family } => {
                text.push(format!("{} {family:?}", points[vantage.0 as usize].peer_address));
            }
            _ => (),
        }
    }
    text
}

#[track_caller]
fn assert_same(read: &[String], meant: &[String]) {
    for (i, (read, meant)) in read.iter().zip(meant).enumerate() {
        assert_eq!(read, meant, "event {i}");
    }
    assert_eq!(read.len(), meant.len());
}

fn meant(world: &World, told: &[Said]) -> Vec<String> {
    plain(event::vantage_points(world).chain(told.iter().cloned().map(|said| event::item(world, said))))
}

#[test]
fn mrt_gives_back_what_was_said() {
    let world = small();
    let told = told(&world);
    let mut octets = Vec::new();
    told.iter().for_each(|said| mrt::said(&world, said, &mut octets));
    let reader = from_bytes(Bytes::from(octets), "rrc00", Use::Updates).expect("an MRT file");
    assert_same(&plain(reader), &meant(&world, &told));
}

#[test]
fn ris_live_gives_back_what_was_said_from_raw_and_from_fields() {
    let world = small();
    let told = told(&world);
    for without_raw in [false, true] {
        let mut decoder = feeds::ris_live::decoder();
        let mut items = Vec::new();
        for said in &told {
            let mut frame = ris_live::frame(&world, said);
            if without_raw && let Some((head, tail)) = frame.split_once("\"raw\":\"") {
                frame = format!("{head}{}", &tail[tail.find(',').expect("more fields") + 1..]);
            }
            decoder.frame(&frame, &mut items).expect("a frame");
        }
        assert_same(&plain(items.into_iter()), &meant(&world, &told));
    }
}

#[test]
fn bmp_gives_back_what_was_said() {
    let world = small();
    let ups = (0..world.sessions.len() as u32).map(|session| Said { session, at: START, what: stream::What::Up });
    let told: Vec<_> = ups.chain(told(&world)).collect();
    let mut octets = Vec::new();
    bmp::initiation("lab", &mut octets);
    told.iter().for_each(|said| bmp::said(&world, said, &mut octets));
    let mut whole = BytesMut::from(&octets[..]);
    let mut count = 0;
    while let Ok(Some(_)) = feeds::bmp::frame::next(&mut whole) {
        count += 1;
    }
    assert_eq!((count, whole.len()), (told.len() + 1, 0));
    let reader = from_bytes(Bytes::from(octets), "lab", Use::Updates).expect("a BMP stream");
    let updates = |lines: Vec<String>| lines.into_iter().filter(|line| line.contains('[')).collect::<Vec<_>>();
    assert_same(&updates(plain(reader)), &updates(meant(&world, &told)));
}

#[test]
fn a_dump_gives_back_the_table() {
    let world = small();
    let sessions: Vec<u32> = (0..world.sessions.len() as u32).collect();
    let octets = mrt::dump(&world, &sessions).flatten().collect::<Vec<u8>>();
    let reader = from_bytes(Bytes::from(octets), "rrc00", Use::Seed).expect("a dump");
    let count = |items: &mut dyn Iterator<Item = Item>| items.filter(|i| matches!(i.event, Event::Seed(_))).count();
    let read = count(&mut reader.into_iter());
    let held: usize = (0..world.space.prefixes.len() as u32)
        .map(|place| world.routes_of(place, sessions.iter().copied()).count())
        .sum();
    assert_eq!(read, held);
}
