//! What does this file say the RPKI holds?
//!
//! The JSON of Routinator, rpki-client, Cloudflare and NTT, lists and maps of ASPAs, and the CSV of validators.
//! A bad row is named and left out; the others stay.

mod csv_rows;
mod json;
mod rows;

use std::collections::BTreeMap;

use rules::bgp::{Asn, Timestamp};
use rules::rpki::{RoaEnds, Vrp};

use crate::input::InputError;
use crate::source;

pub use rows::RejectedRow;
use rows::Rows;

/// The rows of one VRP or ASPA file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpkiFile {
    pub vrps: Vec<Vrp>,
    /// Providers by customer, ascending.
    pub aspas: BTreeMap<Asn, Vec<Asn>>,
    /// VRPs that end soon by themselves.
    pub roa_ends: RoaEnds,
    /// When the validator made it, where the file says so.
    pub as_of: Option<Timestamp>,
    /// When the first of the rows that are here expires.
    pub next_expiry: Option<Timestamp>,
    /// Rows left out because they had expired.
    pub expired: u64,
    /// The first [`REJECTED_ROWS`] rows that could not be read.
    pub rejected: Vec<RejectedRow>,
    pub rejected_count: u64,
    /// A list of VRPs was there, even an empty one.
    pub has_vrps: bool,
    /// A list of ASPAs was there, even an empty one.
    pub has_aspas: bool,
}

/// Rejected rows that are named; the count beside them is exact.
pub const REJECTED_ROWS: usize = 100;

/// Reads a VRP or ASPA file, plain, gzip or bzip2. Rows that expire before `expire_at` are left out; none keeps all.
pub fn read_file(path: &str, expire_at: Option<Timestamp>) -> Result<RpkiFile, InputError> {
    let bytes = source::read_whole(path)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    unpacked(&bytes, name, expire_at).map_err(|what| InputError::content(path, what))
}

/// The same from bytes. VRPs that name no trust anchor get the source `file`.
pub fn parse(bytes: &[u8], expire_at: Option<Timestamp>) -> Result<RpkiFile, InputError> {
    let bytes = source::unpack(bytes, "file")?;
    unpacked(&bytes, "file", expire_at).map_err(|what| InputError::content("file", what))
}

