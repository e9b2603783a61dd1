//! Do any bytes at all end in items and counts, never in a panic or a heap of memory?

mod data;

use std::io::{Read, Write};

use data::data;
use feeds::as2org::As2org;
use feeds::input::{Use, from_bytes};
use feeds::relations_file::parse_relations;
use feeds::ris_live::decoder;
use feeds::{counts::kind, slurm, vrp_file, vrp_poll};
use proptest::prelude::*;

/// Octets to put at places, and where to cut: what damage does to a file.
#[derive(Clone, Debug)]
struct Damage {
    at: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
}

const SLURM: &str = r#"{"slurmVersion":2,"validationOutputFilters":{"prefixFilters":[{"prefix":"192.0.2.0/24","asn":64496},
    {"asn":64497,"comment":"x"}],"bgpsecFilters":[],"aspaFilters":[{"customerAsn":64500}]},"locallyAddedAssertions":{
    "prefixAssertions":[{"asn":64496,"prefix":"2001:db8::/32","maxPrefixLength":48}],"bgpsecAssertions":[],
    "aspaAssertions":[{"customerAsn":64500,"providerAsns":[64501,0]}]}}"#;

fn damage() -> impl Strategy<Value = Damage> {
    let at = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40);
    let cut = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (at, cut).prop_map(|(at, cut)| Damage { at, cut })
}

impl Damage {
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, octet) in &self.at {
            let at = at.index(bytes.len());
            bytes[at] = *octet;
        }
        if let Some(cut) = &self.cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    }
}

/// Reads it all. Routes are never more than octets.
fn read_all(bytes: Vec<u8>) {
    let octets = bytes.len();
    for used_as in [Use::Seed, Use::Updates] {
        let Ok(mut reader) = from_bytes(bytes.clone().into(), "x", used_as) else { continue };
        let items = reader.by_ref().take(octets + 1).count();
        assert!(items <= octets, "{items} items of {octets} octets");
    }
}

/// Real records of each type, a few kilobytes of them.
fn samples() -> Vec<Vec<u8>> {
    [
        "mrt/bgp-rs/updates.20190101.0000.gz",
        "mrt/bgpdump/test_data/updates.et-header.2015.gz",
        "mrt/bgpdump/test_data/bview.ipv4_unicast_add_path.gz",
        "mrt/bgpdump/test_data/bview.20020722.2337.gz",
        "mrt/bgpkit-parser/ripe/rrc00/2000.01/updates.20000102.2014.gz",
        "mrt/bgpkit-parser/ripe/rrc00/2000.01/bview.20000111.0032.gz",
        "mrt/mrtparse/quagga_bgp",
        "mrt/bgpipe/sample.mrt",
    ]
    .iter()
    .filter_map(|path| data(path))
    .map(|path| {
        let file = std::fs::File::open(&path).expect("a file");
        let mut bytes = Vec::new();
        let plain: Box<dyn Read> = match path.extension().is_some_and(|extension| extension == "gz") {
            true => Box::new(flate2::read::MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        plain.take(6_000).read_to_end(&mut bytes).expect("bytes");
        bytes
    })
    .collect()
}

/// A header in front of anything.
fn record(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let mut record = vec![0x5a; 4];
    record.extend(kind.to_be_bytes());
    record.extend(subtype.to_be_bytes());
    record.extend((body.len() as u32).to_be_bytes());
    record.extend(body);
    record
}

/// An UPDATE around anything.
fn update(attributes: &[u8], announced: &[u8]) -> Vec<u8> {
    let mut body = [0, 0, 0xfb, 0xf4, 0, 0, 0xfb, 0xf0, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2].to_vec();
    body.extend([0xff; 16]);
    body.extend((23 + attributes.len() as u16 + announced.len() as u16).to_be_bytes());
    body.extend([2, 0, 0]);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(announced);
    body
}

/// Path attributes with sound frames and any content.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let one = (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(one, 0..8).prop_map(|list| {
        let mut section = Vec::new();
        for (flags, code, value) in list {
            // Codes that are known come more often.
            let code = if code > 60 { code % 42 } else { code };
            section.extend([flags & 0xe0, code, value.len() as u8]);
            section.extend(value);
        }
        section
    })
}

