//! Does what a cache sends make sense before the protocol library gets it?
//!
//! Stands between the socket and the library, hands on whole PDUs only, and mends what the library cannot take: a Serial
//! Notify that crosses our query waits until the answer is complete, the withdrawal of an ASPA gets the provider that the
//! library insists on, and timers keep to the bounds of RFC 8210. PDUs that are too long, come at the wrong time, belong to
//! another session or have the ASPA layout of an old draft end the connection with a reason that can be told.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::rpki_set::{MOST_ASPAS, MOST_VRPS};

/// The longest PDU: an ASPA of 16,380 providers, more than any AS has.
const MOST_OCTETS: usize = 65_535;
/// Payloads of one answer: sets have their bounds, and a delta may take all of one away and give another.
const MOST_PAYLOADS: usize = 2 * (MOST_VRPS + MOST_ASPAS);
/// In the middle of an answer a cache may not be silent for longer.
const SILENCE: Duration = Duration::from_secs(30);
/// An answer of a million VRPs has 20 to 32 MB: even 100 kB/s brings it in time.
const WHOLE_ANSWER: Duration = Duration::from_secs(600);
const CHUNK: usize = 16_384;

const HEADER: usize = 8;
const SERIAL_NOTIFY: u8 = 0;
const SERIAL_QUERY: u8 = 1;
const RESET_QUERY: u8 = 2;
const CACHE_RESPONSE: u8 = 3;
const IPV4_PREFIX: u8 = 4;
const IPV6_PREFIX: u8 = 6;
const END_OF_DATA: u8 = 7;
const CACHE_RESET: u8 = 8;
const ROUTER_KEY: u8 = 9;
const ERROR_REPORT: u8 = 10;
const ASPA: u8 = 11;

/// Error code "Unsupported Protocol Version".
const UNSUPPORTED_VERSION: u16 = 4;
/// Error code "No Data Available".
const NO_DATA: u16 = 2;

/// Why a cache cannot be followed as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("a PDU of {0} octets was announced; none has fewer than 8 or more than 65535")]
    Length(u32),
    #[error("a PDU of type {0} came when none such was due")]
    Unexpected(u8),
    #[error("an ASPA PDU is malformed")]
    BadAspa,
    #[error("ASPAs come in the layout of an old draft")]
    OldAspaLayout,
    #[error("it withdrew a record that it never announced")]
    UnknownWithdrawal,
    #[error("it began a new session")]
    SessionChanged,
    #[error("more than {MOST_PAYLOADS} records came in one answer")]
    TooManyPayloads,
    #[error("it has no data yet")]
    NoData,
    #[error("it reported error {code}: {text}")]
    Reported { code: u16, text: String },
    #[error("it was silent for {} s in the middle of its answer", SILENCE.as_secs())]
    Silent,
    #[error("its answer was not complete after {} s", WHOLE_ANSWER.as_secs())]
    Endless,
}

impl From<Flaw> for io::Error {
    fn from(flaw: Flaw) -> Self {
        Self::new(io::ErrorKind::InvalidData, flaw)
    }
}

impl Flaw {
    /// The flaw that made an error.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().cloned()
    }
}

/// What can be seen of a connection from outside.
#[derive(Debug)]
pub struct Seen {
    /// The version that the cache speaks; [`Seen::NOTHING`] until it says so.
    version: AtomicU8,
}

impl Seen {
    const NOTHING: u8 = u8::MAX;

    /// The version of the last answer, or the one that the cache asked for when it refused ours.
    pub fn version(&self) -> Option<u8> {
        Some(self.version.load(Ordering::Relaxed)).filter(|v| *v != Self::NOTHING)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self { version: AtomicU8::new(Self::NOTHING) }
    }
}

/// A question whose answer is under way.
struct Query {
    /// Of a Serial Query: the session it goes on with.
    session: Option<u16>,
    answered: bool,
    complete_by: Instant,
}

