//! How does a message get to somebody, and what if they do not take it?
//!
//! A parcel stays in the outbox until the receiver said yes, or said no for good: then it is a dead letter, counted and shown.
//! Anything else is tried again until it works, or until one message was refused for a day.
//! Dead letters lie in the store, and somebody may have them sent again ([`crate::store::dead_letters`]).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rules::alert::Alert;

use super::alertmanager::{self, Alertmanager};
use super::digest::Digest;
use super::email::Email;
use super::outbox::{Outbox, Ticket};
use super::scope::Scope;
use super::slack::Slack;
use super::status::{FailureReason, SinkStatus};
use super::syslog::Syslog;
use super::template::Template;
use super::webhook::Webhook;
use super::{Delivery, Parcel, pause_after};
use crate::alert::{WireContext, from_json, to_json};
use crate::config::{self, RouteKind};
use crate::failure::Failure;
use crate::notice::Notice;
use crate::store::{Problem, Store};

/// Messages on their way at once: a receiver that takes a second for each gets eight a second.
const IN_FLIGHT: usize = 8;
/// A receiver over HTTP that refused a message for as long may mean that message, whatever it says: the others must not wait
/// for ever. If it means all of them, no more than [`IN_FLIGHT`], or one digest, are given up in that time.
const REFUSED_FOR: Duration = Duration::from_secs(86_400);

/// An alert for one route.
pub struct Letter {
    pub alert: Alert,
    /// The same on the wire.
    pub json: Arc<str>,
    /// Where there is more about it.
    pub url: Option<String>,
}

/// What is told at once.
pub enum Message {
    Alert(Box<Letter>),
    Notice(Arc<str>, Notice),
    /// Several of the others, oldest first.
    Digest(Vec<Message>),
}

impl Message {
    /// The same in every attempt, and another for everything else.
    pub fn id(&self) -> String {
        match self {
            Self::Alert(letter) => format!("{}/{}", letter.alert.id, letter.alert.sequence),
            Self::Notice(id, notice) => format!("{id}/{}", notice.time),
            Self::Digest(messages) => format!("digest:{}", messages.first().map(Self::id).unwrap_or_default()),
        }
    }

    /// What happened, as on Kafka.
    pub fn event_type(&self) -> String {
        match self {
            Self::Alert(letter) => format!("bgpwarden.incident.{}.v1", letter.alert.transition),
            Self::Notice(_, notice) => format!("bgpwarden.notice.{}.v1", notice.state.word()),
            Self::Digest(_) => "bgpwarden.digest.v1".to_owned(),
        }
    }

    /// Where there is more about it.
    pub fn link(&self) -> Option<String> {
        match self {
            Self::Alert(letter) => letter.url.clone(),
            Self::Notice(..) | Self::Digest(_) => None,
        }
    }

