//! What is an AS called, where is its organisation registered, and which ASes are one organisation?
//!
//! All of it stands in CAIDA's as2org: one block of organisations and one of ASes as text, or JSON lines of both kinds.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rules::bgp::Asn;
use serde::Deserialize;

use crate::input::InputError;
use crate::source;

/// Characters of a name that are kept; an alert has room for no more.
const NAME: usize = 64;

/// Names and countries; each may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsNames(BTreeMap<Asn, AsName>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsName {
    /// That of the AS, or else of its organisation.
    pub name: Option<Arc<str>>,
    /// ISO 3166-1, two capital letters.
    pub country: Option<Arc<str>>,
}

impl AsNames {
    pub fn of(&self, asn: Asn) -> Option<&AsName> {
        self.0.get(&asn)
    }
}

/// All that a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct As2org {
    pub names: AsNames,
    /// ASes of one organisation. Groups and their members ascend; an AS alone is no group.
    pub siblings: Vec<Vec<Asn>>,
}

impl As2org {
    /// Reads as2org, plain, gzip or bzip2.
    pub fn read(path: &str) -> Result<Self, InputError> {
        Self::parse(&source::read_whole(path)?).map_err(|what| InputError::content(path, what))
    }

    /// The same from unpacked bytes; the error says what is wrong with them. Lines that cannot be read are left out.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        // as2org is UTF-8 with Latin-1 left over in names.
        let text = String::from_utf8_lossy(bytes);
        let mut rows = Rows::default();
        for line in text.lines().map(str::trim) {
            match line.strip_prefix("# format:") {
                Some(format) => rows.columns = format.split('|').map(|field| field.trim().to_owned()).collect(),
                None if line.starts_with('{') => rows.json(line),
                None if line.starts_with('#') => {}
                None => rows.text(line),
            }
        }
        match rows.members.is_empty() {
            true => Err("names no AS with its organisation; give CAIDA's as2org as text or JSON lines".into()),
            false => Ok(Self { siblings: rows.siblings(), names: rows.names() }),
        }
    }
}

/// Name and country of an organisation, or name and organisation of an AS.
#[derive(Default)]
struct Rows {
    columns: Vec<String>,
    organisations: HashMap<String, (String, String)>,
    ases: BTreeMap<Asn, (String, String)>,
    /// By organisation.
    members: BTreeMap<String, Vec<Asn>>,
}

impl Rows {
    fn text(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let field = |name: &str| {
            let at = self.columns.iter().position(|column| column == name)?;
            fields.get(at).map(|text| (*text).to_owned())
        };
        let organisation = field("org_id").unwrap_or_default();
        if let Some(asn) = field("aut") {
            if let Ok(asn) = asn.parse() {
                self.add(asn, field("aut_name").unwrap_or_default(), organisation);
            }
        } else if let Some(name) = field("org_name") {
            self.organisations.insert(organisation, (name, field("country").unwrap_or_default()));
        }
    }

