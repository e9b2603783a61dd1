//! FRR's bgpd alone: BMP with the quirks of FRR.

use std::net::Ipv4Addr;

use tempfile::TempDir;

use crate::harness::free_port;
use crate::harness::parts::{Part, program};
use crate::harness::process::Process;

pub const PARTS: [Part; 2] = [Part::Command("/usr/lib/frr/bgpd"), Part::Command("setpriv")];

pub struct Frr {
    pub asn: u32,
    pub address: Ipv4Addr,
    pub bgp_port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Frr {
    /// A router that waits for `peer`, and sends what it hears, before and after policy and as mirror, to `station`.
    pub fn start(asn: u32, address: Ipv4Addr, (peer_asn, peer): (u32, Ipv4Addr), station: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bgp_port = free_port();
        let family = |name: &str| {
            format!(
                " address-family {name} unicast\n  neighbor {peer} activate\n  \
                 neighbor {peer} soft-reconfiguration inbound\n exit-address-family\n"
            )
        };
        let monitors: String = ["ipv4", "ipv6"]
            .iter()
            .flat_map(|family| ["pre", "post"].map(|when| format!("  bmp monitor {family} unicast {when}-policy\n")))
            .collect();
        let text = format!(
            "hostname frr-{asn}\nlog stdout informational\nrouter bgp {asn}\n bgp router-id {address}\n \
             no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n \
             neighbor {peer} remote-as {peer_asn}\n neighbor {peer} passive\n neighbor {peer} update-source {address}\n \
             neighbor {peer} disable-connected-check\n neighbor {peer} timers connect 1\n{}{} bmp targets station\n  \
             bmp stats interval 5000\n  bmp mirror\n{monitors}  \
             bmp connect 127.0.0.1 port {station} min-retry 200 max-retry 1000\n exit\nexit\n",
            family("ipv4"),
            family("ipv6")
        );
        std::fs::write(folder.path().join("bgpd.conf"), text).expect("written");
        let process = daemon(&folder, address, bgp_port);
        Self { asn, address, bgp_port, _process: process, _folder: folder }
    }
}

fn daemon(folder: &TempDir, address: Ipv4Addr, bgp_port: u16) -> Process {
    let run = folder.path().display().to_string();
    let (port, address, pid) = (bgp_port.to_string(), address.to_string(), format!("{run}/bgpd.pid"));
    let config = format!("{run}/bgpd.conf");
    // Without zebra, without changing its user, without a terminal of its own.
    let args = ["-f", &config, "-M", "bmp", "-n", "-Z", "-S", "-p", &port, "-l", &address, "-P", "0", "-i", &pid];
    let args = args.into_iter().chain(["--vty_socket", &run]);
    Process::start("bgpd", folder.path(), &program(PARTS[0]), args)
}
