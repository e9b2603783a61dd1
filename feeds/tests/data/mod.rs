//! Where is the real data that tests read in place?

use std::path::PathBuf;

/// A file of the data folder; none, with a visible note, where the folder is absent. CI demands it.
pub fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BGPWARDEN_DATA")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").into(), PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    let demanded = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!demanded, "{} is missing, and CI demands it", file.display());
    eprintln!("SKIPPED: {} is missing; set BGPWARDEN_DATA to the folder with the data", file.display());
    None
}
