//! The numbers of benches/README.md, measured in one run: `cargo run --release -p benches --bin ratios`;
//! an argument `throughput` or `memory` measures that part alone.

use std::hint::black_box;
use std::sync::Arc;

use benches::measure::{cpu, data, resident, spread, unpacked};
use bgpkit_parser::BgpkitParser;
use bytes::Bytes;
use detector::data as inputs;
use detector::sequencer::Sequencer;
use feeds::input::{Use, from_bytes};
use rules::bgp::Timestamp;
use rules::desk::Settings;
use rules::engine::Engine;
use rules::event::{Batch, Event};

const ROUNDS: usize = 7;
const UPDATES: &str = "mrt/bgp-rs/updates.20190101.0000.gz";
const RIBS: [&str; 2] = ["mrt/pyasn/rib.20140523.0600_firstMB.bz2", "mrt/derived/bview.20100701.0759.rebuilt.mrt.gz"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let only = std::env::args().nth(1);
    let wants = |part: &str| only.as_deref().is_none_or(|o| o == part);
    if wants("throughput") {
        throughput()?;
    }
    if wants("memory") {
        RIBS.iter().try_for_each(|rib| memory(rib))?;
    }
    Ok(())
}

/// Everything from bytes to verdicts, on a warm engine, against decoding alone.
fn throughput() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = unpacked(UPDATES)?;
    let mut engine = ready_engine(&bytes)?;
    let (mut decode, mut events, mut judge) = (Vec::new(), Vec::new(), Vec::new());
    let mut elements = 0;
    for _ in 0..ROUNDS {
        let (time, n) = cpu(|| BgpkitParser::from_reader(&bytes[..]).into_elem_iter().map(black_box).count());
        decode.push(time.as_secs_f64());
        elements = n;
        let (time, reader) = cpu(|| from_bytes(bytes.clone(), "bench", Use::Updates).map(|r| r.map(black_box).count()));
        reader?;
        events.push(time.as_secs_f64());
        let (time, ()) = cpu(|| engine.play(&bytes, false));
        judge.push(time.as_secs_f64());
    }
    let ratios = decode.iter().zip(&judge).map(|(d, j)| d / j).collect();
    let (median, least, most) = spread(ratios);
    let ns = |figures: Vec<f64>| spread(figures).0 * 1e9 / elements as f64;
    println!("{UPDATES}: {elements} elements, {ROUNDS} rounds, CPU time of one thread");
    println!("  decode only (into_elem_iter)   {:7.0} ns/element", ns(decode));
    println!("  decode to events               {:7.0} ns/element", ns(events));
    println!("  decode, RIB and all rules      {:7.0} ns/element", ns(judge));
    println!("  ratio                          {median:7.2} ({least:.2} to {most:.2}), floor 0.7");
    Ok(())
}

/// An engine with VRPs, relations and a baseline, so that every rule has its say.
fn ready_engine(bytes: &Bytes) -> Result<Player, Box<dyn std::error::Error>> {
    let mut player = Player::new();
    let vrps = data().join("rpki/rpkiclient_summary_20250720T093135Z.json.bz2");
    let aspas = data().join("rpki/aspas_20250720T093135Z.json");
    let rpki = inputs::rpki(&[vrps], &[aspas], None)?;
    let relations = inputs::relations(Some(&data().join("topology/problink_20190101_relat.txt.gz")), None)?.0;
    player.own(Event::Rpki(Arc::new(rpki.delta)));
    player.own(Event::Relations(Arc::new(relations)));
    // Learns who stands next to whom, then takes what is held in the end as the baseline.
    player.play(bytes, false);
    player.play(bytes, true);
    player.own(Event::SeedDone { as_of: Timestamp::default() });
    player.play(bytes, false);
    Ok(player)
}

/// What one more route costs, all in: resident memory before and after a dump is loaded.
fn memory(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = unpacked(name)?;
    let before = resident().unwrap_or_default();
    let mut player = Player::new();
    player.play(&bytes, true);
    let after = resident().unwrap_or_default();
    let (routes, prefixes) = player.engine.sizes();
    println!("{name}: {routes} routes of {prefixes} prefixes");
    println!("  {:7.1} bytes per route resident", after.saturating_sub(before) as f64 / routes as f64);
    Ok(())
}

/// One engine in this thread, fed as `replay` feeds it.
struct Player {
    engine: Engine,
    sequencer: Sequencer,
    source: usize,
}

impl Player {
    fn new() -> Self {
        Self { engine: Engine::new(Settings::default()), sequencer: Sequencer::default(), source: 0 }
    }

    fn own(&mut self, event: Event) {
        self.sequencer.push_own(event, Timestamp::default());
        self.flush();
    }

    /// All of a file; as history if `seed`. The same session keeps its number over the rounds.
    fn play(&mut self, bytes: &Bytes, seed: bool) {
        let reader = from_bytes(bytes.clone(), "bench", Use::Updates).expect("an MRT file");
        self.source += 1;
        for mut item in reader {
            if let (true, Event::Update(update)) = (seed, &item.event) {
                item.event = Event::Seed(update.clone());
            }
            let at = item.time;
            self.sequencer.push(self.source, item, at);
            if self.sequencer.is_full() {
                self.flush();
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        let Some(batch) = self.sequencer.take() else { return };
        let batch: &Batch = &batch;
        for stamped in batch {
            black_box(self.engine.handle(stamped));
        }
    }
}