const JSON: &str = r#"{"metadata":{"generated":1700000000},"roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":24,"ta":"x","expires":1}],"aspas":[{"customer":64496,"providers":["AS64497"]}]}"#;
const FRAME: &str = r#"{"type":"ris_message","data":{"timestamp":1700000000.08,"peer":"192.0.2.1","peer_asn":"64500","host":"rrc00","type":"UPDATE","path":[64500,[64501]],"community":[[65535,666]],"announcements":[{"next_hop":"192.0.2.1","prefixes":["192.0.2.0/24"]}],"withdrawals":["2001:db8::/32"]}}"#;
const RECORDING: &str = concat!(
    r#"{"bgpwarden":"events/1","version":"0"}"#,
    "\n",
    r#"{"seq":0,"at":1,"event":{"vantage":{"id":0,"collector":"x","peer_as":64500,"peer_address":"192.0.2.1"}}}"#,
    "\n",
    r#"{"seq":1,"at":1,"event":{"update":{"vantage":0,"seen":1,"announced":["192.0.2.0/24"],"path":[64500,{"set":[1]}]}}}"#,
    "\n",
);
const RELATIONS: &str =
    "# input clique: 64496\n64496|64500|-1|bgp\n# format:aut|changed|aut_name|org_id|source\n64500|x|y|ORG|z\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_all(bytes.clone());
        let _ = vrp_file::parse(&bytes, None);
        let _ = parse_relations(&bytes);
        let _ = As2org::parse(&bytes);
    }

    #[test]
    fn any_body_under_any_type(kind in 0u16..20, subtype in 0u16..14, body in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(record(kind, subtype, &body));
    }

    #[test]
    fn any_attributes_and_prefixes(attributes in attributes(), announced in prop::collection::vec(any::<u8>(), 0..40), subtype in prop::sample::select(vec![4u16, 9])) {
        read_all(record(16, subtype, &update(&attributes, &announced)));
    }

    #[test]
    fn damaged_frames_and_files(damage in damage()) {
        let text = |whole: &str| String::from_utf8_lossy(&damage.of(whole.as_bytes())).into_owned();
        let mut items = Vec::new();
        let _ = decoder().frame(&text(FRAME), &mut items);
        read_all(damage.of(FRAME.as_bytes()));
        read_all(damage.of(RECORDING.as_bytes()));
        let _ = vrp_file::parse(&damage.of(JSON.as_bytes()), None);
        let _ = vrp_poll::read(&damage.of(JSON.as_bytes()), None, rules::bgp::Timestamp(0));
        if let Ok(exceptions) = slurm::parse(&damage.of(SLURM.as_bytes()), "slurm.json") {
            let _ = exceptions.apply(exceptions.asserted());
        }
        let _ = parse_relations(&damage.of(RELATIONS.as_bytes()));
        let _ = As2org::parse(&damage.of(RELATIONS.as_bytes()));
    }
}

#[test]
fn damaged_real_records() {
    let samples = samples();
    if samples.is_empty() {
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 256, ..ProptestConfig::default() });
    let which = (0..samples.len(), damage());
    runner
        .run(&which, |(i, damage)| {
            read_all(damage.of(&samples[i]));
            Ok(())
        })
        .expect("no damage that panics");
}

#[test]
fn a_cut_archive_gives_what_was_in_it_and_one_error() {
    let Some(whole) = samples().into_iter().nth(1) else { return };
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&whole).expect("packed");
    let gz = packer.finish().expect("packed");
    let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    packer.write_all(&whole).expect("packed");
    let bz2 = packer.finish().expect("packed");
    for cut in [gz[..gz.len() * 3 / 4].to_vec(), bz2[..bz2.len() - 4].to_vec()] {
        let mut reader = from_bytes(cut.into(), "x", Use::Updates).expect("the head of a file");
        reader.by_ref().for_each(drop);
        let errors: Vec<_> = reader.counts().errors.iter().map(|(kind, n)| (*kind, *n)).collect();
        assert_eq!(errors, [(kind::TRUNCATED, 1)]);
        assert!(reader.counts().elements > 0);
    }
}
