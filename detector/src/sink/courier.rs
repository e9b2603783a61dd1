//! How does a message get to somebody, and what if they do not take it?
//!
//! A parcel stays in the outbox until the receiver said yes, or said no for good: then it is a dead letter, counted and shown.
//! Anything else is tried again until it works.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rules::alert::Alert;

use super::outbox::{Outbox, Ticket};
use super::scope::Scope;
use super::status::{FailureReason, SinkStatus};
use super::webhook::Webhook;
use super::{Delivery, Parcel, pause_after};
use crate::alert::{WireContext, from_json, to_json};
use crate::config::{self, RouteKind};
use crate::failure::Failure;
use crate::notice::Notice;

/// Messages on their way at once: a receiver that takes a second for each gets eight a second.
const IN_FLIGHT: usize = 8;

/// An alert for one route.
pub struct Letter {
    pub alert: Alert,
    /// The same on the wire.
    pub json: Arc<str>,
}

/// What is told at once.
pub enum Message {
    Alert(Box<Letter>),
    Notice(Arc<str>, Notice),
}

impl Message {
    /// The same in every attempt, and another for everything else.
    pub fn id(&self) -> String {
        match self {
            Self::Alert(letter) => format!("{}/{}", letter.alert.id, letter.alert.sequence),
            Self::Notice(id, notice) => format!("{id}/{}", notice.time),
        }
    }

    /// What happened, as on Kafka.
    pub fn event_type(&self) -> String {
        match self {
            Self::Alert(letter) => format!("bgpwarden.incident.{}.v1", letter.alert.transition),
            Self::Notice(_, notice) => format!("bgpwarden.notice.{}.v1", notice.state.word()),
        }
    }

    pub fn json(&self) -> String {
        match self {
            Self::Alert(letter) => letter.json.to_string(),
            Self::Notice(_, notice) => notice.to_json(),
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
    Webhook(Webhook),
}

impl Way {
    async fn send(&self, message: &Message) -> Result<String, Refusal> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
        }
    }
}

/// Tells one route.
pub struct Courier {
    name: Arc<str>,
    way: Way,
    scope: Option<Scope>,
    context: WireContext,
    status: Arc<SinkStatus>,
}

impl Courier {
    /// `context`: what an alert says that the engine does not know.
    pub fn new(
        route: &config::Route,
        scope: Option<Scope>,
        context: WireContext,
        status: Arc<SinkStatus>,
    ) -> Result<Self, Failure> {
        let way = match &route.kind {
            RouteKind::Webhook(webhook) => Way::Webhook(Webhook::new(&route.name, webhook.clone())?),
        };
        Ok(Self { name: route.name.clone(), way, scope, context, status })
    }

    /// Delivers until the outbox is closed and empty.
    pub async fn run(&self, outbox: &Outbox) {
        let mut on_their_way = FuturesUnordered::new();
        let mut open = true;
        while open || !on_their_way.is_empty() {
            tokio::select! {
                Some(ticket) = on_their_way.next() => outbox.ack(ticket),
                taken = outbox.take(), if open && on_their_way.len() < IN_FLIGHT => match taken {
                    Some((ticket, parcel)) => on_their_way.push(self.deliver(ticket, parcel)),
                    None => open = false,
                },
            }
        }
    }

    async fn deliver(&self, ticket: Ticket, parcel: Parcel) -> Ticket {
        let message = match parcel {
            Parcel::Alert(delivery) => match self.letter(&delivery) {
                Ok(letter) => Message::Alert(Box::new(letter)),
                Err(error) => {
                    self.bury(format!("{}/{}", delivery.id, delivery.sequence), error.to_string());
                    return ticket;
                }
            },
            Parcel::Notice(id, notice) => Message::Notice(id, notice),
            // What was told stays told.
            Parcel::Forget(_) => return ticket,
        };
        self.tell(&message).await;
        ticket
    }

    /// The alert as this route may see it.
    fn letter(&self, delivery: &Delivery) -> serde_json::Result<Letter> {
        let alert = from_json(&delivery.json)?;
        Ok(match &self.scope {
            None => Letter { alert, json: delivery.json.clone() },
            Some(scope) => {
                let alert = scope.narrow(alert);
                let json = to_json(&alert, &self.context).into();
                Letter { alert, json }
            }
        })
    }

    /// Until it is taken, or never will be.
    async fn tell(&self, message: &Message) {
        let mut failures = 0;
        while let Err(refusal) = self.way.send(message).await {
            failures += 1;
            if self.status.failed(refusal.reason, refusal.error.clone()) && !refusal.is_final {
                tracing::warn!(route = %self.name, error = refusal.error, "cannot deliver; trying again until it works");
            }
            if refusal.is_final {
                return self.bury(message.id(), refusal.error);
            }
            tokio::time::sleep(refusal.after.unwrap_or_else(|| pause_after(failures))).await;
        }
        self.status.succeeded();
    }

    fn bury(&self, id: String, error: String) {
        tracing::error!(route = %self.name, id, error, "not taken, and not tried again; it is in the history alone");
        self.status.bury(id, error);
    }

    /// One attempt; what was answered.
    pub async fn try_once(&self, message: &Message) -> Result<String, Refusal> {
        self.way.send(message).await
    }
}

#[cfg(test)]
mod tests;
