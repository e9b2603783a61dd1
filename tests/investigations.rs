//! Does `bgpwarden investigate` tell a past event as it was, and does it say when it cannot know?

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};

use feeds::mrt_write::{self, Line};
use rules::bgp::{Asn, Timestamp};
use serde_json::Value;
use support::{Run, bgpwarden, data};

fn investigated(args: &[&str]) -> Value {
    let run = investigate(args);
    assert!(run.status.success(), "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

fn investigate(args: &[&str]) -> Run {
    bgpwarden(["investigate", "--format", "json"].iter().chain(args))
}

fn codes(report: &Value, list: &str) -> Vec<String> {
    let reasons = report["conclusion"][list].as_array().expect("a list");
    reasons.iter().map(|reason| reason["code"].as_str().expect("a word").to_owned()).collect()
}

fn moment<'a>(report: &'a Value, code: &str) -> &'a Value {
    let timeline = report["timeline"].as_array().expect("a list");
    timeline.iter().find(|moment| moment["code"] == code).unwrap_or_else(|| panic!("no {code} in {timeline:?}"))
}

// ---- Real incidents: what is known of them from elsewhere.

/// Facts: `incidents/classic/index.json` of the data folder and the published accounts; the counts are those of the JSON lines
/// beside the MRT files, by a script that knows nothing of bgpwarden.
struct Incident {
    name: &'static str,
    prefix: &'static str,
    victim: u64,
    suspect: u64,
    class: &'static str,
    /// Who took it first, and how many peer ASes had it in the end.
    accepted_by: u64,
    first: &'static str,
    second: &'static str,
    peak: (&'static str, u64),
    /// When the last peer AS gave it up.
    over: Option<&'static str>,
}

const INCIDENTS: [Incident; 3] = [
    Incident {
        name: "pakistan_1",
        prefix: "208.65.153.0/24",
        victim: 36561,
        suspect: 17557,
        class: "subprefix_hijack",
        accepted_by: 3491,
        first: "2008-02-24T18:47:53.000Z",
        second: "2008-02-24T18:47:54.000Z",
        peak: ("2008-02-24T18:48:58.000Z", 119),
        over: None,
    },
    Incident {
        name: "typo_1",
        prefix: "191.86.129.0/24",
        victim: 26615,
        suspect: 203959,
        class: "subprefix_hijack",
        accepted_by: 3223,
        first: "2016-05-20T21:35:03.000Z",
        second: "2016-05-20T21:35:03.000Z",
        peak: ("2016-05-20T21:39:03.000Z", 126),
        over: Some("2016-05-20T21:43:55.000Z"),
    },
    Incident {
        name: "brazil_1",
        prefix: "177.39.184.0/23",
        victim: 52770,
        suspect: 33868,
        class: "origin_hijack",
        accepted_by: 13110,
        first: "2014-08-06T03:15:11.000Z",
        second: "2014-08-06T03:15:12.000Z",
        peak: ("2014-08-06T03:15:37.000Z", 8),
        over: None,
    },
];

fn files(folder: &Path, name: &str) -> (String, String) {
    let file = |kind: &str| folder.join(format!("{name}.{kind}.mrt.gz")).display().to_string();
    (file("rib"), file("updates"))
}

#[test]
fn real_incidents_are_confirmed_with_the_facts_that_are_known_of_them() {
    let Some(folder) = data("incidents/classic") else { return };
    for known in &INCIDENTS {
        let (rib, updates) = files(&folder, known.name);
        let report = investigated(&[known.prefix, "--rib", &rib, &updates]);
        let name = known.name;
        assert_eq!(report["conclusion"]["verdict"], "confirmed", "{name}: {}", report["conclusion"]);
        assert_eq!(report["incident"]["class"], known.class, "{name}");
        assert_eq!(report["incident"]["suspects"][0], known.suspect, "{name}");
        assert_eq!(report["incident"]["expected_origins"], serde_json::json!([known.victim]), "{name}");
        assert_eq!(moment(&report, "first")["time"], known.first, "{name}");
        assert_eq!(moment(&report, "second_peer")["time"], known.second, "{name}");
        let peak = moment(&report, "peak");
        assert_eq!((&peak["time"], &peak["peer_ases"]), (&known.peak.0.into(), &known.peak.1.into()), "{name}");
        assert_eq!(report["spread"]["peer_ases_peak"], known.peak.1, "{name}");
        let accepted: Vec<&Value> = report["spread"]["accepted_by"].as_array().expect("a list").iter().collect();
        assert_eq!(accepted.len(), 1, "{name}");
        let by = (&accepted[0]["asn"], &accepted[0]["peer_ases"]);
        assert_eq!(by, (&known.accepted_by.into(), &known.peak.1.into()), "{name}");
        match known.over {
            Some(over) => assert_eq!(moment(&report, "over")["time"], over, "{name}"),
            None => assert_eq!(moment(&report, "end_of_data")["peer_ases"], known.peak.1, "{name}"),
        }
        assert_eq!(report["manrs"]["is_lower_bound"], known.over.is_none(), "{name}");
        assert_eq!(report["manrs"]["metric"], "M2", "{name}");
        assert!(codes(&report, "limits").contains(&"not_evaluated".to_owned()), "{name}: no VRPs were given");
        assert_eq!(report["paths"][0]["rov"]["state"], "not_evaluated", "{name}");
        filter_at(&report, known);
    }
}

/// All of it came by the first AS that took it, so a filter there would have spared everybody.
fn filter_at(report: &Value, known: &Incident) {
    let controls = report["controls"].as_array().expect("a list");
    let filter = controls.iter().find(|control| control["control"] == "prefix_filter").expect("told");
    assert_eq!(filter["effect"], "would_stop");
    let at = &filter["at"][0];
    assert_eq!((&at["asn"], &at["spared_peer_ases"]), (&known.accepted_by.into(), &known.peak.1.into()));
}

#[test]
fn every_message_stands_where_the_report_says() {
    let Some(folder) = data("incidents/classic") else { return };
    let (rib, updates) = files(&folder, "typo_1");
    let report = investigated(&["191.86.129.0/24", "--rib", &rib, &updates]);
    let records = records(&unpacked(Path::new(&updates)));
    let mut looked_at = 0;
    for moment in report["timeline"].as_array().expect("a list") {
        let message = &moment["message"];
        let Some(record) = message["record"].as_u64().filter(|_| message["input"] == 1) else { continue };
        let record = &records[record as usize - 1];
        let seconds = u32::from_be_bytes(record[..4].try_into().expect("four octets"));
        let told = Timestamp::parse(message["time"].as_str().expect("a time")).expect("a time");
        assert_eq!(told.secs(), i64::from(seconds), "{moment}");
        // BGP4MP_MESSAGE_AS4: the peer's number stands first.
        let peer_as = u32::from_be_bytes(record[12..16].try_into().expect("four octets"));
        assert_eq!(message["peer_as"], peer_as, "{moment}");
        looked_at += 1;
    }
    assert!(looked_at >= 8, "{looked_at}");
}

#[test]
fn without_the_dump_or_an_hour_of_updates_nothing_is_sure() {
    let Some(folder) = data("incidents/classic") else { return };
    for known in &INCIDENTS {
        let (_, updates) = files(&folder, known.name);
        let report = investigated(&[known.prefix, &updates]);
        assert_eq!(report["conclusion"]["verdict"], "inconclusive", "{}", known.name);
        assert_eq!(codes(&report, "gaps"), ["no_rib"], "{}", known.name);
    }
    let (rib, updates) = files(&folder, "brazil_1");
    let window = ["177.39.184.0/23", "--from", "2014-08-06T03:15:00Z", "--to", "2014-08-06T04:58:00Z", "--rib", &rib];
    let whole = investigated(&[&window[..], &[&updates]].concat());
    assert_eq!(whole["conclusion"]["verdict"], "confirmed", "{}", whole["conclusion"]);
    let scratch = tempfile::tempdir().expect("a folder");
    let cut = scratch.path().join("cut.mrt");
    let kept = records(&unpacked(Path::new(&updates)))
        .into_iter()
        .filter(|record| u32::from_be_bytes(record[..4].try_into().expect("four octets")) < 1_407_297_600 - 100);
    std::fs::write(&cut, kept.flatten().collect::<Vec<u8>>()).expect("written");
    let report = investigated(&[&window[..], &[&cut.display().to_string()]].concat());
    assert_eq!(report["conclusion"]["verdict"], "inconclusive");
    assert_eq!(codes(&report, "gaps"), ["missing_updates"]);
}

#[test]
fn a_file_that_is_missing_between_two_real_ones_is_named() {
    let Some(folder) = data("mrt/bgpkit-parser/ripe/rrc15/2010.02") else { return };
    let file = |clock: &str| folder.join(format!("updates.20100227.{clock}.gz")).display().to_string();
    let report = investigated(&["187.16.216.0/21", &file("1600"), &file("1610")]);
    assert_eq!(report["conclusion"]["verdict"], "inconclusive");
    let gaps = report["conclusion"]["gaps"].to_string();
    assert!(gaps.contains("16:05:00 UTC to 2010-02-27 16:10:00 UTC"), "{gaps}");
}

fn unpacked(path: &Path) -> Vec<u8> {
    let file = std::fs::File::open(path).expect("the file");
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("unpacked");
    bytes
}

/// The records of an MRT file (RFC 6396 section 2): 12 octets of header, the last four its length.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some(length) = bytes.get(8..12) {
        let end = 12 + u32::from_be_bytes(length.try_into().expect("four octets")) as usize;
        records.push(bytes[..end].to_vec());
        bytes = &bytes[end..];
    }
    records
}

