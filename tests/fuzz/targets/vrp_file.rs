//! VRP and ASPA files in all their shapes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = feeds::vrp_file::parse(data, None);
});
