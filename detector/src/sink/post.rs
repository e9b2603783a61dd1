//! What does a receiver over HTTP say to a POST?
//!
//! Redirects are not followed: what was signed for one place is not carried to another. Only what speaks of this one message
//! is the last word (RFC 9110 §15.5: it is malformed, too large or of no use). All else is tried again, after `Retry-After`
//! where it is given: a token that is wrong or an address that has moved is mended some time, and must not cost alerts. Only
//! after a day [`super::courier`] gives up a message that was refused all that time.

use std::time::Duration;

use feeds::shown::request_error;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rules::bgp::Timestamp;

use super::courier::Refusal;
use super::status::FailureReason;
use crate::app::now;
use crate::failure::Failure;
use crate::text;

/// Octets of an answer that are read.
const ANSWER: usize = 4_096;
/// Characters of it that are shown.
const SHOWN: usize = 200;
/// Between two attempts at an address that does not want us: whoever counts failed logins must not lock us out.
const UNWANTED: Duration = Duration::from_secs(60);
/// The longest pause a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// A client for one receiver; `timeout` from the connection to the end of the answer.
pub fn client(name: &str, timeout: Duration) -> Result<Client, Failure> {
    Client::builder()
        .user_agent(concat!("bgpwarden/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .timeout(timeout)
        .build()
        .map_err(|error| Failure::failed(format!("route {name}: {}", request_error(error))))
}

/// Sends it; the beginning of what was answered.
pub async fn send(request: RequestBuilder) -> Result<String, Refusal> {
    let response = request.send().await.map_err(not_sent)?;
    let status = response.status();
    match status.is_success() {
        true => Ok(format!("{status} {}", beginning(response).await).trim_end().to_owned()),
        false => Err(refused(response).await),
    }
}

fn not_sent(error: reqwest::Error) -> Refusal {
    let reason = if error.is_timeout() { FailureReason::Timeout } else { FailureReason::Unreachable };
    let is_final = error.is_builder();
    Refusal { reason, error: request_error(error), is_final, after: None }
}

/// Asks for something; all of the answer, if it is no longer than `most`.
pub async fn fetch(request: RequestBuilder, most: usize) -> Result<String, Refusal> {
    let response = request.send().await.map_err(not_sent)?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let read = read(response, most + 1).await;
    match read.len() > most {
        true => {
            let error = format!("the answer is longer than {most} octets");
            Err(Refusal { reason: FailureReason::Other, error, is_final: false, after: None })
        }
        false => Ok(String::from_utf8_lossy(&read).into_owned()),
    }
}

async fn refused(response: Response) -> Refusal {
    let (status, after) = (response.status(), pause_asked_for(response.headers(), now()));
    let error = format!("answered {status} {}", beginning(response).await).trim_end().to_owned();
    let after = after.or((!is_final(status) && reason_of(status) == FailureReason::Refused).then_some(UNWANTED));
    Refusal { reason: reason_of(status), error, is_final: is_final(status), after }
}

/// About this message, and no other.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// What cannot be read of an answer changes nothing about its status.
async fn beginning(response: Response) -> String {
    text::plain(String::from_utf8_lossy(&read(response, ANSWER).await).trim(), SHOWN)
}

async fn read(mut response: Response, most: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < most
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read.extend_from_slice(&chunk[..chunk.len().min(most - read.len())]);
    }
    read
}

fn reason_of(status: StatusCode) -> FailureReason {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => FailureReason::Timeout,
        StatusCode::PAYLOAD_TOO_LARGE => FailureReason::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => FailureReason::Throttled,
        status if status.is_server_error() => FailureReason::Other,
        _ => FailureReason::Refused,
    }
}

/// Seconds, or a moment (RFC 9110 §10.2.3).
fn pause_asked_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let secs = match text.parse::<u64>() {
        Ok(secs) => secs as f64,
        Err(_) => {
            let moment = jiff::fmt::rfc2822::parse(text).ok()?;
            Timestamp::from_secs(moment.timestamp().as_second()).secs_since(now)
        }
    };
    Some(Duration::from_secs_f64(secs.clamp(0.0, LONGEST_PAUSE.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_given_in_seconds_or_as_a_moment_and_has_a_bound() {
        let now = Timestamp::from_secs(1_772_334_242);
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header"))]);
            pause_asked_for(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 01 Mar 2026 03:04:12 GMT"), Some(10));
        assert_eq!(asked("Sun, 01 Mar 2026 03:04:00 GMT"), Some(0));
        assert_eq!(asked("999999999999"), Some(3_600));
        assert_eq!((asked("soon"), asked("-1")), (None, None));
    }
}
