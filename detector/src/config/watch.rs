//! Who is watched, and what was allowed? From the configuration itself and from the files that it names.
//!
//! A watch file is TOML with the tables of `[watch]` at its top, CSV, or the `prefixes.yml` of BGPalerter; its name says
//! which. All of them end in [`Entries`], and everything wrong in them is named with file and line.

pub mod csv;
pub mod prefixes_yml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use rules::alert::Class;
use rules::bgp::{Asn, Timestamp};
use rules::limits;
use rules::watch::{AllowRule, Constituent, Resource, Watch};

use super::reader::{Section, Source, suggestion};
use super::{Alerts, tlp};

pub const PREFIXES: &str = "a list of prefixes such as [\"192.0.2.0/24\"]";
const ASNS: &str = "a list of AS numbers such as [64496]";
const NAMES: &str = "a list of names";
/// A watch file: 2,000,000 prefixes at 64 octets.
const FILE: u64 = 128 << 20;

/// What a file, or the configuration itself, says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    pub constituents: Vec<Constituent>,
    pub allow: Vec<AllowRule>,
    /// What a person should know: what could not be carried over from another format.
    pub notes: Vec<String>,
    /// One line each: `file:line: key: what`.
    pub problems: Vec<String>,
    /// Where rules name constituents: `file:line: key`, and the name.
    named: Vec<(String, Arc<str>)>,
}

/// Table `[watch]`, with its files read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchList {
    pub files: Vec<PathBuf>,
    /// Written in the configuration itself.
    pub here: Entries,
    pub from_files: Entries,
    /// What people said of incidents is fine.
    pub said: Vec<AllowRule>,
}

impl WatchList {
    pub fn constituents(&self) -> impl Iterator<Item = &Constituent> {
        self.here.constituents.iter().chain(&self.from_files.constituents)
    }

    pub fn rules(&self) -> impl Iterator<Item = &AllowRule> {
        self.here.allow.iter().chain(&self.from_files.allow).chain(&self.said)
    }

    pub fn is_empty(&self) -> bool {
        self.constituents().next().is_none() && self.rules().next().is_none()
    }

    /// What a person should know of the files.
    pub fn notes(&self) -> impl Iterator<Item = &String> {
        self.from_files.notes.iter()
    }

    /// As the engine takes it.
    pub fn compile(&self, alerts: &Alerts) -> Watch {
        let constituents = self.constituents().cloned().collect();
        let rules = self.rules().cloned().collect();
        Watch::new(constituents).with_allow(rules).with_thresholds(Some(alerts.settings()))
    }

    /// Everything wrong in the files, and between them.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.from_files.problems.clone();
        let names: BTreeSet<&str> = self.constituents().map(|c| &*c.name).collect();
        let known: Vec<&str> = names.iter().copied().collect();
        for (place, name) in self.here.named.iter().chain(&self.from_files.named) {
            if !names.contains(&**name) {
                problems.push(format!("{place}: no constituent is called \"{name}\"; {}", suggestion(name, &known)));
            }
        }
        let prefixes: usize = self.constituents().map(|c| c.resources.len()).sum();
        let counted = [
            ("constituents", self.constituents().count(), limits::CONSTITUENTS),
            ("prefixes", prefixes, limits::WATCHED_PREFIXES),
            ("allow rules", self.rules().count(), limits::ALLOW_RULES),
        ];
        for (what, count, most) in counted.into_iter().filter(|(_, count, most)| count > most) {
            problems.push(format!("watch: {count} {what}, at most {most} can be watched; leave out some"));
        }
        problems
    }
}

pub(super) fn read(mut section: Section<'_>) -> WatchList {
    let files = section.paths("files");
    let here = entries(&mut section);
    section.finish();
    let mut from_files = Entries::default();
    for path in &files {
        from_files.add(read_file(path));
    }
    WatchList { files, here, from_files, said: Vec::new() }
}

/// The watch files that a configuration names, whatever else is wrong with it; none if it cannot be parsed.
pub fn watch_files_of(path: &Path) -> Vec<PathBuf> {
    let Some(table) = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Vec::new();
    };
    let files = table.get("watch").and_then(|watch| watch.get("files")).and_then(toml::Value::as_array);
    let base = path.parent().unwrap_or(Path::new(""));
    files.into_iter().flatten().filter_map(|file| Some(base.join(file.as_str()?))).collect()
}

