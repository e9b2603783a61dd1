//! Do the walk and the parser read every message of real files alike?

use std::io::Read;

use bytes::Bytes;

use super::attributes::rib_attributes;
use super::*;
use crate::data::data;

fn unpacked(path: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut stream = crate::source::open(&data(path)?.display().to_string()).expect("a file").stream;
    // Some of the files are cut off.
    let _ = stream.read_to_end(&mut octets);
    Some(octets)
}

/// Type, subtype and body of each whole record.
fn records(mut octets: &[u8]) -> impl Iterator<Item = ((u16, u16), &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = octets.split_first_chunk::<12>()?;
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let length = usize::from(number(8)) << 16 | usize::from(number(10));
        let (body, rest) = rest.split_at_checked(length)?;
        octets = rest;
        Some(((number(4), number(6)), body))
    })
}

const SESSION: Session = Session { peer_as: Asn(64500), four_octets: true, add_path: AddPath::NONE, internal: true };

#[test]
fn updates_are_walked_as_they_are_parsed() {
    let Some(octets) = unpacked("mrt/bgp-rs/updates.20190101.0000.gz") else { return };
    let (mut known, mut walked, mut all) = (Known::default(), 0, 0);
    for (_, body) in records(&octets).filter(|(kind, _)| matches!(kind, (16, 4))) {
        let addresses = if body[11] == 1 { 8 } else { 32 };
        let message = &body[12 + addresses..];
        if message[18] != UPDATE {
            continue;
        }
        all += 1;
        let Some(heard) = plain::read(&message[HEADER..], &SESSION, &mut known) else { continue };
        walked += 1;
        let parsed = update_by_parser(Bytes::copy_from_slice(&message[HEADER..]), &SESSION).expect("parsed");
        assert_eq!(format!("{heard:?}"), format!("{parsed:?}"));
    }
    assert!(walked * 100 > all * 98, "{walked} of {all}");
}

#[test]
fn rib_entries_are_walked_as_they_are_parsed() {
    for file in ["mrt/pyasn/rib.20140523.0600_firstMB.bz2", "mrt/pyasn/rib6.20151101.0600_firstMB.bz2"] {
        let Some(octets) = unpacked(file) else { return };
        let (mut known, mut walked, mut all) = (Known::default(), 0, 0);
        for (_, body) in records(&octets).filter(|(kind, _)| matches!(kind, (13, 2 | 4))) {
            let mut entries = &body[5 + usize::from(body[4]).div_ceil(8) + 2..];
            while let Some((head, rest)) = entries.split_first_chunk::<8>() {
                let (section, rest) = rest.split_at(usize::from(u16::from_be_bytes([head[6], head[7]])));
                entries = rest;
                all += 1;
                let Some(read) = plain::rib_attributes(section, &SESSION, &mut known) else { continue };
                walked += 1;
                let (parsed, otc) = rib_attributes(Bytes::copy_from_slice(section), &SESSION).expect("parsed");
                assert_eq!(read, (Arc::new(parsed), otc));
            }
        }
        assert!(walked * 100 > all * 98, "{walked} of {all}");
    }
}
