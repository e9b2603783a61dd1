//! Which VRPs are in this CSV?

use rules::bgp::Timestamp;

use super::rows::{Rows, VrpRow};

/// Where the columns are; the order of validators unless a header says otherwise.
struct Columns {
    asn: usize,
    prefix: usize,
    max_length: usize,
    source: Option<usize>,
    expires: Option<usize>,
}

/// Reads rows of `ASN,IP Prefix,Max Length,Trust Anchor[,Expires]`. The error says what is wrong with the file.
pub(super) fn read(text: &str, rows: &mut Rows) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut columns = Columns { asn: 0, prefix: 1, max_length: 2, source: Some(3), expires: Some(4) };
    let mut record = csv::StringRecord::new();
    let mut first = true;
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) if std::mem::take(&mut first) => match Columns::named(&record) {
                Some(named) => {
                    columns = named;
                    rows.has_vrps();
                }
                // Without a header the first row must be one of ours.
                None => {
                    row(&record, &columns, rows).map_err(|_| "is neither JSON nor a CSV of VRPs".to_owned())?;
                    rows.has_vrps();
                }
            },
            Ok(true) => {
                if let Err(why) = row(&record, &columns, rows) {
                    rows.reject(|| line(&record), &why);
                }
            }
            Err(error) => rows.reject(|| line(&record), &error.to_string()),
        }
    }
}

fn line(record: &csv::StringRecord) -> String {
    format!("line {}", record.position().map_or(0, csv::Position::line))
}

impl Columns {
    /// By their names; none if this is no header.
    fn named(record: &csv::StringRecord) -> Option<Self> {
        let names: Vec<String> = record.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let find = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        Some(Self {
            asn: find(&["asn", "as", "origin as"])?,
            prefix: find(&["ip prefix", "prefix"])?,
            max_length: find(&["max length", "maxlength", "max_length"])?,
            source: find(&["trust anchor", "ta"]),
            expires: find(&["expires", "not after"]),
        })
    }
}

fn row(record: &csv::StringRecord, columns: &Columns, rows: &mut Rows) -> Result<(), String> {
    let cell = |column: usize| record.get(column).map(str::trim).filter(|cell| !cell.is_empty());
    let asn = cell(columns.asn).ok_or("no ASN")?.parse().map_err(|error: rules::bgp::BadAsn| error.to_string())?;
    let max_length = match cell(columns.max_length) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| format!("maxLength \"{text}\" is not a number"))?),
    };
    let expires = match columns.expires.and_then(cell) {
        None => None,
        Some(text) => Some(time(text).ok_or_else(|| format!("\"{text}\" is not a time"))?),
    };
    let prefix = cell(columns.prefix).ok_or("no prefix")?;
    rows.vrp(&VrpRow { asn, prefix, max_length, source: columns.source.and_then(cell), expires, ends: None })
}

/// Seconds, RFC 3339, or `2020-01-01 00:00:00` in UTC.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{}Z", text.replace(' ', "T"))))
}
