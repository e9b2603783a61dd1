//! By what is an incident found again?
//!
//! Its number grows with the time it began, so every list is in that order and a place in it is a number. The ASes, the
//! prefixes and the watched networks it names are its marks, taken from the alert as it was sent: so incidents of an
//! older file, of an import and of this minute are found the same way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use rules::bgp::Timestamp;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde::Deserialize;

/// Numbers of one second, as a power of two: 16 million incidents, many times what the desk may hold at all.
const NUMBERS_A_SECOND: u32 = 24;

/// What kind of mark; the number stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Prefix = 1,
    Suspect = 2,
    Victim = 3,
    Constituent = 4,
    Country = 5,
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

/// What an incident is marked with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Number(i64),
    Bytes(Vec<u8>),
    Text(String),
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl FromSql for Value {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self::Number(number)),
            ValueRef::Blob(bytes) => Ok(Self::Bytes(bytes.to_owned())),
            text => String::column_result(text).map(Self::Text),
        }
    }
}

/// Family, first address and length of a prefix. Prefixes sort so that all that lie in one stand behind it without a gap.
pub fn key(prefix: &IpNet) -> Value {
    bytes(prefix, prefix.prefix_len())
}

/// The last key that can lie in a prefix: that of its last address.
pub fn last_key(prefix: &IpNet) -> Value {
    let last = IpNet::new(prefix.broadcast(), prefix.max_prefix_len());
    last.map_or_else(|_| key(prefix), |last| bytes(&last, prefix.max_prefix_len()))
}

/// The prefix of a key.
pub fn prefix_of(key: &[u8]) -> Option<IpNet> {
    let (family, rest) = key.split_first()?;
    let (length, address) = rest.split_last()?;
    let address: IpAddr = match family {
        4 => <[u8; 4]>::try_from(address).ok()?.into(),
        6 => <[u8; 16]>::try_from(address).ok()?.into(),
        _ => return None,
    };
    IpNet::new(address, *length).ok()
}

fn bytes(prefix: &IpNet, length: u8) -> Value {
    let mut key = Vec::with_capacity(18);
    match prefix {
        IpNet::V4(net) => {
            key.push(4);
            key.extend(net.network().octets());
        }
        IpNet::V6(net) => {
            key.push(6);
            key.extend(net.network().octets());
        }
    }
    key.push(length);
    Value::Bytes(key)
}

/// What an alert says that incidents are found by; an alert that says less is found by less.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    started: Option<String>,
    prefixes: Vec<String>,
    suspect_ases: Vec<u32>,
    victim_ases: Vec<u32>,
    constituents: Vec<Constituent>,
    as_info: Vec<AsInfo>,
}

#[derive(Debug, Deserialize)]
struct Constituent {
    name: String,
}

#[derive(Debug, Deserialize)]
struct AsInfo {
    asn: u32,
    country: Option<String>,
}

/// The marks of an alert, and when its incident began.
#[derive(Debug, Default)]
pub struct Marks {
    pub started: Option<Timestamp>,
    all: BTreeSet<(i64, Value)>,
}

impl Marks {
    pub fn of(json: &str) -> Self {
        let named: Named = serde_json::from_str(json).unwrap_or_default();
        let asn = |kind: Kind| move |asn: u32| (kind as i64, Value::Number(asn.into()));
        let prefixes = named.prefixes.iter().filter_map(|prefix| prefix.parse::<IpNet>().ok());
        let mut all: BTreeSet<_> = prefixes.map(|prefix| (Kind::Prefix as i64, key(&prefix))).collect();
        let concerns = |info: &AsInfo| named.suspect_ases.contains(&info.asn) || named.victim_ases.contains(&info.asn);
        let countries = named.as_info.iter().filter(|info| concerns(info)).filter_map(|info| info.country.clone());
        all.extend(countries.map(|country| (Kind::Country as i64, Value::Text(country))));
        all.extend(named.suspect_ases.into_iter().map(asn(Kind::Suspect)));
        all.extend(named.victim_ases.into_iter().map(asn(Kind::Victim)));
        all.extend(named.constituents.into_iter().map(|c| (Kind::Constituent as i64, Value::Text(c.name))));
        Self { started: named.started.as_deref().and_then(Timestamp::parse), all }
    }

