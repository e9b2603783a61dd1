//! `cargo bench`: what single steps cost. Quick, and good for a look before and after a change; what is promised stands in `ratios`.

use std::sync::LazyLock;

use benches::player::Player;
use benches::wire;
use benches::world::stream::{self, Said};
use benches::world::{Plan, World};
use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use feeds::input::Item;
use ipnet::IpNet;
use rules::bgp::AsPath;
use rules::event::Event;
use rules::leak::valley;
use rules::rpki::{Procedure, Snapshot};

fn main() {
    divan::main();
}

const MESSAGES: usize = 2_000;

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(Plan { full: 8, ..Plan::INTERNET.scaled(0.05) }));
static SAID: LazyLock<Vec<Said>> = LazyLock::new(|| stream::hostile(&WORLD, 1, 1_000).take(MESSAGES).collect());
static ROUTES: LazyLock<Vec<(IpNet, AsPath)>> = LazyLock::new(|| {
    let places = (0..WORLD.space.prefixes.len() as u32).step_by(31).take(MESSAGES);
    places
        .map(|place| (WORLD.space.prefixes[place as usize].prefix, AsPath::sequence(WORLD.path(0, place).to_vec())))
        .collect()
});

fn engine() -> Player {
    let mut player = Player::with_data_of(&WORLD);
    player.seed(&WORLD);
    player
}

fn items(seed: u64) -> Vec<Item> {
    stream::hostile(&WORLD, seed, 1_000).take(MESSAGES).map(|said| wire::event::item(&WORLD, said)).collect()
}

fn each() -> ItemsCount {
    ItemsCount::new(MESSAGES)
}

#[divan::bench(sample_count = 20)]
fn decode_mrt(bencher: Bencher) {
    let mut octets = Vec::new();
    SAID.iter().for_each(|said| wire::mrt::said(&WORLD, said, &mut octets));
    let octets = Bytes::from(octets);
    bencher.counter(each()).bench(|| benches::player::reader(&octets).map(black_box).count());
}

#[divan::bench(sample_count = 20)]
fn decode_ris_live(bencher: Bencher) {
    let frames: Vec<_> = SAID.iter().map(|said| wire::ris_live::frame(&WORLD, said)).collect();
    bencher.counter(each()).bench(|| {
        let (mut decoder, mut items) = (feeds::ris_live::decoder(), Vec::new());
        for frame in &frames {
            items.clear();
            let _ = black_box(decoder.frame(frame, &mut items));
        }
    });
}

#[divan::bench(sample_count = 20)]
fn find_a_prefix(bencher: Bencher) {
    let player = engine();
    let rib = player.engine.shards()[0].rib();
    let each = ItemsCount::new(ROUTES.len());
    bencher.counter(each).bench_local(|| ROUTES.iter().filter_map(|(prefix, _)| black_box(rib.find(prefix))).count());
}

#[divan::bench(sample_count = 20)]
fn find_what_covers_it(bencher: Bencher) {
    let player = engine();
    let rib = player.engine.shards()[0].rib();
    let each = ItemsCount::new(ROUTES.len());
    bencher.counter(each).bench_local(|| ROUTES.iter().map(|(prefix, _)| rib.covering(prefix).count()).sum::<usize>());
}

#[divan::bench(sample_count = 20)]
fn validate_an_origin(bencher: Bencher) {
    let snapshot = rpki();
    let states = || ROUTES.iter().map(|(prefix, path)| snapshot.vrps.validate(prefix, path.origin_as()).state());
    bencher.counter(ItemsCount::new(ROUTES.len())).bench_local(|| states().map(black_box).count());
}

#[divan::bench(sample_count = 20)]
fn verify_a_path(bencher: Bencher) {
    let snapshot = rpki();
    let verified = || ROUTES.iter().map(|(_, path)| snapshot.aspas.verify(path, Procedure::Downstream));
    bencher.counter(ItemsCount::new(ROUTES.len())).bench_local(|| verified().map(black_box).count());
}

#[divan::bench(sample_count = 20)]
fn look_for_a_valley(bencher: Bencher) {
    let Event::Relations(relations) = WORLD.relations() else { return };
    let checked = || ROUTES.iter().map(|(_, path)| valley::check(path, &relations));
    bencher.counter(ItemsCount::new(ROUTES.len())).bench_local(|| checked().map(black_box).count());
}

/// Nothing in it is new: the same announcements again.
#[divan::bench(sample_count = 20)]
fn judge_what_is_held(bencher: Bencher) {
    let mut player = engine();
    player.items(items(1));
    bencher.counter(each()).with_inputs(|| items(1)).bench_local_values(|items| player.items(items));
}

/// Nearly every path is new.
#[divan::bench(sample_count = 20)]
fn judge_what_is_new(bencher: Bencher) {
    let (mut player, mut seed) = (engine(), 1);
    let next = || {
        seed += 1;
        items(seed)
    };
    bencher.counter(each()).with_inputs(next).bench_local_values(|items| player.items(items));
}

fn rpki() -> Snapshot {
    let mut snapshot = Snapshot::default();
    if let Event::Rpki(delta) = WORLD.rpki() {
        snapshot.apply(&delta);
    }
    snapshot
}