    fn json(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            asn: Option<Cow<'a, str>>,
            #[serde(borrow, rename = "organizationId")]
            organisation: Cow<'a, str>,
            #[serde(borrow, default)]
            name: Cow<'a, str>,
            #[serde(borrow, default)]
            country: Cow<'a, str>,
        }
        let Ok(Row { asn, organisation, name, country }) = serde_json::from_str(line) else { return };
        match asn.map(|asn| asn.parse()) {
            Some(Ok(asn)) => self.add(asn, name.into(), organisation.into()),
            Some(Err(_)) => {}
            None => drop(self.organisations.insert(organisation.into(), (name.into(), country.into()))),
        }
    }

    fn add(&mut self, asn: Asn, name: String, organisation: String) {
        if !organisation.is_empty() {
            self.members.entry(organisation.clone()).or_default().push(asn);
        }
        self.ases.insert(asn, (name, organisation));
    }

    fn siblings(&mut self) -> Vec<Vec<Asn>> {
        let mut groups: Vec<Vec<Asn>> = std::mem::take(&mut self.members).into_values().collect();
        for group in &mut groups {
            group.sort_unstable();
            group.dedup();
        }
        groups.retain(|group| group.len() > 1);
        groups.sort_unstable();
        groups
    }

    fn names(self) -> AsNames {
        let unknown = (String::new(), String::new());
        let named = |(asn, (own, organisation)): (Asn, (String, String))| {
            let (of_organisation, country) = self.organisations.get(&organisation).unwrap_or(&unknown);
            let name = if own.is_empty() { of_organisation } else { &own };
            let name: String = name.chars().take(NAME).collect();
            let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic());
            let country = is_country.then(|| country.to_ascii_uppercase().into());
            (asn, AsName { name: (!name.is_empty()).then(|| name.into()), country })
        };
        AsNames(self.ases.into_iter().map(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: Option<&str>, country: Option<&str>) -> AsName {
        AsName { name: name.map(Into::into), country: country.map(Into::into) }
    }

    #[test]
    fn text_names_ases_by_their_organisation_whichever_block_stands_first() {
        let organisations =
            "# format:org_id|changed|org_name|country|source\nORG-A|20200101|Example Ltd|zz|RIPE\nORG-B||B|Zambia|X\n";
        let ases = "# format:aut|changed|aut_name|org_id|opaque_id|source\n64500|20200101|EXAMPLE-AS|ORG-A||RIPE\n\
                    64501|20200101||ORG-A||RIPE\n64502||LONELY|ORG-C||X\n64503||B-AS|ORG-B||X\nx||y|z||X\n";
        for text in [format!("{organisations}{ases}"), format!("{ases}{organisations}")] {
            let As2org { names, siblings } = As2org::parse(text.as_bytes()).expect("as2org");
            assert_eq!(siblings, [[Asn(64500), Asn(64501)]]);
            assert_eq!(names.of(Asn(64500)), Some(&name(Some("EXAMPLE-AS"), Some("ZZ"))));
            assert_eq!(names.of(Asn(64501)), Some(&name(Some("Example Ltd"), Some("ZZ"))));
            assert_eq!(names.of(Asn(64502)), Some(&name(Some("LONELY"), None)));
            assert_eq!(names.of(Asn(64503)), Some(&name(Some("B-AS"), None)), "a country is two letters");
            assert_eq!(names.of(Asn(64504)), None);
        }
    }

    #[test]
    fn json_lines_name_the_same() {
        let text = r#"{"organizationId":"ORG-A","name":"Example \"Ltd\"","country":"ZZ","type":"Organization"}
            {"asn":"64502","organizationId":"ORG-A","name":"\u00e9","type":"ASN"}
            {"asn":"64500","organizationId":"ORG-A","name":"","type":"ASN"}
            {"asn":"none","organizationId":"ORG-A"}
            {"asn":64501}"#;
        let As2org { names, siblings } = As2org::parse(text.as_bytes()).expect("as2org");
        assert_eq!(siblings, [[Asn(64500), Asn(64502)]]);
        assert_eq!(names.of(Asn(64502)), Some(&name(Some("é"), Some("ZZ"))));
        assert_eq!(names.of(Asn(64500)), Some(&name(Some("Example \"Ltd\""), Some("ZZ"))));
        assert_eq!(names.of(Asn(64501)), None);
    }

    #[test]
    fn bytes_that_are_no_text_in_names_and_blocks_of_older_files_are_read_as_well() {
        let text = b"# format:org_id|changed|org_name|country|source\nORG-A|20200101|Caf\xe9|ZZ|RIPE\n\
            # format:aut|changed|aut_name|org_id|source\n64501||A|ORG-A|RIPE\n64500|||ORG-A|RIPE\n64502||B|ORG-B|RIPE\n";
        let read = As2org::parse(text).expect("as2org");
        assert_eq!(read.siblings, [[Asn(64500), Asn(64501)]]);
        assert_eq!(read.names.of(Asn(64500)), Some(&name(Some("Caf\u{fffd}"), Some("ZZ"))));
    }

    #[test]
    fn whatever_is_no_as2org_is_said() {
        for bytes in [&b""[..], b"\xff\xfe|", b"64500|a|b", b"# format:\n|||", b"{}", b"64500 64501"] {
            assert!(As2org::parse(bytes).is_err_and(|why| why.starts_with("names no AS")));
        }
    }
}
