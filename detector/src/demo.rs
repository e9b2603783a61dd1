//! How does it look when something happens? A small Internet on loopback, and the real program watching it.
//!
//! The stage is files in a temporary folder (dumps, VRPs, relations) and a RIS Live server; everything behind the
//! server is exactly the code of `run`.

mod server;
mod stories;

use std::fs;
use std::path::Path;
use std::time::Duration;

use feeds::mrt_write::{self, Line};
use rules::bgp::{Asn, Timestamp};
use tokio::net::TcpListener;

use crate::app::{App, Options, block_on, told_to_stop};
use crate::cli;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::Live;
use stories::{NAMES, PEERS, RELATIONS, STORIES, VRPS};

pub fn command(args: &cli::Demo) -> Result<(), Failure> {
    block_on(play(args))
}

async fn play(args: &cli::Demo) -> Result<(), Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::failed(format!("cannot {what}: {error}"));
    let stage = tempfile::tempdir().map_err(|error| failed("make a temporary folder", error))?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| failed("listen on loopback", error))?;
    let address = listener.local_addr().map_err(|error| failed("listen on loopback", error))?;
    let text = set(stage.path(), &address.to_string()).map_err(|error| failed("write the stage", error))?;
    let config = Config::parse("demo", &text, stage.path())
        .map_err(|errors| Failure::failed(format!("the demo's configuration: {}", errors.join("; "))))?;
    for story in STORIES {
        eprintln!("demo: {}", story.title);
    }
    let serving = tokio::spawn(server::serve(listener, args.speed));
    let app = App::start(config, Options::default()).await?;
    let page = format!("http://{}/", app.address);
    eprintln!("demo: first alerts after the hold-down of 30 s; page: {page}, stop with Ctrl-C");
    if !args.no_browser {
        open(&page);
    }
    let _live = Live::of(&app);
    let outcome = app.run_until(end(args.exit_after)).await;
    serving.abort();
    outcome
}

async fn end(exit_after: Option<u64>) {
    let time_is_up = async {
        match exit_after {
            Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! { () = told_to_stop() => {}, () = time_is_up => {} }
}

/// Shows the page where the desktop knows how; elsewhere the address in the terminal has to do.
fn open(page: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Stdio::null;
    let _ = std::process::Command::new(opener).arg(page).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
}

/// The usual address if nobody has it, else any.
fn listen() -> &'static str {
    const USUAL: &str = "127.0.0.1:8179";
    if std::net::TcpListener::bind(USUAL).is_ok() { USUAL } else { "127.0.0.1:0" }
}

/// Writes the files of the stage and gives the configuration that uses them.
fn set(folder: &Path, ris_live: &str) -> std::io::Result<String> {
    fs::write(folder.join("vrps.json"), vrps())?;
    fs::write(folder.join("relations.txt"), relations())?;
    fs::write(folder.join("names.txt"), names())?;
    let mut dumps = Vec::new();
    let mut collectors: Vec<&str> = PEERS.iter().map(|p| p.0).collect();
    collectors.dedup();
    for collector in collectors {
        let name = format!("{collector}.rib.mrt");
        fs::write(folder.join(&name), dump(collector).map_err(std::io::Error::other)?)?;
        dumps.push(format!("\"{collector}={name}\""));
    }
    Ok(format!(
        "[http]\nlisten = \"{}\"\n\n[feeds.dumps]\nkind = \"mrt\"\nrib = [{}]\n\n[feeds.ris]\nkind = \"ris_live\"\nurl = \"ws://{ris_live}/\"\n\
         client = \"bgpwarden-demo\"\n\n[rpki]\nfiles = [\"vrps.json\"]\n\n[relations]\nfile = \"relations.txt\"\n\
         siblings = \"names.txt\"\n\n[store]\npath = \"store.db\"\n\n[sinks.out]\nkind = \"ndjson\"\npath = \"-\"\n",
        listen(),
        dumps.join(", ")
    ))
}

/// What the peers of a collector held before the stories began.
fn dump(collector: &str) -> Result<Vec<u8>, String> {
    let time = Timestamp(jiff::Timestamp::now().as_microsecond()).plus_secs(-7_200);
    let mut lines = Vec::new();
    for (_, peer_as, address, transit) in PEERS.iter().filter(|p| p.0 == collector) {
        for (prefix, tail) in STORIES.iter().flat_map(|story| story.before) {
            lines.push(Line {
                time,
                peer_as: Asn(*peer_as),
                peer_address: [192, 0, 2, *address].into(),
                prefix: prefix.parse().map_err(|error| format!("{prefix}: {error}"))?,
                as_path: Some(format!("{peer_as} {transit} {tail}").parse().map_err(|error| format!("{error}"))?),
            });
        }
    }
    mrt_write::rib(lines).map(|bytes| bytes.to_vec())
}

fn vrps() -> String {
    let rows = VRPS.iter().map(|(prefix, length, asn)| {
        format!("{{\"asn\":{asn},\"prefix\":\"{prefix}\",\"maxLength\":{length},\"ta\":\"demo\"}}")
    });
    format!("{{\"roas\":[{}]}}", rows.collect::<Vec<_>>().join(","))
}

fn relations() -> String {
    RELATIONS.iter().map(|(provider, customer)| format!("{provider}|{customer}|-1\n")).collect()
}

/// as2org text.
fn names() -> String {
    let rows = NAMES.iter().map(|(asn, name, organisation)| format!("{asn}|{name}|{organisation}\n"));
    format!("# format:aut|aut_name|org_id\n{}", rows.collect::<String>())
}
