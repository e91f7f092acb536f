//! Reads bytes as a file of the format that the target is called after.
#![no_main]

use lastgood::formats::{HEAD, of, read_slice};
use libfuzzer_sys::fuzz_target;

const NAME: &str = concat!("ckpt.", env!("CARGO_BIN_NAME"));

fuzz_target!(|bytes: &[u8]| {
    if let Some(format) = of(NAME.as_bytes(), &bytes[..bytes.len().min(HEAD)]) {
        let _ = read_slice(format, bytes);
    }
});
