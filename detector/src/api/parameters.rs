//! What stands behind the question mark? Each name once, and none that nobody knows.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::Problem;
use crate::config::suggestion;
use crate::text;

#[derive(Debug, Default)]
pub struct Parameters {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl Parameters {
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// Without what a form sends of fields that nobody filled in.
    pub fn filled_in(mut self) -> Self {
        self.given.retain(|_, value| !value.trim().is_empty());
        self
    }

    /// All that is given, by name.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.given
    }

    /// Gives a value another form.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&str) -> String) {
        if let Some(value) = self.given.get_mut(name) {
            *value = change(value);
        }
    }

    /// Whatever was not taken is a mistake that would go unnoticed.
    pub fn finish(self) -> Result<(), Problem> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) => {
                let shown = text::plain(name, 64);
                let what = format!("no parameter is called \"{shown}\"; {}", suggestion(name, &self.known));
                Err(Problem::unexpected(name, what))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if given.contains_key(&name) {
                return Err(Problem::unexpected(&name, format!("{}: given twice", text::plain(&name, 64))));
            }
            given.insert(name, value);
        }
        Ok(Self { given, known: Vec::new() })
    }
}
