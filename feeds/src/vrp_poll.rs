//! What does the JSON of a validator say, fetched over HTTP(S) again and again?
//!
//! The last good answer stays until there is a better one. A server that says "not modified" (ETag, If-Modified-Since) is
//! believed until one of the rows expires; one that fails, stalls, or sends too much or no VRPs is counted, and asked again after a while.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, StatusCode, Url};
use rules::alert::SourceState;
use rules::bgp::Timestamp;
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::clock::now;
use crate::input::InputError;
use crate::rpki_set::{MOST_ASPAS, MOST_VRPS, RpkiSet};
use crate::shown::request_error;
use crate::vrp_file::{self, RpkiFile};

/// An answer longer than this is refused. Today's JSON of all VRPs has 75 to 110 MB; a million more make it 200.
const MOST_OCTETS: usize = 256 << 20;
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(30);
const WHOLE_ANSWER: Duration = Duration::from_secs(300);
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// Bounds of one request; tests have smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub octets: usize,
    pub silence: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { octets: MOST_OCTETS, silence: SILENCE }
    }
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    pub set: Arc<RpkiSet>,
    pub has_aspas: bool,
    /// When the validator made it, where it or the server (Last-Modified) says so; else when it was fetched.
    pub as_of: Timestamp,
    /// Somebody said so.
    pub is_dated: bool,
    /// When the first of its rows expires.
    pub next_expiry: Option<Timestamp>,
    /// Rows that could not be read.
    pub rejected: u64,
}

/// How the URL stands.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host and path: a URL may hold a password or a token.
    pub name: Arc<str>,
    pub data: Option<Polled>,
    /// When the server last said what is true.
    pub checked: Option<Timestamp>,
    /// Since when it fails, and how.
    pub lost: Option<(Timestamp, String)>,
    pub failures: u64,
}

impl Endpoint {
    pub fn new(url: &str) -> Self {
        Self { name: name_of(url), data: None, checked: None, lost: None, failures: 0 }
    }

    pub fn was_tried(&self) -> bool {
        self.data.is_some() || self.lost.is_some()
    }

    /// It is served and not renewed: made more than `expire_secs` ago.
    pub fn is_outdated(&self, now: Timestamp, expire_secs: u64) -> bool {
        self.data.as_ref().is_some_and(|data| data.is_dated && now.secs_since(data.as_of) > expire_secs as f64)
    }

    /// Stale as soon as a request fails, or when the data were made `expire_secs` ago; expired when no request succeeded
    /// for so long.
    pub fn state(&self, now: Timestamp, expire_secs: u64) -> SourceState {
        match (&self.data, self.checked) {
            (Some(_), Some(checked)) if now.secs_since(checked) > expire_secs as f64 => SourceState::Expired,
            (Some(_), _) if self.lost.is_some() || self.is_outdated(now, expire_secs) => SourceState::Stale,
            (Some(_), _) => SourceState::Fresh,
            (None, _) => SourceState::None,
        }
    }
}

