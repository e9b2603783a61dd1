//! exabgp: the fastest way to tell a router something.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::harness::parts::{Part, program};
use crate::harness::process::Process;

pub const PARTS: [Part; 2] = [Part::Command("exabgp"), Part::Command("setpriv")];

pub struct Exabgp {
    commands: File,
    neighbor: Ipv4Addr,
    _process: Process,
    _folder: TempDir,
}

impl Exabgp {
    /// A speaker at `own` that calls `neighbor`.
    pub fn start(asn: u32, own: Ipv4Addr, (peer_asn, neighbor, port): (u32, Ipv4Addr, u16)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let commands = File::create(at("commands")).expect("written");
        // It ends with the exabgp that started it.
        let feed = format!("#!/bin/sh\nexec tail -n +1 -f -s 0.1 --pid=$PPID {}\n", at("commands").display());
        std::fs::write(at("feed"), feed).expect("written");
        std::fs::set_permissions(at("feed"), std::fs::Permissions::from_mode(0o755)).expect("executable");
        let text = format!(
            "process feed {{ run {}; encoder text; }}\nneighbor {neighbor} {{\n  router-id {own};\n  \
             local-address {own};\n  local-as {asn};\n  peer-as {peer_asn};\n  connect {port};\n  \
             family {{ ipv4 unicast; ipv6 unicast; }}\n  api {{ processes [ feed ]; }}\n}}\n",
            at("feed").display()
        );
        std::fs::write(at("exabgp.conf"), text).expect("written");
        let args = ["exabgp.daemon.user=root", "exabgp.api.cli=false", "exabgp.api.ack=false", "exabgp", "exabgp.conf"];
        let process = Process::start("exabgp", folder.path(), &program(Part::Command("env")), args);
        Self { commands, neighbor, _process: process, _folder: folder }
    }

    /// Announces a route with its whole path.
    pub fn announce(&mut self, prefix: &str, path: &str) {
        let next_hop = if prefix.contains(':') { "2001:db8::3" } else { "192.0.2.3" };
        self.command(&format!("announce route {prefix} next-hop {next_hop} as-path [ {path} ]"));
    }

    pub fn withdraw(&mut self, prefix: &str) {
        let next_hop = if prefix.contains(':') { "2001:db8::3" } else { "192.0.2.3" };
        self.command(&format!("withdraw route {prefix} next-hop {next_hop}"));
    }

    fn command(&mut self, command: &str) {
        writeln!(self.commands, "neighbor {} {command}", self.neighbor).expect("written");
        self.commands.flush().expect("written");
    }
}
