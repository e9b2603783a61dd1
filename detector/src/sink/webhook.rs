//! How does a program of somebody else get alerts, and know that they are ours?
//!
//! A POST of the alert as it is, or of a notice. `webhook-id` is the `ce_id` of the same alert on Kafka, and the same in every
//! attempt, so that a receiver can drop repeats. With a secret, `webhook-signature` is HMAC-SHA256 (RFC 2104) over id, time and
//! body, as the Standard Webhooks specification has it; a receiver refuses what is older than some minutes by
//! `webhook-timestamp`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::Client;
use sha2::Sha256;

use super::courier::{Message, Refusal};
use super::post;
use crate::app::now;
use crate::config;
use crate::failure::Failure;

pub struct Webhook {
    config: config::Webhook,
    client: Client,
    key: Option<Hmac<Sha256>>,
}

impl Webhook {
    pub fn new(name: &str, config: config::Webhook) -> Result<Self, Failure> {
        let client = post::client(name, config.timeout)?;
        let key = config.secret.as_ref().map(|secret| key_of(secret.expose()));
        Ok(Self { config, client, key })
    }

    pub async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let (id, kind, body) = (message.id(), message.event_type(), message.json());
        let at = now().secs();
        let mut request = self.client.post(self.config.url.expose());
        request = request.header("content-type", "application/json").header("webhook-event", kind);
        request = request.header("webhook-id", &id).header("webhook-timestamp", at);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &id, at, &body));
        }
        if let Some(token) = &self.config.token {
            request = request.bearer_auth(token.expose());
        }
        post::send(request.body(body)).await
    }
}

/// A secret that begins with `whsec_` is Base64, as other senders write it; any other is taken as it is.
fn key_of(secret: &str) -> Hmac<Sha256> {
    let encoded = secret.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    let key = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    Hmac::new_from_slice(&key).expect("HMAC takes keys of any length")
}

fn signature(key: &Hmac<Sha256>, id: &str, at: i64, body: &str) -> String {
    let mut mac = key.clone();
    for part in [id, ".", &at.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_other_programs() {
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = "{\"test\": 2432232314}";
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn another_time_another_signature() {
        let key = key_of("not base64!");
        assert_ne!(signature(&key, "a/1", 1, "{}"), signature(&key, "a/1", 2, "{}"));
    }
}