// ---- A small Internet, of which everything is known.

const PEERS: u32 = 6;
const START: i64 = 1_772_352_000;

fn line(secs: i64, peer: u32, prefix: &str, path: Option<&str>) -> Line {
    Line {
        time: Timestamp::from_secs(START + secs),
        peer_as: Asn(64_500 + peer),
        peer_address: IpAddr::from([192, 0, 2, 1 + peer as u8]),
        prefix: prefix.parse().expect("a prefix"),
        as_path: path.map(|path| format!("{} {path}", 64_500 + peer).parse().expect("a path")),
    }
}

/// 08:00 UTC: everybody reaches AS64496 and AS64497 by AS64510.
fn dump() -> Vec<u8> {
    dump_at(0)
}

fn dump_at(secs: i64) -> Vec<u8> {
    let held = (0..PEERS).flat_map(|peer| {
        let route = |prefix, origin: &str| line(secs, peer, prefix, Some(&format!("64510 {origin}")));
        [route("198.51.100.0/24", "64496"), route("203.0.113.0/24", "64497")]
    });
    mrt_write::rib(held).expect("a dump").to_vec()
}

/// From 08:00 on each minute some peer hears that AS64497 prepends, or no longer. From `began` to `ended` all but one have a part
/// of AS64496's network from AS64511 by AS64509.
fn news(minutes: i64, began: i64, ended: i64) -> Vec<Line> {
    let mut lines: Vec<Line> = (0..minutes)
        .map(|minute| {
            let path = if minute / i64::from(PEERS) % 2 == 0 { "64510 64497 64497" } else { "64510 64497" };
            line(minute * 60 + 30, (minute % i64::from(PEERS)) as u32, "203.0.113.0/24", Some(path))
        })
        .collect();
    for peer in 1..PEERS {
        lines.push(line(began + i64::from(peer), peer, "198.51.100.0/25", Some("64509 64511")));
        lines.push(line(ended + i64::from(peer), peer, "198.51.100.0/25", None));
    }
    lines.sort_by_key(|line| line.time);
    lines
}

