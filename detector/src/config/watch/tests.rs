use rules::alert::Tlp;

use super::*;

fn toml(text: &str) -> Entries {
    of_toml("watch.toml", text, Path::new(""))
}

#[test]
fn a_watch_file_says_who_is_watched_and_what_is_allowed() {
    let entries = toml(
        r#"
        [[constituents]]
        name = "Example Bank"
        contact = "noc@example.net"
        sectors = ["finance"]
        country = "NL"
        tlp = "amber"
        asns = [64496]
        prefixes = ["198.51.100.0/24"]
        [[constituents.resources]]
        prefix = "192.0.2.0/24"
        expected_origins = [64496]
        upstreams = [64500]
        max_length = 25
        [[allow]]
        owner = "desk"
        reason = "a scrubber"
        expires = 2026-12-31
        classes = ["forged_origin"]
        prefixes = ["192.0.2.0/24"]
        max_length = 25
        constituents = ["Example Bank"]
        path_end = [64505, 64496]
        [[allow]]
        owner = "desk"
        reason = "an old friend"
        expires = "never"
        suspects = [64511]
        "#,
    );
    assert_eq!(entries.problems, Vec::<String>::new());
    let bank = &entries.constituents[0];
    assert_eq!((bank.contact.as_deref(), bank.country.as_deref()), (Some("noc@example.net"), Some("NL")));
    assert_eq!(bank.resources.len(), 2);
    let ends: Vec<_> = entries.allow.iter().map(|rule| rule.expires.map(|end| end.to_string())).collect();
    assert_eq!(ends, [Some("2026-12-31T00:00:00.000Z".to_owned()), None]);
    let mut shown = String::new();
    super::super::show::show_entries(&mut shown, &entries, "").expect("text");
    assert_eq!(toml(&shown), Entries { named: toml(&shown).named, ..entries }, "{shown}");
}

#[test]
fn everything_wrong_is_named_with_file_line_key_and_what_to_do() {
    let rule = |keys: &str| format!("[[allow]]\nowner = 'x'\nreason = 'y'\nexpires = 'never'\n{keys}");
    for (text, what) in [
        (
            "[[allow]]\nreason = 'y'\nexpires = 'never'\norigins = [1]".to_owned(),
            "watch.toml:1: allow[0].owner: is missing",
        ),
        (
            "[[allow]]\nowner = 'x'\nreason = 'y'\norigins = [1]".to_owned(),
            "expires: is missing or no time; write 2026-12-31",
        ),
        (rule("").to_owned(), "names nothing; give classes, prefixes"),
        (rule("classes = ['origin_hijak']"), "did you mean \"origin_hijack\"?"),
        (rule("classes = ['reorigination_leak']"), "write origin_hijack and subprefix_hijack"),
        (rule("origin = [64496]"), "watch.toml:5: allow[0].origin: unknown key; did you mean \"origins\"?"),
        (rule("origins = [1]\nmax_length = 24"), "max_length: needs prefixes"),
        ("[[constituents]]\nname = 'x'\nasns = [1]\ncountry = 'nl'".to_owned(), "two capital letters"),
        ("[[constituent]]\nname = 'x'".to_owned(), "unknown key; did you mean \"constituents\"?"),
    ] {
        let problems = toml(&text).problems.join("\n");
        assert!(problems.contains(what), "{text}\n{problems}");
    }
}

#[test]
fn a_rule_that_names_nobody_known_is_a_slip() {
    let text = "[[allow]]\nowner = 'x'\nreason = 'y'\nexpires = 'never'\nconstituents = ['Exampel']\n\
                [[constituents]]\nname = 'Example'\nasns = [64496]";
    let list = WatchList { from_files: toml(text), ..WatchList::default() };
    let what = "watch.toml:5: allow[0].constituents: no constituent is called \"Exampel\"; did you mean \"Example\"?";
    assert_eq!(list.problems(), [what]);
}

