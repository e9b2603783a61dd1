//! Who sells to whom, according to this file?
//!
//! CAIDA serial-1 and serial-2, ProbLink and TopoScope write `a|b|relation`. Who belongs together stands in [`crate::as2org`].

use rules::bgp::{Asn, Timestamp};
use rules::relations::Relation;

use crate::input::InputError;
use crate::source;
use crate::vrp_file::{REJECTED_ROWS, RejectedRow};

/// The rows of one relationship file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelationsFile {
    /// What the second is to the first.
    pub edges: Vec<(Asn, Asn, Relation)>,
    /// The transit-free ASes the inference started from.
    pub clique: Vec<Asn>,
    /// Route servers of exchanges.
    pub ixps: Vec<Asn>,
    /// The day of the paths it was inferred from, where the file or its name says so.
    pub as_of: Option<Timestamp>,
    pub rejected_count: u64,
    /// The first [`REJECTED_ROWS`] lines that could not be read.
    pub rejected: Vec<RejectedRow>,
}

/// Reads AS relationships, plain, gzip or bzip2.
pub fn read_relations(path: &str) -> Result<RelationsFile, InputError> {
    let mut file = parse_relations(&source::read_whole(path)?).map_err(|what| InputError::content(path, what))?;
    let name = path.rsplit('/').next().unwrap_or(path);
    file.as_of = file.as_of.or_else(|| name.split(|c: char| !c.is_ascii_digit()).find_map(day));
    Ok(file)
}

/// The same from unpacked bytes; the error says what is wrong with them.
pub fn parse_relations(bytes: &[u8]) -> Result<RelationsFile, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut file = RelationsFile::default();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            file.comment(comment.trim());
        } else if !line.is_empty() {
            match edge(line) {
                Ok(edge) => file.edges.push(edge),
                Err(why) => file.reject(i + 1, &why),
            }
        }
    }
    match file.edges.is_empty() {
        true => Err("holds no AS relationship; expected lines such as 64496|64497|-1".into()),
        false => Ok(file),
    }
}

impl RelationsFile {
    fn comment(&mut self, comment: &str) {
        let asns = |list: &str| list.split([' ', ',']).filter_map(|asn| asn.parse().ok()).collect();
        if let Some(list) = comment.strip_prefix("input clique:") {
            self.clique = asns(list);
        } else if let Some(list) = comment.strip_prefix("IXP ASes:") {
            self.ixps = asns(list);
        } else if let Some(source) = comment.strip_prefix("source:") {
            self.as_of = self.as_of.max(source.split('|').filter_map(day).max());
        }
    }

    fn reject(&mut self, line: usize, why: &str) {
        self.rejected_count += 1;
        if self.rejected.len() < REJECTED_ROWS {
            self.rejected.push(RejectedRow::new(format!("line {line}"), why));
        }
    }
}

/// `20161101` as the start of that day, `201611` as that of its month.
fn day(text: &str) -> Option<Timestamp> {
    if !matches!(text.len(), 6 | 8) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let day = if text.len() == 8 { &text[6..] } else { "01" };
    Timestamp::parse(&format!("{}-{}-{day}T00:00:00Z", &text[..4], &text[4..6]))
}

/// `provider|customer|-1`, `peer|peer|0` or `sibling|sibling|1`; serial-2 adds its source.
fn edge(line: &str) -> Result<(Asn, Asn, Relation), String> {
    let mut fields = line.split('|').map(str::trim);
    let mut asn = || -> Result<Asn, String> {
        let field = fields.next().unwrap_or_default();
        field.parse().map_err(|error: rules::bgp::BadAsn| error.to_string())
    };
    let (first, second) = (asn()?, asn()?);
    if first == second {
        return Err(format!("{first} stands on both sides"));
    }
    let relation = match fields.next() {
        Some("-1") => Relation::Customer,
        Some("0") => Relation::LateralPeer,
        Some("1") => Relation::Sibling,
        other => return Err(format!("\"{}\" is no relation; expected -1, 0 or 1", other.unwrap_or_default())),
    };
    Ok((first, second, relation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_1_says_provider_first_and_names_its_clique() {
        let text = "# source:topology|BGP|20161101|routeviews|rv2\n# input clique: 64496 64497\n# IXP ASes: 64511\n\
                    64496|64500|-1\n64496|64497|0\n64500|64501|2\nnonsense\n64500|64500|0\n";
        let file = parse_relations(text.as_bytes()).expect("relations");
        assert_eq!(
            file.edges,
            [(Asn(64496), Asn(64500), Relation::Customer), (Asn(64496), Asn(64497), Relation::LateralPeer)]
        );
        assert_eq!((file.clique, file.ixps), (vec![Asn(64496), Asn(64497)], vec![Asn(64511)]));
        assert_eq!(file.as_of, Timestamp::parse("2016-11-01T00:00:00Z"));
        let rows: Vec<_> = file.rejected.iter().map(|row| row.row.as_str()).collect();
        assert_eq!(rows, ["line 6", "line 7", "line 8"]);
        assert_eq!(file.rejected[0].why, "\"2\" is no relation; expected -1, 0 or 1");
    }

    #[test]
    fn serial_2_and_problink_are_read_too() {
        let file = parse_relations(b"64496|64500|-1|bgp\n64496|64501|0|mlp\n64502|64503|1\n").expect("relations");
        assert_eq!(file.edges[2], (Asn(64502), Asn(64503), Relation::Sibling));
        assert_eq!((file.edges.len(), file.rejected_count), (3, 0));
        assert!(parse_relations(b"# nothing\n").is_err());
    }

    #[test]
    fn the_day_may_stand_in_the_name_of_the_file() {
        let days = ["20190101", "201708", "2019", "20191301"].map(day);
        let said = |text| Timestamp::parse(text);
        assert_eq!(days, [said("2019-01-01T00:00:00Z"), said("2017-08-01T00:00:00Z"), None, None]);
    }
}
