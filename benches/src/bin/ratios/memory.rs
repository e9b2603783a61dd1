//! What does one more route cost, all in? Resident memory of a process of its own, before and after a dump is loaded.

use benches::measure::{resident, unpacked};
use benches::player::Player;

use crate::row::Figure;
use crate::{Args, Failure};

pub const RIB_2014: &str = "mrt/pyasn/rib.20140523.0600_firstMB.bz2";
pub const RIB_2010: &str = "mrt/derived/bview.20100701.0759.rebuilt.mrt.gz";

pub fn of_2014(_: &Args) -> Result<Figure, Failure> {
    in_its_own_process("bytes2014", RIB_2014)
}

pub fn of_2010(_: &Args) -> Result<Figure, Failure> {
    in_its_own_process("bytes2010", RIB_2010)
}

fn in_its_own_process(pass: &str, name: &str) -> Result<Figure, Failure> {
    let run = || -> Result<(f64, String), Failure> {
        let out = std::process::Command::new(std::env::current_exe()?).args(["--pass", pass]).output()?;
        let text = String::from_utf8(out.stdout)?;
        let (bytes, rest) = text.trim().split_once(' ').ok_or("no figure from the pass")?;
        Ok((bytes.parse()?, rest.to_owned()))
    };
    let runs = (0..3).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let detail = format!("{name}: {}", runs[0].1);
    Ok(Figure::Measured { rounds: runs.into_iter().map(|(bytes, _)| bytes).collect(), detail })
}

/// Prints bytes a route, then of what.
pub fn pass(name: &str) -> Result<(), Failure> {
    let bytes = unpacked(name)?;
    let mut player = Player::default();
    let before = resident().ok_or("this system does not say how much memory a process has")?;
    player.play_as_history(&bytes);
    let after = resident().unwrap_or_default();
    let (routes, prefixes) = player.engine.sizes();
    println!("{} {routes} routes of {prefixes} prefixes", after.saturating_sub(before) as f64 / routes as f64);
    Ok(())
}
