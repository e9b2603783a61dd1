//! By which data are routes judged: VRPs, ASPAs and relations, as files give them?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feeds::as2org::{As2org, AsNames};
use feeds::relations_file::read_relations;
use feeds::vrp_file::{self, RpkiFile};
use rules::alert::{Source, SourceState};
use rules::bgp::{Asn, Timestamp};
use rules::relations::Relations;
use rules::rpki::{Delta, RoaEnds, Snapshot};

use crate::config::Config;
use crate::failure::Failure;

/// What the RPKI says, with where it came from, and what a person should know about the files.
pub struct RpkiData {
    pub delta: Delta,
    /// When ROAs of the files end by themselves.
    pub roa_ends: RoaEnds,
    pub warnings: Vec<String>,
}

impl RpkiData {
    /// Everything at once.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.apply(&self.delta);
        snapshot
    }
}

/// What a command judges recorded input by.
pub struct Given {
    pub config: Config,
    pub rpki: RpkiData,
    pub relations: Relations,
}

impl Given {
    /// By the files that its arguments name; what is odd about them goes to stderr.
    pub fn read(
        config: Option<&Path>,
        (vrps, aspas): (&[PathBuf], &[PathBuf]),
        (relations, siblings): (Option<&Path>, Option<&Path>),
    ) -> Result<Self, Failure> {
        let config = match config {
            Some(path) => Config::load(Some(path))?,
            None => Config::without_file(),
        };
        let rpki = rpki(vrps, aspas, None)?;
        let (relations, warnings) = self::relations(relations, siblings)?;
        for warning in rpki.warnings.iter().chain(&warnings) {
            eprintln!("bgpwarden: {warning}");
        }
        Ok(Self { config, rpki, relations })
    }
}

/// Reads VRPs from the one list and ASPAs from the other. Entries that expire before `expire_at` are left out.
pub fn rpki(vrps: &[PathBuf], aspas: &[PathBuf], expire_at: Option<Timestamp>) -> Result<RpkiData, Failure> {
    let mut warnings = Vec::new();
    let vrp_files = read_all(vrps, expire_at, &mut warnings)?;
    if let Some((name, file)) = vrp_files.iter().find(|(_, file)| !file.has_vrps) {
        let hint = if file.has_aspas { "; it holds ASPAs: give it with --aspas" } else { "" };
        return Err(Failure::failed(format!("\"{name}\" holds no VRPs{hint}")));
    }
    let aspa_files = read_all(aspas, expire_at, &mut warnings)?;
    if let Some((name, _)) = aspa_files.iter().find(|(_, file)| !file.has_aspas) {
        return Err(Failure::failed(format!("\"{name}\" holds no ASPAs; validators often leave them out unless told")));
    }
    let roa_ends = RoaEnds::new(vrp_files.iter().flat_map(|(_, file)| file.roa_ends.iter()));
    let delta = Delta {
        vrps: source(&vrp_files),
        aspas: source(&aspa_files),
        announced_aspas: providers(&aspa_files),
        announced_vrps: vrp_files.into_iter().flat_map(|(_, file)| file.vrps).collect(),
        withdrawn_vrps: Vec::new(),
        withdrawn_aspas: Vec::new(),
    };
    Ok(RpkiData { delta, roa_ends, warnings })
}

fn read_all(
    paths: &[PathBuf],
    expire_at: Option<Timestamp>,
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, RpkiFile)>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        let file = vrp_file::read_file(&name, expire_at).map_err(|error| Failure::failed(error.to_string()))?;
        if file.expired > 0 {
            warnings.push(format!("\"{name}\": {} entries have expired and are left out", file.expired));
        }
        warnings.extend(rejected(&name, file.rejected_count, &file.rejected));
        files.push((name, file));
    }
    Ok(files)
}

/// Names the first rows that could not be read.
fn rejected(name: &str, count: u64, rows: &[vrp_file::RejectedRow]) -> Option<String> {
    let named: Vec<_> = rows.iter().take(3).map(|row| format!("{}: {}", row.row, row.why)).collect();
    let more = if count > named.len() as u64 { "; …" } else { "" };
    (count > 0).then(|| format!("\"{name}\": {count} rows left out: {}{more}", named.join("; ")))
}

/// All providers of a customer over all files (U-SPAS).
fn providers(files: &[(String, RpkiFile)]) -> BTreeMap<Asn, Vec<Asn>> {
    let mut all: BTreeMap<Asn, Vec<Asn>> = BTreeMap::new();
    for (customer, providers) in files.iter().flat_map(|(_, file)| &file.aspas) {
        all.entry(*customer).or_default().extend(providers);
    }
    for providers in all.values_mut() {
        providers.sort_unstable();
        providers.dedup();
    }
    all
}

fn source(files: &[(String, RpkiFile)]) -> Source {
    let names: Vec<_> = files.iter().map(|(name, _)| file_name(name)).collect();
    if names.is_empty() {
        return Source::none();
    }
    let as_of = files.iter().filter_map(|(_, file)| file.as_of).min();
    Source { name: names.join(", ").into(), serial: None, as_of, state: SourceState::Fresh }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What ASes are called, by the file that names siblings.
pub fn names(siblings: Option<&Path>) -> Result<Arc<AsNames>, Failure> {
    let read = siblings.map(|path| As2org::read(&path.display().to_string())).transpose();
    read.map(|read| Arc::new(read.unwrap_or_default().names)).map_err(|error| Failure::failed(error.to_string()))
}

/// Reads relations and siblings; without either, nothing is known.
pub fn relations(file: Option<&Path>, siblings: Option<&Path>) -> Result<(Relations, Vec<String>), Failure> {
    let failed = |error: feeds::input::InputError| Failure::failed(error.to_string());
    let mut warnings = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let (mut edges, mut clique, mut ixps, mut as_of) = Default::default();
    if let Some(path) = file {
        let name = path.display().to_string();
        let read = read_relations(&name).map_err(failed)?;
        warnings.extend(rejected(&name, read.rejected_count, &read.rejected));
        (edges, clique, ixps, as_of) = (read.edges, read.clique, read.ixps, read.as_of);
        names.push(file_name(&name).to_owned());
    }
    let mut groups = Vec::new();
    if let Some(path) = siblings {
        let name = path.display().to_string();
        groups = As2org::read(&name).map_err(failed)?.siblings;
        names.push(file_name(&name).to_owned());
    }
    if names.is_empty() {
        return Ok((Relations::none(), warnings));
    }
    let name: Arc<str> = names.join(", ").into();
    let source = Source { name, serial: None, as_of, state: SourceState::Fresh };
    Ok((Relations::new(source, edges, clique, groups, ixps), warnings))
}
