//! Reads bytes as a TensorFlow saved model, and as the index of a TensorFlow checkpoint.
#![no_main]

use lastgood::formats::{of, read_slice, tensorflow};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(format) = of(b"saved_model.pb", bytes) {
        let _ = read_slice(format, bytes);
    }
    let _ = tensorflow::shards(bytes);
});
