//! From RIS Live frames to alerts, against parsing them into elements.

use std::hint::black_box;

use benches::measure::{data, interleaved};
use benches::player::warm;
use bgpkit_parser::parse_ris_live_message;
use bytes::Bytes;

use crate::row::Figure;
use crate::{Args, Failure};

const FRAMES: &str = "rislive/morrowc_1k-msgs.jsonl";
/// One pass over 1,000 frames is too short to be measured.
const TIMES: usize = 40;

fn parse_only(text: &str) -> usize {
    // What it cannot read (keepalives) gives nothing.
    let elements = |line: &str| parse_ris_live_message(line).map_or(0, |elements| black_box(elements).len());
    (0..TIMES).map(|_| text.lines().map(elements).sum::<usize>()).sum()
}

pub fn frames(args: &Args) -> Result<Figure, Failure> {
    let text = std::fs::read_to_string(data().join(FRAMES))?;
    let bytes = Bytes::from(text.clone());
    let mut player = warm(&bytes)?;
    let judge = |_| (0..TIMES).for_each(|_| player.play(&bytes));
    let rounds = interleaved(args.rounds, |_| parse_only(&text), judge);
    Ok(Figure::of(&rounds, &format!("{FRAMES}, {TIMES} times a round")))
}

pub fn pass(times: usize) -> Result<(), Failure> {
    let bytes = Bytes::from(std::fs::read(data().join(FRAMES))?);
    let mut player = warm(&bytes)?;
    (0..times * TIMES).for_each(|_| player.play(&bytes));
    Ok(())
}
