//! Which inputs do the measurements use, and how is a ratio taken?

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use cpu_time::ThreadTime;

/// The folder of real data: `BGPWARDEN_DATA`, else `../shared/data` beside the project.
pub fn data() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    std::env::var_os("BGPWARDEN_DATA").map_or_else(|| beside.into(), PathBuf::from)
}

/// A file of the data folder, unpacked. What a cut-off file still gives counts as the file.
pub fn unpacked(name: &str) -> std::io::Result<Bytes> {
    let packed = std::fs::read(data().join(name))?;
    let mut bytes = Vec::new();
    let cut = match name.rsplit('.').next() {
        Some("gz") => flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes),
        Some("bz2") => bzip2::read::MultiBzDecoder::new(&packed[..]).read_to_end(&mut bytes),
        _ => (&packed[..]).read_to_end(&mut bytes),
    };
    match cut {
        Err(error) if bytes.is_empty() => Err(error),
        _ => Ok(bytes.into()),
    }
}

/// CPU time of this thread for one run of `work`.
pub fn cpu<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = ThreadTime::now();
    let out = work();
    (start.elapsed(), out)
}

/// Median, least and most of an odd number of figures.
pub fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
}

/// Resident memory of this process in bytes; none where the system does not say.
pub fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
