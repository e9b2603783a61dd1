//! Which exceptions from the RPKI does the operator make? SLURM files: RFC 8416, and version 2 with ASPAs
//! (draft-ietf-sidrops-aspa-slurm).
//!
//! A file is right as a whole or not at all (RFC 8416 section 3.1): a slip in a filter would change verdicts silently.
//! BGPsec members are read over, since nothing here judges BGPsec.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::map::JointPrefixMap;
use rules::bgp::Asn;
use rules::rpki::{RoaEnds, Vrp};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::input::InputError;
use crate::rpki_set::{Payload, RpkiSet, payload};

/// A file longer than this is none: every AS of the Internet filtered by name would be 8 MB.
const MOST_OCTETS: u64 = 16 << 20;

/// Filters and assertions of one file.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// By prefix, for one AS or for all (none).
    prefixes: JointPrefixMap<IpNet, Vec<Option<Asn>>>,
    origins: BTreeSet<Asn>,
    customers: BTreeSet<Asn>,
    asserted: RpkiSet,
    filters: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "slurmVersion")]
    version: u64,
    #[serde(rename = "validationOutputFilters")]
    filters: Filters,
    #[serde(rename = "locallyAddedAssertions")]
    assertions: Assertions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Filters {
    prefix_filters: Vec<PrefixFilter>,
    #[serde(rename = "bgpsecFilters")]
    _bgpsec: Vec<IgnoredAny>,
    aspa_filters: Option<Vec<AspaFilter>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Assertions {
    prefix_assertions: Vec<PrefixAssertion>,
    #[serde(rename = "bgpsecAssertions")]
    _bgpsec: Vec<IgnoredAny>,
    aspa_assertions: Option<Vec<AspaAssertion>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefixFilter {
    #[serde(default, deserialize_with = "some_prefix")]
    prefix: Option<IpNet>,
    asn: Option<u32>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AspaFilter {
    #[serde(alias = "customerAsid")]
    customer_asn: u32,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PrefixAssertion {
    #[serde(deserialize_with = "prefix")]
    prefix: IpNet,
    asn: u32,
    max_prefix_length: Option<u8>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AspaAssertion {
    #[serde(alias = "customerAsid")]
    customer_asn: u32,
    #[serde(alias = "providerAsids", alias = "providerSet")]
    provider_asns: Vec<u32>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(deserializer)?;
    let prefix: IpNet = text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a prefix")))?;
    if prefix != prefix.trunc() {
        return Err(D::Error::custom(format!(
            "{text} has bits set behind its length; did you mean {}?",
            prefix.trunc()
        )));
    }
    Ok(prefix)
}

fn some_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNet>, D::Error> {
    prefix(deserializer).map(Some)
}

/// Reads a file.
pub fn read_file(path: &str) -> Result<Exceptions, InputError> {
    let octets = std::fs::metadata(path).map_err(|error| InputError::open(path, error))?.len();
    if octets > MOST_OCTETS {
        let what = format!("is {octets} octets long; a SLURM file has {MOST_OCTETS} at most");
        return Err(InputError::content(path, what));
    }
    let bytes = std::fs::read(path).map_err(|error| InputError::open(path, error))?;
    let name = path.rsplit('/').next().unwrap_or(path);
    parse(&bytes, name).map_err(|what| InputError::content(path, what))
}

/// The same from bytes; `name` is the source of what is asserted. The error says where and what.
pub fn parse(bytes: &[u8], name: &str) -> Result<Exceptions, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| format!("is no SLURM file: {error}"))?;
    file.check()?;
    Ok(file.into_exceptions(name))
}

impl File {
    /// What types cannot say.
    fn check(&self) -> Result<(), String> {
        let has_aspas = self.filters.aspa_filters.is_some() || self.assertions.aspa_assertions.is_some();
        match (self.version, has_aspas) {
            (1, false) | (2, _) => {}
            (1, true) => return Err("has ASPAs, which need \"slurmVersion\": 2".to_owned()),
            (other, _) => return Err(format!("has slurmVersion {other}; 1 and 2 are known")),
        }
        for (i, filter) in self.filters.prefix_filters.iter().enumerate() {
            if filter.prefix.is_none() && filter.asn.is_none() {
                return Err(format!("prefixFilters[{i}] names neither a prefix nor an asn"));
            }
        }
        for (i, assertion) in self.assertions.prefix_assertions.iter().enumerate() {
            let (length, most) = (assertion.prefix.prefix_len(), assertion.prefix.max_prefix_len());
            if assertion.max_prefix_length.is_some_and(|m| !(length..=most).contains(&m)) {
                return Err(format!("prefixAssertions[{i}]: maxPrefixLength is not from {length} to {most}"));
            }
        }
        let mut customers = BTreeSet::new();
        for (i, assertion) in self.assertions.aspa_assertions.iter().flatten().enumerate() {
            if assertion.provider_asns.is_empty() {
                return Err(format!("aspaAssertions[{i}] lists no provider; [0] says that there is none"));
            }
            if !customers.insert(assertion.customer_asn) {
                return Err(format!("aspaAssertions[{i}]: AS{} stands there twice", assertion.customer_asn));
            }
        }
        Ok(())
    }

    fn into_exceptions(self, name: &str) -> Exceptions {
        let mut exceptions = Exceptions::default();
        for filter in self.filters.prefix_filters {
            exceptions.filters += 1;
            match (filter.prefix, filter.asn.map(Asn)) {
                (Some(prefix), asn) => exceptions.prefixes.entry(prefix).or_default().push(asn),
                (None, Some(asn)) => drop(exceptions.origins.insert(asn)),
                (None, None) => {}
            }
        }
        for filter in self.filters.aspa_filters.into_iter().flatten() {
            exceptions.filters += 1;
            exceptions.customers.insert(Asn(filter.customer_asn));
        }
        let source: Arc<str> = name.into();
        let vrp = |a: PrefixAssertion| Vrp {
            prefix: a.prefix,
            max_length: a.max_prefix_length.unwrap_or(a.prefix.prefix_len()),
            asn: Asn(a.asn),
            source: source.clone(),
        };
        let aspa = |a: AspaAssertion| (Asn(a.customer_asn), a.provider_asns.into_iter().map(Asn).collect());
        let vrps = self.assertions.prefix_assertions.into_iter().map(vrp).collect();
        let aspas = self.assertions.aspa_assertions.into_iter().flatten().map(aspa).collect::<BTreeMap<_, _>>();
        exceptions.asserted = RpkiSet::new(vrps, aspas);
        exceptions
    }
}

impl Exceptions {
    pub fn is_empty(&self) -> bool {
        self.filters == 0 && self.asserted == RpkiSet::default()
    }

    /// How many filters the file has.
    pub fn filters(&self) -> usize {
        self.filters
    }

    /// What the file adds.
    pub fn asserted(&self) -> &RpkiSet {
        &self.asserted
    }

    /// Filters first, then assertions, which are never filtered (RFC 8416 section 4.2); an asserted ASPA takes the place
    /// of what others say of its customer.
    pub fn apply(&self, set: &RpkiSet) -> RpkiSet {
        let kept = set.vrps().iter().filter(|vrp| !self.drops(vrp));
        let vrps = self.asserted.vrps().iter().chain(kept).cloned().collect();
        let is_kept = |customer: &Asn| !self.customers.contains(customer);
        let mut aspas: BTreeMap<Asn, Vec<Asn>> =
            set.aspas().iter().filter(|(c, _)| is_kept(c)).map(|(c, p)| (*c, p.clone())).collect();
        aspas.extend(self.asserted.aspas().clone());
        // What the operator asserts does not end with a ROA.
        let is_asserted = |of: &Payload| self.asserted.vrps().iter().any(|vrp| payload(vrp) == *of);
        let roa_ends = set.roa_ends().iter().filter(|(of, _)| !is_asserted(of));
        RpkiSet::new(vrps, aspas).with_roa_ends(RoaEnds::new(roa_ends))
    }

    /// A filter drops what is equal to its prefix or inside it, what names its AS, or what does both.
    fn drops(&self, vrp: &Vrp) -> bool {
        let mut over = self.prefixes.cover(&vrp.prefix).flat_map(|(_, filters)| filters);
        self.origins.contains(&vrp.asn) || over.any(|asn| asn.is_none_or(|asn| asn == vrp.asn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, filters: &str, assertions: &str) -> String {
        format!(
            "{{\"slurmVersion\":{version},\n\"validationOutputFilters\":{{{filters}}},\n\
             \"locallyAddedAssertions\":{{{assertions}}}}}"
        )
    }

    const NO_FILTERS: &str = r#""prefixFilters":[],"bgpsecFilters":[]"#;
    const NO_ASSERTIONS: &str = r#""prefixAssertions":[],"bgpsecAssertions":[]"#;

    fn vrp(prefix: &str, asn: u32) -> Vrp {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        Vrp { prefix, max_length: prefix.prefix_len(), asn: Asn(asn), source: "ripe".into() }
    }

    fn told(set: &RpkiSet) -> Vec<String> {
        let vrps = set.vrps().iter().map(|v| format!("{}-{} {} {}", v.prefix, v.max_length, v.asn, v.source));
        vrps.chain(set.aspas().iter().map(|(c, p)| format!("{c} {p:?}"))).collect()
    }

    #[test]
    fn filters_drop_what_they_cover_and_assertions_come_after() {
        let text = file(
            1,
            r#""prefixFilters":[{"prefix":"192.0.2.0/24","comment":"all inside"},{"asn":64496},
               {"prefix":"198.51.100.0/24","asn":64497}],"bgpsecFilters":[{"asn":64496,"SKI":"Zm8="}]"#,
            r#""prefixAssertions":[{"asn":64496,"prefix":"192.0.2.0/25","maxPrefixLength":26}],"bgpsecAssertions":[]"#,
        );
        let exceptions = parse(text.as_bytes(), "slurm.json").expect("a file");
        let given = [
            vrp("192.0.2.0/24", 64499),
            vrp("192.0.2.128/25", 64499),
            vrp("192.0.0.0/16", 64499),
            vrp("203.0.113.0/24", 64496),
            vrp("198.51.100.0/24", 64497),
            vrp("198.51.100.0/24", 64498),
        ];
        let set = exceptions.apply(&RpkiSet::new(given.to_vec(), BTreeMap::new()));
        assert_eq!(
            told(&set),
            ["192.0.0.0/16-16 AS64499 ripe", "192.0.2.0/25-26 AS64496 slurm.json", "198.51.100.0/24-24 AS64498 ripe"]
        );
        assert_eq!(exceptions.filters(), 3);
    }

    #[test]
    fn an_asserted_aspa_takes_the_place_of_the_signed_one_and_a_filter_drops_it() {
        let text = file(
            2,
            &format!(r#"{NO_FILTERS},"aspaFilters":[{{"customerAsn":64500}},{{"customerAsid":64501}}]"#),
            &format!(
                r#"{NO_ASSERTIONS},"aspaAssertions":[{{"customerAsn":64500,"providerAsns":[64510,64509]}},
                {{"customerAsn":64502,"providerAsns":[0]}}]"#
            ),
        );
        let exceptions = parse(text.as_bytes(), "slurm.json").expect("a file");
        let aspa = |customer, provider| (Asn(customer), vec![Asn(provider)]);
        let signed = [aspa(64500, 1), aspa(64501, 1), aspa(64502, 1), aspa(64503, 1)];
        let set = exceptions.apply(&RpkiSet::new(Vec::new(), signed.into()));
        assert_eq!(told(&set), ["AS64500 [Asn(64509), Asn(64510)]", "AS64502 [Asn(0)]", "AS64503 [Asn(1)]"]);
    }

    #[test]
    fn a_slip_is_told_with_its_place_and_spoils_the_file() {
        for (text, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (&file(3, NO_FILTERS, NO_ASSERTIONS), "has slurmVersion 3; 1 and 2 are known"),
            (&file(1, r#""prefixFilters":[]"#, NO_ASSERTIONS), "missing field `bgpsecFilters` at line 2"),
            (&file(1, &format!(r#"{NO_FILTERS},"prefixFilter":[]"#), NO_ASSERTIONS), "unknown field `prefixFilter`"),
            (
                &file(1, r#""prefixFilters":[{"comment":"x"}],"bgpsecFilters":[]"#, NO_ASSERTIONS),
                "prefixFilters[0] names neither a prefix nor an asn",
            ),
            (
                &file(1, r#""prefixFilters":[{"prefix":"192.0.2.1/24"}],"bgpsecFilters":[]"#, NO_ASSERTIONS),
                "192.0.2.1/24 has bits set behind its length; did you mean 192.0.2.0/24? at line 2",
            ),
            (
                &file(
                    1,
                    NO_FILTERS,
                    r#""prefixAssertions":[{"asn":1,"prefix":"192.0.2.0/24","maxPrefixLength":33}],"bgpsecAssertions":[]"#,
                ),
                "prefixAssertions[0]: maxPrefixLength is not from 24 to 32",
            ),
            (
                &file(1, NO_FILTERS, &format!(r#"{NO_ASSERTIONS},"aspaAssertions":[]"#)),
                "has ASPAs, which need \"slurmVersion\": 2",
            ),
            (
                &file(
                    2,
                    NO_FILTERS,
                    &format!(r#"{NO_ASSERTIONS},"aspaAssertions":[{{"customerAsn":1,"providerAsns":[]}}]"#),
                ),
                "aspaAssertions[0] lists no provider",
            ),
        ] {
            let found = parse(text.as_bytes(), "slurm.json").expect_err("accepted");
            assert!(found.contains(expected), "{text} gave {found:?}, not {expected:?}");
        }
    }
}