fn updates(lines: impl IntoIterator<Item = Line>) -> Vec<u8> {
    mrt_write::updates(lines).expect("updates").to_vec()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("written");
        self.path(name).display().to_string()
    }
}

#[test]
fn an_event_is_told_from_its_first_message_to_its_last() {
    let folder = Folder::new();
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(180, 1_200, 9_000))));
    let vrps = br#"{"metadata":{"buildtime":"2026-03-01T07:50:00Z"},
        "roas":[{"asn":"AS64496","prefix":"198.51.100.0/24","maxLength":24}]}"#;
    let vrps = folder.with("vrps.json", vrps);
    let report = investigated(&["198.51.100.0/25", "--rib", &rib, "--vrps", &vrps, &all]);
    assert_eq!(report["conclusion"]["verdict"], "confirmed", "{}", report["conclusion"]);
    assert_eq!(moment(&report, "first")["time"], "2026-03-01T08:20:01.000Z");
    assert_eq!(moment(&report, "peak")["time"], "2026-03-01T08:20:05.000Z");
    assert_eq!(moment(&report, "over")["time"], "2026-03-01T10:30:05.000Z");
    assert_eq!(moment(&report, "over")["message"]["kind"], "withdrawal");
    let minutes = report["spread"]["minutes"].as_array().expect("a list");
    let busy = minutes.iter().filter(|minute| minute["peer_ases"] == 5).count();
    assert_eq!(busy, 131, "from 08:20 to 10:30, both included");
    assert_eq!(minutes[0]["minute"], "2026-03-01T08:00:00.000Z");
    assert_eq!(report["spread"]["full_feed_share_peak"], 0.8333);
    let never = report["witnesses"]["never"].as_array().expect("a list");
    assert_eq!((never.len(), &never[0]["peer_as"]), (1, &64_500.into()));
    let rov = &report["controls"][0];
    assert_eq!(
        (&rov["control"], &rov["effect"], &rov["at"][0]["asn"]),
        (&"rov".into(), &"stops".into(), &64_509.into())
    );
    assert_eq!(report["manrs"]["weight"], 1.0, "2 h 10 min");
    assert_eq!(report["manrs"]["episodes"][0]["secs"], 7_804.0);
    let by_as = investigated(&["AS64511", "--rib", &rib, &all]);
    assert_eq!(by_as["incident"]["id"], report["incident"]["id"]);
    assert_eq!(by_as["timeline"], report["timeline"]);
}

