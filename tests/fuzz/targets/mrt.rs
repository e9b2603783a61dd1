//! MRT records behind a well-formed header, so that the fuzzer spends its time on bodies.
#![no_main]

use feeds::input::{Use, from_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (kind, subtype, body) = data;
    // TABLE_DUMP, TABLE_DUMP_V2, BGP4MP, BGP4MP_ET (RFC 6396 section 4).
    let kind = [12u16, 13, 16, 17][usize::from(kind) % 4];
    let mut record = Vec::with_capacity(12 + body.len());
    record.extend(1_546_300_800u32.to_be_bytes());
    record.extend(kind.to_be_bytes());
    record.extend(u16::from(subtype % 16).to_be_bytes());
    record.extend((body.len() as u32).to_be_bytes());
    record.extend(body);
    if let Ok(reader) = from_bytes(record.into(), "fuzz", Use::Seed) {
        reader.for_each(drop);
    }
});
