//! Who sells to whom, and which ASes are one organisation, according to this file?
//!
//! CAIDA serial-1 and serial-2, ProbLink and TopoScope write `a|b|relation`; CAIDA as2org comes as text and as JSON lines.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rules::bgp::{Asn, Timestamp};
use rules::relations::Relation;
use serde::Deserialize;

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

/// Reads groups of ASes of one organisation, as2org text or JSON lines, plain, gzip or bzip2. Groups and their
/// members ascend; an AS alone is no group.
pub fn read_siblings(path: &str) -> Result<Vec<Vec<Asn>>, InputError> {
    parse_siblings(&source::read_whole(path)?).map_err(|what| InputError::content(path, what))
}

/// The same from unpacked bytes; the error says what is wrong with them.
pub fn parse_siblings(bytes: &[u8]) -> Result<Vec<Vec<Asn>>, String> {
    // as2org is UTF-8 with Latin-1 left over in names, which do not matter here.
    let text = String::from_utf8_lossy(bytes);
    let mut organisations = Organisations::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("# format:") {
            Some(format) => organisations.format(format),
            None if line.starts_with('#') => {}
            None if line.starts_with('{') => organisations.json(line),
            None => organisations.text(line),
        }
    }
    match organisations.members.is_empty() {
        true => Err("names no AS with its organisation; give CAIDA's as2org as text or JSON lines".into()),
        false => Ok(organisations.groups()),
    }
}

#[derive(Default)]
struct Organisations {
    members: BTreeMap<String, Vec<Asn>>,
    /// Columns of the AS number and the organisation in the block that is read; none in other blocks.
    columns: Option<(usize, usize)>,
}

impl Organisations {
    fn format(&mut self, format: &str) {
        let find = |name| format.split('|').position(|field| field.trim() == name);
        self.columns = find("aut").zip(find("org_id"));
    }

    fn text(&mut self, line: &str) {
        let Some((asn, organisation)) = self.columns else { return };
        let field = |i| line.split('|').nth(i).map(str::trim);
        if let (Some(Ok(asn)), Some(organisation)) = (field(asn).map(str::parse), field(organisation)) {
            self.add(asn, organisation);
        }
    }

    fn json(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            asn: Option<Cow<'a, str>>,
            #[serde(borrow, rename = "organizationId")]
            organisation: Cow<'a, str>,
        }
        if let Ok(Row { asn: Some(asn), organisation }) = serde_json::from_str(line)
            && let Ok(asn) = asn.parse()
        {
            self.add(asn, &organisation);
        }
    }

    fn add(&mut self, asn: Asn, organisation: &str) {
        if organisation.is_empty() {
            return;
        }
        match self.members.get_mut(organisation) {
            Some(members) => members.push(asn),
            None => drop(self.members.insert(organisation.to_owned(), vec![asn])),
        }
    }

    fn groups(self) -> Vec<Vec<Asn>> {
        let mut groups: Vec<Vec<Asn>> = self.members.into_values().collect();
        for group in &mut groups {
            group.sort_unstable();
            group.dedup();
        }
        groups.retain(|group| group.len() > 1);
        groups.sort_unstable();
        groups
    }
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

    #[test]
    fn as2org_groups_the_ases_of_one_organisation() {
        let text = b"# format:org_id|changed|org_name|country|source\nORG-A|20200101|Caf\xe9|ZZ|RIPE\n\
            # format:aut|changed|aut_name|org_id|opaque_id|source\n64501|20200101|A|ORG-A||RIPE\n\
            64500|20200101|A|ORG-A||RIPE\n64502|20200101|B|ORG-B||RIPE\n";
        assert_eq!(parse_siblings(text), Ok(vec![vec![Asn(64500), Asn(64501)]]));
        let older = b"# format:aut|changed|aut_name|org_id|source\n64501||A|O|X\n64500||A|O|X\n";
        assert_eq!(parse_siblings(older), Ok(vec![vec![Asn(64500), Asn(64501)]]));
    }

    #[test]
    fn as2org_json_lines_give_the_same_groups() {
        let text = br#"{"organizationId":"ORG-A","name":"A","country":"ZZ","type":"Organization"}
            {"asn":"64501","organizationId":"ORG-A","name":"\u00e9","type":"ASN"}
            {"asn":"64500","organizationId":"ORG-A","type":"ASN"}"#;
        assert_eq!(parse_siblings(text), Ok(vec![vec![Asn(64500), Asn(64501)]]));
        assert!(parse_siblings(b"64500 64501").is_err());
    }
}
