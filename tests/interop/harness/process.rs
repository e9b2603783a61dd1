//! A program that ends with the test that started it, and whose last words are shown where the test fails.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Lines of the log that a failed test shows.
const LAST_WORDS: usize = 30;

pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in `folder`; what it says goes to `NAME.log` there. It also ends when the thread that calls
    /// this is gone, however that comes about, so call it from the thread of the test.
    pub fn start<S: AsRef<OsStr>>(
        name: &str,
        folder: &Path,
        program: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .current_dir(folder)
            // Where bgpwarden keeps what must outlive it.
            .env("STATE_DIRECTORY", folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args(["-s", signal, &self.id().to_string()]).status().expect("kill runs");
        assert!(done.success(), "{} is gone already\n{}", self.name, self.last_words());
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be waited for")
    }

    /// Fails if it ended by itself.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended with {status}\n{}", self.name, self.last_words());
        }
    }

    /// SIGTERM, and its end within `secs`.
    pub fn stop(&mut self, secs: u64) -> ExitStatus {
        self.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(secs);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not stop\n{}", self.name, self.last_words());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        // One that ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Resident memory in MiB, now and at its highest.
    pub fn memory_mib(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().collect();
        format!("--- {}:\n{}", self.name, lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

/// Runs a tool to its end, at most `secs`; its output if it succeeded, else what it said.
pub fn tool<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>, secs: u64) -> Result<String, String> {
    let output = Command::new("timeout")
        .arg(secs.to_string())
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(format!("{program}: {}: {stdout}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
