//! Instructions an element, counted by callgrind: a pass with N rounds and one with 2N, so that the start cancels.

use std::process::Command;

use benches::measure::{data, unpacked};

use crate::mrt::{UPDATES, decode_only};
use crate::row::Figure;
use crate::{Args, Failure};

const VRPS: &str = "rpki/rpkiclient_summary_20250720T093135Z.json.bz2";

pub fn steady(_: &Args) -> Result<Figure, Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Figure::Skipped("valgrind is not installed".into()));
    }
    if !data().join(VRPS).exists() {
        return Ok(Figure::Skipped(format!("{VRPS} is not there")));
    }
    // Unpacking them under valgrind would take longer than all the rest.
    let folder = tempfile::tempdir()?;
    let vrps = folder.path().join("vrps.json");
    std::fs::write(&vrps, unpacked(VRPS)?)?;
    let elements = decode_only(&unpacked(UPDATES)?) as f64;
    let of = |pass: &str| -> Result<f64, Failure> {
        let [once, twice] = [counted(pass, 1, &vrps)?, counted(pass, 2, &vrps)?];
        Ok((twice - once) / elements)
    };
    let (decode, judge) = (of("decode")?, of("steady")?);
    let detail = format!("{judge:.0} against {decode:.0} instructions an element of {UPDATES}");
    Ok(Figure::Measured { rounds: vec![judge / decode], detail })
}

fn counted(pass: &str, times: usize, vrps: &std::path::Path) -> Result<f64, Failure> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--pass", pass, "--times", &times.to_string()])
        .env("BGPWARDEN_VRPS", vrps)
        .output()?;
    let text = String::from_utf8_lossy(&out.stderr);
    let line = text.lines().find_map(|line| line.split_once("Collected :"));
    let count = line.ok_or_else(|| format!("callgrind said no count: {text}"))?.1;
    Ok(count.trim().parse()?)
}
