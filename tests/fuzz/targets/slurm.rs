//! SLURM files, and what they make of a set.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(exceptions) = feeds::slurm::parse(data, "slurm.json") {
        let _ = exceptions.apply(exceptions.asserted());
    }
});
