//! What is read, and what of it is missing?
//!
//! Files as they were given, or those of an archive, fetched once into a folder that goes away: everything is read twice,
//! first by the engine, then for the trail of the event. Files that carry their time in their name, as those of RIS and
//! RouteViews do, say which ones are not there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use feeds::archive::download::{self, Patience, Unread};
use feeds::archive::{self, Collector};
use feeds::input::{self, Reader, Use};
use rules::bgp::Timestamp;

use crate::cli;
use crate::failure::Failure;

/// Updates files fetched of one collector: those since the dump before (8 h of RIS are 96) and a week of window.
const FILES: usize = 96 + 7 * 288;
/// Dumps tried, the newest first: one that is missing is not the end.
const DUMPS: usize = 3;

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What is opened: `[COLLECTOR=]PATH` or URL.
    pub spec: String,
    /// What is named in the report.
    pub name: String,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Dump,
    Updates,
}

/// A stretch of time of which updates are missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hole {
    pub from: Timestamp,
    pub to: Timestamp,
    pub collector: String,
    pub why: String,
}

/// All that is read.
pub struct Sources {
    pub list: Vec<Source>,
    pub holes: Vec<Hole>,
    /// What was fetched lies here.
    _folder: Option<tempfile::TempDir>,
}

impl Sources {
    /// The files given, or those of the archive for the window.
    pub fn gather(
        args: &cli::Investigate,
        inputs: &[String],
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let mut list: Vec<Source> = (args.rib.iter().map(|spec| Source::local(spec, Role::Dump)))
            .chain(inputs.iter().map(|spec| Source::local(spec, Role::Updates)))
            .collect();
        if let Some(stdin) = list.iter().find(|source| source.spec == "-" || source.spec.ends_with("=-")) {
            let what = format!("\"{}\" cannot be read twice; write it to a file first", stdin.spec);
            return Err(Failure::impossible(what));
        }
        let mut holes = missing(&list);
        if args.collector.is_empty() {
            if inputs.is_empty() {
                return Err(Failure::impossible(
                    "nothing to read; name INPUT files, or --collector with --from and --to",
                ));
            }
            return Ok(Self { list, holes, _folder: None });
        }
        let window = from.zip(to).ok_or_else(|| {
            Failure::impossible("--collector needs the window: give --from and --to (an event that has ended has both)")
        })?;
        let folder = tempfile::tempdir().map_err(|error| Failure::failed(format!("cannot keep files: {error}")))?;
        for name in &args.collector {
            let collector = Collector::parse(name)
                .ok_or_else(|| Failure::impossible(format!("\"{name}\" is no collector of RIS or RouteViews")))?;
            let base = args.archive.as_deref().unwrap_or(collector.keeper.url());
            fetch_all(&collector, base, window, &folder, &mut list, &mut holes)?;
        }
        holes.sort();
        Ok(Self { list, holes, _folder: Some(folder) })
    }

    pub fn open(&self, role: Role) -> Result<Vec<Reader>, Failure> {
        let used_as = if role == Role::Dump { Use::Seed } else { Use::Updates };
        let of_role = self.list.iter().filter(|source| source.role == role);
        of_role
            .map(|source| input::open(&source.spec, used_as).map_err(|error| Failure::failed(error.to_string())))
            .collect()
    }

    /// The names of those of one role, in the order in which they are opened.
    pub fn names(&self, role: Role) -> impl Iterator<Item = &str> {
        self.list.iter().filter(move |source| source.role == role).map(|source| source.name.as_str())
    }
}

impl Source {
    fn local(spec: &str, role: Role) -> Self {
        let name = crate::text::plain(&feeds::shown::without_secrets(spec), 256);
        Self { spec: spec.to_owned(), name, role }
    }
}

/// The dump before the window, and every updates file from there to its end.
fn fetch_all(
    collector: &Collector,
    base: &str,
    (from, to): (Timestamp, Timestamp),
    folder: &tempfile::TempDir,
    list: &mut Vec<Source>,
    holes: &mut Vec<Hole>,
) -> Result<(), Failure> {
    let mut since = from;
    for dump in collector.dumps(base, from, DUMPS) {
        if let Some(source) = fetch(&dump, collector, folder, list.len(), holes)? {
            list.push(source);
            since = dump.from;
            break;
        }
    }
    let files: Vec<archive::File> = collector.updates_between(base, since, to).take(FILES + 1).collect();
    if files.len() > FILES {
        return Err(Failure::impossible(format!("the window takes more than {FILES} files of {}", collector.name)));
    }
    for file in files {
        if let Some(source) = fetch(&file, collector, folder, list.len(), holes)? {
            list.push(source);
        }
    }
    Ok(())
}

