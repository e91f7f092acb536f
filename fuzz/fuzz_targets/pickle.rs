//! Reads bytes as a pickle: as the metadata of a PyTorch distributed checkpoint.
#![no_main]

use lastgood::formats::dcp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dcp::shards(bytes);
});
