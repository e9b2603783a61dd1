//! Does broken input cost only what is broken, with a message that names the culprit?

mod support;

use std::path::PathBuf;

use support::{Run, bgpwarden, data};

fn file(name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = std::env::temp_dir().join(format!("bgpwarden-bad-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

fn check(run: &Run, status: i32, culprit: &str) {
    assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
    assert!(run.stderr.contains(culprit), "does not name {culprit}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    check(&bgpwarden(["replay", "no/such/file.gz"]), 1, "no/such/file.gz");
    check(&bgpwarden(["replay", &file("empty.mrt", b"")]), 1, "empty.mrt");
    check(&bgpwarden(["replay", &file("text.mrt", b"hello, world, hello")]), 1, "text.mrt");
    check(&bgpwarden(["replay", "--rib", "no/such/rib", &file("x", b"{}")]), 1, "no/such/rib");
}

#[test]
fn impossible_arguments_are_told_apart_from_failures() {
    check(&bgpwarden(["replay"]), 2, "INPUT");
    check(&bgpwarden(["replay", "--shards", "many", "x"]), 2, "--shards");
    check(&bgpwarden(["explain", "192.0.2.0/33", "64496"]), 2, "192.0.2.0/33");
    check(&bgpwarden(["explain", "192.0.2.0/24", "64496x"]), 2, "64496x");
    check(&bgpwarden(["nonsense"]), 2, "nonsense");
}

#[test]
fn configuration_errors_name_the_key_and_give_a_hint() {
    let unknown = file("unknown.toml", b"[alerts]\nhold_down_sec = 30\n");
    let run = bgpwarden(["check", "--config", &unknown]);
    check(&run, 2, "hold_down_sec");
    assert!(run.stderr.contains("hold_down_secs"), "no hint: {}", run.stderr);
    let mistyped = file("mistyped.toml", b"[alerts]\nhold_down_secs = \"soon\"\n");
    check(&bgpwarden(["check", "--config", &mistyped]), 2, "hold_down_secs");
    check(&bgpwarden(["check", "--config", "no/such.toml"]), 1, "no/such.toml");
}

#[test]
fn wrong_vrp_rows_are_named_and_the_others_used() {
    let vrps = file(
        "vrps.json",
        br#"{"roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":24},{"asn":"x","prefix":"192.0.2.0/24"},
            {"asn":1,"prefix":"192.0.2.0/24","maxLength":8}]}"#,
    );
    let run = bgpwarden(["explain", "--vrps", &vrps, "--json", "192.0.2.0/24", "64500", "64496"]);
    assert!(run.status.success(), "{}", run.stderr);
    assert!(run.stdout.contains("roas[1]") && run.stdout.contains("roas[2]"), "{}", run.stdout);
    assert!(run.stdout.contains("\"valid\""), "{}", run.stdout);
}

/// A small generator, so that the same damage is done in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}

#[test]
fn damaged_files_never_end_in_a_panic() {
    let Some(folder) = data("mrt") else { return };
    let sources = ["bgpipe/sample.mrt", "mrtparse/quagga_bgp", "bgpdump/test_data/updates.20020722.2238.gz"];
    let mut dice = Dice(1);
    for source in sources {
        let whole = std::fs::read(folder.join(source)).expect("readable");
        for round in 0..8 {
            let mut bytes = whole.clone();
            if round % 2 == 0 {
                bytes.truncate(1 + dice.roll(whole.len()));
            }
            for _ in 0..round * 4 {
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
            }
            let run = bgpwarden(["replay", &file("damaged.mrt", &bytes)]);
            assert!(matches!(run.status.code(), Some(0 | 1)), "{source}: {}", run.stderr);
            assert!(!run.stderr.contains("panicked"), "{source}: {}", run.stderr);
        }
    }
}
