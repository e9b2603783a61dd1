//! The `prefixes.yml` of BGPalerter: what it says of each prefix, and of each AS under `options.monitorASns`.
//!
//! A group becomes a constituent. What has no counterpart here is named, prefix by prefix, and not guessed.

use std::collections::BTreeMap;

use ipnet::IpNet;
use rules::alert::Class;
use rules::bgp::Asn;
use rules::watch::{AllowRule, Constituent};
use serde_yaml_ng::{Mapping, Value};

use super::{Entries, asn, plain, prefix};

/// The group of whatever names none.
const DEFAULT_GROUP: &str = "default";
/// Keys of a prefix that need nothing here: a description is for people, and RPKI is always asked.
const NOT_NEEDED: [&str; 2] = ["description", "rpki"];

struct Reader<'t> {
    name: &'t str,
    lines: Vec<&'t str>,
    /// Where the last key stood: the next one is behind it as a rule.
    last: usize,
    entries: Entries,
    groups: BTreeMap<String, usize>,
}

pub fn read(name: &str, text: &str) -> Entries {
    let lines = text.lines().collect();
    let mut reader = Reader { name, lines, last: 0, entries: Entries::default(), groups: BTreeMap::new() };
    match serde_yaml_ng::from_str::<Value>(text) {
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            reader.entries.problems.push(format!("{name}:{line}: {error}"));
        }
        Ok(Value::Mapping(all)) => {
            all.iter().filter(|(key, _)| key.as_str() != Some("options")).for_each(|(key, value)| {
                reader.prefix(key, value);
            });
            reader.options(all.get("options"));
        }
        Ok(_) => reader.entries.problems.push(format!("{name}:1: expected prefixes with what is known of them")),
    }
    reader.entries
}

impl Reader<'_> {
    fn place(&mut self, key: &str) -> String {
        let is_it = |at: &usize| self.lines[*at].trim_start_matches([' ', '"', '\'']).starts_with(key);
        let line = (self.last..self.lines.len()).chain(0..self.last).find(is_it);
        self.last = line.unwrap_or(self.last);
        format!("{}:{}: {key}", self.name, line.map_or(1, |line| line + 1))
    }

    fn problem(&mut self, key: &str, what: &str) {
        let place = self.place(key);
        self.entries.problems.push(format!("{place}: {what}"));
    }

    fn note(&mut self, key: &str, what: &str) {
        let place = self.place(key);
        self.entries.notes.push(format!("{place}: {what}"));
    }

    fn group(&mut self, value: Option<&Value>) -> usize {
        let name = value.and_then(Value::as_str).unwrap_or(DEFAULT_GROUP);
        let entries = &mut self.entries;
        *self.groups.entry(name.to_owned()).or_insert_with(|| {
            entries.constituents.push(Constituent { name: name.into(), ..Constituent::default() });
            entries.constituents.len() - 1
        })
    }

    fn prefix(&mut self, key: &Value, value: &Value) {
        let Some(word) = key.as_str() else { return self.problem("", "a key that is no prefix") };
        let (prefix, says) = match (prefix(word), value) {
            (Ok(prefix), Value::Mapping(says)) => (prefix, says),
            (Ok(_), _) => return self.problem(word, "expected what is known of the prefix"),
            (Err(what), _) => return self.problem(word, &what),
        };
        let origins = match ases(says.get("asn")) {
            Ok(origins) => origins,
            Err(what) => return self.problem(word, &format!("asn: {what}")),
        };
        if is_set(says, "ignore") {
            return self.allow("ignore", prefix, Vec::new());
        }
        if is_set(says, "ignoreMorespecifics") {
            self.allow("ignoreMorespecifics", prefix, vec![Class::SubprefixHijack]);
        }
        let group = self.group(says.get("group"));
        let mut resource = plain(prefix);
        resource.expected_origins = origins;
        self.entries.constituents[group].resources.push(resource);
        let known = ["asn", "group", "ignore", "ignoreMorespecifics"];
        for (key, value) in says {
            let key = key.as_str().unwrap_or_default();
            if !known.contains(&key) && !NOT_NEEDED.contains(&key) && !is_nothing(value) {
                self.note(word, &format!("{key} has no counterpart and was left out"));
            }
        }
    }

    fn allow(&mut self, key: &str, prefix: IpNet, classes: Vec<Class>) {
        self.entries.allow.push(AllowRule {
            owner: "prefixes.yml".into(),
            reason: format!("{key} of {prefix}").into(),
            classes,
            prefixes: vec![prefix],
            max_length: Some(prefix.max_prefix_len()),
            ..AllowRule::default()
        });
    }

    fn options(&mut self, options: Option<&Value>) {
        let Some(Value::Mapping(watched)) = options.and_then(|options| options.get("monitorASns")) else { return };
        for (key, says) in watched {
            let word = match key {
                Value::Number(number) => number.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            };
            let asn = match asn(&word) {
                Ok(asn) => asn,
                Err(what) => {
                    self.problem(&word, &what);
                    continue;
                }
            };
            let group = self.group(says.get("group"));
            self.entries.constituents[group].asns.push(asn);
            match ases(says.get("upstreams")) {
                Ok(upstreams) => self.upstreams(asn, &upstreams),
                Err(what) => self.problem(&word, &format!("upstreams: {what}")),
            }
            if says.get("downstreams").is_some_and(|value| !is_nothing(value)) {
                self.note(&word, "downstreams has no counterpart and was left out");
            }
        }
    }

    /// Here they belong to prefixes: those that this AS alone originates.
    fn upstreams(&mut self, asn: Asn, upstreams: &[Asn]) {
        let all = self.entries.constituents.iter_mut().flat_map(|c| &mut c.resources);
        all.filter(|r| r.expected_origins == [asn]).for_each(|r| r.upstreams = upstreams.to_vec());
    }
}

fn is_set(says: &Mapping, key: &str) -> bool {
    says.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Sequence(list) => list.is_empty(),
        Value::Mapping(map) => map.is_empty(),
        _ => false,
    }
}

/// One number, or several.
fn ases(value: Option<&Value>) -> Result<Vec<Asn>, String> {
    let one = |value: &Value| match value {
        Value::Number(number) => asn(&number.to_string()),
        Value::String(text) => asn(text),
        _ => Err("expected AS numbers".to_owned()),
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Sequence(list)) => list.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}
