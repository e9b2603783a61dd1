//! What should a watch file say? Written from what dumps, VRPs and ASPAs show of an AS, or from a list in another format,
//! with a word on where each thing comes from. It is a draft: whoever runs the network knows better.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use ipnet::IpNet;
use rules::alert::RovState;
use rules::bgp::Asn;
use rules::rib::Entry;
use rules::rpki::Snapshot;
use rules::shard::Shard;
use rules::watch::Watch;

use crate::cli;
use crate::config::{Entries, show_entries, watch_file};
use crate::data;
use crate::failure::Failure;
use crate::table::{self, Table};

/// An origin that fewer peer ASes tell of is written down as a comment.
const ENOUGH_PEERS: usize = 2;

/// Writes to the file of `--output`, which must not be there yet, or gives the text back.
pub fn command(args: &cli::Init) -> Result<String, Failure> {
    let text = match (&args.csv, &args.bgpalerter) {
        (Some(path), _) | (None, Some(path)) => converted(path)?,
        (None, None) if args.asn.is_empty() => {
            let what = "nothing to begin with; give --asn N, --csv FILE or --bgpalerter FILE";
            return Err(Failure::impossible(what));
        }
        (None, None) => inferred(args)?,
    };
    let Some(path) = &args.output else { return Ok(text) };
    let name = path.display();
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    match created.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            Ok(format!("{name} is written; read it, then name it in the configuration: [watch] files = [\"{name}\"]\n"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::failed(format!("\"{name}\" is there already and is not overwritten; give another --output")))
        }
        Err(error) => Err(Failure::failed(format!("cannot write \"{name}\": {error}"))),
    }
}

/// The same in our words, and what has none.
fn converted(path: &Path) -> Result<String, Failure> {
    let entries: Entries = watch_file(path);
    if !entries.problems.is_empty() {
        return Err(Failure::impossible(entries.problems.join("\n")));
    }
    let mut text = format!("# Watch file, from {}.\n", path.display());
    for note in &entries.notes {
        eprintln!("bgpwarden: {note}");
        let _ = writeln!(text, "# Not carried over: {note}");
    }
    let _ = show_entries(&mut text, &entries, "");
    Ok(text)
}

fn inferred(args: &cli::Init) -> Result<String, Failure> {
    let rpki = data::rpki(&args.vrps, &args.aspas, None)?;
    rpki.warnings.iter().for_each(|warning| eprintln!("bgpwarden: {warning}"));
    let snapshot = rpki.snapshot();
    let Table { engine, as_of } = table::read(&args.rib, rpki.delta, Watch::default())?;
    let mut text =
        String::from("# Watch file, a draft by `bgpwarden init`. Read it: what it says is right will not be told.\n");
    let of = |list: Vec<String>| if list.is_empty() { "none given".to_owned() } else { list.join(", ") };
    let paths = |list: &[std::path::PathBuf]| list.iter().map(|path| path.display().to_string()).collect();
    let as_of = as_of.map_or_else(String::new, |time| format!(", as of {time}"));
    let _ = writeln!(text, "# Tables: {}{as_of}", of(args.rib.clone()));
    let _ = writeln!(text, "# VRPs: {}; ASPAs: {}", of(paths(&args.vrps)), of(paths(&args.aspas)));
    for asn in &args.asn {
        constituent(&mut text, *asn, &engine.shards()[0], &snapshot, !args.rib.is_empty());
    }
    Ok(text)
}

/// What a table shows of one prefix of the AS.
#[derive(Default)]
struct Shown {
    /// Peer ASes that tell of each origin.
    origins: BTreeMap<Asn, BTreeSet<Asn>>,
    /// Who stands next to our origin, and peer ASes that tell so.
    neighbors: BTreeMap<Asn, BTreeSet<Asn>>,
}

fn constituent(text: &mut String, asn: Asn, shard: &Shard, rpki: &Snapshot, has_table: bool) {
    let shown = shown(asn, shard);
    let mut prefixes: BTreeSet<IpNet> = shown.keys().copied().collect();
    let signed: BTreeSet<IpNet> = rpki.vrps.iter().filter(|vrp| vrp.asn == asn).map(|vrp| vrp.prefix).collect();
    // A ROA for a whole block is no announcement of it, unless nobody could tell.
    let is_announced = |signed: &IpNet| shown.keys().any(|p| signed.contains(p));
    prefixes.extend(signed.iter().filter(|p| !is_announced(p)));
    let _ = writeln!(text, "\n[[constituents]]\nname = \"{asn}\"\n# contact = \"noc@example.net\"");
    let _ = writeln!(text, "# Whatever else {asn} originates is watched, too.\nasns = [{}]", asn.0);
    let _ = writeln!(text, "# {} prefixes in the tables, {} in ROAs", shown.len(), signed.len());
    let upstreams = upstreams(asn, &shown, rpki);
    for line in &upstreams.said {
        let _ = writeln!(text, "# {line}");
    }
    for prefix in prefixes {
        resource(text, asn, prefix, shown.get(&prefix), rpki, &upstreams, has_table);
    }
}

