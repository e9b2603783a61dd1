//! Frames of RIS Live.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let mut decoder = feeds::ris_live::decoder();
    let mut items = Vec::new();
    for line in data.lines() {
        let _ = decoder.frame(line, &mut items);
    }
});
