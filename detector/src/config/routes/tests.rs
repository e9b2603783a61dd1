use std::path::Path;

use super::*;
use crate::config::{Config, NdjsonTarget, SinkKind};

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("bgpwarden.toml", text, Path::new("/etc/bgpwarden")).map_err(|problems| problems.join("\n"))
}

const WATCHED: &str = "[[watch.constituents]]\nname = 'Example Bank'\nasns = [64496]\n";

#[test]
fn a_route_is_for_everybody_and_everything_unless_it_says_otherwise() {
    let config = parse("[routes.soc]\nkind = 'webhook'\nurl = 'https://hooks.example.net/bgp'").expect("fine");
    let [route] = config.routes.as_slice() else { panic!("one route") };
    assert!(route.constituents.is_empty() && route.classes.is_empty() && route.notices);
    assert_eq!((route.min_severity, route.on.as_slice()), (Severity::Low, Phase::ALL.as_slice()));
    let stdout = SinkKind::Ndjson { to: NdjsonTarget::Stdout };
    assert_eq!(config.sinks[0].kind, stdout, "a route takes nothing away");
}

#[test]
fn a_route_for_constituents_hears_no_notices_unless_it_asks_for_them() {
    let with = |more: &str| {
        let url = "url = { env = 'HOME' }";
        let text = format!("{WATCHED}[routes.bank]\nkind='webhook'\n{url}\nconstituents=['Example Bank']\n{more}");
        text.replace(url, "url = 'https://hooks.example.net/'")
    };
    assert!(!parse(&with("")).expect("fine").routes[0].notices);
    assert!(parse(&with("notices = true")).expect("fine").routes[0].notices);
}

#[test]
fn what_is_wrong_with_a_route_is_named() {
    let route = "[routes.a]\nkind = 'webhook'\n";
    for (text, expected) in [
        ("[routes.a]\n", "routes.a.kind: is missing; one of"),
        (route, "routes.a.url: is missing"),
        ("[routes.a]\nkind='webhook'\nurl='ftp://x'", "routes.a.url: expected a URL that begins with http://"),
        ("[routes.a]\nkind='webhook'\nurl='http://'", "routes.a.url: expected a URL"),
        ("[routes.a]\nkind='webhook'\nurl='http://x'\nsecret='y'", "a secret does not belong into the file"),
        ("[routes.a]\nkind='webhook'\nurl='http://x'\non=['opend']", "did you mean \"opened\"?"),
        ("[routes.a]\nkind='webhook'\nurl='http://x'\nclasses=['route_leek']", "did you mean \"route_leak\"?"),
        ("[routes.a]\nkind='webhook'\nurl='http://x'\nmin_severty='low'", "did you mean \"min_severity\"?"),
        (
            "[routes.a]\nkind='webhook'\nurl='http://x'\nconstituents=['Exmple Bank']",
            "bgpwarden.toml:4: routes.a.constituents: no constituent is called \"Exmple Bank\"; nothing is known here",
        ),
        (
            "[sinks.a]\nkind='ndjson'\n[routes.a]\nkind='webhook'\nurl='http://x'",
            "[sinks.a] has the same name; give one of them another",
        ),
    ] {
        let found = parse(text).expect_err(text);
        assert!(found.contains(expected), "{text:?} gave {found:?}, not {expected:?}");
    }
}

#[test]
fn who_is_watched_by_the_command_line_needs_no_entry() {
    parse("[routes.a]\nkind='webhook'\nurl='http://x'\nconstituents=['AS64496']").expect("run --asn 64496");
}

#[test]
fn what_check_prints_tells_no_secret_of_a_route() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("s"), "hunter2").expect("written");
    let text = "[routes.a]\nkind='webhook'\nurl='https://me:hunter2@hooks.example.net/hunter2?k=hunter2'\n\
                secret={file='s'}\ntoken={file='s'}";
    let config = Config::parse("c", text, folder.path()).expect("fine");
    let shown = config.to_string();
    assert!(!shown.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{shown}");
    assert!(shown.contains("# url: https://hooks.example.net/…"), "{shown}");
}