fn unpacked(bytes: &[u8], name: &str, expire_at: Option<Timestamp>) -> Result<RpkiFile, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut rows = Rows::new(name, expire_at);
    match text.as_bytes().first() {
        None => return Err("is empty; nothing can be read from it".into()),
        Some(b'{' | b'[') => json::read(text, &mut rows).map_err(|error| {
            format!("is not whole JSON ({error}); fetch it again, a part of the VRPs would give false verdicts")
        })?,
        Some(_) => csv_rows::read(text, &mut rows)?,
    }
    let file = rows.finish();
    if !file.has_vrps && !file.has_aspas {
        return Err("holds neither VRPs nor ASPAs; give the JSON or CSV output of a validator".into());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> RpkiFile {
        parse(text.as_bytes(), None).expect("a readable file")
    }

    fn vrps(file: &RpkiFile) -> Vec<String> {
        file.vrps.iter().map(|v| format!("{} {} {} {}", v.prefix, v.max_length, v.asn.0, v.source)).collect()
    }

    fn aspas(file: &RpkiFile) -> Vec<(u32, Vec<u32>)> {
        file.aspas.iter().map(|(c, providers)| (c.0, providers.iter().map(|p| p.0).collect())).collect()
    }

    #[test]
    fn routinator_json_has_text_as_numbers_and_providers() {
        let file = file(
            r#"{"metadata":{"generated":1700000000,"generatedTime":"2023-11-14T22:13:20Z"},
            "roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":24,"ta":"ripe"}],
            "routerKeys":[{"asn":"AS64496","SKI":"00","routerPublicKey":"","ta":"ripe"}],
            "aspas":[{"customer":"AS64496","providers":["AS64498","AS64497"],"ta":"ripe"}]}"#,
        );
        assert_eq!(vrps(&file), ["192.0.2.0/24 24 64496 ripe"]);
        assert_eq!(aspas(&file), [(64496, vec![64497, 64498])]);
        assert_eq!(file.as_of, Some(Timestamp::from_secs(1_700_000_000)));
        assert_eq!(file.rejected_count, 0);
    }

    #[test]
    fn jsonext_names_the_trust_anchor_in_its_sources() {
        let file = file(
            r#"{"roas":[{"asn":"AS64496","prefix":"2001:db8::/32","maxLength":48,
            "source":[{"type":"roa","tal":"arin","uri":"rsync://x"}]}]}"#,
        );
        assert_eq!(vrps(&file), ["2001:db8::/32 48 64496 arin"]);
        assert!(file.has_vrps && !file.has_aspas);
    }

    #[test]
    fn jsonext_says_when_the_last_roa_of_a_vrp_ends() {
        let row = |third: u8, sources: &str| {
            format!(r#"{{"asn":"AS64496","prefix":"192.0.2.{third}/32","maxLength":32,"source":[{sources}]}}"#)
        };
        let roa = |end: &str| {
            let chain = r#""chainValidity":{"notBefore":"2023-11-01T00:00:00Z","notAfter":"2023-11-15T00:00:00Z"}"#;
            format!(
                r#"{{"type":"roa","tal":"ripe","validity":{{"notBefore":"2023-01-01T00:00:00Z","notAfter":"{end}"}},{chain}}}"#
            )
        };
        let (near, later, far) = ("2023-11-20T00:00:00Z", "2023-11-25T00:00:00Z", "2024-11-20T00:00:00Z");
        let rows = [
            row(1, &roa(near)),
            row(2, &format!("{},{}", roa(near), roa(later))),
            row(3, &roa(far)),
            row(4, &format!(r#"{},{{"type":"exception","path":"local"}}"#, roa(near))),
            row(5, r#"{"type":"roa","tal":"ripe","uri":"rsync://x"}"#),
        ];
        let text = format!(r#"{{"metadata":{{"generated":1700000000}},"roas":[{}]}}"#, rows.join(","));
        let ends: Vec<String> =
            file(&text).roa_ends.iter().map(|((prefix, ..), end)| format!("{prefix} {end}")).collect();
        assert_eq!(ends, ["192.0.2.1/32 2023-11-20T00:00:00.000Z", "192.0.2.2/32 2023-11-25T00:00:00.000Z"]);
    }

    #[test]
    fn the_end_of_a_chain_is_no_end_of_a_roa() {
        let text = r#"{"metadata":{"buildtime":"2023-11-14T22:13:20Z"},
            "roas":[{"asn":64496,"prefix":"192.0.2.0/24","maxLength":24,"ta":"ripe","expires":1700010000}]}"#;
        assert!(file(text).roa_ends.is_empty());
    }

    #[test]
    fn rpki_client_counts_aspas_in_its_metadata_and_lists_them_beside() {
        let text = r#"{"metadata":{"buildtime":"2025-07-20T09:31:33Z","aspas":2,"roas":1},
            "roas":[{"asn":64496,"prefix":"192.0.2.0/24","maxLength":25,"ta":"ripe","expires":1753070425}],
            "bgpsec_keys":[],"aspas":[{"customer_asid":64500,"expires":1753070425,"providers":[64501]},
            {"customer_asid":64502,"expires":1753070500,"providers":[0]}]}"#;
        let whole = file(text);
        assert_eq!(aspas(&whole), [(64500, vec![64501]), (64502, vec![0])]);
        assert_eq!(whole.as_of, Timestamp::parse("2025-07-20T09:31:33Z"));
        let later = parse(text.as_bytes(), Some(Timestamp::from_secs(1_753_070_426))).expect("a readable file");
        assert_eq!(later.expired, 2);
        assert_eq!(aspas(&later), [(64502, vec![0])]);
        assert!(later.has_vrps && later.vrps.is_empty());
    }

    #[test]
    fn aspas_by_address_family_are_united() {
        let file = file(
            r#"{"aspas":{"ipv4":[{"customer_asid":64500,"providers":[64501]}],
            "ipv6":[{"customer_asid":64500,"providers":[64502]}]}}"#,
        );
        assert_eq!(aspas(&file), [(64500, vec![64501, 64502])]);
    }

    #[test]
    fn aspas_come_alone_as_a_list_or_as_a_map_too() {
        for text in [
            r#"[{"customer":"as64500","providers":["AS64501",64502]}]"#,
            r#"{"aspas":[{"customer_asid":64500,"providers":[64502,64501,64501]}]}"#,
            r#"{"64500":[64501,64502]}"#,
            r#"{"AS64500":["AS64501","AS64502"]}"#,
            r#"{"aspas":{"64500":[64501,64502]}}"#,
        ] {
            let file = file(text);
            assert_eq!(aspas(&file), [(64500, vec![64501, 64502])], "{text}");
            assert!(file.has_aspas && !file.has_vrps, "{text}");
        }
    }

    #[test]
    fn a_missing_max_length_is_the_length_of_the_prefix() {
        let file = file(
            r#"{"roas":[{"asn":"64496","prefix":"192.0.2.0/24","ta":"x"},
            {"asn":64496,"prefix":"198.51.100.0/24","max_length":26,"ta":"x"}]}"#,
        );
        assert_eq!(vrps(&file), ["192.0.2.0/24 24 64496 x", "198.51.100.0/24 26 64496 x"]);
    }

    #[test]
    fn bad_rows_are_named_and_the_others_stay() {
        let file = file(
            r#"{"roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":33,"ta":"x"},
            {"asn":"ASX","prefix":"192.0.2.0/24"}, 7, {"asn":64496,"prefix":"192.0.2.1/24"},
            {"asn":64496}, {"asn":{},"prefix":[]},
            {"asn":64496,"prefix":"192.0.2.0/24","ta":"ripe"}],
            "aspas":[{"customer":"AS64500","providers":["AS64501","x"]},{"providers":[]}]}"#,
        );
        assert_eq!(vrps(&file), ["192.0.2.0/24 24 64496 ripe"]);
        assert!(file.aspas.is_empty());
        assert_eq!(file.rejected_count, 8);
        let rows: Vec<_> = file.rejected.iter().map(|r| r.row.as_str()).collect();
        assert_eq!(rows, ["roas[0]", "roas[1]", "roas[2]", "roas[3]", "roas[4]", "roas[5]", "aspas[0]", "aspas[1]"]);
        assert_eq!(file.rejected[0].why, "maxLength 33 does not fit 192.0.2.0/24");
    }

    #[test]
    fn csv_columns_are_found_by_their_names() {
        let plain = file("ASN,IP Prefix,Max Length,Trust Anchor\nAS64496,192.0.2.0/24,24,ripe\n");
        assert_eq!(vrps(&plain), ["192.0.2.0/24 24 64496 ripe"]);
        let expiring = "ASN,IP Prefix,Max Length,Trust Anchor,Expires\nAS64496,192.0.2.0/24,,ripe,1753070425\n\
                        AS64497,2001:db8::/32,48,arin,1753070500\nnonsense\n";
        let file = parse(expiring.as_bytes(), Some(Timestamp::from_secs(1_753_070_426))).expect("a readable file");
        assert_eq!(vrps(&file), ["2001:db8::/32 48 64497 arin"]);
        assert_eq!((file.expired, file.rejected_count), (1, 1));
        assert_eq!(file.rejected[0].row, "line 4");
        let bare = parse(b"64496,192.0.2.0/24,24,lacnic\n", None).expect("a readable file");
        assert_eq!(vrps(&bare), ["192.0.2.0/24 24 64496 lacnic"]);
        let archive = parse(
            b"URI,ASN,IP Prefix,Max Length,Not Before,Not After\nrsync://x,AS64496,192.0.2.0/24,24,2019-01-01 00:00:00,2020-01-01 00:00:00\n",
            Some(Timestamp::from_secs(1_600_000_000)),
        );
        assert_eq!(archive.expect("a readable file").expired, 1);
    }

    #[test]
    fn a_part_of_a_file_is_an_error() {
        let error = parse(br#"{"roas":[{"asn":64496,"prefix":"192.0.2.0/24"}"#, None).expect_err("half a file");
        assert!(error.to_string().contains("not whole JSON"), "{error}");
        for nothing in ["", "{}", "[]x", "hello"] {
            assert!(parse(nothing.as_bytes(), None).is_err(), "{nothing:?}");
        }
    }
}
