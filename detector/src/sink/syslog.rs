//! How does a syslog server get alerts?
//!
//! RFC 5424, over UDP (RFC 5426: one datagram each) or TCP with octet counting (RFC 6587 §3.4.1). Neither has an answer: sent
//! is all that can be known. What a program wants to read stands in the structured data under the enterprise number of
//! examples (RFC 5612), the sentence behind it.

use std::sync::Arc;

use rules::alert::{Alert, Severity, Transition};
use rules::bgp::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::courier::{Message, Refusal};
use super::say;
use super::status::FailureReason;
use super::template::Template;
use crate::app::now;
use crate::config::{self, Transport};
use crate::notice::NoticeState;

/// Octets of a datagram: what every receiver should take (RFC 5426 §3.2).
const DATAGRAM: usize = 2_048;
/// Octets of a message over TCP: what common receivers take.
const OVER_TCP: usize = 8_192;
/// `local0` (RFC 5424 §6.2.1).
const FACILITY: u8 = 16;
/// Severities of the same table.
const CRITICAL: u8 = 2;
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;

pub struct Syslog {
    config: config::Syslog,
    host: Arc<str>,
    template: Option<Template>,
    /// Kept open; nothing comes back on it, so what can be read is its end.
    connection: Mutex<Option<TcpStream>>,
}

impl Syslog {
    pub fn new(config: config::Syslog, template: Option<Template>) -> Self {
        let host = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
        let host = word(host.unwrap_or_default().trim(), 255).into();
        Self { config, host, template, connection: Mutex::default() }
    }

    pub async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let most = if self.config.transport == Transport::Udp { DATAGRAM } else { OVER_TCP };
        let text = self.template.as_ref().and_then(|template| template.render(message));
        let text = text.unwrap_or_else(|| say::headline(message));
        let line = line(message, &self.host, now(), &text, most);
        let sending = async {
            match self.config.transport {
                Transport::Udp => self.send_datagram(&line).await,
                Transport::Tcp => self.send_counted(&line).await,
            }
        };
        match timeout(self.config.timeout, sending).await {
            Ok(Ok(())) => {
                Ok(format!("sent {} octets over {}; syslog has no answer", line.len(), self.config.transport.word()))
            }
            Ok(Err(error)) => Err(not_sent(FailureReason::Unreachable, error.to_string())),
            Err(_) => Err(not_sent(FailureReason::Timeout, format!("not sent within {:?}", self.config.timeout))),
        }
    }

    async fn send_datagram(&self, line: &str) -> std::io::Result<()> {
        let address = lookup_host(&self.config.server).await?.next();
        let address = address.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let local = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(local).await?;
        socket.connect(address).await?;
        socket.send(line.as_bytes()).await.map(drop)
    }

    async fn send_counted(&self, line: &str) -> std::io::Result<()> {
        let mut kept = self.connection.lock().await;
        // Taken out, so that one that fails or is given up in the middle of a message is not used again.
        let mut stream = match kept.take().filter(is_open) {
            Some(stream) => stream,
            None => TcpStream::connect(&self.config.server).await?,
        };
        stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
        stream.flush().await?;
        *kept = Some(stream);
        Ok(())
    }
}

/// A receiver that closed its end would take the next message without anybody reading it.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 64]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn not_sent(reason: FailureReason, error: String) -> Refusal {
    Refusal { reason, error, is_final: false, after: None }
}

/// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD] MSG` of at most `most` octets; the sentence is cut.
fn line(message: &Message, host: &str, at: Timestamp, text: &str, most: usize) -> String {
    let (severity, kind, data) = match message {
        Message::Alert(letter) => (severity_of(&letter.alert), say::event(&letter.alert), alert_data(&letter.alert)),
        Message::Notice(_, notice) => {
            let severity = if notice.state == NoticeState::Raised { WARNING } else { NOTICE };
            (severity, "notice", data(&[("kind", notice.kind.word()), ("state", notice.state.word())]))
        }
        Message::Digest(_) => (WARNING, "digest", "-".to_owned()),
    };
    let priority = FACILITY * 8 + severity;
    let head = format!("<{priority}>1 {at} {host} bgpwarden {} {kind} {data} ", std::process::id());
    // A line break would be another message to some receivers. A BOM says that it is UTF-8 (§6.4).
    let text = text.trim().replace(['\n', '\r', '\0'], " ");
    let mut line = format!("{head}\u{FEFF}{text}");
    let end = (0..=most.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
    line.truncate(end.unwrap_or_default());
    line
}

fn severity_of(alert: &Alert) -> u8 {
    match (alert.transition, alert.severity) {
        (Transition::Resolved | Transition::Retracted, _) | (_, Severity::Low) => NOTICE,
        (_, Severity::Medium) => WARNING,
        (_, Severity::High) => ERROR,
        (_, Severity::Critical) => CRITICAL,
    }
}

fn alert_data(alert: &Alert) -> String {
    let sequence = alert.sequence.to_string();
    let prefix = alert.prefixes.first().map(ToString::to_string).unwrap_or_default();
    let suspect = alert.suspect_ases.first().map(|asn| asn.0.to_string()).unwrap_or_default();
    let pairs = [
        ("id", alert.id.as_str()),
        ("sequence", &sequence),
        ("transition", alert.transition.word()),
        ("class", alert.class.word()),
        ("severity", alert.severity.word()),
        ("prefix", &prefix),
        ("suspect", &suspect),
    ];
    data(&pairs)
}

/// `[ID NAME="VALUE" …]` with `"`, `\` and `]` escaped (§6.3.3).
fn data(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let pairs: String = pairs.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
    format!("[bgpwarden@32473{pairs}]")
}

/// Printable ASCII without blanks (§6), or `-`.
fn word(text: &str, most: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests;