#[test]
fn a_spreadsheet_groups_its_rows_by_name() {
    let text = "Name,ASN,prefix,contact,tlp\nBank,64496,,noc@example.net,TLP:AMBER\nBank,64496,192.0.2.0/24,,\n\
                Bank,AS64497,192.0.2.0/24,,\nShop,,2001:db8::/32,,green\n";
    let entries = csv::read("list.csv", text);
    assert_eq!(entries.problems, Vec::<String>::new());
    let names: Vec<_> = entries.constituents.iter().map(|c| (&*c.name, c.asns.len(), c.tlp)).collect();
    assert_eq!(names, [("Bank", 1, Tlp::Amber), ("Shop", 0, Tlp::Green)]);
    assert_eq!(entries.constituents[0].resources[0].expected_origins, [Asn(64496), Asn(64497)]);
    let wrong = csv::read("list.csv", "name,asn,prefix\nBank,x,\n,64496,\nBank,,192.0.2.1/24\nBank,,\n").problems;
    let lines = [
        "list.csv:2: asn:",
        "list.csv:3: name:",
        "list.csv:4: prefix: 192.0.2.1/24 has host bits",
        "list.csv:5: needs",
    ];
    assert_eq!(wrong.len(), lines.len());
    assert!(wrong.iter().zip(lines).all(|(is, begins)| is.starts_with(begins)), "{wrong:#?}");
    assert!(csv::read("list.csv", "name,as\n").problems[0].contains("unknown column \"as\"; did you mean \"asn\"?"));
}

#[test]
fn what_bgpalerter_watched_is_carried_over_and_the_rest_is_named() {
    let text = r#"
192.0.2.0/24:
  description: a network
  asn: 64496
  ignoreMorespecifics: true
  ignore: false
  group: noc
198.51.100.0/24:
  asn: [64496, 64497]
  ignoreMorespecifics: false
  path:
    match: ".*64500$"
2001:db8::/32:
  asn:
    - 64496
  ignore: true
options:
  monitorASns:
    64496:
      group: noc
      upstreams: [64500]
      downstreams: [64510]
"#;
    let entries = prefixes_yml::read("prefixes.yml", text);
    assert_eq!(entries.problems, Vec::<String>::new());
    let names: Vec<_> = entries.constituents.iter().map(|c| (&*c.name, c.resources.len(), c.asns.as_slice())).collect();
    assert_eq!(names, [("noc", 1, &[Asn(64496)][..]), ("default", 1, &[])]);
    assert_eq!(entries.constituents[0].resources[0].upstreams, [Asn(64500)]);
    assert_eq!(entries.constituents[1].resources[0].expected_origins, [Asn(64496), Asn(64497)]);
    let rules: Vec<_> = entries.allow.iter().map(|rule| &*rule.reason).collect();
    assert_eq!(rules, ["ignoreMorespecifics of 192.0.2.0/24", "ignore of 2001:db8::/32"]);
    let expected = [
        "prefixes.yml:8: 198.51.100.0/24: path has no counterpart and was left out",
        "prefixes.yml:19: 64496: downstreams has no counterpart and was left out",
    ];
    assert_eq!(entries.notes, expected);
    let wrong =
        prefixes_yml::read("prefixes.yml", "192.0.2.1/24:\n  asn: 64496\n198.51.100.0/24:\n  asn: x\n").problems;
    assert!(wrong[0].contains("did you mean 192.0.2.0/24?") && wrong[1].starts_with("prefixes.yml:3:"), "{wrong:#?}");
    assert!(prefixes_yml::read("prefixes.yml", "a: [").problems[0].starts_with("prefixes.yml:"));
}

#[test]
fn the_extension_of_a_file_names_its_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        read_file(&path)
    };
    assert_eq!(written("a.csv", "name,asn\nBank,64496\n").constituents.len(), 1);
    assert_eq!(written("a.toml", "[[constituents]]\nname = 'x'\nasns = [64496]").constituents.len(), 1);
    assert_eq!(written("a.yml", "192.0.2.0/24:\n  asn: 64496\n").constituents.len(), 1);
    assert!(written("a.txt", "").problems[0].contains("must end in .toml, .csv or .yml"));
    assert!(read_file(&folder.path().join("none.toml")).problems[0].contains("cannot be read"));
}
