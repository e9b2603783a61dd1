//! Anything that `replay` may be given: kind and compression are told by the content.
#![no_main]

use feeds::input::{Use, from_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(reader) = from_bytes(bytes::Bytes::copy_from_slice(data), "fuzz", Use::Updates) {
        reader.for_each(drop);
    }
});
