//! Which inputs do the measurements use, and how is a ratio taken?

use std::collections::BTreeMap;
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

/// CPU time that the host of a virtual machine gave to others since it runs: what waits for it waits in all measurements.
pub fn stolen() -> Option<Duration> {
    // The eighth number of all processors together, in hundredths of a second (proc(5)).
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let hundredths: u64 = stat.lines().next()?.split_whitespace().nth(8)?.parse().ok()?;
    Some(Duration::from_millis(10 * hundredths))
}

/// CPU time of this thread for one run of `work`.
pub fn cpu<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = ThreadTime::now();
    let out = work();
    (start.elapsed(), out)
}

/// CPU seconds of two works that ran by turns.
pub struct Rounds {
    pub theirs: Vec<f64>,
    pub ours: Vec<f64>,
    /// How many things `theirs` counted in the last round.
    pub elements: usize,
}

/// Runs both by turns, so that what disturbs the machine disturbs both.
pub fn interleaved(rounds: usize, mut theirs: impl FnMut(usize) -> usize, mut ours: impl FnMut(usize)) -> Rounds {
    let mut all = Rounds { theirs: Vec::new(), ours: Vec::new(), elements: 0 };
    for round in 0..rounds {
        let (time, elements) = cpu(|| theirs(round));
        all.theirs.push(time.as_secs_f64());
        all.elements = elements;
        all.ours.push(cpu(|| ours(round)).0.as_secs_f64());
    }
    all
}

impl Rounds {
    /// How many times as fast we are, round by round.
    pub fn ratios(&self) -> Vec<f64> {
        self.theirs.iter().zip(&self.ours).map(|(theirs, ours)| theirs / ours).collect()
    }

    /// Median nanoseconds an element: theirs, ours.
    pub fn ns(&self) -> [f64; 2] {
        [&self.theirs, &self.ours].map(|times| spread(times.clone()).0 * 1e9 / self.elements as f64)
    }
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

/// CPU time of every thread of this process by its name, where the system tells it.
pub fn threads_cpu() -> BTreeMap<String, Duration> {
    /// What the kernel counts in, on every Linux.
    const TICK: Duration = Duration::from_millis(10);
    let mut times: BTreeMap<String, Duration> = BTreeMap::new();
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else { continue };
        // The name stands in brackets and may hold anything; what follows begins with the third field.
        let (Some(from), Some(to)) = (stat.find('('), stat.rfind(')')) else { continue };
        let ticks = stat[to + 1..].split_whitespace().skip(11).take(2);
        let ticks: u32 = ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
        *times.entry(stat[from + 1..to].to_owned()).or_default() += ticks * TICK;
    }
    times
}
