//! How is a large file read over HTTP when connections break, servers stall and bodies do not end?
//!
//! As a plain [`Read`]: a thread fetches, a short queue holds what is not read yet. A connection that breaks is taken up
//! where it broke, with a Range request (RFC 9110 section 14) or, where the server knows none, by skipping what is known.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};

use crate::backoff::Backoff;
use crate::shown::request_error;

/// Chunks that may wait: 64 of about 16 KiB are 1 MiB a download.
const CHUNKS: usize = 64;
/// Fewer octets than this within [`Patience::stall`] are a stall: 270 octets a second.
const SLOWEST: u64 = 16 << 10;
/// Progress that earns a fresh count of failures.
const PROGRESS: u64 = 1 << 20;

/// How long to wait, how often to try and how much to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub connect: Duration,
    /// Time without a noteworthy number of octets, spent waiting for the server only.
    pub stall: Duration,
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// Breaks in a row, without a MiB between them, that are the end.
    pub breaks: u32,
    /// Octets as they are stored. The largest dump of 2026 has about 0.5 GiB.
    pub most_octets: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            breaks: 4,
            most_octets: 8 << 30,
        }
    }
}

/// Why a download did not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The server answers, and has no such file.
    #[error("is not there (HTTP status {0})")]
    Missing(u16),
    #[error("cannot be fetched: {0}")]
    Unreachable(String),
}

/// How a download ended; `at` counts octets as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Not yet, or nobody read on.
    #[default]
    Open,
    Complete,
    Broken {
        at: u64,
    },
    Stalled {
        at: u64,
    },
    TooLong {
        at: u64,
    },
}

/// To be looked at while it runs and after it ended.
#[derive(Debug, Default)]
pub struct Progress {
    pub octets: AtomicU64,
    /// Connections that took up a broken one.
    pub resumed: AtomicU64,
    end: Mutex<End>,
}

impl Progress {
    pub fn end(&self) -> End {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self, end: End) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

/// A body that is being fetched.
pub struct Download {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    now: Bytes,
    pub progress: Arc<Progress>,
    pub length: Option<u64>,
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.chunks.recv() {
                Ok(chunk) => self.now = chunk?,
                Err(_) => return Ok(0),
            }
        }
        let n = self.now.len().min(into.len());
        into[..n].copy_from_slice(&self.now.split_to(n));
        Ok(n)
    }
}

/// Waits for the first answer. What breaks before it is told, not tried again: the caller knows whether it is worth it.
pub fn open(url: &str, patience: Patience) -> Result<Download, Refused> {
    let (began, answer) = mpsc::sync_channel(1);
    let (fill, chunks) = mpsc::sync_channel(CHUNKS);
    let progress = Arc::new(Progress::default());
    let fetch =
        Fetch { url: url.to_owned(), patience, fill, progress: progress.clone(), length: None, validator: None };
    let told = began.clone();
    let fetching = std::thread::Builder::new().name("download".into()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(fetch.run(&told)),
            Err(error) => drop(told.send(Err(Refused::Unreachable(error.to_string())))),
        }
    });
    drop(began);
    fetching.map_err(|error| Refused::Unreachable(error.to_string()))?;
    let stopped = || Refused::Unreachable("the download stopped before it began".into());
    let length = answer.recv().map_err(|_| stopped())??;
    Ok(Download { chunks, now: Bytes::new(), progress, length })
}

struct Fetch {
    url: String,
    patience: Patience,
    fill: mpsc::SyncSender<io::Result<Bytes>>,
    progress: Arc<Progress>,
    length: Option<u64>,
    /// ETag or date of the file that was begun, so that two files never become one.
    validator: Option<HeaderValue>,
}

/// Why one connection gave no more.
enum Stop {
    Complete,
    NobodyReads,
    Broken(String),
    Stalled,
    TooLong,
    /// No use in trying again.
    Changed(String),
}

