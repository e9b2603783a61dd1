use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse("bgpwarden.toml", text, Path::new("/etc/bgpwarden"))
}

fn problem(text: &str) -> String {
    parse(text).expect_err("accepted").join("\n")
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse("").expect("fine"), Config::without_file());
}

#[test]
fn what_check_prints_is_a_file_of_the_same_meaning() {
    let text = r#"
        [http]
        listen = "[::1]:9000"
        metrics_listen = "127.0.0.1:9001"
        public_url = "https://bgp.example.net"
        [feeds."öff nen"]
        kind = "ris_live"
        hosts = ["rrc00"]
        prefixes = ["192.0.2.0/24"]
        peer = "2001:db8::1"
        path = "64496$"
        [feeds.ris]
        kind = "ris_live"
        hosts = ["rrc12", "rrc00"]
        archive = "http://192.0.2.80/ris"
        silent_secs = 120
        [feeds.dumps]
        kind = "mrt"
        files = ["rrc00=/data/updates.gz", "https://example.net/updates.gz"]
        rib = ["/data/rib.gz"]
        [feeds.routers]
        kind = "bmp"
        listen = "[::]:11019"
        routers = [{ address = "192.0.2.1", name = "edge1" }, { address = "2001:db8::/32", name = "lab" }]
        idle_secs = 60
        [feeds.views]
        kind = "openbmp"
        brokers = "kafka1:9092"
        topics = ["x"]
        collector_as = 0
        [rpki]
        files = ["/var/rpki.json"]
        rtr = ["127.0.0.1:3323", "[2001:db8::1]:323"]
        url = "https://vrps.example.net/json"
        refresh_secs = 60
        expire_secs = 7200
        collapse_percent = 20
        freeze_secs = 60
        [relations]
        file = "/var/rel.txt"
        [alerts]
        min_peer_ases = 3
        tlp = "amber+strict"
        [store]
        path = "/var/lib/bgpwarden/a.db"
        retention_days = 7
        [notices]
        heartbeat = true
        [sinks.bus]
        kind = "kafka"
        brokers = "kafka1:9092,kafka2:9092"
        prefix = "noc."
        min_severity = "high"
        [sinks.log]
        kind = "ndjson"
        path = "/var/log/a \"b\".ndjson"
        [[watch.constituents]]
        name = "Example Bank"
        asns = [64496, "AS64497"]
        prefixes = ["198.51.100.0/24"]
        tlp = "green"
        [[watch.constituents.resources]]
        prefix = "192.0.2.0/24"
        expected_origins = [64496]
        upstreams = [64500]
        max_length = 25
    "#;
    let config = parse(text).expect("fine");
    let SinkKind::Kafka(kafka) = &config.sinks[0].kind else { panic!("not kafka") };
    assert_eq!((kafka.alerts_topic.as_str(), kafka.incidents_topic.as_str()), ("noc.alerts", "noc.incidents"));
    assert_eq!(kafka.notices_topic, "noc.notices");
    let hears = |i: usize| config.sinks[i].notices;
    assert_eq!((hears(0), hears(1), config.notices.heartbeat), (true, false, true), "a file holds alerts unless told");
    assert_eq!(config.watch.here.constituents[0].resources.len(), 2);
    assert_eq!(parse(&config.to_string()).expect("fine"), config);
    assert_eq!(parse(&Config::without_file().to_string()).expect("fine"), Config::without_file());
}

