//! Where is the real data, and what does it say about RPKI and relations?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use feeds::relations_file::read_relations;
use feeds::vrp_file;
use rules::alert::{Source, SourceState};
use rules::bgp::Timestamp;
use rules::relations::Relations;
use rules::rpki::Delta;

/// A folder of the real data. Without it the measure is skipped where that is allowed, and fails in CI.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = std::env::var_os("BGPWARDEN_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join(name);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no data at {}; set BGPWARDEN_DATA", path.display());
    println!("SKIPPED: no data at {}; set BGPWARDEN_DATA", path.display());
    None
}

/// All VRPs and ASPAs of a validator's file.
pub fn rpki(file: &Path) -> Result<Delta, String> {
    let read = vrp_file::read_file(&file.display().to_string(), None).map_err(|error| error.to_string())?;
    Ok(Delta {
        announced_vrps: read.vrps,
        withdrawn_vrps: Vec::new(),
        announced_aspas: read.aspas,
        withdrawn_aspas: Vec::new(),
        vrps: source(file, read.as_of),
        aspas: source(file, read.as_of),
    })
}

/// Who sells to whom according to a file.
pub fn relations(file: &Path) -> Result<Relations, String> {
    let read = read_relations(&file.display().to_string()).map_err(|error| error.to_string())?;
    Ok(Relations::new(source(file, read.as_of), read.edges, read.clique, Vec::new(), read.ixps))
}

fn source(file: &Path, as_of: Option<Timestamp>) -> Source {
    let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Source { name: name.into(), serial: None, as_of, state: SourceState::Fresh }
}

/// Files below a folder, in the order of their paths.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|e| Some(e.ok()?.path())) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What every run of one measure is given beside the routes.
#[derive(Clone, Default)]
pub struct Knowledge {
    pub rpki: Option<Arc<Delta>>,
    pub relations: Option<Arc<Relations>>,
}
