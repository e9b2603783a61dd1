use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::alert::samples::opened;
use crate::sink::courier::Letter;

fn message(alert: Alert) -> Message {
    Message::Alert(Box::new(Letter { alert, json: "{}".into(), url: None }))
}

fn syslog(server: String, transport: Transport) -> Syslog {
    Syslog::new(config::Syslog { server, transport, timeout: Duration::from_secs(5) }, None)
}

fn written(alert: Alert, most: usize) -> String {
    let message = message(alert);
    line(&message, "host", Timestamp::from_secs(1_772_334_242), &say::headline(&message), most)
}

#[test]
fn a_line_has_the_parts_of_the_standard_in_their_order() {
    let line = written(opened(), DATAGRAM);
    let expected = format!(
        "<131>1 2026-03-01T03:04:02.000Z host bgpwarden {} opened [bgpwarden@32473 id=\"bw-20260301T030402Z-7f3a9c21d0b4\" \
         sequence=\"1\" transition=\"opened\" class=\"subprefix_hijack\" severity=\"high\" prefix=\"192.0.2.0/25\" \
         suspect=\"64511\"] \u{FEFF}high opened: AS64511 announces 192.0.2.0/25, part of 192.0.2.0/24 of AS64496",
        std::process::id()
    );
    assert_eq!(line, expected);
}

#[test]
fn what_is_over_is_not_an_error() {
    let over = Alert { transition: Transition::Resolved, severity: Severity::Critical, ..opened() };
    assert!(written(over, DATAGRAM).starts_with("<133>1 "));
    assert!(written(Alert { severity: Severity::Critical, ..opened() }, DATAGRAM).starts_with("<130>1 "));
}

#[test]
fn nothing_from_outside_ends_the_structured_data_or_the_line() {
    assert_eq!(data(&[("a", "x\"]\\\n")]), "[bgpwarden@32473 a=\"x\\\"\\]\\\\\n\"]");
    let line = written(Alert { title: "two\nlines\r\n<0>1 - - - - - -".into(), ..opened() }, DATAGRAM);
    assert!(!line.contains(['\n', '\r']), "{line}");
}

#[test]
fn a_line_is_cut_between_two_characters() {
    let long = Alert { title: "\u{1F4A5}".repeat(2_000), ..opened() };
    for most in 400..420 {
        let line = written(long.clone(), most);
        assert!(line.len() <= most && line.len() > most - 4);
    }
}

#[tokio::test]
async fn a_datagram_is_one_message() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    let sender = syslog(receiver.local_addr().expect("an address").to_string(), Transport::Udp);
    let said = sender.send(&message(opened())).await.expect("sent");
    assert!(said.contains("over udp"), "{said}");
    let mut buffer = [0; 4_096];
    let read = receiver.recv(&mut buffer).await.expect("a datagram");
    let text = std::str::from_utf8(&buffer[..read]).expect("UTF-8");
    assert!(text.starts_with("<131>1 2") && text.ends_with("of AS64496"), "{text}");
}

/// Reads one message with its length before it.
async fn counted(stream: &mut TcpStream) -> String {
    let mut length = String::new();
    loop {
        match stream.read_u8().await.expect("an octet") {
            b' ' => break,
            digit => length.push(char::from(digit)),
        }
    }
    let mut text = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut text).await.expect("all of it");
    String::from_utf8(text).expect("UTF-8")
}

#[tokio::test]
async fn over_tcp_each_is_counted_and_a_closed_connection_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let sender = syslog(listener.local_addr().expect("an address").to_string(), Transport::Tcp);
    sender.send(&message(opened())).await.expect("sent");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    sender.send(&message(Alert { sequence: 2, ..opened() })).await.expect("sent over the same");
    for sequence in 1..=2 {
        assert!(counted(&mut stream).await.contains(&format!("sequence=\"{sequence}\"")));
    }
    drop(stream);
    // The end of the connection has to arrive before the next message does.
    let kept = sender.connection.lock().await;
    kept.as_ref().expect("kept").readable().await.expect("its end");
    drop(kept);
    sender.send(&message(Alert { sequence: 3, ..opened() })).await.expect("sent over another");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    assert!(counted(&mut stream).await.contains("sequence=\"3\""));
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("an address");
    let refusal = syslog(free.to_string(), Transport::Tcp).send(&message(opened())).await.expect_err("nobody");
    assert!(!refusal.is_final && refusal.reason == FailureReason::Unreachable, "{refusal:?}");
}
