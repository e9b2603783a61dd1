//! `[store]`: where is kept what must outlive the process, and for how long?

use std::env;
use std::path::PathBuf;

use super::reader::Section;
use crate::store::Location;

const FILE: &str = "bgpwarden.db";
/// Three months of some hundred incidents a day are about 1 GB.
const RETENTION_DAYS: u64 = 90;
/// What a small disk has to spare; two million usual alerts.
const MAX_MB: u64 = 10_000;
const CHECKPOINT_SECS: u64 = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub location: Location,
    /// Incidents that are over are forgotten after this.
    pub retention_days: u64,
    /// So are the oldest of them while there is more than this, in millions of bytes.
    pub max_mb: u64,
    /// How often what a restart needs is written down.
    pub checkpoint_secs: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            location: default_location(),
            retention_days: RETENTION_DAYS,
            max_mb: MAX_MB,
            checkpoint_secs: CHECKPOINT_SECS,
        }
    }
}

/// Where systemd says, else where the desktop keeps such things, else here.
fn default_location() -> Location {
    if cfg!(test) {
        return Location::Memory;
    }
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let given = folder("STATE_DIRECTORY");
    let own =
        || Some(folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?.join("bgpwarden"));
    Location::File(given.or_else(own).unwrap_or_default().join(FILE))
}

pub(super) fn read(mut section: Section<'_>) -> Store {
    let default = Store::default();
    let location = match section.text("path", "the path of a file, or \":memory:\" to forget everything at the end") {
        None => default.location,
        Some(path) if path == ":memory:" => Location::Memory,
        Some(path) => {
            if path.is_empty() {
                section.problem("path", "is empty");
            }
            Location::File(section.source().resolve(&path))
        }
    };
    let retention_days = section.integer("retention_days", 1..=36_500).unwrap_or(default.retention_days);
    let max_mb = section.integer("max_mb", 1..=1_000_000_000).unwrap_or(default.max_mb);
    let checkpoint_secs = section.integer("checkpoint_secs", 1..=86_400).unwrap_or(default.checkpoint_secs);
    section.finish();
    Store { location, retention_days, max_mb, checkpoint_secs }
}
