//! Relation and sibling files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = feeds::relations_file::parse_relations(data);
    let _ = feeds::as2org::As2org::parse(data);
});