/// Asks every `refresh` until the future is dropped; sooner, with growing pauses, after a failure.
pub async fn run(url: String, refresh: Duration, out: watch::Sender<Endpoint>) {
    let mut backoff = Backoff::new(FIRST_WAIT.min(refresh), refresh);
    let mut poller = match Poller::new(&url, Bounds::default()) {
        Ok(poller) => poller,
        Err(why) => return out.send_modify(|endpoint| endpoint.lost = Some((now(), why))),
    };
    loop {
        let wait = match poller.poll(now()).await {
            Ok(answer) => {
                backoff.reset();
                out.send_modify(|endpoint| {
                    endpoint.lost = None;
                    endpoint.checked = Some(now());
                    endpoint.data = answer.or(endpoint.data.take());
                });
                refresh
            }
            Err(why) => {
                let name = out.borrow().name.clone();
                tracing::warn!(url = %name, %why, "VRPs not fetched");
                out.send_modify(|endpoint| {
                    endpoint.failures += 1;
                    let since = endpoint.lost.take().map_or_else(now, |(since, _)| since);
                    endpoint.lost = Some((since, why));
                });
                backoff.wait()
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// A URL, and what its server said about the last good answer.
pub struct Poller {
    client: Client,
    url: Url,
    bounds: Bounds,
    /// What the answer is told apart by: the conditions of the next request.
    conditions: HeaderMap,
    /// Until then it is enough that the answer would be the same.
    good_until: Option<Timestamp>,
}

impl Poller {
    pub fn new(url: &str, bounds: Bounds) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("is not a URL: {error}"))?;
        let client = Client::builder()
            .user_agent(concat!("bgpwarden/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(bounds.silence)
            .timeout(WHOLE_ANSWER)
            .build()
            .map_err(|error| format!("cannot make requests: {error}"))?;
        Ok(Self { client, url, bounds, conditions: HeaderMap::new(), good_until: None })
    }

    /// The answer; none if it is the same as before. Rows that expire before `now` are left out.
    pub async fn poll(&mut self, now: Timestamp) -> Result<Option<Polled>, String> {
        let may_be_same = self.good_until.is_none_or(|until| now <= until);
        let known = if may_be_same { self.conditions.clone() } else { HeaderMap::new() };
        let request = self.client.get(self.url.clone()).headers(known);
        let mut response = request.send().await.map_err(request_error)?;
        if response.status() == StatusCode::NOT_MODIFIED && may_be_same {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(format!("the server answered {}", response.status()));
        }
        let conditions = conditions(response.headers());
        let modified = response.headers().get(LAST_MODIFIED).and_then(date);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(request_error)? {
            if body.len() + chunk.len() > self.bounds.octets {
                return Err(format!("the answer is longer than {} octets", self.bounds.octets));
            }
            body.extend_from_slice(&chunk);
        }
        let read = tokio::task::spawn_blocking(move || read(&body, modified, now)).await;
        let polled = read.map_err(|_| "the answer cannot be read".to_owned())??;
        self.conditions = conditions;
        self.good_until = polled.next_expiry;
        Ok(Some(polled))
    }
}

fn conditions(headers: &HeaderMap<HeaderValue>) -> HeaderMap {
    let pairs = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
    let known = pairs.into_iter().filter_map(|(said, asked)| Some((asked, headers.get(said)?.clone())));
    known.collect()
}

/// A date of HTTP, such as `Tue, 14 Nov 2023 22:13:20 GMT`.
fn date(value: &HeaderValue) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.as_bytes()).ok()?;
    Some(Timestamp::from_secs(at.as_second()))
}

/// What a body says that was last `modified` then; the error names what is wrong with it.
pub fn read(body: &[u8], modified: Option<Timestamp>, now: Timestamp) -> Result<Polled, String> {
    let file = vrp_file::parse(body, Some(now)).map_err(|error| match error {
        InputError::Content { what, .. } => format!("the answer {what}"),
        other => other.to_string(),
    })?;
    let RpkiFile { vrps, aspas, roa_ends, as_of, next_expiry, has_vrps, has_aspas, rejected_count, .. } = file;
    if !has_vrps {
        return Err("the answer holds no list of VRPs".to_owned());
    }
    if vrps.len() > MOST_VRPS || aspas.len() > MOST_ASPAS {
        return Err(format!("the answer holds {} VRPs and {} ASPAs, more than are believed", vrps.len(), aspas.len()));
    }
    let set = Arc::new(RpkiSet::new(vrps, aspas).with_roa_ends(roa_ends));
    // A clock that is ahead makes nothing younger.
    let made = as_of.or(modified).map(|made| made.min(now));
    let (as_of, is_dated) = (made.unwrap_or(now), made.is_some());
    Ok(Polled { set, has_aspas, as_of, is_dated, next_expiry, rejected: rejected_count })
}

fn name_of(url: &str) -> Arc<str> {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(Url::host_str);
    match (&parsed, host) {
        (Some(url), Some(host)) => format!("{host}{}", url.path()).into(),
        _ => "url".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_neither_password_nor_token() {
        let name = |url| name_of(url).to_string();
        assert_eq!(name("https://user:hunter2@vrps.example.net:8443/a.json?token=x"), "vrps.example.net/a.json");
        assert_eq!(name("nonsense"), "url");
    }

    #[test]
    fn an_endpoint_is_fresh_then_stale_then_expired() {
        let at = Timestamp::from_secs;
        let mut endpoint = Endpoint::new("http://192.0.2.1/");
        assert_eq!(endpoint.state(at(0), 100), SourceState::None);
        let data = Polled {
            set: Arc::default(),
            has_aspas: false,
            as_of: at(0),
            is_dated: false,
            next_expiry: None,
            rejected: 0,
        };
        endpoint.data = Some(data.clone());
        endpoint.checked = Some(at(0));
        assert_eq!(endpoint.state(at(50), 100), SourceState::Fresh);
        endpoint.lost = Some((at(40), "refused".into()));
        assert_eq!(endpoint.state(at(50), 100), SourceState::Stale);
        assert_eq!(endpoint.state(at(101), 100), SourceState::Expired);
        // Served day after day, and made long ago.
        endpoint = Endpoint { data: Some(data), checked: Some(at(150)), lost: None, ..endpoint };
        assert_eq!(endpoint.state(at(150), 100), SourceState::Fresh, "nobody said when it was made");
        endpoint.data.iter_mut().for_each(|data| data.is_dated = true);
        assert_eq!(
            (endpoint.state(at(100), 100), endpoint.state(at(150), 100)),
            (SourceState::Fresh, SourceState::Stale)
        );
    }
}
