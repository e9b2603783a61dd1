//! What stands at this key, and if it is not what belongs there, what is wrong and on which line?
//!
//! A [`Section`] is one table of the file. Its readers take a key, remember that it is known, and note a problem
//! instead of failing, so that one run names everything that is wrong.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value that must not be written anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"(secret)\"")
    }
}

/// Of more than that, the first ones are told: a list of a million lines may be wrong in each.
const MOST_PROBLEMS: usize = 1_000;

/// The file, and everything found wrong in it.
pub struct Source<'t> {
    name: &'t str,
    text: &'t str,
    /// Relative paths start here.
    base: &'t Path,
    problems: RefCell<Vec<(usize, String)>>,
}

impl<'t> Source<'t> {
    pub fn new(name: &'t str, text: &'t str, base: &'t Path) -> Self {
        Self { name, text, base, problems: RefCell::default() }
    }

    /// One line per problem, in the order of the file.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.borrow().clone();
        problems.sort();
        problems.into_iter().map(|(line, what)| format!("{}:{line}: {what}", self.name)).collect()
    }

    pub fn note(&self, span: &Range<usize>, what: impl Into<String>) {
        if self.problems.borrow().len() >= MOST_PROBLEMS {
            return;
        }
        let line = self.line_of(span);
        self.problems.borrow_mut().push((line, what.into()));
    }

    fn line_of(&self, span: &Range<usize>) -> usize {
        1 + self.text.get(..span.start).map_or(0, |before| before.matches('\n').count())
    }

    pub fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }
}