impl Entries {
    fn add(&mut self, other: Self) {
        self.constituents.extend(other.constituents);
        self.allow.extend(other.allow);
        self.notes.extend(other.notes);
        self.problems.extend(other.problems);
        self.named.extend(other.named);
    }

    /// Nothing but what is wrong with the file as a whole.
    fn problem(what: String) -> Self {
        Self { problems: vec![what], ..Self::default() }
    }
}

/// Reads a watch file; its extension names the format.
pub fn read_file(path: &Path) -> Entries {
    let name = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(why) => return Entries::problem(format!("{name}:1: cannot be read: {why}; check watch.files")),
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => of_toml(&name, &text, path.parent().unwrap_or(Path::new(""))),
        Some("csv") => csv::read(&name, &text),
        Some("yml" | "yaml") => prefixes_yml::read(&name, &text),
        _ => Entries::problem(format!("{name}:1: its name must end in .toml, .csv or .yml")),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE {
        return Err(format!("it has more than {} MiB", FILE >> 20));
    }
    Ok(text)
}

fn of_toml(name: &str, text: &str, base: &Path) -> Entries {
    let source = Source::new(name, text, base);
    let table = match toml::de::DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            source.note(&error.span().unwrap_or(0..0), error.message().replace('\n', "; "));
            return Entries { problems: source.problems(), ..Entries::default() };
        }
    };
    let mut root = Section::root(&source, &table);
    let entries = entries(&mut root);
    root.finish();
    Entries { problems: source.problems(), ..entries }
}

/// The rules of a text as [`rule_text`] writes it, or what is wrong with it.
pub fn rules_of(text: &str) -> Result<Vec<AllowRule>, String> {
    let entries = of_toml("rule", text, Path::new(""));
    if entries.problems.is_empty() { Ok(entries.allow) } else { Err(entries.problems.join("; ")) }
}

/// A rule as it stands in a watch file.
pub fn rule_text(rule: AllowRule) -> String {
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = super::show_entries(&mut text, &Entries { allow: vec![rule], ..Entries::default() }, "");
    text.trim_start().to_owned()
}

fn entries(section: &mut Section<'_>) -> Entries {
    let constituents = section.sections("constituents").into_iter().map(constituent).collect();
    let mut named = Vec::new();
    let allow = section.sections("allow").into_iter().map(|rule| allow(rule, &mut named)).collect();
    Entries { constituents, allow, named, ..Entries::default() }
}

fn constituent(mut section: Section<'_>) -> Constituent {
    let name = section.text("name", "a name").unwrap_or_default();
    if name.is_empty() {
        section.problem("name", "is missing");
    }
    let mut resources: Vec<Resource> = section.list("prefixes", PREFIXES, prefix).into_iter().map(plain).collect();
    resources.extend(section.sections("resources").into_iter().filter_map(resource));
    let asns = section.list("asns", ASNS, asn);
    if asns.is_empty() && resources.is_empty() {
        section.problem("asns", "is missing; a constituent needs asns, prefixes or resources");
    }
    let country = section.text("country", "two letters such as \"NL\"");
    if country.as_ref().is_some_and(|c| c.len() != 2 || !c.bytes().all(|b| b.is_ascii_uppercase())) {
        section.problem("country", "expected two capital letters of ISO 3166 such as \"NL\"");
    }
    let constituent = Constituent {
        name: name.into(),
        contact: section.text("contact", "whom to tell, such as \"noc@example.net\"").map(Into::into),
        sectors: section.texts("sectors", NAMES).into_iter().map(Into::into).collect(),
        country: country.map(Into::into),
        tlp: tlp(&mut section).unwrap_or_default(),
        asns,
        resources,
    };
    section.finish();
    constituent
}

/// A prefix of which nothing is said but that it is watched.
pub(super) fn plain(prefix: IpNet) -> Resource {
    Resource { prefix, expected_origins: Vec::new(), upstreams: Vec::new(), max_length: None }
}