#[test]
fn the_same_input_gives_the_same_bytes_with_any_number_of_shards() {
    let folder = Folder::new();
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(60, 600, 1_200))));
    let say = |shards: &str, form: &str| {
        let run =
            bgpwarden(["investigate", "198.51.100.0/24", "--rib", &rib, "--shards", shards, "--format", form, &all]);
        assert!(run.status.success() && run.stdout.len() > 1_000, "{}", run.stderr);
        run.stdout
    };
    for form in ["text", "json", "markdown", "html"] {
        let first = say("1", form);
        for shards in ["1", "2", "8"] {
            assert_eq!(first, say(shards, form), "{form} with {shards} shards");
        }
    }
}

#[test]
fn an_hour_without_messages_a_missing_dump_and_too_few_peers_make_it_inconclusive() {
    let folder = Folder::new();
    let rib = folder.with("rib.mrt", &dump());
    let gaps = |lines: Vec<Line>, rib: &[&str], window: &[&str]| {
        let cut = folder.with("cut.mrt", &updates(lines));
        let report = investigated(&[&["198.51.100.0/25"], rib, window, &[&cut]].concat());
        assert_eq!(report["conclusion"]["verdict"], "inconclusive", "{}", report["conclusion"]);
        codes(&report, "gaps")
    };
    let all = news(180, 1_200, 9_000);
    let hour = START + 3_600..START + 7_200;
    let holed = all.iter().filter(|line| !hour.contains(&line.time.secs())).cloned().collect();
    assert_eq!(gaps(holed, &["--rib", &rib], &[]), ["missing_updates"]);
    assert_eq!(gaps(all.clone(), &[], &[]), ["no_rib"]);
    let beyond = ["--to", "2026-03-01T12:00:00Z"];
    assert_eq!(gaps(all.clone(), &["--rib", &rib], &beyond), ["missing_updates"]);
    let before = ["--from", "2026-03-01T07:00:00Z"];
    assert_eq!(gaps(all.clone(), &["--rib", &rib], &before), ["missing_updates"]);
    let by_two = |line: &Line| {
        let peer = line.peer_as.0 % 2;
        Line { peer_as: Asn(64_500 + peer), peer_address: IpAddr::from([192, 0, 2, 1 + peer as u8]), ..line.clone() }
    };
    let few: Vec<Line> = all.iter().map(by_two).collect();
    assert_eq!(gaps(few, &[], &[]), ["no_rib", "few_peers"]);
}

