//! gobgpd: a router that speaks BMP, or the neighbour that tells it routes.

use std::net::Ipv4Addr;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::parts::{Part, program};
use crate::harness::process::{Process, tool};
use crate::harness::{free_port, until};

pub const PARTS: [Part; 3] = [Part::Command("gobgpd"), Part::Command("gobgp"), Part::Command("setpriv")];

/// What one daemon is told.
pub struct Gobgp {
    pub asn: u32,
    pub address: Ipv4Addr,
    pub bgp_port: u16,
    process: Process,
    api_port: u16,
    folder: TempDir,
}

/// A neighbour in a daemon's configuration: who it is, and where it listens if we are to call it.
pub struct Neighbor {
    pub asn: u32,
    pub address: Ipv4Addr,
    pub port: Option<u16>,
}

impl Gobgp {
    /// Starts a daemon. With `station` it is a BMP client of that port, and sends each route before and after policy
    /// and from its own table.
    pub async fn start(asn: u32, address: Ipv4Addr, neighbors: &[Neighbor], station: Option<u16>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (bgp_port, api_port) = (free_port(), free_port());
        let mut text = format!(
            "[global.config]\nas = {asn}\nrouter-id = \"{address}\"\nport = {bgp_port}\n\
             local-address-list = [\"{address}\"]\n"
        );
        if let Some(port) = station {
            text += &format!(
                "[[bmp-servers]]\n[bmp-servers.config]\naddress = \"127.0.0.1\"\nport = {port}\n\
                 route-monitoring-policy = \"all\"\nstatistics-timeout = 15\nsys-name = \"gobgp-{asn}\"\n"
            );
        }
        neighbors.iter().for_each(|neighbor| text += &of_neighbor(address, neighbor));
        std::fs::write(folder.path().join("gobgpd.toml"), text).expect("written");
        let mut gobgp = Self { asn, address, bgp_port, process: daemon(&folder, asn, api_port), api_port, folder };
        gobgp.answers().await;
        gobgp
    }

    async fn answers(&mut self) {
        until("gobgpd answers", 20, async || {
            self.process.assert_alive();
            self.try_cli(&["global"]).ok()
        })
        .await;
    }

    /// Takes the daemon away and starts it again, without the routes it was told.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = daemon(&self.folder, self.asn, self.api_port);
        self.answers().await;
    }

    pub fn memory_mib(&self) -> (f64, f64) {
        self.process.memory_mib()
    }

    fn try_cli(&self, args: &[&str]) -> Result<String, String> {
        let port = self.api_port.to_string();
        tool("gobgp", ["-p", &port].iter().chain(args), 60)
    }

    /// The command line of gobgp.
    pub fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Originates a route with a path behind its own AS.
    pub fn announce(&self, prefix: &str, path: &str) {
        let (family, next_hop) = if prefix.contains(':') { ("ipv6", "2001:db8::2") } else { ("ipv4", "192.0.2.2") };
        self.cli(&["global", "rib", "add", "-a", family, prefix, "nexthop", next_hop, "aspath", path]);
    }

    pub fn withdraw(&self, prefix: &str) {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        self.cli(&["global", "rib", "del", "-a", family, prefix]);
    }

    /// Waits until its sessions are established, and that many.
    pub async fn established(&self, sessions: usize) {
        until("BGP sessions are established", 40, async || {
            let neighbors: Value = serde_json::from_str(&self.try_cli(&["neighbor", "-j"]).ok()?).ok()?;
            let up = neighbors.as_array()?.iter().filter(|neighbor| is_established(neighbor)).count();
            (up >= sessions).then_some(())
        })
        .await;
    }

    /// Routes of its table, by its own count.
    pub fn route_count(&self, family: &str) -> usize {
        let summary = self.cli(&["global", "rib", "summary", "-a", family]);
        // "Destination: 2, Path: 3"
        let path = summary.split("Path:").nth(1).unwrap_or_default();
        path.trim().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or_default()
    }
}

fn is_established(neighbor: &Value) -> bool {
    let state = &neighbor["state"];
    state["session_state"] == 6 || state["session-state"] == "established" || state["session_state"] == "ESTABLISHED"
}

fn daemon(folder: &TempDir, asn: u32, api_port: u16) -> Process {
    let api = format!("127.0.0.1:{api_port}");
    let args = ["-t", "toml", "-f", "gobgpd.toml", "--api-hosts", &api, "--pprof-disable"];
    Process::start(&format!("gobgpd-{asn}"), folder.path(), &program(Part::Command("gobgpd")), args)
}

fn of_neighbor(own: Ipv4Addr, neighbor: &Neighbor) -> String {
    let Neighbor { asn, address, port } = neighbor;
    let transport = match port {
        Some(port) => format!("remote-port = {port}"),
        None => "passive-mode = true".to_owned(),
    };
    let families: String = ["ipv4-unicast", "ipv6-unicast"]
        .iter()
        .map(|family| format!("[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\"\n"))
        .collect();
    format!(
        "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{address}\"\npeer-as = {asn}\n\
         [neighbors.transport.config]\nlocal-address = \"{own}\"\n{transport}\n\
         [neighbors.timers.config]\nconnect-retry = 1\nidle-hold-time-after-reset = 2\n{families}"
    )
}