impl Fetch {
    async fn run(mut self, began: &mpsc::SyncSender<Result<Option<u64>, Refused>>) {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return drop(began.send(Err(Refused::Unreachable(request_error(error))))),
        };
        let mut response = match self.begin(&client).await {
            Ok(response) => response,
            Err(refused) => return drop(began.send(Err(refused))),
        };
        if began.send(Ok(self.length)).is_err() {
            return;
        }
        let mut backoff = Backoff::new(self.patience.first_wait, self.patience.longest_wait);
        let (mut breaks, mut good_until) = (0, 0);
        loop {
            let stop = self.pass_on(&mut response).await;
            let at = self.at();
            if at >= good_until + PROGRESS {
                (breaks, good_until) = (0, at);
                backoff.reset();
            }
            breaks += 1;
            match stop {
                Stop::Complete => return self.progress.ends(End::Complete),
                Stop::NobodyReads => return,
                Stop::TooLong => return self.fail(End::TooLong { at }, "is longer than any such file"),
                Stop::Changed(what) => return self.fail(End::Broken { at }, &what),
                Stop::Broken(what) if breaks >= self.patience.breaks => return self.fail(End::Broken { at }, &what),
                Stop::Stalled if breaks >= self.patience.breaks => {
                    return self.fail(End::Stalled { at }, "the server stalls");
                }
                Stop::Broken(_) | Stop::Stalled => {}
            }
            tokio::time::sleep(backoff.wait()).await;
            response = match self.resume(&client).await {
                Ok(resumed) => resumed,
                Err(Stop::Changed(what)) => return self.fail(End::Broken { at }, &what),
                // Counted as a break by the next turn.
                Err(_) => None,
            };
        }
    }

    fn client(&self) -> reqwest::Result<Client> {
        Client::builder()
            .user_agent(concat!("bgpwarden/", env!("CARGO_PKG_VERSION")))
            .no_gzip()
            .connect_timeout(self.patience.connect)
            .build()
    }

    fn at(&self) -> u64 {
        self.progress.octets.load(Ordering::Relaxed)
    }

    fn fail(&self, end: End, what: &str) {
        self.progress.ends(end);
        let kind =
            if matches!(end, End::Broken { .. }) { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::TimedOut };
        let _ = self.fill.send(Err(io::Error::new(kind, what.to_owned())));
    }

    async fn begin(&mut self, client: &Client) -> Result<Option<Response>, Refused> {
        let unreachable = |what: String| Refused::Unreachable(what);
        let answer = tokio::time::timeout(self.patience.stall, client.get(&self.url).send()).await;
        let response =
            answer.map_err(|_| unreachable("no answer".into()))?.map_err(|error| unreachable(request_error(error)))?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN) => {
                return Err(Refused::Missing(status.as_u16()));
            }
            status => return Err(unreachable(format!("HTTP status {status}"))),
        }
        self.length = response.content_length();
        self.validator = validator(response.headers());
        Ok(Some(response))
    }

    /// Asks for the rest of the file that was begun.
    async fn resume(&self, client: &Client) -> Result<Option<Response>, Stop> {
        self.progress.resumed.fetch_add(1, Ordering::Relaxed);
        let at = self.at();
        let mut request = client.get(&self.url).header(RANGE, format!("bytes={at}-"));
        if let Some(validator) = &self.validator {
            request = request.header(IF_RANGE, validator);
        }
        let answer = tokio::time::timeout(self.patience.stall, request.send()).await.map_err(|_| Stop::Stalled)?;
        let response = answer.map_err(|error| Stop::Broken(request_error(error)))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(response.headers(), at) => Ok(Some(response)),
            StatusCode::OK if self.is_same(&response) => self.skip(response, at).await.map(Some),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(Stop::Changed("changed while it was read".into()))
            }
            status => Err(Stop::Broken(format!("HTTP status {status}"))),
        }
    }

    fn is_same(&self, response: &Response) -> bool {
        validator(response.headers()) == self.validator && response.content_length() == self.length
    }

    async fn skip(&self, mut response: Response, mut octets: u64) -> Result<Response, Stop> {
        while octets > 0 {
            let chunk = tokio::time::timeout(self.patience.stall, response.chunk()).await.map_err(|_| Stop::Stalled)?;
            let chunk = chunk.map_err(|error| Stop::Broken(request_error(error)))?;
            let Some(chunk) = chunk else { return Err(Stop::Changed("became shorter while it was read".into())) };
            let known = octets.min(chunk.len() as u64);
            octets -= known;
            if (known as usize) < chunk.len() && !self.hand_over(chunk.slice(known as usize..)) {
                return Err(Stop::NobodyReads);
            }
        }
        Ok(response)
    }

    fn hand_over(&self, chunk: Bytes) -> bool {
        self.progress.octets.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        self.fill.send(Ok(chunk)).is_ok()
    }

    async fn pass_on(&self, response: &mut Option<Response>) -> Stop {
        let Some(response) = response else { return Stop::Broken("the server does not answer any more".into()) };
        let (mut waited, mut since) = (Duration::ZERO, 0);
        loop {
            let asked = Instant::now();
            let chunk = match tokio::time::timeout(self.patience.stall, response.chunk()).await {
                Err(_) => return Stop::Stalled,
                Ok(Err(error)) => return Stop::Broken(request_error(error)),
                Ok(Ok(None)) => return Stop::Complete,
                Ok(Ok(Some(chunk))) => chunk,
            };
            waited += asked.elapsed();
            since += chunk.len() as u64;
            if self.at() + chunk.len() as u64 > self.patience.most_octets {
                return Stop::TooLong;
            }
            if !self.hand_over(chunk) {
                return Stop::NobodyReads;
            }
            if waited >= self.patience.stall {
                if since < SLOWEST {
                    return Stop::Stalled;
                }
                (waited, since) = (Duration::ZERO, 0);
            }
        }
    }
}

/// A weak ETag says nothing about octets.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    strong.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

fn starts_at(headers: &HeaderMap, at: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    range.strip_prefix("bytes ").and_then(|range| range.split_once('-')).is_some_and(|(from, _)| from.parse() == Ok(at))
}
