use std::path::PathBuf;

use feeds::mrt_write::{self, Line};
use rules::bgp::{AsPath, Timestamp};

use super::*;
use crate::check;

/// Five peers: one network of AS64496 behind two neighbors, what is around it, another family, and a network of others.
pub fn dump() -> Vec<u8> {
    let routes = [
        ("192.0.0.0/16", "64510 64499"),
        ("192.0.2.0/24", "64510 64496"),
        ("198.51.100.0/24", "64510 64497"),
        ("2001:db8::/32", "64505 64496"),
    ];
    let line = |peer: u32, (prefix, path): (&str, &str)| Line {
        time: Timestamp::from_secs(1_772_334_000),
        peer_as: Asn(64_500 + peer),
        peer_address: [192, 0, 2, peer as u8].into(),
        prefix: prefix.parse().expect("a prefix"),
        as_path: Some(format!("{} {path}", 64_500 + peer).parse::<AsPath>().expect("a path")),
    };
    let lines: Vec<Line> = (0..5).flat_map(|peer| routes.map(|route| line(peer, route))).collect();
    mrt_write::rib(lines).expect("written").to_vec()
}

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { dir: tempfile::tempdir().expect("a folder") };
        files.write("dump", &dump());
        let vrps = r#"{"roas":[{"asn":64496,"prefix":"192.0.2.0/24","maxLength":25,"ta":"x"},
                               {"asn":64496,"prefix":"203.0.113.0/24","maxLength":24,"ta":"x"}]}"#;
        files.write("vrps.json", vrps.as_bytes());
        files.write("aspas.json", br#"{"aspas":[{"customer_asid":64496,"providers":[64501]}]}"#);
        files
    }

    fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.path(name), octets).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn init(&self) -> cli::Init {
        cli::Init {
            asn: vec![Asn(64496)],
            csv: None,
            bgpalerter: None,
            rib: vec![format!("rrc00={}", self.path("dump").display())],
            vrps: vec![self.path("vrps.json")],
            aspas: vec![self.path("aspas.json")],
            output: None,
        }
    }
}

#[test]
fn a_draft_says_what_is_expected_and_from_what() {
    let files = Files::new();
    let text = command(&files.init()).expect("a draft");
    for said in [
        "# Next to it in the tables: AS64505 (told by 5 peer ASes), AS64510 (told by 5 peer ASes)",
        "# Providers by its ASPA: AS64501",
        "prefix = \"192.0.2.0/24\"\n# told by 5 peer ASes\nexpected_origins = [64496]\nupstreams = [64501, 64505, 64510]\n# by its ROA\nmax_length = 25",
        "prefix = \"203.0.113.0/24\"\n# no table shows it; from a ROA",
        "prefix = \"2001:db8::/32\"",
    ] {
        assert!(text.contains(said), "{said}\n---\n{text}");
    }
    assert!(!text.contains("198.51.100.0/24"), "it belongs to others");
    files.write("watch.toml", text.as_bytes());
    let entries = watch_file(&files.path("watch.toml"));
    assert_eq!((entries.problems.len(), entries.constituents[0].resources.len()), (0, 3), "{:?}", entries.problems);
    let only_aspas = cli::Init { rib: Vec::new(), ..files.init() };
    let text = command(&only_aspas).expect("a draft");
    assert!(text.contains("# Providers alone; add your peers before you use it:\n# upstreams = [64501]"), "{text}");
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let files = Files::new();
    let args = || cli::Init { output: Some(files.path("watch.toml")), ..files.init() };
    assert!(command(&args()).expect("written").contains("watch.toml is written"));
    let refused = command(&args()).expect_err("it is there").to_string();
    assert!(refused.contains("is there already and is not overwritten"), "{refused}");
}

#[test]
fn a_list_of_another_program_becomes_a_watch_file() {
    let files = Files::new();
    files.write("prefixes.yml", b"192.0.2.0/24:\n  asn: 64496\n  path:\n    match: x\n");
    let args = cli::Init { asn: Vec::new(), bgpalerter: Some(files.path("prefixes.yml")), ..files.init() };
    let text = command(&args).expect("carried over");
    assert!(text.contains("# Not carried over: ") && text.contains("expected_origins = [64496]"), "{text}");
    files.write("watch.toml", text.as_bytes());
    assert_eq!(watch_file(&files.path("watch.toml")).problems, Vec::<String>::new());
}

#[test]
fn check_says_who_sees_each_watched_prefix() {
    let files = Files::new();
    let config = "[watch]\nfiles = ['watch.toml']\n[rpki]\nfiles = ['vrps.json']\n";
    files.write("bgpwarden.toml", config.as_bytes());
    files
        .write("watch.toml", b"[[constituents]]\nname = 'Example'\nasns = [64496]\nprefixes = ['198.51.100.128/25']\n");
    let args = |rib| cli::Check { config: Some(files.path("bgpwarden.toml")), rib, vrps: Vec::new() };
    let text = check::command(&args(files.init().rib)).expect("fine");
    for said in [
        "# 198.51.100.128/25    no origin; NOBODY SEES IT; Example",
        "# 192.0.2.0/24         AS64496 ROV valid; seen by 5 of 5 full-feed peers (5 peer ASes); Example",
        "# 203.0.113.0/24       no origin; signed by a ROA, not announced; Example",
        "# 2 seen, 1 seen by nobody, 1 signed and not announced",
    ] {
        assert!(text.contains(said), "{said}\n---\n{text}");
    }
    let without = check::command(&args(Vec::new())).expect("fine");
    assert!(without.contains("give --rib FILE, or ask a running bgpwarden at /api/v1/watched"));
}
