//! How does a chat get to know? Slack, Mattermost, and what else takes their incoming webhooks.
//!
//! `&`, `<` and `>` are escaped, so that nothing becomes a link or a call to everybody; Mattermost knows `@all` without
//! brackets, so an `@` is parted from what follows it.

use reqwest::Client;
use serde_json::json;

use super::courier::{Message, Refusal};
use super::template::Template;
use super::{post, say};
use crate::config;
use crate::failure::Failure;

pub struct Slack {
    config: config::Slack,
    client: Client,
    template: Option<Template>,
}

impl Slack {
    pub fn new(name: &str, config: config::Slack, template: Option<Template>) -> Result<Self, Failure> {
        Ok(Self { client: post::client(name, config.timeout)?, config, template })
    }

    pub async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let text =
            self.template.as_ref().and_then(|template| template.render(message)).unwrap_or_else(|| text(message));
        let mut body = json!({"text": text});
        if let Some(channel) = &self.config.channel {
            body["channel"] = channel.clone().into();
        }
        let request = self.client.post(self.config.url.expose()).header("content-type", "application/json");
        post::send(request.body(body.to_string())).await
    }
}

fn text(message: &Message) -> String {
    let mut text = format!("*{}*", escaped(&say::headline(message)));
    let wanted = ["", "Suspect", "Prefixes", "Watched", "Since"];
    for (word, line) in say::lines(message).iter().filter(|(word, _)| wanted.contains(word)) {
        let word = if word.is_empty() { "•".to_owned() } else { format!("{word}:") };
        text.push_str(&format!("\n{word} {}", escaped(line)));
    }
    if let Some(link) = message.link() {
        text.push_str(&format!("\n<{}|Details>", escaped(&link)));
    }
    text
}

/// Text that is nothing but text.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('@', "@\u{200B}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_a_link_or_calls_everybody() {
        assert_eq!(
            escaped("<!channel> <http://x|y> @all & more"),
            "&lt;!channel&gt; &lt;http://x|y&gt; @\u{200B}all &amp; more"
        );
    }
}