    pub fn json(&self) -> String {
        match self {
            Self::Alert(letter) => letter.json.to_string(),
            Self::Notice(_, notice) => notice.to_json(),
            Self::Digest(messages) => format!("[{}]", messages.iter().map(Self::json).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: FailureReason,
    pub error: String,
    /// It will never be.
    pub is_final: bool,
    /// When it is to be tried again.
    pub after: Option<Duration>,
}

/// Speaks with one kind of receiver.
enum Way {
    Webhook(Box<Webhook>),
    Slack(Slack),
    Alertmanager(Box<Alertmanager>),
    Email(Box<Email>),
    Syslog(Syslog),
}

impl Way {
    fn of(route: &config::Route, context: &WireContext) -> Result<Self, Failure> {
        let (name, template) = (&route.name, template(route)?);
        Ok(match &route.kind {
            RouteKind::Webhook(webhook) => Self::Webhook(Box::new(Webhook::new(name, webhook.clone())?)),
            RouteKind::Slack(slack) => Self::Slack(Slack::new(name, slack.clone(), template)?),
            RouteKind::Alertmanager(alertmanager) => {
                let instance = context.public_url.clone().unwrap_or_else(|| "bgpwarden".to_owned());
                Self::Alertmanager(Box::new(Alertmanager::new(name, alertmanager.clone(), instance, template)?))
            }
            RouteKind::Email(email) => Self::Email(Box::new(Email::new(name, email.clone(), template)?)),
            RouteKind::Syslog(syslog) => Self::Syslog(Syslog::new(syslog.clone(), template)),
        })
    }

    /// There, a proxy on the way may refuse one body and say what it says of a wrong token.
    fn is_http(&self) -> bool {
        matches!(self, Self::Webhook(_) | Self::Slack(_) | Self::Alertmanager(_))
    }

    async fn send(&self, message: &Message) -> Result<String, Refusal> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Slack(slack) => slack.send(message).await,
            Self::Alertmanager(alertmanager) => alertmanager.send(message).await,
            Self::Email(email) => email.send(message).await,
            Self::Syslog(syslog) => syslog.send(message).await,
        }
    }
}

fn template(route: &config::Route) -> Result<Option<Template>, Failure> {
    let Some(template) = &route.template else { return Ok(None) };
    let made = Template::new(route.name.clone(), &template.source, route.kind.markup());
    made.map(Some).map_err(|error| Failure::impossible(format!("route {}: {error}", route.name)))
}

/// Tells one route.
pub struct Courier {
    name: Arc<str>,
    way: Way,
    scope: Option<Scope>,
    context: WireContext,
    status: Arc<SinkStatus>,
    /// Messages within this time become one; none: each goes by itself.
    digest: Option<Duration>,
    /// How long one message is refused before nobody tries again.
    patience: Duration,
}

impl Courier {
    /// `context`: what an alert says that the engine does not know.
    pub fn new(
        route: &config::Route,
        scope: Option<Scope>,
        context: WireContext,
        status: Arc<SinkStatus>,
    ) -> Result<Self, Failure> {
        let way = Way::of(route, &context)?;
        let digest = Some(route.digest).filter(|digest| !digest.is_zero());
        let patience = if way.is_http() { REFUSED_FOR } else { Duration::MAX };
        Ok(Self { name: route.name.clone(), way, scope, context, status, digest, patience })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its receiver forgets what is open, so that it has to be recalled.
    pub fn reminds(&self) -> bool {
        matches!(self.way, Way::Alertmanager(_))
    }

    /// Takes note of what this route heard of in an earlier life, whatever became of it there, and is `open` still.
    pub async fn recall(&self, open: &[Delivery], store: &Store) -> Result<(), Problem> {
        let Way::Alertmanager(alertmanager) = &self.way else { return Ok(()) };
        let (told, _) = store.told(&self.name).await?;
        for delivery in open.iter().filter(|delivery| told.first.contains_key(&delivery.id)) {
            if let Ok(letter) = self.letter(delivery) {
                alertmanager.recall(letter).await;
            }
        }
        Ok(())
    }

    /// Says again what is open, if the receiver may have forgotten it.
    pub async fn again(&self) -> Result<(), Refusal> {
        match &self.way {
            Way::Alertmanager(alertmanager) => alertmanager.again().await,
            _ => Ok(()),
        }
    }

    /// The same now and then, for as long as it is polled.
    async fn keep_told(&self) -> Infallible {
        if !self.reminds() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(alertmanager::AGAIN).await;
            if let Err(refusal) = self.again().await {
                tracing::debug!(error = refusal.error, "cannot say again what is open");
            }
        }
    }

    /// Delivers until the outbox is closed and empty.
    pub async fn run(&self, outbox: &Outbox) {
        tokio::select! {
            () = self.deliver_all(outbox) => {}
            never = self.keep_told() => match never {},
        }
    }

    async fn deliver_all(&self, outbox: &Outbox) {
        match self.digest {
            Some(every) => self.deliver_digests(outbox, every).await,
            None => self.deliver_each(outbox).await,
        }
    }

    async fn deliver_each(&self, outbox: &Outbox) {
        let mut on_their_way = FuturesUnordered::new();
        let mut open = true;
        while open || !on_their_way.is_empty() {
            tokio::select! {
                Some((ticket, told)) = on_their_way.next() => settle(outbox, ticket, told),
                taken = outbox.take(), if open && on_their_way.len() < IN_FLIGHT => match taken {
                    Some((ticket, parcel)) => on_their_way.push(self.deliver(ticket, parcel)),
                    None => open = false,
                },
            }
        }
    }

