//! What comes out of an archive that breaks off, stalls, changes, has nothing or never ends?

mod data;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use feeds::archive::download::{self, Outcome, Patience, Unread};
use feeds::archive::{Collector, File};
use feeds::mrt_write::{self, Line};
use rules::bgp::{Asn, Timestamp};
use rules::event::Event;

fn patience() -> Patience {
    let short = Duration::from_millis(1);
    Patience { stall: Duration::from_millis(200), first_wait: short, longest_wait: short, ..Patience::default() }
}

/// What the server does with one connection after the request.
enum Act {
    Say(Vec<u8>),
    /// Says it and keeps the connection open.
    Hang(Vec<u8>),
    /// Says the second part again and again.
    Forever(Vec<u8>, Vec<u8>),
}

/// A server that follows a script, one connection an act; the requests come back through the channel.
fn serve(acts: Vec<Act>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (told, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for act in acts {
            let (mut socket, _) = listener.accept().expect("a connection");
            let _ = told.send(request(&mut socket));
            match act {
                Act::Say(bytes) => drop(socket.write_all(&bytes)),
                Act::Hang(bytes) => {
                    let _ = socket.write_all(&bytes);
                    kept.push(socket);
                }
                Act::Forever(head, body) => {
                    let _ = socket.write_all(&head);
                    while socket.write_all(&body).is_ok() {}
                }
            }
        }
        // Kept open until nobody asks for requests any more.
        while told.send(String::new()).is_ok() {
            std::thread::yield_now();
        }
    });
    (base, requests)
}

fn request(socket: &mut TcpStream) -> String {
    let (mut text, mut octet) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && socket.read(&mut octet).is_ok_and(|n| n > 0) {
        text.push(octet[0]);
    }
    String::from_utf8_lossy(&text).to_lowercase()
}

fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn file(base: &str) -> (File, Collector) {
    let collector = Collector::parse("rrc00").expect("a collector");
    (collector.updates(base, Timestamp::from_secs(1_772_334_000)), collector)
}

/// `count` announcements, a second apart.
fn updates(count: usize) -> Bytes {
    let line = |i: usize| Line {
        time: Timestamp::from_secs(1_772_334_000 + i as i64),
        peer_as: Asn(64500),
        peer_address: [192, 0, 2, 9].into(),
        prefix: "198.51.100.0/24".parse().expect("a prefix"),
        as_path: Some("64500 64496".parse().expect("a path")),
    };
    mrt_write::updates((0..count).map(line)).expect("written")
}

/// Elements, outcome and connections taken up again.
fn read(base: &str, patience: Patience) -> (usize, Outcome, u64) {
    let (file, collector) = file(base);
    let mut opened = download::open(&file, &collector, patience).expect("opened");
    let count = opened.by_ref().filter(|item| matches!(item.event, Event::Update(_))).count();
    let resumed = opened.progress.resumed.load(std::sync::atomic::Ordering::Relaxed);
    (count, opened.outcome(), resumed)
}