    /// Gives an incident these marks. What it is no longer suspected of goes; prefixes that belonged to it once stay.
    pub fn write(&self, connection: &Connection, incident: i64) -> rusqlite::Result<()> {
        let mut read = connection.prepare_cached("SELECT kind, value FROM marks WHERE incident = ?1")?;
        let before = read.query_map([incident], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let before: BTreeSet<(i64, Value)> = before.collect::<rusqlite::Result<_>>()?;
        let mut add = connection.prepare_cached("INSERT INTO marks (kind, value, incident) VALUES (?1, ?2, ?3)")?;
        for (kind, value) in self.all.difference(&before) {
            add.execute(params![kind, value, incident])?;
        }
        let mut remove =
            connection.prepare_cached("DELETE FROM marks WHERE kind = ?1 AND value = ?2 AND incident = ?3")?;
        for (kind, value) in before.difference(&self.all).filter(|(kind, _)| *kind != Kind::Prefix as i64) {
            remove.execute(params![kind, value, incident])?;
        }
        Ok(())
    }
}

/// The least number of an incident that begins at `time` or later.
pub fn first_number(time: Timestamp) -> i64 {
    const MOST_SECS: i64 = 1 << (62 - NUMBERS_A_SECOND);
    time.secs().clamp(0, MOST_SECS) << NUMBERS_A_SECOND
}

/// The next free number of an incident that begins at `started`.
pub fn next_number(connection: &Connection, started: Timestamp) -> rusqlite::Result<i64> {
    let first = first_number(started);
    let end = first + (1 << NUMBERS_A_SECOND);
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(number) FROM incidents WHERE number >= ?1 AND number < ?2")?
        .query_row([first, end], |row| row.get(0))?;
    Ok(newest.map_or(first, |newest| newest + 1))
}

/// Takes over the incidents of a file that had neither numbers nor marks.
pub fn number_all(connection: &Connection) -> rusqlite::Result<()> {
    take_over(connection)?;
    connection.execute_batch("DROP TABLE incidents_before")
}

fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut incidents = connection.prepare("SELECT id, sequence, time FROM incidents_before ORDER BY id")?;
    let mut latest = connection.prepare("SELECT json FROM transitions WHERE incident = ?1 AND sequence = ?2")?;
    let mut copy = connection.prepare(
        "INSERT INTO incidents (number, id, sequence, status, class, severity, time, stored)
         SELECT ?2, id, sequence, status, class, severity, time, stored FROM incidents_before WHERE id = ?1",
    )?;
    let mut rows = incidents.query([])?;
    while let Some(row) = rows.next()? {
        let (id, sequence, time): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let json: Option<String> = latest.query_row(params![id, sequence], |row| row.get(0)).optional()?;
        let marks = Marks::of(&json.unwrap_or_default());
        let number = next_number(connection, marks.started.unwrap_or(Timestamp(time)))?;
        copy.execute(params![id, number])?;
        marks.write(connection, number)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn what_lies_in_a_prefix_stands_between_its_key_and_its_last_key() {
        for outer in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.1/32"] {
            for inner in ["192.0.2.0/24", "192.0.2.0/23", "192.0.2.0/25", "192.0.2.255/32", "192.0.3.0/24", "::/0"] {
                let (outer, inner) = (net(outer), net(inner));
                let stands_between = (key(&outer)..=last_key(&outer)).contains(&key(&inner));
                assert_eq!(stands_between, outer.contains(&inner), "{outer} {inner}");
                let Value::Bytes(bytes) = key(&inner) else { panic!("a key is octets") };
                assert_eq!(prefix_of(&bytes), Some(inner));
            }
        }
    }

    #[test]
    fn numbers_grow_with_the_beginning_and_never_meet() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE incidents (number INTEGER PRIMARY KEY)").expect("made");
        let mut given = BTreeSet::new();
        for secs in [5, 4, 5, -7, -8, 5] {
            let number = next_number(&connection, Timestamp::from_secs(secs)).expect("a number");
            connection.execute("INSERT INTO incidents VALUES (?1)", [number]).expect("free");
            assert!(number >= first_number(Timestamp::from_secs(secs)) && given.insert(number));
        }
        assert!(first_number(Timestamp::from_secs(4)) < first_number(Timestamp::from_secs(5)));
    }

    #[test]
    fn countries_are_those_of_suspects_and_victims() {
        let marks = Marks::of(
            r#"{"suspect_ases":[64511],"victim_ases":[64496],"as_info":[{"asn":64511,"country":"ZZ"},
                {"asn":64496,"country":null},{"asn":64500,"country":"XX"}]}"#,
        );
        let countries: Vec<_> = marks.all.iter().filter(|(kind, _)| *kind == Kind::Country as i64).collect();
        assert_eq!(countries, [&(5, Value::Text("ZZ".into()))]);
    }

    #[test]
    fn an_alert_that_cannot_be_read_has_no_marks() {
        for text in ["", "[]", "{\"prefixes\":3}", "{\"prefixes\":[\"x\"]}"] {
            assert!(Marks::of(text).all.is_empty(), "{text}");
        }
    }
}
