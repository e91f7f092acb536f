//! lastgood: deduplicated, encrypted, versioned snapshots of model checkpoints and datasets.
//!
//! The house has floors; a line may call only downward, and rooms on one floor do not see each other.
//!
//! ```text
//! 5  main                                  process: runtime, signals, exit code
//! 4  cli                                   words in, words out
//! 3  flows                                 backup, restore, verify, ls, cat: one room a verb
//! 2  repo | sources | targets              objects in a store | what is backed up | where a restore goes
//! 1  codec | records                       plaintext to stored bytes | the values that objects hold
//!    formats < frameworks                  what a file says of its tensors | which files make a checkpoint
//! 0  spec < id < error < progress, memory, tensor  the ground
//! ```

pub mod cli;
pub mod codec;
pub mod error;
pub mod flows;
pub mod formats;
pub mod frameworks;
pub mod id;
pub mod memory;
pub mod progress;
pub mod records;
pub mod repo;
pub mod sources;
pub mod spec;
pub mod targets;
pub mod tensor;