/// A socket that speaks whole PDUs.
pub struct Pdus<S> {
    socket: S,
    /// Octets that make no whole PDU yet: at most one PDU and a chunk.
    incoming: BytesMut,
    /// Of whole PDUs that may be read.
    ready: BytesMut,
    query: Option<Query>,
    /// A Serial Notify that came in the middle of an answer.
    notified: Option<BytesMut>,
    payloads: usize,
    silence: Pin<Box<Sleep>>,
    seen: Arc<Seen>,
}

impl<S> Pdus<S> {
    pub fn new(socket: S, seen: Arc<Seen>) -> Self {
        Self {
            socket,
            incoming: BytesMut::new(),
            ready: BytesMut::new(),
            query: None,
            notified: None,
            payloads: 0,
            silence: Box::pin(tokio::time::sleep(SILENCE)),
            seen,
        }
    }

    fn next_pdu(&mut self) -> Result<Option<BytesMut>, Flaw> {
        if self.incoming.len() < HEADER {
            return Ok(None);
        }
        let length = u32_at(&self.incoming, 4);
        let octets = usize::try_from(length).unwrap_or(usize::MAX);
        if !(HEADER..=MOST_OCTETS).contains(&octets) {
            return Err(Flaw::Length(length));
        }
        Ok((self.incoming.len() >= octets).then(|| self.incoming.split_to(octets)))
    }

    /// Checks a PDU and makes it ready, or keeps it back.
    fn accept(&mut self, mut pdu: BytesMut) -> Result<(), Flaw> {
        let (version, kind) = (pdu[0], pdu[1]);
        let Some(query) = &mut self.query else {
            match kind {
                SERIAL_NOTIFY => self.ready.unsplit(pdu),
                ERROR_REPORT => return Err(report(&pdu)),
                _ => return Err(Flaw::Unexpected(kind)),
            }
            return Ok(());
        };
        match kind {
            SERIAL_NOTIFY => {
                self.notified = Some(pdu);
                return Ok(());
            }
            ERROR_REPORT if u16_at(&pdu, 2) == UNSUPPORTED_VERSION && self.seen.version().is_none() => {
                self.seen.version.store(version, Ordering::Relaxed);
                self.query = None;
            }
            ERROR_REPORT => return Err(report(&pdu)),
            CACHE_RESPONSE => {
                if query.answered || query.session.is_some_and(|s| s != u16_at(&pdu, 2)) {
                    return Err(if query.answered { Flaw::Unexpected(kind) } else { Flaw::SessionChanged });
                }
                query.answered = true;
                query.session = Some(u16_at(&pdu, 2));
                self.seen.version.store(version, Ordering::Relaxed);
            }
            CACHE_RESET if !query.answered => self.query = None,
            END_OF_DATA if query.answered => {
                if query.session != Some(u16_at(&pdu, 2)) {
                    return Err(Flaw::SessionChanged);
                }
                clamp_timers(&mut pdu);
                self.end_answer(&pdu);
            }
            IPV4_PREFIX | IPV6_PREFIX | ROUTER_KEY | ASPA if query.answered => {
                // A long one counts for the memory it takes.
                self.payloads += 1 + pdu.len() / 64;
                if self.payloads > MOST_PAYLOADS {
                    return Err(Flaw::TooManyPayloads);
                }
                if kind == ASPA {
                    mend_aspa(&mut pdu)?;
                }
            }
            _ => return Err(Flaw::Unexpected(kind)),
        }
        self.ready.extend_from_slice(&pdu);
        if self.query.is_none()
            && let Some(notified) = self.notified.take()
            && kind == END_OF_DATA
        {
            self.ready.extend_from_slice(&notified);
        }
        Ok(())
    }

    /// The answer is complete. A notify that crossed it counts only if it tells of something newer.
    fn end_answer(&mut self, end_of_data: &BytesMut) {
        self.query = None;
        self.payloads = 0;
        let serial = end_of_data.get(HEADER..HEADER + 4);
        self.notified = self.notified.take().filter(|n| n.get(HEADER..HEADER + 4) != serial);
    }