fn shown(asn: Asn, shard: &Shard) -> BTreeMap<IpNet, Shown> {
    let rib = shard.rib();
    let originates = |e: &&Entry| e.origins.iter().any(|o| o.asn == asn && o.routes > 0);
    let entries = rib.all().into_iter().map(|at| rib.entry(at));
    let mut all = BTreeMap::new();
    for entry in entries.filter(originates) {
        let mut shown = Shown::default();
        for route in &entry.routes {
            let Some(adjacency) = rib.paths.adjacency(route.path) else { continue };
            let peer = shard.peer_as(route.vantage);
            shown.origins.entry(adjacency.origin_as).or_default().extend(peer);
            if adjacency.origin_as == asn && adjacency.neighbor != asn {
                shown.neighbors.entry(adjacency.neighbor).or_default().extend(peer);
            }
        }
        all.insert(entry.prefix, shown);
    }
    all
}

/// Who may stand next to the AS, and where that is known from.
struct Upstreams {
    all: BTreeSet<Asn>,
    /// Whether a table shows any: ASPAs name providers alone, and peers would be missing.
    is_seen: bool,
    said: Vec<String>,
}

fn upstreams(asn: Asn, shown: &BTreeMap<IpNet, Shown>, rpki: &Snapshot) -> Upstreams {
    let mut seen: BTreeMap<Asn, BTreeSet<Asn>> = BTreeMap::new();
    for (neighbor, peers) in shown.values().flat_map(|s| &s.neighbors) {
        seen.entry(*neighbor).or_default().extend(peers);
    }
    let mut said: Vec<String> = Vec::new();
    if !seen.is_empty() {
        let told: Vec<_> =
            seen.iter().map(|(asn, peers)| format!("{asn} (told by {} peer ASes)", peers.len())).collect();
        said.push(format!("Next to it in the tables: {}", told.join(", ")));
    }
    let providers: Vec<Asn> = rpki.aspas.providers_of(asn).map_or_else(Vec::new, <[Asn]>::to_vec);
    if !providers.is_empty() {
        let told: Vec<_> = providers.iter().map(ToString::to_string).collect();
        said.push(format!("Providers by its ASPA: {}", told.join(", ")));
    }
    let all = seen.keys().copied().chain(providers).filter(|asn| asn.0 != 0).collect();
    Upstreams { all, is_seen: !seen.is_empty(), said }
}

fn resource(
    text: &mut String,
    asn: Asn,
    prefix: IpNet,
    shown: Option<&Shown>,
    rpki: &Snapshot,
    upstreams: &Upstreams,
    has_table: bool,
) {
    let _ = writeln!(text, "\n[[constituents.resources]]\nprefix = \"{prefix}\"");
    let mut expected: BTreeSet<Asn> = BTreeSet::from([asn]);
    let mut doubtful: Vec<String> = Vec::new();
    for (origin, peers) in shown.iter().flat_map(|s| &s.origins) {
        let is_signed = rpki.vrps.validate(&prefix, Some(*origin)).state() == RovState::Valid;
        if is_signed {
            expected.insert(*origin);
        } else if *origin != asn {
            doubtful
                .push(format!("{origin} announces it, too (told by {} peer ASes), and no ROA names it", peers.len()));
        }
    }
    let told = shown.and_then(|s| s.origins.get(&asn)).map_or(0, BTreeSet::len);
    let from = match told {
        0 if has_table => "no table shows it; from a ROA".to_owned(),
        0 => "from a ROA".to_owned(),
        n if n < ENOUGH_PEERS => "told by one peer AS alone: is it yours?".to_owned(),
        n => format!("told by {n} peer ASes"),
    };
    let _ = writeln!(text, "# {from}\nexpected_origins = {}", list(&expected));
    for line in doubtful {
        let _ = writeln!(text, "# {line}");
    }
    let upstream_list = list(&upstreams.all);
    match (upstreams.all.is_empty(), upstreams.is_seen) {
        (true, _) => drop(writeln!(text, "# upstreams: not known; they are learned")),
        (false, true) => drop(writeln!(text, "upstreams = {upstream_list}")),
        (false, false) => {
            let _ =
                writeln!(text, "# Providers alone; add your peers before you use it:\n# upstreams = {upstream_list}");
        }
    }
    let longest = rpki.vrps.covering(&prefix).filter(|vrp| vrp.asn == asn).map(|vrp| vrp.max_length).max();
    let _ = match longest {
        Some(length) if length >= prefix.prefix_len() => writeln!(text, "# by its ROA\nmax_length = {length}"),
        _ => writeln!(text, "# max_length: no ROA says it; any is expected"),
    };
}

fn list(ases: &BTreeSet<Asn>) -> String {
    let numbers: Vec<_> = ases.iter().map(|asn| asn.0.to_string()).collect();
    format!("[{}]", numbers.join(", "))
}

#[cfg(test)]
pub mod tests;
