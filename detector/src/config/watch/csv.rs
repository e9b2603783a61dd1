//! A list of networks as a spreadsheet gives it: a header that names the columns, one network a row.
//!
//! `name` is asked for, and `asn`, `prefix` or both; `contact`, `tlp`, `country` and `sector` may be there. An ASN alone:
//! everything that it originates is watched. A prefix alone: its origins are learned. Both: the prefix is expected from that
//! AS. Several rows of one name are one constituent.

use std::collections::BTreeMap;

use ipnet::IpNet;
use rules::alert::Tlp;
use rules::bgp::Asn;
use rules::watch::Constituent;

use super::{Entries, asn, plain, prefix};
use crate::config::reader::suggestion;

const COLUMNS: [&str; 7] = ["name", "asn", "prefix", "contact", "tlp", "country", "sector"];

/// Where each column stands.
struct Columns(BTreeMap<&'static str, usize>);

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        let mut places = BTreeMap::new();
        for (i, title) in header.iter().enumerate() {
            let title = title.trim().trim_start_matches('\u{feff}').to_ascii_lowercase();
            let Some(column) = COLUMNS.iter().find(|column| **column == title) else {
                return Err(format!("unknown column \"{title}\"; {}", suggestion(&title, &COLUMNS)));
            };
            if places.insert(*column, i).is_some() {
                return Err(format!("column \"{title}\" stands there twice"));
            }
        }
        if !places.contains_key("name") || !(places.contains_key("asn") || places.contains_key("prefix")) {
            return Err("the first line must name the columns: name, and asn or prefix or both".to_owned());
        }
        Ok(Self(places))
    }

    fn get<'r>(&self, row: &'r csv::StringRecord, column: &str) -> &'r str {
        self.0.get(column).and_then(|i| row.get(*i)).unwrap_or_default().trim()
    }
}

/// Where names and their prefixes stand among the entries.
#[derive(Default)]
struct Places {
    names: BTreeMap<String, usize>,
    prefixes: BTreeMap<(usize, IpNet), usize>,
}

pub fn read(name: &str, text: &str) -> Entries {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let columns = match reader.headers().map_err(|error| error.to_string()).and_then(Columns::of) {
        Ok(columns) => columns,
        Err(what) => return Entries::problem(format!("{name}:1: {what}")),
    };
    let mut entries = Entries::default();
    let mut places = Places::default();
    for row in reader.records() {
        let (line, taken) = match &row {
            Ok(row) => (row.position().map_or(0, csv::Position::line), take(row, &columns, &mut entries, &mut places)),
            Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
        };
        if let Err(what) = taken {
            entries.problems.push(format!("{name}:{line}: {what}"));
        }
    }
    entries
}

fn take(row: &csv::StringRecord, columns: &Columns, entries: &mut Entries, places: &mut Places) -> Result<(), String> {
    let of = |column| columns.get(row, column);
    let key = |column: &'static str| move |what: String| format!("{column}: {what}");
    let given_asn: Option<Asn> = Some(of("asn")).filter(|t| !t.is_empty()).map(asn).transpose().map_err(key("asn"))?;
    let given: Option<IpNet> =
        Some(of("prefix")).filter(|t| !t.is_empty()).map(prefix).transpose().map_err(key("prefix"))?;
    if of("name").is_empty() {
        return Err("name: is missing".to_owned());
    }
    let tlp = match of("tlp").to_ascii_lowercase().trim_start_matches("tlp:") {
        "" => Tlp::default(),
        word => {
            let words: Vec<&str> = Tlp::ALL.iter().map(|tlp| tlp.word()).collect();
            let found = Tlp::ALL.iter().find(|tlp| tlp.word() == word).copied();
            found.ok_or_else(|| format!("tlp: expected one of {}, found \"{word}\"", words.join(", ")))?
        }
    };
    let at = *places.names.entry(of("name").to_owned()).or_insert_with(|| {
        entries.constituents.push(Constituent { name: of("name").into(), ..Constituent::default() });
        entries.constituents.len() - 1
    });
    let constituent = &mut entries.constituents[at];
    let text = |column| Some(of(column)).filter(|t| !t.is_empty()).map(Into::into);
    constituent.contact = constituent.contact.take().or(text("contact"));
    constituent.country = constituent.country.take().or(text("country"));
    constituent.sectors.extend(text("sector").filter(|s| !constituent.sectors.contains(s)));
    constituent.tlp = constituent.tlp.max(tlp);
    match (given_asn, given) {
        (None, None) => return Err("needs an asn, a prefix or both".to_owned()),
        (Some(asn), None) if !constituent.asns.contains(&asn) => constituent.asns.push(asn),
        (Some(_), None) => {}
        (origin, Some(prefix)) => {
            let resources = &mut constituent.resources;
            let resource = *places.prefixes.entry((at, prefix)).or_insert_with(|| {
                resources.push(plain(prefix));
                resources.len() - 1
            });
            // A second row of a prefix names one more origin.
            let origins = &mut resources[resource].expected_origins;
            origins.extend(origin.filter(|asn| !origins.contains(asn)));
        }
    }
    Ok(())
}