#[test]
fn named_collectors_of_ris_have_a_past_and_all_of_them_or_another_server_only_if_told() {
    let collectors = |keys: &str| {
        let config = parse(&format!("[feeds.a]\nkind = 'ris_live'\n{keys}")).expect("fine");
        let archive = config.feeds[0].archive.clone();
        archive.map(|archive| archive.collectors.iter().map(|c| c.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(collectors(""), None);
    assert_eq!(collectors("bootstrap = true").map(|all| all.len()), Some(23));
    assert_eq!(collectors("hosts = ['rrc12', 'rrc00.ripe.net', 'rrc00']"), Some(vec!["rrc00".into(), "rrc12".into()]));
    let newer = collectors("hosts = ['rrc00']\ncollectors = ['rrc00', 'rrc27']");
    assert_eq!(newer, Some(vec!["rrc00".into(), "rrc27".into()]));
    for keys in [
        "hosts = ['rrc00']\nbootstrap = false",
        "url = 'ws://127.0.0.1/'",
        "prefixes = ['192.0.2.0/24']",
        "path = '64496$'",
    ] {
        assert_eq!(collectors(keys), None, "{keys}");
    }
    assert_eq!(
        collectors("url = 'ws://127.0.0.1/'\nhosts = ['rrc00']\narchive = 'http://127.0.0.1/'").map(|c| c.len()),
        Some(1)
    );
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = parse("[feeds.a]\nkind='mrt'\nfiles=['rrc00=u.gz']\n[rpki]\nfiles=['v.json']").expect("fine");
    assert_eq!(config.rpki.files, [Path::new("/etc/bgpwarden/v.json")]);
    let FeedKind::Mrt { files, .. } = &config.feeds[0].kind else { panic!("not mrt") };
    assert_eq!(files, &["rrc00=/etc/bgpwarden/u.gz"]);
}

#[test]
fn a_table_of_the_rpki_names_all_there_is_and_without_one_public_vrps_are_used() {
    assert!(parse("").expect("fine").rpki.url.is_some_and(|url| url.starts_with("https://")));
    assert_eq!(parse("[rpki]").expect("fine").rpki, Rpki::default());
    assert_eq!(parse("[rpki]\nrtr = ['localhost:323']").expect("fine").rpki.url, None);
}

#[test]
fn a_broken_slurm_file_is_named_with_the_place_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("slurm.json");
    std::fs::write(&path, "{\"slurmVersion\": 1,\n \"validationOutputFilter\": {}}").expect("written");
    let text = "[rpki]\nslurm = 'slurm.json'";
    let found = Config::parse("bgpwarden.toml", text, dir.path()).expect_err("accepted").join("\n");
    assert!(found.starts_with("bgpwarden.toml:2: rpki.slurm: \""), "{found}");
    assert!(found.contains("slurm.json\" is no SLURM file: unknown field `validationOutputFilter`"), "{found}");
    assert!(found.contains(" at line 2 column "), "{found}");
}

#[test]
fn problems_name_key_line_and_way_out() {
    for (text, expected) in [
        ("[http]\nlisen = 1", "bgpwarden.toml:2: http.lisen: unknown key; did you mean \"listen\"?"),
        ("[htp]", "bgpwarden.toml:1: htp: unknown key; did you mean \"http\"?"),
        (
            "[http]\n\nlisten = 8179",
            "bgpwarden.toml:3: http.listen: expected an address with port such as 127.0.0.1:8179, found 8179",
        ),
        ("[http]\nlisten = 'localhost'", "expected an address with port such as 127.0.0.1:8179, found \"localhost\""),
        ("[http]\nlisten = '0.0.0.0:80'", "http.listen: an address that others can reach demands http.token"),
        ("[http]\nlisten = '0.0.0.0:80'", "or [http.tokens.NAME] with role and secret"),
        ("[http.tokens.duty]\nrole = 'triage'", "http.tokens.duty.secret: is missing"),
        ("[http.tokens.duty]\nsecret = { env = 'PATH' }", "http.tokens.duty.role: is missing"),
        ("[http.tokens.duty]\nsecret = 'hunter2'", "http.tokens.duty.secret: a secret does not belong into the file"),
        ("[http.tokens.duty]\nrole = 'root'", "http.tokens.duty.role: "),
        (
            "[http]\ntoken = { env = 'PATH' }\n[http.tokens.a]\nrole = 'read'\nsecret = { env = 'PATH' }",
            "http.tokens.a.secret: another token has the same",
        ),
        ("[http]\ntoken = 'hunter2'", "http.token: a secret does not belong into the file"),
        (
            "[http]\ntoken = { env = 'BGPWARDEN_TEST_UNSET' }",
            "the environment variable BGPWARDEN_TEST_UNSET is not set",
        ),
        ("[http]\ntoken = { file = '/nonexistent/token' }", "cannot read \"/nonexistent/token\""),
        ("[alerts]\nhold_down_secs = -1", "alerts.hold_down_secs: expected an integer from 0 to 3600, found -1"),
        ("[alerts]\ntlp = 'white'", "expected one of clear, green, amber, amber+strict, red, found \"white\""),
        ("[feeds.a]\nkind = 'bgp'", "expected one of ris_live, mrt, bmp, openbmp, found \"bgp\""),
        (
            "[feeds.a]\nkind = 'bmp'\nlisten = '0.0.0.0:1'",
            "feeds.a.listen: an address that others can reach demands a list",
        ),
        (
            "[feeds.a]\nkind = 'bmp'\nrouters = [{ address = '192.0.2.1' }]",
            "bgpwarden.toml:3: feeds.a.routers[0].name: is missing",
        ),
        (
            "[feeds.a]\nkind = 'bmp'\nrouters = [{ address = '192.0.2.1/24', name = 'x' }]",
            "\"192.0.2.1/24\" is neither an address nor a prefix without host bits",
        ),
        (
            "[feeds.a]\nkind = 'bmp'\nrouters = [{ address = '192.0.2.1', name = 'x' }, { address = '::1', name = 'x' }]",
            "192.0.2.1/32 and ::1/128 have the same name \"x\"",
        ),
        ("[feeds.a]\nkind = 'openbmp'", "feeds.a.brokers: is missing"),
        (
            "[feeds.a]\nkind = 'openbmp'\nbrokers = 'h:1'\nproperties = { 'group.id' = 'x' }",
            "feeds.a.properties.group.id: bgpwarden sets this itself",
        ),
        ("[feeds.a]\nurl = 'x'", "bgpwarden.toml:1: feeds.a.kind: is missing"),
        ("[feeds.a]\nkind = 'ris_live'\narchive = '/data'", "feeds.a.archive: expected a URL that begins with http://"),
        ("[feeds.a]\nkind = 'ris_live'\ncollectors = ['rrc00']", "feeds.a.collectors: must name every collector"),
        ("[feeds.a]\nkind = 'ris_live'\ncollectors = ['../x']", "\"../x\" is no collector of RIS or RouteViews"),
        ("[feeds.a]\nkind = 'ris_live'\nbootstrap = true\npeer = '192.0.2.1'", "feeds.a.bootstrap: dumps know neither"),
        ("[feeds.a]\nkind = 'mrt'\nfiles = ['x']\nbootstrap = true", "feeds.a.bootstrap: unknown key"),
        ("feeds = 3", "feeds: expected a table, found 3"),
        ("[feeds]\na = 3", "feeds.a: expected a table [feeds.NAME], found 3"),
        ("[routes]\na = 3", "routes.a: expected a table [routes.NAME], found 3"),
        ("[store]\npath = ''", "store.path: is empty"),
        ("[store]\nretention_days = 0", "store.retention_days: expected an integer from 1 to 36500, found 0"),
        ("[rpki]\nrtr = ['x']", "rpki.rtr: \"x\" is not host:port such as 127.0.0.1:3323"),
        ("[rpki]\nrtr = ['2001:db8::1']", "is not host:port"),
        ("[rpki]\nurl = 'ftp://x'", "rpki.url: expected a URL that begins with http:// or https://"),
        (
            "[rpki]\n\nslurm = '/nonexistent/slurm.json'",
            "bgpwarden.toml:3: rpki.slurm: cannot open \"/nonexistent/slurm",
        ),
        ("[sinks.a]\nkind = 'kafka'", "sinks.a.brokers: is missing"),
        ("[[watch.constituents]]\nname = 'x'", "a constituent needs asns, prefixes or resources"),
        ("[[watch.constituents]]\nname = 'x'\nprefixes = ['192.0.2.1/24']", "did you mean 192.0.2.0/24?"),
        ("[[watch.constituents]]\nname = 'x'\nasns = [4294967296]", "\"4294967296\" is not an AS number"),
        ("[http\n", "bgpwarden.toml:1: "),
        ("a = 1\na = 2", "duplicate key"),
    ] {
        let found = problem(text);
        assert!(found.contains(expected), "{text:?} gave {found:?}, not {expected:?}");
    }
}

#[test]
fn all_problems_are_named_at_once_in_the_order_of_the_file() {
    let found = problem("[alerts]\nx = 1\n[http]\nlisten = 1\n[sinks.a]\nkind = 'fax'");
    let lines: Vec<_> = found.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(lines, ["bgpwarden.toml:2:", "bgpwarden.toml:4:", "bgpwarden.toml:6:"]);
}

#[test]
fn a_feed_that_takes_in_nothing_is_told() {
    let scoped = "[feeds.ris]\nkind = \"ris_live\"\nscope = \"watched\"\n";
    let mut config = parse(scoped).expect("lawful");
    assert!(config.notes()[0].starts_with("feeds.ris: scope"), "{:?}", config.notes());
    config.watch_asn(Asn(64496));
    assert_eq!(config.notes(), Vec::<String>::new());
}

#[test]
fn properties_of_kafka_are_checked_and_their_secrets_kept() {
    let with = |line: &str| format!("[sinks.a]\nkind='kafka'\nbrokers='h:1'\n[sinks.a.properties]\n{line}");
    assert!(problem(&with("'no.such' = 1")).contains("sinks.a.properties.no.such: "));
    assert!(problem(&with("'sasl.password' = 'x'")).contains("a secret does not belong into the file"));
    assert!(problem(&with("acks = 1")).contains("bgpwarden sets this itself"));
    assert!(problem(&with("'message.max.bytes' = 'many'")).contains("properties.message.max.bytes"));
    let config = parse(&with("'sasl.password' = { env = 'PATH' }\n'linger.ms' = 5")).expect("fine");
    let path = std::env::var("PATH").expect("a PATH");
    assert!(!format!("{config:?}").contains(&path) && !config.to_string().contains(&path));
    let SinkKind::Kafka(kafka) = &config.sinks[0].kind else { panic!("not kafka") };
    assert_eq!(kafka.properties.iter().find(|(key, _)| key == "linger.ms").map(|(_, v)| v.expose()), Some("5"));
}

#[test]
fn what_check_prints_tells_no_password_that_stands_in_a_url() {
    let config = parse(
        "[feeds.ris]\nkind='ris_live'\nurl='wss://me:hunter2@ris.example.net/?key=hunter2'\nhosts=['rrc00']\n\
         archive='https://me:hunter2@files.example.net/ris'\n\
         [feeds.dump]\nkind='mrt'\nrib=['rrc00=https://me:hunter2@files.example.net/bview.gz']\n\
         [rpki]\nurl='https://me:hunter2@rpki.example.net/vrps.json?token=hunter2'",
    );
    let shown = config.expect("fine").to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    for left in
        ["wss://ris.example.net/?…", "https://files.example.net/ris", "rrc00=https://files.example.net/bview.gz"]
    {
        assert!(shown.contains(left), "{left} is not in {shown}");
    }
}

#[test]
fn the_example_means_the_defaults_and_shows_keys_that_exist() {
    let example = include_str!("../../../deploy/bgpwarden.toml");
    assert_eq!(parse(example).expect("fine"), Config::without_file());
    let is_key = |line: &str| {
        let key = line.trim_start_matches("# ");
        line.starts_with("# ")
            && (key.starts_with(['[', '"']) || key.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')))
    };
    let uncomment = |line: &str| if is_key(line) { line.trim_start_matches("# ").to_owned() } else { line.to_owned() };
    let everything: Vec<_> = example.lines().map(uncomment).collect();
    let found = parse(&everything.join("\n")).expect_err("its secrets are not there");
    let (secrets, files): (Vec<_>, Vec<_>) = found.iter().partition(|p| p.contains("cannot read \"/run/secrets/"));
    assert!(files.iter().all(|problem| problem.contains("watch.toml:1: cannot be read")), "{found:#?}");
    assert_eq!((secrets.len(), files.len()), (7, 1));
}
