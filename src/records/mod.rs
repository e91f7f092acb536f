//! Records: the plain values that objects hold, and their bytes. Pure and sync.

pub mod config;
pub mod manifest;
pub mod model;
pub mod page;
pub mod slot;
pub mod snapshot;
pub mod verdict;
