//! How does a mailbox get alerts, and keep those of one incident together?
//!
//! Every message of an incident refers to the same one (RFC 5322 §3.6.4) and has the same subject, so mail programs show one
//! thread. Nothing from outside stands in a header: the subject names the incident by its id, the addresses are configured.

use lettre::message::MessageBuilder;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};
use sha2::{Digest, Sha256};

use super::courier::{Message, Refusal};
use super::say;
use super::status::FailureReason;
use super::template::Template;
use crate::config::{self, Encryption};
use crate::failure::Failure;
use crate::text;

/// Codes that speak of us and not of the message (RFC 4954 §6): mended, the same message is taken.
const ABOUT_US: [u16; 3] = [530, 534, 535];

pub struct Email {
    config: config::Email,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    template: Option<Template>,
}

impl Email {
    pub fn new(name: &str, config: config::Email, template: Option<Template>) -> Result<Self, Failure> {
        let wrong = |error: Error| Failure::failed(format!("route {name}: {error}"));
        let tls = || TlsParameters::new(config.host.clone()).map_err(wrong);
        let tls = match config.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::Tls => Tls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.timeout));
        if let Some((user, password)) = &config.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), config, template })
    }

    pub async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let mail = self.mail(message).map_err(|error| Refusal {
            reason: FailureReason::Other,
            error: format!("no mail can be made of it: {error}"),
            is_final: true,
            after: None,
        })?;
        let answer = self.transport.send(mail).await.map_err(refused)?;
        let said = answer.message().collect::<Vec<_>>().join(" ");
        Ok(text::plain(&format!("{} {said}", answer.code()), 200))
    }

    fn mail(&self, message: &Message) -> Result<Mail, lettre::error::Error> {
        let domain = self.config.from.email.domain();
        let id = |what: &str| format!("<{what}@{domain}>");
        let mut builder = Mail::builder()
            .from(self.config.from.clone())
            .message_id(Some(id(&local_part(&message.id()))))
            .date_now()
            .subject(subject(message))
            .raw_header(automatic());
        builder = self.config.to.iter().cloned().fold(builder, MessageBuilder::to);
        if let Some(thread) = thread(message) {
            let root = id(&local_part(&thread));
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        let rendered = self.template.as_ref().and_then(|template| template.render(message));
        match rendered {
            Some(body) if self.config.is_html => builder.header(ContentType::TEXT_HTML).body(body),
            Some(body) => builder.header(ContentType::TEXT_PLAIN).body(body),
            None => builder.header(ContentType::TEXT_PLAIN).body(say::whole(message)),
        }
    }
}

/// No out-of-office answers (RFC 3834 §5).
fn automatic() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

/// The same for all that belongs together.
fn thread(message: &Message) -> Option<String> {
    match message {
        Message::Alert(letter) => Some(letter.alert.id.clone()),
        Message::Notice(id, _) => Some(id.to_string()),
        Message::Digest(_) => None,
    }
}

/// The same for all messages of a thread.
fn subject(message: &Message) -> String {
    match message {
        Message::Alert(letter) => format!("[bgpwarden] incident {}", letter.alert.id),
        Message::Notice(_, notice) => format!("[bgpwarden] notice {}", notice.kind.word()),
        Message::Digest(_) => format!("[bgpwarden] digest: {}", say::headline(message)),
    }
}

/// Only what may stand left of the `@` as it is; anything else by its digest.
fn local_part(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let plain: String = text.chars().map(|c| if is_plain(c) { c } else { '.' }).take(64).collect();
    let digest = hex::encode(&Sha256::digest(text)[..6]);
    format!("{}.{digest}", plain.trim_matches('.').replace("..", "."))
}

fn refused(error: Error) -> Refusal {
    let code = error.status().map(u16::from);
    let reason = match code {
        _ if error.is_timeout() => FailureReason::Timeout,
        Some(552) => FailureReason::TooLarge,
        Some(450..=452) => FailureReason::Throttled,
        Some(_) => FailureReason::Refused,
        None => FailureReason::Unreachable,
    };
    let is_final = error.is_permanent() && code.is_none_or(|code| !ABOUT_US.contains(&code));
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        text = format!("{text}: {cause}");
    }
    Refusal { reason, error: text::plain(&text, 300), is_final, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_left_of_the_at_sign_breaks_no_header() {
        for hostile in ["a\r\nBcc: x@y", "<>@", "", "..", "feed_gap:ris/1970-01-01T00:00:01.000Z", &"x".repeat(500)] {
            let part = local_part(hostile);
            assert!(part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'), "{part}");
            assert!(part.len() <= 80, "{part}");
        }
        assert_ne!(local_part("a:b"), local_part("a/b"));
    }
}
