//! `bgpwarden history`: how does the history of all incidents get out of a store, and into another?
//!
//! One alert a line, as it was sent. (id, sequence) tells repeats, so taking in the same lines twice changes nothing, and
//! an import that was interrupted is simply done again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use rules::limits;

use crate::app::now;
use crate::cli;
use crate::config::Config;
use crate::failure::Failure;
use crate::sink::Delivery;
use crate::store::{Location, transfer};
use crate::{alert, store};

/// Bytes of one line: an alert with what later versions may add.
const LINE: u64 = 4 * limits::ALERT_BYTES as u64;

pub fn command(args: &cli::History) -> Result<(), Failure> {
    match args {
        cli::History::Export { config } => export(&location(config.as_deref())?, io::stdout().lock()),
        cli::History::Import { config, input } => {
            let location = location(config.as_deref())?;
            let count = match input.to_str() {
                Some("-") => import(&location, "stdin", io::stdin().lock()),
                _ => {
                    let name = input.display().to_string();
                    let file = File::open(input)
                        .map_err(|error| Failure::failed(format!("cannot read \"{name}\": {error}; check the path")))?;
                    import(&location, &name, BufReader::new(file))
                }
            }?;
            eprintln!("bgpwarden: took in {count} alerts");
            Ok(())
        }
    }
}

fn location(config: Option<&Path>) -> Result<Location, Failure> {
    match Config::load(config)?.store.location {
        Location::Memory => {
            let what = "store.path is \":memory:\": nothing outlives the process; name the configuration of a store";
            Err(Failure::impossible(what))
        }
        file => Ok(file),
    }
}

fn failed(problem: &store::Problem) -> Failure {
    Failure::failed(problem.to_string())
}

fn export(location: &Location, mut out: impl Write) -> Result<(), Failure> {
    let written = transfer::each(location, |json| writeln!(out, "{json}"));
    let written = written.map_err(|problem| failed(&problem))?.and_then(|()| out.flush());
    match written {
        // A reader that has gone away (`| head`) is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn import(location: &Location, name: &str, mut input: impl BufRead) -> Result<u64, Failure> {
    let mut into = transfer::Into::open(location, now()).map_err(|problem| failed(&problem))?;
    let mut count = 0;
    loop {
        let wrong = |what: String| {
            let line = count + 1;
            Failure::failed(format!("{name}:{line}: {what}; the lines before it are taken in, mend it and do it again"))
        };
        let mut line = String::new();
        let read = io::Read::take(&mut input, LINE).read_line(&mut line).map_err(|error| wrong(error.to_string()))?;
        if read == 0 {
            break;
        }
        let line = line.trim_end();
        let alert = alert::from_json(line).map_err(|error| wrong(format!("no alert: {error}")))?;
        into.put(Delivery::new(&alert, line.into())).map_err(|problem| wrong(problem.to_string()))?;
        count += 1;
    }
    into.finish().map_err(|problem| failed(&problem))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use rules::alert::{Alert, Severity, Status, Transition};

    use super::*;
    use crate::alert::samples::opened;
    use crate::alert::{WireContext, to_json};

    fn lines() -> String {
        let ended = Alert { sequence: 2, status: Status::Resolved, transition: Transition::Resolved, ..opened() };
        let other = Alert { id: "bw-other".into(), severity: Severity::Low, ..opened() };
        let lines = [opened(), other, ended].map(|alert| to_json(&alert, &WireContext::default()) + "\n");
        lines.concat()
    }

    fn at(folder: &tempfile::TempDir, name: &str) -> Location {
        Location::File(folder.path().join(name))
    }

    fn exported(location: &Location) -> String {
        let mut out = Vec::new();
        export(location, &mut out).expect("exported");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_goes_out_comes_in_elsewhere_and_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (at(&folder, "one.db"), at(&folder, "other.db"));
        assert_eq!(import(&one, "lines", lines().as_bytes()).expect("taken in"), 3);
        let out = exported(&one);
        assert_eq!(out, lines());
        for _ in 0..2 {
            import(&other, "lines", out.as_bytes()).expect("taken in");
            assert_eq!(exported(&other), lines());
        }
    }

    #[test]
    fn a_line_that_is_no_alert_is_named_and_what_stood_before_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = at(&folder, "a.db");
        let cut = lines().replacen("\"sequence\":2", "\"sequence\":-2", 1);
        let failure = import(&store, "lines", cut.as_bytes()).expect_err("it is no alert").to_string();
        assert!(failure.starts_with("lines:3: no alert: "), "{failure}");
        assert_eq!(exported(&store), lines().split_inclusive('\n').take(2).collect::<String>());
    }

    #[tokio::test]
    async fn a_store_in_use_gives_its_history_and_takes_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = at(&folder, "a.db");
        import(&location, "lines", lines().as_bytes()).expect("taken in");
        let store = store::Store::start(location.clone()).expect("a store");
        assert!(store.said().await.is_ok(), "it is open");
        assert_eq!(exported(&location), lines());
        let failure = import(&location, "lines", lines().as_bytes()).expect_err("it is in use").to_string();
        assert!(failure.contains("stop that one"), "{failure}");
    }

    #[test]
    fn a_store_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure = export(&at(&folder, "none.db"), Vec::new()).expect_err("not there").to_string();
        assert!(failure.contains("none.db"), "{failure}");
        assert!(!folder.path().join("none.db").exists(), "looking makes nothing");
    }
}