#[test]
fn what_did_not_happen_is_refuted() {
    let folder = Folder::new();
    let quiet: Vec<Line> =
        news(60, 600, 1_200).into_iter().filter(|l| l.prefix.to_string() != "198.51.100.0/25").collect();
    let (rib, quiet) = (folder.with("rib.mrt", &dump()), folder.with("quiet.mrt", &updates(quiet)));
    let report = investigated(&["198.51.100.0/24", "--rib", &rib, &quiet]);
    assert_eq!(report["conclusion"]["verdict"], "refuted", "{}", report["conclusion"]);
    assert_eq!(report["manrs"], Value::Null);
    let event = folder.with(
        "radar.json",
        br#"{"id":1,"hijacker_asn":64511,"victim_asns":[64496],"prefixes":["198.51.100.0/24"],
            "min_hijack_ts":"2026-03-01T08:10:00Z","max_hijack_ts":"2026-03-01T08:20:00Z"}"#,
    );
    let report = investigated(&["--event", &event, "--rib", &rib, &quiet]);
    assert_eq!(report["conclusion"]["verdict"], "refuted", "{}", report["conclusion"]);
    assert!(
        report["conclusion"]["reasons"][0]["text"].as_str().is_some_and(|t| t.contains("Cloudflare Radar hijack 1"))
    );
    let other = folder.with("other.mrt", &updates(news(60, 600, 1_200)));
    let grip = br#"{"id":"submoas-1772352600-64508","event_type":"submoas","view_ts":1772352600,"duration":600,
        "summary":{"newcomers":["64508"]},"pfx_events":[{"sub_pfx":"198.51.100.0/25","super_pfx":"198.51.100.0/24"}]}"#;
    let grip = folder.with("grip.json", grip);
    let report = investigated(&["--event", &grip, "--rib", &rib, &other]);
    assert_eq!(report["conclusion"]["verdict"], "refuted", "{}", report["conclusion"]);
    assert_eq!(codes(&report, "reasons"), ["other_suspect"], "the data name AS64511");
}

#[test]
fn what_was_over_before_the_window_is_not_confirmed_in_it() {
    let folder = Folder::new();
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(180, 600, 1_800))));
    let told = |what: &str, from: &str| {
        let to = ["--to", "2026-03-01T10:55:00Z"];
        let report = investigated(&[&[what, "--rib", &rib, "--from", from], &to[..], &[&all]].concat());
        report["conclusion"]["verdict"].as_str().expect("a word").to_owned()
    };
    for what in ["198.51.100.0/24", "AS64511"] {
        assert_eq!(told(what, "2026-03-01T08:25:00Z"), "confirmed", "{what}");
        assert_eq!(told(what, "2026-03-01T10:00:00Z"), "refuted", "{what}");
    }
}

#[test]
fn a_dump_of_after_the_event_and_a_collector_without_updates_make_it_inconclusive() {
    let folder = Folder::new();
    let late = folder.with("late.mrt", &dump_at(3_600));
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(180, 600, 1_200))));
    let window = ["--from", "2026-03-01T08:05:00Z", "--to", "2026-03-01T10:55:00Z"];
    let gaps = |given: &[&str]| {
        let report = investigated(&[&["198.51.100.0/25"], given, &[&all]].concat());
        assert_eq!(report["conclusion"]["verdict"], "inconclusive", "{}", report["conclusion"]);
        codes(&report, "gaps")
    };
    assert!(gaps(&[&["--rib", &late], &window[..]].concat()).contains(&"late_rib".to_owned()));
    assert_eq!(gaps(&["--rib", &late]), ["late_rib"]);
    let other = format!("rrc01={rib}");
    assert_eq!(gaps(&[&["--rib", &rib, "--rib", &other], &window[..]].concat()), ["missing_updates"]);
}

#[test]
fn an_incident_of_the_store_is_looked_into_by_its_id() {
    let folder = Folder::new();
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(60, 600, 1_200))));
    let alerts = bgpwarden(["replay", "--rib", &rib, &all]).stdout;
    let id = support::ndjson(&alerts)[0]["id"].as_str().expect("an id").to_owned();
    let alerts = folder.with("alerts.ndjson", alerts.as_bytes());
    let config = format!("[store]\npath = \"{}\"\n", folder.path("store.db").display());
    let config = folder.with("bgpwarden.toml", config.as_bytes());
    let import = bgpwarden(["history", "import", "--config", &config, &alerts]);
    assert!(import.status.success(), "{}", import.stderr);
    let report = investigated(&[&id, "--config", &config, "--rib", &rib, &all]);
    assert_eq!(report["conclusion"]["verdict"], "confirmed", "{}", report["conclusion"]);
    assert_eq!(report["incident"]["id"], id.as_str());
    assert_eq!(report["question"]["prefixes"], serde_json::json!(["198.51.100.0/25"]));
    assert_eq!(report["question"]["from"], "2026-03-01T08:00:01.000Z", "ten minutes before it began");
    let unknown = investigate(&["bw-20260301T000000Z-000000000000", "--config", &config, &all]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("knows no incident"), "{}", unknown.stderr);
}

