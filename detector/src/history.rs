//! `bgpwarden history`: how does the history of all incidents get out of a store, and into another?
//!
//! One alert a line, as it was sent; then, if asked for, one route of an incident a line. (id, sequence) tells repeats, so taking in the same lines twice changes nothing, and
//! an import that was interrupted is simply done again.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use rules::limits;

use crate::app::now;
use crate::cli;
use crate::config::Config;
use crate::failure::Failure;
use crate::route::RouteLine;
use crate::sink::Delivery;
use crate::store::{Location, transfer};
use crate::{alert, store};

/// Bytes of one line: an alert with what later versions may add.
const LINE: u64 = 4 * limits::ALERT_BYTES as u64;

pub fn command(args: &cli::History) -> Result<(), Failure> {
    match args {
        cli::History::Export { config, routes } => export(&location(config.as_deref())?, *routes, io::stdout().lock()),
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
            eprintln!("bgpwarden: took in {count}");
            Ok(())
        }
    }
}

pub(crate) fn location(config: Option<&Path>) -> Result<Location, Failure> {
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

fn export(location: &Location, with_routes: bool, mut out: impl Write) -> Result<(), Failure> {
    let mut written = transfer::each(location, |json| writeln!(out, "{json}")).map_err(|problem| failed(&problem))?;
    if with_routes && written.is_ok() {
        let write = |line: &RouteLine| writeln!(out, "{}", serde_json::to_string(line)?);
        written = transfer::each_route(location, write).map_err(|problem| failed(&problem))?;
    }
    let written = written.and_then(|()| out.flush());
    match written {
        // A reader that has gone away (`| head`) is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// What was taken in.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    alerts: u64,
    routes: u64,
    /// Routes that found no incident of theirs, or no room.
    lost: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alerts, routes, lost } = self;
        write!(f, "{alerts} alerts and {} routes", routes - lost)?;
        if *lost > 0 {
            write!(f, "; {lost} routes found no incident of theirs, or no room")?;
        }
        Ok(())
    }
}

fn import(location: &Location, name: &str, mut input: impl BufRead) -> Result<Count, Failure> {
    let mut into = transfer::Into::open(location, now()).map_err(|problem| failed(&problem))?;
    let mut count = Count::default();
    loop {
        let number = count.alerts + count.routes + 1;
        let wrong = |what: String| {
            Failure::failed(format!(
                "{name}:{number}: {what}; the lines before it are taken in, mend it and do it again"
            ))
        };
        let mut line = String::new();
        let read = io::Read::take(&mut input, LINE).read_line(&mut line).map_err(|error| wrong(error.to_string()))?;
        if read == 0 {
            break;
        }
        let line = line.trim_end();
        if let Some(route) = RouteLine::of(line) {
            let route = route.map_err(|error| wrong(format!("no route: {error}")))?;
            into.put_route(route).map_err(|problem| wrong(problem.to_string()))?;
            count.routes += 1;
        } else {
            let alert = alert::from_json(line).map_err(|error| wrong(format!("no alert: {error}")))?;
            into.put(Delivery::new(&alert, line.into())).map_err(|problem| wrong(problem.to_string()))?;
            count.alerts += 1;
        }
    }
    count.lost = into.finish().map_err(|problem| failed(&problem))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use rules::alert::{Alert, Severity, Status, Transition};
    use rules::desk::RouteRecord;

    use super::*;
    use crate::alert::samples::{opened, record};
    use crate::alert::{WireContext, to_json};

    fn lines() -> String {
        let ended = Alert { sequence: 2, status: Status::Resolved, transition: Transition::Resolved, ..opened() };
        let other = Alert { id: "bw-other".into(), severity: Severity::Low, ..opened() };
        let lines = [opened(), other, ended].map(|alert| to_json(&alert, &WireContext::default()) + "\n");
        lines.concat()
    }

    /// Two of the incident, one of another that nobody knows.
    fn routes() -> String {
        let ended = record("rrc00", 0, Some(40));
        let held = record("rrc01", 10, None);
        let stray = RouteRecord { incident: "bw-stray".into(), ..held.clone() };
        let lines =
            [ended, held, stray].map(|record| serde_json::to_string(&RouteLine::from(&record)).expect("JSON") + "\n");
        lines.concat()
    }

    fn at(folder: &tempfile::TempDir, name: &str) -> Location {
        Location::File(folder.path().join(name))
    }

    fn exported(location: &Location) -> String {
        let mut out = Vec::new();
        export(location, false, &mut out).expect("exported");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_goes_out_comes_in_elsewhere_and_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (at(&folder, "one.db"), at(&folder, "other.db"));
        assert_eq!(import(&one, "lines", lines().as_bytes()).expect("taken in").alerts, 3);
        let out = exported(&one);
        assert_eq!(out, lines());
        for _ in 0..2 {
            import(&other, "lines", out.as_bytes()).expect("taken in");
            assert_eq!(exported(&other), lines());
        }
    }

    #[test]
    fn routes_go_out_if_asked_for_and_come_in_once_and_only_beside_their_incident() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (at(&folder, "one.db"), at(&folder, "other.db"));
        let with_routes = lines() + &routes();
        let count = import(&one, "lines", with_routes.as_bytes()).expect("taken in");
        assert_eq!(count, Count { alerts: 3, routes: 3, lost: 1 });
        assert_eq!(exported(&one), lines(), "who does not ask for them gets none");
        let mut out = Vec::new();
        export(&one, true, &mut out).expect("exported");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out.lines().count(), 5, "{out}");
        assert!(with_routes.starts_with(&out), "{out}");
        for _ in 0..2 {
            import(&other, "lines", out.as_bytes()).expect("taken in");
            let mut again = Vec::new();
            export(&other, true, &mut again).expect("exported");
            assert_eq!(String::from_utf8(again).expect("text"), out);
        }
        let cut = routes().replacen("64502 64500", "", 1).replacen("\"path_id\":0", "\"path_id\":-1", 1);
        let failure = import(&one, "lines", cut.as_bytes()).expect_err("it is no route").to_string();
        assert!(failure.starts_with("lines:1: no route: "), "{failure}");
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
        let failure = export(&at(&folder, "none.db"), false, Vec::new()).expect_err("not there").to_string();
        assert!(failure.contains("none.db"), "{failure}");
        assert!(!folder.path().join("none.db").exists(), "looking makes nothing");
    }
}