    /// Notes a query that goes out.
    fn note_query(&mut self, pdu: &[u8]) {
        if pdu.len() < HEADER || !matches!(pdu[1], SERIAL_QUERY | RESET_QUERY) {
            return;
        }
        let session = (pdu[1] == SERIAL_QUERY).then(|| u16_at(pdu, 2));
        self.query = Some(Query { session, answered: false, complete_by: Instant::now() + WHOLE_ANSWER });
        self.silence.as_mut().reset(Instant::now() + SILENCE);
    }
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    octets.get(at..at + 2).map_or(0, |mut o| o.get_u16())
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).map_or(0, |mut o| o.get_u32())
}

/// RFC 8210 section 6: the bounds of refresh, retry and expire; expire is longer than both.
fn clamp_timers(end_of_data: &mut BytesMut) {
    let bounds = [(12, 1, 86_400), (16, 1, 7_200), (20, 600, 172_800)];
    for (at, least, most) in bounds {
        let clamped = u32_at(end_of_data, at).clamp(least, most);
        if let Some(field) = end_of_data.get_mut(at..at + 4) {
            field.copy_from_slice(&clamped.to_be_bytes());
        }
    }
}

/// 8210bis: flags in the header, then the customer and, of an announcement, its providers. Older drafts had the flags behind
/// the header, so all of theirs look like withdrawals that list something.
fn mend_aspa(pdu: &mut BytesMut) -> Result<(), Flaw> {
    let is_announcement = pdu[2] & 1 == 1;
    match (is_announcement, pdu.len()) {
        _ if pdu[0] < 2 => Err(Flaw::Unexpected(ASPA)),
        (true, n) if n >= 16 && n % 4 == 0 => Ok(()),
        (false, 12) => {
            // The library takes no ASPA without a provider, and nobody reads the one of a withdrawal.
            pdu[4..8].copy_from_slice(&16u32.to_be_bytes());
            pdu.extend_from_slice(&[0; 4]);
            Ok(())
        }
        (false, n) if n >= 16 => Err(Flaw::OldAspaLayout),
        _ => Err(Flaw::BadAspa),
    }
}

/// The text of an Error Report, behind the PDU that it is about.
fn report(pdu: &BytesMut) -> Flaw {
    let code = u16_at(pdu, 2);
    if code == NO_DATA {
        return Flaw::NoData;
    }
    let about = u32_at(pdu, HEADER) as usize;
    let text = Bytes::copy_from_slice(pdu.get(HEADER + 4..).and_then(|rest| rest.get(about..)).unwrap_or_default());
    let text = text.get(4..).map(String::from_utf8_lossy).unwrap_or_default();
    let text = text.chars().filter(|c| !c.is_control()).take(200).collect();
    Flaw::Reported { code, text }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pdus<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let n = this.ready.len().min(out.remaining());
                out.put_slice(&this.ready.split_to(n));
                return Poll::Ready(Ok(()));
            }
            if let Some(pdu) = this.next_pdu()? {
                this.accept(pdu)?;
                continue;
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            match Pin::new(&mut this.socket).poll_read(cx, &mut read) {
                Poll::Ready(result) => {
                    result?;
                    if read.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    this.incoming.extend_from_slice(read.filled());
                    let now = Instant::now();
                    if this.query.as_ref().is_some_and(|q| now > q.complete_by) {
                        return Poll::Ready(Err(Flaw::Endless.into()));
                    }
                    this.silence.as_mut().reset(now + SILENCE);
                }
                Poll::Pending if this.query.is_some() => {
                    ready!(this.silence.as_mut().poll(cx));
                    return Poll::Ready(Err(Flaw::Silent.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pdus<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, octets))?;
        self.note_query(octets);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
