//! Which VRPs and ASPAs are in this JSON?
//!
//! Lists are walked row by row, so that one bad row costs one row and no tree is built of a large file.

use std::borrow::Cow;
use std::fmt;

use rules::bgp::{Asn, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::rows::{Rows, VrpRow};

/// Reads a whole document. Rows are collected up to where it breaks.
pub(super) fn read(text: &str, rows: &mut Rows) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Document(rows).deserialize(&mut deserializer)?;
    deserializer.end()
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, alias = "customer_asid", alias = "customer_asn", alias = "customerAsn", alias = "customerAsid")]
    customer: Option<Number<'a>>,
    #[serde(borrow, alias = "provider_asns", alias = "providerAsns")]
    providers: Option<Vec<Number<'a>>>,
    #[serde(borrow)]
    asn: Option<Number<'a>>,
    #[serde(borrow)]
    prefix: Option<Cow<'a, str>>,
    #[serde(rename = "maxLength", alias = "max_length", alias = "maxlength")]
    max_length: Option<u64>,
    #[serde(borrow, alias = "tal")]
    ta: Option<Cow<'a, str>>,
    expires: Option<i64>,
    #[serde(borrow, default, deserialize_with = "origins")]
    source: Origins<'a>,
}

/// Which objects a row comes from.
#[derive(Default)]
struct Origins<'a> {
    tal: Option<Cow<'a, str>>,
    /// When the last of them ends by itself; none if one of them may last.
    ends: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Plain(u32),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn asn(&self) -> Result<Asn, String> {
        match self {
            Self::Plain(asn) => Ok(Asn(*asn)),
            Self::Text(text) => text.parse().map_err(|error: rules::bgp::BadAsn| error.to_string()),
        }
    }
}

/// `source` of Routinator's jsonext: a list of objects that name their TAL and the validity of their own certificate;
/// elsewhere a word.
fn origins<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Origins<'a>, D::Error> {
    #[derive(Deserialize)]
    struct Validity<'a> {
        #[serde(borrow, rename = "notAfter")]
        not_after: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize)]
    struct Origin<'a> {
        #[serde(borrow)]
        tal: Option<Cow<'a, str>>,
        #[serde(borrow)]
        validity: Option<Validity<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Source<'a> {
        #[serde(borrow)]
        Word(Cow<'a, str>),
        #[serde(borrow)]
        Origins(Vec<Origin<'a>>),
        Other(IgnoredAny),
    }
    Ok(match Source::deserialize(deserializer)? {
        Source::Word(word) => Origins { tal: Some(word), ends: None },
        Source::Origins(objects) => {
            let end = |o: &Origin<'_>| Timestamp::parse(o.validity.as_ref()?.not_after.as_ref()?);
            let ends: Option<Vec<Timestamp>> = objects.iter().map(end).collect();
            let ends = ends.and_then(|ends| ends.into_iter().max());
            Origins { tal: objects.into_iter().find_map(|object| object.tal), ends }
        }
        Source::Other(_) => Origins::default(),
    })
}

/// What a list or map is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Roas,
    Aspas,
    /// The document itself, as a list: its rows say what they are.
    Rows,
}

impl Member {
    fn word(self) -> &'static str {
        match self {
            Self::Roas => "roas",
            Self::Aspas => "aspas",
            Self::Rows => "rows",
        }
    }
}

struct Document<'r>(&'r mut Rows);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with roas or aspas, or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List { rows: self.0, member: Member::Rows }.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "roas" | "vrps" => {
                    self.0.has_vrps();
                    map.next_value_seed(List { rows: self.0, member: Member::Roas })?;
                }
                "aspas" => {
                    self.0.has_aspas();
                    map.next_value_seed(List { rows: self.0, member: Member::Aspas })?;
                }
                "metadata" => self.0.as_of(as_of(map.next_value::<&RawValue>()?)),
                customer => match customer.parse() {
                    Ok(customer) => {
                        self.0.has_aspas();
                        providers(self.0, customer, map.next_value::<&RawValue>()?);
                    }
                    Err(_) => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        Ok(())
    }
}

/// The rows of `roas` or `aspas`.
struct List<'r> {
    rows: &'r mut Rows,
    member: Member,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.member.word())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0usize;
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if let Err(why) = row(self.rows, raw.get(), self.member) {
                self.rows.reject(|| format!("{}[{index}]", self.member.word()), &why);
            }
            index += 1;
        }
        Ok(())
    }

    /// ASPAs by address family (old rpki-client), or a map of customers.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (&*key, key.parse()) {
                ("ipv4" | "ipv6", _) => map.next_value_seed(List { rows: self.rows, member: self.member })?,
                (_, Ok(customer)) => providers(self.rows, customer, map.next_value::<&RawValue>()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

fn row(rows: &mut Rows, raw: &str, member: Member) -> Result<(), String> {
    let row: Row<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let expires = row.expires.map(Timestamp::from_secs);
    if row.customer.is_some() || member == Member::Aspas {
        let customer = row.customer.ok_or("no customer")?.asn()?;
        let providers = row.providers.ok_or("no providers")?;
        // Half a provider set would make its other half leakers.
        let providers = providers.iter().map(Number::asn).collect::<Result<_, _>>()?;
        rows.has_aspas();
        rows.aspa(customer, providers, expires);
        return Ok(());
    }
    let asn = row.asn.ok_or("no asn")?.asn()?;
    let prefix = row.prefix.ok_or("no prefix")?;
    let source = row.ta.as_deref().or(row.source.tal.as_deref());
    rows.has_vrps();
    rows.vrp(&VrpRow { asn, prefix: &prefix, max_length: row.max_length, source, expires, ends: row.source.ends })
}

/// One entry of a map `customer: [providers]`.
fn providers(rows: &mut Rows, customer: Asn, raw: &RawValue) {
    let list = serde_json::from_str::<Vec<Number<'_>>>(raw.get()).map_err(|error| error.to_string());
    match list.and_then(|list| list.iter().map(Number::asn).collect()) {
        Ok(providers) => rows.aspa(customer, providers, None),
        Err(why) => rows.reject(|| customer.to_string(), &why),
    }
}

/// When the validator ran; its metadata differ, and none of them is needed.
fn as_of(raw: &RawValue) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        generated: Option<i64>,
        #[serde(borrow, rename = "generatedTime")]
        generated_time: Option<Cow<'a, str>>,
        #[serde(borrow)]
        buildtime: Option<Cow<'a, str>>,
    }
    let metadata: Metadata<'_> = serde_json::from_str(raw.get()).ok()?;
    let text = metadata.generated_time.or(metadata.buildtime);
    metadata.generated.map(Timestamp::from_secs).or_else(|| Timestamp::parse(&text?))
}