/// None if the archive does not have it: a hole, unless it is a dump.
fn fetch(
    file: &archive::File,
    collector: &Collector,
    folder: &tempfile::TempDir,
    number: usize,
    holes: &mut Vec<Hole>,
) -> Result<Option<Source>, Failure> {
    let role = if file.content == archive::Content::Dump { Role::Dump } else { Role::Updates };
    let mut hole = |why: String| {
        if role == Role::Updates {
            holes.push(Hole { from: file.from, to: file.to, collector: collector.name.to_string(), why });
        }
    };
    eprintln!("bgpwarden: fetching {file}");
    let path = folder.path().join(number.to_string());
    let kept = |error: std::io::Error| Failure::failed(format!("cannot keep {file}: {error}"));
    let mut into = BufWriter::new(File::create(&path).map_err(kept)?);
    match download::save(file, Patience::default(), &mut into) {
        Ok(outcome) => {
            into.flush().map_err(kept)?;
            if !outcome.is_whole() {
                hole(format!("{file} is {outcome}"));
            }
        }
        Err(error) if matches!(error, Unread::Refused(_)) && error.is_missing() => {
            hole(format!("{file} {error}"));
            return Ok(None);
        }
        Err(error) => return Err(Failure::failed(format!("{file} {error}"))),
    }
    let spec = format!("{}={}", collector.name, path.display());
    Ok(Some(Source { spec, name: file.to_string(), role }))
}

/// What lies between two updates files of a collector, by their names.
fn missing(list: &[Source]) -> Vec<Hole> {
    let mut by_collector: BTreeMap<String, Vec<(Timestamp, &str)>> = BTreeMap::new();
    for source in list.iter().filter(|source| source.role == Role::Updates) {
        if let Some(start) = start_of(&source.name) {
            by_collector.entry(input::collector_of(&source.spec)).or_default().push((start, &source.name));
        }
    }
    let mut holes = Vec::new();
    for (collector, mut files) in by_collector {
        files.sort_unstable();
        let Some(secs) = length_of(&collector, &files) else { continue };
        for pair in files.windows(2) {
            let (end, next) = (pair[0].0.plus_secs(secs), pair[1].0);
            if next > end {
                let why = format!("no updates file between {} and {}", file_name(pair[0].1), file_name(pair[1].1));
                holes.push(Hole { from: end, to: next, collector: collector.clone(), why });
            }
        }
    }
    holes.sort();
    holes
}

/// Seconds that each file of a collector holds: as its archive cuts them, else as most of them lie apart.
fn length_of(collector: &str, files: &[(Timestamp, &str)]) -> Option<i64> {
    let is_public = collector.starts_with("rrc") || collector.starts_with("route-views");
    if let Some(known) = Collector::parse(collector).filter(|_| is_public) {
        let file = known.updates("", files.first()?.0);
        return Some(file.to.secs() - file.from.secs());
    }
    let mut apart: Vec<i64> = files.windows(2).map(|pair| pair[1].0.secs() - pair[0].0.secs()).collect();
    apart.sort_unstable();
    apart.get(apart.len() / 2).copied().filter(|_| apart.len() >= 2)
}

/// When a file begins that is named `updates.20260301.0805.…`.
fn start_of(name: &str) -> Option<Timestamp> {
    let rest = file_name(name).split_once("updates.")?.1;
    let (day, clock) = (rest.get(..8)?, rest.get(9..13)?);
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !(is_number(day) && is_number(clock) && rest.as_bytes()[8] == b'.') {
        return None;
    }
    let (year, month, day) = (&day[..4], &day[4..6], &day[6..8]);
    Timestamp::parse(&format!("{year}-{month}-{day}T{}:{}:00Z", &clock[..2], &clock[2..4]))
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '=']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<Source> {
        names.iter().map(|name| Source::local(name, Role::Updates)).collect()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn a_file_that_is_missing_between_two_others_is_a_hole() {
        let given = ["a/rrc00/updates.20260301.0800.gz", "a/rrc00/updates.20260301.0815.gz"];
        let holes = missing(&list(&given));
        assert_eq!(holes.len(), 1);
        assert_eq!((holes[0].from, holes[0].to), (at("2026-03-01T08:05:00Z"), at("2026-03-01T08:15:00Z")));
        assert_eq!(holes[0].collector, "rrc00");
        assert!(missing(&list(&["rrc00/updates.20260301.0800.gz", "rrc00/updates.20260301.0805.gz"])).is_empty());
        assert!(
            missing(&list(&["route-views2/updates.20260301.0800.bz2", "rrc00/updates.20260301.0900.gz"])).is_empty()
        );
    }

    #[test]
    fn without_a_known_collector_the_files_say_how_long_they_are() {
        let quarter = ["x/updates.20260301.0800.gz", "x/updates.20260301.0815.gz", "x/updates.20260301.0830.gz"];
        assert!(missing(&list(&quarter)).is_empty());
        let hour = [&quarter[..], &["x/updates.20260301.0945.gz", "x/updates.20260301.1000.gz"]].concat();
        let holes = missing(&list(&hour));
        assert_eq!((holes.len(), holes[0].from), (1, at("2026-03-01T08:45:00Z")));
        assert!(missing(&list(&["updates.20260301.0800.gz", "updates.20260301.0930.gz"])).is_empty(), "nobody knows");
    }

    #[test]
    fn names_without_a_time_say_nothing() {
        for name in ["updates.gz", "updates.2026030x.0800.gz", "updates.é", "updates.20260301-0800", "x.updates.mrt.gz"]
        {
            assert_eq!(start_of(name), None, "{name}");
        }
        assert_eq!(start_of("lab=/x/updates.20260301.0805.gz"), Some(at("2026-03-01T08:05:00Z")));
        assert_eq!(start_of("updates.20261301.0805.gz"), None);
    }
}