/// One table, with its name for messages.
pub struct Section<'t> {
    source: &'t Source<'t>,
    name: String,
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    known: Vec<&'static str>,
    later: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub fn root(source: &'t Source<'t>, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self::new(source, String::new(), table.span(), Some(table.get_ref()))
    }

    fn new(source: &'t Source<'t>, name: String, span: Range<usize>, table: Option<&'t DeTable<'t>>) -> Self {
        Self { source, name, span, table, known: Vec::new(), later: Vec::new() }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    pub fn source(&self) -> &'t Source<'t> {
        self.source
    }

    fn key_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Notes a problem of `key`, or of the whole table if the key is not there.
    pub fn problem(&self, key: &str, what: &str) {
        let span = self.table.and_then(|table| table.get(key)).map_or(self.span.clone(), Spanned::span);
        self.source.note(&span, format!("{}: {what}", self.key_name(key)));
    }

    /// `file:line: key`, for what is found wrong later.
    pub fn place(&self, key: &str) -> String {
        let span = self.table.and_then(|table| table.get(key)).map_or(self.span.clone(), Spanned::span);
        format!("{}:{}: {}", self.source.name, self.source.line_of(&span), self.key_name(key))
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn mistyped(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(integer) => integer.as_str().to_owned(),
            other => format!("a value of type {}", other.type_str()),
        };
        self.source.note(&value.span(), format!("{}: expected {expected}, found {found}", self.key_name(key)));
    }

    /// Keys that a later version will know.
    pub fn later(&mut self, keys: &[&'static str]) {
        self.later.extend(keys);
    }

    /// Notes every key that nobody asked for. To be called last.
    pub fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            let word: &str = key.get_ref();
            if self.known.contains(&word) {
                continue;
            }
            let hint = if self.later.contains(&word) {
                "comes with a later version".to_owned()
            } else {
                format!("unknown key; {}", suggestion(word, &self.known))
            };
            let span = if key.span().is_empty() { value.span() } else { key.span() };
            self.source.note(&span, format!("{}: {hint}", self.key_name(word)));
        }
    }

    pub fn section(&mut self, key: &'static str) -> Self {
        let name = self.key_name(key);
        match self.take(key) {
            None => Self::new(self.source, name, self.span.clone(), None),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Self::new(self.source, name, value.span(), Some(table)),
                _ => {
                    self.mistyped(key, value, "a table");
                    Self::new(self.source, name, value.span(), None)
                }
            },
        }
    }

    /// `[key.NAME]` tables by name, in the order of their names.
    pub fn named(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let outer = self.section(key);
        let mut sections = Vec::new();
        for (name, value) in outer.table.into_iter().flatten() {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let full = outer.key_name(name.get_ref());
                    sections
                        .push((name.get_ref().to_string(), Self::new(outer.source, full, value.span(), Some(table))));
                }
                _ => outer.mistyped(name.get_ref(), value, &format!("a table [{key}.NAME]")),
            }
        }
        sections
    }

    /// `[[key]]` tables.
    pub fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistyped(key, value, &format!("tables [[{}]]", self.key_name(key)));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (i, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let name = format!("{}[{i}]", self.key_name(key));
                    sections.push(Self::new(self.source, name, item.span(), Some(table)));
                }
                _ => self.mistyped(key, item, "a table"),
            }
        }
        sections
    }

    /// A string, `{ file = "…" }` or `{ env = "…" }`.
    fn string(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Table(table) => self.indirect(key, value, table),
            _ => {
                self.mistyped(key, value, expected);
                None
            }
        }
    }

    fn indirect(&self, key: &str, value: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Option<String> {
        let one = table.iter().next().filter(|_| table.len() == 1);
        let named = one.and_then(|(from, what)| Some((from.get_ref().as_ref(), what.get_ref().as_str()?)));
        let read = match named {
            Some(("file", path)) => std::fs::read_to_string(self.source.resolve(path))
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("cannot read \"{path}\": {error}")),
            Some(("env", name)) => {
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))
            }
            _ => Err("expected a string, { file = \"…\" } or { env = \"…\" }".to_owned()),
        };
        let note = |what| self.source.note(&value.span(), format!("{}: {what}", self.key_name(key)));
        read.map_err(note).ok()
    }

    pub fn text(&mut self, key: &'static str, expected: &str) -> Option<String> {
        let value = self.take(key)?;
        self.string(key, value, expected)
    }

    pub fn texts(&mut self, key: &'static str, expected: &str) -> Vec<String> {
        self.list(key, expected, |text| Ok(text.to_owned()))
    }

    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key, "the path of a file").map(|path| self.source.resolve(&path))
    }

    pub fn paths(&mut self, key: &'static str) -> Vec<PathBuf> {
        self.texts(key, "a list of paths").iter().map(|path| self.source.resolve(path)).collect()
    }

    /// A value that may not stand in the file itself.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let value = self.take(key)?;
        self.secret_value(key, value)
    }

    fn secret_value(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Secret> {
        if value.get_ref().is_table() {
            return self.string(key, value, "").map(Secret);
        }
        let what = "a secret does not belong into the file; write { file = \"…\" } or { env = \"…\" }";
        self.source.note(&value.span(), format!("{}: {what}", self.key_name(key)));
        None
    }

    pub fn parsed<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let value = self.take(key)?;
        let text = self.string(key, value, expected)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.mistyped(key, value, expected);
        }
        parsed
    }

    pub fn address(&mut self, key: &'static str) -> Option<SocketAddr> {
        self.parsed(key, "an address with port such as 127.0.0.1:8179")
    }

    /// A date or time of TOML, or a string, as it is written.
    pub fn moment(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Datetime(time) => Some(time.to_string()),
            _ => self.string(key, value, "a date, a time or \"never\""),
        }
    }

    /// One of a closed set of words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let value = self.take(key)?;
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = self.string(key, value, &format!("one of {}", known.join(", ")))?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.mistyped(key, value, &format!("one of {}", known.join(", ")));
        }
        found
    }

    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.mistyped(key, value, &format!("an integer from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mistyped(key, value, "true or false");
        }
        flag
    }

    /// A list of strings or integers, each read by `read`.
    pub fn list<T>(&mut self, key: &'static str, expected: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistyped(key, value, expected);
            return Vec::new();
        };
        let one = |item: &Spanned<DeValue<'_>>| {
            let text = match item.get_ref() {
                DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().replace('_', "")),
                _ => self.string(key, item, expected),
            }?;
            let note = |what| self.source.note(&item.span(), format!("{}: {what}", self.key_name(key)));
            read(&text).map_err(note).ok()
        };
        items.iter().filter_map(one).collect()
    }

    /// Every key of this table with its value as text; those for which `is_secret` holds only from outside the file.
    pub fn properties(&mut self, is_secret: impl Fn(&str) -> bool) -> Vec<(String, Secret)> {
        let mut properties = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let key: &str = key.get_ref();
            let text = match value.get_ref() {
                _ if is_secret(key) => self.secret_value(key, value),
                DeValue::Integer(integer) => Some(Secret(integer.as_str().to_owned())),
                DeValue::Boolean(flag) => Some(Secret(flag.to_string())),
                _ => self.string(key, value, "a string, a number or a flag (quote keys that contain dots)").map(Secret),
            };
            properties.extend(text.map(|text| (key.to_owned(), text)));
        }
        properties
    }
}

/// Known words that a message names.
const KNOWN_NAMED: usize = 40;

/// The nearest known word, or those that there are.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let mut near: Vec<_> = known.iter().map(|k| (strsim::damerau_levenshtein(word, k), *k)).collect();
    near.sort_unstable();
    match near.first() {
        Some((distance, best)) if *distance <= 1 + word.len() / 4 => format!("did you mean \"{best}\"?"),
        Some(_) if known.len() <= KNOWN_NAMED => format!("known here: {}", known.join(", ")),
        Some(_) => format!("known here: {} and {} more", known[..KNOWN_NAMED].join(", "), known.len() - KNOWN_NAMED),
        None => "nothing is known here".to_owned(),
    }
}
