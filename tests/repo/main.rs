//! The library against memory and disk: what goes in comes out, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checkpoints;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod damage;
mod deltas;
mod hostile;
mod local;
mod restore;
mod round_trip;
mod sources;
mod tensors;