fn resource(mut section: Section<'_>) -> Option<Resource> {
    let given: Option<IpNet> = section.parsed("prefix", "a prefix such as 192.0.2.0/24");
    if !section.has("prefix") {
        section.problem("prefix", "is missing");
    }
    let longest = given.map_or(128, |prefix| u64::from(prefix.max_prefix_len()));
    let shortest = given.map_or(0, |prefix| u64::from(prefix.prefix_len()));
    let resource = given.map(|prefix| Resource {
        prefix: prefix.trunc(),
        expected_origins: section.list("expected_origins", ASNS, asn),
        upstreams: section.list("upstreams", ASNS, asn),
        max_length: section.integer("max_length", shortest..=longest).map(|length| length as u8),
    });
    section.finish();
    resource
}

fn allow(mut section: Section<'_>, named: &mut Vec<(String, Arc<str>)>) -> AllowRule {
    let owner = required(&mut section, "owner", "who answers for the rule");
    let reason = required(&mut section, "reason", "why it is fine");
    let expires = expiry(&mut section);
    let constituents: Vec<Arc<str>> = section.texts("constituents", NAMES).into_iter().map(Into::into).collect();
    let place = section.place("constituents");
    named.extend(constituents.iter().map(|name| (place.clone(), name.clone())));
    let path_end = section.list("path_end", "a list of AS numbers, the origin last, such as [64500, 64496]", asn);
    let rule = AllowRule {
        owner,
        reason,
        expires,
        classes: section.list("classes", "a list of classes such as [\"origin_hijack\"]", class),
        prefixes: section.list("prefixes", PREFIXES, prefix),
        max_length: section.integer("max_length", 0..=128).map(|length| length as u8),
        origins: section.list("origins", ASNS, asn),
        suspects: section.list("suspects", ASNS, asn),
        constituents,
        path_ends: Some(path_end).filter(|end| !end.is_empty()).into_iter().collect(),
    };
    if rule.is_boundless() {
        let what = "names nothing; give classes, prefixes, origins, suspects, constituents or path_end";
        section.problem("allow", what);
    }
    if rule.max_length.is_some() && rule.prefixes.is_empty() {
        section.problem("max_length", "needs prefixes");
    }
    section.finish();
    rule
}

fn required(section: &mut Section<'_>, key: &'static str, expected: &str) -> Arc<str> {
    let text = section.text(key, expected).unwrap_or_default();
    if text.is_empty() {
        section.problem(key, &format!("is missing; say {expected}"));
    }
    text.into()
}

/// A rule that nobody looks at again is worse than none, so its end has to be said, be it "never".
fn expiry(section: &mut Section<'_>) -> Option<Timestamp> {
    let text = section.moment("expires");
    let end = match text.as_deref() {
        None => None,
        Some("never") => return None,
        Some(text) if text.len() == 10 => Timestamp::parse(&format!("{text}T00:00:00Z")),
        Some(text) => Timestamp::parse(text),
    };
    if end.is_none() {
        section.problem("expires", "is missing or no time; write 2026-12-31, 2026-12-31T12:00:00Z or \"never\"");
    }
    end
}

/// Of one route; that many of them make a re-origination is known of incidents alone.
fn class(word: &str) -> Result<Class, String> {
    let words: Vec<&str> = Class::ALL.iter().map(|class| class.word()).collect();
    match Class::ALL.iter().find(|class| class.word() == word) {
        Some(Class::ReoriginationLeak) => {
            Err("reorigination_leak is many hijacks at once; write origin_hijack and subprefix_hijack".to_owned())
        }
        Some(class) => Ok(*class),
        None => Err(format!("\"{word}\" is no class; {}", suggestion(word, &words))),
    }
}

pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let prefix: IpNet =
        text.parse().map_err(|_| format!("\"{text}\" is not a prefix; write it as 192.0.2.0/24 or 2001:db8::/32"))?;
    if prefix != prefix.trunc() {
        return Err(format!("{prefix} has host bits; did you mean {}?", prefix.trunc()));
    }
    Ok(prefix)
}

pub(super) fn asn(text: &str) -> Result<Asn, String> {
    text.parse::<Asn>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
