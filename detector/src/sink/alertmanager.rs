//! How does Alertmanager fire, and stop?
//!
//! `POST /api/v2/alerts`. The labels are the identity of an alert there: incident, class, severity and whether it is watched.
//! When one of these changes, or the incident is over, every set of labels that Alertmanager holds of this incident and that
//! is not true any more is ended. It is asked what it holds, so a restart of bgpwarden between the two changes nothing.
//!
//! `endsAt` lies far ahead: left out, Alertmanager would end an alert after `resolve_timeout` (5 minutes), and a bgpwarden that
//! is down would look like the end of a hijack. Alertmanager forgets its alerts when it is restarted, so what is open is sent
//! again each minute, also by a bgpwarden that was itself restarted: the store says what is open.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Url};
use rules::alert::{Alert, Status};
use rules::bgp::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::courier::{Letter, Message, Refusal};
use super::post;
use super::say;
use super::status::FailureReason;
use super::template::Template;
use crate::app::now;
use crate::config;
use crate::failure::Failure;
use crate::notice::{Notice, NoticeKind, NoticeState};

/// How often what is open is sent again.
pub const AGAIN: Duration = Duration::from_secs(60);
/// An incident is normal after 30 days, and told as over then.
const FAR_AHEAD_SECS: i64 = 31 * 86_400;
/// A test fires for this long.
const TEST_SECS: i64 = 300;
/// Alerts that are sent again, of about 1 KB.
const OPEN: usize = 10_000;
/// Of them in one request: 0.5 MB.
const AT_ONCE: usize = 500;
/// Octets of an answer about one incident: a few sets of labels.
const ANSWER: usize = 1_024 * 1_024;

pub struct Alertmanager {
    config: config::Alertmanager,
    client: Client,
    template: Option<Template>,
    instance: String,
    /// By incident or notice: what is open. Locked while something is sent, so that what is sent again never overtakes its end.
    open: Mutex<BTreeMap<String, Value>>,
}

impl Alertmanager {
    pub fn new(
        name: &str,
        config: config::Alertmanager,
        instance: String,
        template: Option<Template>,
    ) -> Result<Self, Failure> {
        let client = post::client(name, config.timeout)?;
        Ok(Self { config, client, template, instance, open: Mutex::default() })
    }

    pub async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let mut open = self.open.lock().await;
        let (key, alert) = match message {
            Message::Alert(letter) => (&letter.alert.id, self.alert(message, letter)),
            Message::Notice(id, notice) => (&id.to_string(), self.notice(message, notice)),
            Message::Digest(_) => return Ok("Alertmanager groups by itself".to_owned()),
        };
        let mut alerts = match message {
            Message::Alert(_) => self.outdated(key, &alert["labels"]).await?,
            _ => Vec::new(),
        };
        let is_open = is_open(message);
        alerts.push(alert.clone());
        let answer = self.post(alerts).await?;
        match is_open && (open.len() < OPEN || open.contains_key(key)) {
            true => open.insert(key.clone(), alert),
            false => open.remove(key),
        };
        Ok(answer)
    }

    /// Takes note of an incident that is open since an earlier life.
    pub async fn recall(&self, letter: Letter) {
        let message = Message::Alert(Box::new(letter));
        let Message::Alert(letter) = &message else { return };
        let mut open = self.open.lock().await;
        if is_open(&message) && open.len() < OPEN {
            open.insert(letter.alert.id.clone(), self.alert(&message, letter));
        }
    }

    /// Sends what is open once more.
    pub async fn again(&self) -> Result<(), Refusal> {
        let open = self.open.lock().await;
        let all: Vec<Value> = open.values().cloned().collect();
        for some in all.chunks(AT_ONCE) {
            self.post(some.to_vec()).await?;
        }
        Ok(())
    }

    async fn post(&self, alerts: Vec<Value>) -> Result<String, Refusal> {
        let request = self.client.post(self.url()).header("content-type", "application/json");
        post::send(self.authorized(request).body(Value::from(alerts).to_string())).await
    }

    /// What Alertmanager holds of this incident under other labels, ended now.
    async fn outdated(&self, id: &str, labels: &Value) -> Result<Vec<Value>, Refusal> {
        let mut url = self.url();
        url.query_pairs_mut().append_pair("filter", &format!("incident=\"{id}\""));
        let text = post::fetch(self.authorized(self.client.get(url)), ANSWER).await?;
        let held: Vec<Value> = serde_json::from_str(&text).map_err(|error| not_understood(error.to_string()))?;
        let ended = |alert: &Value| {
            let started = alert["startsAt"].clone();
            json!({"labels": alert["labels"], "annotations": alert["annotations"], "startsAt": started,
                   "endsAt": now().to_string()})
        };
        Ok(held.iter().filter(|alert| alert["labels"] != *labels).map(ended).collect())
    }

    fn url(&self) -> Url {
        self.config.url.clone()
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.config.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    fn alert(&self, message: &Message, letter: &Letter) -> Value {
        let alert = &letter.alert;
        let started = alert.episodes.last().map_or(alert.started, |episode| episode.started);
        let mut wire = json!({
            "labels": {
                "alertname": "BgpwardenIncident", "instance": self.instance, "incident": alert.id,
                "class": alert.class.word(), "severity": alert.severity.word(),
                "watched": if alert.constituent_count > 0 { "yes" } else { "no" },
            },
            "annotations": {"summary": alert.title, "description": self.description(message)},
            "startsAt": started.to_string(),
            "endsAt": ends_at(alert, started).to_string(),
        });
        if let Some(link) = message.link() {
            wire["generatorURL"] = link.into();
        }
        wire
    }

    fn description(&self, message: &Message) -> String {
        let rendered = self.template.as_ref().and_then(|template| template.render(message));
        rendered.unwrap_or_else(|| {
            say::lines(message).iter().map(|(word, line)| format!("{word}: {line}")).collect::<Vec<_>>().join("\n")
        })
    }

    fn notice(&self, message: &Message, notice: &Notice) -> Value {
        let ends_at = match (notice.state, notice.kind) {
            (NoticeState::Cleared, _) => notice.time,
            (NoticeState::Raised, NoticeKind::Test) => now().plus_secs(TEST_SECS),
            (NoticeState::Raised, _) => now().plus_secs(FAR_AHEAD_SECS),
        };
        let name = if notice.kind == NoticeKind::Test { "BgpwardenTest" } else { "BgpwardenNotice" };
        json!({
            "labels": {
                "alertname": name, "instance": self.instance, "kind": notice.kind.word(), "subject": notice.subject,
            },
            "annotations": {"summary": say::headline(message), "description": self.description(message)},
            "startsAt": notice.time.to_string(),
            "endsAt": ends_at.to_string(),
        })
    }
}

fn is_open(message: &Message) -> bool {
    match message {
        Message::Alert(letter) => letter.alert.status == Status::Open,
        Message::Notice(_, notice) => notice.state == NoticeState::Raised && notice.kind != NoticeKind::Test,
        Message::Digest(_) => false,
    }
}

/// Never before its beginning, which Alertmanager would refuse.
fn ends_at(alert: &Alert, started: Timestamp) -> Timestamp {
    match alert.status {
        Status::Open => now().plus_secs(FAR_AHEAD_SECS),
        Status::Resolved | Status::Retracted => alert.ended.unwrap_or(alert.time).max(started),
    }
}

fn not_understood(error: String) -> Refusal {
    let error = format!("the answer is none of Alertmanager: {error}");
    Refusal { reason: FailureReason::Other, error, is_final: false, after: None }
}