#[test]
fn a_whole_file_is_read_whole_and_its_vantage_points_belong_to_the_collector() {
    let body = updates(50);
    let (base, requests) = serve(vec![Act::Say(answer("200 OK", "", body.len(), &body))]);
    let (file, collector) = file(&base);
    let mut opened = download::open(&file, &collector, patience()).expect("opened");
    let points: Vec<_> = opened
        .by_ref()
        .filter_map(|item| match item.event {
            Event::Vantage(_, point) => Some(point.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(points, ["rrc00 AS64500 192.0.2.9"]);
    assert_eq!((opened.outcome(), opened.octets(), opened.elements()), (Outcome::Whole, body.len() as u64, 50));
    assert!(requests.recv().expect("a request").starts_with("get /rrc00/2026.03/updates.20260301.0300.gz http/1.1"));
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let body = updates(50);
    let (cut, length) = (1_001, body.len());
    let tag = "etag: \"a\"\r\n";
    let range = format!("{tag}content-range: bytes {cut}-{}/{length}\r\n", length - 1);
    let (base, requests) = serve(vec![
        Act::Say(answer("200 OK", tag, length, &body[..cut])),
        Act::Say(answer("206 Partial Content", &range, length - cut, &body[cut..])),
    ]);
    assert_eq!(read(&base, patience()), (50, Outcome::Whole, 1));
    let _first = requests.recv().expect("a request");
    let second = requests.recv().expect("a second request");
    assert!(second.contains("range: bytes=1001-\r\n") && second.contains("if-range: \"a\"\r\n"), "{second}");
}

#[test]
fn a_server_without_ranges_sends_it_all_again_and_the_known_part_is_skipped() {
    let body = updates(50);
    let whole = || answer("200 OK", "last-modified: Sun, 01 Mar 2026 03:05:00 GMT\r\n", body.len(), &body);
    let head = whole().len() - body.len();
    let (base, _requests) = serve(vec![Act::Say(whole()[..head + 777].to_vec()), Act::Say(whole())]);
    assert_eq!(read(&base, patience()), (50, Outcome::Whole, 1));
}

#[test]
fn two_files_never_become_one() {
    let body = updates(50);
    let (base, _requests) = serve(vec![
        Act::Say(answer("200 OK", "etag: \"a\"\r\n", body.len(), &body[..1_001])),
        Act::Say(answer("200 OK", "etag: \"b\"\r\n", body.len(), &body)),
    ]);
    let (count, outcome, _) = read(&base, patience());
    assert_eq!(outcome, Outcome::Truncated { at: 1_001 });
    assert!(count > 0 && count < 50);
}

#[test]
fn a_file_that_breaks_off_again_and_again_is_truncated_at_an_octet() {
    let body = updates(50);
    let cut = || Act::Say(answer("200 OK", "", body.len(), &body[..500]));
    let (base, _requests) = serve(vec![cut(), cut(), cut(), cut()]);
    let (_, outcome, resumed) = read(&base, patience());
    assert_eq!((outcome, resumed), (Outcome::Truncated { at: 500 }, 3));
}

#[test]
fn a_server_that_stalls_again_and_again_is_left() {
    let body = updates(50);
    let hang = || Act::Hang(answer("200 OK", "", body.len(), &body[..500]));
    let (base, _requests) = serve(vec![hang(), hang()]);
    let (_, outcome, _) = read(&base, Patience { breaks: 2, ..patience() });
    assert_eq!(outcome, Outcome::Stalled { at: 500 });
}

#[test]
fn an_endless_body_has_an_end() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let (base, _requests) = serve(vec![Act::Forever(head, updates(50).to_vec())]);
    let (count, outcome, _) = read(&base, Patience { most_octets: 100_000, ..patience() });
    let Outcome::TooLong { at } = outcome else { panic!("{outcome:?}") };
    assert!(count > 0 && at <= 100_000);
}

#[test]
fn a_file_that_was_stored_truncated_is_told_although_all_of_it_came() {
    let body = updates(50);
    let body = &body[..body.len() - 10];
    let (base, _requests) = serve(vec![Act::Say(answer("200 OK", "", body.len(), body))]);
    assert_eq!(read(&base, patience()), (49, Outcome::Truncated { at: body.len() as u64 }, 0));
}

#[test]
fn missing_failing_and_senseless_files_are_different_answers() {
    let opened = |bytes: Vec<u8>| {
        let (base, _requests) = serve(vec![Act::Say(bytes)]);
        let (file, collector) = file(&base);
        download::open(&file, &collector, patience()).map(|_| ())
    };
    let missing = opened(answer("404 Not Found", "", 0, b"")).expect_err("nothing");
    assert!(missing.is_missing(), "{missing}");
    let failing = opened(answer("500 Internal Server Error", "", 0, b"")).expect_err("nothing");
    assert!(!failing.is_missing() && failing.to_string().contains("500"), "{failing}");
    let page = b"<!DOCTYPE html><title>Welcome to the hotel's network</title>";
    let senseless = opened(answer("200 OK", "", page.len(), page)).expect_err("nothing");
    assert!(matches!(senseless, Unread::Unreadable(_)), "{senseless}");
    let empty = opened(answer("200 OK", "", 0, b"")).expect_err("nothing");
    assert!(matches!(empty, Unread::Unreadable(_)), "{empty}");
    let (file, collector) = file("http://127.0.0.1:1");
    let gone = download::open(&file, &collector, patience()).map(|_| ()).expect_err("nobody listens");
    assert!(!gone.is_missing(), "{gone}");
}

#[test]
fn a_redirect_is_followed() {
    let body = updates(3);
    let (target, _requests) = serve(vec![Act::Say(answer("200 OK", "", body.len(), &body))]);
    let headers = format!("location: {target}/elsewhere\r\n");
    let (base, _asked) = serve(vec![Act::Say(answer("302 Found", &headers, 0, b""))]);
    assert_eq!(read(&base, patience()), (3, Outcome::Whole, 0));
}

#[test]
fn a_real_file_survives_a_break_at_any_place() {
    let Some(path) = data::data("mrt/java-mrt/rrc20.updates.20180205.1030.gz") else { return };
    let body = std::fs::read(path).expect("read");
    for cut in [1, 7, body.len() / 2, body.len() - 1] {
        let range = format!("content-range: bytes {cut}-{}/{}\r\n", body.len() - 1, body.len());
        let (base, _requests) = serve(vec![
            Act::Say(answer("200 OK", "", body.len(), &body[..cut])),
            Act::Say(answer("206 Partial Content", &range, body.len() - cut, &body[cut..])),
        ]);
        let (file, collector) = file(&base);
        let mut opened = download::open(&file, &collector, patience()).expect("opened");
        opened.by_ref().for_each(drop);
        assert_eq!((opened.outcome(), opened.elements()), (Outcome::Whole, 67_533), "cut at {cut}");
    }
}