    async fn deliver(&self, ticket: Ticket, parcel: Parcel) -> (Ticket, Result<(), String>) {
        let told = match self.message(parcel) {
            Ok(Some(message)) => self.tell(&message).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        (ticket, told)
    }

    /// One at once, and what comes within `every` after it as one. A parcel is confirmed when what it is in was taken.
    async fn deliver_digests(&self, outbox: &Outbox, every: Duration) {
        let mut digest = Digest::new(every);
        let mut tickets = Vec::new();
        loop {
            let due = digest.due().map(tokio::time::Instant::from_std);
            let is_due = async {
                tokio::select! {
                    () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)) => {}
                    () = outbox.closed() => {}
                }
            };
            tokio::select! {
                biased;
                taken = outbox.take(), if !digest.is_full() => match taken {
                    Some((ticket, parcel)) => match self.message(parcel) {
                        Ok(Some(message)) => {
                            tickets.push(ticket);
                            digest.add(message, Instant::now());
                        }
                        Ok(None) => outbox.ack(ticket),
                        Err(error) => outbox.bury(ticket, error),
                    },
                    None => return,
                },
                () = is_due, if due.is_some() => {
                    let mut told = Ok(());
                    if let Some(message) = digest.take() {
                        told = self.tell(&message).await;
                        digest.sent(Instant::now());
                    }
                    tickets.drain(..).for_each(|ticket| settle(outbox, ticket, told.clone()));
                }
            }
        }
    }

    /// None: there is nothing to be told. What cannot be read is a dead letter.
    fn message(&self, parcel: Parcel) -> Result<Option<Message>, String> {
        Ok(match parcel {
            Parcel::Alert(delivery) => {
                let letter = self.letter(&delivery).map_err(|error| {
                    let error = error.to_string();
                    self.bury(format!("{}/{}", delivery.id, delivery.sequence), &error);
                    error
                })?;
                Some(Message::Alert(Box::new(letter)))
            }
            Parcel::Notice(id, notice) => Some(Message::Notice(id, notice)),
            // What was told stays told.
            Parcel::Forget(_) => None,
        })
    }

    /// The alert as this route may see it.
    fn letter(&self, delivery: &Delivery) -> serde_json::Result<Letter> {
        let alert = from_json(&delivery.json)?;
        let url = self.context.incident_url(&alert.id);
        Ok(match &self.scope {
            None => Letter { alert, json: delivery.json.clone(), url },
            Some(scope) => {
                let alert = scope.narrow(alert);
                let json = to_json(&alert, &self.context).into();
                Letter { alert, json, url }
            }
        })
    }

    /// Until it is taken, or never will be, or was refused for too long: then, why.
    async fn tell(&self, message: &Message) -> Result<(), String> {
        let (mut failures, mut refused_since) = (0, None);
        while let Err(refusal) = self.way.send(message).await {
            failures += 1;
            let is_refused = refusal.reason == FailureReason::Refused;
            let is_hopeless = is_refused && refused_since.get_or_insert_with(Instant::now).elapsed() >= self.patience;
            let is_final = refusal.is_final || is_hopeless;
            if self.status.failed(refusal.reason, refusal.error.clone()) && !is_final {
                tracing::warn!(route = %self.name, error = refusal.error, "cannot deliver; trying again until it works");
            }
            if is_final {
                self.bury_all(message, &refusal.error);
                return Err(refusal.error);
            }
            tokio::time::sleep(refusal.after.unwrap_or_else(|| pause_after(failures))).await;
        }
        self.status.succeeded();
        Ok(())
    }

    fn bury_all(&self, message: &Message, error: &str) {
        match message {
            Message::Digest(messages) => messages.iter().for_each(|message| self.bury(message.id(), error)),
            one => self.bury(one.id(), error),
        }
    }

    fn bury(&self, id: String, error: &str) {
        tracing::error!(route = %self.name, id, error, "not taken, and not tried again unless somebody says so");
        self.status.bury(id, error.to_owned());
    }

    /// One attempt; what was answered.
    pub async fn try_once(&self, message: &Message) -> Result<String, Refusal> {
        self.way.send(message).await
    }
}

/// It has arrived, or never will.
fn settle(outbox: &Outbox, ticket: Ticket, told: Result<(), String>) {
    match told {
        Ok(()) => outbox.ack(ticket),
        Err(error) => outbox.bury(ticket, error),
    }
}

#[cfg(test)]
mod tests;