#[test]
fn what_others_wrote_stays_text_in_every_form() {
    let folder = Folder::new();
    let (rib, all) = (folder.with("rib.mrt", &dump()), folder.with("all.mrt", &updates(news(60, 600, 1_200))));
    let event = folder.with(
        "event.json",
        br#"{"id":"</title><script>alert(1)</script>|[x](javascript:y)\u001b[2J\u202e","hijacker_asn":64511,
            "prefixes":["198.51.100.0/25"]}"#,
    );
    let input = format!("<b>=\"'`|x`={all}");
    let hostile = format!("h-{}", folder.path("<img src=x onerror=alert(2)>|.mrt").display());
    std::fs::copy(&all, hostile.trim_start_matches("h-")).expect("copied");
    let say = |form: &str| {
        let run = bgpwarden([
            "investigate",
            "--event",
            &event,
            "--rib",
            &rib,
            "--format",
            form,
            hostile.trim_start_matches("h-"),
        ]);
        assert!(run.status.success(), "{}", run.stderr);
        run.stdout
    };
    let html = say("html");
    assert!(html.contains("&#60;script&#62;") || html.contains("&lt;script&gt;"), "it is told");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    let markdown = say("markdown");
    let no_link = !markdown.replace("\\]", "").contains("](");
    assert!(!markdown.contains("<script") && !markdown.contains("<img") && no_link, "{markdown}");
    for form in ["html", "markdown", "text", "json"] {
        let said = say(form);
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{form}");
    }
    assert_eq!(investigate(&["198.51.100.0/25", &input]).status.code(), Some(1), "there is no such file");
}

// ---- An archive.

/// Serves these files until the test is over, anything else is 404.
fn archive(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut request = String::new();
            let mut reader = BufReader::new(socket.try_clone().expect("the socket"));
            while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let head =
                |status, length| format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let answer = match files.get(path) {
                Some(bytes) => [head("200 OK", bytes.len()).as_bytes(), bytes].concat(),
                None => head("404 Not Found", 0).into_bytes(),
            };
            let _ = socket.write_all(&answer);
        }
    });
    base
}

#[test]
fn an_archive_gives_the_dump_before_the_window_and_its_updates_and_says_what_it_lacks() {
    let all = news(20, 725, 900);
    let mut files: BTreeMap<String, Vec<u8>> = (0..4)
        .map(|i| {
            let of_file = |line: &&Line| (line.time.secs() - START) / 300 == i;
            let bytes = updates(all.iter().filter(of_file).cloned());
            (format!("/rrc00/2026.03/updates.20260301.08{:02}.gz", i * 5), bytes)
        })
        .collect();
    files.insert("/rrc00/2026.03/bview.20260301.0800.gz".to_owned(), dump());
    let window = ["--collector", "rrc00", "--from", "2026-03-01T08:10:00Z", "--to", "2026-03-01T08:20:00Z"];
    let base = archive(files.clone());
    let report = investigated(&[&["198.51.100.0/25", "--archive", &base], &window[..]].concat());
    assert_eq!(report["conclusion"]["verdict"], "confirmed", "{}", report["conclusion"]);
    assert_eq!(moment(&report, "first")["time"], "2026-03-01T08:12:06.000Z");
    assert_eq!(moment(&report, "first")["message"]["collector"], "rrc00");
    assert_eq!(report["data"]["inputs"].as_array().map(Vec::len), Some(5));
    let third = format!("{base}/rrc00/2026.03/updates.20260301.0810.gz");
    assert_eq!(report["data"]["inputs"][2]["name"], third.as_str());
    files.remove("/rrc00/2026.03/updates.20260301.0815.gz");
    let base = archive(files);
    let report = investigated(&[&["198.51.100.0/25", "--archive", &base], &window[..]].concat());
    assert_eq!(report["conclusion"]["verdict"], "inconclusive");
    let gaps = report["conclusion"]["gaps"].to_string();
    assert!(gaps.contains("updates.20260301.0815.gz"), "{gaps}");
}
