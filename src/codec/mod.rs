//! Codec: plaintext to stored bytes and back: cutting, coding, sealing. Pure and sync.

mod against;
pub mod coding;
pub mod crypto;
pub mod cutter;
#[cfg(target_arch = "aarch64")]
mod cutter_neon;
#[cfg(target_arch = "x86_64")]
mod cutter_x86;
pub mod delta;
pub mod envelope;
pub mod finite;
mod hint;
pub mod kdf;
pub mod pack;
pub mod pieces;
mod planes;
mod probe;
mod zstd_frame;
