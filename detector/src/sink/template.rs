//! How does somebody read it in their own words?
//!
//! A Jinja template of a route gets `event` (opened, escalated, updated, resolved, reopened, retracted, raised, cleared,
//! digest), `headline`, `link`, `lines` (pairs), `alert` or `notice` as they are on the wire, and `digest`, a list of such.
//! What is put in is escaped for the receiver. A template that fails, runs too long or writes too much is passed over: the
//! message goes out as it would without it.

use std::io::{self, Write};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Output, State, context};

use super::courier::Message;
use super::{say, slack};

/// Steps of one rendering: a digest of thousands of messages takes some 100,000.
const STEPS: u64 = 1_000_000;
/// Octets of one rendering.
const OCTETS: usize = 64 * 1_024;
/// The one there is.
const NAME: &str = "template";

/// What values are escaped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    Text,
    Html,
    Slack,
}

#[derive(Clone)]
pub struct Template {
    route: Arc<str>,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// What is wrong with it is a sentence with its line.
    pub fn new(route: Arc<str>, source: &str, markup: Markup) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(STEPS));
        environment.set_auto_escape_callback(move |_| match markup {
            Markup::Html => AutoEscape::Html,
            Markup::Text | Markup::Slack => AutoEscape::None,
        });
        if markup == Markup::Slack {
            environment.set_formatter(for_slack);
        }
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| error.to_string())?;
        Ok(Self { route, environment: Arc::new(environment) })
    }

    /// None if it cannot be.
    pub fn render(&self, message: &Message) -> Option<String> {
        let mut out = Bounded(Vec::new());
        let template = self.environment.get_template(NAME).ok()?;
        match template.render_captured_to(values(message), &mut out) {
            Ok(_) => String::from_utf8(out.0).ok(),
            Err(error) => {
                tracing::warn!(route = %self.route, %error, "the template fails; sending it without");
                None
            }
        }
    }
}

fn for_slack(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    out.write_str(&slack::escaped(&value.to_string())).map_err(minijinja::Error::from)
}

fn values(message: &Message) -> Value {
    let of_wire = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
    let (headline, link) = (say::headline(message), message.link());
    let lines: Vec<_> = say::lines(message).into_iter().map(|(word, line)| vec![word.to_owned(), line]).collect();
    match message {
        Message::Alert(letter) => {
            context! { event => say::event(&letter.alert), alert => of_wire(&letter.json), headline, link, lines }
        }
        Message::Notice(_, notice) => {
            context! { event => notice.state.word(), notice => of_wire(&notice.to_json()), headline, link, lines }
        }
        Message::Digest(messages) => {
            let digest: Vec<_> = messages.iter().map(values).collect();
            context! { event => "digest", digest, headline, link, lines }
        }
    }
}

/// Takes no more than it may.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OCTETS {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
