//! lastgood
#![allow(missing_docs)]
pub mod error;
pub mod id;
pub mod progress;
pub mod spec;
