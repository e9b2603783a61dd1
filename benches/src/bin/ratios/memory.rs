//! What does one more route cost, all in? Resident memory of a process of its own, before and after a dump is loaded.

use std::io::Write;

use benches::measure::{resident, unpacked};
use benches::player::Player;
use rules::bgp::Timestamp;
use rules::event::Event;

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
    // Unpacking leaves holes in the memory of who does it, which would be counted or hide what is.
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&unpacked(name)?)?;
    let run = || -> Result<(f64, String), Failure> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        let out = command.args(["--pass", pass, "--input"]).arg(file.path()).output()?;
        let text = String::from_utf8(out.stdout)?;
        let (bytes, rest) = text.trim().split_once(' ').ok_or("no figure from the pass")?;
        Ok((bytes.parse()?, rest.to_owned()))
    };
    let runs = (0..3).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let detail = format!("{name}: {}", runs[0].1);
    Ok(Figure::Measured { rounds: runs.into_iter().map(|(bytes, _)| bytes).collect(), detail })
}

/// Prints bytes a route, then of what: the routes of a dump, and what they taught once it was read.
pub fn pass(name: &str, args: &Args) -> Result<(), Failure> {
    let bytes = match &args.input {
        Some(path) => std::fs::read(path)?.into(),
        None => unpacked(name)?,
    };
    let mut player = Player::default();
    let before = resident().ok_or("this system does not say how much memory a process has")?;
    let each = |player: &Player| {
        let (routes, prefixes) = player.engine.sizes();
        (resident().unwrap_or_default().saturating_sub(before) as f64 / routes as f64, routes, prefixes)
    };
    player.play_as_history(&bytes);
    let (bytes, routes, prefixes) = each(&player);
    player.own(Event::SeedDone { as_of: Timestamp::default() });
    println!("{bytes} {routes} routes of {prefixes} prefixes; {:.1} with their baseline", each(&player).0);
    Ok(())
}
