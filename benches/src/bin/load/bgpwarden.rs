//! The program under test: a process of its own, of which only what everybody sees is used.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rules::bgp::Asn;

use crate::stage::Stage;
use crate::{Args, Failure};

/// An alert and when it was read.
pub struct Told {
    pub when: Instant,
    pub prefix: IpNet,
    pub origins: Vec<Asn>,
}

/// CPU seconds so far, resident memory, and the moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu: Duration,
    pub resident: usize,
    /// CPU seconds that the host gave to others.
    pub stolen: Duration,
    pub when: Instant,
}

pub struct Bgpwarden {
    child: Child,
    http: std::net::SocketAddr,
    alerts: Option<JoinHandle<Vec<Told>>>,
}

/// Loading the dumps of the largest world takes minutes.
const READY_SECS: u64 = 1_200;
/// What the kernel counts CPU time in, on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

pub fn start(stage: &Stage, args: &Args) -> Result<Bgpwarden, Failure> {
    let beside = std::env::current_exe()?.with_file_name("bgpwarden");
    let binary = args.binary.clone().unwrap_or(beside);
    let mut command = Command::new(&binary);
    command.arg("run").arg("--config").arg(stage.folder.path().join("bgpwarden.toml"));
    let spawned = command.current_dir(stage.folder.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned
        .map_err(|error| format!("cannot start {}: {error}; build it: cargo build --release", binary.display()))?;
    let out = child.stdout.take().ok_or("no standard output")?;
    let alerts = std::thread::spawn(move || listen(BufReader::new(out)));
    Ok(Bgpwarden { child, http: stage.http, alerts: Some(alerts) })
}

fn listen(lines: impl BufRead) -> Vec<Told> {
    let told = |line: std::io::Result<String>| {
        let when = Instant::now();
        let alert: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
        let is_new = alert["transition"] == "opened";
        let prefix = alert["prefixes"][0].as_str()?.parse().ok()?;
        let origins = alert["detected_origins"].as_array()?.iter().filter_map(|asn| Some(Asn(asn.as_u64()? as u32)));
        is_new.then(|| Told { when, prefix, origins: origins.collect() })
    };
    lines.lines().filter_map(told).collect()
}

impl Bgpwarden {
    pub fn until_ready(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + Duration::from_secs(READY_SECS);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("bgpwarden ended at once: {status}").into());
            }
            if self.get("/metrics").is_ok_and(|text| text.contains("bgpwarden_baseline_ready 1")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(format!("not ready after {READY_SECS} s").into())
    }

    /// Routes and prefixes, as its metrics tell them, which are brought up to date every second.
    pub fn held(&self) -> Result<String, Failure> {
        std::thread::sleep(Duration::from_secs(2));
        let metrics = self.get("/metrics")?;
        let held = metrics.lines().filter(|line| line.starts_with("bgpwarden_rib_"));
        Ok(held.collect::<Vec<_>>().join(", "))
    }

    pub fn usage(&self) -> Result<Usage, Failure> {
        let of = |what: &str| std::fs::read_to_string(format!("/proc/{}/{what}", self.child.id()));
        let stat = of("stat")?;
        // The name may hold anything; the fields behind it begin with the third.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        let pages: usize = of("statm")?.split(' ').nth(1).ok_or("no resident memory")?.parse()?;
        let cpu = Duration::from_secs_f64(ticks / TICKS_A_SECOND);
        let stolen = benches::measure::stolen().unwrap_or_default();
        Ok(Usage { cpu, resident: pages * 4_096, stolen, when: Instant::now() })
    }

    /// Asks it to stop, and gives all alerts that it told.
    pub fn stop(mut self) -> Result<Vec<Told>, Failure> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let alerts = self.alerts.take().ok_or("stopped twice")?;
        let told = alerts.join().map_err(|_| "the alerts could not be read")?;
        self.child.wait()?;
        Ok(told)
    }

    pub fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Bgpwarden {
    fn drop(&mut self) {
        // Where something failed on the way; a process that has ended is not killed twice.
        if self.alerts.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
