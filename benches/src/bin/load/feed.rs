//! Says every message at its moment, whatever the other side does.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use benches::wire::bmp;
use benches::world::World;
use benches::world::stream::{Said, What};
use rules::bgp::Timestamp;
use tokio_tungstenite::tungstenite;

use crate::script::Script;
use crate::stage::{ROUTER, Stage};
use crate::{Args, Failure};

/// Messages are put on the wire this often, all that are due.
const PULSE: Duration = Duration::from_micros(500);
/// Who is so late has missed the moment.
const LATE: Duration = Duration::from_millis(10);
/// What is said is heard and told in this time, or never.
const AFTERMATH: Duration = Duration::from_secs(10);

pub struct Sent {
    /// When the first message was due.
    pub start: Instant,
    pub messages: u64,
    pub octets: u64,
    /// Messages that went out late, and by how much at most.
    pub late: u64,
    pub latest: Duration,
    /// The other side hung up here, which it does when it cannot follow.
    pub cut: Option<Duration>,
}

pub fn play(world: &World, script: &Script, stage: &Stage, args: &Args) -> Result<Sent, Failure> {
    let sent = match &stage.ris_live {
        Some(listener) => said(&mut subscriber(listener)?, script, args, frame)?,
        None => said(&mut router(world, stage)?, script, args, with_time)?,
    };
    std::thread::sleep(AFTERMATH);
    Ok(sent)
}

fn said(
    stream: &mut TcpStream,
    script: &Script,
    args: &Args,
    framing: impl Fn(&[u8], &mut Vec<u8>),
) -> Result<Sent, Failure> {
    let start = Instant::now() + PULSE;
    let mut sent = Sent { start, messages: 0, octets: 0, late: 0, latest: Duration::ZERO, cut: None };
    let (mut buffer, mut hijacks) = (Vec::new(), script.hijacks.iter().peekable());
    let mut everyday = script.everyday.iter().cycle();
    while sent.messages < script.messages {
        let due = (start.elapsed().as_nanos() * u128::from(args.rate) / 1_000_000_000) as u64;
        let (from, to) = (sent.messages, due.min(script.messages));
        buffer.clear();
        for message in from..to {
            match hijacks.next_if(|hijack| hijack.message == message) {
                Some(hijack) => framing(&hijack.octets, &mut buffer),
                None => everyday.next().into_iter().for_each(|octets| framing(octets, &mut buffer)),
            }
        }
        if stream.write_all(&buffer).is_err() {
            sent.cut = Some(start.elapsed());
            return Ok(sent);
        }
        sent.octets += buffer.len() as u64;
        sent.messages = to;
        // The whole of it is on its way only now: the first message waited longest.
        let waited = start.elapsed().saturating_sub(moment(from, args.rate));
        if to > from && waited > LATE {
            sent.late += to - from;
            sent.latest = sent.latest.max(waited);
        }
        std::thread::sleep(PULSE);
    }
    Ok(sent)
}

/// When a message is due, after the first.
pub fn moment(message: u64, rate: u64) -> Duration {
    Duration::from_nanos((u128::from(message) * 1_000_000_000 / u128::from(rate)) as u64)
}

/// Waits for who subscribes. What it says later (pings) needs no answer while there are news.
fn subscriber(listener: &TcpListener) -> Result<TcpStream, Failure> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    while !socket.read()?.to_text().is_ok_and(|text| text.contains("ris_subscribe")) {}
    Ok(socket.get_ref().try_clone()?)
}

/// A text frame of a server (RFC 6455 section 5.2) with the time of now in it.
fn frame(text: &[u8], out: &mut Vec<u8>) {
    match u16::try_from(text.len()) {
        Ok(length) if length > 125 => {
            out.extend([0x81, 126]);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.extend([0x81, 127]);
            out.extend((text.len() as u64).to_be_bytes());
        }
    }
    let at = out.len() + TIMESTAMP.len();
    out.extend(text);
    let now = now();
    let digits = format!("{}.{:06}", now.0 / 1_000_000, now.0 % 1_000_000);
    out[at..at + digits.len()].copy_from_slice(digits.as_bytes());
}

/// What every frame begins with, before its time.
const TIMESTAMP: &[u8] = br#"{"type":"ris_message","data":{"timestamp":"#;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_micros() as i64)
}

/// A router whose sessions are all up and have said all they have: what comes now is news.
fn router(world: &World, stage: &Stage) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(stage.station)?;
    stream.set_nodelay(true)?;
    let mut octets = Vec::new();
    bmp::initiation(ROUTER, &mut octets);
    for session in 0..world.sessions.len() as u32 {
        for what in [What::Up, What::EndOfRib] {
            bmp::said(world, &Said { session, at: now(), what }, &mut octets);
        }
    }
    stream.write_all(&octets)?;
    Ok(stream)
}

/// A BMP message with the time of now in its per-peer header.
fn with_time(message: &[u8], out: &mut Vec<u8>) {
    const SECONDS: usize = 6 + 34;
    let at = out.len() + SECONDS;
    out.extend(message);
    let now = now();
    out[at..at + 4].copy_from_slice(&((now.0 / 1_000_000) as u32).to_be_bytes());
    out[at + 4..at + 8].copy_from_slice(&((now.0 % 1_000_000) as u32).to_be_bytes());
}
