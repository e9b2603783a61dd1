//! The files that the program under test reads, and where it listens.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, TcpListener};

use benches::wire::mrt;
use benches::world::World;
use tempfile::TempDir;

use crate::{Args, Failure, Feed, script};

pub const ROUTER: &str = "lab";

pub struct Stage {
    pub folder: TempDir,
    pub http: SocketAddr,
    /// RIS Live here; none if a router is played.
    pub ris_live: Option<TcpListener>,
    /// The station that a router connects to.
    pub station: SocketAddr,
}

pub fn set(world: &World, args: &Args) -> Result<Stage, Failure> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("vrps.json"), script::vrps(world))?;
    std::fs::write(folder.path().join("relations.txt"), script::relations(world))?;
    let mut dumps = Vec::new();
    for (collector, sessions) in collectors(world) {
        let name = format!("{collector}.rib.mrt");
        let mut file = BufWriter::new(std::fs::File::create(folder.path().join(&name))?);
        for record in mrt::dump(world, &sessions) {
            file.write_all(&record)?;
        }
        file.flush()?;
        dumps.push(format!("\"{collector}={name}\""));
    }
    let (http, station) = (free()?, free()?);
    let ris_live = (args.feed == Feed::RisLive).then(|| TcpListener::bind("127.0.0.1:0")).transpose()?;
    let mut config = format!(
        "[http]\nlisten = \"{http}\"\n\n[feeds.dumps]\nkind = \"mrt\"\nrib = [{}]\n\n[rpki]\nfiles = [\"vrps.json\"]\n\n\
         [relations]\nfile = \"relations.txt\"\n\n[alerts]\nhold_down_secs = 0\nmin_peer_ases = 1\n\n[store]\npath = \"store.db\"\n\n\
         [sinks.out]\nkind = \"ndjson\"\npath = \"-\"\n\n",
        dumps.join(", "),
    );
    match &ris_live {
        Some(listener) => write!(
            config,
            "[feeds.live]\nkind = \"ris_live\"\nurl = \"ws://{}/\"\nclient = \"bgpwarden-load\"\n",
            listener.local_addr()?
        )?,
        None => write!(
            config,
            "[feeds.live]\nkind = \"bmp\"\nlisten = \"{station}\"\n[[feeds.live.routers]]\naddress = \"127.0.0.1\"\nname = \"{ROUTER}\"\n"
        )?,
    }
    std::fs::write(folder.path().join("bgpwarden.toml"), config)?;
    Ok(Stage { folder, http, ris_live, station })
}

/// Sessions by collector.
fn collectors(world: &World) -> std::collections::BTreeMap<&str, Vec<u32>> {
    let mut collectors: std::collections::BTreeMap<&str, Vec<u32>> = Default::default();
    for (i, session) in world.sessions.iter().enumerate() {
        collectors.entry(&session.point.collector).or_default().push(i as u32);
    }
    collectors
}

/// An address that nobody has now.
fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
