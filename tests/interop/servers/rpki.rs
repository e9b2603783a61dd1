//! Routinator and stayrtr: validators without a network, told by SLURM and by a file what there is.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::parts::{Part, program};
use crate::harness::process::Process;
use crate::harness::{free_port, listens, until};

pub const PARTS: [Part; 3] = [Part::Routinator, Part::Command("stayrtr"), Part::Command("setpriv")];

/// What a validator is to say: (prefix, longest, origin) and (customer, providers).
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub roas: Vec<(String, u8, u32)>,
    pub aspas: Vec<(u32, Vec<u32>)>,
}

impl Objects {
    /// RFC 8416 and its version 2, which has ASPAs.
    fn slurm(&self) -> Value {
        let roas: Vec<_> = self
            .roas
            .iter()
            .map(|(prefix, longest, asn)| json!({"asn": asn, "prefix": prefix, "maxPrefixLength": longest}))
            .collect();
        let aspas: Vec<_> = self
            .aspas
            .iter()
            .map(|(customer, providers)| json!({"customerAsn": customer, "providerAsns": providers}))
            .collect();
        json!({"slurmVersion": 2,
            "validationOutputFilters": {"prefixFilters": [], "bgpsecFilters": [], "aspaFilters": []},
            "locallyAddedAssertions": {"prefixAssertions": roas, "bgpsecAssertions": [], "aspaAssertions": aspas}})
    }

    fn vrps(&self) -> Value {
        let expires = jiff::Timestamp::now().as_second() + 86_400;
        let roas: Vec<_> = self
            .roas
            .iter()
            .map(|(prefix, longest, asn)| {
                json!({"asn": asn, "prefix": prefix, "maxLength": longest, "ta": "interop", "expires": expires})
            })
            .collect();
        json!({"metadata": {"generated": jiff::Timestamp::now().as_second(), "vrps": roas.len()}, "roas": roas})
    }
}

pub struct Routinator {
    pub rtr_port: u16,
    pub http_port: u16,
    process: Process,
    folder: TempDir,
}

impl Routinator {
    pub async fn start(objects: &Objects) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (rtr_port, http_port) = (free_port(), free_port());
        std::fs::create_dir(folder.path().join("repo")).expect("a folder");
        std::fs::write(slurm_path(&folder), objects.slurm().to_string()).expect("written");
        let repo = folder.path().join("repo").display().to_string();
        std::fs::write(
            folder.path().join("routinator.conf"),
            format!("repository-dir = \"{repo}\"\ndisable-rsync = true\n"),
        )
        .expect("written");
        let process = routinator(&folder, rtr_port, http_port);
        let mut routinator = Self { rtr_port, http_port, process, folder };
        routinator.answers().await;
        routinator
    }

    async fn answers(&mut self) {
        until("Routinator listens", 20, async || {
            self.process.assert_alive();
            listens(self.rtr_port)
        })
        .await;
    }

    /// Changes what it says, now.
    pub fn change(&self, objects: &Objects) {
        // In one step: it may read the file at any time.
        let new = self.folder.path().join("slurm.new");
        std::fs::write(&new, objects.slurm().to_string()).expect("written");
        std::fs::rename(new, slurm_path(&self.folder)).expect("renamed");
        self.process.signal("USR1");
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub async fn start_again(&mut self) {
        self.process = routinator(&self.folder, self.rtr_port, self.http_port);
        self.answers().await;
    }
}

fn slurm_path(folder: &TempDir) -> PathBuf {
    folder.path().join("slurm.json")
}

fn routinator(folder: &TempDir, rtr_port: u16, http_port: u16) -> Process {
    let (rtr, http) = (format!("127.0.0.1:{rtr_port}"), format!("127.0.0.1:{http_port}"));
    let start = ["--config", "routinator.conf", "--no-rir-tals", "-x", "slurm.json", "server"];
    let args = start.into_iter().chain(["--rtr", &rtr, "--http", &http, "--refresh", "600"]);
    Process::start("routinator", folder.path(), &program(Part::Routinator), args)
}

pub struct Stayrtr {
    pub rtr_port: u16,
    _process: Process,
    folder: TempDir,
}

impl Stayrtr {
    /// Reads its file every second.
    pub async fn start(objects: &Objects) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (rtr_port, metrics_port) = (free_port(), free_port());
        std::fs::write(folder.path().join("vrps.json"), objects.vrps().to_string()).expect("written");
        let (bind, metrics) = (format!("127.0.0.1:{rtr_port}"), format!("127.0.0.1:{metrics_port}"));
        let args = ["-bind", &bind, "-metrics.addr", &metrics, "-cache", "vrps.json", "-refresh", "1"];
        let args = args.into_iter().chain(["-rtr.refresh", "60", "-checktime=false"]);
        let mut process = Process::start("stayrtr", folder.path(), &program(Part::Command("stayrtr")), args);
        until("stayrtr listens", 20, async || {
            process.assert_alive();
            listens(rtr_port)
        })
        .await;
        Self { rtr_port, _process: process, folder }
    }

    /// Changes what it says; it looks within a second.
    pub fn change(&self, objects: &Objects) {
        let new = self.folder.path().join("vrps.new");
        std::fs::write(&new, objects.vrps().to_string()).expect("written");
        std::fs::rename(new, self.folder.path().join("vrps.json")).expect("renamed");
    }
}
