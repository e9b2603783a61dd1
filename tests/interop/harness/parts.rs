//! Where are the servers, and what if one is missing?

use std::path::{Path, PathBuf};

/// A part of the suite that `tests/interop/install` brings.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A command of the path, or with its whole path.
    Command(&'static str),
    Routinator,
    Kafka,
    Schemathesis,
}

impl Part {
    /// Its program or folder.
    pub fn path(self) -> Option<PathBuf> {
        match self {
            Self::Command(name) if name.starts_with('/') => Some(PathBuf::from(name)).filter(|path| path.exists()),
            Self::Command(name) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
                folders.map(|folder| folder.join(name)).find(|file| file.is_file())
            }
            Self::Routinator => Some(cache()?.join("bin/routinator")).filter(|path| path.is_file()),
            Self::Schemathesis => Some(cache()?.join("schemathesis/bin/schemathesis")).filter(|path| path.is_file()),
            Self::Kafka => {
                let mut found = std::fs::read_dir(cache()?).ok()?.flatten().map(|entry| entry.path());
                found.find(|path| is_kafka(path) && path.join(".complete").exists())
            }
        }
    }
}

fn is_kafka(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kafka-"))
}

fn cache() -> Option<PathBuf> {
    let given = std::env::var_os("BGPWARDEN_INTEROP").map(PathBuf::from);
    let usual = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    given.or_else(|| usual().or_else(home).map(|folder| folder.join("bgpwarden-interop")))
}

/// Whether all parts are there. Names those that are not; in CI that is a failure.
pub fn all_here(parts: &[Part]) -> bool {
    let missing: Vec<_> = parts.iter().filter(|part| part.path().is_none()).map(|part| format!("{part:?}")).collect();
    if missing.is_empty() {
        return true;
    }
    let what = format!("not here: {}; run tests/interop/install", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
    eprintln!("SKIPPED: {what}");
    false
}

/// The program of a part that `all_here` found.
pub fn program(part: Part) -> PathBuf {
    part.path().unwrap_or_else(|| panic!("{part:?} is not here; run tests/interop/install"))
}
